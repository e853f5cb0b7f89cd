/* Reasons as people read them: a rule's text with the values that it saw.
 *
 * A value is written by its feature's unit: money with the decimals of its currency, shares in
 * percent, times in two units. The text is cut at a character's border when it grows too long. */
#include "bankd/fraud/rules.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/money.h"

enum { VALUE_TEXT_MAX = 48 };

struct writer {
    char  *out;
    size_t used;
    bool   full; /* something did not fit; nothing more is added */
};

static void add(struct writer *w, struct slice text)
{
    while (text.n > 0 && !w->full) {
        uint32_t code = 0;
        size_t   n = slice_char(text, &code);

        n = n > 0 ? n : 1;
        w->full = w->used + n > LIMIT_REASON_MAX;
        if (w->full)
            break;
        memcpy(w->out + w->used, text.at, n);
        w->used += n;
        text = slice_of(text.at + n, text.n - n);
    }
}

/* Decimals of a currency by its minor units: 100 has 2. */
static uint8_t exponent_of(int64_t unit)
{
    uint8_t exponent = 0;

    for (; unit >= 10 && exponent < MONEY_EXPONENT_MAX; unit /= 10)
        exponent++;
    return exponent;
}

static void seconds_text(int64_t seconds, char out[VALUE_TEXT_MAX])
{
    if (seconds < 60)
        snprintf(out, VALUE_TEXT_MAX, "%" PRId64 " s", seconds);
    else if (seconds < 3600)
        snprintf(out, VALUE_TEXT_MAX, "%" PRId64 " min", seconds / 60);
    else if (seconds < 86400)
        snprintf(out, VALUE_TEXT_MAX, "%" PRId64 " h %" PRId64 " min", seconds / 3600,
                 seconds / 60 % 60);
    else
        snprintf(out, VALUE_TEXT_MAX, "%" PRId64 " d %" PRId64 " h", seconds / 86400,
                 seconds / 3600 % 24);
}

static void value_text(enum feature feature, int64_t value, int64_t unit, char out[VALUE_TEXT_MAX])
{
    static const char *const days[] = { "Monday", "Tuesday",  "Wednesday", "Thursday",
                                        "Friday", "Saturday", "Sunday" };
    char                     money[MONEY_TEXT_MAX];

    switch (feature_rows[feature].unit) {
    case UNIT_YES:
        snprintf(out, VALUE_TEXT_MAX, "%s", value != 0 ? "yes" : "no");
        break;
    case UNIT_MINOR:
        snprintf(out, VALUE_TEXT_MAX, "%s", money_text_grouped(value, exponent_of(unit), money));
        break;
    case UNIT_BP: /* whole percent when it is, else one decimal, cut */
        money_text_grouped(value % 100 == 0 ? value / 100 : value / 10, value % 100 != 0, money);
        snprintf(out, VALUE_TEXT_MAX, "%s %%", money);
        break;
    case UNIT_PCT:
        snprintf(out, VALUE_TEXT_MAX, "%s %%", money_text_grouped(value, 0, money));
        break;
    case UNIT_X100:
        snprintf(out, VALUE_TEXT_MAX, "%s", money_text_grouped(value, 2, money));
        break;
    case UNIT_HOUR:
        snprintf(out, VALUE_TEXT_MAX, "%02" PRId64 ":00", value);
        break;
    case UNIT_WEEKDAY:
        snprintf(out, VALUE_TEXT_MAX, "%s", value >= 0 && value < 7 ? days[value] : "?");
        break;
    case UNIT_SECONDS:
        seconds_text(value, out);
        break;
    case UNIT_WORD:
        snprintf(out, VALUE_TEXT_MAX, "%s",
                 value == (int32_t)value ? enum_text(&enum_transaction_type, (int32_t)value) : "?");
        break;
    default:
        snprintf(out, VALUE_TEXT_MAX, "%s", money_text_grouped(value, 0, money));
        break;
    }
}

static int64_t unit_of(const struct fraud_rules *rules, const int64_t *values)
{
    for (size_t i = 0; i < rules->slot_count; i++)
        if (rules->slots[i] == FEATURE_unit)
            return values[i];
    return 1;
}

static void add_value(struct writer *w, const struct fraud_rules *rules, size_t slot,
                      const int64_t *values)
{
    char text[VALUE_TEXT_MAX];

    value_text((enum feature)rules->slots[slot], values[slot], unit_of(rules, values), text);
    add(w, slice_from(text));
}

/* What a figure is, without what its table says of limits and exceptions. */
static struct slice meaning_of(const struct feature_row *row)
{
    size_t n = 0;

    while (row->help[n] != '\0' && row->help[n] != ';' && row->help[n] != ':' &&
           strncmp(row->help + n, ", ", 2) != 0)
        n++;
    return slice_of(row->help, n);
}

/* The table says of many figures what stands for nothing: 0, or -1 for days. */
static bool is_none(const struct feature_row *row, int64_t value)
{
    return value == 0 ? strstr(row->help, "; 0 ") != NULL
                      : value == -1 && strstr(row->help, ", -1 ") != NULL;
}

void card_reason_text(const struct fraud_rules *rules, size_t part, const int64_t *values,
                      char out[LIMIT_REASON_MAX + 1])
{
    const struct card_part *one = &rules->card.parts[part];
    struct writer           w = { .out = out };

    if (part == rules->card.part_count)
        add(&w, slice_from("what every payment gets"));
    for (size_t i = 0; part < rules->card.part_count && i < (one->pair ? 2 : 1); i++) {
        size_t                    slot = one->axes[i].slot;
        const struct feature_row *row = &feature_rows[rules->slots[slot]];

        add(&w, slice_from(i > 0 ? "; " : ""));
        add(&w, meaning_of(row));
        add(&w, slice_from(": "));
        if (is_none(row, values[slot]))
            add(&w, slice_from("none"));
        else
            add_value(&w, rules, slot, values);
    }
    out[w.used] = '\0';
}

void reason_text(const struct fraud_rules *rules, const struct rule *rule, const int64_t *values,
                 char out[LIMIT_REASON_MAX + 1])
{
    struct writer w = { .out = out };
    const char   *at = rule->compiled;

    while (*at != '\0') {
        size_t n = strcspn(at, "\001");

        add(&w, slice_of(at, n));
        at += n;
        if (*at == RULE_TEMPLATE_MARK) {
            add_value(&w, rules, (size_t)at[1] - 1, values);
            at += 2;
        }
    }
    out[w.used] = '\0';
}

void reason_begin_with(const char *words, char text[LIMIT_REASON_MAX + 1])
{
    char          rest[LIMIT_REASON_MAX + 1];
    struct writer w = { .out = text };

    memcpy(rest, text, sizeof rest);
    add(&w, slice_from(words));
    add(&w, slice_from(rest));
    text[w.used] = '\0';
}
