/* The proof of the books against every kind of damage: each case changes the file of a whole bank
 * behind the program's back, as a thief or a bad disk would, and must be found under its own name,
 * by the record that was changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>
#include <sqlite3.h>

#include "bankd/verify.h"
#include "common/check.h"
#include "tests/lib/demo_home.h"

struct damage {
    const char      *sql;
    enum verify_item item; /* VERIFY_ITEM_COUNT: no problem, a warning */
    const char      *told; /* part of what is said */
};

static const struct damage damages[] = {
    /* The chain. */
    { "UPDATE transactions SET amount = amount + 1 WHERE sequence = 20000", VERIFY_CHAIN,
      "transaction 20000 was changed" },
    { "UPDATE transactions SET description = 'Gift' WHERE sequence = 20000", VERIFY_CHAIN,
      "transaction 20000 was changed" },
    { "UPDATE transactions SET at_us = at_us + 1 WHERE sequence = 20000", VERIFY_CHAIN,
      "transaction 20000 was changed" },
    { "UPDATE transactions SET decision = zeroblob(length(decision)) WHERE sequence = 20000",
      VERIFY_CHAIN, "transaction 20000 was changed" },
    { "UPDATE transactions SET hash = zeroblob(32) WHERE sequence = 20000", VERIFY_CHAIN,
      "transaction 20001 was changed" },
    { "DELETE FROM transactions WHERE sequence = 20000", VERIFY_CHAIN, "entry 20000 is missing" },
    { "UPDATE audit SET detail = 'x' WHERE sequence = 30", VERIFY_CHAIN,
      "audit entry 30 was changed" },
    { "UPDATE audit SET actor_name = 'x' WHERE sequence = 30", VERIFY_CHAIN,
      "audit entry 30 was changed" },
    { "DELETE FROM audit WHERE sequence = 30", VERIFY_CHAIN, "entry 30 is missing" },
    { "INSERT INTO audit SELECT 20000, at_us, kind, actor, actor_name, operation, outcome, subject,"
      " detail, 0, 0, 0, hash, records FROM audit WHERE sequence = 30",
      VERIFY_CHAIN, "20000 is both a transaction and an audit entry" },
    { "UPDATE head SET sequence = sequence - 1", VERIFY_CHAIN, "the store's head is" },
    { "UPDATE head SET hash = zeroblob(32)", VERIFY_CHAIN, "the store's head is" },
    { "DELETE FROM audit WHERE sequence = (SELECT sequence FROM head)", VERIFY_HEADS,
      "entries were cut off" },
    { "UPDATE signed_head SET signature = zeroblob(64)", VERIFY_HEADS,
      "the signature of the head" },
    { "UPDATE signed_head SET hash = zeroblob(32)", VERIFY_HEADS, "does not lie on the chain" },
    /* The witness. */
    { "DELETE FROM signed_head WHERE sequence = (SELECT max(sequence) FROM signed_head)",
      VERIFY_WITNESS, "the signed head at" },
    { "DELETE FROM signed_head", VERIFY_WITNESS, "the signed head at" },
    { "DELETE FROM audit WHERE sequence = (SELECT sequence FROM head); UPDATE head SET sequence = "
      "sequence - 1, hash = (SELECT hash FROM audit WHERE sequence = head.sequence - 1 UNION ALL "
      "SELECT hash FROM transactions WHERE sequence = head.sequence - 1); DELETE FROM signed_head "
      "WHERE sequence > (SELECT sequence FROM head)",
      VERIFY_WITNESS, "is an older one, or cut" },
    /* Books. */
    { "UPDATE balance SET balance = balance + 100 WHERE account = 7", VERIFY_ACCOUNTS,
      "account 7 has the balance" },
    { "UPDATE balance SET balance = balance + 100 WHERE account = 7", VERIFY_TRIAL,
      "add up to 100 minor units" },
    { "UPDATE balance SET balance = balance + (account = 8) * 200 - 100 WHERE account IN (7, 8)",
      VERIFY_ACCOUNTS, "account 8 has the balance" },
    { "UPDATE balance SET held = held + 1 WHERE account = 7", VERIFY_ACCOUNTS,
      "account 7 has 1 held" },
    { "UPDATE balance SET transactions = transactions - 1 WHERE account = 7", VERIFY_ACCOUNTS,
      "account 7 has" },
    { "UPDATE balance SET last_sequence = last_sequence - 1 WHERE account = 7", VERIFY_ACCOUNTS,
      "account 7 has" },
    { "UPDATE balance SET last_at_us = 5 WHERE account = 7", VERIFY_ACCOUNTS, "account 7 has" },
    { "UPDATE account SET status = 1 WHERE status = 2", VERIFY_ACCOUNTS,
      "is active, the audit log says frozen" },
    { "UPDATE account SET status = 3 WHERE number = 7", VERIFY_ACCOUNTS,
      "account 7 is closed, the audit log says active" },
    { "UPDATE account SET currency = 392 WHERE number = 7", VERIFY_POSTINGS,
      "another currency than account 7" },
    { "UPDATE account SET overdraft_limit = overdraft_limit + 1 WHERE number = 7", VERIFY_TERMS,
      "account 7 has not the owner" },
    { "UPDATE account SET customer = customer + 1 WHERE number = 7", VERIFY_TERMS,
      "account 7 has not the owner" },
    { "UPDATE account SET freeze_reason = 'None' WHERE status = 2", VERIFY_TERMS,
      "has not the owner, limit" },
    { "UPDATE account SET freeze_direction = 1 WHERE status = 2", VERIFY_TERMS,
      "has not the owner, limit" },
    { "UPDATE user SET role = 3 WHERE number = 1", VERIFY_TERMS, "user " },
    { "UPDATE user SET disabled = 0, password_hash = 'x' WHERE number = 2", VERIFY_TERMS, "user " },
    { "DELETE FROM user WHERE number = 2", VERIFY_TERMS, "user 2, which the audit log names" },
    { "DELETE FROM account WHERE number = 7", VERIFY_TERMS, "account 7, which the audit log" },
    { "DELETE FROM account WHERE number = 7", VERIFY_POSTINGS,
      "names account 7, which is not there" },
    { "UPDATE party SET transactions = transactions + 1 WHERE number = 3", VERIFY_PARTIES,
      "party 3 has" },
    { "UPDATE party SET last_sequence = 5 WHERE number = 3", VERIFY_PARTIES, "party 3 has" },
    { "DELETE FROM party WHERE number = 3", VERIFY_POSTINGS, "names party 3, which is not there" },
    /* What may change, but not without the audit log. */
    { "UPDATE transactions SET status = 5 WHERE sequence = 20000", VERIFY_POSTINGS,
      "transaction 20000 is reversed, the audit log says completed" },
    { "UPDATE transactions SET status = 1 WHERE status = 2", VERIFY_POSTINGS,
      "is completed, the audit log says held" },
    { "UPDATE transactions SET flagged = 1 WHERE sequence = 20000", VERIFY_POSTINGS,
      "transaction 20000 is flagged, the audit log" },
    { "UPDATE transactions SET flagged = 0 WHERE flagged = 1 AND status = 2", VERIFY_POSTINGS,
      "is not flagged, the audit log" },
    { "UPDATE transactions SET reversed_by = 0 WHERE reversed_by <> 0", VERIFY_REVERSALS,
      "is reversed and names no reversal" },
    { "UPDATE transactions SET reversed_by = 20001 WHERE sequence = 20000", VERIFY_REVERSALS,
      "transaction 20000 is said to be undone by 20001" },
    /* Decisions and alerts. */
    { "UPDATE transactions SET score = score + 1 WHERE sequence = 20000", VERIFY_DECISIONS,
      "transaction 20000 has score" },
    { "UPDATE transactions SET verdict = 2 WHERE sequence = 20000", VERIFY_DECISIONS,
      "transaction 20000 has score" },
    { "UPDATE transactions SET decision = x'00' WHERE sequence = 20000", VERIFY_DECISIONS,
      "the decision of transaction 20000" },
    { "UPDATE rule_set SET text = replace(text, 'threshold alert   400', 'threshold alert   1')",
      VERIFY_RULES, "the text of rule set 1 was changed" },
    { "UPDATE rule_set SET state = 3", VERIFY_RULES,
      "rule set 1 is superseded, the audit log says active" },
    { "UPDATE rule_set SET approver = 2", VERIFY_RULES, "rule set 1 names other people" },
    { "INSERT INTO rule_set SELECT 2, hash, 1, rules, author, proposed_at_us, approver, "
      "approved_at_us, ended_at_us, reason, text, card FROM rule_set",
      VERIFY_RULES, "the audit log does not know the text of rule set 2" },
    { "DELETE FROM rule_set", VERIFY_DECISIONS, "rule set 1 cannot be used" },
    { "DELETE FROM alert WHERE number = 4", VERIFY_ALERTS,
      "belongs to alert 4, which is not there" },
    { "UPDATE alert SET account = account + 1 WHERE number = 4", VERIFY_ALERTS,
      "alert 4 names another account" },
    { "UPDATE alert_hit SET transaction_sequence = 20000 WHERE alert = 4 AND number = 1",
      VERIFY_ALERTS, "transaction 20000 has an alert that its decision did not raise" },
    { "UPDATE alert_hit SET transaction_sequence = 9999999 WHERE alert = 4 AND number = 1",
      VERIFY_ALERTS, "alert 4 names transaction 9999999" },
    { "DELETE FROM alert_hit WHERE alert = 4", VERIFY_ALERTS, "has no alert" },
    { "UPDATE alert_hit SET loss = loss + 1 WHERE alert = 4", VERIFY_ALERTS,
      "alert 4 does not say of transaction" },
    { "UPDATE alert SET score = 999 WHERE number = 4", VERIFY_ALERTS, "alert 4 has" },
    { "UPDATE alert SET hits = hits + 1 WHERE number = 4", VERIFY_ALERTS, "alert 4 has" },
    { "UPDATE alert SET expected_loss = 1 WHERE state <> 3", VERIFY_ALERTS, "and expected loss" },
    { "UPDATE alert SET state = 3 WHERE number = (SELECT max(number) FROM alert WHERE state <> 3)",
      VERIFY_ALERTS, "is decided, and " },
    { "UPDATE alert_hit SET finding = 2 WHERE alert = "
      "(SELECT max(number) FROM alert WHERE state <> 3)",
      VERIFY_ALERTS, "is not decided, and 0 of its transactions wait" },
    /* Figures and lists. */
    { "UPDATE rollup SET count = count + 1 WHERE scale = 1 AND metric = 97", VERIFY_FIGURES,
      "figure 97 of day" },
    { "UPDATE rollup SET amount = amount + 1 WHERE scale = 2 AND metric = 1", VERIFY_FIGURES,
      "figure 1 of hour" },
    { "UPDATE rollup SET count = count + 1 WHERE scale = 0 AND metric = 21", VERIFY_FIGURES,
      "figure 21 of now" },
    { "UPDATE rollup SET count = count + 1 WHERE scale = 0 AND metric = 24", VERIFY_FIGURES,
      "figure 24 of now" },
    { "UPDATE rollup SET amount = amount + 1 WHERE scale = 0 AND metric = 20", VERIFY_FIGURES,
      "figure 20 of now" },
    { "DELETE FROM rollup WHERE scale = 1 AND metric = 7", VERIFY_FIGURES, "figure 7 of day" },
    { "INSERT INTO rollup VALUES (1, 1, 840, 97, 1, 1)", VERIFY_FIGURES, "figure 97 of day 1" },
    { "UPDATE rollup SET count = count + 1 WHERE scale = 1 AND metric = 4", VERIFY_FIGURES,
      "is not the sum of its hours" },
    { "DELETE FROM top_transaction WHERE amount = (SELECT max(amount) FROM top_transaction)",
      VERIFY_TOPS, "the list of largest transactions" },
    { "UPDATE day SET min_sequence = min_sequence + 9 WHERE day = (SELECT max(day) - 9 FROM day)",
      VERIFY_TOPS, "is listed from" },
    /* Profiles and labels. */
    { "UPDATE record SET body = x'81a0' WHERE number = 1", VERIFY_RECORDS,
      "record 1 is not a well-formed note_record" },
    { "UPDATE record SET due_at_us = due_at_us + 1 WHERE number = 1", VERIFY_RECORDS,
      "record 1 is not what the audit log says" },
    { "DELETE FROM record WHERE number = 1", VERIFY_RECORDS,
      "record 1, which the audit log names, is not there" },
    { "INSERT INTO record SELECT 99, kind, state, zeroblob(16), about, due_at_us, version, "
      "created_at_us, created_by, body FROM record WHERE number = 1",
      VERIFY_RECORDS, "record 99 is not what the audit log says" },
    { "UPDATE profile SET last_sequence = last_sequence - 1 WHERE entity = 14", VERIFY_PROFILES,
      "the saved profile of account 7" },
    { "UPDATE profile SET bytes = (SELECT bytes FROM profile WHERE entity = 16) WHERE entity = 14",
      VERIFY_PROFILES, "the saved profile of account 7 is not what its transactions make" },
    { "UPDATE profile SET bytes = zeroblob(1024) WHERE entity = 14", VERIFY_ITEM_COUNT,
      "will be made again" },
    { "INSERT INTO label VALUES (9999999, 1, 1, 0)", VERIFY_LABELS,
      "a label names transaction 9999999" },
};

