/* The period that a dashboard shows, and the keys that shift it. The newest period follows the
 * data; a shifted one stands still. A bank that was loaded from a file may have data only years
 * ago: the server says where its data lies, and the period never leaves that far behind. */
#ifndef BANKTERM_SCREENS_PERIOD_H
#define BANKTERM_SCREENS_PERIOD_H

#include "bankterm/actions.h"
#include "proto/proto.h"

#include <stdbool.h>
#include <stdint.h>

struct period {
    bool    newest;
    int     days;
    int64_t from;
    int64_t to;        /* exclusive */
    int64_t data_from; /* 0: not known */
    int64_t data_to;
    char    currency[4]; /* asked for; "" for the bank's own */
    char    shown[4];    /* of the answer */
};

void period_init(struct period *period);
/* True when the action was the period's: everything has to be asked anew. */
bool period_act(struct period *period, enum action action, const char *argument);
/* Fills from, to and currency of any message that has these fields. */
void period_ask(const struct period *period, const struct message_desc *desc, void *body);
/* Reads from, to, currency, data_from and data_to of an answer. */
void period_learn(struct period *period, const struct message_desc *desc, const void *body);
/* "2026-10-23 to 2026-11-21, USD". */
const char *period_text(const struct period *period, char *out, size_t size);

#endif
