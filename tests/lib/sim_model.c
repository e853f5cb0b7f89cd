/* What must be true in the simulation (sim.h). The model knows the rules of the bank in their
 * simplest form: who has not enough is refused, an outgoing amount is held or declined as the rules
 * in force say (sim_steer.c), an id counts once, what is frozen does not move, a reversal undoes
 * one completed post, an act on an alert (sim_alert.c) moves what its account has held and nothing
 * else.
 */
#include "tests/lib/sim_impl.h"

#include <string.h>

#include "bankd/verify.h"
#include "common/check.h"
#include "tests/lib/bare_bank.h"

void sim_model_begin(struct sim *sim)
{
    sim->books_before = sim->books;
    sim->undo_count = 0;
}

void sim_model_undo(struct sim *sim)
{
    sim->books = sim->books_before;
    while (sim->undo_count > 0) {
        const struct sim_undo *undo = &sim->undo[--sim->undo_count];

        sim->posts[undo->post].status = undo->status;
        sim->posts[undo->post].hold_until_us = undo->hold_until_us;
        sim->posts[undo->post].reversed_by = undo->reversed_by;
    }
}

/* Ids are made in the order of the posts, so the number is hidden in them. */
size_t sim_model_find(const struct sim *sim, const struct uuid *id)
{
    size_t i = (size_t)id->bytes[12] << 24 | (size_t)id->bytes[13] << 16 |
               (size_t)id->bytes[14] << 8 | id->bytes[15];

    return i < sim->post_count && uuid_equal(&sim->posts[i].id, id) ? i : SIZE_MAX;
}

static void set_status(struct sim *sim, size_t i, int32_t status)
{
    struct sim_post *post = &sim->posts[i];

    CHECK(sim->undo_count < ARRAY_COUNT(sim->undo));
    sim->undo[sim->undo_count++] = (struct sim_undo){ .post = i,
                                                      .reversed_by = post->reversed_by,
                                                      .status = post->status,
                                                      .hold_until_us = post->hold_until_us };
    if (post->status == STATUS_HELD)
        sim->books.held[post->from] -= post->amount;
    post->status = status;
    if (status == STATUS_HELD)
        sim->books.held[post->from] += post->amount;
    if (status == STATUS_COMPLETED && post->from >= 0)
        sim->books.balances[post->from] -= post->amount;
    if (status == STATUS_COMPLETED && post->to >= 0)
        sim->books.balances[post->to] += post->amount;
}

static bool is_frozen(const struct sim *sim, int account, int32_t free_direction)
{
    const struct sim_freeze *freeze = account < 0 ? NULL : &sim->books.freezes[account];

    return freeze != NULL && freeze->direction != 0 && freeze->direction != free_direction &&
           (freeze->until_us == 0 || sim->now_us < freeze->until_us);
}

/* Whether so much may go from one to the other now. */
static enum err may_move(const struct sim *sim, const struct sim_post *post, bool reserved)
{
    if (is_frozen(sim, post->from, FREEZE_CREDIT) || is_frozen(sim, post->to, FREEZE_DEBIT))
        return ERR_account_frozen;
    if (post->from >= 0 && !reserved &&
        sim->books.balances[post->from] - sim->books.held[post->from] < post->amount)
        return ERR_insufficient_funds;
    return ERR_none;
}

void sim_model_create(struct sim *sim, struct sim_job *job, const struct msg_transaction_create *in)
{
    size_t           i = sim_model_find(sim, &in->transaction_id);
    struct sim_post *post = &sim->posts[i];
    int32_t          status = STATUS_COMPLETED;

    SIM_REQUIRE(sim, i != SIZE_MAX, "the bank was asked for a post that nobody made");
    SIM_REQUIRE(sim, !post->given_up, "a message came later than any message can");
    job->post = i;
    job->expected = ERR_none;
    job->expected_repeat = post->status != 0;
    job->first = post->status == 0;
    if (post->status != 0 && (in->amount != post->amount || job->user != post->user))
        job->expected = ERR_id_reused;
    if (post->status == 0)
        job->expected = may_move(sim, post, false);
    if (post->status == 0 && post->from >= 0)
        status = sim_steer_verdict(sim, post, in->amount);
    if (job->expected != ERR_none || !job->first) {
        job->first = false;
        job->expected_status = post->status;
        return;
    }
    CHECK(in->amount == post->amount);
    set_status(sim, i, status);
    if (status == STATUS_HELD)
        post->hold_until_us = sim->now_us + sim->hold_hours * US_PER_HOUR;
    job->expected_status = status;
}

