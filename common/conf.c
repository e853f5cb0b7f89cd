/* Options from one table of rows.
 *
 * Every value is kept as checked text with the place that it came from. A value of a weaker place
 * never replaces one of a stronger place (default < file < environment < command line), so the
 * places may be read in any order: a program reads its flags first to learn which file to read.
 * Numbers are checked when they are set; conf_int cannot fail.
 *
 * The value of a secret never gets into a message, a listing or an example. */
#include "common/conf.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/check.h"

enum { CONF_LINE_MAX = 2048, CONF_NAME_MAX = 128, CONF_WRAP = 80, CONF_PAD_MAX = 40 };

static const struct conf_row *row_find(const struct conf *conf, struct slice key)
{
    for (size_t i = 0; i < conf->count; i++)
        if (slice_is(key, conf->rows[i].key))
            return &conf->rows[i];
    return NULL;
}

static size_t index_of(const struct conf *conf, const char *key)
{
    const struct conf_row *row = row_find(conf, slice_from(key));

    CHECK(row != NULL);
    return (size_t)(row - conf->rows);
}

static bool parse_int(const char *text, int64_t *value)
{
    int64_t result = 0;
    bool    negative = text[0] == '-';

    text += negative ? 1 : 0;
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        if (__builtin_mul_overflow(result, 10, &result)
            || __builtin_sub_overflow(result, (int64_t)(*text - '0'), &result))
            return false;
    }
    /* The sum was kept negative, because int64_t reaches one further there. */
    if (!negative && __builtin_sub_overflow((int64_t)0, result, &result))
        return false;
    *value = result;
    return true;
}

static bool parse_bool(const char *text, bool *value)
{
    static const char *const names[] = { "no", "yes", "false", "true", "off", "on", "0", "1" };

    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *value = i % 2 == 1;
            return true;
        }
    }
    return false;
}

static bool choice_has(const char *choices, const char *value)
{
    size_t n = strlen(value);

    while (*choices != '\0') {
        size_t length = strcspn(choices, "|");

        if (length == n && memcmp(choices, value, n) == 0)
            return true;
        choices += length;
        choices += *choices == '|' ? 1 : 0;
    }
    return false;
}

static size_t length_limit(const struct conf_row *row)
{
    return row->max > 0 && row->max < CONF_VALUE_MAX ? (size_t)row->max : CONF_VALUE_MAX - 1;
}

static enum err check_text(const struct conf_row *row, const char *value, struct fault *fault)
{
    size_t limit = row->type == CONF_TEXT ? length_limit(row) : CONF_VALUE_MAX - 1;

    if (strlen(value) > limit)
        return fault_set(fault, ERR_option_invalid, row->key, "%s takes at most %zu bytes",
                         row->key, limit);
    if (!slice_is_utf8(slice_from(value)) || strpbrk(value, "\n\t") != NULL)
        return fault_set(fault, ERR_option_invalid, row->key,
                         "%s takes UTF-8 text without control characters", row->key);
    return ERR_none;
}

static enum err check_value(const struct conf_row *row, const char *value, struct fault *fault)
{
    int64_t number;
    bool    truth;

    TRY(check_text(row, value, fault));
    switch (row->type) {
    case CONF_INT:
        if (!parse_int(value, &number) || number < row->min || number > row->max)
            return fault_set(fault, ERR_option_invalid, row->key,
                             "%s takes a whole number from %" PRId64 " to %" PRId64, row->key,
                             row->min, row->max);
        break;
    case CONF_BOOL:
        if (!parse_bool(value, &truth))
            return fault_set(fault, ERR_option_invalid, row->key, "%s takes yes or no", row->key);
        break;
    case CONF_CHOICE:
        if (!choice_has(row->choices, value))
            return fault_set(fault, ERR_option_invalid, row->key, "%s takes one of %s", row->key,
                             row->choices);
        break;
    case CONF_TEXT:
    case CONF_PATH:
        break;
    }
    return ERR_none;
}

void conf_init(struct conf *conf, const struct conf_row *rows, size_t count, const char *prefix)
{
    CHECK(count <= CONF_ROWS_MAX);
    conf->rows = rows;
    conf->count = count;
    conf->prefix = prefix;
    conf->file[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        CHECK(rows[i].type != CONF_CHOICE || rows[i].choices != NULL);
        CHECK(strlen(prefix) + strlen(rows[i].key) + 2 <= CONF_NAME_MAX);
        CHECK(check_value(&rows[i], rows[i].fallback, NULL) == ERR_none);
        slice_copy(slice_from(rows[i].fallback), conf->values[i], CONF_VALUE_MAX);
        conf->origins[i] = CONF_DEFAULT;
    }
}

