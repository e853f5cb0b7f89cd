/* Text to field and field to text by description.
 *
 * One function a direction and type, chosen by the field's row; no message is named here, so a
 * new row of the protocol works in every form and on the command line without a change. The
 * codec checks the whole message once more before it is sent: what is checked here is what a
 * person can be told while typing. */
#include "bankterm/values.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/clock.h"
#include "common/money.h"

enum { VALUES_NAME_MAX = 64, VALUES_WORDS_MAX = 160, VALUES_SHORT_MAX = 64, DISTANCE_MAX = 99 };

static const void *place(const void *msg, const struct field_desc *field)
{
    return (const char *)msg + field->offset;
}

static uint64_t bit_of(const struct message_desc *desc, const struct field_desc *field)
{
    size_t index = (size_t)(field - desc->fields);

    CHECK(index < desc->count && index < 64);
    return UINT64_C(1) << index;
}

/* Every message struct begins with `has`. */
static uint64_t has_bits(const void *msg)
{
    uint64_t has;

    memcpy(&has, msg, sizeof has);
    return has;
}

static void has_store(void *msg, uint64_t has)
{
    memcpy(msg, &has, sizeof has);
}

const struct field_desc *values_field(const struct message_desc *desc, struct slice name)
{
    for (size_t i = 0; i < desc->count; i++)
        if (slice_is(name, desc->fields[i].name))
            return &desc->fields[i];
    return NULL;
}

bool values_has(const struct message_desc *desc, const void *msg, const struct field_desc *field)
{
    return (has_bits(msg) & bit_of(desc, field)) != 0;
}

/* --- near names ---------------------------------------------------------------------------- */

int values_distance(struct slice a, struct slice b)
{
    int row[VALUES_NAME_MAX + 1];

    if (a.n > VALUES_NAME_MAX || b.n > VALUES_NAME_MAX)
        return DISTANCE_MAX;
    for (size_t j = 0; j <= b.n; j++)
        row[j] = (int)j;
    for (size_t i = 1; i <= a.n; i++) {
        int diagonal = row[0];

        row[0] = (int)i;
        for (size_t j = 1; j <= b.n; j++) {
            int change = diagonal + (a.at[i - 1] == b.at[j - 1] ? 0 : 1);
            int insert = row[j - 1] + 1;
            int leave = row[j] + 1;

            diagonal = row[j];
            row[j] = change < insert ? change : insert;
            row[j] = row[j] < leave ? row[j] : leave;
        }
    }
    return row[b.n];
}

bool values_near(struct slice a, struct slice b)
{
    size_t shorter = a.n < b.n ? a.n : b.n;

    if (shorter == 0)
        return false;
    if (shorter >= 3 && memcmp(a.at, b.at, shorter) == 0)
        return true;
    return values_distance(a, b) <= (shorter < 6 ? 1 : 3);
}

static const struct field_desc *nearest_field(const struct message_desc *desc, struct slice name)
{
    const struct field_desc *best = NULL;
    int                      distance_min = DISTANCE_MAX;

    for (size_t i = 0; i < desc->count; i++) {
        struct slice other = slice_from(desc->fields[i].name);
        int          distance = values_distance(name, other);

        if (values_near(name, other) && distance < distance_min) {
            best = &desc->fields[i];
            distance_min = distance;
        }
    }
    return best;
}

/* --- text to field ------------------------------------------------------------------------- */

/* Where one value goes and how a refusal is told. */
struct setter {
    const struct field_desc *field;
    void                    *to;
    struct slice             text;
    uint8_t                  exponent;
    struct arena            *arena;
    struct fault            *fault;
};

/* A short, printable copy of what was given, for messages. */
static const char *shown(struct slice text, char out[VALUES_SHORT_MAX])
{
    size_t n = 0;

    while (text.n > 0 && n < VALUES_SHORT_MAX - 8) {
        uint32_t code = 0;
        size_t   length = slice_char(text, &code);

        if (length == 0 || char_is_control(code)) {
            length = 1;
            out[n++] = '?';
        } else {
            memcpy(out + n, text.at, length);
            n += length;
        }
        text = slice_of(text.at + length, text.n - length);
    }
    if (text.n > 0) {
        memcpy(out + n, "...", 3);
        n += 3;
    }
    out[n] = '\0';
    return out;
}

static enum err refuse(const struct setter *set, const char *wanted)
{
    char text[VALUES_SHORT_MAX];

