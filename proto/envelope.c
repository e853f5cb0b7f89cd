/* Envelopes: what stands around a body, so that it can be sent, answered and correlated.
 *
 * An envelope's keys are a small table, as a message's fields are, but its decoder is forgiving
 * in another way: it goes on after the first fault, so that the `id` of a bad request is found
 * wherever it stands and the refusal can be told to the request that it refuses. What cannot be
 * passed over ends it. A foreign version outweighs every other fault, because a later version may
 * have other keys.
 *
 * The body is passed over here and decoded by its own description later; the two walks together
 * never read more heads than a message of the largest size can have, also when the bytes are
 * many more: a message that is too large is searched for its id and refused. */
#include "proto/proto.h"

#include <assert.h>
#include <string.h>

#include "common/check.h"
#include "proto/wire.h"

enum key_type { KEY_VERSION, KEY_ID, KEY_INT, KEY_BOOL, KEY_TEXT, KEY_BYTES, KEY_MAP };

struct key {
    struct slice  name;
    enum key_type type;
    bool          required;
    size_t        offset;
    size_t        max; /* bytes of a text; exact for bytes */
};

#define NAME(text)                                                                                 \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

enum { OP_NAME_MAX = 64, ERROR_TEXT_MAX = 1024, ENVELOPE_KEYS_MAX = 16 };

static const struct key request_keys[] = {
    { NAME("v"), KEY_VERSION, true, offsetof(struct request_envelope, version), 0 },
    { NAME("id"), KEY_ID, true, offsetof(struct request_envelope, id), 0 },
    { NAME("op"), KEY_TEXT, true, offsetof(struct request_envelope, op), OP_NAME_MAX },
    { NAME("token"), KEY_BYTES, false, offsetof(struct request_envelope, token),
      LIMIT_TOKEN_BYTES },
    { NAME("body"), KEY_MAP, false, offsetof(struct request_envelope, body), 0 },
};

/* A reply's error is a map of its own; it is put into `what` as it is and then taken apart. */
static const struct key reply_keys[] = {
    { NAME("v"), KEY_VERSION, true, offsetof(struct reply_envelope, version), 0 },
    { NAME("id"), KEY_ID, true, offsetof(struct reply_envelope, id), 0 },
    { NAME("ok"), KEY_BOOL, true, offsetof(struct reply_envelope, ok), 0 },
    { NAME("body"), KEY_MAP, false, offsetof(struct reply_envelope, body), 0 },
    { NAME("error"), KEY_MAP, false, offsetof(struct reply_envelope, what), 0 },
};

static const struct key error_keys[] = {
    { NAME("name"), KEY_TEXT, true, offsetof(struct reply_envelope, error_name), ERROR_TEXT_MAX },
    { NAME("class"), KEY_TEXT, true, offsetof(struct reply_envelope, error_class), ERROR_TEXT_MAX },
    { NAME("what"), KEY_TEXT, true, offsetof(struct reply_envelope, what), ERROR_TEXT_MAX },
    { NAME("not_done"), KEY_TEXT, true, offsetof(struct reply_envelope, not_done), ERROR_TEXT_MAX },
    { NAME("next"), KEY_TEXT, true, offsetof(struct reply_envelope, next), ERROR_TEXT_MAX },
    { NAME("field"), KEY_TEXT, false, offsetof(struct reply_envelope, field), ERROR_TEXT_MAX },
    { NAME("text"), KEY_TEXT, false, offsetof(struct reply_envelope, text), ERROR_TEXT_MAX },
    { NAME("retry_after_ms"), KEY_INT, false, offsetof(struct reply_envelope, retry_after_ms), 0 },
};

static const struct key event_keys[] = {
    { NAME("v"), KEY_VERSION, true, offsetof(struct event_envelope, version), 0 },
    { NAME("event"), KEY_TEXT, true, offsetof(struct event_envelope, event), OP_NAME_MAX },
    { NAME("body"), KEY_MAP, true, offsetof(struct event_envelope, body), 0 },
};

