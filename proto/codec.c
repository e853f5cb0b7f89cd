/* One codec for every message: decode, check and encode by description.
 *
 * The three walk a message in the same way: a small stack of frames, one for each list that is
 * open, instead of recursion; descriptions nest only as deep as the tables say, which is less
 * than LIMIT_DEPTH_MAX. Values are checked where they lie in the struct by one set of functions,
 * so that bytes from the wire and structs filled by code meet the same rules.
 *
 * Decoding takes memory for lists alone, from the caller's arena, after the count was compared
 * with the field's limit and with the bytes that are left. Texts are not copied. A key is looked
 * for behind the one before, so that messages written in the order of the table cost one
 * comparison a field, and all others stay right.
 *
 * The rule: no field of the struct is written before its type and size are known to fit. */
#include "proto/proto.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "proto/wire.h"

struct frame {
    const struct message_desc *desc;
    const struct field_desc   *list;  /* the field below that holds this one; NULL at the root */
    char                      *at;    /* the struct that is walked; `const` when only read */
    size_t                     items; /* structs of the list from this one on */
    size_t                     index; /* of this struct in its list */
    size_t                     next;  /* field that is looked at next */
    uint32_t                   pairs; /* of the map that are still to be decoded */
};

struct walk {
    struct frame       frames[LIMIT_DEPTH_MAX];
    size_t             depth;
    bool               lenient;
    struct wire_cursor cursor;
    struct arena      *arena;
    struct fault      *fault;
};

/* How a list lies in a struct, whatever its items are. */
struct list_head {
    void  *at;
    size_t count;
};

static struct frame *walk_push(struct walk *walk, const struct message_desc *desc,
                               const struct field_desc *list, void *at, size_t items)
{
    struct frame *frame = &walk->frames[walk->depth];

    CHECK(walk->depth < LIMIT_DEPTH_MAX);
    walk->depth++;
    *frame = (struct frame){ .desc = desc, .list = list, .at = at, .items = items };
    return frame;
}

/* Goes to the next struct of the frame's list or leaves the frame; false when it was left. */
static bool walk_next_item(struct walk *walk, struct frame *frame)
{
    frame->items--;
    if (frame->items == 0) {
        walk->depth--;
        return false;
    }
    frame->at += frame->desc->size;
    frame->index++;
    frame->next = 0;
    return true;
}

/* `has` is the first member of every message. */
static uint64_t has_of(const struct frame *frame)
{
    uint64_t has;

    memcpy(&has, frame->at, sizeof has);
    return has;
}

static bool is_present(const struct frame *frame, size_t index)
{
    return (frame->desc->fields[index].flags & REQUIRED) != 0 || (has_of(frame) >> index & 1) != 0;
}

static struct list_head list_of(const struct frame *frame, const struct field_desc *field)
{
    struct list_head head;

    memcpy(&head.at, frame->at + field->offset, sizeof head.at);
    memcpy(&head.count, frame->at + field->offset + sizeof head.at, sizeof head.count);
    return head;
}

/* Records a fault of the field `name` of the innermost frame, such as items[3].amount. */
static __attribute__((format(printf, 4, 5))) enum err
walk_fail(const struct walk *walk, enum err err, struct slice name, const char *format, ...)
{
    char    path[FAULT_FIELD_MAX * 4] = "";
    char    text[FAULT_TEXT_MAX];
    size_t  used = 0;
    va_list arguments;

    for (size_t i = 1; i < walk->depth && used < sizeof path; i++)
        used += (size_t)snprintf(path + used, sizeof path - used, "%s[%zu]%s",
                                 walk->frames[i].list->name, walk->frames[i].index,
                                 i + 1 < walk->depth || name.n > 0 ? "." : "");
    if (used < sizeof path)
        snprintf(path + used, sizeof path - used, "%.*s",
                 (int)(name.n < FAULT_FIELD_MAX ? name.n : FAULT_FIELD_MAX), name.at);
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return fault_set(walk->fault, err, path, "%s", text);
}

/* --- the rules for one field --------------------------------------------------------------- */

static enum err check_number(const struct walk *walk, const struct field_desc *field,
                             int64_t number)
{
    enum err     wrong = field->type == FIELD_MONEY ? ERR_amount_invalid : ERR_field_invalid;
    struct slice name = slice_from(field->name);

    if ((field->flags & POSITIVE) != 0 && number <= 0)
        return walk_fail(walk, wrong, name, "It must be above zero, but is %lld",
                         (long long)number);
    if ((field->flags & NATURAL) != 0 && number < 0)
        return walk_fail(walk, wrong, name, "It must not be below zero, but is %lld",
                         (long long)number);
    if (field->limit > 0 && number > field->limit)
        return walk_fail(walk, wrong, name, "It must be at most %lld, but is %lld",
                         (long long)field->limit, (long long)number);
    return ERR_none;
}

