/* transaction.get, transaction.list and transaction.export.
 *
 * Lists and exports walk the ledger from the newest transaction to older ones. Rows come in small
 * groups, because making a message of a row reads the store again. A walk that looks at many rows
 * and finds few ends at LIMIT_SCAN_ROWS_MAX with what it has; the cursor says where to go on, so a
 * rare match costs several short requests and never a long one. New transactions arrive at the
 * other end: pages of one walk neither repeat nor lose a row.
 *
 * Where the time of a page of 50 rows goes, with a client over CURVE on two quiet cores and a round
 * trip of 50 us: of the newest page's 205 us, 50 are the reader's statement and the messages made
 * of its rows, 20 their encoding, 55 go into the 19 kB that the page has on the wire (enciphering
 * them on both sides most of all), and the rest is the trip and the way to a reader and back. An
 * account's rows lie all over the log, and each of its 50 costs 4 us more, of ten million rows 7:
 * one page of the file, which the system hands over in 2 and whose check bytes are compared in 0.4,
 * and memory that no cache of the processor has. A page cache of 64 MiB instead of 8 takes nothing
 * off that, as hardly any of these pages is asked for twice. */
#include "bankd/ops/page.h"
#include "bankd/ops/view.h"
#include "common/csv.h"
#include "common/money.h"

#include <stdio.h>
#include <string.h>

enum { ROWS_AT_ONCE = 64 };

struct walk {
    struct request *request;
    struct transaction_filter filter;
    struct page_cursor cursor; /* from: the next row to look at; below: the last one given */
    int64_t also_account;      /* the row must name this account too; 0 = any */
    bool one;       /* the question names one transaction: it is in rows, or nothing is */
    bool done;      /* there are no more rows */
    bool cut;       /* enough was looked at for one request */
    int64_t budget; /* rows that may still be looked at */
    int64_t refused;
    struct transaction *rows;
    size_t rows_max; /* of one group */
    size_t count;
};

/* --- the question --------------------------------------------------------------------------- */

static bool names_account(const struct transaction *row, int64_t account)
{
    return account == 0 || row->debit == account || row->credit == account;
}

/* For a transaction that was found by its id: the store's filters, for one row. */
static bool matches(const struct walk *walk, const struct transaction *row)
{
    const struct transaction_filter *filter = &walk->filter;
    if (!names_account(row, filter->account) || !names_account(row, walk->also_account))
        return false;
    if ((filter->from_us != 0 && row->at_us < filter->from_us) ||
        (filter->to_us != 0 && row->at_us >= filter->to_us))
        return false;
    if ((filter->type != 0 && row->type != filter->type) ||
        (filter->status != 0 && row->status != filter->status))
        return false;
    if ((filter->amount_min != 0 && row->amount < filter->amount_min) ||
        (filter->amount_max != 0 && row->amount > filter->amount_max))
        return false;
    if (filter->currency != 0 && row->currency != filter->currency)
        return false;
    return filter->flagged == 0 || row->flagged == (filter->flagged == 1);
}

/* A whole id is a transaction, or all transactions of an account. */
static enum err search_id(struct walk *walk, const struct uuid *id)
{
    struct store *store = walk->request->store;
    struct account_book book;
    walk->filter.search = slice_of("", 0);
    enum err err = store->ops->transaction_by_id(store, id, &walk->rows[0]);
    if (err == ERR_none || err == ERR_not_found)
        walk->one = true;
    if (err == ERR_none)
        walk->count = matches(walk, &walk->rows[0]) ? 1 : 0;
    if (err != ERR_not_found)
        return err;
    err = store->ops->book_by_id(store, id, &book);
    if (err == ERR_not_found)
        return ERR_none;
    TRY(err);
    walk->one = false;
    if (walk->filter.account == 0)
        walk->filter.account = book.number;
    else
        walk->also_account = book.number;
    return ERR_none;
}

static enum err filter_of(struct walk *walk, const struct msg_transaction_query *in)
{
    struct request *request = walk->request;
    struct transaction_filter *filter = &walk->filter;
    bool least = MSG_HAS(in, transaction_query, amount_min);
    bool most = MSG_HAS(in, transaction_query, amount_max);
    TRY(page_account(request, MSG_HAS(in, transaction_query, account_id), &in->account_id,
                     &filter->account));
    TRY(page_times(request, MSG_HAS(in, transaction_query, from), in->from,
                   MSG_HAS(in, transaction_query, to), in->to, &filter->from_us, &filter->to_us));
    TRY(page_currency(request, MSG_HAS(in, transaction_query, currency), in->currency,
                      &filter->currency));
    if (least && most && in->amount_min > in->amount_max)
        return fault_set(request->fault, ERR_range_invalid, "amount_max", "%s", "");
    filter->amount_min = least ? in->amount_min : 0;
    filter->amount_max = most ? in->amount_max : 0;
    if (MSG_HAS(in, transaction_query, type))
        filter->type = in->type;
    if (MSG_HAS(in, transaction_query, status))
        filter->status = in->status;
    if (MSG_HAS(in, transaction_query, flagged))
        filter->flagged = in->flagged ? 1 : 2;
    if (MSG_HAS(in, transaction_query, search))
        filter->search = in->search;
    return ERR_none;
}

