/* Expressions into code, by operator precedence with a stack of our own instead of recursion.
 *
 * Operands are emitted as they come; operators wait on a stack until one that binds less strongly
 * follows. Beside the code runs a shadow of the machine's stack that knows for each entry what
 * kind of value it is; it bounds the depth and finds mistakes like `amount and 5`. */
#include "bankd/fraud/parser.h"

#include <stdio.h>
#include <string.h>

#include "common/check.h"

enum strength {
    STRENGTH_MARK = 0, /* a parenthesis or a function: stays until it is closed */
    STRENGTH_OR,
    STRENGTH_AND,
    STRENGTH_NOT,
    STRENGTH_COMPARE,
    STRENGTH_SUM,
    STRENGTH_PRODUCT,
    STRENGTH_SIGN
};

struct binary {
    const char   *text;
    enum rule_op  op;
    enum strength strength;
};

static const struct binary binaries[] = {
    { "or", OP_OR, STRENGTH_OR },
    { "and", OP_AND, STRENGTH_AND },
    { "=", OP_EQUAL, STRENGTH_COMPARE },
    { "==", OP_EQUAL, STRENGTH_COMPARE },
    { "!=", OP_UNEQUAL, STRENGTH_COMPARE },
    { "<", OP_LESS, STRENGTH_COMPARE },
    { "<=", OP_LESS_EQUAL, STRENGTH_COMPARE },
    { ">", OP_GREATER, STRENGTH_COMPARE },
    { ">=", OP_GREATER_EQUAL, STRENGTH_COMPARE },
    { "+", OP_ADD, STRENGTH_SUM },
    { "-", OP_SUBTRACT, STRENGTH_SUM },
    { "*", OP_MULTIPLY, STRENGTH_PRODUCT },
    { "/", OP_DIVIDE, STRENGTH_PRODUCT },
};

static const struct {
    const char  *name;
    enum rule_op op;
    unsigned     arguments;
} functions[] = {
    { "min", OP_MIN, 2 },
    { "max", OP_MAX, 2 },
    { "abs", OP_ABS, 1 },
};

struct waiting {
    enum rule_op  op;
    enum strength strength;
    unsigned      arguments; /* of a function: seen so far; 0 for a parenthesis */
    unsigned      wanted;
    uint16_t      skip; /* of `and` and `or`: the step that skips the right side */
    struct token  at;
};

struct expression {
    struct parser *p;
    struct waiting waiting[LIMIT_RULE_STACK_MAX];
    size_t         waiting_count;
    enum kind      kinds[LIMIT_RULE_STACK_MAX];
    uint16_t       starts[LIMIT_RULE_STACK_MAX]; /* the first step of each operand */
    size_t         depth;
};

static const struct binary *binary_find(const struct token *token)
{
    if (token->kind != TOKEN_WORD && token->kind != TOKEN_SYMBOL)
        return NULL;
    for (size_t i = 0; i < ARRAY_COUNT(binaries); i++)
        if (slice_is(token->text, binaries[i].text))
            return &binaries[i];
    return NULL;
}

static enum err add_step(struct expression *e, const struct token *at, struct rule_step step)
{
    struct fraud_rules *rules = e->p->rules;

    if (rules->step_count == LIMIT_RULE_STEPS_MAX)
        return parser_fail(e->p, at, "the rules of this file are too long together");
    rules->steps[rules->step_count++] = step;
    return ERR_none;
}

static enum err emit_operand(struct expression *e, const struct token *at, struct rule_step step,
                             enum kind kind)
{
    if (e->depth == LIMIT_RULE_STACK_MAX)
        return parser_fail(e->p, at, "the expression is nested too deeply");
    e->starts[e->depth] = (uint16_t)e->p->rules->step_count;
    e->kinds[e->depth++] = kind;
    return add_step(e, at, step);
}

static bool is_comparison(enum rule_op op)
{
    return op >= OP_EQUAL && op <= OP_GREATER_EQUAL;
}

