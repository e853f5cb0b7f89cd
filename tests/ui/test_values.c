/* Text to field and back, for every field of every message of the tables, and the refusals that a
 * form or a command line has to tell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bankterm/values.h"
#include "common/check.h"
#include "common/clock.h"

enum { STRUCT_MAX = 4096, ARENA_SIZE = 65536 };

struct world {
    struct arena arena;
    struct fault fault;
    char         msg[STRUCT_MAX] __attribute__((aligned(16)));
};

static struct world world;

static int set_up(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    return arena_init(&world.arena, ARENA_SIZE) == ERR_none ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&world.arena);
    return 0;
}

static enum err set(const struct message_desc *desc, const char *name, const char *text)
{
    world.fault = (struct fault){ 0 };
    return values_set(desc, world.msg, slice_from(name), slice_from(text), 2, &world.arena,
                      &world.fault);
}

static const char *shown(const struct message_desc *desc, const char *name, char out[256])
{
    const struct field_desc *field = values_field(desc, slice_from(name));

    assert_non_null(field);
    return values_text(desc, world.msg, field, 2, out, 256);
}

/* A value that every field of the type takes, in the form in which it is printed. */
static const char *sample(const struct field_desc *field)
{
    switch (field->type) {
    case FIELD_UUID:
        return "01890a5d-ac96-774b-bcce-b302099a8057";
    case FIELD_INT:
        return "1";
    case FIELD_MONEY:
        return "1234.56";
    case FIELD_TIME:
        return "2026-11-22T16:18:44.123456Z";
    case FIELD_BOOL:
        return "true";
    case FIELD_TEXT:
        return field->limit == 2 ? "CZ" : "\xc3\xa9";
    case FIELD_BYTES:
        return "00ff10ab";
    case FIELD_CHOICE:
        return field->choice->values[field->choice->count - 1].text;
    case FIELD_LIST:
        break;
    }
    return NULL;
}

static void test_every_field_reads_back(void **state)
{
    size_t tried = 0;

    (void)state;
    for (size_t i = 0; i < message_count; i++) {
        const struct message_desc *desc = message_rows[i];

        assert_true(desc->size <= STRUCT_MAX);
        memset(world.msg, 0, sizeof world.msg);
        for (size_t j = 0; j < desc->count; j++) {
            const struct field_desc *field = &desc->fields[j];
            const char              *text = sample(field);
            char                     out[256];

            if (text == NULL)
                continue;
            assert_false(values_has(desc, world.msg, field));
            assert_int_equal(set(desc, field->name, text), ERR_none);
            assert_true(values_has(desc, world.msg, field));
            assert_string_equal(shown(desc, field->name, out),
                                (field->flags & SECRET) != 0 ? "" : text);
            assert_int_equal(set(desc, field->name, ""), ERR_none);
            assert_false(values_has(desc, world.msg, field));
            assert_string_equal(shown(desc, field->name, out), "");
            arena_reset(&world.arena);
            tried++;
        }
        for (size_t j = 0; j < desc->size; j++)
            assert_int_equal(world.msg[j], 0);
    }
    assert_true(tried > 200);
}

/* Fields stay apart: setting them all and then clearing one leaves the others. */
static void test_clearing_touches_one_field(void **state)
{
    const struct message_desc *desc = &message_transaction_query;

    (void)state;
    for (size_t i = 0; i < desc->count; i++) {
        for (size_t j = 0; j < desc->count; j++)
            assert_int_equal(set(desc, desc->fields[j].name, sample(&desc->fields[j])), ERR_none);
        values_clear(desc, world.msg, &desc->fields[i]);
        for (size_t j = 0; j < desc->count; j++) {
            char out[256];

            assert_string_equal(shown(desc, desc->fields[j].name, out),
                                i == j ? "" : sample(&desc->fields[j]));
        }
        arena_reset(&world.arena);
    }
}

struct refusal {
    const struct message_desc *desc;
    const char                *name;
    const char                *text;
    enum err                   err;
};

