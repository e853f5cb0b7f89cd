/* case.list, case.get and case.items, and cases as clients see them. Lists are paged by the number
 * of the record, newest first. */
#include "bankd/ops/case.h"
#include "bankd/ops/page.h"
#include "bankd/record.h"

#include <string.h>

/* Records that one page looks at, so that a rare match cannot hold a reader. */
enum { CASE_SCAN_MAX = 2000 };

/* --- one case -------------------------------------------------------------------------------- */

enum err case_read(struct request *request, struct case_row *one)
{
    return record_read(&one->row, &message_case_record, &one->body, request->arena);
}

enum err case_find(struct request *request, const struct uuid *id, struct case_row *out)
{
    enum err err = request->store->ops->record_by_id(request->store, RECORD_CASE, id, &out->row);

    if (err == ERR_not_found)
        return fault_set(request->fault, err, "case_id", "There is no such case");
    TRY(err);
    return case_read(request, out);
}

static enum err email_of(struct request *request, int64_t number, struct slice *out)
{
    struct user user;
    enum err    err = request->store->ops->user_by_number(request->store, number, &user);

    if (err == ERR_none)
        return page_keep(request, slice_from(user.email), out);
    return err == ERR_not_found ? ERR_storage_corrupt : err;
}

static enum err view_account(struct request *request, int64_t number, struct msg_case *out)
{
    char         name[LIMIT_NAME_MAX + 1];
    struct uuid  id;
    struct slice text;
    enum err     err = request->store->ops->account_name(request->store, number, &id, name);

    TRY(err == ERR_not_found ? ERR_storage_corrupt : err);
    TRY(page_keep(request, slice_from(name), &text));
    MSG_SET(out, case, account_id, id);
    MSG_SET(out, case, account_name, text);
    return ERR_none;
}

static enum err view_end(struct request *request, const struct msg_case_record *body,
                         struct msg_case *out)
{
    struct slice text;

    if (MSG_HAS(body, case_record, reference)) {
        TRY(page_keep(request, body->reference, &text));
        MSG_SET(out, case, reference, text);
    }
    if (MSG_HAS(body, case_record, filed_at))
        MSG_SET(out, case, filed_at, body->filed_at);
    if (MSG_HAS(body, case_record, outcome))
        MSG_SET(out, case, outcome, body->outcome);
    if (MSG_HAS(body, case_record, closed_at))
        MSG_SET(out, case, closed_at, body->closed_at);
    return ERR_none;
}

enum err case_view(struct request *request, const struct case_row *one, struct msg_case *out)
{
    const struct record          *row = &one->row;
    const struct msg_case_record *body = &one->body;
    struct slice                  text;

    memset(out, 0, sizeof *out);
    MSG_SET(out, case, case_id, row->id);
    MSG_SET(out, case, kind, body->kind);
    TRY(page_keep(request, body->title, &text));
    MSG_SET(out, case, title, text);
    MSG_SET(out, case, state, row->state);
    MSG_SET(out, case, created_at, row->created_at_us);
    TRY(email_of(request, row->created_by, &text));
    MSG_SET(out, case, created_by, text);
    if (row->due_at_us != 0)
        MSG_SET(out, case, due_at, row->due_at_us);
    MSG_SET(out, case, overdue, row->due_at_us != 0 && row->due_at_us < request->now_us);
    MSG_SET(out, case, items, body->items);
    if (MSG_HAS(body, case_record, assigned_to)) {
        TRY(email_of(request, body->assigned_to, &text));
        MSG_SET(out, case, assigned_to, text);
    }
    if (row->about != 0)
        TRY(view_account(request, row->about, out));
    return view_end(request, body, out);
}

enum err op_case_get(struct request *request, const struct msg_case_ref *in, struct msg_case *out)
{
    struct case_row one;

    TRY(case_find(request, &in->case_id, &one));
    return case_view(request, &one, out);
}

/* --- many ------------------------------------------------------------------------------------ */

struct listing {
    struct request              *request;
    const struct msg_case_query *in;
    struct msg_case_page        *out;
    size_t                       limit;
    size_t                       scanned;
    int64_t                      last; /* number of the last record that was looked at */
    bool                         more;
    enum err                     err;
};

