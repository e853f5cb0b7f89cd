/* The controls of the engine as people use them: lists, suppressions, the safety valve, the alert
 * budget, notifications. A small bank is served by the real writer on both stores; payments show
 * what is in force, before and after restarts, and after commits that failed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bankd/control_records.h"
#include "bankd/controls.h"
#include "bankd/learn/backtest.h"
#include "bankd/ops/page.h"
#include "bankd/ops/view.h"
#include "bankd/store/memory.h"
#include "bankd/store/sqlite.h"
#include "bankd/writer.h"
#include "common/money.h"

enum { USD = 840, ACCOUNTS = 4, HOLD_HOURS = 24, SENDERS = 3, RECEIVER = 3 };

#define START_US (INT64_C(20000) * US_PER_DAY)

/* large holds, warm raises its points with the amount, the lists speak for themselves. */
static const char rules_text[] =
    "version 1 threshold alert 300 threshold hold 600 threshold decline 900\n"
    "rule large when is_outgoing and amount_major >= 50 score 650 because \"{amount} is large\"\n"
    "fires on is_outgoing=yes amount_major=50 silent on is_outgoing=yes amount_major=49 end\n"
    "rule warm when is_outgoing and amount_major >= 10 and amount_major < 50 score 10 * "
    "amount_major\n"
    "because \"{amount} is warm\"\n"
    "fires on is_outgoing=yes amount_major=20 silent on is_outgoing=yes amount_major=9 end\n"
    "rule denied when account_denied or counterparty_denied action decline because \"denied\"\n"
    "fires on account_denied=yes silent on account_allowed=yes end\n"
    "rule watched when account_watched or counterparty_watched action alert because \"watched\"\n"
    "fires on account_watched=yes silent on account_allowed=yes end\n"
    "rule allowed when counterparty_allowed score -400 because \"allowed\"\n"
    "fires on counterparty_allowed=yes silent on account_denied=yes end\n"
    "rule grave when is_outgoing and amount_major >= 7 and amount_major < 8 score 650\n"
    "severity high because \"{amount} is grave\"\n"
    "fires on is_outgoing=yes amount_major=7 silent on is_outgoing=yes amount_major=8 end\n";

struct world {
    struct clock            clock;
    int64_t                 now_us;
    struct store_ops        faulty;
    const struct store_ops *real;
    bool                    full; /* the disk: the next commit fails */
    struct store           *store;
    struct bank             bank;
    struct writer          *writer;
    struct customer         customer;
    struct uuid             accounts[ACCOUNTS];
    int64_t                 numbers[ACCOUNTS];
    int                     events; /* notifications that sessions were told of */
    int64_t                 alone;  /* the user whatever the role; 0 = one for each role */
    char                    path[64];
    struct arena            arena;
    struct fault            fault;
    struct request          request;
};

static struct world *now_world;

static int64_t clock_now(struct clock *clock)
{
    (void)clock;
    return now_world->now_us;
}

static enum err faulty_apply(struct store *store, const struct commit *commit, size_t *failed,
                             struct fault *fault)
{
    if (now_world->full)
        return fault_set(fault, ERR_storage_full, NULL, "The disk is full, says the test");
    return now_world->real->apply(store, commit, failed, fault);
}

static void start(struct world *world)
{
    struct writer_config config = {
        .store = world->store, .bank = &world->bank, .clock = &world->clock, .rule_set = 1
    };
    struct fault fault = { 0 };

    assert_int_equal(writer_open(&config, &world->writer, &fault), ERR_none);
}

static void count_event(void *context, enum event_index event, struct slice bytes)
{
    struct world *world = context;

    (void)bytes;
    world->events += event == EVENT_INDEX_notification;
}

static enum err commit(struct world *world)
{
    enum err err = writer_commit(world->writer, &world->fault);

    writer_events(world->writer, count_event, world);
    return err;
}

static void must_commit(struct world *world)
{
    assert_int_equal(commit(world), ERR_none);
}

static void restart(struct world *world)
{
    writer_close(&world->writer);
    start(world);
}

/* As after a crash: nothing is saved at the end. */
static void crash(struct world *world)
{
    world->full = true;
    writer_close(&world->writer);
    world->full = false;
    start(world);
}

static void add_rules(struct world *world)
{
    struct act           act = { .kind = AUDIT_ACTION, .operation = "rules.load" };
    struct writer_config config = { .store = world->store,
                                    .bank = &world->bank,
                                    .clock = &world->clock };
    struct draft        *draft;

    assert_int_equal(writer_open(&config, &world->writer, NULL), ERR_none);
    draft = writer_draft(world->writer);
    memset(&draft->rule_set, 0, sizeof draft->rule_set);
    draft->rule_set.number = writer_next_rule_set(world->writer);
    draft->rule_set.state = RULES_ACTIVE;
    crypto_generichash(draft->rule_set.hash, 32, (const uint8_t *)rules_text, strlen(rules_text),
                       NULL, 0);
    draft->change.rule_set = &draft->rule_set;
    draft->change.rule_text = slice_from(rules_text);
    writer_audit(world->writer, draft, &act);
    writer_add(world->writer, draft);
    must_commit(world);
    writer_close(&world->writer);
}

static void add_customer(struct world *world)
{
    struct draft *draft = writer_draft(world->writer);
    struct act    act = { .kind = AUDIT_ACTION, .operation = "customer.create" };

    memset(&draft->customer, 0, sizeof draft->customer);
    draft->customer.number = writer_next_customer(world->writer);
    draft->customer.customer_id = uuid_v7(world->now_us);
    snprintf(draft->customer.name, sizeof draft->customer.name, "Ada Example");
    draft->customer.created_at_us = world->now_us;
    world->customer = draft->customer;
    draft->change.customer = &draft->customer;
    writer_audit(world->writer, draft, &act);
    writer_add(world->writer, draft);
}

static void add_account(struct world *world, int i)
{
    struct draft *draft = writer_draft(world->writer);
    struct act    act = { .kind = AUDIT_ACTION, .operation = "account.create" };

    memset(&draft->account, 0, sizeof draft->account);
    draft->account.book =
        (struct account_book){ .number = writer_next_account(world->writer),
                               .account_id = uuid_v7(world->now_us),
                               .customer = i == RECEIVER ? world->customer.number : 0,
                               .kind = ACCOUNT_CUSTOMER,
                               .status = ACCOUNT_ACTIVE,
                               .currency = USD,
                               .overdraft_limit = 100000000,
                               .version = 1,
                               .created_at_us = world->now_us };
    snprintf(draft->account.name, sizeof draft->account.name, "Account %d", i);
    world->accounts[i] = draft->account.book.account_id;
    world->numbers[i] = draft->account.book.number;
    draft->change.account = &draft->account;
    writer_audit(world->writer, draft, &act);
    writer_add(world->writer, draft);
}

static struct world *world_new(const struct store_ops *ops)
{
    static const struct bank_settings settings = {
        .high_value_major = 60, .large_major = 80, .hold_hours = HOLD_HOURS, .id_skew_hours = 24
    };
    struct world       *world = calloc(1, sizeof *world);
    struct store_config config = { .cache_kib = 1024 };
    struct fault        fault = { 0 };

