/* The connection to bankd.
 *
 * A link is one DEALER socket with its monitor; it lives from one attempt to connect to the loss
 * of that connection and is then thrown away, so that no request of an old connection can be sent
 * on a new one behind the user's back. ZeroMQ's own reconnecting is therefore off for requests
 * (it is on for events, where it does no harm), and this file keeps the back-off.
 *
 * A dead peer is noticed in two ways: ZeroMQ's heartbeats close a connection whose other end is
 * gone within seconds; and when the server's own thread is silent although requests wait for it,
 * a probe (server.status, which costs it nothing) tells whether it still lives. Nothing is sent
 * while the user asks nothing, so an unattended terminal does not keep its session alive.
 *
 * ZMQ_FD tells edges only: a socket may have messages while its descriptor is quiet, namely when
 * sending has taken up the edge. So whoever sends also writes to an eventfd of our own, and
 * net_pump returns false only after every socket said that it has nothing. With that, net_fd is
 * level-triggered for the caller.
 *
 * The rule: a ticket is told exactly once or cancelled, and nothing outlives its bound. */
#include "bankterm/net.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>
#include <zmq.h>

#include "common/check.h"
#include "common/room.h"

enum {
    NET_IN_FLIGHT_MAX = 64,
    NET_EVENTS_WAITING_MAX = 1000,
    NET_CONNECT_MS = 4000,        /* one attempt, with the handshake */
    NET_HEARTBEAT_MS = 1000,
    NET_HEARTBEAT_TIMEOUT_MS = 2500,
    NET_QUIET_MS = 2000,          /* silent so long while asked: probe */
    NET_STALE_MS = 4500,          /* silent so long while asked: stale */
    NET_DROP_MS = 15000,          /* stale so long: connect anew */
    NET_BACKOFF_FIRST_MS = 250,
    NET_BACKOFF_MAX_MS = 15000,
    NET_DEADLINE_MAX_MS = LIMIT_LONG_WORK_MS,
    NET_REPLY_WIRE_MAX = LIMIT_REPLY_MAX + LIMIT_MESSAGE_MAX,
    NET_EVENT_WIRE_MAX = LIMIT_MESSAGE_MAX,
    NET_ARENA = 4 * LIMIT_REPLY_MAX, /* a page is larger in structs than on the wire */
    NET_ENDPOINT_MAX = 256,
    NET_FILES = 64,               /* of the whole program */
    NET_THREADS = 2,              /* of the messaging library */
    NET_BYTES = 64 * 1024 * 1024,
    NET_Z85_MAX = 41,
    NET_TOPIC_MAX = 65,
};

/* A request whose end was not told yet; the slot is free when the ticket is 0. */
struct pending {
    uint64_t      ticket;
    enum op_index op;
    bool          quiet; /* a probe, or cancelled: its end is not told */
    bool          probe;
    bool          lost;  /* its connection is gone */
    uint64_t      session; /* in which it was sent */
    int64_t       sent_us;
    int64_t       deadline_us;
};

struct session {
    bool      open;
    uint8_t   token[LIMIT_TOKEN_BYTES];
    enum role role;
    char      user[LIMIT_EMAIL_MAX + 1];
    char      name[LIMIT_NAME_MAX + 1];
};

struct net {
    struct clock  *clock;
    char           server[NET_ENDPOINT_MAX];
    bool           without_events;
    bool           curve;
    char           server_key[NET_Z85_MAX];
    char           public_key[NET_Z85_MAX];
    char           secret_key[NET_Z85_MAX];
    void          *context;
    int            epoll;
    int            wake; /* eventfd: there may be something although no socket's edge tells */
    void          *dealer;
    void          *monitor;
    void          *subscriber;
    enum net_state state;
    bool           changed; /* NET_STATE is to be told */
    struct fault   reason;  /* of the change */
    bool           met;     /* the attempt has reached somebody */
    bool           broken;  /* the connection has ended; what it brought is still to be read */
    unsigned       failures;
    uint64_t       links;
    int64_t        connect_by_us;
    int64_t        retry_at_us;
    int64_t        stale_since_us;
    int64_t        probed_us;
    int64_t        heard_us;      /* monotonic */
    int64_t        heard_wall_us;
    struct pending pending[NET_IN_FLIGHT_MAX];
    uint64_t       next_ticket;
    uint64_t       sessions; /* counts them */
    struct session session;
    struct buf     out;
    struct arena   arena;
    zmq_msg_t      message; /* what the last result points into */
};

static int64_t now_of(const struct net *net)
{
    return net->clock->monotonic_us(net->clock);
}

static void wake_up(struct net *net)
{
    uint64_t one = 1;
    ssize_t  n = write(net->wake, &one, sizeof one);

    /* It can only fail when it is readable already. */
    CHECK(n == (ssize_t)sizeof one || errno == EAGAIN);
}

