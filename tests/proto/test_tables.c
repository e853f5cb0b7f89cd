/* The tables of the protocol agree with themselves: what the compiler cannot see is looked at
 * here, such as two equal texts or a list without a limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/check.h"
#include "proto/proto.h"

static bool one_bit(uint32_t bits)
{
    return bits != 0 && (bits & (bits - 1)) == 0;
}

static uint32_t all_roles(void)
{
    uint32_t all = 0;

    for (size_t i = 0; i < role_count; i++)
        all |= (uint32_t)role_rows[i].role;
    return all;
}

static void test_roles(void **state)
{
    (void)state;
    assert_int_equal(role_count, 3);
    for (size_t i = 0; i < role_count; i++) {
        const struct role_row *row = &role_rows[i];

        assert_true(one_bit((uint32_t)row->role));
        assert_ptr_equal(role_find(row->role), row);
        assert_ptr_equal(role_from_name(slice_from(row->name)), row);
        assert_true(row->title[0] != '\0' && row->help[0] != '\0');
    }
    assert_null(role_find(ROLE_NONE));
    assert_null(role_find((enum role)(ROLE_FRAUD_ANALYST | ROLE_FINANCIAL_MANAGER)));
    assert_null(role_from_name(slice_from("")));
    assert_null(role_from_name(slice_from("FRAUD_ANALYS")));
    assert_null(role_from_name(slice_from("fraud_analyst")));
}

static void test_enums(void **state)
{
    (void)state;
    for (size_t i = 0; i < enum_count; i++) {
        const struct enum_desc *desc = enum_rows[i];
        int32_t                 number = -7;

        assert_true(desc->count > 0);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(desc->name, enum_rows[j]->name);
        for (size_t k = 0; k < desc->count; k++) {
            assert_int_equal(enum_parse(desc, slice_from(desc->values[k].text), &number), ERR_none);
            assert_int_equal(number, desc->values[k].number); /* fails for two equal words */
            assert_string_equal(enum_text(desc, number), desc->values[k].text);
            assert_true(desc->values[k].help[0] != '\0');
        }
        assert_string_equal(enum_text(desc, 0), "?");
        assert_int_equal(enum_parse(desc, slice_from("no such word"), &number), ERR_field_invalid);
        assert_int_equal(enum_parse(desc, slice_of("", 0), &number), ERR_field_invalid);
    }
}

static void check_row(const struct message_desc *desc, const struct field_desc *field)
{
    assert_int_equal(strlen(field->name), field->name_n);
    assert_true(field->offset >= sizeof(uint64_t) && field->offset < desc->size);
    assert_true(field->help[0] != '\0');
    assert_true(field->limit >= 0);
    if (field->type == FIELD_TEXT || field->type == FIELD_BYTES || field->type == FIELD_LIST)
        assert_true(field->limit > 0);
    if (field->type == FIELD_TEXT || field->type == FIELD_BYTES)
        assert_true(field->limit <= LIMIT_REPLY_MAX);
    assert_int_equal(field->type == FIELD_CHOICE, field->choice != NULL);
    assert_int_equal(field->type == FIELD_LIST, field->item != NULL);
    if ((field->flags & (POSITIVE | NATURAL)) != 0)
        assert_true(field->type == FIELD_INT || field->type == FIELD_MONEY);
    if ((field->flags & MULTILINE) != 0)
        assert_int_equal(field->type, FIELD_TEXT);
}

static void test_messages(void **state)
{
    (void)state;
    for (size_t i = 0; i < message_count; i++) {
        const struct message_desc *desc = message_rows[i];

        assert_true(desc->count <= LIMIT_FIELDS_MAX);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(desc->name, message_rows[j]->name);
        for (size_t k = 0; k < desc->count; k++) {
            check_row(desc, &desc->fields[k]);
            for (size_t l = 0; l < k; l++)
                assert_string_not_equal(desc->fields[k].name, desc->fields[l].name);
        }
    }
}

/* Marks a message as reached; true when it was not yet. */
static bool reach(bool *reached, const struct message_desc *desc)
{
    for (size_t i = 0; i < message_count; i++) {
        if (message_rows[i] == desc && !reached[i]) {
            reached[i] = true;
            return true;
        }
    }
    return false;
}

