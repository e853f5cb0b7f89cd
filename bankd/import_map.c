/* Reads an import map: `key = value` lines, then the sections [types] and [skip].
 *
 * A value that comes from the file is a template: text in which {name} stands for a column, by its
 * name in the header or by its number from 1. What each key means is told in the shipped maps, for
 * people; the table `keys` below is the same list for the program. Every message names file and
 * line, because a map is written by hand. */
#include "bankd/import.h"

#include "common/check.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    struct import_map *map;
    struct fault      *fault;
    const char        *key; /* of the present line; for the fault */
    int                line;
};

typedef enum err key_parse(struct reader *reader, struct slice value);

static enum err wrong(struct reader *reader, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static enum err wrong(struct reader *reader, const char *format, ...)
{
    char    text[160];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return fault_set(reader->fault, ERR_file_syntax, reader->key, "%s:%d: %s", reader->map->file,
                     reader->line, text);
}

static struct slice trimmed(struct slice text)
{
    while (text.n > 0 && (text.at[0] == ' ' || text.at[0] == '\t' || text.at[0] == '\r'))
        text = slice_of(text.at + 1, text.n - 1);
    while (text.n > 0 && strchr(" \t\r", text.at[text.n - 1]) != NULL)
        text.n--;
    return text;
}

/* The part before `mark`, trimmed, and in *rest what is behind it; false when it is not there. */
static bool split(struct slice text, char mark, struct slice *first, struct slice *rest)
{
    const char *at = text.n > 0 ? memchr(text.at, mark, text.n) : NULL;

    if (at == NULL) {
        *first = trimmed(text);
        *rest = slice_of(text.at + text.n, 0);
        return false;
    }
    *first = trimmed(slice_of(text.at, (size_t)(at - text.at)));
    *rest = trimmed(slice_of(at + 1, text.n - (size_t)(at + 1 - text.at)));
    return true;
}

/* --- columns and templates ------------------------------------------------------------------- */

/* The number of a column, from 1; 0 when the name is not a number. */
static int column_number(struct slice name)
{
    int number = 0;

    for (size_t i = 0; i < name.n; i++) {
        if (name.at[i] < '0' || name.at[i] > '9' || number > CSV_COLUMNS_MAX)
            return 0;
        number = number * 10 + (name.at[i] - '0');
    }
    return number <= CSV_COLUMNS_MAX ? number : 0;
}

static enum err add_column(struct reader *reader, struct slice name, int *out)
{
    struct import_map *map = reader->map;

    if (name.n == 0)
        return wrong(reader, "a column has a name or a number from 1");
    for (size_t i = 0; i < map->column_count; i++)
        if (slice_equal(map->columns[i].name, name)) {
            *out = (int)i;
            return ERR_none;
        }
    if (map->column_count == IMPORT_COLUMNS_MAX)
        return wrong(reader, "a map names at most %d columns", IMPORT_COLUMNS_MAX);
    *out = (int)map->column_count;
    map->columns[map->column_count].name = name;
    map->columns[map->column_count].line = reader->line;
    map->columns[map->column_count++].index = -1;
    return ERR_none;
}

static enum err add_part(struct reader *reader, struct import_template *template, int column,
                         struct slice text)
{
    if (template->count == IMPORT_PARTS_MAX)
        return wrong(reader, "a value has at most %d pieces", IMPORT_PARTS_MAX);
    template->parts[template->count].column = column;
    template->parts[template->count++].text = text;
    return ERR_none;
}

static enum err parse_template(struct reader *reader, struct slice value,
                               struct import_template *template)
{
    size_t start = 0;

    for (size_t i = 0; i < value.n; i++) {
        const char *end;
        int         column;

        if (value.at[i] == '}')
            return wrong(reader, "a } without a {");
        if (value.at[i] != '{')
            continue;
        end = memchr(value.at + i, '}', value.n - i);
        if (end == NULL)
            return wrong(reader, "a { without a }");
        if (i > start)
            TRY(add_part(reader, template, IMPORT_LITERAL, slice_of(value.at + start, i - start)));
        struct slice name = trimmed(slice_of(value.at + i + 1, (size_t)(end - value.at) - i - 1));
        if (slice_is(name, "@text"))
            column = IMPORT_TYPE_TEXT;
        else
            TRY(add_column(reader, name, &column));
        TRY(add_part(reader, template, column, slice_of(NULL, 0)));
        i = (size_t)(end - value.at);
        start = i + 1;
    }
    if (value.n > start)
        TRY(add_part(reader, template, IMPORT_LITERAL,
                     slice_of(value.at + start, value.n - start)));
    return ERR_none;
}

/* --- the keys -------------------------------------------------------------------------------- */

static enum err parse_bool(struct reader *reader, struct slice value, bool *out)
{
    if (!slice_is(value, "yes") && !slice_is(value, "no"))
        return wrong(reader, "the value is yes or no");
    *out = slice_is(value, "yes");
    return ERR_none;
}

static enum err key_source(struct reader *reader, struct slice value)
{
    if (value.n > IMPORT_SOURCE_MAX)
        return wrong(reader, "a source has at most %d characters", IMPORT_SOURCE_MAX);
    for (size_t i = 0; i < value.n; i++)
        if (strchr("abcdefghijklmnopqrstuvwxyz0123456789-_", value.at[i]) == NULL)
            return wrong(reader, "a source is made of a-z, 0-9, - and _");
    slice_copy(value, reader->map->source, sizeof reader->map->source);
    return ERR_none;
}

static enum err key_delimiter(struct reader *reader, struct slice value)
{
    static const struct {
        const char *name;
        char        mark;
    } names[] = { { "comma", ',' }, { "semicolon", ';' }, { "tab", '\t' }, { "pipe", '|' } };

    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        if (slice_is(value, names[i].name)) {
            reader->map->delimiter = names[i].mark;
            return ERR_none;
        }
    if (value.n != 1 || value.at[0] == '"' || (unsigned char)value.at[0] < ' ')
        return wrong(reader, "the delimiter is comma, semicolon, tab, pipe or one character");
    reader->map->delimiter = value.at[0];
    return ERR_none;
}

static enum err key_header(struct reader *reader, struct slice value)
{
    return parse_bool(reader, value, &reader->map->header);
}

static enum err key_time_format(struct reader *reader, struct slice value)
{
    struct import_map *map = reader->map;
    int64_t            at_us;

    if (slice_is(value, "iso")) {
        map->time_format[0] = '\0';
        return ERR_none;
    }
    if (value.n >= sizeof map->time_format)
        return wrong(reader, "a format has at most %zu characters", sizeof map->time_format - 1);
    slice_copy(value, map->time_format, sizeof map->time_format);
    if (time_parse_format("", 0, map->time_format, &at_us) == ERR_option_invalid)
        return wrong(reader, "a format has %%Y or %%y, %%m and %%d once each, and may have %%H, "
                             "%%M and %%S");
    return ERR_none;
}

static enum err key_amount_unit(struct reader *reader, struct slice value)
{
    if (!slice_is(value, "major") && !slice_is(value, "minor"))
        return wrong(reader, "the unit is major (12.50) or minor (1250)");
    reader->map->amount_minor = slice_is(value, "minor");
    return ERR_none;
}

static enum err key_amount_mark(struct reader *reader, struct slice value)
{
    if (!slice_is(value, "point") && !slice_is(value, "comma"))
        return wrong(reader, "the decimal mark is point or comma");
    reader->map->amount_mark = slice_is(value, "point") ? '.' : ',';
    return ERR_none;
}

static enum err key_amount_signed(struct reader *reader, struct slice value)
{
    return parse_bool(reader, value, &reader->map->amount_signed);
}

static enum err key_amount_zero(struct reader *reader, struct slice value)
{
    return parse_bool(reader, value, &reader->map->amount_zero);
}

static enum err key_overdraft(struct reader *reader, struct slice value)
{
    int64_t minor;

    if (money_parse(value.at, value.n, MONEY_EXPONENT_MAX, '.', &minor) != ERR_none || minor < 0)
        return wrong(reader, "the limit is a sum like 1000 or 1000.00");
    slice_copy(value, reader->map->overdraft, sizeof reader->map->overdraft);
    return ERR_none;
}

static enum err key_country(struct reader *reader, struct slice value)
{
    if (value.n != 2 || value.at[0] < 'A' || value.at[0] > 'Z' || value.at[1] < 'A' ||
        value.at[1] > 'Z')
        return wrong(reader, "a country is two capital letters");
    slice_copy(value, reader->map->country, sizeof reader->map->country);
    return ERR_none;
}

static enum err key_verified(struct reader *reader, struct slice value)
{
    return parse_bool(reader, value, &reader->map->verified);
}

static enum err key_fraud(struct reader *reader, struct slice value)
{
    if (value.n == 0 || value.n >= sizeof reader->map->fraud_value)
        return wrong(reader, "the value that means fraud has 1 to %zu characters",
                     sizeof reader->map->fraud_value - 1);
    slice_copy(value, reader->map->fraud_value, sizeof reader->map->fraud_value);
    return ERR_none;
}

static enum err key_honest(struct reader *reader, struct slice value)
{
    if (value.n == 0 || value.n >= sizeof reader->map->honest_value)
        return wrong(reader, "the value that means no fraud has 1 to %zu characters",
                     sizeof reader->map->honest_value - 1);
    slice_copy(value, reader->map->honest_value, sizeof reader->map->honest_value);
    return ERR_none;
}

static enum err key_known_after(struct reader *reader, struct slice value)
{
    int  number = value.n > 1 ? column_number(slice_of(value.at, value.n - 1)) : 0;
    char unit = value.n > 1 ? value.at[value.n - 1] : '\0';

    if ((unit != 'd' && unit != 'h') || (number == 0 && value.at[0] != '0'))
        return wrong(reader, "the delay is a number of days or hours up to %d, like 7d or 12h",
                     CSV_COLUMNS_MAX);
    reader->map->known_after_us = number * (unit == 'd' ? US_PER_DAY : US_PER_HOUR);
    return ERR_none;
}

static enum err parse_condition(struct reader *reader, struct slice column, struct slice value,
                                struct import_condition *out)
{
    out->value = value;
    return add_column(reader, column, &out->column);
}

static enum err key_check(struct reader *reader, struct slice value)
{
    struct slice column;
    struct slice wanted;

    if (!split(value, '=', &column, &wanted))
        return wrong(reader, "the condition is: column = value");
    reader->map->check_always = false;
    return parse_condition(reader, column, wanted, &reader->map->check);
}

static enum err key_type_columns(struct reader *reader, struct slice value)
{
    struct import_map *map = reader->map;
    struct slice       name;
    bool               more = true;

    while (more) {
        if (map->type_column_count == IMPORT_TYPE_COLUMNS_MAX)
            return wrong(reader, "at most %d columns make the type", IMPORT_TYPE_COLUMNS_MAX);
        more = split(value, '|', &name, &value);
        if (slice_is(name, "@sign"))
            map->type_columns[map->type_column_count] = IMPORT_SIGN;
        else
            TRY(add_column(reader, name, &map->type_columns[map->type_column_count]));
        map->type_column_count++;
    }
    return ERR_none;
}

/* "deposit, in, cash, text": what a row of this type is in the ledger. */
static enum err parse_type(struct reader *reader, struct slice value, struct import_type *type)
{
    struct slice name;
    struct slice direction;
    struct slice contra;

    split(value, ',', &name, &value);
    split(value, ',', &direction, &value);
    split(value, ',', &contra, &type->text);
    if (enum_parse(&enum_transaction_type, name, &type->type) != ERR_none ||
        type->type == TYPE_REVERSAL)
        return wrong(reader,
                     "\"%.*s\" is no type: deposit, withdrawal, transfer, payment, fee, "
                     "interest or adjustment",
                     (int)(name.n < 20 ? name.n : 20), name.at);
    if (slice_is(direction, "in"))
        type->direction = IMPORT_IN;
    else if (slice_is(direction, "out"))
        type->direction = IMPORT_OUT;
    else if (slice_is(direction, "sign"))
        type->direction = IMPORT_BY_SIGN;
    else
        return wrong(reader, "behind the type stands in, out or sign");
    if (enum_parse(&enum_account_kind, contra, &type->contra) != ERR_none ||
        type->contra == ACCOUNT_CUSTOMER)
        return wrong(reader, "the third word is the bank's side: cash, nostro, settlement, fees, "
                             "interest, loans, suspense or opening");
    return ERR_none;
}

static enum err key_type(struct reader *reader, struct slice value)
{
    reader->map->type_count = 1;
    return parse_type(reader, value, &reader->map->types[0]);
}

/* Where a key belongs. What only payments have makes a map one of payments. */
enum key_place { KEY_ANYWHERE, KEY_PAYMENT, KEY_PAYMENT_NEEDED, KEY_NEEDED };

#define TEMPLATE(key, member, place)                                                               \
    {                                                                                              \
        key, place, offsetof(struct import_map, member), NULL                                      \
    }
#define CUSTOM(key, place, parse)                                                                  \
    {                                                                                              \
        key, place, 0, parse                                                                       \
    }

static const struct key_row {
    const char    *name;
    enum key_place place;
    size_t         offset; /* of a template */
    key_parse     *parse;  /* NULL: a template */
} keys[] = {
    CUSTOM("source", KEY_NEEDED, key_source),
    CUSTOM("delimiter", KEY_ANYWHERE, key_delimiter),
    CUSTOM("header", KEY_ANYWHERE, key_header),
    TEMPLATE("currency", currency, KEY_PAYMENT_NEEDED),
    TEMPLATE("time", time, KEY_PAYMENT_NEEDED),
    CUSTOM("time.format", KEY_ANYWHERE, key_time_format),
    TEMPLATE("amount", amount, KEY_PAYMENT_NEEDED),
    CUSTOM("amount.unit", KEY_PAYMENT, key_amount_unit),
    CUSTOM("amount.mark", KEY_PAYMENT, key_amount_mark),
    CUSTOM("amount.signed", KEY_PAYMENT, key_amount_signed),
    CUSTOM("amount.zero", KEY_PAYMENT, key_amount_zero),
    CUSTOM("type", KEY_PAYMENT, key_type),
    CUSTOM("type.columns", KEY_PAYMENT, key_type_columns),
    TEMPLATE("account", account, KEY_PAYMENT_NEEDED),
    TEMPLATE("account.name", account_name, KEY_PAYMENT),
    CUSTOM("account.overdraft", KEY_PAYMENT, key_overdraft),
    TEMPLATE("customer", customer, KEY_PAYMENT),
    TEMPLATE("customer.name", customer_name, KEY_PAYMENT),
    CUSTOM("customer.country", KEY_PAYMENT, key_country),
    CUSTOM("customer.verified", KEY_PAYMENT, key_verified),
    TEMPLATE("other", other, KEY_PAYMENT),
    TEMPLATE("party", party, KEY_PAYMENT),
    TEMPLATE("transaction", transaction, KEY_ANYWHERE),
    TEMPLATE("description", description, KEY_PAYMENT),
    TEMPLATE("label", label, KEY_ANYWHERE),
    CUSTOM("label.fraud", KEY_ANYWHERE, key_fraud),
    CUSTOM("label.honest", KEY_ANYWHERE, key_honest),
    CUSTOM("label.known_after", KEY_ANYWHERE, key_known_after),
    TEMPLATE("label.known_at", known_at, KEY_ANYWHERE),
    TEMPLATE("balance", balance, KEY_PAYMENT),
    CUSTOM("balance.when", KEY_PAYMENT, key_check),
    TEMPLATE("rounding", rounding, KEY_PAYMENT),
};

static enum err take_key(struct reader *reader, struct slice name, struct slice value,
                         bool seen[ARRAY_COUNT(keys)])
{
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
        if (!slice_is(name, keys[i].name))
            continue;
        reader->key = keys[i].name;
        if (seen[i])
            return wrong(reader, "%s stands here a second time", keys[i].name);
        seen[i] = true;
        if (value.n == 0)
            return wrong(reader, "%s needs a value", keys[i].name);
        if (keys[i].parse != NULL)
            return keys[i].parse(reader, value);
        return parse_template(reader, value, (void *)((char *)reader->map + keys[i].offset));
    }
    return wrong(reader, "there is no key \"%.*s\"", (int)(name.n < 40 ? name.n : 40), name.at);
}