/* A slot and a constant that wait for a comparison become one step with it. */
static bool fuse(struct expression *e, enum rule_op op)
{
    struct fraud_rules *rules = e->p->rules;
    struct rule_step   *slot = &rules->steps[rules->step_count - 2];

    if (!is_comparison(op) || slot[0].op != OP_SLOT || slot[1].op != OP_PUSH)
        return false;
    slot->op = OP_COMPARE;
    slot->value = slot[1].value;
    slot->count = (uint16_t)op;
    rules->step_count--;
    return true;
}

static enum err emit_one(struct expression *e, const struct token *at, enum rule_op op)
{
    enum kind *top = &e->kinds[e->depth - 1];

    if (op == OP_NOT && *top != KIND_YES)
        return parser_fail(e->p, at, "`not` needs a condition, and this is a number; compare it");
    *top = op == OP_NOT ? KIND_YES : *top == KIND_YES ? KIND_PLAIN : *top;
    return add_step(e, at, (struct rule_step){ .op = (uint16_t)op });
}

bool expression_constant(const struct fraud_rules *rules, struct rule_code code, int64_t *value)
{
    for (size_t i = code.first; i < (size_t)code.first + code.count; i++)
        if (rules->steps[i].op == OP_SLOT || rules->steps[i].op == OP_COMPARE)
            return false;
    *value = rule_run(rules, code, NULL);
    return true;
}

static bool divides_by_zero(const struct expression *e)
{
    struct rule_code right = { .first = e->starts[e->depth - 1] };
    int64_t          value = 1;

    right.count = (uint16_t)(e->p->rules->step_count - right.first);
    return expression_constant(e->p->rules, right, &value) && value == 0;
}

/* What an operator makes of two values. */
static enum kind kind_of(enum rule_op op, enum kind left, enum kind right)
{
    if (is_comparison(op) || op == OP_AND || op == OP_OR)
        return KIND_YES;
    if (op == OP_MULTIPLY || op == OP_DIVIDE || left == KIND_YES || right == KIND_YES)
        return KIND_PLAIN;
    if (left == KIND_PLAIN || right == KIND_PLAIN)
        return left == KIND_PLAIN ? right : left;
    return left == right ? left : KIND_PLAIN;
}

static enum err emit_two(struct expression *e, const struct token *at, enum rule_op op)
{
    enum kind *left = &e->kinds[e->depth - 2];
    enum kind *right = &e->kinds[e->depth - 1];
    bool       both = *left == KIND_YES && *right == KIND_YES;

    if ((op == OP_AND || op == OP_OR) && !both)
        return parser_fail(e->p, at,
                           "`%s` needs a condition on both sides, and the %s one is a number",
                           op == OP_AND ? "and" : "or", *left == KIND_YES ? "right" : "left");
    if (is_comparison(op) && op != OP_EQUAL && op != OP_UNEQUAL &&
        (*left == KIND_YES || *right == KIND_YES))
        return parser_fail(e->p, at, "a condition is yes or no and cannot be larger or smaller");
    if (is_comparison(op))
        TRY(parser_check_kinds(e->p, at, *left, *right));
    if (op == OP_DIVIDE && !e->p->stored && divides_by_zero(e))
        return parser_fail(e->p, at, "this divides by 0");
    *left = kind_of(op, *left, *right);
    e->depth--;
    return fuse(e, op) ? ERR_none : add_step(e, at, (struct rule_step){ .op = (uint16_t)op });
}

/* Emits what waits and binds at least so strongly, down to the next parenthesis. */
static enum err reduce(struct expression *e, enum strength strength)
{
    while (e->waiting_count > 0) {
        const struct waiting *top = &e->waiting[e->waiting_count - 1];

        if (top->strength == STRENGTH_MARK || top->strength < strength)
            break;
        e->waiting_count--;
        if (top->strength == STRENGTH_NOT || top->strength == STRENGTH_SIGN)
            TRY(emit_one(e, &top->at, top->op));
        else
            TRY(emit_two(e, &top->at, top->op));
        if (top->op == OP_AND || top->op == OP_OR)
            e->p->rules->steps[top->skip].first = (uint16_t)e->p->rules->step_count;
    }
    return ERR_none;
}