static void state_set(struct net *net, enum net_state state)
{
    if (net->state == state)
        return;
    net->state = state;
    net->changed = true;
    wake_up(net);
}

const char *net_state_text(enum net_state state)
{
    static const char *const names[] = { "connecting", "live", "stale", "reconnecting" };

    CHECK((size_t)state < ARRAY_COUNT(names));
    return names[state];
}

/* --- sockets ------------------------------------------------------------------------------- */

static void set_int(void *socket, int option, int value)
{
    CHECK(zmq_setsockopt(socket, option, &value, sizeof value) == 0);
}

static int descriptor_of(void *socket)
{
    int    fd = -1;
    size_t n = sizeof fd;

    CHECK(zmq_getsockopt(socket, ZMQ_FD, &fd, &n) == 0);
    return fd;
}

static bool watch(struct net *net, void *socket)
{
    struct epoll_event event = { .events = EPOLLIN };

    event.data.fd = descriptor_of(socket);
    return epoll_ctl(net->epoll, EPOLL_CTL_ADD, event.data.fd, &event) == 0;
}

static void drop_socket(struct net *net, void **socket)
{
    struct epoll_event event = { 0 };

    if (*socket == NULL)
        return;
    /* It fails when the socket was not watched yet, which is as good. */
    epoll_ctl(net->epoll, EPOLL_CTL_DEL, descriptor_of(*socket), &event);
    zmq_close(*socket);
    *socket = NULL;
}

static void set_common(const struct net *net, void *socket, int wire_max)
{
    int64_t size_max = wire_max;

    set_int(socket, ZMQ_LINGER, 0);
    set_int(socket, ZMQ_IPV6, 1);
    set_int(socket, ZMQ_HANDSHAKE_IVL, NET_CONNECT_MS);
    set_int(socket, ZMQ_HEARTBEAT_IVL, NET_HEARTBEAT_MS);
    set_int(socket, ZMQ_HEARTBEAT_TIMEOUT, NET_HEARTBEAT_TIMEOUT_MS);
    CHECK(zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &size_max, sizeof size_max) == 0);
    if (!net->curve)
        return;
    CHECK(zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, net->server_key, NET_Z85_MAX) == 0);
    CHECK(zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, net->public_key, NET_Z85_MAX) == 0);
    CHECK(zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, net->secret_key, NET_Z85_MAX) == 0);
}

static void subscriber_open(struct net *net, const char *endpoint, const char *topic)
{
    drop_socket(net, &net->subscriber);
    net->subscriber = zmq_socket(net->context, ZMQ_SUB);
    if (net->subscriber == NULL)
        return;
    set_common(net, net->subscriber, NET_EVENT_WIRE_MAX);
    set_int(net->subscriber, ZMQ_RCVHWM, NET_EVENTS_WAITING_MAX);
    set_int(net->subscriber, ZMQ_RECONNECT_IVL, NET_BACKOFF_FIRST_MS);
    set_int(net->subscriber, ZMQ_RECONNECT_IVL_MAX, NET_BACKOFF_MAX_MS);
    CHECK(zmq_setsockopt(net->subscriber, ZMQ_SUBSCRIBE, topic, strlen(topic)) == 0);
    if (!watch(net, net->subscriber) || zmq_connect(net->subscriber, endpoint) != 0)
        drop_socket(net, &net->subscriber);
}

/* --- the session --------------------------------------------------------------------------- */

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* The host of "tcp://HOST:PORT"; empty when it is not of that shape. */
static struct slice host_of(const char *endpoint)
{
    const char *host = endpoint + strlen("tcp://");
    const char *end;

    if (!starts_with(endpoint, "tcp://"))
        return slice_of("", 0);
    end = strrchr(host, ':');
    return end != NULL ? slice_of(host, (size_t)(end - host)) : slice_of("", 0);
}

/* Where events are, as seen from here: a server that listens on every address does not know by
 * which one we came. False when this connection cannot reach them. */
static bool event_endpoint(const struct net *net, struct slice told, char out[NET_ENDPOINT_MAX])
{
    static const char *const anywhere[] = { "*", "0.0.0.0", "[::]", "::" };
    char                     endpoint[NET_ENDPOINT_MAX];
    struct slice             host;
    struct slice             ours = host_of(net->server);

    if (told.n == 0 || told.n >= sizeof endpoint)
        return false;
    slice_copy(told, endpoint, sizeof endpoint);
    slice_copy(told, out, NET_ENDPOINT_MAX);
    if (starts_with(endpoint, "tcp://") != net->curve)
        return false;
    host = host_of(endpoint);
    for (size_t i = 0; i < ARRAY_COUNT(anywhere); i++) {
        if (host.n > 0 && slice_is(host, anywhere[i])) {
            int n = snprintf(out, NET_ENDPOINT_MAX, "tcp://%.*s%s", (int)ours.n, ours.at,
                             host.at + host.n);
            return n > 0 && n < NET_ENDPOINT_MAX;
        }
    }
    return true;
}

