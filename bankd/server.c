/* See server.h. The loop: wait for sockets, answers, a signal or a tenth of a second; take a
 * bounded number of messages from each socket in turn, so that no client can starve another. */
#include "bankd/server.h"

#include "bankd/door.h"
#include "bankd/events.h"
#include "bankd/gate.h"
#include "bankd/guard.h"
#include "bankd/job.h"
#include "bankd/options.h"
#include "bankd/service.h"
#include "bankd/session.h"
#include "bankd/unread.h"
#include "bankd/worker.h"
#include "bankd/zap.h"
#include "common/check.h"
#include "common/log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

enum { LOCAL, REMOTE, SIDES };
enum {
    TICK_MS = 100,
    MESSAGES_PER_TURN = 256,
    LEDGER_EVENT_EVERY_US = 250 * 1000,
    OUTSIDE_EVERY_US = 1000 * 1000,
    DRAIN_US = 20 * 1000 * 1000,
    END_SECONDS = 50, /* from the signal; then the process ends as it is */
    /* Answers of one peer, of which unread.h bounds the bytes. The library learns late how many
     * were taken, so half of it may be counted too many; all that is asked at one time must fit. */
    SEND_QUEUE = 2 * LIMIT_WRITER_QUEUE_MAX,
    RECEIVE_QUEUE = 64, /* of one peer; more waits in its own socket */
    OWN_FILES = 256,
    OWN_THREADS = 8, /* beside readers and those for passwords */
    LIBRARY_THREADS = 3,
    BOOK_BYTES = 1024, /* of one account in memory, and more */
    LOGINS_PER_SIDE_MAX = LIMIT_LOGIN_QUEUE_MAX * 3 / 4,
    BUSY_RETRY_MS = 250,
    BUSY_LOGIN_RETRY_MS = 1000,
    BUSY_STUCK_RETRY_MS = 2000,
    BUSY_LONG_RETRY_MS = 5000,
    LOCAL_ARENA_BYTES = 65536,
    LINGER_MS = 2000,
    HANDSHAKE_MS = 10 * 1000,
    GONE_ASK_SECONDS = 30, /* a silent connection over the network is asked after so long, ... */
    GONE_ASK_AGAIN_SECONDS = 10,
    GONE_ASK_TIMES = 3,
    GONE_MS = 60 * 1000, /* ... and is gone when it takes nothing for so long */
};

/* Where an answer goes, and who pays for it until it is collected. */
struct peer {
    int      side;
    bool     delimited;
    uint64_t serial; /* of the session; 0 = none */
    int      file;   /* of the connection; negative = unknown */
    size_t   route_size;
    uint8_t  route[JOB_ROUTE_MAX];
};

/* A login that has not been answered yet. */
struct pending {
    bool    used;
    int     side;
    size_t  route_size;
    uint8_t route[JOB_ROUTE_MAX];
};

struct server {
    struct home     *home;
    struct clock    *clock;
    void            *context;
    void            *requests[SIDES];
    struct events   *events[SIDES];
    struct door     *door;
    struct zap      *zap;
    struct unread   *unread;
    struct workers  *workers;
    struct sessions *sessions;
    struct store    *watch; /* sees commits of other processes */
    struct guard    *guard;
    struct arena     arena;                   /* of LOCAL handlers */
    struct buf       reply;                   /* of answers that need no job */
    bool             requests_stirred[SIDES]; /* something may have come in: see loop */
    int              done_fd;
    int              signal_fd;
    bool             stopping;
    int64_t          stop_us; /* monotonic */
    int64_t          started_us;
    int64_t          requests_count, refusals_count, dropped_count;
    int              large_count; /* requests at work that are larger than most may be */
    int64_t          told_sequence, told_us, looked_us, guarded_us, watchdog_us, fed_us;
    char             pid_path[HOME_PATH_MAX];
    struct pending   logins[LIMIT_LOGIN_QUEUE_MAX];
};

/* --- answers --------------------------------------------------------------------------------- */

/* A reply that its client does not collect is dropped: the socket's queue and the bytes that a
 * session owes are bounded, and nothing ever waits for a client. */
