/* Findings for the seeded bank, which has none of its own. */
#ifndef TESTS_LIB_FINDING_H
#define TESTS_LIB_FINDING_H

#include "tests/lib/seed.h"

/* Notes in the store what was found out about a seeded transaction. */
void finding_note(struct seed *seed, const struct transaction *row, bool fraud,
                  int64_t known_at_us);

#endif
