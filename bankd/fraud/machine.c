/* The stack machine that runs compiled expressions, and the shorter way to most conditions.
 *
 * Most rules ask a few things joined by `and`, of which nearly always the first or second is no.
 * The machine took half of a judgement for them: its jumps through a table can hardly be foreseen
 * by the processor. So what a condition begins with is kept beside it as ranges of slots, and the
 * machine runs only when all of them hold and there is more: a judgement by the shipped rules took
 * 650 ns before and 520 after.
 *
 * Every operation is defined for all integers: sums, differences, products and quotients that do
 * not fit are the nearest integer that does, and a division by 0 is 0. Truth is 1 and 0. The
 * parser guarantees that code neither underflows nor outgrows the stack, and that skips lead
 * forward, to where the stack is as deep. */
#include "bankd/fraud/rules.h"

#include "common/check.h"

static int64_t nearest(__int128 value)
{
    return value > INT64_MAX ? INT64_MAX : value < INT64_MIN ? INT64_MIN : (int64_t)value;
}

static int64_t divide(int64_t a, int64_t b)
{
    if (a == INT64_MIN && b == -1)
        return INT64_MAX;
    return b == 0 ? 0 : a / b;
}

static bool is_listed(const int64_t *values, size_t count, int64_t value)
{
    for (size_t i = 0; i < count; i++)
        if (values[i] == value)
            return true;
    return false;
}

static bool compare(uint16_t op, int64_t a, int64_t b)
{
    switch (op) {
    case OP_EQUAL:
        return a == b;
    case OP_UNEQUAL:
        return a != b;
    case OP_LESS:
        return a < b;
    case OP_LESS_EQUAL:
        return a <= b;
    case OP_GREATER:
        return a > b;
    default:
        return a >= b; /* OP_GREATER_EQUAL */
    }
}

static int64_t run_two(uint16_t op, int64_t a, int64_t b)
{
    switch (op) {
    case OP_ADD:
        return nearest((__int128)a + b);
    case OP_SUBTRACT:
        return nearest((__int128)a - b);
    case OP_MULTIPLY:
        return nearest((__int128)a * b);
    case OP_DIVIDE:
        return divide(a, b);
    case OP_MIN:
        return a < b ? a : b;
    case OP_MAX:
        return a > b ? a : b;
    case OP_AND:
        return a != 0 && b != 0;
    case OP_OR:
        return a != 0 || b != 0;
    default:
        return compare(op, a, b);
    }
}

/* Goes on where `depth` values, 0 or 1 of them and that a yes, are on the stack. */
static int64_t run_from(const struct fraud_rules *rules, struct rule_code code,
                        const int64_t *values, size_t depth)
{
    int64_t stack[LIMIT_RULE_STACK_MAX + 1];

    stack[0] = 1;
    for (size_t i = code.first; i < (size_t)code.first + code.count; i++) {
        const struct rule_step *step = &rules->steps[i];
        int64_t                *top = &stack[depth > 0 ? depth - 1 : 0];

        switch (step->op) {
        case OP_PUSH:
            stack[depth++] = step->value;
            break;
        case OP_SLOT:
            stack[depth++] = values[step->first];
            break;
        case OP_COMPARE:
            stack[depth++] = compare(step->count, values[step->first], step->value);
            break;
        case OP_NEGATE:
            *top = nearest(-(__int128)*top);
            break;
        case OP_ABS:
            *top = *top < 0 ? nearest(-(__int128)*top) : *top;
            break;
        case OP_NOT:
            *top = *top == 0;
            break;
        case OP_AND_SKIP:
            i = *top == 0 ? step->first - 1u : i;
            break;
        case OP_OR_SKIP:
            i = *top != 0 ? step->first - 1u : i;
            *top = *top != 0;
            break;
        case OP_IN:
            *top = is_listed(&rules->values[step->first], step->count, *top);
            break;
        default:
            depth--;
            stack[depth - 1] = run_two(step->op, stack[depth - 1], stack[depth]);
            break;
        }
    }
    CHECK(depth == 1);
    return stack[0];
}

int64_t rule_run(const struct fraud_rules *rules, struct rule_code code, const int64_t *values)
{
    return run_from(rules, code, values, 0);
}

/* --- what a condition begins with ------------------------------------------------------------- */

/* What one step asks, or two when the second is OP_IN; the number of steps, 0 for other ones. */
static size_t range_of(const struct fraud_rules *rules, size_t at, size_t end,
                       struct rule_range *out)
{
    const struct rule_step *step = &rules->steps[at];
    int64_t                 value = step->value;

    *out = (struct rule_range){ .slot = step->first, .low = INT64_MIN, .high = INT64_MAX };
    if (step->op == OP_SLOT && at + 1 < end && step[1].op == OP_IN) {
        out->first = step[1].first;
        out->count = step[1].count;
        return out->count > 0 ? 2 : 0;
    }
    if (step->op != OP_SLOT && step->op != OP_COMPARE)
        return 0;
    if (step->op == OP_SLOT || step->count == OP_EQUAL || step->count == OP_UNEQUAL) {
        out->low = out->high = step->op == OP_SLOT ? 0 : value;
        out->outside = step->op == OP_SLOT || step->count == OP_UNEQUAL;
    } else if (step->count == OP_LESS_EQUAL) {
        out->high = value;
    } else if (step->count == OP_GREATER_EQUAL) {
        out->low = value;
    } else if (step->count == OP_LESS) {
        out->outside = true; /* from the value on, so that nothing can overflow */
        out->low = value;
    } else {
        out->outside = true;
        out->high = value;
    }
    return 1;
}

/* Whether a no on the stack at this step is the condition's answer: there is nothing more, or only
 * skips of further `and`s. */
static bool no_is_final(const struct fraud_rules *rules, size_t at, size_t end)
{
    while (at < end && rules->steps[at].op == OP_AND_SKIP)
        at = rules->steps[at].first;
    return at == end;
}

void rule_shorten(struct fraud_rules *rules, size_t rule)
{
    struct rule_code   when = rules->rules[rule].when;
    struct rule_short *out = &rules->shorts[rule];
    size_t             end = (size_t)when.first + when.count;
    size_t             at = when.first;

    *out = (struct rule_short){ .rest = when };
    while (out->range_count < RULE_RANGES_MAX && at < end) {
        struct rule_range range;
        size_t            steps = range_of(rules, at, end, &range);
        size_t            next = at + steps;

        if (steps == 0)
            return;
        if (out->range_count > 0 && (next >= end || rules->steps[next++].op != OP_AND))
            return;
        if (!no_is_final(rules, next, end))
            return;
        out->ranges[out->range_count++] = range;
        at = next < end ? next + 1 : end; /* behind the skip */
        out->rest = (struct rule_code){ (uint16_t)at, (uint16_t)(end - at) };
    }
}

static bool holds(const struct fraud_rules *rules, const struct rule_range *range, int64_t value)
{
    if (range->count > 0)
        return is_listed(&rules->values[range->first], range->count, value);
    return (value >= range->low && value <= range->high) != range->outside;
}

bool rule_fires(const struct fraud_rules *rules, size_t rule, const int64_t *values)
{
    const struct rule_short *condition = &rules->shorts[rule];

    for (size_t i = 0; i < condition->range_count; i++)
        if (!holds(rules, &condition->ranges[i], values[condition->ranges[i].slot]))
            return false;
    if (condition->rest.count == 0)
        return condition->range_count > 0;
    return run_from(rules, condition->rest, values, condition->range_count > 0) != 0;
}