static enum err take_type(struct reader *reader, struct slice values, struct slice value)
{
    struct import_map  *map = reader->map;
    struct import_type *type = &map->types[map->type_count];
    bool                more = true;

    if (map->type_count == IMPORT_TYPES_MAX)
        return wrong(reader, "[types] has at most %d rows", IMPORT_TYPES_MAX);
    while (more) {
        if (type->count == IMPORT_TYPE_COLUMNS_MAX)
            return wrong(reader, "more values than a type has columns");
        more = split(values, '|', &type->values[type->count], &values);
        type->count++;
    }
    map->type_count++;
    return parse_type(reader, value, type);
}

static enum err take_skip(struct reader *reader, struct slice column, struct slice value)
{
    struct import_map *map = reader->map;

    if (map->skip_count == IMPORT_SKIPS_MAX)
        return wrong(reader, "[skip] has at most %d rows", IMPORT_SKIPS_MAX);
    return parse_condition(reader, column, value, &map->skips[map->skip_count++]);
}

/* --- the whole file -------------------------------------------------------------------------- */

enum section { SECTION_KEYS, SECTION_TYPES, SECTION_SKIP };

static enum err take_line(struct reader *reader, struct slice line, enum section *section,
                          bool seen[ARRAY_COUNT(keys)])
{
    struct slice name;
    struct slice value;

    reader->key = NULL;
    line = trimmed(line);
    if (line.n == 0 || line.at[0] == '#')
        return ERR_none;
    if (line.at[0] == '[') {
        if (slice_is(line, "[types]") && reader->map->type_count == 0)
            *section = SECTION_TYPES;
        else if (slice_is(line, "[skip]"))
            *section = SECTION_SKIP;
        else
            return wrong(reader, "the sections are [types], unless the key type is there, and "
                                 "[skip]");
        return ERR_none;
    }
    if (!split(line, '=', &name, &value))
        return wrong(reader, "a line is: key = value, or a # comment");
    if (*section == SECTION_TYPES)
        return take_type(reader, name, value);
    if (*section == SECTION_SKIP)
        return take_skip(reader, name, value);
    return take_key(reader, name, value, seen);
}

