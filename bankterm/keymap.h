/* Keys of the user's own, instead of those of actions.def.
 *
 * A file has lines `action = KEY ...`, blank lines and whole lines `# comment`; the names of
 * actions and keys are those of the help, and nothing behind the `=` takes the action's keys away.
 * What is named has these keys and no others; what is not named keeps those of the table.
 *
 * The file is taken whole or not at all: ERR_file_syntax with "FILE:LINE: what is wrong" (ERR_io
 * when it cannot be read), and all keys are as before. Refused is whatever could do harm or shut
 * the user out: a key that means two things on one screen, the keys of forms and of the review, Esc
 * and Enter in another sense, and for what moves or stops money anything but a capital letter, a
 * Ctrl- or a function key.
 *
 * Belongs to the thread of the console; call it before the first screen is open. */
#ifndef BANKTERM_KEYMAP_H
#define BANKTERM_KEYMAP_H

#include "common/buf.h"
#include "common/err.h"

#include <stdio.h>

enum { KEYMAP_FILE_MAX = 65536 };

ERR_MUST_USE enum err keymap_load(const char *path, struct fault *fault);
/* The same from a text; the path is only told. */
ERR_MUST_USE enum err keymap_read(struct slice text, const char *path, struct fault *fault);
/* Every action with the keys that it has now and its meaning: a file to begin with. */
void keymap_print(FILE *out);

#endif
