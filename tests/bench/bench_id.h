/* The ids of the accounts that bench_fill makes, by their index. */
#ifndef TESTS_BENCH_BENCH_ID_H
#define TESTS_BENCH_BENCH_ID_H

#include "common/ident.h"

static inline struct uuid bench_account_id(int64_t index)
{
    uint8_t tail[10] = { 0xbe, 0x0c };

    for (int i = 0; i < 8; i++)
        tail[2 + i] = (uint8_t)((uint64_t)index >> (56 - 8 * i));
    return uuid_v7_derived(INT64_C(1600000000000000), tail);
}

#endif
