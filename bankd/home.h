/* The bank's home on disk: the data directory, its keys, its store and its settings, opened the
 * same way by every command.
 *
 * Layout under --data-dir (mode 0700):
 *   bank.db                 the store (or DATABASE_PATH)
 *   keys/server.key .pub    CURVE key pair of the server, Z85; the public one is given to clients
 *   keys/audit.key .pub     Ed25519 key pair that signs heads of the audit chain, hex
 *   rules.txt               the rules that a new bank starts with; later ones are proposed to it
 *   bankd.pid, bankd.sock, bankd-events.sock   while bankd serves
 * Secret keys have mode 0600 and are never logged. */
#ifndef BANKD_HOME_H
#define BANKD_HOME_H

#include "bankd/bank.h"
#include "bankd/writer.h"
#include "common/conf.h"

enum { HOME_PATH_MAX = 1024, CURVE_TEXT_MAX = 41 };

struct home {
    const struct conf *conf;
    struct bank        bank;
    struct store      *store;
    char               directory[HOME_PATH_MAX];
    char               database[HOME_PATH_MAX];
    char               curve_public[CURVE_TEXT_MAX];
    char               curve_secret[CURVE_TEXT_MAX];
    uint8_t            sign_public[32];
    uint8_t            sign_secret[64];
    int64_t            rule_set; /* number of the set in force; 0 = none */
};

/* Creates directory, keys, store, and the default rule set. ERR_exists when there is a bank. */
ERR_MUST_USE enum err home_create(const struct conf *conf, struct fault *fault);
/* Opens store and keys. `exclusive`: serve and import, which keep a second one out. */
ERR_MUST_USE enum err home_open(const struct conf *conf, enum store_mode mode, bool exclusive,
                                struct home *out, struct fault *fault);
/* Settings and keys alone, without the store; home_close ends it too. */
ERR_MUST_USE enum err home_attach(const struct conf *conf, struct home *out, struct fault *fault);
/* A further reading handle on the same store. */
ERR_MUST_USE enum err home_reader(const struct home *home, struct store **out, struct fault *fault);
/* A writer on the home's store, judging by the rule set that is approved there; a bank that has
 * none yet takes its rule file. */
ERR_MUST_USE enum err home_writer(struct home *home, struct clock *clock, struct writer **out,
                                  struct fault *fault);
void                  home_close(struct home *home);
/* "DIRECTORY/name" into out; CHECKs the length (directories are bounded when they are read). */
const char *home_path(const struct home *home, const char *name, char out[HOME_PATH_MAX]);

#endif
