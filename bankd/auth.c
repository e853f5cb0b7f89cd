/* See auth.h. */
#include "bankd/auth.h"

#include <sodium.h>
#include <string.h>

static_assert(crypto_pwhash_STRBYTES <= LIMIT_HASH_TEXT_MAX + 1,
              "a hash must fit its place in the store");
static_assert(AUTH_MARK_BYTES >= crypto_generichash_BYTES_MIN, "libsodium makes none shorter");

enum err auth_hash(const char *password, size_t n, char out[LIMIT_HASH_TEXT_MAX + 1])
{
    memset(out, 0, LIMIT_HASH_TEXT_MAX + 1);
    if (crypto_pwhash_str_alg(out, password, n, AUTH_PASSES, AUTH_MEMORY_BYTES,
                              crypto_pwhash_ALG_ARGON2ID13) != 0)
        return ERR_memory;
    return ERR_none;
}

bool auth_verify(const char *password, size_t n, const char *hash)
{
    /* A real hash with the parameters above, of random bytes that nobody kept. */
    static const char nobody[crypto_pwhash_STRBYTES] =
        "$argon2id$v=19$m=19456,t=2,p=1$dTxEPYgEStgsdx3plXXeIw$"
        "ox3blyChlJovcAB5QEHhcw55IcEZgRORoj7SnxPhTJs";

    if (hash == NULL) {
        volatile int ignored = crypto_pwhash_str_verify(nobody, password, n);

        (void)ignored;
        return false;
    }
    return crypto_pwhash_str_verify(hash, password, n) == 0;
}

void auth_mark(const char *hash, uint8_t out[AUTH_MARK_BYTES])
{
    crypto_generichash(out, AUTH_MARK_BYTES, (const uint8_t *)hash, strlen(hash), NULL, 0);
}
