/* Prints the tables of proto/PROTOCOL.md from the tables that the programs are made of.
 *
 * usage: gen-protocol FILE           print FILE with its tables made anew
 *        gen-protocol --check FILE   exit 1 and name the first line that differs
 *
 * A table stands between a line `<!-- table: NAME -->` and the line `<!-- end of table -->`; the
 * prose around it is the file's own. Every table below must have its place in the file and every
 * place a table, so that none is forgotten when one is added. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/err.h"
#include "common/limits.h"
#include "common/money.h"
#include "proto/proto.h"

enum { DOCUMENT_MAX = 4 * 1024 * 1024, HINT_MAX = 128 };

static struct buf out;

static void put(const char *text)
{
    CHECK(buf_add(&out, text, strlen(text)) == ERR_none);
}

/* Ends the program's work instead of a half table: memory is all that can fail. */
#define PRINT(...) CHECK(buf_print(&out, __VA_ARGS__) == ERR_none)

/* Text in a cell: a bar would end it. */
static void put_cell(const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '|')
            put("\\");
        CHECK(buf_add(&out, at, 1) == ERR_none);
    }
}

static void put_roles(uint32_t roles)
{
    bool first = true;

    for (size_t i = 0; i < role_count; i++) {
        if ((roles & (uint32_t)role_rows[i].role) == 0)
            continue;
        PRINT("%s%s", first ? "" : ", ", role_rows[i].name);
        first = false;
    }
    if (first)
        put("no session needed");
}

static void table_roles(void)
{
    put("| role | called | what it is for |\n|---|---|---|\n");
    for (size_t i = 0; i < role_count; i++) {
        PRINT("| `%s` | %s | ", role_rows[i].name, role_rows[i].title);
        put_cell(role_rows[i].help);
        put(" |\n");
    }
}

static void table_operations(void)
{
    put("| operation | number | roles | changes | request | reply | what it does |\n"
        "|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < OP_INDEX_count; i++) {
        const struct op_row *row = &op_rows[i];

        PRINT("| `%s` | 0x%04X | ", row->name, (unsigned)row->number);
        put_roles(row->roles);
        PRINT(" | %s | [%s](#message-%s) | [%s](#message-%s) | ",
              (row->flags & OP_MONEY) != 0   ? "money"
              : (row->flags & OP_WRITE) != 0 ? "records"
                                             : "nothing",
              row->request->name, row->request->name, row->reply->name, row->reply->name);
        put_cell(row->help);
        put(" |\n");
    }
}

static void table_events(void)
{
    put("| event | number | roles | message | when |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < EVENT_INDEX_count; i++) {
        const struct event_row *row = &event_rows[i];

        PRINT("| `%s` | %u | ", row->name, (unsigned)row->number);
        put_roles(row->roles);
        PRINT(" | [%s](#message-%s) | ", row->message->name, row->message->name);
        put_cell(row->help);
        put(" |\n");
    }
}

/* What goes over the wire, in words of msgpack. */
static void put_type(const struct field_desc *field)
{
    static const char *const words[] = {
        [FIELD_UUID] = "id (bin 16)",      [FIELD_INT] = "integer",
        [FIELD_MONEY] = "money (integer)", [FIELD_TIME] = "time (integer)",
        [FIELD_BOOL] = "boolean",          [FIELD_TEXT] = "text (str)",
        [FIELD_BYTES] = "bytes (bin)",
    };

    if (field->type == FIELD_CHOICE)
        PRINT("word of [%s](#words-%s)", field->choice->name, field->choice->name);
    else if (field->type == FIELD_LIST)
        PRINT("list of [%s](#message-%s)", field->item->name, field->item->name);
    else
        put(words[field->type]);
}

static void put_limits(const struct field_desc *field)
{
    const char *unit = field->type == FIELD_LIST                                 ? " rows"
                       : field->type == FIELD_TEXT || field->type == FIELD_BYTES ? " bytes"
                                                                                 : "";
    char        hint[HINT_MAX];

    snprintf(hint, sizeof hint, "%s%s%s%s%s", (field->flags & POSITIVE) != 0 ? ", above 0" : "",
             (field->flags & NATURAL) != 0 ? ", not below 0" : "",
             (field->flags & FILLED) != 0 ? ", not empty" : "",
             (field->flags & MULTILINE) != 0 ? ", several lines" : "",
             (field->flags & SECRET) != 0 ? ", secret" : "");
    if (field->limit > 0)
        PRINT("at most %" PRId64 "%s%s", field->limit, unit, hint);
    else
        put(hint[0] != '\0' ? hint + 2 : "");
}

static void table_messages(void)
{
    for (size_t i = 0; i < message_count; i++) {
        const struct message_desc *desc = message_rows[i];

        PRINT("%s### message %s\n\n%s.\n", i > 0 ? "\n" : "", desc->name, desc->help);
        if (desc->count == 0)
            continue;
        put("\n| field | type | needed | limits | meaning |\n|---|---|---|---|---|\n");
        for (size_t k = 0; k < desc->count; k++) {
            const struct field_desc *field = &desc->fields[k];

            PRINT("| `%s` | ", field->name);
            put_type(field);
            put((field->flags & REQUIRED) != 0 ? " | yes | " : " | no | ");
            put_limits(field);
            put(" | ");
            put_cell(field->help);
            put(" |\n");
        }
    }
}

