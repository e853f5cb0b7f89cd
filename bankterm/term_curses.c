/* The real terminal, by ncurses. The canvas is handed over whole each frame; curses finds out what
 * differs. Meanings become colours here and nowhere else, always over the terminal's own
 * background.
 *
 * Bracketed paste and the clipboard are not known to curses: the sequences are written by hand,
 * and the marks around a paste are registered as keys. The line is in raw mode, so Ctrl-C and
 * Ctrl-Z are keys like others and no signal handler of curses runs. */
#include "bankterm/term.h"

#include "bankterm/keys.h"
#include "common/check.h"

#include <curses.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

enum {
    CODE_PASTE_START = 600,
    CODE_PASTE_END,
    PASTE_MAX = 4096,
    RESTORE_MAX = 256,
    COPY_ENCODED_MAX = APP_COPY_MAX * 4 / 3 + 8,
};

struct terminal {
    SCREEN        *screen;
    enum scheme    scheme;
    bool           marks_paste;
    bool           pasting;
    bool           cursor_shown;
    struct termios before;
    char           paste[PASTE_MAX];
    size_t         paste_n;
    char           restore[RESTORE_MAX]; /* bytes that give the screen back */
    size_t         restore_n;
};

/* Handlers of crashes have no argument. */
static struct terminal *crash_term;

static void write_bytes(const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t done = write(STDOUT_FILENO, bytes, n);
        if (done <= 0)
            return;
        bytes += done;
        n -= (size_t)done;
    }
}

static void write_string(const char *text)
{
    write_bytes(text, strlen(text));
}

/* Only calls that a signal handler may make. */
static void give_back(void)
{
    struct terminal *term = crash_term;
    if (term == NULL)
        return;
    crash_term = NULL;
    write_bytes(term->restore, term->restore_n);
    tcsetattr(STDIN_FILENO, TCSANOW, &term->before);
}

static void on_crash(int number)
{
    give_back();
    raise(number); /* the handler is reset: this ends the program as it would have ended */
}

static void watch_crashes(void)
{
    static const int numbers[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGQUIT };
    struct sigaction action = { .sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND };
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < ARRAY_COUNT(numbers); i++)
        sigaction(numbers[i], &action, NULL);
    check_before_abort = give_back;
}

bool term_is_utf8(void)
{
    setlocale(LC_CTYPE, "");
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

static const char *capability(const char *name)
{
    char        writable[16];
    const char *text;
    snprintf(writable, sizeof writable, "%s", name);
    text = tigetstr(writable);
    return text == NULL || text == (const char *)-1 ? "" : text;
}

static void prepare_restore(struct terminal *term)
{
    const char *paste = "\033[?2004l\033[?1000l\033[?1002l\033[?1006l";
    int         n = snprintf(term->restore, sizeof term->restore, "%s%s%s%s\r\n",
                     term->marks_paste ? paste : "", capability("sgr0"), capability("rmcup"),
                             capability("cnorm"));
    term->restore_n = n > 0 && n < RESTORE_MAX ? (size_t)n : 0;
}

static bool known_to_mark_paste(void)
{
    static const char *const names[] = { "xterm",     "tmux",  "screen",  "rxvt",  "foot",
                                         "alacritty", "kitty", "konsole", "gnome", "st-" };
    const char              *name = getenv("TERM");
    if (capability("BE")[0] != '\0')
        return true;
    for (size_t i = 0; name != NULL && i < ARRAY_COUNT(names); i++) {
        if (strncmp(name, names[i], strlen(names[i])) == 0)
            return true;
    }
    return false;
}

/* Curses is told of colours only when they are used: else it would set white on black. */
static enum scheme choose_scheme(const struct term_config *config)
{
    const char *none = getenv("NO_COLOR");
    char        capability_name[] = "colors";
    int         colors = tigetnum(capability_name);
    bool        automatic = strcmp(config->color, "auto") == 0;
    if (strcmp(config->color, "never") == 0 || colors < 8)
        return SCHEME_MONO;
    if (automatic && none != NULL && none[0] != '\0')
        return SCHEME_MONO;
    if (strcmp(config->color, "8") == 0 || colors < 256)
        return SCHEME_8;
    return strcmp(config->theme, "light") == 0 ? SCHEME_LIGHT : SCHEME_256;
}

static void make_pairs(struct terminal *term)
{
    if (term->scheme == SCHEME_MONO)
        return;
    start_color();
    use_default_colors();
    for (int i = 0; i < STYLE_count; i++) {
        const struct look *look = theme_look(term->scheme, (enum style)i);
        init_pair((short)(i + 1), look->foreground, look->background);
    }
}

static void set_up(struct terminal *term, const struct term_config *config)
{
    raw();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    set_escdelay((int)config->escape_delay_ms);
    term->scheme = choose_scheme(config);
    make_pairs(term);
    term->marks_paste = known_to_mark_paste();
    prepare_restore(term);
    if (term->marks_paste) {
        define_key("\033[200~", CODE_PASTE_START);
        define_key("\033[201~", CODE_PASTE_END);
        write_string("\033[?2004h");
    }
    curs_set(0);
}

/* Asked before curses starts, which would end the program by itself. */
static bool can_address_cursor(void)
{
    int  status = 0;
    bool can = setupterm(NULL, STDOUT_FILENO, &status) == OK && capability("cup")[0] != '\0';
    if (cur_term != NULL)
        del_curterm(cur_term);
    return can;
}

enum err term_open(struct terminal **out, const struct term_config *config, struct fault *fault)
{
    *out = NULL;
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return fault_set(fault, ERR_usage, "",
                         "The console needs a terminal; without one use bankterm run");
    struct terminal *term = calloc(1, sizeof *term);
    if (term == NULL)
        return ERR_memory;
    tcgetattr(STDIN_FILENO, &term->before);
    setlocale(LC_CTYPE, "");
    if (!can_address_cursor()) {
        free(term);
        return fault_set(fault, ERR_usage, "",
                         "This terminal cannot place its cursor; set TERM or use bankterm run");
    }
    term->screen = newterm(NULL, stdout, stdin);
    if (term->screen == NULL) {
        free(term);
        return fault_set(fault, ERR_usage, "", "The terminal cannot be used; check TERM");
    }
    set_up(term, config);
    crash_term = term;
    watch_crashes();
    *out = term;
    return ERR_none;
}

void term_close(struct terminal **term)
{
    if (*term == NULL)
        return;
    crash_term = NULL;
    if ((*term)->marks_paste)
        write_string("\033[?2004l");
    term_mouse(*term, false);
    endwin();
    tcsetattr(STDIN_FILENO, TCSANOW, &(*term)->before);
    delscreen((*term)->screen);
    explicit_bzero(*term, sizeof **term);
    free(*term);
    *term = NULL;
}

bool term_marks_paste(const struct terminal *term)
{
    return term->marks_paste;
}

void term_size(struct terminal *term, int *width, int *height)
{
    struct winsize size = { 0 };
    (void)term;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) {
        *width = COLS;
        *height = LINES;
        return;
    }
    *width = size.ws_col;
    *height = size.ws_row;
}

