/* One operation from the command line, from its words to its exit code.
 *
 * The order is: read the words, check them against the tables, connect, log in or take up a
 * session, find the decimals of amounts, ask, write, log out. Whatever can be refused by the
 * tables is refused before anything is sent. Each step tells its own trouble on standard error
 * and sets the exit code; the steps behind it are then left out.
 *
 * The ids of new records are made here when they were not given, and told, so that the same
 * command with that id can be run again without doing it twice.
 *
 * When the answer to a change does not come, the outcome is looked up by the id that the change
 * carries: a late answer counts as the answer; a record that is there was done; one that is not
 * there, asked for anew on a new connection, was not done; and what cannot be found out within
 * LOOKUP_MS is told as unknown. */
#include "bankterm/batch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bankterm/batch_help.h"
#include "bankterm/net.h"
#include "bankterm/render.h"
#include "bankterm/secret.h"
#include "bankterm/values.h"
#include "common/check.h"
#include "common/money.h"
#include "proto/proto.h"

enum {
    BATCH_ARENA = 4 * LIMIT_MESSAGE_MAX,
    BATCH_REQUEST_MAX = 1024, /* of a request's struct */
    BATCH_AMOUNTS_MAX = 8,
    BATCH_CONNECT_MS = 3000,
    BATCH_LOGOUT_MS = 2000,
    BATCH_POLL_MS = 60000,
    BATCH_PAGE_ROWS = 200,    /* of each page when the whole list is wanted */
    LOOKUP_MS = 10000,        /* for finding out what became of a change */
    LOOKUP_EVERY_MS = 500,
    LOOKUP_MISSES = 3,        /* answers "there is none" on a new connection that prove it */
};

/* An amount whose decimals are not known yet. */
struct amount {
    struct slice name;
    struct slice text;
};

struct batch {
    const struct conf   *conf;
    struct clock        *clock;
    struct net          *net;
    enum op_index        op;
    const struct op_row *row;
    struct arena         arena;
    void                *request;
    struct amount        amounts[BATCH_AMOUNTS_MAX];
    size_t               amount_count;
    char                 email[LIMIT_EMAIL_MAX + 1];
    char                 password[LIMIT_PASSWORD_MAX + 1];
    bool                 may_log_in; /* address and password are known */
    bool                 id_made;    /* the request's id was made here */
    bool                 keep;       /* the session outlives this program */
    struct fault         link;       /* why there is no connection */
    struct fault         fault;      /* of the step that failed */
    int                  exit_code;
};

/* --- talk ---------------------------------------------------------------------------------- */

/* A sentence with exactly one full stop and nothing that a terminal would obey. */
static void say_sentence(const char *text)
{
    struct buf line;
    size_t     n = strlen(text);

    buf_init(&line, LIMIT_MESSAGE_MAX);
    if (n > 0 && render_escaped(slice_from(text), &line) == ERR_none)
        fprintf(stderr, " %.*s%s", (int)line.n, line.at,
                strchr(".!?", text[n - 1]) != NULL ? "" : ".");
    buf_free(&line);
}

static void say_trouble(const struct net_result *result)
{
    fprintf(stderr, "bankterm: %s:", result->name);
    say_sentence(result->what);
    if (result->fault.field[0] != '\0') {
        fprintf(stderr, " Field %s%s", result->fault.field,
                result->fault.text[0] != '\0' ? ":" : ".");
    }
    say_sentence(result->fault.text);
    say_sentence(result->not_done);
    say_sentence(result->next);
    if (result->fault.retry_after_ms > 0)
        fprintf(stderr, " Wait %" PRId64 " seconds.",
                (result->fault.retry_after_ms + 999) / 1000);
    fprintf(stderr, "\n");
}

/* Tells what a server or the net refused; always false, so that a step can end with it. */
static bool trouble(struct batch *batch, const struct net_result *result)
{
    say_trouble(result);
    batch->exit_code = (int)result->class;
    return false;
}

int batch_refuse(const struct fault *fault)
{
    struct net_result result = { .fault = *fault, .class = err_class(fault->err) };

    slice_copy(slice_from(err_name(fault->err)), result.name, sizeof result.name);
    slice_copy(slice_from(err_what(fault->err)), result.what, sizeof result.what);
    slice_copy(slice_from(err_next(fault->err)), result.next, sizeof result.next);
    slice_copy(slice_from(err_class_promise(result.class)), result.not_done,
               sizeof result.not_done);
    say_trouble(&result);
    return (int)result.class;
}

/* The same for what was refused here. */
static bool trouble_here(struct batch *batch)
{
    batch->exit_code = batch_refuse(&batch->fault);
    return false;
}

static bool good(struct batch *batch, enum err err)
{
    if (err == ERR_none)
        return true;
    if (batch->fault.err != err)
        fault_set(&batch->fault, err, NULL, NULL);
    return trouble_here(batch);
}

