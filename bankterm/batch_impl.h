/* What the files of `bankterm run` share: batch.c leads, batch_words.c makes the request,
 * batch_ask.c asks and tells trouble, batch_outcome.c finds out what became of a change.
 *
 * A step returns false when it failed; it has then told why and set the exit code, and the steps
 * behind it are left out. */
#ifndef BANKTERM_BATCH_IMPL_H
#define BANKTERM_BATCH_IMPL_H

#include "bankterm/net.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/conf.h"
#include "common/err.h"
#include "proto/proto.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BATCH_ARENA = 3 * LIMIT_MESSAGE_LARGE_MAX,
    BATCH_REQUEST_MAX = 1024, /* of a request's struct */
    BATCH_AMOUNTS_MAX = 8,
    BATCH_CONNECT_MS = 3000,
};

/* An amount whose decimals are not known yet. */
struct amount {
    struct slice name;
    struct slice text;
};

struct batch {
    const struct conf   *conf;
    struct clock        *clock;
    struct net          *net;
    enum op_index        op;
    const struct op_row *row;
    struct arena         arena;
    void                *request;
    struct amount        amounts[BATCH_AMOUNTS_MAX];
    size_t               amount_count;
    char                 email[LIMIT_EMAIL_MAX + 1];
    char                 password[LIMIT_PASSWORD_MAX + 1];
    bool                 may_log_in; /* address and password are known */
    bool                 id_made;    /* the request's id was made here */
    bool                 keep;       /* the session outlives this program */
    struct fault         link;       /* why there is no connection */
    struct fault         fault;      /* of the step that failed */
    int                  exit_code;
};

/* Trouble: told on standard error, its class becomes the exit code. Each returns false, good only
 * when err is one. */
bool batch_trouble(struct batch *batch, const struct net_result *result);
bool batch_trouble_here(struct batch *batch); /* batch->fault */
bool batch_good(struct batch *batch, enum err err);

/* A text of the server on standard error, without anything that moves a terminal. */
void batch_say_escaped(struct slice text);

enum awaited { AWAITED_RESULT, AWAITED_LIVE, AWAITED_TIME };

int64_t batch_now_us(const struct batch *batch); /* monotonic */
bool    batch_connect(struct batch *batch);
/* Waits for the end of one of two tickets (0 = none), for a live connection when that is wanted,
 * or for a moment. */
enum awaited batch_await(struct batch *batch, int64_t until_us, uint64_t first, uint64_t second,
                         bool live, struct net_result *out);
/* Asks and waits for the end, which the option `deadline_ms` brings at the latest. A reply's body
 * is valid until the next question. */
bool batch_ask(struct batch *batch, enum op_index op, const void *body, struct net_result *out);

/* The request from the words of the command line, but for amounts whose decimals the server must
 * tell; those are set when there is a session. */
bool batch_read_words(struct batch *batch, int argc, char **argv);
bool batch_set_amounts(struct batch *batch);

bool batch_write_reply(struct batch *batch, const void *body);

/* A change whose outcome can be looked up: its answer may stay away past the deadline, but then
 * the search begins. */
bool batch_can_look_up(enum op_index op);
bool batch_change(struct batch *batch);

#endif
