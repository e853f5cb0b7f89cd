/* See backtest.h. A payment counts as an alert of then when one was raised for it: its flag may
 * have been taken off since, by a finding or by hand. */
#include "bankd/learn/backtest.h"

#include "bankd/fraud/features.h"
#include "common/clock.h"
#include "common/csv.h"
#include "common/ident.h"
#include "common/money.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { NEVER = INT32_MAX, BACKTEST_LINE_MAX = 4096 };

/* The years 0 to 9999, which is what a payment can be dated: a bit for each day takes 457 kB. */
enum { DAY_FIRST = -719528, DAY_COUNT = 3652425, DAY_BITS = 64 };

struct backtest {
    const struct backtest_options *options;
    struct backtest_result        *result;
    struct measured               *events;
    size_t                         count, room;
    int32_t                       *known_day; /* by account: its first known fraud */
    size_t                         accounts;
    struct controls               *controls; /* NULL = none bear on it */
    struct fraud_verdict           verdict;
    struct buf                     line;
    struct fault                  *fault;
    uint64_t                       days[DAY_COUNT / DAY_BITS + 1]; /* that had a payment */
};

/* Payments come in the ledger's order, which is not that of their days: one may come late. */
static void count_day(struct backtest *test, int64_t day)
{
    int64_t   place = day < DAY_FIRST               ? 0
                      : day - DAY_FIRST < DAY_COUNT ? day - DAY_FIRST
                                                    : DAY_COUNT - 1;
    uint64_t *word = &test->days[place / DAY_BITS];
    uint64_t  bit = UINT64_C(1) << (place % DAY_BITS);

    test->result->days += (*word & bit) == 0 ? 1 : 0;
    *word |= bit;
}

static size_t currency_place(struct backtest_result *result, uint16_t currency)
{
    size_t i = 0;

    while (i < result->currency_count && result->currencies[i] != currency)
        i++;
    if (i == BACKTEST_CURRENCIES_MAX)
        return i - 1;
    if (i == result->currency_count)
        result->currencies[result->currency_count++] = currency;
    return i;
}

static void add(struct backtest_sum *sum, bool counts, size_t place, int64_t amount)
{
    if (!counts)
        return;
    sum->count++;
    if (!money_add(sum->money[place], amount, &sum->money[place]))
        sum->money[place] = INT64_MAX;
}

static void count(struct backtest *test, const struct replay_event *event)
{
    struct backtest_result   *result = test->result;
    const struct transaction *row = event->row;
    bool                      now = test->verdict.alert;
    bool                      then = event->was_alert;
    bool                      fraud = event->label != NULL && event->label->fraud;
    size_t                    place = currency_place(result, row->currency);
    int64_t                   amount = row->amount;

    add(&result->alerts, now, place, amount);
    result->alerts_found += now && event->label != NULL ? 1 : 0;
    add(&result->alerts_then, then, place, amount);
    add(&result->gained, now && !then, place, amount);
    add(&result->lost, then && !now, place, amount);
    add(&result->gained_frauds, now && !then && fraud, place, amount);
    add(&result->lost_frauds, then && !now && fraud, place, amount);
    add(&result->caught, now && fraud, place, amount);
    add(&result->missed, !now && fraud, place, amount);
    add(&result->caught_then, then && fraud, place, amount);
    add(&result->missed_then, !then && fraud, place, amount);
}

/* --- cards that are known -------------------------------------------------------------------- */

static enum err account_room(struct backtest *test, int64_t account)
{
    size_t   wanted = (size_t)account + 1;
    size_t   room = test->accounts == 0 ? 4096 : test->accounts * 2;
    int32_t *more;

    if (wanted <= test->accounts)
        return ERR_none;
    room = room < wanted ? wanted : room;
    more = realloc(test->known_day, room * sizeof *more);
    if (more == NULL)
        return ERR_memory;
    for (size_t i = test->accounts; i < room; i++)
        more[i] = NEVER;
    test->known_day = more;
    test->accounts = room;
    return ERR_none;
}

static enum err note_fraud(struct backtest *test, const struct replay_event *event)
{
    int64_t day;

    if (event->label == NULL || !event->label->fraud ||
        event->row->at_us < test->options->known_from_us)
        return ERR_none;
    TRY(account_room(test, event->account->number));
    day = time_day(event->label->known_at_us);
    if (day < test->known_day[event->account->number])
        test->known_day[event->account->number] = (int32_t)day;
    return ERR_none;
}

