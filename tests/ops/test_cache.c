/* The bounded cache against a plain list: what is kept, what is forgotten first, what pins hold. */
#include "bankd/cache.h"
#include "tests/unit/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

struct slot {
    int64_t value;
    bool keep;
};

static bool is_kept(const void *slot)
{
    return ((const struct slot *)slot)->keep;
}

static struct cache *open_cache(size_t capacity, cache_keep *keep)
{
    struct cache *cache = NULL;

    assert_int_equal(cache_open(capacity, sizeof(struct slot), keep, &cache), ERR_none);
    return cache;
}

static void forgets_the_least_recently_used(void **state)
{
    struct cache *cache = open_cache(3, NULL);

    (void)state;
    for (int64_t key = 1; key <= 3; key++)
        ((struct slot *)cache_put(cache, key))->value = key * 10;
    cache_unpin_all(cache);
    assert_non_null(cache_get(cache, 1)); /* 2 is the oldest now */
    cache_unpin_all(cache);
    assert_non_null(cache_put(cache, 4));
    assert_null(cache_get(cache, 2));
    assert_int_equal(((struct slot *)cache_get(cache, 1))->value, 10);
    assert_int_equal(((struct slot *)cache_get(cache, 3))->value, 30);
    assert_int_equal(((struct slot *)cache_get(cache, 4))->value, 0);
    assert_int_equal(cache_count(cache), 3);
    cache_close(&cache);
    assert_null(cache);
}

static void pinned_and_kept_slots_stay(void **state)
{
    struct cache *cache = open_cache(2, is_kept);

    (void)state;
    cache_put(cache, 1);
    cache_put(cache, 2);
    assert_null(cache_put(cache, 3)); /* both are pinned */
    cache_unpin_all(cache);
    ((struct slot *)cache_get(cache, 1))->keep = true;
    ((struct slot *)cache_get(cache, 2))->keep = true;
    cache_unpin_all(cache);
    assert_null(cache_put(cache, 3)); /* both are kept */
    ((struct slot *)cache_get(cache, 2))->keep = false;
    cache_unpin_all(cache);
    assert_non_null(cache_put(cache, 3));
    assert_non_null(cache_get(cache, 1));
    assert_null(cache_get(cache, 2));
    cache_clear(cache);
    assert_int_equal(cache_count(cache), 0);
    assert_null(cache_get(cache, 1));
    cache_close(&cache);
}

enum { KEYS = 64, CAPACITY = 16 };

/* The model: for each key the time of its last use, 0 = absent. */
static void random_use_agrees_with_a_list(void **state)
{
    struct random random = random_start("random_use_agrees_with_a_list");
    struct cache *cache = open_cache(CAPACITY, NULL);
    int64_t used[KEYS] = {0};
    size_t count = 0;

    (void)state;
    for (int64_t time = 1; time < 200000; time++) {
        int64_t key = (int64_t)random_below(&random, KEYS);
        void *slot = cache_get(cache, key);

        assert_int_equal(slot != NULL, used[key] != 0);
        if (slot == NULL) {
            int64_t oldest = -1;

            for (int64_t k = 0; k < KEYS; k++)
                if (used[k] != 0 && (oldest < 0 || used[k] < used[oldest]))
                    oldest = k;
            if (count == CAPACITY)
                used[oldest] = 0;
            else
                count++;
            slot = cache_put(cache, key);
            assert_non_null(slot);
            ((struct slot *)slot)->value = key;
        }
        assert_int_equal(((struct slot *)slot)->value, key);
        used[key] = time;
        cache_unpin_all(cache);
        assert_int_equal(cache_count(cache), count);
    }
    cache_close(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forgets_the_least_recently_used),
        cmocka_unit_test(pinned_and_kept_slots_stay),
        cmocka_unit_test(random_use_agrees_with_a_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
