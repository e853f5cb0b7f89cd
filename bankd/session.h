/* Sessions and failed logins. Tokens are random and kept only as BLAKE2b hashes; topics for
 * events are random too. One owner: the server's thread; only sessions_have_topic is for all.
 *
 * A session ends after `idle_us` without a request, at its absolute end, at logout, when its user
 * is disabled or gets another role or password, or when the user opens more than
 * LIMIT_SESSIONS_PER_USER_MAX (the oldest goes).
 * All times are of a clock that never goes back (clock->monotonic_us), so that nobody who sets the
 * machine's clock ends sessions or lengthens them.
 * Failed logins are counted by address, known or not: from LIMIT_LOGIN_FAILURES_MAX on, each
 * further one doubles the wait, up to a quarter of an hour; the answer never tells whether the
 * address exists. */
#ifndef BANKD_SESSION_H
#define BANKD_SESSION_H

#include "bankd/auth.h"
#include "bankd/request.h"

enum { SESSION_TOPIC_MAX = 33 };

struct session {
    bool         used;
    uint8_t      token_hash[32];
    struct actor actor;
    char         name[LIMIT_NAME_MAX + 1];
    uint8_t      password_mark[AUTH_MARK_BYTES];
    char         topic[SESSION_TOPIC_MAX];
    int64_t      created_us;
    int64_t      seen_us;
    int64_t      expires_us;
    int64_t      expires_at_us; /* the same by the clock on the wall, to be told; the server's */
    uint64_t     serial;        /* tells a new session in an old slot */
};

struct sessions;

ERR_MUST_USE enum err sessions_open(int64_t idle_us, int64_t absolute_us, struct sessions **out);
void                  sessions_close(struct sessions **sessions);

/* Makes a session; writes the token for the client. ERR_busy when every slot is taken. */
ERR_MUST_USE enum err session_start(struct sessions *sessions, const struct actor *actor,
                                    const char *name, int64_t now_us,
                                    uint8_t token[LIMIT_TOKEN_BYTES], struct session **out);
/* The session of a token, counted as used now; NULL when there is none or it has ended. */
struct session *session_find(struct sessions *sessions, struct slice token, int64_t now_us);
/* Whether the session is still its user's: enabled, of the same role and password. */
bool            session_fits(const struct session *session, bool disabled, uint32_t role,
                             const uint8_t password_mark[AUTH_MARK_BYTES]);
/* Whether a session with this topic is open. The one call that any thread may make. */
bool            sessions_have_topic(struct sessions *sessions, struct slice topic);
void            session_end(struct sessions *sessions, struct session *session);
size_t          sessions_count(const struct sessions *sessions);
int64_t         sessions_idle_us(const struct sessions *sessions);
/* Visits every open session; ends those whose time is over first. */
void sessions_each(struct sessions *sessions, int64_t                           now_us,
                   void (*visit)(void *context, struct session *session), void *context);

/* 0 = may try; else milliseconds to wait. */
int64_t login_wait_ms(struct sessions *sessions, struct slice email, int64_t now_us);
void    login_failed(struct sessions *sessions, struct slice email, int64_t now_us);
void    login_succeeded(struct sessions *sessions, struct slice email);

#endif
