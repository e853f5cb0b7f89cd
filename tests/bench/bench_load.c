/* A load generator: so many clients, each with so many posts in flight, over ipc or CURVE.
 *
 *   bench_load ENDPOINT KEY_FILE|- ACCOUNTS CLIENTS IN_FLIGHT SECONDS [RATE]
 *
 * Transfers between two random accounts of bench_fill's bank. RATE is so many posts per second (0 =
 * as fast as it goes): each has a time of its own, evenly apart, goes out with the first tick of a
 * quarter of a millisecond after it, and its latency is counted from its time, however late it was
 * sent: what is sent in bursts waits for itself, and a wait that is not counted hides. Prints one
 * line of key=value: posts, errors, posts per second, latency percentiles in microseconds, how late
 * the posts were sent (late_p99_us, a part of their latency), and the processor's nanoseconds that
 * a post took here. One thread that looks only at the sockets that have something, so that on a
 * small machine it takes as little from the server as it can. */
#include "common/check.h"
#include "common/clock.h"
#include "proto/proto.h"
#include "tests/bench/bench_id.h"
#include "tests/lib/dial.h"
#include "tests/unit/random.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <zmq.h>

enum {
    CLIENTS_MAX = 512,
    FLIGHT_MAX = 256,
    SAMPLES_MAX = 20000000,
    REPLY_BYTES = 65536,
    TICK_US = 250,
    POLL_MS = 100,
};

struct client {
    void   *socket;
    int     in_flight;
    bool    has_sent;           /* and was not looked at since */
    int64_t due_us[FLIGHT_MAX]; /* from when the post counts */
    int     free[FLIGHT_MAX];
    int     free_count;
};

struct load {
    void         *context;
    char          key[DIAL_KEY_SIZE];
    struct client clients[CLIENTS_MAX];
    int           epoll_fd;
    int           timer_fd; /* ticks where there is a rate */
    int           count;
    int           next; /* client */
    int           flight;
    int64_t       accounts;
    int64_t       rate;
    struct random random;
    uint8_t       token[LIMIT_TOKEN_BYTES];
    struct buf    request;
    uint32_t     *samples;
    uint32_t     *late; /* of each post that was sent */
    int64_t       done, errors, sent;
};

static int64_t now_us(void)
{
    return clock_system()->monotonic_us(clock_system());
}

/* The system's own random numbers cost a call for each; nobody has to be kept from guessing these.
 */
static struct uuid new_id(struct load *load)
{
    uint64_t bits[2] = { random_next(&load->random), random_next(&load->random) };
    uint8_t  tail[10];

    memcpy(tail, bits, sizeof tail);
    return uuid_v7_derived(clock_system()->now_us(clock_system()), tail);
}

static void send_post(struct load *load, struct client *client, int64_t due_us)
{
    int64_t from = (int64_t)random_below(&load->random, (uint64_t)load->accounts);
    int64_t to = (from + 1 + (int64_t)random_below(&load->random, (uint64_t)load->accounts - 1)) %
                 load->accounts;
    int                           slot = client->free[--client->free_count];
    struct msg_transaction_create in = {
        .transaction_id = new_id(load),
        .type = TYPE_TRANSFER,
        .account_id = bench_account_id(from),
        .amount = 100 + (int64_t)random_below(&load->random, 5000),
    };

    MSG_SET(&in, transaction_create, counterparty_account_id, bench_account_id(to));
    MSG_SET(&in, transaction_create, description, slice_from("a payment of the load"));
    buf_clear(&load->request);
    CHECK(request_encode((uint64_t)slot + 1, "transaction.create",
                         slice_of((const char *)load->token, 32), &message_transaction_create, &in,
                         &load->request) == ERR_none);
    client->due_us[slot] = due_us;
    if (load->sent < SAMPLES_MAX)
        load->late[load->sent] = (uint32_t)(now_us() - due_us);
    CHECK(zmq_send(client->socket, load->request.at, load->request.n, 0) >= 0);
    client->in_flight++;
    client->has_sent = true;
    load->sent++;
}

static void receive_all(struct load *load, struct client *client)
{
    static char           bytes[REPLY_BYTES];
    struct reply_envelope reply;
    struct fault          fault;
    int                   n;

    while ((n = zmq_recv(client->socket, bytes, sizeof bytes, ZMQ_DONTWAIT)) > 0) {
        int64_t took_us;
        int     slot;

        CHECK(reply_decode(slice_of(bytes, (size_t)n), &reply, &fault) == ERR_none);
        slot = (int)reply.id - 1;
        took_us = now_us() - client->due_us[slot];
        if (load->done < SAMPLES_MAX)
            load->samples[load->done] = (uint32_t)took_us;
        load->done++;
        if (!reply.ok && load->errors++ == 0)
            fprintf(stderr, "bench_load: %.*s %.*s\n", (int)reply.error_name.n, reply.error_name.at,
                    (int)reply.text.n, reply.text.at);
        client->free[client->free_count++] = slot;
        client->in_flight--;
    }
}

static int compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;

    return (left > right) - (left < right);
}