static void test_refusals_name_the_field(void **state)
{
    static const struct refusal refusals[] = {
        { &message_transaction_create, "amount", "-5", ERR_amount_invalid },
        { &message_transaction_create, "amount", "0", ERR_amount_invalid },
        { &message_transaction_create, "amount", "0.00", ERR_amount_invalid },
        { &message_transaction_create, "amount", "0.001", ERR_amount_invalid },
        { &message_transaction_create, "amount", "1,50", ERR_amount_invalid },
        { &message_transaction_create, "amount", "1e3", ERR_amount_invalid },
        { &message_transaction_create, "amount", "ten", ERR_amount_invalid },
        { &message_transaction_create, "amount", "92233720368547758.08", ERR_amount_overflow },
        { &message_account_create, "overdraft_limit", "-0.01", ERR_amount_invalid },
        { &message_transaction_create, "account_id", "123", ERR_id_invalid },
        { &message_transaction_create, "type", "gift", ERR_field_invalid },
        { &message_transaction_create, "description", "a\nb", ERR_field_invalid },
        { &message_transaction_create, "description", "a\tb", ERR_field_invalid },
        { &message_transaction_create, "description", "a\033[31mb", ERR_field_invalid },
        { &message_transaction_create, "description", "\xff", ERR_field_invalid },
        { &message_transaction_create, "currency", "USDX", ERR_field_too_long },
        { &message_transaction_query, "from", "31.1.2026", ERR_field_invalid },
        { &message_transaction_query, "from", "2026-02-30", ERR_field_invalid },
        { &message_transaction_query, "limit", "0", ERR_field_invalid },
        { &message_transaction_query, "limit", "501", ERR_field_invalid },
        { &message_transaction_query, "limit", "1.0", ERR_field_invalid },
        { &message_transaction_query, "flagged", "maybe", ERR_field_invalid },
        { &message_transaction_query, "cursor", "abc", ERR_field_invalid },
        { &message_transaction_query, "cursor", "zz", ERR_field_invalid },
        { &message_audit_verify, "from_sequence", "-1", ERR_field_invalid },
        { &message_transaction_page, "items", "x", ERR_field_invalid },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(refusals); i++) {
        memset(world.msg, 0, sizeof world.msg);
        assert_int_equal(set(refusals[i].desc, refusals[i].name, refusals[i].text),
                         refusals[i].err);
        assert_int_equal(world.fault.err, refusals[i].err);
        assert_string_equal(world.fault.field, refusals[i].name);
        assert_true(strlen(world.fault.text) > 0);
        for (size_t j = 0; j < refusals[i].desc->size; j++)
            assert_int_equal(world.msg[j], 0);
    }
}

/* Items of a list are words with commas between them; the fields of one have colons. */
static void test_items_of_a_list(void **state)
{
    static const char           *one = "00000000-0000-7000-8000-000000000001";
    static const char *const     wrong[] = { ":2", "x:2", "%s:", "%s:0", "%s:33", "%s:2:2", "%s," };
    const struct msg_alert_bulk *bulk = (const struct msg_alert_bulk *)world.msg;
    char                         text[256];

    (void)state;
    snprintf(text, sizeof text, "%s,%s:2", one, one);
    assert_int_equal(set(&message_alert_bulk, "items", text), ERR_none);
    assert_int_equal(bulk->items.count, 2);
    assert_false(MSG_HAS(&bulk->items.at[0], alert_seen, hits_seen));
    assert_true(MSG_HAS(&bulk->items.at[1], alert_seen, hits_seen));
    assert_int_equal(bulk->items.at[1].hits_seen, 2);
    assert_true(uuid_equal(&bulk->items.at[0].alert_id, &bulk->items.at[1].alert_id));
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        const char *mark = strstr(wrong[i], "%s");

        snprintf(text, sizeof text, "%s%s", mark != NULL ? one : "",
                 mark != NULL ? mark + 2 : wrong[i]);
        assert_int_not_equal(set(&message_alert_bulk, "items", text), ERR_none);
    }
}

