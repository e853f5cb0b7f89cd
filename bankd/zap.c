/* See zap.h. The handler's socket is one that need not answer: whom the door does not admit waits
 * until the library ends his handshake. */
#include "bankd/zap.h"

#include "common/check.h"
#include "common/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum { KEY_BYTES = 32, FRAME_MAX = 256 };

/* The frames of a request, behind the way back. */
enum { WAY, EMPTY, VERSION, NUMBER, DOMAIN, ADDRESS, IDENTITY, MECHANISM, KEY, FRAMES_MAX };

struct zap {
    struct door  *door;
    struct clock *clock;
    void         *socket; /* the handler's; used by its thread only */
    void         *stop;   /* PAIR ends that wake the thread */
    void         *stop_inside;
    pthread_t     thread;
    bool          any;
    size_t        count;
    uint8_t       keys[ZAP_KEYS_MAX][KEY_BYTES];
};

struct frame {
    size_t  n;
    uint8_t bytes[FRAME_MAX];
};

static enum err load_keys(struct zap *zap, const char *path, struct fault *fault)
{
    char  line[256];
    int   number = 0;
    FILE *file = fopen(path, "re");

    if (file == NULL)
        return fault_set(fault, ERR_io, "client_keys", "Cannot open %.180s: %s", path,
                         strerror(errno));
    while (fgets(line, sizeof line, file) != NULL) {
        size_t n = strcspn(line, " \t\r\n#");

        number++;
        line[n] = '\0';
        if (n == 0)
            continue;
        if (n != 40 || zap->count == ZAP_KEYS_MAX ||
            zmq_z85_decode(zap->keys[zap->count], line) == NULL) {
            fclose(file);
            return fault_set(fault, ERR_file_syntax, "client_keys",
                             "%.180s:%d: not a public key of 40 characters, or too many", path,
                             number);
        }
        zap->count++;
    }
    fclose(file);
    return ERR_none;
}

/* Every frame of one request; false when it is not one. What does not fit is drained. */
static bool receive(struct zap *zap, struct frame frames[FRAMES_MAX], size_t *count)
{
    int    more = 1;
    size_t size = sizeof more;
    bool   fits = true;

    *count = 0;
    while (more != 0) {
        struct frame  scratch;
        struct frame *frame = *count < FRAMES_MAX ? &frames[*count] : &scratch;
        int           n = zmq_recv(zap->socket, frame->bytes, sizeof frame->bytes, 0);

        if (n < 0)
            return false;
        fits = fits && n <= FRAME_MAX && *count < FRAMES_MAX;
        frame->n = n <= FRAME_MAX ? (size_t)n : FRAME_MAX;
        (*count)++;
        if (zmq_getsockopt(zap->socket, ZMQ_RCVMORE, &more, &size) != 0)
            return false;
    }
    return fits;
}

static bool is_text(const struct frame *frame, const char *text)
{
    return frame->n == strlen(text) && memcmp(frame->bytes, text, frame->n) == 0;
}

static bool is_allowed(const struct zap *zap, const struct frame *frames, size_t count)
{
    if (is_text(&frames[DOMAIN], ZAP_EVENTS_LOCAL))
        return is_text(&frames[MECHANISM], "NULL");
    if (count <= KEY || !is_text(&frames[MECHANISM], "CURVE") || frames[KEY].n != KEY_BYTES)
        return false;
    if (zap->any)
        return true;
    for (size_t i = 0; i < zap->count; i++)
        if (memcmp(zap->keys[i], frames[KEY].bytes, KEY_BYTES) == 0)
            return true;
    return false;
}

static void answer(struct zap *zap, const struct frame *frames, bool allowed)
{
    const char *code = allowed ? "200" : "400";
    const char *text = allowed ? "OK" : "Not in the list of client keys";

    zmq_send(zap->socket, frames[WAY].bytes, frames[WAY].n, ZMQ_SNDMORE);
    zmq_send(zap->socket, "", 0, ZMQ_SNDMORE);
    zmq_send(zap->socket, "1.0", 3, ZMQ_SNDMORE);
    zmq_send(zap->socket, frames[NUMBER].bytes, frames[NUMBER].n, ZMQ_SNDMORE);
    zmq_send(zap->socket, code, 3, ZMQ_SNDMORE);
    zmq_send(zap->socket, text, strlen(text), ZMQ_SNDMORE);
    zmq_send(zap->socket, "", 0, ZMQ_SNDMORE);
    zmq_send(zap->socket, "", 0, 0);
}

