/* alert.similar: earlier alerts with the same main reason, and how they ended. Reasons are those of
 * the stored decisions, compared by the names of their rules, so that alerts of earlier versions
 * count too; only what adds points is compared. The newest LIMIT_SIMILAR_ALERTS_MAX are looked at.
 *
 * Two alerts are alike when each one's heaviest reason is among the other's, and the points that
 * both have for the same reasons are at least half of the points of the one that has more. */
#include "bankd/ops/figures.h"
#include "bankd/ops/page.h"
#include "common/money.h"
#include "common/check.h"

#include <stdio.h>
#include <string.h>

enum { FOUND_NOTHING, FOUND_FRAUD, FOUND_GOOD };
enum { ROWS_AT_ONCE = 64, SIMILAR_DEFAULT = 10, HALF_BP = 5000, WHOLE_BP = 10000 };

struct mark {
    char    name[FRAUD_NAME_MAX + 1];
    int32_t points;
};

/* What speaks against a transaction, the heaviest first. */
struct marks {
    size_t      count;
    int32_t     sum;
    struct mark at[LIMIT_REASONS_MAX];
};

struct match {
    struct alert       alert;
    struct transaction cause;
    int32_t            similarity_bp;
    int32_t            finding; /* FOUND_... */
    char               shared[LIMIT_REASON_MAX + 1];
};

struct looking {
    struct request          *request;
    struct msg_similar_page *out;
    size_t                   limit;
    size_t                   count; /* of the best */
    struct match             best[LIMIT_SIMILAR_ROWS_MAX + 1];
    struct marks             wanted, marks;
    struct fraud_verdict     verdict;
    struct transaction       cause;
    size_t                   row_count;
    struct alert             rows[ROWS_AT_ONCE];
};

static enum err must_be_there(enum err err)
{
    return err == ERR_not_found ? ERR_books_broken : err;
}

/* --- reasons --------------------------------------------------------------------------------- */

static void take_marks(const struct fraud_rules *rules, const struct fraud_verdict *verdict,
                       struct marks *out)
{
    for (size_t i = 0; i < verdict->reason_count; i++) {
        const struct fraud_reason *reason = &verdict->reasons[i];
        struct mark               *mark = &out->at[out->count];

        if (reason->points <= 0 || reason->rule >= FRAUD_RULE_REST)
            continue;
        snprintf(mark->name, sizeof mark->name, "%s", fraud_rules_name(rules, reason->rule));
        mark->points = reason->points;
        out->sum += mark->points;
        out->count++;
    }
}

/* The transaction of an alert and its reasons; none for one that nobody judged. */
static enum err read_cause(struct looking *looking, const struct alert *alert, struct marks *out)
{
    struct request           *request = looking->request;
    struct store             *store = request->store;
    const struct transaction *cause = &looking->cause;
    const struct fraud_rules *rules = NULL;
    bool                      good;

    memset(out, 0, sizeof *out);
    TRY(must_be_there(
        store->ops->transaction_by_sequence(store, alert->transaction, &looking->cause)));
    if (cause->rule_set == 0)
        return ERR_none;
    TRY(must_be_there(bank_rules(request->bank, store, cause->rule_set, &rules)));
    good = fraud_explain(rules, cause->decision, cause->decision_size, &looking->verdict);
    if (good)
        take_marks(rules, &looking->verdict, out);
    bank_rules_release(request->bank, rules);
    return good ? ERR_none : ERR_books_broken;
}

static const struct mark *find_mark(const struct marks *marks, const char *name)
{
    for (size_t i = 0; i < marks->count; i++)
        if (strcmp(marks->at[i].name, name) == 0)
            return &marks->at[i];
    return NULL;
}

/* Adds a name to the list; what does not fit is left out. */
static void add_name(char shared[LIMIT_REASON_MAX + 1], const char *name)
{
    size_t used = strlen(shared);

    if (used + 2 + strlen(name) <= LIMIT_REASON_MAX)
        snprintf(shared + used, LIMIT_REASON_MAX + 1 - used, "%s%s", used > 0 ? ", " : "", name);
}

