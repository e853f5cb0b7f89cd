/* Asking the server and telling trouble.
 *
 * Every refusal has one form on standard error, wherever it comes from: its name, what happened,
 * the field and its particulars, what was not done, what to do next. */
#include "bankterm/batch_impl.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "bankterm/batch.h"
#include "bankterm/render.h"

enum { BATCH_POLL_MS = 60000 };

/* A sentence with exactly one full stop and nothing that a terminal would obey. */
static void say_sentence(const char *text)
{
    struct buf line;
    size_t     n = strlen(text);

    buf_init(&line, LIMIT_MESSAGE_MAX);
    if (n > 0 && render_escaped(slice_from(text), &line) == ERR_none)
        fprintf(stderr, " %.*s%s", (int)line.n, line.at,
                strchr(".!?", text[n - 1]) != NULL ? "" : ".");
    buf_free(&line);
}

void batch_say_escaped(struct slice text)
{
    struct buf line;

    buf_init(&line, LIMIT_MESSAGE_MAX);
    if (render_escaped(text, &line) == ERR_none)
        fprintf(stderr, "%.*s", (int)line.n, line.at);
    buf_free(&line);
}

static void say_trouble(const struct net_result *result)
{
    fprintf(stderr, "bankterm: %s:", result->name);
    say_sentence(result->what);
    if (result->fault.field[0] != '\0') {
        fprintf(stderr, " Field %s%s", result->fault.field,
                result->fault.text[0] != '\0' ? ":" : ".");
    }
    say_sentence(result->fault.text);
    say_sentence(result->not_done);
    say_sentence(result->next);
    if (result->fault.retry_after_ms > 0)
        fprintf(stderr, " Wait %" PRId64 " seconds.",
                (result->fault.retry_after_ms + 999) / 1000);
    fprintf(stderr, "\n");
}

bool batch_trouble(struct batch *batch, const struct net_result *result)
{
    say_trouble(result);
    batch->exit_code = (int)result->class;
    return false;
}

int batch_refuse(const struct fault *fault)
{
    struct net_result result = { .fault = *fault, .class = err_class(fault->err) };

    slice_copy(slice_from(err_name(fault->err)), result.name, sizeof result.name);
    slice_copy(slice_from(err_what(fault->err)), result.what, sizeof result.what);
    slice_copy(slice_from(err_next(fault->err)), result.next, sizeof result.next);
    slice_copy(slice_from(err_class_promise(result.class)), result.not_done,
               sizeof result.not_done);
    say_trouble(&result);
    return (int)result.class;
}

bool batch_trouble_here(struct batch *batch)
{
    batch->exit_code = batch_refuse(&batch->fault);
    return false;
}

bool batch_good(struct batch *batch, enum err err)
{
    if (err == ERR_none)
        return true;
    if (batch->fault.err != err)
        fault_set(&batch->fault, err, NULL, NULL);
    return batch_trouble_here(batch);
}

int64_t batch_now_us(const struct batch *batch)
{
    return batch->clock->monotonic_us(batch->clock);
}

static int poll_ms(int64_t wait_us)
{
    int64_t ms = wait_us / US_PER_MS + 1;

    return ms < BATCH_POLL_MS ? (int)ms : BATCH_POLL_MS;
}

enum awaited batch_await(struct batch *batch, int64_t until_us, uint64_t first, uint64_t second,
                          bool live, struct net_result *out)
{
    for (;;) {
        struct pollfd watched = { .fd = net_fd(batch->net), .events = POLLIN };
        int64_t       wait_us;

        while (net_pump(batch->net, out)) {
            if (out->kind == NET_STATE && out->fault.err != ERR_none)
                batch->link = out->fault;
            if ((out->kind == NET_REPLY || out->kind == NET_FAILURE)
                && (out->ticket == first || out->ticket == second))
                return AWAITED_RESULT;
        }
        if (live && net_state(batch->net) == NET_LIVE)
            return AWAITED_LIVE;
        wait_us = net_next_wakeup_us(batch->net);
        wait_us = (wait_us < until_us ? wait_us : until_us) - batch_now_us(batch);
        if (batch_now_us(batch) >= until_us)
            return AWAITED_TIME;
        if (wait_us > 0)
            (void)poll(&watched, 1, poll_ms(wait_us));
    }
}

bool batch_connect(struct batch *batch)
{
    int64_t           limit_ms = conf_int(batch->conf, "deadline_ms");
    int64_t           until_us;
    struct net_result result;

    if (limit_ms > BATCH_CONNECT_MS)
        limit_ms = BATCH_CONNECT_MS;
    until_us = batch_now_us(batch) + limit_ms * US_PER_MS;
    if (batch_await(batch, until_us, 0, 0, true, &result) == AWAITED_LIVE)
        return true;
    fault_set(&batch->fault, ERR_unreachable, NULL, "%s: %s", conf_text(batch->conf, "server"),
              batch->link.text[0] != '\0' ? batch->link.text : "Nobody answered in time");
    return batch_trouble_here(batch);
}

/* Long work has a time of its own; whoever gives up ends this program, and with it the work. */
bool batch_ask(struct batch *batch, enum op_index op, const void *body, struct net_result *out)
{
    bool     is_long = (op_rows[op].flags & OP_LONG) != 0;
    int64_t  limit_ms = is_long ? LIMIT_LONG_WORK_MS : conf_int(batch->conf, "deadline_ms");
    uint64_t ticket = net_request(batch->net, op, body, limit_ms, &batch->fault);

    if (ticket == 0)
        return batch_trouble_here(batch);
    /* net ends every ticket at its deadline, so this wait ends. */
    (void)batch_await(batch, INT64_MAX, ticket, 0, false, out);
    return out->kind == NET_REPLY ? true : batch_trouble(batch, out);
}
