/* See seed.h. */
#include "tests/lib/seed.h"

#include "bankd/alert.h"
#include "bankd/chain.h"
#include "bankd/ledger/ledger.h"
#include "bankd/profile.h"
#include "common/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char rules_text[] = "version 1\n"
                                 "threshold alert 400\n"
                                 "threshold hold 600\n"
                                 "threshold decline 950\n"
                                 "rule big\n"
                                 "  when is_outgoing and amount_major >= 1000\n"
                                 "  score 410\n"
                                 "  because \"{amount} is much\"\n"
                                 "  severity low\n"
                                 "  fires on is_outgoing=yes amount_major=1000\n"
                                 "  silent on is_outgoing=yes amount_major=999\n"
                                 "end\n"
                                 "rule huge\n"
                                 "  when is_outgoing and amount_major >= 5000\n"
                                 "  score 240\n"
                                 "  because \"{amount} is very much\"\n"
                                 "  severity high\n"
                                 "  fires on is_outgoing=yes amount_major=5000\n"
                                 "  silent on is_outgoing=yes amount_major=4999\n"
                                 "end\n"
                                 "rule monstrous\n"
                                 "  when is_outgoing and amount_major >= 20000\n"
                                 "  score 340\n"
                                 "  because \"{amount} is too much\"\n"
                                 "  severity high\n"
                                 "  fires on is_outgoing=yes amount_major=20000\n"
                                 "  silent on is_outgoing=yes amount_major=19999\n"
                                 "end\n"
                                 "rule busy\n"
                                 "  when count_24h >= 1\n"
                                 "  score 30 + count_24h\n"
                                 "  because \"{count_24h} payments before it within a day\"\n"
                                 "  severity low\n"
                                 "  fires on count_24h=1\n"
                                 "  silent on count_24h=0\n"
                                 "end\n";

/* 2026-10-01 00:00 UTC. */
#define FIRST_US (INT64_C(1790812800) * US_PER_SECOND)

enum { DAYS = 40 };

uint64_t seed_below(struct seed *seed, uint64_t below)
{
    seed->random += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t x = seed->random;
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (x ^ (x >> 31)) % below;
}

static bool chance(struct seed *seed, unsigned percent)
{
    return seed_below(seed, 100) < percent;
}

static struct uuid make_id(struct seed *seed, int64_t at_us)
{
    uint8_t tail[10];
    for (size_t i = 0; i < sizeof(tail); i++)
        tail[i] = (uint8_t)seed_below(seed, 256);
    return uuid_v7_derived(at_us, tail);
}

/* --- changes -------------------------------------------------------------------------------- */

static void flush(struct seed *seed)
{
    struct change *changes[SEED_GROUP];
    size_t         failed = 0;
    if (seed->pending_count == 0)
        return;
    for (size_t i = 0; i < seed->pending_count; i++)
        changes[i] = &seed->pending[i];
    struct commit commit = { .before = seed->before,
                             .after = seed->head,
                             .changes = changes,
                             .count = seed->pending_count };
    enum err      err = seed->store->ops->apply(seed->store, &commit, &failed, &seed->fault);
    if (err != ERR_none)
        fprintf(stderr, "seed: %s %s\n", err_name(err), seed->fault.text);
    CHECK(err == ERR_none);
    seed->before = seed->head;
    seed->pending_count = 0;
}

static struct change *next_change(struct seed *seed)
{
    if (seed->pending_count == SEED_GROUP)
        flush(seed);
    struct change *change = &seed->pending[seed->pending_count++];
    memset(change, 0, sizeof(*change));
    return change;
}

static void cell(struct change *change, uint8_t scale, int64_t bucket, uint16_t currency,
                 int metric, int64_t count, int64_t amount)
{
    for (size_t i = 0; i < change->rollup_count; i++) {
        struct rollup *row = &change->rollups[i];
        if (row->key.scale == scale && row->key.bucket == bucket && row->key.metric == metric &&
            row->key.currency == currency) {
            row->count += count;
            row->amount += amount;
            return;
        }
    }
    CHECK(change->rollup_count < LIMIT_CHANGE_ROLLUPS_MAX);
    change->rollups[change->rollup_count++] = (struct rollup){
        .key = { scale, currency, (uint16_t)metric, (int32_t)bucket },
        .count = count,
        .amount = amount,
    };
}

