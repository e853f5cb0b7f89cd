/* See guard.h. A connection is known by its own address: the socket that was accepted has the
 * address of the socket that listens. Between the look at a file and its shutdown nothing of ours
 * but the library's thread closes files; the worst that can happen is that somebody who has just
 * connected connects again.
 *
 * Freed memory must be seen to be free: blocks from 128 KiB on come from the kernel and go back
 * there (the allocator would otherwise raise that line by itself). Small ones the allocator keeps,
 * and does not tell which it could give back; so while the process is larger than when it was last
 * calm, it is asked again and again to give back what it has, and once more before anybody is cut
 * for it. To wait for a sign that a crowd has gone was wrong: one that comes and goes within a
 * second is never counted. */
#include "bankd/guard.h"

#include "common/check.h"
#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    WATCHED_MAX = 4,
    GUARD_PATH_MAX = sizeof((struct sockaddr_un *)0)->sun_path,
    KERNEL_BLOCK_BYTES = 128 * 1024,
    TRUST_US = 300 * 1000 * 1000,
    TRUST_AGAIN_US = 20 * 1000, /* looks at the socket no more often than this */
    TURNS = 16,
    MARK_FILE_BITS = 20,
    TRIM_AFTER_TICKS = 5,                /* the library lets go of a connection a little later */
    TRIM_WORTH_BYTES = 16 * 1024 * 1024, /* beyond the calm size */
    TRIM_REST_US = 5 * 1000 * 1000,
    SLOW_CUT_US = 10 * 1000 * 1000,
    POLL_FILES = 512,
    TRIM_AGAIN_US = 1000 * 1000, /* before somebody is blamed */
    HELPS_WITHIN_US = 5 * 1000 * 1000,
    HELP_BYTES = 4 * 1024 * 1024, /* the library takes apart thousands of connections */
    BLAME_WITHIN_US = 30 * 1000 * 1000,
};

struct watched {
    uint16_t port; /* 0 = a path */
    char     path[GUARD_PATH_MAX + 1];
};

/* Numbers of files are given again to others; the kernel's number of a socket is not. */
struct connection {
    int64_t  trusted_us; /* 0 = a stranger */
    uint64_t trusted_socket;
    uint64_t cut_socket; /* it was cut, and the library has not closed it yet */
    /* At an endpoint of events: */
    uint64_t topics_socket;
    int64_t  topics_us; /* since when they are counted */
    int      topics, topics_refused;
    int64_t  lost_us; /* since when it wants only what it may not have; 0 = not so */
    bool     is_open; /* the number was taken when it was looked at last */
};

struct guard {
    int     files_max;
    int     files_stay;
    int     turn; /* of those who have to go, when too many are in */
    int64_t turn_us;
    int     files;     /* that are open, as each was when it was looked at last */
    int     look_from; /* the next number to look at */
    int     statm;     /* /proc/self/statm */
    int64_t page_bytes;
    int64_t calm_bytes;
    int64_t bytes_max; /* beyond it no stranger is welcome, however slowly it grew */
    int64_t last_us, slow_cut_us;
    /* Since strangers were cut, and nobody else yet: */
    bool              waits_for_help;
    int64_t           helped_us;  /* the memory went down, or others of them came and were cut */
    int64_t           fell_us;    /* the memory went down ... */
    int64_t           fell_bytes; /* ... to this */
    int64_t           cut_bytes;
    int               trim_in; /* ticks after a cut; 0 = no cut */
    int64_t           trim_us; /* the last one */
    size_t            watched_count;
    struct watched    watched[WATCHED_MAX];
    pthread_mutex_t   lock; /* of the connections */
    struct connection connections[];
};

/* A sanitizer keeps freed memory and adds its own, so under one the figure says nothing. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool memory_is_known = false;
#else
static const bool memory_is_known = true;
#endif

/* Memory of the process that no file stands behind; -1 = unknown. */
static int64_t memory_bytes(const struct guard *guard)
{
    char    text[128];
    ssize_t n = pread(guard->statm, text, sizeof text - 1, 0);
    long    resident;
    long    shared;

    if (n <= 0 || !memory_is_known)
        return -1;
    text[n] = '\0';
    if (sscanf(text, "%*d %ld %ld", &resident, &shared) != 2)
        return -1;
    return (resident - shared) * guard->page_bytes;
}

enum err guard_open(int files_max, int files_stay, int64_t bytes_max, struct guard **out)
{
    size_t        n = sizeof(struct connection) * (size_t)files_max;
    struct guard *guard = calloc(1, sizeof *guard + n);

