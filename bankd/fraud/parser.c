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

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* The same but for the case of letters, which is nearest of all. */
static bool differs_in_case(struct slice a, const char *b)
{
    size_t i = 0;

    while (i < a.n && b[i] != '\0' && lower(a.at[i]) == lower(b[i]))
        i++;
    return i == a.n && b[i] == '\0';
}

const char *parser_joining(const struct token *token)
{
    static const char *const words[] = { "and", "or", "not", "in" };

    for (size_t i = 0; token->kind == TOKEN_WORD && i < ARRAY_COUNT(words); i++)
        if (differs_in_case(token->text, words[i]) && !slice_is(token->text, words[i]))
            return words[i];
    return NULL;
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
    if (parser_joining(now) != NULL)
        return parser_fail(p, now, "expected %s, not `%.*s`; did you mean `%s`?", what, (int)n,
                           now->text.at, parser_joining(now));
    n = n < LIMIT_RULE_NAME_MAX ? n : LIMIT_RULE_NAME_MAX;
    return parser_fail(p, now, "expected %s, not %s%.*s%s", what, quote, (int)n, now->text.at,
                       quote);
}

enum err parser_expected_here(struct parser *p, const char *what)
{
    if (p->now.kind == TOKEN_BAD || p->now.line <= p->behind.line)
        return parser_expected(p, what);
    return parser_fail(p, &p->behind, "expected %s, but the line ends", what);
}

enum err parser_check_text(struct parser *p, struct slice text)
{
    struct token bad;

    if (p->stored && slice_is_utf8(text))
        return ERR_none;
    return lexer_find_bad(text, &bad) ? parser_fail(p, &bad, "%s", bad.error) : ERR_none;
}

