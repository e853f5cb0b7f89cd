/* An analyst's work at the queue: taking the next alert, reading why it was raised, deciding one or
 * many, and taking a decision back. */
#include "bankterm/keys.h"
#include "bankterm/screens/screens.h"
#include "bankterm/widgets/table.h"
#include "tests/lib/console.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void start(struct test_console *console, enum role role)
{
    console_open(console, role, 80, 24, false);
    console_login(console);
    (void)console_text(console);
}

static const struct table *table_of(const struct test_console *console)
{
    struct screen *top = app_top(console->app);
    return top->ops->table(top);
}

static void the_costliest_free_alert_is_taken_and_shown(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FRAUD_ANALYST);
    console_type(&console, "W");
    assert_int_equal(fake_count(&console.bank, OP_INDEX_alert_next), 1);
    assert_true(console_shows(&console, "Alice Novak"));
    assert_true(console_shows(&console, "yours for 15 min"));
    assert_true(console_shows(&console, "+720"));
    console_type(&console, "W"); /* the one at hand is passed over */
    assert_true(console_shows(&console, "Bruno Keller"));
    console_press(&console, K_ESC);
    assert_true(console_shows(&console, "Risk distribution"));
    console_close(&console);
}

static void an_empty_queue_says_so_and_leaves_the_screen(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FRAUD_ANALYST);
    console_type(&console, "4");
    console.bank.refuse_next = ERR_queue_empty;
    console_type(&console, "W");
    assert_true(console_shows(&console, "Alerts to do"));
    assert_true(console_shows(&console, "No alert waits"));
    console_type(&console, "\r");
    assert_true(console_shows(&console, "Alice Novak"));
    console.bank.refuse_next = ERR_queue_empty;
    console_type(&console, "W");
    assert_true(console_shows(&console, "Alice Novak"));
    assert_true(console_shows(&console, "No alert waits"));
    console_close(&console);
}

static void marked_alerts_are_decided_by_one_confirmation(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FRAUD_ANALYST);
    console_type(&console, "4  ");
    assert_true(console_shows(&console, "2 marked, 79,123.45 USD"));
    console_type(&console, "D \rSeen\r");
    assert_true(console_shows(&console, "2, of them 2 with held funds"));
    assert_true(console_shows(&console, "4 payments, 79,123.45 USD"));
    assert_true(console_shows(&console, "3 payments, 61,123.45 USD"));
    assert_true(console_shows(&console, "rejects 3 held payments, 61,123.45 USD"));
    console_press(&console, K_ENTER);
    assert_int_equal(fake_count(&console.bank, OP_INDEX_alert_bulk), 0);
    console_type(&console, "\rY");
    assert_int_equal(fake_count(&console.bank, OP_INDEX_alert_bulk), 1);
    assert_int_equal(fake_count(&console.bank, OP_INDEX_alert_decide), 0);
    assert_int_equal(console.bank.hits_seen[0] + console.bank.hits_seen[1], 4);
    assert_true(console_shows(&console, "2 alerts are decided now"));
    assert_int_equal(table_of(&console)->mark_count, 0);
    assert_int_equal(table_of(&console)->row_count, 5);
    console_close(&console);
}

/* The payment with the most points is done, another one of the alert is held. */
static void money_held_behind_a_finished_payment_is_shown(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FRAUD_ANALYST);
    console_type(&console, "4jjj");
    assert_true(console_shows(&console, "x3 !"));
    assert_true(console_shows(&console, "12,075.00  USD"));
    console_type(&console, "D");
    assert_true(console_shows(&console, "transfer of 25,370.35 USD, completed"));
    assert_true(console_shows(&console, "3 payments, 55,111.05 USD; 1 held, 11,370.35 USD"));
    console_type(&console, "  \rKnown to him\r");
    assert_true(console_shows(&console, "releases 1 held payment, 11,370.35 USD"));
    console_type(&console, "y");
    assert_true(console_shows(&console, "it is the capital Y that confirms"));
    assert_true(console_shows(&console, "releases 1 held payment, 11,370.35 USD"));
    console_press(&console, K_ENTER);
    console_press(&console, K_ESC);
    console_type(&console, "\r");
    assert_true(console_shows(&console, "3 payments, 55,111.05 USD; 1 held, 11,370.35 USD"));
    console_press(&console, K_ESC);
    console_type(&console, " D \rA wave\r");
    assert_true(console_shows(&console, "1, of them 1 with held funds"));
    assert_true(console_shows(&console, "rejects 1 held payment, 11,370.35 USD"));
    console_close(&console);
}

static void what_is_refused_of_many_stays_marked(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FRAUD_ANALYST);
    console.bank.refuse_second = true;
    console_type(&console, "4   D \rSeen\rY");
    assert_true(console_shows(&console, "2 alerts are decided now, 1 was refused"));
    assert_true(console_shows(&console, "1 of 3 refused; they are as they were"));
    assert_true(console_shows(&console, "Bruno Keller"));
    assert_true(console_shows(&console, "It had 2 transactions when it was looked at"));
    console_press(&console, K_ENTER);
    assert_null(strstr(console_text(&console), "1 of 3 refused"));
    assert_int_equal(table_of(&console)->mark_count, 1);
    console_close(&console);
}