/* --- keys ---------------------------------------------------------------------------------- */

static const struct {
    wint_t   curses;
    uint32_t key;
} special[] = {
    { KEY_UP, K_UP },         { KEY_DOWN, K_DOWN },       { KEY_LEFT, K_LEFT },
    { KEY_RIGHT, K_RIGHT },   { KEY_HOME, K_HOME },       { KEY_END, K_END },
    { KEY_PPAGE, K_PAGE_UP }, { KEY_NPAGE, K_PAGE_DOWN }, { KEY_IC, K_INSERT },
    { KEY_DC, K_DELETE },     { KEY_BTAB, K_BACK_TAB },   { KEY_BACKSPACE, K_BACKSPACE },
    { KEY_ENTER, K_ENTER },   { KEY_A1, K_HOME },         { KEY_C1, K_END },
    { KEY_FIND, K_HOME },     { KEY_SELECT, K_END },
};

static uint32_t special_key(wint_t code)
{
    for (size_t i = 0; i < ARRAY_COUNT(special); i++) {
        if (special[i].curses == code)
            return special[i].key;
    }
    if (code >= KEY_F(1) && code <= KEY_F(12))
        return K_F1 + (uint32_t)(code - KEY_F(1));
    return K_NONE;
}

static bool mouse_input(struct input *input)
{
    MEVENT event;
    if (getmouse(&event) != OK)
        return false;
    if ((event.bstate & BUTTON4_PRESSED) != 0 || (event.bstate & BUTTON5_PRESSED) != 0) {
        *input = (struct input){ .kind = INPUT_KEY,
                                 .key = (event.bstate & BUTTON4_PRESSED) != 0 ? K_UP : K_DOWN };
        return true;
    }
    *input = (struct input){ .kind = INPUT_CLICK, .x = event.x, .y = event.y };
    return (event.bstate & BUTTON1_PRESSED) != 0;
}

static void paste_key(struct terminal *term, uint32_t key)
{
    char   bytes[4];
    size_t n = key_utf8(key, bytes);
    if (term->paste_n + n <= sizeof term->paste) {
        memcpy(term->paste + term->paste_n, bytes, n);
        term->paste_n += n;
    }
}

