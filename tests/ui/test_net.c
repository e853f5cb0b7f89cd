/* The terminal's connection against a server made of bare sockets in the same thread.
 *
 * The clock is real plus an offset that tests move, so that deadlines, back-off and silence take
 * no time; what ZeroMQ does in its own threads is waited for by polling net_fd, as the programs
 * do, so that a wake-up that got lost would make a test fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <poll.h>
#include <unistd.h>

#include <cmocka.h>
#include <zmq.h>

#include "bankterm/net.h"
#include "common/check.h"

enum { WAIT_MS = 8000, RESULTS_MAX = 128, KEY_MAX = 41, PATH_SIZE = 128 };

struct shifted_clock {
    struct clock base; /* first, so that the two pointers are one */
    int64_t      offset_us;
};

static int64_t shifted_now(struct clock *clock)
{
    const struct shifted_clock *shifted = (const struct shifted_clock *)(const void *)clock;

    return clock_system()->now_us(clock_system()) + shifted->offset_us;
}

static int64_t shifted_monotonic(struct clock *clock)
{
    const struct shifted_clock *shifted = (const struct shifted_clock *)(const void *)clock;

    return clock_system()->monotonic_us(clock_system()) + shifted->offset_us;
}

struct world {
    struct shifted_clock clock;
    void                *context;
    void                *router;
    void                *events;
    char                 folder[PATH_SIZE];
    char                 server[PATH_SIZE + 16];
    char                 publisher[PATH_SIZE + 16];
    char                 key_file[PATH_SIZE + 16];
    char                 public_key[KEY_MAX];
    char                 secret_key[KEY_MAX];
    bool                 curve;
    struct net          *net;
    struct net_result    results[RESULTS_MAX]; /* bodies and envelopes do not outlive the pump */
    size_t               count;
    /* The newest request. */
    char                 identity[256];
    size_t               identity_n;
    char                 bytes[4096];
    struct request_envelope request;
    size_t               requests;
};

static struct world world;

/* --- the server ---------------------------------------------------------------------------- */

static void server_bind(void)
{
    int zero = 0;
    int one = 1;

    world.router = zmq_socket(world.context, ZMQ_ROUTER);
    world.events = zmq_socket(world.context, ZMQ_XPUB);
    void *const sockets[] = { world.router, world.events };
    for (size_t i = 0; i < ARRAY_COUNT(sockets); i++) {
        assert_non_null(sockets[i]);
        zmq_setsockopt(sockets[i], ZMQ_LINGER, &zero, sizeof zero);
        if (!world.curve)
            continue;
        zmq_setsockopt(sockets[i], ZMQ_CURVE_SERVER, &one, sizeof one);
        zmq_setsockopt(sockets[i], ZMQ_CURVE_SECRETKEY, world.secret_key, KEY_MAX);
    }
    assert_int_equal(zmq_bind(world.router, world.server), 0);
    assert_int_equal(zmq_bind(world.events, world.publisher), 0);
}

static void server_close(void)
{
    zmq_close(world.router);
    zmq_close(world.events);
    world.router = NULL;
    world.events = NULL;
}

static void reply_send(const struct buf *bytes)
{
    assert_true(zmq_send(world.router, world.identity, world.identity_n, ZMQ_SNDMORE) >= 0);
    assert_true(zmq_send(world.router, bytes->at, bytes->n, 0) >= 0);
}

static void reply_to(uint64_t id, const struct message_desc *desc, const void *body)
{
    struct buf bytes;

    buf_init(&bytes, LIMIT_MESSAGE_MAX);
    assert_int_equal(reply_encode(id, desc, body, &bytes), ERR_none);
    reply_send(&bytes);
    buf_free(&bytes);
}

static void refuse(uint64_t id, enum err err, const char *field, const char *text)
{
    struct fault fault;
    struct buf   bytes;

    fault_set(&fault, err, field, "%s", text);
    buf_init(&bytes, LIMIT_MESSAGE_MAX);
    assert_int_equal(reply_encode_error(id, &fault, &bytes), ERR_none);
    reply_send(&bytes);
    buf_free(&bytes);
}

