/* The rules that the console must keep whatever happens: the selection belongs to a record, Enter
 * never confirms, money moves once, pasted text is no command, a lost connection loses nothing,
 * names cannot command the terminal. */
#include "bankterm/keys.h"
#include "bankterm/screens/screens.h"
#include "bankterm/widgets/table.h"
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

static struct row_key selected_key(const struct test_console *console)
{
    struct screen *top = app_top(console->app);
    return top->ops->table(top)->selected;
}

/* --- selection ----------------------------------------------------------------------------- */

static void a_new_alert_does_not_move_the_selection(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FRAUD_ANALYST);
    console_type(&console, "jj");
    struct row_key before = selected_key(&console);
    fake_alert(&console.bank);
    console_settle(&console);
    struct row_key after = selected_key(&console);
    assert_true(row_key_equal(&before, &after));
    assert_true(console_shows(&console, "New alert"));
    assert_true(console_shows(&console, "! 1 new"));
    assert_true(console_shows(&console, "of 8"));
    assert_true(console.app->wish.bell);
    console_close(&console);
}

static void a_notice_of_an_alert_leads_to_it(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FRAUD_ANALYST);
    console_type(&console, "!");
    assert_true(console_shows(&console, "No new alert was told of"));
    console_type(&console, "2");
    fake_alert(&console.bank);
    console_settle(&console);
    assert_true(console_shows(&console, "New alert (! shows it)"));
    console_type(&console, "!");
    assert_string_equal(app_top(console.app)->ops->name, "alert");
    assert_int_equal(fake_count(&console.bank, OP_INDEX_alert_get), 1);
    console_press(&console, K_ESC);
    assert_string_equal(app_top(console.app)->ops->name, "transactions");
    console_close(&console);
}

/* What a list has no room for, and a key that does nothing on a screen. */
static void a_cut_name_is_told_and_inert_keys_are_not(void **state)
{
    struct test_console console;
    const char         *name = "Bartholomew Featherstonehaugh";
    (void)state;
    start(&console, ROLE_FRAUD_ANALYST);
    assert_true(strlen(name) < sizeof console.bank.hostile_name);
    memcpy(console.bank.hostile_name, name, strlen(name) + 1);
    console_type(&console, "4");
    assert_true(console_shows(&console, name));
    console_size(&console, 160, 60);
    const char *first = strstr(console_text(&console), name);
    assert_non_null(first);
    console_type(&console, ":lists\r?");
    assert_null(strstr(console_text(&console), "Show the selected row in full"));
    console_press(&console, K_ESC);
    console_type(&console, "4?");
    assert_true(console_shows(&console, "Show the selected row in full"));
    console_close(&console);
}

/* Decided on is what was seen when the box opened. */
static void an_open_decision_keeps_its_subject(void **state)
{
    struct test_console console;
    char                id[UUID_TEXT_MAX];
    (void)state;
    start(&console, ROLE_FRAUD_ANALYST);
    struct uuid first = fake_id('l', 0);
    console_type(&console, "D \rSeen before\r");
    fake_alert(&console.bank);
    console_settle(&console);
    assert_true(console_shows(&console, uuid_text(&first, id)));
    console_type(&console, "Y");
    assert_int_equal(fake_count(&console.bank, OP_INDEX_alert_decide), 1);
    assert_true(console_shows(&console, "the alert is decided now"));
    console_close(&console);
}

static void sorting_is_stable_and_keeps_the_selection(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FRAUD_ANALYST);
    console_type(&console, "2jjj");
    struct row_key before = selected_key(&console);
    console_type(&console, ":sort status\r");
    struct row_key after = selected_key(&console);
    assert_true(row_key_equal(&before, &after));
    assert_true(console_shows(&console, "by Status"));
    struct screen      *top = app_top(console.app);
    const struct table *table = top->ops->table(top);
    for (int i = 1; i < table->view_count; i++) {
        const void                   *left = table->rows[table->view[i - 1]];
        const void                   *right = table->rows[table->view[i]];
        const struct msg_transaction *a = left;
        const struct msg_transaction *b = right;
        assert_true(a->status < b->status ||
                    (a->status == b->status && table->view[i - 1] < table->view[i]));
    }
    console_close(&console);
}