static bool send_counted(struct server *server, const struct peer *peer, bool must_go,
                         const struct buf *reply)
{
    void     *socket = server->requests[peer->side];
    void     *copy = unread_make(server->unread, peer->serial, peer->file, must_go, reply);
    zmq_msg_t message;

    if (copy == NULL)
        return false;
    if (zmq_msg_init_data(&message, copy, reply->n, unread_forget, server->unread) != 0) {
        unread_forget(copy, server->unread);
        return false;
    }
    server->requests_stirred[peer->side] = true;
    if (zmq_send(socket, peer->route, peer->route_size, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0) {
        server->dropped_count++;
        zmq_msg_close(&message);
        return true;
    }
    if (peer->delimited)
        zmq_send(socket, "", 0, ZMQ_DONTWAIT | ZMQ_SNDMORE);
    if (zmq_msg_send(&message, socket, ZMQ_DONTWAIT) < 0) {
        server->dropped_count++;
        zmq_msg_close(&message);
    }
    return true;
}

static void send_short(struct server *server, const struct peer *peer, const struct buf *reply)
{
    if (!send_counted(server, peer, false, reply))
        server->dropped_count++;
}

static void send_error(struct server *server, const struct peer *peer, uint64_t id,
                       const struct fault *fault)
{
    server->refusals_count++;
    buf_clear(&server->reply);
    if (reply_encode_error(id, fault, &server->reply) == ERR_none)
        send_short(server, peer, &server->reply);
}

static enum err refuse_busy(struct fault *fault, int64_t retry_after_ms)
{
    fault_set(fault, ERR_busy, NULL, "%s", "");
    fault->retry_after_ms = retry_after_ms;
    return ERR_busy;
}

/* Whoever asked something long when there is no room for the answer is told so. */
static void send_answer(struct server *server, const struct peer *peer, const struct job *job)
{
    bool         changes = job->op != NULL && (job->op->flags & OP_WRITE) != 0;
    struct fault fault = { 0 };

    if (send_counted(server, peer, changes, &job->reply))
        return;
    if (changes || job->fault.err != ERR_none) {
        server->dropped_count++;
        return;
    }
    (void)refuse_busy(&fault, BUSY_RETRY_MS);
    send_error(server, peer, job->request_id, &fault);
}

static void peer_of_job(const struct job *job, struct peer *peer)
{
    peer->side = job->socket;
    peer->delimited = job->delimited;
    peer->serial = job->session_serial;
    peer->file = job->file;
    peer->route_size = job->route_size;
    memcpy(peer->route, job->route, job->route_size);
}

/* --- local operations ------------------------------------------------------------------------ */

static void fill_session(struct server *server, const struct session *session,
                         struct msg_session *out)
{
    out->user_id = session->actor.user_id;
    out->email = slice_from(session->actor.email);
    out->name = slice_from(session->name);
    out->role = slice_from(role_find(session->actor.role)->name);
    out->expires_at = session->expires_at_us;
    out->idle_seconds = sessions_idle_us(server->sessions) / US_PER_SECOND;
    out->server_time = server->clock->now_us(server->clock);
}

enum err op_session_whoami(struct request *request, const struct msg_empty *in,
                           struct msg_session *out)
{
    (void)in;
    fill_session(request->server, request->session, out);
    return ERR_none;
}

/* The password was right, and the audit log has it: the session is made and told. */
enum err op_session_login(struct request *request, const struct msg_session_login *in,
                          struct msg_session *out)
{
    struct server *server = request->server;
    const char    *endpoint = conf_text(
           server->home->conf,
        options_endpoint_on(server->home->conf, "events_ipc") ? "events_ipc" : "events_tcp");

    (void)in;
    fill_session(server, request->session, out);
    MSG_SET(out, session, token, request->token);
    MSG_SET(out, session, event_topic, slice_from(request->session->topic));
    MSG_SET(out, session, event_endpoint, slice_from(endpoint));
    return ERR_none;
}

enum err op_server_status(struct request *request, const struct msg_empty *in,
                          struct msg_server_status *out)
{
    struct server       *server = request->server;
    struct workers_state state;

    (void)in;
    workers_state(server->workers, &state);
    out->version = slice_from(BANK_VERSION);
    out->protocol = PROTOCOL_VERSION;
    out->schema = state.schema;
    out->store = slice_from(server->home->store->ops->name);
    out->started_at = server->started_us;
    out->server_time = request->now_us;
    out->sequence = state.sequence;
    out->sessions = (int64_t)sessions_count(server->sessions);
    out->requests = server->requests_count;
    out->refusals = server->refusals_count;
    out->commits = state.commits;
    out->writer_queue = state.writer_queue;
    out->reader_queue = state.reader_queue;
    if (state.stuck_us > 0)
        MSG_SET(out, server_status, stuck_ms, state.stuck_us / US_PER_MS);
    return ERR_none;
}

/* What a session has asked for is told by the id of its request, which the client gave. */
enum err op_work_cancel(struct request *request, const struct msg_work_ref *in,
                        struct msg_empty *out)
{
    (void)out;
    if (workers_cancel(request->server->workers, request->session->serial,
                       (uint64_t)in->request_id))
        return ERR_none;
    return fault_set(request->fault, ERR_not_found, "request_id",
                     "This session has no long work of that id going on");
}

static void run_local(struct server *server, const struct peer *peer, struct request *request,
                      uint64_t id, const void *in)
{
    struct fault fault = { 0 };
    void        *out;
    enum err     err;

    arena_reset(&server->arena);
    out = arena_take(&server->arena, request->op->reply->size);
    CHECK(out != NULL);
    request->server = server;
    request->arena = &server->arena;
    request->fault = &fault;
    request->now_us = server->clock->now_us(server->clock);
    err = dispatch(request, in, out);
    buf_clear(&server->reply);
    if (err == ERR_none)
        err = reply_encode(id, request->op->reply, out, &server->reply);
    if (err == ERR_none) {
        send_short(server, peer, &server->reply);
        return;
    }
    if (fault.err != err)
        fault_set(&fault, err, NULL, "%s", "");
    send_error(server, peer, id, &fault);
}

/* --- requests -------------------------------------------------------------------------------- */

/* What is known of a message while it goes through the gates. */
struct arrival {
    struct peer             peer;
    struct slice            bytes;
    struct request_envelope envelope;
    const struct op_row    *op;
    struct session         *session;
};

static void note_refusal(struct server *server, const struct arrival *arrival,
                         const struct fault *fault)
{
    struct job *job = workers_job(server->workers);

    if (job == NULL)
        return;
    job->kind = JOB_REFUSAL;
    job->op = arrival->op;
    job->actor = arrival->session->actor;
    job->fault = *fault;
    if (!workers_submit(server->workers, job))
        workers_recycle(server->workers, job);
}

/* Size, envelope, operation, session, role. */
static enum err check_gates(struct server *server, struct arrival *arrival, struct fault *fault)
{
    struct gate_pass pass;
    enum err         err = request_decode(arrival->bytes, &arrival->envelope, fault);
    int64_t          now_us = server->clock->monotonic_us(server->clock);

    if (err != ERR_none)
        return err; /* the size among them; the id to answer is known if there is one */
    err = gate_check(server->sessions, &arrival->envelope, server->stopping, now_us, &pass, fault);
    arrival->op = pass.op;
    arrival->session = pass.session;
    if (pass.session == NULL)
        return err;
    arrival->peer.serial = pass.session->serial;
    guard_trust(server->guard, arrival->peer.file, now_us);
    if (err == ERR_role_denied)
        note_refusal(server, arrival, fault);
    return err;
}

static struct pending *find_login(struct server *server, const struct job *job)
{
    for (size_t i = 0; i < LIMIT_LOGIN_QUEUE_MAX; i++) {
        struct pending *pending = &server->logins[i];

        if (pending->used && pending->side == job->socket &&
            pending->route_size == job->route_size &&
            memcmp(pending->route, job->route, job->route_size) == 0)
            return pending;
    }
    return NULL;
}

/* Passwords take long to check. One connection waits for one login at a time, and those over the
 * network leave room for those on the machine, so that nobody's flood keeps the others out. */
static bool take_login_place(struct server *server, const struct job *job)
{
    struct pending *free_one = NULL;
    int             of_side = 0;

    if (find_login(server, job) != NULL)
        return false;
    for (size_t i = 0; i < LIMIT_LOGIN_QUEUE_MAX; i++) {
        if (!server->logins[i].used)
            free_one = &server->logins[i];
        else if (server->logins[i].side == job->socket)
            of_side++;
    }
    if (free_one == NULL || of_side >= LOGINS_PER_SIDE_MAX)
        return false;
    *free_one =
        (struct pending){ .used = true, .side = job->socket, .route_size = job->route_size };
    memcpy(free_one->route, job->route, job->route_size);
    return true;
}

static void leave_login_place(struct server *server, const struct job *job)
{
    struct pending *pending = find_login(server, job);

    if (pending != NULL)
        pending->used = false;
}

/* Behind a writer that is stuck there is no end to wait for. */
static enum err check_writer(const struct server *server, const struct op_row *op,
                             struct fault *fault)
{
    if ((op->flags & (OP_WRITE | OP_LOGIN)) == 0 || workers_stuck_us(server->workers) == 0)
        return ERR_none;
    fault_set(fault, ERR_busy, NULL, "A commit has taken very long already; nothing new is begun");
    fault->retry_after_ms = BUSY_STUCK_RETRY_MS;
    return ERR_busy;
}

static enum err refuse_second(struct fault *fault)
{
    fault_set(fault, ERR_busy, NULL, "Other long work goes on, and there is one at a time");
    fault->retry_after_ms = BUSY_LONG_RETRY_MS;
    return ERR_busy;
}

static enum err check_login(struct server *server, const struct job *job, struct fault *fault)
{
    const struct msg_session_login *in = job->in;
    int64_t                         wait_ms =
        login_wait_ms(server->sessions, in->email, server->clock->monotonic_us(server->clock));

    if (wait_ms == 0)
        return take_login_place(server, job) ? ERR_none : refuse_busy(fault, BUSY_LOGIN_RETRY_MS);
    fault_set(fault, ERR_login_locked, NULL, "%s", "");
    fault->retry_after_ms = wait_ms;
    return ERR_login_locked;
}

/* How long a request may take until it is begun, or for a question, until it has its answer. */
static int64_t time_of(const struct server *server, const struct op_row *op)
{
    if ((op->flags & OP_WRITE) != 0)
        return LIMIT_WRITE_WAIT_MS * US_PER_MS;
    if ((op->flags & OP_LOGIN) != 0)
        return LIMIT_LOGIN_WAIT_MS * US_PER_MS;
    if ((op->flags & OP_LONG) != 0)
        return LIMIT_LONG_WORK_MS * US_PER_MS;
    return conf_int(server->home->conf, "read_seconds") * US_PER_SECOND;
}

/* Where the arrival's body lies in the job's copy of its bytes. */
static struct slice body_of(const struct arrival *arrival, const struct job *job)
{
    struct slice body = arrival->envelope.body;

    if (body.n == 0)
        return body;
    return slice_of(job->bytes.at + (body.at - arrival->bytes.at), body.n);
}

/* Copies the message into the job and decodes its fields there. */
static enum err fill_job(struct server *server, const struct arrival *arrival, struct job *job,
                         struct fault *fault)
{

    job->kind = JOB_REQUEST;
    job->socket = arrival->peer.side;
    job->delimited = arrival->peer.delimited;
    job->route_size = arrival->peer.route_size;
    memcpy(job->route, arrival->peer.route, arrival->peer.route_size);
    job->file = arrival->peer.file;
    job->request_id = arrival->envelope.id;
    job->connection = (arrival->op->flags & OP_READ) != 0 ? guard_mark(arrival->peer.file) : 0;
    job->op = arrival->op;
    job->deadline_us = server->clock->monotonic_us(server->clock) + time_of(server, job->op);
    if (arrival->session != NULL) {
        job->actor = arrival->session->actor;
        job->session_serial = arrival->session->serial;
    }
    TRY(buf_add(&job->bytes, arrival->bytes.at, arrival->bytes.n));
    job->in = arena_take(&job->arena, arrival->op->request->size);
    if (job->in == NULL)
        return ERR_memory;
    return message_decode(arrival->op->request, body_of(arrival, job), DECODE_STRICT, &job->arena,
                          job->in, fault);
}

/* Few requests may be larger than others, so that their bytes cannot fill the memory. */
static int is_large(const struct job *job)
{
    return job->bytes.n > LIMIT_MESSAGE_MAX;
}

static enum err start_job(struct server *server, struct arrival *arrival, struct fault *fault)
{
    bool        large = arrival->bytes.n > LIMIT_MESSAGE_MAX;
    struct job *job = NULL;
    enum err    err;

    if ((arrival->op->flags & OP_READ) != 0 &&
        unread_is_deaf(server->unread, arrival->peer.serial, arrival->peer.file))
        return refuse_busy(fault, BUSY_RETRY_MS);
    TRY(check_writer(server, arrival->op, fault));
    if (!large || server->large_count < LIMIT_LARGE_REQUESTS_MAX)
        job = workers_job(server->workers);
    if (job == NULL)
        return refuse_busy(fault, BUSY_RETRY_MS);
    err = fill_job(server, arrival, job, fault);
    if (err == ERR_none && (arrival->op->flags & OP_LOGIN) != 0)
        err = check_login(server, job, fault);
    if (err == ERR_none && (arrival->op->flags & OP_LOCAL) != 0) {
        struct request request = { .op = arrival->op,
                                   .actor = job->actor,
                                   .session = arrival->session,
                                   .bank = &server->home->bank };

        run_local(server, &arrival->peer, &request, arrival->envelope.id, job->in);
    } else if (err == ERR_none) {
        if (workers_submit(server->workers, job)) {
            server->large_count += large;
            return ERR_none;
        }
        if ((arrival->op->flags & OP_LOGIN) != 0)
            leave_login_place(server, job);
        err = refuse_busy(fault, BUSY_RETRY_MS);
        if ((arrival->op->flags & OP_LONG) != 0)
            err = refuse_second(fault);
    }
    workers_recycle(server->workers, job);
    return err;
}

static void take_message(struct server *server, struct arrival *arrival)
{
    struct fault fault = { 0 };
    enum err     err;

    server->requests_count++;
    err = check_gates(server, arrival, &fault);
    if (err == ERR_none)
        err = start_job(server, arrival, &fault);
    if (err == ERR_none)
        return;
    if (fault.err != err)
        fault_set(&fault, err, NULL, "%s", "");
    log_event(LOG_DEBUG, "refused", "error=%s", err_name(err));
    send_error(server, &arrival->peer, arrival->envelope.id, &fault);
}

static bool frame_has_more(zmq_msg_t *frame)
{
    return zmq_msg_more(frame) != 0;
}

/* The rest of a message that is not of our shape. */
static void drain_frames(void *socket)
{
    zmq_msg_t frame;
    bool      more = true;

    while (more) {
        zmq_msg_init(&frame);
        more = zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) >= 0 && frame_has_more(&frame);
        zmq_msg_close(&frame);
    }
}

