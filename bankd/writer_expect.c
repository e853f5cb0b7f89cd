/* Memory that is fetched before it is needed.
 *
 * What a post works on lies anywhere in tens of megabytes: two accounts by their ids, two books,
 * two profiles. One after the other each is a wait of a tenth of a microsecond or more for memory,
 * and the second can only begin when the first has told where it lies. So the ids of the next few
 * posts are taken together, step by step: by the time a step is done for the last of them, the
 * memory of the first is there. Nothing is decided here and nothing is counted as use. */
#include "bankd/writer_impl.h"

#include "common/check.h"

enum { PROFILE_BYTES = sizeof(struct profile_slot) };

/* The shelf's blocks of a profile are a chain, so all chains are followed side by side. */
static void expect_shelf(const struct writer *writer, const int64_t *entities, size_t n)
{
    uint32_t at[WRITER_EXPECT_MAX];
    size_t   count = 0;

    for (size_t i = 0; i < n; i++)
        shelf_expect(writer->shelf, entities[i]);
    for (size_t i = 0; i < n; i++)
        if (shelf_expect_first(writer->shelf, entities[i], &at[count]))
            count++;
    while (count > 0) {
        size_t kept = 0;

        for (size_t i = 0; i < count; i++)
            if (shelf_expect_next(writer->shelf, at[i], &at[kept]))
                kept++;
        count = kept;
    }
}

void writer_expect(struct writer *writer, const struct uuid *ids, size_t n)
{
    int64_t keys[WRITER_EXPECT_MAX];
    int64_t numbers[WRITER_EXPECT_MAX];
    int64_t shelved[WRITER_EXPECT_MAX];
    size_t  count = 0;
    size_t  shelved_count = 0;

    CHECK(n <= WRITER_EXPECT_MAX);
    for (size_t i = 0; i < n; i++) {
        keys[i] = writer_hash(writer, ids[i].bytes, sizeof ids[i].bytes);
        recent_expect(writer->recent, keys[i]);
        cache_expect(writer->ids, keys[i]);
    }
    for (size_t i = 0; i < n; i++)
        cache_expect_slot(writer->ids, keys[i], sizeof(struct id_slot));
    for (size_t i = 0; i < n; i++) {
        const struct id_slot *slot = cache_peek(writer->ids, keys[i]);

        if (slot == NULL)
            continue;
        numbers[count++] = slot->number;
        cache_expect(writer->books, slot->number);
        cache_expect(writer->profiles, entity_of_account(slot->number));
        controls_expect(writer->controls, slot->number);
    }
    for (size_t i = 0; i < count; i++) {
        cache_expect_slot(writer->books, numbers[i], sizeof(struct book_slot));
        cache_expect_slot(writer->profiles, entity_of_account(numbers[i]), PROFILE_BYTES);
    }
    for (size_t i = 0; i < count; i++)
        if (cache_peek(writer->profiles, entity_of_account(numbers[i])) == NULL)
            shelved[shelved_count++] = entity_of_account(numbers[i]);
    expect_shelf(writer, shelved, shelved_count);
}
