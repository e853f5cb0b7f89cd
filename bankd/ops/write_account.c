/* Operations that open, freeze and close accounts and enter customers. */
#include "bankd/ops/view.h"
#include "bankd/writer.h"
#include "common/money.h"

#include <string.h>

/* --- customers ------------------------------------------------------------------------------- */

static enum err finish_customer(struct request *request, struct draft *draft, struct slice detail,
                                struct msg_customer *out)
{
    struct act act = { .actor = &request->actor,
                       .kind = AUDIT_ACTION,
                       .operation = request->op->name,
                       .subject = &draft->customer.customer_id,
                       .detail = detail };

    draft->change.customer = &draft->customer;
    TRY(view_customer(request, &draft->customer, out));
    writer_audit(request->writer, draft, &act);
    writer_add(request->writer, draft);
    return ERR_none;
}

/* The same id with the same content answers the same customer again. */
static enum err answer_known_customer(struct request *request, const struct msg_customer_create *in,
                                      const struct customer *row, struct msg_customer *out)
{
    if (!slice_is(in->name, row->name) || !slice_is(in->email, row->email) ||
        !slice_is(in->country, row->country))
        return fault_set(request->fault, ERR_id_reused, "customer_id", "%s", "");
    return view_customer(request, row, out);
}

static bool is_country(struct slice code)
{
    return code.n == 2 && code.at[0] >= 'A' && code.at[0] <= 'Z' && code.at[1] >= 'A' &&
           code.at[1] <= 'Z';
}

enum err op_customer_create(struct request *request, const struct msg_customer_create *in,
                            struct msg_customer *out)
{
    struct draft   *draft = writer_draft(request->writer);
    struct customer row;
    enum err        err;

    if (draft == NULL)
        return ERR_busy;
    if (!uuid_is_v7(&in->customer_id))
        return fault_set(request->fault, ERR_id_invalid, "customer_id", "%s", "");
    if (in->country.n > 0 && !is_country(in->country))
        return fault_set(request->fault, ERR_field_invalid, "country",
                         "A country is two capital letters, such as DE");
    err = request->store->ops->customer_by_id(request->store, &in->customer_id, &row);
    if (err == ERR_none)
        return answer_known_customer(request, in, &row, out);
    if (err != ERR_not_found)
        return err;
    memset(&draft->customer, 0, sizeof draft->customer);
    draft->customer.number = writer_next_customer(request->writer);
    draft->customer.customer_id = in->customer_id;
    slice_copy(in->name, draft->customer.name, sizeof draft->customer.name);
    slice_copy(in->email, draft->customer.email, sizeof draft->customer.email);
    slice_copy(in->country, draft->customer.country, sizeof draft->customer.country);
    draft->customer.created_at_us = request->now_us;
    writer_rollup(draft, ROLLUP_ALL, 0, 0, METRIC_CUSTOMERS, 1, 0);
    return finish_customer(request, draft, in->name, out);
}

enum err op_customer_verify(struct request *request, const struct msg_customer_verify *in,
                            struct msg_customer *out)
{
    struct draft *draft = writer_draft(request->writer);
    enum err      err;

    if (draft == NULL)
        return ERR_busy;
    err = request->store->ops->customer_by_id(request->store, &in->customer_id, &draft->customer);
    if (err != ERR_none)
        return fault_set(request->fault, err, "customer_id", "%s", "");
    if (draft->customer.verified == in->verified)
        return fault_set(request->fault, ERR_state_conflict, "verified",
                         "The customer's identity is %s proved", in->verified ? "already" : "not");
    draft->customer.verified = in->verified;
    writer_rollup(draft, ROLLUP_ALL, 0, 0, METRIC_VERIFIED, in->verified ? 1 : -1, 0);
    return finish_customer(request, draft, in->reason, out);
}

/* --- opening --------------------------------------------------------------------------------- */