    world->now_us = START_US;
    world->clock.now_us = clock_now;
    now_world = world;
    snprintf(world->path, sizeof world->path, "/tmp/test_controls.%d.db", (int)getpid());
    config.path = world->path;
    bank_init(&world->bank, &settings);
    assert_int_equal(ops->open(&config, STORE_CREATE, &world->store, &fault), ERR_none);
    assert_int_equal(arena_init(&world->arena, LIMIT_REQUEST_ARENA), ERR_none);
    world->real = world->store->ops;
    world->faulty = *world->real;
    world->faulty.apply = faulty_apply;
    world->store->ops = &world->faulty;
    add_rules(world);
    start(world);
    add_customer(world);
    for (int i = 0; i < ACCOUNTS; i++)
        add_account(world, i);
    must_commit(world);
    return world;
}

static void world_free(struct world *world)
{
    static const char *const sides[] = { "", "-wal", "-shm" };
    char                     side[80];

    writer_close(&world->writer);
    world->store->ops = world->real;
    world->real->close(&world->store);
    bank_free(&world->bank);
    arena_free(&world->arena);
    for (size_t i = 0; i < 3; i++) {
        snprintf(side, sizeof side, "%s%s", world->path, sides[i]);
        unlink(side);
    }
    free(world);
}

/* --- requests -------------------------------------------------------------------------------- */

static void begin(struct world *world, enum op_index op, enum role role, void *out)
{
    const struct op_row *row = &op_rows[op];

    arena_reset(&world->arena);
    world->fault = (struct fault){ 0 };
    memset(out, 0, row->reply->size);
    world->request = (struct request){
        .op = row,
        .actor = { .user = world->alone != 0 ? world->alone : (int64_t)role,
                   .role = role,
                   .email = "somebody@test.com" },
        .store = world->store,
        .writer = (row->flags & OP_WRITE) != 0 ? world->writer : NULL,
        .bank = &world->bank,
        .arena = &world->arena,
        .fault = &world->fault,
        .now_us = world->now_us,
    };
    assert_true((row->roles & (uint32_t)role) != 0);
}

