/* What the commands of bankd share: their prototypes, made from commands.def, and the way they
 * tell an error. */
#ifndef BANKD_COMMAND_H
#define BANKD_COMMAND_H

#include "common/conf.h"
#include "common/err.h"

#define COMMAND(name, arguments, help) int command_##name(struct conf *conf, int argc, char **argv);
#include "bankd/commands.def"
#undef COMMAND

/* Prints "bankd COMMAND: what happened: particulars. What was not done. What to do next." on
 * stderr and returns the exit code of the error's class; 0 for ERR_none. */
int command_end(const char *command, enum err err, const struct fault *fault);
/* The same with the command's own word on what was done and what not; NULL = that of the class. */
int command_end_with(const char *command, enum err err, const struct fault *fault,
                     const char *promise);

#endif
