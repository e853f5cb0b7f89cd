/* The transactions: a list with a search form, and the export of what was searched for. The form
 * works on a copy and hands it over when everything in it is right; the export asks for one piece
 * after the other, writes each to the file that the user named, and can be cancelled. */
#include "bankterm/screens/history.h"

#include "bankterm/app.h"
#include "bankterm/keys.h"
#include "bankterm/screens/pick.h"
#include "bankterm/screens/rows.h"
#include "bankterm/screens/screens.h"
#include "bankterm/screens/subject.h"
#include "bankterm/widgets/chart.h"
#include "bankterm/widgets/form.h"
#include "common/clock.h"
#include "common/money.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void criteria_ask(const struct criteria *criteria, struct msg_transaction_query *query)
{
    if (criteria->has_account)
        MSG_SET(query, transaction_query, account_id, criteria->account);
    if (criteria->has_from)
        MSG_SET(query, transaction_query, from, criteria->from);
    if (criteria->has_to)
        MSG_SET(query, transaction_query, to, criteria->to);
    if (criteria->type != 0)
        MSG_SET(query, transaction_query, type, criteria->type);
    if (criteria->status != 0)
        MSG_SET(query, transaction_query, status, criteria->status);
    if (criteria->has_min)
        MSG_SET(query, transaction_query, amount_min, criteria->min);
    if (criteria->has_max)
        MSG_SET(query, transaction_query, amount_max, criteria->max);
    if (criteria->currency[0] != '\0')
        MSG_SET(query, transaction_query, currency, slice_from(criteria->currency));
    if (criteria->flagged != 0)
        MSG_SET(query, transaction_query, flagged, criteria->flagged == 1);
    if (criteria->search[0] != '\0')
        MSG_SET(query, transaction_query, search, slice_from(criteria->search));
}

/* Text that grows by parts with commas between; what does not fit is left out. */
struct parts {
    char  *out;
    size_t size;
    size_t n;
};

static void add_part(struct parts *parts, const char *name, const char *value)
{
    int n = snprintf(parts->out + parts->n, parts->size - parts->n, "%s%s%s",
                     parts->n > 0 ? ", " : "", name, value);
    if (n > 0 && parts->n + (size_t)n < parts->size)
        parts->n += (size_t)n;
}

const char *criteria_text(const struct criteria *criteria, char *out, size_t size)
{
    struct parts parts = { out, size, 0 };
    uint8_t      exponent = currency_exponent(slice_from(criteria->currency));
    char         text[LIMIT_SEARCH_MAX + 8];
    out[0] = '\0';
    if (criteria->has_account)
        add_part(&parts, "", criteria->account_name);
    if (criteria->has_from)
        add_part(&parts, "from ", show_day(criteria->from, text, sizeof text));
    if (criteria->has_to)
        add_part(&parts, "to ", show_day(criteria->to - 1, text, sizeof text));
    if (criteria->type != 0)
        add_part(&parts, "", enum_text(&enum_transaction_type, criteria->type));
    if (criteria->status != 0)
        add_part(&parts, "", enum_text(&enum_transaction_status, criteria->status));
    if (criteria->has_min)
        add_part(&parts, "at least ", show_money(criteria->min, exponent, text, sizeof text));
    if (criteria->has_max)
        add_part(&parts, "at most ", show_money(criteria->max, exponent, text, sizeof text));
    if (criteria->currency[0] != '\0')
        add_part(&parts, "", criteria->currency);
    if (criteria->flagged != 0)
        add_part(&parts, "", criteria->flagged == 1 ? "flagged" : "not flagged");
    if (criteria->search[0] != '\0') {
        snprintf(text, sizeof text, "\"%s\"", criteria->search);
        add_part(&parts, "", text);
    }
    return out;
}

/* --- the list ------------------------------------------------------------------------------ */

static struct history *history_of(struct screen *screen)
{
    return (struct history *)screen;
}

static void query_history(const struct screen *screen, void *body)
{
    criteria_ask(&((const struct history *)screen)->criteria, body);
}

