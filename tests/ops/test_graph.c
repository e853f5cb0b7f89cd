/* The graph of an account against brute force: who is near, every edge, every chain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bankd/profile.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/money.h"
#include "tests/lib/finding.h"

static bool seen[SEED_TRANSACTIONS_MAX];
static bool frauds[SEED_TRANSACTIONS_MAX];

static const struct account_book *book(const struct seed *seed, int64_t number)
{
    return &seed->accounts[number - 1].book;
}

/* From whom to whom the money of a row goes, as the graph shows it. */
static void ends(const struct seed *seed, const struct transaction *row, int64_t *from, int64_t *to)
{
    int64_t subject = profile_subject(row);
    int64_t other = profile_counterparty(row, book(seed, row->debit), book(seed, row->credit));

    if (other == 0)
        other = entity_of_account(row->incoming ? row->debit : row->credit);
    *from = row->incoming ? other : subject;
    *to = row->incoming ? subject : other;
}

static bool touches(const struct transaction *row, int64_t entity)
{
    return entity % 2 != 0 ? row->party == entity / 2
                           : row->debit == entity / 2 || row->credit == entity / 2;
}

/* Marks the newest rows of an entity as seen. */
static void see(const struct seed *seed, int64_t entity, size_t most)
{
    for (size_t i = seed->transaction_count; i > 0 && most > 0; i--) {
        if (!touches(&seed->transactions[i - 1], entity))
            continue;
        seen[i - 1] = true;
        most--;
    }
}

static int64_t entity_of(const struct seed *seed, const struct msg_graph_node *node)
{
    if (node->kind == GRAPH_PARTY)
        for (size_t i = 0; i < seed->party_count; i++)
            if (slice_is(node->name, seed->parties[i].key))
                return entity_of_party(seed->parties[i].number);
    for (size_t i = 0; i < seed->account_count; i++)
        if (uuid_equal(&seed->accounts[i].book.account_id, &node->account_id))
            return entity_of_account(seed->accounts[i].book.number);
    fail();
    return 0;
}

struct sums {
    int64_t count, amount, stopped, reversed, frauds;
};

static void add_row(const struct seed *seed, size_t i, struct slice currency, struct sums *out)
{
    const struct transaction *row = &seed->transactions[i];

    out->count++;
    out->frauds += frauds[i];
    out->reversed += row->status == STATUS_REVERSED;
    out->stopped += row->status != STATUS_COMPLETED && row->status != STATUS_REVERSED;
    if (row->status == STATUS_COMPLETED &&
        slice_is(currency, currency_by_number(row->currency)->code))
        out->amount += row->amount;
}

static void check_edge(const struct seed *seed, const struct msg_graph *out,
                       const struct msg_graph_edge *edge)
{
    int64_t     from = entity_of(seed, &out->nodes.at[edge->from - 1]);
    int64_t     to = entity_of(seed, &out->nodes.at[edge->to - 1]);
    struct sums sums = { 0 };

    for (size_t i = 0; i < seed->transaction_count; i++) {
        int64_t row_from;
        int64_t row_to;

        if (!seen[i] || seed->transactions[i].rule_set == 0)
            continue;
        ends(seed, &seed->transactions[i], &row_from, &row_to);
        if (row_from == from && row_to == to)
            add_row(seed, i, edge->currency, &sums);
    }
    assert_true(sums.count > 0);
    assert_int_equal(edge->count, sums.count);
    assert_int_equal(edge->amount, sums.amount);
    assert_true(sums.count == sums.stopped || sums.amount > 0 || sums.reversed > 0);
    assert_int_equal(edge->stopped, sums.stopped);
    assert_int_equal(edge->frauds, sums.frauds);
    assert_true(edge->first_at <= edge->last_at);
}

/* Everybody whom the account deals with is there, or as many as may be. */
static void check_near(const struct seed *seed, int64_t self, const struct msg_graph *out)
{
    bool   dealt[2 * (SEED_ACCOUNTS_MAX + 2)] = { false };
    size_t others = 0;
    size_t near = 0;

    for (size_t i = 0; i < seed->transaction_count; i++) {
        int64_t from;
        int64_t to;

        ends(seed, &seed->transactions[i], &from, &to);
        if (seed->transactions[i].rule_set == 0 || (from != self && to != self))
            continue;
        others += !dealt[from == self ? to : from];
        dealt[from == self ? to : from] = true;
    }
    for (size_t i = 0; i < out->nodes.count; i++) {
        const struct msg_graph_node *node = &out->nodes.at[i];

        assert_int_equal(node->node, i + 1);
        near += node->level == 1;
        if (node->level > 0)
            assert_int_equal(dealt[entity_of(seed, node)], node->level == 1);
        assert_true(i == 0 || node[-1].level <= node->level);
    }
    assert_int_equal(near, others < LIMIT_GRAPH_NEAR_MAX ? others : LIMIT_GRAPH_NEAR_MAX);
}

