/* transaction.whatif: what would have changed a verdict. The two profiles are made again as they
 * were when the payment came, from the chains of both sides; then the engine judges variations of
 * it by the rules and controls of then (bankd/fraud/whatif.h). Reading a chain is bounded and can
 * be cancelled. */
#include "bankd/fraud/whatif.h"

#include "bankd/fraud/habit.h"
#include "bankd/ops/figures.h"
#include "bankd/ops/page.h"
#include "bankd/profile.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/money.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct asking {
    struct request           *request;
    const struct fraud_rules *rules; /* that judged it */
    struct transaction        row;
    struct account_book       debit, credit;
    struct fraud_event        event;
    struct fraud_controls     controls;
    struct fraud_profile      subject, counterparty;
    struct fraud_verdict      verdict;
    struct fraud_change       changes[FRAUD_CHANGES_MAX];
    size_t                    change_count;
};

static_assert(FRAUD_CHANGES_MAX <= 32, "the changes fit the reply");

/* --- as it was ------------------------------------------------------------------------------- */

static enum err must_be_there(enum err err)
{
    return err == ERR_not_found ? ERR_books_broken : err;
}

static enum err read_books(struct asking *asking)
{
    struct store *store = asking->request->store;

    TRY(must_be_there(store->ops->book_by_number(store, asking->row.debit, &asking->debit)));
    TRY(must_be_there(store->ops->book_by_number(store, asking->row.credit, &asking->credit)));
    profile_event(&asking->row, &asking->debit, &asking->credit, &asking->event);
    asking->event.status = 0;
    if (!fraud_recall_controls(asking->rules, asking->row.decision, asking->row.decision_size,
                               &asking->controls))
        return ERR_books_broken;
    asking->event.controls = &asking->controls;
    return ERR_none;
}

static enum err read_profile(struct asking *asking, int64_t entity, struct fraud_profile *out)
{
    struct request       *request = asking->request;
    struct profile_bounds bounds = { .rows_max = LIMIT_WHATIF_ROWS_MAX, .cancel = request->cancel };
    enum err              err = profile_before(request->store, &asking->row, entity, &bounds, out);

    if (err == ERR_message_too_large)
        return fault_set(request->fault, err, "transaction_id",
                         "One of its sides has more than %d earlier transactions",
                         (int)LIMIT_WHATIF_ROWS_MAX);
    return err;
}

static enum err ask(struct asking *asking)
{
    struct fraud_whatif question = { .rules = asking->rules,
                                     .subject = &asking->subject,
                                     .event = &asking->event };

    TRY(read_books(asking));
    question.most = INT64_MAX;
    if (!asking->event.incoming &&
        __builtin_add_overflow(asking->event.balance, asking->debit.overdraft_limit,
                               &question.most))
        question.most = INT64_MAX;
    TRY(read_profile(asking, profile_subject(&asking->row), &asking->subject));
    if (asking->event.counterparty != 0) {
        TRY(read_profile(asking, asking->event.counterparty, &asking->counterparty));
        question.counterparty = &asking->counterparty;
    }
    asking->change_count = fraud_whatif(&question, &asking->verdict, asking->changes);
    return ERR_none;
}

/* --- in words -------------------------------------------------------------------------------- */

static const char *word_of(enum fraud_level level, enum fraud_level was)
{
    switch (level) {
    case FRAUD_QUIET:
        return was >= FRAUD_HELD ? "approved" : "no alert";
    case FRAUD_ALERTED:
        return was >= FRAUD_HELD ? "approved with an alert" : "an alert";
    case FRAUD_HELD:
        return "held";
    case FRAUD_DECLINED:
        break;
    }
    return "declined";
}

static const char *money_of(const struct asking *asking, int64_t amount, char out[MONEY_TEXT_MAX])
{
    const struct currency *currency = currency_by_number(asking->row.currency);

    return money_text_grouped(amount, currency != NULL ? currency->exponent : 0, out);
}

/* The whole minute in which a better verdict has begun, or until which it surely lasts. */
static const char *moment_of(int64_t at_us, bool begin, char out[TIME_TEXT_MAX])
{
    int64_t minute = at_us - at_us % US_PER_MINUTE;

    return time_text_minute(begin && minute < at_us ? minute + US_PER_MINUTE : minute, out);
}