static void value_store(struct conf *conf, size_t index, const char *value,
                        enum conf_origin origin)
{
    if (origin < conf->origins[index])
        return;
    slice_copy(slice_from(value), conf->values[index], CONF_VALUE_MAX);
    conf->origins[index] = origin;
}

enum err conf_set(struct conf *conf, const char *key, const char *value, enum conf_origin origin,
                  struct fault *fault)
{
    const struct conf_row *row = row_find(conf, slice_from(key));

    if (row == NULL)
        return fault_set(fault, ERR_option_invalid, key, "There is no option %s", key);
    TRY(check_value(row, value, fault));
    value_store(conf, (size_t)(row - conf->rows), value, origin);
    return ERR_none;
}

static struct slice trimmed(struct slice text)
{
    while (text.n > 0 && strchr(" \t\r", text.at[0]) != NULL)
        text = slice_of(text.at + 1, text.n - 1);
    while (text.n > 0 && strchr(" \t\r", text.at[text.n - 1]) != NULL)
        text.n--;
    return text;
}

/* Puts the place in front of what is already told about a bad value. */
static enum err fault_place(struct fault *fault, const char *path, int64_t line, enum err err)
{
    struct fault inner;

    if (fault == NULL)
        return err;
    inner = *fault;
    return fault_set(fault, err, inner.field, "%s:%" PRId64 ": %s", path, line, inner.text);
}

/* One line of a file, without its line end. `seen` marks the keys that were there already. */
static enum err line_take(struct conf *conf, struct slice line, bool seen[CONF_ROWS_MAX],
                          struct fault *fault)
{
    const struct conf_row *row;
    const char            *mark;
    struct slice           key;
    struct slice           value;
    char                   text[CONF_LINE_MAX];
    size_t                 index;

    line = trimmed(line);
    if (line.n == 0 || line.at[0] == '#')
        return ERR_none;
    mark = memchr(line.at, '=', line.n);
    if (mark == NULL)
        return fault_set(fault, ERR_file_syntax, NULL, "A line is \"key = value\" or a # comment");
    key = trimmed(slice_of(line.at, (size_t)(mark - line.at)));
    value = trimmed(slice_of(mark + 1, line.n - (size_t)(mark + 1 - line.at)));
    row = row_find(conf, key);
    if (row == NULL) {
        slice_copy(key, text, FAULT_FIELD_MAX);
        return fault_set(fault, ERR_option_invalid, text, "There is no option %s", text);
    }
    index = (size_t)(row - conf->rows);
    if (seen[index])
        return fault_set(fault, ERR_file_syntax, row->key, "%s stands here a second time",
                         row->key);
    seen[index] = true;
    return conf_set(conf, row->key, slice_copy(value, text, sizeof text), CONF_FILE, fault);
}

/* Reads up to the line end; false at the end of the file. A longer line than fits, or a NUL in
 * it, is told by *n == CONF_LINE_MAX. */
static bool line_read(FILE *file, char line[CONF_LINE_MAX], size_t *n)
{
    bool bad = false;
    int  c;

    *n = 0;
    while ((c = getc(file)) != EOF && c != '\n') {
        if (*n == CONF_LINE_MAX - 1 || c == '\0')
            bad = true;
        else
            line[(*n)++] = (char)c;
    }
    if (c == EOF && *n == 0 && !bad)
        return false;
    if (bad)
        *n = CONF_LINE_MAX;
    return true;
}

enum err conf_load_file(struct conf *conf, const char *path, struct fault *fault)
{
    FILE    *file = fopen(path, "re");
    bool     seen[CONF_ROWS_MAX] = { false };
    char     line[CONF_LINE_MAX];
    size_t   n;
    int64_t  number = 0;
    enum err err = ERR_none;

    if (file == NULL)
        return fault_set(fault, ERR_io, NULL, "%s cannot be opened: %m", path);
    while (err == ERR_none && line_read(file, line, &n)) {
        struct slice text = slice_of(line, n);

        number++;
        if (n == CONF_LINE_MAX) {
            err = fault_set(fault, ERR_file_syntax, NULL, "The line is too long or has a NUL byte");
        } else {
            if (number == 1 && n >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0)
                text = slice_of(line + 3, n - 3);
            err = line_take(conf, text, seen, fault);
        }
        if (err != ERR_none)
            err = fault_place(fault, path, number, err);
    }
    if (err == ERR_none && ferror(file))
        err = fault_set(fault, ERR_io, NULL, "%s cannot be read: %m", path);
    if (err == ERR_none)
        slice_copy(slice_from(path), conf->file, sizeof conf->file);
    fclose(file);
    return err;
}

