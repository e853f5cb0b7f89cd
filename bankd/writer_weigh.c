/* Alerts from before a rule's own action had a weight (alert.h) may stand at the end of the queue
 * with an expected loss of 0, though their payments are held. After each start the writer looks at
 * the alerts that wait there, a page at a time between two groups of posts, and weighs those anew
 * whose rules say more. Each is a change of its own with its audit entry, by the system.
 *
 * What must not break: a hit only ever gets what its stored decision says. */
#include "bankd/alert.h"
#include "bankd/writer_impl.h"

#include <string.h>

enum { WEIGH_PAGE = 16 };

struct weigh_page {
    size_t       count;
    struct alert rows[WEIGH_PAGE];
};

static bool collect(void *context, const void *row)
{
    struct weigh_page *page = context;

    page->rows[page->count++] = *(const struct alert *)row;
    return page->count < WEIGH_PAGE;
}

static enum err loss_of(struct writer *writer, const struct alert *alert,
                        const struct alert_hit *hit, int64_t *loss, uint16_t *currency)
{
    const struct fraud_rules *rules;
    struct fraud_verdict      verdict;
    struct transaction        row;
    enum err                  err;

    TRY(writer_alert_row(writer, alert->account, hit->transaction, &row));
    *currency = row.currency;
    *loss = hit->loss;
    if (row.rule_set == 0 || row.initial_status == STATUS_DECLINED)
        return ERR_none;
    err = bank_rules(writer->config.bank, writer->store, row.rule_set, &rules);
    if (err == ERR_storage_corrupt)
        return ERR_none; /* of another bankd: not understood */
    TRY(err);
    if (fraud_explain(rules, row.decision, row.decision_size, &verdict))
        *loss = alert_loss(row.amount, verdict.weight, false);
    bank_rules_release(writer->config.bank, rules);
    return ERR_none;
}

static enum err change_hit(struct writer *writer, struct alert *alert, struct alert_hits *hits,
                           size_t i, uint16_t currency)
{
    struct draft *draft = writer_draft(writer);
    struct act    act = { .kind = AUDIT_ACTION,
                          .operation = "alert.weigh",
                          .subject = &alert->alert_id,
                          .detail = slice_from("its rule's action counts in the queue") };

    if (draft == NULL)
        return ERR_busy;
    alert_weigh(alert, hits->rows, hits->count, currency);
    draft->hit = hits->rows[i];
    draft->change.hit = &draft->hit;
    writer_alert_change(draft, alert);
    *alert = draft->alert;
    writer_audit(writer, draft, &act);
    writer_add(writer, draft);
    return ERR_none;
}

static enum err weigh(struct writer *writer, struct alert *alert)
{
    struct alert_hits hits;
    uint16_t          currency;
    int64_t           loss;

    writer_alert_newest(writer, alert);
    if (alert->state == ALERT_DECIDED)
        return ERR_none;
    TRY(writer_alert_hits(writer, alert, &hits));
    for (size_t i = 0; i < hits.count; i++) {
        if (hits.rows[i].finding != 0 || hits.rows[i].loss != 0)
            continue;
        TRY(loss_of(writer, alert, &hits.rows[i], &loss, &currency));
        if (loss == 0)
            continue;
        hits.rows[i].loss = loss;
        TRY(change_hit(writer, alert, &hits, i, currency));
    }
    return ERR_none;
}

void writer_weigh_forget(struct writer *writer)
{
    writer->weighed = writer->weighed_from;
    writer->all_weighed = false;
}

enum err writer_weigh(struct writer *writer)
{
    struct alert_filter filter = { .by_loss = true, .behind_number = writer->weighed };
    struct weigh_page   page = { .count = 0 };

    if (writer->all_weighed)
        return ERR_none;
    writer->weighed_from = writer->weighed;
    TRY(writer->store->ops->alerts(writer->store, &filter, collect, &page));
    for (size_t i = 0; i < page.count; i++) {
        TRY(weigh(writer, &page.rows[i]));
        writer->weighed = page.rows[i].number;
    }
    writer->all_weighed = page.count < WEIGH_PAGE;
    return ERR_none;
}