static bool uses_sign(const struct import_map *map)
{
    for (size_t i = 0; i < map->type_column_count; i++)
        if (map->type_columns[i] == IMPORT_SIGN)
            return true;
    for (size_t i = 0; i < map->type_count; i++)
        if (map->types[i].direction == IMPORT_BY_SIGN)
            return true;
    return false;
}

/* A map that names ids and labels, and nothing of a payment. */
static bool is_of_labels(const struct import_map *map, const bool seen[ARRAY_COUNT(keys)])
{
    bool of_payment = map->type_count > 0;

    for (size_t i = 0; i < ARRAY_COUNT(keys); i++)
        of_payment =
            of_payment ||
            (seen[i] && (keys[i].place == KEY_PAYMENT || keys[i].place == KEY_PAYMENT_NEEDED));
    return !of_payment && map->label.count > 0 && map->transaction.count > 0;
}

/* Numbers are all that a file without a header has to name its columns. */
static enum err check_numbers(struct reader *reader)
{
    struct import_map *map = reader->map;

    for (size_t i = 0; i < map->column_count; i++) {
        int number = column_number(map->columns[i].name);

        reader->line = map->columns[i].line;
        if (number == 0)
            return wrong(reader, "a file without a header has columns by number, from 1");
        map->columns[i].index = number - 1;
        if (map->record_columns < (size_t)number)
            map->record_columns = (size_t)number;
    }
    return ERR_none;
}

