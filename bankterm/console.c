/* The loop: one thread that waits for the terminal, the connection, the next timer or a signal,
 * and hands what happened to the app.
 *
 * Signals are blocked but while waiting, and their handlers only set a flag. A frame is drawn at
 * once after a key, otherwise at most APP_FRAME_MS after the last; while the terminal does not
 * take bytes no frame is drawn, and the next one shows the newest state. A terminal that is gone
 * (hang-up, end of file, error) ends the loop within a second. */
#include "bankterm/console.h"

#include "bankterm/app.h"
#include "bankterm/keys.h"
#include "bankterm/term.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { OUTPUT_BACKLOG_MAX = 4096, BURST_KEYS = 12, BURST_MAX = 512 };

static volatile sig_atomic_t signal_end;
static volatile sig_atomic_t signal_size;
static volatile sig_atomic_t signal_stop;

static void on_signal(int number)
{
    if (number == SIGWINCH)
        signal_size = 1;
    else if (number == SIGTSTP)
        signal_stop = 1;
    else if (number != SIGCONT)
        signal_end = number;
}

struct console {
    struct app      *app;
    struct terminal *term;
    struct net      *net;
    struct clock    *clock;
    sigset_t         waiting; /* signals while waiting */
    int64_t          last_frame_us;
    bool             typed; /* since the last frame */
    bool             mouse;
    bool             gone; /* the terminal */
};

static void watch_signals(sigset_t *before)
{
    static const int numbers[] = { SIGHUP, SIGTERM, SIGINT, SIGWINCH, SIGTSTP, SIGCONT };
    struct sigaction action = { .sa_handler = on_signal };
    sigset_t         blocked;
    sigemptyset(&action.sa_mask);
    sigemptyset(&blocked);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        sigaction(numbers[i], &action, NULL);
        sigaddset(&blocked, numbers[i]);
    }
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &blocked, before);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigdelset(before, numbers[i]);
}

static int64_t now_us(const struct console *console)
{
    return console->clock->monotonic_us(console->clock);
}

/* Where the terminal does not mark a paste, many keys in one go are taken for one. */
static void read_keys(struct console *console)
{
    struct input input;
    char         burst[BURST_MAX];
    uint32_t     keys[BURST_MAX / 4];
    size_t       count = 0;
    size_t       n = 0;
    bool         text = true;
    while (term_next(console->term, &input)) {
        console->typed = true;
        bool key = input.kind == INPUT_KEY && !term_marks_paste(console->term);
        if (!key || count == sizeof keys / sizeof keys[0]) {
            app_input(console->app, &input);
            continue;
        }
        keys[count++] = input.key;
        text = text && (key_is_text(input.key) || input.key == K_ENTER || input.key == K_TAB);
    }
    if (count >= BURST_KEYS && text) {
        for (size_t i = 0; i < count; i++)
            n += key_utf8(keys[i], burst + n);
        app_input(console->app, &(struct input){ .kind = INPUT_PASTE, .text = slice_of(burst, n) });
        return;
    }
    for (size_t i = 0; i < count; i++)
        app_input(console->app, &(struct input){ .kind = INPUT_KEY, .key = keys[i] });
}

static bool can_write(void)
{
    int           waiting = 0;
    struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };
    if (ioctl(STDOUT_FILENO, TIOCOUTQ, &waiting) == 0 && waiting > OUTPUT_BACKLOG_MAX)
        return false;
    return poll(&out, 1, 0) == 1 && (out.revents & POLLOUT) != 0;
}

static void draw(struct console *console)
{
    struct app *app = console->app;
    bool        repaint = app->wish.repaint;
    app->wish.repaint = false;
    app_draw(app);
    term_draw(console->term, &app->canvas, repaint);
    console->last_frame_us = now_us(console);
    console->typed = false;
}

