/* risk.graph: who is connected with an account, small enough to be drawn with letters.
 *
 * The account's newest payments give its counterparties; the newest payments of those it deals with
 * most give the others that share them. Everything is walked along chains of previous
 * transactions, so the work is bounded by the limits of LIMIT_GRAPH_* whatever the bank's size:
 * at most 500 + 12 x 200 payments. What was seen is kept as edges between entities; then the nodes
 * that matter are chosen, near ones by money, far ones by how many near ones they share, then by
 * frauds, then by money; and edges between chosen nodes are told. */
#include "bankd/ops/figures.h"
#include "bankd/ops/page.h"
#include "bankd/profile.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/money.h"

#include <stdlib.h>
#include <string.h>

enum {
    ROWS_MAX = LIMIT_GRAPH_ROWS_MAX + LIMIT_GRAPH_NEAR_MAX * LIMIT_GRAPH_NEAR_ROWS_MAX,
    DEPTH_DEFAULT = 2,
};

struct edge {
    int64_t  from, to; /* entities */
    uint16_t currency; /* an account has one, and one end of every edge is an account */
    int64_t  count, amount, stopped, findings, frauds, first_us, last_us;
};

struct node {
    int64_t entity;
    int64_t amount; /* of its edges to nearer nodes, in the currency of the graph */
    int64_t shared, frauds;
    int     level;
    size_t  number; /* in the reply; 0 = not chosen */
};

/* A payment of the account itself, for chains through it. */
struct step {
    int64_t     entity; /* on the other side */
    int64_t     amount;
    int64_t     at_us;
    bool        incoming;
    struct uuid id;
};

struct drawing {
    struct request     *request;
    struct msg_graph   *out;
    struct account      account;
    int64_t             self; /* entity */
    size_t              depth;
    size_t              edge_count;
    size_t              node_count;
    size_t              step_count;
    struct transaction  row;
    struct account_book debit, credit;               /* of the row; number 0 = none yet */
    struct step         steps[LIMIT_GRAPH_ROWS_MAX]; /* newest first */
    struct edge         edges[ROWS_MAX];
    struct node         nodes[ROWS_MAX + 1];
};

static enum err must_be_there(enum err err)
{
    return err == ERR_not_found ? ERR_books_broken : err;
}

static bool is_party(int64_t entity)
{
    return entity % 2 != 0;
}

static void plus(int64_t *sum, int64_t amount)
{
    if (!money_add(*sum, amount, sum))
        *sum = INT64_MAX;
}

/* --- what is seen ---------------------------------------------------------------------------- */

static struct edge *edge_at(struct drawing *drawing, int64_t from, int64_t to)
{
    struct edge *edge;

    for (size_t i = 0; i < drawing->edge_count; i++)
        if (drawing->edges[i].from == from && drawing->edges[i].to == to)
            return &drawing->edges[i];
    CHECK(drawing->edge_count < ROWS_MAX);
    edge = &drawing->edges[drawing->edge_count++];
    *edge = (struct edge){ .from = from, .to = to, .first_us = INT64_MAX, .last_us = INT64_MIN };
    return edge;
}

static enum err book_at(struct drawing *drawing, int64_t number, struct account_book *book)
{
    struct store *store = drawing->request->store;

    return book->number == number ? ERR_none
                                  : must_be_there(store->ops->book_by_number(store, number, book));
}

/* The two ends of a payment: the account that it is about, and whom it deals with: a party, a
 * customer's account, or else the bank's own. */
static void ends_of(const struct drawing *drawing, int64_t *subject, int64_t *other)
{
    const struct transaction *row = &drawing->row;

    *subject = profile_subject(row);
    *other = profile_counterparty(row, &drawing->debit, &drawing->credit);
    if (*other == 0)
        *other = entity_of_account(row->incoming ? row->debit : row->credit);
}

static enum err count_row(struct drawing *drawing, struct edge *edge)
{
    struct store             *store = drawing->request->store;
    const struct transaction *row = &drawing->row;
    struct label              label;
    enum err                  err = store->ops->label_by_transaction(store, row->sequence, &label);