static void test_a_failed_change_keeps_the_old_value(void **state)
{
    char out[256];

    (void)state;
    assert_int_equal(set(&message_transaction_create, "amount", "12.5"), ERR_none);
    assert_int_equal(set(&message_transaction_create, "amount", "12.505"), ERR_amount_invalid);
    assert_string_equal(shown(&message_transaction_create, "amount", out), "12.50");
}

static void test_too_long_texts(void **state)
{
    char text[LIMIT_DESCRIPTION_MAX + 2];

    (void)state;
    memset(text, 'a', sizeof text);
    text[LIMIT_DESCRIPTION_MAX] = '\0';
    assert_int_equal(set(&message_transaction_create, "description", text), ERR_none);
    text[LIMIT_DESCRIPTION_MAX] = 'a';
    text[LIMIT_DESCRIPTION_MAX + 1] = '\0';
    assert_int_equal(set(&message_transaction_create, "description", text), ERR_field_too_long);
}

static void test_texts_of_several_lines(void **state)
{
    char out[256];

    (void)state;
    assert_int_equal(set(&message_alert_note, "note", "seen\n\tcalled"), ERR_none);
    assert_string_equal(shown(&message_alert_note, "note", out), "seen\n\tcalled");
}

static void test_a_wrong_name_is_told_with_the_near_one(void **state)
{
    (void)state;
    assert_int_equal(set(&message_transaction_create, "ammount", "1"), ERR_field_unknown);
    assert_string_equal(world.fault.field, "ammount");
    assert_string_equal(world.fault.text, "Perhaps amount was meant");
    assert_int_equal(set(&message_transaction_create, "colour", "1"), ERR_field_unknown);
    assert_string_equal(world.fault.text, "");
}

static void test_decimals_follow_the_exponent(void **state)
{
    const struct message_desc *desc = &message_transaction_create;
    const struct field_desc   *field = values_field(desc, slice_from("amount"));
    const struct slice         name = slice_from("amount");
    uint8_t                    exponent = 9;
    char                       out[64];

    (void)state;
    assert_int_equal(values_set(desc, world.msg, name, slice_from("7"), 0, &world.arena, NULL),
                     ERR_none);
    assert_int_equal(values_integer(world.msg, field), 7);
    assert_int_equal(values_set(desc, world.msg, name, slice_from("7.5"), 0, &world.arena, NULL),
                     ERR_amount_invalid);
    assert_int_equal(values_set(desc, world.msg, name, slice_from("7.001"), 3, &world.arena, NULL),
                     ERR_none);
    assert_int_equal(values_integer(world.msg, field), 7001);
    assert_string_equal(values_text(desc, world.msg, field, 3, out, sizeof out), "7.001");
    assert_false(values_exponent(desc, world.msg, &exponent));
    assert_int_equal(set(desc, "currency", "KWD"), ERR_none);
    assert_true(values_exponent(desc, world.msg, &exponent));
    assert_int_equal(exponent, 3);
    assert_int_equal(set(desc, "currency", "XXX"), ERR_none);
    assert_false(values_exponent(desc, world.msg, &exponent));
}

static void test_the_first_missing_field_is_told(void **state)
{
    const struct message_desc *desc = &message_transaction_act;

    (void)state;
    assert_int_equal(values_complete(desc, world.msg, &world.fault), ERR_field_missing);
    assert_string_equal(world.fault.field, "transaction_id");
    assert_int_equal(set(desc, "transaction_id", "01890a5d-ac96-774b-bcce-b302099a8057"), ERR_none);
    assert_int_equal(values_complete(desc, world.msg, &world.fault), ERR_field_missing);
    assert_string_equal(world.fault.field, "reason");
    assert_int_equal(set(desc, "reason", "seen"), ERR_none);
    assert_int_equal(values_complete(desc, world.msg, &world.fault), ERR_none);
}

