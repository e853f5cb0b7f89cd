/* The parts that screens are made of, one by one: text on cells, charts at the ends of their
 * range, editing of UTF-8, tables whose rows come and go, messages that are kept, numbers as
 * people read them. */
#include "bankterm/canvas.h"
#include "bankterm/diff.h"
#include "bankterm/keys.h"
#include "bankterm/record.h"
#include "bankterm/show.h"
#include "bankterm/term_dump.h"
#include "bankterm/widgets/chart.h"
#include "bankterm/widgets/form.h"
#include "bankterm/widgets/panels.h"
#include "bankterm/widgets/table.h"
#include "bankterm/widgets/waterfall.h"
#include "common/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What stands on the grid; freed by the caller. */
static char *dump(const struct canvas *canvas)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_int_equal(term_dump(canvas, &out), ERR_none);
    assert_int_equal(buf_add(&out, "", 1), ERR_none);
    return out.at;
}

static void assert_canvas(const struct canvas *canvas, const char *wanted)
{
    char *text = dump(canvas);
    assert_string_equal(text, wanted);
    free(text);
}

/* --- sums and panels ----------------------------------------------------------------------- */

static void parts_of_a_sum_stand_where_the_ones_before_end(void **state)
{
    struct canvas    canvas = { 0 };
    struct waterfall fall = {
        .parts = { { 500, { "far from home", 13 } },
                   { -250, { "a known payee", 13 } },
                   { 125, { "late at night", 13 } } },
        .count = 3,
        .limits = { { 500, "hold", STYLE_WARN } },
        .limit_count = 1,
        .total = 375,
        .scale = 1000,
        .words = "of 1000",
    };
    (void)state;
    assert_int_equal(canvas_resize(&canvas, 48, 5), ERR_none);
    canvas.ascii = true;
    assert_int_equal(waterfall_draw(&fall, &canvas, canvas_all(&canvas)), 5);
    assert_canvas(&canvas, "  +500 ########|        far from home\n"
                           "  -250     <<<<|        a known payee\n"
                           "  +125     ##  |        late at night\n"
                           "   375 ######  |        of 1000\n"
                           "        hold 500\n"
                           "cursor none\n");
    canvas_free(&canvas);
}

static int draw_ten(const void *context, struct canvas *canvas, struct rect rect)
{
    for (int i = 0; i < 10; i++)
        canvas_print(canvas, rect.x, rect.y + i, rect.w, STYLE_TEXT, "%s %d", (const char *)context,
                     i);
    return 10;
}

static void panels_show_what_fits_and_scroll_the_rest(void **state)
{
    struct canvas canvas = { 0 };
    struct panels panels = { .count = 0 };
    (void)state;
    panels_add(&panels, "One", 0, 0, draw_ten);
    panels_add(&panels, "Two", 1, 1, draw_ten);
    assert_int_equal(canvas_resize(&canvas, 40, 4), ERR_none);
    canvas.ascii = true;
    panels_act(&panels, ACTION_next_panel);
    panels_draw(&panels, "line", &canvas, canvas_all(&canvas));
    panels_act(&panels, ACTION_bottom);
    panels_draw(&panels, "line", &canvas, canvas_all(&canvas));
    assert_canvas(&canvas, "- One [Two] --------------- 8-10 of 10 -\n"
                           " line 7\n line 8\n line 9\ncursor 0,1\n");
    panels_act(&panels, ACTION_prev_panel);
    panels_act(&panels, ACTION_up);
    canvas_clear(&canvas);
    panels_draw(&panels, "line", &canvas, canvas_all(&canvas));
    assert_canvas(&canvas, "- [One] Two ---------------- 1-3 of 10 -\n"
                           " line 0\n line 1\n line 2\ncursor 0,1\n");
    assert_int_equal(canvas_resize(&canvas, 120, 4), ERR_none);
    panels_draw(&panels, "line", &canvas, canvas_all(&canvas));
    assert_int_equal(panels.at[1].rect.x, 60);
    assert_true(panels_click(&panels, 61, 2));
    assert_int_equal(panels.focus, 1);
    canvas_free(&canvas);
}

