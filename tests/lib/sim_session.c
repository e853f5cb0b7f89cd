/* Sessions in the simulation (sim.h): the bank's door, as server.c keeps it, and what must be true
 * of it. A session is its user's until nothing was asked for so long, until its absolute end, or
 * until its logout is durable, and a crash ends all of them; whoever gave too many wrong passwords
 * waits, each time longer; and nobody does what another role may. */
#include "tests/lib/sim_impl.h"

#include <string.h>

#include "common/check.h"

/* Short, so that both ends come as often as a night or a crash. */
enum { IDLE_S = 1800, ABSOLUTE_S = 2700, LOCK_FIRST_S = 2, LOCK_LAST_S = 900 };

void sim_sessions_open(struct sim *sim)
{
    CHECK(sessions_open(IDLE_S * US_PER_SECOND, ABSOLUTE_S * US_PER_SECOND, &sim->sessions) ==
          ERR_none);
    memset(sim->session_models, 0, sizeof sim->session_models);
    memset(sim->logins, 0, sizeof sim->logins);
}

/* --- what must be true ----------------------------------------------------------------------- */

static bool is_open(const struct sim *sim, const struct sim_session *session)
{
    return session->expires_us != 0 && sim->now_us < session->expires_us &&
           sim->now_us - session->seen_us < IDLE_S * US_PER_SECOND;
}

static struct sim_session *find(struct sim *sim, struct slice token)
{
    for (size_t i = 0; i < SIM_SESSIONS_MAX; i++) {
        struct sim_session *session = &sim->session_models[i];

        if (is_open(sim, session) &&
            slice_equal(token, slice_of((const char *)session->token, sizeof session->token)))
            return session;
    }
    return NULL;
}

void sim_session_check(struct sim *sim, const struct request_envelope *envelope, enum err err)
{
    const struct op_row *op = op_find(envelope->op);
    struct sim_session  *session = find(sim, envelope->token);

    if ((op->flags & OP_OPEN) != 0) {
        SIM_REQUIRE(sim, err == ERR_none, "somebody may not even log in");
        return;
    }
    if (session == NULL) {
        SIM_REQUIRE(sim, err == ERR_session_invalid, "a session lives that has ended");
        return;
    }
    session->seen_us = sim->now_us;
    SIM_REQUIRE(sim, err != ERR_session_invalid, "a session has ended before its time");
    SIM_REQUIRE(sim,
                (err == ERR_role_denied) == ((op->roles & sim->users[session->user].role) == 0),
                "somebody may do what another role may, or may not do what her own may");
    sim->figures.denied += err == ERR_role_denied;
}

static void remember(struct sim *sim, int user, const uint8_t token[LIMIT_TOKEN_BYTES])
{
    struct sim_session *session = sim->session_models;

    while (session < sim->session_models + SIM_SESSIONS_MAX && is_open(sim, session))
        session++;
    CHECK(session < sim->session_models + SIM_SESSIONS_MAX);
    *session = (struct sim_session){ .user = user,
                                     .seen_us = sim->now_us,
                                     .expires_us = sim->now_us + ABSOLUTE_S * US_PER_SECOND };
    memcpy(session->token, token, sizeof session->token);
    sim->figures.sessions++;
}

static bool is_locked(const struct sim *sim, int user)
{
    const struct sim_logins *logins = &sim->logins[user];
    int64_t                  lock_s = LOCK_FIRST_S;

    if (logins->failures < LIMIT_LOGIN_FAILURES_MAX)
        return false;
    for (int64_t i = LIMIT_LOGIN_FAILURES_MAX; i < logins->failures && lock_s < LOCK_LAST_S; i++)
        lock_s *= 2;
    lock_s = lock_s < LOCK_LAST_S ? lock_s : LOCK_LAST_S;
    return (sim->now_us - logins->last_us) / US_PER_MS < lock_s * 1000;
}

/* --- the door -------------------------------------------------------------------------------- */

static enum err check_password(struct sim *sim, int user, struct slice password)
{
    struct slice email = slice_from(sim->users[user].email);
    bool         locked = login_wait_ms(sim->sessions, email, sim->now_us) > 0;

    SIM_REQUIRE(sim, locked == is_locked(sim, user),
                "an address is locked that must not be, or the other way round");
    if (locked)
        return ERR_login_locked;
    if (slice_is(password, SIM_PASSWORD)) {
        sim->logins[user].failures = 0;
        login_succeeded(sim->sessions, email);
        return ERR_none;
    }
    if (sim->now_us - sim->logins[user].last_us > US_PER_HOUR)
        sim->logins[user].failures = 0;
    sim->logins[user].failures++;
    sim->logins[user].last_us = sim->now_us;
    login_failed(sim->sessions, email, sim->now_us);
    return ERR_login_failed;
}

enum err sim_session_start(struct sim *sim, struct sim_job *job)
{
    const struct msg_session_login *in = job->in;
    struct msg_session              out = { .idle_seconds = IDLE_S, .server_time = sim->now_us };
    struct session                 *session;
    uint8_t                         token[LIMIT_TOKEN_BYTES];
    int                             user = in->email.at[4] - '0';

    CHECK(user >= 0 && user < SIM_USERS);
    TRY(check_password(sim, user, in->password));
    SIM_REQUIRE(sim,
                session_start(sim->sessions, &sim->users[user], "User", sim->now_us, token,
                              &session) == ERR_none,
                "a session cannot be opened");
    remember(sim, user, token);
    out.user_id = sim->users[user].user_id;
    out.email = slice_from(sim->users[user].email);
    out.name = slice_from("User");
    out.role = slice_from(role_find(sim->users[user].role)->name);
    out.expires_at = session->expires_us;
    MSG_SET(&out, session, token, slice_of((const char *)token, sizeof token));
    buf_clear(&job->reply);
    CHECK(reply_encode(job->envelope.id, &message_session, &out, &job->reply) == ERR_none);
    return ERR_none;
}

void sim_session_end(struct sim *sim, const struct sim_job *job)
{
    struct sim_session *model = find(sim, job->envelope.token);
    struct session     *session = session_find(sim->sessions, job->envelope.token, sim->now_us);

    if (model != NULL)
        *model = (struct sim_session){ 0 };
    if (session != NULL)
        session_end(sim->sessions, session);
    sim->figures.logouts++;
}