/* --- the request from its words ------------------------------------------------------------ */

static enum err value_from_file(struct batch *batch, struct slice name, const char *path,
                                struct slice *text)
{
    int     fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    char   *at = arena_take(&batch->arena, LIMIT_MESSAGE_MAX + 1);
    char    field[FAULT_FIELD_MAX];
    size_t  used = 0;
    ssize_t n = fd >= 0 && at != NULL ? 1 : -1;

    slice_copy(name, field, sizeof field);
    while (n > 0 && used < LIMIT_MESSAGE_MAX + 1) {
        n = read(fd, at + used, LIMIT_MESSAGE_MAX + 1 - used);
        used += n > 0 ? (size_t)n : 0;
    }
    if (n < 0)
        fault_set(&batch->fault, ERR_io, field, "%s cannot be read: %s", path, strerror(errno));
    if (fd > STDIN_FILENO)
        close(fd);
    if (n < 0)
        return ERR_io;
    if (used > LIMIT_MESSAGE_MAX)
        return fault_set(&batch->fault, ERR_message_too_large, field,
                         "%s has more than %d bytes", path, LIMIT_MESSAGE_MAX);
    if (used > 0 && at[used - 1] == '\n')
        used--;
    *text = slice_of(at, used);
    return ERR_none;
}

/* An amount waits until its decimals are known; what cannot be one is told now. */
static enum err amount_keep(struct batch *batch, struct slice name, struct slice text)
{
    enum err err = values_set(batch->row->request, batch->request, name, text, MONEY_EXPONENT_MAX,
                              &batch->arena, &batch->fault);

    values_clear(batch->row->request, batch->request, values_field(batch->row->request, name));
    if (err != ERR_none && err != ERR_amount_overflow)
        return err;
    if (batch->amount_count == BATCH_AMOUNTS_MAX)
        return fault_set(&batch->fault, ERR_usage, NULL, "There are too many amounts");
    batch->amounts[batch->amount_count++] = (struct amount){ .name = name, .text = text };
    return ERR_none;
}

static enum err word_take(struct batch *batch, char *word)
{
    const char              *mark = strchr(word, '=');
    const struct field_desc *field;
    struct slice             name;
    struct slice             text;

    if (strncmp(word, "--", 2) == 0)
        return fault_set(&batch->fault, ERR_option_invalid, NULL, "There is no option %s", word);
    if (mark == NULL || mark == word)
        return fault_set(&batch->fault, ERR_usage, NULL, "\"%s\" is not of the form field=value",
                         word);
    name = slice_of(word, (size_t)(mark - word));
    text = slice_from(mark + 1);
    if (name.n > 1 && name.at[name.n - 1] == '@') {
        name.n--;
        TRY(value_from_file(batch, name, mark + 1, &text));
    }
    field = values_field(batch->row->request, name);
    if (field != NULL && values_has(batch->row->request, batch->request, field))
        return fault_set(&batch->fault, ERR_usage, field->name, "It was given twice");
    if (field != NULL && field->type == FIELD_MONEY && text.n > 0)
        return amount_keep(batch, name, text);
    return values_set(batch->row->request, batch->request, name, text, VALUES_EXPONENT_DEFAULT,
                      &batch->arena, &batch->fault);
}

static enum err id_make(struct batch *batch)
{
    const struct field_desc *field = batch_help_made(batch->op);
    struct uuid              id;
    char                     text[UUID_TEXT_MAX];

    if (field == NULL || values_has(batch->row->request, batch->request, field))
        return ERR_none;
    batch->id_made = true;
    id = uuid_v7(batch->clock->now_us(batch->clock));
    return values_set(batch->row->request, batch->request, slice_from(field->name),
                      slice_from(uuid_text(&id, text)), 0, &batch->arena, &batch->fault);
}

static void id_tell(const struct batch *batch)
{
    const struct field_desc *field = batch_help_made(batch->op);
    char                     text[UUID_TEXT_MAX];

    if (batch->id_made)
        fprintf(stderr, "bankterm: %s=%s\n", field->name,
                values_text(batch->row->request, batch->request, field, 0, text, sizeof text));
}

/* session.login takes what is missing from where every other operation's login takes it. */
static enum err login_fill(struct batch *batch)
{
    struct msg_session_login *login = batch->request;

    if (batch->op != OP_INDEX_session_login)
        return ERR_none;
    if (!MSG_HAS(login, session_login, email) && batch->email[0] != '\0')
        MSG_SET(login, session_login, email, slice_from(batch->email));
    if (!MSG_HAS(login, session_login, email) || MSG_HAS(login, session_login, password))
        return ERR_none;
    slice_copy(login->email, batch->email, sizeof batch->email);
    TRY(secret_password(conf_text(batch->conf, "password_file"), batch->email, batch->password,
                        sizeof batch->password, &batch->fault));
    MSG_SET(login, session_login, password, slice_from(batch->password));
    return ERR_none;
}