static void the_list_fetches_on_at_its_end(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FRAUD_ANALYST);
    console_type(&console, "2");
    assert_true(console_shows(&console, "1-19 of 100+"));
    console_type(&console, "G");
    (void)console_text(&console);
    console_type(&console, "G");
    (void)console_text(&console);
    console_type(&console, "G");
    assert_true(console_shows(&console, "222-240 of 240"));
    console_close(&console);
}

static void a_filter_is_shown_and_cleared_by_escape(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FRAUD_ANALYST);
    console_type(&console, "2/carla\r");
    assert_true(console_shows(&console, "10 with \"carla\""));
    console_press(&console, K_ESC);
    assert_true(console_shows(&console, "1-19 of 100+"));
    console_type(&console, "gn");
    const struct msg_transaction *tx =
        table_selected(app_top(console.app)->ops->table(app_top(console.app)));
    assert_true(slice_is(tx->account_name, "Carla Rossi"));
    console_close(&console);
}

/* --- money --------------------------------------------------------------------------------- */

static void fill_transfer(struct test_console *console, const char *amount)
{
    console_type(console, "talice\r");
    console_type(console, "bruno");
    console_press(console, K_DOWN);
    console_press(console, K_ENTER);
    console_type(console, amount);
    console_press(console, K_ENTER);
    console_press(console, K_ENTER);
}

static void enter_never_confirms(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FINANCIAL_MANAGER);
    fill_transfer(&console, "120.50");
    assert_true(console_shows(&console, "Transfer: review"));
    for (int i = 0; i < 50; i++) {
        console_press(&console, K_ENTER);
        console_press(&console, K_SPACE);
        console_press(&console, K_F1 + 1);
    }
    assert_int_equal(console.bank.create_count, 0);
    console_press(&console, K_ESC);
    console_close(&console);
}

static void a_confirmed_transfer_is_sent_once_with_what_was_reviewed(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FINANCIAL_MANAGER);
    fill_transfer(&console, "120.50");
    console_type(&console, "Y");
    const struct msg_transaction_create *sent = console.bank.last_create.body;
    struct uuid                          from = fake_id('a', 1);
    struct uuid                          to = fake_id('a', 2);
    assert_int_equal(console.bank.create_count, 1);
    assert_int_equal(sent->amount, 12050);
    assert_int_equal(sent->type, TYPE_TRANSFER);
    assert_true(uuid_equal(&sent->account_id, &from));
    assert_true(uuid_equal(&sent->counterparty_account_id, &to));
    assert_true(uuid_is_v7(&sent->transaction_id));
    assert_true(console_shows(&console, "ACCEPTED"));
    console_type(&console, "YYY");
    assert_int_equal(console.bank.create_count, 1);
    console_close(&console);
}

static void a_payment_goes_to_whom_the_form_names(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FINANCIAL_MANAGER);
    console_type(&console, "pali\r\r12.50\r\r");
    assert_true(console_shows(&console, "This is needed"));
    console_type(&console, "merchant:1234\r\r\r");
    assert_true(console_shows(&console, "Payment: review"));
    console_press(&console, 'Y');
    const struct msg_transaction_create *sent = console.bank.last_create.body;
    assert_non_null(sent);
    assert_int_equal(sent->type, TYPE_PAYMENT);
    assert_true(slice_is(sent->counterparty, "merchant:1234"));
    assert_false(MSG_HAS(sent, transaction_create, counterparty_account_id));
    assert_true(console_shows(&console, "ACCEPTED"));
    console_close(&console);
}

static void a_large_amount_is_typed_twice(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FINANCIAL_MANAGER);
    fill_transfer(&console, "10000");
    console_type(&console, "Y");
    assert_int_equal(console.bank.create_count, 0);
    console_type(&console, "1000Y");
    assert_int_equal(console.bank.create_count, 0);
    assert_true(console_shows(&console, "That is another amount"));
    console_type(&console, "0.00Y");
    assert_int_equal(console.bank.create_count, 1);
    console_close(&console);

    start(&console, ROLE_FINANCIAL_MANAGER);
    fill_transfer(&console, "9999.99");
    console_type(&console, "Y");
    assert_int_equal(console.bank.create_count, 1);
    console_close(&console);
}

