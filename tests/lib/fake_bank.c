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

static void make_alert(struct fake_bank *bank, int n, struct msg_alert *alert)
{
    int64_t score = 900 - n * 70 % 500;
    *alert = (struct msg_alert){
        .alert_id = fake_id('l', n),
        .transaction_id = fake_id('t', n * 9),
        .account_id = fake_id('a', n % ACCOUNTS),
        .account_name = name_of(bank, n),
        .type = TYPE_TRANSFER,
        .status = STATUS_HELD,
        .amount = 2500000 + n * 12345,
        .currency = slice_from("USD"),
        .score = score,
        .verdict = VERDICT_HOLD,
        .state = n % 4 == 3 ? ALERT_TAKEN : ALERT_OPEN,
        .created_at = base_us - (60 - n) * 13 * US_PER_MINUTE,
    };
    if (alert->state == ALERT_TAKEN) {
        MSG_SET(alert, alert, assigned_to, slice_from("fraud@test.com"));
        MSG_SET(alert, alert, taken_at, base_us - US_PER_HOUR);
    }
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
    FILL_PAGE(transaction_page, transaction, TRANSACTIONS, make_transaction(bank, i, row));
}

/* The newest alert has the highest number. */
static void *alerts(struct fake_bank *bank)
{
    FILL_PAGE(alert_page, alert, bank->alerts, make_alert(bank, bank->alerts - 1 - i, row));
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
    struct msg_risk_account *risk = take(bank, 1, sizeof *risk);
    *risk = (struct msg_risk_account){ .account_id = fake_id('a', 1),
                                       .currency = slice_from("USD"),
                                       .alerts_open = 1,
                                       .alerts_total = 4,
                                       .score_max = 720 };
    risk->features.count = 2;
    risk->features.at = take(bank, 2, sizeof *risk->features.at);
    risk->features.at[0] = (struct msg_feature){ .name = slice_from("sum_24h"),
                                                 .value = 1234500,
                                                 .unit = slice_from("minor units"),
                                                 .help = slice_from("Paid out within a day") };
    risk->features.at[1] = (struct msg_feature){ .name = slice_from("count_1h"),
                                                 .value = 4,
                                                 .unit = slice_from("count"),
                                                 .help = slice_from("Transactions in an hour") };
    return risk;
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

static void *rules(struct fake_bank *bank)
{
    struct msg_rules *rules = take(bank, 1, sizeof *rules);
    *rules = (struct msg_rules){ .rule_set = 1,
                                 .hash = slice_from("0123456789abcdef"),
                                 .state = RULES_ACTIVE,
                                 .author = slice_from("fraud@test.com"),
                                 .proposed_at = base_us - US_PER_DAY,
                                 .reason = slice_from("Catch fast payments"),
                                 .rules = 2,
                                 .text = slice_from("# Rules\nrule large 300\n  amount > 10000\n"
                                                    "rule fast 200\n  count_1h > 3\n") };
    MSG_SET(rules, rules, parts, 0);
    MSG_SET(rules, rules, threshold_alert, 400);
    MSG_SET(rules, rules, threshold_hold, 600);
    MSG_SET(rules, rules, threshold_decline, 1000);
    MSG_SET(rules, rules, approved_by, slice_from("compliance@test.com"));
    MSG_SET(rules, rules, approved_at, base_us);
    return rules;
}

/* --- changes ------------------------------------------------------------------------------- */

static void *create(struct fake_bank *bank)
{
    const struct msg_transaction_create *in = bank->request.body;
    struct msg_transaction              *tx = take(bank, 1, sizeof *tx);
    bool                                 again = false;
    for (int i = 0; i < bank->posted_count; i++)
        again = again || uuid_equal(&bank->posted[i], &in->transaction_id);
    if (!again && bank->posted_count < FAKE_POSTED_MAX) {
        bank->posted[bank->posted_count++] = in->transaction_id;
        bank->moved++;
    }
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
    case OP_INDEX_alert_list:
        return alerts(bank);
    case OP_INDEX_alert_get:
    case OP_INDEX_alert_note:
        return get_alert(bank, 0);
    case OP_INDEX_alert_take:
        return get_alert(bank, ALERT_TAKEN);
    case OP_INDEX_alert_decide:
        return get_alert(bank, ALERT_DECIDED);
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
    case OP_INDEX_rules_get:
        return rules(bank);
    default:
        return NULL;
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
    if (bank->refuse_next != ERR_none) {
        fail(out, bank->refuse_next);
        bank->refuse_next = ERR_none;
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

void fake_session_end(struct fake_bank *bank, const char *why)
{
    struct net_result result = { .kind = NET_STATE };
    bank->logged_in = false;
    fault_set(&result.fault, ERR_session_invalid, "", "%s", why);
    push(bank, &result);
}