/* Control characters would be obeyed by a terminal, so only texts of several lines have line
 * ends and tabs. A server's texts may come from imported files: there the two are let pass
 * everywhere, so that one old record does not make a whole page unreadable. True when `at` is
 * where it is bad. */
static bool text_is_bad(struct slice text, bool lines, size_t *at)
{
    const char *begin = text.at;

    while (text.n > 0) {
        uint32_t code = 0;
        size_t   n;

        if ((unsigned char)text.at[0] >= 0x20 && (unsigned char)text.at[0] < 0x7f) {
            text = slice_of(text.at + 1, text.n - 1);
            continue;
        }
        n = slice_char(text, &code);
        *at = (size_t)(text.at - begin);
        if (n == 0)
            return true;
        if (char_is_control(code) && !(lines && (code == '\n' || code == '\t')) &&
            !(lines && code == '\r' && text.n > 1 && text.at[1] == '\n'))
            return true;
        text = slice_of(text.at + n, text.n - n);
    }
    return false;
}

/* A text of many lines is a file that somebody wrote: the place is told as of one. */
static enum err fail_text(const struct walk *walk, const struct field_desc *field,
                          struct slice content, size_t at)
{
    static const char what[] = "It is not UTF-8 or has control characters";
    size_t            line = 1;
    size_t            column = 1;

    if ((field->flags & MULTILINE) == 0)
        return walk_fail(walk, ERR_field_invalid, slice_from(field->name), "%s", what);
    for (size_t i = 0; i < at; i++) {
        if (content.at[i] == '\n')
            line++;
        if (content.at[i] == '\n')
            column = 1;
        else if (((unsigned char)content.at[i] & 0xc0) != 0x80)
            column++;
    }
    return walk_fail(walk, ERR_field_invalid, slice_from(field->name), "%zu:%zu: %s", line, column,
                     what);
}

/* Blanks and line ends tell a reader of the log nothing. */
static bool is_blank(struct slice text)
{
    for (size_t i = 0; i < text.n; i++)
        if (strchr(" \t\r\n", text.at[i]) == NULL || text.at[i] == '\0')
            return false;
    return true;
}

static enum err check_content(const struct walk *walk, const struct field_desc *field,
                              struct slice content)
{
    struct slice name = slice_from(field->name);
    size_t       at = 0;

    if (field->limit > 0 && content.n > (size_t)field->limit)
        return walk_fail(walk, ERR_field_too_long, name, "It has %zu bytes; at most %lld may be",
                         content.n, (long long)field->limit);
    if ((field->flags & FILLED) != 0 && is_blank(content))
        return walk_fail(walk, ERR_field_invalid, name, "It must not be empty");
    if (field->type == FIELD_TEXT &&
        text_is_bad(content, walk->lenient || (field->flags & MULTILINE) != 0, &at))
        return fail_text(walk, field, content, at);
    return ERR_none;
}

static enum err check_count(const struct walk *walk, const struct field_desc *field, size_t count)
{
    if (field->limit > 0 && count > (size_t)field->limit)
        return walk_fail(walk, ERR_field_too_long, slice_from(field->name),
                         "It has %zu rows; at most %lld may be", count, (long long)field->limit);
    return ERR_none;
}

static enum err check_choice(const struct walk *walk, const struct field_desc *field,
                             int32_t number)
{
    for (size_t i = 0; i < field->choice->count; i++)
        if (field->choice->values[i].number == number)
            return ERR_none;
    return walk_fail(walk, ERR_field_invalid, slice_from(field->name), "%d is not a value of %s",
                     (int)number, field->choice->name);
}

/* --- decoding ------------------------------------------------------------------------------ */

static enum err fail_malformed(const struct walk *walk)
{
    return walk_fail(walk, ERR_malformed, slice_of("", 0),
                     "The message ends in the middle of a value or is not msgpack");
}

