/* A wall clock that is ahead: put in front of the C library (LD_PRELOAD) it adds LATER_SECONDS to
 * what a program is told, so that tests see from outside what happens hours and weeks later. The
 * clock of intervals stays as it is. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *out);

int clock_gettime(clockid_t clock, struct timespec *out)
{
    const char *ahead = getenv("LATER_SECONDS");
    int         failed = (int)syscall(SYS_clock_gettime, clock, out);

    if (failed == 0 && clock == CLOCK_REALTIME && ahead != NULL)
        out->tv_sec += strtol(ahead, NULL, 10);
    return failed;
}