static void wrong_amounts_do_not_reach_the_review(void **state)
{
    static const char *const wrong[] = {
        "0", "-5", "1.234", "1,000.00", "abc", "1e3", "99999999999999999999"
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct test_console console;
        start(&console, ROLE_FINANCIAL_MANAGER);
        fill_transfer(&console, wrong[i]);
        assert_null(strstr(console_text(&console), "review\xe2\x94\x80"));
        assert_true(console_shows(&console, "An amount above zero"));
        console_close(&console);
    }
}

static void both_sides_must_differ(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FINANCIAL_MANAGER);
    console_type(&console, "talice\rbruno\r5\r\r");
    assert_true(console_shows(&console, "Both sides are the same account"));
    console_close(&console);
}

static void a_lost_answer_is_looked_up_before_anything_is_told(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FINANCIAL_MANAGER);
    fill_transfer(&console, "77.00");
    console.bank.lose_next = true;
    console_type(&console, "Y");
    assert_int_equal(fake_count(&console.bank, OP_INDEX_transaction_get), 1);
    assert_int_equal(console.bank.moved, 1);
    assert_true(console_shows(&console, "ACCEPTED"));
    console_close(&console);
}

/* Nobody answered while the connection was down; the id is asked for when it is back. */
static void an_unknown_outcome_waits_for_the_connection(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FINANCIAL_MANAGER);
    fill_transfer(&console, "77.00");
    console.bank.lose_next = true;
    console.bank.silent = true;
    console_type(&console, "Y");
    struct uuid id =
        ((const struct msg_transaction_create *)console.bank.last_create.body)->transaction_id;
    console.bank.silent = false;
    app_pump(console.app); /* the failure; the look-up is under way */
    assert_true(console.bank.queued > 0 || fake_count(&console.bank, OP_INDEX_transaction_get));
    console_settle(&console);
    assert_true(console_shows(&console, "ACCEPTED"));
    const struct msg_transaction_create *last = console.bank.last_create.body;
    assert_true(uuid_equal(&id, &last->transaction_id));
    assert_int_equal(console.bank.create_count, 1);
    console_close(&console);
}

/* Nothing of the id is there, but the request may still be under way: that is no refusal. */
static void what_is_under_way_is_not_told_as_not_posted(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FINANCIAL_MANAGER);
    fill_transfer(&console, "77.00");
    console.bank.delay_next = true;
    console_type(&console, "Y");
    assert_true(console_shows(&console, "Not posted so far, but it may still be under way"));
    assert_true(console_shows(&console, "Confirm to send it again"));
    int asked = fake_count(&console.bank, OP_INDEX_transaction_get);
    console_wait(&console, 3 * US_PER_SECOND);
    assert_int_equal(fake_count(&console.bank, OP_INDEX_transaction_get), asked + 1);
    console_press(&console, K_ESC); /* back in the form */
    fake_arrive(&console.bank);
    console_wait(&console, 3 * US_PER_SECOND);
    assert_true(console_shows(&console, "ACCEPTED"));
    assert_true(console_shows(&console, "The answer was lost; it was posted at "));
    console_close(&console);

    start(&console, ROLE_FINANCIAL_MANAGER);
    fill_transfer(&console, "77.00");
    console.bank.delay_next = true;
    console_type(&console, "Y");
    fake_arrive(&console.bank);
    console_type(&console, "Y"); /* sent again before it was found */
    assert_true(console_shows(&console, "nothing moved a second time"));
    assert_int_equal(console.bank.moved, 1);
    console_close(&console);
}

/* The looking up ends, and who leaves before is told how to find it. */
static void what_is_under_way_is_not_looked_up_for_ever(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FINANCIAL_MANAGER);
    fill_transfer(&console, "77.00");
    console.bank.delay_next = true;
    console_type(&console, "Y");
    console_press(&console, K_ESC);
    console_wait(&console, 121 * US_PER_SECOND);
    int asked = fake_count(&console.bank, OP_INDEX_transaction_get);
    console_wait(&console, 10 * US_PER_SECOND);
    assert_int_equal(fake_count(&console.bank, OP_INDEX_transaction_get), asked);
    console_close(&console);

    start(&console, ROLE_FINANCIAL_MANAGER);
    fill_transfer(&console, "77.00");
    console.bank.delay_next = true;
    console_type(&console, "Y");
    console_press(&console, K_ESC);
    console_press(&console, K_ESC);
    assert_true(console_shows(&console, "Not known yet whether it was posted"));
    console_close(&console);
}

