/* The compliance officer's cases in the console: found, worked on, filed and closed, each step with
 * its own box, and only what makes sense in the case's state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/console.h"

static void start(struct test_console *console, enum role role)
{
    console_open(console, role, 120, 36, false);
    console_login(console);
    (void)console_text(console);
}

static void a_case_goes_from_its_note_to_its_end(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_COMPLIANCE_OFFICER);
    console_type(&console, ":cases\r");
    assert_true(console_shows(&console, "Cash in pieces"));
    assert_true(console_shows(&console, "! 20")); /* the second is overdue */
    console_type(&console, "\rE");
    console_type(&console, "The holder does not answer\r\r\r\r");
    console_type(&console, "Y");
    assert_int_equal(fake_count(&console.bank, OP_INDEX_case_add), 1);
    console_type(&console, "M\rEverything is here\rY");
    assert_int_equal(fake_count(&console.bank, OP_INDEX_case_move), 1);
    assert_true(console_shows(&console, "review"));
    console_type(&console, "FBSA-2026-17\r\r\rY");
    assert_int_equal(fake_count(&console.bank, OP_INDEX_case_file), 1);
    assert_true(console_shows(&console, "BSA-2026-17"));
    console_type(&console, "C \rFiled\rY");
    assert_int_equal(fake_count(&console.bank, OP_INDEX_case_close), 1);
    assert_true(console_shows(&console, "reported"));
    console_close(&console);
}

static void what_makes_no_sense_is_not_asked(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_COMPLIANCE_OFFICER);
    console.bank.case_state = CASE_CLOSED;
    console_type(&console, ":cases\r\rE");
    assert_true(console_shows(&console, "The case is closed"));
    console_type(&console, "F");
    assert_int_equal(fake_count(&console.bank, OP_INDEX_case_file), 0);
    console_close(&console);
}

static void a_case_is_opened_about_an_account(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_COMPLIANCE_OFFICER);
    console_type(&console, "3K \rUnusual cash\r\r\r\rY");
    assert_int_equal(fake_count(&console.bank, OP_INDEX_case_open), 1);
    console_close(&console);
}

static void analysts_have_no_cases(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FRAUD_ANALYST);
    console_type(&console, ":cases\r");
    assert_true(console_shows(&console, "Your role may not use"));
    assert_int_equal(fake_count(&console.bank, OP_INDEX_case_list), 0);
    console_close(&console);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_case_goes_from_its_note_to_its_end),
        cmocka_unit_test(what_makes_no_sense_is_not_asked),
        cmocka_unit_test(a_case_is_opened_about_an_account),
        cmocka_unit_test(analysts_have_no_cases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