    return fault_set(set->fault, ERR_field_invalid, set->field->name, "\"%s\" is not %s",
                     shown(set->text, text), wanted);
}

static enum err set_int(const struct setter *set)
{
    int64_t value = 0;

    /* A whole number is a sum without decimals. */
    if (money_parse(set->text.at, set->text.n, 0, '.', &value) != ERR_none)
        return refuse(set, "a whole number");
    if (set->field->limit > 0 && value > set->field->limit)
        return fault_set(set->fault, ERR_field_invalid, set->field->name, "It is at most %" PRId64,
                         set->field->limit);
    if (((set->field->flags & POSITIVE) != 0 && value <= 0) ||
        ((set->field->flags & NATURAL) != 0 && value < 0))
        return fault_set(set->fault, ERR_field_invalid, set->field->name, "It is at least %d",
                         (set->field->flags & POSITIVE) != 0 ? 1 : 0);
    memcpy(set->to, &value, sizeof value);
    return ERR_none;
}

static enum err set_money(const struct setter *set)
{
    int64_t  value = 0;
    char     text[VALUES_SHORT_MAX];
    enum err err = money_parse(set->text.at, set->text.n, set->exponent, '.', &value);

    if (err == ERR_amount_overflow)
        return fault_set(set->fault, err, set->field->name, "\"%s\" is too large",
                         shown(set->text, text));
    if (err != ERR_none)
        return fault_set(set->fault, err, set->field->name,
                         "\"%s\" is not an amount with at most %d decimals", shown(set->text, text),
                         set->exponent);
    if ((set->field->flags & POSITIVE) != 0 && value <= 0)
        return fault_set(set->fault, ERR_amount_invalid, set->field->name, "It must be above zero");
    if ((set->field->flags & NATURAL) != 0 && value < 0)
        return fault_set(set->fault, ERR_amount_invalid, set->field->name,
                         "It must not be below zero");
    memcpy(set->to, &value, sizeof value);
    return ERR_none;
}

static enum err set_time(const struct setter *set)
{
    int64_t at_us = 0;

    if (time_parse(set->text.at, set->text.n, &at_us) != ERR_none)
        return refuse(set, "a date or time such as 2026-01-31 or 2026-01-31T12:00:00Z");
    memcpy(set->to, &at_us, sizeof at_us);
    return ERR_none;
}

bool values_moment(struct slice text, int64_t now_us, int64_t *out)
{
    int64_t number = 0;
    size_t  n = 0;

    while (n < text.n && n < 4 && text.at[n] >= '0' && text.at[n] <= '9')
        number = number * 10 + (text.at[n++] - '0');
    if (n > 0 && n + 1 == text.n && (text.at[n] == 'h' || text.at[n] == 'd')) {
        *out = now_us + number * (text.at[n] == 'h' ? US_PER_HOUR : US_PER_DAY);
        return true;
    }
    return time_parse(text.at, text.n, out) == ERR_none;
}

static enum err set_uuid(const struct setter *set)
{
    struct uuid id;
    char        text[VALUES_SHORT_MAX];

    if (uuid_parse(set->text.at, set->text.n, &id) != ERR_none)
        return fault_set(set->fault, ERR_id_invalid, set->field->name,
                         "\"%s\" is not a UUID of 36 characters", shown(set->text, text));
    memcpy(set->to, &id, sizeof id);
    return ERR_none;
}

static enum err set_bool(const struct setter *set)
{
    static const char *const names[] = { "false", "true", "no", "yes", "0", "1" };

    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (slice_is(set->text, names[i])) {
            bool value = i % 2 == 1;

            memcpy(set->to, &value, sizeof value);
            return ERR_none;
        }
    }
    return refuse(set, "true or false");
}

static enum err too_long(const struct setter *set, size_t n)
{
    return fault_set(set->fault, ERR_field_too_long, set->field->name,
                     "It has %zu bytes, at most %" PRId64 " are allowed", n, set->field->limit);
}

static bool has_lines(struct slice text)
{
    return memchr(text.at, '\n', text.n) != NULL || memchr(text.at, '\t', text.n) != NULL;
}

static enum err set_text(const struct setter *set)
{
    struct slice copy;
    char        *at;

