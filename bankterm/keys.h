/* Keys as numbers: a character is its code point, Ctrl-A is 1, what has no character stands
 * behind the last code point. Names are those of actions.def: "a", "Ctrl-L", "F2", "PgUp". */
#ifndef BANKTERM_KEYS_H
#define BANKTERM_KEYS_H

#include "common/buf.h"

#include <stdbool.h>
#include <stdint.h>

enum key_code {
    K_NONE = 0,
    K_TAB = 9,
    K_ENTER = 13,
    K_ESC = 27,
    K_SPACE = 32,
    K_BACKSPACE = 127,
    K_UP = 0x110000,
    K_DOWN,
    K_LEFT,
    K_RIGHT,
    K_HOME,
    K_END,
    K_PAGE_UP,
    K_PAGE_DOWN,
    K_INSERT,
    K_DELETE,
    K_BACK_TAB,
    K_F1,
    K_F12 = K_F1 + 11,
};

enum { KEY_NAME_MAX = 16 };

#define KEY_CTRL(letter) ((uint32_t)(letter)&0x1Fu)

/* 0 when there is no such key. */
uint32_t key_from_name(struct slice name);
/* Returns out. */
const char *key_label(uint32_t key, char out[KEY_NAME_MAX]);
/* The next of the names between blanks; false at the end. */
bool key_next(struct slice *names, struct slice *name);
/* Whether the key types a character. */
bool key_is_text(uint32_t key);
/* UTF-8 of a character; returns its bytes, at most 4. */
size_t key_utf8(uint32_t key, char out[4]);

#endif
