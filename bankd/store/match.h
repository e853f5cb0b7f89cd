/* Whether a record passes a filter: the part of the stores' contract that needs no database, so
 * that every store means the same by a filter. Pure. */
#ifndef BANKD_STORE_MATCH_H
#define BANKD_STORE_MATCH_H

#include "bankd/store/store.h"

/* Part of a text, without regard to the case of ASCII letters; an empty part is in every text. */
bool text_contains(const char *text, struct slice part);
/* The filter's own search only needs the party's key when it is set. */
bool transaction_matches(const struct transaction_filter *filter, const struct transaction *t);
bool transaction_found(const struct transaction_filter *filter, const struct transaction *t,
                       const char *party_key);
bool customer_found(struct slice search, const struct customer *customer);
bool account_matches(const struct account_filter *filter, const struct account *account);
bool record_matches(const struct record_filter *filter, const struct record *record);
bool alert_matches(const struct alert_filter *filter, const struct alert *alert);
bool audit_matches(const struct audit_filter *filter, const struct audit *audit);
/* The sequence of the account's transaction before this one; 0 = none. */
int64_t transaction_previous(const struct transaction *t, int64_t account);

#endif
