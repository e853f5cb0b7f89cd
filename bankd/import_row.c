/* One record of a file becomes one row, by the map. See import.h.
 *
 * Every cell is trimmed of blanks. What is wrong is told with the column's name, because the
 * person who corrects a file looks for a column, not for our fields. */
#include "bankd/import.h"

#include <string.h>

/* What one row is read from. */
struct source {
    const struct import_map  *map;
    const struct slice       *cells;
    const struct import_type *type;
    struct fault             *fault;
};

static struct slice cell(const struct source *source, int column)
{
    struct slice text = source->cells[source->map->columns[column].index];

    while (text.n > 0 && (text.at[0] == ' ' || text.at[0] == '\t'))
        text = slice_of(text.at + 1, text.n - 1);
    while (text.n > 0 && (text.at[text.n - 1] == ' ' || text.at[text.n - 1] == '\t'))
        text.n--;
    return text;
}

/* The name of the first column of a template, for messages. */
static const char *column_of(const struct import_map *map, const struct import_template *template,
                             char                     out[FAULT_FIELD_MAX])
{
    for (size_t i = 0; i < template->count; i++)
        if (template->parts[i].column >= 0)
            return slice_copy(map->columns[template->parts[i].column].name, out, FAULT_FIELD_MAX);
    return "";
}

static enum err bad(const struct source *source, const struct import_template *template,
                    enum err err, const char *what)
{
    char name[FAULT_FIELD_MAX];

    return fault_set(source->fault, err, column_of(source->map, template, name), "%s", what);
}

static enum err value_of(const struct source *source, const struct import_template *template,
                         char out[IMPORT_CELL_MAX], struct slice *value)
{
    size_t n = 0;
    size_t columns = 0;
    size_t filled = 0;

    *value = slice_of("", 0);
    if (template->count == 0)
        return ERR_none;
    if (template->count == 1 && template->parts[0].column == IMPORT_LITERAL) {
        *value = template->parts[0].text;
        return ERR_none;
    }
    if (template->count == 1 && template->parts[0].column >= 0) {
        *value = cell(source, template->parts[0].column);
        return ERR_none;
    }
    for (size_t i = 0; i < template->count; i++) {
        int          column = template->parts[i].column;
        struct slice text = template->parts[i].text;

        if (column == IMPORT_TYPE_TEXT)
            text = source->type != NULL ? source->type->text : slice_of("", 0);
        else if (column >= 0)
            text = cell(source, column);
        columns += column != IMPORT_LITERAL ? 1 : 0;
        filled += column != IMPORT_LITERAL && text.n > 0 ? 1 : 0;
        if (text.n > IMPORT_CELL_MAX - n)
            return bad(source, template, ERR_field_too_long, "The value is too long");
        if (text.n > 0)
            memcpy(out + n, text.at, text.n);
        n += text.n;
    }
    if (columns > 0 && filled == 0)
        return ERR_none;
    while (n > 0 && out[n - 1] == ' ')
        n--;
    *value = slice_of(out, n);
    return ERR_none;
}

enum err import_value(const struct import_map *map, const struct import_template *template,
                      const struct slice *cells, const struct import_type *type,
                      char out[IMPORT_CELL_MAX], struct slice *value, struct fault *fault)
{
    struct source source = { .map = map, .cells = cells, .type = type, .fault = fault };

    return value_of(&source, template, out, value);
}

static bool has_control(struct slice text)
{
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.at[i] < ' ')
            return true;
    return false;
}

/* A text of the bank's records: UTF-8, no controls, not cut. */
static enum err read_text(const struct source *source, const struct import_template *template,
                          const char *prefix, char *out, size_t size)
{
    char         buffer[IMPORT_CELL_MAX];
    struct slice value;
    size_t       n = prefix != NULL ? strlen(prefix) : 0;

    out[0] = '\0';
    TRY(value_of(source, template, buffer, &value));
    if (value.n == 0)
        return ERR_none;
    if (!slice_is_utf8(value) || has_control(value))
        return bad(source, template, ERR_field_invalid, "The text is not UTF-8 or has controls");
    if (value.n + n + (n > 0 ? 1 : 0) >= size)
        return bad(source, template, ERR_field_too_long, "The text is too long");
    if (n > 0) {
        memcpy(out, prefix, n);
        out[n++] = ':';
    }
    memcpy(out + n, value.at, value.n);
    out[n + value.n] = '\0';
    return ERR_none;
}