struct opening {
    const struct key  *keys;
    size_t             count;
    bool               lenient;
    size_t             depth; /* levels that values may nest */
    struct wire_cursor cursor;
    uint32_t           seen;
    enum err           first; /* the first fault that could be passed over */
    bool               foreign;
    struct fault      *fault;
};

static enum err open_malformed(struct fault *fault)
{
    return fault_set(fault, ERR_malformed, NULL,
                     "The message ends in the middle of a value or is not msgpack");
}

/* Keeps the first fault and lets the opening go on. */
static void open_note(struct opening *opening, enum err err, struct slice key, const char *text)
{
    char field[FAULT_FIELD_MAX];

    if (opening->first != ERR_none)
        return;
    opening->first = err;
    (void)fault_set(opening->fault, err, slice_copy(key, field, sizeof field), "%s", text);
}

static void put(void *out, const struct key *key, const void *value, size_t n)
{
    memcpy((char *)out + key->offset, value, n);
}

/* Stores a number of the envelope; false when the value is not one. */
static bool open_number(const struct key *key, const struct wire_value *value, void *out)
{
    uint64_t id = value->type == WIRE_HUGE ? value->huge : (uint64_t)value->number;

    if (key->type == KEY_ID) {
        if (value->type != WIRE_HUGE && (value->type != WIRE_INT || value->number < 0))
            return false;
        put(out, key, &id, sizeof id);
        return true;
    }
    if (value->type != WIRE_INT)
        return false;
    put(out, key, &value->number, sizeof value->number);
    return true;
}

static void open_value(struct opening *opening, const struct key *key,
                       const struct wire_value *value, struct slice whole, void *out)
{
    struct slice name = key->name;

    switch (key->type) {
    case KEY_VERSION:
    case KEY_ID:
    case KEY_INT:
        if (!open_number(key, value, out))
            open_note(opening, ERR_field_invalid, name, "It must be an integer");
        else if (key->type == KEY_VERSION && value->number != PROTOCOL_VERSION)
            opening->foreign = true;
        break;
    case KEY_BOOL:
        if (value->type == WIRE_BOOL)
            put(out, key, &value->truth, sizeof value->truth);
        else
            open_note(opening, ERR_field_invalid, name, "It must be true or false");
        break;
    case KEY_TEXT:
        if (value->type != WIRE_TEXT || !slice_is_utf8(value->content))
            open_note(opening, ERR_field_invalid, name, "It must be a text of UTF-8");
        else if (value->content.n > key->max)
            open_note(opening, ERR_field_too_long, name, "The text is too long");
        else
            put(out, key, &value->content, sizeof value->content);
        break;
    case KEY_BYTES:
        if (value->type == WIRE_BYTES && value->content.n == key->max)
            put(out, key, &value->content, sizeof value->content);
        else
            open_note(opening, ERR_field_invalid, name, "It must be 32 bytes");
        break;
    case KEY_MAP:
        if (value->type == WIRE_MAP)
            put(out, key, &whole, sizeof whole);
        else
            open_note(opening, ERR_malformed, name, "It must be a map");
        break;
    }
}

static_assert(LIMIT_TOKEN_BYTES == 32, "the text of the fault says so");

/* One pair; false when the bytes cannot be passed over. */
static bool open_pair(struct opening *opening, void *out)
{
    struct wire_value name;
    struct wire_value value;
    struct slice      whole;
    size_t            index = 0;

    if (!wire_read(&opening->cursor, &name) || name.type != WIRE_TEXT)
        return false;
    whole.at = (const char *)opening->cursor.at;
    if (!wire_read(&opening->cursor, &value) ||
        !wire_skip(&opening->cursor, &value, opening->depth))
        return false;
    whole.n = (size_t)((const char *)opening->cursor.at - whole.at);
    while (index < opening->count && !slice_equal(name.content, opening->keys[index].name))
        index++;
    if (index == opening->count) {
        if (!opening->lenient)
            open_note(opening, ERR_field_unknown, name.content, "The envelope has no such field");
        return true;
    }
    if ((opening->seen >> index & 1) != 0) {
        open_note(opening, ERR_malformed, name.content, "The field is there twice");
        return true;
    }
    opening->seen |= UINT32_C(1) << index;
    open_value(opening, &opening->keys[index], &value, whole, out);
    return true;
}