    if (err != ERR_none && err != ERR_not_found)
        return err;
    edge->findings += err == ERR_none && !label.withdrawn ? 1 : 0;
    edge->frauds += err == ERR_none && label.fraud ? 1 : 0;
    edge->count++;
    edge->stopped += row->status != STATUS_COMPLETED && row->status != STATUS_REVERSED ? 1 : 0;
    edge->currency = row->currency;
    if (row->status == STATUS_COMPLETED)
        plus(&edge->amount, row->amount);
    edge->first_us = row->at_us < edge->first_us ? row->at_us : edge->first_us;
    edge->last_us = row->at_us > edge->last_us ? row->at_us : edge->last_us;
    return ERR_none;
}

static void note_step(struct drawing *drawing, int64_t other, bool incoming)
{
    const struct transaction *row = &drawing->row;

    if (row->status != STATUS_COMPLETED)
        return;
    drawing->steps[drawing->step_count++] = (struct step){ .entity = other,
                                                           .amount = row->amount,
                                                           .at_us = row->at_us,
                                                           .incoming = incoming,
                                                           .id = row->transaction_id };
}

static struct node *node_of(struct drawing *drawing, int64_t entity)
{
    for (size_t i = 0; i < drawing->node_count; i++)
        if (drawing->nodes[i].entity == entity)
            return &drawing->nodes[i];
    return NULL;
}

/* Whether the end of a payment that is not `entity` has been walked already: the account, or a near
 * node before it. Its payments were seen then, and count once. */
static bool was_walked(struct drawing *drawing, int64_t entity, int64_t end)
{
    const struct node *own = node_of(drawing, entity);
    const struct node *other = end != entity ? node_of(drawing, end) : NULL;

    return own != NULL && other != NULL && other->number < own->number;
}

/* The bank's own acts are nobody's connection. A transfer between two customers is about its payer,
 * and is seen from both; whose chain is walked is `entity`. */
static enum err see_row(struct drawing *drawing, int64_t entity)
{
    const struct transaction *row = &drawing->row;
    int64_t                   subject = 0;
    int64_t                   other = 0;
    bool                      incoming;

    TRY(book_at(drawing, row->debit, &drawing->debit));
    TRY(book_at(drawing, row->credit, &drawing->credit));
    drawing->out->looked_at++;
    if (row->rule_set == 0)
        return ERR_none;
    ends_of(drawing, &subject, &other);
    if (was_walked(drawing, entity, subject) || was_walked(drawing, entity, other))
        return ERR_none;
    incoming = row->incoming;
    TRY(count_row(drawing,
                  edge_at(drawing, incoming ? other : subject, incoming ? subject : other)));
    if (entity == drawing->self)
        note_step(drawing, subject == entity ? other : subject,
                  subject == entity ? incoming : !incoming);
    return ERR_none;
}

static enum err newest_of(struct drawing *drawing, int64_t entity, int64_t *newest)
{
    struct store       *store = drawing->request->store;
    struct account_book book;
    struct party        party;

    if (is_party(entity)) {
        TRY(must_be_there(store->ops->party_by_number(store, entity / 2, &party)));
        *newest = party.last_sequence;
        return ERR_none;
    }
    TRY(must_be_there(store->ops->book_by_number(store, entity / 2, &book)));
    *newest = book.kind == ACCOUNT_CUSTOMER ? book.last_sequence : 0;
    return ERR_none;
}

/* Follows an entity's chain for at most so many payments. */
static enum err walk(struct drawing *drawing, int64_t entity, size_t most)
{
    struct store             *store = drawing->request->store;
    const struct transaction *row = &drawing->row;
    int64_t                   at = 0;

    TRY(newest_of(drawing, entity, &at));
    for (size_t i = 0; at > 0 && i < most; i++) {
        int64_t previous;

        TRY(page_check_cancel(drawing->request));
        TRY(must_be_there(store->ops->transaction_by_sequence(store, at, &drawing->row)));
        TRY(see_row(drawing, entity));
        previous = is_party(entity)           ? row->party_previous
                   : row->debit == entity / 2 ? row->debit_previous
                                              : row->credit_previous;
        if (previous < 0 || previous >= at)
            return ERR_books_broken;
        at = previous;
    }
    return ERR_none;
}

