/* What every store must do with a write, run on each of them alike: what is written is read back;
 * each kind of precondition fails alone and leaves nothing; a group is the sum of its changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/check.h"
#include "common/clock.h"
#include "tests/lib/world.h"
#include "tests/store/each.h"

/* Plans a change with the next sequence's head, applies it alone. */
static enum err try_one(struct world *world)
{
    size_t failed = 99;

    world_next(world);
    return world_try(world, &failed);
}

/* --- the empty store ------------------------------------------------------------------------- */

static void empty_store(struct world *world)
{
    static const struct transaction_filter all = { 0 };
    struct store_numbers                   numbers;
    struct uuid                            id = world_id(world);
    struct account_book                    book;
    struct transaction                     transaction;
    struct user                            user;
    struct rule_set                        rules;
    size_t                                 rows = 0;
    int64_t                                stopped = 7;
    int32_t                                first, last;

    assert_int_equal(world->ops->numbers(world->store, &numbers), ERR_none);
    assert_int_equal(numbers.user + numbers.customer + numbers.account + numbers.party +
                         numbers.alert + numbers.rule_set + numbers.record + numbers.head.sequence,
                     0);
    assert_int_equal(CALL(world, book_by_id, &id, &book), ERR_not_found);
    assert_int_equal(CALL(world, book_by_number, 1, &book), ERR_not_found);
    assert_int_equal(CALL(world, account_of_bank, ACCOUNT_CASH, 840, &book), ERR_not_found);
    assert_int_equal(CALL(world, transaction_by_sequence, 1, &transaction), ERR_not_found);
    assert_int_equal(CALL(world, user_by_email, slice_from("a@b"), &user), ERR_not_found);
    assert_int_equal(CALL(world, rule_set_get, 1, &rules, NULL, NULL), ERR_not_found);
    assert_int_equal(CALL(world, days, &first, &last), ERR_not_found);
    assert_int_equal(CALL(world, transactions, &all, count_rows, &rows, &stopped), ERR_none);
    assert_int_equal(CALL(world, users, count_rows, &rows), ERR_none);
    assert_int_equal(CALL(world, held, 0, count_rows, &rows), ERR_none);
    assert_int_equal(CALL(world, top, 19000, 840, count_rows, &rows), ERR_none);
    assert_int_equal(rows, 0);
    assert_int_equal(stopped, 0);
    assert_int_equal(world->ops->integrity(world->store, NULL), ERR_none);
}
ON_EACH(empty_store)

/* --- one of everything ----------------------------------------------------------------------- */

static void everybody_is_read_back(struct world *world)
{
    struct plan    *plan = world_plan(world);
    struct user     user;
    struct customer customer;
    struct account  account;

    make_user(world, &plan->user);
    make_customer(world, &plan->customer);
    make_account(world, &plan->account);
    plan->change.user = &plan->user;
    plan->change.customer = &plan->customer;
    plan->change.account = &plan->account;
    world_commit(world);

    memset(&user, 0, sizeof user);
    assert_int_equal(CALL(world, user_by_email, slice_from(plan->user.email), &user), ERR_none);
    assert_memory_equal(&user, &plan->user, sizeof user);
    assert_int_equal(CALL(world, user_by_number, 1, &user), ERR_none);
    assert_memory_equal(&user, &plan->user, sizeof user);

    memset(&customer, 0, sizeof customer);
    assert_int_equal(CALL(world, customer_by_id, &plan->customer.customer_id, &customer), ERR_none);
    assert_memory_equal(&customer, &plan->customer, sizeof customer);
    assert_int_equal(
        CALL(world, customer_by_external, slice_from(plan->customer.external_id), &customer),
        ERR_none);
    assert_int_equal(CALL(world, customer_by_number, 1, &customer), ERR_none);
    assert_memory_equal(&customer, &plan->customer, sizeof customer);

    memset(&account, 0, sizeof account);
    assert_int_equal(CALL(world, account_by_number, 1, &account), ERR_none);
    assert_string_equal(account.holder, plan->customer.name);
    assert_true(uuid_equal(&account.customer_id, &plan->customer.customer_id));
    assert_true(uuid_equal(&account.opened_by_id, &plan->user.user_id));
    assert_memory_equal(&account.book, &plan->account.book, sizeof account.book);
    assert_string_equal(account.external_id, plan->account.external_id);
    assert_string_equal(account.name, plan->account.name);
    assert_string_equal(account.freeze_reason, plan->account.freeze_reason);
    assert_string_equal(account.freeze_authority, plan->account.freeze_authority);
    memset(&account, 0, sizeof account);
    assert_int_equal(
        CALL(world, account_by_external, slice_from(plan->account.external_id), &account),
        ERR_none);
    assert_memory_equal(&account.book, &plan->account.book, sizeof account.book);
    assert_int_equal(CALL(world, account_by_external, slice_from(""), &account), ERR_not_found);
}
ON_EACH(everybody_is_read_back)

