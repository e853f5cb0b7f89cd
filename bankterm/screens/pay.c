/* The form that moves money. The transaction's id is made when the form opens and goes with every
 * attempt, so that a second attempt can never pay twice.
 *
 *   edit -> review -> sent -> done
 *                       |---> refused: back to edit, nothing moved
 *                       '---> unknown: the id is looked up until somebody answers; when there is
 *                             nothing of it, back to review, and the looking up goes on
 *
 * That there is nothing of an id proves nothing while the request may still be under way. So it is
 * looked up for SEEK_US more, whatever the user does in the form meanwhile, and what is found ends
 * the form; sending it again is safe all the time, because the id is the same.
 *
 * The rules: the review spells every value out; Y confirms and nothing else does, Enter and Esc go
 * back; a large amount must be typed again. Accounts are copies of what was chosen. */
#include "bankterm/app.h"
#include "bankterm/screens/pick.h"
#include "bankterm/screens/rows.h"
#include "bankterm/screens/screens.h"
#include "bankterm/widgets/form.h"
#include "common/clock.h"
#include "common/money.h"

#include <stdio.h>
#include <string.h>

enum { LARGE_WHOLE_UNITS = 10000, LOOKUP_EVERY_US = 2000000, SEEK_US = 120 * 1000000 };

enum stage { PAY_EDIT, PAY_REVIEW, PAY_SENT, PAY_DONE, PAY_UNKNOWN };

struct pay {
    struct screen screen;
    enum stage    stage;
    int32_t       type;
    struct uuid   id;
    struct form   form;
    struct form   again; /* the amount once more */
    struct pick   from;
    struct pick   to;
    int64_t       amount;
    uint64_t      ticket;
    struct fetch  lookup;
    int64_t       seek_until_us; /* monotonic: looked up although there was nothing of it; 0: no */
    bool          found;         /* by its id, after its answer was lost */
    struct record answer;        /* the transaction as it stands */
    char          error[LIMIT_DETAIL_MAX];
};

static struct pay *pay_of(struct screen *screen)
{
    return (struct pay *)screen;
}

/* The word of the action that opens the form, and what the form makes of it. */
static const struct kind {
    const char *word;
    int32_t     type;
    const char *title;
} kinds[] = {
    { "deposit", TYPE_DEPOSIT, "Deposit" },
    { "withdraw", TYPE_WITHDRAWAL, "Withdrawal" },
    { "payment", TYPE_PAYMENT, "Payment" },
    { "transfer", TYPE_TRANSFER, "Transfer" },
};

enum { KIND_COUNT = sizeof kinds / sizeof kinds[0] };

static const char *type_title(int32_t type)
{
    int at = 0;
    while (at + 1 < KIND_COUNT && kinds[at].type != type)
        at++;
    return kinds[at].title;
}

static int32_t type_of(struct slice word)
{
    int at = 0;
    while (at + 1 < KIND_COUNT && !slice_is(word, kinds[at].word))
        at++;
    return kinds[at].type;
}

/* Whether the account gives the money to a side that the form names. */
static bool has_sides(int32_t type)
{
    return type == TYPE_TRANSFER || type == TYPE_PAYMENT;
}

static void pay_open(struct screen *screen, const char *argument)
{
    struct pay  *pay = pay_of(screen);
    struct slice rest = slice_from(argument);
    struct slice word;
    key_next(&rest, &word);
    pay->type = type_of(word);
    pay->id = uuid_v7(app_now_us(screen->app));
    pay->from.field = "account_id";
    pay->to.field = "counterparty_account_id";
    struct form_field *account =
        form_add(&pay->form, pay->from.field, has_sides(pay->type) ? "From" : "Account", FORM_TEXT,
                 LIMIT_SEARCH_MAX, "Type part of the name, the holder or the id");
    account->required = true;
    if (pay->type == TYPE_TRANSFER)
        form_add(&pay->form, pay->to.field, "To", FORM_TEXT, LIMIT_SEARCH_MAX,
                 "The account that receives")
            ->required = true;
    if (pay->type == TYPE_PAYMENT)
        form_add(&pay->form, "counterparty", "To", FORM_TEXT, LIMIT_PARTY_KEY_MAX,
                 "Whom it goes to, such as merchant:1234 or terminal:77")
            ->required = true;
    form_add(&pay->form, "amount", "Amount", FORM_AMOUNT, MONEY_TEXT_MAX - 1,
             "Such as 1234.56; no grouping")
        ->required = true;
    form_add(&pay->form, "description", "Description", FORM_TEXT, LIMIT_DESCRIPTION_MAX,
             "Shown to both sides");
    form_add(&pay->again, "amount", "Amount again", FORM_AMOUNT, MONEY_TEXT_MAX - 1, "");
    snprintf(pay->again.fields[0].note, LIMIT_REASON_MAX, "large amounts are typed twice");
    if (key_next(&rest, &word)) {
        char text[LIMIT_SEARCH_MAX + 1];
        pick_given(screen, &pay->from, account, slice_copy(word, text, sizeof text));
        pay->form.focus = 1;
    }
}