    if (set->field->limit > 0 && set->text.n > (uint64_t)set->field->limit)
        return too_long(set, set->text.n);
    if (!slice_is_utf8(set->text) || ((set->field->flags & MULTILINE) == 0 && has_lines(set->text)))
        return fault_set(set->fault, ERR_field_invalid, set->field->name,
                         "It is not UTF-8 text without control characters");
    at = arena_take(set->arena, set->text.n);
    if (at == NULL)
        return fault_set(set->fault, ERR_message_too_large, set->field->name, NULL);
    memcpy(at, set->text.at, set->text.n);
    copy = slice_of(at, set->text.n);
    memcpy(set->to, &copy, sizeof copy);
    return ERR_none;
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char       *at = memchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c, 16);

    return at != NULL ? (int)(at - digits) : -1;
}

static enum err set_bytes(const struct setter *set)
{
    size_t       n = set->text.n / 2;
    struct slice copy;
    char        *at;

    if (set->field->limit > 0 && n > (uint64_t)set->field->limit)
        return too_long(set, n);
    at = arena_take(set->arena, n);
    if (at == NULL)
        return fault_set(set->fault, ERR_message_too_large, set->field->name, NULL);
    for (size_t i = 0; i < n; i++) {
        int high = hex_digit(set->text.at[2 * i]);
        int low = hex_digit(set->text.at[2 * i + 1]);

        if (high < 0 || low < 0)
            return refuse(set, "an even number of hexadecimal digits");
        at[i] = (char)(high << 4 | low);
    }
    if (set->text.n % 2 != 0)
        return refuse(set, "an even number of hexadecimal digits");
    copy = slice_of(at, n);
    memcpy(set->to, &copy, sizeof copy);
    return ERR_none;
}

/* "a, b or c" */
static const char *choice_words(const struct enum_desc *choice, const char *between, char *out,
                                size_t size)
{
    size_t n = 0;

    out[0] = '\0';
    for (size_t i = 0; i < choice->count && n < size; i++) {
        int added =
            snprintf(out + n, size - n, "%s%s", i > 0 ? between : "", choice->values[i].text);

        n += added > 0 ? (size_t)added : 0;
    }
    return out;
}

static enum err set_choice(const struct setter *set)
{
    int32_t number = 0;
    char    words[VALUES_WORDS_MAX];
    char    text[VALUES_SHORT_MAX];

    if (enum_parse(set->field->choice, set->text, &number) != ERR_none)
        return fault_set(set->fault, ERR_field_invalid, set->field->name, "\"%s\" is none of: %s",
                         shown(set->text, text),
                         choice_words(set->field->choice, ", ", words, sizeof words));
    memcpy(set->to, &number, sizeof number);
    return ERR_none;
}

/* A value of the list's only field: fields of one message stand alone. */
static enum err set_plain(const struct setter *set)
{
    switch (set->field->type) {
    case FIELD_UUID:
        return set_uuid(set);
    case FIELD_INT:
        return set_int(set);
    case FIELD_MONEY:
        return set_money(set);
    case FIELD_TIME:
        return set_time(set);
    case FIELD_BOOL:
        return set_bool(set);
    case FIELD_TEXT:
        return set_text(set);
    case FIELD_BYTES:
        return set_bytes(set);
    case FIELD_CHOICE:
        return set_choice(set);
    case FIELD_LIST:
        break;
    }
    return refuse(set, "something that can be written in one line");
}

/* One item of a list: the values of its fields with colons between them, as ID:2. What is left out
 * at the end is absent. */
static enum err set_item(const struct setter *list, struct slice text, char *item)
{
    const struct message_desc *desc = list->field->item;
    struct setter              one = *list;

    for (size_t i = 0; i < desc->count; i++) {
        bool        last = i + 1 == desc->count;
        const char *colon = last ? NULL : memchr(text.at, ':', text.n);
        size_t      n = colon != NULL ? (size_t)(colon - text.at) : text.n;

        one.field = &desc->fields[i];
        one.text = slice_of(text.at, n);
        one.to = item + one.field->offset;
        TRY(set_plain(&one));
        has_store(item, has_bits(item) | bit_of(desc, one.field));
        if (colon == NULL)
            break;
        text = slice_of(colon + 1, text.n - n - 1);
    }
    return ERR_none;
}

/* Whether an item fits into a word: one field, or a few that no colon can be part of. */
static bool is_word(const struct message_desc *item)
{
    for (size_t i = 0; i < item->count; i++)
        if (item->fields[i].type == FIELD_LIST ||
            (item->count > 1 && item->fields[i].type != FIELD_UUID &&
             item->fields[i].type != FIELD_INT))
            return false;
    return true;
}

