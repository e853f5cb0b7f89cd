/* The made-up bank. Records follow from their number alone: the same question always gets the same
 * answer, so that screens can be compared with files. */
#include "tests/lib/fake_bank.h"

#include "common/check.h"

#include <stdio.h>
#include <string.h>

static const char *const names[] = {
    "Alice Novak",  "Bruno Keller",     "Carla Rossi",      "Daniel O'Neill", "Eva Svobodov\u00e1",
    "Farid Haddad", "Grace Kim \uae40", "Hugo Lind\u00f6n", "Ines Duarte",    "Jan de Vries",
};

static const char *const texts[] = { "Rent November", "Invoice 2026-1187", "Groceries",
                                     "Salary",        "Car repair",        "Gift" };

enum {
    NAME_COUNT = 10,
    TEXT_COUNT = 6,
    ACCOUNTS = 37,
    TRANSACTIONS = 240,
    CUSTOMERS = 28,
    ENTRIES = 90
};

static const int64_t base_us = INT64_C(1795365665000000); /* 2026-11-22 16:41:05 UTC */

static int64_t bank_now(struct clock *clock)
{
    return ((struct fake_bank *)clock)->now;
}

static int64_t bank_monotonic(struct clock *clock)
{
    return ((struct fake_bank *)clock)->monotonic;
}

struct uuid fake_id(char kind, int n)
{
    uint8_t tail[10] = {
        0, 0, (uint8_t)kind, 0, 0, 0, 0x5e, (uint8_t)(n * 37), (uint8_t)(n >> 8), (uint8_t)n
    };
    return uuid_v7_derived(base_us - n * US_PER_MINUTE, tail);
}

void fake_open(struct fake_bank *bank, enum role role)
{
    *bank = (struct fake_bank){
        .clock = { bank_now, bank_monotonic },
        .now = base_us,
        .monotonic = US_PER_HOUR,
        .state = NET_LIVE,
        .role = role,
        .alerts = 7,
        .transactions = TRANSACTIONS,
        .case_state = CASE_OPEN,
        .export_pieces = 3,
    };
    CHECK(arena_init(&bank->arena, 4 * 1024 * 1024) == ERR_none);
}

void fake_close(struct fake_bank *bank)
{
    for (int i = 0; i < bank->queued; i++)
        record_free(&bank->requests[i]);
    record_free(&bank->request);
    record_free(&bank->last_create);
    arena_free(&bank->arena);
}

int fake_count(const struct fake_bank *bank, enum op_index op)
{
    int count = 0;
    for (int i = 0; i < bank->call_count && i < FAKE_CALLS_MAX; i++)
        count += bank->calls[i].op == op;
    return count;
}

/* --- records ------------------------------------------------------------------------------- */

static struct slice name_of(const struct fake_bank *bank, int n)
{
    if (bank->hostile_name[0] != '\0')
        return slice_from(bank->hostile_name);
    return slice_from(names[n % NAME_COUNT]);
}

static struct slice make_text(struct fake_bank *bank, const char *format, int n)
{
    char *text = arena_take(&bank->arena, 64);
    CHECK(text != NULL);
    snprintf(text, 64, "%s %d", format, n);
    return slice_from(text);
}

static void make_reasons(struct fake_bank *bank, int64_t score, struct msg_reason **at,
                         size_t *count)
{
    *count = score >= 400 ? 3 : score > 0 ? 1 : 0;
    *at = arena_take(&bank->arena, 3 * sizeof **at);
    CHECK(*at != NULL);
    int64_t first = *count == 3 ? score - 180 : score;
    (*at)[0] = (struct msg_reason){
        .rule = slice_from("amount_over_habit"),
        .points = first,
        .text = slice_from("The amount is 12 times the mean of the account's last 30 days")
    };
    (*at)[1] = (struct msg_reason){ .rule = slice_from("new_counterparty"),
                                    .points = 120,
                                    .text = slice_from(
                                        "The counterparty is new and takes 86% of the balance") };
    (*at)[2] = (struct msg_reason){ .rule = slice_from("velocity_1h"),
                                    .points = 60,
                                    .text = slice_from("4 transactions within an hour") };
}

static void make_transaction(struct fake_bank *bank, int n, struct msg_transaction *tx)
{
    static const int32_t types[] = { TYPE_TRANSFER, TYPE_DEPOSIT, TYPE_WITHDRAWAL, TYPE_PAYMENT };
    int64_t              score = n % 9 == 0 ? 640 : n % 5 == 0 ? 120 : 0;
    *tx = (struct msg_transaction){
        .transaction_id = fake_id('t', n),
        .sequence = 1000 - n,
        .type = types[n % 4],
        .status = n % 9 == 0    ? STATUS_HELD
                  : n % 23 == 5 ? STATUS_REVERSED
                                : STATUS_COMPLETED,
        .account_id = fake_id('a', n % ACCOUNTS),
        .account_name = name_of(bank, n),
        .counterparty_account_id = fake_id('a', (n + 3) % ACCOUNTS),
        .counterparty_name = n % 4 == 0 ? name_of(bank, n + 3) : slice_from("Cash"),
        .incoming = n % 4 == 1,
        .amount = 1250 + INT64_C(7919) * n % 900000 + (n % 9 == 0 ? 2500000 : 0),
        .currency = slice_from("USD"),
        .timestamp = base_us - n * 47 * US_PER_MINUTE + bank->era_us,
        .posted_at = base_us - n * 47 * US_PER_MINUTE,
        .balance = 1000000 - n * 3001,
        .counterparty_balance = 500000 + n * 100,
        .verdict = n % 9 == 0 ? VERDICT_HOLD : VERDICT_APPROVE,
        .score = score,
        .fraud_flag = n % 18 == 0,
    };
    MSG_SET(tx, transaction, description, slice_from(texts[n % TEXT_COUNT]));
    MSG_SET(tx, transaction, posted_by, slice_from("clerk@test.com"));
    if (n % 9 == 0) {
        MSG_SET(tx, transaction, alert_id, fake_id('l', n / 9));
        MSG_SET(tx, transaction, hold_expires_at, base_us + 3 * US_PER_DAY);
    }
    make_reasons(bank, score, &tx->reasons.at, &tx->reasons.count);
}

static void make_hits(struct fake_bank *bank, int n, struct msg_alert *alert)
{
    size_t                count = (size_t)alert->hit_count;
    struct msg_alert_hit *hits = arena_take(&bank->arena, count * sizeof *hits);
    CHECK(hits != NULL);
    for (size_t i = 0; i < count; i++)
        hits[i] = (struct msg_alert_hit){ .transaction_id = fake_id('t', n * 9 + (int)i),
                                          .type = TYPE_TRANSFER,
                                          .status = i == 0   ? alert->status
                                                    : i == 1 ? STATUS_COMPLETED
                                                             : STATUS_HELD,
                                          .amount = alert->amount - (int64_t)i * 700000,
                                          .currency = slice_from("USD"),
                                          .score = alert->score - (int64_t)i * 40,
                                          .timestamp =
                                              alert->created_at + (int64_t)i * 11 * US_PER_MINUTE };
    alert->hits.at = hits;
    alert->hits.count = count;
    for (size_t i = 0; i < count; i++) {
        bool held = hits[i].status == STATUS_HELD;
        alert->amount_total += hits[i].amount;
        alert->held_count += held;
        alert->held_amount += held ? hits[i].amount : 0;
    }
}

static void make_alert(struct fake_bank *bank, int n, struct msg_alert *alert)
{
    int64_t score = 900 - n * 70 % 500;
    *alert = (struct msg_alert){
        .alert_id = fake_id('l', n),
        .transaction_id = fake_id('t', n * 9),
        .account_id = fake_id('a', n % ACCOUNTS),
        .account_name = name_of(bank, n),
        .type = TYPE_TRANSFER,
        .status = n % 6 == 3 ? STATUS_COMPLETED : STATUS_HELD, /* what is held may be another one */
        .amount = 2500000 + n * 12345,
        .currency = slice_from("USD"),
        .score = score,
        .verdict = VERDICT_HOLD,
        .state = n % 4 == 3 ? ALERT_TAKEN : ALERT_OPEN,
        .created_at = base_us - (60 - n) * 13 * US_PER_MINUTE,
        .expected_loss = (2500000 + n * 12345) / 1000 * score / 1000 * score,
        .hit_count = n % 3 == 0 ? 3 : 1,
        .due_at = base_us + (n - 1) * 100 * US_PER_MINUTE,
        .notes = n % 2 == 0 ? 2 : 0,
    };
    if (alert->state == ALERT_TAKEN) {
        MSG_SET(alert, alert, assigned_to,
                slice_from(n == 3 ? "fraud@test.com" : "colleague@test.com"));
        MSG_SET(alert, alert, taken_at, base_us - US_PER_MINUTE);
        MSG_SET(alert, alert, lock_until, base_us + 14 * US_PER_MINUTE);
    }
    if (n == bank->taken - 1) {
        alert->state = ALERT_TAKEN;
        MSG_SET(alert, alert, assigned_to, slice_from("fraud@test.com"));
        MSG_SET(alert, alert, lock_until, base_us + 15 * US_PER_MINUTE);
    }
    if ((bank->decided >> n & 1) != 0) {
        alert->state = ALERT_DECIDED;
        MSG_SET(alert, alert, decision, DECISION_CONFIRMED_FRAUD);
        MSG_SET(alert, alert, decided_by, slice_from("fraud@test.com"));
        MSG_SET(alert, alert, decided_at, base_us);
        MSG_SET(alert, alert, undo_until, base_us + 10 * US_PER_MINUTE);
    }
    make_hits(bank, n, alert);
    make_reasons(bank, score, &alert->reasons.at, &alert->reasons.count);
}

