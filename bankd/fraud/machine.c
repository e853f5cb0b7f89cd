/* The stack machine that runs compiled expressions.
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
    return b == 0 ? 0 : nearest((__int128)a / b);
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

int64_t rule_run(const struct fraud_rules *rules, struct rule_code code, const int64_t *values)
{
    int64_t stack[LIMIT_RULE_STACK_MAX + 1];
    size_t  depth = 0;

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
