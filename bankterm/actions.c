/* Looks actions up by key and by name. Rights are those of the operation behind the action, so
 * that the console offers exactly what the server would not refuse. */
#include "bankterm/actions.h"

#include "bankterm/keys.h"

#include <stdio.h>
#include <string.h>

static const struct action_row rows[ACTION_count] = {
#define ACTION(name, keys, places, op, flags, label, arguments, help)                              \
    [ACTION_##name] = { #name, keys, places, op, flags, label, arguments, help },
#include "bankterm/actions.def"
#undef ACTION
};

const struct action_row *action_row(enum action action)
{
    return &rows[action];
}

static char own[ACTION_count][ACTION_KEYS_MAX]; /* of the user, where bound says so */
static bool bound[ACTION_count];

const char *action_keys(enum action action)
{
    return bound[action] ? own[action] : rows[action].keys;
}

const char *action_key(enum action action, char out[KEY_NAME_MAX])
{
    struct slice keys = slice_from(action_keys(action));
    struct slice name;
    if (!key_next(&keys, &name))
        snprintf(out, KEY_NAME_MAX, ":%.14s", rows[action].name);
    else
        slice_copy(name, out, KEY_NAME_MAX);
    return out;
}

bool action_is_bound(enum action action)
{
    return bound[action];
}

void action_bind(enum action action, const char *keys)
{
    snprintf(own[action], sizeof own[action], "%s", keys);
    bound[action] = true;
}

void action_unbind_all(void)
{
    memset(bound, 0, sizeof bound);
}

bool action_allowed(enum action action, enum role role)
{
    int op = rows[action].op;
    return op == NO_OP || (op_rows[op].roles & (uint32_t)role) != 0;
}

enum action action_of_key(uint32_t key, unsigned places, enum role role)
{
    for (int i = 0; i < ACTION_count; i++) {
        enum action action = (enum action)i;
        if ((rows[i].places & places) == 0 || !action_allowed(action, role))
            continue;
        struct slice keys = slice_from(action_keys(action));
        struct slice name;
        while (key_next(&keys, &name)) {
            if (key_from_name(name) == key)
                return action;
        }
    }
    return ACTION_none;
}

enum action action_of_name(struct slice name)
{
    for (int i = 0; i < ACTION_count; i++) {
        if (slice_is(name, rows[i].name))
            return (enum action)i;
    }
    return ACTION_none;
}