/* Everything required is there or, for amounts, will be. */
static enum err request_complete(struct batch *batch)
{
    const struct message_desc *desc = batch->row->request;
    size_t                     waiting = 0;
    enum err                   err;

    for (size_t i = 0; i < batch->amount_count; i++) {
        struct slice name = batch->amounts[i].name;

        /* Marked as set for the check, so that the first field that is missing is told. */
        TRY(values_set(desc, batch->request, name, slice_from("1"), 0, &batch->arena,
                       &batch->fault));
        waiting++;
    }
    err = values_complete(desc, batch->request, &batch->fault);
    for (size_t i = 0; i < waiting; i++)
        values_clear(desc, batch->request, values_field(desc, batch->amounts[i].name));
    return err;
}

static bool request_read(struct batch *batch, int argc, char **argv)
{
    batch->request = arena_take(&batch->arena, batch->row->request->size);
    CHECK(batch->request != NULL && batch->row->request->size <= BATCH_REQUEST_MAX);
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--") != 0 && !good(batch, word_take(batch, argv[i])))
            return false;
    if (!good(batch, login_fill(batch)) || !good(batch, id_make(batch))
        || !good(batch, request_complete(batch)))
        return false;
    id_tell(batch);
    return true;
}

/* --- asking -------------------------------------------------------------------------------- */

static int64_t now_us(const struct batch *batch)
{
    return batch->clock->monotonic_us(batch->clock);
}

static int poll_ms(int64_t wait_us)
{
    int64_t ms = wait_us / US_PER_MS + 1;

    return ms < BATCH_POLL_MS ? (int)ms : BATCH_POLL_MS;
}

enum awaited { AWAITED_RESULT, AWAITED_LIVE, AWAITED_TIME };

/* Waits for the end of one of two tickets (0 = none), for a live connection when that is wanted,
 * or for a moment. */
static enum awaited await(struct batch *batch, int64_t until_us, uint64_t first, uint64_t second,
                          bool live, struct net_result *out)
{
    for (;;) {
        struct pollfd watched = { .fd = net_fd(batch->net), .events = POLLIN };
        int64_t       wait_us;

        while (net_pump(batch->net, out)) {
            if (out->kind == NET_STATE && out->fault.err != ERR_none)
                batch->link = out->fault;
            if ((out->kind == NET_REPLY || out->kind == NET_FAILURE)
                && (out->ticket == first || out->ticket == second))
                return AWAITED_RESULT;
        }
        if (live && net_state(batch->net) == NET_LIVE)
            return AWAITED_LIVE;
        wait_us = net_next_wakeup_us(batch->net);
        wait_us = (wait_us < until_us ? wait_us : until_us) - now_us(batch);
        if (now_us(batch) >= until_us)
            return AWAITED_TIME;
        if (wait_us > 0)
            (void)poll(&watched, 1, poll_ms(wait_us));
    }
}

static bool connect_now(struct batch *batch)
{
    int64_t           limit_ms = conf_int(batch->conf, "deadline_ms");
    struct net_result result;

    if (limit_ms > BATCH_CONNECT_MS)
        limit_ms = BATCH_CONNECT_MS;
    if (await(batch, now_us(batch) + limit_ms * US_PER_MS, 0, 0, true, &result) == AWAITED_LIVE)
        return true;
    fault_set(&batch->fault, ERR_unreachable, NULL, "%s: %s", conf_text(batch->conf, "server"),
              batch->link.text[0] != '\0' ? batch->link.text : "there is no connection");
    return trouble_here(batch);
}

/* Asks and waits for the end; false when it could not be sent (batch->fault) and when it failed
 * (out). A reply's body is valid until the next question. */
static bool ask(struct batch *batch, enum op_index op, const void *body, int64_t deadline_ms,
                struct net_result *out)
{
    uint64_t ticket = net_request(batch->net, op, body, deadline_ms, &batch->fault);

    if (ticket == 0)
        return trouble_here(batch);
    /* net ends every ticket at its deadline, so this wait ends. */
    (void)await(batch, INT64_MAX, ticket, 0, false, out);
    return out->kind == NET_REPLY ? true : trouble(batch, out);
}

/* --- the session --------------------------------------------------------------------------- */

static bool log_in(struct batch *batch)
{
    struct msg_session_login login = { 0 };
    struct net_result        result;

    MSG_SET(&login, session_login, email, slice_from(batch->email));
    MSG_SET(&login, session_login, password, slice_from(batch->password));
    return ask(batch, OP_INDEX_session_login, &login, conf_int(batch->conf, "deadline_ms"),
               &result);
}