#define ASK(world, role, family, verb, in, out)                                                    \
    (begin((world), OP_INDEX_##family##_##verb, (role), (out)),                                    \
     op_##family##_##verb(&(world)->request, (in), (out)))
#define MUST(world, role, family, verb, in, out)                                                   \
    do {                                                                                           \
        enum err must_err = ASK(world, role, family, verb, in, out);                               \
        if (must_err != ERR_none)                                                                  \
            fail_msg("%s: %s %s %s", #family "." #verb, err_name(must_err), (world)->fault.field,  \
                     (world)->fault.text);                                                         \
        must_commit(world);                                                                        \
    } while (0)

#define FRAUD      ROLE_FRAUD_ANALYST
#define COMPLIANCE ROLE_COMPLIANCE_OFFICER

/* --- payments -------------------------------------------------------------------------------- */

static struct posted plan_pay(struct world *world, int from, int64_t major, const char *party)
{
    static const struct actor  payer = { .user = 9, .role = ROLE_FINANCIAL_MANAGER };
    const struct account_book *nostro;
    struct posted              out;
    struct post                post = { .actor = &payer,
                                        .transaction_id = uuid_v7(world->now_us),
                                        .type = TYPE_TRANSFER,
                                        .account = world->numbers[from],
                                        .other = world->numbers[RECEIVER],
                                        .amount = major * 100,
                                        .currency = USD,
                                        .at_us = world->now_us };

    if (party != NULL) {
        assert_int_equal(
            writer_book_of_bank(world->writer, ACCOUNT_NOSTRO, USD, &nostro, &world->fault),
            ERR_none);
        post.other = nostro->number;
        post.party = slice_from(party);
    }
    if (writer_post(world->writer, &post, &out, &world->fault) != ERR_none)
        fail_msg("%s: %s", world->fault.field, world->fault.text);
    return out;
}

static struct posted pay(struct world *world, int from, int64_t major, const char *party)
{
    struct posted out = plan_pay(world, from, major, party);

    must_commit(world);
    return out;
}

static int32_t verdict_of(struct world *world, int from, int64_t major, const char *party)
{
    return pay(world, from, major, party).verdict.verdict;
}

/* --- what is told ---------------------------------------------------------------------------- */

struct seen {
    const char *operation;
    int         count;
};

static bool count_audit(void *context, const void *row)
{
    struct seen        *seen = context;
    const struct audit *audit = row;

    seen->count += strcmp(audit->operation, seen->operation) == 0;
    return true;
}

static int audits(struct world *world, const char *operation)
{
    struct seen         seen = { .operation = operation };
    struct audit_filter filter = { .kind = AUDIT_ACTION };
    int64_t             stopped_at;

    assert_int_equal(
        world->store->ops->audits(world->store, &filter, count_audit, &seen, &stopped_at),
        ERR_none);
    return seen.count;
}

static size_t notes(struct world *world, enum role role, int32_t state, struct uuid *newest)
{
    struct msg_notification_query in = { .has = 0 };
    struct msg_notification_page  page;

    MSG_SET(&in, notification_query, state, state);
    MUST(world, role, notification, list, &in, &page);
    if (newest != NULL && page.items.count > 0)
        *newest = page.items.at[0].notification_id;
    return page.items.count;
}

static void sweep(struct world *world)
{
    assert_int_equal(writer_expire(world->writer), ERR_none);
    must_commit(world);
}

/* --- lists ----------------------------------------------------------------------------------- */

static struct msg_screening_add entry_for(int32_t list)
{
    return (struct msg_screening_add){ .list = list, .reason = slice_from("a reason") };
}

/* Puts somebody on a list, with the second person whom the allow list takes. */
static void enter(struct world *world, const struct msg_screening_add *in,
                  struct msg_screening_entry *out)
{
    struct msg_screening_approve yes = { .has = 0 };

    MUST(world, FRAUD, screening, add, in, out);
    yes.entry_id = out->entry_id;
    if (in->list == LIST_ALLOW)
        MUST(world, COMPLIANCE, screening, approve, &yes, out);
    assert_int_equal(out->state, CONTROL_ACTIVE);
}

static void test_lists_act_on_accounts_customers_and_parties(void **state)
{
    struct world              *world = world_new(*state);
    struct msg_screening_add   in = entry_for(LIST_DENY);
    struct msg_screening_entry out;

    MSG_SET(&in, screening_add, account_id, world->accounts[RECEIVER]);
    assert_int_equal(verdict_of(world, 0, 5, NULL), VERDICT_APPROVE);
    MUST(world, FRAUD, screening, add, &in, &out);
    assert_int_equal(out.state, CONTROL_ACTIVE);
    assert_true(slice_is(out.name, "Account 3"));
    assert_int_equal(verdict_of(world, 0, 5, NULL), VERDICT_DECLINE);
    assert_int_equal(verdict_of(world, 0, 5, "bank:A/1"), VERDICT_APPROVE);
    assert_int_equal(ASK(world, FRAUD, screening, add, &in, &out), ERR_exists);

    in = entry_for(LIST_DENY);
    MSG_SET(&in, screening_add, counterparty, slice_from("bank:A/1"));
    MUST(world, COMPLIANCE, screening, add, &in, &out);
    assert_int_equal(verdict_of(world, 1, 5, "bank:A/1"), VERDICT_DECLINE);
    assert_int_equal(verdict_of(world, 1, 5, "bank:A/12"), VERDICT_APPROVE);

    in = entry_for(LIST_WATCH);
    MSG_SET(&in, screening_add, customer_id, world->customer.customer_id);
    MUST(world, FRAUD, screening, add, &in, &out);
    assert_true(slice_is(out.name, "Ada Example"));
    assert_true(pay(world, RECEIVER, 5, "bank:B/1").row->flagged); /* the customer's own account */

    in = entry_for(LIST_ALLOW);
    MSG_SET(&in, screening_add, counterparty, slice_from("bank:C/1"));
    enter(world, &in, &out);
    assert_int_equal(verdict_of(world, 0, 60, "bank:D/1"), VERDICT_HOLD);
    assert_int_equal(verdict_of(world, 0, 60, "bank:C/1"), VERDICT_APPROVE);
    assert_int_equal(audits(world, "screening.add"), 4);
    world_free(world);
}

static void test_entries_are_checked(void **state)
{
    struct world               *world = world_new(*state);
    struct msg_screening_add    in = entry_for(LIST_DENY);
    struct msg_screening_entry  out;
    struct msg_screening_remove gone = { .entry_id = uuid_v7(world->now_us),
                                         .reason = slice_from("a reason") };

    assert_int_equal(ASK(world, FRAUD, screening, add, &in, &out), ERR_field_invalid);
    MSG_SET(&in, screening_add, account_id, world->accounts[0]);
    MSG_SET(&in, screening_add, counterparty, slice_from("bank:A/1"));
    assert_int_equal(ASK(world, FRAUD, screening, add, &in, &out), ERR_field_invalid);
    in = entry_for(LIST_DENY);
    MSG_SET(&in, screening_add, account_id, uuid_v7(world->now_us));
    assert_int_equal(ASK(world, FRAUD, screening, add, &in, &out), ERR_account_unknown);
    MSG_SET(&in, screening_add, account_id, world->accounts[0]);
    MSG_SET(&in, screening_add, until, world->now_us);
    assert_int_equal(ASK(world, FRAUD, screening, add, &in, &out), ERR_field_invalid);
    in = entry_for(LIST_DENY);
    MSG_SET(&in, screening_add, customer_id, uuid_v7(world->now_us));
    assert_int_equal(ASK(world, FRAUD, screening, add, &in, &out), ERR_not_found);
    assert_int_equal(ASK(world, FRAUD, screening, remove, &gone, &out), ERR_not_found);
    world_free(world);
}

static void test_an_entry_ends_by_a_person_or_by_its_date(void **state)
{
    struct world               *world = world_new(*state);
    struct msg_screening_add    in = entry_for(LIST_DENY);
    struct msg_screening_entry  out;
    struct msg_screening_remove end = { .reason = slice_from("cleared") };
    struct msg_screening_query  query = { .has = 0 };
    struct msg_screening_page   page;

    MSG_SET(&in, screening_add, account_id, world->accounts[0]);
    MUST(world, FRAUD, screening, add, &in, &out);
    end.entry_id = out.entry_id;
    MUST(world, COMPLIANCE, screening, remove, &end, &out);
    assert_int_equal(out.state, CONTROL_REMOVED);
    assert_true(slice_is(out.ended_by, "somebody@test.com"));
    assert_int_equal(verdict_of(world, 0, 5, NULL), VERDICT_APPROVE);
    assert_int_equal(ASK(world, FRAUD, screening, remove, &end, &out), ERR_state_conflict);

    MSG_SET(&in, screening_add, until, world->now_us + US_PER_HOUR);
    MUST(world, FRAUD, screening, add, &in, &out);
    assert_int_equal(verdict_of(world, 0, 5, NULL), VERDICT_DECLINE);
    world->now_us += US_PER_HOUR;
    assert_int_equal(verdict_of(world, 0, 5, NULL), VERDICT_APPROVE); /* before the sweep, too */
    sweep(world);
    assert_int_equal(audits(world, "screening.expire"), 1);
    sweep(world);
    assert_int_equal(audits(world, "screening.expire"), 1);
    MUST(world, FRAUD, screening, list, &query, &page);
    assert_int_equal(page.items.count, 2);
    assert_int_equal(page.items.at[0].state, CONTROL_EXPIRED);
    assert_true(slice_is(page.items.at[0].ended_by, "system"));
    MSG_SET(&query, screening_query, state, CONTROL_REMOVED);
    MUST(world, FRAUD, screening, list, &query, &page);
    assert_int_equal(page.items.count, 1);
    assert_true(slice_is(page.items.at[0].end_reason, "cleared"));
    world_free(world);
}

static void test_lists_are_paged_and_filtered(void **state)
{
    struct world              *world = world_new(*state);
    struct msg_screening_query query = { .has = 0 };
    struct msg_screening_page  page;
    char                       cursor[LIMIT_CURSOR_MAX];
    size_t                     seen = 0;

    for (int i = 0; i < 25; i++) {
        struct msg_screening_add   in = entry_for(i % 5 == 0 ? LIST_WATCH : LIST_DENY);
        struct msg_screening_entry out;
        char                       key[24];

        snprintf(key, sizeof key, "bank:X/%d", i);
        MSG_SET(&in, screening_add, counterparty, slice_from(key));
        MUST(world, FRAUD, screening, add, &in, &out);
    }
    MSG_SET(&query, screening_query, list, LIST_DENY);
    MSG_SET(&query, screening_query, limit, 7);
    do {
        MUST(world, FRAUD, screening, list, &query, &page);
        for (size_t i = 0; i < page.items.count; i++)
            assert_int_equal(page.items.at[i].list, LIST_DENY);
        seen += page.items.count;
        if (MSG_HAS(&page, screening_page, next)) {
            memcpy(cursor, page.next.at, page.next.n);
            MSG_SET(&query, screening_query, cursor, slice_of(cursor, page.next.n));
        }
    } while (MSG_HAS(&page, screening_page, next));
    assert_int_equal(seen, 20);
    query = (struct msg_screening_query){ .has = 0 };
    MSG_SET(&query, screening_query, search, slice_from("x/24"));
    MUST(world, FRAUD, screening, list, &query, &page);
    assert_int_equal(page.items.count, 1);
    world_free(world);
}

/* --- what is planned, what fails, what survives ----------------------------------------------- */

static void test_a_failed_commit_takes_a_list_back(void **state)
{
    struct world              *world = world_new(*state);
    struct msg_screening_add   in = entry_for(LIST_DENY);
    struct msg_screening_entry out;

    MSG_SET(&in, screening_add, account_id, world->accounts[0]);
    assert_int_equal(ASK(world, FRAUD, screening, add, &in, &out), ERR_none);
    assert_int_equal(plan_pay(world, 0, 5, NULL).verdict.verdict, VERDICT_DECLINE); /* same group */
    world->full = true;
    assert_int_equal(commit(world), ERR_storage_full);
    world->full = false;
    assert_int_equal(verdict_of(world, 0, 5, NULL), VERDICT_APPROVE);
    MUST(world, FRAUD, screening, add, &in, &out);
    assert_int_equal(verdict_of(world, 0, 5, NULL), VERDICT_DECLINE);
    crash(world);
    assert_int_equal(verdict_of(world, 0, 5, NULL), VERDICT_DECLINE);
    world_free(world);
}

static struct msg_suppression_add suppression_of(const struct world *world, const char *rule)
{
    return (struct msg_suppression_add){ .rule = slice_from(rule),
                                         .account_id = world->accounts[0],
                                         .until = world->now_us + 2 * US_PER_DAY,
                                         .reason = slice_from("she pays her builder") };
}

static void test_a_suppressed_rule_is_silent_for_one_account(void **state)
{
    struct world                 *world = world_new(*state);
    struct msg_suppression_add    in = suppression_of(world, "large");
    struct msg_suppression        out;
    struct msg_suppression_remove end = { .reason = slice_from("the house is built") };
    struct posted                 posted;

    assert_int_equal(verdict_of(world, 0, 60, NULL), VERDICT_HOLD);
    MUST(world, FRAUD, suppression, add, &in, &out);
    end.suppression_id = out.suppression_id;
    posted = pay(world, 0, 60, NULL);
    assert_int_equal(posted.verdict.verdict, VERDICT_APPROVE);
    assert_false(posted.row->flagged);
    assert_int_equal(posted.verdict.reasons[0].points, 0);
    assert_non_null(strstr(posted.verdict.reasons[0].text, "suppressed until"));
    assert_int_equal(verdict_of(world, 1, 60, NULL), VERDICT_HOLD);
    assert_int_equal(ASK(world, FRAUD, suppression, add, &in, &out), ERR_exists);
    restart(world);
    assert_int_equal(verdict_of(world, 0, 60, NULL), VERDICT_APPROVE);
    MUST(world, COMPLIANCE, suppression, remove, &end, &out);
    assert_int_equal(verdict_of(world, 0, 60, NULL), VERDICT_HOLD);
    MUST(world, FRAUD, suppression, add, &in, &out);
    world->now_us += 2 * US_PER_DAY;
    assert_int_equal(verdict_of(world, 0, 60, NULL), VERDICT_HOLD);
    sweep(world);
    assert_int_equal(audits(world, "suppression.expire"), 1);
    world_free(world);
}

static void test_suppressions_are_checked_and_listed(void **state)
{
    struct world                *world = world_new(*state);
    struct msg_suppression_add   in = suppression_of(world, "no_such_rule");
    struct msg_suppression       out;
    struct msg_suppression_query query = { .has = 0 };
    struct msg_suppression_page  page;

    assert_int_equal(ASK(world, FRAUD, suppression, add, &in, &out), ERR_not_found);
    in = suppression_of(world, "large");
    in.until = world->now_us - 1;
    assert_int_equal(ASK(world, FRAUD, suppression, add, &in, &out), ERR_field_invalid);
    in = suppression_of(world, "large");
    MUST(world, FRAUD, suppression, add, &in, &out);
    in = suppression_of(world, "warm");
    MUST(world, FRAUD, suppression, add, &in, &out);
    MSG_SET(&query, suppression_query, account_id, world->accounts[0]);
    MUST(world, FRAUD, suppression, list, &query, &page);
    assert_int_equal(page.items.count, 2);
    assert_true(slice_is(page.items.at[0].rule, "warm"));
    assert_true(slice_is(page.items.at[0].account_name, "Account 0"));
    MSG_SET(&query, suppression_query, rule, slice_from("large"));
    MUST(world, FRAUD, suppression, list, &query, &page);
    assert_int_equal(page.items.count, 1);
    world_free(world);
}

/* What people put on the deny list is no business of one analyst, and no suppression is for ever.
 */
static void test_a_suppression_neither_spares_the_deny_list_nor_lasts_for_years(void **state)
{
    struct world              *world = world_new(*state);
    struct msg_suppression_add in = suppression_of(world, "denied");
    struct msg_suppression     out;

    assert_int_equal(ASK(world, FRAUD, suppression, add, &in, &out), ERR_field_invalid);
    assert_non_null(strstr(world->fault.text, "deny list"));
    in = suppression_of(world, "large");
    in.until = world->now_us + 91 * US_PER_DAY;
    assert_int_equal(ASK(world, FRAUD, suppression, add, &in, &out), ERR_field_invalid);
    assert_non_null(strstr(world->fault.text, "90 days"));
    in.until = world->now_us + 90 * US_PER_DAY;
    MUST(world, FRAUD, suppression, add, &in, &out);
    in = suppression_of(world, "watched");
    MUST(world, FRAUD, suppression, add, &in, &out);
    world_free(world);
}

/* One person enters it, another one puts it into force; until then it is nothing. */
static void test_a_grave_rule_is_silenced_by_two_people(void **state)
{
    struct world                  *world = world_new(*state);
    struct msg_suppression_add     in = suppression_of(world, "grave");
    struct msg_suppression         out;
    struct msg_suppression_approve yes = { .has = 0 };
    struct msg_suppression_remove  end = { .reason = slice_from("too much") };
    struct msg_suppression_query   query = { .has = 0 };
    struct msg_suppression_page    page;

    assert_int_equal(verdict_of(world, 0, 7, NULL), VERDICT_HOLD);
    MUST(world, FRAUD, suppression, add, &in, &out);
    assert_int_equal(out.state, CONTROL_PROPOSED);
    yes.suppression_id = end.suppression_id = out.suppression_id;
    assert_int_equal(verdict_of(world, 0, 7, NULL), VERDICT_HOLD);
    restart(world);
    assert_int_equal(verdict_of(world, 0, 7, NULL), VERDICT_HOLD);
    MSG_SET(&query, suppression_query, ended, false);
    MUST(world, COMPLIANCE, suppression, list, &query, &page);
    assert_int_equal(page.items.count, 1);
    assert_true(page.items.at[0].needs_approval);
    assert_int_equal(ASK(world, FRAUD, suppression, add, &in, &out), ERR_exists);
    assert_non_null(strstr(world->fault.text, "proposed already"));
    /* Not even as a compliance officer, should her role have changed. */
    world->alone = FRAUD;
    assert_int_equal(ASK(world, COMPLIANCE, suppression, approve, &yes, &out), ERR_own_proposal);
    world->alone = 0;
    assert_int_equal(verdict_of(world, 0, 7, NULL), VERDICT_HOLD);
    MUST(world, COMPLIANCE, suppression, approve, &yes, &out);
    assert_int_equal(out.state, CONTROL_ACTIVE);
    assert_true(MSG_HAS(&out, suppression, approved_by));
    assert_int_equal(verdict_of(world, 0, 7, NULL), VERDICT_APPROVE);
    assert_int_equal(verdict_of(world, 1, 7, NULL), VERDICT_HOLD);
    restart(world);
    assert_int_equal(verdict_of(world, 0, 7, NULL), VERDICT_APPROVE);
    assert_int_equal(ASK(world, COMPLIANCE, suppression, approve, &yes, &out), ERR_state_conflict);
    MUST(world, FRAUD, suppression, remove, &end, &out);
    assert_int_equal(verdict_of(world, 0, 7, NULL), VERDICT_HOLD);
    assert_int_equal(ASK(world, COMPLIANCE, suppression, approve, &yes, &out), ERR_state_conflict);
    world_free(world);
}

static void test_a_proposed_suppression_is_given_up_or_its_time_ends(void **state)
{
    struct world                  *world = world_new(*state);
    struct msg_suppression_add     in = suppression_of(world, "grave");
    struct msg_suppression         out;
    struct msg_suppression_approve yes = { .has = 0 };
    struct msg_suppression_remove  end = { .reason = slice_from("not for this") };

    MUST(world, FRAUD, suppression, add, &in, &out);
    yes.suppression_id = end.suppression_id = out.suppression_id;
    MUST(world, COMPLIANCE, suppression, remove, &end, &out);
    assert_int_equal(out.state, CONTROL_REMOVED);
    assert_int_equal(ASK(world, COMPLIANCE, suppression, approve, &yes, &out), ERR_state_conflict);
    MUST(world, FRAUD, suppression, add, &in, &out);
    yes.suppression_id = out.suppression_id;
    world->now_us += 2 * US_PER_DAY;
    assert_int_equal(ASK(world, COMPLIANCE, suppression, approve, &yes, &out), ERR_state_conflict);
    sweep(world);
    assert_int_equal(audits(world, "suppression.expire"), 1);
    assert_int_equal(verdict_of(world, 0, 7, NULL), VERDICT_HOLD);
    world_free(world);
}

/* --- back tests ------------------------------------------------------------------------------ */

/* The rules in force once more, over everything that was judged. */
static struct backtest_result backtest(struct world *world, int32_t controls)
{
    static struct backtest_result result;
    struct backtest_options       options = {
              .replay = { .store = world->store, .entities_max = 1000 },
              .from_us = INT64_MIN,
              .cards = 100,
              .controls = controls,
              .controls_at_us = world->now_us,
    };

    assert_int_equal(bank_rules(&world->bank, world->store, 1, &options.rules), ERR_none);
    assert_int_equal(backtest_run(&options, &result, &world->fault), ERR_none);
    bank_rules_release(&world->bank, options.rules);
    return result;
}

static int64_t differs(struct world *world, int32_t controls)
{
    struct backtest_result result = backtest(world, controls);

    return result.gained.count + result.lost.count;
}

/* One person proposes to trust somebody, another one makes it so; until then it is nothing. */
static void test_two_people_put_somebody_on_the_allow_list(void **state)
{
    struct world                *world = world_new(*state);
    struct msg_screening_add     in = entry_for(LIST_ALLOW);
    struct msg_screening_entry   out;
    struct msg_screening_approve yes = { .has = 0 };
    struct msg_screening_remove  end = { .reason = slice_from("no") };
    struct msg_screening_query   query = { .has = 0 };
    struct msg_screening_page    page;
    char                         name[32];

    MSG_SET(&in, screening_add, counterparty, slice_from("bank:C/1"));
    MUST(world, FRAUD, screening, add, &in, &out);
    assert_int_equal(out.state, CONTROL_PROPOSED);
    assert_true(out.needs_approval);
    yes.entry_id = end.entry_id = out.entry_id;
    assert_int_equal(verdict_of(world, 0, 60, "bank:C/1"), VERDICT_HOLD);
    restart(world);
    assert_int_equal(verdict_of(world, 0, 60, "bank:C/1"), VERDICT_HOLD);
    MSG_SET(&query, screening_query, ended, false);
    MUST(world, FRAUD, screening, list, &query, &page);
    assert_int_equal(page.items.count, 1);
    world->alone = FRAUD; /* not even as a compliance officer, should her role have changed */
    assert_int_equal(ASK(world, COMPLIANCE, screening, approve, &yes, &out), ERR_own_proposal);
    world->alone = 0;
    assert_int_equal(verdict_of(world, 0, 60, "bank:C/1"), VERDICT_HOLD);
    MUST(world, FRAUD, screening, add, &in, &out); /* the same once more */
    world->now_us += US_PER_SECOND;
    MUST(world, COMPLIANCE, screening, approve, &yes, &out);
    assert_int_equal(out.state, CONTROL_ACTIVE);
    assert_true(MSG_HAS(&out, screening_entry, approved_by) && !out.needs_approval);
    assert_int_equal(verdict_of(world, 0, 60, "bank:C/1"), VERDICT_APPROVE);
    restart(world);
    assert_int_equal(verdict_of(world, 0, 60, "bank:C/1"), VERDICT_APPROVE);
    assert_int_equal(ASK(world, COMPLIANCE, screening, approve, &yes, &out), ERR_state_conflict);
    MUST(world, FRAUD, screening, list, &query, &page);
    assert_int_equal(page.items.count, 2);
    yes.entry_id = page.items.at[0].entry_id;
    assert_int_equal(ASK(world, COMPLIANCE, screening, approve, &yes, &out), ERR_exists);
    world->now_us += US_PER_SECOND;
    MUST(world, FRAUD, screening, remove, &end, &out);
    assert_int_equal(verdict_of(world, 0, 60, "bank:C/1"), VERDICT_HOLD);
    assert_int_equal(differs(world, BACKTEST_CONTROLS_THEN), 0); /* from its approval to its end */
    end.entry_id = yes.entry_id;
    MUST(world, COMPLIANCE, screening, remove, &end, &out); /* given up */
    assert_int_equal(ASK(world, COMPLIANCE, screening, approve, &yes, &out), ERR_state_conflict);
    MSG_SET(&in, screening_add, until, world->now_us + US_PER_HOUR);
    MUST(world, FRAUD, screening, add, &in, &out);
    yes.entry_id = out.entry_id;
    world->now_us += US_PER_DAY;
    assert_int_equal(ASK(world, COMPLIANCE, screening, approve, &yes, &out), ERR_state_conflict);
    sweep(world);
    assert_int_equal(audits(world, "screening.expire"), 1);
    in = entry_for(LIST_ALLOW);
    for (int i = 0; i < LIMIT_SCREENING_PROPOSED_MAX; i++) {
        snprintf(name, sizeof name, "bank:X/%d", i);
        MSG_SET(&in, screening_add, counterparty, slice_from(name));
        MUST(world, FRAUD, screening, add, &in, &out);
    }
    assert_int_equal(ASK(world, FRAUD, screening, add, &in, &out), ERR_limit_reached);
    world_free(world);
}

/* One payment before an entry, one under it and one behind it: as they were then they are decided
 * as they were. */
static void pay_around(struct world *world, struct msg_screening_add in, int from, int64_t major,
                       const char *party)
{
    struct msg_screening_entry  out;
    struct msg_screening_remove end = { .reason = slice_from("cleared") };
    int32_t                     before = verdict_of(world, from, major, party);

    world->now_us += US_PER_SECOND;
    enter(world, &in, &out);
    end.entry_id = out.entry_id;
    assert_int_not_equal(verdict_of(world, from, major, party), before);
    world->now_us += US_PER_SECOND;
    MUST(world, FRAUD, screening, remove, &end, &out);
    assert_int_equal(verdict_of(world, from, major, party), before);
}

static void test_a_back_test_knows_the_lists_of_each_moment(void **state)
{
    struct world              *world = world_new(*state);
    struct msg_screening_add   in = entry_for(LIST_DENY);
    struct msg_screening_entry out;

    MSG_SET(&in, screening_add, account_id, world->accounts[0]);
    pay_around(world, in, 0, 5, NULL);
    in = entry_for(LIST_DENY);
    MSG_SET(&in, screening_add, account_id, world->accounts[RECEIVER]); /* the other side */
    pay_around(world, in, 1, 5, NULL);
    in = entry_for(LIST_DENY);
    MSG_SET(&in, screening_add, customer_id, world->customer.customer_id);
    pay_around(world, in, RECEIVER, 5, "bank:A/1");
    in = entry_for(LIST_DENY);
    MSG_SET(&in, screening_add, counterparty, slice_from("bank:B/1"));
    pay_around(world, in, 1, 5, "bank:B/1");
    in = entry_for(LIST_ALLOW);
    MSG_SET(&in, screening_add, counterparty, slice_from("bank:C/1"));
    pay_around(world, in, 1, 60, "bank:C/1");
    in = entry_for(LIST_ALLOW);
    MSG_SET(&in, screening_add, counterparty, slice_from("bank:nobody/1"));
    MUST(world, FRAUD, screening, add, &in, &out);

    assert_int_equal(differs(world, BACKTEST_CONTROLS_THEN), 0);
    assert_int_equal(differs(world, 0), 5);
    assert_int_equal(differs(world, BACKTEST_CONTROLS_NONE), 5);
    assert_int_equal(differs(world, BACKTEST_CONTROLS_NOW), 5); /* all have ended */
    in = entry_for(LIST_DENY);
    MSG_SET(&in, screening_add, account_id, world->accounts[0]);
    MUST(world, FRAUD, screening, add, &in, &out);
    assert_int_equal(differs(world, BACKTEST_CONTROLS_NOW), 6); /* its other two, and four more */
    assert_int_equal(differs(world, BACKTEST_CONTROLS_THEN), 0);
    world_free(world);
}

static void test_a_back_test_knows_the_suppressions_of_each_moment(void **state)
{
    struct world                  *world = world_new(*state);
    struct msg_suppression_add     in = suppression_of(world, "grave");
    struct msg_suppression         out;
    struct msg_suppression_approve yes = { .has = 0 };
    struct msg_suppression_remove  end = { .reason = slice_from("over") };

    assert_int_equal(verdict_of(world, 0, 7, NULL), VERDICT_HOLD);
    world->now_us += US_PER_SECOND;
    MUST(world, FRAUD, suppression, add, &in, &out);
    yes.suppression_id = end.suppression_id = out.suppression_id;
    assert_int_equal(verdict_of(world, 0, 7, NULL), VERDICT_HOLD); /* only proposed */
    world->now_us += US_PER_SECOND;
    MUST(world, COMPLIANCE, suppression, approve, &yes, &out);
    assert_int_equal(verdict_of(world, 0, 7, NULL), VERDICT_APPROVE);
    assert_int_equal(differs(world, BACKTEST_CONTROLS_NOW), 2);
    world->now_us += US_PER_SECOND;
    MUST(world, FRAUD, suppression, remove, &end, &out);
    assert_int_equal(verdict_of(world, 0, 7, NULL), VERDICT_HOLD);

    in = suppression_of(world, "large");
    MUST(world, FRAUD, suppression, add, &in, &out);
    assert_int_equal(verdict_of(world, 0, 60, NULL), VERDICT_APPROVE);
    world->now_us = out.until;
    assert_int_equal(verdict_of(world, 0, 60, NULL), VERDICT_HOLD);
    sweep(world);

    in = suppression_of(world, "grave"); /* given up: it never did anything */
    MUST(world, FRAUD, suppression, add, &in, &out);
    end.suppression_id = out.suppression_id;
    assert_int_equal(verdict_of(world, 0, 7, NULL), VERDICT_HOLD);
    MUST(world, COMPLIANCE, suppression, remove, &end, &out);

    assert_int_equal(differs(world, BACKTEST_CONTROLS_THEN), 0);
    assert_int_equal(differs(world, BACKTEST_CONTROLS_NONE), 2);
    assert_int_equal(differs(world, BACKTEST_CONTROLS_NOW), 2);
    world_free(world);
}

/* --- the safety valve ------------------------------------------------------------------------ */

static void set(struct world *world, struct msg_controls_set in)
{
    struct msg_control_settings out;

    in.reason = slice_from("a reason");
    MUST(world, COMPLIANCE, controls, set, &in, &out);
}

static void set_valve(struct world *world, int64_t share_bp, int64_t minimum)
{
    struct msg_controls_set in = { .has = 0 };

    MSG_SET(&in, controls_set, valve_share_bp, share_bp);
    MSG_SET(&in, controls_set, valve_minimum, minimum);
    set(world, in);
}

static struct msg_controls get(struct world *world)
{
    struct msg_empty    in = { 0 };
    struct msg_controls out;

    MUST(world, FRAUD, controls, get, &in, &out);
    return out;
}

static void test_the_valve_steps_a_rule_down_and_a_person_restores_it(void **state)
{
    struct world               *world = world_new(*state);
    struct msg_controls_restore in = { .rule = slice_from("large"),
                                       .reason = slice_from("the file was wrong, not the rule") };
    struct msg_stepped_rule     out;
    struct msg_controls         controls;
    struct posted               posted;

    set_valve(world, 2000, 20);
    for (int i = 0; i < 19; i++)
        assert_int_equal(verdict_of(world, i % SENDERS, i < 14 ? 5 : 60, NULL),
                         i < 14 ? VERDICT_APPROVE : VERDICT_HOLD);
    assert_int_equal(audits(world, "controls.step_down"), 0); /* 5 of 19, but the minimum is 20 */
    world->events = 0;
    assert_int_equal(verdict_of(world, 0, 60, NULL), VERDICT_HOLD); /* 6 of 20: the last one */
    assert_int_equal(audits(world, "controls.step_down"), 1);
    assert_int_equal(world->events, 2);
    posted = pay(world, 1, 60, NULL);
    assert_int_equal(posted.verdict.verdict, VERDICT_APPROVE);
    assert_true(posted.row->flagged);
    assert_int_equal(posted.row->score, 650);
    assert_non_null(strstr(posted.verdict.reasons[0].text, "stepped down"));
    controls = get(world);
    assert_int_equal(controls.stepped.count, 1);
    assert_true(slice_is(controls.stepped.at[0].rule, "large"));
    assert_int_equal(controls.stepped.at[0].payments, 20);
    assert_int_equal(controls.stepped.at[0].stopped, 6);

    crash(world);
    assert_int_equal(verdict_of(world, 1, 60, NULL), VERDICT_APPROVE);
    MUST(world, FRAUD, controls, restore, &in, &out);
    assert_int_equal(out.state, CONTROL_REMOVED);
    assert_int_equal(get(world).stepped.count, 0);
    assert_int_equal(verdict_of(world, 1, 60, NULL), VERDICT_HOLD);
    restart(world); /* what it stopped before it was restored does not count again */
    assert_int_equal(verdict_of(world, 1, 60, NULL), VERDICT_HOLD);
    assert_int_equal(audits(world, "controls.step_down"), 1);
    assert_int_equal(ASK(world, FRAUD, controls, restore, &in, &out), ERR_not_found);
    assert_int_equal(notes(world, FRAUD, NOTIFICATION_UNREAD, NULL), 3); /* set, down, restored */
    assert_int_equal(notes(world, COMPLIANCE, NOTIFICATION_UNREAD, NULL), 2);
    assert_int_equal(notes(world, ROLE_FINANCIAL_MANAGER, NOTIFICATION_UNREAD, NULL), 0);
    world_free(world);
}

/* A rule that was about to be stepped down is, also when the daemon went down in between. */
static void test_the_valve_knows_after_a_crash_what_it_knew(void **state)
{
    struct world *world = world_new(*state);

    set_valve(world, 2000, 20);
    for (int i = 0; i < 19; i++)
        (void)pay(world, i % SENDERS, i < 14 ? 5 : 60, NULL);
    crash(world);
    assert_int_equal(verdict_of(world, 0, 60, NULL), VERDICT_HOLD); /* 6 of 20 */
    assert_int_equal(audits(world, "controls.step_down"), 1);
    assert_int_equal(get(world).stepped.at[0].payments, 20);
    assert_int_equal(get(world).stepped.at[0].stopped, 6);
    world_free(world);
}

/* What lies outside the window is not counted again, nor what came in as history. */
static void test_the_valve_counts_no_old_payments_again(void **state)
{
    struct world *world = world_new(*state);

    set_valve(world, 5000, 10);
    for (int i = 0; i < 9; i++)
        (void)pay(world, i % SENDERS, 60, NULL);
    world->now_us += US_PER_HOUR + US_PER_HOUR / 12;
    crash(world);
    for (int i = 0; i < 9; i++)
        assert_int_equal(verdict_of(world, i % SENDERS, 60, NULL), VERDICT_HOLD);
    assert_int_equal(audits(world, "controls.step_down"), 0);
    world_free(world);
}

static void test_the_valve_forgets_what_is_older_than_its_window(void **state)
{
    struct world *world = world_new(*state);

    set_valve(world, 5000, 10);
    for (int i = 0; i < 9; i++)
        assert_int_equal(verdict_of(world, i % SENDERS, 60, NULL), VERDICT_HOLD);
    world->now_us += US_PER_HOUR + US_PER_HOUR / 12;
    for (int i = 0; i < 9; i++) /* those before no longer count towards the minimum */
        assert_int_equal(verdict_of(world, i % SENDERS, 60, NULL), VERDICT_HOLD);
    assert_int_equal(audits(world, "controls.step_down"), 0);
    assert_int_equal(verdict_of(world, 0, 60, NULL), VERDICT_HOLD);
    assert_int_equal(audits(world, "controls.step_down"), 1);
    world_free(world);
}

/* Whoever is on the deny list was put there by a person: the more they try, the more is declined.
 */
static void test_the_valve_spares_the_deny_list(void **state)
{
    struct world              *world = world_new(*state);
    struct msg_screening_add   in = entry_for(LIST_DENY);
    struct msg_screening_entry out;

    set_valve(world, 2000, 10);
    MSG_SET(&in, screening_add, account_id, world->accounts[0]);
    MUST(world, FRAUD, screening, add, &in, &out);
    for (int i = 0; i < 30; i++)
        assert_int_equal(verdict_of(world, 0, 5, NULL), VERDICT_DECLINE);
    assert_int_equal(audits(world, "controls.step_down"), 0);
    world_free(world);
}

/* What was counted in a group that was not kept is not counted. */
static void test_a_failed_commit_takes_counts_back(void **state)
{
    struct world *world = world_new(*state);

    set_valve(world, 5000, 10);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 9; i++)
            (void)plan_pay(world, i % SENDERS, 60, NULL);
        world->full = true;
        assert_int_equal(commit(world), ERR_storage_full);
        world->full = false;
    }
    assert_int_equal(verdict_of(world, 0, 60, NULL), VERDICT_HOLD);
    assert_int_equal(audits(world, "controls.step_down"), 0);
    for (int i = 0; i < 30; i++) /* and in one group the valve acts at once */
        assert_int_equal(plan_pay(world, i % SENDERS, 60, NULL).verdict.verdict,
                         i < 9 ? VERDICT_HOLD : VERDICT_APPROVE);
    world->full = true;
    assert_int_equal(commit(world), ERR_storage_full);
    world->full = false;
    assert_int_equal(verdict_of(world, 1, 60, NULL), VERDICT_HOLD); /* nor is it stepped down */
    must_commit(world);
    assert_int_equal(audits(world, "controls.step_down"), 0);
    world_free(world);
}

