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
    sim->saved_count = 0;
    sim->saved_bytes = 0;
    sim->entries_before = sim->entry_count;
    sim_save(sim, &sim->books, sizeof sim->books);
    sim_save(sim, &sim->hold_hours, sizeof sim->hold_hours);
    sim_save(sim, &sim->valve, sizeof sim->valve);
    sim_save(sim, &sim->figures.stepped, sizeof sim->figures.stepped);
}

void sim_save(struct sim *sim, void *place, size_t n)
{
    CHECK(sim->saved_count < SIM_SAVED_MAX && sim->saved_bytes + n <= SIM_SAVED_BYTES);
    sim->saved[sim->saved_count++] =
        (struct sim_saved){ .place = place, .at = sim->saved_bytes, .n = n };
    memcpy(sim->saved_space + sim->saved_bytes, place, n);
    sim->saved_bytes += n;
}

void sim_model_undo(struct sim *sim)
{
    while (sim->saved_count > 0) {
        const struct sim_saved *saved = &sim->saved[--sim->saved_count];

        memcpy(saved->place, sim->saved_space + saved->at, saved->n);
    }
    sim->entry_count = sim->entries_before;
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

    sim_save(sim, post, sizeof *post);
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
    if (job->expected != ERR_none || !job->first) {
        job->first = false;
        job->expected_status = post->status;
        return;
    }
    CHECK(in->amount == post->amount);
    sim_save(sim, post, sizeof *post);
    status = sim_steer_judge(sim, post);
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
    else if (release && sim->posts[i].hold_until_us <= sim->now_us)
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
    SIM_REQUIRE(sim, status == STATUS_REJECTED || sim->now_us < post->hold_until_us,
                "a hold goes on or comes back whose time is over");
}

void sim_model_take_over(struct sim *sim, const struct sim_job *job, const struct alert *alert,
                         int32_t decision)
{
    int32_t           before = decision == 0 ? STATUS_REJECTED : STATUS_HELD;
    struct alert_hits hits;

    CHECK(writer_alert_hits(sim->writer, alert, &hits) == ERR_none);
    for (size_t i = 0; i < hits.count; i++) {
        struct transaction row;
        size_t             post;

        CHECK(writer_alert_row(sim->writer, alert->account, hits.rows[i].transaction, &row) ==
              ERR_none);
        post = sim_model_find(sim, &row.transaction_id);
        CHECK(post != SIM_NONE);
        if (row.status == sim->posts[post].status)
            continue;
        SIM_REQUIRE(sim, sim->posts[post].status == before,
                    "an act on an alert moves what does not wait in it");
        check_take_over(sim, job, &sim->posts[post], row.status, decision);
        set_status(sim, post, row.status);
    }
}

size_t sim_model_next_hold(const struct sim *sim)
{
    size_t next = SIM_NONE;

    for (size_t i = 0; i < sim->post_count; i++)
        if (sim->posts[i].status == STATUS_HELD &&
            (next == SIM_NONE || sim->posts[i].hold_until_us < sim->posts[next].hold_until_us))
            next = i;
    return next;
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
        sim_model_begin(sim); /* it is durable */
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
