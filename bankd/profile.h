/* Fraud profiles as a fold over the ledger: what a stored transaction looks like to the fraud
 * engine, and how a profile that lags behind its chain is brought up to date.
 *
 * A transaction that was not judged (rule_set 0: the bank's own acts, such as reversals and
 * rounding) is passed over: the engine sees the behaviour of people, not the bank's corrections.
 *
 * The rule that must not be broken: an event is derived from the transaction's row and from facts
 * of its two accounts that never change (kind, currency, opening time), and from nothing else. So
 * the writer that observes a transaction right after its commit, and anybody who observes it years
 * later from the chain, feed the engine the same bytes, and a profile is the same however often it
 * was saved, lost or made again in between.
 *
 * A finding (label) belongs to its transaction and is folded in with it, to be seen from the moment
 * on from which it is known (profile.h of the engine). One that comes later is folded into the
 * profiles of both entities, which are saved in the same commit as the finding: so a saved profile
 * has every finding about what it has seen, and one that is made again reads the same ones. As a
 * profile was before an earlier transaction, it sees each finding until the place in the chain at
 * which another replaced it, as releases below.
 *
 * A payment that was held and is released later becomes one that was done at the place of its
 * release in the chain, which is that of the audit entry: whoever folds the profile anew, for
 * today or for an earlier moment, lets it see the release between the same two transactions as the
 * writer did, and what was decided before that does not know of it. Both profiles are saved with
 * the release, so a saved one has seen every release before the next transaction of its chain.
 *
 * Threads: none of its own; the store handle says which thread. Memory: a bounded piece of the
 * stack, and for chains of more than PROFILE_SEGMENT unseen transactions one number for each
 * segment on the heap. */
#ifndef BANKD_PROFILE_H
#define BANKD_PROFILE_H

#include "bankd/fraud/fraud.h"
#include "bankd/model.h"
#include "bankd/store/store.h"
#include "common/err.h"

enum { PROFILE_SEGMENT = 256 }; /* transactions of a chain that are held in memory at once */

/* The event of a transaction, seen from its subject (the credit side when `incoming`). The books
 * are those of the row's two sides, at any time; only what never changes is read of them.
 *
 * For a row that is not decided yet (initial_status 0: the event is for fraud_judge) the row has
 * no balances, and the subject's present book balance is taken: the same number that the decided
 * row will lead to. Holds do not count in either case. */
void profile_event(const struct transaction *row, const struct account_book *debit,
                   const struct account_book *credit, struct fraud_event *out);

/* The entities of a transaction: the account that it is about, and the other side: a customer's
 * account, else a party, else 0. */
int64_t profile_subject(const struct transaction *row);
int64_t profile_counterparty(const struct transaction *row, const struct account_book *debit,
                             const struct account_book *credit);

/* Lets one entity's profile see one decided transaction that names it, with its finding if there is
 * one (else NULL): the only way in which profiles move on, but for findings that come later. An
 * entity that the row does not name is a programmer's error. */
void profile_observe(struct fraud_profile *profile, int64_t entity, const struct transaction *row,
                     const struct account_book *debit, const struct account_book *credit,
                     const struct label *label);

/* Where a transaction that was held was released. */
struct profile_release {
    int64_t sequence; /* of the audit entry; 0 = it was not */
    int64_t at_us;
};
ERR_MUST_USE enum err profile_release_of(struct store *store, const struct transaction *row,
                                         struct profile_release *out);

/* Lets the profile of an entity that the row names see the row's release. */
void profile_observe_release(struct fraud_profile *profile, int64_t entity,
                             const struct transaction *row, const struct account_book *debit,
                             const struct account_book *credit, int64_t released_at_us);

/* The profile of an account or party with everything that the store's ledger has of it, and the
 * newest sequence that it has seen (0 = none). A saved profile is taken as the start when it is
 * valid and lies on the entity's chain, else the fold starts anew. ERR_not_found when there is no
 * such entity, ERR_books_broken when its chain does not hold together. */
ERR_MUST_USE enum err profile_current(struct store *store, int64_t entity,
                                      struct fraud_profile *out, int64_t *last_sequence);

/* The profile as it is saved and kept: without its many zero bytes, a quarter to a half of its
 * size. The count of bytes; one that would not become smaller is copied as it is. */
size_t profile_pack(const struct fraud_profile *profile, uint8_t out[LIMIT_PROFILE_BYTES]);
/* False when the bytes are no profile of this version. */
bool profile_unpack(const uint8_t *bytes, size_t n, struct fraud_profile *out);

/* How much of a chain may be read. */
struct profile_bounds {
    int64_t            rows_max;
    const atomic_bool *cancel; /* NULL = never */
};
/* The profile of an entity that the row names as it was when that transaction came: made of those
 * before it, with the findings that stood then, of which a look at that moment sees what was known.
 * Findings that came later for the first time are seen too, if they say that they were known.
 * ERR_message_too_large when more rows would have to be read, ERR_cancelled. */
ERR_MUST_USE enum err profile_before(struct store *store, const struct transaction *row,
                                     int64_t entity, const struct profile_bounds *bounds,
                                     struct fraud_profile *out);

/* As profile_current, for whoever knows the newest transaction of the entity (0 = none). */
ERR_MUST_USE enum err profile_load(struct store *store, int64_t entity, int64_t newest,
                                   struct fraud_profile *out, int64_t *last_sequence);

#endif
