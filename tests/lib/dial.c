/* See dial.h. */
#include "tests/lib/dial.h"

#include "common/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

void dial_key(const char *path, char key[DIAL_KEY_SIZE])
{
    FILE *file;

    memset(key, 0, DIAL_KEY_SIZE);
    if (strcmp(path, "-") == 0)
        return;
    file = fopen(path, "re");
    CHECK(file != NULL && fread(key, 1, DIAL_KEY_SIZE - 1, file) == DIAL_KEY_SIZE - 1);
    fclose(file);
}

void *dial(void *context, const char *endpoint, const char *key)
{
    void *socket = zmq_socket(context, ZMQ_DEALER);
    int   zero = 0;
    int   patience_ms = 20000;
    char  public_key[DIAL_KEY_SIZE];
    char  secret[DIAL_KEY_SIZE];

    CHECK(socket != NULL);
    zmq_setsockopt(socket, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &patience_ms, sizeof patience_ms);
    zmq_setsockopt(socket, ZMQ_SNDTIMEO, &patience_ms, sizeof patience_ms);
    if (key[0] != '\0') {
        CHECK(zmq_curve_keypair(public_key, secret) == 0);
        zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, public_key, sizeof public_key);
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret, sizeof secret);
        zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, key, DIAL_KEY_SIZE);
    }
    CHECK(zmq_connect(socket, endpoint) == 0);
    return socket;
}

struct slice dial_ask(void *socket, const struct buf *request, char *bytes)
{
    struct reply_envelope reply;
    struct fault          fault = { 0 };
    int                   n;

    CHECK(zmq_send(socket, request->at, request->n, 0) >= 0);
    n = zmq_recv(socket, bytes, DIAL_REPLY_BYTES, 0);
    CHECK(n > 0 && n <= DIAL_REPLY_BYTES);
    CHECK(reply_decode(slice_of(bytes, (size_t)n), &reply, &fault) == ERR_none);
    if (!reply.ok) {
        fprintf(stderr, "refused: %.*s %.*s\n", (int)reply.error_name.n, reply.error_name.at,
                (int)reply.text.n, reply.text.at);
        exit(1);
    }
    return reply.body;
}

void dial_login(void *socket, uint8_t token[LIMIT_TOKEN_BYTES])
{
    struct msg_session_login in = { .email = slice_from("bench@bank.test"),
                                    .password = slice_from("bench-password") };
    struct msg_session       out;
    struct fault             fault = { 0 };
    struct arena             arena;
    struct buf               request;
    char                    *bytes = malloc(DIAL_REPLY_BYTES);
    struct slice             body;

    CHECK(bytes != NULL && arena_init(&arena, LIMIT_REQUEST_ARENA) == ERR_none);
    buf_init(&request, LIMIT_MESSAGE_MAX);
    CHECK(request_encode(1, "session.login", slice_of(NULL, 0), &message_session_login, &in,
                         &request) == ERR_none);
    body = dial_ask(socket, &request, bytes);
    CHECK(message_decode(&message_session, body, DECODE_LENIENT, &arena, &out, &fault) == ERR_none);
    CHECK(out.token.n == LIMIT_TOKEN_BYTES);
    memcpy(token, out.token.at, LIMIT_TOKEN_BYTES);
    buf_free(&request);
    arena_free(&arena);
    free(bytes);
}
