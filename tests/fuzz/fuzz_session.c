/* Fuzzes the life of sessions: the input is a row of commands (log in, ask, log out, wait, fail,
 * become another, look around), done to the real sessions behind the real gates (bankd/gate.h) and
 * to a plain model beside them.
 *
 * No token may be taken after its logout, its end, its user's disabling or another role or
 * password; nobody may do what the role does not allow; an address that failed too often waits, and
 * no longer than a quarter of an hour; the tables stay within their limits. Seeds are in
 * tests/fuzz/corpus/fuzz_session. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "bankd/gate.h"
#include "common/check.h"
#include "common/clock.h"

enum {
    USERS = 40,
    TOKENS = LIMIT_SESSIONS_MAX + 64, /* of one input */
    COMMANDS = 200,                   /* of one input */
    FLOODS = 2,
    ADDRESSES = 8,
    FLOOD = 2100, /* addresses at once: two floods fill the table */
    LOCK_MS_MAX = 15 * 60 * 1000,
};

static const int64_t idle_us = INT64_C(1800) * US_PER_SECOND;
static const int64_t absolute_us = INT64_C(12) * US_PER_HOUR;

struct person {
    enum role role;
    bool      disabled;
    uint8_t   mark[AUTH_MARK_BYTES];
};

struct known {
    uint8_t   token[LIMIT_TOKEN_BYTES];
    char      topic[SESSION_TOPIC_MAX];
    int       user;
    enum role role;
    int64_t   seen_us, began_us;
    bool      ended;
};

struct failing {
    int64_t count, last_us;
};

