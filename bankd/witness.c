/* See witness.h. A slot, big-endian: magic, serial, sequence and hash of the entry, sequence and
 * count of signed heads, time; then the signature over these, and the sum over all of it. A slot
 * whose number does not fit its serial is no slot: they are written in turn, so the newest one and
 * the one that is written next are never the same. */
#include "bankd/witness.h"

#include "bankd/chain.h"
#include "bankd/store/slots.h"
#include "common/check.h"

#include <endian.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MAGIC_BYTES = 16,
    HASH_AT = MAGIC_BYTES + 2 * 8,
    SIGNED_AT = HASH_AT + CHAIN_HASH_BYTES,
    SIGNATURE_AT = SIGNED_AT + 3 * 8,
    SUM_AT = SIGNATURE_AT + SIGNATURE_BYTES,
    SUM_BYTES = 32,
};

_Static_assert(SUM_AT + SUM_BYTES <= SLOT_BYTES, "a slot has room for all of it");

static const char magic[MAGIC_BYTES] = "bankd-witness-1";

struct witness {
    char             path[WITNESS_PATH_MAX];
    char             database[WITNESS_PATH_MAX];
    const uint8_t   *sign_secret;
    pthread_mutex_t  lock; /* of what is noted */
    bool             news;
    struct testimony noted;
    int64_t          serial; /* of the newest slot; the thread's that saves */
};

/* --- a slot ---------------------------------------------------------------------------------- */

static void put_int(uint8_t *at, int64_t value)
{
    uint64_t big = htobe64((uint64_t)value);

    memcpy(at, &big, sizeof big);
}

static int64_t get_int(const uint8_t *at)
{
    uint64_t big;

    memcpy(&big, at, sizeof big);
    return (int64_t)be64toh(big);
}

static void make_sum(const uint8_t *slot, uint8_t out[SUM_BYTES])
{
    int rc = crypto_generichash(out, SUM_BYTES, slot, SUM_AT, NULL, 0);

    CHECK(rc == 0);
}

static void write_slot(const struct testimony *said, const uint8_t *secret, uint8_t *slot)
{
    int rc;

    memset(slot, 0, SLOT_BYTES);
    memcpy(slot, magic, MAGIC_BYTES);
    put_int(slot + MAGIC_BYTES, said->serial);
    put_int(slot + MAGIC_BYTES + 8, said->expect.head.sequence);
    memcpy(slot + HASH_AT, said->expect.head.hash, CHAIN_HASH_BYTES);
    put_int(slot + SIGNED_AT, said->expect.signed_sequence);
    put_int(slot + SIGNED_AT + 8, said->signed_count);
    put_int(slot + SIGNED_AT + 16, said->expect.at_us);
    rc = crypto_sign_detached(slot + SIGNATURE_AT, NULL, slot, SIGNATURE_AT, secret);
    CHECK(rc == 0);
    make_sum(slot, slot + SUM_AT);
}

static enum witness_state read_slot(const uint8_t *slot, int number, const uint8_t *public_key,
                                    struct testimony *out)
{
    uint8_t sum[SUM_BYTES];

    make_sum(slot, sum);
    if (memcmp(slot, magic, MAGIC_BYTES) != 0 || memcmp(slot + SUM_AT, sum, SUM_BYTES) != 0)
        return WITNESS_UNREADABLE;
    out->serial = get_int(slot + MAGIC_BYTES);
    if (out->serial < 1 || out->serial % SLOT_COUNT != number)
        return WITNESS_UNREADABLE;
    if (crypto_sign_verify_detached(slot + SIGNATURE_AT, slot, SIGNATURE_AT, public_key) != 0)
        return WITNESS_FOREIGN;
    out->expect.head.sequence = get_int(slot + MAGIC_BYTES + 8);
    memcpy(out->expect.head.hash, slot + HASH_AT, CHAIN_HASH_BYTES);
    out->expect.signed_sequence = get_int(slot + SIGNED_AT);
    out->signed_count = get_int(slot + SIGNED_AT + 8);
    out->expect.at_us = get_int(slot + SIGNED_AT + 16);
    return WITNESS_THERE;
}

/* --- reading --------------------------------------------------------------------------------- */

enum err witness_path(const char *database, char out[WITNESS_PATH_MAX], struct fault *fault)
{
    char *real = realpath(database, NULL);
    int   n = snprintf(out, WITNESS_PATH_MAX, "%s.head", real != NULL ? real : database);

    free(real);
    if (n < 0 || n >= WITNESS_PATH_MAX)
        return fault_set(fault, ERR_io, NULL, "The path is too long");
    return ERR_none;
}

