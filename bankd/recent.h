/* Which transaction ids may be in use, without asking the store for each new one.
 *
 * Ids are of UUID version 7: they begin with their time, so nearly every new id is greater than
 * all but the last few thousand in use. The fingerprints of those few thousand are kept here, and
 * the greatest of all older ids. An id that is greater than that one and has no fingerprint here is
 * new for certain; any other must be looked up. Being wrong is possible in one direction only.
 *
 * A look-up in the index of millions of ids costs about as much as the two updates of the accounts;
 * this costs two reads of memory. One thread. */
#ifndef BANKD_RECENT_H
#define BANKD_RECENT_H

#include "common/err.h"
#include "common/ident.h"

#include <stdbool.h>

struct recent;

ERR_MUST_USE enum err recent_open(struct recent **out);
void                  recent_close(struct recent **recent);

/* From now on ids up to this one may be in use. */
void recent_raise(struct recent *recent, const struct uuid *id);
/* The id is in use, or will be; `key` is a hash of it that nobody outside can foresee. */
void recent_add(struct recent *recent, const struct uuid *id, int64_t key);
/* False: nobody uses the id. */
bool recent_may_have(const struct recent *recent, const struct uuid *id, int64_t key);

/* The key will be asked for soon: its memory is fetched meanwhile. */
void recent_expect(const struct recent *recent, int64_t key);

#endif
