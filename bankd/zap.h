/* Which machines may connect to the encrypted endpoints: the ZAP handler (ZeroMQ RFC 27).
 *
 * With a file of public keys only those may; without one any machine that knows the server's key
 * may try to log in. The handler is a thread on inproc://zeromq.zap.01 of the given context. */
#ifndef BANKD_ZAP_H
#define BANKD_ZAP_H

#include "common/err.h"

struct zap;

enum { ZAP_KEYS_MAX = 1024 };

/* `path` NULL or empty: every key. Must be started before the sockets are bound. */
ERR_MUST_USE enum err zap_start(void *context, const char *path, struct zap **out,
                                struct fault *fault);
void                  zap_stop(struct zap **zap);

#endif
