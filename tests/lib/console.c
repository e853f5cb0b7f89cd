/* The script driver of the console's tests. Paths are those of the tree's root, where tests run. */
#include "tests/lib/console.h"

#include "bankterm/keys.h"
#include "bankterm/term_dump.h"
#include "common/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCREEN_TEXT_MAX = 4 * 1024 * 1024, SETTLE_MAX = 200 };

static struct buf screen_text;

void console_settle(struct test_console *console)
{
    for (int i = 0; i < SETTLE_MAX; i++) {
        int before = console->bank.queued;
        app_pump(console->app);
        app_tick(console->app);
        if (before == 0 || console->bank.silent)
            return;
    }
}

void console_wait(struct test_console *console, int64_t us)
{
    console->bank.now += us;
    console->bank.monotonic += us;
    app_tick(console->app);
    console_settle(console);
}

void console_press(struct test_console *console, uint32_t key)
{
    app_input(console->app, &(struct input){ .kind = INPUT_KEY, .key = key });
    console_settle(console);
}

void console_type(struct test_console *console, const char *text)
{
    struct slice rest = slice_from(text);
    while (rest.n > 0) {
        uint32_t code;
        size_t   n = slice_char(rest, &code);
        CHECK(n > 0);
        console_press(console, code);
        rest = slice_of(rest.at + n, rest.n - n);
    }
}

void console_paste(struct test_console *console, const char *text)
{
    app_input(console->app, &(struct input){ .kind = INPUT_PASTE, .text = slice_from(text) });
    console_settle(console);
}

void console_size(struct test_console *console, int width, int height)
{
    app_input(console->app, &(struct input){ .kind = INPUT_RESIZE, .x = width, .y = height });
}

void console_open(struct test_console *console, enum role role, int width, int height, bool ascii)
{
    fake_open(&console->bank, role);
    struct app_config config = {
        .link = fake_link(&console->bank),
        .clock = &console->bank.clock,
        .server = "ipc:///run/bankd/bankd.sock",
        .user = "",
        .ascii = ascii,
        .bell = true,
        .idle_lock_minutes = 10,
    };
    CHECK(app_open(&console->app, &config, width, height) == ERR_none);
    console_settle(console);
}

void console_login(struct test_console *console)
{
    console_type(console, "someone@test.com");
    console_press(console, K_ENTER);
    console_type(console, "test123");
    console_press(console, K_ENTER);
}

void console_close(struct test_console *console)
{
    app_close(&console->app);
    fake_close(&console->bank);
    buf_free(&screen_text);
}

const char *console_text(struct test_console *console)
{
    buf_free(&screen_text);
    buf_init(&screen_text, SCREEN_TEXT_MAX);
    app_draw(console->app);
    CHECK(term_dump(&console->app->canvas, &screen_text) == ERR_none);
    CHECK(buf_add(&screen_text, "", 1) == ERR_none);
    return screen_text.at;
}

bool console_shows(struct test_console *console, const char *text)
{
    bool shows = strstr(console_text(console), text) != NULL;
    if (!shows)
        fprintf(stderr, "not on the screen: %s\n%s", text, screen_text.at);
    return shows;
}

/* Ids that were made now end at random; those of the made-up bank have 7000 in the middle. */
static void mask_ids(char *text)
{
    static const char shape[] = "hhhhhhhh-hhhh-7hhh-hhhh-hhhhhhhhhhhh";
    for (; *text != '\0'; text++) {
        size_t n = 0;
        while (shape[n] != '\0' &&
               (shape[n] == 'h' ? strchr("0123456789abcdef", text[n]) != NULL && text[n] != '\0'
                                : text[n] == shape[n]))
            n++;
        if (shape[n] == '\0' && memcmp(text + 14, "7000", 4) != 0)
            memcpy(text, shape, sizeof shape - 1);
    }
}

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = calloc(1, SCREEN_TEXT_MAX);
    CHECK(text != NULL);
    if (file != NULL) {
        size_t n = fread(text, 1, SCREEN_TEXT_MAX - 1, file);
        text[n] = '\0';
        fclose(file);
    }
    return text;
}

bool console_golden(struct test_console *console, const char *name)
{
    char        path[256];
    const char *update = getenv("UPDATE_GOLDEN");
    char       *text;
    (void)console_text(console);
    text = screen_text.at;
    mask_ids(text);
    snprintf(path, sizeof path, "tests/ui/golden/%s.txt", name);
    if (update != NULL && update[0] == '1') {
        FILE *file = fopen(path, "wb");
        CHECK(file != NULL);
        fputs(text, file);
        return fclose(file) == 0;
    }
    char *wanted = read_file(path);
    bool  same = strcmp(wanted, text) == 0;
    if (!same)
        fprintf(stderr,
                "%s differs. The screen now:\n%s\nIf it is right: "
                "make unit UPDATE_GOLDEN=1, then look at git diff tests/ui/golden\n",
                path, text);
    free(wanted);
    return same;
}
