/* Fuzzes import maps: any bytes are a map or are refused with a place and a reason; a map that is
 * taken reads a row of its own words without harm. Seeds are the shipped maps' kinds of lines, in
 * tests/fuzz/corpus/fuzz_map. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "bankd/import.h"
#include "common/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* A record in which every column of the map is there and holds `value`. */
static void read_row(struct import_map *map, const char *value)
{
    struct slice      cells[CSV_COLUMNS_MAX];
    struct fault      fault = { 0 };
    struct import_row row;
    size_t            count = map->column_count;

    for (size_t i = 0; i < count; i++)
        cells[i] = map->columns[i].name;
    if (map->header && import_map_bind(map, cells, count, &fault) != ERR_none)
        return;
    count = map->record_columns;
    for (size_t i = 0; i < count; i++)
        cells[i] = slice_from(value);
    memset(&fault, 0, sizeof fault);
    if (import_row_read(map, cells, count, &row, &fault) != ERR_none) {
        CHECK(fault.err != ERR_none && slice_is_utf8(slice_from(fault.text)));
        return;
    }
    CHECK(row.skipped || map->labels_only ||
          (row.amount >= 0 && row.at_us > 0 && row.account[0] != '\0'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const values[] = { "", "1", "-12.50", "2026-01-05", "USD", "x" };
    struct import_map       *map = NULL;
    struct fault             fault = { 0 };

    if (import_map_parse(slice_of((const char *)data, n), "map", &map, &fault) != ERR_none) {
        CHECK(map == NULL && fault.err == ERR_file_syntax && strncmp(fault.text, "map:", 4) == 0);
        return 0;
    }
    CHECK((map->type_count > 0 || map->labels_only) && map->source[0] != '\0');
    for (size_t i = 0; i < ARRAY_COUNT(values); i++)
        read_row(map, values[i]);
    import_map_free(&map);
    return 0;
}