enum err witness_read(const char *database, const uint8_t sign_public[32],
                      enum witness_state *state, struct testimony *out, struct fault *fault)
{
    char         path[WITNESS_PATH_MAX];
    struct slots slots;

    *state = WITNESS_ABSENT;
    *out = (struct testimony){ .serial = 0 };
    TRY(witness_path(database, path, fault));
    TRY(slots_read(path, &slots, fault));
    if (!slots.there)
        return ERR_none;
    *state = WITNESS_UNREADABLE;
    for (int i = 0; i < SLOT_COUNT; i++) {
        struct testimony   said = { .serial = 0 };
        enum witness_state found = read_slot(slots.bytes[i], i, sign_public, &said);

        if (found > *state || (found == WITNESS_THERE && said.serial > out->serial)) {
            *state = found;
            if (found == WITNESS_THERE)
                *out = said;
        }
    }
    return ERR_none;
}

const char *witness_sentence(enum witness_state state)
{
    switch (state) {
    case WITNESS_ABSENT:
        return "The witness of the bank, the file that ends in .head, is missing";
    case WITNESS_UNREADABLE:
        return "The witness of the bank, the file that ends in .head, is damaged";
    case WITNESS_FOREIGN:
        return "The witness beside the bank, the file that ends in .head, is another bank's";
    case WITNESS_THERE:
        break;
    }
    return "The witness of the bank is there";
}

static bool keep_newest(void *context, const void *row)
{
    *(struct signed_head *)context = *(const struct signed_head *)row;
    return true;
}

enum err witness_was_kept(struct store *store, const uint8_t sign_public[32], bool *out)
{
    struct signed_head newest = { .at_us = 0 };

    *out = false;
    TRY(store->ops->signed_heads(store, 0, keep_newest, &newest));
    *out = newest.head.sequence > 0 && chain_head_has_witness(&newest, sign_public);
    return ERR_none;
}

/* --- writing --------------------------------------------------------------------------------- */

static bool count_head(void *context, const void *row)
{
    struct testimony         *said = context;
    const struct signed_head *head = row;

    said->expect.signed_sequence = head->head.sequence;
    said->signed_count++;
    return true;
}

enum err witness_count(struct store *store, struct testimony *said)
{
    return store->ops->signed_heads(store, said->expect.signed_sequence, count_head, said);
}

enum err witness_open(const char *database, const uint8_t sign_secret[64],
                      const struct testimony *said, struct witness **out, struct fault *fault)
{
    struct witness *witness = calloc(1, sizeof *witness);
    enum err        err;

    *out = NULL;
    if (witness == NULL)
        return ERR_memory;
    witness->sign_secret = sign_secret;
    witness->noted = *said;
    witness->serial = said->serial;
    pthread_mutex_init(&witness->lock, NULL);
    snprintf(witness->database, sizeof witness->database, "%s", database);
    *out = witness;
    err = witness_path(database, witness->path, fault);
    if (err != ERR_none)
        witness_close(out);
    return err;
}

void witness_close(struct witness **witness)
{
    if (*witness == NULL)
        return;
    pthread_mutex_destroy(&(*witness)->lock);
    free(*witness);
    *witness = NULL;
}

void witness_note(struct witness *witness, const struct chain_head *head, bool is_signed)
{
    struct testimony *noted = &witness->noted;

    pthread_mutex_lock(&witness->lock);
    if (head->sequence != noted->expect.head.sequence || is_signed)
        witness->news = true;
    noted->expect.head = *head;
    if (is_signed && head->sequence > noted->expect.signed_sequence) {
        noted->expect.signed_sequence = head->sequence;
        noted->signed_count++;
    }
    pthread_mutex_unlock(&witness->lock);
}

enum err witness_save(struct witness *witness, int64_t now_us, struct fault *fault)
{
    struct testimony said;
    uint8_t          slot[SLOT_BYTES];
    bool             news;
    enum err         err;

    pthread_mutex_lock(&witness->lock);
    said = witness->noted;
    news = witness->news;
    witness->news = false;
    pthread_mutex_unlock(&witness->lock);
    if (!news)
        return ERR_none;
    said.serial = witness->serial + 1;
    said.expect.at_us = now_us;
    write_slot(&said, witness->sign_secret, slot);
    err =
        slots_write(witness->path, witness->database, (int)(said.serial % SLOT_COUNT), slot, fault);
    if (err == ERR_none) {
        witness->serial = said.serial;
        return ERR_none;
    }
    pthread_mutex_lock(&witness->lock);
    witness->news = true;
    pthread_mutex_unlock(&witness->lock);
    return err;
}
