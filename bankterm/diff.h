/* What changed between two texts, line by line: for the rules that somebody wants to approve.
 *
 * The lines point into the two texts, which must stay. Texts that differ in very much are told
 * coarsely, everything out and everything in, instead of taking long. */
#ifndef BANKTERM_DIFF_H
#define BANKTERM_DIFF_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>

enum { DIFF_CONTEXT = 2, DIFF_CELLS_MAX = 4 * 1024 * 1024 };

/* sign: ' ' in both, '-' only in the old one, '+' only in the new one, '@' where lines are left
 * out; then text is empty and number that of the next line. */
struct diff_line {
    char         sign;
    int          number; /* in the new text; in the old one for '-' */
    struct slice text;
};

struct diff {
    struct diff_line *lines;
    int               count;
    int               added;
    int               removed;
};

ERR_MUST_USE enum err diff_make(struct slice before, struct slice after, struct diff *out);
void                  diff_free(struct diff *diff);

#endif
