/* Findings that were replaced by others: what was known about a payment before, and until when.
 *
 * The label of a payment is the finding of today. Each one before it is kept as a record, written
 * in the same commit as the label that replaced it and marked by the audit entry of that act. So a
 * moment can be made again in two ways: by the place in the chain at which a finding was replaced,
 * which is what the engine had before it then, and by the moment from which the next one holds,
 * which is what was known then to whoever learns from history.
 *
 * Threads: pure. */
#ifndef BANKD_PAST_H
#define BANKD_PAST_H

#include "bankd/model.h"
#include "bankd/store/store.h"
#include "common/err.h"

struct past_finding {
    struct label label;    /* as it was */
    int64_t      until_us; /* from then on the next one holds */
    int64_t      sequence; /* of the audit entry of the act that replaced it */
    int64_t      number;   /* rising with each finding that is replaced */
};

/* Fills in a new record, but for its number and version. */
void past_write(struct record *record, const struct past_finding *past);
/* ERR_storage_corrupt when the record does not say such a thing. */
ERR_MUST_USE enum err past_read(const struct record *record, struct past_finding *out);

/* The newest first, of one transaction or of all (0). */
typedef bool          past_visit(void *context, const struct past_finding *past);
ERR_MUST_USE enum err past_findings(struct store *store, int64_t transaction, past_visit *visit,
                                    void *context);

#endif