/* One thing from curses; false when it was nothing that the app has to know. */
static bool take_code(struct terminal *term, int status, wint_t code, struct input *input)
{
    if (status == KEY_CODE_YES && code == CODE_PASTE_START) {
        term->pasting = true;
        term->paste_n = 0;
        return false;
    }
    if (status == KEY_CODE_YES && code == CODE_PASTE_END) {
        bool was = term->pasting;
        term->pasting = false;
        *input =
            (struct input){ .kind = INPUT_PASTE, .text = slice_of(term->paste, term->paste_n) };
        return was;
    }
    if (status == KEY_CODE_YES && code == KEY_MOUSE)
        return mouse_input(input);
    uint32_t key = status == KEY_CODE_YES ? special_key(code) : (uint32_t)code;
    if (term->pasting) {
        if (status != KEY_CODE_YES)
            paste_key(term, key);
        return false;
    }
    if (key == '\n')
        key = K_ENTER;
    if (key == 8)
        key = K_BACKSPACE;
    *input = (struct input){ .kind = INPUT_KEY, .key = key };
    return key != K_NONE;
}

bool term_next(struct terminal *term, struct input *input)
{
    for (;;) {
        wint_t code = 0;
        int    status = get_wch(&code);
        if (status == ERR)
            return false;
        if (take_code(term, status, code, input))
            return true;
    }
}

/* --- cells --------------------------------------------------------------------------------- */

static attr_t attributes_of(uint8_t attributes)
{
    attr_t result = A_NORMAL;
    if ((attributes & ATTR_BOLD) != 0)
        result |= A_BOLD;
    if ((attributes & ATTR_DIM) != 0)
        result |= A_DIM;
    if ((attributes & ATTR_UNDERLINE) != 0)
        result |= A_UNDERLINE;
    if ((attributes & ATTR_REVERSE) != 0)
        result |= A_REVERSE;
    return result;
}

static void draw_cell(const struct terminal *term, int x, int y, const struct cell *cell)
{
    wchar_t            text[CELL_MARKS_MAX + 2] = { (wchar_t)cell->code };
    const struct look *look = theme_look(term->scheme, (enum style)cell->style);
    short              pair = term->scheme == SCHEME_MONO ? 0 : (short)(cell->style + 1);
    cchar_t            out;
    for (int i = 0; i < CELL_MARKS_MAX; i++)
        text[i + 1] = (wchar_t)cell->marks[i];
    setcchar(&out, text, attributes_of(look->attributes), pair, NULL);
    mvadd_wch(y, x, &out);
}

void term_draw(struct terminal *term, const struct canvas *canvas, bool repaint)
{
    if (canvas->width != COLS || canvas->height != LINES)
        resizeterm(canvas->height, canvas->width);
    for (int y = 0; y < canvas->height; y++) {
        for (int x = 0; x < canvas->width; x++) {
            const struct cell *cell = &canvas->cells[(size_t)y * (size_t)canvas->width + (size_t)x];
            if (cell->code != 0)
                draw_cell(term, x, y, cell);
        }
    }
    bool cursor = canvas->cursor_x >= 0;
    if (cursor != term->cursor_shown)
        curs_set(cursor ? 1 : 0);
    term->cursor_shown = cursor;
    if (cursor)
        move(canvas->cursor_y, canvas->cursor_x);
    if (repaint)
        clearok(curscr, TRUE);
    refresh();
}

void term_bell(struct terminal *term)
{
    (void)term;
    write_string("\a");
}

void term_mouse(struct terminal *term, bool on)
{
    (void)term;
    mouseinterval(0);
    mousemask(on ? BUTTON1_PRESSED | BUTTON4_PRESSED | BUTTON5_PRESSED : 0, NULL);
}

void term_copy(struct terminal *term, const char *text)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char   encoded[COPY_ENCODED_MAX];
    size_t length = strlen(text);
    size_t n = 0;
    (void)term;
    for (size_t i = 0; i < length && n + 5 < sizeof encoded; i += 3) {
        uint32_t three = (uint32_t)(unsigned char)text[i] << 16;
        if (i + 1 < length)
            three |= (uint32_t)(unsigned char)text[i + 1] << 8;
        if (i + 2 < length)
            three |= (unsigned char)text[i + 2];
        encoded[n++] = letters[three >> 18 & 63];
        encoded[n++] = letters[three >> 12 & 63];
        encoded[n++] = i + 1 < length ? letters[three >> 6 & 63] : '=';
        encoded[n++] = i + 2 < length ? letters[three & 63] : '=';
    }
    write_string("\033]52;c;");
    write_bytes(encoded, n);
    write_string("\a");
}

void term_suspend(struct terminal *term)
{
    if (term->marks_paste)
        write_string("\033[?2004l");
    endwin();
    raise(SIGSTOP);
    if (term->marks_paste)
        write_string("\033[?2004h");
    clearok(curscr, TRUE);
    refresh();
}