static enum err walk_open(struct request *request, const struct msg_transaction_query *in,
                          struct walk *walk)
{
    *walk = (struct walk){.request = request, .budget = LIMIT_SCAN_ROWS_MAX,
                           .rows_max = ROWS_AT_ONCE};
    void *rows = NULL;
    TRY(page_take(request, ROWS_AT_ONCE * sizeof(struct transaction), &rows));
    walk->rows = rows;
    walk->filter.cancel = request->cancel;
    walk->filter.listed = true;
    TRY(page_start(request, in, MSG_HAS(in, transaction_query, cursor), in->cursor, &walk->cursor));
    TRY(filter_of(walk, in));
    struct uuid id;
    const struct slice *search = &walk->filter.search;
    if (search->n > 0 && uuid_parse(search->at, search->n, &id) == ERR_none)
        TRY(search_id(walk, &id));
    /* No amount is as small as nothing, and in the filter 0 would mean open. */
    if (MSG_HAS(in, transaction_query, amount_max) && in->amount_max == 0) {
        walk->one = true;
        walk->count = 0;
    }
    if (walk->cursor.top == 0) {
        struct store_numbers numbers;
        TRY(request->store->ops->numbers(request->store, &numbers));
        walk->cursor.top = numbers.head.sequence;
    }
    return ERR_none;
}

/* --- the walk ------------------------------------------------------------------------------- */

static bool collect(void *context, const void *row)
{
    struct walk *walk = context;
    const struct transaction *transaction = row;
    if (walk->cursor.below != 0 && transaction->sequence >= walk->cursor.below)
        return true;
    if (!names_account(transaction, walk->also_account))
        return true;
    if (walk->count == walk->rows_max) {
        walk->refused = transaction->sequence;
        return false;
    }
    walk->rows[walk->count++] = *transaction;
    return true;
}

/* The store follows an account's chain or a small index for some questions; then the distance of
 * two sequences says little about how many rows were looked at, and each call gets a part. */
static int64_t scan_of(const struct walk *walk)
{
    const struct transaction_filter *filter = &walk->filter;
    bool narrow = filter->account != 0 || filter->flagged == 1 || filter->status == STATUS_HELD;
    int64_t part = LIMIT_SCAN_ROWS_MAX / 8;
    return narrow && part < walk->budget ? part : walk->budget;
}

/* The next rows; none when the walk is done or cut, but also now and then before. */
static enum err walk_group(struct walk *walk)
{
    struct store *store = walk->request->store;
    int64_t stopped_at = 0;
    if (walk->one) {
        walk->done = true;
        return ERR_none;
    }
    int64_t began = walk->cursor.from != 0 ? walk->cursor.from : walk->cursor.top;
    walk->count = 0;
    walk->refused = 0;
    walk->filter.from_sequence = walk->cursor.from;
    walk->filter.scan_max = scan_of(walk);
    TRY(store->ops->transactions(store, &walk->filter, collect, walk, &stopped_at));
    TRY(page_check_cancel(walk->request));
    if (walk->refused != 0) {
        walk->cursor.from = walk->refused;
    } else if (stopped_at == 0) {
        walk->done = true;
    } else {
        walk->cursor.from = stopped_at;
        walk->cut = true;
    }
    /* No more rows lie between two sequences than their distance. */
    int64_t distance = began - walk->cursor.from;
    walk->budget -= distance < walk->filter.scan_max ? distance : walk->filter.scan_max;
    if (walk->budget < ROWS_AT_ONCE)
        walk->cut = true;
    return ERR_none;
}

/* --- list and get --------------------------------------------------------------------------- */

/* A transaction of this many bytes must still fit, else the page ends. */
enum { ROW_BYTES_MAX = LIMIT_REASONS_MAX * (LIMIT_REASON_MAX + 128) + 2048 };

struct page {
    struct walk *walk;
    struct msg_transaction_page *out;
    struct view_cache *cache;
    size_t limit;
    size_t bytes;
    bool full;
};