static bool credentials(struct batch *batch)
{
    if (batch->email[0] == '\0') {
        fault_set(&batch->fault, ERR_login_required, "user",
                  "Give --user or set BANKTERM_USER, or take a session from --token-file");
        return trouble_here(batch);
    }
    if (!good(batch, secret_password(conf_text(batch->conf, "password_file"), batch->email,
                                     batch->password, sizeof batch->password, &batch->fault)))
        return false;
    batch->may_log_in = true;
    return true;
}

/* A session for the operation; asks for what is needed before it connects. */
static bool session_begin(struct batch *batch)
{
    const char *path = conf_text(batch->conf, "token_file");
    uint8_t     token[LIMIT_TOKEN_BYTES];
    enum err    err;

    if ((batch->row->flags & OP_OPEN) != 0)
        return connect_now(batch);
    if (path[0] == '\0')
        return credentials(batch) && connect_now(batch) && log_in(batch);
    err = secret_token_load(path, token, &batch->fault);
    if (!good(batch, err))
        return false;
    batch->keep = true;
    net_use_token(batch->net, token);
    explicit_bzero(token, sizeof token);
    return connect_now(batch);
}

static void session_end(struct batch *batch)
{
    struct msg_empty  empty = { 0 };
    struct net_result result;
    struct fault      fault;
    uint64_t          ticket;

    if (batch->keep || !net_logged_in(batch->net))
        return;
    /* What it answers changes nothing for the user: a session also ends by itself. */
    ticket = net_request(batch->net, OP_INDEX_session_logout, &empty, BATCH_LOGOUT_MS, &fault);
    if (ticket != 0)
        (void)await(batch, INT64_MAX, ticket, 0, false, &result);
}

/* --- amounts ------------------------------------------------------------------------------- */

/* The decimals of the account or transaction that the request names. */
static bool exponent_of_account(struct batch *batch, uint8_t *exponent)
{
    const struct field_desc *field = values_field(batch->row->request, slice_from("account_id"));
    struct msg_account_ref   ref = { 0 };
    struct net_result        result;

    if (field == NULL || !values_has(batch->row->request, batch->request, field)
        || batch->op == OP_INDEX_account_create) {
        const char            *code = conf_text(batch->conf, "currency");
        const struct currency *currency = currency_by_code(code, strlen(code));

        if (currency == NULL) {
            fault_set(&batch->fault, ERR_currency_unknown, "currency", "\"%s\" is not one", code);
            return trouble_here(batch);
        }
        *exponent = currency->exponent;
        return true;
    }
    memcpy(&ref.account_id, (const char *)batch->request + field->offset, sizeof ref.account_id);
    ref.has = UINT64_C(1) << INDEX_account_ref__account_id;
    if (!ask(batch, OP_INDEX_account_get, &ref, conf_int(batch->conf, "deadline_ms"), &result))
        return false;
    if (values_exponent(op_rows[OP_INDEX_account_get].reply, result.body, exponent))
        return true;
    fault_set(&batch->fault, ERR_currency_unknown, "currency",
              "The currency of the account is not known here");
    return trouble_here(batch);
}

static bool amounts_set(struct batch *batch)
{
    const struct message_desc *desc = batch->row->request;
    uint8_t                    exponent = VALUES_EXPONENT_DEFAULT;

    if (batch->amount_count == 0)
        return true;
    if (!values_exponent(desc, batch->request, &exponent)) {
        const struct field_desc *field = values_field(desc, slice_from("currency"));

        if (field != NULL && values_has(desc, batch->request, field)) {
            fault_set(&batch->fault, ERR_currency_unknown, "currency", NULL);
            return trouble_here(batch);
        }
        if (!exponent_of_account(batch, &exponent))
            return false;
    }
    for (size_t i = 0; i < batch->amount_count; i++)
        if (!good(batch, values_set(desc, batch->request, batch->amounts[i].name,
                                    batch->amounts[i].text, exponent, &batch->arena,
                                    &batch->fault)))
            return false;
    return true;
}

/* --- answers ------------------------------------------------------------------------------- */

static enum render_format format_of(const struct batch *batch)
{
    static const char *const names[] = { "table", "tsv", "csv", "json" };
    const char              *name = conf_text(batch->conf, "format");
    size_t                   found = 0;

    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        if (strcmp(names[i], name) == 0)
            found = i;
    return (enum render_format)found;
}

/* What a person wants to know at once of a transaction that was asked for. */
static void say_transaction(const struct msg_transaction *transaction)
{
    if (MSG_HAS(transaction, transaction, repeated) && transaction->repeated)
        fprintf(stderr, "bankterm: this id was used before: here is its first result, "
                        "nothing moved now\n");
    if (transaction->status == STATUS_HELD)
        fprintf(stderr, "bankterm: held: the funds are reserved until somebody decides\n");
    if (transaction->status == STATUS_DECLINED)
        fprintf(stderr, "bankterm: declined by the fraud check: nothing moved\n");
}