/* The argument is a text to search for, or an account's id with its name behind it. */
static void history_open(struct screen *screen, const char *argument)
{
    struct history  *history = history_of(screen);
    struct criteria *criteria = &history->criteria;
    list_init(&history->base.list, OP_INDEX_transaction_list, rows_transaction,
              rows_transaction_count, query_history);
    struct slice rest = slice_from(argument);
    struct slice id;
    if (key_next(&rest, &id) && uuid_parse(id.at, id.n, &criteria->account) == ERR_none) {
        criteria->has_account = true;
        show_id(&criteria->account, criteria->account_name, sizeof criteria->account_name);
        if (rest.n > 1)
            slice_copy(slice_of(rest.at + 1, rest.n - 1), criteria->account_name,
                       sizeof criteria->account_name);
    } else {
        snprintf(criteria->search, sizeof criteria->search, "%.*s", LIMIT_SEARCH_MAX, argument);
    }
    list_screen_refresh(screen);
}

static void history_event(struct screen *screen, const struct net_result *result)
{
    struct history *history = history_of(screen);
    if (result->kind == NET_EVENT && history->base.list.fetch.ticket == 0)
        list_freshen(screen, &history->base.list);
}

static bool history_act(struct screen *screen, enum action action, const char *argument)
{
    struct history               *history = history_of(screen);
    const struct msg_transaction *tx = table_selected(&history->base.list.table);
    switch ((int)action) {
    case ACTION_search:
        app_push(screen->app, &screen_search, "");
        return true;
    case ACTION_clear:
        history->criteria = (struct criteria){ 0 };
        list_restart(screen, &history->base.list);
        return true;
    case ACTION_export:
        app_push(screen->app, &screen_export, argument);
        return true;
    default:
        break;
    }
    if (transaction_act(screen->app, tx, action))
        return true;
    return list_act(screen, &history->base.list, action, argument);
}

static bool history_can(const struct screen *screen, enum action action)
{
    const struct history *history = (const struct history *)screen;
    char                  text[256];
    if (action == ACTION_clear)
        return criteria_text(&history->criteria, text, sizeof text)[0] != '\0';
    return transaction_can(table_selected(&history->base.list.table), action);
}

static void history_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    struct history *history = history_of(screen);
    char            text[256];
    char            title[300];
    criteria_text(&history->criteria, text, sizeof text);
    snprintf(title, sizeof title, "Transactions%s%s", text[0] != '\0' ? ": " : "", text);
    int most = rect.w - 34;
    if ((int)strlen(title) > most && most > 8)
        snprintf(title + most - 4, 5, " ...");
    list_draw(&history->base.list, canvas, rect, title, true);
}

const struct screen_ops screen_history = {
    .name = "transactions",
    .title = "Transactions",
    .size = sizeof(struct history),
    .places = IN_ANY | IN_TABLE | IN_HISTORY | IN_TRANSACTION,
    .open = history_open,
    .close = list_screen_close,
    .shown = list_screen_shown,
    .refresh = list_screen_refresh,
    .result = list_screen_result,
    .event = history_event,
    .act = history_act,
    .can = history_can,
    .click = list_screen_click,
    .draw = history_draw,
    .table = list_screen_table,
};

/* --- the search form ------------------------------------------------------------------------ */

static const struct enum_value flagged_values[] = {
    { 1, "flagged", "Only flagged transactions" },
    { 2, "not flagged", "Only transactions that are not flagged" },
};

static const struct enum_desc enum_flagged = { "flagged", "Whether it is flagged", flagged_values,
                                               2 };

struct search {
    struct screen screen;
    struct form   form;
    struct pick   pick;
};

static struct history *history_below(const struct screen *screen)
{
    struct screen *below = app_below(screen->app, screen);
    return below != NULL && below->ops == &screen_history ? history_of(below) : NULL;
}

static void set_date(struct form_field *field, bool has, int64_t at)
{
    char text[TIME_TEXT_MAX];
    if (has)
        form_set(field, time_text_day(at, text));
}

static void set_amount(struct form_field *field, bool has, int64_t amount, uint8_t exponent)
{
    char text[MONEY_TEXT_MAX];
    if (has)
        form_set(field, money_text(amount, exponent, text));
}