static void now_cell(struct change *change, uint16_t currency, int metric, int64_t count,
                     int64_t amount)
{
    cell(change, ROLLUP_ALL, 0, currency, metric, count, amount);
}

static void time_cells(struct change *change, const struct transaction *row, int metric, int sign)
{
    int64_t hour = row->at_us / US_PER_HOUR;
    cell(change, ROLLUP_DAY, hour / 24, row->currency, metric, sign, sign * row->amount);
    cell(change, ROLLUP_HOUR, hour, row->currency, metric, sign, sign * row->amount);
}

static bool is_customers(const struct seed *seed, int64_t account)
{
    return seed->accounts[account - 1].book.kind == ACCOUNT_CUSTOMER;
}

static void status_cells(const struct seed *seed, struct change *change,
                         const struct transaction *row, int32_t status, int sign)
{
    bool moved = status == STATUS_COMPLETED || status == STATUS_REVERSED;
    time_cells(change, row, metric_of_transaction(row->type, status), sign);
    if (moved && is_customers(seed, row->credit) && !is_customers(seed, row->debit))
        time_cells(change, row, METRIC_INTO, sign);
    if (moved && is_customers(seed, row->debit) && !is_customers(seed, row->credit))
        time_cells(change, row, METRIC_OUT_OF, sign);
    if (status == STATUS_HELD)
        now_cell(change, row->currency, METRIC_HELD, sign, sign * row->amount);
}

/* The balances of a row's two sides after `book_*` have been changed. */
static void account_changes(struct seed *seed, struct change *change,
                            const struct account_book *book)
{
    struct account_book   *mine = &seed->accounts[book->number - 1].book;
    struct account_change *slot = &change->accounts[change->account_count++];
    slot->version_before = mine->version;
    slot->after = *book;
    if (mine->kind == ACCOUNT_CUSTOMER)
        now_cell(change, mine->currency, METRIC_BALANCE, 0, book->balance - mine->balance);
    *mine = *book;
}

static struct audit *audit_entry(struct seed *seed, struct change *change, int64_t at_us,
                                 const char *operation, int32_t kind)
{
    CHECK(seed->audit_count < SEED_AUDITS_MAX);
    struct audit *row = &seed->audits[seed->audit_count++];
    size_t        user = seed_below(seed, SEED_USERS);
    row->sequence = ++seed->head.sequence;
    row->at_us = at_us;
    row->kind = kind;
    row->actor = seed->users[user].number;
    slice_copy(slice_from(seed->users[user].email), row->actor_name, sizeof(row->actor_name));
    snprintf(row->operation, sizeof(row->operation), "%s", operation);
    snprintf(row->outcome, sizeof(row->outcome), "%s",
             kind == AUDIT_ACTION ? "done" : "role_denied");
    change->audit = row;
    return row;
}

static void link_audit(struct seed *seed, struct audit *row)
{
    chain_link_audit(seed->head.hash, row, row->hash);
    memcpy(seed->head.hash, row->hash, sizeof(row->hash));
}

/* --- the bank ------------------------------------------------------------------------------- */

static void add_users(struct seed *seed)
{
    static const char *const emails[] = { "fraud@example.com", "finance@example.com",
                                          "compliance@example.com" };
    static const enum role   roles[] = { ROLE_FRAUD_ANALYST, ROLE_FINANCIAL_MANAGER,
                                         ROLE_COMPLIANCE_OFFICER };
    for (size_t i = 0; i < SEED_USERS; i++) {
        struct user *user = &seed->users[i];
        user->number = (int64_t)i + 1;
        user->user_id = make_id(seed, FIRST_US);
        user->role = roles[i];
        user->created_at_us = FIRST_US;
        snprintf(user->email, sizeof(user->email), "%s", emails[i]);
        snprintf(user->name, sizeof(user->name), "User %zu", i + 1);
        snprintf(user->password_hash, sizeof(user->password_hash), "none");
        next_change(seed)->user = user;
    }
}

static void add_rules(struct seed *seed)
{
    static struct rule_set row = {
        .number = 1, .state = RULES_ACTIVE, .rules = 4, .approved_at_us = FIRST_US
    };
    struct change *change = next_change(seed);
    change->rule_set = &row;
    change->rule_text = slice_from(rules_text);
    enum err err = fraud_rules_parse(slice_from(rules_text), "seed", &seed->rules, &seed->fault);
    if (err != ERR_none)
        fprintf(stderr, "seed: %s\n", seed->fault.text);
    CHECK(err == ERR_none);
}