static bool write_reply(struct batch *batch, const void *body)
{
    struct render render;
    enum err      err;

    if ((batch->row->flags & OP_MONEY) != 0 && batch->row->reply == &message_transaction)
        say_transaction(body);
    if (batch->row->reply->count == 0 && format_of(batch) != RENDER_JSON)
        return true;
    err = render_begin(&render, stdout, format_of(batch), batch->row->reply,
                       conf_text(batch->conf, "columns"), false, &batch->fault);
    if (err == ERR_none)
        err = render_page(&render, body, &batch->fault);
    if (err == ERR_none)
        err = render_end(&render, &batch->fault);
    render_close(&render);
    return good(batch, err);
}

/* Moves the request's cursor to a reply's `next`; false when that was the last page. The bytes
 * are copied to `keep`, because the reply goes away. */
static bool cursor_advance(struct batch *batch, const void *reply, char keep[LIMIT_CURSOR_MAX])
{
    const struct message_desc *desc = batch->row->request;
    const struct field_desc   *next = values_field(batch->row->reply, slice_from("next"));
    const struct field_desc   *cursor = values_field(desc, slice_from("cursor"));
    struct slice               bytes;
    uint64_t                   has;

    if (next == NULL || cursor == NULL || !values_has(batch->row->reply, reply, next))
        return false;
    bytes = values_slice(batch->row->reply, reply, next);
    if (bytes.n == 0 || bytes.n > LIMIT_CURSOR_MAX)
        return false;
    memcpy(keep, bytes.at, bytes.n);
    bytes.at = keep;
    memcpy((char *)batch->request + cursor->offset, &bytes, sizeof bytes);
    memcpy(&has, batch->request, sizeof has);
    has |= UINT64_C(1) << (cursor - desc->fields);
    memcpy(batch->request, &has, sizeof has);
    return true;
}

static void say_next(const struct batch *batch, const void *reply)
{
    const struct field_desc *next = values_field(batch->row->reply, slice_from("next"));
    char                     text[2 * LIMIT_CURSOR_MAX + 1];

    if (next == NULL || !values_has(batch->row->reply, reply, next))
        return;
    fprintf(stderr, "bankterm: there is more: --all, or cursor=%s\n",
            values_text(batch->row->reply, reply, next, 0, text, sizeof text));
}

static enum err page_limit(struct batch *batch)
{
    const struct field_desc *limit = values_field(batch->row->request, slice_from("limit"));
    char                     text[16];

    if (limit == NULL || values_has(batch->row->request, batch->request, limit))
        return ERR_none;
    snprintf(text, sizeof text, "%d", BATCH_PAGE_ROWS);
    return values_set(batch->row->request, batch->request, slice_from("limit"), slice_from(text),
                      0, &batch->arena, &batch->fault);
}

/* A list from its first page to its last, each written before the next is asked for. */
static bool run_all(struct batch *batch)
{
    struct render     render;
    struct net_result result;
    char              cursor[LIMIT_CURSOR_MAX];
    bool              whole;
    bool              more = true;

    if (!good(batch, page_limit(batch)))
        return false;
    whole = good(batch, render_begin(&render, stdout, format_of(batch), batch->row->reply,
                                     conf_text(batch->conf, "columns"), true, &batch->fault));
    while (whole && more) {
        whole = ask(batch, batch->op, batch->request, conf_int(batch->conf, "deadline_ms"),
                    &result)
                && good(batch, render_page(&render, result.body, &batch->fault));
        more = whole && cursor_advance(batch, result.body, cursor);
    }
    whole = whole && good(batch, render_end(&render, &batch->fault));
    if (!whole && render.begun)
        fprintf(stderr, "bankterm: the list is not complete\n");
    render_close(&render);
    return whole;
}

static void say_progress(const struct msg_export_chunk *chunk, int64_t rows)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\rbankterm: %3" PRId64 ".%02" PRId64 " %%, %" PRId64 " rows",
                chunk->progress / 100, chunk->progress % 100, rows);
}

/* The pieces of a CSV file, one behind the other. */
static bool run_export(struct batch *batch)
{
    const struct msg_export_chunk *chunk;
    struct net_result              result;
    char                           cursor[LIMIT_CURSOR_MAX];
    int64_t                        rows = 0;
    bool                           more = true;

    while (more) {
        if (!ask(batch, batch->op, batch->request, conf_int(batch->conf, "deadline_ms"),
                 &result)) {
            if (rows > 0)
                fprintf(stderr, "bankterm: the file is not complete: it ends after %" PRId64
                                " rows\n", rows);
            return false;
        }
        chunk = result.body;
        rows += chunk->rows;
        if (fwrite(chunk->csv.at, 1, chunk->csv.n, stdout) != chunk->csv.n) {
            fault_set(&batch->fault, ERR_io, NULL, "The output cannot be written");
            return trouble_here(batch);
        }
        say_progress(chunk, rows);
        more = cursor_advance(batch, chunk, cursor);
    }
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\n");
    if (fflush(stdout) == 0)
        return true;
    fault_set(&batch->fault, ERR_io, NULL, "The output cannot be written");
    return trouble_here(batch);
}

