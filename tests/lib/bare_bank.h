/* What a bank needs before its first post, for tests that drive the writer without a daemon: a rule
 * set of two rules, which hold an outgoing amount of 50 and decline one of 90, and accounts; and
 * what surrounds it: time that stands until the test moves it, and a disk that is full now and
 * then. What must not fail is a CHECK. */
#ifndef TESTS_LIB_BARE_BANK_H
#define TESTS_LIB_BARE_BANK_H

#include "bankd/writer.h"
#include "tests/unit/random.h"

enum {
    BARE_USD = 840,
    BARE_HOLD_AT = 5000, /* minor units, as the rules say */
    BARE_DECLINE_AT = 9000,
};

#define BARE_START_US INT64_C(1700000000000000)

extern const char bare_rules_text[];

/* Stands where it was put; both kinds of time are the same. */
struct bare_clock {
    struct clock clock;
    int64_t      now_us;
};

void bare_clock_start(struct bare_clock *clock); /* at BARE_START_US */

/* In front of an open store: so many of a hundred commits fail with storage_full, as the dice say,
 * and nothing of them was done. */
struct bare_disk {
    struct store_ops        ops;
    const struct store_ops *real;
    struct random          *random;
    int                     fail_percent;
    int64_t                 failures; /* so far */
};

void bare_disk_put(struct bare_disk *disk, struct store *store, struct random *random);
/* Closes the store itself. */
void bare_disk_close(struct bare_disk *disk, struct store **store);
/* The database at the path with the files beside it, as far as they are there. */
void bare_file_remove(const char *path);

/* Enters the rule set, with a writer of its own, as number 1; or another text. */
void bare_rules(struct store *store, struct bank *bank, struct clock *clock);
void bare_rules_of(struct store *store, struct bank *bank, struct clock *clock, const char *text);
/* Plans a customer's account of that ordinal; the row is valid until the commit. */
const struct account_book *bare_account(struct writer *writer, int i);

#endif
