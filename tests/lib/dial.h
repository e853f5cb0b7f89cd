/* A client of the daemon for programs that measure: a socket over ipc or CURVE, a login, and one
 * question with its answer. Anything that goes wrong ends the program, because a figure that was
 * measured over refusals is worth nothing. */
#ifndef TESTS_LIB_DIAL_H
#define TESTS_LIB_DIAL_H

#include "common/buf.h"
#include "common/limits.h"
#include "proto/proto.h"

enum { DIAL_KEY_SIZE = 41, DIAL_REPLY_BYTES = LIMIT_REPLY_MAX + 4096 };

/* Reads a server's public key from a file; "-" leaves it empty, which means no encryption. */
void dial_key(const char *path, char key[DIAL_KEY_SIZE]);
/* A connected socket; the caller closes it. */
void *dial(void *context, const char *endpoint, const char *key);
/* Logs bench_fill's user in. */
void dial_login(void *socket, uint8_t token[LIMIT_TOKEN_BYTES]);
/* Sends a request and waits for its reply, whose body lies in `bytes` (DIAL_REPLY_BYTES). */
struct slice dial_ask(void *socket, const struct buf *request, char *bytes);

#endif