static bool is_known(const struct backtest *test, int64_t account, int64_t day)
{
    return (size_t)account < test->accounts && test->known_day[account] < day;
}

/* --- one payment ----------------------------------------------------------------------------- */

static enum err remember(struct backtest *test, const struct replay_event *event, int64_t day)
{
    if (event->label == NULL || is_known(test, event->account->number, day))
        return ERR_none;
    if (test->options->measured_max != 0 && test->count == test->options->measured_max)
        return fault_set(test->fault, ERR_message_too_large, NULL,
                         "More than %zu payments with a finding lie in the range",
                         test->options->measured_max);
    if (test->count == test->room) {
        size_t           room = test->room == 0 ? 65536 : test->room * 2;
        struct measured *more = realloc(test->events, room * sizeof *more);

        if (more == NULL)
            return ERR_memory;
        test->events = more;
        test->room = room;
    }
    test->events[test->count++] = (struct measured){ .account = event->account->number,
                                                     .score = test->verdict.sum,
                                                     .day = (int32_t)day,
                                                     .fraud = event->label->fraud };
    return ERR_none;
}

static const char *label_text(const struct label *label)
{
    return label == NULL ? "" : label->fraud ? "1" : "0";
}

/* An import puts its source before the ids of its file: "handbook:17". */
static struct slice id_in_file(const char *external_id)
{
    const char *colon = strchr(external_id, ':');

    return slice_from(colon != NULL ? colon + 1 : external_id);
}

static enum err add_text(struct buf *line, const char *text)
{
    return buf_add(line, text, strlen(text));
}

/* A comma and a number. A line for each payment is too many for printf. */
static enum err add_number(struct buf *line, int64_t number)
{
    char     text[24];
    size_t   at = sizeof text;
    uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;

    do
        text[--at] = (char)('0' + rest % 10);
    while ((rest /= 10) != 0);
    if (number < 0)
        text[--at] = '-';
    text[--at] = ',';
    return buf_add(line, text + at, sizeof text - at);
}

/* transaction_id,external_id,timestamp,account */
static enum err start_line(struct backtest *test, const struct replay_event *event)
{
    const struct transaction *row = event->row;
    char                      text[TIME_TEXT_MAX + UUID_TEXT_MAX];

    buf_clear(&test->line);
    TRY(add_text(&test->line, uuid_text(&row->transaction_id, text)));
    TRY(add_text(&test->line, ","));
    TRY(csv_cell(&test->line, id_in_file(row->external_id), ','));
    TRY(add_text(&test->line, ","));
    TRY(add_text(&test->line, time_text(row->at_us, text)));
    TRY(add_text(&test->line, ","));
    return add_text(&test->line, uuid_text(&event->account->account_id, text));
}

static enum err write_line(const struct backtest *test, FILE *file)
{
    return fwrite(test->line.at, 1, test->line.n, file) == test->line.n ? ERR_none : ERR_io;
}

static enum err write_features(struct backtest *test, const struct replay_event *event)
{
    static const struct fraud_profile nobody;

    struct feature_input input = {
        .event = event->event,
        .subject = profile_of(event->subject),
        .other = profile_of(event->counterparty != NULL ? event->counterparty : &nobody),
    };

    TRY(start_line(test, event));
    for (size_t i = 0; i < FEATURE_COUNT; i++)
        TRY(add_number(&test->line, feature_value((enum feature)i, &input)));
    TRY(add_text(&test->line, "\n"));
    return write_line(test, test->options->features);
}

static enum err write_lines(struct backtest *test, const struct replay_event *event)
{
    const struct transaction *row = event->row;
    bool                      changed = test->verdict.alert != event->was_alert;

    if (test->options->scores != NULL) {
        TRY(start_line(test, event));
        TRY(add_number(&test->line, test->verdict.sum));
        TRY(add_text(&test->line, ","));
        TRY(add_text(&test->line, label_text(event->label)));
        TRY(add_text(&test->line, "\n"));
        TRY(write_line(test, test->options->scores));
    }
    if (test->options->features != NULL)
        TRY(write_features(test, event));
    if (!changed || test->options->changes == NULL)
        return ERR_none;
    TRY(start_line(test, event));
    TRY(buf_print(&test->line, ",%s,%" PRId32 ",%" PRId32 ",%s\n",
                  event->was_alert ? "lost" : "gained", row->score, test->verdict.score,
                  label_text(event->label)));
    return write_line(test, test->options->changes);
}

