/* The log: one event is one line is one write(2), so that lines of threads never mix and a
 * journal keeps them whole.
 *
 * A line is made on the caller's stack without a lock. Only the count of the event's lines in the
 * present second is kept under one: a small table of event names, with a last row that all names
 * share that found no room. What the limit left out is told as event=log_limited when its second
 * is over and anything is logged again, or by log_flush. Whatever the values hold, no byte of them
 * can begin a second line. Logging never fails and never changes errno. */
#include "common/log.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/clock.h"

enum { LOG_NAME_MAX = 48, LOG_EVENTS_MAX = 128 };

/* How often one event was logged since its second began. */
struct log_row {
    char    name[LOG_NAME_MAX];
    int64_t since_us;
    int64_t lines;
    int64_t left_out;
};

static const char *const level_names[] = { "error", "warning", "info", "debug" };

static atomic_int              level_max = LOG_INFO;
static _Atomic(struct clock *) log_clock;
static pthread_mutex_t         table_lock = PTHREAD_MUTEX_INITIALIZER;
static struct log_row          table[LOG_EVENTS_MAX];
static size_t                  table_used;
static bool                    table_owes; /* some row has lines left out that were not told */

void log_set_level(enum log_level level)
{
    CHECK((size_t)level < ARRAY_COUNT(level_names));
    atomic_store(&level_max, (int)level);
}

int log_level_from_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(level_names); i++)
        if (strcmp(level_names[i], name) == 0)
            return (int)i;
    return -1;
}

void log_set_clock(struct clock *clock)
{
    atomic_store(&log_clock, clock);
}

static struct clock *clock_now(void)
{
    struct clock *clock = atomic_load(&log_clock);

    return clock != NULL ? clock : clock_system();
}

/* The head that every line has; milliseconds always, so that lines stand in columns. */
static int line_head(char line[LOG_LINE_MAX], enum log_level level, const char *event)
{
    struct clock *clock = clock_now();
    int64_t       now_us = clock->now_us(clock);
    int64_t       second_us = now_us - (now_us % US_PER_SECOND + US_PER_SECOND) % US_PER_SECOND;
    char          second[TIME_TEXT_MAX];

    time_text(second_us, second);
    second[strlen(second) - 1] = '\0'; /* the Z comes behind the milliseconds */
    return snprintf(line, LOG_LINE_MAX, "%s.%03dZ level=%s event=%.*s", second,
                    (int)((now_us - second_us) / US_PER_MS), level_names[level], LOG_NAME_MAX,
                    event);
}

/* Makes the line one line of whole characters, ends it and gives it to stderr at once. */
static void line_write(char line[LOG_LINE_MAX], size_t n)
{
    ssize_t written;

    if (n > LOG_LINE_MAX - 2) { /* cut: vsnprintf left no room for the line end */
        n = LOG_LINE_MAX - 2;
        while (n > 0 && ((unsigned char)line[n] & 0xc0) == 0x80)
            n--;
    }
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    line[n++] = '\n';
    do {
        written = write(STDERR_FILENO, line, n);
    } while (written < 0 && errno == EINTR);
}

/* The row of an event; the last row is for all that came after the table was full. */
static struct log_row *row_of(const char *event)
{
    struct log_row *row;

    for (size_t i = 0; i < table_used; i++)
        if (strncmp(table[i].name, event, LOG_NAME_MAX - 1) == 0)
            return &table[i];
    if (table_used == LOG_EVENTS_MAX)
        return &table[LOG_EVENTS_MAX - 1];
    row = &table[table_used++];
    slice_copy(slice_from(table_used == LOG_EVENTS_MAX ? "others" : event), row->name,
               sizeof row->name);
    return row;
}

/* Takes one row whose second is over (or any, when `all`) and that still owes its count. */
static bool row_owing(int64_t now_us, bool all, struct log_row *owed)
{
    bool found = false;
    bool more = false;

    pthread_mutex_lock(&table_lock);
    for (size_t i = 0; table_owes && i < table_used; i++) {
        struct log_row *row = &table[i];

        if (row->left_out == 0)
            continue;
        if (found || (!all && now_us - row->since_us < US_PER_SECOND)) {
            more = true;
            continue;
        }
        *owed = *row;
        row->left_out = 0;
        found = true;
    }
    table_owes = more;
    pthread_mutex_unlock(&table_lock);
    return found;
}

