/* 128-bit ids: UUIDs as 16 bytes, version 7 (RFC 9562) where they are made here.
 *
 * The first 48 bits of a UUIDv7 are milliseconds since 1970 UTC, so ids arrive in time order and
 * an index on them grows at its end. */
#ifndef COMMON_IDENT_H
#define COMMON_IDENT_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct uuid {
    uint8_t bytes[16];
};

enum { UUID_TEXT_MAX = 37 };

/* Random tail from the kernel. Ids ascend within a process, also when the clock is put back by up
 * to ten seconds. Thread-safe. Times outside 0 .. 2^48 - 1 ms are taken as the nearest inside. */
struct uuid uuid_v7(int64_t now_us);
/* The id of this moment whose tail is made of the given bytes (of a hash, say), but for the
 * version and variant bits: the same input gives the same id. */
struct uuid uuid_v7_derived(int64_t at_us, const uint8_t tail[10]);
bool        uuid_is_v7(const struct uuid *id);
int64_t     uuid_v7_ms(const struct uuid *id); /* milliseconds since 1970 UTC */
bool        uuid_equal(const struct uuid *a, const struct uuid *b);
int         uuid_compare(const struct uuid *a, const struct uuid *b);
bool        uuid_is_zero(const struct uuid *id);
const char *uuid_text(const struct uuid *id, char out[UUID_TEXT_MAX]); /* returns out */
/* 36 characters with hyphens, either case, any version; else ERR_id_invalid. */
ERR_MUST_USE enum err uuid_parse(const char *text, size_t n, struct uuid *id);

#endif