/* "data_dir" -> "BANKD_DATA_DIR" */
static const char *variable_name(const struct conf *conf, const struct conf_row *row,
                                 char out[CONF_NAME_MAX])
{
    int n = snprintf(out, CONF_NAME_MAX, "%s_", conf->prefix);

    for (const char *at = row->key; *at != '\0' && n < CONF_NAME_MAX - 1; at++)
        out[n++] = (char)(*at >= 'a' && *at <= 'z' ? *at - 'a' + 'A' : *at);
    out[n] = '\0';
    return out;
}

/* "data_dir" -> "--data-dir" */
static const char *flag_name(const struct conf_row *row, char out[CONF_NAME_MAX])
{
    int n = snprintf(out, CONF_NAME_MAX, "--");

    for (const char *at = row->key; *at != '\0' && n < CONF_NAME_MAX - 1; at++)
        out[n++] = (char)(*at == '_' ? '-' : *at);
    out[n] = '\0';
    return out;
}

static enum err variable_take(struct conf *conf, const struct conf_row *row, const char *name,
                              struct fault *fault)
{
    const char  *value = getenv(name);
    struct fault inner = { 0 };
    enum err     err;

    if (value == NULL)
        return ERR_none;
    err = conf_set(conf, row->key, value, CONF_ENVIRONMENT, &inner);
    if (err == ERR_none)
        return ERR_none;
    return fault_set(fault, err, row->key, "The environment variable %s: %s", name, inner.text);
}

enum err conf_load_environment(struct conf *conf, struct fault *fault)
{
    for (size_t i = 0; i < conf->count; i++) {
        const struct conf_row *row = &conf->rows[i];
        char                   name[CONF_NAME_MAX];

        /* Our own name comes second, because it is the stronger one. */
        if (row->also != NULL)
            TRY(variable_take(conf, row, row->also, fault));
        TRY(variable_take(conf, row, variable_name(conf, row, name), fault));
    }
    return ERR_none;
}

/* The row whose flag this argument is, and behind its name the '=' or the end. */
static const struct conf_row *flag_find(const struct conf *conf, const char *argument,
                                        const char **behind)
{
    for (size_t i = 0; i < conf->count; i++) {
        char   name[CONF_NAME_MAX];
        size_t n = strlen(flag_name(&conf->rows[i], name));

        if (strncmp(argument, name, n) == 0 && (argument[n] == '=' || argument[n] == '\0')) {
            *behind = argument + n;
            return &conf->rows[i];
        }
    }
    return NULL;
}

enum err conf_load_flags(struct conf *conf, int *argc, char **argv, struct fault *fault)
{
    int kept = *argc > 0 ? 1 : 0;
    int at = kept;

    while (at < *argc && strcmp(argv[at], "--") != 0) {
        const char            *behind = NULL;
        const struct conf_row *row = flag_find(conf, argv[at], &behind);
        const char            *value;

        if (row == NULL) {
            argv[kept++] = argv[at++];
            continue;
        }
        if (*behind == '=')
            value = behind + 1;
        else if (row->type == CONF_BOOL)
            value = "yes";
        else if (at + 1 < *argc && strncmp(argv[at + 1], "--", 2) != 0)
            value = argv[++at];
        else
            return fault_set(fault, ERR_option_invalid, row->key, "%s needs a value", argv[at]);
        TRY(conf_set(conf, row->key, value, CONF_FLAG, fault));
        at++;
    }
    while (at < *argc)
        argv[kept++] = argv[at++];
    argv[kept] = NULL;
    *argc = kept;
    return ERR_none;
}

const char *conf_text(const struct conf *conf, const char *key)
{
    return conf->values[index_of(conf, key)];
}

int64_t conf_int(const struct conf *conf, const char *key)
{
    size_t  index = index_of(conf, key);
    int64_t value = 0;

    CHECK(conf->rows[index].type == CONF_INT);
    CHECK(parse_int(conf->values[index], &value));
    return value;
}

bool conf_bool(const struct conf *conf, const char *key)
{
    size_t index = index_of(conf, key);
    bool   value = false;

    CHECK(conf->rows[index].type == CONF_BOOL);
    CHECK(parse_bool(conf->values[index], &value));
    return value;
}

/* Columns that a text takes, near enough for a listing: its characters. */
static int width_of(const char *text)
{
    int width = 0;

    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80 ? 1 : 0;
    return width;
}

static void print_padded(FILE *out, const char *text, int width)
{
    fprintf(out, "%s%*s", text, width > width_of(text) ? width - width_of(text) : 0, "");
}

