/* The witness: a small file beside the store that says how far the bank had come.
 *
 * A log that was lost, cut, or exchanged for an older copy leaves a store that is whole in itself:
 * it ends earlier, and nothing in it says that there was more. So the newest entry whose commit had
 * reached the disk, and the newest signed head, are written elsewhere too, DATABASE.head, signed
 * with the key that signs heads. Whoever opens the store asks whether it holds what the witness
 * names, and refuses it otherwise (ERR_storage_behind).
 *
 * The rule that must not be broken: a witness never names what was not durable before. Only heads
 * of commits that the store has answered with ERR_none are noted, the same promise that clients are
 * given; not what was found when the store was opened, which may be a commit that was cut off and
 * lives in the kernel's memory alone. So a witness that was not written, for a full disk or half a
 * second before a crash, says less and is never wrong.
 *
 * The file is two slots (store/slots.h), written in turn and never both at one time. A slot has a
 * serial number, a sum that tells whether it is whole, and a signature that tells whose it is.
 *
 * That there is no witness is told as well, as warning and in the audit log, where the bank has had
 * one: each head that is signed beside a witness says so (chain.h). A bank of an earlier version
 * gets its first one in silence. Whoever removes the witness and the log together, or puts back
 * all files as they once were, is not found out here, as little as by anything else within them.
 *
 * Threads: `witness_note` may be called by the writer's thread while another one saves; all else by
 * one thread at a time. */
#ifndef BANKD_WITNESS_H
#define BANKD_WITNESS_H

#include "bankd/store/store.h"
#include "common/err.h"

enum { WITNESS_PATH_MAX = 4096 };

enum witness_state {
    WITNESS_ABSENT,
    WITNESS_UNREADABLE, /* no slot of it is whole */
    WITNESS_FOREIGN,    /* whole, and signed by another key: another bank's */
    WITNESS_THERE,
};

/* What it says. */
struct testimony {
    int64_t             serial; /* of the slot; 0 = none was read */
    struct store_expect expect; /* the newest entry and signed head, and when it was written */
    int64_t             signed_count; /* heads up to that one */
};

/* "REAL PATH OF THE DATABASE.head"; the path as it is where there is no such file. */
ERR_MUST_USE enum err witness_path(const char *database, char out[WITNESS_PATH_MAX],
                                   struct fault *fault);
/* Comes before the store is opened, or before the snapshot in which it is asked. Errors are those
 * of reading the file; that it is absent is none. */
ERR_MUST_USE enum err witness_read(const char *database, const uint8_t sign_public[32],
                                   enum witness_state *state, struct testimony *out,
                                   struct fault *fault);
/* A sentence on a state that is not WITNESS_THERE. */
const char *witness_sentence(enum witness_state state);

/* Whether the bank has had a witness: whether its newest signed head says so. Walks all of them. */
ERR_MUST_USE enum err witness_was_kept(struct store *store, const uint8_t sign_public[32],
                                       bool *out);

struct witness;

/* Adds the signed heads of the store to what was said of those before them. */
ERR_MUST_USE enum err witness_count(struct store *store, struct testimony *said);
/* One that goes on from what was said. The key is borrowed. */
ERR_MUST_USE enum err witness_open(const char *database, const uint8_t sign_secret[64],
                                   const struct testimony *said, struct witness **out,
                                   struct fault *fault);
void                  witness_close(struct witness **witness);
/* A commit is durable: its head, and whether that was signed with it. */
void witness_note(struct witness *witness, const struct chain_head *head, bool is_signed);
/* Writes what was noted since it was last written; nothing when that is nothing. After an error the
 * file says what it said, and the next call tries again. */
ERR_MUST_USE enum err witness_save(struct witness *witness, int64_t now_us, struct fault *fault);

#endif