static enum err open_end(struct opening *opening)
{
    if (opening->foreign)
        return fault_set(opening->fault, ERR_version_unsupported, "v", "The version here is %d",
                         PROTOCOL_VERSION);
    for (size_t i = 0; i < opening->count && opening->first == ERR_none; i++)
        if (opening->keys[i].required && (opening->seen >> i & 1) == 0)
            open_note(opening, ERR_field_missing, opening->keys[i].name,
                      "The envelope needs this field");
    return opening->first;
}

static enum err envelope_open(struct opening *opening, struct slice bytes, void *out)
{
    struct wire_value head;

    CHECK(opening->count <= ENVELOPE_KEYS_MAX);
    if (!wire_read(&opening->cursor, &head))
        return open_malformed(opening->fault);
    if (head.type != WIRE_MAP)
        return fault_set(opening->fault, ERR_malformed, NULL, "The message must be a map");
    for (uint32_t i = 0; i < head.count; i++)
        if (!open_pair(opening, out))
            return open_malformed(opening->fault);
    if (opening->cursor.at != (const unsigned char *)bytes.at + bytes.n)
        return fault_set(opening->fault, ERR_malformed, NULL,
                         "There are bytes behind the end of the message");
    return open_end(opening);
}

enum err request_decode(struct slice bytes, struct request_envelope *out, struct fault *fault)
{
    struct opening opening = {
        .keys = request_keys,
        .count = ARRAY_COUNT(request_keys),
        .depth = LIMIT_DEPTH_MAX,
        .fault = fault,
    };
    size_t   most;
    enum err err;

    *out = (struct request_envelope){ 0 };
    wire_cursor_init(&opening.cursor, bytes, LIMIT_MESSAGE_MAX);
    err = envelope_open(&opening, bytes, out);
    most = op_size_max(out->op.n > 0 ? op_find(out->op) : NULL);
    if (bytes.n > most)
        return fault_set(fault, ERR_message_too_large, NULL, "It has %zu bytes; at most %zu may be",
                         bytes.n, most);
    return err;
}

static enum err reply_open_error(struct slice bytes, struct reply_envelope *out,
                                 struct fault *fault)
{
    struct opening opening = {
        .keys = error_keys,
        .count = ARRAY_COUNT(error_keys),
        .lenient = true,
        .depth = LIMIT_DEPTH_MAX,
        .fault = fault,
    };

    out->what = (struct slice){ 0 };
    wire_cursor_init(&opening.cursor, bytes, bytes.n);
    return envelope_open(&opening, bytes, out);
}

enum err reply_decode(struct slice bytes, struct reply_envelope *out, struct fault *fault)
{
    struct opening opening = {
        .keys = reply_keys,
        .count = ARRAY_COUNT(reply_keys),
        .lenient = true,
        .depth = LIMIT_DEPTH_MAX,
        .fault = fault,
    };
    struct slice error;

    *out = (struct reply_envelope){ 0 };
    wire_cursor_init(&opening.cursor, bytes, bytes.n);
    TRY(envelope_open(&opening, bytes, out));
    error = out->what;
    if (out->ok && (out->body.n == 0 || error.n > 0))
        return fault_set(fault, ERR_malformed, "body", "A good reply has a body and no error");
    if (!out->ok && (error.n == 0 || out->body.n > 0))
        return fault_set(fault, ERR_malformed, "error", "A refusal has an error and no body");
    return out->ok ? ERR_none : reply_open_error(error, out, fault);
}