static void pay_close(struct screen *screen)
{
    struct pay *pay = pay_of(screen);
    pick_free(&pay->from);
    pick_free(&pay->to);
    fetch_free(&pay->lookup);
    record_free(&pay->answer);
    form_wipe(&pay->form);
}

static unsigned pay_places(const struct screen *screen)
{
    const struct pay *pay = (const struct pay *)screen;
    if (pay->stage == PAY_EDIT)
        return IN_FORM;
    return pay->stage == PAY_REVIEW ? IN_REVIEW : IN_PROMPT;
}

static struct pick *focused_pick(struct pay *pay)
{
    const char *name = pay->form.fields[pay->form.focus].name;
    if (strcmp(name, pay->from.field) == 0)
        return &pay->from;
    return strcmp(name, pay->to.field) == 0 ? &pay->to : NULL;
}

/* --- edit ---------------------------------------------------------------------------------- */

static bool check_account(struct pay *pay, struct pick *pick)
{
    struct form_field *field = form_find(&pay->form, pick->field);
    if (field == NULL || field->n == 0)
        return true;
    pick_only(pick, field);
    if (pick->chosen)
        return true;
    snprintf(field->error, sizeof field->error, "Choose one of the matching accounts");
    return false;
}

static bool check_amount(struct pay *pay, struct form_field *field, int64_t *amount)
{
    uint8_t exponent = currency_exponent(slice_from(pay->from.currency));
    if (money_parse(field->value, field->n, exponent, '.', amount) == ERR_none && *amount > 0)
        return true;
    snprintf(field->error, sizeof field->error,
             "An amount above zero with at most %d decimals, such as 1234%s", exponent,
             exponent == 0   ? ""
             : exponent == 3 ? ".560"
                             : ".56");
    return false;
}

static void go_to_error(struct form *form)
{
    for (int i = form->count - 1; i >= 0; i--) {
        if (form->fields[i].error[0] != '\0')
            form->focus = i;
    }
}

static void review(struct pay *pay)
{
    form_clear_errors(&pay->form);
    bool complete = form_complete(&pay->form);
    bool from = check_account(pay, &pay->from);
    bool to = check_account(pay, &pay->to);
    bool amount = from && check_amount(pay, form_find(&pay->form, "amount"), &pay->amount);
    if (complete && from && to && pay->type == TYPE_TRANSFER &&
        uuid_equal(&pay->from.id, &pay->to.id)) {
        snprintf(form_find(&pay->form, pay->to.field)->error, LIMIT_REASON_MAX,
                 "Both sides are the same account");
        to = false;
    }
    if (complete && from && to && amount) {
        form_set(&pay->again.fields[0], "");
        form_clear_errors(&pay->again);
        pay->stage = PAY_REVIEW;
    } else {
        go_to_error(&pay->form);
    }
}

/* --- sending ------------------------------------------------------------------------------- */

static bool is_large(const struct pay *pay)
{
    int64_t whole = pay->amount;
    for (uint8_t i = currency_exponent(slice_from(pay->from.currency)); i > 0; i--)
        whole /= 10;
    return whole >= LARGE_WHOLE_UNITS;
}

