/* Versions of the rules under failing commits and restarts, held against a model of a few lines:
 * who may do what, which version judges the next payment, what the list says, and the proof of it
 * all in the end. BANK_TEST_SEED tries another story. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bankd/verify.h"
#include "bankd/writer.h"
#include "common/check.h"
#include "tests/lib/bare_bank.h"
#include "tests/unit/random.h"

enum { PEOPLE = 3, TEXTS = 5, VERSIONS_MAX = 2000, STEPS = 1500, FAIL_PERCENT = 15 };

static const char rules_text[] = "version 1\n"
                                 "threshold hold 600\n"
                                 "threshold decline 900\n"
                                 "rule large\n"
                                 "  when amount_major >= 50\n"
                                 "  score 50\n"
                                 "  because \"{amount} is large\"\n"
                                 "  fires on amount_major=50\n"
                                 "  silent on amount_major=49\n"
                                 "end\n";

struct version {
    int     text;
    int32_t state;
    int     author; /* 0 = operator */
};

struct world {
    struct random     random;
    struct bare_clock clock;
    struct bare_disk  disk;
    struct store     *store;
    struct bank       bank;
    struct writer    *writer;
    struct arena      arena;
    struct fault      fault;
    size_t            approvals, judged;
    char              rules[TEXTS][sizeof rules_text + 16]; /* the last has a card, too */
    uint8_t           hashes[TEXTS][CHAIN_HASH_BYTES];
    struct version    versions[VERSIONS_MAX]; /* by number, from 1 */
    size_t            count;
    size_t            active;
    int64_t           account;
    char              path[64];
};

static const char card_text[] = "card 1 base 7 end\n";

static struct slice card_of(int text)
{
    return slice_from(text == TEXTS - 1 ? card_text : "");
}

static struct slice hash_of(const struct world *world, int text)
{
    return slice_of((const char *)world->hashes[text], CHAIN_HASH_BYTES);
}

/* --- a new bank ------------------------------------------------------------------------------ */

static void add_user(struct world *world, int number)
{
    struct draft *draft = writer_draft(world->writer);
    struct act    act = { .kind = AUDIT_ACTION, .operation = "user.add" };

    memset(&draft->user, 0, sizeof draft->user);
    draft->user.number = writer_next_user(world->writer);
    draft->user.user_id = uuid_v7(world->clock.now_us);
    snprintf(draft->user.email, sizeof draft->user.email, "person%d@bank.test", number);
    draft->change.user = &draft->user;
    writer_audit(world->writer, draft, &act);
    writer_add(world->writer, draft);
}

static void open_writer(struct world *world)
{
    struct store_numbers numbers;
    struct writer_config config = { .store = world->store,
                                    .bank = &world->bank,
                                    .clock = &world->clock.clock,
                                    .books_max = 64,
                                    .profiles_max = 64 };

    assert_int_equal(world->store->ops->numbers(world->store, &numbers), ERR_none);
    assert_int_equal(numbers.rules_active, world->active);
    config.rule_set = numbers.rules_active;
    assert_int_equal(writer_open(&config, &world->writer, NULL), ERR_none);
}

static struct world *world_new(const struct store_ops *ops)
{
    struct world        *world = calloc(1, sizeof *world);
    struct store_config  config = { .cache_kib = 4096 };
    struct bank_settings settings = { .high_value_major = 60, .large_major = 80, .hold_hours = 24 };

    CHECK(world != NULL && arena_init(&world->arena, LIMIT_REQUEST_ARENA) == ERR_none);
    world->random = random_start(ops->name);
    bare_clock_start(&world->clock);
    snprintf(world->path, sizeof world->path, "/tmp/test_write_rules.%d.db", (int)getpid());
    config.path = world->path;
    for (int i = 0; i < TEXTS; i++) {
        snprintf(world->rules[i], sizeof world->rules[i], "%s# %d\n", rules_text, i);
        bank_rules_hash(slice_from(world->rules[i]), card_of(i), world->hashes[i]);
    }
    bank_init(&world->bank, &settings);
    assert_int_equal(ops->open(&config, STORE_CREATE, &world->store, &world->fault), ERR_none);
    bare_rules_of(world->store, &world->bank, &world->clock.clock, world->rules[0]);
    world->versions[++world->count] = (struct version){ .state = RULES_ACTIVE };
    world->active = 1;
    open_writer(world);
    for (int i = 1; i <= PEOPLE; i++)
        add_user(world, i);
    world->account = bare_account(world->writer, 0)->number;
    assert_int_equal(writer_commit(world->writer, NULL), ERR_none);
    bare_disk_put(&world->disk, world->store, &world->random);
    world->disk.fail_percent = FAIL_PERCENT;
    return world;
}