static struct account *add_account(struct seed *seed, int32_t kind, uint16_t currency,
                                   const struct customer *holder)
{
    CHECK(seed->account_count < SEED_ACCOUNTS_MAX);
    struct account *row = &seed->accounts[seed->account_count++];
    struct change  *change = next_change(seed);
    row->book.number = (int64_t)seed->account_count;
    row->book.account_id = make_id(seed, FIRST_US - US_PER_DAY);
    row->book.kind = kind;
    row->book.status = ACCOUNT_ACTIVE;
    row->book.currency = currency;
    row->book.version = 1;
    row->book.created_at_us = FIRST_US - US_PER_DAY;
    snprintf(row->name, sizeof(row->name), "%s %d", kind == ACCOUNT_CUSTOMER ? "Current" : "Own",
             (int)row->book.number);
    if (holder != NULL) {
        row->book.customer = holder->number;
        row->book.opened_by = 2;
        row->book.overdraft_limit = 5000;
        row->customer_id = holder->customer_id;
        row->opened_by_id = seed->users[1].user_id;
        slice_copy(slice_from(holder->name), row->holder, sizeof(row->holder));
        snprintf(row->external_id, sizeof(row->external_id), "ext-%d", (int)row->book.number);
        now_cell(change, currency, METRIC_ACCOUNTS + ACCOUNT_ACTIVE, 1, 0);
    }
    change->account = row;
    return row;
}

static void add_customers(struct seed *seed)
{
    for (size_t i = 0; i < SEED_CUSTOMERS; i++) {
        struct customer *row = &seed->customers[seed->customer_count++];
        row->number = (int64_t)i + 1;
        row->customer_id = make_id(seed, FIRST_US);
        row->verified = chance(seed, 80);
        row->created_at_us = FIRST_US + (int64_t)i;
        snprintf(row->name, sizeof(row->name), "%s Holder %zu", i % 2 == 0 ? "Anna" : "Bela", i);
        snprintf(row->email, sizeof(row->email), "holder%zu@example.org", i);
        snprintf(row->country, sizeof(row->country), "CZ");
        struct change *change = next_change(seed);
        change->customer = row;
        now_cell(change, 0, METRIC_CUSTOMERS, 1, 0);
        if (row->verified)
            now_cell(change, 0, METRIC_VERIFIED, 1, 0);
        (void)add_account(seed, ACCOUNT_CUSTOMER, SEED_USD, row);
        if (i % 4 == 0)
            (void)add_account(seed, ACCOUNT_CUSTOMER, SEED_JPY, row);
    }
}

static const int32_t own_kinds[] = { ACCOUNT_CASH, ACCOUNT_NOSTRO, ACCOUNT_SETTLEMENT };

struct seed *seed_open(enum seed_kind kind)
{
    struct seed *seed = calloc(1, sizeof(*seed));
    CHECK(seed != NULL);
    struct store_config config = { .cache_kib = 4096 };
    char                path[96] = "";
    if (kind == SEED_SQLITE) {
        snprintf(seed->folder, sizeof(seed->folder), "/tmp/bank-seed-XXXXXX");
        CHECK(mkdtemp(seed->folder) != NULL);
        snprintf(path, sizeof(path), "%s/bank.db", seed->folder);
        config.path = path;
    }
    const struct store_ops *ops = kind == SEED_SQLITE ? &store_sqlite : &store_memory;
    CHECK(ops->open(&config, STORE_CREATE, &seed->store, &seed->fault) == ERR_none);
    CHECK(arena_init(&seed->arena, LIMIT_REQUEST_ARENA) == ERR_none);
    struct bank_settings settings = { .high_value_major = 3000,
                                      .large_major = 10000,
                                      .hold_hours = 72 };
    bank_init(&seed->bank, &settings);
    CHECK(bank_keep_names(&seed->bank) == ERR_none);
    seed->random = 1;
    seed->parties_in_use = SEED_PARTIES;
    seed->now_us = FIRST_US + DAYS * US_PER_DAY + 7 * US_PER_HOUR;
    for (size_t i = 0; i < ARRAY_COUNT(seed->profiles); i++)
        fraud_profile_init(&seed->profiles[i]);
    add_users(seed);
    add_rules(seed);
    for (size_t i = 0; i < ARRAY_COUNT(own_kinds); i++)
        (void)add_account(seed, own_kinds[i], SEED_USD, NULL);
    for (size_t i = 0; i < ARRAY_COUNT(own_kinds); i++)
        (void)add_account(seed, own_kinds[i], SEED_JPY, NULL);
    add_customers(seed);
    flush(seed);
    return seed;
}