static enum err fail_type(const struct walk *walk, const struct field_desc *field,
                          const char *wanted, const struct wire_value *value)
{
    bool money = field->type == FIELD_MONEY;

    if (money && value->type == WIRE_HUGE)
        return walk_fail(walk, ERR_amount_overflow, slice_from(field->name),
                         "It must fit 64 bits with a sign");
    return walk_fail(
        walk, money && value->type == WIRE_FLOAT ? ERR_amount_invalid : ERR_field_invalid,
        slice_from(field->name), "It must be %s, but is %s", wanted, wire_type_name(value->type));
}

/* Begins the map of the frame's present struct, whose head was just read. */
static enum err decode_begin(struct walk *walk, struct frame *frame, const struct wire_value *head)
{
    if (head->type != WIRE_MAP)
        return walk_fail(walk, frame->list == NULL ? ERR_malformed : ERR_field_invalid,
                         slice_of("", 0), "It must be a map, but is %s",
                         wire_type_name(head->type));
    frame->pairs = head->count;
    frame->next = 0;
    return ERR_none;
}

static enum err decode_list(struct walk *walk, struct frame *frame, const struct field_desc *field,
                            const struct wire_value *value)
{
    struct list_head  head = { .count = value->count };
    struct wire_value first;

    if (value->type != WIRE_LIST)
        return fail_type(walk, field, "a list", value);
    TRY(check_count(walk, field, head.count));
    if (head.count == 0)
        return ERR_none; /* the struct was zeroed */
    head.at = arena_take(walk->arena, head.count * field->item->size);
    if (head.at == NULL)
        return walk_fail(walk, ERR_memory, slice_from(field->name),
                         "Its %zu rows do not fit the memory of one message", head.count);
    memcpy(frame->at + field->offset, &head.at, sizeof head.at);
    memcpy(frame->at + field->offset + sizeof head.at, &head.count, sizeof head.count);
    frame = walk_push(walk, field->item, field, head.at, head.count);
    if (!wire_read(&walk->cursor, &first))
        return fail_malformed(walk);
    return decode_begin(walk, frame, &first);
}

static enum err decode_choice(struct walk *walk, struct frame *frame,
                              const struct field_desc *field, const struct wire_value *value)
{
    int32_t number;

    if (value->type != WIRE_TEXT)
        return fail_type(walk, field, "a text", value);
    if (enum_parse(field->choice, value->content, &number) != ERR_none)
        return walk_fail(walk, ERR_field_invalid, slice_from(field->name),
                         "It is not a word of %s: %.*s", field->choice->name,
                         (int)(value->content.n < 32 ? value->content.n : 32), value->content.at);
    memcpy(frame->at + field->offset, &number, sizeof number);
    return ERR_none;
}

static enum err decode_content(struct walk *walk, struct frame *frame,
                               const struct field_desc *field, const struct wire_value *value)
{
    enum wire_type wanted = field->type == FIELD_TEXT ? WIRE_TEXT : WIRE_BYTES;

    if (value->type != wanted)
        return fail_type(walk, field, wire_type_name(wanted), value);
    if (field->type == FIELD_UUID) {
        if (value->content.n != sizeof(struct uuid))
            return walk_fail(walk, ERR_field_invalid, slice_from(field->name),
                             "An id has 16 bytes, but this has %zu", value->content.n);
        memcpy(frame->at + field->offset, value->content.at, sizeof(struct uuid));
        return ERR_none;
    }
    TRY(check_content(walk, field, value->content));
    memcpy(frame->at + field->offset, &value->content, sizeof value->content);
    return ERR_none;
}

static enum err decode_value(struct walk *walk, struct frame *frame, const struct field_desc *field,
                             const struct wire_value *value)
{
    switch (field->type) {
    case FIELD_INT:
    case FIELD_MONEY:
    case FIELD_TIME:
        if (value->type != WIRE_INT)
            return fail_type(walk, field, "an integer", value);
        TRY(check_number(walk, field, value->number));
        memcpy(frame->at + field->offset, &value->number, sizeof value->number);
        return ERR_none;
    case FIELD_BOOL:
        if (value->type != WIRE_BOOL)
            return fail_type(walk, field, "true or false", value);
        memcpy(frame->at + field->offset, &value->truth, sizeof value->truth);
        return ERR_none;
    case FIELD_UUID:
    case FIELD_TEXT:
    case FIELD_BYTES:
        return decode_content(walk, frame, field, value);
    case FIELD_CHOICE:
        return decode_choice(walk, frame, field, value);
    case FIELD_LIST:
        return decode_list(walk, frame, field, value);
    }
    return ERR_internal;
}

static bool is_named(const struct field_desc *field, struct slice key)
{
    return field->name_n == key.n && memcmp(field->name, key.at, key.n) == 0;
}

