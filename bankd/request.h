/* One request on its way through bankd: who asks, with what memory, on which store handle.
 *
 * A handler is `enum err op_FAMILY_VERB(struct request *, const struct msg_REQUEST *, struct
 * msg_REPLY *)`; the prototypes below are made from proto/ops.def, so a missing handler is a link
 * error. It fills the reply from the request's arena and returns; on an error it may say more
 * with fault_set(request->fault, ...). It checks no rights: that has happened. READ handlers run
 * on a reader's thread with a snapshot held; WRITE handlers on the writer's thread, where they plan
 * a change (see writer.h); LOCAL and LOGIN ones belong to server.c and auth.c. */
#ifndef BANKD_REQUEST_H
#define BANKD_REQUEST_H

#include "bankd/bank.h"
#include "bankd/store/store.h"
#include "common/buf.h"
#include "common/err.h"
#include "proto/proto.h"

#include <stdatomic.h>

struct server;
struct session;
struct writer;

/* Who asks. */
struct actor {
    int64_t     user; /* number; 0 = operator, import or system */
    struct uuid user_id;
    enum role   role;
    char        email[LIMIT_EMAIL_MAX + 1];
};

struct request {
    const struct op_row  *op;
    struct actor          actor;
    struct store         *store;
    struct writer        *writer;  /* WRITE handlers only, else NULL */
    struct server        *server;  /* LOCAL and LOGIN handlers only, else NULL */
    const struct session *session; /* the same; after a login the new one */
    struct slice          token;   /* LOGIN only: of the new session */
    struct bank          *bank;
    uint32_t              names_version; /* of bank->names, older than the snapshot; 0 = not used */
    struct arena         *arena;
    struct fault         *fault;
    int64_t               now_us;
    const atomic_bool    *cancel; /* the client has gone or it is too late; NULL = never */
    /* LONG handlers only: tells who asks how far the work is. May be called often. */
    void (*tell)(void *context, int64_t done, int64_t total);
    void *tell_context;
};

#define OP(number, family, verb, roles, flags, req, rep, help)                                     \
    enum err op_##family##_##verb(struct request *request, const struct msg_##req *in,             \
                                  struct msg_##rep *out);
#include "proto/ops.def"
#undef OP

/* Calls the handler of request->op; `in` and `out` are its message structs. */
ERR_MUST_USE enum err dispatch(struct request *request, const void *in, void *out);

#endif