struct life {
    struct sessions *sessions;
    int64_t          now_us;
    struct person    people[USERS];
    struct known     known[TOKENS];
    size_t           count;
    struct failing   failing[ADDRESSES];
    int              floods; /* after one the table may have forgotten addresses */
    bool             stopping;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool is_open(const struct life *life, const struct known *known)
{
    return !known->ended && life->now_us - known->seen_us < idle_us &&
           life->now_us - known->began_us < absolute_us;
}

static size_t count_open(const struct life *life)
{
    size_t count = 0;

    for (size_t i = 0; i < life->count; i++)
        count += is_open(life, &life->known[i]);
    return count;
}

/* --- commands -------------------------------------------------------------------------------- */

/* The user's session that was not used for longest, when there are too many. */
static void end_oldest(struct life *life, int user)
{
    struct known *oldest = NULL;
    size_t        own = 0;

    for (size_t i = 0; i < life->count; i++) {
        struct known *known = &life->known[i];

        if (known->user != user || !is_open(life, known))
            continue;
        own++;
        if (oldest == NULL || known->seen_us < oldest->seen_us)
            oldest = known;
    }
    if (own >= LIMIT_SESSIONS_PER_USER_MAX)
        oldest->ended = true;
}

static void log_in(struct life *life, int user)
{
    struct known   *known = &life->known[life->count];
    struct actor    actor = { .user = user + 1, .role = life->people[user].role };
    struct session *session;
    enum err        err;

    if (life->people[user].disabled || life->count == TOKENS)
        return;
    life->now_us++;
    end_oldest(life, user);
    err = session_start(life->sessions, &actor, "Somebody", life->now_us, known->token, &session);
    CHECK(err == ERR_none || (err == ERR_busy && count_open(life) == LIMIT_SESSIONS_MAX));
    if (err != ERR_none)
        return;
    memcpy(session->password_mark, life->people[user].mark, sizeof session->password_mark);
    memcpy(known->topic, session->topic, sizeof known->topic);
    known->user = user;
    known->role = actor.role;
    known->seen_us = life->now_us;
    known->began_us = life->now_us;
    known->ended = false;
    life->count++;
}

/* A request by its token, which may be spoiled, through the gates. */
static void ask(struct life *life, size_t which, size_t op, int spoil)
{
    uint8_t                 token[LIMIT_TOKEN_BYTES + 1] = { 0 };
    struct known           *known = life->count > 0 ? &life->known[which % life->count] : NULL;
    struct request_envelope envelope = { .id = 1 };
    struct gate_pass        pass;
    struct fault            fault = { 0 };
    const struct op_row    *row = &op_rows[op % OP_INDEX_count];
    size_t                  n = spoil == 1 ? sizeof token : spoil == 2 ? 0 : LIMIT_TOKEN_BYTES;
    enum err                err, wanted = ERR_none;

    life->now_us++; /* no two were used at the same time */
    if (known != NULL)
        memcpy(token, known->token, LIMIT_TOKEN_BYTES);
    if (spoil == 3)
        token[which % LIMIT_TOKEN_BYTES] ^= 1;
    envelope.token = slice_of((const char *)token, n);
    envelope.op = spoil == 4 ? slice_from("session.nothing") : slice_from(row->name);
    err = gate_check(life->sessions, &envelope, life->stopping, life->now_us, &pass, &fault);
    if (spoil == 4)
        wanted = ERR_operation_unknown;
    else if (life->stopping)
        wanted = ERR_shutting_down;
    else if ((row->flags & OP_OPEN) != 0)
        wanted = ERR_none;
    else if (n == 0)
        wanted = ERR_login_required;
    else if (known == NULL || spoil != 0 || !is_open(life, known))
        wanted = ERR_session_invalid;
    else if ((row->roles & known->role) == 0)
        wanted = ERR_role_denied;
    CHECK(err == wanted);
    CHECK(pass.session == NULL || err == ERR_none || err == ERR_role_denied);
    if (pass.session == NULL)
        return;
    CHECK(pass.session->actor.user == known->user + 1 && pass.session->actor.role == known->role);
    known->seen_us = life->now_us;
}

static void log_out(struct life *life, size_t which)
{
    struct known   *known = life->count > 0 ? &life->known[which % life->count] : NULL;
    struct session *session;

    if (known == NULL)
        return;
    session = session_find(life->sessions,
                           slice_of((const char *)known->token, sizeof known->token), life->now_us);
    CHECK((session != NULL) == is_open(life, known));
    if (session != NULL)
        session_end(life->sessions, session);
    known->ended = true;
}

static struct slice address(int i, char text[32])
{
    snprintf(text, 32, "%s%d@bank.test", i % 2 == 0 ? "ann" : "ANN", i);
    return slice_from(text);
}

static void fail(struct life *life, int i, bool right)
{
    struct failing *failing = &life->failing[i];
    char            text[32];
    struct slice    email = address(i, text);
    int64_t         wait_ms = login_wait_ms(life->sessions, email, life->now_us);

    CHECK(wait_ms >= 0 && wait_ms <= LOCK_MS_MAX);
    if (life->floods == 0) {
        CHECK(wait_ms == 0 || failing->count >= LIMIT_LOGIN_FAILURES_MAX);
        CHECK(wait_ms > 0 || failing->count < LIMIT_LOGIN_FAILURES_MAX ||
              life->now_us > failing->last_us);
    }
    if (wait_ms > 0)
        return; /* nobody gets as far as the password */
    if (right) {
        login_succeeded(life->sessions, email);
        failing->count = 0;
        CHECK(login_wait_ms(life->sessions, email, life->now_us) == 0);
        return;
    }
    login_failed(life->sessions, email, life->now_us);
    if (life->now_us - failing->last_us > US_PER_HOUR)
        failing->count = 0;
    failing->count++;
    failing->last_us = life->now_us;
    wait_ms = login_wait_ms(life->sessions, email, life->now_us);
    CHECK(life->floods > 0 || (wait_ms > 0) == (failing->count >= LIMIT_LOGIN_FAILURES_MAX));
}

static void flood(struct life *life, uint8_t from)
{
    char text[32];

    for (int i = 0; i < FLOOD; i++) {
        snprintf(text, sizeof text, "%d.%d@flood.test", from, i);
        login_failed(life->sessions, slice_from(text), life->now_us);
    }
    life->floods++;
}

static void check_person(void *context, struct session *session)
{
    struct life         *life = context;
    const struct person *person = &life->people[session->actor.user - 1];

    if (!session_fits(session, person->disabled, person->role, person->mark))
        session_end(life->sessions, session);
}

/* What operators do by commands of their own, and the server notices. */
static void become(struct life *life, int user, uint8_t what)
{
    static const enum role roles[] = { ROLE_FRAUD_ANALYST, ROLE_FINANCIAL_MANAGER,
                                       ROLE_COMPLIANCE_OFFICER };
    struct person         *person = &life->people[user];
    struct person          before = *person;

    if (what % 3 == 0)
        person->disabled = !person->disabled;
    else if (what % 3 == 1)
        person->role = roles[what / 3 % ARRAY_COUNT(roles)];
    else
        person->mark[0] = what;
    sessions_each(life->sessions, life->now_us, check_person, life);
    for (size_t i = 0; i < life->count; i++)
        if (life->known[i].user == user && memcmp(&before, person, sizeof before) != 0 &&
            (person->disabled || before.role != person->role || what % 3 == 2))
            life->known[i].ended = true;
}

static void count_session(void *context, struct session *session)
{
    CHECK(session->used);
    ++*(size_t *)context;
}

static void look_around(struct life *life)
{
    size_t visited = 0;

    sessions_each(life->sessions, life->now_us, count_session, &visited);
    CHECK(visited == count_open(life) && sessions_count(life->sessions) == visited);
    for (size_t i = 0; i < life->count; i++) {
        bool has = sessions_have_topic(life->sessions, slice_from(life->known[i].topic));

        CHECK(has == is_open(life, &life->known[i]));
    }
}

/* Three bytes: what, and how. */
static void command(struct life *life, const uint8_t *bytes)
{
    size_t which = (size_t)bytes[1] << 8 | bytes[2];

    switch (bytes[0] % 10) {
    case 0:
        log_in(life, bytes[1] % USERS);
        break;
    case 1:
        ask(life, which, which / 7, 0);
        break;
    case 2:
        ask(life, which, which / 5, bytes[0] / 10 % 5);
        break;
    case 3:
        log_out(life, which);
        break;
    case 4:
        life->now_us += (int64_t)which * US_PER_SECOND;
        break;
    case 5:
        life->now_us += (int64_t)which * US_PER_MS;
        break;
    case 6:
        fail(life, bytes[1] % ADDRESSES, bytes[2] % 4 == 0);
        break;
    case 7:
        become(life, bytes[1] % USERS, bytes[2]);
        break;
    case 8:
        for (int i = 0; i < bytes[2] % 48; i++)
            log_in(life, (bytes[1] + i / 32) % USERS);
        break;
    case 9:
        if (bytes[1] == 0 && life->floods < FLOODS)
            flood(life, bytes[2]);
        else if (bytes[1] > 0)
            life->stopping = bytes[1] < 8;
        break;
    }
    CHECK(sessions_count(life->sessions) <= LIMIT_SESSIONS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct life life;

    CHECK(sodium_init() >= 0);
    memset(&life, 0, sizeof life);
    CHECK(sessions_open(idle_us, absolute_us, &life.sessions) == ERR_none);
    for (int i = 0; i < USERS; i++)
        life.people[i].role = i % 3 == 0   ? ROLE_FRAUD_ANALYST
                              : i % 3 == 1 ? ROLE_FINANCIAL_MANAGER
                                           : ROLE_COMPLIANCE_OFFICER;
    life.now_us = US_PER_SECOND;
    for (size_t at = 0; at + 3 <= n && at < 3 * COMMANDS; at += 3)
        command(&life, data + at);
    look_around(&life);
    sessions_close(&life.sessions);
    return 0;
}
