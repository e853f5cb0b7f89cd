/* The bank's history once more, from the first transaction on, with profiles of its own: what back
 * tests and learning see.
 *
 * Each judged transaction is shown in ledger order with both profiles as they stood before it, then
 * they observe it, with its finding; a profile does not show a finding before the moment from which
 * it was known, and shows one that was replaced until the moment from which the next one holds. So
 * whoever looks on knows of each payment exactly what was known then, or would have been with
 * today's features. One snapshot of the store is read; nothing is written.
 *
 * Memory: a book for each account, 24 bytes for each finding, 128 for each one that was replaced
 * and 8 for each alerted payment, of each of which there may be `findings_max`, and a kilobyte for
 * each entity that takes part, of which there may be `entities_max`; beyond them the replay is
 * refused with ERR_message_too_large. Reading ahead takes a megabyte more and shows the same.
 */
#ifndef BANKD_LEARN_REPLAY_H
#define BANKD_LEARN_REPLAY_H

#include "bankd/fraud/fraud.h"
#include "bankd/model.h"
#include "bankd/store/store.h"
#include "common/err.h"

#include <stdatomic.h>

/* Everything is borrowed for the call. */
struct replay_event {
    const struct transaction   *row;
    const struct account_book  *account; /* the one that the payment is about */
    const struct account_book  *other;   /* on the other side */
    const struct fraud_event   *event;
    const struct fraud_profile *subject;
    const struct fraud_profile *counterparty; /* NULL = nobody */
    const struct label         *label;        /* the newest; NULL = no finding */
    bool                        was_alert;    /* an alert was raised for it when it came */
};

/* Anything but ERR_none ends the replay with it. */
typedef enum err replay_visit(void *context, const struct replay_event *event);

struct replay_options {
    struct store *store;
    size_t        entities_max;
    size_t        findings_max; /* 0 = no bound */
    bool          in_snapshot;  /* the caller holds one already, and ends it */
    /* A second thread reads the ledger meanwhile: the visitor must not use the store. */
    bool read_ahead;
    /* Findings of these moments and later are not seen: any, and those that replace another. 0 =
     * all are seen. */
    int64_t            known_to_us, replaced_to_us;
    const atomic_bool *cancel; /* NULL = never */
    /* Told now and then how far the ledger has been read. NULL = nobody. */
    void (*progress)(void *context, int64_t done, int64_t last);
    void *progress_context;
    void *context; /* of the visitor */
};

ERR_MUST_USE enum err replay_run(const struct replay_options *options, replay_visit *visit,
                                 struct fault *fault);

#endif
