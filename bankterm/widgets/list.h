/* A table whose rows come from the server page by page.
 *
 * The list asks for the first page when told to and for the next ones when the selection comes
 * near the end; a refresh asks for as many rows as are loaded in one page and replaces them, so
 * the selected record stays. Pages that come back short but not last are continued by itself
 * until the window is full; Esc stops that. At most LIST_ROWS_MAX rows are kept. */
#ifndef BANKTERM_WIDGETS_LIST_H
#define BANKTERM_WIDGETS_LIST_H

#include "bankterm/screen.h"
#include "bankterm/widgets/table.h"

enum { LIST_PAGES_MAX = 64, LIST_ROWS_MAX = 5000, LIST_PAGE_ROWS = 100 };

struct list {
    struct table  table;
    struct fetch  fetch;
    enum op_index op;
    /* Fills the request but for cursor and limit; body is zeroed before. */
    void (*query)(const struct screen *screen, void *body);
    struct record pages[LIST_PAGES_MAX];
    int           page_count;
    const char   *rows[LIST_ROWS_MAX];
    int           row_count;
    int           limit; /* rows of the first page; for lists that show only the newest */
    bool          appending;
    bool          stopped; /* the user does not want more by itself */
    int64_t       total;   /* -1: the server does not say */
};

void list_init(struct list *list, enum op_index op, const struct column *columns, int count,
               void (*query)(const struct screen *, void *));
void list_free(struct list *list);
/* Everything anew; the rows stay until the answer is there. */
void list_refresh(struct screen *screen, struct list *list);
/* The same by itself: a list too long for one page is left alone, so that no row goes away. */
void list_freshen(struct screen *screen, struct list *list);
/* Another question: the rows go away at once. */
void list_restart(struct screen *screen, struct list *list);
bool list_take(struct screen *screen, struct list *list, const struct net_result *result);
/* Table actions; asks for more rows near the end. */
bool list_act(struct screen *screen, struct list *list, enum action action, const char *argument);
bool list_has_more(const struct list *list);
/* A rule with title and position, then the table or why there is none. */
void list_draw(struct list *list, struct canvas *canvas, struct rect rect, const char *title,
               bool focused);

/* What a screen does whose state is one list and a little more: the state begins with this, and the
 * callbacks stand in its struct screen_ops as they are. */
struct list_screen {
    struct screen screen;
    struct list   list;
};

void          list_screen_close(struct screen *screen);
void          list_screen_refresh(struct screen *screen); /* all anew */
void          list_screen_shown(struct screen *screen);   /* what is cheap anew */
void          list_screen_result(struct screen *screen, const struct net_result *result);
struct table *list_screen_table(struct screen *screen);
bool          list_screen_click(struct screen *screen, int x, int y);

#endif