static void tell_amount(const struct asking *asking, const struct fraud_change *change,
                        const char *word, char *out, size_t size)
{
    bool    below = change->kind == CHANGE_AMOUNT_BELOW;
    int64_t first = below ? change->other : change->value;
    int64_t last = (below ? change->value : change->other) - 1;
    char    from[MONEY_TEXT_MAX];
    char    to[MONEY_TEXT_MAX];

    if (below && change->other == 0)
        snprintf(out, size, "%s below %s", word, money_of(asking, change->value, to));
    else if (change->other == 0)
        snprintf(out, size, "%s from %s on", word, money_of(asking, change->value, from));
    else if (first == last)
        snprintf(out, size, "%s at exactly %s", word, money_of(asking, first, from));
    else
        snprintf(out, size, "%s from %s to %s", word, money_of(asking, first, from),
                 money_of(asking, last, to));
}

static void tell_change(const struct asking *asking, const struct fraud_change *change, char *out,
                        size_t size)
{
    const char *word = word_of(change->level, fraud_level(&asking->verdict));
    char        money[MONEY_TEXT_MAX];
    char        from[TIME_TEXT_MAX];
    char        until[TIME_TEXT_MAX];

    money_of(asking, change->value, money);
    switch (change->kind) {
    case CHANGE_AMOUNT_BELOW:
    case CHANGE_AMOUNT_FROM:
        tell_amount(asking, change, word, out, size);
        break;
    case CHANGE_BALANCE_FROM:
        snprintf(out, size, "%s with a balance of at least %s", word, money);
        break;
    case CHANGE_TIME:
        if (change->until_us == 0)
            snprintf(out, size, "%s from %s UTC on", word, moment_of(change->value, true, from));
        else
            snprintf(out, size, "%s between %s and %s UTC", word,
                     moment_of(change->value, true, from),
                     moment_of(change->until_us, false, until));
        break;
    case CHANGE_KNOWN:
        snprintf(out, size, "%s if the counterparty were known", word);
        break;
    case CHANGE_RULE:
        snprintf(out, size, "%s without the rule %s", word,
                 fraud_rules_name(asking->rules, change->rule));
        break;
    }
}

/* --- the reply ------------------------------------------------------------------------------- */

static enum err set_value(const struct asking *asking, const struct fraud_change *change,
                          struct msg_whatif_item *out)
{
    static const int32_t kinds[] = {
        [CHANGE_AMOUNT_BELOW] = WHATIF_AMOUNT,  [CHANGE_AMOUNT_FROM] = WHATIF_AMOUNT,
        [CHANGE_BALANCE_FROM] = WHATIF_BALANCE, [CHANGE_TIME] = WHATIF_TIME,
        [CHANGE_KNOWN] = WHATIF_COUNTERPARTY,   [CHANGE_RULE] = WHATIF_RULE,
    };
    int32_t      kind = kinds[change->kind];
    struct slice rule;

    MSG_SET(out, whatif_item, kind, kind);
    if (kind == WHATIF_AMOUNT || kind == WHATIF_BALANCE)
        MSG_SET(out, whatif_item, amount, change->value);
    if (kind == WHATIF_AMOUNT)
        MSG_SET(out, whatif_item, below, change->kind == CHANGE_AMOUNT_BELOW);
    if (kind == WHATIF_AMOUNT && change->other != 0)
        MSG_SET(out, whatif_item, other, change->other);
    if (kind == WHATIF_TIME)
        MSG_SET(out, whatif_item, at, change->value);
    if (kind == WHATIF_TIME && change->until_us != 0)
        MSG_SET(out, whatif_item, until, change->until_us);
    if (kind == WHATIF_RULE) {
        TRY(page_keep(asking->request, slice_from(fraud_rules_name(asking->rules, change->rule)),
                      &rule));
        MSG_SET(out, whatif_item, rule, rule);
    }
    return ERR_none;
}

static enum err set_items(const struct asking *asking, struct msg_whatif *out)
{
    struct request *request = asking->request;
    void           *memory = NULL;

    TRY(page_take(request, FRAUD_CHANGES_MAX * sizeof(struct msg_whatif_item), &memory));
    out->items.at = memory;
    out->items.count = asking->change_count;
    for (size_t i = 0; i < asking->change_count; i++) {
        const struct fraud_change *change = &asking->changes[i];
        struct msg_whatif_item    *item = &out->items.at[i];
        char                       text[LIMIT_REASON_MAX + 1];
        struct slice               kept;

        tell_change(asking, change, text, sizeof text);
        TRY(page_keep(request, slice_from(text), &kept));
        MSG_SET(item, whatif_item, text, kept);
        MSG_SET(item, whatif_item, verdict, change->verdict);
        MSG_SET(item, whatif_item, alert, change->alert);
        MSG_SET(item, whatif_item, score, change->score);
        TRY(set_value(asking, change, item));
    }
    return ERR_none;
}