struct fixture {
    struct demo_home demo;
    char             database[128]; /* the whole one */
    char             copy[128];
};

static void copy_file(const char *from, const char *to)
{
    static char chunk[1 << 16];
    FILE       *in = fopen(from, "r");
    FILE       *out = fopen(to, "w");
    size_t      n;

    assert_non_null(in);
    assert_non_null(out);
    while ((n = fread(chunk, 1, sizeof chunk, in)) > 0)
        assert_int_equal(fwrite(chunk, 1, n, out), n);
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

/* `vfs` "bank" writes pages as bankd does; NULL as another program would. */
static void change(const char *path, const char *vfs, const char *sql)
{
    sqlite3 *db = NULL;
    char    *message = NULL;

    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, vfs), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
    if (sqlite3_total_changes(db) == 0)
        fail_msg("nothing was changed by: %s", sql);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* What the proof says about the copy; `talk` is the caller's to free. */
static enum err prove(struct fixture *fixture, struct verify_report *report, char **talk)
{
    struct store_config  config = { .path = fixture->copy, .cache_kib = 8192 };
    struct bank_settings settings = fixture->demo.home.bank.settings;
    struct bank          bank;
    struct store        *store = NULL;
    struct fault         fault = { 0 };
    enum witness_state   state;
    struct testimony     said;
    size_t               n = 0;
    FILE                *out = open_memstream(talk, &n);
    enum err             err;
    enum err             second;

    bank_init(&bank, &settings);
    assert_int_equal(
        witness_read(fixture->database, fixture->demo.home.sign_public, &state, &said, &fault),
        ERR_none);
    assert_int_equal(state, WITNESS_THERE);
    assert_int_equal(store_sqlite.open(&config, STORE_EXAMINE, &store, &fault), ERR_none);
    err = verify_bank(store, &bank, fixture->demo.home.sign_public, out, report, &fault);
    second = verify_witness(store, state, false, &said, out, report, &fault);
    store->ops->close(&store);
    bank_free(&bank);
    fclose(out);
    return err != ERR_none ? err : second;
}

static void a_whole_bank_has_no_problem(void **state)
{
    struct fixture      *fixture = *state;
    struct verify_report report;
    char                *talk = NULL;

    copy_file(fixture->database, fixture->copy);
    assert_int_equal(prove(fixture, &report, &talk), ERR_none);
    assert_string_equal(talk, "");
    for (int item = 0; item < VERIFY_ITEM_COUNT; item++)
        if (report.proved[item] == 0)
            fail_msg("nothing was proved of: %s", verify_sentence((enum verify_item)item));
    free(talk);
}

/* What somebody did with another program is told twice: by the page and by the account. */
static void changes_behind_the_banks_back_are_named(void **state)
{
    struct fixture      *fixture = *state;
    struct verify_report report;
    char                *talk = NULL;

    copy_file(fixture->database, fixture->copy);
    change(fixture->copy, NULL, "UPDATE balance SET balance = balance + 1 WHERE account = 8");
    assert_int_equal(prove(fixture, &report, &talk), ERR_books_broken);
    assert_int_equal(report.problems[VERIFY_FILE], 1);
    assert_non_null(strstr(talk, "is not as bankd wrote it"));
    assert_non_null(strstr(talk, "account 8 has the balance"));
    free(talk);
}

static void every_damage_is_found_and_named(void **state)
{
    struct fixture *fixture = *state;

    for (size_t i = 0; i < ARRAY_COUNT(damages); i++) {
        const struct damage *damage = &damages[i];
        struct verify_report report;
        char                *talk = NULL;
        enum err             err;

        copy_file(fixture->database, fixture->copy);
        change(fixture->copy, "bank", damage->sql);
        err = prove(fixture, &report, &talk);
        if (strstr(talk, damage->told) == NULL)
            fail_msg("%s\nis not told with \"%s\" but as:\n%s", damage->sql, damage->told, talk);
        if (damage->item == VERIFY_ITEM_COUNT) {
            assert_int_equal(err, ERR_none);
            assert_true(report.warning_count > 0);
        } else if (err != ERR_books_broken || report.problems[damage->item] == 0) {
            fail_msg("%s\nis not found under \"%s\":\n%s", damage->sql,
                     verify_sentence(damage->item), talk);
        }
        free(talk);
    }
}

/* Thresholds are settings, so other thresholds than those of the time are no damage. */
static void other_thresholds_are_only_a_warning(void **state)
{
    struct fixture      *fixture = *state;
    struct bank_settings before = fixture->demo.home.bank.settings;
    struct verify_report report;
    char                *talk = NULL;

    copy_file(fixture->database, fixture->copy);
    fixture->demo.home.bank.settings.high_value_major = before.high_value_major - 1000;
    assert_int_equal(prove(fixture, &report, &talk), ERR_none);
    fixture->demo.home.bank.settings = before;
    assert_int_equal(report.warning_count, 1);
    assert_non_null(strstr(talk, "present thresholds"));
    free(talk);
}

static void a_damaged_page_is_found(void **state)
{
    struct fixture      *fixture = *state;
    struct verify_report report;
    char                *talk = NULL;
    FILE                *file;
    long                 size;
    char                 noise[4096];

    copy_file(fixture->database, fixture->copy);
    file = fopen(fixture->copy, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size = ftell(file);
    memset(noise, 0x5a, sizeof noise);
    assert_int_equal(fseek(file, size / 2 / 4096 * 4096, SEEK_SET), 0);
    assert_int_equal(fwrite(noise, 1, sizeof noise, file), sizeof noise);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(prove(fixture, &report, &talk), ERR_books_broken);
    assert_true(report.problems[VERIFY_FILE] > 0);
    free(talk);
}

/* --- the bank that is damaged ---------------------------------------------------------------- */

/* The demo bank has everything but a reversal. */
static void reverse_one(struct demo_home *demo)
{
    struct transaction row;
    struct posted      posted;
    struct fault       fault = { 0 };
    int64_t            sequence = 30000;

    do
        assert_int_equal(
            demo->home.store->ops->transaction_by_sequence(demo->home.store, ++sequence, &row),
            ERR_none);
    while (row.type != TYPE_PAYMENT);
    struct act  act = { .actor_name = "test",
                        .kind = AUDIT_ACTION,
                        .operation = "transaction.reverse",
                        .subject = &row.transaction_id,
                        .about_transaction = row.sequence,
                        .set_status = STATUS_REVERSED };
    struct post post = { .transaction_id = uuid_v7(DEMO_HOME_END_US),
                         .type = TYPE_REVERSAL,
                         .amount = row.amount,
                         .account = row.debit,
                         .other = row.credit,
                         .incoming = true,
                         .currency = row.currency,
                         .at_us = DEMO_HOME_END_US,
                         .unjudged = true,
                         .reverses = &row,
                         .act = &act };
    assert_int_equal(writer_post(demo->writer, &post, &posted, &fault), ERR_none);
    assert_int_equal(writer_commit(demo->writer, &fault), ERR_none);
}

static int make(void **state)
{
    static struct fixture fixture;

    demo_home_make(&fixture.demo, DEMO_SEED);
    reverse_one(&fixture.demo);
    snprintf(fixture.database, sizeof fixture.database, "%s/data/bank.db", fixture.demo.folder);
    snprintf(fixture.copy, sizeof fixture.copy, "%s/copy.db", fixture.demo.folder);
    struct bank_settings settings = fixture.demo.home.bank.settings;
    demo_home_shut(&fixture.demo);
    fixture.demo.home.bank.settings = settings;
    *state = &fixture;
    return 0;
}

static int drop(void **state)
{
    struct fixture *fixture = *state;

    demo_home_remove(&fixture->demo);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_bank_has_no_problem),
        cmocka_unit_test(changes_behind_the_banks_back_are_named),
        cmocka_unit_test(every_damage_is_found_and_named),
        cmocka_unit_test(other_thresholds_are_only_a_warning),
        cmocka_unit_test(a_damaged_page_is_found),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, make, drop);
}