/* Puts `now` on the stack of what waits and goes on. */
static enum err wait_for(struct expression *e, struct waiting waiting)
{
    if (e->waiting_count == LIMIT_RULE_STACK_MAX)
        return parser_fail(e->p, &e->p->now, "the expression is nested too deeply");
    waiting.at = e->p->now;
    e->waiting[e->waiting_count++] = waiting;
    parser_advance(e->p);
    return ERR_none;
}

/* --- operands -------------------------------------------------------------------------------- */

static enum err parse_money(struct expression *e)
{
    const struct token at = e->p->now;
    uint16_t           unit = parser_slot(e->p, FEATURE_unit);

    /* Hundredths of a unit times minor units of a unit, by 100, is minor units. */
    TRY(emit_operand(e, &at, (struct rule_step){ .op = OP_PUSH, .value = at.value }, KIND_PLAIN));
    TRY(emit_operand(e, &at, (struct rule_step){ .op = OP_SLOT, .first = unit }, KIND_PLAIN));
    TRY(emit_two(e, &at, OP_MULTIPLY));
    TRY(emit_operand(e, &at, (struct rule_step){ .op = OP_PUSH, .value = 100 }, KIND_PLAIN));
    TRY(emit_two(e, &at, OP_DIVIDE));
    e->kinds[e->depth - 1] = KIND_MONEY;
    parser_advance(e->p);
    return ERR_none;
}

/* Somebody who writes `type = wire` looks for the words that there are. */
static enum err fail_word(struct expression *e, const struct token *at)
{
    const struct enum_desc *types = &enum_transaction_type;
    char                    hint[HINT_MAX];
    char                    words[160] = "";
    size_t                  used = 0;
    bool compared = e->waiting_count > 0 && is_comparison(e->waiting[e->waiting_count - 1].op) &&
                    e->waiting[e->waiting_count - 1].strength == STRENGTH_COMPARE;

    parser_hint(e->p, at->text, hint);
    if (!compared || e->kinds[e->depth - 1] != KIND_TYPE)
        return parser_fail(e->p, at,
                           "`%.*s` is neither a feature, nor a list, nor a value such as transfer, "
                           "monday or yes%s",
                           (int)at->text.n, at->text.at, hint);
    for (size_t i = 0; i < types->count && used < sizeof words; i++)
        used += (size_t)snprintf(words + used, sizeof words - used, "%s%s", i > 0 ? ", " : "",
                                 types->values[i].text);
    return parser_fail(e->p, at, "`%.*s` is none of the types of payment, which are %s%s",
                       (int)at->text.n, at->text.at, words, hint);
}

static enum err parse_word(struct expression *e)
{
    const struct token at = e->p->now;
    struct rule_step   step = { .op = OP_SLOT };
    int                feature = feature_find(at.text);
    enum kind          kind = KIND_PLAIN;

    if (feature >= 0) {
        step.first = parser_slot(e->p, feature);
        TRY(emit_operand(e, &at, step, feature_kind(feature)));
    } else if (constant_find(at.text, &step.value, &kind)) {
        step.op = OP_PUSH;
        TRY(emit_operand(e, &at, step, kind));
    } else {
        return fail_word(e, &at);
    }
    parser_advance(e->p);
    return ERR_none;
}

/* True when `now` opened a function. */
static enum err parse_function(struct expression *e, bool *opened)
{
    *opened = false;
    for (size_t i = 0; i < ARRAY_COUNT(functions); i++) {
        struct waiting function = {
            .op = functions[i].op,
            .strength = STRENGTH_MARK,
            .arguments = 1,
            .wanted = functions[i].arguments,
        };

        if (!parser_is(e->p, TOKEN_WORD, functions[i].name))
            continue;
        TRY(wait_for(e, function));
        if (!parser_is(e->p, TOKEN_SYMBOL, "("))
            return parser_expected(e->p, "a ( behind the function's name");
        parser_advance(e->p);
        *opened = true;
    }
    return ERR_none;
}