/* Which of the earlier ones are smaller. Both this and the median come from classes of amounts, so
 * the sentence says "about"; of a few payments a share would look finer than it is. The largest is
 * known exactly. */
static const char *share_of(const struct fraud_baseline *own, int64_t amount, char out[64])
{
    enum { FEW = 50 };

    if (amount > own->largest)
        snprintf(out, 64, "all %" PRId64, own->payments);
    else if (own->payments < FEW)
        snprintf(out, 64, "about %" PRId64 " of %" PRId64,
                 (own->larger_than_bp * own->payments + 5000) / 10000, own->payments);
    else
        snprintf(out, 64, "about %" PRId64 ".%" PRId64 " %% of %" PRId64, own->larger_than_bp / 100,
                 own->larger_than_bp / 10 % 10, own->payments);
    return out;
}

static enum err set_baseline(const struct asking *asking, struct msg_whatif *out)
{
    struct fraud_baseline own;
    char                  money[MONEY_TEXT_MAX];
    char                  ratio[32];
    char                  share[64];
    char                  text[LIMIT_REASON_MAX + 1];
    struct slice          kept;

    if (!fraud_baseline(&asking->subject, &asking->event, &own))
        return ERR_none;
    if (own.ratio_x100 < 100)
        snprintf(ratio, sizeof ratio, "0.%02" PRId64, own.ratio_x100);
    else
        snprintf(ratio, sizeof ratio, "%" PRId64 ".%" PRId64, own.ratio_x100 / 100,
                 own.ratio_x100 / 10 % 10);
    snprintf(text, sizeof text,
             "about %s × the customer's usual %s, larger than %s earlier payments", ratio,
             money_of(asking, own.median, money), share_of(&own, asking->event.amount, share));
    TRY(page_keep(asking->request, slice_from(text), &kept));
    MSG_SET(out, whatif, baseline, kept);
    MSG_SET(out, whatif, payments, own.payments);
    MSG_SET(out, whatif, median, own.median);
    MSG_SET(out, whatif, mean, own.mean);
    MSG_SET(out, whatif, largest, own.largest);
    MSG_SET(out, whatif, ratio_x100, own.ratio_x100);
    MSG_SET(out, whatif, larger_than_bp, own.larger_than_bp);
    MSG_SET(out, whatif, hour_bp, own.hour_bp);
    return ERR_none;
}

static enum err set_reply(const struct asking *asking, struct msg_whatif *out)
{
    const struct transaction   *row = &asking->row;
    const struct fraud_verdict *again = &asking->verdict;

    MSG_SET(out, whatif, transaction_id, row->transaction_id);
    MSG_SET(out, whatif, currency, figures_code(row->currency));
    MSG_SET(out, whatif, verdict, row->verdict);
    MSG_SET(out, whatif, alert, again->alert);
    MSG_SET(out, whatif, score, row->score);
    MSG_SET(out, whatif, exact,
            again->decision_size == row->decision_size &&
                memcmp(again->decision, row->decision, row->decision_size) == 0);
    TRY(set_items(asking, out));
    return set_baseline(asking, out);
}

enum err op_transaction_whatif(struct request *request, const struct msg_transaction_ref *in,
                               struct msg_whatif *out)
{
    struct store  *store = request->store;
    void          *memory = NULL;
    struct asking *asking;
    enum err       err;

    TRY(page_take(request, sizeof *asking, &memory));
    asking = memory;
    asking->request = request;
    err = store->ops->transaction_by_id(store, &in->transaction_id, &asking->row);
    if (err == ERR_not_found)
        return fault_set(request->fault, err, "transaction_id", "There is no such transaction");
    TRY(err);
    if (asking->row.rule_set == 0)
        return fault_set(request->fault, ERR_state_conflict, "transaction_id",
                         "It is an act of the bank itself, which nobody judged");
    TRY(must_be_there(bank_rules(request->bank, store, asking->row.rule_set, &asking->rules)));
    err = ask(asking);
    if (err == ERR_none)
        err = set_reply(asking, out);
    bank_rules_release(request->bank, asking->rules);
    return err;
}
