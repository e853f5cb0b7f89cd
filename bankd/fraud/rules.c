/* Reads a rule file: statements, their order and completeness, and the examples.
 *
 * The rule set lies in one block of memory together with everything that it needs. Examples run
 * as soon as they are read, on the code that will judge; so a file that loads has kept every
 * promise that it makes about itself. The language is told in rules.h. */
#include "bankd/fraud/rules.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bankd/fraud/parser.h"
#include "common/check.h"

const char *const rule_action_names[4] = { "score", "alert", "hold", "decline" };
const char *const rule_severity_names[3] = { "low", "medium", "high" };

static enum err parse_choice(struct parser *p, const char *const *names, size_t count,
                             const char *expected, uint8_t *out)
{
    for (size_t i = 0; i < count; i++)
        if (parser_is(p, TOKEN_WORD, names[i])) {
            *out = (uint8_t)i;
            parser_advance(p);
            return ERR_none;
        }
    return parser_expected(p, expected);
}

/* A new name of the user's: a word that is not too long. */
static enum err parse_name(struct parser *p, const char *what, char out[LIMIT_RULE_NAME_MAX + 1])
{
    if (p->now.kind != TOKEN_WORD || (p->now.line > p->behind.line && !p->stored))
        return parser_expected_here(p, what);
    if (p->now.text.n > LIMIT_RULE_NAME_MAX)
        return parser_fail(p, &p->now, "the name is longer than %d letters",
                           (int)LIMIT_RULE_NAME_MAX);
    slice_copy(p->now.text, out, LIMIT_RULE_NAME_MAX + 1);
    parser_advance(p);
    return ERR_none;
}

/* --- statements of a rule -------------------------------------------------------------------- */

static enum err parse_when(struct parser *p)
{
    return expression_parse(p, true, &p->rule->when);
}

static enum err parse_score(struct parser *p)
{
    const struct token at = p->now;
    int64_t            points = 0;

    TRY(expression_parse(p, false, &p->rule->score));
    if (!p->stored && expression_constant(p->rules, p->rule->score, &points) &&
        (points > RULE_SCORE_MAX || points < -RULE_SCORE_MAX))
        return parser_fail(p, &at, "a score is -%d to %d points, and this is %" PRId64,
                           (int)RULE_SCORE_MAX, (int)RULE_SCORE_MAX, points);
    return ERR_none;
}

static enum err parse_action(struct parser *p)
{
    return parse_choice(p, rule_action_names, ARRAY_COUNT(rule_action_names),
                        "score, alert, hold or decline", &p->rule->action);
}

static enum err parse_severity(struct parser *p)
{
    return parse_choice(p, rule_severity_names, ARRAY_COUNT(rule_severity_names),
                        "low, medium or high", &p->rule->severity);
}

/* `now` is the keyword, because the names behind it may have hyphens. */
static enum err parse_tags(struct parser *p)
{
    char  *tags = p->rule->tags;
    size_t used = 0;

    do {
        p->now = lexer_next_name(&p->lexer);
        if (p->now.kind != TOKEN_WORD)
            return parser_expected(p, "a tag's name");
        if (used + p->now.text.n + 2 > LIMIT_RULE_TAGS_MAX)
            return parser_fail(p, &p->now, "the tags are longer than %d letters together",
                               (int)LIMIT_RULE_TAGS_MAX);
        used += (size_t)snprintf(tags + used, LIMIT_RULE_TAGS_MAX + 1 - used, "%s%.*s",
                                 used > 0 ? ", " : "", (int)p->now.text.n, p->now.text.at);
        parser_advance(p);
    } while (parser_is(p, TOKEN_SYMBOL, ","));
    return ERR_none;
}

/* One {feature} of a template; returns the bytes that it takes in the text. */
static enum err compile_mark(struct parser *p, struct slice rest, char mark[2], size_t *taken)
{
    const char *end = memchr(rest.at, '}', rest.n);
    char        hint[HINT_MAX];
    uint16_t    slot;
    int         feature;
    size_t      n;