static void users_and_customers_are_replaced(struct world *world)
{
    struct plan         *plan = world_plan(world);
    struct user          user;
    struct customer      customer;
    struct store_numbers numbers;

    make_user(world, &plan->user);
    make_customer(world, &plan->customer);
    plan->change.user = &plan->user;
    plan->change.customer = &plan->customer;
    world_commit(world);
    plan = world_plan(world);
    plan->user.disabled = false;
    snprintf(plan->user.email, sizeof plan->user.email, "new@test");
    plan->customer.verified = false;
    snprintf(plan->customer.name, sizeof plan->customer.name, "Other");
    plan->change.user = &plan->user;
    plan->change.customer = &plan->customer;
    world_commit(world);
    assert_int_equal(CALL(world, user_by_email, slice_from("new@test"), &user), ERR_none);
    assert_false(user.disabled);
    assert_int_equal(CALL(world, customer_by_number, 1, &customer), ERR_none);
    assert_false(customer.verified);
    assert_string_equal(customer.name, "Other");
    assert_int_equal(world->ops->numbers(world->store, &numbers), ERR_none);
    assert_int_equal(numbers.user, 1);
    assert_int_equal(numbers.customer, 1);
}
ON_EACH(users_and_customers_are_replaced)

static void plan_hit(struct plan *plan, int64_t alert, int32_t number, int64_t transaction)
{
    plan->hit = (struct alert_hit){
        .alert = alert, .number = number, .transaction = transaction, .at_us = 5, .loss = 405
    };
    plan->change.hit = &plan->hit;
}

static void posting_is_read_back(struct world *world)
{
    struct plan       *plan;
    struct transaction found;
    struct alert       alert;
    struct audit       audit;

    world_accounts(world, 2);
    world_parties(world, 1);
    plan = world_post(world, 2, 3, 500, WORLD_BEGIN_US, STATUS_HELD);
    TEXT_FILL(plan->transaction.description, 'd');
    TEXT_FILL(plan->transaction.external_id, 'x');
    plan->transaction.decision_size = LIMIT_DECISION_MAX;
    memset(plan->transaction.decision, 0xa5, LIMIT_DECISION_MAX);
    plan->transaction.incoming = true;
    plan->transaction.party = 1;
    plan->transaction.posted_by = 9;
    plan->transaction.reversal_of = 8;
    plan->change.party_number = 1;
    memset(&plan->alert, 0, sizeof plan->alert);
    plan->alert = (struct alert){ .number = 1,
                                  .alert_id = world_id(world),
                                  .transaction = plan->transaction.sequence,
                                  .account = 2,
                                  .state = ALERT_OPEN,
                                  .score = 900,
                                  .hits = 1,
                                  .version = 1,
                                  .created_at_us = 5,
                                  .expected_loss = 405,
                                  .urgency = 4050,
                                  .due_at_us = 6,
                                  .snoozed_until_us = 7,
                                  .lock_until_us = 8,
                                  .undo_until_us = 9,
                                  .notes = 10 };
    TEXT_FILL(plan->alert.note, 't');
    plan->change.alert = &plan->alert;
    plan_hit(plan, 1, 1, plan->transaction.sequence);
    world_commit(world);

    memset(&found, 0, sizeof found);
    assert_int_equal(CALL(world, transaction_by_id, &plan->transaction.transaction_id, &found),
                     ERR_none);
    assert_memory_equal(&found, &plan->transaction, sizeof found);
    assert_int_equal(CALL(world, transaction_by_sequence, found.sequence, &found), ERR_none);
    assert_memory_equal(&found, &plan->transaction, sizeof found);
    memset(&alert, 0, sizeof alert);
    assert_int_equal(CALL(world, alert_by_id, &plan->alert.alert_id, &alert), ERR_none);
    assert_memory_equal(&alert, &plan->alert, sizeof alert);
    assert_int_equal(CALL(world, alert_by_transaction, found.sequence, &alert), ERR_none);
    assert_int_equal(CALL(world, alert_by_transaction, found.sequence + 1, &alert), ERR_not_found);

    plan = world_audit(world, "account.freeze");
    TEXT_FILL(plan->audit.detail, 'd');
    TEXT_FILL(plan->audit.subject, 's');
    TEXT_FILL(plan->audit.actor_name, 'a');
    plan->audit.about_transaction = found.sequence;
    plan->audit.set_status = STATUS_REJECTED;
    plan->audit.set_flag = 2;
    plan->audit.records_size = sizeof plan->audit.records;
    memset(plan->audit.records, 0x5a, sizeof plan->audit.records);
    world_commit(world);
    memset(&audit, 0, sizeof audit);
    assert_int_equal(CALL(world, audit_by_sequence, plan->audit.sequence, &audit), ERR_none);
    assert_memory_equal(&audit, &plan->audit, sizeof audit);
    assert_int_equal(CALL(world, audit_by_sequence, found.sequence, &audit), ERR_not_found);
}
ON_EACH(posting_is_read_back)