static void a_refusal_keeps_the_form_and_its_id(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FINANCIAL_MANAGER);
    fill_transfer(&console, "50");
    console.bank.refuse_next = ERR_insufficient_funds;
    console_type(&console, "Y");
    assert_true(console_shows(&console, "Refused, nothing moved"));
    assert_true(console_shows(&console, "available balance is not enough"));
    struct uuid first =
        ((const struct msg_transaction_create *)console.bank.last_create.body)->transaction_id;
    console_press(&console, K_F1 + 1);
    console_type(&console, "Y");
    struct uuid second =
        ((const struct msg_transaction_create *)console.bank.last_create.body)->transaction_id;
    assert_true(uuid_equal(&first, &second));
    assert_int_equal(console.bank.create_count, 2);
    assert_int_equal(console.bank.moved, 1);
    console_close(&console);
}

static void changes_wait_for_the_connection(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FINANCIAL_MANAGER);
    fill_transfer(&console, "50");
    fake_state(&console.bank, NET_STALE);
    console_settle(&console);
    console_type(&console, "Y");
    assert_int_equal(console.bank.create_count, 0);
    assert_true(console_shows(&console, "Not connected"));
    assert_true(console_shows(&console, "stale since 16:41:05"));
    fake_state(&console.bank, NET_LIVE);
    console_settle(&console);
    console_type(&console, "Y");
    assert_int_equal(console.bank.create_count, 1);
    console_close(&console);
}

/* --- paste --------------------------------------------------------------------------------- */

static void pasted_text_is_no_command(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FRAUD_ANALYST);
    int calls = console.bank.call_count;
    console_paste(&console, "3FYq\rY");
    assert_int_equal(console.bank.call_count, calls);
    assert_int_equal(console.app->depth, 1);
    assert_true(console_shows(&console, "Pasted text was dropped"));
    console_close(&console);
}

static void a_pasted_line_end_submits_nothing(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FINANCIAL_MANAGER);
    console_type(&console, "dalice\r");
    console_paste(&console, "12.\n50\r\n\tY\033[A");
    assert_int_equal(console.bank.create_count, 0);
    assert_true(console_shows(&console, "Deposit"));
    assert_true(console_shows(&console, "12.50Y[A"));
    console_close(&console);
}

static void pasting_into_a_review_does_nothing(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FINANCIAL_MANAGER);
    fill_transfer(&console, "50");
    console_paste(&console, "Y");
    assert_int_equal(console.bank.create_count, 0);
    assert_true(console_shows(&console, "Transfer: review"));
    console_close(&console);
}

/* --- connection and session ------------------------------------------------------------------ */

static void coming_back_asks_for_fresh_data(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FRAUD_ANALYST);
    fake_state(&console.bank, NET_WAITING);
    console_settle(&console);
    assert_true(console_shows(&console, "retry in 5 s"));
    assert_true(console_shows(&console, "1-7 of 7"));
    int asked = fake_count(&console.bank, OP_INDEX_alert_list);
    fake_state(&console.bank, NET_LIVE);
    console_settle(&console);
    assert_true(fake_count(&console.bank, OP_INDEX_alert_list) > asked);
    console_close(&console);
}

static void the_ledger_refreshes_at_most_once_a_second(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FINANCIAL_MANAGER);
    int asked = fake_count(&console.bank, OP_INDEX_kpi_summary);
    console_wait(&console, US_PER_SECOND);
    for (int i = 0; i < 40; i++) {
        fake_ledger(&console.bank);
        console_wait(&console, US_PER_SECOND / 20);
    }
    int more = fake_count(&console.bank, OP_INDEX_kpi_summary) - asked;
    assert_in_range(more, 2, 3);
    console_close(&console);
}

