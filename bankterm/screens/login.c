/* The login, and the lock that asks for the password again. Both send session.login; net keeps the
 * token. The password is wiped as soon as it was sent, also when the login fails. The lock covers
 * everything, keeps what is open beneath it, and is left only as the same user. */
#include "bankterm/app.h"
#include "bankterm/screens/screens.h"
#include "bankterm/widgets/form.h"

#include <stdio.h>
#include <string.h>

enum { BOX_WIDTH = 62, BOX_HEIGHT = 13, LOGIN_DEADLINE_MS = 20000 };

struct login {
    struct screen screen;
    struct form   form;
    uint64_t      ticket;
    bool          locked;
    char          why[LIMIT_DETAIL_MAX];   /* it is locked */
    char          error[LIMIT_DETAIL_MAX]; /* of the last attempt */
};

static void add_password(struct form *form)
{
    struct form_field *field =
        form_add(form, "password", "Password", FORM_SECRET, LIMIT_PASSWORD_MAX, "");
    field->required = true;
}

static void login_open(struct screen *screen, const char *user)
{
    struct login      *login = (struct login *)screen;
    struct form_field *email =
        form_add(&login->form, "email", "E-mail", FORM_TEXT, LIMIT_EMAIL_MAX, "");
    email->required = true;
    form_set(email, user != NULL ? user : "");
    add_password(&login->form);
    login->form.focus = email->n > 0 ? 1 : 0;
}

static void lock_open(struct screen *screen, const char *why)
{
    struct login *login = (struct login *)screen;
    login->locked = true;
    snprintf(login->why, sizeof login->why, "%s", why);
    add_password(&login->form);
}

static void login_close(struct screen *screen)
{
    form_wipe(&((struct login *)screen)->form);
}

static void send_login(struct login *login)
{
    struct app        *app = login->screen.app;
    struct form_field *password = form_find(&login->form, "password");
    struct form_field *email = form_find(&login->form, "email");
    struct fault       fault = { 0 };

    login->error[0] = '\0';
    if (login->ticket != 0 || !form_complete(&login->form))
        return;
    struct msg_session_login body = {
        .email = email != NULL ? slice_of(email->value, email->n) : slice_from(app->user),
        .password = slice_of(password->value, password->n),
    };
    login->ticket =
        app_ask(&login->screen, OP_INDEX_session_login, &body, LOGIN_DEADLINE_MS, &fault);
    if (login->ticket == 0) {
        snprintf(login->error, sizeof login->error, "%s",
                 fault.text[0] != '\0' ? fault.text : err_what(fault.err));
        return; /* nothing was sent: the password stays for the next try */
    }
    form_set(password, "");
    explicit_bzero(password->value, sizeof password->value);
}

static void login_result(struct screen *screen, const struct net_result *result)
{
    struct login *login = (struct login *)screen;
    if (result->ticket != login->ticket)
        return;
    login->ticket = 0;
    if (result->kind == NET_FAILURE) {
        char wait[32] = "";
        result_text(result, login->error, sizeof login->error);
        if (result->fault.retry_after_ms > 0) {
            size_t n = strlen(login->error);
            show_age(result->fault.retry_after_ms * 1000 + 999999, wait, sizeof wait);
            snprintf(login->error + n, sizeof login->error - n, " Wait %s.", wait);
        }
        return;
    }
    const struct msg_session *session = result->body;
    char                      email[LIMIT_EMAIL_MAX + 1];
    slice_copy(session->email, email, sizeof email);
    if (login->locked && strcmp(email, screen->app->user) != 0) {
        app_log_out(screen->app);
        return;
    }
    app_logged_in(screen->app, session);
}

static bool login_act(struct screen *screen, enum action action, const char *argument)
{
    struct login *login = (struct login *)screen;
    (void)argument;
    if (action == ACTION_field_next) {
        if (!form_next(&login->form))
            login->form.focus = 0;
        return true;
    }
    if (action == ACTION_field_prev) {
        form_previous(&login->form);
        return true;
    }
    if (action == ACTION_switch_user) {
        if (login->locked)
            app_log_out(screen->app);
        return true;
    }
    return false;
}

static bool login_can(const struct screen *screen, enum action action)
{
    return action != ACTION_switch_user || ((const struct login *)screen)->locked;
}

/* Enter on the last field is the one place where Enter sends something: a login moves nothing. */
static bool login_key(struct screen *screen, uint32_t key)
{
    struct login *login = (struct login *)screen;
    if (key == K_ENTER && login->form.focus + 1 == login->form.count) {
        send_login(login);
        return true;
    }
    return form_key(&login->form, key);
}

