/* Import: maps that are right and maps that are wrong, rows by their map, and rows into a bank:
 * once, twice, cut off in the middle, with rounding, labels, equal lines and bad ones. What came
 * out is proved by the same code that proves any bank. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "bankd/import.h"
#include "bankd/verify.h"
#include "common/check.h"

static struct csv_reader reader; /* too large for a stack */

static const char *const base = "source = t\ncurrency = USD\ntime = {time}\namount = {amount}\n"
                                "account = {account}\n";

static struct import_map *map_of(const char *more)
{
    char               text[4096];
    struct import_map *map = NULL;
    struct fault       fault = { 0 };

    snprintf(text, sizeof text, "%s%s", base, more);
    if (import_map_parse(slice_from(text), "m", &map, &fault) != ERR_none)
        fail_msg("%s", fault.text);
    return map;
}

/* --- maps ------------------------------------------------------------------------------------- */

static void shipped_maps_are_right(void **state)
{
    static const char *const names[] = { "berka", "handbook", "plain" };
    static char              text[IMPORT_MAP_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        struct import_map *map = NULL;
        struct fault       fault = { 0 };
        char               path[64];
        FILE              *file;
        size_t             n;

        snprintf(path, sizeof path, "data/maps/%s.map", names[i]);
        file = fopen(path, "r");
        assert_non_null(file);
        n = fread(text, 1, sizeof text, file);
        fclose(file);
        assert_int_equal(import_map_parse(slice_of(text, n), path, &map, &fault), ERR_none);
        assert_string_equal(map->source, names[i]);
        import_map_free(&map);
    }
}

static void wrong_maps_are_told_by_line(void **state)
{
    static const struct {
        const char *more;
        const char *told;
    } cases[] = {
        { "type = payment, out, settlement\nnonsense\n", "m:7: a line is" },
        { "type = payment, out, settlement\ncolour = red\n", "m:7: there is no key \"colour\"" },
        { "time = {when}\n", "m:6: time stands here a second time" },
        { "type = gift, out, cash\n", "m:6: \"gift\" is no type" },
        { "type = payment, away, cash\n", "m:6: behind the type" },
        { "type = payment, out, customer\n", "m:6: the third word" },
        { "type = payment, sign, cash\n", "m:6: a type by sign needs" },
        { "time.format = %d.%m\n", "m:6: a format has" },
        { "amount.unit = cents\n", "m:6: the unit is" },
        { "amount.mark = ;\n", "m:6: the decimal mark" },
        { "delimiter = ab\n", "m:6: the delimiter is" },
        { "header = maybe\n", "m:6: the value is yes or no" },
        { "party = bank:{a\n", "m:6: a { without a }" },
        { "party = bank:a}\n", "m:6: a } without a {" },
        { "party = {}\n", "m:6: a column has a name" },
        { "customer.country = usa\n", "m:6: a country is" },
        { "label.known_after = 7w\n", "m:6: the delay is" },
        { "label.known_after = soon\n", "m:6: the delay is" },
        { "balance.when = ok\n", "m:6: the condition is" },
        { "account.overdraft = much\n", "m:6: the limit is" },
        { "description =\n", "m:6: description needs a value" },
        { "[kinds]\n", "m:6: the sections are" },
        { "type = fee, out, fees\n[types]\n", "m:7: the sections are" },
        { "", "m:5: the map needs a line \"type" },
        { "type.columns = a | b\n[types]\nx = fee, out, fees\n", "row 1 of [types] has 1 values" },
        { "header = no\ntype = fee, out, fees\n", "a file without a header has columns by number" },
        { "type = fee, out, fees\ndescription = \xff\n", "not UTF-8" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char               text[4096];
        struct import_map *map = NULL;
        struct fault       fault = { 0 };

        snprintf(text, sizeof text, "%s%s", base, cases[i].more);
        assert_int_equal(import_map_parse(slice_from(text), "m", &map, &fault), ERR_file_syntax);
        assert_null(map);
        if (strstr(fault.text, cases[i].told) == NULL)
            fail_msg("case %zu: %s", i, fault.text);
    }
}

static void required_keys_are_asked_for(void **state)
{
    static const char *const keys[] = { "source", "currency", "time", "amount", "account" };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
        char               text[512] = "type = fee, out, fees\n";
        struct import_map *map = NULL;
        struct fault       fault = { 0 };

        for (size_t k = 0; k < ARRAY_COUNT(keys); k++)
            if (k != i)
                snprintf(text + strlen(text), sizeof text - strlen(text), "%s = usd\n", keys[k]);
        assert_int_equal(import_map_parse(slice_from(text), "m", &map, &fault), ERR_file_syntax);
        assert_non_null(strstr(fault.text, keys[i]));
    }
}

