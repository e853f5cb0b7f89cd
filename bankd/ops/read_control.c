/* screening.list, suppression.list, notification.list and controls.get: what is read of the
 * records of the controls. All lists are paged by the number of the record, newest first. */
#include "bankd/control_records.h"
#include "bankd/controls.h"
#include "bankd/ops/figures.h"
#include "bankd/ops/page.h"
#include "bankd/record.h"
#include "common/clock.h"
#include "common/money.h"

#include <string.h>

/* Records that one page looks at, so that a rare match cannot hold a reader. */
enum { CONTROL_SCAN_MAX = 5000 };

/* --- pages ----------------------------------------------------------------------------------- */

struct listing {
    struct request            *request;
    const void                *in;
    const struct message_desc *item; /* what the records say, and what the page shows */
    void                      *items;
    bool (*wanted)(const struct listing *listing, const struct record *row, const void *item);
    size_t   count;
    size_t   limit;
    size_t   scanned;
    int64_t  last; /* number of the last record that was looked at */
    bool     more;
    enum err err;
};

/* Decodes a copy in the arena, because the row is borrowed. */
static enum err read_item(struct listing *listing, const struct record *row, void *item)
{
    struct fault fault = { 0 };
    void        *body;

    TRY(page_take(listing->request, row->body_size + 1, &body));
    memcpy(body, row->body, row->body_size);
    if (message_decode(listing->item, slice_of(body, row->body_size), DECODE_LENIENT,
                       listing->request->arena, item, &fault) != ERR_none)
        return ERR_storage_corrupt;
    return ERR_none;
}

static bool take(void *context, const void *row)
{
    struct listing      *listing = context;
    const struct record *record = row;
    void                *item = (char *)listing->items + listing->count * listing->item->size;

    if (listing->count == listing->limit || listing->scanned == CONTROL_SCAN_MAX ||
        !page_room(listing->request, 2 * LIMIT_RECORD_BODY_MAX)) {
        listing->more = true;
        return false;
    }
    listing->err = page_check_cancel(listing->request);
    if (listing->err == ERR_none)
        listing->err = read_item(listing, record, item);
    if (listing->err == ERR_none && listing->wanted(listing, record, item))
        listing->count++;
    listing->scanned++;
    listing->last = record->number;
    return listing->err == ERR_none;
}

/* Fills `items` and says where to go on; `next` is empty on the last page. */
static enum err list(struct listing *listing, struct record_filter *filter, bool has_cursor,
                     struct slice cursor_bytes, bool has_limit, int64_t limit, struct slice *next)
{
    struct request    *request = listing->request;
    struct page_cursor cursor;

    *next = slice_of(NULL, 0);
    TRY(page_start(request, listing->in, has_cursor, cursor_bytes, &cursor));
    filter->before_number = cursor.from;
    listing->limit = page_limit(has_limit, limit);
    TRY(page_take(request, listing->limit * listing->item->size, &listing->items));
    TRY(request->store->ops->records(request->store, filter, take, listing));
    TRY(listing->err);
    if (!listing->more)
        return ERR_none;
    cursor.from = listing->last;
    return page_next(request, listing->in, &cursor, next);
}

/* To be released with bank_rules_release. */
static enum err rules_in_force(struct request *request, const struct fraud_rules **out)
{
    struct store_numbers numbers;

    TRY(request->store->ops->numbers(request->store, &numbers));
    if (numbers.rules_active == 0)
        return fault_set(request->fault, ERR_not_found, NULL, "No rules have been loaded yet");
    return bank_rules(request->bank, request->store, numbers.rules_active, out);
}

/* --- the lists ------------------------------------------------------------------------------- */

