/* What became of a change whose answer did not come.
 *
 * The outcome is looked up by the id that the change carries: a late answer counts as the answer;
 * a record that is there was done; one that is not there, asked for anew on a new connection, was
 * not done; and what cannot be found out within LOOKUP_MS is told as unknown. Nothing is sent a
 * second time: that is for the user to decide, who has the id for it. */
#include "bankterm/batch_impl.h"

#include <stdio.h>
#include <string.h>

#include "bankterm/values.h"
#include "common/check.h"

enum {
    LOOKUP_MS = 10000,     /* for finding out what became of a change */
    LOOKUP_EVERY_MS = 500,
    LOOKUP_MISSES = 3,     /* answers "there is none" on a new connection that prove it */
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

    search->next_us = batch_now_us(batch) + LOOKUP_EVERY_MS * US_PER_MS;
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

/* Takes one end of a request into the search. */
static enum verdict_known search_take(struct batch *batch, struct search *search,
                                      const struct net_result *result)
{
    enum verdict_known known = VERDICT_OPEN;
    bool               none;

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
    while (batch_now_us(batch) < search->until_us && search->misses < LOOKUP_MISSES) {
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
    if (search->misses >= LOOKUP_MISSES)
        fault_set(&batch->fault, ERR_unreachable, search->lookup->id,
                  "The connection was lost before the server took the request, and there is no "
                  "trace of it; the same command with the same id may be run again");
    else
        fault_set(&batch->fault, ERR_outcome_unknown, search->lookup->id,
                  "The outcome could not be found out within %d seconds", LOOKUP_MS / 1000);
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