/* --- rows ------------------------------------------------------------------------------------- */

/* Reads the row of a text whose first line is the header. */
static enum err row_of(struct import_map *map, const char *text, struct import_row *row,
                       struct fault *fault)
{
    FILE    *file = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
    enum err err;

    assert_non_null(file);
    csv_reader_init(&reader, file, map->delimiter);
    assert_int_equal(csv_read(&reader, fault), ERR_none);
    if (map->header) {
        TRY(import_map_bind(map, reader.cells, reader.count, fault));
        assert_int_equal(csv_read(&reader, fault), ERR_none);
    }
    err = import_row_read(map, reader.cells, reader.count, row, fault);
    fclose(file);
    return err;
}

static void rows_are_read_by_their_map(void **state)
{
    struct fault       fault = { 0 };
    struct import_row  row;
    struct import_map *map = map_of("delimiter = semicolon\ntime.format = %d.%m.%y\n"
                                    "amount.mark = comma\namount.signed = yes\n"
                                    "type.columns = kind | @sign\nparty = bank:{to}/{iban}\n"
                                    "transaction = {id}\ndescription = {@text}: {note}\n"
                                    "label = {fraud}\nlabel.fraud = yes\nlabel.known_after = 12h\n"
                                    "balance = {saldo}\nbalance.when = ok = 1\nrounding = {round}\n"
                                    "[types]\nGIRO | - = transfer, out, nostro, Giro\n"
                                    "GIRO | + = transfer, in, nostro, Giro\n"
                                    "* | * = deposit, sign, cash\n[skip]\nnote = storno\n");
    const char        *header = "time;account;amount;kind;to;iban;id;note;fraud;saldo;ok;round\n";
    char               text[512];

    (void)state;
    snprintf(text, sizeof text, "%s 05.01.26; 77 ;-12,50;GIRO;YZ;123;9;rent;yes;100,00;1;-0,03\n",
             header);
    assert_int_equal(row_of(map, text, &row, &fault), ERR_none);
    assert_int_equal(row.amount, 1250);
    assert_false(row.incoming);
    assert_int_equal(row.type->type, TYPE_TRANSFER);
    assert_int_equal(row.type->contra, ACCOUNT_NOSTRO);
    assert_int_equal(row.at_us, INT64_C(1767571200000000));
    assert_string_equal(row.account, "t:77");
    assert_string_equal(row.external_id, "t:9");
    assert_string_equal(row.party, "bank:YZ/123");
    assert_string_equal(row.description, "Giro: rent");
    assert_true(row.has_label && row.fraud);
    assert_int_equal(map->known_after_us, 12 * US_PER_HOUR);
    assert_true(row.has_balance);
    assert_int_equal(row.balance, 10000);
    assert_int_equal(row.rounding, -3);

    snprintf(text, sizeof text, "%s05.01.26;77;7,00;x;;;;;;;0;0\n", header);
    assert_int_equal(row_of(map, text, &row, &fault), ERR_none);
    assert_true(row.incoming);
    assert_int_equal(row.type->type, TYPE_DEPOSIT);
    assert_string_equal(row.party, "");
    assert_string_equal(row.external_id, "");
    assert_string_equal(row.description, "");
    assert_false(row.has_label || row.has_balance);

    snprintf(text, sizeof text, "%sx;x;x;x;x;x;x;storno;x;x;x;x\n", header);
    assert_int_equal(row_of(map, text, &row, &fault), ERR_none);
    assert_true(row.skipped);
    import_map_free(&map);
}