static void send(struct pay *pay)
{
    const struct form_field      *text = form_find(&pay->form, "description");
    struct msg_transaction_create body = {
        .transaction_id = pay->id,
        .type = pay->type,
        .account_id = pay->from.id,
        .amount = pay->amount,
    };
    struct fault fault = { 0 };
    MSG_SET(&body, transaction_create, currency, slice_from(pay->from.currency));
    if (pay->type == TYPE_TRANSFER)
        MSG_SET(&body, transaction_create, counterparty_account_id, pay->to.id);
    const struct form_field *party = form_find(&pay->form, "counterparty");
    if (party != NULL)
        MSG_SET(&body, transaction_create, counterparty, slice_of(party->value, party->n));
    if (text->n > 0)
        MSG_SET(&body, transaction_create, description, slice_of(text->value, text->n));
    pay->error[0] = '\0';
    pay->ticket =
        app_ask(&pay->screen, OP_INDEX_transaction_create, &body, APP_DEADLINE_MS, &fault);
    if (pay->ticket != 0)
        pay->stage = PAY_SENT;
    else
        snprintf(pay->error, sizeof pay->error, "Not sent, nothing moved: %s.",
                 fault.text[0] != '\0' ? fault.text : err_what(fault.err));
}

static void confirm(struct pay *pay)
{
    struct form_field *again = &pay->again.fields[0];
    int64_t            amount;
    if (!app_live(pay->screen.app)) {
        snprintf(pay->error, sizeof pay->error,
                 "Not connected: nothing was sent. Confirm again when the server answers.");
        return;
    }
    if (is_large(pay)) {
        if (!check_amount(pay, again, &amount))
            return;
        if (amount != pay->amount) {
            snprintf(again->error, sizeof again->error, "That is another amount");
            return;
        }
    }
    send(pay);
}

static void look_up(struct pay *pay)
{
    struct msg_transaction_ref ref = { .transaction_id = pay->id };
    if (pay->lookup.ticket == 0)
        fetch_ask(&pay->screen, &pay->lookup, OP_INDEX_transaction_get, &ref);
}

static void new_id(struct pay *pay)
{
    pay->id = uuid_v7(app_now_us(pay->screen.app));
    pay->seek_until_us = 0;
}

static bool is_sought(const struct pay *pay)
{
    bool open = pay->stage == PAY_EDIT || pay->stage == PAY_REVIEW;
    return pay->stage == PAY_UNKNOWN ||
           (open && app_monotonic_us(pay->screen.app) < pay->seek_until_us);
}

static void refused(struct pay *pay, const struct net_result *result)
{
    char text[LIMIT_DETAIL_MAX];
    result_text(result, text, sizeof text);
    snprintf(pay->error, sizeof pay->error, "Refused, nothing moved. %.340s", text);
    if (result->fault.err == ERR_id_time) /* the form was open for long; nothing has this id */
        new_id(pay);
    struct form_field *field = form_find(&pay->form, result->fault.field);
    if (field != NULL) {
        snprintf(field->error, sizeof field->error, "%.190s", result->what);
        go_to_error(&pay->form);
    }
    pay->stage = PAY_EDIT;
}

static void keep_answer(struct pay *pay, const void *body)
{
    if (record_keep(&pay->answer, &message_transaction, body) == ERR_none)
        pay->stage = PAY_DONE;
    else
        pay->stage = PAY_UNKNOWN;
}

static void nothing_yet(struct pay *pay)
{
    struct app *app = pay->screen.app;
    char        until[16];
    pay->seek_until_us = app_monotonic_us(app) + SEEK_US;
    show_second(app_now_us(app) + SEEK_US, until, sizeof until);
    snprintf(pay->error, sizeof pay->error,
             "Not posted so far, but it may still be under way: its id is looked up until %s. "
             "Confirm to send it again: the id is the same, so it can never be posted twice.",
             until);
    pay->stage = PAY_REVIEW;
}

static void take_lookup(struct pay *pay, const struct net_result *result)
{
    if (!is_sought(pay))
        return;
    if (result->kind == NET_REPLY) {
        pay->found = true;
        keep_answer(pay, result->body);
    } else if (result->fault.err == ERR_not_found && pay->stage == PAY_UNKNOWN) {
        nothing_yet(pay);
    }
}

