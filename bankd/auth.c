/* See auth.h. */
#include "bankd/auth.h"

#include <sodium.h>
#include <stdio.h>
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

enum { PASSWORD_HASH_BYTES = 32 };

/* What the text form of a hash says. */
struct hash_parts {
    unsigned memory_kib;
    unsigned passes;
    uint8_t  salt[crypto_pwhash_SALTBYTES];
    uint8_t  hash[PASSWORD_HASH_BYTES];
};

/* Bytes in base64 up to `end`; where it goes on behind that, or NULL. */
static const char *read_bytes(const char *text, char end, uint8_t *out, size_t n)
{
    const char *at = NULL;
    size_t      got = 0;

    if (sodium_base642bin(out, n, text, strlen(text), NULL, &got, &at,
                          sodium_base64_VARIANT_ORIGINAL_NO_PADDING) != 0 ||
        got != n || *at != end)
        return NULL;
    return at + 1;
}

static bool read_parts(const char *text, struct hash_parts *out)
{
    int n = 0;

    if (sscanf(text, "$argon2id$v=19$m=%u,t=%u,p=1$%n", &out->memory_kib, &out->passes, &n) != 2 ||
        n == 0)
        return false;
    text = read_bytes(text + n, '$', out->salt, sizeof out->salt);
    return text != NULL && read_bytes(text, '\0', out->hash, sizeof out->hash) != NULL;
}

/* The library can verify such a text by itself, but says the same of too little memory as of a
 * wrong password, and people would be locked out for passwords that are right. */
enum err auth_verify(const char *password, size_t n, const char *hash)
{
    /* A real hash with the parameters above, of random bytes that nobody kept. */
    static const char nobody[] = "$argon2id$v=19$m=19456,t=2,p=1$dTxEPYgEStgsdx3plXXeIw$"
                                 "ox3blyChlJovcAB5QEHhcw55IcEZgRORoj7SnxPhTJs";
    struct hash_parts parts;
    uint8_t           found[PASSWORD_HASH_BYTES];
    bool              same;

    if (!read_parts(hash == NULL ? nobody : hash, &parts))
        return ERR_login_failed;
    if (crypto_pwhash(found, sizeof found, password, n, parts.salt, parts.passes,
                      (size_t)parts.memory_kib * 1024, crypto_pwhash_ALG_ARGON2ID13) != 0)
        return ERR_memory;
    same = sodium_memcmp(found, parts.hash, sizeof found) == 0;
    sodium_memzero(found, sizeof found);
    return same && hash != NULL ? ERR_none : ERR_login_failed;
}

void auth_mark(const char *hash, uint8_t out[AUTH_MARK_BYTES])
{
    crypto_generichash(out, AUTH_MARK_BYTES, (const uint8_t *)hash, strlen(hash), NULL, 0);
}