/* One message: peer, an optional empty frame, the bytes. False when none waits. */
static bool receive(struct server *server, int side)
{
    struct arrival arrival = { .peer = { .side = side } };
    void          *socket = server->requests[side];
    zmq_msg_t      frame;
    int            n;

    n = zmq_recv(socket, arrival.peer.route, sizeof arrival.peer.route, ZMQ_DONTWAIT);
    if (n < 0)
        return false;
    arrival.peer.route_size =
        (size_t)n < sizeof arrival.peer.route ? (size_t)n : sizeof arrival.peer.route;
    zmq_msg_init(&frame);
    n = zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT);
    if (n == 0 && frame_has_more(&frame)) {
        arrival.peer.delimited = true;
        n = zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT);
    }
    if (n >= 0) {
        bool more = frame_has_more(&frame);

        arrival.peer.file = zmq_msg_get(&frame, ZMQ_SRCFD);
        if (more)
            drain_frames(socket);
        arrival.bytes =
            more ? slice_of("", 0) : slice_of(zmq_msg_data(&frame), zmq_msg_size(&frame));
        take_message(server, &arrival);
    }
    zmq_msg_close(&frame);
    return true;
}

/* --- events ---------------------------------------------------------------------------------- */

struct publication {
    struct server *server;
    uint32_t       roles;
    struct slice   bytes;
};

