/* The audit chain: one BLAKE2b-256 hash per entry over the hash before it and everything of the
 * entry that never changes. Transactions and audit entries are links of the same chain, in the
 * order of their sequence. The first link's "before" is all zeros.
 *
 * What is hashed is a fixed layout of big-endian integers and length-prefixed texts behind a
 * letter (T or A) and a layout version, so that a proof can be written in another language:
 * chain.c is its definition. A signed head is an Ed25519 signature over "bankd-head-1", the
 * sequence and the hash; over "bankd-head-2" instead where the bank keeps a witness of how far it
 * has come (witness.h). */
#ifndef BANKD_CHAIN_H
#define BANKD_CHAIN_H

#include "bankd/model.h"

void chain_link_transaction(const uint8_t before[CHAIN_HASH_BYTES], const struct transaction *row,
                            uint8_t out[CHAIN_HASH_BYTES]);
void chain_link_audit(const uint8_t before[CHAIN_HASH_BYTES], const struct audit *row,
                      uint8_t out[CHAIN_HASH_BYTES]);

/* What an audit entry says of a record: its number (8 bytes, big-endian), and the first 24 bytes of
 * the BLAKE2b-256 of all of it. */
void chain_mark_record(const struct record *record, uint8_t out[RECORD_MARK_BYTES]);
/* The same of a user, and of what of an account no posting changes. Their numbers are below zero,
 * -2n and -2n - 1, as those of records are above. */
void    chain_mark_user(const struct user *user, uint8_t out[RECORD_MARK_BYTES]);
void    chain_mark_account(const struct account_book *book, const char *freeze_reason,
                           const char *freeze_authority, uint8_t out[RECORD_MARK_BYTES]);
int64_t chain_marked_record(const uint8_t mark[RECORD_MARK_BYTES]); /* its number */

/* Keys: 64 bytes secret, 32 bytes public (Ed25519). */
void chain_sign(const struct chain_head *head, bool has_witness, const uint8_t secret[64],
                uint8_t signature[SIGNATURE_BYTES]);
bool chain_signature_holds(const struct chain_head *head, const uint8_t public_key[32],
                           const uint8_t signature[SIGNATURE_BYTES]);
/* Whether the signature holds, and says that there is a witness. */
bool chain_head_has_witness(const struct signed_head *head, const uint8_t public_key[32]);

#endif