/* Items with commas between them. */
static enum err set_list(const struct setter *set)
{
    const struct message_desc *item = set->field->item;
    struct slice               rest = set->text;
    size_t                     count = 0;
    char                      *at;

    if (!is_word(item))
        return refuse(set, "something that can be written in one line");
    for (size_t i = 0; i < rest.n; i++)
        count += rest.at[i] == ',' ? 1 : 0;
    at = arena_take(set->arena, (count + 1) * item->size);
    if (at == NULL)
        return fault_set(set->fault, ERR_memory, set->field->name, "%s", "");
    memset(at, 0, (count + 1) * item->size);
    for (size_t i = 0; i <= count; i++) {
        const char *comma = memchr(rest.at, ',', rest.n);
        size_t      n = comma != NULL ? (size_t)(comma - rest.at) : rest.n;

        TRY(set_item(set, slice_of(rest.at, n), at + i * item->size));
        rest = i < count ? slice_of(rest.at + n + 1, rest.n - n - 1) : slice_of("", 0);
    }
    memcpy(set->to, &at, sizeof at);
    count++;
    memcpy((char *)set->to + sizeof at, &count, sizeof count);
    return ERR_none;
}

static enum err set_by_type(const struct setter *set)
{
    return set->field->type == FIELD_LIST ? set_list(set) : set_plain(set);
}

void values_clear(const struct message_desc *desc, void *msg, const struct field_desc *field)
{
    size_t next = field - desc->fields + 1 < (ptrdiff_t)desc->count ? field[1].offset : desc->size;

    memset((char *)msg + field->offset, 0, next - field->offset);
    has_store(msg, has_bits(msg) & ~bit_of(desc, field));
}

enum err values_set(const struct message_desc *desc, void *msg, struct slice name,
                    struct slice text, uint8_t exponent, struct arena *arena, struct fault *fault)
{
    const struct field_desc *field = values_field(desc, name);
    const struct field_desc *near = field == NULL ? nearest_field(desc, name) : NULL;
    char                     copy[VALUES_SHORT_MAX];
    struct setter            set;

    if (field == NULL && near != NULL)
        return fault_set(fault, ERR_field_unknown, shown(name, copy), "Perhaps %s was meant",
                         near->name);
    if (field == NULL)
        return fault_set(fault, ERR_field_unknown, shown(name, copy), NULL);
    if (text.n == 0) {
        values_clear(desc, msg, field);
        return ERR_none;
    }
    set = (struct setter){ .field = field,
                           .to = (char *)msg + field->offset,
                           .text = text,
                           .exponent = exponent,
                           .arena = arena,
                           .fault = fault };
    TRY(set_by_type(&set));
    has_store(msg, has_bits(msg) | bit_of(desc, field));
    return ERR_none;
}

bool values_set_empty(const struct message_desc *desc, void *msg, const struct field_desc *field)
{
    struct slice nothing = slice_from("");

    if (field->type != FIELD_TEXT || (field->flags & MULTILINE) == 0 ||
        (field->flags & (REQUIRED | FILLED)) != 0)
        return false;
    memcpy((char *)msg + field->offset, &nothing, sizeof nothing);
    has_store(msg, has_bits(msg) | bit_of(desc, field));
    return true;
}

enum err values_complete(const struct message_desc *desc, const void *msg, struct fault *fault)
{
    for (size_t i = 0; i < desc->count; i++) {
        const struct field_desc *field = &desc->fields[i];

        if ((field->flags & REQUIRED) != 0 && !values_has(desc, msg, field))
            return fault_set(fault, ERR_field_missing, field->name, "%s", field->help);
    }
    return ERR_none;
}

/* --- field to text ------------------------------------------------------------------------- */

bool values_exponent(const struct message_desc *desc, const void *msg, uint8_t *exponent)
{
    const struct field_desc *field = values_field(desc, slice_from("currency"));
    const struct currency   *currency;
    struct slice             code;

    if (field == NULL || field->type != FIELD_TEXT || !values_has(desc, msg, field))
        return false;
    code = values_slice(desc, msg, field);
    currency = currency_by_code(code.at, code.n);
    if (currency == NULL)
        return false;
    *exponent = currency->exponent;
    return true;
}