static enum err answer_known_account(struct request *request, const struct msg_account_create *in,
                                     int64_t number, struct msg_account *out)
{
    struct account         row;
    const struct currency *currency;

    TRY(request->store->ops->account_by_number(request->store, number, &row));
    currency = currency_by_number(row.book.currency);
    if (!uuid_equal(&row.customer_id, &in->customer_id) || currency == NULL ||
        !slice_is(in->currency, currency->code) || row.book.overdraft_limit != in->overdraft_limit)
        return fault_set(request->fault, ERR_id_reused, "account_id", "%s", "");
    return view_account(request, &row, out);
}

static void fill_account(struct request *request, const struct msg_account_create *in,
                         const struct customer *customer, const struct currency *currency,
                         struct account *row)
{
    memset(row, 0, sizeof *row);
    row->book.number = writer_next_account(request->writer);
    row->book.account_id = in->account_id;
    row->book.customer = customer->number;
    row->book.opened_by = request->actor.user;
    row->book.kind = ACCOUNT_CUSTOMER;
    row->book.status = ACCOUNT_ACTIVE;
    row->book.currency = currency->number;
    row->book.overdraft_limit = in->overdraft_limit;
    row->book.created_at_us = request->now_us;
    row->book.version = 1;
    row->customer_id = customer->customer_id;
    row->opened_by_id = request->actor.user_id;
    slice_copy(slice_from(customer->name), row->holder, sizeof row->holder);
    slice_copy(in->name.n > 0 ? in->name : slice_from(customer->name), row->name, sizeof row->name);
}

enum err op_account_create(struct request *request, const struct msg_account_create *in,
                           struct msg_account *out)
{
    const struct currency *currency = currency_by_code(in->currency.at, in->currency.n);
    struct account_book    known;
    struct customer        customer;
    struct draft          *draft = writer_draft(request->writer);
    enum err               err;

    if (draft == NULL)
        return ERR_busy;
    if (!uuid_is_v7(&in->account_id))
        return fault_set(request->fault, ERR_id_invalid, "account_id", "%s", "");
    if (currency == NULL)
        return fault_set(request->fault, ERR_currency_unknown, "currency", "%s", "");
    err = request->store->ops->book_by_id(request->store, &in->account_id, &known);
    if (err == ERR_none)
        return answer_known_account(request, in, known.number, out);
    if (err != ERR_not_found)
        return err;
    err = request->store->ops->customer_by_id(request->store, &in->customer_id, &customer);
    if (err != ERR_none)
        return fault_set(request->fault, err, "customer_id", "There is no such customer");
    fill_account(request, in, &customer, currency, &draft->account);
    draft->change.account = &draft->account;
    writer_rollup(draft, ROLLUP_ALL, 0, currency->number, METRIC_ACCOUNTS + ACCOUNT_ACTIVE, 1, 0);
    TRY(view_account(request, &draft->account, out));
    struct act act = { .actor = &request->actor,
                       .kind = AUDIT_ACTION,
                       .operation = request->op->name,
                       .subject = &in->account_id,
                       .detail = slice_from(draft->account.name) };
    writer_audit(request->writer, draft, &act);
    writer_add(request->writer, draft);
    return ERR_none;
}

/* --- freezing and closing -------------------------------------------------------------------- */

/* What a change of an account's terms works on. */
struct terms {
    struct draft       *draft;
    struct account      row; /* as the client will see it */
    struct account_book before;
};

static enum err terms_begin(struct request *request, const struct uuid *id, struct terms *terms)
{
    const struct account_book *book;
    enum err                   err = writer_book_by_id(request->writer, id, &book, NULL);

    if (err != ERR_none)
        return fault_set(request->fault, err, "account_id", "%s", "");
    if (book->kind != ACCOUNT_CUSTOMER)
        return fault_set(request->fault, ERR_account_system, "account_id", "%s", "");
    if (book->status == ACCOUNT_CLOSED)
        return fault_set(request->fault, ERR_account_closed, "account_id", "%s", "");
    terms->draft = writer_draft(request->writer);
    if (terms->draft == NULL)
        return ERR_busy;
    TRY(request->store->ops->account_by_number(request->store, book->number, &terms->row));
    terms->before = *book;
    terms->row.book = *book;
    terms->row.book.version++;
    return ERR_none;
}

