/* Looks actions up by key and by name. Rights are those of the operation behind the action, so
 * that the console offers exactly what the server would not refuse. */
#include "bankterm/actions.h"

#include "bankterm/keys.h"

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
        struct slice keys = slice_from(rows[i].keys);
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
