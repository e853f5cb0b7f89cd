/* From the store's rows to the protocol's messages, in one place for readers and writer.
 *
 * Texts are copied into the request's arena. `facts` are what a row refers to by number; a caller
 * that has them at hand (the writer) gives them and nothing is read, otherwise
 * view_transaction_facts reads them from the store. */
#ifndef BANKD_OPS_VIEW_H
#define BANKD_OPS_VIEW_H

#include "bankd/request.h"

/* What the rows of one list share: names of accounts that were read already, and room for one
 * verdict. One lives for one request. */
enum { VIEW_NAMES_MAX = 256 };

struct view_cache {
    struct fraud_verdict verdict;      /* of the row that was read last */
    int64_t              user;         /* number of the one whose address was read last; 0 = none */
    struct slice         user_email;   /* in the arena */
    int64_t              alerted_from; /* of the transactions from this one on ... */
    int64_t alerted_until; /* ... and before this one none is of an alert; 0 = not asked */
    struct {
        int64_t      account; /* number; 0 = free */
        struct uuid  id;
        struct slice name; /* in the arena */
    } names[VIEW_NAMES_MAX];
};

struct view_facts {
    struct uuid                 debit_id, credit_id;
    struct slice                debit_name, credit_name;
    struct slice                party;       /* key; empty = none */
    struct slice                posted_by;   /* address; empty = none */
    struct uuid                 reversal_of; /* zero = none */
    struct uuid                 reversed_by;
    struct uuid                 alert_id; /* zero = none */
    const struct fraud_verdict *verdict;  /* reasons with texts; NULL = none */
};

ERR_MUST_USE enum err view_transaction_facts(struct request *request, const struct transaction *row,
                                             bool with_reasons, struct view_facts *out);
/* The same for a row of a list: the verdict in `out` is the cache's and good until the next row. */
ERR_MUST_USE enum err view_listed_facts(struct request *request, struct view_cache *cache,
                                        const struct transaction *row, bool with_reasons,
                                        struct view_facts *out);
/* These rows will be asked for soon. */
void view_expect(const struct request *request, const struct transaction *rows, size_t count);
ERR_MUST_USE enum err view_transaction(struct request *request, const struct transaction *row,
                                       const struct view_facts *facts, struct msg_transaction *out);
ERR_MUST_USE enum err view_account(struct request *request, const struct account *row,
                                   struct msg_account *out);
ERR_MUST_USE enum err view_customer(struct request *request, const struct customer *row,
                                    struct msg_customer *out);
/* The address of a user; "system" for number 0. */
ERR_MUST_USE enum err view_user(struct request *request, int64_t number, struct slice *out);
/* Bytes that the message takes on the wire at most, near enough to end a page in time. */
size_t view_transaction_size(const struct msg_transaction *message);
/* Reads the alert's transaction, account and users. `hits` are shown when they are given; their
 * `status` stands for what is planned and not in the store yet. */
struct alert_hits;
ERR_MUST_USE enum err view_alert(struct request *request, const struct alert *row,
                                 const struct alert_hits *hits, struct msg_alert *out);
/* The alert's transactions as the store has them. */
ERR_MUST_USE enum err view_load_hits(struct request *request, const struct alert *row,
                                     struct alert_hits *out);
size_t                view_alert_size(const struct msg_alert *message);

#endif