/* --- differences ---------------------------------------------------------------------------- */

/* The lines that differ, with their signs: "-b +c". */
static void assert_diff(const char *before, const char *after, const char *wanted)
{
    struct diff diff;
    char        text[200] = "";
    size_t      n = 0;
    assert_int_equal(diff_make(slice_from(before), slice_from(after), &diff), ERR_none);
    for (int i = 0; i < diff.count; i++)
        if (diff.lines[i].sign != ' ')
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%c%.*s", n > 0 ? " " : "",
                                  diff.lines[i].sign, (int)diff.lines[i].text.n,
                                  diff.lines[i].text.at);
    assert_string_equal(text, wanted);
    diff_free(&diff);
}

static void a_difference_names_the_lines_that_changed(void **state)
{
    (void)state;
    assert_diff("", "", "");
    assert_diff("a\nb\n", "a\nb\n", "");
    assert_diff("a\nb\nc\n", "a\nx\nc\n", "-b +x");
    assert_diff("a\nb", "a\nb\nc\nd", "+c +d");
    assert_diff("", "a\n", "+a");
    assert_diff("a\n", "", "-a");
    assert_diff("1\n2\n3\n4\n5\n6\n7\n8\n", "1\n2\n3\n4\n5\n6\n7\n9\n", "@ -8 +9");
    assert_diff("a\nb\nc\nd\ne\n", "b\nc\nx\nd\ne\n", "-a +x");
}

/* Texts with nothing in common, too long for the table, are told coarsely but whole. */
static void a_difference_of_long_texts_is_whole(void **state)
{
    enum { LINES = 3000, LINE = 8 };
    struct diff diff;
    char       *before = malloc(LINES * LINE + 1);
    char       *after = malloc(LINES * LINE + 1);
    (void)state;
    assert_non_null(before);
    assert_non_null(after);
    for (int i = 0; i < LINES; i++) {
        char line[16];
        snprintf(line, sizeof line, "a%06d\n", i);
        memcpy(before + (size_t)i * LINE, line, LINE);
        line[0] = 'b';
        memcpy(after + (size_t)i * LINE, line, LINE);
    }
    assert_int_equal(
        diff_make(slice_of(before, LINES * LINE), slice_of(after, LINES * LINE), &diff), ERR_none);
    assert_int_equal(diff.added, LINES);
    assert_int_equal(diff.removed, LINES);
    diff_free(&diff);
    free(before);
    free(after);
}

/* --- text ---------------------------------------------------------------------------------- */

static void text_is_cut_with_an_ellipsis(void **state)
{
    struct canvas canvas = { 0 };
    (void)state;
    assert_int_equal(canvas_resize(&canvas, 12, 1), ERR_none);
    assert_int_equal(canvas_string(&canvas, 0, 0, 5, STYLE_TEXT, "abcde"), 5);
    assert_int_equal(canvas_string(&canvas, 6, 0, 5, STYLE_TEXT, "abcdef"), 5);
    assert_canvas(&canvas, "abcde abcd\xe2\x80\xa6\ncursor none\n");
    canvas_free(&canvas);
}

static void wide_characters_are_never_halved(void **state)
{
    struct canvas canvas = { 0 };
    (void)state;
    assert_int_equal(canvas_resize(&canvas, 6, 1), ERR_none);
    assert_int_equal(text_columns(slice_from("a\xe4\xb8\xad")), 3);
    assert_int_equal(text_columns(slice_from("e\xcc\x81")), 1);
    canvas_string(&canvas, 0, 0, 6, STYLE_TEXT, "\xe4\xb8\xad\xe5\x9b\xbd\xe4\xba\xba");
    canvas_put(&canvas, 3, 0, STYLE_TEXT, 'x');    /* the right half of the second */
    canvas_put(&canvas, 5, 0, STYLE_TEXT, 0x4E2D); /* no room for its right half */
    assert_canvas(&canvas, "\xe4\xb8\xad x\ncursor none\n");
    assert_int_equal(canvas_string(&canvas, 0, 0, 4, STYLE_TEXT, "\xe4\xb8\xad\xe5\x9b\xbdz"), 3);
    canvas_free(&canvas);
}