    if (guard == NULL)
        return ERR_memory;
    CHECK(pthread_mutex_init(&guard->lock, NULL) == 0);
    mallopt(M_MMAP_THRESHOLD, KERNEL_BLOCK_BYTES);
    guard->files_max = files_max;
    guard->files_stay = files_stay;
    guard->bytes_max = bytes_max;
    guard->page_bytes = sysconf(_SC_PAGESIZE);
    guard->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    guard->calm_bytes = memory_bytes(guard);
    *out = guard;
    return ERR_none;
}

void guard_close(struct guard **guard)
{
    if (*guard == NULL)
        return;
    if ((*guard)->statm >= 0)
        close((*guard)->statm);
    pthread_mutex_destroy(&(*guard)->lock);
    free(*guard);
    *guard = NULL;
}

void guard_watch(struct guard *guard, const char *endpoint)
{
    struct watched *watched = &guard->watched[guard->watched_count];
    const char     *port = strrchr(endpoint, ':');

    CHECK(guard->watched_count < WATCHED_MAX);
    pthread_mutex_lock(&guard->lock); /* the threads of the endpoints before may look already */
    guard->watched_count++;
    if (strncmp(endpoint, "ipc://", 6) == 0)
        snprintf(watched->path, sizeof watched->path, "%s", endpoint + 6);
    else if (port != NULL)
        watched->port = (uint16_t)strtoul(port + 1, NULL, 10);
    pthread_mutex_unlock(&guard->lock);
}

static bool is_known(const struct guard *guard, uint16_t port, const char *path)
{
    for (size_t i = 0; i < guard->watched_count; i++) {
        const struct watched *watched = &guard->watched[i];

        if (port != 0 ? watched->port == port : strcmp(watched->path, path) == 0)
            return true;
    }
    return false;
}

/* Whether the file is a connection to one of our endpoints, and not the socket that listens. */
static bool is_connection(const struct guard *guard, int file)
{
    union {
        struct sockaddr     any;
        struct sockaddr_in  in;
        struct sockaddr_in6 in6;
        struct sockaddr_un  un;
        char                bytes[sizeof(struct sockaddr_un) + 1];
    } address = { .bytes = { 0 } };
    socklen_t n = sizeof(struct sockaddr_un);
    int       listens = 0;
    socklen_t listens_n = sizeof listens;

    if (getsockname(file, &address.any, &n) != 0 ||
        getsockopt(file, SOL_SOCKET, SO_ACCEPTCONN, &listens, &listens_n) != 0 || listens != 0)
        return false;
    if (address.any.sa_family == AF_UNIX)
        return address.un.sun_path[0] != '\0' && is_known(guard, 0, address.un.sun_path);
    if (address.any.sa_family == AF_INET)
        return is_known(guard, ntohs(address.in.sin_port), "");
    return address.any.sa_family == AF_INET6 && is_known(guard, ntohs(address.in6.sin6_port), "");
}

static uint64_t socket_number(int file)
{
    struct stat status;

    return fstat(file, &status) == 0 ? (uint64_t)status.st_ino : 0;
}

/* False when it is no connection, or was cut before. */
static bool cut(struct guard *guard, int file)
{
    struct connection *connection = &guard->connections[file];
    uint64_t           number = socket_number(file);
    bool               is_again = number != 0 && connection->cut_socket == number;

    *connection =
        (struct connection){ .cut_socket = connection->cut_socket, .is_open = connection->is_open };
    if (is_again || !is_connection(guard, file) || shutdown(file, SHUT_RDWR) != 0)
        return false;
    connection->cut_socket = number;
    return true;
}

void guard_trust(struct guard *guard, int file, int64_t now_us)
{
    struct connection *connection = &guard->connections[file];

    if (file < 0 || file >= guard->files_max)
        return;
    pthread_mutex_lock(&guard->lock);
    if (connection->trusted_us == 0 || now_us - connection->trusted_us >= TRUST_AGAIN_US) {
        connection->trusted_us = now_us;
        connection->trusted_socket = socket_number(file);
    }
    pthread_mutex_unlock(&guard->lock);
}

uint64_t guard_mark(int file)
{
    uint64_t number = file < 0 || file >= 1 << MARK_FILE_BITS ? 0 : socket_number(file);

    return number == 0 ? 0 : number << MARK_FILE_BITS | (uint64_t)file;
}

bool guard_is_gone(uint64_t mark)
{
    return mark != 0 && guard_mark((int)(mark & ((1u << MARK_FILE_BITS) - 1))) != mark;
}

static bool is_trusted(const struct guard *guard, int file, int64_t now_us)
{
    const struct connection *connection = &guard->connections[file];

    return connection->trusted_us != 0 && now_us - connection->trusted_us < TRUST_US &&
           connection->trusted_socket == socket_number(file);
}

