/* What people do about the rules on the screen: reading what a version changes before it is
 * approved, proposing from a file, trying a candidate on history, steering the engine by hand. */
#include "bankterm/keys.h"
#include "bankterm/screens/screens.h"
#include "tests/lib/console.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void start(struct test_console *console, enum role role)
{
    console_open(console, role, 80, 24, false);
    console_login(console);
    (void)console_text(console);
}

static void a_version_is_approved_only_where_its_changes_stand(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_COMPLIANCE_OFFICER);
    console_type(&console, "7A");
    assert_true(console_shows(&console, "Read the changes"));
    console_type(&console, "\t");
    assert_true(console_shows(&console, "+ rule far 90"));
    assert_true(console_shows(&console, "- rule large 300"));
    console_type(&console, "A");
    assert_true(console_shows(&console, "rules 4 lines in, 2 out"));
    console_type(&console, "\r\r"); /* to the review and back */
    assert_int_equal(fake_count(&console.bank, OP_INDEX_rules_approve), 0);
    console_type(&console, "\rY");
    assert_int_equal(fake_count(&console.bank, OP_INDEX_rules_approve), 1);
    assert_true(console_shows(&console, "Done: Approve the rules, now active"));
    console_close(&console);
}

static void an_analyst_cannot_approve(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FRAUD_ANALYST);
    console_type(&console, "7A");
    assert_null(strstr(console_text(&console), "Read the changes"));
    console_type(&console, ":approve\r");
    assert_true(console_shows(&console, "Your role may not"));
    assert_int_equal(fake_count(&console.bank, OP_INDEX_rules_approve), 0);
    console_close(&console);
}

static void rules_are_proposed_from_a_file(void **state)
{
    struct test_console console;
    char                path[] = "/tmp/bankterm-rules-XXXXXX";
    int                 file = mkstemp(path);
    (void)state;
    assert_true(file >= 0);
    assert_int_equal(write(file, "rule x\n", 7), 7);
    close(file);
    start(&console, ROLE_FRAUD_ANALYST);
    console_type(&console, "7P/no/such/file\r\rTry it\r");
    assert_true(console_shows(&console, "There is no such file"));
    console_press(&console, KEY_CTRL('U'));
    console_type(&console, path);
    console_type(&console, "\r\r\r");
    assert_true(console_shows(&console, "Propose rules: review"));
    console_type(&console, "Y");
    assert_int_equal(fake_count(&console.bank, OP_INDEX_rules_propose), 1);
    assert_true(console_shows(&console, "now proposed"));
    unlink(path);
    console_close(&console);
}

static void a_refused_proposal_says_where_the_text_is_wrong(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FRAUD_ANALYST);
    console_type(&console, "7P\r\rTry it\r");
    console.bank.refuse_next = ERR_field_invalid;
    console_type(&console, "Y");
    assert_true(console_shows(&console, "Refused, nothing changed"));
    assert_true(console_shows(&console, "Try it"));
    console_close(&console);
}

static void a_back_test_tells_how_far_it_is_and_ends_when_asked(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FRAUD_ANALYST);
    console_type(&console, "7b");
    console_press(&console, K_F1 + 1);
    console.bank.silent = true;
    console_type(&console, "Y");
    assert_true(console_shows(&console, "At work. Esc ends it."));
    fake_work(&console.bank, 30000, 120000);
    console_settle(&console);
    assert_true(console_shows(&console, "30,000 of 120,000 payments"));
    console_press(&console, K_ESC);
    assert_int_equal(fake_count(&console.bank, OP_INDEX_work_cancel), 1);
    assert_true(console_shows(&console, "Ending ..."));
    console.bank.refuse_next = ERR_cancelled;
    console.bank.silent = false;
    console_settle(&console);
    assert_null(strstr(console_text(&console), "Ending ..."));
    console_press(&console, K_ESC);
    assert_true(console_shows(&console, "Versions of the rules"));
    console_close(&console);
}

static void an_entry_is_taken_off_its_list_with_a_reason(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_COMPLIANCE_OFFICER);
    console_type(&console, ":lists\rXCleared\r");
    assert_true(console_shows(&console, "merchant:1234"));
    console_type(&console, "Y");
    assert_int_equal(fake_count(&console.bank, OP_INDEX_screening_remove), 1);
    assert_true(console_shows(&console, "now removed"));
    console_close(&console);
}

static void a_stepped_down_rule_is_restored_by_its_name(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_COMPLIANCE_OFFICER);
    console_type(&console, "8R");
    assert_true(console_shows(&console, "velocity_1h"));
    console_type(&console, "\rThe attack is over\rY");
    assert_int_equal(fake_count(&console.bank, OP_INDEX_controls_restore), 1);
    console_close(&console);
}

static void a_rule_is_spared_from_the_alert_that_it_raised(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FRAUD_ANALYST);
    console_type(&console, "4\r:suppress\r");
    assert_true(console_shows(&console, "amount_over_habit"));
    assert_true(console_shows(&console, "Alice Novak"));
    console_type(&console, "\r30d\rPays wages then\rY");
    assert_int_equal(fake_count(&console.bank, OP_INDEX_suppression_add), 1);
    assert_true(console_shows(&console, "now active"));
    fake_notification(&console.bank, "FRAUD_ANALYST"); /* what came of it is read before the news */
    console_settle(&console);
    assert_true(console_shows(&console, "now active"));
    console_wait(&console, 3 * US_PER_SECOND);
    assert_true(console_shows(&console, "New notification"));
    console_close(&console);
}

