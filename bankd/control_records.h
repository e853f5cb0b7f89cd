/* What the records of the controls have in common, for the writer and for the handlers: where a
 * record that there is only one of is found, whom a notification is for, and how an entry ends. */
#ifndef BANKD_CONTROL_RECORDS_H
#define BANKD_CONTROL_RECORDS_H

#include "bankd/model.h"
#include "common/buf.h"

/* The id of the one record of a kind: the settings of the controls, the counters. */
struct uuid control_record_id(int32_t kind);

/* `about` of a notification: the role's bit, or the user's number behind the bits of all roles. */
enum { NOTIFICATION_ROLE_BITS = 16 };
static inline int64_t notification_for_role(enum role role)
{
    return (int64_t)role;
}
static inline int64_t notification_for_user(int64_t user)
{
    return user * NOTIFICATION_ROLE_BITS;
}
struct slice role_text(enum role role);

/* Ends an entry of a list or a suppression: its state, and what it says of its end. `record` is the
 * next version of it, not written yet. Memory for what it says is taken from the arena. */
ERR_MUST_USE enum err control_record_end(struct record *record, int32_t state, int64_t now_us,
                                         const char *who, struct slice reason, struct arena *arena);

#endif
