/* customer.list and customer.get. Customers are paged by their number, newest first. */
#include "bankd/ops/page.h"
#include "bankd/ops/view.h"

struct listing {
    struct request *request;
    struct msg_customer_page *out;
    size_t limit;
    int64_t last; /* number of the last row that was taken */
    bool more;
    enum err err;
};

static bool take(void *context, const void *row)
{
    struct listing *listing = context;
    const struct customer *customer = row;
    if (listing->out->items.count == listing->limit) {
        listing->more = true;
        return false;
    }
    listing->err = page_check_cancel(listing->request);
    if (listing->err == ERR_none) {
        struct msg_customer *item = &listing->out->items.at[listing->out->items.count];
        listing->err = view_customer(listing->request, customer, item);
    }
    if (listing->err != ERR_none)
        return false;
    listing->out->items.count++;
    listing->last = customer->number;
    return true;
}

enum err op_customer_list(struct request *request, const struct msg_customer_query *in,
                          struct msg_customer_page *out)
{
    struct page_cursor cursor;
    struct slice search = MSG_HAS(in, customer_query, search) ? in->search : slice_of("", 0);
    TRY(page_start(request, in, MSG_HAS(in, customer_query, cursor), in->cursor, &cursor));
    struct listing listing = {
        .request = request,
        .out = out,
        .limit = page_limit(MSG_HAS(in, customer_query, limit), in->limit),
    };
    void *items = NULL;
    TRY(page_take(request, listing.limit * sizeof(struct msg_customer), &items));
    out->items.at = items;
    struct store *store = request->store;
    TRY(store->ops->customers(store, cursor.from, search, take, &listing));
    TRY(listing.err);
    if (listing.more) {
        struct slice next;
        cursor.from = listing.last;
        TRY(page_next(request, in, &cursor, &next));
        MSG_SET(out, customer_page, next, next);
    }
    return ERR_none;
}

enum err op_customer_get(struct request *request, const struct msg_customer_ref *in,
                         struct msg_customer *out)
{
    struct customer row;
    enum err err = request->store->ops->customer_by_id(request->store, &in->customer_id, &row);
    if (err == ERR_not_found)
        return fault_set(request->fault, err, "customer_id", "There is no such customer.");
    TRY(err);
    return view_customer(request, &row, out);
}