/* --- what became of a change --------------------------------------------------------------- */

/* A change, the question that shows its outcome, and what its record then says. */
struct lookup {
    enum op_index op;
    enum op_index get;
    const char   *id;    /* field of the change with the id to ask for */
    const char   *field; /* of the record; NULL when its being there is enough */
    int32_t       value;
    bool          same;  /* the record has the request's own fields */
};

static const struct lookup lookups[] = {
    { OP_INDEX_transaction_create, OP_INDEX_transaction_get, "transaction_id", NULL, 0, true },
    { OP_INDEX_transaction_reverse, OP_INDEX_transaction_get, "reversal_id", NULL, 0, false },
    { OP_INDEX_transaction_release, OP_INDEX_transaction_get, "transaction_id", "status",
      STATUS_COMPLETED, false },
    { OP_INDEX_transaction_reject, OP_INDEX_transaction_get, "transaction_id", "status",
      STATUS_REJECTED, false },
    { OP_INDEX_alert_decide, OP_INDEX_alert_get, "alert_id", "state", ALERT_DECIDED, false },
    { OP_INDEX_account_create, OP_INDEX_account_get, "account_id", NULL, 0, true },
    { OP_INDEX_customer_create, OP_INDEX_customer_get, "customer_id", NULL, 0, true },
};

static const struct lookup *lookup_find(enum op_index op)
{
    for (size_t i = 0; i < ARRAY_COUNT(lookups); i++)
        if (lookups[i].op == op)
            return &lookups[i];
    return NULL;
}

/* Every get has one field, the id. */
static void lookup_request(const struct batch *batch, const struct lookup *lookup,
                           char request[BATCH_REQUEST_MAX])
{
    const struct message_desc *desc = op_rows[lookup->get].request;
    const struct field_desc   *from = values_field(batch->row->request, slice_from(lookup->id));
    uint64_t                   has = 1;

    CHECK(desc->count == 1 && desc->size <= BATCH_REQUEST_MAX && from != NULL);
    memset(request, 0, desc->size);
    memcpy(request, &has, sizeof has);
    memcpy(request + desc->fields[0].offset, (const char *)batch->request + from->offset,
           sizeof(struct uuid));
}

/* Whether the record was made by this very request: an id may have been used before. */
static bool record_is_ours(const struct batch *batch, const void *record)
{
    const struct message_desc *desc = batch->row->request;
    char                       wanted[LIMIT_NOTE_MAX + 1];
    char                       found[LIMIT_NOTE_MAX + 1];

    for (size_t i = 0; i < desc->count; i++) {
        const struct field_desc *ours = &desc->fields[i];
        const struct field_desc *theirs =
            values_field(batch->row->reply, slice_from(ours->name));

        if (theirs == NULL || theirs->type != ours->type
            || !values_has(desc, batch->request, ours))
            continue;
        values_text(desc, batch->request, ours, 0, wanted, sizeof wanted);
        values_text(batch->row->reply, record, theirs, 0, found, sizeof found);
        if (strcmp(wanted, found) != 0)
            return false;
    }
    return true;
}

static bool record_says_done(const struct batch *batch, const struct lookup *lookup,
                             const void *record)
{
    const struct field_desc *field;
    int32_t                  value;

    if (lookup->field == NULL)
        return true;
    field = values_field(batch->row->reply, slice_from(lookup->field));
    CHECK(field != NULL && field->type == FIELD_CHOICE);
    memcpy(&value, (const char *)record + field->offset, sizeof value);
    return value == lookup->value;
}

/* The search for the outcome of one change. */
struct search {
    const struct lookup *lookup;
    uint64_t             ticket;  /* of the change; 0 when its connection is gone */
    uint64_t             asked;   /* of the question in flight; 0 = none */
    bool                 logging; /* the question in flight is a login */
    int64_t              next_us;
    int64_t              until_us;
    int                  misses;
};

static void search_ask(struct batch *batch, struct search *search)
{
    char                     request[BATCH_REQUEST_MAX] __attribute__((aligned(16)));
    struct msg_session_login login = { 0 };

    search->next_us = now_us(batch) + LOOKUP_EVERY_MS * US_PER_MS;
    search->logging = !net_logged_in(batch->net);
    if (!search->logging) {
        lookup_request(batch, search->lookup, request);
        search->asked = net_request(batch->net, search->lookup->get, request, LOOKUP_MS,
                                    &batch->fault);
        return;
    }
    if (!batch->may_log_in)
        return;
    MSG_SET(&login, session_login, email, slice_from(batch->email));
    MSG_SET(&login, session_login, password, slice_from(batch->password));
    search->asked = net_request(batch->net, OP_INDEX_session_login, &login, LOOKUP_MS,
                                &batch->fault);
}