static void pay_result(struct screen *screen, const struct net_result *result)
{
    struct pay *pay = pay_of(screen);
    if (result->ticket == pay->ticket) {
        pay->ticket = 0;
        if (result->kind == NET_REPLY) {
            keep_answer(pay, result->body);
        } else if (result->class == ERR_CLASS_UNKNOWN) {
            pay->stage = PAY_UNKNOWN;
            look_up(pay);
        } else {
            refused(pay, result);
        }
        return;
    }
    if (result->ticket == pay->lookup.ticket) {
        pay->lookup.ticket = 0;
        take_lookup(pay, result);
        return;
    }
    struct form_field *from = form_find(&pay->form, pay->from.field);
    struct form_field *to = form_find(&pay->form, pay->to.field);
    bool               editing = pay->stage == PAY_EDIT;
    if (pick_take(screen, &pay->from, from, editing && focused_pick(pay) == &pay->from, result))
        return;
    if (to != NULL)
        pick_take(screen, &pay->to, to, editing && focused_pick(pay) == &pay->to, result);
}

static void pay_event(struct screen *screen, const struct net_result *result)
{
    struct pay *pay = pay_of(screen);
    if (result->kind == NET_STATE && app_live(screen->app) && is_sought(pay))
        look_up(pay);
}

static void pay_tick(struct screen *screen)
{
    struct pay *pay = pay_of(screen);
    int64_t     age = app_monotonic_us(screen->app) - pay->lookup.asked_us;
    if (is_sought(pay) && app_live(screen->app) && age >= LOOKUP_EVERY_US)
        look_up(pay);
}

/* --- keys ---------------------------------------------------------------------------------- */

static void leave(struct pay *pay)
{
    char        text[UUID_TEXT_MAX];
    struct app *app = pay->screen.app;
    uuid_text(&pay->id, text);
    if (pay->stage == PAY_SENT) {
        app_notice(app, STYLE_WARN, "It was sent and cannot be taken back; the answer is due");
        return;
    }
    if (is_sought(pay))
        app_notice(app, STYLE_WARN,
                   "Not known yet whether it was posted: look it up with "
                   ":transaction %s",
                   text);
    app_pop(app, &pay->screen);
}

static bool review_key(struct pay *pay, uint32_t key)
{
    if (key == 'Y')
        confirm(pay);
    else if (key == K_ESC || key == K_ENTER)
        pay->stage = PAY_EDIT;
    else if (is_large(pay))
        form_key(&pay->again, key);
    return true;
}

static bool done_key(struct pay *pay, uint32_t key)
{
    struct app *app = pay->screen.app;
    struct uuid id = pay->id;
    if (key == 'o') {
        app_pop(app, &pay->screen);
        app_show_transaction(app, &id);
    } else if (key == K_ESC || key == K_ENTER || key == 'q') {
        app_pop(app, &pay->screen);
    }
    return true;
}

static bool edit_key(struct pay *pay, uint32_t key)
{
    struct pick       *pick = focused_pick(pay);
    struct form_field *field = &pay->form.fields[pay->form.focus];
    if (pick != NULL && pick_key(pick, field, key))
        return true;
    char before[FORM_VALUE_MAX];
    snprintf(before, sizeof before, "%s", field->value);
    if (!form_key(&pay->form, key))
        return false;
    if (pick != NULL && strcmp(before, field->value) != 0)
        pick_typed(&pay->screen, pick, field);
    return true;
}

static bool pay_key(struct screen *screen, uint32_t key)
{
    struct pay *pay = pay_of(screen);
    switch (pay->stage) {
    case PAY_EDIT:
        return edit_key(pay, key);
    case PAY_REVIEW:
        return review_key(pay, key);
    case PAY_DONE:
        return done_key(pay, key);
    case PAY_SENT:
    case PAY_UNKNOWN:
        if (key == K_ESC)
            leave(pay);
        return true;
    }
    return true;
}

static bool pay_paste(struct screen *screen, struct slice text)
{
    struct pay  *pay = pay_of(screen);
    struct pick *pick = focused_pick(pay);
    if (pay->stage != PAY_EDIT || !form_paste(&pay->form, text))
        return false;
    if (pick != NULL)
        pick_typed(screen, pick, &pay->form.fields[pay->form.focus]);
    return true;
}

static bool pay_act(struct screen *screen, enum action action, const char *argument)
{
    struct pay *pay = pay_of(screen);
    (void)argument;
    switch ((int)action) {
    case ACTION_field_next:
        if (!form_next(&pay->form))
            review(pay);
        return true;
    case ACTION_field_prev:
        form_previous(&pay->form);
        return true;
    case ACTION_review:
        review(pay);
        return true;
    case ACTION_cancel:
        leave(pay);
        return true;
    default:
        return false;
    }
}