void seed_close(struct seed **seed)
{
    struct seed *it = *seed;
    it->store->ops->close(&it->store);
    bank_free(&it->bank);
    fraud_rules_free(&it->rules);
    arena_free(&it->arena);
    if (it->folder[0] != '\0') {
        static const char *const ends[] = { "", "-wal", "-shm", ".lock" };
        for (size_t i = 0; i < ARRAY_COUNT(ends); i++) {
            char path[128];
            snprintf(path, sizeof(path), "%s/bank.db%s", it->folder, ends[i]);
            (void)unlink(path);
        }
        (void)rmdir(it->folder);
    }
    free(it);
    *seed = NULL;
}

/* --- posts ---------------------------------------------------------------------------------- */

/* Judges and enters the row as the writer is meant to; the sides and the content are set. */
static void observe(struct seed *seed, const struct transaction *row,
                    const struct account_book *debit, const struct account_book *credit)
{
    int64_t other = profile_counterparty(row, debit, credit);
    profile_observe(&seed->profiles[profile_subject(row)], profile_subject(row), row, debit, credit,
                    NULL);
    if (other != 0)
        profile_observe(&seed->profiles[other], other, row, debit, credit, NULL);
}

static void observe_release(struct seed *seed, const struct transaction *row,
                            const struct account_book *debit, const struct account_book *credit,
                            int64_t at_us)
{
    int64_t other = profile_counterparty(row, debit, credit);
    profile_observe_release(&seed->profiles[profile_subject(row)], profile_subject(row), row, debit,
                            credit, at_us);
    if (other != 0)
        profile_observe_release(&seed->profiles[other], other, row, debit, credit, at_us);
}

static void judge(struct seed *seed, struct transaction *row, const struct account_book *debit,
                  const struct account_book *credit, struct fraud_verdict *verdict)
{
    struct fraud_event event;
    int64_t            other = profile_counterparty(row, debit, credit);
    profile_event(row, debit, credit, &event);
    fraud_judge(seed->rules, &seed->profiles[profile_subject(row)],
                other != 0 ? &seed->profiles[other] : NULL, &event, true, verdict);
    row->verdict = verdict->verdict;
    row->score = verdict->score;
    row->rule_set = 1;
    row->decision_size = verdict->decision_size;
    memcpy(row->decision, verdict->decision, verdict->decision_size);
    row->initial_status = verdict->verdict == VERDICT_HOLD      ? STATUS_HELD
                          : verdict->verdict == VERDICT_DECLINE ? STATUS_DECLINED
                                                                : STATUS_COMPLETED;
    row->flagged = verdict->alert;
    if (row->initial_status == STATUS_HELD)
        row->hold_expires_at_us = row->posted_at_us + 72 * US_PER_HOUR;
}

static void raise_alert(struct seed *seed, struct change *change, const struct transaction *row,
                        int32_t weight)
{
    CHECK(seed->alert_count < SEED_ALERTS_MAX);
    struct alert *alert = &seed->alerts[seed->alert_count++];
    alert->number = (int64_t)seed->alert_count;
    alert->alert_id = make_id(seed, row->posted_at_us);
    alert->account = profile_subject(row) / 2;
    alert->state = ALERT_OPEN;
    alert->version = 1;
    alert->created_at_us = row->posted_at_us;
    struct alert_hit *hit = &seed->hits[seed->alert_count - 1];
    *hit = (struct alert_hit){
        .alert = alert->number,
        .number = 1,
        .transaction = row->sequence,
        .score = row->score,
        .at_us = row->posted_at_us,
        .loss = alert_loss(row->amount, weight, row->initial_status == STATUS_DECLINED),
    };
    alert_join(alert, hit, row);
    change->alert = alert;
    change->hit = hit;
    time_cells(change, row, METRIC_ALERTS, 1);
    time_cells(change, row, METRIC_FLAGGED, 1);
    now_cell(change, row->currency, METRIC_FLAGGED, 1, row->amount);
    now_cell(change, 0, METRIC_ALERTS_OPEN, 1, 0);
}

