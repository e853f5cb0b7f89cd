/* See unread.h. Sessions share 4,096 measures by their serials, of which a quarter can be open. */
#include "bankd/unread.h"

#include "common/limits.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { SESSIONS = 4 * LIMIT_SESSIONS_MAX };

struct copy {
    _Atomic int64_t *connection;
    _Atomic int64_t *session; /* NULL = it is counted for the connection alone */
    int64_t          n;
    uint8_t          bytes[];
};

/* Room that was taken at the start, for the answers of an hour without memory. */
struct spare {
    atomic_bool taken;
    union {
        struct copy copy;
        uint8_t     room[sizeof(struct copy) + LIMIT_UNREAD_SPARE_BYTES];
    } as;
};

struct connection {
    _Atomic int64_t large; /* counted for the session */
    _Atomic int64_t own;   /* counted for nobody else */
};

struct unread {
    int               files_max;
    _Atomic int64_t   all;
    _Atomic int64_t   sessions[1 + SESSIONS]; /* of none, and of each */
    struct spare      spares[LIMIT_UNREAD_SPARES];
    struct connection connections[];
};

enum err unread_open(int files_max, struct unread **out)
{
    size_t n = sizeof(struct connection) * (size_t)files_max;

    *out = calloc(1, sizeof **out + n);
    if (*out == NULL)
        return ERR_memory;
    (*out)->files_max = files_max;
    return ERR_none;
}

void unread_close(struct unread **unread)
{
    free(*unread);
    *unread = NULL;
}

static size_t place_of_session(uint64_t session)
{
    return session == 0 ? 0 : 1 + session % SESSIONS;
}

static size_t place_of_file(const struct unread *unread, int file)
{
    return file < 0 || file >= unread->files_max ? 0 : (size_t)file;
}

/* Whose measure has room for so many bytes; false = nobody's. */
static bool find_room(struct unread *unread, uint64_t session, int file, bool must_go,
                      struct copy *copy)
{
    struct connection *connection = &unread->connections[place_of_file(unread, file)];
    _Atomic int64_t   *of_session = &unread->sessions[place_of_session(session)];
    int64_t            own = atomic_load(&connection->own);

    if (atomic_load(of_session) + copy->n <= LIMIT_UNREAD_BYTES_MAX &&
        atomic_load(&unread->all) + copy->n <= LIMIT_UNREAD_ALL_BYTES_MAX) {
        copy->connection = &connection->large;
        copy->session = of_session;
        return true;
    }
    copy->connection = &connection->own;
    copy->session = NULL;
    return must_go ? own < LIMIT_UNREAD_OWN_BYTES_MAX : own + copy->n <= LIMIT_UNREAD_OWN_BYTES_MAX;
}

/* Room for a copy where malloc has none; NULL = it is too long, or all of it is in use. */
static struct copy *take_spare(struct unread *unread, size_t n)
{
    if (n > sizeof unread->spares[0].as.room)
        return NULL;
    for (size_t i = 0; i < LIMIT_UNREAD_SPARES; i++)
        if (!atomic_exchange(&unread->spares[i].taken, true))
            return &unread->spares[i].as.copy;
    return NULL;
}

static void give_room_back(struct unread *unread, struct copy *copy)
{
    uintptr_t first = (uintptr_t)unread->spares;
    uintptr_t at = (uintptr_t)copy;

    if (at >= first && at < first + sizeof unread->spares)
        atomic_store(&unread->spares[(at - first) / sizeof unread->spares[0]].taken, false);
    else
        free(copy);
}

void *unread_make(struct unread *unread, uint64_t session, int file, bool must_go,
                  const struct buf *reply)
{
    struct copy  room = { .n = (int64_t)(sizeof(struct copy) + reply->n) };
    struct copy *copy;

    if (!find_room(unread, session, file, must_go, &room))
        return NULL;
    copy = malloc((size_t)room.n);
    if (copy == NULL)
        copy = take_spare(unread, (size_t)room.n);
    if (copy == NULL)
        return NULL;
    *copy = room;
    memcpy(copy->bytes, reply->at, reply->n);
    atomic_fetch_add(copy->connection, copy->n);
    if (copy->session != NULL)
        atomic_fetch_add(copy->session, copy->n);
    atomic_fetch_add(&unread->all, copy->session != NULL ? copy->n : 0); /* always: the last word */
    return copy->bytes;
}

void unread_forget(void *bytes, void *context)
{
    struct unread *unread = context;
    struct copy   *copy = (void *)((char *)bytes - offsetof(struct copy, bytes));

    (void)atomic_load(&unread->all); /* sees everything that was written before it was counted */
    atomic_fetch_sub(copy->connection, copy->n);
    if (copy->session != NULL) {
        atomic_fetch_sub(copy->session, copy->n);
        atomic_fetch_sub(&unread->all, copy->n);
    }
    give_room_back(unread, copy);
}

bool unread_is_deaf(const struct unread *unread, uint64_t session, int file)
{
    const struct connection *connection = &unread->connections[place_of_file(unread, file)];

    return atomic_load(&connection->large) >= LIMIT_UNREAD_DEAF_BYTES &&
           atomic_load(&unread->sessions[place_of_session(session)]) >= LIMIT_UNREAD_BYTES_MAX / 2;
}