static void bad_rows_name_their_column(void **state)
{
    static const struct {
        const char *cells; /* time, account, amount, kind */
        enum err    err;
        const char *field;
    } cases[] = {
        { "2026-01-05,1,1.005,a", ERR_amount_invalid, "amount" },
        { "2026-01-05,1,,a", ERR_amount_invalid, "amount" },
        { "2026-01-05,1,-1.00,a", ERR_amount_invalid, "amount" },
        { "2026-01-05,1,0.00,a", ERR_amount_invalid, "amount" },
        { "2026-01-05,1,99999999999999999999,a", ERR_amount_overflow, "amount" },
        { "2026-02-30,1,1.00,a", ERR_field_invalid, "time" },
        { "1969-02-03,1,1.00,a", ERR_field_invalid, "time" },
        { "2026-01-05,,1.00,a", ERR_field_missing, "account" },
        { "2026-01-05,\xff,1.00,a", ERR_field_invalid, "account" },
        { "2026-01-05,1,1.00,b", ERR_field_invalid, "kind" },
        { "2026-01-05,1,1.00", ERR_file_syntax, "" },
        { "2026-01-05,0123456789012345678901234567890123456789012345678901234567890123,1.00,a",
          ERR_field_too_long, "account" },
    };
    struct import_map *map = map_of("type.columns = kind\n[types]\na = fee, out, fees\n");

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct fault      fault = { 0 };
        struct import_row row;
        char              text[256];

        snprintf(text, sizeof text, "time,account,amount,kind\n%s\n", cases[i].cells);
        assert_int_equal(row_of(map, text, &row, &fault), cases[i].err);
        assert_string_equal(fault.field, cases[i].field);
    }
    import_map_free(&map);
}

static void columns_go_by_name_or_number(void **state)
{
    struct fault       fault = { 0 };
    struct import_row  row;
    struct import_map *map = NULL;

    (void)state;
    assert_int_equal(import_map_parse(slice_from("source = t\nheader = no\ncurrency = JPY\n"
                                                 "time = {1}\naccount = {2}\namount = {3}\n"
                                                 "type = fee, out, fees\n"),
                                      "m", &map, &fault),
                     ERR_none);
    assert_int_equal(row_of(map, "2026-01-05,8,500\n", &row, &fault), ERR_none);
    assert_int_equal(row.amount, 500);
    import_map_free(&map);

    map = map_of("type = fee, out, fees\n");
    assert_int_equal(row_of(map, "time,konto,amount\n2026-01-05,8,500\n", &row, &fault),
                     ERR_file_syntax);
    assert_non_null(strstr(fault.text, "m:5: the file has no column \"account\""));
    import_map_free(&map);
}

/* --- into a bank ----------------------------------------------------------------------------- */

struct bench {
    struct store         *store;
    struct bank           bank;
    struct writer        *writer;
    struct import_map    *map;
    struct import_options options;
    struct import_counts  counts; /* of the last run */
};

static const char *const bank_map =
    "type.columns = kind\naccount.overdraft = 50\nother = {to}\ntransaction = {id}\n"
    "balance = {balance}\nrounding = {round}\nlabel = {label}\nlabel.known_after = 7d\n"
    "amount.zero = yes\n[types]\nin = deposit, in, cash\nout = withdrawal, out, cash\n";
static const char *const bank_header = "time,account,amount,kind,to,id,balance,round,label\n";

