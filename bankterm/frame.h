/* What stands around every screen: the tabs and the state of the connection above, the notice and
 * the keys below. */
#ifndef BANKTERM_FRAME_H
#define BANKTERM_FRAME_H

#include "bankterm/app.h"

void frame_draw(const struct app *app, struct canvas *canvas);
/* Drawn last: a long one covers a line or two of the screen, and without one the screen's list may
 * have something to say there. */
void frame_draw_notice(const struct app *app, struct canvas *canvas);

#endif