static void session_take(struct net *net, const struct msg_session *reply)
{
    const struct role_row *row = role_from_name(reply->role);
    char                   endpoint[NET_ENDPOINT_MAX];
    char                   topic[NET_TOPIC_MAX];

    if (!MSG_HAS(reply, session, token) || reply->token.n != LIMIT_TOKEN_BYTES)
        return;
    net_forget_session(net);
    memcpy(net->session.token, reply->token.at, LIMIT_TOKEN_BYTES);
    net->session.open = true;
    net->sessions++;
    net->session.role = row != NULL ? row->role : ROLE_NONE;
    slice_copy(reply->email, net->session.user, sizeof net->session.user);
    slice_copy(reply->name, net->session.name, sizeof net->session.name);
    if (!net->without_events && MSG_HAS(reply, session, event_topic) && reply->event_topic.n > 0
        && MSG_HAS(reply, session, event_endpoint)
        && event_endpoint(net, reply->event_endpoint, endpoint))
        subscriber_open(net, endpoint, slice_copy(reply->event_topic, topic, sizeof topic));
    explicit_bzero(topic, sizeof topic);
    net->changed = true;
}

bool net_logged_in(const struct net *net)
{
    return net->session.open;
}

enum role net_role(const struct net *net)
{
    return net->session.role;
}

const char *net_user(const struct net *net)
{
    return net->session.user;
}

const char *net_user_name(const struct net *net)
{
    return net->session.name;
}

void net_forget_session(struct net *net)
{
    if (net->session.open) {
        net->changed = true;
        wake_up(net);
    }
    explicit_bzero(&net->session, sizeof net->session);
    drop_socket(net, &net->subscriber);
}

void net_use_token(struct net *net, const uint8_t token[LIMIT_TOKEN_BYTES])
{
    net_forget_session(net);
    memcpy(net->session.token, token, LIMIT_TOKEN_BYTES);
    net->session.open = true;
    net->sessions++;
    net->changed = true;
    wake_up(net);
}

/* --- the link ------------------------------------------------------------------------------ */

/* Between half and the whole of an interval that doubles, so that many terminals of one office
 * do not come back in the same moment. */
static int64_t backoff_us(unsigned failures)
{
    int64_t  ms = NET_BACKOFF_FIRST_MS;
    uint32_t random = 0;

    for (unsigned i = 0; i < failures && ms < NET_BACKOFF_MAX_MS; i++)
        ms *= 2;
    if (ms > NET_BACKOFF_MAX_MS)
        ms = NET_BACKOFF_MAX_MS;
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) != (ssize_t)sizeof random)
        random = (uint32_t)getpid();
    return (ms / 2 + (int64_t)random % (ms / 2 + 1)) * US_PER_MS;
}

/* Until `silence_ms` ago the server was certainly there: heartbeats say so. */
static void heard_at_least(struct net *net, int64_t silence_ms)
{
    int64_t wall_us = net->clock->now_us(net->clock) - silence_ms * US_PER_MS;

    if (wall_us > net->heard_wall_us)
        net->heard_wall_us = wall_us;
}

static bool is_up(const struct net *net)
{
    return net->state == NET_LIVE || net->state == NET_STALE;
}

static void link_down(struct net *net, const char *why)
{
    if (net->state == NET_LIVE)
        heard_at_least(net, NET_HEARTBEAT_MS + NET_HEARTBEAT_TIMEOUT_MS);
    if (net->dealer != NULL)
        zmq_socket_monitor(net->dealer, NULL, 0);
    drop_socket(net, &net->monitor);
    drop_socket(net, &net->dealer);
    for (size_t i = 0; i < NET_IN_FLIGHT_MAX; i++)
        net->pending[i].lost = net->pending[i].ticket != 0;
    fault_set(&net->reason, ERR_unreachable, NULL, "%s", why);
    net->retry_at_us = now_of(net) + backoff_us(net->failures);
    if (net->failures < 32)
        net->failures++;
    state_set(net, NET_WAITING);
}