static const struct transaction *row_of(const struct seed *seed, const struct uuid *id)
{
    size_t i = 0;

    while (i < seed->transaction_count && !uuid_equal(&seed->transactions[i].transaction_id, id))
        i++;
    assert_true(i < seed->transaction_count);
    return &seed->transactions[i];
}

static void check_chain(const struct seed *seed, int64_t number,
                        const struct msg_graph_chain *chain)
{
    const struct transaction *in = row_of(seed, &chain->in_id);
    const struct transaction *gone = row_of(seed, &chain->out_id);

    assert_int_equal(in->credit, number);
    assert_int_equal(gone->debit, number);
    assert_true(gone->at_us >= in->at_us && gone->at_us - in->at_us <= US_PER_DAY);
    assert_true(gone->amount <= in->amount && gone->amount * 5 >= in->amount * 4 - 5);
    assert_int_equal(chain->in_amount, in->amount);
    assert_int_equal(chain->out_amount, gone->amount);
}

static int64_t check_graph(struct seed *seed, size_t at, int64_t depth)
{
    const struct account_book *self = &seed->accounts[at].book;
    int64_t                    entity = entity_of_account(self->number);
    struct msg_graph_query     in = { .has = 0 };
    struct msg_graph           out;

    MSG_SET(&in, graph_query, account_id, self->account_id);
    MSG_SET(&in, graph_query, depth, depth);
    assert_int_equal(SEED_ASK(seed, risk, graph, &in, &out), ERR_none);
    memset(seen, 0, sizeof seen);
    see(seed, entity, LIMIT_GRAPH_ROWS_MAX);
    check_near(seed, entity, &out);
    for (size_t i = 1; depth == 2 && i < out.nodes.count; i++)
        if (out.nodes.at[i].level == 1 && out.nodes.at[i].kind != GRAPH_BANK)
            see(seed, entity_of(seed, &out.nodes.at[i]), LIMIT_GRAPH_NEAR_ROWS_MAX);
    for (size_t i = 0; i < out.edges.count; i++)
        check_edge(seed, &out, &out.edges.at[i]);
    for (size_t i = 0; i < out.chains.count; i++)
        check_chain(seed, self->number, &out.chains.at[i]);
    assert_true(out.edges.count + 1 >= out.nodes.count);
    for (size_t i = 0; i < out.nodes.count; i++)
        if (depth == 1)
            assert_true(out.nodes.at[i].level < 2);
    return (int64_t)out.chains.count * 1000 + (int64_t)out.nodes.count;
}

static void graph_is_a_recount(enum seed_kind kind)
{
    struct seed *seed = seed_open(kind);
    int64_t      made = 0;

    seed_fill(seed, 1200);
    memset(frauds, 0, sizeof frauds);
    for (size_t i = 0; i < seed->transaction_count; i += 3) {
        frauds[i] = i % 2 == 0;
        finding_note(seed, &seed->transactions[i], frauds[i], seed->transactions[i].at_us);
    }
    for (size_t i = 0; i < seed->account_count; i++) {
        struct msg_graph_query in = { .has = 0 };
        struct msg_graph       out;

        if (seed->accounts[i].book.kind == ACCOUNT_CUSTOMER) {
            made += check_graph(seed, i, 1) + check_graph(seed, i, 2);
            continue;
        }
        MSG_SET(&in, graph_query, account_id, seed->accounts[i].book.account_id);
        assert_int_equal(SEED_ASK(seed, risk, graph, &in, &out), ERR_account_system);
    }
    assert_true(made > 1000); /* there were chains, and nodes */
    seed_close(&seed);
}

static void test_a_graph_is_a_recount_in_memory(void **state)
{
    (void)state;
    graph_is_a_recount(SEED_MEMORY);
}

static void test_a_graph_is_a_recount_in_sqlite(void **state)
{
    (void)state;
    graph_is_a_recount(SEED_SQLITE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_graph_is_a_recount_in_memory),
        cmocka_unit_test(test_a_graph_is_a_recount_in_sqlite),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
