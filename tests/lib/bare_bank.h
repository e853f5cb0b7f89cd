/* What a bank needs before its first post, for tests that drive the writer without a daemon: a rule
 * set of two rules, which hold an outgoing amount of 50 and decline one of 90, and accounts. What
 * must not fail is a CHECK. */
#ifndef TESTS_LIB_BARE_BANK_H
#define TESTS_LIB_BARE_BANK_H

#include "bankd/writer.h"

enum {
    BARE_USD = 840,
    BARE_HOLD_AT = 5000, /* minor units, as the rules say */
    BARE_DECLINE_AT = 9000,
};

/* Enters the rule set, with a writer of its own, as number 1. */
void bare_rules(struct store *store, struct bank *bank, struct clock *clock);
/* Plans a customer's account of that ordinal; the row is valid until the commit. */
const struct account_book *bare_account(struct writer *writer, int i);

#endif
