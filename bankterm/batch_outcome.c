/* What became of a change whose answer did not come.
 *
 * The outcome is looked up by the id that the change carries: a late answer counts as the answer,
 * and a record that is there was done. That there is none proves nothing yet, on whatever
 * connection it was asked: the request may still be under way. It is proved by an order of three
 * answers: the session that signed the request has ended, so the server takes nothing more of it;
 * a new login, which goes through the same queue as every change, so what was taken is decided;
 * and then still no record. A session that is to be kept, taken up from a file, cannot be ended
 * for that. What cannot be found out within LOOKUP_MS is told as unknown, never as not done.
 * Nothing is sent a second time: that is for the user to decide, who has the id for it. */
#include "bankterm/batch_impl.h"

#include <stdio.h>
#include <string.h>

#include "bankterm/values.h"
#include "common/check.h"

enum {
    LOOKUP_MS = 10000,     /* for finding out what became of a change */
    LOOKUP_EVERY_MS = 500,
    LOOKUP_LATE_MS = 5000, /* of them for the answer, as long as its connection lives */
};

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

enum question { ASK_RECORD, ASK_LOGOUT, ASK_LOGIN };

/* The search for the outcome of one change. */
struct search {
    const struct lookup *lookup;
    uint64_t             ticket;   /* of the change; 0 when its connection is gone */
    uint64_t             asked;    /* of the question in flight; 0 = none */
    enum question        question; /* that one's kind */
    int64_t              next_us;
    int64_t              until_us;
    bool                 missed;   /* there was no record once */
    bool                 another;  /* the session is another one, and that one's end is not known */
    bool                 ended;    /* the session that signed the change takes nothing more */
    bool                 fenced;   /* a login behind that end was answered */
    bool                 not_done; /* and then there was no record */
};

static bool is_time_to_end(const struct batch *batch, const struct search *search)
{
    bool waits = search->ticket != 0
                 && batch_now_us(batch) < search->until_us - LOOKUP_LATE_MS * US_PER_MS;

    return search->missed && !search->ended && !search->another && batch->may_log_in && !waits;
}

static void search_ask(struct batch *batch, struct search *search)
{
    char                     request[BATCH_REQUEST_MAX] __attribute__((aligned(16)));
    struct msg_session_login login = { 0 };
    struct msg_empty         empty = { 0 };
    const void              *body = request;
    enum op_index            op = search->lookup->get;

    search->next_us = batch_now_us(batch) + LOOKUP_EVERY_MS * US_PER_MS;
    if (!net_logged_in(batch->net)) {
        if (!batch->may_log_in)
            return;
        MSG_SET(&login, session_login, email, slice_from(batch->email));
        MSG_SET(&login, session_login, password, slice_from(batch->password));
        search->question = ASK_LOGIN;
        search->another = !search->ended;
        op = OP_INDEX_session_login;
        body = &login;
    } else if (is_time_to_end(batch, search)) {
        search->question = ASK_LOGOUT;
        op = OP_INDEX_session_logout;
        body = &empty;
    } else {
        search->question = ASK_RECORD;
        lookup_request(batch, search->lookup, request);
    }
    search->asked = net_request(batch->net, op, body, LOOKUP_MS, &batch->fault);
}

enum verdict_known { VERDICT_OPEN, VERDICT_DONE, VERDICT_REFUSED };

static enum verdict_known search_found(struct batch *batch, const struct search *search,
                                       const struct net_result *result)
{
    if (search->lookup->same && !record_is_ours(batch, result->body)) {
        fault_set(&batch->fault, ERR_id_reused, search->lookup->id, NULL);
        batch_trouble_here(batch);
        return VERDICT_REFUSED;
    }
    if (!record_says_done(batch, search->lookup, result->body))
        return VERDICT_OPEN;
    fprintf(stderr, "bankterm: the answer was lost, but it was done: looked up by %s\n",
            search->lookup->id);
    if (!batch_write_reply(batch, result->body))
        return VERDICT_REFUSED;
    return VERDICT_DONE;
}

/* Whether this answer says that the session of the change takes nothing more. */
static bool session_is_over(const struct search *search, const struct net_result *result)
{
    if (search->another)
        return false;
    if (search->question == ASK_LOGOUT && result->kind == NET_REPLY)
        return true;
    return search->question != ASK_LOGIN && result->kind == NET_FAILURE
           && result->fault.err == ERR_session_invalid;
}

