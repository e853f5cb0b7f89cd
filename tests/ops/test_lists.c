/* Lists, single records and the export, against brute force over what was seeded: every page of
 * every question together gives exactly the rows that a plain loop finds, in order, once. Runs on
 * both stores. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bankd/ops/page.h"
#include "bankd/ops/view.h"
#include "common/csv.h"
#include "common/money.h"
#include "tests/lib/seed.h"

/* Cursors live in the arena of the request before. */
struct kept {
    char bytes[LIMIT_CURSOR_MAX];
    size_t n;
};

static void keep(struct kept *kept, struct slice cursor)
{
    assert_true(cursor.n > 0 && cursor.n <= sizeof(kept->bytes));
    memcpy(kept->bytes, cursor.at, cursor.n);
    kept->n = cursor.n;
}

static struct slice cursor_of(const struct kept *kept)
{
    return slice_of(kept->bytes, kept->n);
}

static bool has_text(const char *text, struct slice part)
{
    return page_contains(slice_from(text), part);
}

/* Set while the store's scans are short: pages may be short too. */
static bool short_scans;

/* --- transactions --------------------------------------------------------------------------- */

static int64_t account_number(const struct seed *seed, const struct uuid *id)
{
    for (size_t i = 0; i < seed->account_count; i++) {
        if (uuid_equal(&seed->accounts[i].book.account_id, id))
            return seed->accounts[i].book.number;
    }
    return 0;
}

static bool wanted(const struct seed *seed, const struct msg_transaction_query *in,
                   const struct transaction *row)
{
    if (MSG_HAS(in, transaction_query, account_id)) {
        int64_t number = account_number(seed, &in->account_id);
        if (row->debit != number && row->credit != number)
            return false;
    }
    if ((MSG_HAS(in, transaction_query, from) && row->at_us < in->from) ||
        (MSG_HAS(in, transaction_query, to) && row->at_us >= in->to) ||
        (MSG_HAS(in, transaction_query, type) && row->type != in->type) ||
        (MSG_HAS(in, transaction_query, status) && row->status != in->status) ||
        (MSG_HAS(in, transaction_query, amount_min) && row->amount < in->amount_min) ||
        (MSG_HAS(in, transaction_query, amount_max) && row->amount > in->amount_max) ||
        (MSG_HAS(in, transaction_query, flagged) && row->flagged != in->flagged))
        return false;
    if (MSG_HAS(in, transaction_query, currency) &&
        row->currency != (slice_is(in->currency, "USD") ? SEED_USD : SEED_JPY))
        return false;
    if (MSG_HAS(in, transaction_query, search)) {
        const char *party = row->party != 0 ? seed->parties[row->party - 1].key : "";
        return has_text(row->description, in->search) || has_text(row->external_id, in->search) ||
               has_text(party, in->search);
    }
    return true;
}

static struct msg_transaction_query random_query(struct seed *seed)
{
    struct msg_transaction_query in = {.has = 0};
    const struct transaction *some = &seed->transactions[seed_below(seed, seed->transaction_count)];
    static const char *const words[] = {"rent", "NO 1", "file-", "merchant:2", "zzz", "\"old\""};
    if (seed_below(seed, 3) == 0)
        MSG_SET(&in, transaction_query, account_id,
                seed->accounts[seed_below(seed, seed->account_count)].book.account_id);
    if (seed_below(seed, 4) == 0)
        MSG_SET(&in, transaction_query, from, some->at_us);
    if (seed_below(seed, 4) == 0 && (in.has == 0 || in.from == 0))
        MSG_SET(&in, transaction_query, to, some->at_us + 1);
    if (seed_below(seed, 4) == 0)
        MSG_SET(&in, transaction_query, type, some->type);
    if (seed_below(seed, 4) == 0)
        MSG_SET(&in, transaction_query, status, some->status);
    if (seed_below(seed, 5) == 0)
        MSG_SET(&in, transaction_query, amount_min, some->amount);
    if (seed_below(seed, 5) == 0)
        MSG_SET(&in, transaction_query, amount_max, some->amount + 100000);
    if (seed_below(seed, 5) == 0)
        MSG_SET(&in, transaction_query, currency, slice_from(seed_below(seed, 2) ? "USD" : "JPY"));
    if (seed_below(seed, 4) == 0)
        MSG_SET(&in, transaction_query, flagged, seed_below(seed, 2) == 0);
    if (seed_below(seed, 4) == 0)
        MSG_SET(&in, transaction_query, search, slice_from(words[seed_below(seed, 6)]));
    if (seed_below(seed, 4) != 0)
        MSG_SET(&in, transaction_query, limit, 1 + (int64_t)seed_below(seed, 90));
    return in;
}

