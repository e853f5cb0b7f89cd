/* The rows of the .def files as tables of C.
 *
 * Each .def file is included once for every shape that its rows take: descriptions, rows, lengths
 * and the checks at the end, which are compiled and never run. Two equal names do not compile
 * because structs, fields, indexes and constants are named after them; two equal numbers do not
 * compile because each set of numbers is also the cases of one switch.
 *
 * The rule: a fact about the protocol stands in a .def file or nowhere. */
#include "proto/proto.h"

#include <assert.h>
#include <string.h>

#include "common/check.h"

/* --- roles --------------------------------------------------------------------------------- */

const struct role_row role_rows[] = {
#define ROLE(c_name, wire, bit, title, help) { c_name, #wire, title, help },
#include "proto/roles.def"
#undef ROLE
};

const size_t role_count = ARRAY_COUNT(role_rows);

const struct role_row *role_find(enum role role)
{
    for (size_t i = 0; i < role_count; i++)
        if (role_rows[i].role == role)
            return &role_rows[i];
    return NULL;
}

const struct role_row *role_from_name(struct slice name)
{
    for (size_t i = 0; i < role_count; i++)
        if (slice_is(name, role_rows[i].name))
            return &role_rows[i];
    return NULL;
}

/* --- closed sets of words ------------------------------------------------------------------ */

#define ENUM_BEGIN(name, help) static const struct enum_value values_##name[] = {
#define VALUE(name, c_name, text, number, help) { number, text, help },
#define ENUM_END(name) };
#include "proto/enums.def"
#undef ENUM_BEGIN
#undef VALUE
#undef ENUM_END

#define ENUM_BEGIN(name, help)                                                                     \
    const struct enum_desc enum_##name = { #name, help, values_##name, ARRAY_COUNT(values_##name) };
#define VALUE(name, c_name, text, number, help)
#define ENUM_END(name)
#include "proto/enums.def"
#undef ENUM_BEGIN
#undef VALUE
#undef ENUM_END

const struct enum_desc *const enum_rows[] = {
#define ENUM_BEGIN(name, help) &enum_##name,
#define VALUE(name, c_name, text, number, help)
#define ENUM_END(name)
#include "proto/enums.def"
#undef ENUM_BEGIN
#undef VALUE
#undef ENUM_END
};

const size_t enum_count = ARRAY_COUNT(enum_rows);

const char *enum_text(const struct enum_desc *desc, int32_t number)
{
    for (size_t i = 0; i < desc->count; i++)
        if (desc->values[i].number == number)
            return desc->values[i].text;
    return "?";
}

enum err enum_parse(const struct enum_desc *desc, struct slice text, int32_t *number)
{
    for (size_t i = 0; i < desc->count; i++) {
        if (slice_is(text, desc->values[i].text)) {
            *number = desc->values[i].number;
            return ERR_none;
        }
    }
    return ERR_field_invalid;
}

/* --- messages ------------------------------------------------------------------------------ */

