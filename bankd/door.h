/* How many connections may come to the events endpoints. What a topic costs is spent before anybody
 * can look at it: the messaging library keeps a tree of everything that was ever asked for, and
 * walks through the whole of it whenever a connection ends. So those who ask for what is not
 * theirs must be kept from coming back: to cut a connection alone makes them come again at once.
 *
 * Each address (of IPv6 its first half; on the machine each user) has a measure of visits that
 * fills again with time, and so has the whole world. A visit takes one; an offence takes many from
 * its address, so that after a few of them it has to stay away for seconds. Who is refused is not
 * told so, but gets no answer to his greeting until the time of handshakes is over; that costs us
 * nothing, while an answer would let him greet again at once.
 *
 * The table is of fixed size: addresses that meet in one place of it share a measure, and the place
 * hangs on a key of this process, so nobody can choose whose measure he spends.
 *
 * Threads: any. Time: monotonic. */
#ifndef BANKD_DOOR_H
#define BANKD_DOOR_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

struct door;

ERR_MUST_USE enum err door_open(struct door **out);
void                  door_close(struct door **door);
/* Whether somebody may come in now; `address` is as the messaging library tells it. */
bool door_admit(struct door *door, struct slice address, int64_t now_us);
/* Somebody of this address was cut for what he did. */
void door_blame(struct door *door, struct slice address, int64_t now_us);

#endif