static void enter(struct seed *seed, struct transaction *row, bool judged)
{
    struct account_book  debit = seed->accounts[row->debit - 1].book;
    struct account_book  credit = seed->accounts[row->credit - 1].book;
    struct fraud_verdict verdict;
    struct change       *change = next_change(seed);
    row->sequence = ++seed->head.sequence;
    row->verdict = VERDICT_APPROVE;
    if (judged)
        judge(seed, row, &debit, &credit, &verdict);
    else
        row->initial_status = STATUS_COMPLETED;
    row->status = row->initial_status;
    struct party *party = row->party != 0 ? &seed->parties[row->party - 1] : NULL;
    if (party != NULL) {
        row->party_previous = party->last_sequence;
        if (party->transactions == 0)
            change->party = party;
        change->party_number = party->number;
    }
    CHECK(ledger_enter(row, &debit, &credit, &seed->fault) == ERR_none);
    chain_link_transaction(seed->head.hash, row, row->hash);
    memcpy(seed->head.hash, row->hash, sizeof(row->hash));
    change->transaction = row;
    observe(seed, row, &debit, &credit);
    account_changes(seed, change, &debit);
    account_changes(seed, change, &credit);
    status_cells(seed, change, row, row->status, 1);
    if (judged)
        time_cells(change, row, metric_of_score(row->score), 1);
    if (row->amount >= bank_high_value(&seed->bank, row->currency))
        time_cells(change, row, METRIC_HIGH_VALUE, 1);
    if (row->amount >= bank_large(&seed->bank, row->currency))
        time_cells(change, row, METRIC_LARGE, 1);
    if (row->flagged)
        raise_alert(seed, change, row, verdict.weight);
    /* A party's row is read by the store at the commit, so it must not move before. */
    if (party != NULL) {
        flush(seed);
        party->last_sequence = row->sequence;
        party->transactions++;
    }
}

static int64_t random_account(struct seed *seed, uint16_t currency, int64_t but)
{
    for (;;) {
        const struct account_book *book =
            &seed->accounts[seed_below(seed, seed->account_count)].book;
        if (book->kind == ACCOUNT_CUSTOMER && book->currency == currency && book->number != but)
            return book->number;
    }
}

static int64_t own_account(const struct seed *seed, uint16_t currency, int32_t kind)
{
    for (size_t i = 0; i < seed->account_count; i++) {
        const struct account_book *book = &seed->accounts[i].book;
        if (book->kind == kind && book->currency == currency)
            return book->number;
    }
    CHECK(false);
    return 0;
}

static int64_t random_amount(struct seed *seed)
{
    static const int64_t tops[] = { 100, 10000, 200000, 900000, 4000000 };
    return 1 + (int64_t)seed_below(seed, (uint64_t)tops[seed_below(seed, ARRAY_COUNT(tops))]);
}

static struct transaction *new_row(struct seed *seed, int64_t at_us)
{
    CHECK(seed->transaction_count < SEED_TRANSACTIONS_MAX);
    struct transaction *row = &seed->transactions[seed->transaction_count++];
    row->transaction_id = make_id(seed, at_us);
    row->at_us = at_us;
    row->posted_at_us = at_us + US_PER_SECOND;
    return row;
}

static void pick_party(struct seed *seed, struct transaction *row)
{
    size_t        i = seed_below(seed, seed->parties_in_use);
    struct party *party = &seed->parties[i];
    /* Numbers are given in the order of first use. */
    if (i >= seed->party_count) {
        party = &seed->parties[seed->party_count++];
        party->number = (int64_t)seed->party_count;
        party->created_at_us = row->at_us;
        snprintf(party->key, sizeof(party->key), "merchant:%d", (int)party->number);
    }
    row->party = party->number;
}