static void search_open(struct screen *screen, const char *argument)
{
    struct search        *search = (struct search *)screen;
    struct form          *form = &search->form;
    const struct history *history = history_below(screen);
    (void)argument;
    search->pick.field = "account_id";
    form_add(form, "search", "Text or id", FORM_TEXT, LIMIT_SEARCH_MAX,
             "An id, or part of the description, the counterparty or the external id");
    form_add(form, "account_id", "Account", FORM_TEXT, LIMIT_SEARCH_MAX,
             "Type part of the name, the holder or the id");
    form_add(form, "from", "From", FORM_DATE, 20, "YYYY-MM-DD, UTC");
    form_add(form, "to", "To", FORM_DATE, 20, "YYYY-MM-DD, UTC; this day is in it");
    form_add_choice(form, "type", "Type", &enum_transaction_type,
                    "Left, Right or the first letter; Backspace for any");
    form_add_choice(form, "status", "Status", &enum_transaction_status,
                    "Left, Right or the first letter; Backspace for any");
    form_add_choice(form, "flagged", "Flag", &enum_flagged, "Left, Right; Backspace for any");
    form_add(form, "amount_min", "At least", FORM_AMOUNT, MONEY_TEXT_MAX - 1, "Such as 1000.00");
    form_add(form, "amount_max", "At most", FORM_AMOUNT, MONEY_TEXT_MAX - 1, "Such as 5000.00");
    form_add(form, "currency", "Currency", FORM_TEXT, 3, "Such as USD");
    if (history == NULL)
        return;
    const struct criteria *now = &history->criteria;
    uint8_t                exponent = currency_exponent(slice_from(now->currency));
    form_set(form_find(form, "search"), now->search);
    set_date(form_find(form, "from"), now->has_from, now->from);
    set_date(form_find(form, "to"), now->has_to, now->to - 1);
    form_find(form, "type")->number = now->type;
    form_find(form, "status")->number = now->status;
    form_find(form, "flagged")->number = now->flagged;
    set_amount(form_find(form, "amount_min"), now->has_min, now->min, exponent);
    set_amount(form_find(form, "amount_max"), now->has_max, now->max, exponent);
    form_set(form_find(form, "currency"), now->currency);
    if (now->has_account) {
        form_set(form_find(form, "account_id"), now->account_name);
        search->pick.chosen = true;
        search->pick.id = now->account;
        snprintf(search->pick.name, sizeof search->pick.name, "%s", now->account_name);
    }
}

static void search_close(struct screen *screen)
{
    pick_free(&((struct search *)screen)->pick);
}

static bool parse_date(struct form_field *field, bool *has, int64_t *at)
{
    *has = field->n > 0;
    if (field->n == 0 || time_parse(field->value, field->n, at) == ERR_none)
        return true;
    snprintf(field->error, sizeof field->error, "A date such as 2026-11-22");
    return false;
}

static bool parse_amount(struct form_field *field, uint8_t exponent, bool *has, int64_t *amount)
{
    *has = field->n > 0;
    if (field->n == 0 ||
        (money_parse(field->value, field->n, exponent, '.', amount) == ERR_none && *amount >= 0))
        return true;
    snprintf(field->error, sizeof field->error, "An amount such as 1000.00");
    return false;
}

static bool parse_account(struct search *search, struct criteria *out)
{
    struct form_field *field = form_find(&search->form, "account_id");
    pick_only(&search->pick, field);
    out->has_account = field->n > 0;
    if (field->n > 0 && !search->pick.chosen) {
        snprintf(field->error, sizeof field->error, "Choose one of the matching accounts");
        return false;
    }
    out->account = search->pick.id;
    snprintf(out->account_name, sizeof out->account_name, "%s", search->pick.name);
    return true;
}