static bool wanted_entry(const struct listing *listing, const struct record *row, const void *item)
{
    const struct msg_screening_query *in = listing->in;
    const struct msg_screening_entry *entry = item;
    bool ended = row->state != CONTROL_ACTIVE && row->state != CONTROL_PROPOSED;

    if (MSG_HAS(in, screening_query, ended) && in->ended != ended)
        return false;
    if (MSG_HAS(in, screening_query, list) && in->list != entry->list)
        return false;
    return !MSG_HAS(in, screening_query, search) ||
           page_contains(entry->counterparty, in->search) ||
           page_contains(entry->reason, in->search) || page_contains(entry->name, in->search);
}

static enum err about_of(struct request *request, const struct msg_screening_query *in,
                         int64_t *about)
{
    struct customer customer;
    int64_t         account = 0;
    enum err        err;

    TRY(page_account(request, MSG_HAS(in, screening_query, account_id), &in->account_id, &account));
    if (account != 0)
        *about = screened_about(SCREENED_ACCOUNT, account);
    if (!MSG_HAS(in, screening_query, customer_id))
        return ERR_none;
    if (account != 0)
        return fault_set(request->fault, ERR_field_invalid, "customer_id",
                         "Give an account or a customer, not both");
    err = request->store->ops->customer_by_id(request->store, &in->customer_id, &customer);
    if (err == ERR_not_found)
        return fault_set(request->fault, err, "customer_id", "There is no such customer");
    TRY(err);
    *about = screened_about(SCREENED_CUSTOMER, customer.number);
    return ERR_none;
}

enum err op_screening_list(struct request *request, const struct msg_screening_query *in,
                           struct msg_screening_page *out)
{
    struct record_filter filter = { .kind = RECORD_SCREENING };
    struct listing       listing = { .request = request, .in = in };
    struct slice         next;

    listing.item = &message_screening_entry;
    listing.wanted = wanted_entry;
    TRY(about_of(request, in, &filter.about));
    if (MSG_HAS(in, screening_query, state))
        filter.state = in->state;
    TRY(list(&listing, &filter, MSG_HAS(in, screening_query, cursor), in->cursor,
             MSG_HAS(in, screening_query, limit), in->limit, &next));
    out->items.at = listing.items;
    out->items.count = listing.count;
    if (next.n > 0)
        MSG_SET(out, screening_page, next, next);
    return ERR_none;
}

static bool wanted_suppression(const struct listing *listing, const struct record *row,
                               const void *item)
{
    const struct msg_suppression_query *in = listing->in;
    const struct msg_suppression       *suppression = item;
    bool ended = row->state != CONTROL_ACTIVE && row->state != CONTROL_PROPOSED;

    if (MSG_HAS(in, suppression_query, ended) && in->ended != ended)
        return false;
    return !MSG_HAS(in, suppression_query, rule) || slice_equal(in->rule, suppression->rule);
}

/* Those of the page that wait for a second person, by the rules in force. */
static enum err tell_waiting(struct request *request, struct msg_suppression_page *out)
{
    const struct fraud_rules *rules = NULL;

    TRY(rules_in_force(request, &rules));
    for (size_t i = 0; i < out->items.count; i++) {
        struct msg_suppression *row = &out->items.at[i];
        int                     rule = fraud_rules_find(rules, row->rule);
        bool alone = row->state == CONTROL_ACTIVE && !MSG_HAS(row, suppression, approved_by) &&
                     rule >= 0 && fraud_rules_is_high(rules, (size_t)rule);

        if (alone)
            MSG_SET(row, suppression, needs_approval, true);
    }
    bank_rules_release(request->bank, rules);
    return ERR_none;
}

enum err op_suppression_list(struct request *request, const struct msg_suppression_query *in,
                             struct msg_suppression_page *out)
{
    struct record_filter filter = { .kind = RECORD_SUPPRESSION };
    struct listing       listing = { .request = request, .in = in };
    struct slice         next;

