/* Every screen as text, at 80x24 and wider, in UTF-8 and in ASCII; compared with the files of
 * tests/ui/golden. The clock stands still and the bank is made up, so a difference is a change of
 * the console. */
#include "bankterm/keys.h"
#include "tests/lib/console.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct size {
    const char *name;
    int         width;
    int         height;
    bool        ascii;
};

static const struct size sizes[] = {
    { "80x24", 80, 24, false },
    { "80x24-ascii", 80, 24, true },
    { "120x36", 120, 36, false },
    { "200x50", 200, 50, false },
};

/* A screen: who looks at it and the keys that lead there from the dashboard. Bytes below 0x20 are
 * keys: \r Enter, \t Tab, \033 Esc. \x02 in a script is F2. */
struct scene {
    const char *name;
    enum role   role;
    const char *keys;
};

static const struct scene scenes[] = {
    { "fraud", ROLE_FRAUD_ANALYST, "" },
    { "finance", ROLE_FINANCIAL_MANAGER, "" },
    { "finance-netflow", ROLE_FINANCIAL_MANAGER, "mmmmm" },
    { "compliance", ROLE_COMPLIANCE_OFFICER, "" },
    { "transactions", ROLE_FRAUD_ANALYST, "2j" },
    { "transactions-filter", ROLE_FRAUD_ANALYST, "2/carla" },
    { "search", ROLE_FRAUD_ANALYST, "2f" },
    { "export", ROLE_FRAUD_ANALYST, "2e" },
    { "columns", ROLE_FRAUD_ANALYST, "2c" },
    { "transaction", ROLE_FRAUD_ANALYST, "2\r" },
    { "accounts", ROLE_FRAUD_ANALYST, "3" },
    { "account", ROLE_FRAUD_ANALYST, "3jjjj\r" },
    { "risk", ROLE_FRAUD_ANALYST, "3r" },
    { "alerts", ROLE_FRAUD_ANALYST, "4" },
    { "alerts-marked", ROLE_FRAUD_ANALYST, "4  jj j" },
    { "alerts-bulk", ROLE_FRAUD_ANALYST, "4  D \rThe customers confirmed them\r" },
    { "alert", ROLE_FRAUD_ANALYST, "\r" },
    { "alert-whatif", ROLE_FRAUD_ANALYST, "\r\t" },
    { "alert-customer", ROLE_FRAUD_ANALYST, "\r\t\t" },
    { "alert-similar", ROLE_FRAUD_ANALYST, "\r\t\t\t" },
    { "alert-related", ROLE_FRAUD_ANALYST, "\r\t\t\t\t" },
    { "alert-next", ROLE_FRAUD_ANALYST, "W" },
    { "alert-decided", ROLE_FRAUD_ANALYST, "4D \rThe customer confirmed it\rY" },
    { "snooze", ROLE_FRAUD_ANALYST, "4Z2h" },
    { "decide", ROLE_FRAUD_ANALYST, "D" },
    { "decide-review", ROLE_FRAUD_ANALYST, "D \rThe customer confirmed it\r" },
    { "customers", ROLE_COMPLIANCE_OFFICER, "5" },
    { "audit", ROLE_COMPLIANCE_OFFICER, "6" },
    { "audit-entry", ROLE_COMPLIANCE_OFFICER, "6\r" },
    { "freeze", ROLE_COMPLIANCE_OFFICER, "3F" },
    { "transfer", ROLE_FINANCIAL_MANAGER, "tali" },
    { "transfer-review", ROLE_FINANCIAL_MANAGER, "tali\rbruno\033[B\r12000.50\rRent\r" },
    { "transfer-held", ROLE_FINANCIAL_MANAGER, "tali\rbru\033[B\r25000\rRent\r25000.00Y" },
    { "deposit-done", ROLE_FINANCIAL_MANAGER, "dali\r99.90\r\rY" },
    { "payment", ROLE_FINANCIAL_MANAGER, "pali\rmerchant:1234\r12.50" },
    { "payment-review", ROLE_FINANCIAL_MANAGER, "pali\rmerchant:1234\r12.50\r\r" },
    { "help", ROLE_FRAUD_ANALYST, "?" },
    { "palette", ROLE_FRAUD_ANALYST, ":a" },
    { "rules", ROLE_COMPLIANCE_OFFICER, ":rules\r" },
    { "rules-version", ROLE_COMPLIANCE_OFFICER, "7\r\t" },
    { "rules-approve", ROLE_COMPLIANCE_OFFICER, "7\rA\r" },
    { "rules-propose", ROLE_FRAUD_ANALYST, "7P" },
    { "curves", ROLE_FRAUD_ANALYST, "7v" },
    { "curves-pair", ROLE_FRAUD_ANALYST, "7vj" },
    { "scoreboard", ROLE_FRAUD_ANALYST, ":scoreboard\rj" },
    { "backtest", ROLE_FRAUD_ANALYST, "7b\x02Y" },
    { "controls", ROLE_COMPLIANCE_OFFICER, "8" },
    { "controls-set", ROLE_COMPLIANCE_OFFICER, "8S" },
    { "lists", ROLE_COMPLIANCE_OFFICER, ":lists\r" },
    { "lists-add", ROLE_COMPLIANCE_OFFICER, ":lists\rA" },
    { "cases", ROLE_COMPLIANCE_OFFICER, ":cases\r" },
    { "case", ROLE_COMPLIANCE_OFFICER, ":cases\r\r" },
    { "case-file", ROLE_COMPLIANCE_OFFICER, ":cases\r\rF" },
    { "case-open", ROLE_COMPLIANCE_OFFICER, "3K" },
    { "suppressions", ROLE_FRAUD_ANALYST, ":suppressions\r" },
    { "suppressions-approve", ROLE_COMPLIANCE_OFFICER, ":suppressions\rjV\r" },
    { "notifications", ROLE_FRAUD_ANALYST, "9" },
    { "status", ROLE_FRAUD_ANALYST, ":status\r" },
    { "verify", ROLE_COMPLIANCE_OFFICER, ":verify\r" },
    { "quit", ROLE_FRAUD_ANALYST, "q" },
    { "lock", ROLE_FRAUD_ANALYST, "L" },
};

