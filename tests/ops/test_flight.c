/* Acts about one payment that are in flight together, planned in one group before any of them is
 * durable: each is answered as if it had come alone, after those before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bankd/verify.h"
#include "bankd/writer.h"
#include "tests/lib/bare_bank.h"

enum { LARGE = 6000, FUNDS = 10000 };

struct flight {
    struct bare_clock clock;
    struct store     *store;
    struct bank       bank;
    struct writer    *writer;
    struct arena      arena;
    struct fault      fault; /* of the last request */
    int64_t           account, other;
    struct uuid       held; /* by the rules */
    struct uuid       done;
    uint64_t          ids;
};

static struct uuid new_id(struct flight *flight)
{
    uint8_t tail[10] = { 1, (uint8_t)++flight->ids };

    return uuid_v7_derived(flight->clock.now_us, tail);
}

/* By the bank itself, so that everybody may undo it. */
static struct post post_of(struct flight *flight, int type, int64_t amount)
{
    const struct account_book *cash;
    struct post                post = { .transaction_id = new_id(flight),
                                        .type = type,
                                        .account = flight->account,
                                        .other = flight->other,
                                        .amount = amount,
                                        .currency = BARE_USD,
                                        .incoming = type == TYPE_DEPOSIT,
                                        .at_us = flight->clock.now_us };

    assert_int_equal(writer_book_of_bank(flight->writer, ACCOUNT_CASH, BARE_USD, &cash, NULL),
                     ERR_none);
    if (type == TYPE_DEPOSIT)
        post.other = cash->number;
    return post;
}

static struct uuid post(struct flight *flight, int type, int64_t amount)
{
    struct post   post = post_of(flight, type, amount);
    struct posted posted;

    assert_int_equal(writer_post(flight->writer, &post, &posted, &flight->fault), ERR_none);
    return post.transaction_id;
}

static int set_up(void **state)
{
    struct flight       *flight = calloc(1, sizeof *flight);
    struct bank_settings settings = {
        .high_value_major = 60, .large_major = 80, .hold_hours = 24, .id_skew_hours = 24
    };
    struct store_config  config = { .cache_kib = 4096 };
    struct writer_config writing = { .bank = &flight->bank,
                                     .clock = &flight->clock.clock,
                                     .rule_set = 1,
                                     .books_max = 8192,
                                     .profiles_max = 8192 };

    bare_clock_start(&flight->clock);
    bank_init(&flight->bank, &settings);
    assert_int_equal(store_memory.open(&config, STORE_CREATE, &flight->store, NULL), ERR_none);
    assert_int_equal(arena_init(&flight->arena, LIMIT_REQUEST_ARENA), ERR_none);
    bare_rules(flight->store, &flight->bank, &flight->clock.clock);
    writing.store = flight->store;
    assert_int_equal(writer_open(&writing, &flight->writer, NULL), ERR_none);
    flight->account = bare_account(flight->writer, 0)->number;
    flight->other = bare_account(flight->writer, 1)->number;
    post(flight, TYPE_DEPOSIT, FUNDS);
    flight->done = post(flight, TYPE_TRANSFER, FUNDS - LARGE);
    flight->held = post(flight, TYPE_TRANSFER, LARGE);
    assert_int_equal(writer_commit(flight->writer, NULL), ERR_none);
    *state = flight;
    return 0;
}

/* Everything is committed at the first try, and the books are whole. */
static int tear_down(void **state)
{
    struct flight       *flight = *state;
    struct verify_report report;

    assert_int_equal(writer_commit(flight->writer, &flight->fault), ERR_none);
    assert_int_equal(writer_idle(flight->writer, NULL), ERR_none);
    if (verify_bank(flight->store, &flight->bank, NULL, stderr, &report, &flight->fault) !=
        ERR_none)
        fail_msg("%s: %s", err_name(flight->fault.err), flight->fault.text);
    writer_close(&flight->writer);
    flight->store->ops->close(&flight->store);
    bank_free(&flight->bank);
    arena_free(&flight->arena);
    free(flight);
    return 0;
}

/* --- asking, without a commit ---------------------------------------------------------------- */

static enum err ask(struct flight *flight, enum op_index op, const void *in,
                    struct msg_transaction *out)
{
    struct request request = { .op = &op_rows[op],
                               .actor = { .user = 7, .email = "ann@test.com" },
                               .store = flight->store,
                               .writer = flight->writer,
                               .bank = &flight->bank,
                               .arena = &flight->arena,
                               .fault = &flight->fault,
                               .now_us = flight->clock.now_us };

    arena_reset(&flight->arena);
    memset(&flight->fault, 0, sizeof flight->fault);
    memset(out, 0, sizeof *out);
    return dispatch(&request, in, out);
}

static enum err reverse(struct flight *flight, const struct uuid *id, const struct uuid *reversal,
                        struct msg_transaction *out)
{
    struct msg_transaction_reverse in = { .transaction_id = *id,
                                          .reversal_id = *reversal,
                                          .reason = slice_from("By mistake") };