/* --- the alert budget ------------------------------------------------------------------------ */

/* From an account that never paid before, which is number 0 from now on. */
static struct posted pay_anew(struct world *world, int64_t major)
{
    add_account(world, 0);
    must_commit(world);
    return pay(world, 0, major, NULL);
}

/* So many payments of each of 30, 35, 40 and 45, whose scores are 300 to 450. */
static void busy_day(struct world *world, int each)
{
    for (int i = 0; i < each; i++)
        for (int64_t major = 30; major < 50; major += 5)
            (void)pay_anew(world, major);
}

static void set_budget(struct world *world, int64_t alerts)
{
    struct msg_controls_set in = { .has = 0 };

    MSG_SET(&in, controls_set, alert_budget_per_day, alerts);
    set(world, in);
    sweep(world);
}

/* However often one account pays, and however often a list speaks, the budget is not used up. */
static void test_one_account_cannot_flood_the_budget(void **state)
{
    struct world              *world = world_new(*state);
    struct msg_screening_add   in = entry_for(LIST_WATCH);
    struct msg_screening_entry out;
    struct msg_controls        controls;

    MSG_SET(&in, screening_add, account_id, world->accounts[1]);
    MUST(world, FRAUD, screening, add, &in, &out);
    for (int i = 0; i < 12; i++) {
        assert_true(pay(world, 1, 1, NULL).row->flagged);
        assert_true(pay(world, 2, 45, NULL).row->flagged);
        assert_false(pay_anew(world, 1).row->flagged);
    }
    set_budget(world, 3);
    restart(world); /* which writes the counters */
    controls = get(world);
    assert_int_equal(controls.threshold_alert, 300);
    assert_int_equal(controls.threshold_hold, 600);
    assert_int_equal(controls.by_rules_x10, 10);
    assert_int_equal(controls.alerts_today, 2);
    assert_int_equal(audits(world, "controls.thresholds"), 0);
    world_free(world);
}