/* Index of the field, looked for from frame->next on and then from the front; desc->count when
 * the message has no such field. */
static size_t find_field(const struct frame *frame, struct slice key)
{
    const struct message_desc *desc = frame->desc;

    for (size_t i = frame->next; i < desc->count; i++)
        if (is_named(&desc->fields[i], key))
            return i;
    for (size_t i = 0; i < frame->next; i++)
        if (is_named(&desc->fields[i], key))
            return i;
    return desc->count;
}

static enum err decode_pair(struct walk *walk, struct frame *frame)
{
    struct wire_value key;
    struct wire_value value;
    uint64_t          has = has_of(frame);
    size_t            index;

    frame->pairs--;
    if (!wire_read(&walk->cursor, &key))
        return fail_malformed(walk);
    if (key.type != WIRE_TEXT)
        return walk_fail(walk, ERR_malformed, slice_of("", 0), "A key must be a text, but is %s",
                         wire_type_name(key.type));
    index = find_field(frame, key.content);
    if (index == frame->desc->count && !walk->lenient)
        return walk_fail(walk, ERR_field_unknown, key.content, "%s has no such field",
                         frame->desc->name);
    if (!wire_read(&walk->cursor, &value))
        return fail_malformed(walk);
    if (index == frame->desc->count) {
        if (!wire_skip(&walk->cursor, &value, LIMIT_DEPTH_MAX - walk->depth))
            return fail_malformed(walk);
        return ERR_none;
    }
    if ((has >> index & 1) != 0)
        return walk_fail(walk, ERR_malformed, key.content, "The field is there twice");
    has |= UINT64_C(1) << index;
    memcpy(frame->at, &has, sizeof has);
    frame->next = index + 1;
    return decode_value(walk, frame, &frame->desc->fields[index], &value);
}

static enum err decode_end(const struct walk *walk, const struct frame *frame)
{
    uint64_t has = has_of(frame);

    for (size_t i = 0; i < frame->desc->count; i++)
        if ((frame->desc->fields[i].flags & REQUIRED) != 0 && (has >> i & 1) == 0)
            return walk_fail(walk, ERR_field_missing, slice_from(frame->desc->fields[i].name),
                             "%s needs this field", frame->desc->name);
    return ERR_none;
}

/* Takes one step: a pair, or the end of a map and the head of the next one of its list. */
static enum err decode_step(struct walk *walk)
{
    struct frame     *frame = &walk->frames[walk->depth - 1];
    struct wire_value head;

    if (frame->pairs > 0)
        return decode_pair(walk, frame);
    TRY(decode_end(walk, frame));
    if (!walk_next_item(walk, frame))
        return ERR_none;
    if (!wire_read(&walk->cursor, &head))
        return fail_malformed(walk);
    return decode_begin(walk, frame, &head);
}

enum err message_decode(const struct message_desc *desc, struct slice bytes, enum decode_mode mode,
                        struct arena *arena, void *out, struct fault *fault)
{
    struct walk       walk;
    struct wire_value head = { .type = WIRE_MAP };

    walk.depth = 0;
    walk.lenient = mode == DECODE_LENIENT;
    walk.arena = arena;
    walk.fault = fault;
    memset(out, 0, desc->size);
    wire_cursor_init(&walk.cursor, bytes, bytes.n);
    walk_push(&walk, desc, NULL, out, 1);
    if (bytes.n > 0 && !wire_read(&walk.cursor, &head)) /* no bytes are a map without pairs */
        return fail_malformed(&walk);
    TRY(decode_begin(&walk, &walk.frames[0], &head));
    while (walk.depth > 0)
        TRY(decode_step(&walk));
    if (walk.cursor.at != walk.cursor.end)
        return walk_fail(&walk, ERR_malformed, slice_of("", 0),
                         "There are bytes behind the end of the message");
    return ERR_none;
}

/* --- checking ------------------------------------------------------------------------------ */

static enum err check_field(struct walk *walk, const struct frame *frame,
                            const struct field_desc *field)
{
    struct list_head list;
    struct slice     content;
    int64_t          number;
    int32_t          word;

    switch (field->type) {
    case FIELD_INT:
    case FIELD_MONEY:
    case FIELD_TIME:
        memcpy(&number, frame->at + field->offset, sizeof number);
        return check_number(walk, field, number);
    case FIELD_TEXT:
    case FIELD_BYTES:
        memcpy(&content, frame->at + field->offset, sizeof content);
        return check_content(walk, field, content);
    case FIELD_CHOICE:
        memcpy(&word, frame->at + field->offset, sizeof word);
        return check_choice(walk, field, word);
    case FIELD_LIST:
        list = list_of(frame, field);
        TRY(check_count(walk, field, list.count));
        if (list.count > 0)
            walk_push(walk, field->item, field, list.at, list.count);
        return ERR_none;
    case FIELD_UUID:
    case FIELD_BOOL:
        return ERR_none;
    }
    return ERR_internal;
}