static void post_one(struct seed *seed, int64_t at_us)
{
    struct transaction *row = new_row(seed, at_us);
    row->currency = chance(seed, 80) ? SEED_USD : SEED_JPY;
    row->amount = random_amount(seed);
    int64_t account = random_account(seed, row->currency, 0);
    int64_t cash = own_account(seed, row->currency, ACCOUNT_CASH);
    switch (seed_below(seed, 4)) {
    case 0:
        row->type = TYPE_DEPOSIT;
        row->incoming = true;
        row->debit = cash;
        row->credit = account;
        break;
    case 1:
        row->type = TYPE_WITHDRAWAL;
        row->debit = account;
        row->credit = cash;
        break;
    case 2:
        row->type = TYPE_TRANSFER;
        row->debit = account;
        row->credit = random_account(seed, row->currency, account);
        break;
    default:
        row->type = TYPE_PAYMENT;
        row->debit = account;
        row->credit = own_account(seed, row->currency, ACCOUNT_SETTLEMENT);
        pick_party(seed, row);
        break;
    }
    if (chance(seed, 60))
        row->posted_by = 1 + (int64_t)seed_below(seed, SEED_USERS);
    else
        snprintf(row->external_id, sizeof(row->external_id), "file-%zu", seed->transaction_count);
    snprintf(row->description, sizeof(row->description), "%s no %zu",
             chance(seed, 10) ? "=Rent, \"old\"" : "Invoice", seed->transaction_count);
    enter(seed, row, true);
}

/* --- what happens later --------------------------------------------------------------------- */

static void update_row(struct change *change, struct transaction *row, int32_t status, bool flagged)
{
    change->updates[change->update_count++] = (struct transaction_update){
        .sequence = row->sequence,
        .status_before = row->status,
        .status_after = status,
        .flagged_before = row->flagged,
        .flagged_after = flagged,
    };
    row->status = status;
    row->flagged = flagged;
}

static struct alert *alert_of(struct seed *seed, const struct transaction *row)
{
    for (size_t i = 0; i < seed->alert_count; i++) {
        if (seed->alerts[i].transaction == row->sequence)
            return &seed->alerts[i];
    }
    return NULL;
}

/* As the writer does with each release. */
static void save_profiles(struct seed *seed, const struct transaction *row,
                          const struct account_book *debit, const struct account_book *credit)
{
    int64_t other = profile_counterparty(row, debit, credit);
    seed_save_profile(seed, profile_subject(row));
    if (other != 0)
        seed_save_profile(seed, other);
}

static void decide(struct seed *seed, struct transaction *row, int64_t at_us)
{
    struct alert       *alert = alert_of(seed, row);
    struct account_book debit = seed->accounts[row->debit - 1].book;
    struct account_book credit = seed->accounts[row->credit - 1].book;
    bool                release =
        chance(seed, 50) && ledger_may_debit(&debit, at_us) && ledger_may_credit(&credit, at_us);
    int32_t        status = release ? STATUS_COMPLETED : STATUS_REJECTED;
    struct change *change = next_change(seed);
    if (release)
        CHECK(ledger_release(row, at_us, &debit, &credit, &seed->fault) == ERR_none);
    else
        CHECK(ledger_reject(row, &debit, &seed->fault) == ERR_none);
    account_changes(seed, change, &debit);
    if (release)
        account_changes(seed, change, &credit);
    if (release)
        observe_release(seed, row, &debit, &credit, at_us);
    status_cells(seed, change, row, STATUS_HELD, -1);
    status_cells(seed, change, row, status, 1);
    struct audit *audit = audit_entry(
        seed, change, at_us, release ? "transaction.release" : "transaction.reject", AUDIT_ACTION);
    char id[UUID_TEXT_MAX];
    snprintf(audit->subject, sizeof(audit->subject), "%s", uuid_text(&row->transaction_id, id));
    snprintf(audit->detail, sizeof(audit->detail), "Asked the holder by telephone");
    audit->about_transaction = row->sequence;
    audit->set_status = status;
    link_audit(seed, audit);
    update_row(change, row, status, row->flagged);
    if (alert != NULL) {
        struct alert_hit *hit = &seed->hits[alert->number - 1];
        hit->finding = release ? DECISION_FALSE_POSITIVE : DECISION_CONFIRMED_FRAUD;
        hit->status_before = STATUS_HELD;
        hit->decided_at_us = at_us;
        change->hit = hit;
        alert->version++;
        alert->state = ALERT_DECIDED;
        alert->decision = release ? DECISION_FALSE_POSITIVE : DECISION_CONFIRMED_FRAUD;
        alert->decided_by = audit->actor;
        alert->decided_at_us = at_us;
        snprintf(alert->note, sizeof(alert->note), "Looked at.\nDecided.");
        change->alert_update = alert;
        now_cell(change, 0, METRIC_ALERTS_OPEN, -1, 0);
    }
    flush(seed);
    if (release)
        save_profiles(seed, row, &debit, &credit);
}