    if (end == NULL)
        return parser_fail(p, &p->now, "this text has a { without }; write {{ for the sign itself");
    n = (size_t)(end - rest.at) - 1;
    if (n == 0)
        return parser_fail(p, &p->now, "this text has {} without a feature's name in it");
    feature = feature_find(slice_of(rest.at + 1, n));
    if (feature < 0)
        return parser_fail(p, &p->now, "the text names the feature `%.*s`, which does not exist%s",
                           (int)n, rest.at + 1, parser_hint(p, slice_of(rest.at + 1, n), hint));
    slot = parser_slot(p, feature);
    if (feature_rows[feature].unit == UNIT_MINOR)
        (void)parser_slot(p, FEATURE_unit); /* says how many decimals to print */
    mark[0] = RULE_TEMPLATE_MARK;
    mark[1] = (char)(slot + 1);
    *taken = n + 2;
    return ERR_none;
}

/* A compiled text is never longer than the written one: a mark has two bytes, {x} three. */
static enum err compile_text(struct parser *p, struct slice text)
{
    char  *compiled = p->rule->compiled;
    size_t used = strlen(compiled);

    while (text.n > 0) {
        bool   doubled = text.n > 1 && text.at[1] == text.at[0];
        size_t taken = 1;

        if (text.at[0] == '{' && !doubled) {
            TRY(compile_mark(p, text, compiled + used, &taken));
            used += 2;
        } else {
            compiled[used++] = text.at[0];
            taken = doubled && (text.at[0] == '{' || text.at[0] == '}') ? 2 : 1;
        }
        text = slice_of(text.at + taken, text.n - taken);
    }
    compiled[used] = '\0';
    return ERR_none;
}

/* Texts that follow each other are one. */
static enum err parse_because(struct parser *p)
{
    if (p->now.kind != TOKEN_TEXT)
        return parser_expected(p, "a text in quotes");
    while (p->now.kind == TOKEN_TEXT) {
        struct slice text = p->now.text;
        size_t       used = strlen(p->rule->because);

        if (used + text.n > LIMIT_RULE_TEMPLATE_MAX)
            return parser_fail(p, &p->now, "the text is longer than %d bytes",
                               (int)LIMIT_RULE_TEMPLATE_MAX);
        slice_copy(text, p->rule->because + used, sizeof p->rule->because - used);
        TRY(compile_text(p, text));
        parser_advance(p);
    }
    return ERR_none;
}

/* --- examples -------------------------------------------------------------------------------- */

struct example {
    int64_t values[FEATURE_COUNT];
    bool    given[FEATURE_COUNT];
};

static enum err parse_example_value(struct parser *p, struct example *example)
{
    const struct token at = p->now;
    struct token       value;
    int                feature = feature_find(at.text);
    enum kind          kind = KIND_PLAIN;
    char               hint[HINT_MAX];

    if (feature < 0)
        return parser_fail(p, &at, "there is no feature `%.*s`%s", (int)at.text.n, at.text.at,
                           parser_hint(p, at.text, hint));
    if (example->given[feature])
        return parser_fail(p, &at, "this example gives `%s` twice", feature_rows[feature].name);
    parser_advance(p);
    if (!parser_is(p, TOKEN_SYMBOL, "="))
        return parser_expected_here(p, "= behind the feature's name");
    parser_advance(p);
    example->given[feature] = true;
    value = p->now;
    TRY(parser_constant(p, true, &example->values[feature], &kind));
    TRY(parser_check_kinds(p, &value, feature_kind(feature), kind));
    if (!p->stored && feature_kind(feature) == KIND_YES && (uint64_t)example->values[feature] > 1)
        return parser_fail(p, &value, "`%s` is yes or no", feature_rows[feature].name);
    return ERR_none;
}

/* What follows from what was given: amount and amount_major go together, and the currency has
 * hundredths. */
static void example_complete(struct example *example)
{
    int64_t *values = example->values;

    if (!example->given[FEATURE_unit])
        values[FEATURE_unit] = 100;
    if (example->given[FEATURE_amount] && !example->given[FEATURE_amount_major] &&
        values[FEATURE_unit] > 0)
        values[FEATURE_amount_major] = values[FEATURE_amount] / values[FEATURE_unit];
    if (example->given[FEATURE_amount_major] && !example->given[FEATURE_amount] &&
        __builtin_mul_overflow(values[FEATURE_amount_major], values[FEATURE_unit],
                               &values[FEATURE_amount]))
        values[FEATURE_amount] = INT64_MAX;
}