static void do_wishes(struct console *console)
{
    struct app_wishes *wish = &console->app->wish;
    int64_t            due = console->last_frame_us + APP_FRAME_MS * US_PER_MS;
    if (wish->mouse != console->mouse) {
        console->mouse = wish->mouse;
        term_mouse(console->term, wish->mouse);
    }
    if (wish->bell)
        term_bell(console->term);
    wish->bell = false;
    if (wish->copy[0] != '\0')
        term_copy(console->term, wish->copy);
    wish->copy[0] = '\0';
    if (wish->suspend || signal_stop != 0) {
        wish->suspend = false;
        signal_stop = 0;
        term_suspend(console->term);
        signal_size = 1;
    }
    if (signal_size != 0) {
        struct input size = { .kind = INPUT_RESIZE };
        signal_size = 0;
        term_size(console->term, &size.x, &size.y);
        app_input(console->app, &size);
    }
    if (wish->draw && (console->typed || now_us(console) >= due) && can_write())
        draw(console);
}

static int64_t wait_us(const struct console *console)
{
    int64_t now = now_us(console);
    int64_t next = app_next_tick_us(console->app);
    int64_t net = net_next_wakeup_us(console->net);
    int64_t frame = console->last_frame_us + APP_FRAME_MS * US_PER_MS;
    if (net < next)
        next = net;
    /* A frame that the terminal did not take is tried again a frame later. */
    if (console->app->wish.draw && frame < now)
        frame = now + APP_FRAME_MS * US_PER_MS;
    if (console->app->wish.draw && frame < next)
        next = frame;
    return next > now ? next - now : 0;
}

/* Readable without a byte to read: the other end of the terminal is gone. */
static bool at_end(void)
{
    int bytes = 0;
    return ioctl(STDIN_FILENO, FIONREAD, &bytes) != 0 || bytes == 0;
}

static void wait_for_something(struct console *console)
{
    struct pollfd watched[2] = {
        { .fd = STDIN_FILENO, .events = POLLIN },
        { .fd = net_fd(console->net), .events = POLLIN },
    };
    int64_t         us = wait_us(console);
    struct timespec timeout = { .tv_sec = (time_t)(us / US_PER_SECOND),
                                .tv_nsec = (long)(us % US_PER_SECOND * 1000) };
    if (ppoll(watched, 2, &timeout, &console->waiting) <= 0)
        return;
    if ((watched[0].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0)
        console->gone = true;
    else if ((watched[0].revents & POLLIN) != 0 && at_end())
        console->gone = true;
    else if ((watched[0].revents & POLLIN) != 0)
        read_keys(console);
}

static enum err run(struct console *console)
{
    while (!console->app->wish.quit && !console->gone && signal_end == 0) {
        app_pump(console->app);
        app_tick(console->app);
        do_wishes(console);
        wait_for_something(console);
    }
    return console->app->wish.quit || signal_end == SIGTERM || signal_end == SIGINT ? ERR_none
                                                                                    : ERR_io;
}

enum err console_run(const struct console_config *config, struct fault *fault)
{
    struct console     console = { .net = config->net, .clock = config->clock };
    struct term_config terminal = { config->color, config->theme, config->escape_delay_ms };
    struct app_config  app = {
         .link = { &link_net, config->net },
         .clock = config->clock,
         .server = config->server,
         .user = config->user,
         .ascii = config->ascii || !term_is_utf8(),
         .bell = config->bell,
         .idle_lock_minutes = config->idle_lock_minutes,
    };
    int      width;
    int      height;
    enum err err;

    TRY(term_open(&console.term, &terminal, fault));
    term_size(console.term, &width, &height);
    err = app_open(&console.app, &app, width, height);
    if (err == ERR_none) {
        console.app->wish.mouse = config->mouse;
        watch_signals(&console.waiting);
        err = run(&console);
        app_close(&console.app);
    }
    term_close(&console.term);
    if (err == ERR_io)
        fault_set(fault, ERR_io, "", "The terminal went away");
    return err;
}