static void unflag(struct seed *seed, struct transaction *row, int64_t at_us)
{
    struct change *change = next_change(seed);
    struct audit  *audit = audit_entry(seed, change, at_us, "transaction.unflag", AUDIT_ACTION);
    audit->about_transaction = row->sequence;
    audit->set_flag = 2;
    link_audit(seed, audit);
    update_row(change, row, row->status, false);
    time_cells(change, row, METRIC_FLAGGED, -1);
    now_cell(change, row->currency, METRIC_FLAGGED, -1, -row->amount);
    flush(seed);
}

static void freeze(struct seed *seed, struct account *row, int64_t at_us)
{
    struct account_book book = row->book;
    struct change      *change = next_change(seed);
    struct audit       *audit = audit_entry(seed, change, at_us, "account.freeze", AUDIT_ACTION);
    link_audit(seed, audit);
    book.status = ACCOUNT_FROZEN;
    book.freeze_direction = FREEZE_DEBIT;
    book.freeze_until_us = at_us + US_PER_HOUR;
    book.version++;
    account_changes(seed, change, &book);
    change->accounts[0].terms_changed = true;
    snprintf(row->freeze_reason, sizeof(row->freeze_reason), "Court order");
    snprintf(row->freeze_authority, sizeof(row->freeze_authority), "District court");
    snprintf(change->accounts[0].freeze_reason, sizeof(row->freeze_reason), "Court order");
    snprintf(change->accounts[0].freeze_authority, sizeof(row->freeze_authority), "District court");
    now_cell(change, book.currency, METRIC_ACCOUNTS + ACCOUNT_ACTIVE, -1, 0);
    now_cell(change, book.currency, METRIC_ACCOUNTS + ACCOUNT_FROZEN, 1, 0);
    flush(seed);
}

static void reverse(struct seed *seed, struct transaction *undone, int64_t at_us)
{
    struct transaction *row = new_row(seed, at_us);
    row->type = TYPE_REVERSAL;
    row->incoming = undone->incoming;
    row->currency = undone->currency;
    row->amount = undone->amount;
    row->debit = undone->credit;
    row->credit = undone->debit;
    row->incoming = !undone->incoming;
    row->posted_by = 2;
    row->reversal_of = undone->sequence;
    enter(seed, row, false);
    struct change *change = &seed->pending[seed->pending_count - 1];
    status_cells(seed, change, undone, STATUS_COMPLETED, -1);
    status_cells(seed, change, undone, STATUS_REVERSED, 1);
    update_row(change, undone, STATUS_REVERSED, undone->flagged);
    change->updates[0].reversed_by = row->sequence;
    undone->reversed_by = row->sequence;
    flush(seed);
}

static void refuse(struct seed *seed, int64_t at_us)
{
    struct change *change = next_change(seed);
    struct audit  *audit = audit_entry(seed, change, at_us, "account.freeze", AUDIT_REFUSAL);
    snprintf(audit->detail, sizeof(audit->detail), "A refusal");
    link_audit(seed, audit);
}

void seed_fill(struct seed *seed, size_t transactions)
{
    int64_t step = DAYS * US_PER_DAY / (int64_t)transactions;
    for (size_t i = 0; i < transactions; i++) {
        int64_t at_us = FIRST_US + (int64_t)i * step + (int64_t)seed_below(seed, (uint64_t)step);
        post_one(seed, at_us);
        struct transaction *row = &seed->transactions[seed->transaction_count - 1];
        if (chance(seed, 10))
            refuse(seed, at_us + 2 * US_PER_SECOND);
        if (row->status != STATUS_HELD && !chance(seed, 8))
            continue;
        flush(seed);
        if (row->status == STATUS_HELD && chance(seed, 70))
            decide(seed, row, at_us + 3 * US_PER_SECOND);
        else if (row->flagged)
            unflag(seed, row, at_us + 3 * US_PER_SECOND);
        else if (row->status == STATUS_COMPLETED && row->party == 0)
            reverse(seed, row, at_us + 3 * US_PER_SECOND);
    }
    flush(seed);
    for (size_t i = 6; i < seed->account_count; i += 11) {
        if (seed->accounts[i].book.status == ACCOUNT_ACTIVE)
            freeze(seed, &seed->accounts[i], seed->now_us - US_PER_DAY);
    }
}

