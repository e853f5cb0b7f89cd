/* A bank that lacks what its witness names is taken as it is, by an operator's will. */
#ifndef BANKD_ACCEPT_H
#define BANKD_ACCEPT_H

#include "bankd/home.h"
#include "bankd/verify.h"

/* Proves what is there, records what is given up, and lets the witness begin anew; prints what was
 * done. ERR_storage_locked beside a daemon, ERR_books_broken when the bank does not prove itself;
 * then nothing was changed. `home` is room for the call. */
ERR_MUST_USE enum err accept_loss(const struct conf *conf, struct home *home,
                                  struct verify_report *report, struct fault *fault);

#endif
