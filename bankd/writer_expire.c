/* What ends by time: holds and freezes. The writer looks between two groups of posts, so what it
 * asks for must have an index: looking at each account took 50 ms with 100,000 of them. One that
 * cannot be ended does not keep the others. */
#include "bankd/writer_impl.h"

#include "common/log.h"

#include <string.h>

struct due {
    size_t      count;
    struct uuid ids[WRITER_EXPIRE_PAGE];
};

static bool collect_held(void *context, const void *row)
{
    struct due *due = context;

    due->ids[due->count++] = ((const struct transaction *)row)->transaction_id;
    return due->count < WRITER_EXPIRE_PAGE;
}

struct thaw {
    size_t  count;
    int64_t accounts[WRITER_EXPIRE_PAGE];
};

static bool collect_frozen(void *context, const void *row)
{
    struct thaw               *thaw = context;
    const struct account_book *book = &((const struct account *)row)->book;

    thaw->accounts[thaw->count++] = book->number;
    return thaw->count < WRITER_EXPIRE_PAGE;
}

static enum err end_freeze(struct writer *writer, int64_t number)
{
    const struct account_book *book;
    struct account_book        after;
    struct draft              *draft = writer_draft(writer);

    if (draft == NULL)
        return ERR_busy;
    TRY(writer_book(writer, number, &book, NULL));
    if (book->status != ACCOUNT_FROZEN)
        return ERR_none;
    struct account_book before = *book;
    after = before;
    after.status = ACCOUNT_ACTIVE;
    after.freeze_direction = 0;
    after.freeze_until_us = 0;
    after.version++;
    struct act act = { .kind = AUDIT_ACTION,
                       .operation = "account.unfreeze",
                       .subject = &after.account_id,
                       .detail = slice_from("the time of the freeze is over") };
    writer_change_book(draft, &before, &after, true);
    writer_audit(writer, draft, &act);
    writer_add(writer, draft);
    return ERR_none;
}

static enum err end_hold(struct writer *writer, const struct uuid *id)
{
    struct fault       fault = { 0 };
    struct transaction row;
    struct decision    decision = { .transaction_id = *id,
                                    .status = STATUS_REJECTED,
                                    .finding = DECISION_INCONCLUSIVE,
                                    .operation = "transaction.expire",
                                    .reason = slice_from("the time of the hold is over") };
    enum err           err = writer_decide(writer, &decision, &row, &fault);
    char               text[UUID_TEXT_MAX];

    if (err == ERR_none || err == ERR_busy)
        return err;
    log_event(LOG_WARNING, "hold_not_ended", "transaction=%s error=%s text=\"%s\"",
              uuid_text(id, text), err_name(err), fault.text);
    return ERR_none;
}

enum err writer_expire(struct writer *writer)
{
    int64_t               now_us = writer_now_us(writer);
    struct due            due = { 0 };
    struct thaw           thaw = { .count = 0 };
    struct account_filter frozen = { .status = ACCOUNT_FROZEN, .thaw_until_us = now_us };

    TRY(writer->store->ops->held(writer->store, now_us, collect_held, &due));
    for (size_t i = 0; i < due.count; i++)
        TRY(end_hold(writer, &due.ids[i]));
    TRY(writer->store->ops->accounts(writer->store, &frozen, collect_frozen, &thaw));
    for (size_t i = 0; i < thaw.count; i++)
        TRY(end_freeze(writer, thaw.accounts[i]));
    TRY(writer_weigh(writer));
    return writer_controls_expire(writer);
}
