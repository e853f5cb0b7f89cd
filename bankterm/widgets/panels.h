/* Several texts side by side or behind one another, as the window allows: a narrow window shows
 * one at a time with the names of the others in its title, a wide one as many as there is room
 * for. Each scrolls by itself; the one that has the focus gets the keys.
 *
 * A panel is drawn by a function that may draw as far down as it likes: what lies outside is
 * clipped, and the lines that it says it used are what can be scrolled over. */
#ifndef BANKTERM_WIDGETS_PANELS_H
#define BANKTERM_WIDGETS_PANELS_H

#include "bankterm/actions.h"
#include "bankterm/canvas.h"

#include <stdbool.h>

enum { PANELS_MAX = 12 };

struct panel {
    const char *title;
    /* Draws into rect, whose height has no end; returns the lines used. */
    int (*draw)(const void *context, struct canvas *canvas, struct rect rect);
    int column2; /* its place where two or three stand beside one another */
    int column3;
    int count; /* behind the title; 0 for none */
    /* Of the last drawing. */
    int         scroll;
    int         lines;
    struct rect rect; /* h 0: not shown */
};

struct panels {
    struct panel at[PANELS_MAX];
    int          count;
    int          focus;
};

struct panel *panels_add(struct panels *panels, const char *title, int column2, int column3,
                         int (*draw)(const void *, struct canvas *, struct rect));
void          panels_draw(struct panels *panels, const void *context, struct canvas *canvas,
                          struct rect rect);
/* Scrolling and going from one to the next; false when the action is something else. */
bool panels_act(struct panels *panels, enum action action);
bool panels_click(struct panels *panels, int x, int y);

#endif
