/* Slices, bounded buffers and the arena.
 *
 * Every size that can come from outside is compared before it is added, so that no sum wraps. A
 * buffer has one byte behind its capacity, which is there for the NUL that vsnprintf insists on;
 * so a buffer with a maximum of 10 does hold 10 bytes of printed text. */
#include "common/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"

enum { BUF_FIRST = 256, ARENA_ALIGN = 16 };

bool char_is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0);
}

size_t slice_char(struct slice a, uint32_t *code)
{
    const unsigned char *at = (const unsigned char *)a.at;
    uint32_t             value;
    uint32_t             least;
    size_t               n;

    if (a.n == 0)
        return 0;
    if (at[0] < 0x80) {
        *code = at[0];
        return 1;
    }
    if (at[0] >= 0xc2 && at[0] < 0xe0) {
        n = 2;
        least = 0x80;
        value = at[0] & 0x1f;
    } else if (at[0] >= 0xe0 && at[0] < 0xf0) {
        n = 3;
        least = 0x800;
        value = at[0] & 0x0f;
    } else if (at[0] >= 0xf0 && at[0] < 0xf5) {
        n = 4;
        least = 0x10000;
        value = at[0] & 0x07;
    } else {
        return 0;
    }
    if (a.n < n)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (at[i] & 0x3f);
    }
    if (value < least || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
        return 0;
    *code = value;
    return n;
}

bool slice_is_utf8(struct slice a)
{
    while (a.n > 0) {
        uint32_t code = (unsigned char)a.at[0];
        size_t   n = code >= 0x20 && code < 0x7f ? 1 : slice_char(a, &code);

        if (n == 0 || (char_is_control(code) && code != '\n' && code != '\t'))
            return false;
        a = slice_of(a.at + n, a.n - n);
    }
    return true;
}

char *slice_copy(struct slice a, char *out, size_t size)
{
    size_t n = a.n;

    CHECK(size > 0);
    if (n > size - 1) {
        n = size - 1;
        while (n > 0 && ((unsigned char)a.at[n] & 0xc0) == 0x80)
            n--;
    }
    if (n > 0)
        memcpy(out, a.at, n);
    out[n] = '\0';
    return out;
}

void buf_init(struct buf *buf, size_t max)
{
    CHECK(max < SIZE_MAX);
    *buf = (struct buf){ .max = max };
}

void buf_free(struct buf *buf)
{
    free(buf->at);
    buf->at = NULL;
    buf->n = 0;
    buf->capacity = 0;
}

void buf_clear(struct buf *buf)
{
    buf->n = 0;
}

enum err buf_reserve(struct buf *buf, size_t more)
{
    size_t capacity = buf->capacity;
    size_t need;
    char  *at;

    CHECK(buf->n <= buf->capacity || buf->capacity == 0);
    if (more > buf->max - buf->n)
        return ERR_message_too_large;
    need = buf->n + more;
    if (buf->at != NULL && need <= capacity)
        return ERR_none;
    if (capacity == 0)
        capacity = BUF_FIRST;
    while (capacity < need && capacity <= buf->max / 2)
        capacity *= 2;
    if (capacity < need || capacity > buf->max)
        capacity = buf->max;
    at = realloc(buf->at, capacity + 1);
    if (at == NULL)
        return ERR_memory;
    buf->at = at;
    buf->capacity = capacity;
    return ERR_none;
}

enum err buf_add(struct buf *buf, const void *bytes, size_t n)
{
    TRY(buf_reserve(buf, n));
    if (n > 0)
        memcpy(buf->at + buf->n, bytes, n);
    buf->n += n;
    return ERR_none;
}

enum err buf_print(struct buf *buf, const char *format, ...)
{
    va_list arguments;
    int     length;

    va_start(arguments, format);
    length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0)
        return ERR_internal;
    TRY(buf_reserve(buf, (size_t)length));
    va_start(arguments, format);
    length = vsnprintf(buf->at + buf->n, (size_t)length + 1, format, arguments);
    va_end(arguments);
    if (length < 0)
        return ERR_internal;
    buf->n += (size_t)length;
    return ERR_none;
}

enum err arena_init(struct arena *arena, size_t size)
{
    size_t rounded = size - size % ARENA_ALIGN;

    *arena = (struct arena){ 0 };
    CHECK(rounded > 0);
    arena->at = aligned_alloc(ARENA_ALIGN, rounded);
    if (arena->at == NULL)
        return ERR_memory;
    arena->size = rounded;
    return ERR_none;
}

void arena_free(struct arena *arena)
{
    free(arena->at);
    *arena = (struct arena){ 0 };
}

void arena_reset(struct arena *arena)
{
    arena->used = 0;
}

void *arena_take(struct arena *arena, size_t n)
{
    size_t left = arena->size - arena->used;
    char  *at;

    /* What is left is a multiple of the alignment, so rounding up below still fits. */
    if (arena->at == NULL || n > left)
        return NULL;
    at = arena->at + arena->used;
    arena->used += (n + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
    return memset(at, 0, n);
}