static void make_account(struct fake_bank *bank, int n, struct msg_account *account)
{
    int64_t held = n % 9 == 0 ? 250000 : 0;
    *account = (struct msg_account){
        .account_id = fake_id('a', n),
        .name = make_text(bank, n % 3 == 0 ? "Savings" : "Current", 1000 + n),
        .kind = ACCOUNT_CUSTOMER,
        .currency = slice_from("USD"),
        .status = n % 11 == 4 ? ACCOUNT_FROZEN : ACCOUNT_ACTIVE,
        .balance = INT64_C(1234567) + n * 100019,
        .held = held,
        .available = INT64_C(1234567) + n * 100019 - held,
        .transactions = 12 + n * 7,
        .created_at = base_us - 300 * US_PER_DAY,
    };
    if (bank->hostile_name[0] != '\0')
        account->name = slice_from(bank->hostile_name);
    MSG_SET(account, account, holder, name_of(bank, n));
    MSG_SET(account, account, customer_id, fake_id('c', n % CUSTOMERS));
    MSG_SET(account, account, last_activity_at, base_us - n * US_PER_HOUR);
    if (account->status == ACCOUNT_FROZEN) {
        MSG_SET(account, account, freeze_direction, FREEZE_DEBIT);
        MSG_SET(account, account, freeze_reason, slice_from("Account takeover suspected"));
    }
}

static void make_customer(struct fake_bank *bank, int n, struct msg_customer *customer)
{
    *customer = (struct msg_customer){
        .customer_id = fake_id('c', n),
        .name = name_of(bank, n),
        .verified = n % 6 != 2,
        .created_at = base_us - n * US_PER_DAY,
    };
    MSG_SET(customer, customer, country, slice_from(n % 2 == 0 ? "DE" : "PT"));
    MSG_SET(customer, customer, email, slice_from("someone@example.com"));
}

static void make_entry(int n, struct msg_audit_entry *entry)
{
    static const char hash[] = "0123456789abcdef0123456789abcdef";
    bool              refusal = n % 8 == 3;
    *entry = (struct msg_audit_entry){
        .sequence = 4000 - n,
        .at = base_us - n * 3 * US_PER_MINUTE,
        .kind = refusal      ? AUDIT_REFUSAL
                : n % 3 == 0 ? AUDIT_ACTION
                             : AUDIT_TRANSACTION,
        .actor = slice_from(n % 3 == 0 ? "fraud@test.com" : "clerk@test.com"),
        .operation = slice_from(n % 3 == 0 ? "alert.take" : "transaction.create"),
        .outcome = slice_from(refusal ? "insufficient_funds" : "done"),
        .subject = slice_from("0193a1b2-0000-7000-8000-00000000abcd"),
        .detail = slice_from("amount=1250.00 currency=USD verdict=approve score=0"),
        .hash = slice_of(hash, 32),
    };
}

/* --- lists --------------------------------------------------------------------------------- */

/* Cursor and limit of any list's request, by their names. */
static int page_start(const struct record *request, int *limit)
{
    struct slice cursor;
    int64_t      rows = 50;
    int          start = 0;
    int          at = message_field(request->desc, "cursor");
    if (at >= 0 && message_has(request->body, at)) {
        memcpy(&cursor, message_at(request->desc, request->body, at), sizeof cursor);
        CHECK(cursor.n == sizeof start);
        memcpy(&start, cursor.at, sizeof start);
    }
    at = message_field(request->desc, "limit");
    if (at >= 0 && message_has(request->body, at))
        memcpy(&rows, message_at(request->desc, request->body, at), sizeof rows);
    *limit = (int)rows;
    return start;
}

static void *take(struct fake_bank *bank, size_t count, size_t size)
{
    void *at = arena_take(&bank->arena, (count > 0 ? count : 1) * size);
    CHECK(at != NULL);
    return at;
}

static struct slice next_cursor(struct fake_bank *bank, int next)
{
    char *bytes = take(bank, 1, sizeof next);
    memcpy(bytes, &next, sizeof next);
    return slice_of(bytes, sizeof next);
}

