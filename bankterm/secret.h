/* Passwords and session tokens on their way in and out, for work without a screen.
 *
 * A password comes from a file, from BANKTERM_PASSWORD or from the terminal without echo, never
 * from the command line's options, where everybody on the machine could read it. A token file
 * is for its owner alone. Callers wipe what they were given. */
#ifndef BANKTERM_SECRET_H
#define BANKTERM_SECRET_H

#include "common/err.h"
#include "common/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first line of a file. */
ERR_MUST_USE enum err secret_from_file(const char *path, char *out, size_t size,
                                       struct fault *fault);
/* Asks on the terminal of the process; false in *asked when it has none. */
ERR_MUST_USE enum err secret_ask(const char *prompt, char *out, size_t size, bool *asked,
                                 struct fault *fault);
/* file, else environment, else terminal, else ERR_login_required. `file` may be "". */
ERR_MUST_USE enum err secret_password(const char *file, const char *user, char *out, size_t size,
                                      struct fault *fault);

/* 64 hexadecimal digits. Written with mode 0600 whatever was there before. */
ERR_MUST_USE enum err secret_token_save(const char *path, const uint8_t token[LIMIT_TOKEN_BYTES],
                                        struct fault *fault);
ERR_MUST_USE enum err secret_token_load(const char *path, uint8_t token[LIMIT_TOKEN_BYTES],
                                        struct fault *fault);

#endif