/* What a form accepts, the codec accepts too: the two must not tell different stories. */
static void test_what_was_set_passes_the_codec(void **state)
{
    (void)state;
    for (size_t i = 0; i < message_count; i++) {
        const struct message_desc *desc = message_rows[i];
        bool                       whole = true;

        memset(world.msg, 0, sizeof world.msg);
        arena_reset(&world.arena);
        for (size_t j = 0; j < desc->count; j++) {
            const char *text = sample(&desc->fields[j]);

            whole = whole && text != NULL;
            if (text != NULL)
                assert_int_equal(set(desc, desc->fields[j].name, text), ERR_none);
        }
        if (whole)
            assert_int_equal(message_check(desc, world.msg, &world.fault), ERR_none);
    }
}

static void test_a_full_arena_is_an_error(void **state)
{
    char   text[LIMIT_NOTE_MAX];
    size_t taken = 0;

    (void)state;
    memset(text, 'n', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    while (set(&message_alert_note, "note", text) == ERR_none && taken < ARENA_SIZE)
        taken++;
    assert_true(taken > 0 && taken < ARENA_SIZE);
    assert_int_equal(world.fault.err, ERR_message_too_large);
}

static void test_distances(void **state)
{
    (void)state;
    assert_int_equal(values_distance(slice_from("kitten"), slice_from("sitting")), 3);
    assert_int_equal(values_distance(slice_from(""), slice_from("abc")), 3);
    assert_int_equal(values_distance(slice_from("abc"), slice_from("abc")), 0);
    assert_true(values_near(slice_from("account.lst"), slice_from("account.list")));
    assert_true(values_near(slice_from("acc"), slice_from("account_id")));
    assert_false(values_near(slice_from("xyz"), slice_from("abc")));
    assert_false(values_near(slice_from(""), slice_from("a")));
}

static void test_moments_are_hours_days_or_dates(void **state)
{
    static const int64_t now = INT64_C(1795365665000000);
    int64_t              at = 0;
    (void)state;
    assert_true(values_moment(slice_from("2h"), now, &at));
    assert_int_equal(at, now + 2 * US_PER_HOUR);
    assert_true(values_moment(slice_from("30d"), now, &at));
    assert_int_equal(at, now + 30 * US_PER_DAY);
    assert_true(values_moment(slice_from("1970-01-02"), now, &at));
    assert_int_equal(at, US_PER_DAY);
    assert_false(values_moment(slice_from(""), now, &at));
    assert_false(values_moment(slice_from("h"), now, &at));
    assert_false(values_moment(slice_from("99999d"), now, &at));
    assert_false(values_moment(slice_from("soon"), now, &at));
}

/* A text that may fill a file can be given empty, which is not the same as left out. */
static void test_nothing_can_be_given(void **state)
{
    const struct message_desc *desc = &message_rules_propose;
    const struct field_desc   *card = values_field(desc, slice_from("scorecard"));
    char                       out[256];

    (void)state;
    assert_int_equal(set(desc, "scorecard", "card 1"), ERR_none);
    assert_true(values_set_empty(desc, world.msg, card));
    assert_true(values_has(desc, world.msg, card));
    assert_string_equal(shown(desc, "scorecard", out), "");
    assert_false(values_set_empty(desc, world.msg, values_field(desc, slice_from("rules"))));
    assert_false(values_set_empty(desc, world.msg, values_field(desc, slice_from("reason"))));
    assert_false(values_set_empty(&message_transaction_query, world.msg,
                                  values_field(&message_transaction_query,
                                               slice_from("currency"))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_field_reads_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_clearing_touches_one_field, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refusals_name_the_field, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_failed_change_keeps_the_old_value, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_too_long_texts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_texts_of_several_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_wrong_name_is_told_with_the_near_one, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_decimals_follow_the_exponent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_first_missing_field_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_was_set_passes_the_codec, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_full_arena_is_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_distances, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_can_be_given, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_items_of_a_list, set_up, tear_down),
        cmocka_unit_test(test_moments_are_hours_days_or_dates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