/* --- drawing ------------------------------------------------------------------------------- */

static int draw_account(struct canvas *canvas, struct rect rect, int y, const char *label,
                        const struct pick *pick)
{
    char text[LIMIT_NAME_MAX * 2 + 8];
    char id[UUID_TEXT_MAX];
    char available[64];
    bool told = strstr(pick->name, pick->holder) != NULL; /* the name has the holder in it */
    snprintf(text, sizeof text, "%s%s%s", pick->name, told ? "" : ", ", told ? "" : pick->holder);
    y = detail_line(canvas, rect, y, label, STYLE_VALUE, slice_from(text));
    y = detail_line(canvas, rect, y, "", STYLE_DIM, slice_from(uuid_text(&pick->id, id)));
    show_sum(pick->available, slice_from(pick->currency), available, sizeof available);
    snprintf(text, sizeof text, "%s available, %s", available,
             enum_text(&enum_account_status, pick->status));
    return detail_line(canvas, rect, y, "", STYLE_DIM, slice_from(text));
}

static void draw_review(const struct pay *pay, struct canvas *canvas, struct rect rect)
{
    char                     amount[64];
    char                     id[UUID_TEXT_MAX];
    const struct form_field *text = &pay->form.fields[pay->form.count - 1];
    const struct form_field *party = &pay->form.fields[1];
    int                      y = rect.y;
    show_sum(pay->amount, slice_from(pay->from.currency), amount, sizeof amount);
    y = detail_line(canvas, rect, y, "What", STYLE_VALUE, slice_from(type_title(pay->type)));
    y = detail_line(canvas, rect, y, "Amount", STYLE_VALUE, slice_from(amount));
    y = draw_account(canvas, rect, y, has_sides(pay->type) ? "From" : "Account", &pay->from);
    if (pay->type == TYPE_TRANSFER)
        y = draw_account(canvas, rect, y, "To", &pay->to);
    if (pay->type == TYPE_PAYMENT)
        y = detail_line(canvas, rect, y, "To", STYLE_VALUE, slice_of(party->value, party->n));
    y = detail_line(canvas, rect, y, "Description", STYLE_TEXT,
                    text->n > 0 ? slice_of(text->value, text->n) : slice_from("none"));
    y = detail_line(canvas, rect, y, "Id", STYLE_DIM, slice_from(uuid_text(&pay->id, id)));
    if (pay->stage == PAY_SENT) {
        canvas_string(canvas, rect.x, y + 1, rect.w, STYLE_NOTICE,
                      "Sent. Waiting for the answer ...");
        return;
    }
    if (pay->stage == PAY_UNKNOWN) {
        canvas_paragraph(canvas, (struct rect){ rect.x, y + 1, rect.w, 3 }, STYLE_BAD,
                         slice_from("Outcome unknown: the connection was lost before the answer "
                                    "came. The id is looked up as soon as the server answers."));
        return;
    }
    if (is_large(pay)) {
        y += 1;
        y += form_draw(&pay->again, canvas, (struct rect){ rect.x, y, rect.w, 2 });
    }
    y++;
    int used = canvas_string(canvas, rect.x, y, 16, STYLE_INPUT_ON, " Enter: go back ");
    canvas_string(canvas, rect.x + used + 3, y, 3, STYLE_KEY, "Y");
    canvas_string(canvas, rect.x + used + 5, y, rect.w - used, STYLE_TEXT,
                  is_large(pay) ? "confirm, once the amount was typed again" : "confirm");
    if (canvas->cursor_x < 0)
        canvas_cursor(canvas, rect.x, y);
    canvas_paragraph(canvas, (struct rect){ rect.x, y + 1, rect.w, 3 }, STYLE_BAD,
                     slice_from(pay->error));
}

static const char *outcome(int32_t status, enum style *style)
{
    *style = STYLE_BAD;
    switch (status) {
    case STATUS_COMPLETED:
        *style = STYLE_GOOD;
        return "ACCEPTED: the money has moved";
    case STATUS_HELD:
        *style = STYLE_WARN;
        return "HELD by the fraud check: funds reserved, a person decides";
    case STATUS_DECLINED:
        return "DECLINED by the fraud check: nothing moved";
    default:
        return enum_text(&enum_transaction_status, status);
    }
}

