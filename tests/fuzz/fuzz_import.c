/* Fuzzes files for import: any bytes, read as CSV by a fixed map, are planned as rows of a bank in
 * memory. Rows may be refused; the books must stay whole: money neither comes nor goes, the
 * customer's limit holds, and a bad row leaves no trace. Seeds are in
 * tests/fuzz/corpus/fuzz_import. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "bankd/import.h"
#include "bankd/ledger/ledger.h"
#include "common/check.h"

enum { INPUT_MAX = 16 * 1024, BOOKS_MAX = 2048 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char map_text[] =
    "source = f\nheader = no\ncurrency = {1}\ntime = {2}\namount = {3}\namount.signed = yes\n"
    "type.columns = 4 | @sign\naccount = {5}\naccount.overdraft = 10\nother = {6}\nparty = p:{7}\n"
    "transaction = {8}\ndescription = {@text} {7}\nrounding = {9}\nlabel = {10}\n"
    "label.known_after = 7d\n[types]\nd | + = deposit, in, cash\nw | - = withdrawal, out, cash\n"
    "t | * = transfer, sign, nostro, Giro\nf | * = fee, out, fees\n[skip]\n4 = s\n";

static struct bank        bank;
static struct store      *store;
static struct writer     *writer;
static struct import_map *map;
static struct csv_reader  reader;

static void begin(void)
{
    struct bank_settings settings = { .high_value_major = 5000, .large_major = 10000 };
    struct store_config  config = { .path = "memory" };
    struct writer_config writer_config = {
        .bank = &bank, .clock = clock_system(), .books_max = BOOKS_MAX, .profiles_max = BOOKS_MAX
    };
    struct fault fault = { 0 };

    CHECK(sodium_init() >= 0);
    bank_init(&bank, &settings);
    CHECK(store_memory.open(&config, STORE_CREATE, &store, &fault) == ERR_none);
    writer_config.store = store;
    CHECK(writer_open(&writer_config, &writer, &fault) == ERR_none);
    CHECK(import_map_parse(slice_from(map_text), "map", &map, &fault) == ERR_none);
}

/* The sum of all planned books, customers' limits included. */
static void check_books(int64_t accounts)
{
    __int128 sum = 0;

    for (int64_t number = 1; number <= accounts; number++) {
        const struct account_book *book;

        if (writer_book(writer, number, &book, NULL) != ERR_none)
            continue;
        sum += book->balance;
        CHECK(book->kind != ACCOUNT_CUSTOMER || ledger_available(book) >= 0);
    }
    CHECK(sum == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct import_options options = { .check_balances = true,
                                      .labels = true,
                                      .names_max = BOOKS_MAX };
    struct import_loader *loader = NULL;
    struct fault          fault = { 0 };
    FILE                 *file;
    int64_t               rows = 0;
    enum err              err = ERR_none;

    if (n == 0 || n > INPUT_MAX)
        return 0;
    if (writer == NULL)
        begin();
    file = fmemopen((void *)(uintptr_t)data, n, "r");
    CHECK(file != NULL);
    csv_reader_init(&reader, file, ',');
    CHECK(import_loader_open(map, writer, &options, &loader) == ERR_none);
    while (rows < 200) {
        err = csv_read(&reader, &fault);
        if (err == ERR_none && reader.count == 0)
            break;
        rows++;
        if (err == ERR_none)
            err = import_loader_row(loader, reader.cells, reader.count, &fault);
        CHECK(err == ERR_none || err_class(err) == ERR_CLASS_INPUT ||
              err_class(err) == ERR_CLASS_CONFLICT);
    }
    const struct import_counts *counts = import_loader_counts(loader);
    CHECK(counts->loaded + counts->repeated + counts->skipped + counts->rejected == counts->rows);
    check_books(counts->accounts + 16);
    import_loader_close(&loader);
    fclose(file);
    writer_abandon(writer);
    return 0;
}