static void world_close(struct world *world)
{
    writer_close(&world->writer);
    bare_disk_close(&world->disk, &world->store);
    bank_free(&world->bank);
    arena_free(&world->arena);
    bare_file_remove(world->path);
    free(world);
}

/* --- acts ------------------------------------------------------------------------------------ */

static void begin(struct world *world, enum op_index op, int person, struct request *out)
{
    arena_reset(&world->arena);
    memset(&world->fault, 0, sizeof world->fault);
    *out = (struct request){ .op = &op_rows[op],
                             .actor = { .user = person },
                             .store = world->store,
                             .writer = world->writer,
                             .bank = &world->bank,
                             .arena = &world->arena,
                             .fault = &world->fault,
                             .now_us = world->clock.now_us };
}

/* Commits what was planned; false when it failed, and then nothing happened. */
static bool commits(struct world *world, enum err planned)
{
    if (planned != ERR_none) {
        writer_abandon(world->writer);
        return false;
    }
    return writer_commit(world->writer, &world->fault) == ERR_none;
}

/* The newest version of the text that stands in this state; 0 = none. */
static size_t newest(const struct world *world, int text, int32_t state)
{
    for (size_t i = world->count; i > 0; i--)
        if (world->versions[i].text == text && (state == 0 || world->versions[i].state == state))
            return i;
    return 0;
}

static void propose(struct world *world, int text, int person)
{
    struct msg_rules_propose in = { .reason = slice_from("why not") };
    struct msg_rule_version  out;
    struct request           request;
    size_t                   known = newest(world, text, 0);
    int32_t                  state = known != 0 ? world->versions[known].state : 0;
    enum err                 err;

    MSG_SET(&in, rules_propose, rules, slice_from(world->rules[text]));
    MSG_SET(&in, rules_propose, scorecard, card_of(text));
    begin(world, OP_INDEX_rules_propose, person, &request);
    err = op_rules_propose(&request, &in, &out);
    assert_int_equal(err, state == RULES_ACTIVE || state == RULES_PROPOSED ? ERR_exists : ERR_none);
    if (!commits(world, err))
        return;
    world->versions[++world->count] =
        (struct version){ .text = text, .state = RULES_PROPOSED, .author = person };
    assert_int_equal(out.rule_set, world->count);
    assert_int_equal(out.has_scorecard, text == TEXTS - 1);
}

static enum err expected(const struct world *world, size_t version)
{
    if (version == 0)
        return ERR_not_found;
    return world->versions[version].state == RULES_PROPOSED ? ERR_none : ERR_state_conflict;
}

static void approve(struct world *world, int text, int person)
{
    struct msg_rules_act    in = { .hash = hash_of(world, text) };
    struct msg_rule_version out;
    struct request          request;
    size_t                  version = newest(world, text, 0);
    enum err                wanted = expected(world, version);
    enum err                err;

    if (wanted == ERR_none && world->versions[version].author == person)
        wanted = ERR_own_proposal;
    begin(world, OP_INDEX_rules_approve, person, &request);
    err = op_rules_approve(&request, &in, &out);
    assert_int_equal(err, wanted);
    if (!commits(world, err))
        return;
    world->versions[world->active].state = RULES_SUPERSEDED;
    world->versions[version].state = RULES_ACTIVE;
    world->active = version;
    world->approvals++;
}