    listing.item = &message_suppression;
    listing.wanted = wanted_suppression;
    TRY(page_account(request, MSG_HAS(in, suppression_query, account_id), &in->account_id,
                     &filter.about));
    if (MSG_HAS(in, suppression_query, state))
        filter.state = in->state;
    TRY(list(&listing, &filter, MSG_HAS(in, suppression_query, cursor), in->cursor,
             MSG_HAS(in, suppression_query, limit), in->limit, &next));
    out->items.at = listing.items;
    out->items.count = listing.count;
    if (next.n > 0)
        MSG_SET(out, suppression_page, next, next);
    return out->items.count > 0 ? tell_waiting(request, out) : ERR_none;
}

/* Only those for the user or the role: nobody reads what others are told. */
static bool wanted_notification(const struct listing *listing, const struct record *row,
                                const void *item)
{
    const struct actor *actor = &listing->request->actor;

    (void)item;
    return row->about == notification_for_role(actor->role) ||
           row->about == notification_for_user(actor->user);
}

enum err op_notification_list(struct request *request, const struct msg_notification_query *in,
                              struct msg_notification_page *out)
{
    struct record_filter filter = { .kind = RECORD_NOTIFICATION };
    struct listing       listing = { .request = request, .in = in };
    struct slice         next;

    listing.item = &message_notification;
    listing.wanted = wanted_notification;
    if (MSG_HAS(in, notification_query, state))
        filter.state = in->state;
    TRY(list(&listing, &filter, MSG_HAS(in, notification_query, cursor), in->cursor,
             MSG_HAS(in, notification_query, limit), in->limit, &next));
    out->items.at = listing.items;
    out->items.count = listing.count;
    if (next.n > 0)
        MSG_SET(out, notification_page, next, next);
    return ERR_none;
}

/* --- controls.get ---------------------------------------------------------------------------- */

/* Decodes the one record of the kind; *found is false when there is none yet. */
static enum err read_only_one(struct request *request, int32_t kind,
                              const struct message_desc *desc, void *body, bool *found)
{
    struct uuid    id = control_record_id(kind);
    struct record *row;
    void          *memory;
    enum err       err;

    TRY(page_take(request, sizeof *row, &memory));
    row = memory;
    err = request->store->ops->record_by_id(request->store, kind, &id, row);
    *found = err == ERR_none;
    if (err == ERR_not_found)
        return ERR_none;
    TRY(err);
    return record_read(row, desc, body, request->arena);
}

static enum err tell_settings(struct request *request, struct msg_controls *out)
{
    const struct bank_settings *settings = &request->bank->settings;
    struct msg_control_settings set;
    bool                        found;

    TRY(read_only_one(request, RECORD_SETTING, &message_control_settings, &set, &found));
    MSG_SET(out, controls, valve_share_bp, found ? set.valve_share_bp : settings->valve_share_bp);
    MSG_SET(out, controls, valve_window, found ? set.valve_window : settings->valve_window_min);
    MSG_SET(out, controls, valve_minimum, found ? set.valve_minimum : settings->valve_minimum);
    MSG_SET(out, controls, alert_budget_per_day,
            found ? set.alert_budget_per_day : settings->alert_budget);
    MSG_SET(out, controls, hold_hours, found ? set.hold_hours : settings->hold_hours);
    if (!found)
        return ERR_none;
    MSG_SET(out, controls, set_at, set.set_at);
    MSG_SET(out, controls, set_by, set.set_by);
    MSG_SET(out, controls, reason, set.reason);
    return ERR_none;
}

static enum err rules_thresholds(struct request *request, struct fraud_thresholds *out)
{
    const struct fraud_rules *rules;

    *out = (struct fraud_thresholds){ 0 };
    TRY(rules_in_force(request, &rules));
    *out = fraud_rules_thresholds(rules);
    bank_rules_release(request->bank, rules);
    return ERR_none;
}

/* Alerts of scores from `from` to below `to`, when an alert is raised from
 * `threshold` points on; what an action sends to people is not counted. */