static void tell_left_out(int64_t now_us, bool all)
{
    struct log_row owed;

    while (row_owing(now_us, all, &owed)) {
        char line[LOG_LINE_MAX];
        int  n = line_head(line, LOG_WARNING, "log_limited");

        n += snprintf(line + n, (size_t)(LOG_LINE_MAX - n), " name=%s left_out=%" PRId64,
                      owed.name, owed.left_out);
        line_write(line, (size_t)n);
    }
}

/* Counts one line of the event; false when its second has had enough. */
static bool may_write(const char *event, int64_t now_us)
{
    struct log_row *row;
    bool            may;

    pthread_mutex_lock(&table_lock);
    row = row_of(event);
    if (row->lines == 0 || now_us - row->since_us >= US_PER_SECOND) {
        row->since_us = now_us;
        row->lines = 0;
    }
    may = row->lines < LOG_BURST;
    row->lines++;
    if (!may) {
        row->left_out++;
        table_owes = true;
    }
    pthread_mutex_unlock(&table_lock);
    return may;
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    int           errno_before = errno;
    struct clock *clock = clock_now();
    int64_t       now_us;
    char          line[LOG_LINE_MAX];
    va_list       arguments;
    int           n;
    int           more;

    CHECK((size_t)level < ARRAY_COUNT(level_names));
    if ((int)level > atomic_load(&level_max))
        return;
    now_us = clock->monotonic_us(clock);
    tell_left_out(now_us, false);
    if (may_write(event, now_us)) {
        n = line_head(line, level, event);
        if (format != NULL && format[0] != '\0') {
            line[n++] = ' ';
            errno = errno_before; /* for %m */
            va_start(arguments, format);
            more = vsnprintf(line + n, (size_t)(LOG_LINE_MAX - n), format, arguments);
            va_end(arguments);
            n += more > 0 ? more : 0;
        }
        line_write(line, (size_t)n);
    }
    errno = errno_before;
}

void log_flush(void)
{
    int           errno_before = errno;
    struct clock *clock = clock_now();

    tell_left_out(clock->monotonic_us(clock), true);
    errno = errno_before;
}

/* One character of a quoted text: itself, or the escape that stands for it. Returns its bytes. */
static size_t quote_char(struct slice rest, char piece[8], size_t *taken)
{
    uint32_t code = 0;
    size_t   n = slice_char(rest, &code);
    char     c = rest.at[0];

    *taken = n > 0 ? n : 1;
    if (n > 0 && !char_is_control(code) && c != '"' && c != '\\') {
        memcpy(piece, rest.at, n);
        return n;
    }
    if (n == 0 || (code != '\n' && code != '\t' && code != '\r' && c != '"' && c != '\\')) {
        *taken = 1; /* byte by byte, so that a C1 character is two escapes */
        return (size_t)snprintf(piece, 8, "\\x%02x", (unsigned char)c);
    }
    piece[0] = '\\';
    piece[1] = c;
    if (c == '\n')
        piece[1] = 'n';
    if (c == '\t')
        piece[1] = 't';
    if (c == '\r')
        piece[1] = 'r';
    return 2;
}

const char *log_quote(const char *text, size_t n, char *out, size_t size)
{
    struct slice rest = slice_of(text, n);
    size_t       used = 0;

    CHECK(size >= 3);
    out[used++] = '"';
    while (rest.n > 0) {
        char   piece[8];
        size_t taken;
        size_t length = quote_char(rest, piece, &taken);

        if (used + length + 2 > size)
            break;
        memcpy(out + used, piece, length);
        used += length;
        rest = slice_of(rest.at + taken, rest.n - taken);
    }
    out[used++] = '"';
    out[used] = '\0';
    return out;
}