static void accents_stay_with_their_letters(void **state)
{
    struct canvas canvas = { 0 };
    (void)state;
    assert_int_equal(canvas_resize(&canvas, 12, 1), ERR_none);
    assert_int_equal(canvas_string(&canvas, 0, 0, 12, STYLE_TEXT, "\xcc\x81Jose\xcc\x81 n\xcc\x83"),
                     6);
    assert_canvas(&canvas, "Jose\xcc\x81 n\xcc\x83\ncursor none\n");
    canvas_string(&canvas, 3, 0, 1, STYLE_TEXT, "x"); /* takes the accent away with the letter */
    canvas_string(&canvas, 5, 0, 4, STYLE_TEXT, "n\xe2\x80\x8d\xef\xb8\x8f");
    assert_canvas(&canvas, "Josx n\ncursor none\n");
    canvas.ascii = true;
    canvas_string(&canvas, 8, 0, 4, STYLE_TEXT, "3\xc3\x97\xe2\x80\x99\xc3\xa9");
    assert_canvas(&canvas, "Josx n  3x'?\ncursor none\n");
    canvas_string(&canvas, 8, 0, 4, STYLE_TEXT, "    ");
    canvas_string(&canvas, 0, 0, 12, STYLE_TEXT, "e\xcc\x81");
    assert_canvas(&canvas, "eosx n\ncursor none\n");
    canvas_free(&canvas);
}

static void what_a_terminal_obeys_is_escaped(void **state)
{
    struct canvas canvas = { 0 };
    (void)state;
    assert_int_equal(canvas_resize(&canvas, 40, 1), ERR_none);
    canvas_string(&canvas, 0, 0, 40, STYLE_TEXT, "a\033[31m\xc2\x9b\xe2\x80\xae\xff");
    assert_canvas(&canvas, "a\\x1b[31m\\x9b\\u202e\\xff\ncursor none\n");
    canvas_free(&canvas);
}

static void drawing_outside_changes_nothing(void **state)
{
    struct canvas canvas = { 0 };
    (void)state;
    assert_int_equal(canvas_resize(&canvas, 3, 2), ERR_none);
    canvas_string(&canvas, -2, 0, 10, STYLE_TEXT, "abcdef");
    canvas_string(&canvas, 0, 5, 10, STYLE_TEXT, "no");
    canvas_fill(&canvas, (struct rect){ 1, 1, 900, 900 }, STYLE_TEXT, '#');
    canvas_box(&canvas, (struct rect){ 10, 10, 4, 4 }, STYLE_RULE, "title");
    canvas_cursor(&canvas, 3, 0);
    assert_canvas(&canvas, "cde\n ##\ncursor none\n");
    canvas_free(&canvas);
}

static void paragraphs_break_at_blanks(void **state)
{
    struct canvas canvas = { 0 };
    (void)state;
    assert_int_equal(canvas_resize(&canvas, 10, 4), ERR_none);
    assert_int_equal(canvas_paragraph(&canvas, (struct rect){ 0, 0, 10, 4 }, STYLE_TEXT,
                                      slice_from("one two three averyverylongword")),
                     4);
    assert_canvas(&canvas, "one two\nthree\naveryveryl\nongword\ncursor none\n");
    canvas_clear(&canvas); /* a number keeps its unit */
    assert_int_equal(canvas_paragraph(&canvas, (struct rect){ 0, 0, 10, 4 }, STYLE_TEXT,
                                      slice_from("of it 99.8 % a %")),
                     2);
    assert_canvas(&canvas, "of it\n99.8 % a %\n\n\ncursor none\n");
    canvas_free(&canvas);
}

