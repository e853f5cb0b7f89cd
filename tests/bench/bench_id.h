/* What the programs that measure share: ids of accounts by their index, and numbers of their
 * command lines. */
#ifndef TESTS_BENCH_BENCH_ID_H
#define TESTS_BENCH_BENCH_ID_H

#include "common/check.h"
#include "common/ident.h"

#include <errno.h>
#include <stdlib.h>

static inline struct uuid bench_account_id(int64_t index)
{
    uint8_t tail[10] = { 0xbe, 0x0c };

    for (int i = 0; i < 8; i++)
        tail[2 + i] = (uint8_t)((uint64_t)index >> (56 - 8 * i));
    return uuid_v7_derived(INT64_C(1600000000000000), tail);
}

/* A whole number that is not negative; anything else ends the program. */
static inline int64_t bench_number(const char *text)
{
    char     *end = NULL;
    long long value;

    errno = 0;
    value = strtoll(text, &end, 10);
    CHECK(errno == 0 && end != text && *end == '\0' && value >= 0);
    return value;
}

#endif
