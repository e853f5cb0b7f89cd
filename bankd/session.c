/* See session.h. Slots are few, so finding one is a walk over short hash chains of a small index;
 * failed logins live in a bounded cache that forgets the longest unused address. */
#include "bankd/session.h"

#include "bankd/cache.h"
#include "common/check.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum {
    INDEX_SLOTS = 4096,
    LOCK_FIRST_MS = 2000,
    LOCK_LAST_MS = 15 * 60 * 1000,
};
static_assert(LIMIT_SESSIONS_MAX * 4 <= INDEX_SLOTS, "the index must stay loose");

struct failures {
    int64_t count;
    int64_t last_us;
};

struct sessions {
    int64_t        idle_us;
    int64_t        absolute_us;
    size_t         count;
    uint64_t       serial;
    struct session slots[LIMIT_SESSIONS_MAX];
    uint16_t       index[INDEX_SLOTS]; /* 1 + slot; 0 = empty */
    struct cache  *failures;
    /* Of open sessions, by slot; empty = none. */
    pthread_mutex_t topics_lock;
    char            topics[LIMIT_SESSIONS_MAX][SESSION_TOPIC_MAX];
    uint8_t         hash_key[16];
};

enum err sessions_open(int64_t idle_us, int64_t absolute_us, struct sessions **out)
{
    struct sessions *sessions = calloc(1, sizeof *sessions);

    if (sessions == NULL)
        return ERR_memory;
    sessions->idle_us = idle_us;
    sessions->absolute_us = absolute_us;
    CHECK(pthread_mutex_init(&sessions->topics_lock, NULL) == 0);
    crypto_shorthash_keygen(sessions->hash_key);
    if (cache_open(LIMIT_LOGIN_TRACKED_MAX, sizeof(struct failures), NULL, &sessions->failures) !=
        ERR_none) {
        sessions_close(&sessions);
        return ERR_memory;
    }
    *out = sessions;
    return ERR_none;
}

void sessions_close(struct sessions **sessions)
{
    if (*sessions == NULL)
        return;
    cache_close(&(*sessions)->failures);
    pthread_mutex_destroy(&(*sessions)->topics_lock);
    sodium_memzero(*sessions, sizeof **sessions);
    free(*sessions);
    *sessions = NULL;
}

/* --- the index ------------------------------------------------------------------------------- */

static size_t index_start(const uint8_t hash[32])
{
    return ((size_t)hash[0] << 8 | hash[1]) % INDEX_SLOTS;
}

static void index_add(struct sessions *sessions, size_t slot)
{
    size_t i = index_start(sessions->slots[slot].token_hash);

    while (sessions->index[i] != 0)
        i = (i + 1) % INDEX_SLOTS;
    sessions->index[i] = (uint16_t)(slot + 1);
}

/* Taking one out of open addressing would break chains, so the small index is made anew. */
static void index_rebuild(struct sessions *sessions)
{
    memset(sessions->index, 0, sizeof sessions->index);
    for (size_t slot = 0; slot < LIMIT_SESSIONS_MAX; slot++)
        if (sessions->slots[slot].used)
            index_add(sessions, slot);
}

/* --- life ------------------------------------------------------------------------------------ */

static void set_topic(struct sessions *sessions, const struct session *session, const char *topic)
{
    size_t slot = (size_t)(session - sessions->slots);

    pthread_mutex_lock(&sessions->topics_lock);
    slice_copy(slice_from(topic), sessions->topics[slot], SESSION_TOPIC_MAX);
    pthread_mutex_unlock(&sessions->topics_lock);
}

static bool is_over(const struct sessions *sessions, const struct session *session, int64_t now_us)
{
    return now_us >= session->expires_us || now_us - session->seen_us >= sessions->idle_us;
}

void session_end(struct sessions *sessions, struct session *session)
{
    CHECK(session->used);
    set_topic(sessions, session, "");
    sodium_memzero(session, sizeof *session);
    sessions->count--;
    index_rebuild(sessions);
}

/* Ends the user's oldest session when there are too many, and finds a free slot. */
static struct session *free_slot(struct sessions *sessions, int64_t user, int64_t now_us)
{
    struct session *free_one = NULL;
    struct session *oldest = NULL;
    size_t          own = 0;

    for (size_t i = 0; i < LIMIT_SESSIONS_MAX; i++) {
        struct session *session = &sessions->slots[i];

        if (session->used && is_over(sessions, session, now_us))
            session_end(sessions, session);
        if (!session->used) {
            free_one = session;
        } else if (session->actor.user == user) {
            own++;
            if (oldest == NULL || session->seen_us < oldest->seen_us)
                oldest = session;
        }
    }
    if (own >= LIMIT_SESSIONS_PER_USER_MAX) {
        session_end(sessions, oldest);
        free_one = oldest;
    }
    return free_one;
}