/* --- who matters ----------------------------------------------------------------------------- */

/* One that the account itself deals with, and was not chosen, does not come in again behind others.
 */
static bool deals_with_self(const struct drawing *drawing, int64_t entity)
{
    for (size_t i = 0; i < drawing->edge_count; i++) {
        const struct edge *edge = &drawing->edges[i];

        if ((edge->from == drawing->self && edge->to == entity) ||
            (edge->to == drawing->self && edge->from == entity))
            return true;
    }
    return false;
}

/* The other end of an edge that has one end at a chosen node of the level above; 0 = none. */
static int64_t end_below(struct drawing *drawing, const struct edge *edge, int level)
{
    const struct node *from = node_of(drawing, edge->from);
    const struct node *to = node_of(drawing, edge->to);

    if (from != NULL && from->number != 0 && from->level == level - 1 &&
        (to == NULL || to->level == level))
        return edge->to;
    if (to != NULL && to->number != 0 && to->level == level - 1 &&
        (from == NULL || from->level == level))
        return edge->from;
    return 0;
}

/* Between two entities there may be an edge each way; they are one thing in common. */
static bool has_twin_before(const struct drawing *drawing, size_t edge)
{
    for (size_t i = 0; i < edge; i++)
        if (drawing->edges[i].from == drawing->edges[edge].to &&
            drawing->edges[i].to == drawing->edges[edge].from)
            return true;
    return false;
}

static void gather_level(struct drawing *drawing, int level)
{
    for (size_t i = 0; i < drawing->edge_count; i++) {
        const struct edge *edge = &drawing->edges[i];
        int64_t            entity = end_below(drawing, edge, level);
        struct node       *node = entity != 0 ? node_of(drawing, entity) : NULL;

        if (entity == 0 || (level > 1 && node == NULL && deals_with_self(drawing, entity)))
            continue;
        if (node == NULL) {
            node = &drawing->nodes[drawing->node_count++];
            *node = (struct node){ .entity = entity, .level = level };
        }
        if (edge->currency == drawing->account.book.currency)
            plus(&node->amount, edge->amount);
        node->frauds += edge->frauds;
        node->shared += has_twin_before(drawing, i) ? 0 : 1;
    }
}

static int by_weight(const void *a, const void *b)
{
    const struct node *left = a;
    const struct node *right = b;

    if (left->shared != right->shared)
        return left->shared > right->shared ? -1 : 1;
    if (left->level > 1 && left->frauds != right->frauds)
        return left->frauds > right->frauds ? -1 : 1;
    if (left->amount != right->amount)
        return left->amount > right->amount ? -1 : 1;
    return (left->entity > right->entity) - (left->entity < right->entity);
}

/* Chooses the first of a level's nodes, which lie behind those of the levels before it. */
static void choose_level(struct drawing *drawing, int level, size_t most)
{
    size_t first = drawing->node_count;
    size_t chosen;

    gather_level(drawing, level);
    chosen = drawing->node_count - first;
    if (chosen > 0)
        qsort(&drawing->nodes[first], chosen, sizeof(struct node), by_weight);
    if (chosen > most) {
        drawing->out->left_out += (int64_t)(chosen - most);
        chosen = most;
    }
    drawing->node_count = first + chosen;
    for (size_t i = first; i < drawing->node_count; i++)
        drawing->nodes[i].number = i + 1;
}

static enum err look(struct drawing *drawing)
{
    size_t near;

    drawing->nodes[drawing->node_count++] =
        (struct node){ .entity = drawing->self, .level = 0, .number = 1 };
    TRY(walk(drawing, drawing->self, LIMIT_GRAPH_ROWS_MAX));
    choose_level(drawing, 1, LIMIT_GRAPH_NEAR_MAX);
    if (drawing->depth < 2)
        return ERR_none;
    near = drawing->node_count;
    for (size_t i = 1; i < near; i++)
        TRY(walk(drawing, drawing->nodes[i].entity, LIMIT_GRAPH_NEAR_ROWS_MAX));
    choose_level(drawing, 2, LIMIT_GRAPH_FAR_MAX);
    return ERR_none;
}