static int32_t similarity(const struct marks *a, const struct marks *b,
                          char shared[LIMIT_REASON_MAX + 1])
{
    int32_t most = a->sum > b->sum ? a->sum : b->sum;
    int32_t common = 0;

    shared[0] = '\0';
    if (a->count == 0 || b->count == 0 || find_mark(b, a->at[0].name) == NULL ||
        find_mark(a, b->at[0].name) == NULL)
        return 0;
    for (size_t i = 0; i < a->count; i++) {
        const struct mark *same = find_mark(b, a->at[i].name);

        if (same == NULL)
            continue;
        common += same->points < a->at[i].points ? same->points : a->at[i].points;
        add_name(shared, same->name);
    }
    return common * WHOLE_BP / most;
}

/* --- the walk -------------------------------------------------------------------------------- */

/* A decision that says what it was, else what was found out about its transaction. */
static enum err find_end(struct looking *looking, struct match *match)
{
    struct store *store = looking->request->store;
    int32_t       decision = match->alert.decision;
    struct label  label;
    enum err      err;

    if (decision == DECISION_CONFIRMED_FRAUD || decision == DECISION_FALSE_POSITIVE) {
        match->finding = decision == DECISION_CONFIRMED_FRAUD ? FOUND_FRAUD : FOUND_GOOD;
        return ERR_none;
    }
    err = store->ops->label_by_transaction(store, match->alert.transaction, &label);
    if (err == ERR_none && !label.withdrawn)
        match->finding = label.fraud ? FOUND_FRAUD : FOUND_GOOD;
    return err == ERR_not_found ? ERR_none : err;
}

static void count_end(struct msg_similar_page *out, const struct match *match)
{
    bool open = match->finding == FOUND_NOTHING;

    out->similar++;
    out->confirmed += match->finding == FOUND_FRAUD ? 1 : 0;
    out->false_positive += match->finding == FOUND_GOOD ? 1 : 0;
    out->inconclusive += open && match->alert.decision != 0 ? 1 : 0;
    out->undecided += open && match->alert.decision == 0 ? 1 : 0;
}

/* Puts it behind those that are as much alike, which are newer. */
static void keep_best(struct looking *looking, const struct match *match)
{
    size_t place = looking->count;

    while (place > 0 && looking->best[place - 1].similarity_bp < match->similarity_bp)
        place--;
    if (place == looking->limit)
        return;
    memmove(&looking->best[place + 1], &looking->best[place],
            (looking->count - place) * sizeof *match);
    looking->best[place] = *match;
    if (looking->count < looking->limit)
        looking->count++;
}

static enum err compare(struct looking *looking, const struct alert *alert)
{
    struct match match = { .alert = *alert };

    looking->out->looked_at++;
    TRY(read_cause(looking, alert, &looking->marks));
    match.similarity_bp = similarity(&looking->wanted, &looking->marks, match.shared);
    if (match.similarity_bp < HALF_BP)
        return ERR_none;
    match.cause = looking->cause;
    TRY(find_end(looking, &match));
    count_end(looking->out, &match);
    keep_best(looking, &match);
    return ERR_none;
}

static bool collect(void *context, const void *row)
{
    struct looking *looking = context;

    looking->rows[looking->row_count++] = *(const struct alert *)row;
    return looking->row_count < ROWS_AT_ONCE && !page_cancelled(looking->request);
}

static enum err walk(struct looking *looking, int64_t before_number)
{
    struct request     *request = looking->request;
    struct alert_filter filter = { .before_number = before_number };

    do {
        looking->row_count = 0;
        TRY(request->store->ops->alerts(request->store, &filter, collect, looking));
        TRY(page_check_cancel(request));
        for (size_t i = 0; i < looking->row_count; i++)
            TRY(compare(looking, &looking->rows[i]));
        if (looking->row_count > 0)
            filter.before_number = looking->rows[looking->row_count - 1].number;
    } while (looking->row_count == ROWS_AT_ONCE &&
             looking->out->looked_at < LIMIT_SIMILAR_ALERTS_MAX);
    return ERR_none;
}

