/* The file is read into a draft beside the table; the draft is checked as a whole, as one line may
 * free the key that another one takes, and only then put into force. Which actions meet on one
 * screen is asked of the screens themselves. */
#include "bankterm/keymap.h"

#include "bankterm/actions.h"
#include "bankterm/keys.h"
#include "bankterm/screens/screens.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 240 };

/* Where what is typed is text, or means the same on every screen: never another key. */
#define FIXED_PLACES ((unsigned)(IN_FORM | IN_REVIEW | IN_LOGIN | IN_PROMPT))

struct draft {
    const char *path;
    char        keys[ACTION_count][ACTION_KEYS_MAX];
    int64_t     line[ACTION_count]; /* 0: not in the file */
};

static enum err wrong(const struct draft *draft, int64_t line, struct fault *fault,
                      const char *format, ...) __attribute__((format(printf, 4, 5)));

static enum err wrong(const struct draft *draft, int64_t line, struct fault *fault,
                      const char *format, ...)
{
    char    text[TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return fault_set(fault, ERR_file_syntax, NULL, "%s:%" PRId64 ": %s", draft->path, line, text);
}

/* --- reading -------------------------------------------------------------------------------- */

static struct slice trimmed(struct slice text)
{
    while (text.n > 0 && strchr(" \t\r", text.at[0]) != NULL)
        text = slice_of(text.at + 1, text.n - 1);
    while (text.n > 0 && strchr(" \t\r", text.at[text.n - 1]) != NULL)
        text.n--;
    return text;
}

static struct slice next_line(struct slice *text)
{
    const char  *end = memchr(text->at, '\n', text->n);
    size_t       n = end != NULL ? (size_t)(end - text->at) : text->n;
    size_t       step = end != NULL ? n + 1 : n;
    struct slice line = slice_of(text->at, n);
    *text = slice_of(text->at + step, text->n - step);
    return line;
}

static enum err read_line(struct draft *draft, struct slice line, int64_t number,
                          struct fault *fault)
{
    line = trimmed(line);
    if (line.n == 0 || line.at[0] == '#')
        return ERR_none;
    const char *mark = memchr(line.at, '=', line.n);
    if (mark == NULL || memchr(line.at, '\0', line.n) != NULL)
        return wrong(draft, number, fault, "A line is \"action = KEY ...\" or a # comment");
    struct slice name = trimmed(slice_of(line.at, (size_t)(mark - line.at)));
    struct slice keys = trimmed(slice_of(mark + 1, line.n - (size_t)(mark + 1 - line.at)));
    enum action  action = action_of_name(name);
    if (action == ACTION_none)
        return wrong(draft, number, fault, "There is no action \"%.*s\"; help lists them",
                     (int)name.n, name.at);
    if (draft->line[action] != 0)
        return wrong(draft, number, fault, "\"%s\" stands in line %" PRId64 " already",
                     action_row(action)->name, draft->line[action]);
    if ((action_row(action)->places & ~FIXED_PLACES) == 0)
        return wrong(draft, number, fault, "The keys of forms stay as they are: \"%s\"",
                     action_row(action)->name);
    if (keys.n >= ACTION_KEYS_MAX)
        return wrong(draft, number, fault, "These are too many keys");
    slice_copy(keys, draft->keys[action], ACTION_KEYS_MAX);
    for (char *at = draft->keys[action]; *at != '\0'; at++)
        *at = *at == '\t' ? ' ' : *at;
    draft->line[action] = number;
    return ERR_none;
}

/* --- checks --------------------------------------------------------------------------------- */

static bool has_key(const char *keys, uint32_t wanted)
{
    struct slice rest = slice_from(keys);
    struct slice name;
    while (key_next(&rest, &name)) {
        if (key_from_name(name) == wanted)
            return true;
    }
    return false;
}

static bool is_capital_or_special(uint32_t key)
{
    return (key >= 'A' && key <= 'Z') || (key >= K_F1 && key <= K_F12) ||
           (key < 32 && key != K_TAB && key != K_ENTER && key != K_ESC);
}

/* Why the action may not have the key; NULL when it may. */
static const char *objection(enum action action, uint32_t key)
{
    unsigned flags = action_row(action)->flags;
    if (key == K_NONE)
        return "is not a key";
    if (key == K_ESC && action != ACTION_back)
        return "leaves and cancels, and does nothing else";
    if (key == K_ENTER && action != ACTION_open && action != ACTION_subject)
        return "opens, and does nothing else";
    if (key == 'Y' && (flags & ACT_WRITE) != 0)
        return "confirms a review, and must not be what opens one";
    if ((flags & ACT_DANGER) != 0 && !is_capital_or_special(key))
        return "is struck too easily: this needs a capital letter, a Ctrl- or a function key";
    if ((action == ACTION_refresh || action == ACTION_suspend) && key_is_text(key))
        return "types a character, and this works while one types";
    return NULL;
}

static enum err check_keys(const struct draft *draft, enum action action, struct fault *fault)
{
    const char  *action_name = action_row(action)->name;
    struct slice rest = slice_from(draft->keys[action]);
    struct slice name;
    int          count = 0;
    while (key_next(&rest, &name)) {
        const char *why = objection(action, key_from_name(name));
        if (why != NULL)
            return wrong(draft, draft->line[action], fault, "%s: \"%.*s\" %s", action_name,
                         (int)name.n, name.at, why);
        count++;
    }
    if (action == ACTION_back && !has_key(draft->keys[action], K_ESC))
        return wrong(draft, draft->line[action], fault, "\"back\" must keep Esc");
    if (count == 0 && (action == ACTION_help || action == ACTION_palette || action == ACTION_quit))
        return wrong(draft, draft->line[action], fault, "\"%s\" needs a key", action_name);
    return ERR_none;
}

static bool same_people(enum action a, enum action b)
{
    for (size_t i = 0; i < role_count; i++) {
        if (action_allowed(a, role_rows[i].role) && action_allowed(b, role_rows[i].role))
            return true;
    }
    return false;
}

/* The first screen on which both mean something; NULL when they never meet. */
static const struct screen_ops *meet(enum action a, enum action b)
{
    for (int i = 0; i < screens_all_count && same_people(a, b); i++) {
        unsigned places = screens_all[i]->places;
        if ((action_row(a)->places & places) != 0 && (action_row(b)->places & places) != 0)
            return screens_all[i];
    }
    return NULL;
}

static enum err check_pair(const struct draft *draft, enum action mine, enum action other,
                           struct fault *fault)
{
    struct slice rest = slice_from(draft->keys[mine]);
    struct slice name;
    while (mine != other && key_next(&rest, &name)) {
        const struct screen_ops *where = NULL;
        if (has_key(draft->keys[other], key_from_name(name)))
            where = meet(mine, other);
        if (where != NULL)
            return wrong(draft, draft->line[mine], fault,
                         "%s: \"%.*s\" is a key of \"%s\" already, on the screen \"%s\"",
                         action_row(mine)->name, (int)name.n, name.at, action_row(other)->name,
                         where->title);
    }
    return ERR_none;
}

static enum err check(const struct draft *draft, struct fault *fault)
{
    for (int i = 0; i < ACTION_count; i++) {
        if (draft->line[i] == 0)
            continue;
        TRY(check_keys(draft, (enum action)i, fault));
        for (int j = 0; j < ACTION_count; j++)
            TRY(check_pair(draft, (enum action)i, (enum action)j, fault));
    }
    return ERR_none;
}

/* --- in and out ----------------------------------------------------------------------------- */

enum err keymap_read(struct slice text, const char *path, struct fault *fault)
{
    static struct draft draft; /* large, and needed once */
    int64_t             number = 0;
    draft = (struct draft){ .path = path };
    for (int i = 0; i < ACTION_count; i++)
        snprintf(draft.keys[i], ACTION_KEYS_MAX, "%s", action_row((enum action)i)->keys);
    while (text.n > 0)
        TRY(read_line(&draft, next_line(&text), ++number, fault));
    TRY(check(&draft, fault));
    for (int i = 0; i < ACTION_count; i++) {
        if (draft.line[i] != 0)
            action_bind((enum action)i, draft.keys[i]);
    }
    return ERR_none;
}

enum err keymap_load(const char *path, struct fault *fault)
{
    static char text[KEYMAP_FILE_MAX];
    FILE       *file = fopen(path, "re");
    enum err    err = ERR_none;
    if (file == NULL)
        return fault_set(fault, ERR_io, NULL, "%s cannot be opened: %s", path, strerror(errno));
    size_t n = fread(text, 1, sizeof text, file);
    if (ferror(file))
        err = fault_set(fault, ERR_io, NULL, "%s cannot be read", path);
    else if (n == sizeof text)
        err = fault_set(fault, ERR_file_syntax, NULL, "%s is too large for a file of keys", path);
    fclose(file);
    return err != ERR_none ? err : keymap_read(slice_of(text, n), path, fault);
}

void keymap_print(FILE *out)
{
    for (int i = 0; i < ACTION_count; i++) {
        const struct action_row *row = action_row((enum action)i);
        if ((row->places & ~FIXED_PLACES) != 0)
            fprintf(out, "# %s\n%s = %s\n", row->help, row->name, action_keys((enum action)i));
    }
}