enum verdict_known { VERDICT_OPEN, VERDICT_DONE, VERDICT_REFUSED };

static enum verdict_known search_found(struct batch *batch, const struct search *search,
                                       const struct net_result *result)
{
    if (search->lookup->same && !record_is_ours(batch, result->body)) {
        fault_set(&batch->fault, ERR_id_reused, search->lookup->id, NULL);
        trouble_here(batch);
        return VERDICT_REFUSED;
    }
    if (!record_says_done(batch, search->lookup, result->body))
        return VERDICT_OPEN;
    fprintf(stderr, "bankterm: the answer was lost, but it was done: looked up by %s\n",
            search->lookup->id);
    if (!write_reply(batch, result->body))
        return VERDICT_REFUSED;
    return VERDICT_DONE;
}

/* Takes one end of a request into the search. */
static enum verdict_known search_take(struct batch *batch, struct search *search,
                                      const struct net_result *result)
{
    enum verdict_known known = VERDICT_OPEN;
    bool               none;

    if (result->ticket == search->ticket) {
        search->ticket = 0;
        if (result->kind == NET_REPLY)
            return write_reply(batch, result->body) ? VERDICT_DONE : VERDICT_REFUSED;
        if (result->class == ERR_CLASS_UNKNOWN)
            return VERDICT_OPEN;
        trouble(batch, result);
        return VERDICT_REFUSED;
    }
    search->asked = 0;
    if (search->logging)
        return VERDICT_OPEN;
    if (result->kind == NET_REPLY)
        known = search_found(batch, search, result);
    none = (result->kind == NET_REPLY && known == VERDICT_OPEN)
           || (result->kind == NET_FAILURE && result->class == ERR_CLASS_CONFLICT);
    /* While the change itself may still be on its way, its absence proves nothing. */
    if (none && search->ticket == 0)
        search->misses++;
    return known;
}

/* Returns true when it is known to be done. */
static bool search_outcome(struct batch *batch, struct search *search)
{
    while (now_us(batch) < search->until_us && search->misses < LOOKUP_MISSES) {
        bool               ask_now = search->asked == 0 && now_us(batch) >= search->next_us;
        struct net_result  result;
        enum verdict_known known = VERDICT_OPEN;

        if (ask_now && net_state(batch->net) == NET_LIVE) {
            search_ask(batch, search);
            continue;
        }
        if (await(batch, search->asked == 0 && search->next_us > now_us(batch)
                             ? search->next_us : search->until_us,
                  search->ticket, search->asked, ask_now, &result) == AWAITED_RESULT)
            known = search_take(batch, search, &result);
        if (known != VERDICT_OPEN)
            return known == VERDICT_DONE;
    }
    if (search->misses >= LOOKUP_MISSES)
        fault_set(&batch->fault, ERR_unreachable, search->lookup->id,
                  "The connection was lost before the server took the request, and there is no "
                  "trace of it; the same command with the same id may be run again");
    else
        fault_set(&batch->fault, ERR_outcome_unknown, search->lookup->id,
                  "The outcome could not be found out within %d seconds", LOOKUP_MS / 1000);
    return trouble_here(batch);
}

/* A change whose outcome can be looked up: the request may stay unanswered past the deadline,
 * but then the search begins. */
static bool run_change(struct batch *batch, const struct lookup *lookup)
{
    int64_t           deadline_ms = conf_int(batch->conf, "deadline_ms");
    struct search     search = { .lookup = lookup };
    struct net_result result;
    enum awaited      awaited;

    search.ticket = net_request(batch->net, batch->op, batch->request, deadline_ms + LOOKUP_MS,
                                &batch->fault);
    if (search.ticket == 0)
        return trouble_here(batch);
    awaited = await(batch, now_us(batch) + deadline_ms * US_PER_MS, search.ticket, 0, false,
                    &result);
    if (awaited == AWAITED_RESULT && result.kind == NET_REPLY)
        return write_reply(batch, result.body);
    if (awaited == AWAITED_RESULT && result.class != ERR_CLASS_UNKNOWN)
        return trouble(batch, &result);
    if (awaited == AWAITED_RESULT)
        search.ticket = 0;
    fprintf(stderr, "bankterm: %s; looking up what became of it\n",
            awaited == AWAITED_RESULT ? "the connection was lost before the answer came"
                                      : "the answer did not come in time");
    search.next_us = now_us(batch);
    search.until_us = now_us(batch) + LOOKUP_MS * US_PER_MS;
    return search_outcome(batch, &search);
}

/* --- one operation ------------------------------------------------------------------------- */

