/* Fuzzes the body of every message. Up to the first NUL byte the input is the message's name (or
 * any other bytes, of which the first chooses one); then comes the mode, and the rest is the body.
 *
 * What is decoded must encode, and what was encoded must decode to the same bytes; a strictly
 * decoded message must also pass the check that structs filled by code go through. Seeds are in
 * tests/fuzz/corpus/fuzz_message, one for each message. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/check.h"
#include "proto/proto.h"

enum { MEMORY = 4 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void encode_twice(const struct message_desc *desc, enum decode_mode mode,
                         const void *message, struct arena *arena)
{
    struct buf   first;
    struct buf   second;
    struct fault fault = { 0 };
    void        *again = arena_take(arena, desc->size);

    CHECK(again != NULL);
    buf_init(&first, MEMORY);
    buf_init(&second, MEMORY);
    CHECK(message_encode(desc, message, &first) == ERR_none);
    CHECK(message_decode(desc, slice_of(first.at, first.n), mode, arena, again, &fault) ==
          ERR_none);
    CHECK(message_encode(desc, again, &second) == ERR_none);
    CHECK(slice_equal(slice_of(first.at, first.n), slice_of(second.at, second.n)));
    buf_free(&first);
    buf_free(&second);
}

static const struct message_desc *choose(struct slice name)
{
    for (size_t i = 0; i < message_count; i++)
        if (slice_is(name, message_rows[i]->name))
            return message_rows[i];
    return message_rows[name.n == 0 ? 0 : (uint8_t)name.at[0] % message_count];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct arena        arena;
    const uint8_t             *end = n > 0 ? memchr(data, '\0', n) : NULL;
    const struct message_desc *desc;
    enum decode_mode           mode;
    struct slice               body;
    struct fault               fault = { 0 };
    void                      *message;

    if (end == NULL || end + 1 == data + n)
        return 0;
    if (arena.at == NULL)
        CHECK(arena_init(&arena, MEMORY) == ERR_none);
    arena_reset(&arena);
    desc = choose(slice_of((const char *)data, (size_t)(end - data)));
    mode = (end[1] & 1) != 0 ? DECODE_LENIENT : DECODE_STRICT;
    body = slice_of((const char *)end + 2, (size_t)(data + n - end) - 2);
    message = arena_take(&arena, desc->size);
    CHECK(message != NULL);
    if (message_decode(desc, body, mode, &arena, message, &fault) != ERR_none) {
        CHECK(fault.err != ERR_none && slice_is_utf8(slice_from(fault.text)));
        return 0;
    }
    if (mode == DECODE_STRICT)
        CHECK(message_check(desc, message, &fault) == ERR_none);
    encode_twice(desc, mode, message, &arena);
    return 0;
}
