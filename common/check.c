/* What happens when a CHECK does not hold: the terminal is given back, the place is told on
 * stderr, and the program stops with a core.
 *
 * Nothing here allocates or takes a lock, for nothing can be trusted any more. A CHECK that fails
 * inside the hook must not call the hook again. */
#include "common/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void (*check_before_abort)(void);

_Noreturn void check_failed(const char *condition, const char *file, int line)
{
    char  text[512];
    void (*hook)(void) = check_before_abort;
    int   n;

    check_before_abort = NULL;
    if (hook != NULL)
        hook();
    n = snprintf(text, sizeof text, "%s:%d: this must hold but does not: %s\n", file, line,
                 condition);
    if (n >= (int)sizeof text)
        n = (int)sizeof text - 1;
    if (n > 0 && write(STDERR_FILENO, text, (size_t)n) < 0)
        abort(); /* stderr is gone too; the core is what remains */
    abort();
}
