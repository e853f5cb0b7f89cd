/* The request from the words of the command line.
 *
 * Whatever the tables can refuse is refused here, before anything is sent and before a password
 * is asked for. Two things are filled in: the id of a new record, which is made and told, so that
 * the same command with that id can be run again without doing it twice; and for session.login
 * the address and password, from where every other operation's login takes them.
 *
 * An amount means nothing without its currency's decimals. They come from the request's own
 * currency, else from the account that it names, which takes a question to the server, else from
 * the option `currency`. */
#include "bankterm/batch_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bankterm/batch_help.h"
#include "bankterm/secret.h"
#include "bankterm/values.h"
#include "common/check.h"
#include "common/money.h"

/* A text that may fill a file; there a value that begins with @ names one. */
static bool is_multiline(const struct field_desc *field)
{
    return field != NULL && field->type == FIELD_TEXT && (field->flags & MULTILINE) != 0;
}

/* The end of the last line belongs to files that are sent whole, and to no other value. */
static enum err value_from_file(struct batch *batch, struct slice name, const char *path,
                                struct slice *text)
{
    int    fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    size_t most = op_size_max(batch->row);
    char  *at = arena_take(&batch->arena, most + 1);
    bool whole = most > LIMIT_MESSAGE_MAX && is_multiline(values_field(batch->row->request, name));
    char field[FAULT_FIELD_MAX];
    size_t  used = 0;
    ssize_t n = fd >= 0 && at != NULL ? 1 : -1;

    slice_copy(name, field, sizeof field);
    while (n > 0 && used < most + 1) {
        n = read(fd, at + used, most + 1 - used);
        used += n > 0 ? (size_t)n : 0;
    }
    if (n < 0)
        fault_set(&batch->fault, ERR_io, field, "%s cannot be read: %s", path, strerror(errno));
    if (fd > STDIN_FILENO)
        close(fd);
    if (n < 0)
        return ERR_io;
    if (used > most)
        return fault_set(&batch->fault, ERR_message_too_large, field, "%s has more than %zu bytes",
                         path, most);
    if (used > 0 && at[used - 1] == '\n' && !whole)
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
    if (mark[1] == '@' && name.at + name.n == mark && is_multiline(field)) {
        if (mark[2] == '@') /* the sign itself */
            text = slice_from(mark + 2);
        else
            TRY(value_from_file(batch, name, mark + 2, &text));
    }
    if (field != NULL && values_has(batch->row->request, batch->request, field))
        return fault_set(&batch->fault, ERR_usage, field->name, "It was given twice");
    if (field != NULL && field->type == FIELD_MONEY && text.n > 0)
        return amount_keep(batch, name, text);
    if (field != NULL && text.n == 0 &&
        values_set_empty(batch->row->request, batch->request, field))
        return ERR_none;
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

bool batch_read_words(struct batch *batch, int argc, char **argv)
{
    batch->request = arena_take(&batch->arena, batch->row->request->size);
    CHECK(batch->request != NULL && batch->row->request->size <= BATCH_REQUEST_MAX);
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--") != 0 && !batch_good(batch, word_take(batch, argv[i])))
            return false;
    if (!batch_good(batch, login_fill(batch)) || !batch_good(batch, id_make(batch)) ||
        !batch_good(batch, request_complete(batch)))
        return false;
    id_tell(batch);
    return true;
}

/* --- amounts ------------------------------------------------------------------------------- */

/* The decimals of the account or transaction that the request names. */
static bool exponent_of_account(struct batch *batch, uint8_t *exponent)
{
    const struct field_desc *field = values_field(batch->row->request, slice_from("account_id"));
    struct msg_account_ref   ref = { 0 };
    struct net_result        result;

    if (field == NULL || !values_has(batch->row->request, batch->request, field) ||
        batch->op == OP_INDEX_account_create) {
        const char            *code = conf_text(batch->conf, "currency");
        const struct currency *currency = currency_by_code(code, strlen(code));

        if (currency == NULL) {
            fault_set(&batch->fault, ERR_currency_unknown, "currency", "\"%s\" is not one", code);
            return batch_trouble_here(batch);
        }
        *exponent = currency->exponent;
        return true;
    }
    memcpy(&ref.account_id, (const char *)batch->request + field->offset, sizeof ref.account_id);
    ref.has = UINT64_C(1) << INDEX_account_ref__account_id;
    if (!batch_ask(batch, OP_INDEX_account_get, &ref, &result))
        return false;
    if (values_exponent(op_rows[OP_INDEX_account_get].reply, result.body, exponent))
        return true;
    fault_set(&batch->fault, ERR_currency_unknown, "currency",
              "The currency of the account is not known here");
    return batch_trouble_here(batch);
}

bool batch_set_amounts(struct batch *batch)
{
    const struct message_desc *desc = batch->row->request;
    uint8_t                    exponent = VALUES_EXPONENT_DEFAULT;

    if (batch->amount_count == 0)
        return true;
    if (!values_exponent(desc, batch->request, &exponent)) {
        const struct field_desc *field = values_field(desc, slice_from("currency"));

        if (field != NULL && values_has(desc, batch->request, field)) {
            fault_set(&batch->fault, ERR_currency_unknown, "currency", NULL);
            return batch_trouble_here(batch);
        }
        if (!exponent_of_account(batch, &exponent))
            return false;
    }
    for (size_t i = 0; i < batch->amount_count; i++)
        if (!batch_good(batch,
                        values_set(desc, batch->request, batch->amounts[i].name,
                                   batch->amounts[i].text, exponent, &batch->arena, &batch->fault)))
            return false;
    return true;
}
