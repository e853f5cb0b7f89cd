/* A message that is kept: net's replies live only until the next net_pump, a screen shows them for
 * hours. One block of memory holds the struct, its lists and its texts. */
#ifndef BANKTERM_RECORD_H
#define BANKTERM_RECORD_H

#include "proto/proto.h"

#include <stdbool.h>

struct record {
    const struct message_desc *desc;
    void                      *body; /* NULL: nothing kept */
};

/* Copies the message; what was kept before goes away only when that worked. */
ERR_MUST_USE enum err record_keep(struct record *record, const struct message_desc *desc,
                                  const void *body);
void record_free(struct record *record);

/* Index of the field with this name, -1 when the message has none. */
int message_field(const struct message_desc *desc, const char *name);
/* The field's place in the struct. */
const void *message_at(const struct message_desc *desc, const void *body, int field);
bool        message_has(const void *body, int field);
void        message_set_int(const struct message_desc *desc, void *body, const char *name,
                            int64_t value);
void        message_set_bytes(const struct message_desc *desc, void *body, const char *name,
                              struct slice value);
/* Any LIST field as bytes: the first item and how many there are. */
const void *message_list(const struct message_desc *desc, const void *body, int field,
                         size_t *count);

#endif