static void decisions_are_taken_back_while_there_is_time(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FRAUD_ANALYST);
    console_type(&console, "4  D \rSeen\rY");
    assert_int_equal(console.bank.decided, 3);
    assert_true(console_shows(&console, "U Undo"));
    console_type(&console, "UMixed up\rY");
    assert_int_equal(fake_count(&console.bank, OP_INDEX_alert_undo), 2);
    assert_int_equal(console.bank.decided, 0);
    assert_true(console_shows(&console, "2 decisions are undone"));
    assert_null(strstr(console_text(&console), "U Undo"));

    console_type(&console, "\rD \rSeen\rY");
    assert_true(console_shows(&console, "U undoes it for 10 min"));
    console_type(&console, "UMixed up\rY");
    assert_int_equal(console.bank.decided, 0);
    console_type(&console, "D \rSeen\rY");
    console_wait(&console, 11 * US_PER_MINUTE / 2);
    console_press(&console, ' ');
    console_wait(&console, 11 * US_PER_MINUTE / 2);
    assert_null(strstr(console_text(&console), "U undoes it"));
    console_type(&console, "U");
    assert_true(console_shows(&console, "no decision that could still be undone"));
    console_close(&console);
}

/* Released money has moved: the others are taken back nevertheless. */
static void what_cannot_be_taken_back_is_told(void **state)
{
    struct test_console console;
    int                 told = 0;
    (void)state;
    start(&console, ROLE_FRAUD_ANALYST);
    console_type(&console, "4   D \rSeen\rY");
    assert_int_equal(console.bank.decided, 7);
    console.bank.refuse_undo = 1;
    console_type(&console, "UMixed up\rY");
    assert_int_equal(fake_count(&console.bank, OP_INDEX_alert_undo), 3);
    assert_int_equal(console.bank.decided, 1);
    assert_true(console_shows(&console, "2 of 3 decisions are undone"));
    assert_true(console_shows(&console, "1 of 3 not undone; they stay decided"));
    console_press(&console, K_ENTER);
    console_type(&console, "   D \rSeen\rY");
    console.bank.refuse_undo = 3;
    console_type(&console, "UMixed up\rY");
    assert_true(console_shows(&console, "0 of 3 decisions are undone"));
    assert_true(console_shows(&console, "3 of 3 not undone; they stay decided"));
    const char *reason = err_what(ERR_state_conflict);
    for (const char *at = console_text(&console); (at = strstr(at, reason)) != NULL; at++)
        told++;
    assert_int_equal(told, 3); /* each with its reason */
    console_press(&console, K_ENTER);
    assert_null(strstr(console_text(&console), "not undone"));
    console_close(&console);
}

static void an_alert_of_a_colleague_is_shown_as_locked(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FRAUD_ANALYST);
    console.bank.alerts = 8;
    console_type(&console, "4G");
    assert_true(console_shows(&console, "locked 14 min"));
    console_type(&console, "D");
    assert_true(console_shows(&console, "colleague@test.com works on the alert for 14 min"));
    console_close(&console);
}

/* What comes or changes its place moves neither the selection nor the marks. */
static void events_move_neither_selection_nor_marks(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FRAUD_ANALYST);
    console_type(&console, "4o j");
    struct row_key selected = table_of(&console)->selected;
    struct row_key marked = table_of(&console)->marks[0];
    fake_alert(&console.bank);
    console_settle(&console);
    assert_int_equal(table_of(&console)->row_count, 8);
    assert_true(row_key_equal(&selected, &table_of(&console)->selected));
    assert_int_equal(table_of(&console)->mark_count, 1);
    assert_true(row_key_equal(&marked, &table_of(&console)->marks[0]));
    console_press(&console, K_ESC);
    assert_int_equal(table_of(&console)->mark_count, 0);
    assert_true(console_shows(&console, "newest first"));
    console_close(&console);
}

static void a_mark_goes_with_its_record(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FRAUD_ANALYST);
    console_type(&console, "4m");
    assert_int_equal(table_of(&console)->mark_count, 7);
    console_type(&console, "/carla\r");
    assert_int_equal(table_of(&console)->mark_count, 1);
    console_press(&console, K_ESC);
    assert_int_equal(table_of(&console)->mark_count, 1);
    console_type(&console, "mm");
    assert_int_equal(table_of(&console)->mark_count, 0);
    console_close(&console);
}

static void a_snooze_takes_hours_days_or_a_date(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FRAUD_ANALYST);
    console_type(&console, "4Zsoon\rWaits for a call\r");
    assert_true(console_shows(&console, "Such as 2h, 3d or 2026-12-31"));
    console_type(&console, "\x15"
                           "3d\r\rY");
    assert_int_equal(fake_count(&console.bank, OP_INDEX_alert_snooze), 1);
    assert_true(console_shows(&console, "the alert is snoozed now"));
    console_close(&console);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_costliest_free_alert_is_taken_and_shown),
        cmocka_unit_test(an_empty_queue_says_so_and_leaves_the_screen),
        cmocka_unit_test(marked_alerts_are_decided_by_one_confirmation),
        cmocka_unit_test(money_held_behind_a_finished_payment_is_shown),
        cmocka_unit_test(what_is_refused_of_many_stays_marked),
        cmocka_unit_test(decisions_are_taken_back_while_there_is_time),
        cmocka_unit_test(what_cannot_be_taken_back_is_told),
        cmocka_unit_test(an_alert_of_a_colleague_is_shown_as_locked),
        cmocka_unit_test(events_move_neither_selection_nor_marks),
        cmocka_unit_test(a_mark_goes_with_its_record),
        cmocka_unit_test(a_snooze_takes_hours_days_or_a_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
