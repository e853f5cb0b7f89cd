/* The contract between bankd and its clients, made from the tables of this folder.
 *
 * The tables give: an enum and words for each closed set, a struct and a description for each
 * message, a row for each operation and event. One generic codec encodes, decodes and validates
 * every message by its description; it is the only code that reads bytes from a stranger.
 *
 * Wire: one msgpack map a ZeroMQ message.
 *   request  {"v": 1, "id": uint, "op": "account.get", "token": bin32?, "body": {...}}
 *   reply    {"v": 1, "id": uint, "ok": true, "body": {...}}
 *            {"v": 1, "id": uint, "ok": false, "error": {...}}
 *   error    {"name", "class", "what", "not_done", "next", "field"?, "text"?, "retry_after_ms"?}
 *   event    two frames: the session's topic, then {"v": 1, "event": "alert", "body": {...}}
 * Keys and enum values are text, ids 16 bytes of bin, money and time integers, absent optional
 * fields are left out. A field that the message does not know, twice the same key, a float, nil,
 * or a byte behind the end is refused. In replies unknown fields are skipped, so that a server
 * may grow.
 *
 * Ownership: decoded texts point into the bytes that were decoded; lists live in the arena.
 * Threads: everything here is pure; tables are const. */
#ifndef PROTO_PROTO_H
#define PROTO_PROTO_H

#include "common/buf.h"
#include "common/err.h"
#include "common/ident.h"
#include "common/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PROTOCOL_VERSION = 1 };

/* Roles. */
enum role {
    ROLE_NONE = 0,
#define ROLE(c_name, wire, bit, title, help) c_name = bit,
#include "proto/roles.def"
#undef ROLE
};

struct role_row {
    enum role   role;
    const char *name;  /* on the wire and in the store */
    const char *title; /* for people */
    const char *help;
};

extern const struct role_row role_rows[];
extern const size_t          role_count;
const struct role_row *role_find(enum role role);           /* NULL when unknown */
const struct role_row *role_from_name(struct slice name);   /* NULL when unknown */

/* Closed sets of words. */
#define ENUM_BEGIN(name, help) enum name {
#define VALUE(name, c_name, text, number, help) c_name = number,
#define ENUM_END(name) };
#include "proto/enums.def"
#undef ENUM_BEGIN
#undef VALUE
#undef ENUM_END

struct enum_value {
    int32_t     number;
    const char *text;
    const char *help;
};

struct enum_desc {
    const char              *name;
    const char              *help;
    const struct enum_value *values;
    size_t                   count;
};

#define ENUM_BEGIN(name, help) extern const struct enum_desc enum_##name;
#define VALUE(name, c_name, text, number, help)
#define ENUM_END(name)
#include "proto/enums.def"
#undef ENUM_BEGIN
#undef VALUE
#undef ENUM_END

extern const struct enum_desc *const enum_rows[];
extern const size_t                  enum_count;

const char *enum_text(const struct enum_desc *desc, int32_t number); /* "?" when unknown */
ERR_MUST_USE enum err enum_parse(const struct enum_desc *desc, struct slice text, int32_t *number);

/* Messages. Bit i of `has` tells whether the i-th field is there: required ones always are after
 * a decode. */
enum field_flag {
    OPTIONAL = 0,
    REQUIRED = 1,
    POSITIVE = 2,
    NATURAL = 4,
    SECRET = 8,
    FILLED = 16,
    MULTILINE = 32, /* line ends and tabs may be in the text; no other text has controls */
};

enum field_type {
    FIELD_UUID,
    FIELD_INT,
    FIELD_MONEY,
    FIELD_TIME,
    FIELD_BOOL,
    FIELD_TEXT,
    FIELD_BYTES,
    FIELD_CHOICE,
    FIELD_LIST,
};

#define FIELD_C_UUID struct uuid
#define FIELD_C_INT int64_t
#define FIELD_C_MONEY int64_t
#define FIELD_C_TIME int64_t
#define FIELD_C_BOOL bool
#define FIELD_C_TEXT struct slice
#define FIELD_C_BYTES struct slice

#define MSG_BEGIN(msg, help)                                                                       \
    struct msg_##msg {                                                                             \
        uint64_t has;
#define FIELD(msg, type, name, flags, limit, help) FIELD_C_##type name;
#define CHOICE(msg, choice, name, flags, help) int32_t name;
#define LIST(msg, item, name, flags, limit, help)                                                  \
    struct {                                                                                       \
        struct msg_##item *at;                                                                     \
        size_t             count;                                                                  \
    } name;
#define MSG_END(msg)                                                                               \
    }                                                                                              \
    ;
#include "proto/messages.def"
#undef MSG_BEGIN
#undef FIELD
#undef CHOICE
#undef LIST
#undef MSG_END

/* Index of each field: INDEX_account__balance. */
#define MSG_BEGIN(msg, help) enum {
#define FIELD(msg, type, name, flags, limit, help) INDEX_##msg##__##name,
#define CHOICE(msg, choice, name, flags, help) INDEX_##msg##__##name,
#define LIST(msg, item, name, flags, limit, help) INDEX_##msg##__##name,
#define MSG_END(msg)                                                                               \
    INDEX_END_##msg                                                                           \
    }                                                                                              \
    ;
#include "proto/messages.def"
#undef MSG_BEGIN
#undef FIELD
#undef CHOICE
#undef LIST
#undef MSG_END

#define MSG_HAS(pointer, msg, name) ((((pointer)->has >> INDEX_##msg##__##name) & 1u) != 0)
#define MSG_SET(pointer, msg, name, value)                                                         \
    do {                                                                                           \
        (pointer)->name = (value);                                                                 \
        (pointer)->has |= UINT64_C(1) << INDEX_##msg##__##name;                                    \
    } while (0)