static bool note_rule_set(void *context, const void *row)
{
    int64_t *numbers = context; /* as decimal digits */

    *numbers = *numbers * 10 + ((const struct rule_set *)row)->number;
    return true;
}

static int64_t rule_sets_of(struct world *world, int64_t before, int32_t state)
{
    struct rule_set_filter filter = { .before_number = before, .state = state };
    int64_t                numbers = 0;

    assert_int_equal(CALL(world, rule_sets, &filter, note_rule_set, &numbers), ERR_none);
    return numbers;
}

static enum err move_rules(struct world *world, int64_t number, int32_t from, int32_t to)
{
    struct plan *plan = world_plan(world);
    size_t       failed = 0;

    plan->rule_set = (struct rule_set){
        .number = number, .state = to, .approver = 3, .approved_at_us = 8, .ended_at_us = 9
    };
    plan->change.rule_set_updates[0] =
        (struct rule_set_update){ .state_before = from, .after = &plan->rule_set };
    plan->change.rule_set_update_count = 1;
    return world_try(world, &failed);
}

/* Versions of the rules: states move only from what was seen, and one at most is in force. */
static void versions_of_rules(struct world *world)
{
    static const int32_t states[] = { RULES_SUPERSEDED, RULES_ACTIVE, RULES_PROPOSED,
                                      RULES_PROPOSED };
    struct store_numbers numbers;
    struct rule_set      row;
    struct buf           text;
    struct buf           card;

    for (size_t i = 0; i < ARRAY_COUNT(states); i++) {
        struct plan *plan = world_plan(world);

        plan->rule_set = (struct rule_set){ .number = (int64_t)i + 1,
                                            .state = states[i],
                                            .hash = { i == 3 ? 2 : (uint8_t)i },
                                            .rules = 5,
                                            .has_card = i == 2,
                                            .author = 7,
                                            .proposed_at_us = 40,
                                            .reason = "because" };
        plan->change.rule_set = &plan->rule_set;
        plan->change.rule_text = slice_from("the rules");
        plan->change.card_text = slice_from(i == 2 ? "the card" : "");
        world_next(world);
        world_commit(world);
    }
    buf_init(&text, 100);
    buf_init(&card, 100);
    assert_int_equal(CALL(world, rule_set_get, 3, &row, &text, &card), ERR_none);
    assert_true(slice_is(slice_of(text.at, text.n), "the rules"));
    assert_true(slice_is(slice_of(card.at, card.n), "the card"));
    assert_true(row.has_card && row.rules == 5 && row.author == 7 && row.proposed_at_us == 40);
    assert_string_equal(row.reason, "because");
    buf_free(&text);
    buf_free(&card);
    assert_int_equal(CALL(world, rule_set_by_hash, (const uint8_t[CHAIN_HASH_BYTES]){ 2 }, &row),
                     ERR_none);
    assert_int_equal(row.number, 4);
    assert_int_equal(CALL(world, rule_set_by_hash, (const uint8_t[CHAIN_HASH_BYTES]){ 9 }, &row),
                     ERR_not_found);
    assert_int_equal(rule_sets_of(world, 0, 0), 4321);
    assert_int_equal(rule_sets_of(world, 3, 0), 21);
    assert_int_equal(rule_sets_of(world, 0, RULES_PROPOSED), 43);

    assert_int_equal(move_rules(world, 3, RULES_WITHDRAWN, RULES_PROPOSED), ERR_changed_meanwhile);
    assert_int_equal(move_rules(world, 3, RULES_PROPOSED, RULES_ACTIVE), ERR_exists);
    assert_int_equal(move_rules(world, 2, RULES_ACTIVE, RULES_SUPERSEDED), ERR_none);
    assert_int_equal(CALL(world, numbers, &numbers), ERR_none);
    assert_int_equal(numbers.rules_active, 0);
    assert_int_equal(move_rules(world, 3, RULES_PROPOSED, RULES_ACTIVE), ERR_none);
    assert_int_equal(CALL(world, numbers, &numbers), ERR_none);
    assert_int_equal(numbers.rules_active, 3);
    assert_int_equal(numbers.rule_set, 4);
    assert_int_equal(CALL(world, rule_set_get, 3, &row, NULL, NULL), ERR_none);
    assert_true(row.approver == 3 && row.approved_at_us == 8 && row.ended_at_us == 9);
    assert_true(row.author == 7 && row.rules == 5);
}
ON_EACH(versions_of_rules)

