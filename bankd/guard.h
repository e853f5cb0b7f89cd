/* What strangers may cost. The messaging library bounds a message and a queue, but neither the
 * frames of a message that never ends, nor the half messages of thousands of connections, nor the
 * topics that one connection asks for; when no file is left for a new connection it tries to accept
 * it without pause, or ends the process. It does not let its user close a connection, and to close
 * an endpoint is to lose all connections that came by it. So the guard watches three figures from
 * outside, and shuts down the sockets themselves:
 *
 * - memory: when the process has grown by LIMIT_STRANGERS_BYTES since it was last calm, and by
 *   LIMIT_CONNECTION_BYTES for each open file, which is what a silent connection costs, every
 *   connection that has not lately carried a request with a valid session is cut. Its memory goes
 *   with it. A client that only was there at the wrong moment connects again by itself. When that
 *   does not help, everybody is cut: the memory did not go down for seconds although no stranger
 *   was left, or for longer while ever more of them came, or it went on growing all the same.
 * - topics: a connection that asked LIMIT_TOPICS_REFUSED_MAX times for events of no session is cut,
 *   and so is one that asked for nothing else for a while, or asks for too much too often.
 * - files: while more are open than may stay, strangers with numbers beyond are cut at once, and of
 *   the others a sixteenth each second, so that whoever wants to work finds a place in the end.
 *
 * The memory that is calm follows the process down at once and upwards slowly, so growth for good
 * reasons (caches) never keeps anybody out for long. So that patience gains nothing either,
 * strangers are also cut while the process is larger than all that it may need for good reasons;
 * nobody else is, because that figure is a guess. Memory that the allocator keeps is given back to
 * the machine within seconds.
 *
 * Threads: one, the server's, but for what is said below. Memory: a few numbers for each file that
 * may be open. */
#ifndef BANKD_GUARD_H
#define BANKD_GUARD_H

#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

struct guard;

/* At most `files_max` files can be open, and `files_stay` may stay; strangers are welcome while
 * the process is smaller than `bytes_max`. */
ERR_MUST_USE enum err guard_open(int files_max, int files_stay, int64_t bytes_max,
                                 struct guard **out);
void                  guard_close(struct guard **guard);
/* Where the process listens (ZMQ_LAST_ENDPOINT), to know its connections by. */
void guard_watch(struct guard *guard, const char *endpoint);

/* The connection of this file has carried a request of a valid session. */
void guard_trust(struct guard *guard, int file, int64_t now_us);
/* The connection said which topic it wants, or no longer wants; `good` = the topic of an open
 * session. Whether the connection was cut for it. Any thread may tell. */
bool guard_took_topic(struct guard *guard, int file, bool good, int64_t now_us);
/* A mark of the connection, by which any thread can tell later whether it is still there; 0 = it is
 * not known, and never gone. */
uint64_t guard_mark(int file);
bool     guard_is_gone(uint64_t mark);
/* Looks at the memory and the files, and cuts; called about ten times a second. */
void guard_tick(struct guard *guard, int64_t now_us);

#endif