static void link_open(struct net *net)
{
    char name[64];

    net->links++;
    net->met = false;
    net->broken = false;
    net->connect_by_us = now_of(net) + NET_CONNECT_MS * US_PER_MS;
    state_set(net, NET_CONNECTING);
    net->dealer = zmq_socket(net->context, ZMQ_DEALER);
    net->monitor = zmq_socket(net->context, ZMQ_PAIR);
    if (net->dealer == NULL || net->monitor == NULL) {
        link_down(net, "There are no more sockets");
        return;
    }
    set_common(net, net->dealer, NET_REPLY_WIRE_MAX);
    set_int(net->dealer, ZMQ_SNDHWM, NET_IN_FLIGHT_MAX);
    set_int(net->dealer, ZMQ_IMMEDIATE, 1);
    set_int(net->dealer, ZMQ_RECONNECT_IVL, -1);
    set_int(net->monitor, ZMQ_LINGER, 0);
    snprintf(name, sizeof name, "inproc://monitor-%" PRIu64, net->links);
    wake_up(net);
    if (zmq_socket_monitor(net->dealer, name, ZMQ_EVENT_ALL) != 0
        || zmq_connect(net->monitor, name) != 0 || !watch(net, net->monitor)
        || !watch(net, net->dealer) || zmq_connect(net->dealer, net->server) != 0)
        link_down(net, zmq_strerror(zmq_errno()));
}

static struct pending *pending_find(struct net *net, uint64_t ticket)
{
    for (size_t i = 0; i < NET_IN_FLIGHT_MAX; i++)
        if (net->pending[i].ticket == ticket)
            return &net->pending[i];
    return NULL;
}

/* One probe at a time, and only with a session: without one the server would refuse it. */
static bool can_probe(const struct net *net)
{
    bool space = false;

    for (size_t i = 0; i < NET_IN_FLIGHT_MAX; i++) {
        if (net->pending[i].ticket == 0)
            space = true;
        else if (net->pending[i].probe && !net->pending[i].lost)
            return false;
    }
    return space && net->session.open;
}

static void probe(struct net *net)
{
    struct msg_empty empty = { 0 };
    struct fault     fault;
    uint64_t         ticket;
    struct pending  *pending;

    if (!can_probe(net))
        return;
    net->probed_us = now_of(net);
    ticket = net_request(net, OP_INDEX_server_status, &empty, NET_DROP_MS, &fault);
    pending = ticket != 0 ? pending_find(net, ticket) : NULL;
    if (pending != NULL) {
        pending->quiet = true;
        pending->probe = true;
    }
}

static void link_up(struct net *net)
{
    net->reason = (struct fault){ 0 };
    net->heard_us = now_of(net);
    net->heard_wall_us = net->clock->now_us(net->clock);
    state_set(net, NET_LIVE);
    /* Does the server still know our session? */
    probe(net);
}

static void link_refused(struct net *net, bool handshake)
{
    if (handshake || (net->met && net->curve))
        link_down(net, "The server did not prove the key that was given for it");
    else if (net->met)
        link_down(net, "The other side is not bankd, or it wants its key to be given");
    else
        link_down(net, "Nobody answers there");
}

/* One message of the monitor; false when there is none. */
static bool monitor_step(struct net *net)
{
    uint8_t  frame[8] = { 0 };
    uint16_t event;
    int      more = 1;
    size_t   n = sizeof more;

    if (net->monitor == NULL || zmq_recv(net->monitor, frame, sizeof frame, ZMQ_DONTWAIT) < 0)
        return false;
    memcpy(&event, frame, sizeof event);
    while (zmq_getsockopt(net->monitor, ZMQ_RCVMORE, &more, &n) == 0 && more != 0)
        if (zmq_recv(net->monitor, frame, sizeof frame, ZMQ_DONTWAIT) < 0)
            break;
    switch (event) {
    case ZMQ_EVENT_CONNECTED:
        net->met = true;
        break;
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        link_up(net);
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        link_refused(net, net->curve);
        break;
    case ZMQ_EVENT_CLOSED:
    case ZMQ_EVENT_DISCONNECTED:
    case ZMQ_EVENT_MONITOR_STOPPED:
        if (is_up(net))
            net->broken = true;
        else
            link_refused(net, false);
        break;
    default:
        break;
    }
    return true;
}

/* --- opening and closing ------------------------------------------------------------------- */

static enum err key_load(struct net *net, const char *path, struct fault *fault)
{
    uint8_t raw[32];
    char    text[256];
    size_t  n;
    FILE   *file;

    if (path == NULL || path[0] == '\0')
        return fault_set(fault, ERR_option_invalid, "server_key",
                         "A server behind tcp:// needs the file with its public key");
    file = fopen(path, "re");
    if (file == NULL)
        return fault_set(fault, ERR_io, "server_key", "%s cannot be opened: %s", path,
                         strerror(errno));
    n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = '\0';
    text[strcspn(text, " \t\r\n")] = '\0';
    if (strlen(text) != NET_Z85_MAX - 1 || zmq_z85_decode(raw, text) == NULL)
        return fault_set(fault, ERR_file_syntax, "server_key",
                         "%s does not hold a public key of 40 characters", path);
    memcpy(net->server_key, text, NET_Z85_MAX);
    if (zmq_curve_keypair(net->public_key, net->secret_key) != 0)
        return fault_set(fault, ERR_unsupported, "server_key",
                         "The ZeroMQ library was built without encryption");
    return ERR_none;
}

