/* Reading the ledger ahead on a second thread, so that whoever looks at its rows does not wait for
 * the store: while one thread fills a batch, the other looks at those that are full.
 *
 * The rows come in the ledger's order, all of them and each once, whatever the threads do. Until
 * ahead_read returns the store belongs to the reading thread: the visitor must not use it. There
 * are LIMIT_AHEAD_BATCHES batches of LIMIT_AHEAD_ROWS, and the reader waits when all are full. */
#ifndef BANKD_LEARN_AHEAD_H
#define BANKD_LEARN_AHEAD_H

#include "bankd/model.h"
#include "bankd/profile.h"
#include "bankd/store/store.h"
#include "common/err.h"

/* Called by the thread that called ahead_read. False ends the reading. `release` is that of a held
 * payment that was judged, with a sequence of 0 for others. Both are borrowed for the call. */
typedef bool ahead_visit(void *context, const struct transaction *row,
                         const struct profile_release *release);

/* Shows the transactions of the filter; in the caller's snapshot, if there is one. ERR_memory also
 * when there can be no thread. What the store fails with comes behind the rows before it. */
ERR_MUST_USE enum err ahead_read(struct store *store, const struct transaction_filter *filter,
                                 ahead_visit *visit, void *context);

#endif
