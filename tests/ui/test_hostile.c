/* Random keys, sizes, answers and losses, from a seed that is printed, so that a bad run can be
 * repeated: HOSTILE_SEED=n HOSTILE_STEPS=n. The console must stay inside its memory (the sanitizer
 * build says so), inside its grid, and never send money that nobody confirmed. */
#include "bankterm/keys.h"
#include "bankterm/screens/screens.h"
#include "tests/lib/console.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { STEPS = 12000, WIDEST = 300, TALLEST = 100 };

/* xorshift64*: the same seed gives the same run everywhere. */
static uint64_t dice;

static unsigned roll(unsigned sides)
{
    dice ^= dice >> 12;
    dice ^= dice << 25;
    dice ^= dice >> 27;
    return (unsigned)((dice * UINT64_C(0x2545F4914F6CDD1D)) >> 33) % sides;
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

/* Y is left out: it is what confirms. */
static uint32_t random_key(void)
{
    static const uint32_t special[] = { K_TAB,    K_ENTER,  K_ESC,    K_BACKSPACE, K_UP,
                                        K_DOWN,   K_LEFT,   K_RIGHT,  K_PAGE_UP,   K_PAGE_DOWN,
                                        K_HOME,   K_END,    K_DELETE, K_BACK_TAB,  K_F1,
                                        K_F1 + 1, K_F1 + 2, 12 };
    static const char     usual[] = "123456jkhlgGnNsScy[]0zmfxeFURXVaoivTDEbrACM/:?dwt ";
    unsigned              kind = roll(10);
    if (kind < 5)
        return (unsigned char)usual[roll(sizeof usual - 1)];
    if (kind < 9)
        return special[roll(sizeof special / sizeof special[0])];
    uint32_t key = roll(4) == 0 ? 0x4E00 + roll(0x2000) : 32 + roll(224);
    return key == 'Y' || key == 'y' ? ' ' : key;
}

static void random_event(struct test_console *console)
{
    static const enum err errors[] = { ERR_busy,     ERR_internal,  ERR_role_denied,
                                       ERR_deadline, ERR_not_found, ERR_session_invalid };
    switch (roll(12)) {
    case 0:
        fake_alert(&console->bank);
        console->bank.alerts %= 40;
        break;
    case 1:
        fake_ledger(&console->bank);
        break;
    case 2:
        fake_state(&console->bank, NET_WAITING);
        break;
    case 3:
    case 4:
        fake_state(&console->bank, NET_LIVE);
        break;
    case 5:
        console->bank.refuse_next = errors[roll(sizeof errors / sizeof errors[0])];
        break;
    case 6:
        console->bank.lose_next = true;
        break;
    case 7:
        console->bank.silent = !console->bank.silent;
        break;
    case 8:
        console_paste(console, "some text\nwith \033[31mlines\r\nY");
        break;
    case 9:
        snprintf(console->bank.hostile_name, sizeof console->bank.hostile_name, "%s",
                 roll(2) == 0 ? "" : "\033[2J\xff\xf0\x9f\x98\x80\xe4\xb8\xad\xcc\x81%n%s");
        break;
    case 10:
        if (roll(40) == 0)
            fake_session_end(&console->bank, "Ended");
        break;
    default:
        console_wait(console, (int64_t)roll(3000000));
        break;
    }
    console_settle(console);
}

/* Whatever is on the grid can be sent to a terminal: no control character, no half character. */
static void check_grid(struct test_console *console)
{
    app_draw(console->app);
    const struct canvas *canvas = &console->app->canvas;
    for (int y = 0; y < canvas->height; y++) {
        for (int x = 0; x < canvas->width; x++) {
            const struct cell *cell = &canvas->cells[y * canvas->width + x];
            assert_true(cell->code == 0 || !char_is_control(cell->code));
            assert_true(cell->style < STYLE_count);
            if (cell->code == 0)
                assert_true(x > 0 && text_width(cell[-1].code) == 2);
            else if (text_width(cell->code) == 2)
                assert_true(x + 1 < canvas->width && cell[1].code == 0);
            assert_true(!canvas->ascii || cell->code < 0x7F);
        }
    }
    assert_true(canvas->cursor_x < canvas->width && canvas->cursor_y < canvas->height);
}

static void log_in_again(struct test_console *console)
{
    struct screen *top = app_top(console->app);
    if (top->ops == &screen_login) {
        console_press(console, KEY_CTRL('U'));
        console_login(console);
    } else if (top->ops == &screen_lock) {
        console_press(console, KEY_CTRL('U'));
        console_type(console, "test123\r");
    }
}

static void run(enum role role, uint64_t seed, uint64_t steps)
{
    struct test_console console;
    dice = seed;
    console_open(&console, role, 80, 24, roll(2) == 0);
    console_login(&console);
    for (uint64_t i = 0; i < steps; i++) {
        if (roll(12) == 0)
            random_event(&console);
        else if (roll(60) == 0)
            console_size(&console, 1 + (int)roll(WIDEST), 1 + (int)roll(TALLEST));
        else
            console_press(&console, random_key());
        if (roll(8) == 0)
            check_grid(&console);
        if (roll(50) == 0)
            log_in_again(&console);
        if (roll(400) == 0)
            console_size(&console, 80 + (int)roll(60), 24 + (int)roll(20));
        console.app->wish.quit = false;
    }
    assert_int_equal(console.bank.create_count, 0);
    assert_int_equal(console.bank.moved, 0);
    console_close(&console);
}

static void random_use_breaks_nothing(void **state)
{
    uint64_t seed = number_of("HOSTILE_SEED", 20261122);
    uint64_t steps = number_of("HOSTILE_STEPS", STEPS);
    char     folder[] = "/tmp/bankterm-hostile-XXXXXX";
    char     before[4096];
    (void)state;
    /* Exports of the random user go into a folder of their own. */
    assert_non_null(getcwd(before, sizeof before));
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    print_message("HOSTILE_SEED=%llu HOSTILE_STEPS=%llu\n", (unsigned long long)seed,
                  (unsigned long long)steps);
    run(ROLE_FRAUD_ANALYST, seed, steps);
    run(ROLE_FINANCIAL_MANAGER, seed + 1, steps);
    run(ROLE_COMPLIANCE_OFFICER, seed + 2, steps);
    assert_int_equal(chdir(before), 0);
}

static void every_size_can_be_drawn(void **state)
{
    static const char *const places[] = { "",    "2",  "2f",  "3",  "4",       "5",
                                          "?",   ":a", "tal", "D",  "q",       "2\r",
                                          "3\r", "\r", "2e",  "2c", ":rules\r" };
    (void)state;
    for (size_t p = 0; p < sizeof places / sizeof places[0]; p++) {
        struct test_console console;
        console_open(&console, ROLE_FRAUD_ANALYST, 80, 24, p % 2 == 0);
        console_login(&console);
        (void)console_text(&console);
        console_type(&console, places[p]);
        for (int width = 1; width <= WIDEST; width += width < 90 ? 3 : 30) {
            for (int height = 1; height <= TALLEST; height += height < 30 ? 2 : 20) {
                console_size(&console, width, height);
                check_grid(&console);
            }
        }
        console_close(&console);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_use_breaks_nothing),
        cmocka_unit_test(every_size_can_be_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