/* What a message says of a row. */
static void expect_row(const struct seed *seed, const struct msg_transaction *item,
                       const struct transaction *row)
{
    const struct account *account = &seed->accounts[(row->incoming ? row->credit : row->debit) - 1];
    const struct account *other = &seed->accounts[(row->incoming ? row->debit : row->credit) - 1];
    int64_t points = 0;

    assert_int_equal(item->sequence, row->sequence);
    assert_true(uuid_equal(&item->transaction_id, &row->transaction_id));
    assert_true(uuid_equal(&item->account_id, &account->book.account_id));
    assert_true(uuid_equal(&item->counterparty_account_id, &other->book.account_id));
    assert_true(slice_is(item->account_name, account->name));
    assert_int_equal(item->amount, row->amount);
    assert_int_equal(item->status, row->status);
    assert_int_equal(item->fraud_flag, row->flagged);
    assert_int_equal(item->balance, row->incoming ? row->credit_balance : row->debit_balance);
    assert_true(slice_is(item->description, row->description));
    assert_int_equal(MSG_HAS(item, transaction, posted_by), row->posted_by != 0);
    assert_int_equal(MSG_HAS(item, transaction, reversal_of), row->reversal_of != 0);
    assert_int_equal(MSG_HAS(item, transaction, reversed_by), row->reversed_by != 0);
    if (row->posted_by != 0)
        assert_true(slice_is(item->posted_by, seed->users[row->posted_by - 1].email));
    if (row->party != 0)
        assert_true(slice_is(item->counterparty, seed->parties[row->party - 1].key));
    for (size_t i = 0; i < item->reasons.count; i++)
        points += item->reasons.at[i].points;
    assert_int_equal(points, row->score);
    bool alerted = false;
    for (size_t i = 0; i < seed->alert_count; i++)
        alerted = alerted || (seed->alerts[i].transaction == row->sequence &&
                              uuid_equal(&seed->alerts[i].alert_id, &item->alert_id));
    assert_int_equal(MSG_HAS(item, transaction, alert_id), alerted);
}

/* A page ends by what its rows are thought to take, so that must not be too little. */
static void expect_size(const struct msg_transaction *item)
{
    struct buf bytes;
    buf_init(&bytes, LIMIT_REPLY_MAX);
    assert_int_equal(message_encode(&message_transaction, item, &bytes), ERR_none);
    assert_true(bytes.n <= view_transaction_size(item));
    buf_free(&bytes);
}

static void follow_list(struct seed *seed, struct msg_transaction_query in)
{
    struct msg_transaction_page page;
    struct kept cursor;
    size_t at = seed->transaction_count;
    size_t limit = MSG_HAS(&in, transaction_query, limit) ? (size_t)in.limit : 50;

    for (;;) {
        assert_int_equal(SEED_ASK(seed, transaction, list, &in, &page), ERR_none);
        assert_true(page.items.count <= limit);
        for (size_t i = 0; i < page.items.count; i++) {
            do
                assert_true(at-- > 0);
            while (!wanted(seed, &in, &seed->transactions[at]));
            expect_row(seed, &page.items.at[i], &seed->transactions[at]);
            expect_size(&page.items.at[i]);
        }
        if (!MSG_HAS(&page, transaction_page, next))
            break;
        assert_true(page.items.count == limit || short_scans);
        keep(&cursor, page.next);
        MSG_SET(&in, transaction_query, cursor, cursor_of(&cursor));
    }
    while (at-- > 0)
        assert_false(wanted(seed, &in, &seed->transactions[at]));
}

