/* See events.h. The thread waits for two sockets: what the server hands over, and topics. */
#include "bankd/events.h"

#include "common/check.h"
#include "common/limits.h"
#include "common/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <zmq.h>

enum {
    TICK_MS = 100,
    EVENTS_QUEUE = 4096,
    EVENTS_PER_TURN = 1024,
    TOPICS_PER_TURN = 256,
    MODESTY = 10, /* added to the nice value of the process */
    NAME_MAX_BYTES = 16,
};

struct events {
    struct events_config config;
    void                *publisher;
    void                *inbox;  /* the thread's end of the queue */
    void                *outbox; /* the server's */
    bool                 running;
    atomic_bool          stopping;
    _Atomic uint64_t     handed_over; /* events; who reads it sees all that was written of them */
    pthread_t            thread;
    char                 name[NAME_MAX_BYTES];
};

static void take_topic(struct events *events, zmq_msg_t *frame)
{
    const struct events_config *config = &events->config;
    const char                 *bytes = zmq_msg_data(frame);
    size_t                      n = zmq_msg_size(frame);
    int                         file = zmq_msg_get(frame, ZMQ_SRCFD);
    struct slice                topic = slice_of(bytes + 1, n > 1 ? n - 1 : 0);
    bool                        wanted = n > 1 && bytes[0] == 1;
    bool                        good = n > 1 && sessions_have_topic(config->sessions, topic);
    int64_t                     now_us = config->clock->monotonic_us(config->clock);

    if (guard_took_topic(config->guard, file, good, now_us)) {
        const char *address = zmq_msg_gets(frame, "Peer-Address");

        log_event(LOG_WARNING, "connection_cut", "reason=\"topics of no session\" address=%.60s",
                  address == NULL ? "" : address);
        door_blame(config->door, slice_from(address == NULL ? "" : address), now_us);
        return;
    }
    if (good)
        zmq_setsockopt(events->publisher, wanted ? ZMQ_SUBSCRIBE : ZMQ_UNSUBSCRIBE, topic.at,
                       topic.n);
}

static void take_topics(struct events *events)
{
    zmq_msg_t frame;

    for (int turn = 0; turn < TOPICS_PER_TURN; turn++) {
        int n;

        zmq_msg_init(&frame);
        n = zmq_msg_recv(&frame, events->publisher, ZMQ_DONTWAIT);
        if (n >= 0)
            take_topic(events, &frame);
        zmq_msg_close(&frame);
        if (n < 0)
            return;
    }
}

/* What the server hands over is one message: the length of the topic, the topic, the event. */
static bool tell_next(struct events *events)
{
    zmq_msg_t message;
    int       n;

    zmq_msg_init(&message);
    n = zmq_msg_recv(&message, events->inbox, ZMQ_DONTWAIT);
    (void)atomic_load(&events->handed_over);
    if (n > 1) {
        const char *bytes = zmq_msg_data(&message);
        size_t      topic_n = (unsigned char)bytes[0];

        CHECK(1 + topic_n <= (size_t)n);
        if (zmq_send(events->publisher, bytes + 1, topic_n, ZMQ_DONTWAIT | ZMQ_SNDMORE) >= 0)
            zmq_send(events->publisher, bytes + 1 + topic_n, (size_t)n - 1 - topic_n, ZMQ_DONTWAIT);
    }
    zmq_msg_close(&message);
    return n >= 0;
}

static void tell(struct events *events)
{
    for (int turn = 0; turn < EVENTS_PER_TURN; turn++)
        if (!tell_next(events))
            return;
}