struct rule_read {
    struct rule_set set;
    struct buf      text;
};

static void rules_profiles_heads_and_labels(struct world *world)
{
    static const char  rule_text[] = "rule large\n\twhen amount > 100\n";
    uint8_t            bytes[LIMIT_PROFILE_BYTES];
    uint8_t            read[LIMIT_PROFILE_BYTES];
    struct profile_row profiles[2] = {
        { .entity = 2, .last_sequence = 5, .bytes = slice_of((char *)bytes, sizeof bytes) },
        { .entity = 3, .last_sequence = 6, .bytes = slice_of((char *)bytes, 10) },
    };
    struct signed_head signed_head = { .head = { .sequence = 1 }, .at_us = 3 };
    struct commit      commit = { .profiles = profiles,
                                  .profile_count = 2,
                                  .signed_head = &signed_head };
    struct plan       *plan = world_plan(world);
    struct rule_read   rules = { 0 };
    struct label       label;
    int64_t            last_sequence;
    size_t             rows = 0;
    size_t             n;

    plan->rule_set = (struct rule_set){ .number = 1, .state = RULES_PROPOSED, .author = 2 };
    memset(plan->rule_set.hash, 7, sizeof plan->rule_set.hash);
    plan->change.rule_set = &plan->rule_set;
    plan->change.rule_text = slice_from(rule_text);
    plan->label = (struct label){ .transaction = 9, .fraud = true, .known_at_us = 77 };
    plan->change.label = &plan->label;
    memset(bytes, 0x5a, sizeof bytes);
    commit.changes = world->changes;
    commit.count = 1;
    world->planned = 0;
    world_next(world);
    commit.after = world->head;
    assert_int_equal(world->ops->apply(world->store, &commit, &n, NULL), ERR_none);

    buf_init(&rules.text, LIMIT_RULES_FILE_MAX);
    assert_int_equal(CALL(world, rule_set_get, 1, &rules.set, &rules.text, NULL), ERR_none);
    assert_true(slice_is(slice_of(rules.text.at, rules.text.n), rule_text));
    assert_int_equal(rules.set.author, 2);
    assert_memory_equal(rules.set.hash, plan->rule_set.hash, sizeof rules.set.hash);
    buf_free(&rules.text);
    assert_int_equal(CALL(world, profile_get, 2, &last_sequence, read, sizeof read, &n), ERR_none);
    assert_int_equal(n, sizeof read);
    assert_int_equal(last_sequence, 5);
    assert_memory_equal(read, bytes, sizeof read);
    assert_int_equal(CALL(world, profile_get, 3, &last_sequence, read, sizeof read, &n), ERR_none);
    assert_int_equal(n, 10);
    assert_int_equal(CALL(world, profile_get, 4, &last_sequence, read, sizeof read, &n),
                     ERR_not_found);
    assert_int_equal(CALL(world, label_by_transaction, 9, &label), ERR_none);
    assert_true(label.fraud);
    assert_int_equal(label.known_at_us, 77);
    assert_int_equal(CALL(world, signed_heads, 0, count_rows, &rows), ERR_none);
    assert_int_equal(rows, 1);

    plan = world_plan(world);
    plan->label = (struct label){ .transaction = 9, .fraud = false, .known_at_us = 78 };
    plan->change.label = &plan->label;
    world_commit(world);
    assert_int_equal(CALL(world, label_by_transaction, 9, &label), ERR_none);
    assert_false(label.fraud);
    rows = 0;
    assert_int_equal(CALL(world, labels, count_rows, &rows), ERR_none);
    assert_int_equal(rows, 1);
}
ON_EACH(rules_profiles_heads_and_labels)