static bool wanted(const struct listing *listing, const struct case_row *one)
{
    const struct msg_case_query  *in = listing->in;
    const struct msg_case_record *body = &one->body;

    if (MSG_HAS(in, case_query, kind) && body->kind != in->kind)
        return false;
    if (MSG_HAS(in, case_query, mine) &&
        in->mine != (body->assigned_to == listing->request->actor.user))
        return false;
    if (MSG_HAS(in, case_query, overdue) &&
        in->overdue != (one->row.due_at_us != 0 && one->row.due_at_us < listing->request->now_us))
        return false;
    return !MSG_HAS(in, case_query, search) || page_contains(body->title, in->search) ||
           page_contains(body->reference, in->search);
}

static bool take(void *context, const void *row)
{
    struct listing *listing = context;
    struct case_row one;

    if (listing->out->items.count == listing->limit || listing->scanned == CASE_SCAN_MAX) {
        listing->more = true;
        return false;
    }
    one.row = *(const struct record *)row;
    listing->err = page_check_cancel(listing->request);
    if (listing->err == ERR_none)
        listing->err = case_read(listing->request, &one);
    if (listing->err == ERR_none && wanted(listing, &one))
        listing->err =
            case_view(listing->request, &one, &listing->out->items.at[listing->out->items.count++]);
    listing->scanned++;
    listing->last = one.row.number;
    return listing->err == ERR_none;
}

enum err op_case_list(struct request *request, const struct msg_case_query *in,
                      struct msg_case_page *out)
{
    struct record_filter filter = { .kind = RECORD_CASE };
    struct listing       listing = { .request = request, .in = in, .out = out };
    struct page_cursor   cursor;
    struct slice         next;
    void                *items;

    TRY(page_start(request, in, MSG_HAS(in, case_query, cursor), in->cursor, &cursor));
    TRY(page_account(request, MSG_HAS(in, case_query, account_id), &in->account_id, &filter.about));
    if (MSG_HAS(in, case_query, state))
        filter.state = in->state;
    filter.before_number = cursor.from;
    listing.limit = page_limit(MSG_HAS(in, case_query, limit), in->limit);
    TRY(page_take(request, listing.limit * sizeof *out->items.at, &items));
    out->items.at = items;
    TRY(request->store->ops->records(request->store, &filter, take, &listing));
    TRY(listing.err);
    if (!listing.more)
        return ERR_none;
    cursor.from = listing.last;
    TRY(page_next(request, in, &cursor, &next));
    MSG_SET(out, case_page, next, next);
    return ERR_none;
}

/* --- items ----------------------------------------------------------------------------------- */

enum err case_item_view(struct request *request, const struct record *row,
                        struct msg_case_item *out)
{
    TRY(record_read(row, &message_case_item, out, request->arena));
    TRY(page_keep(request, out->by, &out->by));
    return page_keep(request, out->note, &out->note);
}

struct item_listing {
    struct request            *request;
    struct msg_case_item_page *out;
    size_t                     limit;
    int64_t                    last;
    bool                       more;
    enum err                   err;
};

static bool take_item(void *context, const void *row)
{
    struct item_listing *listing = context;
    const struct record *record = row;

    if (listing->out->items.count == listing->limit) {
        listing->more = true;
        return false;
    }
    listing->err = page_check_cancel(listing->request);
    if (listing->err == ERR_none)
        listing->err = case_item_view(listing->request, record,
                                      &listing->out->items.at[listing->out->items.count++]);
    listing->last = record->number;
    return listing->err == ERR_none;
}

enum err op_case_items(struct request *request, const struct msg_case_item_query *in,
                       struct msg_case_item_page *out)
{
    struct record_filter filter = { .kind = RECORD_CASE_ITEM };
    struct item_listing  listing = { .request = request, .out = out };
    struct page_cursor   cursor;
    struct case_row      one;
    struct slice         next;
    void                *items;

    TRY(page_start(request, in, MSG_HAS(in, case_item_query, cursor), in->cursor, &cursor));
    TRY(case_find(request, &in->case_id, &one));
    filter.about = one.row.number;
    filter.before_number = cursor.from;
    listing.limit = page_limit(MSG_HAS(in, case_item_query, limit), in->limit);
    TRY(page_take(request, listing.limit * sizeof *out->items.at, &items));
    out->items.at = items;
    TRY(request->store->ops->records(request->store, &filter, take_item, &listing));
    TRY(listing.err);
    if (!listing.more)
        return ERR_none;
    cursor.from = listing.last;
    TRY(page_next(request, in, &cursor, &next));
    MSG_SET(out, case_item_page, next, next);
    return ERR_none;
}
