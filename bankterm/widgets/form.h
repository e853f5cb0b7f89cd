/* Fields that a user fills in. The form knows characters, cursor and fields; what the values mean
 * is its screen's business.
 *
 * Pasted text goes into the field under the cursor without control characters, so that a line end
 * in it submits nothing. Secrets are drawn as dots and wiped when the form goes. */
#ifndef BANKTERM_WIDGETS_FORM_H
#define BANKTERM_WIDGETS_FORM_H

#include "bankterm/canvas.h"
#include "proto/proto.h"

#include <stdbool.h>

enum { FORM_FIELDS_MAX = 12, FORM_VALUE_MAX = 520 };

enum form_kind { FORM_TEXT, FORM_SECRET, FORM_AMOUNT, FORM_DATE, FORM_CHOICE };

struct form_field {
    const char             *name;
    const char             *label;
    const char             *help;
    enum form_kind          kind;
    bool                    required;
    size_t                  max;    /* bytes */
    const struct enum_desc *choice; /* FORM_CHOICE: a value, or 0 for any when not required */
    int32_t                 number;
    char                    value[FORM_VALUE_MAX];
    size_t                  n;
    size_t                  cursor; /* byte */
    char                    error[LIMIT_REASON_MAX];
    char                    note[LIMIT_REASON_MAX]; /* beside the value, such as a name */
};

struct form {
    struct form_field fields[FORM_FIELDS_MAX];
    int               count;
    int               focus;
};

struct form_field *form_add(struct form *form, const char *name, const char *label,
                            enum form_kind kind, size_t max, const char *help);
struct form_field *form_add_choice(struct form *form, const char *name, const char *label,
                                   const struct enum_desc *choice, const char *help);
struct form_field *form_find(struct form *form, const char *name); /* NULL when unknown */
void               form_wipe(struct form *form);
void               form_set(struct form_field *field, const char *value);
/* Editing keys and characters; true: taken. */
bool form_key(struct form *form, uint32_t key);
bool form_paste(struct form *form, struct slice text);
/* To the next field; false when that was the last one. */
bool form_next(struct form *form);
void form_previous(struct form *form);
/* Marks empty required fields and goes to the first; true when there is none. */
bool form_complete(struct form *form);
void form_clear_errors(struct form *form);
/* One line a field, two when it has an error; returns the lines used. */
int form_draw(const struct form *form, struct canvas *canvas, struct rect rect);
/* What a choice says, "any" for none. */
const char *form_choice(const struct form_field *field);

#endif