static bool after_session(struct batch *batch, const struct net_result *result)
{
    const char               *path = conf_text(batch->conf, "token_file");
    const struct msg_session *session = result->body;
    uint8_t                   token[LIMIT_TOKEN_BYTES];
    enum err                  err;

    if (path[0] == '\0')
        return true;
    if (batch->op == OP_INDEX_session_logout) {
        if (unlink(path) != 0)
            fprintf(stderr, "bankterm: %s cannot be removed: %s\n", path, strerror(errno));
        return true;
    }
    if (batch->op != OP_INDEX_session_login || session->token.n != LIMIT_TOKEN_BYTES)
        return true;
    memcpy(token, session->token.at, sizeof token);
    err = secret_token_save(path, token, &batch->fault);
    explicit_bzero(token, sizeof token);
    batch->keep = err == ERR_none;
    return good(batch, err);
}

static bool run_plain(struct batch *batch)
{
    struct net_result result;

    if (!ask(batch, batch->op, batch->request, conf_int(batch->conf, "deadline_ms"), &result))
        return false;
    if (!after_session(batch, &result) || !write_reply(batch, result.body))
        return false;
    say_next(batch, result.body);
    return true;
}

static bool run_operation(struct batch *batch)
{
    const struct lookup *lookup = lookup_find(batch->op);

    if (batch->op == OP_INDEX_transaction_export)
        return run_export(batch);
    if (lookup != NULL)
        return run_change(batch, lookup);
    if (conf_bool(batch->conf, "all")
        && values_field(batch->row->request, slice_from("cursor")) != NULL)
        return run_all(batch);
    return run_plain(batch);
}

/* What the options say must fit the operation before anybody is asked for a password. */
static bool options_fit(struct batch *batch)
{
    struct render render;
    enum err      err;

    if (batch->op == OP_INDEX_transaction_export && format_of(batch) != RENDER_TABLE
        && format_of(batch) != RENDER_CSV) {
        fault_set(&batch->fault, ERR_usage, "format", "transaction.export writes csv");
        return trouble_here(batch);
    }
    err = render_begin(&render, stdout, format_of(batch), batch->row->reply,
                       conf_text(batch->conf, "columns"), false, &batch->fault);
    render_close(&render);
    return good(batch, err);
}

static bool connected_run(struct batch *batch)
{
    struct net_config config = { .server = conf_text(batch->conf, "server"),
                                 .server_key_file = conf_text(batch->conf, "server_key"),
                                 .clock = batch->clock };
    bool              done;

    if (!good(batch, net_open(&config, &batch->net, &batch->fault)))
        return false;
    done = session_begin(batch) && amounts_set(batch) && run_operation(batch);
    session_end(batch);
    net_close(&batch->net);
    return done;
}

static bool operation_take(struct batch *batch, const char *name)
{
    char near[FAULT_TEXT_MAX];

    batch->row = op_find(slice_from(name));
    if (batch->row == NULL) {
        fault_set(&batch->fault, ERR_operation_unknown, NULL, "\"%s\" is not one. %s", name,
                  batch_help_near(slice_from(name), near, sizeof near));
        return trouble_here(batch);
    }
    batch->op = (enum op_index)(batch->row - op_rows);
    return true;
}

static bool has_word(int argc, char **argv, const char *word)
{
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], word) == 0)
            return true;
    return false;
}

static int batch_work(struct batch *batch, int argc, char **argv)
{
    if (!operation_take(batch, argv[0]))
        return batch->exit_code;
    if (has_word(argc, argv, "--help")) {
        batch_help_operation(batch->row, stdout);
        return 0;
    }
    if (!good(batch, arena_init(&batch->arena, BATCH_ARENA)))
        return batch->exit_code;
    if (options_fit(batch) && request_read(batch, argc, argv) && connected_run(batch))
        batch->exit_code = 0;
    return batch->exit_code;
}

int batch_run(const struct conf *conf, struct clock *clock, int argc, char **argv)
{
    struct batch batch = { .conf = conf, .clock = clock, .exit_code = ERR_CLASS_INTERNAL };
    int          code;

    /* A reader who leaves is an error of writing, which still ends the session. */
    signal(SIGPIPE, SIG_IGN);
    slice_copy(slice_from(conf_text(conf, "user")), batch.email, sizeof batch.email);
    if (has_word(argc, argv, "--list")) {
        batch_help_list(stdout);
        return 0;
    }
    if (argc == 0) {
        fault_set(&batch.fault, ERR_usage, NULL,
                  "It is: bankterm run OPERATION [field=value ...]; --list shows the operations");
        trouble_here(&batch);
        return batch.exit_code;
    }
    code = batch_work(&batch, argc, argv);
    explicit_bzero(batch.password, sizeof batch.password);
    if (batch.arena.at != NULL)
        explicit_bzero(batch.arena.at, batch.arena.size);
    arena_free(&batch.arena);
    return code;
}
