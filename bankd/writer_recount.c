/* What the counters of the safety valve and of the alert budget knew before the daemon went down,
 * counted once more at its start from the stored decisions: so a rule that was about to be stepped
 * down is, and a crash costs the budget nothing.
 *
 * The newest payments are read, RECOUNT_ENTRIES entries of the chain at most, whatever the bank's
 * size. The valve takes the live ones that the rules in force have judged within its window: a
 * share of the newest is as good as one of all. What a rule stopped before a person restored it
 * does not count again. The budget takes those behind the entry up to which its saved counts reach,
 * and of the others only which accounts have counted already.
 *
 * The rule: nothing is planned here, and nothing is counted that was not decided. */
#include "bankd/writer_impl.h"

#include "bankd/record.h"
#include "common/check.h"

#include <stdlib.h>
#include <string.h>

enum { RECOUNT_ENTRIES = 32768, RECOUNT_PAGE = 256 };

struct recount {
    struct writer            *writer;
    struct arena             *arena;
    const struct fraud_rules *rules; /* of rule_set; NULL = they cannot be read */
    int64_t                   rule_set;
    int64_t                   window_from_us;
    int64_t                   restored_at_us[LIMIT_RULES_MAX]; /* by rule in force; 0 = never */
    enum err                  failed;
    size_t                    count;
    struct transaction        rows[RECOUNT_PAGE];
};

/* --- rules that people have restored ---------------------------------------------------------- */

static bool note_restored(void *context, const void *row)
{
    struct recount         *recount = context;
    struct msg_stepped_rule said;
    int                     rule;

    arena_reset(recount->arena);
    recount->failed = record_read(row, &message_stepped_rule, &said, recount->arena);
    if (recount->failed != ERR_none)
        return false;
    rule = fraud_rules_find(recount->writer->rules, said.rule);
    if (rule >= 0 && MSG_HAS(&said, stepped_rule, restored_at) &&
        said.restored_at > recount->restored_at_us[rule])
        recount->restored_at_us[rule] = said.restored_at;
    return true;
}

static enum err find_restored(struct recount *recount)
{
    struct store        *store = recount->writer->store;
    struct record_filter filter = { .kind = RECORD_STEPPED_RULE, .state = CONTROL_REMOVED };

    TRY(store->ops->records(store, &filter, note_restored, recount));
    return recount->failed;
}

/* --- one payment ----------------------------------------------------------------------------- */

/* Those of the set that judged it, which stay until another one is needed. */
static enum err use_rules(struct recount *recount, int64_t rule_set)
{
    struct writer *writer = recount->writer;
    enum err       err;

    if (recount->rule_set == rule_set)
        return ERR_none;
    if (recount->rules != NULL)
        bank_rules_release(writer->config.bank, recount->rules);
    recount->rules = NULL;
    recount->rule_set = rule_set;
    err = bank_rules(writer->config.bank, writer->store, rule_set, &recount->rules);
    return err == ERR_storage_corrupt ? ERR_none : err; /* of another bankd: not understood */
}

struct hit_search {
    int64_t transaction;
    int32_t number;
};

static bool find_hit(void *context, const void *row)
{
    struct hit_search      *search = context;
    const struct alert_hit *hit = row;

    if (hit->transaction == search->transaction)
        search->number = hit->number;
    return search->number == 0;
}

/* Whether it joined an alert that waited, and so was no new one. */
static enum err has_joined(struct recount *recount, int64_t sequence, bool *out)
{
    struct store     *store = recount->writer->store;
    struct hit_search search = { .transaction = sequence };
    struct alert      alert;
    enum err          err = store->ops->alert_by_transaction(store, sequence, &alert);

    *out = false;
    if (err == ERR_not_found)
        return ERR_none;
    TRY(err);
    TRY(store->ops->alert_hits(store, alert.number, find_hit, &search));
    *out = search.number > 1;
    return ERR_none;
}

static void forget_restored(const struct recount *recount, const struct transaction *row,
                            struct fraud_rule_bits *stopping)
{
    for (size_t i = 0; i < LIMIT_RULES_MAX; i++)
        if (row->at_us <= recount->restored_at_us[i])
            stopping->words[i / 64] &= ~(UINT64_C(1) << i % 64);
}

static enum err count_row(struct recount *recount, const struct transaction *row)
{
    struct writer        *writer = recount->writer;
    struct control_recall again = { .score = row->score, .sequence = row->sequence };
    struct fraud_recall   recall;

    again.payment = (struct control_counted){ .at_us = row->at_us,
                                              .account = row->incoming ? row->credit : row->debit,
                                              .history = row->posted_by == 0 };
    TRY(use_rules(recount, row->rule_set));
    if (recount->rules == NULL ||
        !fraud_recall(recount->rules, row->decision, row->decision_size, &recall))
        return ERR_none;
    again.forced = recall.forced;
    again.stopping = recall.stopping;
    again.in_window = row->rule_set == writer->config.rule_set && !again.payment.history &&
                      row->at_us > recount->window_from_us;
    forget_restored(recount, row, &again.stopping);
    if (recall.alert)
        TRY(has_joined(recount, row->sequence, &again.payment.joined));
    controls_recall(writer->controls, &again);
    return ERR_none;
}

/* --- the walk -------------------------------------------------------------------------------- */

static bool collect(void *context, const void *row)
{
    struct recount *recount = context;

    recount->rows[recount->count++] = *(const struct transaction *)row;
    return recount->count < RECOUNT_PAGE;
}

static enum err walk(struct recount *recount)
{
    struct store             *store = recount->writer->store;
    int64_t                   last = recount->writer->committed.sequence;
    struct transaction_filter filter = { .ascending = true };
    int64_t                   stopped_at;

    filter.from_sequence = last > RECOUNT_ENTRIES ? last - RECOUNT_ENTRIES + 1 : 1;
    do {
        recount->count = 0;
        TRY(store->ops->transactions(store, &filter, collect, recount, &stopped_at));
        for (size_t i = 0; i < recount->count; i++)
            if (recount->rows[i].rule_set != 0)
                TRY(count_row(recount, &recount->rows[i]));
        if (recount->count > 0)
            filter.from_sequence = recount->rows[recount->count - 1].sequence + 1;
    } while (recount->count == RECOUNT_PAGE);
    return ERR_none;
}

enum err writer_controls_recount(struct writer *writer)
{
    struct recount *recount;
    enum err        err;

    if (writer->rules == NULL)
        return ERR_none;
    recount = calloc(1, sizeof *recount);
    if (recount == NULL)
        return ERR_memory;
    recount->writer = writer;
    recount->arena = &writer->scratch;
    recount->window_from_us = writer_now_us(writer) -
                              controls_values(writer->controls)->valve_window_min * US_PER_MINUTE;
    err = find_restored(recount);
    if (err == ERR_none)
        err = walk(recount);
    if (recount->rules != NULL)
        bank_rules_release(writer->config.bank, recount->rules);
    free(recount);
    return err;
}
