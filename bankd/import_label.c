/* Labels alone: what was found out about payments that are there already, such as the charge-backs
 * of a month, which name a payment by the id that its file gave it.
 *
 * There is no index by that id, for it would cost every post more than all labels are worth. So the
 * rows are kept until LABELS_MAX of them wait, and one walk over the bank's transactions finds them
 * all: memory does not grow with the file, and a file of up to so many rows costs one walk. Then
 * the labels are given out in the order of the file, and a row whose payment is not there is told.
 *
 * The rule: a label changes nothing but itself and the profiles that see it. No payment is judged
 * again, no alert is raised or decided. */
#include "bankd/import.h"

#include "common/check.h"

#include <stdlib.h>
#include <string.h>

enum { LABELS_MAX = 65536 };

/* What is kept of a row; a whole import_row has room for much that labels do not have. */
struct entry {
    struct import_place place;
    int64_t             known_at_us;
    int64_t             sequence; /* of the payment; 0 = not found */
    bool                has_known_at;
    bool                fraud;
    bool                several; /* payments have the id */
    char                external_id[LIMIT_EXTERNAL_ID_MAX + 1];
};

struct import_labels {
    const struct import_map *map;
    struct store            *store;
    struct import_loader    *loader;
    import_refuse           *refuse;
    void                    *context;
    size_t                   count;
    struct entry            *entries; /* in the order of the file */
    struct entry           **by_id;
};

enum err import_labels_open(const struct import_map *map, struct store *store,
                            struct import_loader *loader, import_refuse *refuse, void *context,
                            struct import_labels **out)
{
    struct import_labels *labels = calloc(1, sizeof *labels);

    CHECK(map->labels_only);
    if (labels == NULL)
        return ERR_memory;
    labels->map = map;
    labels->store = store;
    labels->loader = loader;
    labels->refuse = refuse;
    labels->context = context;
    labels->entries = calloc(LABELS_MAX, sizeof *labels->entries);
    labels->by_id = calloc(LABELS_MAX, sizeof(struct entry *));
    if (labels->entries == NULL || labels->by_id == NULL) {
        import_labels_close(&labels);
        return ERR_memory;
    }
    *out = labels;
    return ERR_none;
}

void import_labels_close(struct import_labels **labels)
{
    if (*labels == NULL)
        return;
    free((*labels)->entries);
    free((*labels)->by_id);
    free(*labels);
    *labels = NULL;
}

/* --- finding the payments -------------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
    const struct entry *const *left = a;
    const struct entry *const *right = b;

    return strcmp((*left)->external_id, (*right)->external_id);
}

/* The place of the first entry with this id, or of the one that would come behind it. */
static size_t first_of(const struct import_labels *labels, const char *external_id)
{
    size_t low = 0;
    size_t high = labels->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(labels->by_id[middle]->external_id, external_id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool see_payment(void *context, const void *visited)
{
    struct import_labels     *labels = context;
    const struct transaction *row = visited;

    if (row->external_id[0] == '\0' || import_is_rounding(row))
        return true;
    for (size_t i = first_of(labels, row->external_id);
         i < labels->count && strcmp(labels->by_id[i]->external_id, row->external_id) == 0; i++) {
        labels->by_id[i]->several = labels->by_id[i]->sequence != 0;
        labels->by_id[i]->sequence = row->sequence;
    }
    return true;
}

static enum err find_payments(struct import_labels *labels)
{
    struct transaction_filter filter = { .ascending = true };
    int64_t                   stopped_at;

    for (size_t i = 0; i < labels->count; i++)
        labels->by_id[i] = &labels->entries[i];
    qsort(labels->by_id, labels->count, sizeof(struct entry *), by_id);
    do {
        TRY(labels->store->ops->transactions(labels->store, &filter, see_payment, labels,
                                             &stopped_at));
        filter.from_sequence = stopped_at + 1;
    } while (stopped_at != 0);
    return ERR_none;
}

/* --- giving them out ------------------------------------------------------------------------- */

static enum err give(struct import_labels *labels, const struct entry *entry, struct fault *why)
{
    struct import_row row = { .has_label = true,
                              .fraud = entry->fraud,
                              .has_known_at = entry->has_known_at,
                              .known_at_us = entry->known_at_us };

    if (entry->sequence == 0) {
        import_loader_counts(labels->loader)->unknown++;
        return fault_set(why, ERR_not_found, "transaction", "The bank has no payment %.100s",
                         entry->external_id);
    }
    if (entry->several)
        return fault_set(why, ERR_field_invalid, "transaction",
                         "Several payments of the bank are called %.100s", entry->external_id);
    return import_loader_label(labels->loader, entry->sequence, &row, why);
}

enum err import_labels_flush(struct import_labels *labels, struct fault *fault)
{
    struct import_counts *counts = import_loader_counts(labels->loader);

    if (labels->count == 0)
        return ERR_none;
    TRY(import_loader_commit(labels->loader, fault)); /* no group may hold the log for so long */
    TRY(find_payments(labels));
    for (size_t i = 0; i < labels->count; i++) {
        const struct entry *entry = &labels->entries[i];
        struct fault        why = { 0 };
        enum err            err = give(labels, entry, &why);

        if (err != ERR_none && err_class(err) != ERR_CLASS_INPUT &&
            err_class(err) != ERR_CLASS_CONFLICT) {
            if (fault != NULL)
                *fault = why;
            return err;
        }
        counts->rejected += err != ERR_none ? 1 : 0;
        if (err != ERR_none)
            TRY(labels->refuse(labels->context, &entry->place, err, &why));
    }
    labels->count = 0;
    return ERR_none;
}

enum err import_labels_row(struct import_labels *labels, const struct import_place *place,
                           const struct slice *cells, size_t count, struct fault *fault)
{
    struct import_counts *counts = import_loader_counts(labels->loader);
    struct import_row     row;
    struct entry         *entry;
    enum err              err = import_row_read(labels->map, cells, count, &row, fault);

    counts->rows++;
    counts->rejected += err != ERR_none ? 1 : 0; /* reading a row has no errors but its own */
    TRY(err);
    counts->skipped += row.skipped ? 1 : 0;
    if (row.skipped)
        return ERR_none;
    if (labels->count == LABELS_MAX)
        TRY(import_labels_flush(labels, fault));
    entry = &labels->entries[labels->count++];
    *entry = (struct entry){ .place = *place,
                             .fraud = row.fraud,
                             .has_known_at = row.has_known_at,
                             .known_at_us = row.known_at_us };
    memcpy(entry->external_id, row.external_id, sizeof entry->external_id);
    return ERR_none;
}