struct message_desc;

struct field_desc {
    const char                *name;
    enum field_type            type;
    uint32_t                   flags;
    int64_t                    limit; /* 0 = none but the type's */
    size_t                     offset;
    const struct enum_desc    *choice; /* FIELD_CHOICE */
    const struct message_desc *item;   /* FIELD_LIST */
    const char                *help;
    size_t                     name_n; /* bytes of the name */
};

struct message_desc {
    const char              *name;
    const char              *help;
    size_t                   size; /* of the struct */
    const struct field_desc *fields;
    size_t                   count;
};

#define MSG_BEGIN(msg, help) extern const struct message_desc message_##msg;
#define FIELD(msg, type, name, flags, limit, help)
#define CHOICE(msg, choice, name, flags, help)
#define LIST(msg, item, name, flags, limit, help)
#define MSG_END(msg)
#include "proto/messages.def"
#undef MSG_BEGIN
#undef FIELD
#undef CHOICE
#undef LIST
#undef MSG_END

extern const struct message_desc *const message_rows[];
extern const size_t                     message_count;

/* Operations. */
enum op_flag {
    OP_OPEN = 1,   /* needs no session */
    OP_LOCAL = 2,  /* the server's thread */
    OP_LOGIN = 4,  /* the password pool */
    OP_READ = 8,   /* a reader */
    OP_WRITE = 16, /* the writer */
    OP_MONEY = 32, /* moves or reserves money */
    OP_LONG = 64,  /* with READ: a reader of its own, one at a time, which tells how far it is */
    OP_LARGE = 128, /* its request may have LIMIT_MESSAGE_LARGE_MAX bytes */
    OP_ALONE = 256, /* commits by itself, and what refuses it is recorded */
};

/* Index into op_rows: OP_INDEX_account_get. */
enum op_index {
#define OP(number, family, verb, roles, flags, request, reply, help) OP_INDEX_##family##_##verb,
#include "proto/ops.def"
#undef OP
    OP_INDEX_count
};

struct op_row {
    uint16_t                   number;
    const char                *name; /* "account.get" */
    uint32_t                   roles;
    uint32_t                   flags;
    const struct message_desc *request;
    const struct message_desc *reply;
    const char                *help;
};

extern const struct op_row op_rows[OP_INDEX_count];
const struct op_row *op_find(struct slice name); /* NULL when unknown */

/* Bytes that a request of the operation may have on the wire. */
static inline size_t op_size_max(const struct op_row *row)
{
    bool large = row != NULL && (row->flags & OP_LARGE) != 0;

    return large ? LIMIT_MESSAGE_LARGE_MAX : LIMIT_MESSAGE_MAX;
}

/* Events. */
enum event_index {
#define EVENT(number, name, roles, message, help) EVENT_INDEX_##name,
#include "proto/events.def"
#undef EVENT
    EVENT_INDEX_count
};

struct event_row {
    uint16_t                   number;
    const char                *name;
    uint32_t                   roles;
    const struct message_desc *message;
    const char                *help;
};

extern const struct event_row event_rows[EVENT_INDEX_count];

/* --- the codec ------------------------------------------------------------------------------ */

enum decode_mode {
    DECODE_STRICT,  /* requests: an unknown field is an error */
    DECODE_LENIENT, /* replies and events: unknown fields are skipped, list limits still hold */
};

/* Decodes one body map into *out (desc->size bytes, zeroed first). fault names the field. */
ERR_MUST_USE enum err message_decode(const struct message_desc *desc, struct slice bytes,
                                     enum decode_mode mode, struct arena *arena, void *out,
                                     struct fault *fault);

/* Checks limits and flags of a struct that was filled by code, as the decoder does of bytes. */
ERR_MUST_USE enum err message_check(const struct message_desc *desc, const void *in,
                                    struct fault *fault);

/* Appends the body map. Required fields are always written, optional ones when `has` says so. */
ERR_MUST_USE enum err message_encode(const struct message_desc *desc, const void *in,
                                     struct buf *out);

/* Envelopes. Slices point into the bytes that were given. A decoded token has exactly
 * LIMIT_TOKEN_BYTES or is empty; out->id of a request is set also when the rest is bad, if it
 * could be found (0 when not). The encoders leave `out` as it was when they fail. */
struct request_envelope {
    int64_t      version;
    uint64_t     id;
    struct slice op;
    struct slice token; /* empty when absent */
    struct slice body;  /* the encoded map; empty when absent */
};

struct reply_envelope {
    int64_t      version;
    uint64_t     id;
    bool         ok;
    struct slice body;
    struct slice error_name, error_class, what, not_done, next, field, text;
    int64_t      retry_after_ms;
};

struct event_envelope {
    int64_t      version;
    struct slice event;
    struct slice body;
};

ERR_MUST_USE enum err request_decode(struct slice bytes, struct request_envelope *out,
                                     struct fault *fault);
ERR_MUST_USE enum err request_encode(uint64_t id, const char *op, struct slice token,
                                     const struct message_desc *desc, const void *body,
                                     struct buf *out);
ERR_MUST_USE enum err reply_decode(struct slice bytes, struct reply_envelope *out,
                                   struct fault *fault);
ERR_MUST_USE enum err reply_encode(uint64_t id, const struct message_desc *desc, const void *body,
                                   struct buf *out);
ERR_MUST_USE enum err reply_encode_error(uint64_t id, const struct fault *fault, struct buf *out);
ERR_MUST_USE enum err event_decode(struct slice bytes, struct event_envelope *out,
                                   struct fault *fault);
ERR_MUST_USE enum err event_encode(enum event_index event, const void *body, struct buf *out);

#endif
