/* One operation from the command line, from its words to its exit code.
 *
 * The order is: read the words, check them against the tables, connect, log in or take up a
 * session, find the decimals of amounts, ask, write, log out. Each step tells its own trouble on
 * standard error and sets the exit code; the steps behind it are then left out. */
#include "bankterm/batch.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bankterm/batch_help.h"
#include "bankterm/batch_impl.h"
#include "bankterm/net.h"
#include "bankterm/render.h"
#include "bankterm/secret.h"
#include "bankterm/values.h"
#include "common/check.h"

enum {
    BATCH_LOGOUT_MS = 2000,
    BATCH_PAGE_ROWS = 200, /* of each page when the whole list is wanted */
};

/* --- the session --------------------------------------------------------------------------- */

static bool log_in(struct batch *batch)
{
    struct msg_session_login login = { 0 };
    struct net_result        result;

    MSG_SET(&login, session_login, email, slice_from(batch->email));
    MSG_SET(&login, session_login, password, slice_from(batch->password));
    return batch_ask(batch, OP_INDEX_session_login, &login, &result);
}

static bool credentials(struct batch *batch)
{
    if (batch->email[0] == '\0') {
        fault_set(&batch->fault, ERR_login_required, "user",
                  "Give --user or set BANKTERM_USER, or take a session from --token-file");
        return batch_trouble_here(batch);
    }
    if (!batch_good(batch, secret_password(conf_text(batch->conf, "password_file"), batch->email,
                                           batch->password, sizeof batch->password,
                                           &batch->fault)))
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
        return batch_connect(batch);
    if (path[0] == '\0')
        return credentials(batch) && batch_connect(batch) && log_in(batch);
    err = secret_token_load(path, token, &batch->fault);
    if (!batch_good(batch, err))
        return false;
    batch->keep = true;
    net_use_token(batch->net, token);
    explicit_bzero(token, sizeof token);
    return batch_connect(batch);
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

bool batch_write_reply(struct batch *batch, const void *body)
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
    return batch_good(batch, err);
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

    if (!batch_good(batch, page_limit(batch)))
        return false;
    whole = batch_good(batch,
                       render_begin(&render, stdout, format_of(batch), batch->row->reply,
                                    conf_text(batch->conf, "columns"), true, &batch->fault));
    while (whole && more) {
        whole = batch_ask(batch, batch->op, batch->request, &result)
                && batch_good(batch, render_page(&render, result.body, &batch->fault));
        more = whole && cursor_advance(batch, result.body, cursor);
    }
    whole = whole && batch_good(batch, render_end(&render, &batch->fault));
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
        if (!batch_ask(batch, batch->op, batch->request, &result)) {
            if (rows > 0)
                fprintf(stderr, "bankterm: the file is not complete: it ends after %" PRId64
                                " rows\n", rows);
            return false;
        }
        chunk = result.body;
        rows += chunk->rows;
        if (fwrite(chunk->csv.at, 1, chunk->csv.n, stdout) != chunk->csv.n) {
            fault_set(&batch->fault, ERR_io, NULL, "The output cannot be written");
            return batch_trouble_here(batch);
        }
        say_progress(chunk, rows);
        more = cursor_advance(batch, chunk, cursor);
    }
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\n");
    if (fflush(stdout) == 0)
        return true;
    fault_set(&batch->fault, ERR_io, NULL, "The output cannot be written");
    return batch_trouble_here(batch);
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
    return batch_good(batch, err);
}

static struct slice item_text(const struct message_desc *desc, const void *item, const char *name)
{
    const struct field_desc *field = values_field(desc, slice_from(name));

    if (field == NULL || field->type != FIELD_TEXT || !values_has(desc, item, field))
        return slice_of("", 0);
    return values_slice(desc, item, field);
}