/* --- preconditions --------------------------------------------------------------------------- */

/* Nothing of a failed group may be seen: neither of the changes before the failing one. */
struct seen {
    struct store_numbers numbers;
    struct account_book  cash;
    size_t               transactions, rollups, audits, alerts, parties, top;
    int64_t              amount;
};

static bool add_amount(void *context, const void *row)
{
    const struct rollup *rollup = row;
    struct seen         *seen = context;

    seen->rollups++;
    seen->amount += rollup->amount;
    return true;
}

static void look(struct world *world, struct seen *seen)
{
    static const struct transaction_filter all = { 0 };
    static const struct alert_filter       alerts = { 0 };
    static const struct audit_filter       audits = { 0 };
    struct rollup_range                    range = { .bucket_from = INT32_MIN,
                                                     .bucket_to = INT32_MAX,
                                                     .currency = ROLLUP_EVERY_CURRENCY };
    int64_t                                stopped;

    memset(seen, 0, sizeof *seen);
    assert_int_equal(world->ops->numbers(world->store, &seen->numbers), ERR_none);
    assert_int_equal(CALL(world, book_by_number, WORLD_CASH, &seen->cash), ERR_none);
    assert_int_equal(CALL(world, transactions, &all, count_rows, &seen->transactions, &stopped),
                     ERR_none);
    assert_int_equal(CALL(world, alerts, &alerts, count_rows, &seen->alerts), ERR_none);
    assert_int_equal(CALL(world, audits, &audits, count_rows, &seen->audits, NULL), ERR_none);
    assert_int_equal(CALL(world, parties, count_rows, &seen->parties), ERR_none);
    assert_int_equal(
        CALL(world, top, (int32_t)time_day(WORLD_BEGIN_US), WORLD_CURRENCY, count_rows, &seen->top),
        ERR_none);
    for (range.scale = ROLLUP_ALL; range.scale <= ROLLUP_HOUR; range.scale++)
        assert_int_equal(CALL(world, rollups, &range, add_amount, seen), ERR_none);
}

/* A group of three: a good posting, the change under test, a good posting. */
struct trial {
    const char *name;
    void (*spoil)(struct world *world, struct plan *plan);
    enum err err;
};

static void spoil_nothing(struct world *world, struct plan *plan)
{
    (void)world;
    (void)plan;
}

static void spoil_version(struct world *world, struct plan *plan)
{
    (void)world;
    plan->change.accounts[0].version_before += 5;
    plan->change.accounts[0].after.version += 5;
}

/* Planned as if the posting before it in the group were not there. */
static void spoil_version_in_group(struct world *world, struct plan *plan)
{
    plan->change.accounts[0] = world->plans[0].change.accounts[0];
}

static void spoil_unknown_account(struct world *world, struct plan *plan)
{
    (void)world;
    plan->change.accounts[0].after.number = 4444;
    plan->change.accounts[0].terms_changed = true;
}

static void spoil_id_in_store(struct world *world, struct plan *plan)
{
    plan->transaction.transaction_id = world->transactions[0].transaction_id;
}

static void spoil_id_in_group(struct world *world, struct plan *plan)
{
    plan->transaction.transaction_id = world->plans[0].transaction.transaction_id;
}