static void play(struct test_console *console, const char *keys)
{
    while (*keys != '\0') {
        if (strncmp(keys, "\033[B", 3) == 0) {
            console_press(console, K_DOWN);
            keys += 3;
            continue;
        }
        console_press(console, (unsigned char)*keys == 2 ? K_F1 + 1 : (unsigned char)*keys);
        keys++;
    }
}

static void every_screen_looks_as_it_should(void **state)
{
    int wrong = 0;
    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        for (size_t i = 0; i < sizeof scenes / sizeof scenes[0]; i++) {
            struct test_console console;
            char                name[96];
            console_open(&console, scenes[i].role, sizes[s].width, sizes[s].height, sizes[s].ascii);
            console_login(&console);
            (void)console_text(&console); /* tables learn their height by being drawn */
            play(&console, scenes[i].keys);
            snprintf(name, sizeof name, "%s-%s", scenes[i].name, sizes[s].name);
            wrong += !console_golden(&console, name);
            console_close(&console);
        }
    }
    assert_int_equal(wrong, 0);
}

static void the_login_looks_as_it_should(void **state)
{
    struct test_console console;
    (void)state;
    console_open(&console, ROLE_FRAUD_ANALYST, 80, 24, false);
    assert_true(console_golden(&console, "login-80x24"));
    console_login(&console);
    console_close(&console);

    console_open(&console, ROLE_FRAUD_ANALYST, 80, 24, true);
    console.bank.refuse_next = ERR_login_failed;
    console_login(&console);
    assert_true(console_golden(&console, "login-failed-80x24-ascii"));
    console_close(&console);
}

static void a_lost_connection_keeps_the_data_and_says_so(void **state)
{
    struct test_console console;
    (void)state;
    console_open(&console, ROLE_FRAUD_ANALYST, 80, 24, false);
    console_login(&console);
    fake_state(&console.bank, NET_STALE);
    console_settle(&console);
    assert_true(console_golden(&console, "stale-80x24"));
    fake_state(&console.bank, NET_WAITING);
    console_settle(&console);
    console_press(&console, 't');
    assert_true(console_golden(&console, "away-80x24"));
    console_close(&console);
}

static void small_windows_get_a_plain_message(void **state)
{
    struct test_console console;
    (void)state;
    console_open(&console, ROLE_FRAUD_ANALYST, 80, 24, false);
    console_login(&console);
    console_size(&console, 40, 10);
    assert_true(console_golden(&console, "fraud-40x10"));
    console_size(&console, 39, 10);
    assert_true(console_golden(&console, "fraud-39x10"));
    console_size(&console, 1, 1);
    assert_true(console_golden(&console, "fraud-1x1"));
    console_close(&console);
}

/* Every screen that the tabs lead to, with nothing but silence from the server: it says that it
 * waits, shows the titles of its columns, and every key works. */
static void a_slow_link_is_told_and_blocks_nothing(void **state)
{
    static const char keys[] = "23456789";
    (void)state;
    for (size_t i = 0; i < sizeof keys - 1; i++) {
        struct test_console console;
        console_open(&console, ROLE_COMPLIANCE_OFFICER, 80, 24, false);
        console_login(&console);
        console.bank.silent = true;
        console_press(&console, (unsigned char)keys[i]);
        console_wait(&console, 400 * US_PER_MS);
        assert_true(console_shows(&console, "wait"));
        assert_true(console_shows(&console, "Loading"));
        if (keys[i] == '2')
            assert_true(console_shows(&console, "Time, UTC  !  Type  Status  Amount"));
        console_type(&console, "/abc\r?");
        assert_true(console_shows(&console, "Help: "));
        console_press(&console, K_ESC);
        console_press(&console, '1');
        assert_true(console_shows(&console, "Compliance score"));
        console_close(&console);
    }
}

