/* What the console needs of the connection, as functions, so that tests can be the server. The
 * meaning of each is that of the function of the same name in net.h. */
#ifndef BANKTERM_LINK_H
#define BANKTERM_LINK_H

#include "bankterm/net.h"

struct link_ops {
    uint64_t (*request)(void *self, enum op_index op, const void *body, int64_t deadline_ms,
                        struct fault *fault);
    void (*cancel)(void *self, uint64_t ticket);
    bool (*pump)(void *self, struct net_result *out);
    enum net_state (*state)(const void *self);
    int64_t (*last_heard_us)(const void *self);
    int64_t (*retry_in_ms)(const void *self);
    void (*retry_now)(void *self);
    bool (*logged_in)(const void *self);
    enum role (*role)(const void *self);
    const char *(*user)(const void *self);
    void (*forget_session)(void *self);
};

struct link {
    const struct link_ops *ops;
    void                  *self;
};

extern const struct link_ops link_net; /* self is a struct net */

#endif
