/* What the tests of the codec share: random messages made from their descriptions, comparison of
 * two structs by description, and maps taken apart and put together with msgpack-c. */
#ifndef TESTS_PROTO_PIECES_H
#define TESTS_PROTO_PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <msgpack.h>

#include "common/buf.h"
#include "common/check.h"
#include "proto/proto.h"
#include "tests/unit/random.h"

/* Structs that are still to be filled or compared; lists are appended instead of descended. */
enum { WORK_MAX = 4096 };

struct work {
    const struct message_desc *desc[WORK_MAX];
    char                      *left[WORK_MAX];
    char                      *right[WORK_MAX];
    size_t                     count;
};

struct list_piece {
    char  *at;
    size_t count;
};

static inline void work_add(struct work *work, const struct message_desc *desc, char *left,
                            char *right, size_t count)
{
    CHECK(work->count + count <= WORK_MAX);
    for (size_t i = 0; i < count; i++) {
        work->desc[work->count] = desc;
        work->left[work->count] = left + i * desc->size;
        work->right[work->count] = right != NULL ? right + i * desc->size : NULL;
        work->count++;
    }
}

static inline struct list_piece list_at(const char *message, const struct field_desc *field)
{
    struct list_piece list;

    memcpy(&list.at, message + field->offset, sizeof list.at);
    memcpy(&list.count, message + field->offset + sizeof list.at, sizeof list.count);
    return list;
}

static inline size_t random_size(struct random *random, size_t max)
{
    if (random_below(random, 8) == 0)
        return max;
    return (size_t)random_below(random, (max < 64 ? max : 64) + 1);
}

static inline void *random_bytes(struct random *random, struct arena *arena, size_t n)
{
    char *at = arena_take(arena, n > 0 ? n : 1);

    CHECK(at != NULL);
    for (size_t i = 0; i < n; i++)
        at[i] = (char)random_next(random);
    return at;
}

static inline struct slice random_text(struct random *random, struct arena *arena, size_t n)
{
    static const char *const characters[] = { "a",
                                              "Z",
                                              " ",
                                              "\"",
                                              "=",
                                              "\xc3\xa9",
                                              "\xe2\x82\xac",
                                              "\xf0\x9f\x8f\xa6",
                                              "\xc2\xa0",
                                              "\xf4\x8f\xbf\xbf" };
    char                    *at = arena_take(arena, n > 0 ? n : 1);
    size_t                   used = 0;

    CHECK(at != NULL);
    while (used < n) {
        const char *character = characters[random_below(random, ARRAY_COUNT(characters))];
        size_t      more = strlen(character);

        if (more > n - used) {
            character = "x";
            more = 1;
        }
        memcpy(at + used, character, more);
        used += more;
    }
    return slice_of(at, n);
}

static inline int64_t random_number(struct random *random, const struct field_desc *field)
{
    int64_t number = random_int64(random);

    if ((field->flags & (POSITIVE | NATURAL)) != 0)
        number = number < 0 ? -(number + 1) : number;
    if (field->limit > 0 && number > field->limit)
        number %= field->limit + 1;
    if ((field->flags & POSITIVE) != 0 && number == 0)
        number = 1;
    return number;
}

static inline void random_field(struct random *random, struct arena *arena, struct work *work,
                                char *message, const struct field_desc *field)
{
    char             *at = message + field->offset;
    int64_t           number = random_number(random, field);
    size_t            n = random_size(random, field->limit > 0 ? (size_t)field->limit : 1);
    struct slice      content;
    struct list_piece list;
    bool              truth = (random_next(random) & 1) != 0;

    switch (field->type) {
    case FIELD_INT:
    case FIELD_MONEY:
    case FIELD_TIME:
        memcpy(at, &number, sizeof number);
        break;
    case FIELD_BOOL:
        memcpy(at, &truth, sizeof truth);
        break;
    case FIELD_UUID:
        memcpy(at, random_bytes(random, arena, 16), 16);
        break;
    case FIELD_TEXT:
    case FIELD_BYTES:
        n = n == 0 && (field->flags & FILLED) != 0 ? 1 : n;
        do
            content = field->type == FIELD_TEXT ? random_text(random, arena, n)
                                                : slice_of(random_bytes(random, arena, n), n);
        while ((field->flags & FILLED) != 0 && strspn(content.at, " ") >= content.n);
        memcpy(at, &content, sizeof content);
        break;
    case FIELD_CHOICE:
        memcpy(at, &field->choice->values[random_below(random, field->choice->count)].number, 4);
        break;
    case FIELD_LIST:
        list.count = (size_t)random_below(random, field->limit < 5 ? (uint64_t)field->limit : 5);
        list.at = arena_take(arena, list.count * field->item->size + 1);
        memcpy(at, &list.at, sizeof list.at);
        memcpy(at + sizeof list.at, &list.count, sizeof list.count);
        work_add(work, field->item, list.at, NULL, list.count);
        break;
    }
}