/* --- the reply ------------------------------------------------------------------------------- */

struct counting {
    const struct request *request;
    int64_t               count;
};

static bool count_alert(void *context, const void *row)
{
    struct counting *counting = context;

    (void)row;
    return ++counting->count < LIMIT_GRAPH_ALERTS_MAX && !page_cancelled(counting->request);
}

static enum err name_account(struct drawing *drawing, int64_t number, struct msg_graph_node *out)
{
    struct request     *request = drawing->request;
    struct store       *store = request->store;
    struct account      account;
    struct alert_filter alerts = { .account = number };
    struct counting     counting = { .request = request };
    struct slice        name;

    TRY(must_be_there(store->ops->account_by_number(store, number, &account)));
    TRY(page_keep(request, slice_from(account.name[0] != '\0' ? account.name : account.holder),
                  &name));
    MSG_SET(out, graph_node, name, name);
    MSG_SET(out, graph_node, account_id, account.book.account_id);
    MSG_SET(out, graph_node, kind,
            account.book.kind == ACCOUNT_CUSTOMER ? GRAPH_ACCOUNT : GRAPH_BANK);
    if (account.book.kind != ACCOUNT_CUSTOMER)
        return ERR_none;
    TRY(store->ops->alerts(store, &alerts, count_alert, &counting));
    MSG_SET(out, graph_node, alerts, counting.count);
    return page_check_cancel(request);
}

static enum err name_party(struct drawing *drawing, int64_t number, struct msg_graph_node *out)
{
    struct store *store = drawing->request->store;
    struct party  party;
    struct slice  name;

    TRY(must_be_there(store->ops->party_by_number(store, number, &party)));
    TRY(page_keep(drawing->request, slice_from(party.key), &name));
    MSG_SET(out, graph_node, name, name);
    MSG_SET(out, graph_node, kind, GRAPH_PARTY);
    return ERR_none;
}

static enum err set_node(struct drawing *drawing, const struct node *node,
                         struct msg_graph_node *out)
{
    int64_t findings = 0;
    int64_t frauds = 0;

    for (size_t i = 0; i < drawing->edge_count; i++) {
        const struct edge *edge = &drawing->edges[i];

        if (edge->from != node->entity && edge->to != node->entity)
            continue;
        findings += edge->findings;
        frauds += edge->frauds;
    }
    MSG_SET(out, graph_node, node, (int64_t)node->number);
    MSG_SET(out, graph_node, level, node->level);
    MSG_SET(out, graph_node, shared, node->shared);
    MSG_SET(out, graph_node, findings, findings);
    MSG_SET(out, graph_node, frauds, frauds);
    if (findings > 0)
        MSG_SET(out, graph_node, fraud_bp, ratio_basis_points(frauds, findings));
    return is_party(node->entity) ? name_party(drawing, node->entity / 2, out)
                                  : name_account(drawing, node->entity / 2, out);
}

static enum err set_nodes(struct drawing *drawing)
{
    void *memory = NULL;

    TRY(page_take(drawing->request, drawing->node_count * sizeof(struct msg_graph_node), &memory));
    drawing->out->nodes.at = memory;
    drawing->out->nodes.count = drawing->node_count;
    for (size_t i = 0; i < drawing->node_count; i++)
        TRY(set_node(drawing, &drawing->nodes[i], &drawing->out->nodes.at[i]));
    return ERR_none;
}

static enum err set_edges(struct drawing *drawing)
{
    struct msg_graph *out = drawing->out;
    void             *memory = NULL;

