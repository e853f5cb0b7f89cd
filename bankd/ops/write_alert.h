/* What the handlers that change alerts share. */
#ifndef BANKD_OPS_WRITE_ALERT_H
#define BANKD_OPS_WRITE_ALERT_H

#include "bankd/writer.h"

/* Puts the changed alert with its audit entry into the draft, adds the draft to the group, tells
 * everybody, and answers with the alert. Whatever else the draft has must be in it. */
ERR_MUST_USE enum err write_alert_change(struct request *request, struct draft *draft,
                                         struct alert *row, struct slice detail,
                                         struct msg_alert *out);

/* The refusal of a note that cannot be kept. */
ERR_MUST_USE enum err write_no_room(struct request *request, const struct alert *row);

#endif
