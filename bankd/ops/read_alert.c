/* alert.list and alert.get. Alerts are paged by their number, newest first. */
#include "bankd/ops/page.h"
#include "bankd/ops/view.h"

struct listing {
    struct request *request;
    struct msg_alert_page *out;
    size_t limit;
    size_t bytes;
    int64_t last; /* number of the last row that was taken */
    bool more;
};

/* An alert of this many bytes must still fit, else the page ends. */
enum { ALERT_BYTES_MAX = LIMIT_REASONS_MAX * (LIMIT_REASON_MAX + 128) + 4096 };

/* The visitor only remembers the rows: making messages of them reads the store again. */
struct collecting {
    const struct request *request;
    struct alert *rows;
    size_t count, limit;
};

enum { ROWS_AT_ONCE = 32 };

static bool collect(void *context, const void *row)
{
    struct collecting *collecting = context;
    if (collecting->count == collecting->limit || page_cancelled(collecting->request))
        return false;
    collecting->rows[collecting->count++] = *(const struct alert *)row;
    return true;
}

/* Adds one row, or notes that there is more when the page is full. */
static enum err take(struct listing *listing, const struct alert *row)
{
    struct request *request = listing->request;
    struct msg_alert_page *out = listing->out;
    bool full = out->items.count == listing->limit || !page_room(request, ALERT_BYTES_MAX) ||
                listing->bytes > LIMIT_PAGE_BYTES_MAX;
    if (full && out->items.count > 0) {
        listing->more = true;
        return ERR_none;
    }
    struct msg_alert *item = &out->items.at[out->items.count];
    TRY(view_alert(request, row, item));
    listing->bytes += view_alert_size(item);
    listing->last = row->number;
    out->items.count++;
    return ERR_none;
}

static enum err filter_of(struct request *request, const struct msg_alert_query *in,
                          struct alert_filter *filter)
{
    if (MSG_HAS(in, alert_query, state))
        filter->state = in->state;
    TRY(page_account(request, MSG_HAS(in, alert_query, account_id), &in->account_id,
                     &filter->account));
    return page_times(request, MSG_HAS(in, alert_query, from), in->from,
                      MSG_HAS(in, alert_query, to), in->to, &filter->from_us, &filter->to_us);
}

/* Reads the alerts in small groups until the page is full or there are no more. */
static enum err fill(struct listing *listing, struct alert_filter *filter)
{
    struct request *request = listing->request;
    struct store *store = request->store;
    struct collecting group = {.request = request, .limit = ROWS_AT_ONCE};
    void *rows = NULL;
    TRY(page_take(request, ROWS_AT_ONCE * sizeof(struct alert), &rows));
    group.rows = rows;
    do {
        group.count = 0;
        TRY(store->ops->alerts(store, filter, collect, &group));
        TRY(page_check_cancel(request));
        for (size_t i = 0; i < group.count && !listing->more; i++)
            TRY(take(listing, &group.rows[i]));
        if (group.count > 0)
            filter->before_number = group.rows[group.count - 1].number;
    } while (group.count == group.limit && !listing->more);
    return ERR_none;
}

enum err op_alert_list(struct request *request, const struct msg_alert_query *in,
                       struct msg_alert_page *out)
{
    struct page_cursor cursor;
    struct alert_filter filter = {.state = 0};
    TRY(page_start(request, in, MSG_HAS(in, alert_query, cursor), in->cursor, &cursor));
    TRY(filter_of(request, in, &filter));
    filter.before_number = cursor.from;
    struct listing listing = {
        .request = request,
        .out = out,
        .limit = page_limit(MSG_HAS(in, alert_query, limit), in->limit),
    };
    void *items = NULL;
    TRY(page_take(request, listing.limit * sizeof(struct msg_alert), &items));
    out->items.at = items;
    TRY(fill(&listing, &filter));
    if (listing.more) {
        struct slice next;
        cursor.from = listing.last;
        TRY(page_next(request, in, &cursor, &next));
        MSG_SET(out, alert_page, next, next);
    }
    return ERR_none;
}

enum err op_alert_get(struct request *request, const struct msg_alert_ref *in,
                      struct msg_alert *out)
{
    struct alert row;
    enum err err = request->store->ops->alert_by_id(request->store, &in->alert_id, &row);
    if (err == ERR_not_found)
        return fault_set(request->fault, err, "alert_id", "There is no such alert.");
    TRY(err);
    return view_alert(request, &row, out);
}
