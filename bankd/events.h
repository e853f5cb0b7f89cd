/* One endpoint of events, with a thread of its own. The server hands over what is to be told and
 * never waits: when the queue is full, an event is lost, as the protocol allows.
 *
 * Subscriptions are work that strangers can make us do, in the messaging library, before anybody
 * asks whether they may. Therefore nobody else does that work: a flood of topics starves this
 * thread, which has less claim to the processor than the others, and delays events of the one
 * endpoint, but no request. What keeps the flood small is said in door.h (who may come), guard.h
 * (who is cut) and limits.h (how much one connection may have on its way).
 *
 * A subscription counts only when it is the whole topic of an open session.
 *
 * Threads: events_send and events_stop are for the thread that started it. */
#ifndef BANKD_EVENTS_H
#define BANKD_EVENTS_H

#include "bankd/door.h"
#include "bankd/guard.h"
#include "bankd/session.h"
#include "common/clock.h"

struct events;

/* Everything is borrowed until events_stop. */
struct events_config {
    struct clock    *clock;
    struct guard    *guard;
    struct door     *door;
    struct sessions *sessions; /* only to ask sessions_have_topic */
    void            *context;
};

/* Takes over `publisher`, an XPUB socket that is bound, and makes it manual. `name` tells this one
 * from others. */
ERR_MUST_USE enum err events_start(const struct events_config *config, void *publisher,
                                   const char *name, struct events **out, struct fault *fault);
/* `topic` gets an event; NULL is fine, and tells nobody. */
void events_send(struct events *events, const char *topic, struct slice bytes);
/* Tells what is in the queue, then ends the thread and closes the socket. */
void events_stop(struct events **events);

#endif