/* The walk only reads, but its frames are those of the decoder, which writes. */
static void *without_const(const void *at)
{
    void *plain;

    memcpy(&plain, &at, sizeof plain);
    return plain;
}

enum err message_check(const struct message_desc *desc, const void *in, struct fault *fault)
{
    struct walk walk;

    walk.depth = 0;
    walk.lenient = false;
    walk.fault = fault;
    walk_push(&walk, desc, NULL, without_const(in), 1);
    while (walk.depth > 0) {
        struct frame *frame = &walk.frames[walk.depth - 1];

        if (frame->next == frame->desc->count) {
            walk_next_item(&walk, frame);
            continue;
        }
        frame->next++;
        if (is_present(frame, frame->next - 1))
            TRY(check_field(&walk, frame, &frame->desc->fields[frame->next - 1]));
    }
    return ERR_none;
}

/* --- encoding ------------------------------------------------------------------------------ */

static void encode_begin(struct wire_sink *sink, const struct frame *frame)
{
    size_t count = 0;

    for (size_t i = 0; i < frame->desc->count; i++)
        count += is_present(frame, i) ? 1 : 0;
    wire_add_map(sink, count);
}

static void encode_list(struct walk *walk, struct wire_sink *sink, const struct frame *frame,
                        const struct field_desc *field)
{
    struct list_head list = list_of(frame, field);

    CHECK(list.count <= UINT32_MAX);
    msgpack_pack_array(&sink->packer, list.count);
    if (list.count > 0)
        encode_begin(sink, walk_push(walk, field->item, field, list.at, list.count));
}

static void encode_choice(struct wire_sink *sink, const struct frame *frame,
                          const struct field_desc *field)
{
    int32_t number;

    memcpy(&number, frame->at + field->offset, sizeof number);
    for (size_t i = 0; i < field->choice->count; i++) {
        if (field->choice->values[i].number == number) {
            wire_add_name(sink, field->choice->values[i].text);
            return;
        }
    }
    wire_fail(sink, ERR_internal); /* a word that was never filled */
}

static void encode_field(struct walk *walk, struct wire_sink *sink, const struct frame *frame,
                         const struct field_desc *field)
{
    const char  *at = frame->at + field->offset;
    struct slice content;
    int64_t      number;
    bool         truth;

    wire_add_text(sink, slice_of(field->name, field->name_n));
    switch (field->type) {
    case FIELD_INT:
    case FIELD_MONEY:
    case FIELD_TIME:
        memcpy(&number, at, sizeof number);
        wire_add_int(sink, number);
        break;
    case FIELD_BOOL:
        memcpy(&truth, at, sizeof truth);
        wire_add_bool(sink, truth);
        break;
    case FIELD_UUID:
        wire_add_bytes(sink, at, sizeof(struct uuid));
        break;
    case FIELD_TEXT:
        memcpy(&content, at, sizeof content);
        wire_add_text(sink, content);
        break;
    case FIELD_BYTES:
        memcpy(&content, at, sizeof content);
        wire_add_bytes(sink, content.at, content.n);
        break;
    case FIELD_CHOICE:
        encode_choice(sink, frame, field);
        break;
    case FIELD_LIST:
        encode_list(walk, sink, frame, field);
        break;
    }
}

enum err message_encode(const struct message_desc *desc, const void *in, struct buf *out)
{
    struct walk      walk;
    struct wire_sink sink;

    walk.depth = 0;
    wire_open(&sink, out);
    encode_begin(&sink, walk_push(&walk, desc, NULL, without_const(in), 1));
    while (walk.depth > 0 && sink.err == ERR_none) {
        struct frame *frame = &walk.frames[walk.depth - 1];

        if (frame->next == frame->desc->count) {
            if (walk_next_item(&walk, frame))
                encode_begin(&sink, frame);
            continue;
        }
        frame->next++;
        if (is_present(frame, frame->next - 1))
            encode_field(&walk, &sink, frame, &frame->desc->fields[frame->next - 1]);
    }
    return wire_close(&sink);
}
