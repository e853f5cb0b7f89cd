/* Replies on their way: how many bytes of them nobody has collected yet, and whose they are.
 *
 * A session may owe LIMIT_UNREAD_BYTES_MAX, all of them together LIMIT_UNREAD_ALL_BYTES_MAX. One
 * connection that does not read can use that up for its whole session, so each connection has a
 * small measure of its own besides: whatever the others do, one that reads gets its short answers,
 * among them the news that a longer one cannot be had now. Short ones go out though the system has
 * no memory for them: LIMIT_UNREAD_SPARES have room from the start.
 *
 * Threads: replies are made by one and given back by any. */
#ifndef BANKD_UNREAD_H
#define BANKD_UNREAD_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

struct unread;

/* Connections are known by their files, less than `files_max`. */
ERR_MUST_USE enum err unread_open(int files_max, struct unread **out);
/* Every reply must have been given back. */
void unread_close(struct unread **unread);

/* A copy of the reply that is counted until unread_forget; NULL = there is no room. `session` is
 * its serial, 0 = none. `must_go` is for the news that something was done, which is short but for
 * few: it needs no room for its whole length, only some. */
void *unread_make(struct unread *unread, uint64_t session, int file, bool must_go,
                  const struct buf *reply);
/* Gives the copy back. */
void unread_forget(void *copy, void *unread);
/* Whether this connection has left so much, and its session too, that no question of it is worth
 * the work. */
bool unread_is_deaf(const struct unread *unread, uint64_t session, int file);

#endif