/* Whether the events are what is asked for, and there have been too many visits. */
static bool must_wait(const struct zap *zap, const struct frame *frames)
{
    const struct frame *address = &frames[ADDRESS];

    if (!is_text(&frames[DOMAIN], ZAP_EVENTS) && !is_text(&frames[DOMAIN], ZAP_EVENTS_LOCAL))
        return false;
    return !door_admit(zap->door, slice_of((const char *)address->bytes, address->n),
                       zap->clock->monotonic_us(zap->clock));
}

static void *zap_main(void *context)
{
    struct zap    *zap = context;
    struct frame   frames[FRAMES_MAX];
    zmq_pollitem_t items[2] = { { .socket = zap->socket, .events = ZMQ_POLLIN },
                                { .socket = zap->stop_inside, .events = ZMQ_POLLIN } };

    while (zmq_poll(items, 2, -1) >= 0 || errno == EINTR) {
        size_t count;
        bool   whole;

        if ((items[1].revents & ZMQ_POLLIN) != 0)
            break;
        if ((items[0].revents & ZMQ_POLLIN) == 0)
            continue;
        whole = receive(zap, frames, &count);
        if (count <= MECHANISM)
            continue;
        whole = whole && is_allowed(zap, frames, count);
        if (whole && must_wait(zap, frames))
            continue;
        if (!whole)
            log_event(LOG_WARNING, "connection_refused", "reason=\"client key\"");
        answer(zap, frames, whole);
    }
    return NULL;
}

static enum err start(void *context, struct zap *zap, struct fault *fault)
{
    zap->socket = zmq_socket(context, ZMQ_ROUTER);
    zap->stop = zmq_socket(context, ZMQ_PAIR);
    zap->stop_inside = zmq_socket(context, ZMQ_PAIR);
    if (zap->socket == NULL || zap->stop == NULL || zap->stop_inside == NULL ||
        zmq_bind(zap->socket, "inproc://zeromq.zap.01") != 0 ||
        zmq_bind(zap->stop, "inproc://bankd.zap.stop") != 0 ||
        zmq_connect(zap->stop_inside, "inproc://bankd.zap.stop") != 0)
        return fault_set(fault, ERR_internal, NULL, "The check of client keys could not start: %s",
                         zmq_strerror(errno));
    if (pthread_create(&zap->thread, NULL, zap_main, zap) != 0)
        return fault_set(fault, ERR_memory, NULL, "%s", "");
    return ERR_none;
}

static void close_all(struct zap *zap)
{
    if (zap->socket != NULL)
        zmq_close(zap->socket);
    if (zap->stop != NULL)
        zmq_close(zap->stop);
    if (zap->stop_inside != NULL)
        zmq_close(zap->stop_inside);
    free(zap);
}

enum err zap_start(void *context, const char *path, struct door *door, struct clock *clock,
                   struct zap **out, struct fault *fault)
{
    struct zap *zap = calloc(1, sizeof *zap);
    enum err    err = ERR_none;

    if (zap == NULL)
        return fault_set(fault, ERR_memory, NULL, "%s", "");
    zap->door = door;
    zap->clock = clock;
    zap->any = path == NULL || path[0] == '\0';
    if (!zap->any)
        err = load_keys(zap, path, fault);
    if (err == ERR_none)
        err = start(context, zap, fault);
    if (err != ERR_none) {
        close_all(zap);
        return err;
    }
    *out = zap;
    return ERR_none;
}

void zap_stop(struct zap **zap)
{
    if (*zap == NULL)
        return;
    zmq_send((*zap)->stop, "", 0, 0);
    pthread_join((*zap)->thread, NULL);
    close_all(*zap);
    *zap = NULL;
}
