/* Periods are whole days of UTC; `to` is exclusive, people are shown the last day. */
#include "bankterm/screens/period.h"

#include "bankterm/record.h"
#include "bankterm/show.h"
#include "common/clock.h"

#include <stdio.h>
#include <string.h>

static const int spans[] = { 7, 30, 90, 365 };

enum { SPAN_COUNT = sizeof spans / sizeof spans[0], DAYS_MAX = 3660 };

void period_init(struct period *period)
{
    *period = (struct period){ .newest = true, .days = 30 };
}

static void set_span(struct period *period, const char *argument)
{
    int days = 0;
    for (const char *at = argument; *at >= '0' && *at <= '9' && days <= DAYS_MAX; at++)
        days = days * 10 + (*at - '0');
    if (days < 1 || days > DAYS_MAX) {
        int next = 0;
        for (int i = 0; i < SPAN_COUNT; i++) {
            if (spans[i] == period->days)
                next = (i + 1) % SPAN_COUNT;
        }
        days = spans[next];
    }
    period->days = days;
    period->from = period->to - days * US_PER_DAY;
}

static void shift(struct period *period, int direction)
{
    int64_t by = direction * period->days * US_PER_DAY;
    if (period->to == 0)
        return;
    if (direction < 0 && period->data_from != 0 && period->from <= period->data_from)
        return;
    if (direction > 0 && period->data_to != 0 && period->to >= period->data_to)
        return;
    period->newest = false;
    period->from += by;
    period->to += by;
}

bool period_act(struct period *period, enum action action, const char *argument)
{
    switch ((int)action) {
    case ACTION_earlier:
        shift(period, -1);
        return true;
    case ACTION_later:
        shift(period, 1);
        return true;
    case ACTION_newest:
        period->newest = true;
        return true;
    case ACTION_span:
        set_span(period, argument);
        return true;
    case ACTION_currency:
        snprintf(period->currency, sizeof period->currency, "%.3s", argument);
        return true;
    default:
        return false;
    }
}

void period_ask(const struct period *period, const struct message_desc *desc, void *body)
{
    int64_t end = period->data_to;
    if (!period->newest) {
        message_set_int(desc, body, "from", period->from);
        message_set_int(desc, body, "to", period->to);
    } else if (end != 0 && period->days != 30) {
        message_set_int(desc, body, "from", end - period->days * US_PER_DAY);
    }
    if (period->currency[0] != '\0')
        message_set_bytes(desc, body, "currency", slice_from(period->currency));
}

static int64_t learn_time(const struct message_desc *desc, const void *body, const char *name,
                          int64_t otherwise)
{
    int64_t at;
    int     field = message_field(desc, name);
    if (field < 0 || ((desc->fields[field].flags & REQUIRED) == 0 && !message_has(body, field)))
        return otherwise;
    memcpy(&at, message_at(desc, body, field), sizeof at);
    return at;
}

void period_learn(struct period *period, const struct message_desc *desc, const void *body)
{
    struct slice currency;
    int          field = message_field(desc, "currency");
    period->from = learn_time(desc, body, "from", period->from);
    period->to = learn_time(desc, body, "to", period->to);
    period->data_from = learn_time(desc, body, "data_from", period->data_from);
    period->data_to = learn_time(desc, body, "data_to", period->data_to);
    if (field < 0)
        return;
    memcpy(&currency, message_at(desc, body, field), sizeof currency);
    slice_copy(currency, period->shown, sizeof period->shown);
}

const char *period_text(const struct period *period, char *out, size_t size)
{
    char from[32];
    char to[32];
    if (period->to == 0) {
        snprintf(out, size, "newest data");
        return out;
    }
    show_day(period->from, from, sizeof from);
    show_day(period->to - 1, to, sizeof to);
    snprintf(out, size, "%s to %s, %s%s", from, to, period->shown,
             period->newest ? "" : ", not the newest");
    return out;
}