struct slice values_slice(const struct message_desc *desc, const void *msg,
                          const struct field_desc *field)
{
    struct slice text = { 0 };

    CHECK(field->type == FIELD_TEXT || field->type == FIELD_BYTES);
    if (values_has(desc, msg, field))
        memcpy(&text, place(msg, field), sizeof text);
    return text;
}

int64_t values_integer(const void *msg, const struct field_desc *field)
{
    int64_t value;

    CHECK(field->type == FIELD_INT || field->type == FIELD_MONEY || field->type == FIELD_TIME);
    memcpy(&value, place(msg, field), sizeof value);
    return value;
}

static enum err print_uuid(const void *at, struct buf *out)
{
    struct uuid id;
    char        text[UUID_TEXT_MAX];

    memcpy(&id, at, sizeof id);
    return buf_print(out, "%s", uuid_text(&id, text));
}

static enum err print_bytes(struct slice bytes, struct buf *out)
{
    for (size_t i = 0; i < bytes.n; i++)
        TRY(buf_print(out, "%02x", (unsigned)(unsigned char)bytes.at[i]));
    return ERR_none;
}

static enum err print_word(const struct field_desc *field, const void *at, struct buf *out)
{
    int32_t number;

    memcpy(&number, at, sizeof number);
    return buf_print(out, "%s", enum_text(field->choice, number));
}

enum err values_print(const struct message_desc *desc, const void *msg,
                      const struct field_desc *field, uint8_t exponent, struct buf *out)
{
    const void  *at = place(msg, field);
    struct slice text;
    char         money[MONEY_TEXT_MAX];
    char         time[TIME_TEXT_MAX];

    if (!values_has(desc, msg, field) || (field->flags & SECRET) != 0)
        return ERR_none;
    switch (field->type) {
    case FIELD_UUID:
        return print_uuid(at, out);
    case FIELD_INT:
        return buf_print(out, "%" PRId64, values_integer(msg, field));
    case FIELD_MONEY:
        return buf_print(out, "%s", money_text(values_integer(msg, field), exponent, money));
    case FIELD_TIME:
        return buf_print(out, "%s", time_text(values_integer(msg, field), time));
    case FIELD_BOOL:
        return buf_print(out, "%s", *(const bool *)at ? "true" : "false");
    case FIELD_TEXT:
        text = values_slice(desc, msg, field);
        return buf_add(out, text.at, text.n);
    case FIELD_BYTES:
        return print_bytes(values_slice(desc, msg, field), out);
    case FIELD_CHOICE:
        return print_word(field, at, out);
    case FIELD_LIST:
        break;
    }
    return ERR_none;
}

const char *values_text(const struct message_desc *desc, const void *msg,
                        const struct field_desc *field, uint8_t exponent, char *out, size_t size)
{
    struct buf buf;

    CHECK(size > 0);
    if (field->type == FIELD_TEXT && (field->flags & SECRET) == 0)
        return slice_copy(values_slice(desc, msg, field), out, size);
    buf_init(&buf, LIMIT_MESSAGE_MAX);
    out[0] = '\0';
    if (values_print(desc, msg, field, exponent, &buf) == ERR_none)
        slice_copy(slice_of(buf.at, buf.n), out, size);
    buf_free(&buf);
    return out;
}

const char *values_kind(const struct field_desc *field, char *out, size_t size)
{
    size_t n = 0;

    switch (field->type) {
    case FIELD_UUID:
        return slice_copy(slice_from("UUID"), out, size);
    case FIELD_INT:
        return slice_copy(slice_from("whole number"), out, size);
    case FIELD_MONEY:
        return slice_copy(slice_from("decimal amount"), out, size);
    case FIELD_TIME:
        return slice_copy(slice_from("date or time"), out, size);
    case FIELD_BOOL:
        return slice_copy(slice_from("true|false"), out, size);
    case FIELD_TEXT:
        return slice_copy(slice_from("text"), out, size);
    case FIELD_BYTES:
        return slice_copy(slice_from("hexadecimal digits"), out, size);
    case FIELD_CHOICE:
        return choice_words(field->choice, "|", out, size);
    case FIELD_LIST:
        break;
    }
    if (!is_word(field->item))
        return slice_copy(slice_from("list"), out, size);
    for (size_t i = 0; i < field->item->count && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%s", i > 0 ? ":" : "",
                              field->item->fields[i].name);
    if (n < size)
        snprintf(out + n, size - n, ",...");
    return out;
}
