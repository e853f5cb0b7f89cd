/* Text to field and field to text, for every message of the protocol by its description.
 *
 * Forms, the command line and exports use the same words: money as plain decimals with a point,
 * times as ISO 8601 UTC, ids as UUIDs, bytes as hexadecimal digits, choices as their words of
 * the protocol, truth as true and false. What values_print writes, values_set reads back.
 *
 * Nothing here asks anybody: the exponent of a sum comes from the caller, who finds it with
 * values_exponent in the message itself or in the account. */
#ifndef BANKTERM_VALUES_H
#define BANKTERM_VALUES_H

#include "common/buf.h"
#include "common/err.h"
#include "proto/proto.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VALUES_EXPONENT_DEFAULT = 2 };

const struct field_desc *values_field(const struct message_desc *desc, struct slice name);

/* A required field of a reply is always there; of a request being filled, once it was set. */
bool values_has(const struct message_desc *desc, const void *msg, const struct field_desc *field);
void values_clear(const struct message_desc *desc, void *msg, const struct field_desc *field);

/* Sets one field from text; an empty text clears it. Texts and bytes are copied to the arena.
 * Checks the type, the length and the sign, so that a form can tell at once; fault names the
 * field and, for a wrong name, the nearest one. The message is untouched when it fails. */
ERR_MUST_USE enum err values_set(const struct message_desc *desc, void *msg, struct slice name,
                                 struct slice text, uint8_t exponent, struct arena *arena,
                                 struct fault *fault);
/* Gives the field with nothing in it, which is not the same as leaving it out: false for a field
 * that has no such value. Those that have one are the texts that may fill a file, such as the
 * scorecard of a proposal, where it stands for none; elsewhere nothing is the same as absent. */
bool values_set_empty(const struct message_desc *desc, void *msg, const struct field_desc *field);
/* ERR_field_missing for the first required field that was not set. */
ERR_MUST_USE enum err values_complete(const struct message_desc *desc, const void *msg,
                                      struct fault *fault);

/* A moment as people name it: "2h" and "3d" from now, or a date; false when it is none. */
bool values_moment(struct slice text, int64_t now_us, int64_t *out);

/* The exponent of the message's own `currency` field; false when it has none that is known. */
bool values_exponent(const struct message_desc *desc, const void *msg, uint8_t *exponent);
/* The text of a TEXT or BYTES field where it lies; empty when absent. */
struct slice values_slice(const struct message_desc *desc, const void *msg,
                          const struct field_desc *field);
int64_t values_integer(const void *msg, const struct field_desc *field); /* INT, MONEY, TIME */

/* Appends a field's text; nothing for an absent field, a secret one and a list. */
ERR_MUST_USE enum err values_print(const struct message_desc *desc, const void *msg,
                                   const struct field_desc *field, uint8_t exponent,
                                   struct buf *out);
/* The same, cut to fit `size` bytes with the NUL; returns out. */
const char *values_text(const struct message_desc *desc, const void *msg,
                        const struct field_desc *field, uint8_t exponent, char *out, size_t size);
/* What a field takes, for help: "decimal amount", "deposit|withdrawal|...", "UUID". */
const char *values_kind(const struct field_desc *field, char *out, size_t size);

/* How many letters have to be changed, at most 99; for "did you mean". */
int values_distance(struct slice a, struct slice b);
/* Whether the two are near enough to be taken for each other. */
bool values_near(struct slice a, struct slice b);

#endif