static void spoil_update(struct world *world, struct plan *plan, int32_t status, bool flagged)
{
    plan->change.updates[plan->change.update_count++] =
        (struct transaction_update){ .sequence = world->transactions[0].sequence,
                                     .status_before = status,
                                     .status_after = STATUS_REVERSED,
                                     .flagged_before = flagged,
                                     .flagged_after = true };
}

static void spoil_update_status(struct world *world, struct plan *plan)
{
    spoil_update(world, plan, STATUS_HELD, false);
}

static void spoil_update_flag(struct world *world, struct plan *plan)
{
    spoil_update(world, plan, STATUS_COMPLETED, true);
}

static void spoil_update_missing(struct world *world, struct plan *plan)
{
    spoil_update(world, plan, STATUS_COMPLETED, false);
    plan->change.updates[0].sequence = 999999;
}

static void spoil_alert(struct world *world, struct plan *plan)
{
    assert_int_equal(world->ops->alert_by_transaction(world->store, world->transactions[0].sequence,
                                                      &plan->alert),
                     ERR_none);
    plan->alert.state = ALERT_DECIDED;
    plan->alert.version += 2; /* somebody else has written the one between */
    plan->change.alert_update = &plan->alert;
}

static void spoil_hit(struct world *world, struct plan *plan)
{
    plan_hit(plan, 2, 1, world->transactions[0].sequence);
}

static void spoil_hit_number(struct world *world, struct plan *plan)
{
    plan_hit(plan, 1, 1, world->transactions[0].sequence + 1);
}

static void spoil_alert_number(struct world *world, struct plan *plan)
{
    plan->alert = (struct alert){ .number = 1, .alert_id = world_id(world), .state = ALERT_OPEN };
    plan->change.alert = &plan->alert;
}

static void spoil_party_key(struct world *world, struct plan *plan)
{
    plan->party = world->parties[0];
    plan->party.number = 50;
    plan->change.party = &plan->party;
}

static void spoil_account_of_bank(struct world *world, struct plan *plan)
{
    memset(&plan->account, 0, sizeof plan->account);
    plan->account.book = world->books[0];
    plan->account.book.number = 50;
    plan->account.book.account_id = world_id(world);
    plan->change.account = &plan->account;
}

static void spoil_account_id(struct world *world, struct plan *plan)
{
    memset(&plan->account, 0, sizeof plan->account);
    plan->account.book = world->books[1];
    plan->account.book.number = 50;
    plan->change.account = &plan->account;
}

static void spoil_unknown_party(struct world *world, struct plan *plan)
{
    (void)world;
    plan->change.party_number = 50;
}

static void spoil_rollup(struct world *world, struct plan *plan)
{
    struct rollup *rollup = &plan->change.rollups[plan->change.rollup_count++];

    (void)world;
    *rollup = plan->change.rollups[0];
    rollup->amount = INT64_MAX;
}

static const struct trial trials[] = {
    { "version", spoil_version, ERR_changed_meanwhile },
    { "version in group", spoil_version_in_group, ERR_changed_meanwhile },
    { "unknown account", spoil_unknown_account, ERR_changed_meanwhile },
    { "id in store", spoil_id_in_store, ERR_id_reused },
    { "id in group", spoil_id_in_group, ERR_id_reused },
    { "status", spoil_update_status, ERR_changed_meanwhile },
    { "flag", spoil_update_flag, ERR_changed_meanwhile },
    { "no such transaction", spoil_update_missing, ERR_changed_meanwhile },
    { "alert's version", spoil_alert, ERR_changed_meanwhile },
    { "transaction of another alert", spoil_hit, ERR_exists },
    { "place of another transaction", spoil_hit_number, ERR_exists },
    { "alert's number", spoil_alert_number, ERR_exists },
    { "party's key", spoil_party_key, ERR_exists },
    { "bank's account", spoil_account_of_bank, ERR_exists },
    { "account's id", spoil_account_id, ERR_exists },
    { "unknown party", spoil_unknown_party, ERR_changed_meanwhile },
    { "figure overflows", spoil_rollup, ERR_amount_overflow },
};