static void publish_to(void *context, struct session *session)
{
    struct publication *publication = context;

    if ((publication->roles & session->actor.role) == 0)
        return;
    for (int side = 0; side < SIDES; side++)
        events_send(publication->server->events[side], session->topic, publication->bytes);
}

static void publish(struct server *server, enum event_index event, struct slice bytes)
{
    struct publication publication = { .server = server,
                                       .roles = event_rows[event].roles,
                                       .bytes = bytes };

    sessions_each(server->sessions, server->clock->monotonic_us(server->clock), publish_to,
                  &publication);
}

static void end_session(struct server *server, struct session *session, const char *reason)
{
    struct msg_event_session event = { .reason = slice_from(reason) };
    struct publication       publication = { .server = server, .roles = session->actor.role };

    buf_clear(&server->reply);
    if (event_encode(EVENT_INDEX_session, &event, &server->reply) == ERR_none) {
        publication.bytes = slice_of(server->reply.at, server->reply.n);
        publish_to(&publication, session);
    }
    session_end(server->sessions, session);
}

/* --- answers from the threads ---------------------------------------------------------------- */

/* Whether the user is still the one who logged in: operators disable users, and give them other
 * passwords, by commands of their own. A store that cannot be read now ends nobody's work. */
static bool is_still(struct server *server, const struct session *session)
{
    struct user user;
    uint8_t     mark[AUTH_MARK_BYTES];
    enum err    err;

    err = server->watch->ops->user_by_number(server->watch, session->actor.user, &user);
    if (err != ERR_none)
        return true;
    auth_mark(user.password_hash, mark);
    sodium_memzero(user.password_hash, sizeof user.password_hash);
    return session_fits(session, user.disabled, user.role, mark);
}