static bool parse_criteria(struct search *search, struct criteria *out)
{
    struct form       *form = &search->form;
    struct form_field *currency = form_find(form, "currency");
    bool               good = parse_account(search, out);
    if (currency->n > 0 && currency_by_code(currency->value, currency->n) == NULL) {
        snprintf(currency->error, sizeof currency->error, "Not a currency of this bank");
        good = false;
    }
    snprintf(out->currency, sizeof out->currency, "%.3s", currency->value);
    uint8_t exponent = currency_exponent(slice_from(out->currency));
    good &= parse_date(form_find(form, "from"), &out->has_from, &out->from);
    good &= parse_date(form_find(form, "to"), &out->has_to, &out->to);
    if (out->has_to && out->to % US_PER_DAY == 0)
        out->to += US_PER_DAY; /* the day that was named is in it */
    good &= parse_amount(form_find(form, "amount_min"), exponent, &out->has_min, &out->min);
    good &= parse_amount(form_find(form, "amount_max"), exponent, &out->has_max, &out->max);
    if (good && out->has_from && out->has_to && out->to <= out->from) {
        snprintf(form_find(form, "to")->error, LIMIT_REASON_MAX, "Before the first day");
        good = false;
    }
    if (good && out->has_min && out->has_max && out->max < out->min) {
        snprintf(form_find(form, "amount_max")->error, LIMIT_REASON_MAX, "Less than the least");
        good = false;
    }
    out->type = form_find(form, "type")->number;
    out->status = form_find(form, "status")->number;
    out->flagged = form_find(form, "flagged")->number;
    snprintf(out->search, sizeof out->search, "%.*s", LIMIT_SEARCH_MAX,
             form_find(form, "search")->value);
    return good;
}

static void run_search(struct search *search)
{
    struct criteria criteria = { 0 };
    struct history *history = history_below(&search->screen);
    form_clear_errors(&search->form);
    if (!parse_criteria(search, &criteria))
        return;
    if (history != NULL) {
        history->criteria = criteria;
        list_restart(&history->base.screen, &history->base.list);
    }
    app_pop(search->screen.app, &search->screen);
}

static bool on_account(const struct search *search)
{
    return strcmp(search->form.fields[search->form.focus].name, search->pick.field) == 0;
}

static bool search_key(struct screen *screen, uint32_t key)
{
    struct search     *search = (struct search *)screen;
    struct form_field *field = &search->form.fields[search->form.focus];
    char               before[FORM_VALUE_MAX];
    if (on_account(search) && pick_key(&search->pick, field, key))
        return true;
    if (key == K_ENTER && !(on_account(search) && !search->pick.chosen && field->n > 0)) {
        run_search(search); /* a search changes nothing, so Enter is enough */
        return true;
    }
    snprintf(before, sizeof before, "%s", field->value);
    if (!form_key(&search->form, key))
        return false;
    if (on_account(search) && strcmp(before, field->value) != 0)
        pick_typed(screen, &search->pick, field);
    return true;
}

static bool search_paste(struct screen *screen, struct slice text)
{
    struct search *search = (struct search *)screen;
    if (!form_paste(&search->form, text))
        return false;
    if (on_account(search))
        pick_typed(screen, &search->pick, &search->form.fields[search->form.focus]);
    return true;
}

static bool search_act(struct screen *screen, enum action action, const char *argument)
{
    struct search *search = (struct search *)screen;
    (void)argument;
    switch ((int)action) {
    case ACTION_field_next:
        if (!form_next(&search->form))
            search->form.focus = 0;
        return true;
    case ACTION_field_prev:
        form_previous(&search->form);
        return true;
    case ACTION_review:
        run_search(search);
        return true;
    case ACTION_cancel:
        app_pop(screen->app, screen);
        return true;
    default:
        return false;
    }
}

static bool search_can(const struct screen *screen, enum action action)
{
    (void)screen;
    return action != ACTION_review && action != ACTION_field_next;
}

static void search_result(struct screen *screen, const struct net_result *result)
{
    struct search *search = (struct search *)screen;
    pick_take(screen, &search->pick, form_find(&search->form, "account_id"), on_account(search),
              result);
}

static void search_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    struct search           *search = (struct search *)screen;
    const struct form_field *field = &search->form.fields[search->form.focus];
    int                      y;
    canvas_rule(canvas, rect.x, rect.y, rect.w, "Search transactions",
                "Enter searches, Tab next field, Esc leaves");
    y = rect.y + 1 +
        form_draw(&search->form, canvas,
                  (struct rect){ rect.x + 2, rect.y + 1, rect.w - 4, rect.h - 1 });
    canvas_paragraph(canvas, (struct rect){ rect.x + 18, y, rect.w - 20, 2 }, STYLE_DIM,
                     slice_from(field->help));
    if (on_account(search) && !search->pick.chosen && field->n > 0)
        pick_draw(&search->pick, canvas,
                  (struct rect){ rect.x, y + 1, rect.w, rect.y + rect.h - y - 1 });
}