static enum err take_config(struct net *net, const struct net_config *config, struct fault *fault)
{
    net->clock = config->clock;
    net->without_events = config->without_events;
    if (strlen(config->server) >= sizeof net->server)
        return fault_set(fault, ERR_option_invalid, "server", "The endpoint is too long");
    slice_copy(slice_from(config->server), net->server, sizeof net->server);
    net->curve = starts_with(net->server, "tcp://");
    if (!net->curve && !starts_with(net->server, "ipc://"))
        return fault_set(fault, ERR_option_invalid, "server",
                         "The endpoint is ipc://PATH or tcp://HOST:PORT");
    return net->curve ? key_load(net, config->server_key_file, fault) : ERR_none;
}

static enum err take_descriptors(struct net *net, struct fault *fault)
{
    static const struct room needs = {
        .files = NET_FILES, .threads = NET_THREADS, .bytes = NET_BYTES
    };
    struct epoll_event event = { .events = EPOLLIN };

    TRY(room_check(&needs, fault));
    net->epoll = epoll_create1(EPOLL_CLOEXEC);
    net->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    event.data.fd = net->wake;
    if (net->epoll < 0 || net->wake < 0
        || epoll_ctl(net->epoll, EPOLL_CTL_ADD, net->wake, &event) != 0)
        return fault_set(fault, ERR_io, NULL, "There are no more file descriptors");
    net->context = zmq_ctx_new();
    return net->context != NULL ? ERR_none : fault_set(fault, ERR_memory, NULL, NULL);
}

enum err net_open(const struct net_config *config, struct net **out, struct fault *fault)
{
    struct net *net = calloc(1, sizeof *net);
    enum err    err;

    *out = NULL;
    if (net == NULL)
        return fault_set(fault, ERR_memory, NULL, NULL);
    net->epoll = -1;
    net->wake = -1;
    net->next_ticket = 1;
    net->state = NET_WAITING;
    zmq_msg_init(&net->message);
    buf_init(&net->out, LIMIT_MESSAGE_LARGE_MAX);
    err = take_config(net, config, fault);
    if (err == ERR_none)
        err = take_descriptors(net, fault);
    if (err == ERR_none && arena_init(&net->arena, NET_ARENA) != ERR_none)
        err = fault_set(fault, ERR_memory, NULL, NULL);
    if (err != ERR_none) {
        net_close(&net);
        return err;
    }
    link_open(net);
    *out = net;
    return ERR_none;
}

void net_close(struct net **out)
{
    struct net *net = *out;

    if (net == NULL)
        return;
    zmq_msg_close(&net->message);
    if (net->dealer != NULL)
        zmq_socket_monitor(net->dealer, NULL, 0);
    drop_socket(net, &net->monitor);
    drop_socket(net, &net->dealer);
    drop_socket(net, &net->subscriber);
    if (net->context != NULL)
        zmq_ctx_term(net->context);
    if (net->wake >= 0)
        close(net->wake);
    if (net->epoll >= 0)
        close(net->epoll);
    buf_free(&net->out);
    arena_free(&net->arena);
    explicit_bzero(net, sizeof *net);
    free(net);
    *out = NULL;
}

int net_fd(const struct net *net)
{
    return net->epoll;
}

enum net_state net_state(const struct net *net)
{
    return net->state;
}

int64_t net_last_heard_us(const struct net *net)
{
    int64_t wall_us = net->clock->now_us(net->clock)
                      - (NET_HEARTBEAT_MS + NET_HEARTBEAT_TIMEOUT_MS) * US_PER_MS;

    return net->state == NET_LIVE && wall_us > net->heard_wall_us ? wall_us : net->heard_wall_us;
}

int64_t net_retry_in_ms(const struct net *net)
{
    int64_t left_us = net->retry_at_us - now_of(net);

    return net->state == NET_WAITING && left_us > 0 ? left_us / US_PER_MS : 0;
}

void net_retry_now(struct net *net)
{
    if (net->state == NET_WAITING) {
        net->retry_at_us = now_of(net);
        wake_up(net);
    }
}

/* --- requests ------------------------------------------------------------------------------ */

static enum err request_send(struct net *net, uint64_t ticket, const struct op_row *row,
                             const void *body, struct fault *fault)
{
    bool         open = (row->flags & OP_OPEN) != 0 || !net->session.open;
    struct slice token = slice_of((const char *)net->session.token, open ? 0 : LIMIT_TOKEN_BYTES);
    enum err     err;

    TRY(message_check(row->request, body, fault));
    /* The probe may have learned that the session has ended before its first request was made. */
    if ((row->flags & OP_OPEN) == 0 && !net->session.open && net->reason.err == ERR_session_invalid)
        return fault_set(fault, ERR_session_invalid, "token", "%s", net->reason.text);
    buf_clear(&net->out);
    err = request_encode(ticket, row->name, token, row->request, body, &net->out);
    if (err != ERR_none)
        return fault_set(fault, err, NULL, NULL);
    if (zmq_send(net->dealer, net->out.at, net->out.n, ZMQ_DONTWAIT) < 0)
        err = fault_set(fault, ERR_unreachable, NULL, "The request could not be sent");
    explicit_bzero(net->out.at, net->out.n); /* it may hold a password */
    wake_up(net);
    return err;
}