void seed_save_profile(struct seed *seed, int64_t entity)
{
    const struct account_book *book = &seed->accounts[entity / 2 - (entity % 2 == 0)].book;
    int64_t                    last =
        entity % 2 == 0 ? book->last_sequence : seed->parties[entity / 2 - 1].last_sequence;
    flush(seed);
    struct profile_row row = {
        .entity = entity,
        .last_sequence = last,
        .bytes = slice_of((const char *)seed->profiles[entity].bytes, FRAUD_PROFILE_BYTES),
    };
    struct commit commit = {
        .before = seed->head, .after = seed->head, .profiles = &row, .profile_count = 1
    };
    size_t failed = 0;
    CHECK(seed->store->ops->apply(seed->store, &commit, &failed, &seed->fault) == ERR_none);
}

/* --- short scans ---------------------------------------------------------------------------- */

/* One test program runs one test at a time. */
static const struct store_ops *whole_store;
static int64_t                 scan_rows;

static enum err short_transactions(struct store *store, const struct transaction_filter *filter,
                                   store_visit *visit, void *context, int64_t *stopped_at)
{
    struct transaction_filter less = *filter;
    less.scan_max = scan_rows;
    return whole_store->transactions(store, &less, visit, context, stopped_at);
}

static enum err short_audits(struct store *store, const struct audit_filter *filter,
                             store_visit *visit, void *context, int64_t *stopped_at)
{
    struct audit_filter less = *filter;
    less.scan_max = scan_rows;
    return whole_store->audits(store, &less, visit, context, stopped_at);
}

void seed_short_scans(struct seed *seed, int64_t rows)
{
    if (seed->honest == NULL)
        seed->honest = seed->store->ops;
    whole_store = seed->honest;
    scan_rows = rows;
    seed->short_sighted = *seed->honest;
    seed->short_sighted.transactions = short_transactions;
    seed->short_sighted.audits = short_audits;
    seed->store->ops = rows > 0 ? &seed->short_sighted : seed->honest;
}

/* --- asking --------------------------------------------------------------------------------- */

void seed_begin(struct seed *seed, enum op_index op, void *out)
{
    arena_reset(&seed->arena);
    memset(&seed->fault, 0, sizeof(seed->fault));
    memset(out, 0, op_rows[op].reply->size);
    seed->request = (struct request){
        .op = &op_rows[op],
        .names_version = names_version(seed->bank.names),
        .actor = { .user = 1, .role = ROLE_FRAUD_ANALYST },
        .store = seed->store,
        .bank = &seed->bank,
        .arena = &seed->arena,
        .fault = &seed->fault,
        .now_us = seed->now_us,
    };
}

enum err seed_end(struct seed *seed, enum err err, const void *out)
{
    const struct op_row *row = seed->request.op;
    if (err != ERR_none)
        return err;
    err = message_check(row->reply, out, &seed->fault);
    if (err != ERR_none)
        fprintf(stderr, "%s: reply: %s %s\n", row->name, seed->fault.field, seed->fault.text);
    return err;
}

/* --- groups of tests -------------------------------------------------------------------------- */

static size_t group_transactions; /* cmocka's set-up takes no argument */

void seed_will_fill(size_t transactions)
{
    group_transactions = transactions;
}

static int open_group(void **state, enum seed_kind kind)
{
    struct seed *seed = seed_open(kind);

    seed_fill(seed, group_transactions);
    *state = seed;
    return 0;
}

int seed_group_memory(void **state)
{
    return open_group(state, SEED_MEMORY);
}

int seed_group_sqlite(void **state)
{
    return open_group(state, SEED_SQLITE);
}

int seed_group_end(void **state)
{
    struct seed *seed = *state;

    seed_close(&seed);
    return 0;
}
