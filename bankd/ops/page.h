/* Pages of lists: cursors, the question that a cursor belongs to, and small checks that every
 * reading handler needs.
 *
 * A cursor is opaque to the client: a format byte, a digest of the question (the operation and
 * every field but cursor and limit), and three big-endian numbers. A cursor of another question
 * is refused with ERR_cursor_invalid. It is not a secret and gives no rights: it only says where
 * to go on among rows that the caller may see anyway. */
#ifndef BANKD_OPS_PAGE_H
#define BANKD_OPS_PAGE_H

#include "bankd/request.h"

struct page_cursor {
    int64_t from;  /* where to go on; 0 = at the newest */
    int64_t below; /* rows from here on were given already; 0 = none were */
    int64_t top;   /* newest row when the first page was made; for progress */
};

/* `in` is the request's message. An empty `bytes` is the first page: all zeros. */
ERR_MUST_USE enum err page_start(struct request *request, const void *in, bool given,
                                 struct slice bytes, struct page_cursor *out);
/* The cursor's bytes, from the arena. */
ERR_MUST_USE enum err page_next(struct request *request, const void *in,
                                const struct page_cursor *cursor, struct slice *out);
size_t page_limit(bool given, int64_t limit);

/* Memory of the request; ERR_memory when it is used up. */
ERR_MUST_USE enum err page_take(struct request *request, size_t n, void **out);
/* Whether so many more bytes are there, so that a page can end early instead of failing. */
bool page_room(const struct request *request, size_t n);
/* A copy in the arena. */
ERR_MUST_USE enum err page_keep(struct request *request, struct slice text, struct slice *out);

bool page_cancelled(const struct request *request);
ERR_MUST_USE enum err page_check_cancel(const struct request *request);

/* A currency's number by its code; 0 when absent. */
ERR_MUST_USE enum err page_currency(struct request *request, bool given, struct slice code,
                                    uint16_t *out);
/* An account by its id; ERR_account_unknown with the field's name. 0 when absent. */
ERR_MUST_USE enum err page_account(struct request *request, bool given, const struct uuid *id,
                                   int64_t *out);
/* Checks the order of two limits and turns them into what filters take (0 = open). */
ERR_MUST_USE enum err page_times(struct request *request, bool from_given, int64_t from,
                                 bool to_given, int64_t to, int64_t *from_us, int64_t *to_us);

/* Whether `part` is in `text`, without regard to the case of ASCII letters. */
bool page_contains(struct slice text, struct slice part);

#endif
