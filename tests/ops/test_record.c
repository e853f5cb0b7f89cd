/* What a record says: read back as it was written, refused when it is too long or damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bankd/record.h"

static void test_body_is_read_back(void **state)
{
    struct record         record = { .version = 1 };
    struct msg_alert_note note = { .alert_id = { { 1, 2, 3 } }, .note = slice_from("seen\nit") };
    struct msg_alert_note found;
    struct arena          arena;

    /* Another message than the one that was written. */
    struct msg_customer_verify other;

    (void)state;
    assert_int_equal(arena_init(&arena, 1024), ERR_none);
    assert_int_equal(record_write(&record, &message_alert_note, &note), ERR_none);
    assert_true(record.body_size > 16);
    assert_int_equal(record_read(&record, &message_alert_note, &found, &arena), ERR_none);
    assert_true(uuid_equal(&found.alert_id, &note.alert_id));
    assert_true(slice_is(found.note, "seen\nit"));

    record.body_size--;
    assert_int_equal(record_read(&record, &message_alert_note, &found, &arena),
                     ERR_storage_corrupt);
    record.body_size++;
    assert_int_equal(record_read(&record, &message_customer_verify, &other, &arena),
                     ERR_storage_corrupt);
    arena_free(&arena);
}

static void test_too_long_changes_nothing(void **state)
{
    static char             text[LIMIT_RECORD_BODY_MAX];
    struct record           record = { .version = 1, .body_size = 2, .body = { 7, 8 } };
    struct msg_export_chunk chunk = { .csv = slice_of(text, sizeof text) };

    (void)state;
    memset(text, 'a', sizeof text);
    assert_int_equal(record_write(&record, &message_export_chunk, &chunk), ERR_message_too_large);
    assert_int_equal(record.body_size, 2);
    assert_int_equal(record.body[1], 8);
}

/* A message that is called a record is what some kind of record says. */
static void test_every_record_message_has_its_kind(void **state)
{
    size_t found = 0;

    (void)state;
    for (size_t i = 0; i < message_count; i++) {
        const char *name = message_rows[i]->name;
        size_t      n = strlen(name);
        bool        used = n <= 7 || strcmp(name + n - 7, "_record") != 0;

        for (int32_t kind = 1; kind < RECORD_KIND_END && !used; kind++) {
            used = record_message(kind) == message_rows[i];
            found += used ? 1 : 0;
        }
        if (!used)
            fail_msg("no kind of record says %s", name);
    }
    assert_true(found > 0);
    assert_null(record_message(0));
    assert_null(record_message(RECORD_KIND_END));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_body_is_read_back),
        cmocka_unit_test(test_too_long_changes_nothing),
        cmocka_unit_test(test_every_record_message_has_its_kind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