const struct screen_ops screen_search = {
    .name = "search",
    .title = "Search",
    .size = sizeof(struct search),
    .places = IN_FORM,
    .open = search_open,
    .close = search_close,
    .result = search_result,
    .act = search_act,
    .can = search_can,
    .key = search_key,
    .paste = search_paste,
    .draw = search_draw,
};

/* --- the export ------------------------------------------------------------------------------ */

struct export
{
    struct screen   screen;
    struct form     form;
    struct criteria criteria; /* a copy: the search may change behind it */
    bool            running;
    bool            finished;
    int             file;
    uint64_t        ticket;
    char            path[FORM_VALUE_MAX];
    char            cursor[LIMIT_CURSOR_MAX];
    size_t          cursor_n;
    int64_t         rows;
    int64_t         bytes;
    int64_t         progress; /* hundredths of a percent */
    char            error[LIMIT_DETAIL_MAX];
};

enum { PATH_MAX_BYTES = 400, EXPORT_DEADLINE_MS = 60000, EXPORT_PIECE_ROWS = 500 };

static void export_open(struct screen *screen, const char *argument)
{
    struct export *export = (struct export *)screen;
    const struct history *history = history_below(screen);
    export->file = -1;
    if (history != NULL)
        export->criteria = history->criteria;
    struct form_field *field = form_add(&export->form, "file", "File", FORM_TEXT, PATH_MAX_BYTES,
                                        "A new file; one that exists is not overwritten");
    field->required = true;
    form_set(field, argument[0] != '\0' ? argument : "transactions.csv");
}

/* What was not finished is taken away again: half a file looks like a whole one. */
static void export_stop(struct export *export)
{
    app_forget(&export->screen, export->ticket);
    export->ticket = 0;
    if (export->file >= 0) {
        close(export->file);
        export->file = -1;
        if (!export->finished)
            unlink(export->path);
    }
    export->running = false;
}

static void export_close(struct screen *screen)
{
    export_stop((struct export *)screen);
}

static void export_fail(struct export *export, const char *text)
{
    snprintf(export->error, sizeof export->error, "%.390s", text);
    export_stop(export);
}

static void ask_piece(struct export *export)
{
    struct fault                 fault = { 0 };
    struct msg_transaction_query query = { 0 };
    criteria_ask(&export->criteria, &query);
    MSG_SET(&query, transaction_query, limit, EXPORT_PIECE_ROWS);
    if (export->cursor_n > 0)
        MSG_SET(&query, transaction_query, cursor, slice_of(export->cursor, export->cursor_n));
    export->ticket =
        app_ask(&export->screen, OP_INDEX_transaction_export, &query, EXPORT_DEADLINE_MS, &fault);
    if (export->ticket == 0)
        export_fail(export, fault.text[0] != '\0' ? fault.text : err_what(fault.err));
}