static void repainting_works_everywhere(void **state)
{
    static const char *const places[] = { "", "2f", ":", "t", "D", "2e", "2c", "/", "?" };
    (void)state;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        struct test_console console;
        start(&console, ROLE_FRAUD_ANALYST);
        console_type(&console, places[i]);
        console.app->wish.repaint = false;
        console_press(&console, KEY_CTRL('L'));
        assert_true(console.app->wish.repaint);
        console_press(&console, KEY_CTRL('Z'));
        assert_true(console.app->wish.suspend);
        console_close(&console);
    }
}

static void a_slow_answer_is_told(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FRAUD_ANALYST);
    console.bank.silent = true;
    console_type(&console, "3");
    assert_true(console_shows(&console, "live"));
    assert_true(app_next_tick_us(console.app) <= console.bank.monotonic + 200 * US_PER_MS);
    console_wait(&console, 250 * US_PER_MS);
    assert_true(console.app->wish.draw);
    assert_true(console_shows(&console, " wait"));
    console.bank.silent = false;
    console_settle(&console);
    assert_true(console_shows(&console, " live"));
    console_close(&console);
}

static void nothing_is_asked_while_nothing_happens(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FRAUD_ANALYST);
    int calls = console.bank.call_count;
    for (int i = 0; i < 20; i++)
        console_wait(&console, US_PER_SECOND);
    assert_int_equal(console.bank.call_count, calls);
    console_close(&console);
}

static void an_idle_console_locks_and_keeps_what_is_open(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FINANCIAL_MANAGER);
    fill_transfer(&console, "50");
    console_wait(&console, 11 * US_PER_MINUTE);
    assert_true(console_shows(&console, "Locked"));
    assert_null(strstr(console_text(&console), "Alice"));
    assert_null(strstr(console_text(&console), "50.00"));
    console_type(&console, "Y");
    assert_int_equal(console.bank.create_count, 0);
    console_press(&console, KEY_CTRL('U'));
    console_type(&console, "test123\r");
    assert_true(console_shows(&console, "Transfer: review"));
    console_close(&console);
}

static void an_ended_session_asks_for_the_password(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FRAUD_ANALYST);
    console_type(&console, "3");
    fake_session_end(&console.bank, "The session was idle for too long");
    console_settle(&console);
    assert_true(console_shows(&console, "The session was idle for too long"));
    console_type(&console, "test123\r");
    assert_true(console_shows(&console, "Customers' accounts"));
    console_close(&console);
}

static void the_password_is_never_on_the_screen(void **state)
{
    struct test_console console;
    (void)state;
    console_open(&console, ROLE_FRAUD_ANALYST, 80, 24, false);
    console_type(&console, "someone@test.com\rtest123");
    assert_null(strstr(console_text(&console), "test123"));
    assert_true(console_shows(&console, "*******"));
    console_close(&console);
}

static void logging_out_forgets_everything(void **state)
{
    struct test_console console;
    (void)state;
    start(&console, ROLE_FRAUD_ANALYST);
    console_type(&console, "3:logout\r");
    assert_true(console_shows(&console, "Log in"));
    assert_true(console.bank.logout_asked);
    assert_int_equal(console.app->depth, 1);
    console_close(&console);
}

/* --- what the server sends ----------------------------------------------------------------- */

static void names_cannot_command_the_terminal(void **state)
{
    struct test_console console;
    (void)state;
    console_open(&console, ROLE_FRAUD_ANALYST, 120, 36, false);
    snprintf(console.bank.hostile_name, sizeof console.bank.hostile_name,
             "\033[2J\r\n\xe2\x80\xae\xff");
    console_login(&console);
    console_type(&console, "3");
    const char *text = console_text(&console);
    assert_null(strchr(text, '\033'));
    assert_null(strchr(text, '\r'));
    assert_non_null(strstr(text, "\\x1b[2J\\x0d\\x0a\\u202e\\xff"));
    console_close(&console);
}