static void every_question_gives_its_rows_once(void **state)
{
    struct seed *seed = *state;
    struct msg_transaction_query all = {.has = 0};

    follow_list(seed, all);
    MSG_SET(&all, transaction_query, limit, LIMIT_PAGE_ROWS_MAX);
    follow_list(seed, all);
    for (int i = 0; i < 150; i++)
        follow_list(seed, random_query(seed));
}

static void a_whole_id_finds_its_transaction_or_its_account(void **state)
{
    struct seed *seed = *state;
    const struct transaction *row = &seed->transactions[seed->transaction_count / 2];
    const struct account *account = &seed->accounts[(row->incoming ? row->credit : row->debit) - 1];
    struct msg_transaction_query in = {.has = 0};
    struct msg_transaction_page page;
    char text[UUID_TEXT_MAX];

    MSG_SET(&in, transaction_query, search, slice_from(uuid_text(&row->transaction_id, text)));
    assert_int_equal(SEED_ASK(seed, transaction, list, &in, &page), ERR_none);
    assert_int_equal(page.items.count, 1);
    expect_row(seed, &page.items.at[0], row);
    /* The other filters hold too. */
    MSG_SET(&in, transaction_query, amount_min, row->amount + 1);
    assert_int_equal(SEED_ASK(seed, transaction, list, &in, &page), ERR_none);
    assert_int_equal(page.items.count, 0);

    struct msg_transaction_query of_account = {.has = 0};
    MSG_SET(&of_account, transaction_query, search,
            slice_from(uuid_text(&account->book.account_id, text)));
    MSG_SET(&of_account, transaction_query, limit, LIMIT_PAGE_ROWS_MAX);
    assert_int_equal(SEED_ASK(seed, transaction, list, &of_account, &page), ERR_none);
    assert_int_equal(page.items.count, account->book.transactions);

    struct uuid nobody = uuid_v7(seed->now_us);
    MSG_SET(&of_account, transaction_query, search, slice_from(uuid_text(&nobody, text)));
    assert_int_equal(SEED_ASK(seed, transaction, list, &of_account, &page), ERR_none);
    assert_int_equal(page.items.count, 0);
    assert_false(MSG_HAS(&page, transaction_page, next));
}

static void a_cursor_belongs_to_its_question(void **state)
{
    struct seed *seed = *state;
    struct msg_transaction_query in = {.has = 0};
    struct msg_transaction_page page;
    struct msg_export_chunk chunk;
    struct kept cursor;

    MSG_SET(&in, transaction_query, limit, 5);
    assert_int_equal(SEED_ASK(seed, transaction, list, &in, &page), ERR_none);
    keep(&cursor, page.next);
    MSG_SET(&in, transaction_query, cursor, cursor_of(&cursor));
    MSG_SET(&in, transaction_query, limit, 7); /* another limit is the same question */
    assert_int_equal(SEED_ASK(seed, transaction, list, &in, &page), ERR_none);
    assert_int_equal(SEED_ASK(seed, transaction, export, &in, &chunk), ERR_cursor_invalid);
    MSG_SET(&in, transaction_query, type, TYPE_DEPOSIT);
    assert_int_equal(SEED_ASK(seed, transaction, list, &in, &page), ERR_cursor_invalid);
    assert_string_equal(seed->fault.field, "cursor");
    in.has = 0;
    for (size_t n = 1; n <= cursor.n; n++) {
        struct kept bent = cursor;
        bent.bytes[n - 1] ^= 0x40;
        MSG_SET(&in, transaction_query, cursor, slice_of(bent.bytes, n < cursor.n ? n : 9));
        assert_int_equal(SEED_ASK(seed, transaction, list, &in, &page), ERR_cursor_invalid);
    }
}