static void bench_open(struct bench *bench)
{
    struct bank_settings settings = {
        .high_value_major = 5000, .large_major = 10000, .hold_hours = 72, .id_skew_hours = 24
    };
    struct store_config  config = { .path = "memory" };
    struct writer_config writer = { .bank = &bench->bank, .clock = clock_system() };
    struct fault         fault = { 0 };

    memset(bench, 0, sizeof *bench);
    assert_int_equal(store_memory.open(&config, STORE_CREATE, &bench->store, &fault), ERR_none);
    bank_init(&bench->bank, &settings);
    writer.store = bench->store;
    assert_int_equal(writer_open(&writer, &bench->writer, &fault), ERR_none);
    bench->map = map_of(bank_map);
    bench->options.check_balances = true;
    bench->options.labels = true;
}

static void bench_close(struct bench *bench)
{
    struct verify_report report;
    struct fault         fault = { 0 };
    enum err             err;

    writer_close(&bench->writer);
    err = verify_bank(bench->store, &bench->bank, NULL, stderr, &report, &fault);
    assert_int_equal(err, ERR_none);
    import_map_free(&bench->map);
    bank_free(&bench->bank);
    bench->store->ops->close(&bench->store);
}

/* Loads rows behind the header; at most `limit` of them. Returns how many were refused. */
static size_t load(struct bench *bench, const char *rows, size_t limit)
{
    char                 *text = NULL;
    size_t                n = 0;
    FILE                 *made = open_memstream(&text, &n);
    struct import_loader *loader = NULL;
    struct fault          fault = { 0 };
    size_t                refused = 0;

    fprintf(made, "%s%s", bank_header, rows);
    fclose(made);
    FILE *file = fmemopen(text, n, "r");
    csv_reader_init(&reader, file, ',');
    assert_int_equal(csv_read(&reader, &fault), ERR_none);
    assert_int_equal(import_map_bind(bench->map, reader.cells, reader.count, &fault), ERR_none);
    assert_int_equal(import_loader_open(bench->map, bench->writer, &bench->options, &loader),
                     ERR_none);
    while (limit-- > 0 && csv_read(&reader, &fault) == ERR_none && reader.count > 0)
        refused += import_loader_row(loader, reader.cells, reader.count, &fault) != ERR_none;
    assert_int_equal(import_loader_commit(loader, &fault), ERR_none);
    bench->counts = *import_loader_counts(loader);
    import_loader_close(&loader);
    fclose(file);
    free(text);
    return refused;
}

static struct account account_of(struct bench *bench, const char *external_id)
{
    struct account row;

    assert_int_equal(
        bench->store->ops->account_by_external(bench->store, slice_from(external_id), &row),
        ERR_none);
    return row;
}

static const char *const few_rows = "2026-01-05,1,100.00,in,,a,100.00,0,0\n"
                                    "2026-01-06,1,30.00,out,,b,70.02,0.02,0\n"
                                    "2026-01-07,2,5.00,in,,c,5.00,0,1\n"
                                    "2026-01-08,1,20.02,out,2,d,50.00,0,\n"
                                    "2026-01-09,2,0.00,in,,e,25.02,0,\n";

static void rows_become_postings(void **state)
{
    struct bench   bench;
    struct label   label;
    struct account first;

    (void)state;
    bench_open(&bench);
    assert_int_equal(load(&bench, few_rows, SIZE_MAX), 0);
    assert_int_equal(bench.counts.loaded, 5);
    assert_int_equal(bench.counts.accounts, 2);
    assert_int_equal(bench.counts.customers, 2);
    assert_int_equal(bench.counts.roundings, 1);
    assert_int_equal(bench.counts.agree, 5);
    assert_int_equal(bench.counts.disagree, 0);
    assert_int_equal(bench.counts.labels, 3);
    first = account_of(&bench, "t:1");
    assert_int_equal(first.book.balance, 5000);
    assert_int_equal(first.book.overdraft_limit, 5000);
    assert_int_equal(first.book.created_at_us, INT64_C(1767571200000000));
    assert_int_equal(account_of(&bench, "t:2").book.balance, 2502);
    struct transaction paid;
    int64_t            sequence = account_of(&bench, "t:2").book.last_sequence;
    assert_int_equal(bench.store->ops->transaction_by_sequence(bench.store, sequence, &paid),
                     ERR_none);
    assert_int_equal(paid.amount, 0);
    assert_string_equal(paid.external_id, "t:e");
    struct transaction labelled;
    sequence = paid.credit_previous;
    assert_int_equal(bench.store->ops->transaction_by_sequence(bench.store, sequence, &labelled),
                     ERR_none);
    assert_string_equal(labelled.external_id, "t:d");
    sequence = labelled.credit_previous;
    assert_int_equal(bench.store->ops->label_by_transaction(bench.store, sequence, &label),
                     ERR_none);
    assert_true(label.fraud);
    assert_int_equal(label.known_at_us,
                     INT64_C(1767571200000000) + 2 * US_PER_DAY + 7 * US_PER_DAY);
    bench_close(&bench);
}