/* Its number may have been another's, who said much. */
static struct connection *visitor(struct guard *guard, int file, int64_t now_us)
{
    struct connection *connection = &guard->connections[file];
    uint64_t           number = socket_number(file);
    bool               is_new = connection->topics_socket != number;

    if (is_new || now_us - connection->topics_us >= LIMIT_TOPICS_SECONDS * US_PER_SECOND) {
        connection->topics_us = now_us;
        connection->topics = 0;
        connection->topics_refused = 0;
    }
    if (is_new)
        connection->lost_us = now_us;
    connection->topics_socket = number;
    return connection;
}

bool guard_took_topic(struct guard *guard, int file, bool good, int64_t now_us)
{
    struct connection *connection;
    bool               is_cut = false;

    if (file < 0 || file >= guard->files_max)
        return false;
    pthread_mutex_lock(&guard->lock);
    connection = visitor(guard, file, now_us);
    connection->topics++;
    connection->topics_refused += good ? 0 : 1;
    if (connection->topics_refused >= LIMIT_TOPICS_REFUSED_MAX ||
        connection->topics >= LIMIT_TOPICS_AT_ONCE) {
        is_cut = cut(guard, file);
    } else if (good) {
        connection->lost_us = 0;
        connection->trusted_us = now_us;
        connection->trusted_socket = connection->topics_socket;
    }
    pthread_mutex_unlock(&guard->lock);
    return is_cut;
}

/* Whoever comes with topics of sessions that have ended, and no other, comes again with those that
 * are open by then. Cutting them bounds what strangers can leave behind with patience. */
static int cut_the_lost(struct guard *guard, int from, int to, int64_t now_us)
{
    int count = 0;

    for (int file = from; file < to; file++) {
        const struct connection *connection = &guard->connections[file];

        if (connection->lost_us != 0 && connection->topics_socket != 0 &&
            now_us - connection->lost_us >= LIMIT_LOST_SECONDS * US_PER_SECOND &&
            !is_trusted(guard, file, now_us))
            count += connection->topics_socket == socket_number(file) && cut(guard, file);
    }
    return count;
}

/* One call tells of many files whether they are open, in a tenth of the time of a call for each. */
static void count_files(struct guard *guard, int from, int to)
{
    struct pollfd some[POLL_FILES];

    while (from < to) {
        int n = to - from < POLL_FILES ? to - from : POLL_FILES;

        for (int i = 0; i < n; i++)
            some[i] = (struct pollfd){ .fd = from + i };
        if (poll(some, (nfds_t)n, 0) < 0)
            return;
        for (int i = 0; i < n; i++) {
            struct connection *connection = &guard->connections[from + i];
            bool               is_open = (some[i].revents & POLLNVAL) == 0;

            guard->files += is_open - connection->is_open;
            connection->is_open = is_open;
        }
        from += n;
    }
}

/* Every number is looked at once a second, as many with each tick as the time since the last one
 * makes due. To look at all of them at once, with a call for each, took the server's thread for
 * 2.5 ms of each second, in which no message came or went. */
static void look_at_some(struct guard *guard, int64_t now_us)
{
    int64_t passed_us = guard->last_us == 0 ? US_PER_SECOND : now_us - guard->last_us;
    int64_t due = guard->files_max * passed_us / US_PER_SECOND + 1;
    int     from = due < guard->files_max ? guard->look_from : 0;
    int     to = due < guard->files_max - from ? from + (int)due : guard->files_max;
    int     count;

    guard->look_from = to < guard->files_max ? to : 0;
    count_files(guard, from, to);
    count = cut_the_lost(guard, from, to, now_us);
    if (count > 0)
        log_event(LOG_INFO, "connections_cut", "reason=\"topics of no session\" count=%d", count);
}

static int cut_all(struct guard *guard, int64_t now_us, bool strangers_only)
{
    int count = 0;

    for (int file = 0; file < guard->files_max; file++) {
        if (strangers_only && is_trusted(guard, file, now_us))
            continue;
        count += cut(guard, file) ? 1 : 0;
    }
    return count;
}

/* The kernel gives the lowest free number, so a new file's number tells how many are taken. */
static bool is_full(const struct guard *guard)
{
    int file = fcntl(guard->statm, F_DUPFD_CLOEXEC, 0);

    if (file < 0)
        return guard->statm >= 0;
    close(file);
    return file >= guard->files_stay;
}

static void look_at_files(struct guard *guard, int64_t now_us)
{
    int  count = 0;
    bool in_turn = now_us - guard->turn_us >= US_PER_SECOND;

    if (!is_full(guard))
        return;
    for (int file = 0; file < guard->files_max; file++)
        if ((file >= guard->files_stay || (in_turn && file % TURNS == guard->turn)) &&
            !is_trusted(guard, file, now_us))
            count += cut(guard, file) ? 1 : 0;
    if (!in_turn)
        return;
    log_event(LOG_WARNING, "too_many_connections", "cut=%d", count);
    guard->turn = (guard->turn + 1) % TURNS;
    guard->turn_us = now_us;
}