/* No fact by colour alone: every meaning that warns also has an attribute or a word in mono. */
static void the_mono_scheme_is_complete(void **state)
{
    static const enum style loud[] = { STYLE_SELECTED, STYLE_BAD,      STYLE_WARN, STYLE_DANGER,
                                       STYLE_TOP_BAD,  STYLE_INPUT_ON, STYLE_KEY };
    (void)state;
    for (int i = 0; i < STYLE_count; i++) {
        assert_int_equal(theme_look(SCHEME_MONO, (enum style)i)->foreground, -1);
        assert_int_equal(theme_look(SCHEME_MONO, (enum style)i)->background, -1);
    }
    for (size_t i = 0; i < sizeof loud / sizeof loud[0]; i++)
        assert_int_not_equal(theme_look(SCHEME_MONO, loud[i])->attributes, 0);
}

/* Text without a background of its own takes the terminal's colours or one that both bright and
 * dark backgrounds leave readable. */
static void plain_text_has_the_terminals_colours(void **state)
{
    static const enum style plain[] = { STYLE_TEXT, STYLE_VALUE, STYLE_TITLE, STYLE_NOTICE,
                                        STYLE_KEY_LABEL };
    (void)state;
    for (int scheme = 0; scheme < SCHEME_count; scheme++) {
        for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
            assert_int_equal(theme_look((enum scheme)scheme, plain[i])->foreground, -1);
            assert_int_equal(theme_look((enum scheme)scheme, plain[i])->background, -1);
        }
    }
}

/* --- charts -------------------------------------------------------------------------------- */

static void label(int64_t value, const void *context, char *out, size_t size)
{
    (void)context;
    show_short_count(value, out, size);
}

static void a_chart_shows_heights_and_what_is_below_zero(void **state)
{
    static struct chart chart = {
        .values = { 0, 4, 8, -8 }, .count = 4, .label = label, .first = "a", .last = "d"
    };
    struct canvas canvas = { 0 };
    (void)state;
    canvas.ascii = true;
    assert_int_equal(canvas_resize(&canvas, 14, 5), ERR_none);
    chart_draw(&chart, &canvas, canvas_all(&canvas));
    assert_canvas(&canvas, " 8 +    #\n 0 +  # #\n   |      #\n-8 +      #\n    a      d\n"
                           "cursor none\n");
    canvas_free(&canvas);
}

static void charts_stand_the_largest_numbers(void **state)
{
    static struct chart chart = { .label = label, .first = "a", .last = "b" };
    struct canvas       canvas = { 0 };
    (void)state;
    chart.count = CHART_POINTS_MAX;
    for (size_t i = 0; i < chart.count; i++)
        chart.values[i] = i % 3 == 0 ? INT64_MIN : INT64_MAX;
    for (int width = 1; width < 120; width += 7) {
        assert_int_equal(canvas_resize(&canvas, width, 1 + width % 9), ERR_none);
        chart_draw(&chart, &canvas, canvas_all(&canvas));
        bar_draw(&canvas, 0, 0, width, STYLE_CHART, INT64_MAX, INT64_MAX);
        bar_draw(&canvas, 0, 0, width, STYLE_CHART, INT64_MAX, 1);
        bar_draw(&canvas, 0, 0, width, STYLE_CHART, -1, 0);
    }
    canvas_free(&canvas);
}

/* --- forms --------------------------------------------------------------------------------- */

static void editing_keeps_whole_characters(void **state)
{
    static struct form form;
    (void)state;
    struct form_field    *field = form_add(&form, "name", "Name", FORM_TEXT, 10, "");
    static const uint32_t keys[] = { 'a', 0xE9,     0x4E2D, K_LEFT,      K_LEFT,
                                     'b', K_DELETE, K_END,  K_BACKSPACE, 'z' };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        assert_true(form_key(&form, keys[i]));
    assert_string_equal(field->value, "abz");
    assert_false(form_key(&form, K_ENTER));
    assert_false(form_key(&form, K_F1));
    for (int i = 0; i < 30; i++)
        form_key(&form, 0x4E2D);
    assert_true(field->n <= 10 && slice_is_utf8(slice_of(field->value, field->n)));
    assert_true(field->error[0] != '\0');
    form_key(&form, KEY_CTRL('U'));
    assert_int_equal(field->n, 0);
    form_paste(&form, slice_from("x\ny\033\xff\tz"));
    assert_string_equal(field->value, "xyz");
}