static void withdraw(struct world *world, int text, int person)
{
    struct msg_rules_withdraw in = {
        .hash = hash_of(world, text),
        .reason = slice_from("no more"),
    };
    struct msg_rule_version out;
    struct request          request;
    size_t                  version = newest(world, text, 0);
    enum err                err;

    begin(world, OP_INDEX_rules_withdraw, person, &request);
    err = op_rules_withdraw(&request, &in, &out);
    assert_int_equal(err, expected(world, version));
    if (commits(world, err))
        world->versions[version].state = RULES_WITHDRAWN;
}

static void pay_in(struct world *world)
{
    const struct account_book *cash;
    struct posted              done;
    struct post                post = { .transaction_id = uuid_v7(world->clock.now_us),
                                        .type = TYPE_DEPOSIT,
                                        .account = world->account,
                                        .incoming = true,
                                        .amount = 6000,
                                        .currency = BARE_USD,
                                        .at_us = world->clock.now_us };
    enum err err = writer_book_of_bank(world->writer, ACCOUNT_CASH, BARE_USD, &cash, &world->fault);

    if (err == ERR_none) {
        post.other = cash->number;
        err = writer_post(world->writer, &post, &done, &world->fault);
    }
    assert_int_equal(err, ERR_none);
    assert_int_equal(done.row->rule_set, world->active);
    assert_int_equal(done.verdict.score,
                     50 + (world->versions[world->active].text == TEXTS - 1 ? 7 : 0));
    world->judged += commits(world, ERR_none) ? 1 : 0;
}

/* --- the story ------------------------------------------------------------------------------- */

struct walk {
    const struct world *world;
    size_t              left; /* versions that were not visited yet; the newest come first */
};

static bool compare(void *context, const void *visited)
{
    struct walk           *walk = context;
    const struct rule_set *row = visited;
    const struct version  *version = &walk->world->versions[walk->left];

    assert_int_equal(row->number, walk->left);
    assert_int_equal(row->state, version->state);
    assert_int_equal(row->author, version->author);
    assert_memory_equal(row->hash, walk->world->hashes[version->text], CHAIN_HASH_BYTES);
    assert_true((row->approved_at_us != 0) ==
                (version->state == RULES_ACTIVE || version->state == RULES_SUPERSEDED));
    assert_true((row->approver != 0) == (row->approved_at_us != 0 && walk->left != 1));
    walk->left--;
    return true;
}

static void check(struct world *world)
{
    struct rule_set_filter every = { .state = 0 };
    struct walk            walk = { .world = world, .left = world->count };

    assert_int_equal(writer_rule_set(world->writer), world->active);
    assert_int_equal(world->store->ops->rule_sets(world->store, &every, compare, &walk), ERR_none);
    assert_int_equal(walk.left, 0);
}

static void step(struct world *world)
{
    int text = (int)random_below(&world->random, TEXTS);
    int person = 1 + (int)random_below(&world->random, PEOPLE);

    world->clock.now_us += 1000;
    switch (random_below(&world->random, 12)) {
    case 0:
    case 1:
    case 2:
        propose(world, text, person);
        break;
    case 3:
    case 4:
    case 5:
        approve(world, text, person);
        break;
    case 6:
        withdraw(world, text, person);
        break;
    case 7:
        writer_close(&world->writer);
        open_writer(world);
        break;
    default:
        pay_in(world);
        break;
    }
}

static void run(const struct store_ops *ops)
{
    struct world        *world = world_new(ops);
    struct verify_report report;

    for (int i = 0; i < STEPS; i++) {
        step(world);
        if (i % 50 == 0)
            check(world);
    }
    check(world);
    writer_close(&world->writer);
    if (verify_bank(world->store, &world->bank, NULL, stderr, &report, &world->fault) != ERR_none)
        fail_msg("%s: %s", err_name(world->fault.err), world->fault.text);
    assert_int_equal(report.proved[VERIFY_RULES], world->count);
    assert_int_equal(report.proved[VERIFY_DECISIONS], world->judged);
    printf("%s: %zu versions, %zu approvals, %zu payments, %zu commits failed\n", ops->name,
           world->count, world->approvals, world->judged, world->disk.failures);
    assert_true(world->approvals > 30 && world->disk.failures > 30 && world->judged > 200);
    world_close(world);
}

static void test_memory(void **state)
{
    (void)state;
    run(&store_memory);
}