static int64_t cpu_us(void)
{
    struct rusage usage;

    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * US_PER_SECOND +
           usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

static void report(struct load *load, int64_t took_us, int64_t used_us)
{
    int64_t n = load->done < SAMPLES_MAX ? load->done : SAMPLES_MAX;
    int64_t sent = load->sent < SAMPLES_MAX ? load->sent : SAMPLES_MAX;

    qsort(load->samples, (size_t)n, sizeof load->samples[0], compare);
    qsort(load->late, (size_t)sent, sizeof load->late[0], compare);
    printf("posts=%lld errors=%lld per_second=%lld p50_us=%u p90_us=%u p99_us=%u p999_us=%u "
           "max_us=%u late_p99_us=%u client_ns=%lld\n",
           (long long)load->done, (long long)load->errors,
           (long long)(load->done * US_PER_SECOND / took_us), load->samples[n / 2],
           load->samples[n * 9 / 10], load->samples[n * 99 / 100], load->samples[n * 999 / 1000],
           load->samples[n - 1], load->late[sent * 99 / 100],
           (long long)(used_us * 1000 / load->done));
}

/* Every client sends as much as it may. */
static void send_most(struct load *load)
{
    for (int i = 0; i < load->count; i++) {
        struct client *client = &load->clients[(load->next + i) % load->count];

        while (client->in_flight < load->flight)
            send_post(load, client, now_us());
    }
    load->next++;
}

/* Everything whose time has come, from one client as long as it may send, the next time from the
 * next: a write for each of many clients would take the processor from the server. What finds no
 * client keeps its time and waits. */
static void send_due(struct load *load, int64_t begin_us)
{
    int64_t due_us = begin_us + load->sent * US_PER_SECOND / load->rate;

    load->next++;
    for (int i = 0; i < load->count; i++) {
        struct client *client = &load->clients[(load->next + i) % load->count];

        while (client->in_flight < load->flight && due_us <= now_us()) {
            send_post(load, client, due_us);
            due_us = begin_us + load->sent * US_PER_SECOND / load->rate;
        }
        if (due_us > now_us())
            return;
    }
}

/* A socket's file tells only that something has changed, and is quiet again once the socket was
 * looked at, which sending does too: so whoever has sent looks for replies as well. */
static void look(struct load *load, struct client *client)
{
    receive_all(load, client);
    client->has_sent = false;
}

static void wait_and_receive(struct load *load)
{
    struct epoll_event ready[CLIENTS_MAX + 1];
    uint64_t           ticks;
    int                count;

    for (int i = 0; i < load->count; i++)
        if (load->clients[i].has_sent)
            look(load, &load->clients[i]);
    count = epoll_wait(load->epoll_fd, ready, CLIENTS_MAX + 1, POLL_MS);
    for (int i = 0; i < count; i++) {
        if (ready[i].data.u32 < (uint32_t)load->count)
            look(load, &load->clients[ready[i].data.u32]);
        else
            CHECK(read(load->timer_fd, &ticks, sizeof ticks) == (ssize_t)sizeof ticks);
    }
}

static void run(struct load *load, int64_t seconds)
{
    int64_t begin_us = now_us();
    int64_t used_us = cpu_us();
    int64_t end_us = begin_us + seconds * US_PER_SECOND;

    while (now_us() < end_us) {
        if (load->rate == 0)
            send_most(load);
        else
            send_due(load, begin_us);
        wait_and_receive(load);
    }
    report(load, now_us() - begin_us, cpu_us() - used_us);
}

static void watch(struct load *load, int fd, uint32_t index)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u32 = index };

    CHECK(epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0);
}

static void start_timer(struct load *load)
{
    const struct timespec   tick = { .tv_nsec = TICK_US * 1000 };
    const struct itimerspec each = { .it_interval = tick, .it_value = tick };

    load->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    CHECK(load->timer_fd >= 0);
    if (load->rate != 0)
        CHECK(timerfd_settime(load->timer_fd, 0, &each, NULL) == 0);
    watch(load, load->timer_fd, (uint32_t)load->count);
}

static void start_clients(struct load *load, const char *endpoint)
{
    load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    CHECK(load->epoll_fd >= 0);
    for (int i = 0; i < load->count; i++) {
        struct client *client = &load->clients[i];
        int            fd;
        size_t         size = sizeof fd;

        client->socket = dial(load->context, endpoint, load->key);
        CHECK(zmq_getsockopt(client->socket, ZMQ_FD, &fd, &size) == 0);
        watch(load, fd, (uint32_t)i);
        for (int slot = 0; slot < load->flight; slot++)
            client->free[client->free_count++] = slot;
    }
}

int main(int argc, char **argv)
{
    static struct load load;

    if (argc < 7 || sodium_init() < 0) {
        fprintf(
            stderr,
            "usage: bench_load ENDPOINT KEY_FILE|- ACCOUNTS CLIENTS IN_FLIGHT SECONDS [RATE]\n");
        return 2;
    }
    dial_key(argv[2], load.key);
    load.context = zmq_ctx_new();
    zmq_ctx_set(load.context, ZMQ_MAX_SOCKETS, CLIENTS_MAX * 2);
    load.accounts = bench_number(argv[3]);
    load.count = (int)bench_number(argv[4]);
    load.flight = (int)bench_number(argv[5]);
    load.rate = argc > 7 ? bench_number(argv[7]) : 0;
    CHECK(load.count > 0 && load.count <= CLIENTS_MAX && load.flight > 0 &&
          load.flight <= FLIGHT_MAX);
    load.random = (struct random){ .state = (uint64_t)now_us() };
    load.samples = calloc(SAMPLES_MAX, sizeof load.samples[0]);
    load.late = calloc(SAMPLES_MAX, sizeof load.late[0]);
    CHECK(load.samples != NULL && load.late != NULL);
    buf_init(&load.request, LIMIT_MESSAGE_MAX);
    start_clients(&load, argv[1]);
    dial_login(load.clients[0].socket, load.token);
    start_timer(&load);
    run(&load, bench_number(argv[6]));
    for (int i = 0; i < load.count; i++)
        zmq_close(load.clients[i].socket);
    zmq_ctx_term(load.context);
    buf_free(&load.request);
    close(load.timer_fd);
    close(load.epoll_fd);
    free(load.samples);
    free(load.late);
    return load.errors > 0 ? 1 : 0;
}