static bool server_take(void)
{
    struct fault fault;
    int          n = world.router != NULL ? zmq_recv(world.router, world.identity,
                                                     sizeof world.identity, ZMQ_DONTWAIT)
                                          : -1;

    if (n < 0)
        return false;
    world.identity_n = (size_t)n;
    n = zmq_recv(world.router, world.bytes, sizeof world.bytes, 0);
    assert_true(n > 0 && (size_t)n < sizeof world.bytes);
    assert_int_equal(request_decode(slice_of(world.bytes, (size_t)n), &world.request, &fault),
                     ERR_none);
    world.requests++;
    return true;
}

static void reply_session(const char *publisher)
{
    static const char  topic[] = "topic-of-this-session";
    static const char  token[LIMIT_TOKEN_BYTES] = "0123456789abcdef0123456789abcde";
    struct msg_session session = { .expires_at = 1, .idle_seconds = 60, .server_time = 1 };

    session.email = slice_from("ann@bank.example");
    session.name = slice_from("Ann");
    session.role = slice_from("FRAUD_ANALYST");
    MSG_SET(&session, session, token, slice_of(token, sizeof token));
    MSG_SET(&session, session, event_topic, slice_from(topic));
    MSG_SET(&session, session, event_endpoint, slice_from(publisher));
    reply_to(world.request.id, &message_session, &session);
}

/* --- the client ---------------------------------------------------------------------------- */

static void pump(void)
{
    struct net_result result;

    while (net_pump(world.net, &result)) {
        assert_true(world.count < RESULTS_MAX);
        world.results[world.count++] = result;
    }
}

/* Goes on until one of: a request arrived, a result of the kind, a state; or fails. */
enum wanted { WANT_REQUEST, WANT_REPLY, WANT_FAILURE, WANT_EVENT, WANT_LIVE, WANT_WAITING,
              WANT_STALE };

static bool is_there(enum wanted wanted, size_t results, size_t requests)
{
    static const enum net_kind kinds[] = { [WANT_REPLY] = NET_REPLY, [WANT_FAILURE] = NET_FAILURE,
                                           [WANT_EVENT] = NET_EVENT };

    switch (wanted) {
    case WANT_REQUEST:
        return world.requests > requests;
    case WANT_LIVE:
        return net_state(world.net) == NET_LIVE;
    case WANT_WAITING:
        return net_state(world.net) == NET_WAITING;
    case WANT_STALE:
        return net_state(world.net) == NET_STALE;
    case WANT_REPLY:
    case WANT_FAILURE:
    case WANT_EVENT:
        break;
    }
    for (size_t i = results; i < world.count; i++)
        if (world.results[i].kind == kinds[wanted])
            return true;
    return false;
}

static const struct net_result *until(enum wanted wanted)
{
    size_t  results = world.count;
    size_t  requests = world.requests;
    int64_t end_us = clock_system()->monotonic_us(clock_system()) + WAIT_MS * US_PER_MS;

    for (;;) {
        zmq_pollitem_t items[2] = { { .fd = net_fd(world.net), .events = ZMQ_POLLIN },
                                    { .socket = world.router, .events = ZMQ_POLLIN } };
        int64_t        timer_us;

        pump();
        if (is_there(wanted, results, requests))
            return world.count > 0 ? &world.results[world.count - 1] : NULL;
        timer_us = net_next_wakeup_us(world.net)
                   - world.clock.base.monotonic_us(&world.clock.base);
        if (clock_system()->monotonic_us(clock_system()) > end_us)
            fail_msg("waited in vain for %d", (int)wanted);
        if (timer_us > WAIT_MS * US_PER_MS)
            timer_us = WAIT_MS * US_PER_MS;
        zmq_poll(items, world.router != NULL ? 2 : 1,
                 timer_us > 0 ? (long)(timer_us / US_PER_MS) + 1 : 0);
        server_take();
    }
}

static uint64_t ask(enum op_index op, const void *body, int64_t deadline_ms)
{
    struct fault fault = { 0 };
    uint64_t     ticket = net_request(world.net, op, body, deadline_ms, &fault);

    if (ticket == 0)
        fail_msg("%s %s %s", err_name(fault.err), fault.field, fault.text);
    return ticket;
}

static uint64_t ask_status(int64_t deadline_ms)
{
    struct msg_empty empty = { 0 };

    return ask(OP_INDEX_server_status, &empty, deadline_ms);
}