static void draw_done(const struct pay *pay, struct canvas *canvas, struct rect rect)
{
    const struct msg_transaction *tx = pay->answer.body;
    char                          text[128];
    char                          id[UUID_TEXT_MAX];
    int                           y = rect.y;
    enum style                    style;
    const char                   *what = outcome(tx->status, &style);
    y = detail_line(canvas, rect, y, "Outcome", style, slice_from(what));
    show_sum(tx->amount, tx->currency, text, sizeof text);
    y = detail_line(canvas, rect, y, "Amount", STYLE_VALUE, slice_from(text));
    y = detail_line(canvas, rect, y, "Account", STYLE_TEXT, tx->account_name);
    show_sum(tx->balance, tx->currency, text, sizeof text);
    y = detail_line(canvas, rect, y, "New balance", STYLE_VALUE, slice_from(text));
    y = detail_line(canvas, rect, y, "Other side", STYLE_TEXT,
                    tx->counterparty.n > 0 ? tx->counterparty : tx->counterparty_name);
    if (pay->type == TYPE_TRANSFER) {
        show_sum(tx->counterparty_balance, tx->currency, text, sizeof text);
        y = detail_line(canvas, rect, y, "Its balance", STYLE_TEXT, slice_from(text));
    }
    y = detail_line(canvas, rect, y, "Id", STYLE_DIM,
                    slice_from(uuid_text(&tx->transaction_id, id)));
    if (tx->repeated)
        y = detail_line(canvas, rect, y, "", STYLE_DIM,
                        slice_from("It was there already: nothing moved a second time"));
    if (pay->found) {
        char at[16];
        snprintf(text, sizeof text, "The answer was lost; it was %s at %s",
                 tx->status == STATUS_DECLINED ? "decided" : "posted",
                 show_second(tx->timestamp, at, sizeof at));
        y = detail_line(canvas, rect, y, "", STYLE_WARN, slice_from(text));
    }
    y++;
    y += reasons_draw(canvas, (struct rect){ rect.x, y, rect.w, rect.y + rect.h - y - 2 },
                      tx->reasons.at, tx->reasons.count, tx->score, NULL);
    canvas_string(canvas, rect.x, y + 1, rect.w, STYLE_DIM,
                  "Enter closes, o shows the transaction");
    canvas_cursor(canvas, rect.x, rect.y);
}

static void pay_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    struct pay              *pay = pay_of(screen);
    char                     title[64];
    struct rect              in = { rect.x + 2, rect.y + 2, rect.w - 4, rect.h - 2 };
    static const char *const stages[] = { "", ": review", ": sent", ": done", ": outcome unknown" };
    snprintf(title, sizeof title, "%s%s", type_title(pay->type), stages[pay->stage]);
    canvas_rule(canvas, rect.x, rect.y, rect.w, title, "");
    if (pay->stage == PAY_DONE) {
        draw_done(pay, canvas, in);
        return;
    }
    if (pay->stage != PAY_EDIT) {
        draw_review(pay, canvas, in);
        return;
    }
    int                      y = in.y + form_draw(&pay->form, canvas, in) + 1;
    const struct form_field *field = &pay->form.fields[pay->form.focus];
    struct pick             *pick = focused_pick(pay);
    y += canvas_paragraph(canvas, (struct rect){ in.x, y, in.w, 2 }, STYLE_DIM,
                          slice_from(field->help));
    if (pay->error[0] != '\0')
        y += canvas_paragraph(canvas, (struct rect){ in.x, y, in.w, 3 }, STYLE_BAD,
                              slice_from(pay->error));
    if (pick != NULL && !pick->chosen && field->n > 0)
        pick_draw(pick, canvas, (struct rect){ rect.x, y + 1, rect.w, rect.y + rect.h - y - 1 });
}

static const char *pay_title(const struct screen *screen)
{
    return type_title(((const struct pay *)screen)->type);
}

const struct screen_ops screen_pay = {
    .name = "pay",
    .title = "Move money",
    .size = sizeof(struct pay),
    .places = IN_FORM,
    .open = pay_open,
    .close = pay_close,
    .result = pay_result,
    .event = pay_event,
    .tick = pay_tick,
    .act = pay_act,
    .key = pay_key,
    .paste = pay_paste,
    .draw = pay_draw,
    .places_now = pay_places,
    .title_now = pay_title,
};