/* --- the reply ------------------------------------------------------------------------------- */

static enum err set_item(struct looking *looking, const struct match *match,
                         const struct alert *asked, struct msg_similar_alert *out)
{
    struct request     *request = looking->request;
    const struct alert *alert = &match->alert;
    struct account      account;
    struct slice        text;

    TRY(must_be_there(
        request->store->ops->account_by_number(request->store, alert->account, &account)));
    MSG_SET(out, similar_alert, alert_id, alert->alert_id);
    MSG_SET(out, similar_alert, transaction_id, match->cause.transaction_id);
    MSG_SET(out, similar_alert, account_id, account.book.account_id);
    TRY(page_keep(request, slice_from(account.name[0] != '\0' ? account.name : account.holder),
                  &text));
    MSG_SET(out, similar_alert, account_name, text);
    MSG_SET(out, similar_alert, same_account, alert->account == asked->account);
    MSG_SET(out, similar_alert, created_at, alert->created_at_us);
    MSG_SET(out, similar_alert, amount, match->cause.amount);
    MSG_SET(out, similar_alert, currency, figures_code(match->cause.currency));
    MSG_SET(out, similar_alert, score, alert->score);
    MSG_SET(out, similar_alert, similarity_bp, match->similarity_bp);
    TRY(page_keep(request, slice_from(match->shared), &text));
    MSG_SET(out, similar_alert, shared, text);
    if (alert->decision != 0)
        MSG_SET(out, similar_alert, decision, alert->decision);
    if (alert->decided_at_us != 0)
        MSG_SET(out, similar_alert, decided_at, alert->decided_at_us);
    if (match->finding != FOUND_NOTHING)
        MSG_SET(out, similar_alert, fraud, match->finding == FOUND_FRAUD);
    return ERR_none;
}

static enum err set_reply(struct looking *looking, const struct alert *asked)
{
    struct msg_similar_page *out = looking->out;
    int64_t                  decided = out->confirmed + out->false_positive;
    void                    *memory = NULL;

    if (decided > 0)
        MSG_SET(out, similar_page, confirmed_bp, ratio_basis_points(out->confirmed, decided));
    TRY(page_take(looking->request, (looking->count + 1) * sizeof(struct msg_similar_alert),
                  &memory));
    out->items.at = memory;
    out->items.count = looking->count;
    for (size_t i = 0; i < looking->count; i++)
        TRY(set_item(looking, &looking->best[i], asked, &out->items.at[i]));
    return ERR_none;
}

static void set_zeros(struct msg_similar_page *out)
{
    MSG_SET(out, similar_page, looked_at, 0);
    MSG_SET(out, similar_page, similar, 0);
    MSG_SET(out, similar_page, confirmed, 0);
    MSG_SET(out, similar_page, false_positive, 0);
    MSG_SET(out, similar_page, inconclusive, 0);
    MSG_SET(out, similar_page, undecided, 0);
}

enum err op_alert_similar(struct request *request, const struct msg_similar_query *in,
                          struct msg_similar_page *out)
{
    struct alert    asked;
    void           *memory = NULL;
    struct looking *looking;
    enum err        err = request->store->ops->alert_by_id(request->store, &in->alert_id, &asked);

    if (err == ERR_not_found)
        return fault_set(request->fault, err, "alert_id", "There is no such alert.");
    TRY(err);
    TRY(page_take(request, sizeof *looking, &memory));
    looking = memory;
    looking->request = request;
    looking->out = out;
    looking->limit =
        MSG_HAS(in, similar_query, limit) ? (size_t)in->limit : (size_t)SIMILAR_DEFAULT;
    set_zeros(out);
    TRY(read_cause(looking, &asked, &looking->wanted));
    TRY(walk(looking, asked.number));
    return set_reply(looking, &asked);
}