static enum err run_example(struct parser *p, const struct token *at, struct example *example,
                            bool must_fire)
{
    int64_t values[RULE_SLOTS_MAX] = { 0 };
    bool    fires;

    example_complete(example);
    for (size_t i = 0; i < p->rules->slot_count; i++)
        values[i] = example->values[p->rules->slots[i]];
    fires = rule_run(p->rules, p->rule->when, values) != 0;
    if (fires != must_fire)
        return parser_fail(p, at, "rule %s %s on this example, which says that it must%s",
                           p->rule->name, fires ? "fires" : "is silent", must_fire ? "" : " not");
    return ERR_none;
}

static bool is_keyword(const struct parser *p);

static enum err parse_example(struct parser *p, const struct token *at, bool must_fire)
{
    struct example example = { 0 };

    if (!parser_is(p, TOKEN_WORD, "on"))
        return parser_expected(p, "`on`");
    if (p->rule->when.count == 0)
        return parser_fail(p, at, "an example must stand behind the rule's `when`");
    parser_advance(p);
    do {
        if (p->now.kind != TOKEN_WORD)
            return parser_expected(p, "FEATURE=VALUE");
        TRY(parse_example_value(p, &example));
    } while (p->now.kind == TOKEN_WORD && !is_keyword(p));
    return run_example(p, at, &example, must_fire);
}

static enum err parse_fires(struct parser *p, const struct token *at)
{
    p->fires++;
    return parse_example(p, at, true);
}

static enum err parse_silent(struct parser *p, const struct token *at)
{
    p->silent++;
    return parse_example(p, at, false);
}

/* --- rules ----------------------------------------------------------------------------------- */

static const struct {
    const char *word;
    enum err (*parse)(struct parser *p);                                 /* once in a rule */
    enum err (*parse_example)(struct parser *p, const struct token *at); /* as often as wanted */
} statements[] = {
    { "when", parse_when, NULL },     { "score", parse_score, NULL },
    { "action", parse_action, NULL }, { "because", parse_because, NULL },
    { "tags", parse_tags, NULL },     { "severity", parse_severity, NULL },
    { "fires", NULL, parse_fires },   { "silent", NULL, parse_silent },
};

static const char *const outer_words[] = { "end", "rule", "list", "threshold", "version" };

static bool is_keyword(const struct parser *p)
{
    for (size_t i = 0; i < ARRAY_COUNT(statements); i++)
        if (parser_is(p, TOKEN_WORD, statements[i].word))
            return true;
    for (size_t i = 0; i < ARRAY_COUNT(outer_words); i++)
        if (parser_is(p, TOKEN_WORD, outer_words[i]))
            return true;
    return false;
}

/* Like parser_expected, with a word that is near. */
static enum err expected_word(struct parser *p, const char *what)
{
    const char *words[ARRAY_COUNT(statements) + ARRAY_COUNT(outer_words)];
    char        hint[HINT_MAX];
    char        text[FAULT_TEXT_MAX];
    size_t      count = 0;

    if (p->now.kind != TOKEN_WORD || p->now.text.n > LIMIT_RULE_NAME_MAX ||
        parser_joining(&p->now) != NULL)
        return parser_expected(p, what);
    for (size_t i = 0; p->rule != NULL && i < ARRAY_COUNT(statements); i++)
        words[count++] = statements[i].word;
    for (size_t i = 0; i < ARRAY_COUNT(outer_words); i++)
        words[count++] = outer_words[i];
    parser_hint_of(words, count, p->now.text, hint);
    snprintf(text, sizeof text, "expected %s, not `%.*s`%s", what, (int)p->now.text.n,
             p->now.text.at, hint);
    return parser_fail(p, &p->now, "%s", text);
}

static enum err parse_statement(struct parser *p)
{
    const struct token at = p->now;

