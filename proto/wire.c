/* The bytes of msgpack: reading heads, passing over members, writing; what is rare and long is
 * written by msgpack-c's packer.
 *
 * msgpack-c's unpacker is not used for reading: it builds a tree of objects and takes memory by
 * the sizes that the message claims, before the bytes are there to prove them. Here a head is
 * decoded in place and nothing is taken from anywhere, so the worst that a message can do is to
 * be refused.
 *
 * The rule: no length from the wire is added to a pointer before it was compared with what is
 * left. */
#include "proto/wire.h"

#include <endian.h>
#include <string.h>

#include "common/check.h"
#include "common/limits.h"

enum { TEXT_SHORT_MAX = 31, MAP_SHORT_MAX = 15 }; /* their length is in the first byte */

void wire_cursor_init(struct wire_cursor *cursor, struct slice bytes, size_t budget)
{
    *cursor = (struct wire_cursor){ .at = (const unsigned char *)bytes.at, .budget = budget };
    cursor->end = bytes.n > 0 ? cursor->at + bytes.n : cursor->at;
}

static size_t wire_left(const struct wire_cursor *cursor)
{
    return cursor->at == cursor->end ? 0 : (size_t)(cursor->end - cursor->at);
}

/* Big-endian; false when fewer than n bytes are left. */
static bool read_number(struct wire_cursor *cursor, size_t n, uint64_t *out)
{
    uint64_t value = 0;

    if (wire_left(cursor) < n)
        return false;
    for (size_t i = 0; i < n; i++)
        value = value << 8 | cursor->at[i];
    cursor->at += n;
    *out = value;
    return true;
}

static bool read_content(struct wire_cursor *cursor, struct wire_value *out, enum wire_type type,
                         uint64_t n)
{
    if (wire_left(cursor) < n)
        return false;
    out->type = type;
    out->content = slice_of((const char *)cursor->at, (size_t)n);
    cursor->at += n;
    return true;
}

static bool read_sized(struct wire_cursor *cursor, struct wire_value *out, enum wire_type type,
                       size_t size)
{
    uint64_t n;

    return read_number(cursor, size, &n) && read_content(cursor, out, type, n);
}

/* Every member takes a byte at least, so a count beyond the bytes left is a lie. */
static bool read_count(const struct wire_cursor *cursor, struct wire_value *out,
                       enum wire_type type, uint64_t n)
{
    if (n > wire_left(cursor) / (type == WIRE_MAP ? 2 : 1))
        return false;
    out->type = type;
    out->count = (uint32_t)n;
    return true;
}

static bool read_counted(struct wire_cursor *cursor, struct wire_value *out, enum wire_type type,
                         size_t size)
{
    uint64_t n;

    return read_number(cursor, size, &n) && read_count(cursor, out, type, n);
}

static bool read_unsigned(struct wire_cursor *cursor, struct wire_value *out, size_t size)
{
    uint64_t value;

    if (!read_number(cursor, size, &value))
        return false;
    out->type = value <= INT64_MAX ? WIRE_INT : WIRE_HUGE;
    if (value <= INT64_MAX)
        out->number = (int64_t)value;
    else
        out->huge = value;
    return true;
}

static bool read_signed(struct wire_cursor *cursor, struct wire_value *out, size_t size)
{
    uint64_t value;
    uint64_t sign = UINT64_C(1) << (size * 8 - 1);

    if (!read_number(cursor, size, &value))
        return false;
    out->type = WIRE_INT;
    if ((value & sign) == 0)
        out->number = (int64_t)value;
    else /* two's complement, written so that nothing overflows */
        out->number = -(int64_t)(sign - 1 - (value & (sign - 1))) - 1;
    return true;
}

static bool read_float(struct wire_cursor *cursor, struct wire_value *out, size_t size)
{
    uint64_t bits;

    out->type = WIRE_FLOAT;
    return read_number(cursor, size, &bits);
}

/* An extension is a size, a type byte and the content; only its length matters here. */
static bool read_extension(struct wire_cursor *cursor, struct wire_value *out, uint64_t n)
{
    return read_content(cursor, out, WIRE_EXT, n + 1);
}

static bool read_extension_sized(struct wire_cursor *cursor, struct wire_value *out, size_t size)
{
    uint64_t n;

    return read_number(cursor, size, &n) && read_extension(cursor, out, n);
}