static void a_long_notice_is_told_whole(void **state)
{
    struct test_console console;
    (void)state;
    console_open(&console, ROLE_FRAUD_ANALYST, 80, 24, false);
    console_login(&console);
    app_notice(console.app, STYLE_WARN,
               "No alert waits that you could take. Come back later, or look at alerts that are "
               "locked, snoozed or decided: f lists them");
    assert_true(console_shows(&console, "No alert waits"));
    assert_true(console_shows(&console, "snoozed or decided: f lists them"));
    assert_true(console_shows(&console, "Enter open"));
    console_wait(&console, (APP_NOTICE_MS + 1) * US_PER_MS);
    assert_true(console_shows(&console, "fraud@test.com, Fraud analyst"));
    console_close(&console);
}

/* The cell under the name of a tab tells whether it is the marked one. */
static bool is_marked(const struct test_console *console, const char *name)
{
    const struct canvas *canvas = &console->app->canvas;
    for (int x = 0; x + (int)strlen(name) < canvas->width; x++) {
        size_t n = 0;
        while (name[n] != '\0' && canvas->cells[x + (int)n].code == (uint32_t)name[n])
            n++;
        if (name[n] == '\0')
            return canvas->cells[x].style == STYLE_TOP_ACTIVE;
    }
    return false;
}

static void the_tab_of_the_screen_is_marked(void **state)
{
    static const struct {
        char        key;
        const char *name;
    } tabs[] = {
        { '1', "Dashboard" }, { '2', "Transactions" }, { '3', "Accounts" },
        { '4', "Alerts" },    { '5', "Customers" },    { '6', "Audit" },
        { '7', "Rules" },     { '8', "Controls" },     { '9', "Notices" },
    };
    struct test_console console;
    (void)state;
    console_open(&console, ROLE_COMPLIANCE_OFFICER, 160, 24, false);
    console_login(&console);
    for (size_t i = 0; i < sizeof tabs / sizeof tabs[0]; i++) {
        console_press(&console, (unsigned char)tabs[i].key);
        (void)console_text(&console);
        for (size_t t = 0; t < sizeof tabs / sizeof tabs[0]; t++)
            assert_int_equal(is_marked(&console, tabs[t].name), t == i);
    }
    console_press(&console, K_ESC); /* notices stand over what was there before */
    (void)console_text(&console);
    assert_true(is_marked(&console, "Controls"));
    console_close(&console);
}

static void an_audit_entry_leads_to_its_record(void **state)
{
    struct test_console console;
    (void)state;
    console_open(&console, ROLE_COMPLIANCE_OFFICER, 80, 24, false);
    console_login(&console);
    console_type(&console, "6\r");
    assert_true(console_shows(&console, "Entry of the audit log"));
    console_press(&console, K_ENTER); /* alert.take */
    assert_true(console_shows(&console, "There is no such record"));
    assert_int_equal(fake_count(&console.bank, OP_INDEX_alert_get), 1);
    console_press(&console, K_ESC);
    console_press(&console, K_ESC);
    console_type(&console, "j\r\r"); /* transaction.create */
    assert_int_equal(fake_count(&console.bank, OP_INDEX_transaction_get), 1);
    console_close(&console);
}

/* Lists keep what a person can look through, and say so where they stop. */
static void ten_thousand_rows_are_walked_and_their_end_is_told(void **state)
{
    struct test_console console;
    (void)state;
    console_open(&console, ROLE_FRAUD_ANALYST, 80, 24, false);
    console.bank.transactions = 10000;
    console_login(&console);
    console_type(&console, "2");
    (void)console_text(&console); /* tables learn their height by being drawn */
    for (int i = 0; i < 60; i++)
        console_type(&console, "G");
    assert_true(console_shows(&console, "4982-5000 of 5,000+"));
    assert_true(console_shows(&console, "only 5000 rows are kept: search for fewer"));
    console_type(&console, "g");
    assert_true(console_shows(&console, "1-19 of 5,000+"));
    console_close(&console);
}

static void a_key_of_another_role_is_answered(void **state)
{
    struct test_console console;
    (void)state;
    console_open(&console, ROLE_FINANCIAL_MANAGER, 80, 24, false);
    console_login(&console);
    console_type(&console, "4");
    assert_true(console_shows(&console, "Your role may not use \"alerts\""));
    assert_true(console_shows(&console, "Net flow"));
    console_close(&console);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_screen_looks_as_it_should),
        cmocka_unit_test(the_login_looks_as_it_should),
        cmocka_unit_test(a_lost_connection_keeps_the_data_and_says_so),
        cmocka_unit_test(small_windows_get_a_plain_message),
        cmocka_unit_test(a_slow_link_is_told_and_blocks_nothing),
        cmocka_unit_test(a_long_notice_is_told_whole),
        cmocka_unit_test(the_tab_of_the_screen_is_marked),
        cmocka_unit_test(an_audit_entry_leads_to_its_record),
        cmocka_unit_test(ten_thousand_rows_are_walked_and_their_end_is_told),
        cmocka_unit_test(a_key_of_another_role_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