static void first_posting(struct world *world)
{
    struct plan *plan;

    world_accounts(world, 6);
    world_parties(world, 1);
    plan = world_post(world, WORLD_CASH, 2, 100, WORLD_BEGIN_US, STATUS_COMPLETED);
    plan->alert = (struct alert){ .number = 1,
                                  .alert_id = world_id(world),
                                  .transaction = plan->transaction.sequence,
                                  .version = 1,
                                  .state = ALERT_OPEN };
    plan->change.alert = &plan->alert;
    plan_hit(plan, 1, 1, plan->transaction.sequence);
    world_commit(world);
}

static enum err try_group(struct world *world, const struct trial *trial, size_t *failed)
{
    struct account_book books[8];
    size_t              transactions = world->transaction_count;
    struct plan        *middle;
    enum err            err;

    memcpy(books, world->books, world->account_count * sizeof books[0]);
    world_post(world, WORLD_CASH, 3, 11, WORLD_BEGIN_US, STATUS_COMPLETED);
    middle = world_post(world, 4, 5, 12, WORLD_BEGIN_US, STATUS_COMPLETED);
    trial->spoil(world, middle);
    world_post(world, WORLD_CASH, 6, 13, WORLD_BEGIN_US, STATUS_COMPLETED);
    err = world_try(world, failed);
    if (err != ERR_none) {
        memcpy(world->books, books, world->account_count * sizeof books[0]);
        world->transaction_count = transactions;
    }
    return err;
}

static void each_precondition_fails_alone(struct world *world)
{
    static const struct trial good = { "nothing", spoil_nothing, ERR_none };
    struct seen               before, after;
    size_t                    failed = 99;

    first_posting(world);
    look(world, &before);
    for (size_t i = 0; i < ARRAY_COUNT(trials); i++) {
        print_message("- %s\n", trials[i].name);
        failed = 99;
        assert_int_equal(try_group(world, &trials[i], &failed), trials[i].err);
        if (trials[i].err != ERR_amount_overflow)
            assert_int_equal(failed, 1);
        look(world, &after);
        assert_memory_equal(&before, &after, sizeof before);
    }
    assert_int_equal(try_group(world, &good, &failed), ERR_none);
    look(world, &after);
    assert_int_equal(after.transactions, before.transactions + 3);
    assert_int_equal(after.cash.balance, before.cash.balance - 24);
    assert_int_equal(after.top, before.top + 3);
}
ON_EACH(each_precondition_fails_alone)

static void head_must_be_the_known_one(struct world *world)
{
    struct seen before, after;
    size_t      failed = 99;

    first_posting(world);
    look(world, &before);
    world_post(world, WORLD_CASH, 2, 5, WORLD_BEGIN_US, STATUS_COMPLETED);
    world->before.hash[31] ^= 1;
    assert_int_equal(world_try(world, &failed), ERR_changed_meanwhile);
    assert_int_equal(failed, 1); /* the count of changes: it was none of them */
    look(world, &after);
    assert_memory_equal(&before, &after, sizeof before);
}
ON_EACH(head_must_be_the_known_one)

static void names_are_unique(struct world *world)
{
    struct plan *plan = world_plan(world);

    make_user(world, &plan->user);
    make_customer(world, &plan->customer);
    make_account(world, &plan->account);
    plan->change.user = &plan->user;
    plan->change.customer = &plan->customer;
    plan->change.account = &plan->account;
    world_commit(world);

    plan = world_plan(world);
    plan->user.number = 2;
    plan->user.user_id = world_id(world);
    plan->change.user = &plan->user;
    assert_int_equal(try_one(world), ERR_exists);
    plan = world_plan(world);
    plan->customer.number = 2;
    plan->customer.customer_id = world_id(world);
    plan->change.customer = &plan->customer;
    assert_int_equal(try_one(world), ERR_exists);
    plan = world_plan(world);
    plan->account.book.number = 2;
    plan->account.book.account_id = world_id(world);
    plan->change.account = &plan->account;
    assert_int_equal(try_one(world), ERR_exists);
    /* Empty external ids are not names. */
    plan = world_plan(world);
    plan->account.external_id[0] = '\0';
    plan->customer.external_id[0] = '\0';
    plan->change.account = &plan->account;
    plan->change.customer = &plan->customer;
    assert_int_equal(try_one(world), ERR_none);
}
ON_EACH(names_are_unique)

/* --- groups ---------------------------------------------------------------------------------- */