static void the_same_again_moves_nothing(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench);
    bench.options.labels = false;
    assert_int_equal(load(&bench, few_rows, 3), 0); /* cut off in the middle */
    assert_int_equal(bench.counts.labels, 0);
    bench.options.labels = true;
    assert_int_equal(load(&bench, few_rows, SIZE_MAX), 0);
    assert_int_equal(bench.counts.loaded, 2);
    assert_int_equal(bench.counts.repeated, 3);
    assert_int_equal(bench.counts.labels, 3); /* come later for what was there */
    assert_int_equal(bench.counts.agree, 5);
    struct chain_head before = writer_head(bench.writer);
    assert_int_equal(load(&bench, few_rows, SIZE_MAX), 0);
    assert_int_equal(bench.counts.repeated, 5);
    assert_int_equal(bench.counts.accounts + bench.counts.roundings + bench.counts.labels, 0);
    struct chain_head after = writer_head(bench.writer);
    assert_int_equal(before.sequence, after.sequence);
    assert_int_equal(account_of(&bench, "t:1").book.balance, 5000);
    bench_close(&bench);
}

static struct label label_of(struct bench *bench, const char *account)
{
    struct label label;
    int64_t      sequence = account_of(bench, account).book.last_sequence;

    assert_int_equal(bench->store->ops->label_by_transaction(bench->store, sequence, &label),
                     ERR_none);
    return label;
}

/* A charge-back of a later file; the row that stands twice in it counts once. */
static void a_later_label_replaces_an_earlier_one(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench);
    assert_int_equal(load(&bench, "2026-01-05,1,100.00,in,,a,100.00,0,0\n", SIZE_MAX), 0);
    assert_int_equal(bench.counts.labels, 1);
    assert_int_equal(bench.counts.frauds, 0);
    assert_false(label_of(&bench, "t:1").fraud);
    assert_int_equal(load(&bench, "2026-01-05,1,100.00,in,,a,100.00,0,1\n"
                                  "2026-01-05,1,100.00,in,,a,100.00,0,1\n", SIZE_MAX), 0);
    assert_int_equal(bench.counts.repeated, 2);
    assert_int_equal(bench.counts.labels, 1);
    assert_int_equal(bench.counts.frauds, 1);
    assert_int_equal(bench.counts.labels_changed, 1);
    assert_true(label_of(&bench, "t:1").fraud);
    assert_int_equal(label_of(&bench, "t:1").known_at_us,
                     INT64_C(1767571200000000) + 7 * US_PER_DAY);
    bench_close(&bench);
}

/* What is neither fraud nor honest is rejected, when the map tells both. */
static void a_label_has_one_of_two_values(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench);
    snprintf(bench.map->honest_value, sizeof bench.map->honest_value, "0");
    assert_int_equal(load(&bench, "2026-01-05,1,100.00,in,,a,100.00,0,0\n"
                                  "2026-01-06,1,1.00,in,,b,101.00,0,yes\n", SIZE_MAX), 1);
    assert_int_equal(bench.counts.loaded, 1);
    bench_close(&bench);
}