/* What was counted in a group that was not kept counts later. */
static void test_a_failed_commit_takes_the_budgets_count_back(void **state)
{
    struct world *world = world_new(*state);

    (void)plan_pay(world, 0, 45, NULL);
    (void)plan_pay(world, 0, 30, NULL);
    world->full = true;
    assert_int_equal(commit(world), ERR_storage_full);
    world->full = false;
    (void)pay(world, 0, 35, NULL);
    restart(world);
    assert_int_equal(get(world).by_rules_x10, 10);
    assert_int_equal(get(world).bands.at[2].by_rules_x10, 10);
    world_free(world);
}

static void test_the_threshold_follows_the_budget(void **state)
{
    struct world       *world = world_new(*state);
    struct msg_controls controls;

    busy_day(world, 10);
    set_budget(world, 22);
    controls = get(world);
    assert_int_equal(audits(world, "controls.thresholds"), 1);
    assert_int_equal(controls.threshold_alert, 360); /* 20 a day are left */
    assert_int_equal(controls.rules_alert, 300);
    assert_int_equal(controls.threshold_hold, 600);
    assert_int_equal(controls.by_rules_x10, 400);
    assert_int_equal(controls.now_x10, 200);
    assert_int_equal(controls.given_up_x10, 200);
    assert_int_equal(controls.bands.at[2].from, 300);
    assert_int_equal(controls.bands.at[2].by_rules_x10, 200);
    assert_int_equal(controls.bands.at[2].now_x10, 0);
    assert_int_equal(controls.bands.at[3].now_x10, 200);
    assert_int_equal(controls.alerts_today, 40);
    assert_false(pay_anew(world, 35).row->flagged);
    assert_true(pay_anew(world, 40).row->flagged);

    restart(world);
    assert_false(pay_anew(world, 35).row->flagged);
    controls = get(world);
    assert_int_equal(controls.threshold_alert, 360);
    assert_int_equal(controls.by_rules_x10, 420); /* what was counted before is known */
    crash(world);
    assert_false(pay_anew(world, 35).row->flagged);
    (void)pay(world, 0, 1, NULL); /* no alert by the rules either */
    controls = get(world);
    assert_int_equal(controls.given_up_since, START_US - 7 * US_PER_DAY);
    assert_int_equal(controls.given_up_money.count, 1);
    assert_true(slice_is(controls.given_up_money.at[0].currency, "USD"));
    assert_int_equal(controls.given_up_money.at[0].payments, 3);
    assert_int_equal(controls.given_up_money.at[0].amount, 3 * 3500);
    assert_int_equal(controls.given_up_money.at[0].expected_loss, 3 * (3500 * 350 * 350 / 1000000));
    set_budget(world, 0);
    assert_int_equal(get(world).threshold_alert, 300);
    assert_true(pay_anew(world, 35).row->flagged);
    world_free(world);
}

