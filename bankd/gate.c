/* See gate.h. */
#include "bankd/gate.h"

#include <string.h>

enum err gate_check(struct sessions *sessions, const struct request_envelope *envelope,
                    bool stopping, int64_t now_us, struct gate_pass *pass, struct fault *fault)
{
    memset(pass, 0, sizeof *pass);
    pass->op = op_find(envelope->op);
    if (pass->op == NULL)
        return fault_set(fault, ERR_operation_unknown, "op", "%s", "");
    if (stopping)
        return fault_set(fault, ERR_shutting_down, NULL, "%s", "");
    if ((pass->op->flags & OP_OPEN) != 0)
        return ERR_none;
    if (envelope->token.n == 0)
        return fault_set(fault, ERR_login_required, "token", "%s", "");
    pass->session = session_find(sessions, envelope->token, now_us);
    if (pass->session == NULL)
        return fault_set(fault, ERR_session_invalid, "token", "%s", "");
    if ((pass->op->roles & pass->session->actor.role) == 0)
        return fault_set(fault, ERR_role_denied, "op", "%s needs another role than %s",
                         pass->op->name, role_find(pass->session->actor.role)->name);
    return ERR_none;
}