static void test_sqlite(void **state)
{
    (void)state;
    run(&store_sqlite);
}

/* Proposals that nobody decides on do not pile up. */
static void test_many_proposals(void **state)
{
    struct world           *world = world_new(&store_memory);
    struct msg_rule_version out;
    struct request          request;
    char                    text[sizeof rules_text + 24];
    enum err                err = ERR_none;

    (void)state;
    world->disk.fail_percent = 0;
    for (int i = 0; i <= LIMIT_RULES_PROPOSED_MAX; i++) {
        struct msg_rules_propose in = { .reason = slice_from("one more") };

        snprintf(text, sizeof text, "%s# no %d\n", rules_text, i);
        MSG_SET(&in, rules_propose, rules, slice_from(text));
        begin(world, OP_INDEX_rules_propose, 1, &request);
        err = op_rules_propose(&request, &in, &out);
        assert_int_equal(err, i < LIMIT_RULES_PROPOSED_MAX ? ERR_none : ERR_state_conflict);
        (void)commits(world, err);
    }
    assert_non_null(strstr(world->fault.text, "32 proposals wait already"));
    world_close(world);
}

/* Rules that a new proposal must not have any more, but that were approved once: the bank starts
 * with them, judges by them and proves what they decided. */
static void rules_of_an_older_build_stay_in_force(void **state)
{
    static const char old[] = "version 1\n"
                              "threshold hold 600\n"
                              "threshold decline never\n"
                              "rule large\n"
                              "  when amount_major >= 50 and count_1h < 5%\n"
                              "  score 2000\n"
                              "  because \"{amount} is large\"\n"
                              "  fires on amount_major=50\n"
                              "  silent on amount_major=49\n"
                              "end\n";

    struct bank_settings settings = {
        .high_value_major = 60, .large_major = 80, .hold_hours = 24, .id_skew_hours = 24
    };
    struct store_config        config = { .cache_kib = 4096 };
    struct world              *world = calloc(1, sizeof *world);
    struct actor               actor = { .user = 1 };
    const struct account_book *cash;
    const struct fraud_rules  *rules;
    struct verify_report       report;
    struct posted              posted;

    (void)state;
    assert_non_null(world);
    bare_clock_start(&world->clock);
    bank_init(&world->bank, &settings);
    assert_int_equal(store_memory.open(&config, STORE_CREATE, &world->store, &world->fault),
                     ERR_none);
    bare_rules_of(world->store, &world->bank, &world->clock.clock, old);
    world->active = 1;
    open_writer(world);
    add_user(world, 1);
    world->account = bare_account(world->writer, 0)->number;
    assert_int_equal(writer_commit(world->writer, NULL), ERR_none);
    assert_int_equal(
        writer_book_of_bank(world->writer, ACCOUNT_CASH, BARE_USD, &cash, &world->fault), ERR_none);
    struct post post = { .transaction_id = uuid_v7(world->clock.now_us),
                         .type = TYPE_DEPOSIT,
                         .account = world->account,
                         .other = cash->number,
                         .amount = 6000,
                         .currency = BARE_USD,
                         .incoming = true,
                         .at_us = world->clock.now_us,
                         .actor = &actor };
    assert_int_equal(writer_post(world->writer, &post, &posted, &world->fault), ERR_none);
    assert_int_equal(posted.row->score, 1000);
    assert_int_equal(posted.row->status, STATUS_HELD);
    assert_int_equal(writer_commit(world->writer, NULL), ERR_none);
    assert_int_equal(writer_idle(world->writer, &world->fault), ERR_none);
    assert_int_equal(verify_bank(world->store, &world->bank, NULL, stderr, &report, &world->fault),
                     ERR_none);
    assert_true(report.proved[VERIFY_DECISIONS] > 0);
    assert_int_equal(bank_rules(&world->bank, world->store, 1, &rules), ERR_none);
    bank_rules_release(&world->bank, rules);
    writer_close(&world->writer);
    world->store->ops->close(&world->store);
    bank_free(&world->bank);
    free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_sqlite),
        cmocka_unit_test(test_many_proposals),
        cmocka_unit_test(rules_of_an_older_build_stay_in_force),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