uint64_t net_request(struct net *net, enum op_index op, const void *body, int64_t deadline_ms,
                     struct fault *fault)
{
    struct pending *pending = pending_find(net, 0);
    int64_t         now_us = now_of(net);
    uint64_t        ticket = net->next_ticket;

    CHECK((size_t)op < OP_INDEX_count);
    if (!is_up(net)) {
        fault_set(fault, ERR_unreachable, NULL, "There is no connection to %s; nothing was sent",
                  net->server);
        return 0;
    }
    if (pending == NULL) {
        fault_set(fault, ERR_busy, NULL, "%d requests wait for their answers already",
                  NET_IN_FLIGHT_MAX);
        return 0;
    }
    if (request_send(net, ticket, &op_rows[op], body, fault) != ERR_none)
        return 0;
    if (deadline_ms < 1 || deadline_ms > NET_DEADLINE_MAX_MS)
        deadline_ms = NET_DEADLINE_MAX_MS;
    *pending = (struct pending){ .ticket = ticket,
                                 .op = op,
                                 .session = net->sessions,
                                 .sent_us = now_us,
                                 .deadline_us = now_us + deadline_ms * US_PER_MS };
    net->next_ticket++;
    return ticket;
}

void net_cancel(struct net *net, uint64_t ticket)
{
    struct pending *pending = ticket != 0 ? pending_find(net, ticket) : NULL;

    /* The slot stays taken until the answer or the deadline: what is in flight stays counted. */
    if (pending != NULL)
        pending->quiet = true;
}

/* --- results ------------------------------------------------------------------------------- */

static void result_fault(struct net_result *out, enum err err, const char *text)
{
    fault_set(&out->fault, err, NULL, "%s", text);
    out->class = err_class(err);
    slice_copy(slice_from(err_name(err)), out->name, sizeof out->name);
    slice_copy(slice_from(err_what(err)), out->what, sizeof out->what);
    slice_copy(slice_from(err_next(err)), out->next, sizeof out->next);
    slice_copy(slice_from(err_class_promise(out->class)), out->not_done, sizeof out->not_done);
}

static enum err_class class_from_name(struct slice name, enum err err)
{
    for (int class = ERR_CLASS_INTERNAL; class <= (int)ERR_CLASS_UNKNOWN; class++)
        if (slice_is(name, err_class_name((enum err_class)class)))
            return (enum err_class)class;
    return err_class(err);
}

/* The server's own words; it may know errors that this program does not. */
static void result_refusal(struct net_result *out, const struct reply_envelope *reply)
{
    out->kind = NET_FAILURE;
    slice_copy(reply->error_name, out->name, sizeof out->name);
    out->fault.err = err_from_name(out->name);
    slice_copy(reply->field, out->fault.field, sizeof out->fault.field);
    slice_copy(reply->text, out->fault.text, sizeof out->fault.text);
    out->fault.retry_after_ms = reply->retry_after_ms;
    out->class = class_from_name(reply->error_class, out->fault.err);
    slice_copy(reply->what, out->what, sizeof out->what);
    slice_copy(reply->next, out->next, sizeof out->next);
    slice_copy(reply->not_done, out->not_done, sizeof out->not_done);
}

static bool may_have_changed(enum op_index op)
{
    return (op_rows[op].flags & OP_WRITE) != 0;
}

/* Decodes the body of an answer; what cannot be read of a change leaves its outcome open. */
static void result_body(struct net *net, struct net_result *out, struct slice body)
{
    const struct message_desc *desc = op_rows[out->op].reply;
    struct fault               fault = { 0 };
    void                      *at = arena_take(&net->arena, desc->size);
    enum err                   err;

    CHECK(at != NULL); /* the arena is empty and far larger than any struct */
    err = message_decode(desc, body, DECODE_LENIENT, &net->arena, at, &fault);
    if (err == ERR_none) {
        out->kind = NET_REPLY;
        out->body = at;
        return;
    }
    out->kind = NET_FAILURE;
    result_fault(out, may_have_changed(out->op) ? ERR_outcome_unknown : ERR_version_unsupported,
                 "The server's answer could not be read");
}

/* What the end of a request means for the session. A slow answer to a request of an earlier
 * session must not end the present one. Whoever wanted to log out is logged out here, whatever
 * the server could answer. */
