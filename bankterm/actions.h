/* The table of actions as C: what a user can ask for, by which key, where, and who may. */
#ifndef BANKTERM_ACTIONS_H
#define BANKTERM_ACTIONS_H

#include "bankterm/keys.h"
#include "proto/proto.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a screen is good for; a screen is in several places at once. Text entry (IN_FORM, IN_LOGIN)
 * never mixes with places whose actions have letters as keys. */
enum place {
    IN_ANY = 1 << 0,
    IN_TABLE = 1 << 1,
    IN_TEXT = 1 << 2,
    IN_PANELS = 1 << 3,
    IN_PERIOD = 1 << 4,
    IN_HISTORY = 1 << 5,
    IN_TRANSACTION = 1 << 6,
    IN_ALERT = 1 << 7,
    IN_ALERTS = 1 << 8,
    IN_ACCOUNT = 1 << 9,
    IN_ACCOUNTS = 1 << 10,
    IN_CUSTOMER = 1 << 11,
    IN_AUDIT = 1 << 12,
    IN_DETAIL = 1 << 13,
    IN_FORM = 1 << 14,
    IN_REVIEW = 1 << 15,
    IN_LOGIN = 1 << 16,
    IN_PROMPT = 1 << 17, /* takes all keys itself */
    IN_ALERT_FULL = 1 << 18,
    IN_RULES = 1 << 19,
    IN_CONTROLS = 1 << 20,
    IN_GUARDS = 1 << 21,
    IN_SPARED = 1 << 22,
    IN_NOTICES = 1 << 23,
    IN_CASE = 1 << 24,
    IN_CASES = 1 << 25,
    IN_ONE_CASE = 1 << 26,
    IN_ENTRY = 1 << 27,
};

enum action_flag {
    ACT_WRITE = 1 << 8,
    ACT_DANGER = 1 << 9,
    ACT_GO = 1 << 10,
};

#define ACT_BAR(n)   (n)
#define ACT_BAR_MASK 0xFFu

/* Every role at once, to ask what a key would mean to anybody. */
#define ROLE_EVERY ((enum role) ~0u)

enum action {
#define ACTION(name, keys, places, op, flags, label, arguments, help) ACTION_##name,
#include "bankterm/actions.def"
#undef ACTION
    ACTION_count,
    ACTION_none = ACTION_count
};

enum { NO_OP = -1 };

struct action_row {
    const char *name;
    const char *keys;
    unsigned    places;
    int         op; /* enum op_index or NO_OP */
    unsigned    flags;
    const char *label;
    const char *arguments;
    const char *help;
};

enum { ACTION_KEYS_MAX = 48 };

/* The row as it stands in the table; its keys may have been changed by the user. */
const struct action_row *action_row(enum action action);
/* The keys that the action has now. */
const char *action_keys(enum action action);
/* The first of them, or its name behind a colon when it has none. */
const char *action_key(enum action action, char out[KEY_NAME_MAX]);
bool        action_is_bound(enum action action); /* by the user */
/* Gives it other keys, at most ACTION_KEYS_MAX - 1 bytes of names; keymap.h checks them first. */
void action_bind(enum action action, const char *keys);
void action_unbind_all(void);
bool action_allowed(enum action action, enum role role);
/* What the key means in these places for this role; ACTION_none when nothing. */
enum action action_of_key(uint32_t key, unsigned places, enum role role);
enum action action_of_name(struct slice name); /* ACTION_none when there is no such action */

#endif