static void hot_account_is_right_after_full_groups(struct world *world)
{
    struct account_book book;

    world_accounts(world, 20);
    for (int group = 0; group < 3; group++) {
        for (int i = 0; i < LIMIT_BATCH_MAX; i++)
            world_post(world, WORLD_CASH, 2 + i % 20, 1 + i, WORLD_BEGIN_US, STATUS_COMPLETED);
        world_commit(world);
    }
    for (size_t i = 0; i < world->account_count; i++) {
        memset(&book, 0, sizeof book);
        assert_int_equal(CALL(world, book_by_number, (int64_t)i + 1, &book), ERR_none);
        assert_memory_equal(&book, &world->books[i], sizeof book);
    }
    assert_int_equal(world->books[0].transactions, 3 * LIMIT_BATCH_MAX);
}
ON_EACH(hot_account_is_right_after_full_groups)

/* An account is opened, paid into and frozen; a transaction made, flagged and reversed; all in
 * one group. */
static void changes_see_the_ones_before(struct world *world)
{
    struct plan       *plan;
    struct account     account;
    struct transaction transaction;
    int64_t            sequence;

    world_accounts(world, 1);
    plan = world_plan(world);
    make_account(world, &plan->account);
    plan->account.book.number = 3;
    plan->account.book.balance = 0;
    plan->account.book.held = 0;
    plan->change.account = &plan->account;
    world->books[world->account_count++] = plan->account.book;
    plan = world_post(world, WORLD_CASH, 3, 40, WORLD_BEGIN_US, STATUS_COMPLETED);
    sequence = plan->transaction.sequence;
    plan = world_audit(world, "transaction.flag");
    plan->change.update_count = 1;
    plan->change.updates[0] = (struct transaction_update){ .sequence = sequence,
                                                           .status_before = STATUS_COMPLETED,
                                                           .status_after = STATUS_COMPLETED,
                                                           .flagged_before = false,
                                                           .flagged_after = true };
    plan = world_audit(world, "transaction.reverse");
    plan->change.update_count = 1;
    plan->change.updates[0] = (struct transaction_update){ .sequence = sequence,
                                                           .status_before = STATUS_COMPLETED,
                                                           .status_after = STATUS_REVERSED,
                                                           .flagged_before = true,
                                                           .flagged_after = true,
                                                           .reversed_by = 77 };
    plan = world_audit(world, "account.freeze");
    plan->change.account_count = 1;
    plan->change.accounts[0].version_before = world->books[2].version++;
    world->books[2].status = ACCOUNT_CLOSED;
    world->books[2].freeze_direction = 0;
    plan->change.accounts[0].after = world->books[2];
    plan->change.accounts[0].terms_changed = true;
    snprintf(plan->change.accounts[0].freeze_reason, LIMIT_REASON_MAX, "because");
    plan->change.accounts[0].freeze_authority[0] = '\0';
    world_commit(world);

    memset(&account, 0, sizeof account);
    assert_int_equal(CALL(world, account_by_number, 3, &account), ERR_none);
    assert_memory_equal(&account.book, &world->books[2], sizeof account.book);
    assert_int_equal(account.book.balance, 40);
    assert_string_equal(account.freeze_reason, "because");
    assert_int_equal(CALL(world, transaction_by_sequence, sequence, &transaction), ERR_none);
    assert_int_equal(transaction.status, STATUS_REVERSED);
    assert_int_equal(transaction.initial_status, STATUS_COMPLETED);
    assert_true(transaction.flagged);
    assert_int_equal(transaction.reversed_by, 77);
}
ON_EACH(changes_see_the_ones_before)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_store),
        cmocka_unit_test(test_everybody_is_read_back),
        cmocka_unit_test(test_users_and_customers_are_replaced),
        cmocka_unit_test(test_posting_is_read_back),
        cmocka_unit_test(test_versions_of_rules),
        cmocka_unit_test(test_rules_profiles_heads_and_labels),
        cmocka_unit_test(test_each_precondition_fails_alone),
        cmocka_unit_test(test_head_must_be_the_known_one),
        cmocka_unit_test(test_names_are_unique),
        cmocka_unit_test(test_hot_account_is_right_after_full_groups),
        cmocka_unit_test(test_changes_see_the_ones_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