/* Fills the list and the cursor that all pages have, whatever the rows are. */
#define FILL_PAGE(msg, item, total_rows, make)                                                     \
    do {                                                                                           \
        struct msg_##msg *page = take(bank, 1, sizeof *page);                                      \
        int               limit;                                                                   \
        int               start = page_start(&bank->request, &limit);                              \
        int               end = start + limit < (total_rows) ? start + limit : (total_rows);       \
        page->items.at =                                                                           \
            take(bank, (size_t)(end > start ? end - start : 0), sizeof(struct msg_##item));        \
        for (int i = start; i < end; i++, page->items.count++) {                                   \
            struct msg_##item *row = &page->items.at[page->items.count];                           \
            make;                                                                                  \
        }                                                                                          \
        if (end < (total_rows))                                                                    \
            MSG_SET(page, msg, next, next_cursor(bank, end));                                      \
        return page;                                                                               \
    } while (0)

static void *transactions(struct fake_bank *bank)
{
    FILL_PAGE(transaction_page, transaction, bank->transactions, make_transaction(bank, i, row));
}

/* The newest alert has the highest number, the costliest the lowest. */
static void *alerts(struct fake_bank *bank)
{
    const struct msg_alert_query *query = bank->request.body;
    int                           numbers[64];
    int                           count = 0;
    bool loss = MSG_HAS(query, alert_query, order) && query->order == ALERT_ORDER_LOSS;
    for (int i = 0; i < bank->alerts && count < 64; i++) {
        int  n = loss ? i : bank->alerts - 1 - i;
        bool decided = (bank->decided >> n & 1) != 0;
        if (MSG_HAS(query, alert_query, state) ? decided == (query->state == ALERT_DECIDED)
                                               : !(loss && decided))
            numbers[count++] = n;
    }
    FILL_PAGE(alert_page, alert, count, make_alert(bank, numbers[i], row));
}

static void *notes(struct fake_bank *bank)
{
    const struct msg_alert_notes *in = bank->request.body;
    struct uuid                   first = fake_id('l', 0);
    int                           count = uuid_equal(&in->alert_id, &first) ? 2 : 0;
    FILL_PAGE(note_page, note, count,
              *row = ((struct msg_note){
                  .note_id = fake_id('n', i),
                  .at = base_us - (i + 1) * 17 * US_PER_MINUTE,
                  .author = slice_from(i == 0 ? "fraud@test.com" : "compliance@test.com"),
                  .act = slice_from("note"),
                  .text = slice_from(i == 0 ? "Called the customer twice, nobody answers.\n"
                                              "Will try again in the evening."
                                            : "The receiver was named in another case.") }));
}

static void *similar(struct fake_bank *bank)
{
    static const int32_t     decisions[] = { DECISION_CONFIRMED_FRAUD, DECISION_FALSE_POSITIVE, 0 };
    struct msg_similar_page *page = take(bank, 1, sizeof *page);
    *page = (struct msg_similar_page){
        .looked_at = 240, .similar = 14, .confirmed = 9, .false_positive = 4, .undecided = 1
    };
    MSG_SET(page, similar_page, confirmed_bp, 6923);
    page->items.count = 3;
    page->items.at = take(bank, 3, sizeof *page->items.at);
    for (int i = 0; i < 3; i++) {
        struct msg_similar_alert *like = &page->items.at[i];
        *like = (struct msg_similar_alert){ .alert_id = fake_id('l', i + 20),
                                            .transaction_id = fake_id('t', i + 20),
                                            .account_id = fake_id('a', i),
                                            .account_name = name_of(bank, i),
                                            .same_account = i == 0,
                                            .created_at = base_us - (i + 3) * 9 * US_PER_DAY,
                                            .amount = 1899000 - i * 40000,
                                            .currency = slice_from("USD"),
                                            .score = 720 - i * 60,
                                            .similarity_bp = 9100 - i * 1400,
                                            .shared =
                                                slice_from("amount_over_habit, new_counterparty") };
        if (decisions[i] != 0)
            MSG_SET(like, similar_alert, decision, decisions[i]);
    }
    return page;
}

/* The account deals with a merchant and with somebody who deals with the same merchant. */
static void *graph(struct fake_bank *bank)
{
    struct msg_graph *out = take(bank, 1, sizeof *out);
    *out = (struct msg_graph){ .account_id = fake_id('a', 0),
                               .currency = slice_from("USD"),
                               .looked_at = 412,
                               .left_out = 3 };
    out->nodes.count = 5;
    out->nodes.at = take(bank, 5, sizeof *out->nodes.at);
    for (int i = 0; i < 5; i++)
        out->nodes.at[i] = (struct msg_graph_node){
            .node = i + 1,
            .level = i == 0  ? 0
                     : i < 3 ? 1
                             : 2,
            .kind = i == 1 ? GRAPH_PARTY : GRAPH_ACCOUNT,
            .name = i == 1 ? slice_from("bank:LT30/70000022") : name_of(bank, i),
            .shared = i == 3 ? 2 : 1,
        };
    out->nodes.at[1].findings = 4;
    out->nodes.at[1].frauds = 3;
    MSG_SET(&out->nodes.at[1], graph_node, fraud_bp, 7500);
    MSG_SET(&out->nodes.at[3], graph_node, alerts, 2);
    out->edges.count = 6;
    out->edges.at = take(bank, 6, sizeof *out->edges.at);
    static const int ends[6][2] = { { 1, 2 }, { 1, 3 }, { 3, 1 }, { 4, 2 }, { 5, 2 }, { 4, 3 } };
    for (int i = 0; i < 6; i++)
        out->edges.at[i] = (struct msg_graph_edge){ .from = ends[i][0],
                                                    .to = ends[i][1],
                                                    .count = 5 - i % 3,
                                                    .amount = 2500000 - i * 310000,
                                                    .first_at = base_us - US_PER_DAY,
                                                    .last_at = base_us };
    out->chains.count = 1;
    out->chains.at = take(bank, 1, sizeof *out->chains.at);
    out->chains.at[0] = (struct msg_graph_chain){ .in_id = fake_id('t', 2),
                                                  .out_id = fake_id('t', 1),
                                                  .in_amount = 2550000,
                                                  .out_amount = 2500000,
                                                  .in_at = base_us - 3 * US_PER_HOUR,
                                                  .out_at = base_us - 140 * US_PER_MINUTE };
    MSG_SET(&out->chains.at[0], graph_chain, from, 3);
    MSG_SET(&out->chains.at[0], graph_chain, to, 2);
    return out;
}

static void *accounts(struct fake_bank *bank)
{
    const struct msg_account_query *query = bank->request.body;
    bool                            some = MSG_HAS(query, account_query, search);
    if (some && slice_is(query->search, "nobody"))
        FILL_PAGE(account_page, account, 0, make_account(bank, i, row));
    if (some)
        FILL_PAGE(account_page, account, 2, make_account(bank, i + 1, row));
    FILL_PAGE(account_page, account, ACCOUNTS, make_account(bank, i, row));
}

static void *customers(struct fake_bank *bank)
{
    FILL_PAGE(customer_page, customer, CUSTOMERS, make_customer(bank, i, row));
}

static void *entries(struct fake_bank *bank)
{
    FILL_PAGE(audit_page, audit_entry, ENTRIES, make_entry(i, row));
}

/* --- figures ------------------------------------------------------------------------------- */

static int64_t period_to(const struct fake_bank *bank)
{
    int64_t to = (base_us / US_PER_DAY + 1) * US_PER_DAY + bank->era_us;
    int     at = message_field(bank->request.desc, "to");
    if (at >= 0 && message_has(bank->request.body, at))
        memcpy(&to, message_at(bank->request.desc, bank->request.body, at), sizeof to);
    return to;
}

static void *trend(struct fake_bank *bank)
{
    struct msg_trend *trend = take(bank, 1, sizeof *trend);
    int64_t           to = period_to(bank);
    trend->currency = slice_from("USD");
    trend->points.count = 30;
    trend->points.at = take(bank, 30, sizeof *trend->points.at);
    for (int i = 0; i < 30; i++) {
        int64_t weight = 20 + (i * 37 + 11) % 60 - (i % 7 >= 5 ? 15 : 0);
        trend->points.at[i] = (struct msg_trend_point){
            .at = to - (30 - i) * US_PER_DAY,
            .count = weight,
            .volume = weight * 431200,
            .deposits = weight * 200000,
            .withdrawals = weight * 131200,
            .transfers = weight * 100000,
            .net_flow = (weight - 40) * 68800,
            .alerts = i * 13 % 7,
            .flagged = i * 5 % 3,
        };
    }
    return trend;
}

static void *kpi(struct fake_bank *bank)
{
    struct msg_kpi *kpi = take(bank, 1, sizeof *kpi);
    *kpi = (struct msg_kpi){
        .from = period_to(bank) - 30 * US_PER_DAY,
        .to = period_to(bank),
        .currency = slice_from("USD"),
        .transactions = 12480,
        .volume = 538291044,
        .average_amount = 43132,
        .deposits_count = 3120,
        .deposits = 250100000,
        .withdrawals_count = 2900,
        .withdrawals = 160300550,
        .transfers_count = 6460,
        .transfers = 127890494,
        .net_flow = 89799450,
        .held_count = 12,
        .declined_count = 3,
        .accounts = 812,
        .active_accounts = 797,
        .total_balance = 981234567,
        .average_balance = 1231160,
    };
    MSG_SET(kpi, kpi, data_from, base_us - 90 * US_PER_DAY + bank->era_us);
    MSG_SET(kpi, kpi, data_to, (base_us / US_PER_DAY + 1) * US_PER_DAY + bank->era_us);
    return kpi;
}

static void *risk_summary(struct fake_bank *bank)
{
    static const char *const bands[] = { "low", "guarded", "elevated", "high", "severe" };
    static const int64_t     counts[] = { 11890, 412, 131, 38, 9 };
    struct msg_risk_summary *risk = take(bank, 1, sizeof *risk);
    *risk = (struct msg_risk_summary){
        .from = period_to(bank) - 30 * US_PER_DAY,
        .to = period_to(bank),
        .currency = slice_from("USD"),
        .flagged_total = 48,
        .flagged_24h = 5,
        .frozen_accounts = 4,
        .high_value = 61,
        .high_value_threshold = 1000000,
        .alerts_open = bank->alerts,
        .held_count = 6,
        .held_amount = 15249020,
    };
    risk->bands.count = 5;
    risk->bands.at = take(bank, 5, sizeof *risk->bands.at);
    for (int i = 0; i < 5; i++)
        risk->bands.at[i] = (struct msg_risk_band){ .name = slice_from(bands[i]),
                                                    .score_from = i * 200,
                                                    .score_to = i == 4 ? 1000 : i * 200 + 199,
                                                    .count = counts[i] };
    MSG_SET(risk, risk_summary, data_from, base_us - 90 * US_PER_DAY + bank->era_us);
    MSG_SET(risk, risk_summary, data_to, (base_us / US_PER_DAY + 1) * US_PER_DAY + bank->era_us);
    return risk;
}

static void *compliance(struct fake_bank *bank)
{
    static const char *const parts[] = { "verification", "alert_handling", "suspicious_share",
                                         "freezes" };
    struct msg_compliance   *sum = take(bank, 1, sizeof *sum);
    *sum = (struct msg_compliance){
        .from = period_to(bank) - 30 * US_PER_DAY,
        .to = period_to(bank),
        .currency = slice_from("USD"),
        .score = 78,
        .transactions = 12480,
        .large_transactions = 61,
        .large_threshold = 1000000,
        .suspicious_share = 38,
        .verification_rate = 8333,
        .frozen_share = 49,
        .alerts_open = bank->alerts,
    };
    sum->parts.count = 4;
    sum->parts.at = take(bank, 4, sizeof *sum->parts.at);
    for (int i = 0; i < 4; i++)
        sum->parts.at[i] = (struct msg_score_part){ .name = slice_from(parts[i]),
                                                    .points = 25 - i * i * 2 - 2,
                                                    .points_max = 25,
                                                    .help = slice_from("made up") };
    return sum;
}

static void *monitors(struct fake_bank *bank)
{
    static const struct msg_monitor rows[] = {
        { .name = { "open_alerts", 11 },
          .title = { "Open alerts", 11 },
          .value = 7,
          .threshold = 5,
          .unit = { "count", 5 },
          .state = MONITOR_BREACH,
          .help = { "Alerts without a decision", 25 } },
        { .name = { "suspicious", 10 },
          .title = { "Suspicious share", 16 },
          .value = 38,
          .threshold = 45,
          .unit = { "basis points", 12 },
          .state = MONITOR_WARNING,
          .help = { "Flagged transactions of the period", 34 } },
        { .name = { "cash", 4 },
          .title = { "Largest cash deposit", 20 },
          .value = 812300,
          .threshold = 1000000,
          .unit = { "minor units", 11 },
          .state = MONITOR_OK,
          .help = { "In one transaction", 18 } },
    };
    struct msg_monitor_page *page = take(bank, 1, sizeof *page);
    page->items.count = 3;
    page->items.at = take(bank, 3, sizeof *page->items.at);
    memcpy(page->items.at, rows, sizeof rows);
    return page;
}

static void *risk_account(struct fake_bank *bank)
{
    static const struct msg_feature features[] = {
        { .name = { "count_1h", 8 },
          .value = 4,
          .unit = { "count", 5 },
          .help = { "Transactions in an hour", 23 },
          .normal_low = 0,
          .normal_high = 2 },
        { .name = { "count_24h", 9 },
          .value = 5,
          .unit = { "count", 5 },
          .help = { "Transactions in a day", 21 },
          .normal_low = 1,
          .normal_high = 6 },
        { .name = { "sum_24h", 7 },
          .value = 1234500,
          .unit = { "minor units", 11 },
          .help = { "Paid out within a day", 21 },
          .normal_low = 0,
          .normal_high = 240000 },
        { .name = { "drained", 7 },
          .value = 8600,
          .unit = { "basis points", 12 },
          .help = { "Share of the balance that goes out", 34 },
          .normal_low = 100,
          .normal_high = 2500 },
        { .name = { "account_age", 11 },
          .value = 412,
          .unit = { "days", 4 },
          .help = { "Since the first payment", 23 } },
    };
    enum { COUNT = sizeof features / sizeof features[0] };
    struct msg_risk_account *risk = take(bank, 1, sizeof *risk);
    *risk = (struct msg_risk_account){ .account_id = fake_id('a', 1),
                                       .currency = slice_from("USD"),
                                       .alerts_open = 1,
                                       .alerts_total = 4,
                                       .score_max = 720 };
    risk->features.count = COUNT;
    risk->features.at = take(bank, COUNT, sizeof *risk->features.at);
    for (int i = 0; i < COUNT; i++) {
        struct msg_feature *feature = &risk->features.at[i];
        *feature = features[i];
        if (i + 1 == COUNT)
            continue;
        MSG_SET(feature, feature, normal_low, features[i].normal_low);
        MSG_SET(feature, feature, normal_high, features[i].normal_high);
    }
    return risk;
}

static void *whatif(struct fake_bank *bank)
{
    static const char *const words[] = { "Approved below 4,120.00, all else the same",
                                         "Approved from 2026-11-22 14:20 UTC on",
                                         "Approved if the rule new_counterparty had not fired",
                                         "Declined from 61,000.00 on" };
    struct msg_whatif       *out = take(bank, 1, sizeof *out);
    *out = (struct msg_whatif){ .transaction_id = fake_id('t', 9),
                                .currency = slice_from("USD"),
                                .verdict = VERDICT_HOLD,
                                .alert = true,
                                .score = 640,
                                .exact = true };
    out->items.count = 4;
    out->items.at = take(bank, 4, sizeof *out->items.at);
    for (int i = 0; i < 4; i++)
        out->items.at[i] = (struct msg_whatif_item){ .text = slice_from(words[i]),
                                                     .kind = WHATIF_AMOUNT,
                                                     .verdict = VERDICT_APPROVE,
                                                     .score = i == 3 ? 910 : 380 - i * 20 };
    MSG_SET(out, whatif, baseline,
            slice_from(
                "about 7.3 × the customer's usual 412.00, larger than about 99.8 % of 214 earlier "
                "payments"));
    MSG_SET(out, whatif, median, 41200);
    MSG_SET(out, whatif, largest, 310000);
    return out;
}

static void *session(struct fake_bank *bank)
{
    static const char *const emails[] = { "fraud@test.com", "finance@test.com",
                                          "compliance@test.com" };
    int at = bank->role == ROLE_FRAUD_ANALYST ? 0 : bank->role == ROLE_FINANCIAL_MANAGER ? 1 : 2;
    struct msg_session *session = take(bank, 1, sizeof *session);
    *session = (struct msg_session){ .user_id = fake_id('u', 1),
                                     .email = slice_from(emails[at]),
                                     .name = slice_from("Test User"),
                                     .role = slice_from(role_find(bank->role)->name),
                                     .expires_at = base_us + US_PER_DAY,
                                     .idle_seconds = 1800,
                                     .server_time = base_us };
    bank->logged_in = true;
    return session;
}

static void *status(struct fake_bank *bank)
{
    struct msg_server_status *status = take(bank, 1, sizeof *status);
    *status = (struct msg_server_status){ .version = slice_from("0.1.0"),
                                          .protocol = 1,
                                          .schema = 1,
                                          .store = slice_from("sqlite"),
                                          .started_at = base_us - US_PER_DAY,
                                          .server_time = base_us,
                                          .sequence = 12480 };
    return status;
}

/* Version 2 is in force, 3 is proposed. */
static void *rules(struct fake_bank *bank)
{
    static const char hash[] = "0123456789abcdef0123456789abcde";
    static const char old_text[] = "# Rules\nrule large 300\n  amount > 10000\nrule fast 200\n"
                                   "  count_1h > 3\nrule night 50\n  hour < 5\n";
    static const char new_text[] = "# Rules\nrule large 350\n  amount > 12000\nrule fast 200\n"
                                   "  count_1h > 3\nrule night 50\n  hour < 5\nrule far 90\n"
                                   "  new_country == 1\n";
    const struct msg_rules_ref *in = bank->request.body;
    bool                        proposed = MSG_HAS(in, rules_ref, rule_set) && in->rule_set == 3;
    struct msg_rules           *rules = take(bank, 1, sizeof *rules);
    *rules = (struct msg_rules){ .rule_set = proposed ? 3 : 2,
                                 .hash = slice_of(hash, 32),
                                 .state = proposed ? RULES_PROPOSED : RULES_ACTIVE,
                                 .author = slice_from(proposed ? "fraud@test.com" : "operator"),
                                 .proposed_at = base_us - US_PER_DAY,
                                 .reason = slice_from(proposed ? "Too many false alarms in October"
                                                               : "The first rules of the bank"),
                                 .rules = proposed ? 4 : 3,
                                 .text = slice_from(proposed ? new_text : old_text) };
    MSG_SET(rules, rules, parts, 0);
    MSG_SET(rules, rules, threshold_alert, 400);
    MSG_SET(rules, rules, threshold_hold, 600);
    MSG_SET(rules, rules, threshold_decline, 1001);
    return rules;
}

static void make_version(int n, struct msg_rule_version *version)
{
    static const char    hash[] = "0123456789abcdef0123456789abcdef";
    static const int32_t states[] = { RULES_PROPOSED, RULES_ACTIVE, RULES_SUPERSEDED };
    *version =
        (struct msg_rule_version){ .rule_set = 3 - n,
                                   .hash = slice_of(hash, 32),
                                   .state = states[n],
                                   .author = slice_from(n == 2 ? "operator" : "fraud@test.com"),
                                   .proposed_at = base_us - (n * 20 + 1) * US_PER_DAY,
                                   .reason =
                                       slice_from(n == 0 ? "Too many false alarms in October"
                                                         : "Learned from three months of findings"),
                                   .rules = 3 + n,
                                   .has_scorecard = n < 2 };
    if (n == 0)
        return;
    MSG_SET(version, rule_version, approved_by, slice_from("compliance@test.com"));
    MSG_SET(version, rule_version, approved_at, base_us - n * 20 * US_PER_DAY);
}

static void *versions(struct fake_bank *bank)
{
    FILL_PAGE(rules_page, rule_version, 3, make_version(i, row));
}

/* One figure with five ranges and a pair of two by three. */
static void *curves(struct fake_bank *bank)
{
    static const int64_t     points[] = { -40, 0, 25, 90, 180 };
    struct msg_rules_curves *out = take(bank, 1, sizeof *out);
    struct msg_curve        *curve = take(bank, 2, sizeof *curve);
    *out = (struct msg_rules_curves){ .rule_set = 2, .hash = slice_from("x"), .base = 35 };
    out->curves.at = curve;
    out->curves.count = 2;
    curve[0] = (struct msg_curve){ .name = slice_from("amount_to_mean"),
                                   .unit = slice_from("basis points"),
                                   .help = slice_from("The amount beside the account's own mean") };
    curve[0].points.count = 5;
    curve[0].points.at = take(bank, 5, sizeof *curve[0].points.at);
    for (int i = 0; i < 5; i++) {
        struct msg_curve_point *point = &curve[0].points.at[i];
        *point = (struct msg_curve_point){ .points = points[i] };
        if (i > 0)
            MSG_SET(point, curve_point, from, i * 10000);
        if (i < 4)
            MSG_SET(point, curve_point, below, (i + 1) * 10000);
    }
    curve[1] = (struct msg_curve){ .name = slice_from("count_24h"),
                                   .unit = slice_from("count"),
                                   .help = slice_from("Payments within a day, by the hour") };
    MSG_SET(&curve[1], curve, with_name, slice_from("hour"));
    MSG_SET(&curve[1], curve, with_unit, slice_from("hour"));
    curve[1].points.count = 6;
    curve[1].points.at = take(bank, 6, sizeof *curve[1].points.at);
    for (int i = 0; i < 6; i++) {
        struct msg_curve_point *point = &curve[1].points.at[i];
        *point = (struct msg_curve_point){ .points = (i - 1) * 15 };
        MSG_SET(point, curve_point, from, i / 3 * 4);
        MSG_SET(point, curve_point, with_from, i % 3 * 8);
        MSG_SET(point, curve_point, with_below, i % 3 * 8 + 8);
    }
    return out;
}

static void *scoreboard(struct fake_bank *bank)
{
    static const char *const words[] = { "amount_over_habit", "new_counterparty", "velocity_1h",
                                         "round_amount" };
    static const int32_t   advice[] = { ADVICE_KEEP, ADVICE_MERGE, ADVICE_TIGHTEN, ADVICE_RETIRE };
    struct msg_scoreboard *out = take(bank, 1, sizeof *out);
    *out = (struct msg_scoreboard){ .from = base_us - 30 * US_PER_DAY,
                                    .to = base_us,
                                    .currency = slice_from("USD"),
                                    .payments = 12480,
                                    .alerts = 311 };
    out->items.count = 5;
    out->items.at = take(bank, 5, sizeof *out->items.at);
    out->items.at[4] = (struct msg_rule_score){
        .kind = SCORE_PART,
        .rule = slice_from("amount_to_own_mean + hour"),
        .in_force = true,
        .action = slice_from("score"),
        .fired = 2210,
        .points_mean = 38,
        .alerted = 240,
        .confirmed = 71,
        .false_positive = 1300,
        .undecided = 839,
        .unique_catches = 12,
        .rate_first_ppm = 170000,
        .rate_second_ppm = 184000,
        .advice = ADVICE_KEEP,
        .advice_text = slice_from("5.17 % of its payments with a finding were fraud")
    };
    MSG_SET(&out->items.at[4], rule_score, precision_bp, 517);
    for (int i = 0; i < 4; i++) {
        struct msg_rule_score *row = &out->items.at[i];
        *row = (struct msg_rule_score){ .kind = SCORE_RULE,
                                        .rule = slice_from(words[i]),
                                        .in_force = i != 3,
                                        .action = slice_from(i == 0 ? "hold" : "score"),
                                        .severity = slice_from("medium"),
                                        .fired = 400 - i * 90,
                                        .points_mean = 180 - i * 40,
                                        .alerted = 200 - i * 60,
                                        .confirmed = 60 - i * 20,
                                        .false_positive = 90 + i * 50,
                                        .undecided = 12,
                                        .saved = 12345600 - i * 4000000,
                                        .unique_catches = 9 - i * 3,
                                        .rate_first_ppm = 31000,
                                        .rate_second_ppm = 34000 + i * 1000,
                                        .advice = advice[i],
                                        .advice_text = slice_from(
                                            "It fires on 90 good payments for 60 frauds") };
        MSG_SET(row, rule_score, precision_bp, 4000 - i * 1200);
        MSG_SET(row, rule_score, drift_bp, 900 - i * 600);
        MSG_SET(row, rule_score, overlap_rule, slice_from(words[(i + 1) % 4]));
        MSG_SET(row, rule_score, overlap_bp, 8100 - i * 1000);
    }
    return out;
}

static void *backtest(struct fake_bank *bank)
{
    static const char *const words[] = { "alerts",      "alerts_then",   "alerts_gained",
                                         "alerts_lost", "frauds_caught", "frauds_missed" };
    struct msg_backtest     *out = take(bank, 1, sizeof *out);
    *out = (struct msg_backtest){ .read = 123456,
                                  .judged = 98765,
                                  .labelled = 90000,
                                  .days = 14,
                                  .alerts_per_day_x100 = 6123,
                                  .measured = 88000,
                                  .measured_frauds = 700,
                                  .cards = 100,
                                  .payments_per_second = 412000,
                                  .changes_total = 60,
                                  .candidate = slice_from("the given rules alone") };
    MSG_SET(out, backtest, precision_bp, 3100);
    MSG_SET(out, backtest, auc_roc_ppm, 881200);
    MSG_SET(out, backtest, average_precision_ppm, 691000);
    MSG_SET(out, backtest, card_precision_ppm, 302500);
    out->lines.count = 6;
    out->lines.at = take(bank, 6, sizeof *out->lines.at);
    for (int i = 0; i < 6; i++) {
        struct msg_backtest_line *line = &out->lines.at[i];
        *line = (struct msg_backtest_line){ .name = slice_from(words[i]), .count = 860 - i * 100 };
        line->money.count = 1;
        line->money.at = take(bank, 1, sizeof *line->money.at);
        line->money.at[0] = (struct msg_backtest_money){ .currency = slice_from("USD"),
                                                         .amount = 98765432 - i * 10000000 };
    }
    out->changes.count = 12;
    out->changes.at = take(bank, 12, sizeof *out->changes.at);
    for (int i = 0; i < 12; i++) {
        struct msg_backtest_change *change = &out->changes.at[i];
        *change = (struct msg_backtest_change){ .transaction_id = fake_id('t', i),
                                                .account_id = fake_id('a', i),
                                                .timestamp = base_us - i * US_PER_HOUR,
                                                .amount = 120000 + i * 7700,
                                                .currency = slice_from("USD"),
                                                .gained = i % 3 != 0,
                                                .score_then = 300 + i * 10,
                                                .score = 450 - i * 7 };
        if (i % 2 == 0)
            MSG_SET(change, backtest_change, fraud, i % 4 == 0);
    }
    return out;
}

static void *controls(struct fake_bank *bank)
{
    struct msg_controls *out = take(bank, 1, sizeof *out);
    *out = (struct msg_controls){ .valve_share_bp = 500,
                                  .valve_window = 60,
                                  .valve_minimum = 200,
                                  .alert_budget_per_day = 60,
                                  .hold_hours = 72,
                                  .rules_alert = 400,
                                  .rules_hold = 600,
                                  .rules_decline = 1001,
                                  .threshold_alert = 460,
                                  .threshold_hold = 600,
                                  .days = 14,
                                  .by_rules_x10 = 874,
                                  .now_x10 = 592,
                                  .given_up_x10 = 282 };
    MSG_SET(out, controls, set_at, base_us - 3 * US_PER_DAY);
    MSG_SET(out, controls, set_by, slice_from("compliance@test.com"));
    MSG_SET(out, controls, reason, slice_from("Two analysts are on leave"));
    MSG_SET(out, controls, thresholds_moved_at, base_us - 5 * US_PER_HOUR);
    MSG_SET(out, controls, counted_at, base_us - 20 * US_PER_MINUTE);
    out->given_up_since = base_us - 7 * US_PER_DAY;
    out->given_up_money.at = take(bank, 2, sizeof *out->given_up_money.at);
    out->given_up_money.count = 2;
    out->given_up_money.at[0] = (struct msg_given_up){
        .currency = slice_from("EUR"), .payments = 1, .amount = 98700, .expected_loss = 12091
    };
    out->given_up_money.at[1] = (struct msg_given_up){
        .currency = slice_from("USD"), .payments = 74, .amount = 8123456, .expected_loss = 995123
    };
    out->bands.count = 5;
    out->bands.at = take(bank, 5, sizeof *out->bands.at);
    for (int i = 0; i < 5; i++)
        out->bands.at[i] = (struct msg_score_band){ .from = 400 + i * 120,
                                                    .to = 520 + i * 120,
                                                    .per_day_x10 = 500 - i * 80,
                                                    .by_rules_x10 = 500 - i * 90,
                                                    .now_x10 = i == 0 ? 218 : 500 - i * 90 };
    out->stepped.count = 1;
    out->stepped.at = take(bank, 1, sizeof *out->stepped.at);
    out->stepped.at[0] = (struct msg_stepped_rule){ .rule = slice_from("velocity_1h"),
                                                    .state = CONTROL_ACTIVE,
                                                    .since = base_us - 2 * US_PER_HOUR,
                                                    .payments = 480,
                                                    .stopped = 61,
                                                    .window = 60 };
    return out;
}

static void make_listed(int n, struct msg_screening_entry *entry)
{
    static const int32_t lists[] = { LIST_DENY, LIST_WATCH, LIST_ALLOW };
    *entry = (struct msg_screening_entry){ .entry_id = fake_id('e', n),
                                           .number = 9 - n,
                                           .list = lists[n % 3],
                                           .state = CONTROL_ACTIVE,
                                           .reason = slice_from("Named in a report of the police"),
                                           .created_at = base_us - n * US_PER_DAY,
                                           .created_by = slice_from("compliance@test.com") };
    if (n % 2 == 0)
        MSG_SET(entry, screening_entry, counterparty, slice_from("merchant:1234"));
    else
        MSG_SET(entry, screening_entry, name, slice_from(names[n % NAME_COUNT]));
    if (entry->list == LIST_ALLOW) {
        entry->state = CONTROL_PROPOSED;
        MSG_SET(entry, screening_entry, needs_approval, true);
    }
    if (n == 1)
        MSG_SET(entry, screening_entry, until, base_us + 30 * US_PER_DAY);
}

static void *listed(struct fake_bank *bank)
{
    FILL_PAGE(screening_page, screening_entry, 4, make_listed(i, row));
}

static void make_suppression(struct fake_bank *bank, int n, struct msg_suppression *row)
{
    *row = (struct msg_suppression){ .suppression_id = fake_id('s', n),
                                     .number = 2 - n,
                                     .rule = slice_from("velocity_1h"),
                                     .account_id = fake_id('a', n),
                                     .state = CONTROL_ACTIVE,
                                     .until = base_us + 20 * US_PER_DAY,
                                     .reason = slice_from("Pays wages on this day"),
                                     .created_at = base_us - US_PER_DAY,
                                     .created_by = slice_from("fraud@test.com") };
    MSG_SET(row, suppression, account_name, name_of(bank, n));
    if (n != 1)
        return;
    row->rule = slice_from("night_drain");
    row->state = CONTROL_PROPOSED;
    MSG_SET(row, suppression, needs_approval, true);
}

static void *suppressions(struct fake_bank *bank)
{
    FILL_PAGE(suppression_page, suppression, 2, make_suppression(bank, i, row));
}

static void *notifications(struct fake_bank *bank)
{
    int count = bank->notices_read ? 1 : 2;
    FILL_PAGE(notification_page, notification, count,
              *row = ((struct msg_notification){
                  .notification_id = fake_id('m', i),
                  .topic = i == 0 ? TOPIC_RULE_STEPPED_DOWN : TOPIC_THRESHOLDS_MOVED,
                  .state = NOTIFICATION_UNREAD,
                  .text = slice_from(i == 0 ? "The rule velocity_1h stopped 61 of 480 payments "
                                              "within an hour; it raises alerts only until "
                                              "somebody restores it"
                                            : "Alerts are raised from 460 points on, to keep "
                                              "the budget of 60 a day"),
                  .created_at = base_us - (i + 1) * US_PER_HOUR }));
}

static void *read_notification(struct fake_bank *bank)
{
    struct msg_notification *out = take(bank, 1, sizeof *out);
    bank->notices_read = true;
    *out = (struct msg_notification){ .notification_id = fake_id('m', 0),
                                      .topic = TOPIC_RULE_STEPPED_DOWN,
                                      .state = NOTIFICATION_READ,
                                      .text = slice_from("Read"),
                                      .created_at = base_us };
    return out;
}

static void make_case(struct fake_bank *bank, int n, struct msg_case *row)
{
    static const char *const titles[] = { "Money of several victims", "Cash in pieces",
                                          "A letter of the tax office" };
    static const int32_t     states[] = { CASE_OPEN, CASE_REVIEW, CASE_FILED };
    *row = (struct msg_case){ .case_id = fake_id('k', n),
                              .kind = n == 1   ? CASE_CURRENCY
                                      : n == 2 ? CASE_INQUIRY
                                               : CASE_SUSPICIOUS,
                              .title = slice_from(titles[n % 3]),
                              .state = n == 0 ? bank->case_state : states[n % 3],
                              .created_at = base_us - (n + 1) * 6 * US_PER_DAY,
                              .created_by = slice_from("compliance@test.com"),
                              .overdue = n == 1,
                              .items = 2 + n };
    if (row->state == CASE_OPEN || row->state == CASE_REVIEW)
        MSG_SET(row, case, due_at, base_us + (n == 1 ? -2 : 24) * US_PER_DAY);
    MSG_SET(row, case, assigned_to, slice_from("compliance@test.com"));
    MSG_SET(row, case, account_id, fake_id('a', n));
    MSG_SET(row, case, account_name, name_of(bank, n));
    if (row->state == CASE_FILED || row->state == CASE_CLOSED) {
        MSG_SET(row, case, reference, slice_from("BSA-2026-17"));
        MSG_SET(row, case, filed_at, base_us - US_PER_DAY);
    }
    if (row->state == CASE_CLOSED) {
        MSG_SET(row, case, outcome, CASE_REPORTED);
        MSG_SET(row, case, closed_at, base_us);
    }
}

static void *cases(struct fake_bank *bank)
{
    FILL_PAGE(case_page, case, 3, make_case(bank, i, row));
}

/* The first case, in the state that the operation leaves it in; 0 = as it is. */
static void *case_now(struct fake_bank *bank, int32_t state)
{
    struct msg_case *out = take(bank, 1, sizeof *out);
    if (state != 0)
        bank->case_state = state;
    make_case(bank, 0, out);
    return out;
}

static void make_item(int n, struct msg_case_item *row)
{
    *row = (struct msg_case_item){ .item_id = fake_id('i', n),
                                   .at = base_us - n * US_PER_HOUR,
                                   .by = slice_from("compliance@test.com") };
    if (n == 0)
        MSG_SET(row, case_item, transaction_id, fake_id('t', 3));
    MSG_SET(row, case_item, note,
            slice_from(n == 0 ? "The payment that started it"
                              : "Frozen by the fraud department; ask the holder"));
}

static void *case_items(struct fake_bank *bank)
{
    FILL_PAGE(case_item_page, case_item, 2, make_item(i, row));
}

static void *case_item(struct fake_bank *bank)
{
    struct msg_case_item *out = take(bank, 1, sizeof *out);
    make_item(1, out);
    return out;
}

static void *version_now(struct fake_bank *bank, int32_t state)
{
    struct msg_rule_version *version = take(bank, 1, sizeof *version);
    make_version(0, version);
    version->state = state;
    return version;
}

static void *entry_now(struct fake_bank *bank, int32_t state)
{
    struct msg_screening_entry *entry = take(bank, 1, sizeof *entry);
    make_listed(0, entry);
    entry->state = state;
    return entry;
}

static void *suppression_now(struct fake_bank *bank, int32_t state)
{
    struct msg_suppression *out = take(bank, 1, sizeof *out);
    make_suppression(bank, 0, out);
    out->state = state;
    return out;
}

static void *settings_now(struct fake_bank *bank)
{
    const struct msg_controls_set *in = bank->request.body;
    struct msg_control_settings   *out = take(bank, 1, sizeof *out);
    bank->valve_share_bp = in->valve_share_bp;
    *out = (struct msg_control_settings){ .alert_budget_per_day = 80, .set_at = base_us };
    return out;
}

static void *restored(struct fake_bank *bank)
{
    struct msg_stepped_rule *out = take(bank, 1, sizeof *out);
    *out = (struct msg_stepped_rule){ .rule = slice_from("velocity_1h"),
                                      .state = CONTROL_REMOVED,
                                      .since = base_us };
    return out;
}

/* The operations of rules and what bears on them; NULL for others. */
static void *answer_rules(struct fake_bank *bank, enum op_index op)
{
    switch (op) {
    case OP_INDEX_rules_get:
        return rules(bank);
    case OP_INDEX_rules_list:
        return versions(bank);
    case OP_INDEX_rules_curves:
        return curves(bank);
    case OP_INDEX_rules_propose:
        return version_now(bank, RULES_PROPOSED);
    case OP_INDEX_rules_approve:
        return version_now(bank, RULES_ACTIVE);
    case OP_INDEX_rules_withdraw:
        return version_now(bank, RULES_WITHDRAWN);
    case OP_INDEX_rules_scoreboard:
        return scoreboard(bank);
    case OP_INDEX_rules_backtest:
        return backtest(bank);
    case OP_INDEX_controls_get:
        return controls(bank);
    case OP_INDEX_controls_set:
        return settings_now(bank);
    case OP_INDEX_controls_restore:
        return restored(bank);
    case OP_INDEX_case_list:
        return cases(bank);
    case OP_INDEX_case_get:
    case OP_INDEX_case_assign:
    case OP_INDEX_case_open:
        return case_now(bank, 0);
    case OP_INDEX_case_items:
        return case_items(bank);
    case OP_INDEX_case_add:
        return case_item(bank);
    case OP_INDEX_case_move:
        return case_now(bank, ((const struct msg_case_move *)bank->request.body)->state);
    case OP_INDEX_case_file:
        return case_now(bank, CASE_FILED);
    case OP_INDEX_case_close:
        return case_now(bank, CASE_CLOSED);
    case OP_INDEX_screening_list:
        return listed(bank);
    case OP_INDEX_screening_add:
        return entry_now(bank, CONTROL_ACTIVE);
    case OP_INDEX_screening_approve:
        return entry_now(bank, CONTROL_ACTIVE);
    case OP_INDEX_screening_remove:
        return entry_now(bank, CONTROL_REMOVED);
    case OP_INDEX_suppression_list:
        return suppressions(bank);
    case OP_INDEX_suppression_add:
        return suppression_now(bank, CONTROL_ACTIVE);
    case OP_INDEX_suppression_approve:
        return suppression_now(bank, CONTROL_ACTIVE);
    case OP_INDEX_suppression_remove:
        return suppression_now(bank, CONTROL_REMOVED);
    case OP_INDEX_notification_list:
        return notifications(bank);
    case OP_INDEX_notification_read:
        return read_notification(bank);
    default:
        return NULL;
    }
}

/* --- changes ------------------------------------------------------------------------------- */

/* Whether the id was posted before; then nothing moves. */
static bool post(struct fake_bank *bank, struct uuid id)
{
    bool again = false;
    for (int i = 0; i < bank->posted_count; i++)
        again = again || uuid_equal(&bank->posted[i], &id);
    if (!again && bank->posted_count < FAKE_POSTED_MAX) {
        bank->posted[bank->posted_count++] = id;
        bank->moved++;
    }
    return again;
}

void fake_arrive(struct fake_bank *bank)
{
    post(bank, ((const struct msg_transaction_create *)bank->last_create.body)->transaction_id);
}

static void *create(struct fake_bank *bank)
{
    const struct msg_transaction_create *in = bank->request.body;
    struct msg_transaction              *tx = take(bank, 1, sizeof *tx);
    bool                                 again = post(bank, in->transaction_id);
    make_transaction(bank, 1, tx);
    tx->transaction_id = in->transaction_id;
    tx->type = in->type;
    tx->amount = in->amount;
    bool held = in->amount >= 2500000;
    tx->status = held ? STATUS_HELD : STATUS_COMPLETED;
    tx->verdict = held ? VERDICT_HOLD : VERDICT_APPROVE;
    tx->score = held ? 640 : 0;
    make_reasons(bank, tx->score, &tx->reasons.at, &tx->reasons.count);
    MSG_SET(tx, transaction, repeated, again);
    return tx;
}

static void *get_transaction(struct fake_bank *bank)
{
    const struct msg_transaction_ref *ref = bank->request.body;
    struct msg_transaction           *tx = take(bank, 1, sizeof *tx);
    for (int i = 0; i < bank->posted_count; i++) {
        if (uuid_equal(&bank->posted[i], &ref->transaction_id)) {
            make_transaction(bank, 1, tx);
            tx->transaction_id = ref->transaction_id;
            return tx;
        }
    }
    for (int i = 0; i < TRANSACTIONS; i++) {
        struct uuid id = fake_id('t', i);
        if (uuid_equal(&id, &ref->transaction_id)) {
            make_transaction(bank, i, tx);
            return tx;
        }
    }
    return NULL;
}

/* Any operation on an existing record answers the record as it would be afterwards. */
static void *changed_transaction(struct fake_bank *bank, int32_t state)
{
    struct msg_transaction *tx = get_transaction(bank);
    if (tx != NULL && state != 0)
        tx->status = state;
    return tx;
}

static void *get_alert(struct fake_bank *bank, int32_t state)
{
    const struct msg_alert_ref *ref = bank->request.body;
    for (int i = 0; i < bank->alerts; i++) {
        struct uuid       id = fake_id('l', i);
        struct msg_alert *alert = take(bank, 1, sizeof *alert);
        make_alert(bank, i, alert);
        if (state != 0)
            alert->state = state;
        if (uuid_equal(&id, &ref->alert_id))
            return alert;
    }
    return NULL;
}

/* The first alert that nobody works on. */
static void *next_alert(struct fake_bank *bank)
{
    const struct msg_alert_next *in = bank->request.body;
    bool                         below = !MSG_HAS(in, alert_next, after);
    for (int i = 0; i < bank->alerts; i++) {
        struct msg_alert *alert = take(bank, 1, sizeof *alert);
        struct uuid       id = fake_id('l', i);
        make_alert(bank, i, alert);
        if (alert->state == ALERT_OPEN && below) {
            bank->taken = i + 1;
            make_alert(bank, i, alert);
            return alert;
        }
        below = below || uuid_equal(&id, &in->after);
    }
    return NULL;
}

/* Decides or takes back; NULL when there is no such alert. */
static void *set_decided(struct fake_bank *bank, const struct uuid *alert_id, bool decided)
{
    for (int i = 0; i < bank->alerts; i++) {
        struct uuid       id = fake_id('l', i);
        struct msg_alert *alert = take(bank, 1, sizeof *alert);
        if (!uuid_equal(&id, alert_id))
            continue;
        bank->decided =
            decided ? bank->decided | UINT64_C(1) << i : bank->decided & ~(UINT64_C(1) << i);
        make_alert(bank, i, alert);
        return alert;
    }
    return NULL;
}

static void *decided_alert(struct fake_bank *bank, bool decided)
{
    const struct msg_alert_ref *in = bank->request.body; /* both begin with the id */
    return set_decided(bank, &in->alert_id, decided);
}

/* The second one asked for is refused when refuse_second is set. */
static void *bulk(struct fake_bank *bank)
{
    const struct msg_alert_bulk *in = bank->request.body;
    struct msg_alert_outcomes   *out = take(bank, 1, sizeof *out);
    out->items.count = in->items.count;
    out->items.at = take(bank, in->items.count, sizeof *out->items.at);
    for (size_t i = 0; i < in->items.count; i++) {
        bool refused = i == 1 && bank->refuse_second;
        if (!refused)
            set_decided(bank, &in->items.at[i].alert_id, true);
        out->items.at[i] =
            (struct msg_alert_outcome){ .alert_id = in->items.at[i].alert_id,
                                        .outcome =
                                            slice_from(refused ? "changed_meanwhile" : "done") };
        bank->hits_seen[i] = in->items.at[i].hits_seen;
        if (refused)
            MSG_SET(&out->items.at[i], alert_outcome, text,
                    slice_from("It had 2 transactions when it was looked at and has 3 now"));
    }
    return out;
}

static void *get_account(struct fake_bank *bank, int32_t state)
{
    const struct msg_account_ref *ref = bank->request.body;
    for (int i = 0; i < ACCOUNTS; i++) {
        struct uuid         id = fake_id('a', i);
        struct msg_account *account = take(bank, 1, sizeof *account);
        make_account(bank, i, account);
        if (state != 0)
            account->status = state;
        if (uuid_equal(&id, &ref->account_id))
            return account;
    }
    return NULL;
}

static void *export_piece(struct fake_bank *bank)
{
    struct msg_export_chunk *piece = take(bank, 1, sizeof *piece);
    int                      limit;
    int                      start = page_start(&bank->request, &limit);
    *piece = (struct msg_export_chunk){ .csv = slice_from(start == 0 ? "transaction_id,amount\r\n"
                                                                     : "0193a1b2,12.50\r\n"),
                                        .rows = start == 0 ? 0 : 1,
                                        .progress = 10000 * (start + 1) / bank->export_pieces };
    if (start + 1 < bank->export_pieces)
        MSG_SET(piece, export_chunk, next, next_cursor(bank, start + 1));
    return piece;
}

static void *verification(struct fake_bank *bank)
{
    struct msg_audit_verification *out = take(bank, 1, sizeof *out);
    *out = (struct msg_audit_verification){ .whole = true,
                                            .last_sequence = 4000,
                                            .checked = 4000,
                                            .head = slice_from("0123456789abcdef") };
    return out;
}

/* The operations of alerts; other ones are answered elsewhere. */
static void *answer_alerts(struct fake_bank *bank, enum op_index op)
{
    switch (op) {
    case OP_INDEX_alert_list:
        return alerts(bank);
    case OP_INDEX_alert_get:
    case OP_INDEX_alert_note:
        return get_alert(bank, 0);
    case OP_INDEX_alert_take:
        return get_alert(bank, ALERT_TAKEN);
    case OP_INDEX_alert_decide:
        return decided_alert(bank, true);
    case OP_INDEX_alert_next:
        return next_alert(bank);
    case OP_INDEX_alert_return:
        return get_alert(bank, ALERT_OPEN);
    case OP_INDEX_alert_undo:
        return decided_alert(bank, false);
    case OP_INDEX_alert_assign:
        return get_alert(bank, ALERT_TAKEN);
    case OP_INDEX_alert_snooze:
        return get_alert(bank, ALERT_SNOOZED);
    case OP_INDEX_risk_graph:
        return graph(bank);
    case OP_INDEX_alert_similar:
        return similar(bank);
    case OP_INDEX_alert_notes:
        return notes(bank);
    case OP_INDEX_alert_bulk:
        return bulk(bank);
    default:
        return answer_rules(bank, op);
    }
}

/* NULL: there is no such record. */
static void *answer(struct fake_bank *bank, enum op_index op)
{
    switch (op) {
    case OP_INDEX_session_login:
    case OP_INDEX_session_whoami:
        return session(bank);
    case OP_INDEX_session_logout:
        return take(bank, 1, sizeof(struct msg_empty));
    case OP_INDEX_server_status:
        return status(bank);
    case OP_INDEX_customer_list:
        return customers(bank);
    case OP_INDEX_account_list:
        return accounts(bank);
    case OP_INDEX_account_get:
    case OP_INDEX_account_unfreeze:
        return get_account(bank, 0);
    case OP_INDEX_account_freeze:
        return get_account(bank, ACCOUNT_FROZEN);
    case OP_INDEX_account_close:
        return get_account(bank, ACCOUNT_CLOSED);
    case OP_INDEX_transaction_create:
        return create(bank);
    case OP_INDEX_transaction_get:
    case OP_INDEX_transaction_flag:
    case OP_INDEX_transaction_unflag:
        return changed_transaction(bank, 0);
    case OP_INDEX_transaction_release:
        return changed_transaction(bank, STATUS_COMPLETED);
    case OP_INDEX_transaction_reject:
        return changed_transaction(bank, STATUS_REJECTED);
    case OP_INDEX_transaction_list:
    case OP_INDEX_top_transactions:
        return transactions(bank);
    case OP_INDEX_transaction_export:
        return export_piece(bank);
    case OP_INDEX_transaction_whatif:
        return whatif(bank);
    case OP_INDEX_risk_account:
        return risk_account(bank);
    case OP_INDEX_risk_summary:
        return risk_summary(bank);
    case OP_INDEX_risk_trend:
    case OP_INDEX_kpi_trend:
        return trend(bank);
    case OP_INDEX_kpi_summary:
        return kpi(bank);
    case OP_INDEX_compliance_summary:
        return compliance(bank);
    case OP_INDEX_monitor_list:
        return monitors(bank);
    case OP_INDEX_audit_list:
        return entries(bank);
    case OP_INDEX_audit_verify:
        return verification(bank);
    case OP_INDEX_work_cancel:
        return take(bank, 1, sizeof(struct msg_empty));
    default:
        return answer_alerts(bank, op);
    }
}

/* --- the link ------------------------------------------------------------------------------ */

static void push(struct fake_bank *bank, const struct net_result *result)
{
    CHECK(bank->queued < FAKE_QUEUE_MAX);
    bank->queue[bank->queued] = *result;
    bank->requests[bank->queued] = (struct record){ 0 };
    bank->queued++;
}

static uint64_t bank_request(void *self, enum op_index op, const void *body, int64_t deadline_ms,
                             struct fault *fault)
{
    struct fake_bank *bank = self;
    (void)deadline_ms;
    if (bank->state != NET_LIVE || bank->queued == FAKE_QUEUE_MAX) {
        fault_set(fault, ERR_unreachable, "", "Not connected");
        return 0;
    }
    if (message_check(op_rows[op].request, body, fault) != ERR_none)
        return 0;
    if (bank->call_count < FAKE_CALLS_MAX)
        bank->calls[bank->call_count++] = (struct fake_call){ op, bank->tickets + 1 };
    if (op == OP_INDEX_transaction_create) {
        CHECK(record_keep(&bank->last_create, op_rows[op].request, body) == ERR_none);
        bank->create_count++;
    }
    bank->logout_asked = bank->logout_asked || op == OP_INDEX_session_logout;
    push(bank, &(struct net_result){ .kind = NET_REPLY, .ticket = ++bank->tickets, .op = op });
    CHECK(record_keep(&bank->requests[bank->queued - 1], op_rows[op].request, body) == ERR_none);
    return bank->tickets;
}

static void drop(struct fake_bank *bank, int at)
{
    record_free(&bank->requests[at]);
    bank->queued--;
    memmove(&bank->queue[at], &bank->queue[at + 1],
            (size_t)(bank->queued - at) * sizeof bank->queue[0]);
    memmove(&bank->requests[at], &bank->requests[at + 1],
            (size_t)(bank->queued - at) * sizeof bank->requests[0]);
}

static void bank_cancel(void *self, uint64_t ticket)
{
    struct fake_bank *bank = self;
    for (int i = 0; i < bank->queued; i++) {
        if (bank->queue[i].ticket == ticket && ticket != 0) {
            drop(bank, i);
            return;
        }
    }
}

static void fail(struct net_result *out, enum err err)
{
    out->kind = NET_FAILURE;
    out->body = NULL;
    out->class = err_class(err);
    fault_set(&out->fault, err, "", "%s", "");
    snprintf(out->name, sizeof out->name, "%s", err_name(err));
    snprintf(out->what, sizeof out->what, "%s", err_what(err));
    snprintf(out->next, sizeof out->next, "%s", err_next(err));
}

static bool bank_pump(void *self, struct net_result *out)
{
    struct fake_bank *bank = self;
    int               at = 0;
    while (bank->silent && at < bank->queued && bank->queue[at].kind == NET_REPLY)
        at++;
    if (at >= bank->queued)
        return false;
    *out = bank->queue[at];
    record_free(&bank->request);
    bank->request = bank->requests[at];
    bank->requests[at] = (struct record){ 0 };
    drop(bank, at);
    if (out->kind != NET_REPLY)
        return true;
    arena_reset(&bank->arena);
    if (bank->refuse_undo > 0 && out->op == OP_INDEX_alert_undo) {
        bank->refuse_undo--;
        fail(out, ERR_state_conflict);
        return true;
    }
    if (bank->refuse_next != ERR_none) {
        fail(out, bank->refuse_next);
        bank->refuse_next = ERR_none;
        return true;
    }
    if (bank->delay_next && out->op == OP_INDEX_transaction_create) {
        bank->delay_next = false;
        fail(out, ERR_outcome_unknown);
        return true;
    }
    out->body = answer(bank, out->op);
    if (out->body == NULL)
        fail(out, ERR_not_found);
    if (bank->lose_next && (op_rows[out->op].flags & OP_WRITE) != 0) {
        bank->lose_next = false;
        fail(out, ERR_outcome_unknown);
    }
    return true;
}

static enum net_state bank_state(const void *self)
{
    return ((const struct fake_bank *)self)->state;
}

static int64_t bank_heard(const void *self)
{
    (void)self;
    return base_us;
}

static int64_t bank_retry_in(const void *self)
{
    return ((const struct fake_bank *)self)->state == NET_WAITING ? 4200 : 0;
}

static void bank_retry(void *self)
{
    (void)self;
}

static bool bank_logged_in(const void *self)
{
    return ((const struct fake_bank *)self)->logged_in;
}

static enum role bank_role(const void *self)
{
    return ((const struct fake_bank *)self)->role;
}

static const char *bank_user(const void *self)
{
    (void)self;
    return "fraud@test.com";
}

static void bank_forget(void *self)
{
    ((struct fake_bank *)self)->logged_in = false;
}

static const struct link_ops bank_ops = {
    .request = bank_request,
    .cancel = bank_cancel,
    .pump = bank_pump,
    .state = bank_state,
    .last_heard_us = bank_heard,
    .retry_in_ms = bank_retry_in,
    .retry_now = bank_retry,
    .logged_in = bank_logged_in,
    .role = bank_role,
    .user = bank_user,
    .forget_session = bank_forget,
};

struct link fake_link(struct fake_bank *bank)
{
    return (struct link){ &bank_ops, bank };
}

void fake_state(struct fake_bank *bank, enum net_state state)
{
    bank->state = state;
    push(bank, &(struct net_result){ .kind = NET_STATE });
}

void fake_alert(struct fake_bank *bank)
{
    static struct msg_event_alert event;
    bank->alerts++;
    event = (struct msg_event_alert){ .alert_id = fake_id('l', bank->alerts - 1),
                                      .state = ALERT_OPEN,
                                      .score = 710,
                                      .amount = 2700000,
                                      .currency = slice_from("USD"),
                                      .text = slice_from("The counterparty is new") };
    push(bank,
         &(struct net_result){ .kind = NET_EVENT, .event = EVENT_INDEX_alert, .body = &event });
}

void fake_ledger(struct fake_bank *bank)
{
    static struct msg_event_ledger event;
    event.sequence++;
    push(bank,
         &(struct net_result){ .kind = NET_EVENT, .event = EVENT_INDEX_ledger, .body = &event });
}

void fake_work(struct fake_bank *bank, int64_t done, int64_t total)
{
    static struct msg_event_work event;
    event = (struct msg_event_work){ .operation = slice_from("rules.backtest"),
                                     .done = done,
                                     .total = total };
    for (int i = 0; i < bank->call_count; i++) {
        if (bank->calls[i].op == OP_INDEX_rules_backtest)
            event.request_id = (int64_t)bank->calls[i].ticket;
    }
    push(bank,
         &(struct net_result){ .kind = NET_EVENT, .event = EVENT_INDEX_work, .body = &event });
}

void fake_notification(struct fake_bank *bank, const char *role)
{
    static struct msg_event_notification event;
    event = (struct msg_event_notification){ .notification_id = fake_id('m', 0),
                                             .topic = TOPIC_RULE_STEPPED_DOWN };
    MSG_SET(&event, event_notification, role, slice_from(role));
    push(bank, &(struct net_result){
                   .kind = NET_EVENT, .event = EVENT_INDEX_notification, .body = &event });
}

void fake_session_end(struct fake_bank *bank, const char *why)
{
    struct net_result result = { .kind = NET_STATE };
    bank->logged_in = false;
    fault_set(&result.fault, ERR_session_invalid, "", "%s", why);
    push(bank, &result);
}