static void questions_that_cannot_be_right_are_refused(void **state)
{
    struct seed *seed = *state;
    struct msg_transaction_query in = {.has = 0};
    struct msg_transaction_page page;

    MSG_SET(&in, transaction_query, from, 2000);
    MSG_SET(&in, transaction_query, to, 2000);
    assert_int_equal(SEED_ASK(seed, transaction, list, &in, &page), ERR_range_invalid);
    in.has = 0;
    MSG_SET(&in, transaction_query, amount_min, 2);
    MSG_SET(&in, transaction_query, amount_max, 1);
    assert_int_equal(SEED_ASK(seed, transaction, list, &in, &page), ERR_range_invalid);
    in.has = 0;
    MSG_SET(&in, transaction_query, currency, slice_from("QQQ"));
    assert_int_equal(SEED_ASK(seed, transaction, list, &in, &page), ERR_currency_unknown);
    in.has = 0;
    MSG_SET(&in, transaction_query, account_id, uuid_v7(seed->now_us));
    assert_int_equal(SEED_ASK(seed, transaction, list, &in, &page), ERR_account_unknown);
    in.has = 0;
    MSG_SET(&in, transaction_query, amount_max, 0);
    assert_int_equal(SEED_ASK(seed, transaction, list, &in, &page), ERR_none);
    assert_int_equal(page.items.count, 0);
}

static void a_cancelled_list_ends(void **state)
{
    struct seed *seed = *state;
    struct msg_transaction_query in = {.has = 0};
    struct msg_transaction_page page;
    atomic_bool cancel = true;

    seed_begin(seed, OP_INDEX_transaction_list, &page);
    seed->request.cancel = &cancel;
    assert_int_equal(op_transaction_list(&seed->request, &in, &page), ERR_cancelled);
}

static void each_transaction_is_shown_with_its_reasons(void **state)
{
    struct seed *seed = *state;
    struct msg_transaction out;

    for (size_t i = 0; i < seed->transaction_count; i++) {
        struct msg_transaction_ref in = {.transaction_id = seed->transactions[i].transaction_id};
        assert_int_equal(SEED_ASK(seed, transaction, get, &in, &out), ERR_none);
        expect_row(seed, &out, &seed->transactions[i]);
        for (size_t j = 0; j < out.reasons.count; j++)
            assert_true(out.reasons.at[j].text.n > 0 && out.reasons.at[j].rule.n > 0);
    }
    struct msg_transaction_ref nobody = {.transaction_id = uuid_v7(seed->now_us)};
    assert_int_equal(SEED_ASK(seed, transaction, get, &nobody, &out), ERR_not_found);
}

/* --- export --------------------------------------------------------------------------------- */

static void expect_csv(struct seed *seed, const struct msg_transaction_query *in, FILE *file)
{
    static struct csv_reader reader;
    struct fault fault;
    char text[64];
    size_t at = seed->transaction_count;

    rewind(file);
    csv_reader_init(&reader, file, ',');
    assert_int_equal(csv_read(&reader, &fault), ERR_none);
    assert_int_equal(reader.count, 16);
    assert_true(slice_is(reader.cells[0], "transaction_id"));
    assert_true(slice_is(reader.cells[15], "reasons"));
    for (;;) {
        assert_int_equal(csv_read(&reader, &fault), ERR_none);
        if (reader.count == 0)
            break;
        do
            assert_true(at-- > 0);
        while (!wanted(seed, in, &seed->transactions[at]));
        const struct transaction *row = &seed->transactions[at];
        assert_int_equal(reader.count, 16);
        assert_true(slice_is(reader.cells[0], uuid_text(&row->transaction_id, text)));
        assert_true(slice_is(reader.cells[1], time_text(row->at_us, text)));
        assert_true(slice_is(reader.cells[8],
                             money_text(row->amount, row->currency == SEED_USD ? 2 : 0, text)));
        assert_true(slice_is(reader.cells[10], row->incoming ? "in" : "out"));
        bool formula = row->description[0] == '=';
        assert_int_equal(reader.cells[11].n, strlen(row->description) + (formula ? 1 : 0));
        assert_int_equal(formula, reader.cells[11].n > 0 && reader.cells[11].at[0] == '\'');
        assert_true(slice_is(reader.cells[14], row->flagged ? "true" : "false"));
        assert_int_equal(reader.cells[15].n > 0, row->score > 0);
    }
    while (at-- > 0)
        assert_false(wanted(seed, in, &seed->transactions[at]));
}

