/* Cases of the compliance officer as records: the case itself (RECORD_CASE, about its account, due
 * at its deadline while it is open or in review) and its items (RECORD_CASE_ITEM, about the case's
 * number), whose bodies are case_record and case_item. Shared by read_case.c and write_case.c. */
#ifndef BANKD_OPS_CASE_H
#define BANKD_OPS_CASE_H

#include "bankd/request.h"

/* A case that was read; texts point into `row` and the request's arena. */
struct case_row {
    struct record          row;
    struct msg_case_record body;
};

/* ERR_not_found with field case_id when there is none. */
ERR_MUST_USE enum err case_find(struct request *request, const struct uuid *id,
                                struct case_row *out);
/* The body of case->row into case->body. */
ERR_MUST_USE enum err case_read(struct request *request, struct case_row *one);
/* What a client sees of a case; texts are copied into the arena. */
ERR_MUST_USE enum err case_view(struct request *request, const struct case_row *one,
                                struct msg_case *out);
/* A new open case that its opener works on; the caller gives the id, and encodes the body. */
void case_new(struct record *row, struct msg_case_record *body, int32_t kind, struct slice title,
              int64_t account, int64_t now_us, int64_t user);
/* A new item of a case, encoded from `item`, whose id and time it takes. */
ERR_MUST_USE enum err case_item_new(struct record *row, const struct msg_case_item *item,
                                    int64_t case_number, int64_t user);
ERR_MUST_USE enum err case_item_view(struct request *request, const struct record *row,
                                     struct msg_case_item *out);

#endif
