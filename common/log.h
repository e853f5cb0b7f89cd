/* Structured log on stderr: one line an event, key=value, UTC time, no secrets.
 *
 * log_event(LOG_INFO, "started", "endpoint=%s accounts=%d", e, n). Values are escaped by the
 * caller's use of log_quote for anything that came from outside. Each event name is limited to
 * LOG_BURST lines a second; what was left out is counted and told once. Thread-safe. Passwords,
 * tokens and keys are never given to it. */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stddef.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

void log_set_level(enum log_level level);
int  log_level_from_name(const char *name); /* -1 when unknown */
void log_event(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Quoted and escaped copy of text from outside; cut to fit. Returns out. */
const char *log_quote(const char *text, size_t n, char *out, size_t size);

#endif