static void follow_export(struct seed *seed, struct msg_transaction_query in)
{
    struct msg_export_chunk chunk;
    struct kept cursor;
    int64_t progress = 0;
    FILE *file = tmpfile();

    assert_non_null(file);
    for (;;) {
        assert_int_equal(SEED_ASK(seed, transaction, export, &in, &chunk), ERR_none);
        assert_int_equal(fwrite(chunk.csv.at, 1, chunk.csv.n, file), chunk.csv.n);
        assert_true(chunk.progress >= progress);
        progress = chunk.progress;
        if (!MSG_HAS(&chunk, export_chunk, next))
            break;
        assert_true((chunk.rows > 0 || short_scans) && progress < 10000);
        keep(&cursor, chunk.next);
        MSG_SET(&in, transaction_query, cursor, cursor_of(&cursor));
    }
    assert_int_equal(progress, 10000);
    expect_csv(seed, &in, file);
    fclose(file);
}

static void an_export_has_every_row_once(void **state)
{
    struct seed *seed = *state;
    struct msg_transaction_query all = {.has = 0};

    follow_export(seed, all);
    MSG_SET(&all, transaction_query, limit, 37);
    follow_export(seed, all);
    for (int i = 0; i < 30; i++)
        follow_export(seed, random_query(seed));
}

/* A walk that is cut at any place goes on where it was. */
static void a_cut_walk_loses_and_repeats_nothing(void **state)
{
    struct seed *seed = *state;
    struct msg_transaction_query all = {.has = 0};

    short_scans = true;
    for (int64_t rows = 2; rows < 400; rows += rows / 2 + 1) {
        seed_short_scans(seed, rows);
        follow_list(seed, all);
        for (int i = 0; i < 25; i++)
            follow_list(seed, random_query(seed));
        follow_export(seed, random_query(seed));
    }
    seed_short_scans(seed, 0);
    short_scans = false;
}

/* --- accounts and customers ----------------------------------------------------------------- */

static void expect_account(const struct msg_account *item, const struct account *row)
{
    const struct account_book *book = &row->book;

    assert_true(uuid_equal(&item->account_id, &book->account_id));
    assert_int_equal(item->balance, book->balance);
    assert_int_equal(item->held, book->held);
    assert_int_equal(item->available, book->balance - book->held + book->overdraft_limit);
    assert_int_equal(item->status, book->status);
    assert_int_equal(item->transactions, book->transactions);
    assert_true(slice_is(item->name, row->name));
    assert_int_equal(MSG_HAS(item, account, customer_id), book->customer != 0);
    assert_int_equal(MSG_HAS(item, account, freeze_reason), book->status == ACCOUNT_FROZEN);
    if (book->customer != 0)
        assert_true(slice_is(item->holder, row->holder));
}

/* The accounts of one kind, status and currency (0 = any), page by page, and their total. */
static void follow_accounts(struct seed *seed, int32_t kind, int32_t status, uint16_t currency)
{
    struct msg_account_query in = {.has = 0};
    struct msg_account_page page;
    struct kept cursor;
    size_t at = seed->account_count;
    int64_t seen = 0;
    bool more = true;

    if (kind != 0)
        MSG_SET(&in, account_query, kind, kind);
    if (status != 0)
        MSG_SET(&in, account_query, status, status);
    if (currency != 0)
        MSG_SET(&in, account_query, currency, slice_from(currency == SEED_USD ? "USD" : "JPY"));
    MSG_SET(&in, account_query, limit, 7);
    while (more) {
        assert_int_equal(SEED_ASK(seed, account, list, &in, &page), ERR_none);
        for (size_t i = 0; i < page.items.count; i++) {
            const struct account_book *book = NULL;
            do {
                assert_true(at-- > 0);
                book = &seed->accounts[at].book;
            } while ((kind != 0 && book->kind != kind) || (status != 0 && book->status != status) ||
                     (currency != 0 && book->currency != currency));
            expect_account(&page.items.at[i], &seed->accounts[at]);
            seen++;
        }
        more = MSG_HAS(&page, account_page, next);
        if (more) {
            keep(&cursor, page.next);
            MSG_SET(&in, account_query, cursor, cursor_of(&cursor));
        }
    }
    bool known = kind == ACCOUNT_CUSTOMER || (kind == 0 && status == 0 && currency == 0);
    assert_int_equal(MSG_HAS(&page, account_page, total), known);
    if (known)
        assert_int_equal(page.total, seen);
}

