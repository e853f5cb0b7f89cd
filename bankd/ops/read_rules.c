/* rules.get, rules.list and rules.curves: the versions of the rules, what they say and who stands
 * behind them. Versions are paged by their number, newest first. */
#include "bankd/ops/page.h"
#include "bankd/ops/versions.h"

#include <string.h>

/* The version that the request names, by number, by hash, or as the one in force. */
static enum err find_version(struct request *request, const struct msg_rules_ref *in,
                             struct rule_set *row)
{
    struct store        *store = request->store;
    struct store_numbers numbers;
    int64_t              number = 0;
    enum err             err;

    if (MSG_HAS(in, rules_ref, hash)) {
        TRY(find_rule_version(request, in->hash, row));
        if (MSG_HAS(in, rules_ref, rule_set) && in->rule_set != row->number)
            return fault_set(request->fault, ERR_not_found, "rule_set",
                             "The newest version with this hash is %lld", (long long)row->number);
        return ERR_none;
    }
    TRY(store->ops->numbers(store, &numbers));
    number = MSG_HAS(in, rules_ref, rule_set) ? in->rule_set : numbers.rules_active;
    err = store->ops->rule_set_get(store, number, row, NULL, NULL);
    if (err == ERR_not_found && number == numbers.rules_active)
        return fault_set(request->fault, err, NULL, "No rules are in force yet");
    if (err == ERR_not_found)
        return fault_set(request->fault, err, "rule_set", "There is no rule set %lld",
                         (long long)number);
    return err;
}

/* --- rules.get ------------------------------------------------------------------------------- */

static enum err tell_version(struct request *request, const struct rule_set *row,
                             struct msg_rules *out)
{
    struct msg_rule_version version;

    TRY(view_rule_version(request, row, &version));
    MSG_SET(out, rules, rule_set, version.rule_set);
    MSG_SET(out, rules, hash, version.hash);
    MSG_SET(out, rules, state, version.state);
    MSG_SET(out, rules, author, version.author);
    MSG_SET(out, rules, proposed_at, version.proposed_at);
    MSG_SET(out, rules, reason, version.reason);
    if (MSG_HAS(&version, rule_version, approved_at)) {
        MSG_SET(out, rules, approved_by, version.approved_by);
        MSG_SET(out, rules, approved_at, version.approved_at);
    }
    if (MSG_HAS(&version, rule_version, ended_at))
        MSG_SET(out, rules, ended_at, version.ended_at);
    MSG_SET(out, rules, rules, version.rules);
    return ERR_none;
}

/* An old version may have words that this bankd does not know; its texts are shown all the same. */
static enum err tell_meaning(struct request *request, int64_t number, struct msg_rules *out)
{
    const struct fraud_rules *rules = NULL;
    struct fraud_thresholds   thresholds;
    enum err                  err = bank_rules(request->bank, request->store, number, &rules);

    if (err == ERR_storage_corrupt)
        return ERR_none;
    TRY(err);
    thresholds = fraud_rules_thresholds(rules);
    MSG_SET(out, rules, parts, (int64_t)fraud_rules_parts(rules));
    bank_rules_release(request->bank, rules);
    MSG_SET(out, rules, threshold_alert, thresholds.alert);
    MSG_SET(out, rules, threshold_hold, thresholds.hold);
    MSG_SET(out, rules, threshold_decline, thresholds.decline);
    return ERR_none;
}

enum err op_rules_get(struct request *request, const struct msg_rules_ref *in,
                      struct msg_rules *out)
{
    struct rule_set row;
    struct slice    text;
    struct slice    card;

    TRY(find_version(request, in, &row));
    TRY(read_rule_texts(request, row.number, &text, &card));
    TRY(tell_version(request, &row, out));
    TRY(tell_meaning(request, row.number, out));
    MSG_SET(out, rules, text, text);
    if (card.n > 0)
        MSG_SET(out, rules, scorecard, card);
    return ERR_none;
}

/* --- rules.list ------------------------------------------------------------------------------ */

struct listing {
    struct rule_set *rows;
    size_t           count;
    size_t           limit; /* one more than are shown tells that there are more */
};

static bool collect(void *context, const void *row)
{
    struct listing *listing = context;

    listing->rows[listing->count++] = *(const struct rule_set *)row;
    return listing->count < listing->limit;
}

enum err op_rules_list(struct request *request, const struct msg_rules_query *in,
                       struct msg_rules_page *out)
{
    struct page_cursor     cursor;
    struct rule_set_filter filter = { .state = 0 };
    size_t                 limit = page_limit(MSG_HAS(in, rules_query, limit), in->limit);
    struct listing         listing = { .limit = limit + 1 };
    void                  *memory = NULL;

