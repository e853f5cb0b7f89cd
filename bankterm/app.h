/* The console without a terminal: screens, keys, answers and time in, a canvas out.
 *
 * The loop of console.c feeds it from a real terminal, tests from a script. Nothing in here waits
 * and nothing reads a clock but the one that was given. One struct app owns all screens. */
#ifndef BANKTERM_APP_H
#define BANKTERM_APP_H

#include "bankterm/actions.h"
#include "bankterm/canvas.h"
#include "bankterm/link.h"
#include "bankterm/screen.h"
#include "common/clock.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    APP_STACK_MAX = 16,
    APP_PENDING_MAX = 64,
    APP_WIDTH_MIN = 40,
    APP_HEIGHT_MIN = 10,
    APP_FRAME_MS = 50, /* at most 20 frames a second */
    APP_NOTICE_MS = 8000,
    APP_RESULT_MS = 2500, /* for so long nothing covers what became of the user's own act */
    APP_DEADLINE_MS = 15000, /* of an ordinary question */
    APP_SLOW_MS = 200,       /* an answer that takes longer is told to be waited for */
    APP_COPY_MAX = 4096,
    APP_COMMANDS_MAX = 50, /* remembered by the palette */
    APP_COMMAND_MAX = 200,
    APP_UNDO_NAME_MAX = 40,
};

struct app_config {
    struct link   link;
    struct clock *clock;
    const char   *server;
    const char   *user;
    bool          ascii;
    bool          bell;
    int64_t       idle_lock_minutes;
};

enum input_kind { INPUT_KEY, INPUT_PASTE, INPUT_RESIZE, INPUT_CLICK };

/* One thing that the user did. */
struct input {
    enum input_kind kind;
    uint32_t        key;
    struct slice    text; /* INPUT_PASTE */
    int             x, y; /* INPUT_CLICK, INPUT_RESIZE: the new size */
};

/* What the loop has to do for the app; it clears what it did. */
struct app_wishes {
    bool draw;
    bool repaint; /* send every cell */
    bool bell;
    bool suspend;
    bool quit;
    bool mouse; /* wanted state */
    char copy[APP_COPY_MAX];
};

struct app_command {
    char text[APP_COMMAND_MAX];
};

struct pending {
    uint64_t ticket;
    uint64_t serial; /* of the screen that asked */
    int64_t  asked_us;
};

/* The latest decision of this user, which can be undone until then. */
struct undo_offer {
    struct uuid ids[LIMIT_ALERT_BULK_MAX];
    char        names[LIMIT_ALERT_BULK_MAX][APP_UNDO_NAME_MAX + 1]; /* whose, shortened */
    int         count;
    int64_t     until_us;
    char        what[LIMIT_REASON_MAX];
};

struct app {
    struct app_config  config;
    struct canvas      canvas;
    struct app_wishes  wish;
    struct screen     *stack[APP_STACK_MAX];
    int                depth;
    uint64_t           serials;
    struct pending     pending[APP_PENDING_MAX];
    char               notice[LIMIT_DETAIL_MAX];
    enum style         notice_style;
    bool               notice_here; /* of the last key alone: the next one takes it away */
    int64_t            notice_until_us;
    char               news[LIMIT_DETAIL_MAX]; /* the newest; waits until a result is read */
    int64_t            last_input_us; /* monotonic, as all below */
    int64_t            last_tick_us;
    int64_t            last_ledger_us;
    int64_t            last_bell_us;
    int64_t            last_slow_us;   /* the slow question that was drawn */
    bool               ledger_changed; /* screens have not been told yet */
    bool               was_logged_in;
    enum role          role; /* of the session, kept while the screen is locked */
    char               user[LIMIT_EMAIL_MAX + 1];
    char               user_name[LIMIT_NAME_MAX + 1];
    unsigned           alerts_new;
    struct undo_offer  undo;
    struct uuid        alert_told; /* by the newest notice of one; zero = none yet */
    enum net_state     state;
    struct app_command commands[APP_COMMANDS_MAX];
    int                command_count;
};

ERR_MUST_USE enum err app_open(struct app **out, const struct app_config *config, int width,
                               int height);
void                  app_close(struct app **app);

void    app_input(struct app *app, const struct input *input);
void    app_pump(struct app *app); /* everything that the link has to tell */
void    app_tick(struct app *app); /* timers; call it at app_next_tick_us or earlier */
int64_t app_next_tick_us(const struct app *app);
void    app_draw(struct app *app); /* onto app->canvas */

/* --- for screens ------------------------------------------------------------------------- */

int64_t app_now_us(const struct app *app); /* wall clock */
int64_t app_monotonic_us(const struct app *app);

/* Puts a new screen on top; NULL when the stack is full. */
struct screen *app_push(struct app *app, const struct screen_ops *ops, const char *argument);
void           app_pop(struct app *app, struct screen *screen); /* and everything above it */
void           app_home(struct app *app, const struct screen_ops *ops, const char *argument);
struct screen *app_top(const struct app *app);
struct screen *app_below(const struct app *app, const struct screen *screen); /* or NULL */
bool           app_is_top(const struct screen *screen);

/* Sends a question for a screen; 0 when it could not be sent (fault says why). */
uint64_t app_ask(struct screen *screen, enum op_index op, const void *body, int64_t deadline_ms,
                 struct fault *fault);
void     app_forget(struct screen *screen, uint64_t ticket);

/* Does what a key or the palette asked for. */
void app_act(struct app *app, enum action action, const char *argument);
/* Runs a line of the palette: a name and its argument. */
void app_command(struct app *app, const char *line);
/* Whether the action would do something now. */
bool app_can(const struct app *app, const struct screen *screen, enum action action);

unsigned app_places(const struct screen *screen);
void     app_notice(struct app *app, enum style style, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool app_live(const struct app *app);
/* Whether an answer has been waited for longer than the user should wonder. */
bool app_waiting(const struct app *app);
void app_copy(struct app *app, struct slice text);
/* The session is there: go to the dashboard of its role, or back to what was locked. */
void app_logged_in(struct app *app, const struct msg_session *session);
void app_log_out(struct app *app);
void app_lock(struct app *app, const char *why);

/* NULL when there is nothing that could still be undone. */
const struct undo_offer *app_undo_offer(const struct app *app);

/* Screens by what they show. */
void app_show_transaction(struct app *app, const struct uuid *id);
void app_show_account(struct app *app, const struct uuid *id);
void app_show_alert(struct app *app, const struct uuid *id);

#endif
