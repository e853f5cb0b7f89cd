/* Keys of the user's own: what a file may say, what it is told when it may not, and that the
 * console then lives by it. */
#include "bankterm/keymap.h"
#include "bankterm/actions.h"
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

static int unbind(void **state)
{
    (void)state;
    action_unbind_all();
    return 0;
}

static enum err take(const char *text, struct fault *fault)
{
    *fault = (struct fault){ 0 };
    return keymap_read(slice_from(text), "keys", fault);
}

static void a_file_gives_actions_other_keys(void **state)
{
    struct fault fault;
    (void)state;
    assert_int_equal(
        take("# mine\n\n down = Down O\nhistory\t=\tx F6\nexport =\nrisk = v\n", &fault), ERR_none);
    assert_string_equal(action_keys(ACTION_down), "Down O");
    assert_string_equal(action_keys(ACTION_export), "");
    unsigned places = screen_account.places;
    assert_int_equal(action_of_key('x', places, ROLE_FRAUD_ANALYST), ACTION_history);
    assert_int_equal(action_of_key(K_F1 + 5, places, ROLE_FRAUD_ANALYST), ACTION_history);
    assert_int_equal(action_of_key('v', places, ROLE_FRAUD_ANALYST), ACTION_risk);
    assert_int_equal(action_of_key('j', places, ROLE_FRAUD_ANALYST), ACTION_none);
    assert_int_equal(action_of_key('k', places, ROLE_FRAUD_ANALYST), ACTION_up);
    assert_true(action_is_bound(ACTION_export));
    assert_false(action_is_bound(ACTION_up));
}

/* Each line is refused with its place and the reason, and leaves all keys as they were. */
static void a_wrong_line_is_told_with_its_place(void **state)
{
    static const struct {
        const char *text;
        const char *told;
    } rows[] = {
        { "nonsense\n", "keys:1: A line is \"action = KEY ...\" or a # comment" },
        { "\ndwn = j\n", "keys:2: There is no action \"dwn\"" },
        { "down = O\ndown = Q\n", "keys:2: \"down\" stands in line 1 already" },
        { "down = Foo\n", "keys:1: down: \"Foo\" is not a key" },
        { "confirm = Enter\n", "The keys of forms stay as they are: \"confirm\"" },
        { "open = o Enter\nquit = Enter\n",
          "keys:2: quit: \"Enter\" opens, and does nothing else" },
        { "down = Esc\n", "down: \"Esc\" leaves and cancels" },
        { "back = Backspace\n", "\"back\" must keep Esc" },
        { "help =\n", "\"help\" needs a key" },
        { "refresh = r\n", "refresh: \"r\" types a character" },
        { "freeze = f\n", "freeze: \"f\" is struck too easily" },
        { "reject = Space\n", "reject: \"Space\" is struck too easily" },
        { "decide = Y\n", "decide: \"Y\" confirms a review" },
        { "export = s\n", "export: \"s\" is a key of \"sort\" already, on the screen" },
        { "risk = h\n", "risk: \"h\" is a key of \"left\" already, on the screen" },
        { "risk = h\nleft = Left\nhistory = h\n",
          "keys:3: history: \"h\" is a key of \"risk\" already" },
        { "down = a a a a a a a a a a a a a a a a a a a a a a a a a\n", "too many keys" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fault fault;
        assert_int_equal(take(rows[i].text, &fault), ERR_file_syntax);
        if (strstr(fault.text, rows[i].told) == NULL)
            fail_msg("%s: \"%s\"", rows[i].told, fault.text);
        for (int a = 0; a < ACTION_count; a++)
            assert_false(action_is_bound((enum action)a));
    }
}

/* What one line frees another one may take, whatever their order; what never meets may be equal. */
static void keys_may_be_swapped(void **state)
{
    struct fault fault;
    (void)state;
    assert_int_equal(take("history = r\nrisk = v\n", &fault), ERR_none);
    action_unbind_all();
    assert_int_equal(take("audit_kind = x\nhistory = x\n", &fault), ERR_none);
    action_unbind_all();
    assert_int_equal(take("export = X\nundo = X\nreject = F9\n", &fault), ERR_file_syntax);
    assert_int_equal(take("export = u\nundo = X\n", &fault), ERR_none);
}

/* What is printed is taken back as it is, and changes nothing. */
static void the_printed_file_is_a_file_to_begin_with(void **state)
{
    static char  text[KEYMAP_FILE_MAX];
    struct fault fault;
    FILE        *out = fmemopen(text, sizeof text, "w");
    (void)state;
    assert_non_null(out);
    keymap_print(out);
    fclose(out);
    assert_non_null(strstr(text, "\nrisk = r\n"));
    assert_null(strstr(text, "\nconfirm ="));
    enum err err = take(text, &fault);
    if (err != ERR_none)
        fail_msg("%s", fault.text);
    for (int i = 0; i < ACTION_count; i++)
        assert_string_equal(action_keys((enum action)i), action_row((enum action)i)->keys);
}

static void a_file_is_read_from_the_disk(void **state)
{
    char         path[] = "/tmp/keymap-XXXXXX";
    struct fault fault = { 0 };
    int          file = mkstemp(path);
    (void)state;
    assert_true(file >= 0);
    assert_int_equal(write(file, "span = F9\n", 10), 10);
    assert_int_equal(keymap_load(path, &fault), ERR_none);
    assert_string_equal(action_keys(ACTION_span), "F9");
    assert_int_equal(ftruncate(file, KEYMAP_FILE_MAX + 1), 0);
    assert_int_equal(keymap_load(path, &fault), ERR_file_syntax);
    close(file);
    unlink(path);
    assert_int_equal(keymap_load(path, &fault), ERR_io);
    assert_non_null(strstr(fault.text, path));
}

/* Keys, bar, tabs, help and hints all follow. */
static void the_console_lives_by_the_file(void **state)
{
    struct test_console console;
    struct fault        fault;
    (void)state;
    assert_int_equal(take("accounts = F3\nrisk = F6\nquit = F10\n", &fault), ERR_none);
    console_open(&console, ROLE_FRAUD_ANALYST, 120, 160, false);
    console_login(&console);
    assert_true(console_shows(&console, "F3 Accounts"));
    assert_true(console_shows(&console, "F10 quit"));
    console_press(&console, K_ESC);
    assert_true(console_shows(&console, "F10 leaves bankterm"));
    console_type(&console, "3");
    console_press(&console, K_F1 + 2);
    assert_true(console_shows(&console, "Customers' accounts"));
    assert_true(console_shows(&console, "F6 risk"));
    console_type(&console, "?");
    assert_true(console_shows(&console, "(a key of your own)"));
    console_press(&console, K_ESC);
    console_press(&console, K_F1 + 5);
    assert_true(console_shows(&console, "Figures that rules can use"));
    console_close(&console);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_file_gives_actions_other_keys, unbind),
        cmocka_unit_test_teardown(a_wrong_line_is_told_with_its_place, unbind),
        cmocka_unit_test_teardown(keys_may_be_swapped, unbind),
        cmocka_unit_test_teardown(the_printed_file_is_a_file_to_begin_with, unbind),
        cmocka_unit_test_teardown(a_file_is_read_from_the_disk, unbind),
        cmocka_unit_test_teardown(the_console_lives_by_the_file, unbind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
