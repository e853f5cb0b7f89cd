/* Whether the operating system lets this process have what it cannot do without. The messaging
 * library ends the process when it gets no file, no thread or no memory, without a word that would
 * help; so whoever starts it asks here before, and says what to raise.
 *
 * The answer is found by trying: the threads are started, and while they live so many bytes of
 * address space are reserved; then all of it is given back. That others take it meanwhile is not
 * kept from happening; limits of a process are its own, so they seldom do. */
#ifndef COMMON_ROOM_H
#define COMMON_ROOM_H

#include "common/err.h"

#include <stdint.h>

struct room {
    int     files; /* that may be open at one time, those that are open now among them */
    int     threads;
    int64_t bytes; /* of address space, beside the threads' stacks */
};

/* Raises the limit of open files to `need->files` if it is lower and may be raised.
 * ERR_process_limit with a text that names the limit and what it should be; ERR_memory. */
ERR_MUST_USE enum err room_check(const struct room *need, struct fault *fault);

#endif
