/* One question in flight: when its answer comes and the text is another by then, the next is
 * asked. Answers to what was typed before never choose anything. */
#include "bankterm/screens/pick.h"

#include "bankterm/app.h"
#include "bankterm/screens/rows.h"
#include "bankterm/screens/screens.h"

#include <stdio.h>
#include <string.h>

enum { MATCHES_MAX = 6, ONE_LINE_WIDTH = 110 };

void pick_free(struct pick *pick)
{
    fetch_free(&pick->fetch);
}

int pick_count(const struct pick *pick)
{
    const struct msg_account_page *page = FETCHED(&pick->fetch, account_page);
    return page != NULL && !pick->chosen ? (int)page->items.count : 0;
}

static void ask(struct screen *screen, struct pick *pick, const char *text)
{
    struct msg_account_query query = { 0 };
    snprintf(pick->asked, sizeof pick->asked, "%s", text);
    MSG_SET(&query, account_query, search, slice_from(pick->asked));
    MSG_SET(&query, account_query, kind, ACCOUNT_CUSTOMER);
    MSG_SET(&query, account_query, limit, MATCHES_MAX);
    fetch_ask(screen, &pick->fetch, OP_INDEX_account_list, &query);
}

void pick_typed(struct screen *screen, struct pick *pick, struct form_field *field)
{
    char text[LIMIT_SEARCH_MAX + 1];
    pick->chosen = false;
    pick->at = 0;
    field->note[0] = '\0';
    slice_copy(slice_of(field->value, field->n), text, sizeof text);
    if (text[0] == '\0')
        record_free(&pick->fetch.record);
    else if (pick->fetch.ticket != 0)
        pick->fetch.again = true;
    else
        ask(screen, pick, text);
}

void pick_given(struct screen *screen, struct pick *pick, struct form_field *field, const char *id)
{
    form_set(field, id);
    pick_typed(screen, pick, field);
}

static void choose(struct pick *pick, struct form_field *field, const struct msg_account *account)
{
    char balance[64];
    pick->chosen = true;
    pick->id = account->account_id;
    pick->available = account->available;
    pick->status = account->status;
    slice_copy(account->name, pick->name, sizeof pick->name);
    slice_copy(account->holder, pick->holder, sizeof pick->holder);
    slice_copy(account->currency, pick->currency, sizeof pick->currency);
    form_set(field, pick->name);
    field->error[0] = '\0';
    show_sum(pick->available, account->currency, balance, sizeof balance);
    snprintf(field->note, sizeof field->note, "%s available%s%s", balance,
             pick->status != ACCOUNT_ACTIVE ? ", " : "",
             pick->status != ACCOUNT_ACTIVE ? enum_text(&enum_account_status, pick->status) : "");
}

void pick_only(struct pick *pick, struct form_field *field)
{
    const struct msg_account_page *page = FETCHED(&pick->fetch, account_page);
    bool                           current = strcmp(pick->asked, field->value) == 0;
    if (!pick->chosen && page != NULL && current && page->items.count == 1 &&
        pick->fetch.ticket == 0)
        choose(pick, field, &page->items.at[0]);
}

bool pick_take(struct screen *screen, struct pick *pick, struct form_field *field, bool focused,
               const struct net_result *result)
{
    struct uuid id;
    if (!fetch_take(&pick->fetch, result))
        return false;
    if (fetch_again(&pick->fetch) && !pick->chosen) {
        pick_typed(screen, pick, field);
        return true;
    }
    bool whole = uuid_parse(field->value, field->n, &id) == ERR_none;
    if (!pick->fetch.failed && (whole || !focused))
        pick_only(pick, field);
    if (pick->fetch.failed)
        snprintf(field->error, sizeof field->error, "%.180s", pick->fetch.error);
    return true;
}

bool pick_key(struct pick *pick, struct form_field *field, uint32_t key)
{
    const struct msg_account_page *page = FETCHED(&pick->fetch, account_page);
    int                            count = pick_count(pick);
    if (count == 0 || page == NULL)
        return false;
    if (key == K_UP && pick->at > 0) {
        pick->at--;
        return true;
    }
    if (key == K_DOWN && pick->at + 1 < count) {
        pick->at++;
        return true;
    }
    if ((key == K_ENTER || key == K_TAB) && pick->fetch.ticket == 0) {
        choose(pick, field, &page->items.at[pick->at < count ? pick->at : 0]);
        return false; /* and on to the next field */
    }
    return false;
}

/* Name, money and state of a match in one line; the holder and the id beside them where the window
 * is wide, else in a second line, so that a name is whole at 80 columns. */
static void draw_match(const struct msg_account *account, struct canvas *canvas, struct rect rect)
{
    char id[UUID_TEXT_MAX];
    char balance[64];
    int  end = rect.x + rect.w;
    int  name = rect.h == 1 ? (rect.w - 50) / 2 : rect.w - 38;
    show_sum(account->available, account->currency, balance, sizeof balance);
    canvas_text(canvas, rect.x + 2, rect.y, name, STYLE_TEXT, account->name);
    canvas_string(canvas, end - 9, rect.y, 8, style_of_account(account->status),
                  enum_text(&enum_account_status, account->status));
    if (rect.h == 1) {
        canvas_text(canvas, rect.x + 3 + name, rect.y, name, STYLE_DIM, account->holder);
        canvas_right(canvas, end - 46, rect.y, 22, STYLE_TEXT, balance);
        canvas_string(canvas, end - 22, rect.y, 11, STYLE_DIM,
                      show_id(&account->account_id, id, sizeof id));
        return;
    }
    canvas_right(canvas, end - 34, rect.y, 23, STYLE_TEXT, balance);
    canvas_text(canvas, rect.x + 4, rect.y + 1, rect.w - 44, STYLE_DIM, account->holder);
    canvas_string(canvas, end - 37, rect.y + 1, 36, STYLE_DIM, uuid_text(&account->account_id, id));
}

void pick_draw(const struct pick *pick, struct canvas *canvas, struct rect rect)
{
    const struct msg_account_page *page = FETCHED(&pick->fetch, account_page);
    int                            count = pick_count(pick);
    int                            lines = rect.w >= ONE_LINE_WIDTH ? 1 : 2;
    int                            shown = (rect.h - 1) / lines;
    int first = shown > 0 && pick->at >= shown ? pick->at - shown + 1 : 0;
    canvas_rule(canvas, rect.x, rect.y, rect.w, "Matching accounts",
                count > 0 ? "Up, Down choose; Enter takes" : "");
    if (count == 0 && pick->asked[0] != '\0' && !pick->chosen)
        canvas_string(canvas, rect.x + 2, rect.y + 1, rect.w - 2, STYLE_DIM,
                      pick->fetch.ticket != 0 ? "Looking ..." : "No account matches.");
    for (int i = first; i < count && i < first + shown; i++) {
        struct rect line = { rect.x, rect.y + 1 + (i - first) * lines, rect.w, lines };
        draw_match(&page->items.at[i], canvas, line);
        if (i == pick->at) {
            canvas_restyle(canvas, line, STYLE_SELECTED);
            canvas_glyph(canvas, line.x, line.y, STYLE_SELECTED, GLYPH_POINTER);
        }
    }
}
