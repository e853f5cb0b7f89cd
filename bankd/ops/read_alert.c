/* alert.list, alert.get and alert.notes. Alerts are paged by their number, newest first, or by
 * their expected loss and then the oldest first: a page goes on behind the last row that it gave,
 * whatever was raised or decided meanwhile. */
#include "bankd/ops/page.h"
#include "bankd/ops/view.h"
#include "bankd/record.h"
#include "bankd/writer.h"

#include <string.h>

struct listing {
    struct request *request;
    struct msg_alert_page *out;
    size_t limit;
    size_t bytes;
    int64_t last; /* number of the last row that was taken, and its urgency */
    int64_t urgency;
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
    TRY(view_alert(request, row, NULL, item));
    listing->bytes += view_alert_size(item);
    listing->last = row->number;
    listing->urgency = row->urgency;
    out->items.count++;
    return ERR_none;
}

static int32_t choice_of(bool given, bool wanted)
{
    return !given ? 0 : wanted ? 1 : 2;
}

static enum err filter_of(struct request *request, const struct msg_alert_query *in,
                          struct alert_filter *filter)
{
    filter->by_loss = MSG_HAS(in, alert_query, order) && in->order == ALERT_ORDER_LOSS;
    if (MSG_HAS(in, alert_query, state))
        filter->state = in->state;
    if (filter->by_loss && filter->state == ALERT_DECIDED)
        return fault_set(request->fault, ERR_field_invalid, "order",
                         "Decided alerts are not in the queue; list them newest first");
    filter->mine = choice_of(MSG_HAS(in, alert_query, mine), in->mine);
    filter->snoozed = choice_of(MSG_HAS(in, alert_query, snoozed), in->snoozed);
    filter->user = request->actor.user;
    filter->now_us = request->now_us;
    TRY(page_account(request, MSG_HAS(in, alert_query, account_id), &in->account_id,
                     &filter->account));
    return page_times(request, MSG_HAS(in, alert_query, from), in->from,
                      MSG_HAS(in, alert_query, to), in->to, &filter->from_us, &filter->to_us);
}

static void go_on(struct alert_filter *filter, int64_t number, int64_t urgency)
{
    filter->before_number = filter->by_loss ? 0 : number;
    filter->behind_number = number;
    filter->below_urgency = urgency;
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
            go_on(filter, group.rows[group.count - 1].number,
                  group.rows[group.count - 1].urgency);
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
    go_on(&filter, cursor.from, cursor.below);
    if (cursor.from == 0)
        filter.below_urgency = INT64_MAX;
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
        cursor.below = listing.urgency;
        TRY(page_next(request, in, &cursor, &next));
        MSG_SET(out, alert_page, next, next);
    }
    return ERR_none;
}

enum err op_alert_get(struct request *request, const struct msg_alert_ref *in,
                      struct msg_alert *out)
{
    struct alert row;
    struct alert_hits hits;
    struct store *store = request->store;
    enum err err = store->ops->alert_by_id(store, &in->alert_id, &row);
    if (err == ERR_not_found)
        return fault_set(request->fault, err, "alert_id", "There is no such alert.");
    TRY(err);
    TRY(view_load_hits(request, &row, &hits));
    return view_alert(request, &row, &hits, out);
}

/* --- notes ----------------------------------------------------------------------------------- */

enum { NOTES_AT_ONCE = 8, NOTE_BYTES_MAX = LIMIT_NOTE_MAX + LIMIT_EMAIL_MAX + 256 };

struct notes {
    size_t count;
    struct record *rows; /* NOTES_AT_ONCE */
};

static bool collect_note(void *context, const void *row)
{
    struct notes *notes = context;
    notes->rows[notes->count++] = *(const struct record *)row;
    return notes->count < NOTES_AT_ONCE;
}

static enum err view_note(struct request *request, const struct record *row, struct msg_note *out)
{
    struct msg_note_record body;
    struct slice text;
    memset(out, 0, sizeof(*out));
    TRY(record_read(row, &message_note_record, &body, request->arena));
    MSG_SET(out, note, note_id, row->id);
    MSG_SET(out, note, at, row->created_at_us);
    TRY(view_user(request, row->created_by, &text));
    MSG_SET(out, note, author, text);
    TRY(page_keep(request, body.act, &text));
    MSG_SET(out, note, act, text);
    TRY(page_keep(request, body.text, &text));
    MSG_SET(out, note, text, text);
    return ERR_none;
}

/* Adds what fits of a small group; true in *full when something was left. */
static enum err take_notes(struct request *request, const struct notes *notes, size_t limit,
                           struct msg_note_page *out, int64_t *last, bool *full)
{
    for (size_t i = 0; i < notes->count; i++) {
        *full = out->items.count == limit || !page_room(request, 2 * NOTE_BYTES_MAX);
        if (*full)
            return ERR_none;
        TRY(view_note(request, &notes->rows[i], &out->items.at[out->items.count++]));
        *last = notes->rows[i].number;
    }
    return ERR_none;
}

enum err op_alert_notes(struct request *request, const struct msg_alert_notes *in,
                        struct msg_note_page *out)
{
    struct store *store = request->store;
    struct page_cursor cursor;
    struct alert row;
    struct notes notes;
    bool full = false;
    size_t limit = page_limit(MSG_HAS(in, alert_notes, limit), in->limit);
    void *items = NULL;
    void *rows = NULL;
    enum err err = store->ops->alert_by_id(store, &in->alert_id, &row);
    if (err != ERR_none)
        return fault_set(request->fault, err, "alert_id", "%s", "");
    TRY(page_start(request, in, MSG_HAS(in, alert_notes, cursor), in->cursor, &cursor));
    TRY(page_take(request, limit * sizeof(struct msg_note), &items));
    TRY(page_take(request, NOTES_AT_ONCE * sizeof(struct record), &rows));
    out->items.at = items;
    notes.rows = rows;
    struct record_filter filter = {
        .kind = RECORD_ALERT_NOTE, .about = row.number, .before_number = cursor.from};
    do {
        notes.count = 0;
        TRY(store->ops->records(store, &filter, collect_note, &notes));
        TRY(take_notes(request, &notes, limit, out, &cursor.from, &full));
        filter.before_number = cursor.from;
    } while (notes.count == NOTES_AT_ONCE && !full);
    if (full) {
        struct slice next;
        TRY(page_next(request, in, &cursor, &next));
        MSG_SET(out, note_page, next, next);
    }
    return ERR_none;
}