static void tell_change(const struct backtest *test, const struct replay_event *event)
{
    struct backtest_change change = { .event = event,
                                      .gained = test->verdict.alert,
                                      .score = test->verdict.score };

    if (test->options->changed != NULL && test->verdict.alert != event->was_alert)
        test->options->changed(test->options->changed_context, &change);
}

static const struct fraud_controls *controls_of(const struct backtest     *test,
                                                const struct replay_event *event)
{
    struct control_subject subject = {
        .now_us = test->options->controls == BACKTEST_CONTROLS_NOW ? test->options->controls_at_us
                                                                   : event->row->at_us,
        .account = event->account->number,
        .customer = event->account->customer,
        .party_number = event->row->party,
    };

    if (event->other->kind == ACCOUNT_CUSTOMER) {
        subject.other = event->other->number;
        subject.other_customer = event->other->customer;
    }
    return controls_for(test->controls, &subject);
}

static void judge(struct backtest *test, const struct replay_event *event)
{
    struct fraud_event with;

    if (test->controls == NULL) {
        fraud_judge_bare(test->options->rules, event->subject, event->counterparty, event->event,
                         &test->verdict);
        return;
    }
    with = *event->event;
    with.controls = controls_of(test, event);
    fraud_judge_bare(test->options->rules, event->subject, event->counterparty, &with,
                     &test->verdict);
}

static enum err visit(void *context, const struct replay_event *event)
{
    struct backtest               *test = context;
    const struct backtest_options *options = test->options;
    int64_t                        at_us = event->row->at_us;
    int64_t                        day = time_day(at_us);

    test->result->read++;
    TRY(note_fraud(test, event));
    if (at_us < options->from_us || (options->to_us != 0 && at_us >= options->to_us))
        return ERR_none;
    judge(test, event);
    test->result->judged++;
    test->result->labelled += event->label != NULL ? 1 : 0;
    count_day(test, day);
    count(test, event);
    tell_change(test, event);
    TRY(write_lines(test, event));
    return remember(test, event, day);
}

void backtest_lines(const struct backtest_result *result, struct backtest_line out[BACKTEST_LINES])
{
    const struct backtest_line lines[BACKTEST_LINES] = {
        { "alerts", &result->alerts },
        { "alerts_then", &result->alerts_then },
        { "alerts_gained", &result->gained },
        { "alerts_lost", &result->lost },
        { "frauds_among_gained", &result->gained_frauds },
        { "frauds_among_lost", &result->lost_frauds },
        { "frauds_caught", &result->caught },
        { "frauds_missed", &result->missed },
        { "frauds_caught_then", &result->caught_then },
        { "frauds_missed_then", &result->missed_then },
    };

    memcpy(out, lines, sizeof lines);
}

static enum err load_controls(struct backtest *test)
{
    const struct backtest_options *options = test->options;

    if (options->controls != BACKTEST_CONTROLS_THEN && options->controls != BACKTEST_CONTROLS_NOW)
        return ERR_none;
    TRY(controls_open(&test->controls));
    TRY(controls_load_past(test->controls, options->replay.store, test->fault));
    controls_bind(test->controls, options->rules);
    return ERR_none;
}

enum err backtest_run(const struct backtest_options *options, struct backtest_result *out,
                      struct fault *fault)
{
    struct backtest      *test = calloc(1, sizeof *test);
    struct replay_options replay = options->replay;
    enum err              err;

    memset(out, 0, sizeof *out);
    if (test == NULL)
        return ERR_memory;
    buf_init(&test->line, BACKTEST_LINE_MAX);
    test->options = options;
    test->result = out;
    test->fault = fault;
    replay.context = test;
    err = load_controls(test);
    if (err == ERR_none)
        err = replay_run(&replay, visit, fault);
    if (err == ERR_none)
        err = measure(test->events, test->count, options->cards, &out->measures);
    controls_close(&test->controls);
    buf_free(&test->line);
    free(test->events);
    free(test->known_day);
    free(test);
    return err;
}

const char *backtest_feature(size_t number)
{
    return number < FEATURE_COUNT ? feature_rows[number].name : NULL;
}
