/* Who may connect: the ZAP handler (ZeroMQ RFC 27).
 *
 * To the encrypted endpoints, with a file of public keys, only those may come; without one any
 * machine that knows the server's key may try to log in. To the endpoints of events, moreover,
 * nobody may come as often as he likes (door.h): then he gets no answer. The handler is a thread on
 * inproc://zeromq.zap.01 of the given context. */
#ifndef BANKD_ZAP_H
#define BANKD_ZAP_H

#include "bankd/door.h"
#include "common/clock.h"

struct zap;

enum { ZAP_KEYS_MAX = 1024 };

/* The domains of the endpoints: requests over the network, events there, events on the machine. */
#define ZAP_REQUESTS     "bankd"
#define ZAP_EVENTS       "bankd.events"
#define ZAP_EVENTS_LOCAL "bankd.events.local"

/* `path` NULL or empty: every key. Must be started before the sockets are bound. The door and the
 * clock are borrowed until zap_stop. */
ERR_MUST_USE enum err zap_start(void *context, const char *path, struct door *door,
                                struct clock *clock, struct zap **out, struct fault *fault);
void                  zap_stop(struct zap **zap);

#endif