static void table_words(void)
{
    for (size_t i = 0; i < enum_count; i++) {
        const struct enum_desc *desc = enum_rows[i];

        PRINT("%s### words %s\n\n%s.\n\n| word | meaning |\n|---|---|\n", i > 0 ? "\n" : "",
              desc->name, desc->help);
        for (size_t k = 0; k < desc->count; k++) {
            PRINT("| `%s` | ", desc->values[k].text);
            put_cell(desc->values[k].help);
            put(" |\n");
        }
    }
}

static void table_classes(void)
{
    static const char *const advice[] = {
        [ERR_CLASS_INTERNAL] = "no: an operator must look",
        [ERR_CLASS_INPUT] = "no: correct the request; a corrected post needs no new id",
        [ERR_CLASS_DENIED] = "no: log in again, or ask somebody with the right role",
        [ERR_CLASS_CONFLICT] = "no: look at the present state and decide again",
        [ERR_CLASS_AWAY] = "yes, the same request, after `retry_after_ms` or a growing pause",
        [ERR_CLASS_UNKNOWN] = "yes, the same id, after looking it up",
    };

    put("| class | what was not done | try again? |\n|---|---|---|\n");
    for (int i = ERR_CLASS_INTERNAL; i <= ERR_CLASS_UNKNOWN; i++)
        PRINT("| `%s` | %s | %s |\n", err_class_name((enum err_class)i),
              err_class_promise((enum err_class)i), advice[i]);
}

static void table_errors(void)
{
    put("| error | class | what happened | what to do next |\n|---|---|---|---|\n");
    for (int err = ERR_none + 1; err < ERR_count; err++) {
        PRINT("| `%s` | %s | ", err_name((enum err)err), err_class_name(err_class((enum err)err)));
        put_cell(err_what((enum err)err));
        put(" | ");
        put_cell(err_next((enum err)err));
        put(" |\n");
    }
}

static void table_limits(void)
{
    static const struct {
        int64_t     value;
        const char *unit;
        const char *what;
    } rows[] = {
        { LIMIT_MESSAGE_MAX, "bytes", "one request" },
        { LIMIT_MESSAGE_LARGE_MAX, "bytes",
          "one request of `rules.propose` or `rules.backtest`, which bring texts along" },
        { LIMIT_REPLY_MAX, "bytes", "one reply or event" },
        { LIMIT_WIRE_MAX, "bytes",
          "what the socket takes at all; a connection that sends more "
          "is closed without an answer" },
        { LIMIT_DEPTH_MAX, "levels", "maps and lists within each other, the body being the first" },
        { LIMIT_PAGE_ROWS_MAX, "rows", "one page" },
        { LIMIT_PAGE_ROWS_DEFAULT, "rows", "one page when the request does not say" },
        { LIMIT_TREND_POINTS_MAX, "points", "one trend" },
        { LIMIT_TOP_ROWS_MAX, "rows", "`top.transactions`" },
        { LIMIT_TOKEN_BYTES, "bytes", "a token, exactly" },
        { LIMIT_PASSWORD_MIN, "bytes", "a password, at least" },
        { LIMIT_LOGIN_FAILURES_MAX, "failures",
          "logins in a row before an address is locked "
          "for a while" },
        { LIMIT_AMOUNT_MAX, "minor units", "one transaction" },
        { LIMIT_ALERT_HITS_MAX, "transactions", "one alert; then another is raised" },
        { LIMIT_ALERT_BULK_MAX, "alerts", "`alert.bulk`" },
        { LIMIT_ALERT_NOTES_MAX, "notes", "one alert" },
        { LIMIT_SESSIONS_PER_USER_MAX, "sessions", "of one user at the same time" },
        { LIMIT_SESSIONS_MAX, "sessions", "of all users at the same time" },
    };

    put("| limit | | of what |\n|---|---|---|\n");
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
        PRINT("| %" PRId64 " | %s | %s |\n", rows[i].value, rows[i].unit, rows[i].what);
}