static enum err terms_end(struct request *request, struct terms *terms, struct slice reason,
                          struct msg_account *out)
{
    struct act               act = { .actor = &request->actor,
                                     .kind = AUDIT_ACTION,
                                     .operation = request->op->name,
                                     .subject = &terms->row.book.account_id,
                                     .detail = reason };
    struct msg_event_account event = { .account_id = terms->row.book.account_id,
                                       .status = terms->row.book.status };
    struct account_change   *change;

    TRY(view_account(request, &terms->row, out));
    writer_change_book(terms->draft, &terms->before, &terms->row.book, true);
    change = &terms->draft->change.accounts[0];
    memcpy(change->freeze_reason, terms->row.freeze_reason, sizeof change->freeze_reason);
    memcpy(change->freeze_authority, terms->row.freeze_authority, sizeof change->freeze_authority);
    writer_audit(request->writer, terms->draft, &act);
    writer_add(request->writer, terms->draft);
    writer_emit(request->writer, EVENT_INDEX_account, &event);
    return ERR_none;
}

enum err op_account_freeze(struct request *request, const struct msg_account_freeze *in,
                           struct msg_account *out)
{
    struct terms terms;

    TRY(terms_begin(request, &in->account_id, &terms));
    if (terms.before.status == ACCOUNT_FROZEN)
        return fault_set(request->fault, ERR_state_conflict, "account_id",
                         "The account is already frozen");
    if (MSG_HAS(in, account_freeze, until) && in->until <= request->now_us)
        return fault_set(request->fault, ERR_range_invalid, "until",
                         "The freeze would already be over");
    terms.row.book.status = ACCOUNT_FROZEN;
    terms.row.book.freeze_direction =
        MSG_HAS(in, account_freeze, direction) ? in->direction : FREEZE_BOTH;
    terms.row.book.freeze_until_us = in->until;
    slice_copy(in->reason, terms.row.freeze_reason, sizeof terms.row.freeze_reason);
    slice_copy(in->authority, terms.row.freeze_authority, sizeof terms.row.freeze_authority);
    return terms_end(request, &terms, in->reason, out);
}

static void clear_freeze(struct terms *terms, int32_t status)
{
    terms->row.book.status = status;
    terms->row.book.freeze_direction = 0;
    terms->row.book.freeze_until_us = 0;
    terms->row.freeze_reason[0] = '\0';
    terms->row.freeze_authority[0] = '\0';
}

enum err op_account_unfreeze(struct request *request, const struct msg_account_act *in,
                             struct msg_account *out)
{
    struct terms terms;

    TRY(terms_begin(request, &in->account_id, &terms));
    if (terms.before.status != ACCOUNT_FROZEN)
        return fault_set(request->fault, ERR_state_conflict, "account_id",
                         "The account is not frozen");
    clear_freeze(&terms, ACCOUNT_ACTIVE);
    return terms_end(request, &terms, in->reason, out);
}

enum err op_account_close(struct request *request, const struct msg_account_act *in,
                          struct msg_account *out)
{
    struct terms terms;

    TRY(terms_begin(request, &in->account_id, &terms));
    if (terms.before.status == ACCOUNT_FROZEN)
        return fault_set(request->fault, ERR_account_frozen, "account_id",
                         "A frozen account cannot be closed");
    if (terms.before.balance != 0 || terms.before.held != 0)
        return fault_set(request->fault, ERR_account_not_empty, "account_id", "%s", "");
    clear_freeze(&terms, ACCOUNT_CLOSED);
    return terms_end(request, &terms, in->reason, out);
}

/* --- sessions -------------------------------------------------------------------------------- */

/* The audit log learns of it here; the server drops the session when this is durable. */
enum err op_session_logout(struct request *request, const struct msg_empty *in,
                           struct msg_empty *out)
{
    struct draft *draft = writer_draft(request->writer);
    struct act    act = { .actor = &request->actor,
                          .kind = AUDIT_ACTION,
                          .operation = request->op->name,
                          .subject = &request->actor.user_id };

    (void)in;
    (void)out;
    if (draft == NULL)
        return ERR_busy;
    writer_audit(request->writer, draft, &act);
    writer_add(request->writer, draft);
    return ERR_none;
}
