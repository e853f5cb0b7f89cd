/* Proof of a bank's books: everything that can be derived is derived again and compared.
 *
 * One pass over the chain in its order (verify_chain.c) recomputes hashes, balances, holds, chains
 * of accounts and parties, statuses, decisions, profiles and figures; then what came out is
 * compared with what is stored (verify_sums.c). Nothing of the writer's is used: the figures are
 * counted here a second time from their description in model.h, so that a fault there is found.
 *
 * Memory: some hundred bytes for each account and party, two bits for each link of the chain, and
 * at most VERIFY_PROFILES_MAX profiles; larger banks have their profiles proved by sample. The
 * store must hold one snapshot meanwhile; writing may go on beside it. */
#ifndef BANKD_VERIFY_H
#define BANKD_VERIFY_H

#include "bankd/bank.h"
#include "bankd/witness.h"

#include <stdio.h>

/* What is proved, in the order of the table. VERIFY(item, sentence) */
#define VERIFY_ITEMS(VERIFY)                                                                       \
    VERIFY(FILE, "store: pages and indexes")                                                       \
    VERIFY(CHAIN, "links of the audit chain")                                                      \
    VERIFY(HEADS, "signed heads on the chain")                                                     \
    VERIFY(WITNESS, "what the witness says was there")                                             \
    VERIFY(ACCOUNTS, "accounts: balance, held, chain, status")                                     \
    VERIFY(TERMS, "users; accounts: owner, limit, freeze")                                         \
    VERIFY(TRIAL, "currencies whose accounts add up to zero")                                      \
    VERIFY(PARTIES, "parties: chain and count")                                                    \
    VERIFY(POSTINGS, "transactions: sides, balances, status, flag")                                \
    VERIFY(REVERSALS, "reversals and what they undo")                                              \
    VERIFY(RULES, "rule sets: text, two people, in force when")                                    \
    VERIFY(DECISIONS, "decisions from features and rule sets")                                     \
    VERIFY(ALERTS, "alerts and their transactions")                                                \
    VERIFY(FIGURES, "figures (rollup cells)")                                                      \
    VERIFY(TOPS, "lists of largest transactions, days")                                            \
    VERIFY(PROFILES, "saved fraud profiles")                                                       \
    VERIFY(LABELS, "labels")                                                                       \
    VERIFY(RECORDS, "records: lists, notes, cases, settings")

enum verify_item {
#define VERIFY(item, sentence) VERIFY_##item,
    VERIFY_ITEMS(VERIFY)
#undef VERIFY
        VERIFY_ITEM_COUNT
};

enum { VERIFY_PROFILES_MAX = 32768, VERIFY_TOLD_MAX = 8 };

struct verify_report {
    int64_t proved[VERIFY_ITEM_COUNT];
    int64_t problems[VERIFY_ITEM_COUNT];
    int64_t problem_count;
    int64_t warning_count;
    int64_t last_sequence;
};

/* Problems and warnings are written to `talk` as they are found, the first VERIFY_TOLD_MAX
 * problems of each item and as many warnings. ERR_books_broken when there is a problem; another
 * error when the proof could not be made. `sign_public` NULL = signatures are not looked at. */
ERR_MUST_USE enum err verify_bank(struct store *store, struct bank *bank,
                                  const uint8_t sign_public[32], FILE *talk,
                                  struct verify_report *report, struct fault *fault);
/* That the store holds what its witness, read before, says was there; adds to the report of
 * verify_bank. That there is none is a warning, where `lost` says that there has been. */
ERR_MUST_USE enum err verify_witness(struct store *store, enum witness_state state, bool lost,
                                     const struct testimony *said, FILE *talk,
                                     struct verify_report *report, struct fault *fault);
const char           *verify_sentence(enum verify_item item);

#endif