    for (size_t i = 0; i < ARRAY_COUNT(statements); i++) {
        if (!parser_is(p, TOKEN_WORD, statements[i].word))
            continue;
        if (statements[i].parse_example != NULL) {
            parser_advance(p);
            return statements[i].parse_example(p, &at);
        }
        if ((p->seen & 1u << i) != 0)
            return parser_fail(p, &at, "rule %s has `%s` twice", p->rule->name, statements[i].word);
        p->seen |= 1u << i;
        if (statements[i].parse != parse_tags)
            parser_advance(p);
        return statements[i].parse(p);
    }
    return expected_word(p, "when, score, action, because, severity, tags, fires, silent or end");
}

static enum err check_rule(struct parser *p)
{
    const struct rule *rule = p->rule;
    const char        *missing = NULL;

    if (rule->when.count == 0)
        missing = "`when`";
    else if (rule->because[0] == '\0')
        missing = "`because` with a text";
    else if (rule->score.count == 0 && rule->action == ACTION_SCORE)
        missing = "`score`, or an action";
    else if (p->fires == 0)
        missing = "an example `fires on`";
    else if (p->silent == 0)
        missing = "an example `silent on`";
    if (missing != NULL)
        return parser_fail(p, &p->rule_name, "rule %s needs %s", rule->name, missing);
    return ERR_none;
}

static enum err parse_rule(struct parser *p)
{
    struct fraud_rules *rules = p->rules;

    if (rules->rule_count == LIMIT_RULES_MAX)
        return parser_fail(p, &p->now, "there are more than %d rules", (int)LIMIT_RULES_MAX);
    p->rule = &rules->rules[rules->rule_count];
    p->rule->severity = SEVERITY_MEDIUM;
    p->rule_name = p->now;
    p->seen = 0;
    p->fires = 0;
    p->silent = 0;
    TRY(parse_name(p, "the rule's name", p->rule->name));
    for (size_t i = 0; i < rules->rule_count; i++)
        if (strcmp(rules->rules[i].name, p->rule->name) == 0)
            return parser_fail(p, &p->rule_name, "there is already a rule %s", p->rule->name);
    while (!parser_is(p, TOKEN_WORD, "end"))
        TRY(parse_statement(p));
    parser_advance(p);
    TRY(check_rule(p));
    p->rule = NULL;
    rules->rule_count++;
    return ERR_none;
}

/* --- the file -------------------------------------------------------------------------------- */

static enum err parse_list_statement(struct parser *p)
{
    struct fraud_rules *rules = p->rules;
    struct rule_list   *list = &rules->lists[rules->list_count];
    const struct token  at = p->now;
    enum kind           kind = KIND_PLAIN;

    if (rules->list_count == LIMIT_RULE_LISTS_MAX)
        return parser_fail(p, &at, "there are more than %d lists", (int)LIMIT_RULE_LISTS_MAX);
    TRY(parse_name(p, "the list's name", list->name));
    for (size_t i = 0; i < rules->list_count; i++)
        if (strcmp(rules->lists[i].name, list->name) == 0)
            return parser_fail(p, &at, "there is already a list %s", list->name);
    if (!parser_is(p, TOKEN_SYMBOL, "="))
        return parser_expected_here(p, "= behind the list's name");
    TRY(parser_values(p, &list->first, &list->count, &kind));
    list->kind = (uint8_t)kind;
    rules->list_count++;
    return ERR_none;
}

static const char *const threshold_words[] = { "alert", "hold", "decline" };

static int32_t *threshold_of(struct fraud_rules *rules, size_t i)
{
    return i == 0   ? &rules->threshold_alert
           : i == 1 ? &rules->threshold_hold
                    : &rules->threshold_decline;
}

static enum err parse_threshold(struct parser *p)
{
    const struct token at = p->now;
    size_t             i = 0;
    int32_t           *threshold;

