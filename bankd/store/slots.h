/* A small file beside the store of two slots, one of which is always whole.
 *
 * Each slot begins a block of its own, so that a write that is cut off by the end of the power can
 * tear its own slot and no other. Whoever writes them in turn, and each only when the one before
 * was written, finds the last or the last but one again, whatever happened. What a slot says, and
 * how one that was torn is told from a whole one, is its owner's business (witness.h).
 *
 * The file has its full size from its first write on, so that later ones need no room on the disk.
 * It is read and written through the store's own way to the disk, by which tests can pull the plug.
 * Threads: nothing is shared; two calls that write one file must not overlap. */
#ifndef BANKD_STORE_SLOTS_H
#define BANKD_STORE_SLOTS_H

#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

enum { SLOT_COUNT = 2, SLOT_BYTES = 256 };

struct slots {
    bool    there; /* the file */
    uint8_t bytes[SLOT_COUNT][SLOT_BYTES];
};

/* Zeros stand for what the file is short of. */
ERR_MUST_USE enum err slots_read(const char *path, struct slots *out, struct fault *fault);
/* Brings a slot to the disk: it is there when this returns ERR_none, and may be whole, torn or as
 * it was after an error. A new file gets the owner of the file `like`, and nobody else may read
 * it. */
ERR_MUST_USE enum err slots_write(const char *path, const char *like, int slot,
                                  const uint8_t bytes[SLOT_BYTES], struct fault *fault);

#endif