/* Words on lines of CONF_WRAP columns, each line behind `lead`. */
static void print_wrapped(FILE *out, const char *lead, const char *text)
{
    int column = 0;

    while (*text != '\0') {
        int n = (int)strcspn(text, " ");

        if (column > 0 && column + 1 + n > CONF_WRAP) {
            fputc('\n', out);
            column = 0;
        }
        if (column == 0)
            column = fprintf(out, "%s%.*s", lead, n, text);
        else
            column += fprintf(out, " %.*s", n, text);
        text += n;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

static bool has_unit(const struct conf_row *row)
{
    return row->unit != NULL && row->unit[0] != '\0';
}

/* "From 1 to 64 threads. Default: 4." */
static void print_range(FILE *out, const char *lead, const struct conf_row *row)
{
    char        text[CONF_VALUE_MAX * 2];
    const char *fallback = row->fallback[0] != '\0' ? row->fallback : "empty";
    size_t      n = 0;

    if (row->secret)
        fallback = row->fallback[0] != '\0' ? "(set)" : "(not set)";
    text[0] = '\0';
    if (row->type == CONF_INT)
        n = (size_t)snprintf(text, sizeof text, "From %" PRId64 " to %" PRId64 "%s%s. ", row->min,
                             row->max, has_unit(row) ? " " : "", has_unit(row) ? row->unit : "");
    else if (row->type == CONF_CHOICE)
        n = (size_t)snprintf(text, sizeof text, "One of %s. ", row->choices);
    else if (row->type == CONF_BOOL)
        n = (size_t)snprintf(text, sizeof text, "yes or no. ");
    if (n < sizeof text)
        snprintf(text + n, sizeof text - n, "Default: %s.", fallback);
    print_wrapped(out, lead, text);
}

void conf_print_help(const struct conf *conf, FILE *out)
{
    static const char *const places[] = { [CONF_TEXT] = " TEXT",
                                          [CONF_INT] = " N",
                                          [CONF_BOOL] = "[=no]",
                                          [CONF_CHOICE] = " ",
                                          [CONF_PATH] = " PATH" };

    for (size_t i = 0; i < conf->count; i++) {
        const struct conf_row *row = &conf->rows[i];
        char                   flag[CONF_NAME_MAX];
        char                   variable[CONF_NAME_MAX];

        fprintf(out, "  %s%s%s\n", flag_name(row, flag), places[row->type],
                row->type == CONF_CHOICE ? row->choices : "");
        print_wrapped(out, "      ", row->help);
        print_range(out, "      ", row);
        fprintf(out, "      Environment: %s%s%s\n", variable_name(conf, row, variable),
                row->also != NULL ? " or " : "", row->also != NULL ? row->also : "");
    }
}

/* What a listing may show of a value. */
static const char *value_shown(const struct conf *conf, size_t index, char *out, size_t size)
{
    const struct conf_row *row = &conf->rows[index];
    const char            *value = conf->values[index];

    if (row->secret)
        return value[0] != '\0' ? "(set)" : "(not set)";
    if (value[0] == '\0')
        return "-";
    snprintf(out, size, "%s%s%s", value, has_unit(row) ? " " : "", has_unit(row) ? row->unit : "");
    return out;
}

static const char *origin_name(enum conf_origin origin)
{
    static const char *const names[] = { "default", "file", "environment", "flag" };

    return names[origin];
}

void conf_print_values(const struct conf *conf, FILE *out)
{
    char shown[CONF_VALUE_MAX + 32];
    int  key_width = width_of("key");
    int  value_width = width_of("value");

    for (size_t i = 0; i < conf->count; i++) {
        int key = width_of(conf->rows[i].key);
        int value = width_of(value_shown(conf, i, shown, sizeof shown));

        key_width = key > key_width ? key : key_width;
        if (value <= CONF_PAD_MAX)
            value_width = value > value_width ? value : value_width;
    }
    print_padded(out, "key", key_width + 2);
    print_padded(out, "value", value_width + 2);
    print_padded(out, "origin", 13);
    fputs("meaning\n", out);
    for (size_t i = 0; i < conf->count; i++) {
        const char *value = value_shown(conf, i, shown, sizeof shown);

        print_padded(out, conf->rows[i].key, key_width + 2);
        print_padded(out, value, value_width);
        fputs("  ", out);
        print_padded(out, origin_name(conf->origins[i]), 13);
        fprintf(out, "%s\n", conf->rows[i].help);
    }
}

void conf_print_example(const struct conf *conf, FILE *out)
{
    for (size_t i = 0; i < conf->count; i++) {
        const struct conf_row *row = &conf->rows[i];

        if (i > 0)
            fputc('\n', out);
        print_wrapped(out, "# ", row->help);
        print_range(out, "# ", row);
        fprintf(out, "#%s = %s\n", row->key, row->secret ? "" : row->fallback);
    }
}