static void finish_login(struct server *server, struct job *job)
{
    const struct msg_session_login *in = job->in;
    struct request  request = { .op = job->op, .actor = job->actor, .bank = &server->home->bank };
    uint8_t         token[LIMIT_TOKEN_BYTES];
    struct session *session;
    struct peer     peer;
    int64_t         now_us = server->clock->monotonic_us(server->clock);
    enum err        err;

    peer_of_job(job, &peer);
    leave_login_place(server, job);
    if (!job->login_good) {
        if (job->fault.err == ERR_login_failed)
            login_failed(server->sessions, in->email, now_us);
        send_error(server, &peer, job->request_id, &job->fault);
        return;
    }
    login_succeeded(server->sessions, in->email);
    err = session_start(server->sessions, &job->actor, job->login_name, now_us, token, &session);
    if (err != ERR_none) {
        fault_set(&job->fault, err, NULL, "Too many sessions are open");
        job->fault.retry_after_ms = BUSY_LOGIN_RETRY_MS;
        send_error(server, &peer, job->request_id, &job->fault);
        return;
    }
    session->expires_at_us = session->expires_us - now_us + server->clock->now_us(server->clock);
    memcpy(session->password_mark, job->login_mark, sizeof session->password_mark);
    if (!is_still(server, session)) { /* changed while the password was looked at */
        session_end(server->sessions, session);
        fault_set(&job->fault, ERR_login_failed, NULL, "%s", "");
        send_error(server, &peer, job->request_id, &job->fault);
        return;
    }
    peer.serial = session->serial;
    request.session = session;
    request.token = slice_of((const char *)token, sizeof token);
    run_local(server, &peer, &request, job->request_id, in);
    sodium_memzero(token, sizeof token);
}

struct serial_search {
    uint64_t        serial;
    struct session *found;
};

static void match_serial(void *context, struct session *session)
{
    struct serial_search *search = context;

    if (session->serial == search->serial)
        search->found = session;
}

static struct session *session_of_serial(struct server *server, uint64_t serial)
{
    struct serial_search search = { .serial = serial };

    sessions_each(server->sessions, server->clock->monotonic_us(server->clock), match_serial,
                  &search);
    return search.found;
}

/* News for everybody with the right role, or for one session. */
static void finish_event(struct server *server, const struct job *job)
{
    struct slice       bytes = slice_of(job->reply.at, job->reply.n);
    struct publication publication = { .server = server,
                                       .roles = event_rows[job->event].roles,
                                       .bytes = bytes };
    struct session    *session;

    if (job->session_serial == 0) {
        publish(server, job->event, bytes);
        return;
    }
    session = session_of_serial(server, job->session_serial);
    if (session != NULL)
        publish_to(&publication, session);
}

static void finish_job(struct server *server, struct job *job)
{
    struct session *session;
    struct peer     peer;

    if (job->kind == JOB_EVENT) {
        finish_event(server, job);
        return;
    }
    if (job->kind == JOB_LOGIN) {
        finish_login(server, job);
        return;
    }
    if (job->fault.err != ERR_none)
        server->refusals_count++;
    peer_of_job(job, &peer);
    send_answer(server, &peer, job);
    if (job->op == &op_rows[OP_INDEX_session_logout] && job->fault.err == ERR_none) {
        session = session_of_serial(server, job->session_serial);
        if (session != NULL)
            end_session(server, session, "You logged out");
    }
}

static void take_done(struct server *server)
{
    struct job *jobs[64];
    uint64_t    count;
    size_t      n;
    ssize_t     got = read(server->done_fd, &count, sizeof count);

    (void)got;
    while ((n = workers_done(server->workers, jobs, ARRAY_COUNT(jobs))) > 0)
        for (size_t i = 0; i < n; i++) {
            finish_job(server, jobs[i]);
            server->large_count -= is_large(jobs[i]);
            workers_recycle(server->workers, jobs[i]);
        }
}

/* --- time ------------------------------------------------------------------------------------ */

static void tell_ledger(struct server *server, int64_t now_us)
{
    struct workers_state    state;
    struct msg_event_ledger event;

    if (now_us - server->told_us < LEDGER_EVENT_EVERY_US)
        return;
    workers_state(server->workers, &state);
    if (state.sequence == server->told_sequence)
        return;
    memset(&event, 0, sizeof event);
    event.sequence = state.sequence;
    event.at = server->clock->now_us(server->clock);
    server->told_sequence = state.sequence;
    server->told_us = now_us;
    buf_clear(&server->reply);
    if (event_encode(EVENT_INDEX_ledger, &event, &server->reply) == ERR_none)
        publish(server, EVENT_INDEX_ledger, slice_of(server->reply.at, server->reply.n));
}

static void check_user(void *context, struct session *session)
{
    struct server *server = context;

    if (!is_still(server, session))
        end_session(server, session, "The user was disabled, or has another role or password now");
}

/* Operators change users by commands of their own, which write into the same store. */
static void look_outside(struct server *server, int64_t now_us)
{
    if (now_us - server->looked_us < OUTSIDE_EVERY_US)
        return;
    server->looked_us = now_us;
    if (server->watch->ops->changed(server->watch))
        sessions_each(server->sessions, now_us, check_user, server);
}