/* The first refusal becomes the exit code, and is told with how far the rest came. */
static bool refused_in_part(struct batch *batch, const struct message_desc *desc, const void *first,
                            size_t refused, size_t count)
{
    struct slice name = item_text(desc, first, "outcome");
    struct slice text = item_text(desc, first, "text");
    char         known[64];

    slice_copy(name, known, sizeof known);
    batch->exit_code = (int)err_class(err_from_name(known));
    fprintf(stderr, "bankterm: %zu of %zu done, %zu refused; the first: ", count - refused, count,
            refused);
    batch_say_escaped(name);
    fprintf(stderr, ": ");
    batch_say_escaped(text);
    fprintf(stderr, "\n");
    return false;
}

/* A reply that counts what was refused of several tells of each item what became of it; one that
 * is not done makes the whole a failure, whatever became of the others. Lists of what happened
 * once, such as the audit log, have outcomes too and are no such reply. */
static bool all_done(struct batch *batch, const void *body)
{
    const struct message_desc *desc = batch->row->reply;
    const struct field_desc   *items = values_field(desc, slice_from("items"));
    const char                *first = NULL;
    size_t                     refused = 0;
    struct {
        const char *at;
        size_t      count;
    } list;

    if (items == NULL || items->type != FIELD_LIST
        || values_field(desc, slice_from("refused")) == NULL
        || values_field(items->item, slice_from("outcome")) == NULL)
        return true;
    memcpy(&list, (const char *)body + items->offset, sizeof list);
    for (size_t i = 0; i < list.count; i++) {
        const char *item = list.at + i * items->item->size;

        if (slice_is(item_text(items->item, item, "outcome"), "done"))
            continue;
        if (refused++ == 0)
            first = item;
    }
    return refused == 0 || refused_in_part(batch, items->item, first, refused, list.count);
}

static bool run_plain(struct batch *batch)
{
    struct net_result result;

    if (!batch_ask(batch, batch->op, batch->request, &result))
        return false;
    if (!after_session(batch, &result) || !batch_write_reply(batch, result.body))
        return false;
    say_next(batch, result.body);
    return all_done(batch, result.body);
}

static bool run_operation(struct batch *batch)
{
    if (batch->op == OP_INDEX_transaction_export)
        return run_export(batch);
    if (batch_can_look_up(batch->op))
        return batch_change(batch);
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
        return batch_trouble_here(batch);
    }
    err = render_begin(&render, stdout, format_of(batch), batch->row->reply,
                       conf_text(batch->conf, "columns"), false, &batch->fault);
    render_close(&render);
    return batch_good(batch, err);
}

static bool connected_run(struct batch *batch)
{
    struct net_config config = { .server = conf_text(batch->conf, "server"),
                                 .server_key_file = conf_text(batch->conf, "server_key"),
                                 .clock = batch->clock,
                                 .without_events = true };
    bool              done;

    if (!batch_good(batch, net_open(&config, &batch->net, &batch->fault)))
        return false;
    done = session_begin(batch) && batch_set_amounts(batch) && run_operation(batch);
    if (!batch->keep)
        net_log_out(batch->net, BATCH_LOGOUT_MS);
    net_close(&batch->net);
    return done;
}

static bool operation_take(struct batch *batch, const char *name)
{
    char near[FAULT_TEXT_MAX];

    batch->row = op_find(slice_from(name));
    if (batch->row == NULL) {
        batch_help_near(slice_from(name), near, sizeof near);
        fault_set(&batch->fault, ERR_operation_unknown, NULL, "\"%s\" is not one%s%s", name,
                  near[0] != '\0' ? ". " : "", near);
        return batch_trouble_here(batch);
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
    if (!batch_good(batch, arena_init(&batch->arena, BATCH_ARENA)))
        return batch->exit_code;
    if (options_fit(batch) && batch_read_words(batch, argc, argv) && connected_run(batch))
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
        batch_trouble_here(&batch);
        return batch.exit_code;
    }
    code = batch_work(&batch, argc, argv);
    explicit_bzero(batch.password, sizeof batch.password);
    if (batch.arena.at != NULL)
        explicit_bzero(batch.arena.at, batch.arena.size);
    arena_free(&batch.arena);
    return code;
}