/* Fills a message with values within the limits of its description. */
static inline void *random_message(struct random *random, struct arena *arena, struct work *work,
                                   const struct message_desc *desc)
{
    char *message = arena_take(arena, desc->size);

    CHECK(message != NULL);
    work->count = 0;
    work_add(work, desc, message, NULL, 1);
    for (size_t done = 0; done < work->count; done++) {
        uint64_t has = 0;

        for (size_t i = 0; i < work->desc[done]->count; i++) {
            const struct field_desc *field = &work->desc[done]->fields[i];

            if ((field->flags & REQUIRED) == 0 && (random_next(random) & 1) != 0)
                continue;
            has |= UINT64_C(1) << i;
            random_field(random, arena, work, work->left[done], field);
        }
        memcpy(work->left[done], &has, sizeof has);
    }
    return message;
}

static inline bool same_field(struct work *work, const struct field_desc *field, char *left,
                              char *right)
{
    struct slice      a;
    struct slice      b;
    struct list_piece list_a;
    struct list_piece list_b;

    switch (field->type) {
    case FIELD_INT:
    case FIELD_MONEY:
    case FIELD_TIME:
        return memcmp(left + field->offset, right + field->offset, sizeof(int64_t)) == 0;
    case FIELD_BOOL:
        return memcmp(left + field->offset, right + field->offset, sizeof(bool)) == 0;
    case FIELD_UUID:
        return memcmp(left + field->offset, right + field->offset, sizeof(struct uuid)) == 0;
    case FIELD_CHOICE:
        return memcmp(left + field->offset, right + field->offset, sizeof(int32_t)) == 0;
    case FIELD_TEXT:
    case FIELD_BYTES:
        memcpy(&a, left + field->offset, sizeof a);
        memcpy(&b, right + field->offset, sizeof b);
        return slice_equal(a, b);
    case FIELD_LIST:
        list_a = list_at(left, field);
        list_b = list_at(right, field);
        if (list_a.count == list_b.count)
            work_add(work, field->item, list_a.at, list_b.at, list_a.count);
        return list_a.count == list_b.count;
    }
    return false;
}

/* Whether two messages have the same fields with the same values, down to the last list. */
static inline bool same_message(struct work *work, const struct message_desc *desc, void *left,
                                void *right)
{
    work->count = 0;
    work_add(work, desc, left, right, 1);
    for (size_t done = 0; done < work->count; done++) {
        uint64_t a;
        uint64_t b;

        memcpy(&a, work->left[done], sizeof a);
        memcpy(&b, work->right[done], sizeof b);
        if (a != b)
            return false;
        for (size_t i = 0; i < work->desc[done]->count; i++)
            if ((a >> i & 1) != 0 && !same_field(work, &work->desc[done]->fields[i],
                                                 work->left[done], work->right[done]))
                return false;
    }
    return true;
}

/* --- maps in pieces ------------------------------------------------------------------------ */

struct piece {
    struct slice key; /* as encoded, with its head */
    struct slice value;
};

static inline int piece_write(void *data, const char *bytes, size_t n)
{
    return buf_add(data, bytes, n) == ERR_none ? 0 : -1;
}

/* The bytes of the value at *offset, found by msgpack-c. */
static inline struct slice piece_at(struct slice bytes, size_t *offset)
{
    size_t           start = *offset;
    msgpack_unpacked unpacked;

    msgpack_unpacked_init(&unpacked);
    CHECK(msgpack_unpack_next(&unpacked, bytes.at, bytes.n, offset) == MSGPACK_UNPACK_SUCCESS);
    msgpack_unpacked_destroy(&unpacked);
    return slice_of(bytes.at + start, *offset - start);
}

/* Takes an encoded map of at most `max` pairs apart; returns how many there are. */
static inline size_t pieces_take(struct slice bytes, struct piece *pieces, size_t max)
{
    unsigned char mark = (unsigned char)bytes.at[0];
    size_t        offset = mark == 0xde ? 3 : 1;
    size_t        count = mark & 0x0f;

    CHECK((mark & 0xf0) == 0x80 || mark == 0xde);
    if (mark == 0xde)
        count = (size_t)(unsigned char)bytes.at[1] << 8 | (unsigned char)bytes.at[2];
    CHECK(count <= max);
    for (size_t i = 0; i < count; i++) {
        pieces[i].key = piece_at(bytes, &offset);
        pieces[i].value = piece_at(bytes, &offset);
    }
    CHECK(offset == bytes.n);
    return count;
}

static inline struct slice pieces_join(const struct piece *pieces, size_t count, struct buf *out)
{
    msgpack_packer packer;

    buf_clear(out);
    msgpack_packer_init(&packer, out, piece_write);
    CHECK(msgpack_pack_map(&packer, count) == 0);
    for (size_t i = 0; i < count; i++) {
        CHECK(buf_add(out, pieces[i].key.at, pieces[i].key.n) == ERR_none);
        CHECK(buf_add(out, pieces[i].value.at, pieces[i].value.n) == ERR_none);
    }
    return slice_of(out->at, out->n);
}

/* Index of the pair whose key has this name; `count` when there is none. Keys are short texts. */
static inline size_t piece_named(const struct piece *pieces, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (slice_is(slice_of(pieces[i].key.at + 1, pieces[i].key.n - 1), name))
            return i;
    return count;
}

#endif