static void tick(struct server *server)
{
    int64_t now_us = server->clock->monotonic_us(server->clock);

    workers_tick(server->workers);
    if (now_us - server->guarded_us >= TICK_MS * US_PER_MS) {
        server->guarded_us = now_us;
        guard_tick(server->guard, now_us);
    }
    tell_ledger(server, now_us);
    look_outside(server, now_us);
    if (server->watchdog_us > 0 && now_us - server->fed_us >= server->watchdog_us / 3) {
        service_notify("WATCHDOG=1");
        server->fed_us = now_us;
    }
}

/* A thread that hangs in the kernel, in a sync that does not come back, cannot be waited for. To
 * end without it is safe, as a cut of the power is: what was answered is on the disk, and what was
 * not answered is found whole or not at all by the next start. */
static void end_as_it_is(int signal)
{
    static const char text[] = "level=error event=stopped_hard reason=a_thread_hangs\n";
    ssize_t           n = write(STDERR_FILENO, text, sizeof text - 1);

    (void)n;
    (void)signal;
    _exit(ERR_CLASS_INTERNAL);
}

static void end_in_time(void)
{
    struct sigaction action = { .sa_handler = end_as_it_is };

    sigemptyset(&action.sa_mask);
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    alarm(END_SECONDS);
}

static void take_signal(struct server *server)
{
    struct signalfd_siginfo info;

    if (read(server->signal_fd, &info, sizeof info) != (ssize_t)sizeof info ||
        info.ssi_signo == SIGHUP)
        return;
    if (!server->stopping) {
        log_event(LOG_INFO, "stopping", "signal=%u", info.ssi_signo);
        end_in_time();
    }
    server->stopping = true;
    workers_end_work(server->workers);
    server->stop_us = server->clock->monotonic_us(server->clock);
    service_notify("STOPPING=1");
}

static bool is_drained(struct server *server)
{
    if (!server->stopping)
        return false;
    return (workers_idle(server->workers) && workers_stuck_us(server->workers) == 0) ||
           server->clock->monotonic_us(server->clock) - server->stop_us > DRAIN_US;
}

static void take_requests(struct server *server, int side)
{
    for (int n = 0; n < MESSAGES_PER_TURN; n++)
        if (!receive(server, side)) {
            server->requests_stirred[side] = false;
            return;
        }
}

/* The files that tell that something has happened: two of the server's, then one of each side. */
enum { FILES = 2 + SIDES };

static int file_of(void *socket)
{
    int    fd = -1; /* which poll passes over */
    size_t size = sizeof fd;

    if (socket != NULL)
        CHECK(zmq_getsockopt(socket, ZMQ_FD, &fd, &size) == 0);
    return fd;
}

static void list_files(struct server *server, struct pollfd files[FILES])
{
    files[0].fd = server->done_fd;
    files[1].fd = server->signal_fd;
    for (int side = 0; side < SIDES; side++) {
        files[2 + side].fd = file_of(server->requests[side]);
    }
    for (int i = 0; i < FILES; i++)
        files[i].events = POLLIN;
}

static void stir(struct server *server, const struct pollfd files[FILES], bool all)
{
    for (int side = 0; side < SIDES; side++) {
        if (server->requests[side] != NULL && (all || files[2 + side].revents != 0))
            server->requests_stirred[side] = true;
    }
}

static bool is_stirred(const struct server *server)
{
    bool stirred = false;

    for (int side = 0; side < SIDES; side++)
        stirred = stirred || server->requests_stirred[side];
    return stirred;
}

/* A socket's file tells only once that something is new, and any call on the socket may take that
 * note away. So a socket counts as stirred from its file's note, or a call that sends, until it
 * was found empty, and nothing waits while one is; should a note be lost all the same, every
 * socket is looked at when a wait ends by its time. zmq_poll needs no such care, but asks each
 * socket twice for each wait, with two calls of the system each: of the 45 that one question cost
 * this thread it made 34, between a reader's answer and its way out as well. */
static enum err loop(struct server *server, struct fault *fault)
{
    struct pollfd files[FILES] = { { 0 } };

    list_files(server, files);
    stir(server, files, true);
    while (!is_drained(server)) {
        int wait_ms = is_stirred(server) ? 0 : TICK_MS;
        int n = poll(files, FILES, wait_ms);

        if (n < 0 && errno != EINTR)
            return fault_set(fault, ERR_internal, NULL, "Waiting for messages failed: %s",
                             strerror(errno));
        for (int i = 0; i < FILES && n < 0; i++)
            files[i].revents = 0; /* a signal was first */
        stir(server, files, n == 0 && wait_ms > 0);
        if (files[0].revents != 0)
            take_done(server);
        if (files[1].revents != 0)
            take_signal(server);
        for (int side = 0; side < SIDES; side++) {
            if (server->requests_stirred[side])
                take_requests(server, side);
        }
        tick(server);
    }
    return ERR_none;
}

/* --- start and stop -------------------------------------------------------------------------- */

static void set_int(void *socket, int option, int value)
{
    int rc = zmq_setsockopt(socket, option, &value, sizeof value);

    CHECK(rc == 0);
}

static void close_socket(void **socket)
{
    if (*socket != NULL)
        zmq_close(*socket);
    *socket = NULL;
}

/* What a socket is like: whom it serves, from where. */
struct endpoint {
    int         type;
    const char *option;
    bool        remote;
    const char *domain; /* of its gate (zap.h); NULL = none */
};

static const struct endpoint request_endpoints[SIDES] = {
    [LOCAL] = { ZMQ_ROUTER, "listen_ipc", false, NULL },
    [REMOTE] = { ZMQ_ROUTER, "listen_tcp", true, ZAP_REQUESTS },
};
static const struct endpoint event_endpoints[SIDES] = {
    [LOCAL] = { ZMQ_XPUB, "events_ipc", false, ZAP_EVENTS_LOCAL },
    [REMOTE] = { ZMQ_XPUB, "events_tcp", true, ZAP_EVENTS },
};