static void table_moves(void)
{
    put("| act | from | who | to | |\n|---|---|---|---|---|\n");
#define WHO_ANYBODY "anybody whose role may"
#define WHO_HOLDER  "who has the lock"
#define WHO_SYSTEM  "the system"
#define ALERT_MOVE(act, from, who, to, help)                                                       \
    PRINT("| %s | `%s` | %s | `%s` | %s |\n", #act, enum_text(&enum_alert_state, ALERT_##from),    \
          WHO_##who, enum_text(&enum_alert_state, ALERT_##to), help);
#include "proto/alerts.def"
    put("\n");
#define ALERT_ACT(act, help) PRINT("- %s: %s\n", #act, help);
#include "proto/alerts.def"
}

static void table_deadlines(void)
{
    put("| score, at least | hours until it is due |\n|---|---|\n");
#define ALERT_DEADLINE(score, hours) PRINT("| %d | %d |\n", score, hours);
#include "proto/alerts.def"
}

static void table_currencies(void)
{
    put("| code | number | decimals | name |\n|---|---|---|---|\n");
    for (size_t i = 0; currency_at(i) != NULL; i++)
        PRINT("| `%s` | %03u | %u | %s |\n", currency_at(i)->code, (unsigned)currency_at(i)->number,
              (unsigned)currency_at(i)->exponent, currency_at(i)->name);
}

static const struct {
    const char *name;
    void (*print)(void);
} tables[] = {
    { "roles", table_roles },           { "operations", table_operations },
    { "events", table_events },         { "messages", table_messages },
    { "words", table_words },           { "classes", table_classes },
    { "errors", table_errors },         { "limits", table_limits },
    { "currencies", table_currencies }, { "moves", table_moves },
    { "deadlines", table_deadlines },
};

/* --- the file ------------------------------------------------------------------------------ */

static const char place_start[] = "<!-- table: ";
static const char place_tail[] = " -->";
static const char place_end[] = "<!-- end of table -->";

static bool starts_with(struct slice line, const char *start)
{
    size_t n = strlen(start);

    return line.n >= n && memcmp(line.at, start, n) == 0;
}

/* The next line without its end; false when there is none. */
static bool take_line(struct slice *rest, struct slice *line)
{
    const char *end;

    if (rest->n == 0)
        return false;
    end = memchr(rest->at, '\n', rest->n);
    *line = slice_of(rest->at, end != NULL ? (size_t)(end - rest->at) : rest->n);
    *rest = end != NULL ? slice_of(end + 1, rest->n - line->n - 1) : slice_of("", 0);
    return true;
}

static void put_line(struct slice line)
{
    CHECK(buf_add(&out, line.at, line.n) == ERR_none);
    put("\n");
}

/* Index of the table whose place the line is; -1 when it is none, -2 when no table is called so. */
static int place_of(struct slice line)
{
    size_t around = strlen(place_start) + strlen(place_tail);

    if (!starts_with(line, place_start) || line.n < around)
        return -1;
    for (size_t i = 0; i < ARRAY_COUNT(tables); i++)
        if (slice_is(slice_of(line.at + strlen(place_start), line.n - around), tables[i].name))
            return (int)i;
    return -2;
}

/* Fills `out` from the old text; false when a place is wrong or a table has none. */
static bool renew(struct slice text, const char *file)
{
    bool         printed[ARRAY_COUNT(tables)] = { false };
    struct slice line;

    while (take_line(&text, &line)) {
        int place = place_of(line);

        put_line(line);
        if (place == -1)
            continue;
        if (place == -2 || printed[place]) {
            fprintf(stderr, "gen-protocol: %s: no such table, or twice: %.*s\n", file, (int)line.n,
                    line.at);
            return false;
        }
        printed[place] = true;
        put("\n");
        tables[place].print();
        put("\n");
        while (!starts_with(line, place_end)) {
            if (!take_line(&text, &line)) {
                fprintf(stderr, "gen-protocol: %s: a table has no end\n", file);
                return false;
            }
        }
        put_line(line);
    }
    for (size_t i = 0; i < ARRAY_COUNT(tables); i++) {
        if (!printed[i]) {
            fprintf(stderr, "gen-protocol: %s has no place for %s\n", file, tables[i].name);
            return false;
        }
    }
    return true;
}

static bool read_file(const char *path, struct buf *text)
{
    FILE  *file = fopen(path, "r");
    char   piece[4096];
    size_t n;
    bool   good;

    if (file == NULL) {
        fprintf(stderr, "gen-protocol: %s: %s\n", path, strerror(errno));
        return false;
    }
    while ((n = fread(piece, 1, sizeof piece, file)) > 0)
        if (buf_add(text, piece, n) != ERR_none)
            break;
    good = n == 0 && ferror(file) == 0;
    fclose(file);
    if (!good)
        fprintf(stderr, "gen-protocol: %s could not be read or is too large\n", path);
    return good;
}

static int compare(struct slice old, const char *path)
{
    struct slice renewed = slice_of(out.at, out.n);
    struct slice a;
    struct slice b;

    for (int number = 1; old.n > 0 || renewed.n > 0; number++) {
        bool more = take_line(&old, &a);

        if (!take_line(&renewed, &b) || !more || !slice_equal(a, b)) {
            fprintf(stderr, "%s:%d: differs from the tables; run `make docs`\n", path, number);
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    bool        check = argc == 3 && strcmp(argv[1], "--check") == 0;
    const char *path = argv[argc - 1];
    struct buf  text;
    int         code = 1;

    if (argc != 2 && !check) {
        fputs("usage: gen-protocol [--check] FILE\n", stderr);
        return 2;
    }
    buf_init(&text, DOCUMENT_MAX);
    buf_init(&out, DOCUMENT_MAX);
    if (read_file(path, &text) && renew(slice_of(text.at, text.n), path)) {
        code = check ? compare(slice_of(text.at, text.n), path) : 0;
        if (!check && fwrite(out.at, 1, out.n, stdout) != out.n)
            code = 1;
    }
    buf_free(&text);
    buf_free(&out);
    return code;
}
