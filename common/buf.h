/* Bounded memory: a slice looks at bytes, a buf owns growing bytes up to a hard maximum, an arena
 * gives memory for one request and takes it all back at once. */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed bytes; valid as long as what they point into. Text slices are UTF-8 without NUL. */
struct slice {
    const char *at;
    size_t      n;
};

static inline struct slice slice_of(const char *at, size_t n)
{
    return (struct slice){ .at = at, .n = n };
}

/* Of a C string; NULL gives an empty slice. Here, so that the length of a literal is no work. */
static inline struct slice slice_from(const char *text)
{
    return slice_of(text, text != NULL ? strlen(text) : 0);
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.at, b.at, a.n) == 0);
}

static inline bool slice_is(struct slice a, const char *text)
{
    return slice_equal(a, slice_from(text));
}

bool slice_is_utf8(struct slice a); /* well-formed, no control characters but \n and \t */
/* Bytes of the first character, 0 when there is none or it is not well-formed UTF-8. */
size_t slice_char(struct slice a, uint32_t *code);
bool   char_is_control(uint32_t code); /* C0, DEL and C1: what a terminal would obey */
/* Copies into a C string of `size` bytes; cuts at a character's border. Returns out. */
char *slice_copy(struct slice a, char *out, size_t size);

/* Grows by doubling up to `max` bytes; past that buf_* return ERR_message_too_large and the
 * content stays as it was. There is no NUL behind the content. buf_free allows NULL content, and
 * the buffer may be used again after it. */
struct buf {
    char  *at;
    size_t n;
    size_t capacity;
    size_t max;
};

void                  buf_init(struct buf *buf, size_t max);
void                  buf_free(struct buf *buf);
void                  buf_clear(struct buf *buf); /* keeps the memory */
ERR_MUST_USE enum err buf_reserve(struct buf *buf, size_t more);
ERR_MUST_USE enum err buf_add(struct buf *buf, const void *bytes, size_t n);
ERR_MUST_USE enum err buf_print(struct buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* One block taken at start, handed out from its front, aligned to 16 bytes; NULL when used up. */
struct arena {
    char  *at;
    size_t used;
    size_t size;
};

ERR_MUST_USE enum err arena_init(struct arena *arena, size_t size);
void                  arena_free(struct arena *arena);
void                  arena_reset(struct arena *arena);
void *arena_take(struct arena *arena, size_t n); /* zeroed; NULL when the arena is used up */

#endif