/* A machine that has vanished is noticed by the kernel, not by the heartbeats of the library: those
 * set a timer for each connection, and the library finds the timer that a message or an end makes
 * needless by walking from the earliest on. Thirty seconds after ten thousand connections came it
 * had their timers to end all at once, half the square of their number in steps, and on a busy
 * machine answered nobody meanwhile for longer than a client waits. Whoever wants to know whether
 * the daemon lives sends heartbeats of his own; to answer them takes no timer. */
static void notice_the_gone(void *socket)
{
    set_int(socket, ZMQ_TCP_KEEPALIVE, 1);
    set_int(socket, ZMQ_TCP_KEEPALIVE_IDLE, GONE_ASK_SECONDS);
    set_int(socket, ZMQ_TCP_KEEPALIVE_INTVL, GONE_ASK_AGAIN_SECONDS);
    set_int(socket, ZMQ_TCP_KEEPALIVE_CNT, GONE_ASK_TIMES);
    set_int(socket, ZMQ_TCP_MAXRT, GONE_MS);
}

static void set_options(struct server *server, void *socket, const struct endpoint *like)
{
    const bool     requests = like->type == ZMQ_ROUTER;
    const int64_t  size_max = requests ? LIMIT_WIRE_MAX : LIMIT_EVENTS_WIRE_MAX;
    const uint64_t thread = requests ? 1 << 0 : 1 << 1; /* of the library's own */

    set_int(socket, ZMQ_LINGER, LINGER_MS);
    set_int(socket, ZMQ_SNDHWM, SEND_QUEUE);
    set_int(socket, ZMQ_RCVHWM, requests ? RECEIVE_QUEUE : LIMIT_TOPICS_QUEUE);
    set_int(socket, ZMQ_BACKLOG, 1024);
    set_int(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &size_max, sizeof size_max);
    zmq_setsockopt(socket, ZMQ_AFFINITY, &thread, sizeof thread);
    if (requests)
        set_int(socket, ZMQ_ROUTER_MANDATORY, 1);
    if (like->domain != NULL)
        zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, like->domain, strlen(like->domain));
    if (like->remote) {
        notice_the_gone(socket);
        set_int(socket, ZMQ_CURVE_SERVER, 1);
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, server->home->curve_secret, 41);
    }
}

static enum err bind_socket(struct server *server, const struct endpoint *like, void **out,
                            struct fault *fault)
{
    const char *endpoint = conf_text(server->home->conf, like->option);
    void       *socket = zmq_socket(server->context, like->type);
    char        bound[256];
    size_t      bound_n = sizeof bound;

    if (socket == NULL)
        return fault_set(fault, ERR_memory, NULL, "%s", "");
    *out = socket;
    set_options(server, socket, like);
    if (zmq_bind(socket, endpoint) != 0)
        return fault_set(fault, ERR_io, NULL, "Cannot listen on %.150s: %s", endpoint,
                         zmq_strerror(errno));
    CHECK(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, bound, &bound_n) == 0);
    guard_watch(server->guard, bound);
    if (strncmp(endpoint, "ipc://", 6) == 0 && chmod(endpoint + 6, 0660) != 0)
        return fault_set(fault, ERR_io, NULL, "Cannot guard %.150s: %s", endpoint, strerror(errno));
    return ERR_none;
}

/* Both endpoints of one side. */
static enum err open_side(struct server *server, int side, struct fault *fault)
{
    const struct events_config config = { .clock = server->clock,
                                          .guard = server->guard,
                                          .door = server->door,
                                          .sessions = server->sessions,
                                          .context = server->context };
    void                      *publisher = NULL;
    enum err                   err;

    TRY(bind_socket(server, &request_endpoints[side], &server->requests[side], fault));
    err = bind_socket(server, &event_endpoints[side], &publisher, fault);
    if (err != ERR_none) {
        close_socket(&publisher);
        return err;
    }
    return events_start(&config, publisher, side == LOCAL ? "local" : "remote",
                        &server->events[side], fault);
}

/* More than the process should ever need: its caches as they are set, twice, since a page or a
 * record costs more than its bytes, and a lot for everything else. */
static int64_t good_bytes(const struct conf *conf)
{
    int64_t pages = conf_int(conf, "page_cache_mib") * 1024 * 1024;

    pages += pages / 8 * conf_int(conf, "readers");
    return LIMIT_GOOD_BYTES + 2 * pages + conf_int(conf, "books_max") * BOOK_BYTES +
           conf_int(conf, "profiles_max") * 2 * LIMIT_PROFILE_BYTES;
}

/* The library ends the process when it gets no memory, so what strangers and answers may take must
 * be there. */
void server_needs(const struct conf *conf, struct room *out)
{
    out->files = LIMIT_FILES_MIN;
    out->threads = OWN_THREADS + LIBRARY_THREADS + (int)conf_int(conf, "readers") +
                   (int)conf_int(conf, "login_threads");
    out->bytes = (int64_t)LIMIT_STRANGERS_BYTES + LIMIT_UNREAD_ALL_BYTES_MAX +
                 conf_int(conf, "page_cache_mib") * 1024 * 1024;
}

/* Every connection is an open file, and more of them may come between two looks of the guard than
 * are to stay: the library ends the process when it cannot accept a local one for lack of files. */
static enum err limit_connections(struct server *server, int64_t connections)
{
    struct rlimit limit = { .rlim_cur = 1024, .rlim_max = 1024 };
    rlim_t        wanted = (rlim_t)connections + OWN_FILES;

