/* A box that tells which of several things were refused, and why. */
#ifndef BANKTERM_SCREENS_OUTCOMES_H
#define BANKTERM_SCREENS_OUTCOMES_H

#include "bankterm/app.h"

enum { OUTCOME_NAME_MAX = 40, OUTCOME_WHY_MAX = 160 };

struct outcome {
    struct uuid id;
    char        name[OUTCOME_NAME_MAX + 1];
    char        why[OUTCOME_WHY_MAX];
};

/* Opens the box. The rows, from malloc, are its own from now on, also when it cannot be opened. */
void outcomes_show(struct app *app, const char *title, struct outcome *rows, int count);

#endif