static void after_end(struct net *net, const struct net_result *out, uint64_t session)
{
    bool invalid = out->kind == NET_FAILURE
                   && (out->fault.err == ERR_session_invalid
                       || out->fault.err == ERR_login_required);

    if (out->kind == NET_REPLY && out->op == OP_INDEX_session_login)
        session_take(net, out->body);
    else if (!net->session.open || session != net->sessions)
        return;
    else if (invalid)
        net->reason = out->fault;
    if (invalid || out->op == OP_INDEX_session_logout)
        net_forget_session(net);
}

static void heard(struct net *net)
{
    net->heard_us = now_of(net);
    net->heard_wall_us = net->clock->now_us(net->clock);
    net->failures = 0;
    if (net->state == NET_STALE) {
        net->reason = (struct fault){ 0 };
        state_set(net, NET_LIVE);
    }
}

/* Receives one whole message of one frame into net->message; the rest of a longer one is thrown
 * away and *frames tells how many there were. False when there is none. */
static bool receive(struct net *net, void *socket, zmq_msg_t *message, int *frames)
{
    zmq_msg_t rest;

    if (socket == NULL || zmq_msg_recv(message, socket, ZMQ_DONTWAIT) < 0)
        return false;
    heard(net);
    *frames = 1;
    if (zmq_msg_more(message) == 0)
        return true;
    zmq_msg_init(&rest);
    do {
        if (zmq_msg_recv(&rest, socket, ZMQ_DONTWAIT) < 0)
            break;
        *frames += 1;
        if (*frames == 2) /* of two frames the second is the message */
            zmq_msg_copy(message, &rest);
    } while (zmq_msg_more(&rest) != 0);
    zmq_msg_close(&rest);
    return true;
}

static void pending_end(struct net *net, struct pending *pending, const struct net_result *out,
                        bool *told)
{
    uint64_t session = pending->session;

    *told = !pending->quiet;
    *pending = (struct pending){ 0 };
    after_end(net, out, session);
}

/* Takes one answer. *told says whether `out` holds something for the program. */
static bool reply_step(struct net *net, struct net_result *out, bool *told)
{
    struct reply_envelope reply;
    struct fault          fault;
    struct pending       *pending;
    struct slice          bytes;
    int                   frames = 0;

    if (!receive(net, net->dealer, &net->message, &frames))
        return false;
    *told = false;
    bytes = slice_of(zmq_msg_data(&net->message), zmq_msg_size(&net->message));
    if (frames != 1 || reply_decode(bytes, &reply, &fault) != ERR_none || reply.id == 0)
        return true;
    pending = pending_find(net, reply.id);
    if (pending == NULL)
        return true;
    *out = (struct net_result){ .ticket = reply.id, .op = pending->op };
    if (reply.ok)
        result_body(net, out, reply.body);
    else
        result_refusal(out, &reply);
    pending_end(net, pending, out, told);
    return true;
}

static bool event_step(struct net *net, struct net_result *out, bool *told)
{
    struct event_envelope event;
    struct fault          fault;
    struct slice          bytes;
    int                   frames = 0;

    if (!receive(net, net->subscriber, &net->message, &frames))
        return false;
    *told = false;
    bytes = slice_of(zmq_msg_data(&net->message), zmq_msg_size(&net->message));
    if (frames != 2 || event_decode(bytes, &event, &fault) != ERR_none)
        return true;
    for (size_t i = 0; i < EVENT_INDEX_count; i++) {
        const struct message_desc *desc = event_rows[i].message;
        void                      *at;

        if (!slice_is(event.event, event_rows[i].name))
            continue;
        at = arena_take(&net->arena, desc->size);
        CHECK(at != NULL);
        *out = (struct net_result){ .kind = NET_EVENT, .event = (enum event_index)i, .body = at };
        *told = message_decode(desc, event.body, DECODE_LENIENT, &net->arena, at, &fault)
                == ERR_none;
        if (*told && i == EVENT_INDEX_session) {
            fault_set(&net->reason, ERR_session_invalid, NULL, NULL);
            net_forget_session(net);
        }
    }
    return true;
}

/* A request whose time is over or whose connection is gone. */
static bool overdue_step(struct net *net, struct net_result *out, bool *told)
{
    int64_t now_us = now_of(net);

    for (size_t i = 0; i < NET_IN_FLIGHT_MAX; i++) {
        struct pending *pending = &net->pending[i];
        enum err        err = pending->lost ? ERR_unreachable : ERR_deadline;

        if (pending->ticket == 0 || (!pending->lost && now_us < pending->deadline_us))
            continue;
        if (may_have_changed(pending->op))
            err = ERR_outcome_unknown;
        *out = (struct net_result){ .kind = NET_FAILURE, .ticket = pending->ticket,
                                    .op = pending->op };
        result_fault(out, err, pending->lost ? "The connection was lost while the request waited"
                                             : "The answer did not come in time");
        pending_end(net, pending, out, told);
        return true;
    }
    return false;
}

