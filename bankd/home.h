/* The bank's home on disk: the data directory, its keys, its store and its settings, opened the
 * same way by every command.
 *
 * Layout under --data-dir (mode 0700):
 *   bank.db                 the store (or DATABASE_PATH); beside it, of the same name:
 *   bank.db-wal -shm        its log, while it is open or after a crash: never to be parted from it
 *   bank.db.head            the witness of how far the bank has come (witness.h)
 *   bank.db.lock            held by the one who may serve it
 *   keys/server.key .pub    CURVE key pair of the server, Z85; the public one is given to clients
 *   keys/audit.key .pub     Ed25519 key pair that signs heads of the audit chain, hex
 *   rules.txt               the rules that a new bank starts with; later ones are proposed to it
 *   bankd.pid, bankd.sock, bankd-events.sock   while bankd serves
 * Secret keys have mode 0600 and are never logged. */
#ifndef BANKD_HOME_H
#define BANKD_HOME_H

#include "bankd/bank.h"
#include "bankd/witness.h"
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
    int64_t            rule_set;      /* number of the set in force; 0 = none */
    enum witness_state witness_state; /* as it was found */
    struct testimony   said;          /* by the witness then */
    bool               witness_lost;  /* it is not there and has been */
    bool               exclusive;
    struct witness    *witness; /* of a home that was opened for writing; NULL = none */
};

/* Creates directory, keys, store, and the default rule set. ERR_exists when there is a bank. */
/* A demo bank is a bank long before its history is whole, so a mark in the data directory says that
 * it is still being made. Begin: sets the mark where there is no bank, and removes a bank that has
 * one; a bank without one is left alone, and is home_create's to refuse. Check: tells by
 * ERR_storage_unfinished that the mark is there; nobody works with such a bank, so nothing of
 * anybody's is ever removed. */
ERR_MUST_USE enum err home_demo_begin(const struct conf *conf, struct fault *fault);
ERR_MUST_USE enum err home_demo_check(const struct conf *conf, struct fault *fault);
void                  home_demo_end(const struct conf *conf);
ERR_MUST_USE enum err home_create(const struct conf *conf, struct fault *fault);
/* Opens store and keys. `exclusive`: serve and import, which keep a second one out. A store that
 * lacks what its witness names is refused, ERR_storage_behind, but for proofs (STORE_EXAMINE). */
ERR_MUST_USE enum err home_open(const struct conf *conf, enum store_mode mode, bool exclusive,
                                struct home *out, struct fault *fault);
/* The same for an exclusive writer, whatever the witness names: what is there is all there is from
 * now on. */
ERR_MUST_USE enum err home_open_anyway(const struct conf *conf, struct home *out,
                                       struct fault *fault);
/* Settings and keys alone, without the store; home_close ends it too. */
ERR_MUST_USE enum err home_attach(const struct conf *conf, struct home *out, struct fault *fault);
/* A further reading handle on the same store. */
ERR_MUST_USE enum err home_reader(const struct home *home, struct store **out, struct fault *fault);
/* A writer on the home's store, judging by the rule set that is approved there; a bank that has
 * none yet takes its rule file. */
ERR_MUST_USE enum err home_writer(struct home *home, struct clock *clock, struct writer **out,
                                  struct fault *fault);
/* Writes what the witness has not said yet. */
void home_close(struct home *home);
/* "DIRECTORY/name" into out; CHECKs the length (directories are bounded when they are read). */
const char *home_path(const struct home *home, const char *name, char out[HOME_PATH_MAX]);

#endif
