/* See past.h. */
#include "bankd/past.h"

#include "bankd/record.h"
#include "common/check.h"

#include <string.h>

/* An id of its own for each: there is no other record of the kind with this number. */
static struct uuid id_of(int64_t number)
{
    struct uuid id = { .bytes = { 0 } };

    for (size_t i = 0; i < sizeof number; i++)
        id.bytes[sizeof id.bytes - 1 - i] = (uint8_t)((uint64_t)number >> 8 * i);
    return id;
}

void past_write(struct record *record, const struct past_finding *past)
{
    struct msg_finding_record body = { .has = 0 };
    enum err                  err;

    record->kind = RECORD_FINDING;
    record->id = id_of(record->number);
    record->about = past->label.transaction;
    record->created_at_us = past->until_us;
    MSG_SET(&body, finding_record, fraud, past->label.fraud);
    MSG_SET(&body, finding_record, withdrawn, past->label.withdrawn);
    MSG_SET(&body, finding_record, known_at, past->label.known_at_us);
    MSG_SET(&body, finding_record, until, past->until_us);
    MSG_SET(&body, finding_record, sequence, past->sequence);
    err = record_write(record, &message_finding_record, &body);
    CHECK(err == ERR_none); /* five numbers are shorter than a record may be */
}

enum err past_read(const struct record *record, struct past_finding *out)
{
    struct msg_finding_record body;
    struct arena              nothing = { .at = NULL }; /* numbers need no room */

    TRY(record_read(record, &message_finding_record, &body, &nothing));
    *out = (struct past_finding){ .label = { .transaction = record->about,
                                             .fraud = body.fraud,
                                             .withdrawn = body.withdrawn,
                                             .known_at_us = body.known_at },
                                  .until_us = body.until,
                                  .sequence = body.sequence,
                                  .number = record->number };
    return ERR_none;
}

struct listing {
    past_visit *visit;
    void       *context;
    enum err    failed;
};

static bool show(void *context, const void *row)
{
    struct listing     *listing = context;
    struct past_finding past;

    listing->failed = past_read(row, &past);
    return listing->failed == ERR_none && listing->visit(listing->context, &past);
}

enum err past_findings(struct store *store, int64_t transaction, past_visit *visit, void *context)
{
    struct record_filter filter = { .kind = RECORD_FINDING, .about = transaction };
    struct listing       listing = { .visit = visit, .context = context };

    TRY(store->ops->records(store, &filter, show, &listing));
    return listing.failed;
}
