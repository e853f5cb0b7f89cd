/* What a screen is to the console: a struct of callbacks over its own state.
 *
 * Screens stand on a stack; the topmost gets the keys, a modal one is drawn over the one below.
 * All calls come from the one thread, none may block. Drawing changes nothing but what depends on
 * the size of the window. A screen asks the server with app_ask and is handed the answer later;
 * an answer to a screen that is gone is dropped. */
#ifndef BANKTERM_SCREEN_H
#define BANKTERM_SCREEN_H

#include "bankterm/actions.h"
#include "bankterm/canvas.h"
#include "bankterm/net.h"
#include "bankterm/record.h"

#include <stdbool.h>
#include <stdint.h>

struct app;
struct screen;
struct table;

struct screen_ops {
    const char *name;
    const char *title;
    size_t      size;   /* of the state; struct screen is its first member */
    unsigned    places; /* enum place */
    bool        modal;
    void (*open)(struct screen *, const char *argument);
    void (*close)(struct screen *);
    void (*shown)(struct screen *);   /* it came to the top again */
    void (*refresh)(struct screen *); /* ask for everything anew */
    void (*result)(struct screen *, const struct net_result *); /* NET_REPLY and NET_FAILURE */
    void (*event)(struct screen *, const struct net_result *);  /* NET_EVENT and NET_STATE */
    void (*tick)(struct screen *);                              /* about once a second */
    bool (*act)(struct screen *, enum action, const char *argument); /* false: not for it */
    bool (*can)(const struct screen *, enum action); /* false: makes no sense now */
    bool (*key)(struct screen *, uint32_t key);      /* before actions; true: taken */
    bool (*paste)(struct screen *, struct slice);
    bool (*click)(struct screen *, int x, int y);
    void (*draw)(struct screen *, struct canvas *, struct rect);
    unsigned (*places_now)(const struct screen *);
    const char *(*title_now)(const struct screen *);
    struct slice (*copied)(const struct screen *, char *out, size_t size);
    struct table *(*table)(struct screen *); /* the one that has the focus */
};

struct screen {
    const struct screen_ops *ops;
    struct app              *app;
    uint64_t                 serial;
};

/* One question that a screen asks again and again, and the newest answer. */
struct fetch {
    enum op_index op;
    uint64_t      ticket; /* in flight; 0 when not */
    bool          again;  /* asked for meanwhile: the screen must ask once more */
    bool          failed; /* the newest attempt */
    bool          fresh;  /* the answer is not older than the last refresh */
    int64_t       asked_us;
    struct record record;
    char          error[LIMIT_DETAIL_MAX];
};

/* Asks unless a question is in flight; then it remembers that it has to be asked again. */
void fetch_ask(struct screen *screen, struct fetch *fetch, enum op_index op, const void *body);
/* Takes the result if it is the answer: keeps it, or says why not. */
bool fetch_take(struct fetch *fetch, const struct net_result *result);
/* Whether the question was asked while the last one was in flight; forgets it. */
bool fetch_again(struct fetch *fetch);
void fetch_free(struct fetch *fetch);

#define FETCHED(fetch, msg) ((const struct msg_##msg *)(fetch)->record.body)

/* "what happened. what to do next." for the user. */
void result_text(const struct net_result *result, char *out, size_t size);

#endif