static uint64_t ask_flag(int64_t deadline_ms)
{
    struct msg_transaction_act act = { .reason = slice_from("seen") };

    return ask(OP_INDEX_transaction_flag, &act, deadline_ms);
}

static void reply_status(void)
{
    struct msg_server_status status = { .version = slice_from("9"), .store = slice_from("m") };

    reply_to(world.request.id, &message_server_status, &status);
}

static void client_open(const char *server, const char *key_file)
{
    struct net_config config = { .server = server, .server_key_file = key_file,
                                 .clock = &world.clock.base };
    struct fault      fault = { 0 };

    assert_int_equal(net_open(&config, &world.net, &fault), ERR_none);
}

static void log_in(void)
{
    struct msg_session_login login = { .email = slice_from("ann@bank.example"),
                                       .password = slice_from("password") };
    uint64_t                 ticket = ask(OP_INDEX_session_login, &login, 5000);

    until(WANT_REQUEST);
    assert_true(slice_is(world.request.op, "session.login"));
    assert_int_equal(world.request.token.n, 0);
    reply_session(world.publisher);
    until(WANT_REPLY);
    assert_int_equal(world.results[world.count - 2].ticket, ticket);
    assert_int_equal(world.results[world.count - 1].kind, NET_STATE);
    assert_true(net_logged_in(world.net));
}

static void forward(int64_t ms)
{
    world.clock.offset_us += ms * US_PER_MS;
}

static int set_up(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    world.clock.base.now_us = shifted_now;
    world.clock.base.monotonic_us = shifted_monotonic;
    world.context = zmq_ctx_new();
    snprintf(world.folder, sizeof world.folder, "/tmp/bank-net-XXXXXX");
    if (mkdtemp(world.folder) == NULL)
        return -1;
    snprintf(world.server, sizeof world.server, "ipc://%s/s", world.folder);
    snprintf(world.publisher, sizeof world.publisher, "ipc://%s/e", world.folder);
    snprintf(world.key_file, sizeof world.key_file, "%s/key", world.folder);
    server_bind();
    client_open(world.server, NULL);
    until(WANT_LIVE);
    return 0;
}