void sim_model_decide(struct sim *sim, struct sim_job *job, const struct uuid *id, bool release)
{
    size_t i = sim_model_find(sim, id);

    CHECK(i != SIZE_MAX);
    job->post = i;
    job->first = false;
    job->expected_repeat = false;
    job->expected = ERR_none;
    if (sim->posts[i].status == 0)
        job->expected = ERR_not_found;
    else if (sim->posts[i].user == job->user)
        job->expected = ERR_own_transaction;
    else if (sim->posts[i].status != STATUS_HELD)
        job->expected = ERR_state_conflict;
    else if (release)
        job->expected = may_move(sim, &sim->posts[i], true);
    if (job->expected == ERR_none)
        set_status(sim, i, release ? STATUS_COMPLETED : STATUS_REJECTED);
    job->expected_status = sim->posts[i].status;
}

void sim_model_reverse(struct sim *sim, struct sim_job *job,
                       const struct msg_transaction_reverse *in)
{
    size_t           undone = sim_model_find(sim, &in->transaction_id);
    size_t           i = sim_model_find(sim, &in->reversal_id);
    struct sim_post *post = &sim->posts[i];

    CHECK(undone != SIM_NONE && i != SIM_NONE && post->reverses == undone);
    SIM_REQUIRE(sim, !post->given_up, "a message came later than any message can");
    job->post = i;
    job->expected = ERR_none;
    job->expected_repeat = sim->posts[undone].reversed_by == i;
    job->first = false;
    job->expected_status = STATUS_COMPLETED;
    if (sim->posts[undone].user == job->user)
        job->expected = ERR_own_transaction;
    else if (sim->posts[undone].reverses != SIM_NONE)
        job->expected = ERR_state_conflict;
    else if (job->expected_repeat)
        return;
    else if (sim->posts[undone].status != STATUS_COMPLETED)
        job->expected = ERR_state_conflict;
    else
        job->expected = may_move(sim, post, false);
    if (job->expected != ERR_none)
        return;
    job->first = true;
    set_status(sim, undone, STATUS_REVERSED);
    sim->posts[undone].reversed_by = i;
    set_status(sim, i, STATUS_COMPLETED);
}

void sim_model_freeze(struct sim *sim, struct sim_job *job, const struct uuid *id,
                      int32_t direction, int64_t until_us)
{
    int i = 0;

    while (i < SIM_ACCOUNTS && !uuid_equal(&sim->account_ids[i], id))
        i++;
    CHECK(i < SIM_ACCOUNTS);
    job->first = false;
    job->expected = ERR_none;
    job->expected_status = direction != 0 ? ACCOUNT_FROZEN : ACCOUNT_ACTIVE;
    if ((sim->books.freezes[i].direction != 0) == (direction != 0))
        job->expected = ERR_state_conflict;
    else if (until_us != 0 && until_us <= sim->now_us)
        job->expected = ERR_range_invalid;
    else
        sim->books.freezes[i] = (struct sim_freeze){ .direction = direction, .until_us = until_us };
}

static int32_t status_after(int32_t decision)
{
    return decision == DECISION_CONFIRMED_FRAUD  ? STATUS_REJECTED
           : decision == DECISION_FALSE_POSITIVE ? STATUS_COMPLETED
                                                 : STATUS_HELD;
}

static void check_take_over(struct sim *sim, const struct sim_job *job, const struct sim_post *post,
                            int32_t status, int32_t decision)
{
    SIM_REQUIRE(sim, status == status_after(decision), "an act on an alert moves what it must not");
    SIM_REQUIRE(sim, post->user != job->user, "somebody decides on an own post");
    SIM_REQUIRE(sim, status != STATUS_COMPLETED || may_move(sim, post, true) == ERR_none,
                "an alert's decision moves what is frozen");
    SIM_REQUIRE(sim, decision != 0 || sim->now_us < post->hold_until_us,
                "a hold comes back whose time is over");
}