/* Signs, `not` and opening parentheses up to the value that they are about. */
static enum err parse_operand(struct expression *e)
{
    struct parser   *p = e->p;
    struct rule_step push = { .op = OP_PUSH };

    for (;;) {
        bool opened = false;

        if (parser_is(p, TOKEN_WORD, "not")) {
            TRY(wait_for(e, (struct waiting){ .op = OP_NOT, .strength = STRENGTH_NOT }));
            continue;
        }
        if (parser_is(p, TOKEN_SYMBOL, "-")) {
            TRY(wait_for(e, (struct waiting){ .op = OP_NEGATE, .strength = STRENGTH_SIGN }));
            continue;
        }
        if (parser_is(p, TOKEN_SYMBOL, "(")) {
            TRY(wait_for(e, (struct waiting){ .strength = STRENGTH_MARK }));
            continue;
        }
        TRY(parse_function(e, &opened));
        if (!opened)
            break;
    }
    if (p->now.kind == TOKEN_MONEY)
        return parse_money(e);
    if (p->now.kind == TOKEN_WORD)
        return parse_word(e);
    if (p->now.kind != TOKEN_NUMBER)
        return parser_expected_here(p, "a feature or a number");
    push.value = p->now.value;
    TRY(emit_operand(e, &p->now, push,
                     p->now.scale == '%'    ? KIND_SHARE
                     : p->now.scale != '\0' ? KIND_SECONDS
                                            : KIND_PLAIN));
    parser_advance(p);
    return ERR_none;
}

/* --- what follows an operand ----------------------------------------------------------------- */

static enum err parse_list_name(struct expression *e, struct rule_step *step, enum kind *kind)
{
    struct parser *p = e->p;
    char           hint[LISTS_MAX];

    for (size_t i = 0; i < p->rules->list_count; i++) {
        const struct rule_list *list = &p->rules->lists[i];

        if (slice_is(p->now.text, list->name)) {
            step->first = list->first;
            step->count = list->count;
            *kind = (enum kind)list->kind;
            parser_advance(p);
            return ERR_none;
        }
    }
    return parser_fail(p, &p->now, "there is no list `%.*s`%s", (int)p->now.text.n, p->now.text.at,
                       parser_hint_lists(p, p->now.text, hint));
}

static enum err parse_list(struct expression *e, struct rule_step *step, enum kind *kind)
{
    struct parser *p = e->p;

    if (p->now.kind == TOKEN_WORD)
        return parse_list_name(e, step, kind);
    if (!parser_is(p, TOKEN_SYMBOL, "("))
        return parser_expected(p, "a list's name or ( behind `in`");
    TRY(parser_values(p, &step->first, &step->count, kind));
    if (!parser_is(p, TOKEN_SYMBOL, ")"))
        return parser_expected(p, "a comma or the list's closing )");
    parser_advance(p);
    return ERR_none;
}

/* `in LIST` and `not in LIST`. */
static enum err parse_in(struct expression *e)
{
    const struct token at = e->p->now;
    struct rule_step   step = { .op = OP_IN };
    enum kind          kind = KIND_PLAIN;
    bool               negated = parser_is(e->p, TOKEN_WORD, "not");

    if (negated) {
        parser_advance(e->p);
        if (!parser_is(e->p, TOKEN_WORD, "in"))
            return parser_expected(e->p, "`in` behind this `not`");
    }
    parser_advance(e->p);
    TRY(reduce(e, STRENGTH_COMPARE));
    if (e->kinds[e->depth - 1] == KIND_YES)
        return parser_fail(e->p, &at, "a condition is yes or no and stands in no list");
    TRY(parse_list(e, &step, &kind));
    TRY(parser_check_kinds(e->p, &at, e->kinds[e->depth - 1], kind));
    TRY(add_step(e, &at, step));
    e->kinds[e->depth - 1] = KIND_YES;
    return negated ? emit_one(e, &at, OP_NOT) : ERR_none;
}

static enum err parse_close(struct expression *e)
{
    struct waiting *mark;

