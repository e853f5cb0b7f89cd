/* The lists of accounts, customers and audit entries: a search, one choice that a key steps
 * through, and the table. */
#include "bankterm/app.h"
#include "bankterm/screens/rows.h"
#include "bankterm/screens/screens.h"
#include "bankterm/screens/subject.h"
#include "bankterm/widgets/list.h"

#include <stdio.h>
#include <string.h>

struct listing {
    struct list_screen base;
    int32_t            choice; /* 0: all */
    bool               of_customer;
    struct uuid        customer;
    char               search[LIMIT_SEARCH_MAX + 1];
};

static struct listing *listing_of(struct screen *screen)
{
    return (struct listing *)screen;
}

static const struct listing *listing_of_const(const struct screen *screen)
{
    return (const struct listing *)screen;
}

static void set_search(struct listing *listing, const char *text)
{
    snprintf(listing->search, sizeof listing->search, "%.*s", LIMIT_SEARCH_MAX, text);
}

/* The next value of a choice, with 0 before the first. */
static int32_t next_choice(const struct enum_desc *desc, int32_t now)
{
    for (size_t i = 0; i < desc->count; i++) {
        if (now == 0 || desc->values[i].number > now)
            return desc->values[i].number;
    }
    return 0;
}

static void step_choice(struct listing *listing, const struct enum_desc *desc)
{
    listing->choice = next_choice(desc, listing->choice);
    list_restart(&listing->base.screen, &listing->base.list);
}

static void listing_draw_titled(struct screen *screen, struct canvas *canvas, struct rect rect,
                                const char *what)
{
    struct listing *listing = listing_of(screen);
    char            title[LIMIT_SEARCH_MAX + 64];
    snprintf(title, sizeof title, "%s%s%s%s", what, listing->search[0] != '\0' ? " with \"" : "",
             listing->search, listing->search[0] != '\0' ? "\"" : "");
    list_draw(&listing->base.list, canvas, rect, title, true);
}

/* --- accounts ------------------------------------------------------------------------------ */

/* What the key steps through. */
static const struct which {
    const char *title;
    int32_t     kind;
    int32_t     status;
} which_accounts[] = {
    { "Customers' accounts", ACCOUNT_CUSTOMER, 0 },
    { "Frozen accounts", 0, ACCOUNT_FROZEN },
    { "Closed accounts", 0, ACCOUNT_CLOSED },
    { "All accounts, the bank's own too", 0, 0 },
};

enum { WHICH_COUNT = sizeof which_accounts / sizeof which_accounts[0] };

static void query_accounts(const struct screen *screen, void *body)
{
    const struct listing     *listing = listing_of_const(screen);
    struct msg_account_query *query = body;
    if (listing->of_customer) {
        MSG_SET(query, account_query, customer_id, listing->customer);
        return;
    }
    const struct which *which = &which_accounts[listing->choice];
    if (which->kind != 0)
        MSG_SET(query, account_query, kind, which->kind);
    if (which->status != 0)
        MSG_SET(query, account_query, status, which->status);
    if (listing->search[0] != '\0')
        MSG_SET(query, account_query, search, slice_from(listing->search));
}

/* The argument is a text to search for, or "customer:" with an id and a name behind it. */
static void accounts_open(struct screen *screen, const char *argument)
{
    static const char prefix[] = "customer:";
    struct listing   *listing = listing_of(screen);
    size_t            n = strlen(argument);
    size_t            skip = sizeof prefix - 1;
    if (n >= skip + 36 && memcmp(argument, prefix, skip) == 0 &&
        uuid_parse(argument + skip, 36, &listing->customer) == ERR_none) {
        listing->of_customer = true;
        argument += skip + 36;
    }
    list_init(&listing->base.list, OP_INDEX_account_list, rows_account, rows_account_count,
              query_accounts);
    set_search(listing, argument);
    list_screen_refresh(screen);
}

static bool accounts_act(struct screen *screen, enum action action, const char *argument)
{
    struct listing           *listing = listing_of(screen);
    const struct msg_account *account = table_selected(&listing->base.list.table);
    if (action == ACTION_kind) {
        listing->of_customer = false;
        listing->choice = (listing->choice + 1) % WHICH_COUNT;
        list_restart(screen, &listing->base.list);
        return true;
    }
    if (argument[0] == '\0' && account_act(screen->app, account, action))
        return true;
    return list_act(screen, &listing->base.list, action, argument);
}

static bool accounts_can(const struct screen *screen, enum action action)
{
    return account_can(table_selected(&listing_of_const(screen)->base.list.table), action);
}

static void accounts_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    struct listing *listing = listing_of(screen);
    char            title[LIMIT_SEARCH_MAX + 64];
    if (!listing->of_customer) {
        listing_draw_titled(screen, canvas, rect, which_accounts[listing->choice].title);
        return;
    }
    snprintf(title, sizeof title, "Accounts of %s", listing->search);
    list_draw(&listing->base.list, canvas, rect, title, true);
}

