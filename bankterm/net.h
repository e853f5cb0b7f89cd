/* The terminal's connection to bankd: one DEALER for requests, one SUB for events, on the user's
 * own thread, never blocking.
 *
 * Use it like this: net_open; poll net_fd together with the terminal, no longer than until
 * net_next_wakeup_us; call net_pump until it returns false; repeat; net_close. A connection that
 * is lost comes back by itself: back-off with a cap and jitter, never an end to the attempts.
 *
 * Each request has a deadline and ends in exactly one NET_REPLY or NET_FAILURE, unless it was
 * cancelled. A request that was sent and whose answer did not come fails with outcome_unknown
 * when it could have changed something, else with deadline or unreachable; it is never sent again
 * by itself. Answers to requests that are no longer waited for are dropped.
 *
 * Events may be missed while the connection is down: ask for fresh data when it is live again.
 * Everything is bounded: requests in flight, bytes of a reply, memory of its decoding. */
#ifndef BANKTERM_NET_H
#define BANKTERM_NET_H

#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "proto/proto.h"

#include <stdbool.h>
#include <stdint.h>

struct net;

/* CONNECTING: an attempt is under way. LIVE: requests can be sent and the server answers. STALE:
 * connected, but the server has been silent for seconds although it was asked. WAITING: not
 * connected; the next attempt is in net_retry_in_ms. */
enum net_state { NET_CONNECTING, NET_LIVE, NET_STALE, NET_WAITING };

struct net_config {
    const char   *server;          /* ipc://PATH or tcp://HOST:PORT */
    const char   *server_key_file; /* its public key in Z85; required for tcp, else NULL or "" */
    struct clock *clock;
    bool          without_events; /* for programs that ask a thing or two and leave */
};

/* Starts connecting; copies what it needs of the configuration. */
ERR_MUST_USE enum err net_open(const struct net_config *config, struct net **out,
                               struct fault *fault);
void net_close(struct net **net); /* at once, also with requests in flight */

/* Readable (level-triggered) when net_pump has something to do. */
int     net_fd(const struct net *net);
int64_t net_next_wakeup_us(const struct net *net); /* monotonic; INT64_MAX when there is no timer */

/* Checks, encodes and sends; `body` is the operation's request struct and may go away afterwards.
 * Returns a ticket > 0, or 0 when it was not sent (fault says why: not connected, too many in
 * flight, a wrong field); then nothing more is heard of it. */
uint64_t net_request(struct net *net, enum op_index op, const void *body, int64_t deadline_ms,
                     struct fault *fault);
/* The user lost interest: its answer will be dropped. What it does on the server is done. */
void net_cancel(struct net *net, uint64_t ticket);

enum net_kind {
    NET_REPLY,   /* ticket, op, body */
    NET_FAILURE, /* ticket, op, fault, class, name, what, not_done, next */
    NET_EVENT,   /* event, body */
    NET_STATE,   /* net_state or net_logged_in may have changed; fault says why, if it is known */
};

/* One thing that happened. body and texts are valid until the next net_pump. */
struct net_result {
    enum net_kind    kind;
    uint64_t         ticket;
    enum op_index    op;
    enum event_index event;
    const void      *body; /* the operation's reply struct or the event's message struct */
    struct fault     fault;
    enum err_class   class;
    char             name[48]; /* of the error, also one that only the server knows */
    char             what[160];
    char             next[200];
    char             not_done[160];
};

/* The next thing that happened; false when there is nothing more for now. */
bool net_pump(struct net *net, struct net_result *out);

enum net_state net_state(const struct net *net);
const char    *net_state_text(enum net_state state);
/* Wall clock: up to when the server is known to have been there; 0 when it never was. */
int64_t net_last_heard_us(const struct net *net);
int64_t net_retry_in_ms(const struct net *net); /* 0 unless NET_WAITING */
/* Do not wait for the back-off: try now. */
void net_retry_now(struct net *net);

/* The session. A successful session.login reply gives net the token, which then goes with every
 * request, and the event topic, which it subscribes to. session.logout, an answer session_invalid
 * and the event `session` make net forget it; the program is told by NET_STATE. */
bool        net_logged_in(const struct net *net);
enum role   net_role(const struct net *net); /* ROLE_NONE without a session */
const char *net_user(const struct net *net); /* address; "" without a session */
const char *net_user_name(const struct net *net);
void        net_forget_session(struct net *net);
/* For the end of a program: logs out if there is a session, and waits for that at most so long. */
void net_log_out(struct net *net, int64_t limit_ms);
/* Takes up a session of an earlier login by its token; without events and role. */
void net_use_token(struct net *net, const uint8_t token[LIMIT_TOKEN_BYTES]);

#endif