    TRY(reduce(e, STRENGTH_OR));
    if (e->waiting_count == 0)
        return parser_fail(e->p, &e->p->now, "this ) closes nothing");
    mark = &e->waiting[--e->waiting_count];
    if (mark->arguments != mark->wanted)
        return parser_fail(e->p, &mark->at, "%.*s needs %u value%s", (int)mark->at.text.n,
                           mark->at.text.at, mark->wanted, mark->wanted == 1 ? "" : "s");
    parser_advance(e->p);
    if (mark->wanted == 1)
        return emit_one(e, &mark->at, mark->op);
    return mark->wanted == 2 ? emit_two(e, &mark->at, mark->op) : ERR_none;
}

static enum err parse_comma(struct expression *e)
{
    struct waiting *mark;

    TRY(reduce(e, STRENGTH_OR));
    mark = &e->waiting[e->waiting_count > 0 ? e->waiting_count - 1 : 0];
    if (e->waiting_count == 0 || mark->wanted == 0)
        return parser_fail(e->p, &e->p->now, "a comma separates only the values of a function");
    if (mark->arguments == mark->wanted)
        return parser_fail(e->p, &e->p->now, "%.*s needs %u value%s", (int)mark->at.text.n,
                           mark->at.text.at, mark->wanted, mark->wanted == 1 ? "" : "s");
    mark->arguments++;
    parser_advance(e->p);
    return ERR_none;
}

/* The left side of an operator is complete; what follows `and` and `or` may be skipped. */
static enum err parse_binary(struct expression *e, const struct binary *binary)
{
    struct waiting waiting = { .op = binary->op, .strength = binary->strength };

    TRY(reduce(e, (enum strength)(binary->strength + (binary->strength == STRENGTH_COMPARE))));
    if (binary->strength == STRENGTH_COMPARE && e->waiting_count > 0 &&
        e->waiting[e->waiting_count - 1].strength == STRENGTH_COMPARE)
        return parser_fail(e->p, &e->p->now, "two comparisons need `and` between them");
    waiting.skip = (uint16_t)e->p->rules->step_count;
    if (binary->op == OP_AND)
        TRY(add_step(e, &e->p->now, (struct rule_step){ .op = OP_AND_SKIP }));
    if (binary->op == OP_OR)
        TRY(add_step(e, &e->p->now, (struct rule_step){ .op = OP_OR_SKIP }));
    return wait_for(e, waiting);
}

/* From behind an operand to the next one (`more`), or to the expression's end. */
static enum err parse_between(struct expression *e, bool *more)
{
    struct parser *p = e->p;

    *more = false;
    for (;;) {
        const struct binary *op = binary_find(&p->now);

        if (parser_is(p, TOKEN_SYMBOL, ")")) {
            TRY(parse_close(e));
        } else if (parser_is(p, TOKEN_WORD, "in") || parser_is(p, TOKEN_WORD, "not")) {
            TRY(parse_in(e));
        } else if (parser_is(p, TOKEN_SYMBOL, ",")) {
            *more = true;
            return parse_comma(e);
        } else if (op != NULL) {
            *more = true;
            return parse_binary(e, op);
        } else {
            return ERR_none;
        }
    }
}

enum err expression_parse(struct parser *p, bool condition, struct rule_code *out)
{
    struct expression  e = { .p = p };
    const struct token start = p->now;
    bool               more = true;

    out->first = (uint16_t)p->rules->step_count;
    while (more) {
        TRY(parse_operand(&e));
        TRY(parse_between(&e, &more));
    }
    /* A foreign sign or word is told before what it leaves unfinished. */
    if (p->now.kind == TOKEN_BAD || parser_joining(&p->now) != NULL)
        return parser_expected(p, "`and`, `or` or the rule's next line");
    TRY(reduce(&e, STRENGTH_OR));
    if (e.waiting_count > 0)
        return parser_fail(p, &e.waiting[e.waiting_count - 1].at, "this ( is not closed");
    if (condition && e.kinds[0] != KIND_YES)
        return parser_fail(p, &start, "this is a number, not a condition; compare it");
    CHECK(e.depth == 1);
    out->count = (uint16_t)(p->rules->step_count - out->first);
    return ERR_none;
}
