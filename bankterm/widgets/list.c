/* Pages are kept as the replies they came in, and rows are pointers into them. The rows of a reply
 * are its first list, and a field `next` tells that there are more; that is all that is known of
 * them here. */
#include "bankterm/widgets/list.h"

#include "bankterm/app.h"
#include "common/check.h"

#include <stdio.h>
#include <string.h>

enum { QUERY_MAX = 1024 };

/* The field that holds the rows. */
static int rows_field(const struct message_desc *page)
{
    int field = 0;
    while ((size_t)field + 1 < page->count && page->fields[field].type != FIELD_LIST)
        field++;
    return field;
}

void list_init(struct list *list, enum op_index op, const struct column *columns, int count,
               void (*query)(const struct screen *, void *))
{
    const struct message_desc *page = op_rows[op].reply;
    CHECK(op_rows[op].request->size <= QUERY_MAX);
    memset(list, 0, sizeof *list);
    list->op = op;
    list->query = query;
    list->limit = LIST_PAGE_ROWS;
    list->total = -1;
    table_init(&list->table, columns, count, page->fields[rows_field(page)].item);
}

static void drop_pages(struct list *list)
{
    for (int i = 0; i < list->page_count; i++)
        record_free(&list->pages[i]);
    list->page_count = 0;
    list->row_count = 0;
}

void list_free(struct list *list)
{
    drop_pages(list);
    table_free(&list->table);
    fetch_free(&list->fetch);
}

static struct slice next_cursor(const struct list *list)
{
    struct slice cursor = { 0 };
    if (list->page_count == 0)
        return cursor;
    const struct record *last = &list->pages[list->page_count - 1];
    int                  field = message_field(last->desc, "next");
    if (field >= 0 && message_has(last->body, field))
        memcpy(&cursor, message_at(last->desc, last->body, field), sizeof cursor);
    return cursor;
}

bool list_has_more(const struct list *list)
{
    return next_cursor(list).n > 0;
}

/* Whether another page has no room beside those that are kept. */
static bool is_full(const struct list *list)
{
    return list->page_count == LIST_PAGES_MAX || list->row_count + list->limit > LIST_ROWS_MAX;
}

static void ask(struct screen *screen, struct list *list, bool append)
{
    _Alignas(16) char          body[QUERY_MAX] = { 0 };
    const struct message_desc *request = op_rows[list->op].request;
    int64_t                    limit = list->limit;

    list->query(screen, body);
    if (append) {
        struct slice cursor = next_cursor(list);
        if (cursor.n == 0 || is_full(list))
            return;
        message_set_bytes(request, body, "cursor", cursor);
    } else if (list->row_count > limit && list->limit == LIST_PAGE_ROWS) {
        limit = list->row_count < LIMIT_PAGE_ROWS_MAX ? list->row_count : LIMIT_PAGE_ROWS_MAX;
    }
    message_set_int(request, body, "limit", limit);
    if (list->fetch.ticket != 0 && append)
        return;
    if (list->fetch.ticket == 0)
        list->appending = append;
    fetch_ask(screen, &list->fetch, list->op, body);
}

void list_refresh(struct screen *screen, struct list *list)
{
    list->stopped = false;
    if (list->fetch.ticket != 0 && list->appending) {
        app_forget(screen, list->fetch.ticket);
        list->fetch.ticket = 0;
    }
    ask(screen, list, false);
}

void list_freshen(struct screen *screen, struct list *list)
{
    if (list->row_count <= LIMIT_PAGE_ROWS_MAX)
        list_refresh(screen, list);
}

void list_restart(struct screen *screen, struct list *list)
{
    if (list->fetch.ticket != 0) {
        app_forget(screen, list->fetch.ticket);
        list->fetch.ticket = 0;
    }
    drop_pages(list);
    list->fetch.fresh = false;
    table_restart(&list->table);
    if (table_set_rows(&list->table, list->rows, 0) != ERR_none)
        return;
    list_refresh(screen, list);
}

/* The reply that the fetch holds becomes a page. */
static enum err add_page(struct list *list)
{
    struct record *page = &list->fetch.record;
    int            rows = rows_field(page->desc);
    size_t         count;
    const char    *items = message_list(page->desc, page->body, rows, &count);
    size_t         size = page->desc->fields[rows].item->size;
    int            total = message_field(page->desc, "total");
    int            kept = list->row_count;

    if (!list->appending) {
        /* Texts of the old rows are used by nobody once the new rows are in place. */
        drop_pages(list);
        kept = 0;
    }
    if (total >= 0)
        list->total = -1;
    if (total >= 0 && message_has(page->body, total))
        memcpy(&list->total, message_at(page->desc, page->body, total), sizeof list->total);
    for (size_t i = 0; i < count && kept < LIST_ROWS_MAX; i++)
        list->rows[kept++] = items + i * size;
    list->row_count = kept;
    list->pages[list->page_count++] = *page;
    *page = (struct record){ 0 };
    return table_set_rows(&list->table, list->rows, list->row_count);
}