static void *events_main(void *context)
{
    struct events *events = context;
    zmq_pollitem_t items[] = { { .socket = events->inbox, .events = ZMQ_POLLIN },
                               { .socket = events->publisher, .events = ZMQ_POLLIN } };

    pthread_setname_np(pthread_self(), "bankd-events");
    (void)setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + MODESTY); /* the thread's */
    while (!atomic_load(&events->stopping)) {
        if (zmq_poll(items, 2, TICK_MS) < 0 && errno != EINTR) {
            log_event(LOG_ERROR, "events_ended", "name=%s reason=\"%s\"", events->name,
                      zmq_strerror(errno));
            return NULL;
        }
        if ((items[0].revents & ZMQ_POLLIN) != 0)
            tell(events);
        if ((items[1].revents & ZMQ_POLLIN) != 0)
            take_topics(events);
    }
    while (tell_next(events))
        ;
    return NULL;
}

static void close_socket(void *socket)
{
    if (socket != NULL)
        zmq_close(socket);
}

/* Both ends of the queue, and the thread. */
static enum err start(struct events *events, struct fault *fault)
{
    void     *context = events->config.context;
    const int most = EVENTS_QUEUE;
    const int zero = 0;
    const int on = 1;
    char      place[64];

    events->inbox = zmq_socket(context, ZMQ_PULL);
    events->outbox = zmq_socket(context, ZMQ_PUSH);
    snprintf(place, sizeof place, "inproc://bankd.events.%s", events->name);
    if (events->inbox == NULL || events->outbox == NULL ||
        zmq_setsockopt(events->inbox, ZMQ_RCVHWM, &most, sizeof most) != 0 ||
        zmq_setsockopt(events->outbox, ZMQ_SNDHWM, &most, sizeof most) != 0 ||
        zmq_setsockopt(events->outbox, ZMQ_LINGER, &zero, sizeof zero) != 0 ||
        zmq_setsockopt(events->publisher, ZMQ_XPUB_MANUAL, &on, sizeof on) != 0 ||
        zmq_bind(events->inbox, place) != 0 || zmq_connect(events->outbox, place) != 0)
        return fault_set(fault, ERR_internal, NULL, "The thread of events could not start: %s",
                         zmq_strerror(errno));
    if (pthread_create(&events->thread, NULL, events_main, events) != 0)
        return fault_set(fault, ERR_memory, NULL, "%s", "");
    events->running = true;
    return ERR_none;
}

enum err events_start(const struct events_config *config, void *publisher, const char *name,
                      struct events **out, struct fault *fault)
{
    struct events *events = calloc(1, sizeof *events);
    enum err       err;

    if (events == NULL) {
        zmq_close(publisher);
        return fault_set(fault, ERR_memory, NULL, "%s", "");
    }
    events->config = *config;
    events->publisher = publisher;
    snprintf(events->name, sizeof events->name, "%s", name);
    err = start(events, fault);
    if (err != ERR_none) {
        events_stop(&events);
        return err;
    }
    *out = events;
    return ERR_none;
}

void events_send(struct events *events, const char *topic, struct slice bytes)
{
    size_t    topic_n = strlen(topic);
    zmq_msg_t message;
    char     *at;

    if (events == NULL || zmq_msg_init_size(&message, 1 + topic_n + bytes.n) != 0)
        return;
    at = zmq_msg_data(&message);
    at[0] = (char)topic_n;
    memcpy(at + 1, topic, topic_n);
    memcpy(at + 1 + topic_n, bytes.at, bytes.n);
    atomic_fetch_add(&events->handed_over, 1);
    if (zmq_msg_send(&message, events->outbox, ZMQ_DONTWAIT) < 0)
        zmq_msg_close(&message);
}

void events_stop(struct events **events)
{
    if (*events == NULL)
        return;
    if ((*events)->running) {
        atomic_store(&(*events)->stopping, true);
        zmq_send((*events)->outbox, "", 0, ZMQ_DONTWAIT); /* wakes it */
        pthread_join((*events)->thread, NULL);
    }
    close_socket((*events)->outbox);
    close_socket((*events)->inbox);
    close_socket((*events)->publisher);
    free(*events);
    *events = NULL;
}