/* What no single line can tell. */
static enum err check_whole(struct reader *reader, const bool seen[ARRAY_COUNT(keys)])
{
    struct import_map *map = reader->map;

    reader->key = NULL;
    map->labels_only = is_of_labels(map, seen);
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++)
        if (!seen[i] && (keys[i].place == KEY_NEEDED ||
                         (keys[i].place == KEY_PAYMENT_NEEDED && !map->labels_only)))
            return wrong(reader, "the map needs a line \"%s = ...\"", keys[i].name);
    if (map->known_at.count > 0 && map->label.count == 0)
        return wrong(reader, "label.known_at needs a line \"label = ...\"");
    if (map->labels_only)
        return map->header ? ERR_none : check_numbers(reader);
    if (map->type_count == 0)
        return wrong(reader, "the map needs a line \"type = ...\" or a section [types]");
    for (size_t i = 0; i < map->type_count; i++)
        if (map->types[i].count != map->type_column_count)
            return wrong(reader, "row %zu of [types] has %zu values, type.columns has %zu", i + 1,
                         map->types[i].count, map->type_column_count);
    if (uses_sign(map) && !map->amount_signed)
        return wrong(reader, "a type by sign needs \"amount.signed = yes\"");
    return map->header ? ERR_none : check_numbers(reader);
}