static void choices_step_and_take_letters(void **state)
{
    static struct form form;
    (void)state;
    struct form_field *field = form_add_choice(&form, "type", "Type", &enum_transaction_type, "");
    assert_string_equal(form_choice(field), "any");
    form_key(&form, K_RIGHT);
    assert_string_equal(form_choice(field), "deposit");
    form_key(&form, K_LEFT);
    form_key(&form, K_LEFT);
    assert_string_equal(form_choice(field), "reversal");
    form_key(&form, 'w');
    assert_string_equal(form_choice(field), "withdrawal");
    form_key(&form, K_BACKSPACE);
    assert_int_equal(field->number, 0);
    field->required = true;
    assert_false(form_complete(&form));
    form_key(&form, K_RIGHT);
    assert_true(form_complete(&form));
}

/* --- tables -------------------------------------------------------------------------------- */

enum { ROWS = 30 };

static struct msg_customer customers[ROWS];
static const char         *rows[ROWS];

static const struct column columns[] = {
    { "name", "Name", "name", 20, COLUMN_GROW, NULL },
    { "verified", "Verified", "verified", 8, 0, NULL },
    { "created", "Entered", "created_at", 16, 0, NULL },
};

static void fill_rows(struct table *table)
{
    table_init(table, columns, 3, &message_customer);
    for (int i = 0; i < ROWS; i++) {
        customers[i].customer_id.bytes[0] = (uint8_t)(i + 1);
        customers[i].name = slice_from(i % 2 == 0 ? "Even" : "Odd");
        customers[i].created_at = i * US_PER_DAY;
        rows[i] = (const char *)&customers[i];
    }
    assert_int_equal(table_set_rows(table, rows, ROWS), ERR_none);
}

static int selected_number(const struct table *table)
{
    const struct msg_customer *customer = table_selected(table);
    return customer == NULL ? -1 : customer->customer_id.bytes[0];
}

static void the_selection_follows_its_record(void **state)
{
    struct table  table;
    struct canvas canvas = { 0 };
    const char   *turned[ROWS];
    (void)state;
    assert_int_equal(canvas_resize(&canvas, 60, 8), ERR_none);
    fill_rows(&table);
    table_draw(&table, &canvas, canvas_all(&canvas), true);
    table_select(&table, 11);
    table_draw(&table, &canvas, canvas_all(&canvas), true);
    int screen_row = table.selected_at - table.top;
    for (int i = 0; i < ROWS; i++)
        turned[i] = rows[(i + ROWS - 5) % ROWS]; /* five others come above */
    assert_int_equal(table_set_rows(&table, turned, ROWS), ERR_none);
    table_draw(&table, &canvas, canvas_all(&canvas), true);
    assert_int_equal(selected_number(&table), 12);
    assert_int_equal(table.selected_at, 16);
    assert_int_equal(table.selected_at - table.top, screen_row);
    table_set_filter(&table, "odd");
    assert_int_equal(table.view_count, ROWS / 2);
    assert_int_equal(selected_number(&table), 12);
    table_set_filter(&table, "nobody");
    assert_int_equal(selected_number(&table), -1);
    table_draw(&table, &canvas, canvas_all(&canvas), true);
    table_set_filter(&table, "");
    table_act(&table, ACTION_bottom, "");
    assert_int_equal(table_set_rows(&table, rows, 3), ERR_none);
    assert_true(selected_number(&table) >= 1);
    table_free(&table);
    canvas_free(&canvas);
}

static void a_click_selects_the_row_under_it(void **state)
{
    struct table  table;
    struct canvas canvas = { 0 };
    (void)state;
    assert_int_equal(canvas_resize(&canvas, 60, 8), ERR_none);
    fill_rows(&table);
    table_draw(&table, &canvas, canvas_all(&canvas), true);
    assert_true(table_click(&table, 5, 4));
    assert_int_equal(selected_number(&table), 4);
    assert_false(table_click(&table, 5, 0));
    assert_int_equal(selected_number(&table), 4);
    table_free(&table);
    canvas_free(&canvas);
}