enum err event_decode(struct slice bytes, struct event_envelope *out, struct fault *fault)
{
    struct opening opening = {
        .keys = event_keys,
        .count = ARRAY_COUNT(event_keys),
        .lenient = true,
        .depth = LIMIT_DEPTH_MAX,
        .fault = fault,
    };

    *out = (struct event_envelope){ 0 };
    wire_cursor_init(&opening.cursor, bytes, bytes.n);
    return envelope_open(&opening, bytes, out);
}

/* --- encoding ------------------------------------------------------------------------------ */

/* The envelope's own part: a map of `pairs` that begins with the version. */
static void seal_begin(struct wire_sink *sink, struct buf *out, size_t pairs)
{
    wire_open(sink, out);
    wire_add_map(sink, pairs);
    wire_add_name(sink, "v");
    wire_add_int(sink, PROTOCOL_VERSION);
}

static void seal_id(struct wire_sink *sink, uint64_t id)
{
    wire_add_name(sink, "id");
    wire_add_unsigned(sink, id);
}

/* Ends an envelope with its body. */
static enum err seal_body(struct wire_sink *sink, const struct message_desc *desc, const void *body)
{
    static const struct msg_empty none;

    if (body == NULL) {
        CHECK(desc->count == 0);
        body = &none;
    }
    wire_add_name(sink, "body");
    if (sink->err == ERR_none)
        wire_fail(sink, message_encode(desc, body, sink->out));
    return wire_close(sink);
}

enum err request_encode(uint64_t id, const char *op, struct slice token,
                        const struct message_desc *desc, const void *body, struct buf *out)
{
    struct wire_sink sink;

    seal_begin(&sink, out, token.n > 0 ? 5 : 4);
    seal_id(&sink, id);
    wire_add_name(&sink, "op");
    wire_add_name(&sink, op);
    if (token.n > 0) {
        wire_add_name(&sink, "token");
        wire_add_bytes(&sink, token.at, token.n);
    }
    return seal_body(&sink, desc, body);
}

enum err reply_encode(uint64_t id, const struct message_desc *desc, const void *body,
                      struct buf *out)
{
    struct wire_sink sink;

    seal_begin(&sink, out, 4);
    seal_id(&sink, id);
    wire_add_name(&sink, "ok");
    wire_add_bool(&sink, true);
    return seal_body(&sink, desc, body);
}

static void seal_text(struct wire_sink *sink, const char *name, const char *text)
{
    wire_add_name(sink, name);
    wire_add_name(sink, text);
}

enum err reply_encode_error(uint64_t id, const struct fault *fault, struct buf *out)
{
    struct wire_sink sink;
    enum err_class class = err_class(fault->err);
    bool field = fault->field[0] != '\0';
    bool text = fault->text[0] != '\0';
    bool retry = fault->retry_after_ms > 0;

    seal_begin(&sink, out, 4);
    seal_id(&sink, id);
    wire_add_name(&sink, "ok");
    wire_add_bool(&sink, false);
    wire_add_name(&sink, "error");
    wire_add_map(&sink, (size_t)5 + field + text + retry);
    seal_text(&sink, "name", err_name(fault->err));
    seal_text(&sink, "class", err_class_name(class));
    seal_text(&sink, "what", err_what(fault->err));
    seal_text(&sink, "not_done", err_class_promise(class));
    seal_text(&sink, "next", err_next(fault->err));
    if (field)
        seal_text(&sink, "field", fault->field);
    if (text)
        seal_text(&sink, "text", fault->text);
    if (retry) {
        wire_add_name(&sink, "retry_after_ms");
        wire_add_int(&sink, fault->retry_after_ms);
    }
    return wire_close(&sink);
}

enum err event_encode(enum event_index event, const void *body, struct buf *out)
{
    const struct event_row *row = &event_rows[event];
    struct wire_sink        sink;

    seal_begin(&sink, out, 3);
    seal_text(&sink, "event", row->name);
    return seal_body(&sink, row->message, body);
}
