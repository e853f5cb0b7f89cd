/* The gates between a request and its handler, in their order: is there such an operation, is the
 * bank open, whose session is it, may that role do this. No handler checks its own rights, so
 * nothing may reach one by another way. Pure but for the session, which counts as used now.
 *
 * Threads: the owner of the sessions. Times are of a clock that never goes back. */
#ifndef BANKD_GATE_H
#define BANKD_GATE_H

#include "bankd/session.h"
#include "proto/proto.h"

struct gate_pass {
    const struct op_row *op;      /* NULL: unknown */
    struct session      *session; /* NULL: none is needed, or there is none */
};

/* ERR_operation_unknown, ERR_shutting_down (to whatever is asked while `stopping`),
 * ERR_login_required, ERR_session_invalid, or ERR_role_denied, which is for the audit log. */
ERR_MUST_USE enum err gate_check(struct sessions *sessions, const struct request_envelope *envelope,
                                 bool stopping, int64_t now_us, struct gate_pass *pass,
                                 struct fault *fault);

#endif
