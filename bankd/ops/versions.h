/* Versions of the rules as messages, for the operations that read and that change them. */
#ifndef BANKD_OPS_VERSIONS_H
#define BANKD_OPS_VERSIONS_H

#include "bankd/request.h"

ERR_MUST_USE enum err view_rule_version(struct request *request, const struct rule_set *row,
                                        struct msg_rule_version *out);
/* "operator" for 0. */
ERR_MUST_USE enum err view_person(struct request *request, int64_t user, struct slice *out);
/* The newest version of the hash; a fault with the field's name when the hash is none or nobody
 * knows it. */
ERR_MUST_USE enum err find_rule_version(struct request *request, struct slice hash,
                                        struct rule_set *out);

/* Both texts of a version, in the request's arena; empty ones of version 0, which is none. */
ERR_MUST_USE enum err read_rule_texts(struct request *request, int64_t number, struct slice *text,
                                      struct slice *card);

#endif
