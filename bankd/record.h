/* What a record says: a message of proto/messages.def, encoded with the protocol's codec, so that
 * an old record is read by the same rules as an old client's request. A message that records carry
 * may grow by optional fields only.
 *
 * Threads: pure. Ownership: what record_read decodes points into the record and into the arena. */
#ifndef BANKD_RECORD_H
#define BANKD_RECORD_H

#include "bankd/model.h"
#include "common/buf.h"
#include "common/err.h"
#include "proto/proto.h"

/* What records of each kind carry; NULL for a kind that no record has. */
const struct message_desc *record_message(int32_t kind);

/* Encodes `message` (a struct of `desc`) into the record's body. ERR_message_too_large when it is
 * longer than LIMIT_RECORD_BODY_MAX; then the record's body is as before. */
ERR_MUST_USE enum err record_write(struct record *record, const struct message_desc *desc,
                                   const void *message);
/* Decodes the body. ERR_storage_corrupt when it is not such a message. */
ERR_MUST_USE enum err record_read(const struct record *record, const struct message_desc *desc,
                                  void *message, struct arena *arena);

#endif