    (void)getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = wanted + LIMIT_SPARE_FILES;
    if (limit.rlim_cur > limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (wanted > limit.rlim_max / 4 * 3)
            wanted = limit.rlim_max / 4 * 3;
        log_event(LOG_WARNING, "fewer_connections", "wanted=%lld allowed=%lld",
                  (long long)connections, (long long)wanted - OWN_FILES);
    }
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    TRY(unread_open((int)limit.rlim_cur, &server->unread));
    return guard_open((int)limit.rlim_cur, (int)wanted, good_bytes(server->home->conf),
                      &server->guard);
}

static enum err open_sockets(struct server *server, struct fault *fault)
{
    const struct conf *conf = server->home->conf;

    TRY(limit_connections(server, conf_int(conf, "connections_max")));
    server->context = zmq_ctx_new();
    if (server->context == NULL)
        return fault_set(fault, ERR_memory, NULL, "%s", "");
    CHECK(zmq_ctx_set(server->context, ZMQ_IO_THREADS, 2) == 0);
    TRY(door_open(&server->door));
    TRY(zap_start(server->context, conf_text(conf, "client_keys"), server->door, server->clock,
                  &server->zap, fault));
    if (!options_endpoint_on(conf, "listen_ipc") || !options_endpoint_on(conf, "events_ipc"))
        return fault_set(fault, ERR_option_invalid, "listen_ipc",
                         "The local endpoints cannot be off");
    TRY(open_side(server, LOCAL, fault));
    if (!options_endpoint_on(conf, "listen_tcp"))
        return ERR_none;
    if (!options_endpoint_on(conf, "events_tcp"))
        return fault_set(fault, ERR_option_invalid, "events_tcp",
                         "listen_tcp is on, so events_tcp must be too");
    return open_side(server, REMOTE, fault);
}

static enum err open_all(struct server *server, struct fault *fault)
{
    const struct conf    *conf = server->home->conf;
    struct workers_config config = { .home = server->home,
                                     .clock = server->clock,
                                     .readers = (size_t)conf_int(conf, "readers"),
                                     .login_threads = (size_t)conf_int(conf, "login_threads") };
    sigset_t              signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    server->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    server->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (server->signal_fd < 0 || server->done_fd < 0)
        return fault_set(fault, ERR_io, NULL, "No more files can be opened");
    config.done_fd = server->done_fd;
    buf_init(&server->reply, LIMIT_REPLY_MAX + 4096);
    TRY(arena_init(&server->arena, LOCAL_ARENA_BYTES));
    TRY(sessions_open(conf_int(conf, "session_idle_minutes") * US_PER_MINUTE,
                      conf_int(conf, "session_hours") * US_PER_HOUR, &server->sessions));
    TRY(home_reader(server->home, &server->watch, fault));
    TRY(workers_start(&config, &server->workers, fault));
    TRY(open_sockets(server, fault));
    return service_write_pid(home_path(server->home, "bankd.pid", server->pid_path), fault);
}

static void close_all(struct server *server)
{
    workers_stop(&server->workers);
    for (int side = 0; side < SIDES; side++) {
        close_socket(&server->requests[side]);
        events_stop(&server->events[side]);
    }
    zap_stop(&server->zap);
    if (server->context != NULL)
        zmq_ctx_term(server->context);
    unread_close(&server->unread);
    door_close(&server->door);
    guard_close(&server->guard);
    if (server->watch != NULL)
        server->watch->ops->close(&server->watch);
    sessions_close(&server->sessions);
    arena_free(&server->arena);
    buf_free(&server->reply);
    if (server->done_fd >= 0)
        close(server->done_fd);
    if (server->signal_fd >= 0)
        close(server->signal_fd);
    if (server->pid_path[0] != '\0')
        service_remove_pid(server->pid_path);
}

static void tell_started(const struct server *server)
{
    const struct conf *conf = server->home->conf;

    log_event(LOG_INFO, "started", "version=%s ipc=%s tcp=%s key=%s/keys/server.pub", BANK_VERSION,
              conf_text(conf, "listen_ipc"),
              options_endpoint_on(conf, "listen_tcp") ? conf_text(conf, "listen_tcp") : "off",
              server->home->directory);
    service_notify("READY=1");
}

/* The writer's thread would be waited for in vain: see end_as_it_is. */
static void end_if_stuck(const struct server *server)
{
    int64_t stuck_us = workers_stuck_us(server->workers);

    if (stuck_us == 0)
        return;
    log_event(LOG_ERROR, "stopped_hard", "writer_stuck_ms=%lld",
              (long long)(stuck_us / US_PER_MS));
    service_remove_pid(server->pid_path);
    _exit(ERR_CLASS_INTERNAL);
}

enum err server_run(struct home *home, struct clock *clock, struct fault *fault)
{
    struct server *server = calloc(1, sizeof *server);
    enum err       err;

    if (server == NULL)
        return fault_set(fault, ERR_memory, NULL, "%s", "");
    server->home = home;
    server->clock = clock;
    server->done_fd = -1;
    server->signal_fd = -1;
    server->started_us = clock->now_us(clock);
    server->watchdog_us = service_watchdog_us();
    err = open_all(server, fault);
    if (err == ERR_none) {
        tell_started(server);
        err = loop(server, fault);
        end_if_stuck(server);
    } else if (fault->err != err) {
        fault_set(fault, err, NULL, "%s", "");
    }
    close_all(server);
    free(server);
    if (err == ERR_none)
        log_event(LOG_INFO, "stopped", "version=%s", BANK_VERSION);
    return err;
}