static bool reach_items(bool *reached)
{
    bool grown = false;

    for (size_t i = 0; i < message_count; i++)
        for (size_t k = 0; reached[i] && k < message_rows[i]->count; k++)
            if (message_rows[i]->fields[k].type == FIELD_LIST)
                grown |= reach(reached, message_rows[i]->fields[k].item);
    return grown;
}

static bool is_record(const char *name)
{
    size_t n = strlen(name);

    return n > 7 && strcmp(name + n - 7, "_record") == 0;
}

/* Every message is used by an operation or an event, or is what a record of the store says and is
 * called so; and lists end before the codec's depth. */
static void test_messages_are_used(void **state)
{
    bool   reached[256] = { false };
    size_t depth = 1;

    (void)state;
    assert_true(message_count <= ARRAY_COUNT(reached));
    for (size_t i = 0; i < OP_INDEX_count; i++) {
        reach(reached, op_rows[i].request);
        reach(reached, op_rows[i].reply);
    }
    for (size_t i = 0; i < EVENT_INDEX_count; i++)
        reach(reached, event_rows[i].message);
    while (reach_items(reached))
        depth++;
    assert_true(depth * 2 < LIMIT_DEPTH_MAX);
    for (size_t i = 0; i < message_count; i++)
        if (!reached[i] && !is_record(message_rows[i]->name))
            fail_msg("message %s is used by nothing", message_rows[i]->name);
}

/* One field, or ids and numbers, which have no colons. */
static bool is_word(const struct message_desc *item)
{
    for (size_t i = 0; i < item->count; i++)
        if (item->count > 1 && item->fields[i].type != FIELD_UUID &&
            item->fields[i].type != FIELD_INT)
            return false;
    return true;
}

static void test_operations(void **state)
{
    (void)state;
    for (size_t i = 0; i < OP_INDEX_count; i++) {
        const struct op_row *row = &op_rows[i];

        assert_ptr_equal(op_find(slice_from(row->name)), row); /* fails for two equal names */
        assert_true(one_bit(row->flags & (OP_LOCAL | OP_LOGIN | OP_READ | OP_WRITE)));
        if ((row->flags & OP_MONEY) != 0)
            assert_true((row->flags & OP_WRITE) != 0);
        if ((row->flags & OP_OPEN) != 0)
            assert_int_equal(row->roles, 0);
        else
            assert_true(row->roles != 0 && (row->roles & ~all_roles()) == 0);
        assert_true(row->help[0] != '\0');
        /* A request is flat and small: its lists can be written in one line. */
        for (size_t k = 0; k < row->request->count; k++)
            if (row->request->fields[k].type == FIELD_LIST)
                assert_true(is_word(row->request->fields[k].item));
    }
    assert_ptr_equal(op_find(slice_from("account.get")), &op_rows[OP_INDEX_account_get]);
    assert_null(op_find(slice_from("account.gets")));
    assert_null(op_find(slice_from("account.ge")));
    assert_null(op_find(slice_of("", 0)));
}

/* The largest request that the fields allow must be one that the server reads. */
static void test_requests_fit(void **state)
{
    (void)state;
    for (size_t i = 0; i < OP_INDEX_count; i++) {
        size_t bytes = 128;

        for (size_t k = 0; k < op_rows[i].request->count; k++) {
            const struct field_desc *field = &op_rows[i].request->fields[k];
            bool content = field->type == FIELD_TEXT || field->type == FIELD_BYTES;

            bytes += field->name_n + 32 + (content ? (size_t)field->limit : 0);
        }
        assert_true(bytes <= op_size_max(&op_rows[i]));
    }
}

static void test_events(void **state)
{
    (void)state;
    for (size_t i = 0; i < EVENT_INDEX_count; i++) {
        assert_true(event_rows[i].roles != 0 && (event_rows[i].roles & ~all_roles()) == 0);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(event_rows[i].name, event_rows[j].name);
            assert_int_not_equal(event_rows[i].number, event_rows[j].number);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roles),      cmocka_unit_test(test_enums),
        cmocka_unit_test(test_messages),   cmocka_unit_test(test_messages_are_used),
        cmocka_unit_test(test_operations), cmocka_unit_test(test_requests_fit),
        cmocka_unit_test(test_events),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