/* The row behind the last is there because a message may have no fields and C no empty array. */
#define MSG_BEGIN(msg, help) static const struct field_desc fields_##msg[] = {
#define ROW(msg, type, name, flags, limit, choice, item, help)                                     \
    { #name, type, flags, limit, offsetof(struct msg_##msg, name), choice, item, help,             \
      sizeof(#name) - 1 },
#define FIELD(msg, type, name, flags, limit, help)                                                 \
    ROW(msg, FIELD_##type, name, flags, limit, NULL, NULL, help)
#define CHOICE(msg, choice, name, flags, help)                                                     \
    ROW(msg, FIELD_CHOICE, name, flags, 0, &enum_##choice, NULL, help)
#define LIST(msg, item, name, flags, limit, help)                                                  \
    ROW(msg, FIELD_LIST, name, flags, limit, NULL, &message_##item, help)
#define MSG_END(msg)                                                                               \
    {                                                                                              \
        NULL                                                                                       \
    }                                                                                              \
    }                                                                                              \
    ;
#include "proto/messages.def"
#undef MSG_BEGIN
#undef FIELD
#undef CHOICE
#undef LIST
#undef MSG_END

#define MSG_BEGIN(msg, help)                                                                       \
    const struct message_desc message_##msg = { #msg, help, sizeof(struct msg_##msg),              \
                                                fields_##msg, INDEX_END_##msg };
#define FIELD(msg, type, name, flags, limit, help)
#define CHOICE(msg, choice, name, flags, help)
#define LIST(msg, item, name, flags, limit, help)
#define MSG_END(msg)
#include "proto/messages.def"
#undef MSG_BEGIN
#undef MSG_END

const struct message_desc *const message_rows[] = {
#define MSG_BEGIN(msg, help) &message_##msg,
#define MSG_END(msg)
#include "proto/messages.def"
#undef MSG_BEGIN
#undef MSG_END
};

const size_t message_count = ARRAY_COUNT(message_rows);

/* --- operations and events ----------------------------------------------------------------- */

const struct op_row op_rows[OP_INDEX_count] = {
#define OP(number, family, verb, roles, flags, request, reply, help)                               \
    { number, #family "." #verb, roles, flags, &message_##request, &message_##reply, help },
#include "proto/ops.def"
#undef OP
};

/* Beside the rows, because every request looks for its operation by comparing lengths first. */
static const uint8_t op_lengths[OP_INDEX_count] = {
#define OP(number, family, verb, roles, flags, request, reply, help)                               \
    sizeof(#family "." #verb) - 1,
#include "proto/ops.def"
#undef OP
};

const struct op_row *op_find(struct slice name)
{
    for (size_t i = 0; i < OP_INDEX_count; i++)
        if (op_lengths[i] == name.n && memcmp(op_rows[i].name, name.at, name.n) == 0)
            return &op_rows[i];
    return NULL;
}

const struct event_row event_rows[EVENT_INDEX_count] = {
#define EVENT(number, name, roles, message, help)                                                  \
    { number, #name, roles, &message_##message, help },
#include "proto/events.def"
#undef EVENT
};

/* --- what must not compile ----------------------------------------------------------------- */

#define NEVER_RUN static __attribute__((unused)) void

NEVER_RUN op_numbers_differ(int number)
{
    switch (number) {
#define OP(number, family, verb, roles, flags, request, reply, help) case number:
#include "proto/ops.def"
#undef OP
        break;
    }
}

NEVER_RUN event_numbers_differ(int number)
{
    switch (number) {
#define EVENT(number, name, roles, message, help) case number:
#include "proto/events.def"
#undef EVENT
        break;
    }
}

NEVER_RUN role_bits_differ(int number)
{
    switch (number) {
    case ROLE_NONE:
#define ROLE(c_name, wire, bit, title, help) case bit:
#include "proto/roles.def"
#undef ROLE
        break;
    }
}

/* 0 is no value of any set: it is what a field holds that was never filled. */
#define ENUM_BEGIN(name, help)                                                                     \
    NEVER_RUN name##_numbers_differ(int number)                                                    \
    {                                                                                              \
        switch (number) {                                                                          \
        case 0:
#define VALUE(name, c_name, text, number, help) case number:
#define ENUM_END(name)                                                                             \
            break;                                                                                 \
        }                                                                                          \
    }
#include "proto/enums.def"
#undef ENUM_BEGIN
#undef VALUE
#undef ENUM_END

#define ROLE(c_name, wire, bit, title, help)                                                       \
    static_assert((bit) > 0 && ((bit) & ((bit) - 1)) == 0, "a role is one bit");
#include "proto/roles.def"
#undef ROLE

#define MSG_BEGIN(msg, help)                                                                       \
    static_assert((int)INDEX_END_##msg <= (int)LIMIT_FIELDS_MAX, #msg " has too many fields");     \
    static_assert(offsetof(struct msg_##msg, has) == 0, "the codec finds `has` in front");
#define MSG_END(msg)
#include "proto/messages.def"
#undef MSG_BEGIN
#undef FIELD
#undef CHOICE
#undef LIST
#undef MSG_END

static_assert(LIMIT_FIELDS_MAX <= 64, "`has` has a bit for each field");
