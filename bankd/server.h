/* The server: sockets, sessions, permissions. One thread owns all of it; the work is done by the
 * threads of worker.h.
 *
 * A message goes through the same gates in the same order: size, envelope, operation, session,
 * role, fields. What does not pass is answered at once and reaches no handler; refusals of rights
 * are told to the audit log. Requests come over two ROUTER sockets (ipc:// guarded by file
 * permissions, tcp:// by CURVE), events leave over two XPUB sockets, where only topics of open
 * sessions can be subscribed to. SIGTERM and SIGINT end it: no new requests, the queues run
 * empty, answers leave, the store is closed. */
#ifndef BANKD_SERVER_H
#define BANKD_SERVER_H

#include "bankd/home.h"
#include "common/clock.h"
#include "common/room.h"

/* What server_run cannot do without; to be asked for before the home is opened. */
void server_needs(const struct conf *conf, struct room *out);
/* Runs until a signal ends it. SIGTERM, SIGINT and SIGHUP must be blocked in the calling thread. */
ERR_MUST_USE enum err server_run(struct home *home, struct clock *clock, struct fault *fault);

#endif