/* UTF-8 with any line ends; NUL would end a slice's text early. */
static bool is_text(struct slice text)
{
    uint32_t code = 1;
    size_t   n = 1;

    while (text.n > 0 && n > 0 && code != 0) {
        n = slice_char(text, &code);
        text = slice_of(text.at + n, text.n - n);
    }
    return text.n == 0 && code != 0;
}

static enum err parse(struct import_map *map, size_t n, struct fault *fault)
{
    struct reader reader = { .map = map, .fault = fault };
    bool          seen[ARRAY_COUNT(keys)] = { false };
    enum section  section = SECTION_KEYS;
    struct slice  rest = slice_of(map->text, n);

    if (!is_text(rest))
        return fault_set(fault, ERR_file_syntax, NULL, "%s: the map is not UTF-8 text", map->file);
    while (rest.n > 0) {
        const char *end = memchr(rest.at, '\n', rest.n);
        size_t      length = end != NULL ? (size_t)(end - rest.at) : rest.n;

        reader.line++;
        TRY(take_line(&reader, slice_of(rest.at, length), &section, seen));
        length += end != NULL ? 1 : 0;
        rest = slice_of(rest.at + length, rest.n - length);
    }
    return check_whole(&reader, seen);
}

enum err import_map_parse(struct slice text, const char *file, struct import_map **out,
                          struct fault *fault)
{
    struct import_map *map;
    enum err           err;