    return ask(flight, OP_INDEX_transaction_reverse, &in, out);
}

static enum err act(struct flight *flight, enum op_index op, const struct uuid *id,
                    struct msg_transaction *out)
{
    struct msg_transaction_act in = { .transaction_id = *id, .reason = slice_from("Looked at") };

    return ask(flight, op, &in, out);
}

static void assert_refused(const struct flight *flight, enum err err, const char *text)
{
    assert_int_equal(err, ERR_state_conflict);
    assert_string_equal(flight->fault.text, text);
}

/* --- what is in flight ----------------------------------------------------------------------- */

static void the_second_reversal_is_told_of_the_first(void **state)
{
    struct flight         *flight = *state;
    struct uuid            first = new_id(flight);
    struct uuid            second = new_id(flight);
    struct msg_transaction out;

    assert_int_equal(reverse(flight, &flight->done, &first, &out), ERR_none);
    assert_false(MSG_HAS(&out, transaction, repeated));
    /* The first has taken all the money; that is not why. */
    assert_refused(flight, reverse(flight, &flight->done, &second, &out),
                   "The transaction is reversed, not completed");
    assert_int_equal(reverse(flight, &flight->done, &first, &out), ERR_none);
    assert_true(out.repeated);
    assert_int_equal(out.status, STATUS_COMPLETED);
}

static void the_second_decision_is_told_of_the_first(void **state)
{
    struct flight         *flight = *state;
    struct msg_transaction out;

    assert_int_equal(act(flight, OP_INDEX_transaction_release, &flight->held, &out), ERR_none);
    assert_refused(flight, act(flight, OP_INDEX_transaction_reject, &flight->held, &out),
                   "The transaction is completed, not held");
    assert_refused(flight, act(flight, OP_INDEX_transaction_release, &flight->held, &out),
                   "The transaction is completed, not held");
}

static void what_is_released_can_be_reversed_at_once(void **state)
{
    struct flight         *flight = *state;
    struct uuid            id = new_id(flight);
    struct msg_transaction out;

    assert_int_equal(act(flight, OP_INDEX_transaction_release, &flight->held, &out), ERR_none);
    assert_int_equal(reverse(flight, &flight->held, &id, &out), ERR_none);
    assert_int_equal(out.amount, LARGE);
}

/* A payment joins an alert that somebody decides meanwhile. */
static void a_repeated_payment_is_as_it_was_decided(void **state)
{
    struct flight         *flight = *state;
    struct transaction     row;
    struct alert           alert;
    struct alert_hits      hits;
    struct alert_ruling    ruling = { .finding = DECISION_CONFIRMED_FRAUD, .operation = "test" };
    struct posted          posted;
    struct post            again;
    struct msg_transaction out;

    assert_int_equal(act(flight, OP_INDEX_transaction_release, &flight->held, &out), ERR_none);
    assert_int_equal(writer_commit(flight->writer, NULL), ERR_none);
    post(flight, TYPE_DEPOSIT, 2 * LARGE);
    post(flight, TYPE_TRANSFER, LARGE);
    assert_int_equal(writer_commit(flight->writer, NULL), ERR_none);
    again = post_of(flight, TYPE_TRANSFER, LARGE);
    assert_int_equal(writer_post(flight->writer, &again, &posted, &flight->fault), ERR_none);
    assert_int_equal(posted.row->status, STATUS_HELD);
    ruling.alert_id = posted.facts.alert_id;
    row = *posted.row;
    assert_int_equal(writer_alert_decide(flight->writer, &ruling, &alert, &hits, &flight->fault),
                     ERR_none);
    assert_int_equal(hits.count, 2);
    assert_int_equal(writer_post(flight->writer, &again, &posted, &flight->fault), ERR_none);
    assert_true(posted.repeated);
    assert_int_equal(posted.row->sequence, row.sequence);
    assert_int_equal(posted.row->status, STATUS_REJECTED);
}

static void a_flag_is_set_once(void **state)
{
    struct flight         *flight = *state;
    struct msg_transaction out;

    assert_int_equal(act(flight, OP_INDEX_transaction_flag, &flight->done, &out), ERR_none);
    assert_refused(flight, act(flight, OP_INDEX_transaction_flag, &flight->done, &out),
                   "The transaction is already flagged");
    assert_int_equal(act(flight, OP_INDEX_transaction_unflag, &flight->done, &out), ERR_none);
    assert_int_equal(act(flight, OP_INDEX_transaction_flag, &flight->done, &out), ERR_none);
    assert_true(out.fraud_flag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define IN_FLIGHT(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
        IN_FLIGHT(the_second_reversal_is_told_of_the_first),
        IN_FLIGHT(the_second_decision_is_told_of_the_first),
        IN_FLIGHT(what_is_released_can_be_reversed_at_once),
        IN_FLIGHT(a_repeated_payment_is_as_it_was_decided),
        IN_FLIGHT(a_flag_is_set_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