/* The first bytes from 0xc0 to 0xdf that are not a short text. */
static bool read_marked(struct wire_cursor *cursor, struct wire_value *out, unsigned char mark)
{
    switch (mark) {
    case 0xc0:
        out->type = WIRE_NIL;
        return true;
    case 0xc2:
    case 0xc3:
        out->type = WIRE_BOOL;
        out->truth = mark == 0xc3;
        return true;
    case 0xc4:
    case 0xc5:
    case 0xc6:
        return read_sized(cursor, out, WIRE_BYTES, (size_t)1 << (mark - 0xc4));
    case 0xc7:
    case 0xc8:
    case 0xc9:
        return read_extension_sized(cursor, out, (size_t)1 << (mark - 0xc7));
    case 0xca:
    case 0xcb:
        return read_float(cursor, out, mark == 0xca ? 4 : 8);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        return read_unsigned(cursor, out, (size_t)1 << (mark - 0xcc));
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return read_signed(cursor, out, (size_t)1 << (mark - 0xd0));
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
        return read_extension(cursor, out, UINT64_C(1) << (mark - 0xd4));
    case 0xd9:
    case 0xda:
    case 0xdb:
        return read_sized(cursor, out, WIRE_TEXT, (size_t)1 << (mark - 0xd9));
    case 0xdc:
    case 0xdd:
        return read_counted(cursor, out, WIRE_LIST, mark == 0xdc ? 2 : 4);
    case 0xde:
    case 0xdf:
        return read_counted(cursor, out, WIRE_MAP, mark == 0xde ? 2 : 4);
    default: /* 0xc1 is never used */
        return false;
    }
}

bool wire_read(struct wire_cursor *cursor, struct wire_value *out)
{
    unsigned char mark;

    if (cursor->at == cursor->end || cursor->budget == 0)
        return false;
    cursor->budget--;
    mark = *cursor->at++;
    if (mark < 0x80 || mark >= 0xe0) {
        out->type = WIRE_INT;
        out->number = mark < 0x80 ? mark : (int64_t)mark - 256;
        return true;
    }
    if (mark < 0x90)
        return read_count(cursor, out, WIRE_MAP, mark & 0x0f);
    if (mark < 0xa0)
        return read_count(cursor, out, WIRE_LIST, mark & 0x0f);
    if (mark < 0xc0)
        return read_content(cursor, out, WIRE_TEXT, mark & 0x1f);
    return read_marked(cursor, out, mark);
}

static uint64_t wire_members(const struct wire_value *value)
{
    if (value->type == WIRE_LIST)
        return value->count;
    return value->type == WIRE_MAP ? (uint64_t)value->count * 2 : 0;
}

bool wire_skip(struct wire_cursor *cursor, const struct wire_value *value, size_t depth)
{
    uint64_t left[LIMIT_DEPTH_MAX]; /* members still to come, of each level that is open */
    size_t   open = 0;
    uint64_t members = wire_members(value);

    CHECK(depth <= LIMIT_DEPTH_MAX);
    if (value->type != WIRE_LIST && value->type != WIRE_MAP)
        return true;
    if (depth == 0)
        return false;
    left[open++] = members;
    while (open > 0) {
        struct wire_value member;

        if (left[open - 1] == 0) {
            open--;
            continue;
        }
        left[open - 1]--;
        if (!wire_read(cursor, &member))
            return false;
        if (member.type != WIRE_LIST && member.type != WIRE_MAP)
            continue;
        if (open == depth)
            return false;
        left[open++] = wire_members(&member);
    }
    return true;
}

const char *wire_type_name(enum wire_type type)
{
    static const char *const names[] = {
        [WIRE_NIL] = "nil",
        [WIRE_BOOL] = "a boolean",
        [WIRE_INT] = "an integer",
        [WIRE_HUGE] = "an integer beyond 64 bits with a sign",
        [WIRE_FLOAT] = "a floating-point number",
        [WIRE_TEXT] = "a text",
        [WIRE_BYTES] = "bytes",
        [WIRE_LIST] = "a list",
        [WIRE_MAP] = "a map",
        [WIRE_EXT] = "an extension",
    };

    CHECK((size_t)type < ARRAY_COUNT(names));
    return names[type];
}

/* --- writing ------------------------------------------------------------------------------- */

/* Where the next n bytes go, as if they were there; NULL after an error. */
static inline char *sink_take(struct wire_sink *sink, size_t n)
{
    struct buf *out = sink->out;
    char       *at;

    if (sink->err == ERR_none && (out->at == NULL || n > out->capacity - out->n))
        sink->err = buf_reserve(out, n);
    if (sink->err != ERR_none)
        return NULL;
    at = out->at + out->n;
    out->n += n;
    return at;
}