static bool login_paste(struct screen *screen, struct slice text)
{
    return form_paste(&((struct login *)screen)->form, text);
}

static void draw_state(const struct login *login, struct canvas *canvas, struct rect rect)
{
    const struct app *app = login->screen.app;
    if (login->ticket != 0)
        canvas_string(canvas, rect.x, rect.y, rect.w, STYLE_NOTICE, "Checking the password ...");
    else if (login->error[0] != '\0')
        canvas_paragraph(canvas, rect, STYLE_BAD, slice_from(login->error));
    else if (login->why[0] != '\0')
        canvas_paragraph(canvas, rect, STYLE_WARN, slice_from(login->why));
    else if (!app_live(app))
        canvas_print(canvas, rect.x, rect.y, rect.w, STYLE_DIM, "Waiting for %s",
                     app->config.server);
    else
        canvas_string(canvas, rect.x, rect.y, rect.w, STYLE_DIM,
                      login->locked ? "Enter unlocks." : "Enter goes on; the last Enter logs in.");
}

static void login_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    const struct login *login = (const struct login *)screen;
    int                 w = rect.w < BOX_WIDTH ? rect.w : BOX_WIDTH;
    int                 h = rect.h < BOX_HEIGHT ? rect.h : BOX_HEIGHT;
    struct rect         box = { rect.x + (rect.w - w) / 2, rect.y + (rect.h - h) / 2, w, h };
    struct rect in = canvas_box(canvas, box, STYLE_RULE, login->locked ? "Locked" : "Log in");
    int         y = in.y + (in.h >= 9 ? 1 : 0);
    if (login->locked) {
        canvas_print(canvas, in.x, y, in.w, STYLE_TEXT, "The console of %s is locked.",
                     screen->app->user);
        y += 2;
    } else if (in.h >= 9) {
        canvas_string(canvas, in.x, y, in.w, STYLE_VALUE, "B A N K");
        canvas_string(canvas, in.x + 9, y, in.w - 9, STYLE_DIM, "operations, fraud and compliance");
        y += 2;
    }
    y += form_draw(&login->form, canvas, (struct rect){ in.x, y, in.w, in.h });
    draw_state(login, canvas, (struct rect){ in.x, y + 1, in.w, in.y + in.h - y - 1 });
}

const struct screen_ops screen_login = {
    .name = "login",
    .title = "Log in",
    .size = sizeof(struct login),
    .places = IN_LOGIN,
    .open = login_open,
    .close = login_close,
    .result = login_result,
    .act = login_act,
    .can = login_can,
    .key = login_key,
    .paste = login_paste,
    .draw = login_draw,
};

const struct screen_ops screen_lock = {
    .name = "lock",
    .title = "Locked",
    .size = sizeof(struct login),
    .places = IN_LOGIN,
    .open = lock_open,
    .close = login_close,
    .result = login_result,
    .act = login_act,
    .can = login_can,
    .key = login_key,
    .paste = login_paste,
    .draw = login_draw,
};

/* --- leaving ------------------------------------------------------------------------------- */

static bool quit_key(struct screen *screen, uint32_t key)
{
    if (key == 'Y' || key == 'y')
        screen->app->wish.quit = true;
    else
        app_pop(screen->app, screen);
    return true;
}

static void quit_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    int         w = rect.w < 46 ? rect.w : 46;
    struct rect box = { rect.x + (rect.w - w) / 2, rect.y + (rect.h - 5) / 2, w, 5 };
    struct rect in = canvas_box(canvas, box, STYLE_RULE, "Leave bankterm?");
    (void)screen;
    canvas_string(canvas, in.x, in.y + 1, 1, STYLE_KEY, "Y");
    canvas_string(canvas, in.x + 2, in.y + 1, in.w, STYLE_TEXT, "leave");
    canvas_string(canvas, in.x + 12, in.y + 1, 7, STYLE_KEY, "any key");
    canvas_string(canvas, in.x + 20, in.y + 1, in.w, STYLE_TEXT, "stay");
    canvas_cursor(canvas, in.x, in.y + 1);
}

const struct screen_ops screen_quit = {
    .name = "quit",
    .title = "Leave bankterm?",
    .size = sizeof(struct screen),
    .places = IN_PROMPT,
    .modal = true,
    .key = quit_key,
    .draw = quit_draw,
};