/* Counted once, whenever the daemon went down. */
static void test_a_crash_costs_the_budget_nothing(void **state)
{
    struct world *world = world_new(*state);

    busy_day(world, 5);
    crash(world);
    busy_day(world, 5);
    set_budget(world, 22);
    assert_int_equal(get(world).by_rules_x10, 400);
    (void)pay(world, 1, 35, NULL);
    crash(world);
    (void)pay(world, 1, 35, NULL); /* its account has counted */
    restart(world);
    crash(world);
    restart(world);
    assert_int_equal(get(world).by_rules_x10, 410);
    world_free(world);
}

/* What is over after a week is not told any more. */
static void test_money_that_is_given_up_is_told_for_a_week(void **state)
{
    struct world *world = world_new(*state);

    busy_day(world, 10);
    set_budget(world, 22);
    assert_false(pay_anew(world, 35).row->flagged);
    world->now_us += 7 * US_PER_DAY;
    assert_int_equal(get(world).given_up_money.at[0].payments, 1);
    world->now_us += US_PER_DAY;
    assert_int_equal(get(world).given_up_money.count, 0);
    world_free(world);
}

static void test_the_threshold_comes_down_after_a_day_and_does_not_flap(void **state)
{
    struct world *world = world_new(*state);

    busy_day(world, 10);
    set_budget(world, 22);
    assert_int_equal(get(world).threshold_alert, 360);
    for (int day = 0; day < 10; day++) { /* 20 or 22 a day from 360 on: nothing moves */
        world->now_us += US_PER_DAY;
        busy_day(world, day % 2 == 0 ? 10 : 11);
        sweep(world);
        assert_int_equal(get(world).threshold_alert, 360);
    }
    assert_int_equal(audits(world, "controls.thresholds"), 1);
    for (int day = 0; day < 9; day++) { /* a quiet week: 2 a day of each */
        world->now_us += US_PER_DAY;
        busy_day(world, 2);
        sweep(world);
    }
    assert_true(get(world).threshold_alert <= 300);
    world_free(world);
}

