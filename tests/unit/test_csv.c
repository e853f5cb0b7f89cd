/* CSV: cells that must be quoted or kept from running, records of every shape, bad records that
 * cost only themselves, and random tables out and back in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/check.h"
#include "common/csv.h"
#include "tests/unit/random.h"

enum { ROUNDS = 3000 };

/* One for all tests: it is too large for a stack. */
static struct csv_reader reader;

static FILE *file_of(const char *bytes, size_t n)
{
    FILE *file = n > 0 ? fmemopen((void *)(uintptr_t)bytes, n, "r") : fopen("/dev/null", "r");

    assert_non_null(file);
    return file;
}

/* What a text reads as: cells between '|', records between '\n', bad ones as "!line". */
static void read_as(struct slice text, char delimiter, struct buf *out)
{
    FILE        *file = file_of(text.at, text.n);
    struct fault fault = { 0 };

    csv_reader_init(&reader, file, delimiter);
    for (;;) {
        enum err err = csv_read(&reader, &fault);

        if (err == ERR_none && reader.count == 0)
            break;
        if (err != ERR_none) {
            assert_int_equal(err, ERR_file_syntax);
            assert_int_equal(reader.count, 0);
            assert_int_equal(buf_print(out, "!%d\n", (int)reader.line), ERR_none);
            continue;
        }
        for (size_t i = 0; i < reader.count; i++) {
            assert_int_equal(buf_add(out, "|", i > 0 ? 1 : 0), ERR_none);
            assert_int_equal(buf_add(out, reader.cells[i].at, reader.cells[i].n), ERR_none);
        }
        assert_int_equal(buf_add(out, "\n", 1), ERR_none);
    }
    assert_int_equal(reader.bytes, text.n);
    assert_int_equal(csv_read(&reader, &fault), ERR_none); /* the end stays the end */
    assert_int_equal(reader.count, 0);
    fclose(file);
}

static void assert_reads(const char *text, size_t n, char delimiter, const char *expected)
{
    struct buf out;

    buf_init(&out, 1 << 20);
    read_as(slice_of(text, n), delimiter, &out);
    if (!slice_is(slice_of(out.at, out.n), expected))
        fail_msg("\"%.*s\" reads as \"%.*s\"", (int)n, text, (int)out.n, out.at);
    buf_free(&out);
}

struct cell_case {
    const char *text;
    const char *written;
};

