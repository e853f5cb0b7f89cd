/* A bounded map from int64_t keys to fixed-size slots that forgets the least recently used slot.
 *
 * All memory is taken at the start. A slot that was touched since the last cache_unpin_all is
 * pinned and is not forgotten, so that everything one group of changes works on stays. The owner
 * may veto the forgetting of a slot (`keep`), for slots that are not saved yet. One thread. */
#ifndef BANKD_CACHE_H
#define BANKD_CACHE_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cache;

typedef bool cache_keep(const void *slot);

ERR_MUST_USE enum err cache_open(size_t capacity, size_t slot_size, cache_keep *keep,
                                 struct cache **out);
void                  cache_close(struct cache **cache);

void *cache_get(struct cache *cache, int64_t key);  /* NULL when absent; pins */
void *cache_peek(struct cache *cache, int64_t key); /* the same without counting as use */
/* A zeroed slot under a new key (CHECKs that it is absent), pinned; NULL when every slot is
 * pinned or kept. */
void *cache_put(struct cache *cache, int64_t key);
/* Forgets the slot that would go next for a new one, and copies its key and content out; false
 * when every slot is pinned or kept, or none is there. */
bool   cache_pop(struct cache *cache, int64_t *key, void *slot);
/* The key will be asked for soon: its memory is fetched while the caller does other things. In two
 * steps, of which the second needs what the first has fetched; `bytes` of the slot are wanted. */
void   cache_expect(const struct cache *cache, int64_t key);
void   cache_expect_slot(const struct cache *cache, int64_t key, size_t bytes);
void   cache_drop(struct cache *cache, int64_t key); /* CHECKs that it is there */
void   cache_clear(struct cache *cache);
void   cache_unpin_all(struct cache *cache);
size_t cache_count(const struct cache *cache);
bool   cache_has_room(const struct cache *cache); /* for a slot without forgetting another */

#endif
