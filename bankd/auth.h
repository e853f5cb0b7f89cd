/* Passwords: argon2id through libsodium, in a pool of their own.
 *
 * Parameters are 19 MiB and two passes (OWASP's minimum for argon2id), about 30 ms of one core;
 * the pool is bounded so that logins can never take the machine from the ledger. A login of an
 * unknown address costs the same time as one of a known address. */
#ifndef BANKD_AUTH_H
#define BANKD_AUTH_H

#include "common/err.h"
#include "common/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AUTH_PASSES = 2, AUTH_MEMORY_BYTES = 19 * 1024 * 1024, AUTH_MARK_BYTES = 16 };

/* Hash in its text form, with its parameters and salt inside. */
ERR_MUST_USE enum err auth_hash(const char *password, size_t n, char out[LIMIT_HASH_TEXT_MAX + 1]);
/* ERR_none = it is the password; ERR_login_failed = it is not; ERR_memory = nobody can tell now.
 * `hash` NULL: does the same work and finds that it is not. */
ERR_MUST_USE enum err auth_verify(const char *password, size_t n, const char *hash);
/* Tells one stored hash from another without keeping it: whoever holds the mark of the password
 * that was given notices that it has been changed. */
void auth_mark(const char *hash, uint8_t out[AUTH_MARK_BYTES]);

#endif