/* Holds alone pass the budget: then all that would not be held is given up, and nothing more. */
static void test_the_budget_never_moves_holds(void **state)
{
    struct world       *world = world_new(*state);
    struct msg_controls controls;
    struct posted       posted;

    for (int i = 0; i < 30; i++)
        (void)pay_anew(world, 60);
    set_budget(world, 5);
    controls = get(world);
    assert_int_equal(controls.threshold_alert, 600);
    assert_int_equal(controls.threshold_hold, 600);
    assert_int_equal(controls.rules_hold, 600);
    assert_int_equal(controls.given_up_x10, 0);
    assert_false(pay_anew(world, 45).row->flagged);
    posted = pay_anew(world, 60);
    assert_int_equal(posted.verdict.verdict, VERDICT_HOLD);
    assert_true(posted.row->flagged && posted.raised);
    world_free(world);
}

/* --- settings, notifications ----------------------------------------------------------------- */

static void test_holds_last_as_long_as_is_set(void **state)
{
    struct world           *world = world_new(*state);
    struct msg_controls_set in = { .has = 0 };

    assert_int_equal(pay(world, 0, 60, NULL).row->hold_expires_at_us,
                     world->now_us + HOLD_HOURS * US_PER_HOUR);
    assert_int_equal(get(world).hold_hours, HOLD_HOURS);
    MSG_SET(&in, controls_set, hold_hours, 3);
    set(world, in);
    assert_int_equal(pay(world, 1, 60, NULL).row->hold_expires_at_us,
                     world->now_us + 3 * US_PER_HOUR);
    restart(world);
    assert_int_equal(pay(world, 2, 60, NULL).row->hold_expires_at_us,
                     world->now_us + 3 * US_PER_HOUR);
    assert_int_equal(get(world).hold_hours, 3);
    assert_true(slice_is(get(world).set_by, "somebody@test.com"));
    world_free(world);
}

