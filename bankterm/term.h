/* The user's terminal: cells out, keys in. One per process; nothing here blocks but term_suspend.
 *
 * Whatever ends the program, the terminal is given back: term_close, the hook for failed checks,
 * and handlers for crashes, which only write prepared bytes and restore the saved line settings. */
#ifndef BANKTERM_TERM_H
#define BANKTERM_TERM_H

#include "bankterm/app.h"
#include "bankterm/canvas.h"
#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

struct terminal;

struct term_config {
    const char *color; /* "auto", "never", "8", "256", "rgb" */
    const char *theme; /* "dark", "light" */
    int64_t     escape_delay_ms;
};

ERR_MUST_USE enum err term_open(struct terminal **out, const struct term_config *config,
                                struct fault *fault);
void term_close(struct terminal **term);

/* Whether the locale can show more than ASCII; before term_open too. */
bool term_is_utf8(void);
void term_size(struct terminal *term, int *width, int *height); /* asks the kernel */
/* The next thing the user did; false when there is nothing more now. */
bool term_next(struct terminal *term, struct input *input);
/* Sends what differs from the last time; everything when repaint. */
void term_draw(struct terminal *term, const struct canvas *canvas, bool repaint);
void term_bell(struct terminal *term);
void term_mouse(struct terminal *term, bool on);
void term_copy(struct terminal *term, const char *text); /* to the terminal's clipboard, OSC 52 */
void term_suspend(struct terminal *term);                /* returns when the shell continues us */
/* Whether pasted text is marked as such; where it is not, the loop looks for bursts of keys. */
bool term_marks_paste(const struct terminal *term);

#endif