static enum err read_money(const struct source     *source, const struct import_template *template,
                           const struct import_row *row, int64_t *out)
{
    const struct import_map *map = source->map;
    char                     buffer[IMPORT_CELL_MAX];
    struct slice             value;
    enum err                 err;

    TRY(value_of(source, template, buffer, &value));
    err = money_parse(value.at, value.n, map->amount_minor ? 0 : row->currency->exponent,
                      map->amount_mark, out);
    if (err == ERR_amount_overflow)
        return bad(source, template, err, "The sum does not fit");
    if (err != ERR_none)
        return bad(source, template, ERR_amount_invalid,
                   map->amount_minor ? "The value is not a whole number of minor units"
                                     : "The value is not a sum with the currency's decimals");
    return ERR_none;
}

static bool type_matches(const struct source *source, const struct import_type *type, int64_t sign)
{
    const struct import_map *map = source->map;

    for (size_t i = 0; i < type->count; i++) {
        struct slice text = map->type_columns[i] == IMPORT_SIGN
                                ? slice_from(sign < 0 ? "-" : "+")
                                : cell(source, map->type_columns[i]);

        if (!slice_is(type->values[i], "*") && !slice_equal(type->values[i], text))
            return false;
    }
    return true;
}

static enum err read_type(struct source *source, struct import_row *row)
{
    const struct import_map *map = source->map;
    char                     name[FAULT_FIELD_MAX];

    row->type = NULL;
    for (size_t i = 0; i < map->type_count && row->type == NULL; i++)
        if (type_matches(source, &map->types[i], row->amount))
            row->type = &map->types[i];
    if (row->type == NULL) {
        name[0] = '\0';
        if (map->type_columns[0] >= 0)
            slice_copy(map->columns[map->type_columns[0]].name, name, sizeof name);
        return fault_set(source->fault, ERR_field_invalid, name,
                         "No row of [types] has these values");
    }
    source->type = row->type;
    row->incoming = row->type->direction == IMPORT_IN ||
                    (row->type->direction == IMPORT_BY_SIGN && row->amount > 0);
    return ERR_none;
}

static enum err read_amount(struct source *source, struct import_row *row)
{
    const struct import_map *map = source->map;
    char                     buffer[IMPORT_CELL_MAX];
    struct slice             code;

    TRY(value_of(source, &map->currency, buffer, &code));
    row->currency = currency_by_code(code.at, code.n);
    if (row->currency == NULL)
        return bad(source, &map->currency, ERR_currency_unknown, "");
    TRY(read_money(source, &map->amount, row, &row->amount));
    TRY(read_type(source, row));
    if (row->amount < 0 && !map->amount_signed)
        return bad(source, &map->amount, ERR_amount_invalid,
                   "The amount is below zero; see amount.signed");
    if (row->amount == 0 && !map->amount_zero)
        return bad(source, &map->amount, ERR_amount_invalid, "The amount is zero; see amount.zero");
    if (row->amount == INT64_MIN)
        return bad(source, &map->amount, ERR_amount_overflow, "The sum does not fit");
    row->amount = row->amount < 0 ? -row->amount : row->amount;
    return ERR_none;
}

static enum err read_time(const struct source *source, const struct import_template *template,
                          struct slice value, int64_t *at_us)
{
    const struct import_map *map = source->map;
    enum err                 err;

    err = map->time_format[0] == '\0'
              ? time_parse(value.at, value.n, at_us)
              : time_parse_format(value.at, value.n, map->time_format, at_us);
    if (err != ERR_none)
        return bad(source, template, ERR_field_invalid, "The value is not a time of the format");
    if (*at_us < 0)
        return bad(source, template, ERR_field_invalid, "The time lies before 1970");
    if (*at_us == 0) /* what other programs write for none */
        return bad(source, template, ERR_field_invalid,
                   "The time is the very beginning of 1970, which stands for no time");
    return ERR_none;
}

static enum err read_moment(const struct source *source, struct import_row *row)
{
    char         buffer[IMPORT_CELL_MAX];
    struct slice value;