void sim_model_take_over(struct sim *sim, const struct sim_job *job, int64_t account,
                         int32_t decision)
{
    int32_t before = decision == 0 ? STATUS_REJECTED : STATUS_HELD;

    for (size_t i = 0; i < sim->post_count; i++) {
        const struct sim_post *post = &sim->posts[i];
        struct transaction     row;

        if (post->status != before || post->from < 0 || sim->account_numbers[post->from] != account)
            continue;
        CHECK(sim->real->transaction_by_id(sim->reader, &post->id, &row) == ERR_none);
        if (row.status == before)
            continue;
        check_take_over(sim, job, post, row.status, decision);
        sim_model_begin(sim);
        set_status(sim, i, row.status);
    }
}

void sim_model_expire(struct sim *sim)
{
    for (int i = 0; i < SIM_ACCOUNTS; i++) {
        struct sim_freeze *freeze = &sim->books.freezes[i];

        if (freeze->direction == 0 || freeze->until_us == 0 || freeze->until_us > sim->now_us)
            continue;
        *freeze = (struct sim_freeze){ 0 };
        sim->figures.expired++;
    }
    for (size_t i = 0; i < sim->post_count; i++) {
        struct sim_post *post = &sim->posts[i];

        if (post->status != STATUS_HELD || post->hold_until_us > sim->now_us)
            continue;
        sim_model_begin(sim);
        set_status(sim, i, STATUS_REJECTED);
        sim->figures.expired++;
    }
}

/* --- comparison ------------------------------------------------------------------------------ */

static bool add_balance(void *context, const void *row)
{
    *(int64_t *)context += ((const struct account *)row)->book.balance;
    return true;
}

void sim_model_compare(struct sim *sim)
{
    struct account_filter all = { 0 };
    struct account_book   book;
    int64_t               sum = 0;

    for (int i = 0; i < SIM_ACCOUNTS; i++) {
        SIM_REQUIRE(
            sim, sim->real->book_by_number(sim->reader, sim->account_numbers[i], &book) == ERR_none,
            "an account cannot be read");
        SIM_REQUIRE(sim, book.balance == sim->books.balances[i],
                    "a balance is not what it must be");
        SIM_REQUIRE(sim, book.held == sim->books.held[i], "held funds are not what they must be");
        SIM_REQUIRE(sim, book.balance - book.held >= 0, "an account is below its limit");
        SIM_REQUIRE(sim, book.freeze_direction == sim->books.freezes[i].direction,
                    "an account is not frozen as it must be");
    }
    SIM_REQUIRE(sim, sim->real->accounts(sim->reader, &all, add_balance, &sum) == ERR_none,
                "the accounts cannot be read");
    SIM_REQUIRE(sim, sum == 0, "the balances do not add up to zero");
}

static void prove_posts(struct sim *sim)
{
    struct transaction row;

    for (size_t i = 0; i < sim->post_count; i++) {
        const struct sim_post *post = &sim->posts[i];
        enum err               err = sim->real->transaction_by_id(sim->reader, &post->id, &row);

        SIM_REQUIRE(sim, !post->acknowledged || post->status != 0, "an acknowledged post is lost");
        SIM_REQUIRE(sim, err == (post->status == 0 ? ERR_not_found : ERR_none),
                    "a post is there that must not be, or is not there");
        SIM_REQUIRE(sim,
                    err != ERR_none || (row.status == post->status && row.amount == post->amount &&
                                        row.sequence == post->sequence),
                    "a post is not as the bank has said");
    }
}

void sim_model_prove(struct sim *sim)
{
    struct verify_report report;
    struct fault         fault = { 0 };
    enum err             err;

    sim->figures.proofs++;
    sim_model_compare(sim);
    prove_posts(sim);
    sim_alert_prove(sim);
    sim_steer_prove(sim);
    err = verify_bank(sim->reader, &sim->bank, sim->sign_public, stderr, &report, &fault);
    if (err != ERR_none)
        fprintf(stderr, "%s: %s\n", err_name(err), fault.text);
    SIM_REQUIRE(sim, err == ERR_none, "the books do not prove themselves");
    SIM_REQUIRE(sim, report.warning_count == 0, "the books prove themselves with warnings");
}