static void accounts_are_listed_and_counted(void **state)
{
    struct seed *seed = *state;

    follow_accounts(seed, 0, 0, 0);
    follow_accounts(seed, ACCOUNT_CUSTOMER, 0, 0);
    follow_accounts(seed, ACCOUNT_CUSTOMER, ACCOUNT_FROZEN, 0);
    follow_accounts(seed, ACCOUNT_CUSTOMER, ACCOUNT_ACTIVE, SEED_JPY);
    follow_accounts(seed, ACCOUNT_CASH, 0, 0);
    follow_accounts(seed, 0, 0, SEED_USD);

    struct msg_account_query in = {.has = 0};
    struct msg_account_page page;
    MSG_SET(&in, account_query, search, slice_from("anna"));
    MSG_SET(&in, account_query, limit, LIMIT_PAGE_ROWS_MAX);
    assert_int_equal(SEED_ASK(seed, account, list, &in, &page), ERR_none);
    size_t count = 0;
    for (size_t i = 0; i < seed->account_count; i++)
        count += has_text(seed->accounts[i].holder, slice_from("anna"));
    assert_int_equal(page.items.count, count);
    assert_true(count > 0);
    assert_false(MSG_HAS(&page, account_page, total));
}

static void accounts_and_customers_are_shown(void **state)
{
    struct seed *seed = *state;
    struct msg_account account;
    struct msg_customer customer;

    for (size_t i = 0; i < seed->account_count; i++) {
        struct msg_account_ref in = {.account_id = seed->accounts[i].book.account_id};
        assert_int_equal(SEED_ASK(seed, account, get, &in, &account), ERR_none);
        expect_account(&account, &seed->accounts[i]);
    }
    for (size_t i = 0; i < seed->customer_count; i++) {
        struct msg_customer_ref in = {.customer_id = seed->customers[i].customer_id};
        assert_int_equal(SEED_ASK(seed, customer, get, &in, &customer), ERR_none);
        assert_true(slice_is(customer.name, seed->customers[i].name));
        assert_int_equal(customer.verified, seed->customers[i].verified);
    }
    struct msg_account_ref no_account = {.account_id = uuid_v7(seed->now_us)};
    struct msg_customer_ref no_customer = {.customer_id = uuid_v7(seed->now_us)};
    assert_int_equal(SEED_ASK(seed, account, get, &no_account, &account), ERR_account_unknown);
    assert_int_equal(SEED_ASK(seed, customer, get, &no_customer, &customer), ERR_not_found);
}

static void customers_are_listed(void **state)
{
    struct seed *seed = *state;
    struct msg_customer_query in = {.has = 0};
    struct msg_customer_page page;
    struct kept cursor;
    size_t at = seed->customer_count;

    MSG_SET(&in, customer_query, limit, 9);
    MSG_SET(&in, customer_query, search, slice_from("BELA"));
    for (;;) {
        assert_int_equal(SEED_ASK(seed, customer, list, &in, &page), ERR_none);
        for (size_t i = 0; i < page.items.count; i++) {
            do
                assert_true(at-- > 0);
            while (!has_text(seed->customers[at].name, in.search));
            assert_true(slice_is(page.items.at[i].name, seed->customers[at].name));
        }
        if (!MSG_HAS(&page, customer_page, next))
            break;
        keep(&cursor, page.next);
        MSG_SET(&in, customer_query, cursor, cursor_of(&cursor));
    }
    while (at-- > 0)
        assert_false(has_text(seed->customers[at].name, in.search));
}

/* --- alerts --------------------------------------------------------------------------------- */