    TRY(page_start(request, in, MSG_HAS(in, rules_query, cursor), in->cursor, &cursor));
    if (MSG_HAS(in, rules_query, state))
        filter.state = in->state;
    filter.before_number = cursor.from;
    TRY(page_take(request, listing.limit * sizeof *listing.rows, &memory));
    listing.rows = memory;
    TRY(request->store->ops->rule_sets(request->store, &filter, collect, &listing));
    TRY(page_take(request, limit * sizeof *out->items.at, &memory));
    out->items.at = memory;
    for (size_t i = 0; i < listing.count && i < limit; i++)
        TRY(view_rule_version(request, &listing.rows[i], &out->items.at[out->items.count++]));
    if (listing.count > limit) {
        struct slice next;

        cursor.from = listing.rows[limit - 1].number;
        TRY(page_next(request, in, &cursor, &next));
        MSG_SET(out, rules_page, next, next);
    }
    return ERR_none;
}

/* --- rules.curves ---------------------------------------------------------------------------- */

/* One range of an axis: from the cut before it to its own. */
static bool range_from(const struct fraud_axis_view *axis, size_t range, int64_t *out)
{
    if (range == 0)
        return false;
    *out = axis->cuts[range - 1];
    return true;
}

static bool range_below(const struct fraud_axis_view *axis, size_t range, int64_t *out)
{
    if (range == axis->cut_count)
        return false;
    *out = axis->cuts[range];
    return true;
}

static void tell_point(const struct fraud_part_view *part, size_t cell, struct msg_curve_point *out)
{
    size_t  across = part->pair ? part->axes[1].cut_count + 1 : 1;
    int64_t value;

    memset(out, 0, sizeof *out);
    if (range_from(&part->axes[0], cell / across, &value))
        MSG_SET(out, curve_point, from, value);
    if (range_below(&part->axes[0], cell / across, &value))
        MSG_SET(out, curve_point, below, value);
    if (part->pair && range_from(&part->axes[1], cell % across, &value))
        MSG_SET(out, curve_point, with_from, value);
    if (part->pair && range_below(&part->axes[1], cell % across, &value))
        MSG_SET(out, curve_point, with_below, value);
    MSG_SET(out, curve_point, points, part->points[cell]);
}

static enum err tell_curve(struct request *request, const struct fraud_part_view *part,
                           struct msg_curve *out)
{
    void *memory = NULL;

    memset(out, 0, sizeof *out);
    MSG_SET(out, curve, name, slice_from(part->axes[0].name));
    MSG_SET(out, curve, unit, slice_from(part->axes[0].unit));
    MSG_SET(out, curve, help, slice_from(part->axes[0].help));
    if (part->pair) {
        MSG_SET(out, curve, with_name, slice_from(part->axes[1].name));
        MSG_SET(out, curve, with_unit, slice_from(part->axes[1].unit));
        MSG_SET(out, curve, with_help, slice_from(part->axes[1].help));
    }
    TRY(page_take(request, part->point_count * sizeof *out->points.at, &memory));
    out->points.at = memory;
    for (size_t i = 0; i < part->point_count; i++)
        tell_point(part, i, &out->points.at[out->points.count++]);
    return ERR_none;
}

static enum err tell_rule(struct request *request, const struct fraud_rule_view *rule,
                          struct msg_rule_entry *out)
{
    struct slice text;

    memset(out, 0, sizeof *out);
    TRY(page_keep(request, slice_from(rule->name), &text));
    MSG_SET(out, rule_entry, name, text);
    TRY(page_keep(request, slice_from(rule->because), &text));
    MSG_SET(out, rule_entry, because, text);
    MSG_SET(out, rule_entry, action, slice_from(rule->action));
    MSG_SET(out, rule_entry, severity, slice_from(rule->severity));
    TRY(page_keep(request, slice_from(rule->tags), &text));
    MSG_SET(out, rule_entry, tags, text);
    return ERR_none;
}

static enum err tell_all(struct request *request, const struct fraud_rules *rules,
                         struct msg_rules_curves *out)
{
    struct fraud_part_view part;
    struct fraud_rule_view rule;
    void                  *memory = NULL;

    TRY(page_take(request, (fraud_rules_parts(rules) + 1) * sizeof *out->curves.at, &memory));
    out->curves.at = memory;
    while (fraud_rules_part(rules, out->curves.count, &part))
        TRY(tell_curve(request, &part, &out->curves.at[out->curves.count++]));
    TRY(page_take(request, (fraud_rules_count(rules) + 1) * sizeof *out->rules.at, &memory));
    out->rules.at = memory;
    while (fraud_rules_view(rules, out->rules.count, &rule))
        TRY(tell_rule(request, &rule, &out->rules.at[out->rules.count++]));
    MSG_SET(out, rules_curves, base, fraud_rules_base(rules));
    return ERR_none;
}

enum err op_rules_curves(struct request *request, const struct msg_rules_ref *in,
                         struct msg_rules_curves *out)
{
    const struct fraud_rules *rules = NULL;
    struct rule_set           row;
    struct slice              hash;
    enum err                  err;

    TRY(find_version(request, in, &row));
    TRY(page_keep(request, slice_of((const char *)row.hash, sizeof row.hash), &hash));
    MSG_SET(out, rules_curves, rule_set, row.number);
    MSG_SET(out, rules_curves, hash, hash);
    TRY(bank_rules(request->bank, request->store, row.number, &rules));
    err = tell_all(request, rules, out);
    bank_rules_release(request->bank, rules);
    return err;
}