static enum err take(struct page *page, const struct transaction *row)
{
    struct request *request = page->walk->request;
    struct msg_transaction_page *out = page->out;
    struct view_facts facts;
    bool full = out->items.count == page->limit || page->bytes > LIMIT_PAGE_BYTES_MAX ||
                !page_room(request, ROW_BYTES_MAX);
    if (full && out->items.count > 0) {
        page->full = true;
        page->walk->cursor.from = row->sequence;
        return ERR_none;
    }
    struct msg_transaction *item = &out->items.at[out->items.count];
    TRY(view_listed_facts(request, page->cache, row, row->score > 0, &facts));
    TRY(view_transaction(request, row, &facts, item));
    page->bytes += view_transaction_size(item);
    page->walk->cursor.below = row->sequence;
    out->items.count++;
    return ERR_none;
}

enum err op_transaction_list(struct request *request, const struct msg_transaction_query *in,
                             struct msg_transaction_page *out)
{
    struct walk walk;
    void *memory = NULL;
    TRY(walk_open(request, in, &walk));
    struct page page = {
        .walk = &walk,
        .out = out,
        .limit = page_limit(MSG_HAS(in, transaction_query, limit), in->limit),
    };
    if (page.limit < ROWS_AT_ONCE) /* one more tells where the next page begins */
        walk.rows_max = page.limit + 1;
    TRY(page_take(request, sizeof(struct view_cache), &memory));
    page.cache = memory;
    TRY(page_take(request, page.limit * sizeof(struct msg_transaction), &memory));
    out->items.at = memory;
    while (!page.full && !walk.done && !walk.cut) {
        TRY(walk_group(&walk));
        view_expect(request, walk.rows, walk.count);
        for (size_t i = 0; i < walk.count && !page.full; i++)
            TRY(take(&page, &walk.rows[i]));
    }
    if (page.full || !walk.done) {
        struct slice next;
        TRY(page_next(request, in, &walk.cursor, &next));
        MSG_SET(out, transaction_page, next, next);
    }
    return ERR_none;
}

enum err op_transaction_get(struct request *request, const struct msg_transaction_ref *in,
                            struct msg_transaction *out)
{
    struct transaction row;
    struct view_facts facts;
    struct store *store = request->store;
    enum err err = store->ops->transaction_by_id(store, &in->transaction_id, &row);
    if (err == ERR_not_found)
        return fault_set(request->fault, err, "transaction_id", "There is no such transaction.");
    TRY(err);
    TRY(view_transaction_facts(request, &row, true, &facts));
    return view_transaction(request, &row, &facts, out);
}

/* --- export --------------------------------------------------------------------------------- */

static const char header[] =
    "transaction_id,timestamp,type,status,account_id,account_name,counterparty_account_id,"
    "counterparty,amount,currency,direction,description,verdict,score,fraud_flag,reasons\r\n";

/* Cells of one row, the delimiter between them. */
struct row_writer {
    struct buf *csv;
    bool begun;
    enum err err;
};

static void cell(struct row_writer *writer, struct slice text)
{
    if (writer->err == ERR_none && writer->begun)
        writer->err = buf_add(writer->csv, ",", 1);
    if (writer->err == ERR_none)
        writer->err = csv_cell(writer->csv, text, ',');
    writer->begun = true;
}

static void cell_uuid(struct row_writer *writer, const struct uuid *id)
{
    char text[UUID_TEXT_MAX];
    cell(writer, slice_from(uuid_text(id, text)));
}

/* "rule +points: text", one after the other. */
static void cell_reasons(struct row_writer *writer, const struct fraud_rules *rules,
                         const struct fraud_verdict *verdict)
{
    char text[LIMIT_REASONS_MAX * (LIMIT_REASON_MAX + 96)];
    size_t n = 0;
    text[0] = '\0';
    for (size_t i = 0; rules != NULL && verdict != NULL && i < verdict->reason_count; i++) {
        const struct fraud_reason *reason = &verdict->reasons[i];
        int more = snprintf(text + n, sizeof(text) - n, "%s%s %+d: %s", n > 0 ? "; " : "",
                            fraud_rules_name(rules, reason->rule), reason->points, reason->text);
        if (more < 0 || (size_t)more >= sizeof(text) - n)
            break;
        n += (size_t)more;
    }
    cell(writer, slice_of(text, n));
}

