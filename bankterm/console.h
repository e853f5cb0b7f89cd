/* The full-screen console: what bankterm does when it is not asked to `run` one operation.
 *
 * console_run takes over the terminal of standard input and output, and gives it back before it
 * returns, however it ends. It returns ERR_none when the user left, ERR_io when the terminal went
 * away (hang-up, end of file), ERR_usage when the terminal cannot show a screen at all. */
#ifndef BANKTERM_CONSOLE_H
#define BANKTERM_CONSOLE_H

#include "bankterm/net.h"
#include "common/clock.h"
#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

struct console_config {
    struct net   *net;   /* open; stays the caller's */
    struct clock *clock;
    const char   *server;              /* shown to the user */
    const char   *user;                /* written into the login form; "" for none */
    const char   *color;               /* "auto", "never", "8", "256" or "rgb" */
    const char   *theme;               /* "dark" or "light": which colours stand out */
    bool          ascii;               /* no character beyond ASCII, whatever the locale says */
    bool          bell;                /* BEL with a new alert */
    bool          mouse;               /* on from the start */
    int64_t       idle_lock_minutes;   /* 0 = never */
    int64_t       escape_delay_ms;     /* how long a lone Esc is waited for */
};

ERR_MUST_USE enum err console_run(const struct console_config *config, struct fault *fault);

#endif
