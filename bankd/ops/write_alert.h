/* What the handlers that change alerts share. */
#ifndef BANKD_OPS_WRITE_ALERT_H
#define BANKD_OPS_WRITE_ALERT_H

#include "bankd/alert.h"
#include "bankd/writer.h"

/* Puts the changed alert with its audit entry into the draft, adds the draft to the group, tells
 * everybody, and answers with the alert. Whatever else the draft has must be in it. */
ERR_MUST_USE enum err write_alert_change(struct request *request, struct draft *draft,
                                         struct alert *row, struct slice detail,
                                         struct msg_alert *out);

/* Whether the actor may do this to the alert now, as alert_check; a refusal because of a lock names
 * who works on the alert and until when. The second does that to an error of somebody who has
 * looked already, and leaves any other error as it is. */
ERR_MUST_USE enum err write_alert_check(struct request *request, const struct alert *row,
                                        enum alert_act act, int32_t *state);
ERR_MUST_USE enum err write_alert_locked(struct request *request, const struct alert *row,
                                         enum err err, struct fault *fault);

/* The refusal of a note that cannot be kept. */
ERR_MUST_USE enum err write_no_room(struct request *request, const struct alert *row);

#endif