static void write_cells(struct row_writer *writer, const struct transaction *row,
                        const struct view_facts *facts, const struct fraud_rules *rules)
{
    char text[TIME_TEXT_MAX + MONEY_TEXT_MAX];
    const struct currency *currency = currency_by_number(row->currency);
    bool in = row->incoming;
    cell_uuid(writer, &row->transaction_id);
    cell(writer, slice_from(time_text(row->at_us, text)));
    cell(writer, slice_from(enum_text(&enum_transaction_type, row->type)));
    cell(writer, slice_from(enum_text(&enum_transaction_status, row->status)));
    cell_uuid(writer, in ? &facts->credit_id : &facts->debit_id);
    cell(writer, in ? facts->credit_name : facts->debit_name);
    cell_uuid(writer, in ? &facts->debit_id : &facts->credit_id);
    if (facts->party.n > 0)
        cell(writer, facts->party);
    else
        cell(writer, in ? facts->debit_name : facts->credit_name);
    cell(writer,
         slice_from(money_text(row->amount, currency != NULL ? currency->exponent : 0, text)));
    cell(writer, slice_from(currency != NULL ? currency->code : "???"));
    cell(writer, slice_from(in ? "in" : "out"));
    cell(writer, slice_from(row->description));
    cell(writer, slice_from(enum_text(&enum_verdict, row->verdict)));
    snprintf(text, sizeof(text), "%d", (int)row->score);
    cell(writer, slice_from(text));
    cell(writer, slice_from(row->flagged ? "true" : "false"));
    cell_reasons(writer, rules, facts->verdict);
}

/* One whole line, or nothing of it: *fits is false when it does not fit any more. */
static enum err write_row(struct request *request, struct view_cache *cache,
                          const struct transaction *row, struct buf *csv, bool *fits)
{
    struct view_facts facts;
    const struct fraud_rules *rules = NULL;
    size_t before = csv->n;
    *fits = page_room(request, ROW_BYTES_MAX);
    if (!*fits)
        return ERR_none;
    TRY(view_listed_facts(request, cache, row, row->score > 0, &facts));
    if (facts.verdict != NULL)
        TRY(bank_rules(request->bank, request->store, row->rule_set, &rules));
    struct row_writer writer = {.csv = csv};
    write_cells(&writer, row, &facts, rules);
    bank_rules_release(request->bank, rules);
    if (writer.err == ERR_none)
        writer.err = buf_add(csv, "\r\n", 2);
    if (writer.err != ERR_message_too_large)
        return writer.err;
    csv->n = before;
    *fits = false;
    return ERR_none;
}

static enum err export_rows(struct walk *walk, struct view_cache *cache, int64_t rows_max,
                            struct buf *csv, int64_t *rows, bool *full)
{
    while (!*full && !walk->done && !walk->cut) {
        TRY(walk_group(walk));
        for (size_t i = 0; i < walk->count && !*full; i++) {
            const struct transaction *row = &walk->rows[i];
            bool fits = *rows < rows_max;
            if (fits)
                TRY(write_row(walk->request, cache, row, csv, &fits));
            if (!fits && *rows == 0)
                return ERR_memory;
            if (fits) {
                walk->cursor.below = row->sequence;
                *rows += 1;
            } else {
                walk->cursor.from = row->sequence;
                *full = true;
            }
        }
    }
    return ERR_none;
}

enum { PROGRESS_DONE = 10000 };

/* How much of the ledger lies behind the walk. */
static int64_t progress_of(const struct page_cursor *cursor)
{
    if (cursor->from >= cursor->top)
        return 0;
    int64_t share = ratio_basis_points(cursor->top - cursor->from, cursor->top);
    return share < PROGRESS_DONE ? share : PROGRESS_DONE - 1;
}

enum err op_transaction_export(struct request *request, const struct msg_transaction_query *in,
                               struct msg_export_chunk *out)
{
    struct walk walk;
    void *memory = NULL;
    int64_t rows = 0;
    bool full = false;
    TRY(walk_open(request, in, &walk));
    bool first = walk.cursor.from == 0;
    TRY(page_take(request, LIMIT_EXPORT_BYTES_MAX + 1, &memory));
    struct buf csv = {
        .at = memory, .capacity = LIMIT_EXPORT_BYTES_MAX, .max = LIMIT_EXPORT_BYTES_MAX};
    TRY(page_take(request, sizeof(struct view_cache), &memory));
    if (first)
        TRY(buf_add(&csv, header, sizeof(header) - 1));
    int64_t rows_max =
        MSG_HAS(in, transaction_query, limit) ? in->limit : (int64_t)LIMIT_EXPORT_ROWS_MAX;
    TRY(export_rows(&walk, memory, rows_max, &csv, &rows, &full));

    bool more = full || !walk.done;
    MSG_SET(out, export_chunk, csv, slice_of(csv.at, csv.n));
    MSG_SET(out, export_chunk, rows, rows);
    MSG_SET(out, export_chunk, progress, more ? progress_of(&walk.cursor) : PROGRESS_DONE);
    if (more) {
        struct slice next;
        TRY(page_next(request, in, &walk.cursor, &next));
        MSG_SET(out, export_chunk, next, next);
    }
    return ERR_none;
}
