/* What the commands of this folder share: reading a candidate from files, days of the command line,
 * progress on stderr and being stopped by a signal. */
#ifndef BANKD_LEARN_CANDIDATE_H
#define BANKD_LEARN_CANDIDATE_H

#include "bankd/bank.h"
#include "bankd/fraud/fraud.h"
#include "common/err.h"

#include <stdatomic.h>
#include <stdbool.h>

/* Names are for faults; either file may be NULL. Without rules there are only the thresholds of the
 * shipped rules. */
ERR_MUST_USE enum err candidate_load(const char *rules_file, const char *card_file,
                                     struct fraud_rules **out, struct fault *fault);

/* A version of the rules that the bank has: the one of this hash, 64 digits of hex, or for NULL the
 * one in force. Its scorecard is its own, or the one of card_file when that is not NULL, as when
 * the card is proposed. */
ERR_MUST_USE enum err candidate_stored(struct store *store, const char *hash, const char *card_file,
                                       struct fraud_rules **out, struct fault *fault);

/* "2026-11-22", or a moment. */
ERR_MUST_USE enum err candidate_day(const char *option, const char *text, int64_t *out,
                                    struct fault *fault);

/* The range of --from and --to, either of which may be NULL for none; refused when it is empty. */
ERR_MUST_USE enum err candidate_range(const char *from, const char *to, int64_t *from_us,
                                      int64_t *to_us, struct fault *fault);

/* One option of a command line: its name and where its value goes, or for one that has no value,
 * what becomes true. */
struct candidate_option {
    const char  *name;
    const char **value;
    bool        *flag;
};
/* Takes "--name value" and "--name=value", and "--name" of a flag. */
ERR_MUST_USE enum err candidate_arguments(int argc, char **argv,
                                          const struct candidate_option *options, size_t count,
                                          struct fault *fault);

/* From now on SIGINT and SIGTERM set the flag. */
const atomic_bool *candidate_stoppable(void);
/* A line on a terminal that is written over; nothing elsewhere. */
void candidate_progress(void *context, int64_t done, int64_t last);
void candidate_progress_end(void);

#endif
