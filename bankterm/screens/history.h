/* What the list of transactions was asked for: the list shows it, the form changes it, the export
 * repeats it. */
#ifndef BANKTERM_SCREENS_HISTORY_H
#define BANKTERM_SCREENS_HISTORY_H

#include "bankterm/screen.h"
#include "bankterm/widgets/list.h"

struct criteria {
    bool        has_account;
    struct uuid account;
    char        account_name[LIMIT_NAME_MAX + 1];
    bool        has_from;
    int64_t     from;
    bool        has_to; /* exclusive */
    int64_t     to;
    int32_t     type; /* 0: any */
    int32_t     status;
    int32_t     flagged; /* 0: any, 1: flagged, 2: not */
    bool        has_min;
    int64_t     min;
    bool        has_max;
    int64_t     max;
    char        currency[4]; /* "": any */
    char        search[LIMIT_SEARCH_MAX + 1];
};

struct history {
    struct list_screen base;
    struct criteria    criteria;
};

void criteria_ask(const struct criteria *criteria, struct msg_transaction_query *query);
/* "type transfer, from 2026-11-01"; "" when nothing is asked for. */
const char *criteria_text(const struct criteria *criteria, char *out, size_t size);

#endif