static int tear_down(void **state)
{
    char path[PATH_SIZE + 16];

    (void)state;
    net_close(&world.net);
    assert_null(world.net);
    if (world.router != NULL)
        server_close();
    zmq_ctx_term(world.context);
    snprintf(path, sizeof path, "%s/s", world.folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/e", world.folder);
    unlink(path);
    unlink(world.key_file);
    return rmdir(world.folder);
}

/* --- the tests ----------------------------------------------------------------------------- */

static void test_a_request_and_its_answer(void **state)
{
    struct net_result               result;
    const struct msg_server_status *status;
    uint64_t                        ticket = ask_status(5000);

    (void)state;
    until(WANT_REQUEST);
    assert_true(slice_is(world.request.op, "server.status"));
    assert_int_equal(world.request.id, ticket);
    reply_status();
    while (!net_pump(world.net, &result))
        assert_true(poll(&(struct pollfd){ .fd = net_fd(world.net), .events = POLLIN }, 1,
                         WAIT_MS) == 1);
    assert_int_equal(result.kind, NET_REPLY);
    assert_int_equal(result.ticket, ticket);
    assert_int_equal(result.op, OP_INDEX_server_status);
    status = result.body;
    assert_true(slice_is(status->version, "9"));
    assert_false(net_pump(world.net, &result));
}

static void test_the_session_is_kept(void **state)
{
    (void)state;
    assert_false(net_logged_in(world.net));
    assert_int_equal(net_role(world.net), ROLE_NONE);
    log_in();
    assert_int_equal(net_role(world.net), ROLE_FRAUD_ANALYST);
    assert_string_equal(net_user(world.net), "ann@bank.example");
    assert_string_equal(net_user_name(world.net), "Ann");
    ask_status(5000);
    until(WANT_REQUEST);
    assert_int_equal(world.request.token.n, LIMIT_TOKEN_BYTES);
    net_forget_session(world.net);
    assert_false(net_logged_in(world.net));
    assert_string_equal(net_user(world.net), "");
    ask_status(5000);
    until(WANT_REQUEST);
    assert_int_equal(world.request.token.n, 0);
}

static void publish(const char *topic, enum event_index event, const void *body)
{
    struct buf bytes;

    buf_init(&bytes, LIMIT_MESSAGE_MAX);
    assert_int_equal(event_encode(event, body, &bytes), ERR_none);
    assert_true(zmq_send(world.events, topic, strlen(topic), ZMQ_SNDMORE) >= 0);
    assert_true(zmq_send(world.events, bytes.at, bytes.n, 0) >= 0);
    buf_free(&bytes);
}

/* XPUB tells of a subscription, so nothing is published too early. */
static void subscription_wait(const char *topic)
{
    char           bytes[128];
    zmq_pollitem_t item = { .socket = world.events, .events = ZMQ_POLLIN };
    int            n;

    assert_int_equal(zmq_poll(&item, 1, WAIT_MS), 1);
    n = zmq_recv(world.events, bytes, sizeof bytes, 0);
    assert_int_equal(n, (int)strlen(topic) + 1);
    assert_int_equal(bytes[0], 1);
    assert_memory_equal(bytes + 1, topic, strlen(topic));
}

static void test_events_of_the_session(void **state)
{
    struct msg_event_ledger  ledger = { .sequence = 42, .at = 7 };
    struct msg_event_session session = { .reason = slice_from("disabled") };
    const struct net_result *result;

    (void)state;
    log_in();
    subscription_wait("topic-of-this-session");
    publish("topic-of-another", EVENT_INDEX_session, &session);
    publish("topic-of-this-session", EVENT_INDEX_ledger, &ledger);
    result = until(WANT_EVENT);
    assert_int_equal(result->event, EVENT_INDEX_ledger);
    assert_true(net_logged_in(world.net));
    publish("topic-of-this-session", EVENT_INDEX_session, &session);
    until(WANT_EVENT);
    assert_false(net_logged_in(world.net));
    assert_int_equal(world.results[world.count - 1].kind, NET_STATE);
    assert_int_equal(world.results[world.count - 1].fault.err, ERR_session_invalid);
}

static void test_a_refusal_in_the_servers_words(void **state)
{
    const struct net_result *result;
    uint64_t                 ticket = ask_flag(5000);

    (void)state;
    until(WANT_REQUEST);
    refuse(world.request.id, ERR_role_denied, "reason", "You are not an analyst");
    result = until(WANT_FAILURE);
    assert_int_equal(result->ticket, ticket);
    assert_int_equal(result->fault.err, ERR_role_denied);
    assert_int_equal(result->class, ERR_CLASS_DENIED);
    assert_string_equal(result->name, "role_denied");
    assert_string_equal(result->fault.field, "reason");
    assert_string_equal(result->fault.text, "You are not an analyst");
    assert_string_equal(result->what, err_what(ERR_role_denied));
    assert_string_equal(result->next, err_next(ERR_role_denied));
    assert_string_equal(result->not_done, err_class_promise(ERR_CLASS_DENIED));
}

static void test_what_nobody_asked_for_is_dropped(void **state)
{
    static char garbage[] = "\x81\xa1id garbage";
    struct buf  bytes = { .at = garbage, .n = sizeof garbage - 1 };
    size_t      count;

    (void)state;
    ask_status(5000);
    until(WANT_REQUEST);
    reply_send(&bytes);
    refuse(world.request.id + 100, ERR_internal, NULL, "");
    refuse(0, ERR_internal, NULL, "");
    assert_true(zmq_send(world.router, world.identity, world.identity_n, ZMQ_SNDMORE) >= 0);
    assert_true(zmq_send(world.router, "two", 3, ZMQ_SNDMORE) >= 0);
    assert_true(zmq_send(world.router, "frames", 6, 0) >= 0);
    reply_status();
    reply_status(); /* the second answers nothing */
    count = world.count;
    until(WANT_REPLY);
    assert_int_equal(world.count, count + 1);
    ask_status(5000);
    until(WANT_REQUEST);
    reply_status();
    until(WANT_REPLY);
    assert_int_equal(world.count, count + 2);
}

static void test_deadlines(void **state)
{
    const struct net_result *result;
    uint64_t                 read = ask_status(1000);
    uint64_t                 change;
    uint64_t                 late;

    (void)state;
    until(WANT_REQUEST);
    late = world.request.id;
    forward(1001);
    result = until(WANT_FAILURE);
    assert_int_equal(result->ticket, read);
    assert_int_equal(result->fault.err, ERR_deadline);
    assert_int_equal(result->class, ERR_CLASS_AWAY);
    change = ask_flag(1000);
    until(WANT_REQUEST);
    forward(1001);
    result = until(WANT_FAILURE);
    assert_int_equal(result->ticket, change);
    assert_int_equal(result->fault.err, ERR_outcome_unknown);
    assert_int_equal(result->class, ERR_CLASS_UNKNOWN);
    /* The late answer is not taken for that of a later question. */
    ask_status(5000);
    until(WANT_REQUEST);
    refuse(late, ERR_internal, NULL, "");
    reply_status();
    until(WANT_REPLY);
    assert_int_equal(world.results[world.count - 1].kind, NET_REPLY);
}

static void test_a_cancelled_request_is_silent(void **state)
{
    uint64_t ticket = ask_status(5000);
    size_t   count = world.count;

    (void)state;
    until(WANT_REQUEST);
    net_cancel(world.net, ticket);
    reply_status();
    ticket = ask_status(5000);
    until(WANT_REQUEST);
    reply_status();
    until(WANT_REPLY);
    assert_int_equal(world.count, count + 1);
    assert_int_equal(world.results[world.count - 1].ticket, ticket);
}

static void test_a_lost_connection_and_its_return(void **state)
{
    uint64_t     read;
    uint64_t     change;
    size_t       failures = 0;
    int64_t      heard_us;
    struct fault fault;

    (void)state;
    log_in();
    read = ask_status(60000);
    until(WANT_REQUEST);
    change = ask_flag(60000);
    until(WANT_REQUEST);
    world.count = 0;
    server_close();
    until(WANT_WAITING);
    pump();
    for (size_t i = 0; i < world.count; i++) {
        const struct net_result *result = &world.results[i];

        if (result->kind != NET_FAILURE)
            continue;
        failures++;
        assert_true(result->ticket == read || result->ticket == change);
        assert_int_equal(result->fault.err,
                         result->ticket == read ? ERR_unreachable : ERR_outcome_unknown);
    }
    assert_int_equal(failures, 2);
    assert_int_equal(net_request(world.net, OP_INDEX_server_status, &(struct msg_empty){ 0 }, 1000,
                                 &fault), 0);
    assert_int_equal(fault.err, ERR_unreachable);
    heard_us = net_last_heard_us(world.net);
    forward(60000);
    assert_int_equal(net_last_heard_us(world.net), heard_us);
    assert_true(net_logged_in(world.net));
    server_bind();
    until(WANT_LIVE);
    /* It asks at once whether the session still stands. */
    if (!slice_is(world.request.op, "server.status") || world.request.token.n == 0)
        until(WANT_REQUEST);
    refuse(world.request.id, ERR_session_invalid, NULL, "");
    world.count = 0;
    while (net_logged_in(world.net)) {
        assert_true(poll(&(struct pollfd){ .fd = net_fd(world.net), .events = POLLIN }, 1,
                         WAIT_MS) == 1);
        pump();
    }
    assert_int_equal(world.results[world.count - 1].kind, NET_STATE);
    assert_int_equal(world.results[world.count - 1].fault.err, ERR_session_invalid);
}

/* The user logs out and in again before the first answers come. */
static void test_late_answers_of_an_earlier_session(void **state)
{
    struct msg_empty         empty = { 0 };
    struct msg_session_login login = { .email = slice_from("e"), .password = slice_from("p") };
    uint64_t                 status;
    uint64_t                 logout;

    (void)state;
    log_in();
    status = ask_status(60000);
    until(WANT_REQUEST);
    logout = ask(OP_INDEX_session_logout, &empty, 60000);
    until(WANT_REQUEST);
    ask(OP_INDEX_session_login, &login, 60000);
    until(WANT_REQUEST);
    reply_session(world.publisher);
    until(WANT_REPLY);
    reply_to(logout, &message_empty, &empty);
    until(WANT_REPLY);
    refuse(status, ERR_session_invalid, NULL, "");
    until(WANT_FAILURE);
    assert_true(net_logged_in(world.net));
    assert_string_equal(net_user(world.net), "ann@bank.example");
}

static void test_who_logs_out_is_out(void **state)
{
    struct msg_empty empty = { 0 };

    (void)state;
    log_in();
    ask(OP_INDEX_session_logout, &empty, 1000);
    until(WANT_REQUEST);
    assert_true(net_logged_in(world.net));
    forward(1001);
    until(WANT_FAILURE);
    assert_false(net_logged_in(world.net));
    log_in();
    net_log_out(world.net, 1); /* nobody answers */
    assert_false(net_logged_in(world.net));
}

static void test_back_off_grows_to_its_cap(void **state)
{
    int64_t longest_ms = 0;

    (void)state;
    server_close();
    until(WANT_WAITING);
    assert_true(net_retry_in_ms(world.net) <= 250);
    for (int i = 0; i < 12; i++) {
        int64_t wait_ms = net_retry_in_ms(world.net);

        assert_true(wait_ms >= 0 && wait_ms <= 15000);
        longest_ms = wait_ms > longest_ms ? wait_ms : longest_ms;
        net_retry_now(world.net);
        pump();
        until(WANT_WAITING);
    }
    assert_true(longest_ms >= 7000);
    server_bind();
    net_retry_now(world.net);
    pump();
    until(WANT_LIVE);
}

static void test_a_silent_server_is_stale(void **state)
{
    (void)state;
    log_in();
    ask_flag(60000);
    until(WANT_REQUEST);
    forward(2100);
    until(WANT_REQUEST); /* the probe */
    assert_true(slice_is(world.request.op, "server.status"));
    assert_int_equal(net_state(world.net), NET_LIVE);
    forward(2500);
    until(WANT_STALE);
    reply_status();
    until(WANT_LIVE);
    /* And when it stays silent, the connection is made anew. */
    forward(2100);
    until(WANT_REQUEST);
    forward(2500);
    until(WANT_STALE);
    forward(12000);
    until(WANT_WAITING);
}

/* Stopped and continued after a minute: what came meanwhile counts first. */
static void test_an_answer_that_waited(void **state)
{
    (void)state;
    log_in();
    ask_status(600000);
    until(WANT_REQUEST);
    reply_status();
    assert_true(poll(&(struct pollfd){ .fd = net_fd(world.net), .events = POLLIN }, 1, WAIT_MS)
                == 1);
    forward(60000);
    world.count = 0;
    while (world.count == 0)
        pump();
    assert_int_equal(world.count, 1);
    assert_int_equal(world.results[0].kind, NET_REPLY);
    assert_int_equal(net_state(world.net), NET_LIVE);
}

static void test_an_idle_client_asks_nothing(void **state)
{
    (void)state;
    log_in();
    world.requests = 0;
    for (int i = 0; i < 100; i++) {
        forward(60000);
        pump();
        assert_false(server_take());
    }
    assert_int_equal(net_state(world.net), NET_LIVE);
}

static void test_requests_in_flight_are_bounded(void **state)
{
    struct fault     fault = { 0 };
    struct msg_empty empty = { 0 };
    size_t           sent = 0;

    (void)state;
    while (net_request(world.net, OP_INDEX_server_status, &empty, 5000, &fault) != 0)
        assert_true(++sent < 1000);
    assert_int_equal(fault.err, ERR_busy);
    while (world.requests < sent) {
        until(WANT_REQUEST);
        reply_status();
    }
    until(WANT_REPLY);
    ask_status(5000);
}

static void test_a_wrong_request_is_not_sent(void **state)
{
    struct msg_transaction_act act = { 0 };
    struct fault               fault = { 0 };

    (void)state;
    assert_int_equal(net_request(world.net, OP_INDEX_transaction_flag, &act, 1000, &fault), 0);
    assert_string_equal(fault.field, "reason");
    pump();
    assert_false(server_take());
}

static void test_an_answer_from_another_world(void **state)
{
    struct msg_session_login wrong = { .email = slice_from("e"), .password = slice_from("p") };
    const struct net_result *result;

    (void)state;
    ask_status(5000);
    until(WANT_REQUEST);
    reply_to(world.request.id, &message_session_login, &wrong);
    result = until(WANT_FAILURE);
    assert_int_equal(result->fault.err, ERR_version_unsupported);
    ask_flag(5000);
    until(WANT_REQUEST);
    reply_to(world.request.id, &message_session_login, &wrong);
    result = until(WANT_FAILURE);
    assert_int_equal(result->fault.err, ERR_outcome_unknown);
}

static void write_key(const char *key)
{
    FILE *file = fopen(world.key_file, "w");

    assert_non_null(file);
    fprintf(file, "%s\n", key);
    assert_int_equal(fclose(file), 0);
}

/* Takes free ports of this machine for both sockets. */
static void server_over_tcp(void)
{
    char   endpoint[PATH_SIZE];
    size_t n = sizeof endpoint;

    net_close(&world.net);
    server_close();
    assert_int_equal(zmq_curve_keypair(world.public_key, world.secret_key), 0);
    world.curve = true;
    write_key(world.public_key);
    snprintf(world.server, sizeof world.server, "tcp://127.0.0.1:*");
    snprintf(world.publisher, sizeof world.publisher, "tcp://127.0.0.1:*");
    server_bind();
    assert_int_equal(zmq_getsockopt(world.router, ZMQ_LAST_ENDPOINT, endpoint, &n), 0);
    snprintf(world.server, sizeof world.server, "%s", endpoint);
    n = sizeof endpoint;
    assert_int_equal(zmq_getsockopt(world.events, ZMQ_LAST_ENDPOINT, endpoint, &n), 0);
    /* As a server would tell that listens on every address. */
    snprintf(world.publisher, sizeof world.publisher, "tcp://0.0.0.0%s", strrchr(endpoint, ':'));
}

static void test_an_encrypted_connection(void **state)
{
    struct msg_event_ledger ledger = { .sequence = 42, .at = 7 };

    (void)state;
    server_over_tcp();
    client_open(world.server, world.key_file);
    until(WANT_LIVE);
    log_in();
    subscription_wait("topic-of-this-session");
    publish("topic-of-this-session", EVENT_INDEX_ledger, &ledger);
    until(WANT_EVENT);
}

static void test_a_server_with_another_key(void **state)
{
    char public_key[KEY_MAX];
    char secret_key[KEY_MAX];

    (void)state;
    server_over_tcp();
    assert_int_equal(zmq_curve_keypair(public_key, secret_key), 0);
    write_key(public_key);
    client_open(world.server, world.key_file);
    until(WANT_WAITING);
    pump();
    assert_int_equal(world.results[world.count - 1].kind, NET_STATE);
    assert_non_null(strstr(world.results[world.count - 1].fault.text, "key"));
}

static void test_wrong_configurations(void **state)
{
    static const struct {
        const char *server;
        const char *key_file;
        enum err    err;
    } wrong[] = {
        { "tcp://127.0.0.1:1", NULL, ERR_option_invalid },
        { "tcp://127.0.0.1:1", "", ERR_option_invalid },
        { "tcp://127.0.0.1:1", "/nonexistent/key", ERR_io },
        { "tcp://127.0.0.1:1", "/dev/null", ERR_file_syntax },
        { "http://bank.example", NULL, ERR_option_invalid },
        { "", NULL, ERR_option_invalid },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        struct net_config config = { .server = wrong[i].server,
                                     .server_key_file = wrong[i].key_file,
                                     .clock = &world.clock.base };
        struct fault      fault = { 0 };
        struct net       *net = NULL;

        assert_int_equal(net_open(&config, &net, &fault), wrong[i].err);
        assert_null(net);
        assert_true(strlen(fault.text) > 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_request_and_its_answer),
        TEST(test_the_session_is_kept),
        TEST(test_events_of_the_session),
        TEST(test_a_refusal_in_the_servers_words),
        TEST(test_what_nobody_asked_for_is_dropped),
        TEST(test_deadlines),
        TEST(test_a_cancelled_request_is_silent),
        TEST(test_a_lost_connection_and_its_return),
        TEST(test_late_answers_of_an_earlier_session),
        TEST(test_who_logs_out_is_out),
        TEST(test_back_off_grows_to_its_cap),
        TEST(test_a_silent_server_is_stale),
        TEST(test_an_answer_that_waited),
        TEST(test_an_idle_client_asks_nothing),
        TEST(test_requests_in_flight_are_bounded),
        TEST(test_a_wrong_request_is_not_sent),
        TEST(test_an_answer_from_another_world),
        TEST(test_an_encrypted_connection),
        TEST(test_a_server_with_another_key),
        TEST(test_wrong_configurations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