/* --- timers -------------------------------------------------------------------------------- */

/* Since when the server has been silent although it was asked; INT64_MAX when it was not. */
static int64_t silent_since(const struct net *net)
{
    int64_t oldest_us = INT64_MAX;

    for (size_t i = 0; i < NET_IN_FLIGHT_MAX; i++)
        if (net->pending[i].ticket != 0 && net->pending[i].sent_us < oldest_us)
            oldest_us = net->pending[i].sent_us;
    if (oldest_us == INT64_MAX)
        return INT64_MAX;
    return oldest_us > net->heard_us ? oldest_us : net->heard_us;
}

/* When the next timer of the link is due. */
static int64_t link_timer_us(const struct net *net)
{
    int64_t since_us;

    switch (net->state) {
    case NET_CONNECTING:
        return net->connect_by_us;
    case NET_WAITING:
        return net->retry_at_us;
    case NET_STALE:
        return net->stale_since_us + (NET_DROP_MS - NET_STALE_MS) * US_PER_MS;
    case NET_LIVE:
        break;
    }
    since_us = silent_since(net);
    if (since_us == INT64_MAX)
        return INT64_MAX;
    if (can_probe(net) && net->probed_us < since_us)
        return since_us + NET_QUIET_MS * US_PER_MS;
    return since_us + NET_STALE_MS * US_PER_MS;
}

static void link_timer(struct net *net)
{
    if (now_of(net) < link_timer_us(net))
        return;
    switch (net->state) {
    case NET_CONNECTING:
        link_refused(net, false);
        return;
    case NET_WAITING:
        link_open(net);
        return;
    case NET_STALE:
        link_down(net, "The server has been silent for too long");
        return;
    case NET_LIVE:
        break;
    }
    if (now_of(net) < silent_since(net) + NET_STALE_MS * US_PER_MS) {
        probe(net);
        return;
    }
    heard_at_least(net, NET_STALE_MS);
    net->stale_since_us = now_of(net);
    fault_set(&net->reason, ERR_unreachable, NULL, "The server is connected but silent");
    state_set(net, NET_STALE);
}

int64_t net_next_wakeup_us(const struct net *net)
{
    int64_t at_us = link_timer_us(net);

    for (size_t i = 0; i < NET_IN_FLIGHT_MAX; i++)
        if (net->pending[i].ticket != 0 && net->pending[i].deadline_us < at_us)
            at_us = net->pending[i].deadline_us;
    return at_us;
}

/* One thing of what there is to do; false when there is nothing. Answers come before the end of
 * the connection that brought them. */
static bool step(struct net *net, struct net_result *out, bool *told)
{
    *told = net->changed;
    if (net->changed) {
        *out = (struct net_result){ .kind = NET_STATE, .fault = net->reason };
        net->changed = false;
        return true;
    }
    if (reply_step(net, out, told) || event_step(net, out, told))
        return true;
    if (net->broken && is_up(net)) {
        link_down(net, "The connection was lost");
        return true;
    }
    return monitor_step(net) || overdue_step(net, out, told);
}

static void work_off(struct net *net, struct net_result *out, bool *told)
{
    do {
        arena_reset(&net->arena);
    } while (step(net, out, told) && !*told);
}

bool net_pump(struct net *net, struct net_result *out)
{
    uint64_t wakes;
    ssize_t  n = read(net->wake, &wakes, sizeof wakes);
    bool     told = false;

    CHECK(n == (ssize_t)sizeof wakes || errno == EAGAIN);
    work_off(net, out, &told);
    if (!told) {
        /* After all that came, so that a program that was stopped for a while does not take the
         * server's answers for silence. */
        link_timer(net);
        work_off(net, out, &told);
    }
    if (told)
        wake_up(net); /* there may be more, also for a caller who stops here */
    return told;
}

void net_log_out(struct net *net, int64_t limit_ms)
{
    struct msg_empty  empty = { 0 };
    struct net_result result;
    struct fault      fault;
    uint64_t          ticket = 0;
    bool              ended = false;

    if (net->session.open)
        ticket = net_request(net, OP_INDEX_session_logout, &empty, limit_ms, &fault);
    /* Its deadline ends it. What it answers changes nothing: a session also ends by itself. */
    while (ticket != 0 && !ended) {
        struct pollfd watched = { .fd = net->epoll, .events = POLLIN };
        int64_t       wait_us = net_next_wakeup_us(net) - now_of(net);

        if (wait_us > 0)
            (void)poll(&watched, 1, (int)(wait_us / US_PER_MS) + 1);
        while (!ended && net_pump(net, &result))
            ended = (result.kind == NET_REPLY || result.kind == NET_FAILURE)
                    && result.ticket == ticket;
    }
    net_forget_session(net);
}
