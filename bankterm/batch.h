/* bankterm run: any operation of the protocol without a screen.
 *
 * Data goes to standard output, talk to standard error, and the exit code is the class of the
 * error: 0 done, 1 internal, 2 input, 3 denied, 4 conflict, 5 away, 6 outcome unknown. Standard
 * output holds no part of an answer that was refused. */
#ifndef BANKTERM_BATCH_H
#define BANKTERM_BATCH_H

#include "common/clock.h"
#include "common/conf.h"
#include "common/err.h"

/* argv: the words behind `run` that are not options. Returns the exit code. */
int batch_run(const struct conf *conf, struct clock *clock, int argc, char **argv);

/* Tells a refusal on standard error in the one form that `run` has for it; returns its class. */
int batch_refuse(const struct fault *fault);

#endif