static int64_t alerts_of(const struct budget *budget, int32_t from, int32_t to, int32_t threshold)
{
    from = from > threshold ? from : threshold;
    return from < to ? budget_rate_x10(budget, from, to) : 0;
}

enum { BAND = 100, BANDS_END = 1001, BANDS_MAX = 10 };

static enum err tell_bands(struct request *request, const struct budget *budget,
                           struct msg_controls *out)
{
    int32_t own = (int32_t)out->rules_alert;
    int32_t now = (int32_t)out->threshold_alert;
    void   *bands;

    TRY(page_take(request, BANDS_MAX * sizeof *out->bands.at, &bands));
    out->bands.at = bands;
    for (int32_t from = BUDGET_LOWEST; from < BANDS_END - 1; from += BAND) {
        struct msg_score_band *band = &out->bands.at[out->bands.count++];
        int32_t                to = from + BAND >= BANDS_END - 1 ? BANDS_END : from + BAND;

        MSG_SET(band, score_band, from, from);
        MSG_SET(band, score_band, to, to);
        MSG_SET(band, score_band, per_day_x10, budget_rate_x10(budget, from, to));
        MSG_SET(band, score_band, by_rules_x10, alerts_of(budget, from, to, own));
        MSG_SET(band, score_band, now_x10, alerts_of(budget, from, to, now));
    }
    MSG_SET(out, controls, by_rules_x10, alerts_of(budget, 0, BANDS_END, own));
    MSG_SET(out, controls, now_x10, alerts_of(budget, 0, BANDS_END, now));
    MSG_SET(out, controls, given_up_x10,
            out->by_rules_x10 > out->now_x10 ? out->by_rules_x10 - out->now_x10 : 0);
    return ERR_none;
}

static enum err tell_thresholds(struct request *request, struct msg_controls *out)
{
    struct fraud_thresholds          own;
    struct fraud_thresholds          now;
    struct msg_alert_counters_record counters = { .threshold = 0 };
    struct budget                    budget;
    bool                             found;
    int                              days;

    TRY(rules_thresholds(request, &own));
    TRY(read_only_one(request, RECORD_ALERT_COUNTERS, &message_alert_counters_record, &counters,
                      &found));
    if (!budget_unpack(&budget, (const uint8_t *)counters.scores.at, counters.scores.n))
        return ERR_storage_corrupt;
    now = controls_thresholds(own, out->alert_budget_per_day > 0 ? (int32_t)counters.threshold : 0);
    MSG_SET(out, controls, rules_alert, own.alert);
    MSG_SET(out, controls, rules_hold, own.hold);
    MSG_SET(out, controls, rules_decline, own.decline);
    MSG_SET(out, controls, threshold_alert, now.alert);
    MSG_SET(out, controls, threshold_hold, now.hold);
    if (MSG_HAS(&counters, alert_counters_record, moved_at) && out->alert_budget_per_day > 0)
        MSG_SET(out, controls, thresholds_moved_at, counters.moved_at);
    if (MSG_HAS(&counters, alert_counters_record, counted_at))
        MSG_SET(out, controls, counted_at, counters.counted_at);
    days = budget_days(&budget);
    MSG_SET(out, controls, days, days == 0 && budget.any ? 1 : days);
    return tell_bands(request, &budget, out);
}

struct giving_up {
    size_t              count;
    uint16_t            currencies[LIMIT_CURRENCIES_MAX];
    struct msg_given_up rows[LIMIT_CURRENCIES_MAX];
    enum err            err;
};

static struct msg_given_up *row_of(struct giving_up *sums, uint16_t currency)
{
    for (size_t i = 0; i < sums->count; i++)
        if (sums->currencies[i] == currency)
            return &sums->rows[i];
    if (sums->count == LIMIT_CURRENCIES_MAX)
        return NULL;
    sums->currencies[sums->count] = currency;
    MSG_SET(&sums->rows[sums->count], given_up, currency, figures_code(currency));
    return &sums->rows[sums->count++];
}