static int sink_write(void *data, const char *bytes, size_t n)
{
    char *at = sink_take(data, n);

    if (at == NULL)
        return -1;
    if (n > 0)
        memcpy(at, bytes, n);
    return 0;
}

void wire_open(struct wire_sink *sink, struct buf *out)
{
    *sink = (struct wire_sink){ .out = out, .start = out->n };
    msgpack_packer_init(&sink->packer, sink, sink_write);
}

void wire_fail(struct wire_sink *sink, enum err err)
{
    if (sink->err == ERR_none)
        sink->err = err;
}

/* What most of a message is made of is written here at once, head and content: by way of the
 * packer each would be a call through a pointer. The bytes are those that the packer would write.
 */
/* A text beyond 32 bits of length cannot be written, and no limit comes near. */
void wire_add_text(struct wire_sink *sink, struct slice text)
{
    CHECK(text.n <= UINT32_MAX);
    if (text.n <= TEXT_SHORT_MAX) {
        char *at = sink_take(sink, 1 + text.n);

        if (at == NULL)
            return;
        at[0] = (char)(0xa0 | text.n);
        if (text.n > 0)
            memcpy(at + 1, text.at, text.n);
        return;
    }
    msgpack_pack_str(&sink->packer, text.n);
    msgpack_pack_str_body(&sink->packer, text.at, text.n);
}

void wire_add_bytes(struct wire_sink *sink, const void *bytes, size_t n)
{
    CHECK(n <= UINT32_MAX);
    if (n <= UINT8_MAX) {
        char *at = sink_take(sink, 2 + n);

        if (at == NULL)
            return;
        at[0] = (char)0xc4;
        at[1] = (char)n;
        if (n > 0)
            memcpy(at + 2, bytes, n);
        return;
    }
    msgpack_pack_bin(&sink->packer, n);
    msgpack_pack_bin_body(&sink->packer, bytes, n);
}

/* A byte that says what comes, and a number of 1 << power bytes, the highest first. */
static void add_number(struct wire_sink *sink, unsigned char mark, size_t power, uint64_t number)
{
    uint64_t big = htobe64(number << (64 - (8u << power)));
    char    *at = sink_take(sink, 1 + ((size_t)1 << power));

    if (at == NULL)
        return;
    at[0] = (char)mark;
    memcpy(at + 1, &big, (size_t)1 << power);
}

static void add_byte(struct wire_sink *sink, unsigned char byte)
{
    char *at = sink_take(sink, 1);

    if (at != NULL)
        at[0] = (char)byte;
}

void wire_add_unsigned(struct wire_sink *sink, uint64_t number)
{
    if (number < 0x80)
        add_byte(sink, (unsigned char)number);
    else if (number <= UINT8_MAX)
        add_number(sink, 0xcc, 0, number);
    else if (number <= UINT16_MAX)
        add_number(sink, 0xcd, 1, number);
    else if (number <= UINT32_MAX)
        add_number(sink, 0xce, 2, number);
    else
        add_number(sink, 0xcf, 3, number);
}

/* What is not below nought is written as without a sign. */
void wire_add_int(struct wire_sink *sink, int64_t number)
{
    if (number >= 0)
        wire_add_unsigned(sink, (uint64_t)number);
    else if (number >= -32)
        add_byte(sink, (unsigned char)(0x100 + number));
    else if (number >= INT8_MIN)
        add_number(sink, 0xd0, 0, (uint64_t)number);
    else if (number >= INT16_MIN)
        add_number(sink, 0xd1, 1, (uint64_t)number);
    else if (number >= INT32_MIN)
        add_number(sink, 0xd2, 2, (uint64_t)number);
    else
        add_number(sink, 0xd3, 3, (uint64_t)number);
}

void wire_add_bool(struct wire_sink *sink, bool truth)
{
    add_byte(sink, truth ? 0xc3 : 0xc2);
}

void wire_add_map(struct wire_sink *sink, size_t pairs)
{
    CHECK(pairs <= UINT16_MAX);
    if (pairs <= MAP_SHORT_MAX)
        add_byte(sink, (unsigned char)(0x80 | pairs));
    else
        add_number(sink, 0xde, 1, pairs);
}

enum err wire_close(struct wire_sink *sink)
{
    if (sink->err != ERR_none)
        sink->out->n = sink->start;
    return sink->err;
}
