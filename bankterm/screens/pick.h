/* An account that is named by typing part of its name, holder or id: the server is asked while the
 * user types, the matches stand below the form, and one of them is chosen. What is chosen is a
 * copy; typing on gives it up. */
#ifndef BANKTERM_SCREENS_PICK_H
#define BANKTERM_SCREENS_PICK_H

#include "bankterm/screen.h"
#include "bankterm/widgets/form.h"

struct pick {
    struct fetch fetch;
    const char  *field; /* of the form */
    bool         chosen;
    int          at; /* highlighted match */
    char         asked[LIMIT_SEARCH_MAX + 1];
    struct uuid  id;
    char         name[LIMIT_NAME_MAX + 1];
    char         holder[LIMIT_NAME_MAX + 1];
    char         currency[4];
    int64_t      available;
    int32_t      status;
};

void pick_free(struct pick *pick);
/* The field's text has changed: looks for it. */
void pick_typed(struct screen *screen, struct pick *pick, struct form_field *field);
/* An account that is known already, by its id. */
void pick_given(struct screen *screen, struct pick *pick, struct form_field *field,
                const char *id);
bool pick_take(struct screen *screen, struct pick *pick, struct form_field *field, bool focused,
               const struct net_result *result);
/* Moves between and chooses matches; true: taken. */
bool pick_key(struct pick *pick, struct form_field *field, uint32_t key);
/* The only match, if there is one and nothing was chosen yet. */
void pick_only(struct pick *pick, struct form_field *field);
int  pick_count(const struct pick *pick);
void pick_draw(const struct pick *pick, struct canvas *canvas, struct rect rect);

#endif
