/* Structured log on stderr: one line an event, key=value, UTC time, no secrets.
 *
 * log_event(LOG_INFO, "started", "endpoint=%s accounts=%d", e, n) writes
 * "2026-11-22T16:18:44.123Z level=info event=started endpoint=... accounts=2\n" with one write(2).
 * Values are escaped by the caller's use of log_quote for anything that came from outside; control
 * bytes that are left become '?', and a line is cut at LOG_LINE_MAX. Each event name (a literal,
 * not a value) is limited to LOG_BURST lines a second; what was left out is counted and told once
 * as event=log_limited. Thread-safe; errno stays. Passwords, tokens and keys are never given
 * to it. */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stddef.h>

enum { LOG_BURST = 20, LOG_LINE_MAX = 2048 };

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

void log_set_level(enum log_level level);
int  log_level_from_name(const char *name); /* -1 when unknown */
void log_event(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void log_flush(void); /* tells at once what was left out; for the end of the program */

struct clock;
void log_set_clock(struct clock *clock); /* for tests; NULL is the system's */

/* Quoted and escaped copy of text from outside; cut to fit `size`, which is at least
 * 3. Returns out. */
const char *log_quote(const char *text, size_t n, char *out, size_t size);

#endif
