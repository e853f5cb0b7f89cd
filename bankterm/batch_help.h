/* What `bankterm run` tells about the protocol: its operations, their fields, and which name was
 * probably meant. All of it comes from the tables. */
#ifndef BANKTERM_BATCH_HELP_H
#define BANKTERM_BATCH_HELP_H

#include "common/buf.h"
#include "proto/proto.h"

#include <stddef.h>
#include <stdio.h>

void batch_help_list(FILE *out);                                /* every operation */
void batch_help_operation(const struct op_row *row, FILE *out); /* one with its fields */
/* The field with the id of a new record, which the client makes; NULL when there is none. */
const struct field_desc *batch_help_made(enum op_index op);
/* "Perhaps a or b was meant", or "" when nothing is near. Returns out. */
const char *batch_help_near(struct slice name, char *out, size_t size);

#endif
