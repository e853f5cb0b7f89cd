/* Names of keys and back. The table below is the only list of keys that have a name instead of a
 * character; Ctrl-letters and function keys follow from their number. */
#include "bankterm/keys.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    uint32_t    key;
} names[] = {
    { "Tab", K_TAB },
    { "Enter", K_ENTER },
    { "Esc", K_ESC },
    { "Space", K_SPACE },
    { "Backspace", K_BACKSPACE },
    { "Up", K_UP },
    { "Down", K_DOWN },
    { "Left", K_LEFT },
    { "Right", K_RIGHT },
    { "Home", K_HOME },
    { "End", K_END },
    { "PgUp", K_PAGE_UP },
    { "PgDn", K_PAGE_DOWN },
    { "Ins", K_INSERT },
    { "Del", K_DELETE },
    { "Shift-Tab", K_BACK_TAB },
};

enum { NAME_COUNT = sizeof names / sizeof names[0] };

uint32_t key_from_name(struct slice name)
{
    uint32_t code;
    if (slice_char(name, &code) == name.n && name.n > 0)
        return code;
    for (size_t i = 0; i < NAME_COUNT; i++) {
        if (slice_is(name, names[i].name))
            return names[i].key;
    }
    if (name.n == 6 && memcmp(name.at, "Ctrl-", 5) == 0)
        return KEY_CTRL(name.at[5]);
    for (unsigned i = 0; i < 12; i++) {
        char function[8];
        snprintf(function, sizeof function, "F%u", i + 1);
        if (slice_is(name, function))
            return K_F1 + i;
    }
    return K_NONE;
}

const char *key_label(uint32_t key, char out[KEY_NAME_MAX])
{
    for (size_t i = 0; i < NAME_COUNT; i++) {
        if (names[i].key == key) {
            snprintf(out, KEY_NAME_MAX, "%s", names[i].name);
            return out;
        }
    }
    if (key >= K_F1 && key <= K_F12)
        snprintf(out, KEY_NAME_MAX, "F%u", (unsigned)(key - K_F1 + 1));
    else if (key > 0 && key < 32)
        snprintf(out, KEY_NAME_MAX, "Ctrl-%c", (char)(key + 64));
    else
        out[key_utf8(key, out)] = '\0';
    return out;
}

bool key_next(struct slice *list, struct slice *name)
{
    while (list->n > 0 && list->at[0] == ' ')
        *list = slice_of(list->at + 1, list->n - 1);
    size_t n = 0;
    while (n < list->n && list->at[n] != ' ')
        n++;
    *name = slice_of(list->at, n);
    *list = slice_of(list->at + n, list->n - n);
    return n > 0;
}

bool key_is_text(uint32_t key)
{
    return key >= 32 && key < K_UP && !char_is_control(key) && !(key >= 0xD800 && key <= 0xDFFF);
}

size_t key_utf8(uint32_t key, char out[4])
{
    if (key < 0x80) {
        out[0] = (char)key;
        return 1;
    }
    if (key < 0x800) {
        out[0] = (char)(0xC0 | key >> 6);
        out[1] = (char)(0x80 | (key & 0x3F));
        return 2;
    }
    if (key < 0x10000) {
        out[0] = (char)(0xE0 | key >> 12);
        out[1] = (char)(0x80 | (key >> 6 & 0x3F));
        out[2] = (char)(0x80 | (key & 0x3F));
        return 3;
    }
    if (key >= 0x110000)
        return 0;
    out[0] = (char)(0xF0 | key >> 18);
    out[1] = (char)(0x80 | (key >> 12 & 0x3F));
    out[2] = (char)(0x80 | (key >> 6 & 0x3F));
    out[3] = (char)(0x80 | (key & 0x3F));
    return 4;
}