static void test_a_notification_is_read_once_and_by_whom_it_is_for(void **state)
{
    struct world               *world = world_new(*state);
    struct msg_notification_ref in = { .has = 0 };
    struct msg_notification     out;

    set_valve(world, 100, 100);
    assert_int_equal(notes(world, FRAUD, NOTIFICATION_UNREAD, &in.notification_id), 1);
    assert_int_equal(ASK(world, COMPLIANCE, notification, read, &in, &out), ERR_not_found);
    MUST(world, FRAUD, notification, read, &in, &out);
    assert_int_equal(out.state, NOTIFICATION_READ);
    assert_true(slice_is(out.read_by, "somebody@test.com"));
    MUST(world, FRAUD, notification, read, &in, &out);
    assert_int_equal(audits(world, "notification.read"), 1);
    assert_int_equal(notes(world, FRAUD, NOTIFICATION_UNREAD, NULL), 0);
    assert_int_equal(notes(world, FRAUD, NOTIFICATION_READ, NULL), 1);
    world_free(world);
}

#define BOTH(test)                                                                                 \
    cmocka_unit_test_prestate(test, (void *)(uintptr_t)&store_memory),                             \
        cmocka_unit_test_prestate(test, (void *)(uintptr_t)&store_sqlite)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_lists_act_on_accounts_customers_and_parties),
        BOTH(test_entries_are_checked),
        BOTH(test_two_people_put_somebody_on_the_allow_list),
        BOTH(test_an_entry_ends_by_a_person_or_by_its_date),
        BOTH(test_lists_are_paged_and_filtered),
        BOTH(test_a_failed_commit_takes_a_list_back),
        BOTH(test_a_suppressed_rule_is_silent_for_one_account),
        BOTH(test_suppressions_are_checked_and_listed),
        BOTH(test_a_grave_rule_is_silenced_by_two_people),
        BOTH(test_a_proposed_suppression_is_given_up_or_its_time_ends),
        BOTH(test_a_back_test_knows_the_lists_of_each_moment),
        BOTH(test_a_back_test_knows_the_suppressions_of_each_moment),
        BOTH(test_a_suppression_neither_spares_the_deny_list_nor_lasts_for_years),
        BOTH(test_the_valve_spares_the_deny_list),
        BOTH(test_the_valve_steps_a_rule_down_and_a_person_restores_it),
        BOTH(test_the_valve_knows_after_a_crash_what_it_knew),
        BOTH(test_the_valve_counts_no_old_payments_again),
        BOTH(test_a_crash_costs_the_budget_nothing),
        BOTH(test_the_valve_forgets_what_is_older_than_its_window),
        BOTH(test_a_failed_commit_takes_counts_back),
        BOTH(test_the_threshold_follows_the_budget),
        BOTH(test_money_that_is_given_up_is_told_for_a_week),
        BOTH(test_the_threshold_comes_down_after_a_day_and_does_not_flap),
        BOTH(test_one_account_cannot_flood_the_budget),
        BOTH(test_a_failed_commit_takes_the_budgets_count_back),
        BOTH(test_the_budget_never_moves_holds),
        BOTH(test_holds_last_as_long_as_is_set),
        BOTH(test_a_notification_is_read_once_and_by_whom_it_is_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