/* Growth that nobody is blamed for is slow; what grows slowly without end meets another bound. */
static void cut_the_slow(struct guard *guard, int64_t bytes, int64_t now_us)
{
    if (bytes < guard->bytes_max || now_us - guard->slow_cut_us < SLOW_CUT_US)
        return;
    log_event(LOG_WARNING, "connections_cut", "reason=memory bytes=%lld who=strangers count=%d",
              (long long)bytes, cut_all(guard, now_us, true));
    guard->slow_cut_us = now_us;
    guard->trim_in = TRIM_AFTER_TICKS;
}

/* Whether those who work have to go too. As long as the memory goes down, or strangers are found
 * whose it may be, they stay; but when that lasts, or more and more comes, it must be theirs. */
static bool must_all_go(struct guard *guard, int64_t bytes, int64_t now_us)
{
    if (!guard->waits_for_help) {
        guard->waits_for_help = true;
        guard->cut_bytes = bytes;
        guard->helped_us = guard->fell_us = now_us;
        guard->fell_bytes = bytes;
        return false;
    }
    if (guard->fell_bytes - bytes >= HELP_BYTES) {
        guard->helped_us = guard->fell_us = now_us;
        guard->fell_bytes = bytes;
    }
    return bytes - guard->cut_bytes >= LIMIT_STRANGERS_BYTES / 2 ||
           now_us - guard->helped_us >= HELPS_WITHIN_US ||
           now_us - guard->fell_us >= BLAME_WITHIN_US;
}

static void cut_the_sudden(struct guard *guard, int64_t bytes, int64_t now_us)
{
    bool is_first = !guard->waits_for_help;
    bool all = must_all_go(guard, bytes, now_us);
    int  count = cut_all(guard, now_us, !all);

    if (is_first || all || count > 0)
        log_event(LOG_WARNING, "connections_cut", "reason=memory grown_bytes=%lld who=%s count=%d",
                  (long long)(bytes - guard->calm_bytes), all ? "all" : "strangers", count);
    if (count > 0)
        guard->helped_us = now_us;
    if (all) {
        guard->calm_bytes = bytes;
        guard->waits_for_help = false;
    }
    guard->trim_in = TRIM_AFTER_TICKS;
}

/* Bytes of the process afterwards. */
static int64_t trim(struct guard *guard, int64_t now_us)
{
    malloc_trim(0);
    guard->trim_us = now_us;
    return memory_bytes(guard);
}

/* Bytes of the process afterwards. Right after a cut the rest is not kept, as the next judgement
 * hangs on it. */
static int64_t give_back(struct guard *guard, int64_t bytes, int64_t now_us)
{
    bool is_cut = guard->trim_in > 0 && --guard->trim_in == 0;

    if (!is_cut &&
        (bytes - guard->calm_bytes < TRIM_WORTH_BYTES || now_us - guard->trim_us < TRIM_REST_US))
        return bytes;
    return trim(guard, now_us);
}

static void look_at_memory(struct guard *guard, int64_t now_us)
{
    int64_t bytes = memory_bytes(guard);
    int64_t passed_us = guard->last_us == 0 ? 0 : now_us - guard->last_us;
    int64_t allowed;

    guard->last_us = now_us;
    if (bytes < 0)
        return;
    bytes = give_back(guard, bytes, now_us);
    guard->calm_bytes += passed_us * LIMIT_CALM_BYTES_PER_SECOND / US_PER_SECOND;
    if (guard->calm_bytes > bytes)
        guard->calm_bytes = bytes;
    if (guard->trim_in > 0)
        return;
    allowed = LIMIT_STRANGERS_BYTES + (int64_t)guard->files * LIMIT_CONNECTION_BYTES;
    if (bytes - guard->calm_bytes >= allowed && now_us - guard->trim_us >= TRIM_AGAIN_US)
        bytes = trim(guard, now_us);
    if (bytes - guard->calm_bytes >= allowed) {
        cut_the_sudden(guard, bytes, now_us);
        return;
    }
    guard->waits_for_help = false;
    cut_the_slow(guard, bytes, now_us);
}

void guard_tick(struct guard *guard, int64_t now_us)
{
    pthread_mutex_lock(&guard->lock);
    look_at_files(guard, now_us);
    look_at_some(guard, now_us);
    look_at_memory(guard, now_us);
    pthread_mutex_unlock(&guard->lock);
}