static bool add_given_up(void *context, const void *visited)
{
    struct giving_up    *sums = context;
    const struct rollup *cell = visited;
    struct msg_given_up *row;
    bool                 is_loss = cell->key.metric == METRIC_GIVEN_UP_LOSS;
    int64_t             *sum;

    if (cell->key.metric != METRIC_GIVEN_UP && !is_loss)
        return true;
    row = row_of(sums, cell->key.currency);
    if (row == NULL) {
        sums->err = ERR_limit_reached;
        return false;
    }
    sum = is_loss ? &row->expected_loss : &row->amount;
    row->payments += is_loss ? 0 : cell->count;
    if (!money_add(*sum, cell->amount, sum))
        sums->err = ERR_amount_overflow;
    return sums->err == ERR_none;
}

/* From the rollups: the money behind the payments of a week and of today that a moved threshold
 * passed over. */
static enum err tell_given_up(struct request *request, struct msg_controls *out)
{
    int64_t             today = time_day(request->now_us);
    struct rollup_range range = { .scale = ROLLUP_DAY,
                                  .bucket_from = (int32_t)(today - (BUDGET_DAYS - 1)),
                                  .bucket_to = (int32_t)today,
                                  .currency = ROLLUP_EVERY_CURRENCY };
    struct giving_up   *sums;
    void               *memory;

    TRY(page_take(request, sizeof *sums, &memory));
    sums = memory;
    TRY(request->store->ops->rollups(request->store, &range, add_given_up, sums));
    TRY(sums->err);
    for (size_t i = 0; i < sums->count; i++) {
        MSG_SET(&sums->rows[i], given_up, payments, sums->rows[i].payments);
        MSG_SET(&sums->rows[i], given_up, amount, sums->rows[i].amount);
        MSG_SET(&sums->rows[i], given_up, expected_loss, sums->rows[i].expected_loss);
    }
    MSG_SET(out, controls, given_up_since, range.bucket_from * US_PER_DAY);
    out->given_up_money.at = sums->rows;
    out->given_up_money.count = sums->count;
    return ERR_none;
}

/* From the rollups, so up to the last commit; those that an action raised are among them. */
static enum err tell_today(struct request *request, struct msg_controls *out)
{
    struct figures_period every = { .currency = 0 };
    int64_t               from_us = request->now_us - request->now_us % US_PER_DAY;
    struct figures       *sums;
    void                 *memory;

    TRY(page_take(request, sizeof *sums, &memory));
    sums = memory;
    TRY(figures_read(request, &every, from_us, from_us + US_PER_DAY, sums));
    MSG_SET(out, controls, alerts_today, sums->count_every[METRIC_ALERTS]);
    return ERR_none;
}

static bool wanted_always(const struct listing *listing, const struct record *row, const void *item)
{
    (void)listing;
    (void)row;
    (void)item;
    return true;
}

static enum err tell_stepped(struct request *request, struct msg_controls *out)
{
    struct record_filter filter = { .kind = RECORD_STEPPED_RULE, .state = CONTROL_ACTIVE };
    struct listing       listing = { .request = request,
                                     .item = &message_stepped_rule,
                                     .limit = CONTROLS_STEPPED_MAX,
                                     .wanted = wanted_always };

    TRY(page_take(request, listing.limit * listing.item->size, &listing.items));
    TRY(request->store->ops->records(request->store, &filter, take, &listing));
    TRY(listing.err);
    out->stepped.at = listing.items;
    out->stepped.count = listing.count;
    return ERR_none;
}

enum err op_controls_get(struct request *request, const struct msg_empty *in,
                         struct msg_controls *out)
{
    (void)in;
    TRY(tell_settings(request, out));
    TRY(tell_thresholds(request, out));
    TRY(tell_given_up(request, out));
    TRY(tell_today(request, out));
    return tell_stepped(request, out);
}