    TRY(value_of(source, &source->map->time, buffer, &value));
    return read_time(source, &source->map->time, value, &row->at_us);
}

static enum err read_names(const struct source *source, struct import_row *row)
{
    const struct import_map *map = source->map;

    TRY(read_text(source, &map->account, map->source, row->account, sizeof row->account));
    if (row->account[0] == '\0')
        return bad(source, &map->account, ERR_field_missing, "The row names no account");
    TRY(read_text(source, &map->customer, map->source, row->customer, sizeof row->customer));
    TRY(read_text(source, &map->other, map->source, row->other, sizeof row->other));
    if (row->other[0] != '\0' && strcmp(row->other, row->account) == 0)
        return bad(source, &map->other, ERR_same_account, "Both sides are the same account");
    TRY(read_text(source, &map->transaction, map->source, row->external_id,
                  sizeof row->external_id));
    TRY(read_text(source, &map->party, NULL, row->party, sizeof row->party));
    if (row->other[0] != '\0')
        row->party[0] = '\0';
    return read_text(source, &map->description, NULL, row->description, sizeof row->description);
}

static enum err read_label(const struct source *source, struct import_row *row)
{
    const struct import_map *map = source->map;
    char                     buffer[IMPORT_CELL_MAX];
    struct slice             label;
    struct slice             known;

    TRY(value_of(source, &map->label, buffer, &label));
    row->has_label = label.n > 0;
    row->fraud = slice_is(label, map->fraud_value);
    if (row->has_label && !row->fraud && map->honest_value[0] != '\0' &&
        !slice_is(label, map->honest_value))
        return bad(source, &map->label, ERR_field_invalid,
                   "The label is neither label.fraud nor label.honest");
    TRY(value_of(source, &map->known_at, buffer, &known));
    row->has_known_at = row->has_label && known.n > 0;
    return row->has_known_at ? read_time(source, &map->known_at, known, &row->known_at_us)
                             : ERR_none;
}

static enum err read_rest(const struct source *source, struct import_row *row)
{
    const struct import_map *map = source->map;
    char                     buffer[IMPORT_CELL_MAX];
    struct slice             value;

    row->rounding = 0;
    TRY(read_label(source, row));
    TRY(value_of(source, &map->rounding, buffer, &value));
    if (value.n > 0)
        TRY(read_money(source, &map->rounding, row, &row->rounding));
    TRY(value_of(source, &map->balance, buffer, &value));
    row->has_balance =
        value.n > 0 &&
        (map->check_always || slice_equal(cell(source, map->check.column), map->check.value));
    return row->has_balance ? read_money(source, &map->balance, row, &row->balance) : ERR_none;
}

/* What was found out about a payment that is there already. */
static enum err read_finding(const struct source *source, struct import_row *row)
{
    const struct import_map *map = source->map;

    TRY(read_text(source, &map->transaction, map->source, row->external_id,
                  sizeof row->external_id));
    TRY(read_label(source, row));
    row->skipped = !row->has_label;
    if (!row->skipped && row->external_id[0] == '\0')
        return bad(source, &map->transaction, ERR_field_missing, "The row names no transaction");
    return ERR_none;
}

enum err import_row_read(const struct import_map *map, const struct slice *cells, size_t count,
                         struct import_row *out, struct fault *fault)
{
    struct source source = { .map = map, .cells = cells, .fault = fault };

    out->skipped = false;
    if (count < map->record_columns)
        return fault_set(fault, ERR_file_syntax, NULL, "The row has %zu columns, %zu are needed",
                         count, map->record_columns);
    /* A delimiter in a cell that should have been quoted moves all values behind it. */
    if (map->header_columns > 0 && count > map->header_columns)
        return fault_set(fault, ERR_file_syntax, NULL,
                         "The row has %zu columns, the header has %zu", count, map->header_columns);
    for (size_t i = 0; i < map->skip_count; i++)
        if (slice_equal(cell(&source, map->skips[i].column), map->skips[i].value)) {
            out->skipped = true;
            return ERR_none;
        }
    if (map->labels_only)
        return read_finding(&source, out);
    TRY(read_amount(&source, out));
    TRY(read_moment(&source, out));
    TRY(read_names(&source, out));
    return read_rest(&source, out);
}
