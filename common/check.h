/* CHECK stops the program on a programmer's error. Input, disk and network never reach a CHECK;
 * stopping bankd is safe at any moment, because the store's transaction is. */
#ifndef COMMON_CHECK_H
#define COMMON_CHECK_H

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0))                                                     \
            check_failed(#condition, __FILE__, __LINE__);                                          \
    } while (0)

/* bankterm sets a hook that gives the terminal back before the message is printed. */
extern void (*check_before_abort)(void);

_Noreturn void check_failed(const char *condition, const char *file, int line);

#define ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
