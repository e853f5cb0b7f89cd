/* account.list and account.get. Accounts are paged by their number, newest first. The total is
 * given where a count is kept: of all accounts, because their numbers have no gaps, and of
 * customers' accounts by status and currency, from the rollups. */
#include "bankd/ops/page.h"
#include "bankd/ops/view.h"

struct listing {
    struct request *request;
    struct msg_account_page *out;
    size_t limit;
    int64_t last; /* number of the last row that was taken */
    bool more;
    enum err err;
};

/* An account's texts are bounded, so a full page of the longest ones could outgrow the request's
 * memory: the page ends early then. */
enum { ACCOUNT_BYTES_MAX = 4 * LIMIT_NAME_MAX + LIMIT_REASON_MAX + LIMIT_EXTERNAL_ID_MAX + 256 };

static bool take(void *context, const void *row)
{
    struct listing *listing = context;
    const struct account *account = row;
    size_t count = listing->out->items.count;
    if (count == listing->limit || !page_room(listing->request, ACCOUNT_BYTES_MAX)) {
        listing->more = true;
        return false;
    }
    listing->err = page_check_cancel(listing->request);
    if (listing->err == ERR_none)
        listing->err = view_account(listing->request, account, &listing->out->items.at[count]);
    if (listing->err != ERR_none)
        return false;
    listing->out->items.count++;
    listing->last = account->book.number;
    return true;
}

static enum err filter_of(struct request *request, const struct msg_account_query *in,
                          struct account_filter *filter)
{
    if (MSG_HAS(in, account_query, status))
        filter->status = in->status;
    if (MSG_HAS(in, account_query, kind))
        filter->kind = in->kind;
    if (MSG_HAS(in, account_query, search))
        filter->search = in->search;
    TRY(page_currency(request, MSG_HAS(in, account_query, currency), in->currency,
                      &filter->currency));
    if (!MSG_HAS(in, account_query, customer_id))
        return ERR_none;
    struct customer row;
    enum err err = request->store->ops->customer_by_id(request->store, &in->customer_id, &row);
    if (err == ERR_not_found)
        return fault_set(request->fault, err, "customer_id", "There is no such customer.");
    TRY(err);
    filter->customer = row.number;
    return ERR_none;
}

/* --- the total ------------------------------------------------------------------------------ */

struct totalling {
    int32_t status;
    int64_t total;
};

static bool add_cell(void *context, const void *row)
{
    struct totalling *totalling = context;
    const struct rollup *cell = row;
    int32_t status = (int32_t)cell->key.metric - METRIC_ACCOUNTS;
    bool counts = totalling->status != 0 ? status == totalling->status
                                         : status >= ACCOUNT_ACTIVE && status <= ACCOUNT_CLOSED;
    if (counts)
        totalling->total += cell->count;
    return true;
}

static enum err set_total(struct request *request, const struct account_filter *filter,
                          struct msg_account_page *out)
{
    struct store *store = request->store;
    if (filter->customer != 0 || filter->search.n > 0)
        return ERR_none;
    if (filter->kind == ACCOUNT_CUSTOMER) {
        struct totalling totalling = {.status = filter->status};
        struct rollup_range range = {
            .scale = ROLLUP_ALL,
            .currency = filter->currency != 0 ? filter->currency : ROLLUP_EVERY_CURRENCY,
        };
        TRY(store->ops->rollups(store, &range, add_cell, &totalling));
        MSG_SET(out, account_page, total, totalling.total);
    } else if (filter->kind == 0 && filter->status == 0 && filter->currency == 0) {
        struct store_numbers numbers;
        TRY(store->ops->numbers(store, &numbers));
        MSG_SET(out, account_page, total, numbers.account);
    }
    return ERR_none;
}

/* --- the handlers --------------------------------------------------------------------------- */

enum err op_account_list(struct request *request, const struct msg_account_query *in,
                         struct msg_account_page *out)
{
    struct page_cursor cursor;
    struct account_filter filter = {.status = 0};
    TRY(page_start(request, in, MSG_HAS(in, account_query, cursor), in->cursor, &cursor));
    TRY(filter_of(request, in, &filter));
    filter.before_number = cursor.from;
    struct listing listing = {
        .request = request,
        .out = out,
        .limit = page_limit(MSG_HAS(in, account_query, limit), in->limit),
    };
    void *items = NULL;
    TRY(page_take(request, listing.limit * sizeof(struct msg_account), &items));
    out->items.at = items;
    TRY(request->store->ops->accounts(request->store, &filter, take, &listing));
    TRY(listing.err);
    if (listing.more) {
        struct slice next;
        cursor.from = listing.last;
        TRY(page_next(request, in, &cursor, &next));
        MSG_SET(out, account_page, next, next);
    }
    return set_total(request, &filter, out);
}

enum err op_account_get(struct request *request, const struct msg_account_ref *in,
                        struct msg_account *out)
{
    struct account row;
    int64_t number = 0;
    TRY(page_account(request, true, &in->account_id, &number));
    TRY(request->store->ops->account_by_number(request->store, number, &row));
    return view_account(request, &row, out);
}
