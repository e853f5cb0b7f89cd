/* The real connection behind the functions of link.h. */
#include "bankterm/link.h"

static uint64_t link_request(void *self, enum op_index op, const void *body, int64_t deadline_ms,
                             struct fault *fault)
{
    return net_request(self, op, body, deadline_ms, fault);
}

static void link_cancel(void *self, uint64_t ticket)
{
    net_cancel(self, ticket);
}

static bool link_pump(void *self, struct net_result *out)
{
    return net_pump(self, out);
}

static enum net_state link_state(const void *self)
{
    return net_state(self);
}

static int64_t link_last_heard_us(const void *self)
{
    return net_last_heard_us(self);
}

static int64_t link_retry_in_ms(const void *self)
{
    return net_retry_in_ms(self);
}

static void link_retry_now(void *self)
{
    net_retry_now(self);
}

static bool link_logged_in(const void *self)
{
    return net_logged_in(self);
}

static enum role link_role(const void *self)
{
    return net_role(self);
}

static const char *link_user(const void *self)
{
    return net_user(self);
}

static void link_forget_session(void *self)
{
    net_forget_session(self);
}

const struct link_ops link_net = {
    .request = link_request,
    .cancel = link_cancel,
    .pump = link_pump,
    .state = link_state,
    .last_heard_us = link_last_heard_us,
    .retry_in_ms = link_retry_in_ms,
    .retry_now = link_retry_now,
    .logged_in = link_logged_in,
    .role = link_role,
    .user = link_user,
    .forget_session = link_forget_session,
};
