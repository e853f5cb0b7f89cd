/* Drives the console from a script: keys in, answers of the made-up bank in between, and the screen
 * as text compared with a file that people can read. */
#ifndef TESTS_LIB_CONSOLE_H
#define TESTS_LIB_CONSOLE_H

#include "bankterm/app.h"
#include "tests/lib/fake_bank.h"

struct test_console {
    struct fake_bank bank;
    struct app      *app;
};

void console_open(struct test_console *console, enum role role, int width, int height, bool ascii);
void console_login(struct test_console *console);
void console_close(struct test_console *console);
/* Lets answers arrive until there are none left. */
void console_settle(struct test_console *console);
/* Time passes. */
void console_wait(struct test_console *console, int64_t us);
void console_press(struct test_console *console, uint32_t key);
void console_type(struct test_console *console, const char *text);
void console_paste(struct test_console *console, const char *text);
void console_size(struct test_console *console, int width, int height);
/* The screen as text; freed by the next call. */
const char *console_text(struct test_console *console);
bool        console_shows(struct test_console *console, const char *text);
/* Compares the screen with tests/ui/golden/NAME.txt; with UPDATE_GOLDEN=1 writes the file. False
 * and a command to refresh it when they differ. */
bool console_golden(struct test_console *console, const char *name);

#endif
