/* What both halves of the rule parser need: errors with their place, names and what they mean,
 * and help with names that are nearly right. */
#include "bankd/fraud/parser.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"

enum err parser_fail(struct parser *p, const struct token *at, const char *format, ...)
{
    char    text[FAULT_TEXT_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return fault_set(p->fault, ERR_file_syntax, p->file, "%u:%u: %s", at->line, at->column, text);
}

enum err parser_expected(struct parser *p, const char *what)
{
    const struct token *now = &p->now;
    const char         *quote = now->kind == TOKEN_TEXT ? "\"" : "`";
    size_t              n = now->text.n;

    if (now->kind == TOKEN_BAD)
        return parser_fail(p, now, "%s", now->error);
    if (now->kind == TOKEN_END)
        return parser_fail(p, now, "expected %s, but the file ends", what);
    n = n < LIMIT_RULE_NAME_MAX ? n : LIMIT_RULE_NAME_MAX;
    return parser_fail(p, now, "expected %s, not %s%.*s%s", what, quote, (int)n, now->text.at,
                       quote);
}

void parser_advance(struct parser *p)
{
    p->now = lexer_next(&p->lexer);
}

bool parser_is(const struct parser *p, enum token_kind kind, const char *text)
{
    return p->now.kind == kind && slice_is(p->now.text, text);
}

/* --- names ----------------------------------------------------------------------------------- */

int feature_find(struct slice name)
{
    for (int i = 0; i < (int)FEATURE_COUNT; i++)
        if (slice_is(name, feature_rows[i].name))
            return i;
    return -1;
}

static const struct {
    const char *name;
    int64_t     value;
} constants[] = {
    { "no", 0 },       { "yes", 1 },    { "monday", 0 },   { "tuesday", 1 }, { "wednesday", 2 },
    { "thursday", 3 }, { "friday", 4 }, { "saturday", 5 }, { "sunday", 6 },
};

bool constant_find(struct slice name, int64_t *value)
{
    int32_t type = 0;

    for (size_t i = 0; i < ARRAY_COUNT(constants); i++)
        if (slice_is(name, constants[i].name)) {
            *value = constants[i].value;
            return true;
        }
    if (enum_parse(&enum_transaction_type, name, &type) != ERR_none)
        return false;
    *value = type;
    return true;
}

enum err parser_constant(struct parser *p, bool money, int64_t *value)
{
    bool negative = parser_is(p, TOKEN_SYMBOL, "-");
    char hint[HINT_MAX];

    if (negative)
        parser_advance(p);
    if (p->now.kind == TOKEN_NUMBER || (p->now.kind == TOKEN_MONEY && money))
        *value = negative ? -p->now.value : p->now.value;
    else if (p->now.kind == TOKEN_MONEY)
        return parser_fail(p, &p->now, "money depends on the currency and cannot stand in a list");
    else if (p->now.kind != TOKEN_WORD || negative)
        return parser_expected(p, "a constant");
    else if (!constant_find(p->now.text, value))
        return parser_fail(p, &p->now, "there is no constant `%.*s`%s", (int)p->now.text.n,
                           p->now.text.at, parser_hint(p, p->now.text, hint));
    parser_advance(p);
    return ERR_none;
}

enum err parser_values(struct parser *p, uint16_t *first, uint16_t *count)
{
    struct fraud_rules *rules = p->rules;

    *first = (uint16_t)rules->value_count;
    *count = 0;
    do {
        int64_t value = 0;

        parser_advance(p);
        if (rules->value_count == LIMIT_RULE_VALUES_MAX)
            return parser_fail(p, &p->now, "the lists of this file are too long together");
        TRY(parser_constant(p, false, &value));
        rules->values[rules->value_count++] = value;
        ++*count;
    } while (parser_is(p, TOKEN_SYMBOL, ","));
    return ERR_none;
}

uint16_t parser_slot(struct parser *p, int feature)
{
    struct fraud_rules *rules = p->rules;

    for (size_t i = 0; i < rules->slot_count; i++)
        if (rules->slots[i] == feature)
            return (uint16_t)i;
    CHECK(rules->slot_count < RULE_SLOTS_MAX); /* each feature has one slot at most */
    rules->slots[rules->slot_count] = (uint8_t)feature;
    return (uint16_t)rules->slot_count++;
}

/* --- hints ----------------------------------------------------------------------------------- */

static size_t smallest(size_t a, size_t b, size_t c)
{
    return a < b ? (a < c ? a : c) : (b < c ? b : c);
}

/* How many letters must be put in, taken out or changed to make one name the other. */
static size_t edit_distance(struct slice a, const char *b)
{
    size_t row[LIMIT_RULE_NAME_MAX + 1];
    size_t n = strlen(b);

    if (a.n > LIMIT_RULE_NAME_MAX || n > LIMIT_RULE_NAME_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t corner = row[0];

        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t change = corner + (a.at[i - 1] == b[j - 1] ? 0 : 1);

            corner = row[j];
            row[j] = smallest(change, row[j] + 1, row[j - 1] + 1);
        }
    }
    return row[n];
}

struct nearest {
    struct slice name;
    const char  *text;
    size_t       distance;
};

static void try_name(struct nearest *nearest, const char *text)
{
    size_t distance = edit_distance(nearest->name, text);

    if (distance < nearest->distance) {
        nearest->distance = distance;
        nearest->text = text;
    }
}

const char *parser_hint(const struct parser *p, struct slice name, char out[HINT_MAX])
{
    struct nearest nearest = { name, NULL, 1 + (name.n < 6 ? 2 : name.n / 3) };

    for (size_t i = 0; i < FEATURE_COUNT; i++)
        try_name(&nearest, feature_rows[i].name);
    for (size_t i = 0; i < ARRAY_COUNT(constants); i++)
        try_name(&nearest, constants[i].name);
    for (size_t i = 0; i < enum_transaction_type.count; i++)
        try_name(&nearest, enum_transaction_type.values[i].text);
    for (size_t i = 0; i < p->rules->list_count; i++)
        try_name(&nearest, p->rules->lists[i].name);
    out[0] = '\0';
    if (nearest.text != NULL)
        snprintf(out, HINT_MAX, "; did you mean `%s`?", nearest.text);
    return out;
}
