/* The table of actions is what help, key bar, palette and rights are made of, so it is walked
 * whole: every row can be reached by a key or by its name, says what it does, and no key means two
 * things in one place. */
#include "bankterm/actions.h"
#include "bankterm/keys.h"
#include "bankterm/screens/screens.h"
#include "tests/lib/console.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const enum role roles[] = { ROLE_FRAUD_ANALYST, ROLE_FINANCIAL_MANAGER,
                                   ROLE_COMPLIANCE_OFFICER };

static void every_action_says_what_it_does(void **state)
{
    (void)state;
    for (int i = 0; i < ACTION_count; i++) {
        const struct action_row *row = action_row((enum action)i);
        assert_true(strlen(row->help) >= 10);
        assert_true(row->label[0] != '\0');
        assert_true(row->places != 0);
        assert_true(strlen(row->label) <= 16);
        assert_int_equal(action_of_name(slice_from(row->name)), i);
        assert_true(row->help[strlen(row->help) - 1] != '.');
    }
}

static void every_key_has_a_name_that_is_read_back(void **state)
{
    (void)state;
    for (int i = 0; i < ACTION_count; i++) {
        struct slice keys = slice_from(action_row((enum action)i)->keys);
        struct slice name;
        while (key_next(&keys, &name)) {
            char     text[KEY_NAME_MAX];
            uint32_t key = key_from_name(name);
            assert_true(key != K_NONE);
            assert_true(slice_is(name, key_label(key, text)));
        }
    }
    assert_int_equal(key_from_name(slice_from("NoSuchKey")), K_NONE);
}

/* In the places of one screen a key means the same whoever presses it. */
static void no_key_means_two_things_on_a_screen(void **state)
{
    (void)state;
    for (int s = 0; s < screens_all_count; s++) {
        for (int i = 0; i < ACTION_count; i++) {
            const struct action_row *row = action_row((enum action)i);
            struct slice             keys = slice_from(row->keys);
            struct slice             name;
            while ((row->places & screens_all[s]->places) != 0 && key_next(&keys, &name)) {
                for (size_t r = 0; r < 3; r++) {
                    enum action found =
                        action_of_key(key_from_name(name), screens_all[s]->places, roles[r]);
                    if (action_allowed((enum action)i, roles[r]) && found != (enum action)i)
                        fail_msg("%.*s on %s: %s and %s", (int)name.n, name.at,
                                 screens_all[s]->name, row->name, action_row(found)->name);
                }
            }
        }
    }
}

static void every_action_belongs_to_a_screen(void **state)
{
    unsigned places = IN_PROMPT | IN_REVIEW; /* of what is drawn over a screen */
    (void)state;
    for (int s = 0; s < screens_all_count; s++)
        places |= screens_all[s]->places;
    for (int i = 0; i < ACTION_count; i++)
        assert_true((action_row((enum action)i)->places & places) != 0);
}

/* What moves money or stops it is never a small letter, and never done without being asked. */
static void dangerous_actions_have_capital_keys(void **state)
{
    (void)state;
    for (int i = 0; i < ACTION_count; i++) {
        const struct action_row *row = action_row((enum action)i);
        if ((row->flags & ACT_DANGER) == 0)
            continue;
        assert_true((row->flags & ACT_WRITE) != 0);
        assert_true(row->keys[0] >= 'A' && row->keys[0] <= 'Z' && row->keys[1] == '\0');
    }
}

static void a_role_is_offered_what_the_server_allows(void **state)
{
    (void)state;
    assert_true(action_allowed(ACTION_flag, ROLE_FRAUD_ANALYST));
    assert_false(action_allowed(ACTION_flag, ROLE_FINANCIAL_MANAGER));
    assert_true(action_allowed(ACTION_undo, ROLE_FINANCIAL_MANAGER));
    assert_false(action_allowed(ACTION_audit, ROLE_FRAUD_ANALYST));
    assert_true(action_allowed(ACTION_audit, ROLE_COMPLIANCE_OFFICER));
}

/* Runs every command of the palette on the dashboard of every role: something is shown or said. */
static void every_action_is_reached_by_its_name(void **state)
{
    (void)state;
    for (size_t r = 0; r < 3; r++) {
        for (int i = 0; i < ACTION_count; i++) {
            struct test_console      console;
            const struct action_row *row = action_row((enum action)i);
            char                     line[128];
            char                     id[UUID_TEXT_MAX];
            struct uuid              uuid = fake_id(row->name[0] == 't' ? 't' : 'a', 1);
            console_open(&console, roles[r], 80, 24, true);
            console_login(&console);
            (void)console_text(&console);
            snprintf(line, sizeof line, ":%s%s%s\r", row->name,
                     strcmp(row->arguments, "id") == 0 ? " " : "",
                     strcmp(row->arguments, "id") == 0 ? uuid_text(&uuid, id) : "");
            console_type(&console, line);
            assert_true(strlen(console_text(&console)) > 100);
            assert_null(strstr(console_text(&console), "There is no command"));
            console_close(&console);
        }
    }
}

/* The beginning of a name is enough when only one command goes with it. */
static void a_name_need_not_be_typed_in_full(void **state)
{
    struct test_console console;
    (void)state;
    console_open(&console, ROLE_FRAUD_ANALYST, 80, 24, true);
    console_login(&console);
    console_type(&console, ":scoreb\r");
    assert_null(strstr(console_text(&console), "There is no command"));
    assert_true(console_shows(&console, "Rules and parts of the scorecard"));
    console_type(&console, ":nosuch\r");
    assert_true(console_shows(&console, "There is no command \"nosuch\""));
    console_close(&console);
}

static void a_refused_command_is_told_until_the_next_key(void **state)
{
    struct test_console console;
    (void)state;
    console_open(&console, ROLE_FRAUD_ANALYST, 80, 24, true);
    console_login(&console);
    console_type(&console, ":clear\r");
    assert_true(console_shows(&console, "means nothing on this screen"));
    console_type(&console, "2");
    assert_false(console_shows(&console, "means nothing on this screen"));
    console_close(&console);
}

static void the_help_lists_the_keys_of_the_screen_and_role(void **state)
{
    struct test_console console;
    (void)state;
    console_open(&console, ROLE_FRAUD_ANALYST, 120, 200, false);
    console_login(&console);
    console_type(&console, "2?");
    assert_true(console_shows(&console, "Flag the transaction as suspicious"));
    assert_true(console_shows(&console, "Ask for transactions by date"));
    assert_true(console_shows(&console, ":transactions [text]"));
    assert_null(strstr(console_text(&console), "Undo the completed transaction"));
    assert_null(strstr(console_text(&console), "Freeze an account"));
    console_close(&console);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_action_says_what_it_does),
        cmocka_unit_test(every_key_has_a_name_that_is_read_back),
        cmocka_unit_test(no_key_means_two_things_on_a_screen),
        cmocka_unit_test(every_action_belongs_to_a_screen),
        cmocka_unit_test(dangerous_actions_have_capital_keys),
        cmocka_unit_test(a_role_is_offered_what_the_server_allows),
        cmocka_unit_test(every_action_is_reached_by_its_name),
        cmocka_unit_test(a_name_need_not_be_typed_in_full),
        cmocka_unit_test(a_refused_command_is_told_until_the_next_key),
        cmocka_unit_test(the_help_lists_the_keys_of_the_screen_and_role),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