    while (i < ARRAY_COUNT(threshold_words) && !parser_is(p, TOKEN_WORD, threshold_words[i]))
        i++;
    if (i == ARRAY_COUNT(threshold_words))
        return parser_expected_here(p, "alert, hold or decline");
    threshold = threshold_of(p->rules, i);
    p->thresholds[i] = at;
    if (*threshold != 0)
        return parser_fail(p, &at, "the threshold %.*s is given twice", (int)at.text.n, at.text.at);
    parser_advance(p);
    if (parser_is(p, TOKEN_WORD, "never"))
        *threshold = RULE_SCORE_NEVER;
    else if (p->now.kind != TOKEN_NUMBER || (p->now.scale != '\0' && !p->stored))
        return parser_expected_here(p, "a number of points or never");
    else if (p->now.value < 1 || p->now.value > RULE_SCORE_MAX)
        return parser_fail(p, &p->now, "a threshold is 1 to %d points, or never",
                           (int)RULE_SCORE_MAX);
    else
        *threshold = (int32_t)p->now.value;
    parser_advance(p);
    return ERR_none;
}

static enum err parse_version(struct parser *p)
{
    if (!parser_is(p, TOKEN_WORD, "version"))
        return parser_expected(p, "`version 1` as the file's first words");
    parser_advance(p);
    if (p->now.kind != TOKEN_NUMBER || p->now.value != RULE_VERSION)
        return parser_expected(p, "version 1, the only one there is");
    parser_advance(p);
    return ERR_none;
}

/* The later one of two that are not in order is told. */
static enum err check_thresholds(struct parser *p)
{
    struct fraud_rules *rules = p->rules;

    if (rules->threshold_hold == 0 && rules->threshold_decline == 0)
        return parser_fail(p, &p->now, "the file needs `threshold hold` and `threshold decline`");
    for (size_t i = 1; i < ARRAY_COUNT(threshold_words); i++)
        if (*threshold_of(rules, i) == 0)
            return parser_fail(p, &p->now, "the file needs `threshold %s`", threshold_words[i]);
    if (rules->threshold_alert == 0)
        rules->threshold_alert = rules->threshold_hold;
    for (size_t i = 1; i < ARRAY_COUNT(threshold_words); i++) {
        const struct token *low = &p->thresholds[i - 1];
        const struct token *high = &p->thresholds[i];

        if (*threshold_of(rules, i - 1) > *threshold_of(rules, i))
            return parser_fail(
                p,
                high->line > low->line || (high->line == low->line && high->column > low->column)
                    ? high
                    : low,
                "the thresholds must rise from alert over hold to decline, and %s is "
                "above %s",
                threshold_words[i - 1], threshold_words[i]);
    }
    return ERR_none;
}

static enum err parse_file(struct parser *p)
{
    parser_advance(p);
    TRY(parse_version(p));
    while (p->now.kind != TOKEN_END) {
        const struct token at = p->now;

        if (at.kind != TOKEN_WORD || !is_keyword(p))
            return expected_word(p, "threshold, list or rule");
        if (slice_is(at.text, "version"))
            return parser_fail(p, &at, "the version is given twice; it stands once, at the top");
        parser_advance(p);
        if (slice_is(at.text, "rule"))
            TRY(parse_rule(p));
        else if (slice_is(at.text, "list"))
            TRY(parse_list_statement(p));
        else if (slice_is(at.text, "threshold"))
            TRY(parse_threshold(p));
        else
            return parser_fail(p, &at, "`%.*s` has no meaning outside a rule", (int)at.text.n,
                               at.text.at);
    }
    return check_thresholds(p);
}

uint16_t rules_print_slots(const struct fraud_rules *rules)
{
    uint32_t print = UINT32_C(0x811c9dc5);

    for (size_t i = 0; i < rules->slot_count; i++)
        for (const char *c = feature_rows[rules->slots[i]].name; c[0] != '\0'; c++)
            print = (print ^ (uint8_t)*c) * UINT32_C(0x01000193);
    return (uint16_t)(print ^ print >> 16);
}

static enum err parse_text(struct slice text, const char *file, bool stored,
                           struct fraud_rules **out, struct fault *fault)
{
    struct arena  memory;
    struct parser p = { .file = file, .fault = fault, .stored = stored };
    enum err      err;