static void columns_scroll_and_the_first_stays(void **state)
{
    struct table  table;
    struct canvas canvas = { 0 };
    (void)state;
    assert_int_equal(canvas_resize(&canvas, 30, 3), ERR_none);
    fill_rows(&table);
    table_act(&table, ACTION_right, "");
    table_act(&table, ACTION_right, "");
    table_draw(&table, &canvas, canvas_all(&canvas), true);
    char *text = dump(&canvas);
    assert_non_null(strstr(text, "Name"));
    assert_null(strstr(text, "Verified"));
    assert_non_null(strstr(text, "1970-01-01 00:00"));
    free(text);
    table_free(&table);
    canvas_free(&canvas);
}

/* --- messages and numbers -------------------------------------------------------------------- */

static void a_kept_message_lives_on(void **state)
{
    char                   name[] = "Name that goes away";
    struct msg_reason      reason = { .rule = slice_from(name), .points = 7 };
    struct msg_transaction tx = { .account_name = slice_from(name), .reasons = { &reason, 1 } };
    struct msg_transaction_page page = { .items = { &tx, 1 } };
    struct record               record = { 0 };
    (void)state;
    assert_int_equal(record_keep(&record, &message_transaction_page, &page), ERR_none);
    memset(name, 'x', sizeof name - 1);
    reason.points = 0;
    const struct msg_transaction_page *kept = record.body;
    assert_true(slice_is(kept->items.at[0].account_name, "Name that goes away"));
    assert_true(slice_is(kept->items.at[0].reasons.at[0].rule, "Name that goes away"));
    assert_int_equal(kept->items.at[0].reasons.at[0].points, 7);
    record_free(&record);
    assert_null(record.body);
}

static void numbers_are_short_where_they_must_be(void **state)
{
    char text[64];
    (void)state;
    assert_string_equal(show_short_money(123456789, 2, text, sizeof text), "1.23M");
    assert_string_equal(show_short_money(-1250000, 2, text, sizeof text), "-12.5k");
    assert_string_equal(show_short_money(99999, 2, text, sizeof text), "999.99");
    assert_string_equal(show_short_money(INT64_MIN, 0, text, sizeof text), "-9.22E");
    assert_string_equal(show_short_count(99999, text, sizeof text), "99,999");
    assert_string_equal(show_share(1234, text, sizeof text), "12.34%");
    assert_string_equal(show_sum(5, slice_from("JPY"), text, sizeof text), "5 JPY");
    assert_string_equal(show_sum(5, slice_from("KWD"), text, sizeof text), "0.005 KWD");
    assert_string_equal(show_second(US_PER_DAY - 1, text, sizeof text), "23:59:59");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_of_a_sum_stand_where_the_ones_before_end),
        cmocka_unit_test(panels_show_what_fits_and_scroll_the_rest),
        cmocka_unit_test(a_difference_names_the_lines_that_changed),
        cmocka_unit_test(a_difference_of_long_texts_is_whole),
        cmocka_unit_test(text_is_cut_with_an_ellipsis),
        cmocka_unit_test(wide_characters_are_never_halved),
        cmocka_unit_test(accents_stay_with_their_letters),
        cmocka_unit_test(what_a_terminal_obeys_is_escaped),
        cmocka_unit_test(drawing_outside_changes_nothing),
        cmocka_unit_test(paragraphs_break_at_blanks),
        cmocka_unit_test(the_mono_scheme_is_complete),
        cmocka_unit_test(plain_text_has_the_terminals_colours),
        cmocka_unit_test(a_chart_shows_heights_and_what_is_below_zero),
        cmocka_unit_test(charts_stand_the_largest_numbers),
        cmocka_unit_test(editing_keeps_whole_characters),
        cmocka_unit_test(choices_step_and_take_letters),
        cmocka_unit_test(the_selection_follows_its_record),
        cmocka_unit_test(a_click_selects_the_row_under_it),
        cmocka_unit_test(columns_scroll_and_the_first_stays),
        cmocka_unit_test(a_kept_message_lives_on),
        cmocka_unit_test(numbers_are_short_where_they_must_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
