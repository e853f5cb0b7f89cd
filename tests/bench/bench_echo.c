/* What the network alone costs: one client and one echoing server in another process, over CURVE,
 * one message of 200 bytes at a time.
 *
 *   bench_echo SECONDS
 *
 * Prints one line of key=value: trips, p50_us, p99_us. */
#include "common/check.h"
#include "common/clock.h"
#include "tests/bench/bench_id.h"
#include "tests/lib/dial.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

enum { MESSAGE = 200, SAMPLES_MAX = 4000000, ENDPOINT_MAX = 256, PEER_MAX = 64 };

static int compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;

    return (left > right) - (left < right);
}

static int64_t now_us(void)
{
    return clock_system()->monotonic_us(clock_system());
}

/* Tells its endpoint through the pipe and echoes until it is ended. */
static void serve(int pipe_fd, const char *secret)
{
    void  *context = zmq_ctx_new();
    void  *socket = zmq_socket(context, ZMQ_ROUTER);
    int    one = 1;
    char   endpoint[ENDPOINT_MAX] = { 0 };
    size_t size = sizeof endpoint;
    char   peer[PEER_MAX];
    char   bytes[MESSAGE];

    CHECK(socket != NULL);
    CHECK(zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &one, sizeof one) == 0);
    CHECK(zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret, DIAL_KEY_SIZE) == 0);
    CHECK(zmq_bind(socket, "tcp://127.0.0.1:*") == 0);
    CHECK(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &size) == 0);
    CHECK(write(pipe_fd, endpoint, sizeof endpoint) == (ssize_t)sizeof endpoint);
    for (;;) {
        int peer_size = zmq_recv(socket, peer, sizeof peer, 0);
        int n = zmq_recv(socket, bytes, sizeof bytes, 0);

        CHECK(peer_size > 0 && n == MESSAGE);
        CHECK(zmq_send(socket, peer, (size_t)peer_size, ZMQ_SNDMORE) >= 0);
        CHECK(zmq_send(socket, bytes, MESSAGE, 0) >= 0);
    }
}

static void ask(const char *endpoint, const char *key, int64_t seconds)
{
    void     *context = zmq_ctx_new();
    void     *socket = dial(context, endpoint, key);
    char      bytes[MESSAGE] = { 0 };
    uint32_t *samples = calloc(SAMPLES_MAX, sizeof *samples);
    size_t    n = 0;
    int64_t   end_us;

    CHECK(samples != NULL);
    end_us = now_us() + seconds * US_PER_SECOND;
    while (now_us() < end_us && n < SAMPLES_MAX) {
        int64_t begin_us = now_us();

        CHECK(zmq_send(socket, bytes, sizeof bytes, 0) >= 0);
        CHECK(zmq_recv(socket, bytes, sizeof bytes, 0) == MESSAGE);
        samples[n++] = (uint32_t)(now_us() - begin_us);
    }
    CHECK(n > 0);
    qsort(samples, n, sizeof samples[0], compare);
    printf("trips=%zu p50_us=%u p99_us=%u\n", n, samples[n / 2], samples[n * 99 / 100]);
    zmq_close(socket);
    zmq_ctx_term(context);
    free(samples);
}

int main(int argc, char **argv)
{
    char  public_key[DIAL_KEY_SIZE];
    char  secret[DIAL_KEY_SIZE];
    char  endpoint[ENDPOINT_MAX];
    int   fds[2];
    pid_t server;

    if (argc != 2) {
        fprintf(stderr, "usage: bench_echo SECONDS\n");
        return 2;
    }
    CHECK(zmq_curve_keypair(public_key, secret) == 0 && pipe(fds) == 0);
    server = fork();
    CHECK(server >= 0);
    if (server == 0)
        serve(fds[1], secret);
    CHECK(read(fds[0], endpoint, sizeof endpoint) == (ssize_t)sizeof endpoint);
    ask(endpoint, public_key, bench_number(argv[1]));
    kill(server, SIGKILL);
    CHECK(waitpid(server, NULL, 0) == server);
    return 0;
}