    *out = NULL;
    if (text.n > LIMIT_RULES_FILE_MAX)
        return fault_set(fault, ERR_file_syntax, file, "1:1: the file is larger than %d bytes",
                         (int)LIMIT_RULES_FILE_MAX);
    TRY(parser_check_text(&p, text));
    TRY(arena_init(&memory, sizeof *p.rules + 16)); /* whole units of 16 bytes */
    p.rules = arena_take(&memory, sizeof *p.rules);
    CHECK(p.rules != NULL);
    lexer_init(&p.lexer, text);
    err = parse_file(&p);
    if (err != ERR_none) {
        arena_free(&memory);
        return err;
    }
    p.rules->memory = memory;
    p.rules->slots_print = rules_print_slots(p.rules);
    for (size_t i = 0; i < p.rules->rule_count; i++)
        rule_shorten(p.rules, i);
    *out = p.rules;
    return ERR_none;
}

enum err fraud_rules_parse(struct slice text, const char *file, struct fraud_rules **out,
                           struct fault *fault)
{
    return parse_text(text, file, false, out, fault);
}

enum err fraud_rules_parse_stored(struct slice text, const char *file, struct fraud_rules **out,
                                  struct fault *fault)
{
    return parse_text(text, file, true, out, fault);
}

void fraud_rules_free(struct fraud_rules **rules)
{
    struct arena memory;

    if (*rules == NULL)
        return;
    memory = (*rules)->memory; /* which holds the rules themselves */
    arena_free(&memory);
    *rules = NULL;
}

size_t fraud_rules_count(const struct fraud_rules *rules)
{
    return rules->rule_count;
}

struct fraud_thresholds fraud_rules_thresholds(const struct fraud_rules *rules)
{
    return (struct fraud_thresholds){ rules->threshold_alert, rules->threshold_hold,
                                      rules->threshold_decline };
}

int fraud_rules_find(const struct fraud_rules *rules, struct slice name)
{
    for (size_t i = 0; i < rules->rule_count; i++)
        if (slice_is(name, rules->rules[i].name))
            return (int)i;
    return -1;
}

static bool is_denied(int feature)
{
    return feature == FEATURE_account_denied || feature == FEATURE_counterparty_denied;
}

static bool is_of_lists(int feature)
{
    return is_denied(feature) || feature == FEATURE_account_allowed ||
           feature == FEATURE_account_watched || feature == FEATURE_counterparty_allowed ||
           feature == FEATURE_counterparty_watched;
}

static bool asks(const struct fraud_rules *rules, struct rule_code code, bool (*wanted)(int))
{
    for (size_t i = 0; i < code.count; i++) {
        const struct rule_step *step = &rules->steps[code.first + i];

        if ((step->op == OP_SLOT || step->op == OP_COMPARE) && wanted(rules->slots[step->first]))
            return true;
    }
    return false;
}

static bool rule_asks(const struct fraud_rules *rules, size_t rule, bool (*wanted)(int))
{
    return rule < rules->rule_count && (asks(rules, rules->rules[rule].when, wanted) ||
                                        asks(rules, rules->rules[rule].score, wanted));
}

bool fraud_rules_asks_deny_list(const struct fraud_rules *rules, size_t rule)
{
    return rule_asks(rules, rule, is_denied);
}

bool fraud_rules_asks_lists(const struct fraud_rules *rules, size_t rule)
{
    return rule_asks(rules, rule, is_of_lists);
}

bool fraud_rules_is_high(const struct fraud_rules *rules, size_t rule)
{
    return rule < rules->rule_count && rules->rules[rule].severity == SEVERITY_HIGH;
}

bool fraud_rules_view(const struct fraud_rules *rules, size_t rule, struct fraud_rule_view *out)
{
    const struct rule *found = &rules->rules[rule < rules->rule_count ? rule : 0];

    if (rule >= rules->rule_count)
        return false;
    *out = (struct fraud_rule_view){
        .name = found->name,
        .because = found->because,
        .action = rule_action_names[found->action],
        .severity = rule_severity_names[found->severity],
        .tags = found->tags,
    };
    return true;
}

const char *fraud_rules_name(const struct fraud_rules *rules, size_t rule)
{
    if (rule == FRAUD_RULE_CLAMP)
        return "clamp";
    if (rule == FRAUD_RULE_REST)
        return "rest";
    if (rule < rules->rule_count)
        return rules->rules[rule].name;
    rule -= rules->rule_count;
    return rules->card.loaded && rule <= rules->card.part_count ? card_name(rules, rule) : "?";
}