static void test_cells_are_quoted_and_cannot_run(void **state)
{
    static const struct cell_case cases[] = {
        { "", "" },
        { "plain", "plain" },
        { "two words ", "two words " },
        { "a,b", "\"a,b\"" },
        { "a;b", "a;b" },
        { "say \"hi\"", "\"say \"\"hi\"\"\"" },
        { "\"", "\"\"\"\"" },
        { "\"\"", "\"\"\"\"\"\"" },
        { "a\nb", "\"a\nb\"" },
        { "a\rb", "\"a\rb\"" },
        { "=1+1", "'=1+1" },
        { "=HYPERLINK(\"x\",\"y\")", "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\"" },
        { "+420 123", "'+420 123" },
        { "+5", "'+5" },
        { "@SUM(A1)", "'@SUM(A1)" },
        { "\tx", "'\tx" },
        { "\rx", "\"'\rx\"" },
        { "\nx", "\"'\nx\"" },
        { "-", "'-" },
        { "-12.50", "-12.50" },
        { "-12", "-12" },
        { "-0.00000001", "-0.00000001" },
        { "12.50", "12.50" },
        { "-12.", "'-12." },
        { "-.5", "'-.5" },
        { "-1-1", "'-1-1" },
        { "-1.2.3", "'-1.2.3" },
        { "-1,5", "\"'-1,5\"" },
        { "--1", "'--1" },
        { "-1e5", "'-1e5" },
        { "-1 ", "'-1 " },
        { "a=b", "a=b" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct buf out;

        buf_init(&out, 256);
        assert_int_equal(csv_cell(&out, slice_from(cases[i].text), ','), ERR_none);
        if (!slice_is(slice_of(out.at, out.n), cases[i].written))
            fail_msg("\"%s\" is written %.*s", cases[i].text, (int)out.n, out.at);
        buf_free(&out);
    }
}

static void test_cell_without_room_is_not_begun(void **state)
{
    (void)state;
    for (size_t room = 0; room < 16; room++) {
        bool       fits = room >= 13;
        struct buf out;

        buf_init(&out, 2 + room);
        assert_int_equal(buf_add(&out, "x,", 2), ERR_none);
        assert_int_equal(csv_cell(&out, slice_from("=a\"b,c\"d"), ','),
                         fits ? ERR_none : ERR_message_too_large);
        assert_int_equal(out.n, fits ? 15 : 2);
        buf_free(&out);
    }
}

static void test_records_of_every_shape(void **state)
{
    (void)state;
    assert_reads("", 0, ',', "");
    assert_reads("a,b\r\nc,d\r\n", 10, ',', "a|b\nc|d\n");
    assert_reads("a,b\nc,d", 7, ',', "a|b\nc|d\n");
    assert_reads("a,b\r\nc,d\r", 9, ',', "a|b\nc|d\n");
    assert_reads("a,,b,\n", 6, ',', "a||b|\n");
    assert_reads(",\n", 2, ',', "|\n");
    assert_reads(",", 1, ',', "|\n");
    assert_reads("\n\r\na\n\n\nb\n", 9, ',', "a\nb\n");
    assert_reads("\"\"\n", 3, ',', "\n");
    assert_reads("\"a,\"\"b\"\"\",c\n", 12, ',', "a,\"b\"|c\n");
    assert_reads("\"a\nb\",\"c\r\nd\"\r\n", 14, ',', "a\nb|c\r\nd\n");
    assert_reads("a\"b,c\"\"d\n", 9, ',', "a\"b|c\"\"d\n");
    assert_reads(" \"a\",b\n", 7, ',', " \"a\"|b\n");
    assert_reads("a\rb,c\n", 6, ',', "a\rb|c\n");
    assert_reads("a,b\r\r\n", 6, ',', "a|b\r\n");
    assert_reads("a;b,c\td\n", 8, ';', "a|b,c\td\n");
    assert_reads("a\t\t\"b\"\n", 7, '\t', "a||b\n");
    assert_reads("a\xa7" "b\n", 4, '\xa7', "a|b\n");
    assert_reads("\"a\"", 3, ',', "a\n");
}

static void test_byte_order_mark_is_passed_over(void **state)
{
    (void)state;
    assert_reads("\xef\xbb\xbf" "a,b\n", 7, ',', "a|b\n");
    assert_reads("\xef\xbb\xbf\"a,b\"\n", 9, ',', "a,b\n");
    assert_reads("\xef\xbb\xbf", 3, ',', "");
    assert_reads("\xef\xbb\xbf\n\na\n", 6, ',', "a\n");
    assert_reads("\xef\xac\x81,b\n", 6, ',', "\xef\xac\x81|b\n");
    assert_reads("\xef\xbb,b\n", 5, ',', "\xef\xbb|b\n");
    assert_reads("\xef", 1, ',', "\xef\n");
    assert_reads("\xef\n", 2, ',', "\xef\n");
    assert_reads("a\n\xef\xbb\xbf\n", 6, ',', "a\n\xef\xbb\xbf\n");
}

static void test_bad_record_costs_only_itself(void **state)
{
    (void)state;
    assert_reads("a\n\"b\"x,c\nd\n", 11, ',', "a\n!2\nd\n");
    assert_reads("a\n\"b\" ,c\nd\n", 11, ',', "a\n!2\nd\n");
    assert_reads("a\n\"b\nc\"x\nd\n", 11, ',', "a\n!2\nd\n");
    assert_reads("a\nb\0c,d\ne\n", 10, ',', "a\n!2\ne\n");
    assert_reads("a\n\"b\0c\nd\ne\n", 11, ',', "a\n!2\nd\ne\n");
    assert_reads("a\n\"b\nc\n", 7, ',', "a\n!2\n");
    assert_reads("\"", 1, ',', "!1\n");
    assert_reads("\"a\"b", 4, ',', "!1\n");
    assert_reads("\"a\"\rb\nc\n", 8, ',', "!1\nc\n");
}

static void test_fault_names_the_line(void **state)
{
    static const char text[] = "a\n\n\"b\nc\"x\n";
    struct fault      fault = { 0 };
    FILE             *file = file_of(text, sizeof text - 1);

    (void)state;
    csv_reader_init(&reader, file, ',');
    assert_int_equal(csv_read(&reader, &fault), ERR_none);
    assert_int_equal(reader.line, 1);
    assert_int_equal(csv_read(&reader, &fault), ERR_file_syntax);
    assert_int_equal(reader.line, 3);
    assert_int_equal(fault.err, ERR_file_syntax);
    assert_string_equal(fault.text, "Line 3 has text behind a closing quote");
    assert_int_equal(csv_read(&reader, NULL), ERR_none);
    assert_int_equal(reader.count, 0);
    fclose(file);
}

static void test_limits_of_a_record(void **state)
{
    for (int over = 0; over < 2; over++) {
        for (int quoted = 0; quoted < 2; quoted++) {
            struct buf text;
            struct buf out;

            buf_init(&text, 1 << 20);
            buf_init(&out, 1 << 20);
            assert_int_equal(buf_print(&text, "%s%0*d%s\nnext\n", quoted ? "\"" : "",
                                       CSV_RECORD_MAX + over, 0, quoted ? "\"" : ""),
                             ERR_none);
            read_as(slice_of(text.at, text.n), ',', &out);
            if (over)
                assert_true(slice_is(slice_of(out.at, out.n), "!1\nnext\n"));
            else
                assert_int_equal(out.n, CSV_RECORD_MAX + 1 + 5);
            buf_clear(&text);
            buf_clear(&out);
            for (int i = 1; i < CSV_COLUMNS_MAX + over; i++)
                assert_int_equal(buf_add(&text, quoted ? "\"\"," : ",", quoted ? 3 : 1), ERR_none);
            assert_int_equal(buf_add(&text, "\nnext\n", 6), ERR_none);
            read_as(slice_of(text.at, text.n), ',', &out);
            if (over)
                assert_true(slice_is(slice_of(out.at, out.n), "!1\nnext\n"));
            else
                assert_int_equal(out.n, CSV_COLUMNS_MAX - 1 + 1 + 5);
            buf_free(&text);
            buf_free(&out);
        }
    }
    (void)state;
}

static void test_file_that_cannot_be_read(void **state)
{
    struct fault fault = { 0 };
    FILE        *file = fopen("/", "r"); /* a directory opens, and every read of it fails */

    (void)state;
    assert_non_null(file);
    csv_reader_init(&reader, file, ',');
    assert_int_equal(csv_read(&reader, &fault), ERR_io);
    assert_int_equal(fault.err, ERR_io);
    assert_int_equal(reader.count, 0);
    fclose(file);
}

struct table {
    struct slice cells[2048];
    size_t       cell_count;
    size_t       columns;
    char         bytes[65536];
    size_t       used;
};

/* Cells of bytes that mean something to CSV more often than chance would. */
static void table_fill(struct table *table, struct random *random)
{
    static const char sharp[] = ",;\"\r\n\t =+-@'.0123456789";

    table->columns = 2 + random_below(random, 6);
    table->cell_count = table->columns * random_below(random, 40);
    table->used = 0;
    for (size_t i = 0; i < table->cell_count; i++) {
        char  *at = table->bytes + table->used;
        size_t n = random_below(random, 12);

        for (size_t j = 0; j < n; j++)
            at[j] = random_below(random, 3) > 0 ? sharp[random_below(random, sizeof sharp - 1)]
                                                : (char)(1 + random_below(random, 255));
        table->cells[i] = slice_of(at, n);
        table->used += n;
    }
}

static void table_write(const struct table *table, char delimiter, struct random *random,
                        struct buf *out)
{
    bool crlf = random_below(random, 2) == 0;

    for (size_t i = 0; i < table->cell_count; i++) {
        bool last = (i + 1) % table->columns == 0;

        assert_int_equal(csv_cell(out, table->cells[i], delimiter), ERR_none);
        if (last)
            assert_int_equal(buf_print(out, "%s", crlf ? "\r\n" : "\n"), ERR_none);
        else
            assert_int_equal(buf_add(out, &delimiter, 1), ERR_none);
    }
}

/* A cell comes back as it was, but for the apostrophe that keeps it from running. */
static void assert_cell_is(struct slice seen, struct slice written)
{
    if (seen.n == written.n + 1) {
        assert_int_equal(seen.at[0], '\'');
        assert_non_null(memchr("=+-@\t\r\n", written.at[0], 7));
        seen = slice_of(seen.at + 1, seen.n - 1);
    } else if (seen.n > 0) {
        assert_null(memchr("=+@\t\r\n", seen.at[0], 6));
    }
    assert_true(slice_equal(seen, written));
}

static void test_every_table_comes_back(void **state)
{
    static struct table table;
    struct random       random = random_start(__func__);
    struct buf          out;

    (void)state;
    buf_init(&out, 1 << 20);
    for (int round = 0; round < ROUNDS; round++) {
        char   delimiter = ",;\t|"[random_below(&random, 4)];
        size_t i = 0;
        FILE  *file;

        table_fill(&table, &random);
        buf_clear(&out);
        table_write(&table, delimiter, &random, &out);
        file = file_of(out.at, out.n);
        csv_reader_init(&reader, file, delimiter);
        while (i < table.cell_count) {
            assert_int_equal(csv_read(&reader, NULL), ERR_none);
            assert_int_equal(reader.count, table.columns);
            for (size_t j = 0; j < reader.count; j++)
                assert_cell_is(reader.cells[j], table.cells[i++]);
        }
        assert_int_equal(csv_read(&reader, NULL), ERR_none);
        assert_int_equal(reader.count, 0);
        fclose(file);
    }
    buf_free(&out);
}

/* Whatever the bytes: the reader comes to the end, inside its limits, and its lines add up. */
static void test_no_bytes_confuse_the_reader(void **state)
{
    static const char sharp[] = ",\"\r\n\0a\xef\xbb\xbf";
    struct random     random = random_start(__func__);

    (void)state;
    for (int round = 0; round < ROUNDS * 5; round++) {
        char    text[200];
        size_t  n = 1 + random_below(&random, sizeof text - 1);
        int64_t lines = 1;
        int64_t before = 0;
        FILE   *file;

        for (size_t i = 0; i < n; i++) {
            text[i] = sharp[random_below(&random, sizeof sharp - 1)];
            lines += text[i] == '\n' ? 1 : 0;
        }
        file = file_of(text, n);
        csv_reader_init(&reader, file, ',');
        for (;;) {
            enum err err = csv_read(&reader, NULL);

            assert_true(err == ERR_none || err == ERR_file_syntax);
            if (err == ERR_none && reader.count == 0)
                break;
            assert_true(reader.line > before);
            before = reader.line;
        }
        assert_int_equal(reader.bytes, n);
        assert_int_equal(reader.next_line, lines);
        fclose(file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cells_are_quoted_and_cannot_run),
        cmocka_unit_test(test_cell_without_room_is_not_begun),
        cmocka_unit_test(test_records_of_every_shape),
        cmocka_unit_test(test_byte_order_mark_is_passed_over),
        cmocka_unit_test(test_bad_record_costs_only_itself),
        cmocka_unit_test(test_fault_names_the_line),
        cmocka_unit_test(test_limits_of_a_record),
        cmocka_unit_test(test_file_that_cannot_be_read),
        cmocka_unit_test(test_every_table_comes_back),
        cmocka_unit_test(test_no_bytes_confuse_the_reader),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