static void a_notification_is_marked_as_read(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FRAUD_ANALYST);
    fake_notification(&console.bank, "COMPLIANCE_OFFICER");
    console_settle(&console);
    assert_null(strstr(console_text(&console), "New notification"));
    fake_notification(&console.bank, "FRAUD_ANALYST");
    console_settle(&console);
    assert_true(console_shows(&console, "New notification: rule stepped down"));
    console_type(&console, "9");
    assert_true(console_shows(&console, "of 2"));
    console_type(&console, "R");
    assert_int_equal(fake_count(&console.bank, OP_INDEX_notification_read), 1);
    assert_true(console_shows(&console, "of 1"));
    console_close(&console);
}

/* Enter leads to where something can be done about it, and reads it. */
static void a_notification_leads_to_its_subject(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FRAUD_ANALYST);
    fake_notification(&console.bank, "FRAUD_ANALYST");
    console_settle(&console);
    console_type(&console, "9\r");
    assert_int_equal(fake_count(&console.bank, OP_INDEX_notification_read), 1);
    assert_ptr_equal(app_top(console.app)->ops, &screen_controls);
    console_press(&console, K_ESC);
    assert_ptr_equal(app_top(console.app)->ops, &screen_notifications);
    console_close(&console);
}

static void a_second_person_approves_an_entry_of_the_allow_list(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FRAUD_ANALYST);
    console_type(&console, ":lists\rjj");
    assert_true(console_shows(&console, "proposed"));
    assert_null(strstr(console_text(&console), "V Approve"));
    console_close(&console);
    start(&console, ROLE_COMPLIANCE_OFFICER);
    console_type(&console, ":lists\rjV");
    assert_true(console_shows(&console, "no entry that waits for approval"));
    console_type(&console, "jV");
    assert_true(console_shows(&console, "Approve the entry"));
    assert_true(console_shows(&console, "Entered by"));
    console_type(&console, "Seen");
    console_press(&console, K_F1 + 1);
    console_type(&console, "Y");
    assert_int_equal(fake_count(&console.bank, OP_INDEX_screening_approve), 1);
    console_close(&console);
}

static void a_share_is_typed_in_percent(void **state)
{
    static const struct {
        const char *typed;
        int64_t     share_bp; /* -1 = refused */
    } cases[] = { { "2.5", 250 }, { "2.5 %", 250 }, { "100%", 10000 }, { "0", 0 }, { "0.01", 1 },
                  { "101", -1 },  { "-1", -1 },     { "2.555", -1 },   { "x", -1 } };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct test_console console;
        start(&console, ROLE_COMPLIANCE_OFFICER);
        console.bank.valve_share_bp = -1;
        console_type(&console, "8S");
        assert_true(console_shows(&console, "Valve share"));
        assert_true(console_shows(&console, "5.00%"));
        console_type(&console, "\x15");
        console_type(&console, cases[i].typed);
        console_type(&console, "\t\t\t\t\tQuiet week");
        console_press(&console, K_F1 + 1);
        bool refused = strstr(console_text(&console), "A share in percent") != NULL;
        assert_int_equal(refused, cases[i].share_bp < 0);
        console_type(&console, "Y");
        assert_int_equal(console.bank.valve_share_bp, cases[i].share_bp);
        console_close(&console);
    }
}

/* From an account, a payment or an alert: whom it is about stands there and is not asked for. */
static void somebody_is_put_on_a_list_from_where_he_is_seen(void **state)
{
    static const char *const ways[] = { "3J", "2\rJ", "4J", "4\rJ" };
    (void)state;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        struct test_console console;
        console_open(&console, ROLE_FRAUD_ANALYST, 80, 24, false);
        console_login(&console);
        console_type(&console, ways[i]);
        assert_true(console_shows(&console, "Put on a list"));
        assert_true(console_shows(&console, "Whom"));
        assert_null(strstr(console_text(&console), "Customer id"));
        console_type(&console, "d\rNamed by the police");
        console_press(&console, K_F1 + 1);
        assert_true(console_shows(&console, "Put on a list: review"));
        assert_int_equal(fake_count(&console.bank, OP_INDEX_screening_add), 0);
        console_type(&console, "Y");
        assert_int_equal(fake_count(&console.bank, OP_INDEX_screening_add), 1);
        assert_true(console_shows(&console, "Done: Put on a list"));
        console_close(&console);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(somebody_is_put_on_a_list_from_where_he_is_seen),
        cmocka_unit_test(a_version_is_approved_only_where_its_changes_stand),
        cmocka_unit_test(an_analyst_cannot_approve),
        cmocka_unit_test(rules_are_proposed_from_a_file),
        cmocka_unit_test(a_refused_proposal_says_where_the_text_is_wrong),
        cmocka_unit_test(a_back_test_tells_how_far_it_is_and_ends_when_asked),
        cmocka_unit_test(an_entry_is_taken_off_its_list_with_a_reason),
        cmocka_unit_test(a_stepped_down_rule_is_restored_by_its_name),
        cmocka_unit_test(a_rule_is_spared_from_the_alert_that_it_raised),
        cmocka_unit_test(a_notification_is_marked_as_read),
        cmocka_unit_test(a_notification_leads_to_its_subject),
        cmocka_unit_test(a_second_person_approves_an_entry_of_the_allow_list),
        cmocka_unit_test(a_share_is_typed_in_percent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