static void continue_short(struct screen *screen, struct list *list)
{
    bool short_page = list->row_count < list->table.height || list->row_count == 0;
    if (short_page && list_has_more(list) && !list->stopped && list->limit == LIST_PAGE_ROWS)
        ask(screen, list, true);
}

bool list_take(struct screen *screen, struct list *list, const struct net_result *result)
{
    if (!fetch_take(&list->fetch, result))
        return false;
    if (list->fetch.record.body != NULL && !list->fetch.failed) {
        if (add_page(list) != ERR_none)
            snprintf(list->fetch.error, sizeof list->fetch.error, "%s", err_what(ERR_memory));
    }
    list->appending = false;
    if (list->fetch.failed && list->row_count > 0 && app_live(screen->app))
        app_notice(screen->app, STYLE_BAD, "%s", list->fetch.error);
    if (fetch_again(&list->fetch))
        ask(screen, list, false);
    else if (!list->fetch.failed)
        continue_short(screen, list);
    return true;
}

bool list_act(struct screen *screen, struct list *list, enum action action, const char *argument)
{
    if (action == ACTION_back && list->table.filter[0] != '\0') {
        table_set_filter(&list->table, "");
        return true;
    }
    if (action == ACTION_back && list->fetch.ticket != 0 && list->appending) {
        app_forget(screen, list->fetch.ticket);
        list->fetch.ticket = 0;
        list->stopped = true;
        return true;
    }
    if (!table_act(&list->table, action, argument))
        return false;
    if (list->table.selected_at + list->table.height >= list->table.view_count &&
        list->limit == LIST_PAGE_ROWS && list->table.filter[0] == '\0') {
        if (list_has_more(list) && is_full(list))
            app_notice(screen->app, STYLE_NOTICE,
                       "There are more, but only %d rows are kept: search for fewer",
                       list->row_count);
        ask(screen, list, true);
    }
    return true;
}

static void draw_nothing(const struct list *list, struct canvas *canvas, struct rect rect)
{
    struct rect text = { rect.x + 2, rect.y + 1, rect.w - 4, rect.h - 1 };
    if (list->fetch.failed)
        canvas_paragraph(canvas, text, STYLE_BAD, slice_from(list->fetch.error));
    else if (list->table.filter[0] != '\0' && list->row_count > 0)
        canvas_print(canvas, text.x, text.y, text.w, STYLE_DIM,
                     "No loaded row has \"%s\". Esc clears the filter.", list->table.filter);
    else if (list->fetch.ticket != 0 || !list->fetch.fresh)
        canvas_string(canvas, text.x, text.y, text.w, STYLE_DIM, "Loading ...");
    else
        canvas_string(canvas, text.x, text.y, text.w, STYLE_DIM, "Nothing to show.");
}

void list_draw(struct list *list, struct canvas *canvas, struct rect rect, const char *title,
               bool focused)
{
    char        position[CELL_TEXT_MAX] = "";
    struct rect body = { rect.x, rect.y + 1, rect.w, rect.h - 1 };
    table_draw(&list->table, canvas, body, focused);
    if (list->fetch.ticket != 0 && list->appending)
        snprintf(position, sizeof position, "%d rows, searching on; Esc stops", list->row_count);
    else if (list->row_count > 0)
        table_position(&list->table, list->total, list_has_more(list), position, sizeof position);
    if (list->fetch.failed && list->row_count > 0) {
        size_t n = strlen(position);
        snprintf(position + n, sizeof position - n, ", ! not refreshed");
    }
    canvas_rule(canvas, rect.x, rect.y, rect.w, title, position);
    if (list->table.view_count == 0)
        draw_nothing(list, canvas, body);
}

/* --- screens of one list -------------------------------------------------------------------- */

static struct list *list_of(struct screen *screen)
{
    return &((struct list_screen *)screen)->list;
}

void list_screen_close(struct screen *screen)
{
    list_free(list_of(screen));
}

void list_screen_refresh(struct screen *screen)
{
    list_refresh(screen, list_of(screen));
}

void list_screen_shown(struct screen *screen)
{
    list_freshen(screen, list_of(screen));
}

void list_screen_result(struct screen *screen, const struct net_result *result)
{
    list_take(screen, list_of(screen), result);
}

struct table *list_screen_table(struct screen *screen)
{
    return &list_of(screen)->table;
}

bool list_screen_click(struct screen *screen, int x, int y)
{
    return table_click(list_screen_table(screen), x, y);
}