    TRY(page_take(drawing->request, LIMIT_GRAPH_EDGES_MAX * sizeof(struct msg_graph_edge),
                  &memory));
    out->edges.at = memory;
    for (size_t i = 0; i < drawing->edge_count && out->edges.count < LIMIT_GRAPH_EDGES_MAX; i++) {
        const struct edge     *edge = &drawing->edges[i];
        const struct node     *from = node_of(drawing, edge->from);
        const struct node     *to = node_of(drawing, edge->to);
        struct msg_graph_edge *item = &out->edges.at[out->edges.count];

        if (from == NULL || to == NULL)
            continue;
        MSG_SET(item, graph_edge, from, (int64_t)from->number);
        MSG_SET(item, graph_edge, to, (int64_t)to->number);
        MSG_SET(item, graph_edge, count, edge->count);
        MSG_SET(item, graph_edge, amount, edge->amount);
        MSG_SET(item, graph_edge, stopped, edge->stopped);
        MSG_SET(item, graph_edge, findings, edge->findings);
        MSG_SET(item, graph_edge, frauds, edge->frauds);
        MSG_SET(item, graph_edge, first_at, edge->first_us);
        MSG_SET(item, graph_edge, last_at, edge->last_us);
        MSG_SET(item, graph_edge, currency, figures_code(edge->currency));
        out->edges.count++;
    }
    return ERR_none;
}

static void set_chain(struct drawing *drawing, const struct step *in, const struct step *gone)
{
    struct msg_graph       *out = drawing->out;
    struct msg_graph_chain *item = &out->chains.at[out->chains.count++];
    const struct node      *from = node_of(drawing, in->entity);
    const struct node      *to = node_of(drawing, gone->entity);

    if (from != NULL)
        MSG_SET(item, graph_chain, from, (int64_t)from->number);
    if (to != NULL)
        MSG_SET(item, graph_chain, to, (int64_t)to->number);
    MSG_SET(item, graph_chain, in_id, in->id);
    MSG_SET(item, graph_chain, out_id, gone->id);
    MSG_SET(item, graph_chain, in_amount, in->amount);
    MSG_SET(item, graph_chain, out_amount, gone->amount);
    MSG_SET(item, graph_chain, in_at, in->at_us);
    MSG_SET(item, graph_chain, out_at, gone->at_us);
}

/* The last four fifths of what came in, gone within a day: the first such payment after it. */
static bool goes_on(const struct step *in, const struct step *gone)
{
    return in->incoming && !gone->incoming && gone->at_us >= in->at_us &&
           gone->at_us - in->at_us <= US_PER_DAY && gone->amount <= in->amount &&
           gone->amount >= in->amount - in->amount / 5;
}

static enum err set_chains(struct drawing *drawing)
{
    struct msg_graph *out = drawing->out;
    void             *memory = NULL;

    TRY(page_take(drawing->request, LIMIT_GRAPH_CHAINS_MAX * sizeof(struct msg_graph_chain),
                  &memory));
    out->chains.at = memory;
    for (size_t i = 0; i < drawing->step_count; i++)
        for (size_t j = i; j > 0; j--) {
            if (!goes_on(&drawing->steps[i], &drawing->steps[j - 1]))
                continue;
            if (out->chains.count < LIMIT_GRAPH_CHAINS_MAX)
                set_chain(drawing, &drawing->steps[i], &drawing->steps[j - 1]);
            break;
        }
    return ERR_none;
}

enum err op_risk_graph(struct request *request, const struct msg_graph_query *in,
                       struct msg_graph *out)
{
    struct store   *store = request->store;
    void           *memory = NULL;
    struct drawing *drawing;
    int64_t         number = 0;

    TRY(page_account(request, true, &in->account_id, &number));
    TRY(page_take(request, sizeof *drawing, &memory));
    drawing = memory;
    drawing->request = request;
    drawing->out = out;
    drawing->self = entity_of_account(number);
    drawing->depth = MSG_HAS(in, graph_query, depth) ? (size_t)in->depth : DEPTH_DEFAULT;
    TRY(store->ops->account_by_number(store, number, &drawing->account));
    if (drawing->account.book.kind != ACCOUNT_CUSTOMER)
        return fault_set(request->fault, ERR_account_system, "account_id", "%s", "");
    MSG_SET(out, graph, account_id, drawing->account.book.account_id);
    MSG_SET(out, graph, currency, figures_code(drawing->account.book.currency));
    MSG_SET(out, graph, looked_at, 0);
    MSG_SET(out, graph, left_out, 0);
    TRY(look(drawing));
    TRY(set_nodes(drawing));
    TRY(set_edges(drawing));
    return set_chains(drawing);
}
