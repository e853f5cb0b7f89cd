/* A load generator: so many clients, each with so many posts in flight, over ipc or CURVE.
 *
 *   bench_load ENDPOINT KEY_FILE|- ACCOUNTS CLIENTS IN_FLIGHT SECONDS [RATE]
 *
 * Transfers between two random accounts of bench_fill's bank. RATE limits posts per second (0 =
 * as fast as it goes). Prints one line of key=value: posts, errors, posts per second, latency
 * percentiles in microseconds, and the processor's nanoseconds
 * that a post took here. One thread, so that on a small machine it takes as little from the
 * server as it can. */
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
#include <sys/resource.h>
#include <zmq.h>

enum { CLIENTS_MAX = 512, FLIGHT_MAX = 256, SAMPLES_MAX = 20000000, REPLY_BYTES = 65536 };

struct client {
    void   *socket;
    int     in_flight;
    int64_t sent_us[FLIGHT_MAX];
    int     free[FLIGHT_MAX];
    int     free_count;
};

struct load {
    void          *context;
    char           key[DIAL_KEY_SIZE];
    struct client  clients[CLIENTS_MAX];
    zmq_pollitem_t items[CLIENTS_MAX];
    int            count;
    int            flight;
    int64_t        accounts;
    int64_t        rate;
    struct random  random;
    uint8_t        token[LIMIT_TOKEN_BYTES];
    struct buf     request;
    uint32_t      *samples;
    int64_t        done, errors, sent;
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

static void send_post(struct load *load, struct client *client)
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
    client->sent_us[slot] = now_us();
    CHECK(zmq_send(client->socket, load->request.at, load->request.n, 0) >= 0);
    client->in_flight++;
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
        took_us = now_us() - client->sent_us[slot];
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

    qsort(load->samples, (size_t)n, sizeof load->samples[0], compare);
    printf("posts=%lld errors=%lld per_second=%lld p50_us=%u p90_us=%u p99_us=%u p999_us=%u "
           "max_us=%u client_ns=%lld\n",
           (long long)load->done, (long long)load->errors,
           (long long)(load->done * US_PER_SECOND / took_us), load->samples[n / 2],
           load->samples[n * 9 / 10], load->samples[n * 99 / 100], load->samples[n * 999 / 1000],
           load->samples[n - 1], (long long)(used_us * 1000 / load->done));
}

static void run(struct load *load, int64_t seconds)
{
    int64_t begin_us = now_us();
    int64_t used_us = cpu_us();
    int64_t end_us = begin_us + seconds * US_PER_SECOND;
    int     next = 0;

    while (now_us() < end_us) {
        for (int i = 0; i < load->count; i++) {
            struct client *client = &load->clients[(next + i) % load->count];

            while (client->in_flight < load->flight &&
                   (load->rate == 0 ||
                    load->sent < (now_us() - begin_us) * load->rate / US_PER_SECOND))
                send_post(load, client);
        }
        next++;
        zmq_poll(load->items, load->count, load->rate == 0 ? 100 : 1);
        for (int i = 0; i < load->count; i++)
            if ((load->items[i].revents & ZMQ_POLLIN) != 0)
                receive_all(load, &load->clients[i]);
    }
    report(load, now_us() - begin_us, cpu_us() - used_us);
}

static void start_clients(struct load *load, const char *endpoint)
{
    for (int i = 0; i < load->count; i++) {
        struct client *client = &load->clients[i];

        client->socket = dial(load->context, endpoint, load->key);
        load->items[i] = (zmq_pollitem_t){ .socket = client->socket, .events = ZMQ_POLLIN };
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
    CHECK(load.samples != NULL);
    buf_init(&load.request, LIMIT_MESSAGE_MAX);
    start_clients(&load, argv[1]);
    dial_login(load.clients[0].socket, load.token);
    run(&load, bench_number(argv[6]));
    for (int i = 0; i < load.count; i++)
        zmq_close(load.clients[i].socket);
    zmq_ctx_term(load.context);
    buf_free(&load.request);
    free(load.samples);
    return load.errors > 0 ? 1 : 0;
}
