/* One value of msgpack at a time, both ways; for the codec alone.
 *
 * Reading: a cursor over bytes of a stranger. A value's head is read with whatever the format
 * says, and nothing is believed: a text must lie whole within the bytes, a list or map cannot
 * have more members than bytes are left, and each head costs one unit of the cursor's budget, so
 * that no message takes longer than its reader allows. Slices point into the bytes read.
 *
 * Writing: a sink is a packer of msgpack-c that fills a struct buf. The first error is kept and
 * ends the writing; who opened the sink asks for it once, with wire_close. */
#ifndef PROTO_WIRE_H
#define PROTO_WIRE_H

#include "common/buf.h"
#include "common/err.h"

#include <msgpack/pack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wire_type {
    WIRE_NIL,
    WIRE_BOOL,
    WIRE_INT,  /* fits int64_t */
    WIRE_HUGE, /* an integer above INT64_MAX */
    WIRE_FLOAT,
    WIRE_TEXT,
    WIRE_BYTES,
    WIRE_LIST,
    WIRE_MAP,
    WIRE_EXT,
};

struct wire_value {
    enum wire_type type;
    bool           truth;   /* WIRE_BOOL */
    int64_t        number;  /* WIRE_INT */
    uint64_t       huge;    /* WIRE_HUGE */
    struct slice   content; /* WIRE_TEXT, WIRE_BYTES */
    uint32_t       count;   /* members of a WIRE_LIST, pairs of a WIRE_MAP; they follow */
};

struct wire_cursor {
    const unsigned char *at;
    const unsigned char *end;
    size_t               budget; /* heads that may still be read */
};

void wire_cursor_init(struct wire_cursor *cursor, struct slice bytes, size_t budget);
/* False when the bytes end in the middle, are no msgpack or the budget is used up. */
bool wire_read(struct wire_cursor *cursor, struct wire_value *out);
/* Passes over the members of a list or map that was just read, at most `depth` levels deep with
 * it; what has no members is left as it is. */
bool        wire_skip(struct wire_cursor *cursor, const struct wire_value *value, size_t depth);
const char *wire_type_name(enum wire_type type); /* "a text", for the texts of faults */

struct wire_sink {
    msgpack_packer packer;
    struct buf    *out;
    size_t         start; /* what `out` held before */
    enum err       err;
};

void               wire_open(struct wire_sink *sink, struct buf *out);
void               wire_fail(struct wire_sink *sink, enum err err);
void               wire_add_text(struct wire_sink *sink, struct slice text);
static inline void wire_add_name(struct wire_sink *sink, const char *text)
{
    wire_add_text(sink, slice_from(text));
}
void wire_add_bytes(struct wire_sink *sink, const void *bytes, size_t n);
void wire_add_int(struct wire_sink *sink, int64_t number);
void wire_add_unsigned(struct wire_sink *sink, uint64_t number);
void wire_add_bool(struct wire_sink *sink, bool truth);
void wire_add_map(struct wire_sink *sink, size_t pairs); /* its head; at most 65,535 */
/* After an error `out` holds again what it held before wire_open. */
ERR_MUST_USE enum err wire_close(struct wire_sink *sink);

#endif