static void expect_alert(const struct seed *seed, const struct msg_alert *item,
                         const struct alert *row)
{
    const struct transaction *cause = seed->transactions;
    int64_t points = 0;

    while (cause->sequence != row->transaction)
        cause++;
    assert_true(uuid_equal(&item->alert_id, &row->alert_id));
    assert_true(uuid_equal(&item->transaction_id, &cause->transaction_id));
    assert_true(uuid_equal(&item->account_id, &seed->accounts[row->account - 1].book.account_id));
    assert_int_equal(item->status, cause->status);
    assert_int_equal(item->amount, cause->amount);
    assert_int_equal(item->state, row->state);
    for (size_t i = 0; i < item->reasons.count; i++)
        points += item->reasons.at[i].points;
    assert_int_equal(points, row->score);
    assert_int_equal(MSG_HAS(item, alert, decision), row->state == ALERT_DECIDED);
    if (row->decided_by != 0)
        assert_true(slice_is(item->decided_by, seed->users[row->decided_by - 1].email));
}

static void follow_alerts(struct seed *seed, struct msg_alert_query in)
{
    struct msg_alert_page page;
    struct kept cursor;
    size_t at = seed->alert_count;
    bool more = true;

    while (more) {
        assert_int_equal(SEED_ASK(seed, alert, list, &in, &page), ERR_none);
        for (size_t i = 0; i < page.items.count; i++) {
            const struct alert *row = NULL;
            do {
                assert_true(at-- > 0);
                row = &seed->alerts[at];
            } while ((MSG_HAS(&in, alert_query, state) && row->state != in.state) ||
                     (MSG_HAS(&in, alert_query, from) && row->created_at_us < in.from) ||
                     (MSG_HAS(&in, alert_query, to) && row->created_at_us >= in.to));
            expect_alert(seed, &page.items.at[i], row);
            struct buf bytes;
            buf_init(&bytes, LIMIT_REPLY_MAX);
            assert_int_equal(message_encode(&message_alert, &page.items.at[i], &bytes), ERR_none);
            assert_true(bytes.n <= view_alert_size(&page.items.at[i]));
            buf_free(&bytes);
        }
        more = MSG_HAS(&page, alert_page, next);
        if (more) {
            keep(&cursor, page.next);
            MSG_SET(&in, alert_query, cursor, cursor_of(&cursor));
        }
    }
}

static void alerts_are_listed_and_shown(void **state)
{
    struct seed *seed = *state;
    struct msg_alert_query in = {.has = 0};
    struct msg_alert out;

    assert_true(seed->alert_count > 40);
    follow_alerts(seed, in);
    MSG_SET(&in, alert_query, limit, 3);
    MSG_SET(&in, alert_query, state, ALERT_OPEN);
    follow_alerts(seed, in);
    in.has = 0;
    MSG_SET(&in, alert_query, limit, LIMIT_PAGE_ROWS_MAX);
    MSG_SET(&in, alert_query, from, seed->alerts[seed->alert_count / 3].created_at_us);
    MSG_SET(&in, alert_query, to, seed->alerts[seed->alert_count / 2].created_at_us);
    follow_alerts(seed, in);
    for (size_t i = 0; i < seed->alert_count; i++) {
        struct msg_alert_ref ref = {.alert_id = seed->alerts[i].alert_id};
        assert_int_equal(SEED_ASK(seed, alert, get, &ref, &out), ERR_none);
        expect_alert(seed, &out, &seed->alerts[i]);
    }
    struct msg_alert_ref nobody = {.alert_id = uuid_v7(seed->now_us)};
    assert_int_equal(SEED_ASK(seed, alert, get, &nobody, &out), ERR_not_found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_question_gives_its_rows_once),
        cmocka_unit_test(a_whole_id_finds_its_transaction_or_its_account),
        cmocka_unit_test(a_cursor_belongs_to_its_question),
        cmocka_unit_test(questions_that_cannot_be_right_are_refused),
        cmocka_unit_test(a_cancelled_list_ends),
        cmocka_unit_test(each_transaction_is_shown_with_its_reasons),
        cmocka_unit_test(an_export_has_every_row_once),
        cmocka_unit_test(a_cut_walk_loses_and_repeats_nothing),
        cmocka_unit_test(accounts_are_listed_and_counted),
        cmocka_unit_test(accounts_and_customers_are_shown),
        cmocka_unit_test(customers_are_listed),
        cmocka_unit_test(alerts_are_listed_and_shown),
    };

    return SEED_RUN(tests, 400);
}