void parser_advance(struct parser *p)
{
    p->behind = p->now;
    p->behind.line = p->lexer.line;
    p->behind.column = p->lexer.column;
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

enum kind feature_kind(int feature)
{
    switch (feature_rows[feature].unit) {
    case UNIT_YES:
        return KIND_YES;
    case UNIT_MINOR:
        return KIND_MONEY;
    case UNIT_BP:
        return KIND_SHARE;
    case UNIT_SECONDS:
        return KIND_SECONDS;
    case UNIT_WEEKDAY:
        return KIND_WEEKDAY;
    case UNIT_WORD:
        return KIND_TYPE;
    case UNIT_COUNT:
    case UNIT_MAJOR:
    case UNIT_PCT:
    case UNIT_X100:
    case UNIT_HOUR:
    case UNIT_DAYS:
        break;
    }
    return KIND_COUNT;
}

static const struct {
    const char *name; /* with its article */
    const char *like; /* how a constant of it is written */
} kinds[] = {
    [KIND_PLAIN] = { "a number", "5" },
    [KIND_YES] = { "a yes or no", "yes" },
    [KIND_COUNT] = { "a count", "5" },
    [KIND_MONEY] = { "an amount of money", "49.90" },
    [KIND_SHARE] = { "a share", "25%" },
    [KIND_SECONDS] = { "a span of time", "15m" },
    [KIND_WEEKDAY] = { "a day of the week", "monday" },
    [KIND_TYPE] = { "a type of payment", "transfer" },
};

enum err parser_check_kinds(struct parser *p, const struct token *at, enum kind left,
                            enum kind right)
{
    if (left == right || left == KIND_PLAIN || right == KIND_PLAIN || p->stored)
        return ERR_none;
    return parser_fail(p, at, "%s does not go with %s; write %s like %s", kinds[right].name,
                       kinds[left].name, kinds[left].name, kinds[left].like);
}

static const struct {
    const char *name;
    int64_t     value;
    enum kind   kind;
} constants[] = {
    { "no", 0, KIND_YES },
    { "yes", 1, KIND_YES },
    { "monday", 0, KIND_WEEKDAY },
    { "tuesday", 1, KIND_WEEKDAY },
    { "wednesday", 2, KIND_WEEKDAY },
    { "thursday", 3, KIND_WEEKDAY },
    { "friday", 4, KIND_WEEKDAY },
    { "saturday", 5, KIND_WEEKDAY },
    { "sunday", 6, KIND_WEEKDAY },
};

bool constant_find(struct slice name, int64_t *value, enum kind *kind)
{
    int32_t type = 0;

    for (size_t i = 0; i < ARRAY_COUNT(constants); i++)
        if (slice_is(name, constants[i].name)) {
            *value = constants[i].value;
            *kind = constants[i].kind;
            return true;
        }
    if (enum_parse(&enum_transaction_type, name, &type) != ERR_none)
        return false;
    *value = type;
    *kind = KIND_TYPE;
    return true;
}

static enum kind number_kind(const struct token *token)
{
    if (token->kind == TOKEN_MONEY)
        return KIND_MONEY;
    return token->scale == '%' ? KIND_SHARE : token->scale != '\0' ? KIND_SECONDS : KIND_PLAIN;
}

enum err parser_constant(struct parser *p, bool money, int64_t *value, enum kind *kind)
{
    bool negative = parser_is(p, TOKEN_SYMBOL, "-");
    char hint[HINT_MAX];

    if (negative)
        parser_advance(p);
    *kind = number_kind(&p->now);
    if (p->now.kind == TOKEN_NUMBER || (p->now.kind == TOKEN_MONEY && money))
        *value = negative ? -p->now.value : p->now.value;
    else if (p->now.kind == TOKEN_MONEY)
        return parser_fail(p, &p->now, "money depends on the currency and cannot stand in a list");
    else if (p->now.kind != TOKEN_WORD || negative)
        return parser_expected_here(p, "a constant");
    else if (!constant_find(p->now.text, value, kind))
        return p->now.line > p->behind.line
                   ? parser_expected_here(p, "a constant")
                   : parser_fail(p, &p->now, "there is no constant `%.*s`%s", (int)p->now.text.n,
                                 p->now.text.at, parser_hint(p, p->now.text, hint));
    parser_advance(p);
    return ERR_none;
}

enum err parser_values(struct parser *p, uint16_t *first, uint16_t *count, enum kind *kind)
{
    struct fraud_rules *rules = p->rules;

    *first = (uint16_t)rules->value_count;
    *count = 0;
    *kind = KIND_PLAIN;
    do {
        struct token at;
        int64_t      value = 0;
        enum kind    one = KIND_PLAIN;

        parser_advance(p);
        at = p->now;
        if (rules->value_count == LIMIT_RULE_VALUES_MAX)
            return parser_fail(p, &p->now, "the lists of this file are too long together");
        TRY(parser_constant(p, false, &value, &one));
        TRY(parser_check_kinds(p, &at, *kind, one));
        *kind = one != KIND_PLAIN ? one : *kind;
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
    size_t distance = differs_in_case(nearest->name, text) ? 0 : edit_distance(nearest->name, text);

    if (distance < nearest->distance) {
        nearest->distance = distance;
        nearest->text = text;
    }
}

/* Two letters at most, and less than half of the word. */
static struct nearest near(struct slice name)
{
    size_t distance = (name.n + 1) / 2;

    return (struct nearest){ name, NULL, distance < 3 ? distance : 3 };
}

static const char *hint_text(const struct nearest *nearest, char out[HINT_MAX])
{
    out[0] = '\0';
    if (nearest->text != NULL)
        snprintf(out, HINT_MAX, "; did you mean `%s`?", nearest->text);
    return out;
}

const char *parser_hint(const struct parser *p, struct slice name, char out[HINT_MAX])
{
    struct nearest nearest = near(name);

    for (size_t i = 0; i < FEATURE_COUNT; i++)
        try_name(&nearest, feature_rows[i].name);
    for (size_t i = 0; i < ARRAY_COUNT(constants); i++)
        try_name(&nearest, constants[i].name);
    for (size_t i = 0; i < enum_transaction_type.count; i++)
        try_name(&nearest, enum_transaction_type.values[i].text);
    for (size_t i = 0; i < p->rules->list_count; i++)
        try_name(&nearest, p->rules->lists[i].name);
    return hint_text(&nearest, out);
}

const char *parser_hint_of(const char *const *words, size_t count, struct slice name,
                           char out[HINT_MAX])
{
    struct nearest nearest = near(name);

    for (size_t i = 0; i < count; i++)
        try_name(&nearest, words[i]);
    return hint_text(&nearest, out);
}

const char *parser_hint_lists(const struct parser *p, struct slice name, char out[LISTS_MAX])
{
    struct nearest nearest = near(name);
    size_t         count = p->rules->list_count;
    size_t         used;

    for (size_t i = 0; i < count; i++)
        try_name(&nearest, p->rules->lists[i].name);
    if (nearest.text != NULL)
        return hint_text(&nearest, out);
    if (count == 0) {
        snprintf(out, LISTS_MAX, "; no list stands before it, like `list %.*s = 1, 2`",
                 (int)(name.n < LIMIT_RULE_NAME_MAX ? name.n : LIMIT_RULE_NAME_MAX), name.at);
        return out;
    }
    used = (size_t)snprintf(out, LISTS_MAX, "; there %s", count == 1 ? "is only" : "are");
    for (size_t i = 0; i < count && used + LIMIT_RULE_NAME_MAX + 8 < LISTS_MAX; i++)
        used += (size_t)snprintf(out + used, LISTS_MAX - used, "%s `%s`", i > 0 ? "," : "",
                                 p->rules->lists[i].name);
    return out;
}