static void export_start(struct export *export)
{
    form_clear_errors(&export->form);
    if (!form_complete(&export->form))
        return;
    snprintf(export->path, sizeof export->path, "%s", export->form.fields[0].value);
    export->file = open(export->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (export->file < 0) {
        snprintf(export->form.fields[0].error, LIMIT_REASON_MAX, "%s",
                 errno == EEXIST ? "There is such a file already" : strerror(errno));
        return;
    }
    export->running = true;
    export->finished = false;
    export->rows = export->bytes = export->progress = 0;
    export->cursor_n = 0;
    export->error[0] = '\0';
    ask_piece(export);
}

static bool write_all(int file, struct slice bytes)
{
    while (bytes.n > 0) {
        ssize_t n = write(file, bytes.at, bytes.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes = slice_of(bytes.at + n, bytes.n - (size_t)n);
    }
    return true;
}

static void export_finish(struct export *export)
{
    struct app *app = export->screen.app;
    char        rows[32];
    if (fsync(export->file) != 0 && errno != EINVAL) {
        export_fail(export, strerror(errno));
        return;
    }
    export->finished = true;
    show_count(export->rows, rows, sizeof rows);
    app_notice(app, STYLE_GOOD, "%s transactions written to %s", rows, export->path);
    app_pop(app, &export->screen);
}

static void export_result(struct screen *screen, const struct net_result *result)
{
    struct export *export = (struct export *)screen;
    char text[LIMIT_DETAIL_MAX];
    if (result->ticket != export->ticket)
        return;
    export->ticket = 0;
    if (result->kind == NET_FAILURE) {
        result_text(result, text, sizeof text);
        export_fail(export, text);
        return;
    }
    const struct msg_export_chunk *piece = result->body;
    if (!write_all(export->file, piece->csv)) {
        export_fail(export, strerror(errno));
        return;
    }
    export->rows += piece->rows;
    export->bytes += (int64_t)piece->csv.n;
    export->progress = piece->progress;
    if (!MSG_HAS(piece, export_chunk, next)) {
        export_finish(export);
        return;
    }
    export->cursor_n = piece->next.n < sizeof export->cursor ? piece->next.n : 0;
    memcpy(export->cursor, piece->next.at, export->cursor_n);
    ask_piece(export);
}

static bool export_key(struct screen *screen, uint32_t key)
{
    struct export *export = (struct export *)screen;
    if (key == K_ESC) {
        if (export->running)
            app_notice(screen->app, STYLE_WARN, "Cancelled; the unfinished file was removed");
        app_pop(screen->app, screen);
    } else if (key == K_ENTER && !export->running) {
        export_start(export);
    } else if (!export->running) {
        form_key(&export->form, key);
    }
    return true;
}

static bool export_paste(struct screen *screen, struct slice text)
{
    struct export *export = (struct export *)screen;
    return !export->running && form_paste(&export->form, text);
}

static void export_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    struct export *export = (struct export *)screen;
    int         w = rect.w < 76 ? rect.w : 76;
    struct rect box = { rect.x + (rect.w - w) / 2, rect.y + rect.h / 2 - 5, w, 10 };
    struct rect in = canvas_box(canvas, box, STYLE_RULE, "Export as CSV");
    char        text[256];
    char        rows[32];
    criteria_text(&export->criteria, text, sizeof text);
    canvas_string(canvas, in.x, in.y, 15, STYLE_LABEL, "Which");
    canvas_string(canvas, in.x + 16, in.y, in.w - 16, STYLE_TEXT,
                  text[0] != '\0' ? text : "all transactions");
    if (!export->running) {
        int used =
            form_draw(&export->form, canvas, (struct rect){ in.x, in.y + 2, in.w, in.h - 2 });
        canvas_string(canvas, in.x, in.y + 3 + used, in.w, STYLE_DIM,
                      "Enter starts, Esc leaves. A file that exists is not overwritten.");
        canvas_paragraph(canvas, (struct rect){ in.x, in.y + 4 + used, in.w, 2 }, STYLE_BAD,
                         slice_from(export->error));
        return;
    }
    show_count(export->rows, rows, sizeof rows);
    canvas_string(canvas, in.x, in.y + 2, in.w, STYLE_TEXT, export->path);
    bar_draw(canvas, in.x, in.y + 4, in.w - 8, STYLE_CHART, export->progress, 10000);
    canvas_print(canvas, in.x + in.w - 7, in.y + 4, 7, STYLE_VALUE, "%5d%%",
                 (int)(export->progress / 100));
    canvas_print(canvas, in.x, in.y + 5, in.w, STYLE_TEXT, "%s rows, %lld KiB. Esc cancels.", rows,
                 (long long)(export->bytes / 1024));
}

const struct screen_ops screen_export = {
    .name = "export",
    .title = "Export",
    .size = sizeof(struct export),
    .places = IN_PROMPT,
    .modal = true,
    .open = export_open,
    .close = export_close,
    .result = export_result,
    .key = export_key,
    .paste = export_paste,
    .draw = export_draw,
};