    if (text.n > IMPORT_MAP_MAX)
        return fault_set(fault, ERR_file_syntax, NULL, "%s: a map has at most %d bytes", file,
                         IMPORT_MAP_MAX);
    map = calloc(1, sizeof *map);
    if (map == NULL)
        return fault_set(fault, ERR_memory, NULL, "%s", "");
    if (text.n > 0)
        memcpy(map->text, text.at, text.n);
    slice_copy(slice_from(file), map->file, sizeof map->file);
    map->delimiter = ',';
    map->header = true;
    map->amount_mark = '.';
    map->check_always = true;
    memcpy(map->overdraft, "0", 2);
    memcpy(map->fraud_value, "1", 2);
    err = parse(map, text.n, fault);
    if (err != ERR_none) {
        import_map_free(&map);
        return err;
    }
    *out = map;
    return ERR_none;
}

void import_map_free(struct import_map **map)
{
    free(*map);
    *map = NULL;
}

enum err import_map_bind(struct import_map *map, const struct slice *cells, size_t count,
                         struct fault *fault)
{
    map->record_columns = 0;
    map->header_columns = map->header ? count : 0;
    for (size_t i = 0; i < map->column_count; i++) {
        int number = column_number(map->columns[i].name);

        map->columns[i].index = -1;
        for (size_t k = 0; k < count; k++) {
            if (!slice_equal(trimmed(cells[k]), map->columns[i].name))
                continue;
            if (map->header && map->columns[i].index >= 0)
                return fault_set(fault, ERR_file_syntax, NULL,
                                 "%s:%d: the file has two columns \"%.*s\", %d and %zu", map->file,
                                 map->columns[i].line,
                                 (int)(map->columns[i].name.n < 60 ? map->columns[i].name.n : 60),
                                 map->columns[i].name.at, map->columns[i].index + 1, k + 1);
            map->columns[i].index = (int)k;
        }
        if (map->columns[i].index < 0 && number > 0 && (size_t)number <= count)
            map->columns[i].index = number - 1;
        if (map->columns[i].index < 0)
            return fault_set(fault, ERR_file_syntax, NULL,
                             "%s:%d: the file has no column \"%.*s\" among its %zu columns",
                             map->file, map->columns[i].line,
                             (int)(map->columns[i].name.n < 60 ? map->columns[i].name.n : 60),
                             map->columns[i].name.at, count);
        if (map->record_columns < (size_t)map->columns[i].index + 1)
            map->record_columns = (size_t)map->columns[i].index + 1;
    }
    return ERR_none;
}