enum err session_start(struct sessions *sessions, const struct actor *actor, const char *name,
                       int64_t now_us, uint8_t token[LIMIT_TOKEN_BYTES], struct session **out)
{
    struct session *session = free_slot(sessions, actor->user, now_us);
    uint8_t         topic[16];

    if (session == NULL)
        return ERR_busy;
    memset(session, 0, sizeof *session);
    randombytes_buf(token, LIMIT_TOKEN_BYTES);
    randombytes_buf(topic, sizeof topic);
    sodium_bin2hex(session->topic, sizeof session->topic, topic, sizeof topic);
    crypto_generichash(session->token_hash, sizeof session->token_hash, token, LIMIT_TOKEN_BYTES,
                       NULL, 0);
    session->used = true;
    session->actor = *actor;
    slice_copy(slice_from(name), session->name, sizeof session->name);
    session->created_us = now_us;
    session->seen_us = now_us;
    session->expires_us = now_us + sessions->absolute_us;
    session->serial = ++sessions->serial;
    sessions->count++;
    set_topic(sessions, session, session->topic);
    index_add(sessions, (size_t)(session - sessions->slots));
    *out = session;
    return ERR_none;
}

struct session *session_find(struct sessions *sessions, struct slice token, int64_t now_us)
{
    uint8_t hash[32];

    if (token.n != LIMIT_TOKEN_BYTES)
        return NULL;
    crypto_generichash(hash, sizeof hash, (const uint8_t *)token.at, token.n, NULL, 0);
    for (size_t i = index_start(hash); sessions->index[i] != 0; i = (i + 1) % INDEX_SLOTS) {
        struct session *session = &sessions->slots[sessions->index[i] - 1];

        if (sodium_memcmp(session->token_hash, hash, sizeof hash) != 0)
            continue;
        if (is_over(sessions, session, now_us)) {
            session_end(sessions, session);
            return NULL;
        }
        session->seen_us = now_us;
        return session;
    }
    return NULL;
}

bool session_fits(const struct session *session, bool disabled, uint32_t role,
                  const uint8_t password_mark[AUTH_MARK_BYTES])
{
    return !disabled && role == session->actor.role &&
           sodium_memcmp(password_mark, session->password_mark, AUTH_MARK_BYTES) == 0;
}

bool sessions_have_topic(struct sessions *sessions, struct slice topic)
{
    bool found = false;

    pthread_mutex_lock(&sessions->topics_lock);
    for (size_t i = 0; topic.n > 0 && i < LIMIT_SESSIONS_MAX && !found; i++)
        found = slice_is(topic, sessions->topics[i]);
    pthread_mutex_unlock(&sessions->topics_lock);
    return found;
}

size_t sessions_count(const struct sessions *sessions)
{
    return sessions->count;
}

int64_t sessions_idle_us(const struct sessions *sessions)
{
    return sessions->idle_us;
}

void sessions_each(struct sessions *sessions, int64_t                           now_us,
                   void (*visit)(void *context, struct session *session), void *context)
{
    for (size_t i = 0; i < LIMIT_SESSIONS_MAX; i++) {
        struct session *session = &sessions->slots[i];

        if (session->used && is_over(sessions, session, now_us))
            session_end(sessions, session);
        if (session->used)
            visit(context, session);
    }
}

/* --- failed logins --------------------------------------------------------------------------- */

static int64_t failure_key(const struct sessions *sessions, struct slice email)
{
    char    lower[LIMIT_EMAIL_MAX + 1];
    uint8_t out[8];
    int64_t key;

    slice_copy(email, lower, sizeof lower);
    for (char *c = lower; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    crypto_shorthash(out, (const uint8_t *)lower, strlen(lower), sessions->hash_key);
    memcpy(&key, out, sizeof key);
    return key;
}

int64_t login_wait_ms(struct sessions *sessions, struct slice email, int64_t now_us)
{
    struct failures *failures = cache_get(sessions->failures, failure_key(sessions, email));
    int64_t          wait_ms = LOCK_FIRST_MS;

    cache_unpin_all(sessions->failures);
    if (failures == NULL || failures->count < LIMIT_LOGIN_FAILURES_MAX)
        return 0;
    for (int64_t i = LIMIT_LOGIN_FAILURES_MAX; i < failures->count && wait_ms < LOCK_LAST_MS; i++)
        wait_ms *= 2;
    if (wait_ms > LOCK_LAST_MS)
        wait_ms = LOCK_LAST_MS;
    wait_ms -= (now_us - failures->last_us) / US_PER_MS;
    return wait_ms > 0 ? wait_ms : 0;
}

void login_failed(struct sessions *sessions, struct slice email, int64_t now_us)
{
    int64_t          key = failure_key(sessions, email);
    struct failures *failures = cache_get(sessions->failures, key);

    if (failures == NULL)
        failures = cache_put(sessions->failures, key);
    cache_unpin_all(sessions->failures);
    CHECK(failures != NULL); /* nothing is kept and nothing stays pinned */
    if (now_us - failures->last_us > US_PER_HOUR)
        failures->count = 0;
    failures->count++;
    failures->last_us = now_us;
}

void login_succeeded(struct sessions *sessions, struct slice email)
{
    struct failures *failures = cache_get(sessions->failures, failure_key(sessions, email));

    cache_unpin_all(sessions->failures);
    if (failures != NULL)
        failures->count = 0;
}