/* Takes one end of a request into the search. */
static enum verdict_known search_take(struct batch *batch, struct search *search,
                                      const struct net_result *result)
{
    enum verdict_known known = VERDICT_OPEN;

    if (result->ticket == search->ticket) {
        search->ticket = 0;
        if (result->kind == NET_REPLY)
            return batch_write_reply(batch, result->body) ? VERDICT_DONE : VERDICT_REFUSED;
        if (result->class == ERR_CLASS_UNKNOWN)
            return VERDICT_OPEN;
        batch_trouble(batch, result);
        return VERDICT_REFUSED;
    }
    search->asked = 0;
    if (search->question != ASK_RECORD && result->kind == NET_REPLY)
        search->next_us = batch_now_us(batch);
    if (session_is_over(search, result))
        search->ended = true;
    if (search->question == ASK_LOGIN && result->kind == NET_REPLY)
        search->fenced = search->ended;
    if (search->question != ASK_RECORD)
        return VERDICT_OPEN;
    if (result->kind == NET_REPLY)
        known = search_found(batch, search, result);
    if ((result->kind == NET_REPLY && known == VERDICT_OPEN)
        || (result->kind == NET_FAILURE && result->class == ERR_CLASS_CONFLICT)) {
        search->missed = true;
        search->not_done = search->fenced;
    }
    return known;
}

/* Returns true when it is known to be done. */
static bool search_outcome(struct batch *batch, struct search *search)
{
    while (batch_now_us(batch) < search->until_us && !search->not_done) {
        bool               ask_now = search->asked == 0 && batch_now_us(batch) >= search->next_us;
        struct net_result  result;
        enum verdict_known known = VERDICT_OPEN;
        int64_t            until_us = search->until_us;

        if (ask_now && net_state(batch->net) == NET_LIVE) {
            search_ask(batch, search);
            continue;
        }
        if (search->asked == 0 && search->next_us > batch_now_us(batch))
            until_us = search->next_us;
        if (batch_await(batch, until_us, search->ticket, search->asked, ask_now, &result)
            == AWAITED_RESULT)
            known = search_take(batch, search, &result);
        if (known != VERDICT_OPEN)
            return known == VERDICT_DONE;
    }
    if (search->not_done)
        fault_set(&batch->fault, ERR_unreachable, search->lookup->id,
                  "The request was lost and there is no trace of it: its session was ended, so it "
                  "can no longer be done; the same command with the same id may be run again");
    else
        fault_set(&batch->fault, ERR_outcome_unknown, search->lookup->id,
                  "There was no trace of it within %d seconds, and it may still be under way; the "
                  "same command with the same id is never done twice", LOOKUP_MS / 1000);
    return batch_trouble_here(batch);
}

bool batch_can_look_up(enum op_index op)
{
    return lookup_find(op) != NULL;
}

bool batch_change(struct batch *batch)
{
    int64_t           deadline_ms = conf_int(batch->conf, "deadline_ms");
    struct search     search = { .lookup = lookup_find(batch->op) };
    struct net_result result;
    enum awaited      awaited;

    search.ticket = net_request(batch->net, batch->op, batch->request, deadline_ms + LOOKUP_MS,
                                &batch->fault);
    if (search.ticket == 0)
        return batch_trouble_here(batch);
    awaited = batch_await(batch, batch_now_us(batch) + deadline_ms * US_PER_MS, search.ticket, 0,
                          false, &result);
    if (awaited == AWAITED_RESULT && result.kind == NET_REPLY)
        return batch_write_reply(batch, result.body);
    if (awaited == AWAITED_RESULT && result.class != ERR_CLASS_UNKNOWN)
        return batch_trouble(batch, &result);
    if (awaited == AWAITED_RESULT)
        search.ticket = 0;
    fprintf(stderr, "bankterm: %s; looking up what became of it\n",
            awaited == AWAITED_RESULT ? "the connection was lost before the answer came"
                                      : "the answer did not come in time");
    search.next_us = batch_now_us(batch);
    search.until_us = batch_now_us(batch) + LOOKUP_MS * US_PER_MS;
    return search_outcome(batch, &search);
}
