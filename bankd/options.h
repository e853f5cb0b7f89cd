/* The rows of options.def as a table, and what follows from them when they are left empty. */
#ifndef BANKD_OPTIONS_H
#define BANKD_OPTIONS_H

#include "common/conf.h"

extern const struct conf_row bankd_options[];
extern const size_t          bankd_option_count;

/* File <- environment <- command line, then the paths that depend on others. What argv holds
 * besides options stays in it. */
ERR_MUST_USE enum err options_load(struct conf *conf, int *argc, char **argv, struct fault *fault);
/* Whether an endpoint is wanted. */
bool options_endpoint_on(const struct conf *conf, const char *key);

#endif
