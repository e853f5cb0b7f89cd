/* See finding.h. A finding alone moves no account and adds no link to the chain. */
#include "tests/lib/finding.h"

#include "common/check.h"

void finding_note(struct seed *seed, const struct transaction *row, bool fraud, int64_t known_at_us)
{
    struct label   label = { .transaction = row->sequence,
                             .fraud = fraud,
                             .known_at_us = known_at_us };
    struct change  change = { .label = &label };
    struct change *changes[] = { &change };
    struct commit  commit = {
         .before = seed->head, .after = seed->head, .changes = changes, .count = 1
    };
    struct fault fault = { 0 };
    size_t       failed = 0;

    CHECK(seed->store->ops->apply(seed->store, &commit, &failed, &fault) == ERR_none);
}
