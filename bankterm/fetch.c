/* Questions that screens ask again and again. One is in flight at most; what is asked meanwhile is
 * asked once more afterwards, however often it was wanted. A failure keeps the last answer. */
#include "bankterm/app.h"

#include <stdio.h>

void fetch_ask(struct screen *screen, struct fetch *fetch, enum op_index op, const void *body)
{
    struct fault fault = { 0 };
    if (fetch->ticket != 0) {
        fetch->again = true;
        return;
    }
    fetch->op = op;
    fetch->asked_us = app_monotonic_us(screen->app);
    fetch->ticket = app_ask(screen, op, body, APP_DEADLINE_MS, &fault);
    if (fetch->ticket == 0) {
        fetch->failed = true;
        snprintf(fetch->error, sizeof fetch->error, "%s",
                 fault.text[0] != '\0' ? fault.text : err_what(fault.err));
    }
}

bool fetch_take(struct fetch *fetch, const struct net_result *result)
{
    if (fetch->ticket == 0 || fetch->ticket != result->ticket)
        return false;
    fetch->ticket = 0;
    fetch->failed = result->kind == NET_FAILURE;
    if (fetch->failed) {
        result_text(result, fetch->error, sizeof fetch->error);
        return true;
    }
    if (record_keep(&fetch->record, op_rows[fetch->op].reply, result->body) != ERR_none) {
        fetch->failed = true;
        snprintf(fetch->error, sizeof fetch->error, "%s", err_what(ERR_memory));
        return true;
    }
    fetch->fresh = true;
    fetch->error[0] = '\0';
    return true;
}

bool fetch_again(struct fetch *fetch)
{
    bool again = fetch->again;
    fetch->again = false;
    return again;
}

void fetch_free(struct fetch *fetch)
{
    record_free(&fetch->record);
    *fetch = (struct fetch){ 0 };
}

void result_text(const struct net_result *result, char *out, size_t size)
{
    const char *text = result->fault.text;
    const char *what = result->what[0] != '\0' ? result->what : err_what(result->fault.err);
    const char *next = result->next[0] != '\0' ? result->next : err_next(result->fault.err);
    if (text[0] != '\0')
        snprintf(out, size, "%s: %s%s %s.", what, text, /* which may be a question */
                 strchr(".!?", text[strlen(text) - 1]) != NULL ? "" : ".", next);
    else
        snprintf(out, size, "%s. %s.", what, next);
}