static void periods_follow_the_data(void **state)
{
    struct test_console console;
    (void)state;
    console_open(&console, ROLE_FINANCIAL_MANAGER, 80, 24, false);
    console.bank.era_us = -33 * 365 * US_PER_DAY;
    console_login(&console);
    assert_true(console_shows(&console, "1993-11-01 to 1993-11-30"));
    console_type(&console, "[");
    assert_true(console_shows(&console, "1993-10-02 to 1993-10-31"));
    console_type(&console, "]");
    assert_true(console_shows(&console, "1993-11-01 to 1993-11-30"));
    console_type(&console, "]]");
    assert_true(console_shows(&console, "1993-11-01 to 1993-11-30"));
    console_type(&console, "[[0");
    assert_true(console_shows(&console, "1993-11-30, USD \xe2"));
    console_close(&console);
}

/* --- export -------------------------------------------------------------------------------- */

static void an_export_writes_all_pieces_or_nothing(void **state)
{
    struct test_console console;
    char                folder[] = "/tmp/bankterm-export-XXXXXX";
    char                path[64];
    char                line[128];
    char                text[128] = "";
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/out.csv", folder);
    snprintf(line, sizeof line, "2:export %s\r\r", path);
    start(&console, ROLE_FRAUD_ANALYST);
    console_type(&console, line);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = '\0';
    assert_string_equal(text, "transaction_id,amount\r\n0193a1b2,12.50\r\n0193a1b2,12.50\r\n");
    assert_true(console_shows(&console, "2 transactions written"));

    console_type(&console, line + 1);
    assert_true(console_shows(&console, "There is such a file already"));
    console_press(&console, K_ESC);
    unlink(path);

    console.bank.silent = true;
    console_type(&console, line + 1);
    assert_int_equal(access(path, F_OK), 0);
    console_press(&console, K_ESC);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_true(console_shows(&console, "unfinished file was removed"));
    console.bank.silent = false;
    rmdir(folder);
    console_close(&console);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_alert_does_not_move_the_selection),
        cmocka_unit_test(a_notice_of_an_alert_leads_to_it),
        cmocka_unit_test(a_cut_name_is_told_and_inert_keys_are_not),
        cmocka_unit_test(an_open_decision_keeps_its_subject),
        cmocka_unit_test(sorting_is_stable_and_keeps_the_selection),
        cmocka_unit_test(the_list_fetches_on_at_its_end),
        cmocka_unit_test(a_filter_is_shown_and_cleared_by_escape),
        cmocka_unit_test(enter_never_confirms),
        cmocka_unit_test(a_confirmed_transfer_is_sent_once_with_what_was_reviewed),
        cmocka_unit_test(a_payment_goes_to_whom_the_form_names),
        cmocka_unit_test(a_large_amount_is_typed_twice),
        cmocka_unit_test(wrong_amounts_do_not_reach_the_review),
        cmocka_unit_test(both_sides_must_differ),
        cmocka_unit_test(a_lost_answer_is_looked_up_before_anything_is_told),
        cmocka_unit_test(an_unknown_outcome_waits_for_the_connection),
        cmocka_unit_test(what_is_under_way_is_not_told_as_not_posted),
        cmocka_unit_test(what_is_under_way_is_not_looked_up_for_ever),
        cmocka_unit_test(a_refusal_keeps_the_form_and_its_id),
        cmocka_unit_test(changes_wait_for_the_connection),
        cmocka_unit_test(pasted_text_is_no_command),
        cmocka_unit_test(a_pasted_line_end_submits_nothing),
        cmocka_unit_test(pasting_into_a_review_does_nothing),
        cmocka_unit_test(coming_back_asks_for_fresh_data),
        cmocka_unit_test(the_ledger_refreshes_at_most_once_a_second),
        cmocka_unit_test(repainting_works_everywhere),
        cmocka_unit_test(a_slow_answer_is_told),
        cmocka_unit_test(nothing_is_asked_while_nothing_happens),
        cmocka_unit_test(an_idle_console_locks_and_keeps_what_is_open),
        cmocka_unit_test(an_ended_session_asks_for_the_password),
        cmocka_unit_test(the_password_is_never_on_the_screen),
        cmocka_unit_test(logging_out_forgets_everything),
        cmocka_unit_test(names_cannot_command_the_terminal),
        cmocka_unit_test(periods_follow_the_data),
        cmocka_unit_test(an_export_writes_all_pieces_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