static void accounts_event(struct screen *screen, const struct net_result *result)
{
    if (result->kind == NET_EVENT)
        list_screen_shown(screen);
}

const struct screen_ops screen_accounts = {
    .name = "accounts",
    .title = "Accounts",
    .size = sizeof(struct listing),
    .places = IN_ANY | IN_TABLE | IN_ACCOUNT | IN_ACCOUNTS,
    .open = accounts_open,
    .close = list_screen_close,
    .shown = list_screen_shown,
    .refresh = list_screen_refresh,
    .result = list_screen_result,
    .event = accounts_event,
    .act = accounts_act,
    .can = accounts_can,
    .click = list_screen_click,
    .draw = accounts_draw,
    .table = list_screen_table,
};

/* --- customers ----------------------------------------------------------------------------- */

static void query_customers(const struct screen *screen, void *body)
{
    const struct listing      *listing = listing_of_const(screen);
    struct msg_customer_query *query = body;
    if (listing->search[0] != '\0')
        MSG_SET(query, customer_query, search, slice_from(listing->search));
}

static void customers_open(struct screen *screen, const char *argument)
{
    struct listing *listing = listing_of(screen);
    list_init(&listing->base.list, OP_INDEX_customer_list, rows_customer, rows_customer_count,
              query_customers);
    set_search(listing, argument);
    list_screen_refresh(screen);
}

static void open_accounts(struct app *app, const struct msg_customer *customer)
{
    char id[UUID_TEXT_MAX];
    char argument[LIMIT_SEARCH_MAX + 64];
    snprintf(argument, sizeof argument, "customer:%s%.*s", uuid_text(&customer->customer_id, id),
             (int)(customer->name.n < LIMIT_SEARCH_MAX ? customer->name.n : LIMIT_SEARCH_MAX),
             customer->name.at != NULL ? customer->name.at : "");
    app_push(app, &screen_accounts, argument);
}

static bool customers_act(struct screen *screen, enum action action, const char *argument)
{
    struct listing            *listing = listing_of(screen);
    const struct msg_customer *customer = table_selected(&listing->base.list.table);
    if (customer_act(screen->app, customer, action))
        return true;
    if (action == ACTION_open) {
        if (customer != NULL)
            open_accounts(screen->app, customer);
        return true;
    }
    return list_act(screen, &listing->base.list, action, argument);
}

static void customers_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    listing_draw_titled(screen, canvas, rect, "Customers");
}

const struct screen_ops screen_customers = {
    .name = "customers",
    .title = "Customers",
    .size = sizeof(struct listing),
    .places = IN_ANY | IN_TABLE | IN_CUSTOMER,
    .open = customers_open,
    .close = list_screen_close,
    .shown = list_screen_shown,
    .refresh = list_screen_refresh,
    .result = list_screen_result,
    .act = customers_act,
    .click = list_screen_click,
    .draw = customers_draw,
    .table = list_screen_table,
};

/* --- the audit log ------------------------------------------------------------------------- */

static void query_audit(const struct screen *screen, void *body)
{
    const struct listing   *listing = listing_of_const(screen);
    struct msg_audit_query *query = body;
    if (listing->choice != 0)
        MSG_SET(query, audit_query, kind, listing->choice);
    if (listing->search[0] != '\0')
        MSG_SET(query, audit_query, search, slice_from(listing->search));
}

static void audit_open(struct screen *screen, const char *argument)
{
    struct listing *listing = listing_of(screen);
    list_init(&listing->base.list, OP_INDEX_audit_list, rows_audit, rows_audit_count, query_audit);
    set_search(listing, argument);
    list_screen_refresh(screen);
}

static bool audit_act(struct screen *screen, enum action action, const char *argument)
{
    struct listing *listing = listing_of(screen);
    if (action == ACTION_audit_kind) {
        step_choice(listing, &enum_audit_kind);
        return true;
    }
    if (action == ACTION_open) {
        if (table_selected(&listing->base.list.table) != NULL)
            app_push(screen->app, &screen_entry, "");
        return true;
    }
    return list_act(screen, &listing->base.list, action, argument);
}

static void audit_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    char    title[48];
    int32_t choice = listing_of(screen)->choice;
    snprintf(title, sizeof title, "Audit log: %s%s",
             choice == 0 ? "all entries" : enum_text(&enum_audit_kind, choice),
             choice == 0 ? "" : "s");
    listing_draw_titled(screen, canvas, rect, title);
}

const struct screen_ops screen_audit = {
    .name = "audit",
    .title = "Audit log",
    .size = sizeof(struct listing),
    .places = IN_ANY | IN_TABLE | IN_AUDIT,
    .open = audit_open,
    .close = list_screen_close,
    .shown = list_screen_shown,
    .refresh = list_screen_refresh,
    .result = list_screen_result,
    .act = audit_act,
    .click = list_screen_click,
    .draw = audit_draw,
    .table = list_screen_table,
};