static void equal_lines_without_ids_are_kept_apart(void **state)
{
    static const char *const rows = "2026-01-05,1,10.00,in,,,,0,\n2026-01-05,1,10.00,in,,,,0,\n"
                                    "2026-01-05,1,10.00,in,,,,0,\n";
    struct bench             bench;

    (void)state;
    bench_open(&bench);
    bench.options.check_balances = false;
    bench.map->balance.count = 0;
    assert_int_equal(load(&bench, rows, SIZE_MAX), 0);
    assert_int_equal(bench.counts.loaded, 3);
    assert_int_equal(load(&bench, rows, SIZE_MAX), 0);
    assert_int_equal(bench.counts.repeated, 3);
    assert_int_equal(account_of(&bench, "t:1").book.balance, 3000);
    bench_close(&bench);
}

static void bad_rows_move_no_money(void **state)
{
    static const char *const rows =
        "2026-01-05,1,100.00,in,,a,100.00,0,\n"
        "2026-01-05,1,200.00,out,,b,,0,\n"      /* beyond the limit */
        "2026-01-05,1,149.00,out,,c,,-1.50,\n"  /* only its rounding is beyond the limit */
        "2026-01-05,1,100.00,out,,a,,0,\n"      /* the id of another row */
        "2026-01-05,1,1.00,gift,,d,,0,\n"       /* no such type */
        "2026-01-05,1,1.00,in,1,e,,0,\n"        /* to itself */
        "2026-01-05,1,10.00,in,,f,115.00,0,\n"; /* its balance is another one */
    struct bench bench;

    (void)state;
    bench_open(&bench);
    assert_int_equal(load(&bench, rows, 1), 0);
    bench.map->check_always = false;
    bench.map->check = (struct import_condition){ .column = 0, .value = slice_from("never") };
    assert_int_equal(load(&bench, rows, SIZE_MAX), 5);
    assert_int_equal(bench.counts.rejected, 5);
    assert_int_equal(bench.counts.loaded, 1);
    assert_int_equal(bench.counts.repeated, 1);
    assert_int_equal(bench.counts.unchecked, 2);
    assert_int_equal(account_of(&bench, "t:1").book.balance, 11000);
    bench.map->check_always = true;
    assert_int_equal(load(&bench, "2026-01-05,1,10.00,in,,f,115.00,0,\n", SIZE_MAX), 0);
    assert_int_equal(bench.counts.disagree, 1);
    bench_close(&bench);
}

static void many_groups_are_committed(void **state)
{
    char        *text = NULL;
    size_t       n = 0;
    FILE        *made = open_memstream(&text, &n);
    struct bench bench;

    (void)state;
    for (int i = 0; i < 5000; i++)
        fprintf(made, "2026-01-05,%d,1.00,in,,r%d,%d.00,0,\n", i % 700, i, i / 700 + 1);
    fclose(made);
    bench_open(&bench);
    assert_int_equal(load(&bench, text, SIZE_MAX), 0);
    assert_int_equal(bench.counts.loaded, 5000);
    assert_int_equal(bench.counts.agree, 5000);
    assert_int_equal(bench.counts.accounts, 700);
    assert_true(writer_commits(bench.writer) >= 5);
    assert_int_equal(load(&bench, text, SIZE_MAX), 0);
    assert_int_equal(bench.counts.repeated, 5000);
    bench_close(&bench);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shipped_maps_are_right),
        cmocka_unit_test(wrong_maps_are_told_by_line),
        cmocka_unit_test(required_keys_are_asked_for),
        cmocka_unit_test(rows_are_read_by_their_map),
        cmocka_unit_test(bad_rows_name_their_column),
        cmocka_unit_test(columns_go_by_name_or_number),
        cmocka_unit_test(rows_become_postings),
        cmocka_unit_test(the_same_again_moves_nothing),
        cmocka_unit_test(a_later_label_replaces_an_earlier_one),
        cmocka_unit_test(a_label_has_one_of_two_values),
        cmocka_unit_test(equal_lines_without_ids_are_kept_apart),
        cmocka_unit_test(bad_rows_move_no_money),
        cmocka_unit_test(many_groups_are_committed),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
