/* What must be true of alerts in the simulation (sim.h): a lock belongs to one and ends at its
 * time, what is snoozed is not handed out before its time unless something joins it, the next alert
 * is the most urgent one that is free, nobody decides what a colleague works on, and a decision
 * stays until somebody takes it back in time. How payments become alerts, join and end them is the
 * bank's own business; of that the model only looks at the counts. */
#include "tests/lib/sim_impl.h"

#include <string.h>

#include "common/check.h"

enum { WAITING_MAX = 256 };

/* Where an alert stands for somebody, as the acts that were told say. */
enum standing { STANDS_OPEN, STANDS_MINE, STANDS_THEIRS, STANDS_SNOOZED, STANDS_DECIDED };

static int user_of(const struct sim *sim, int64_t number)
{
    for (int i = 0; i < SIM_USERS; i++)
        if (sim->users[i].user == number)
            return i;
    return -1;
}

static struct sim_alert *known(struct sim *sim, const struct alert *row)
{
    struct sim_alert *alert = &sim->alerts[row->number];

    CHECK(row->number > 0 && row->number < SIM_ALERTS_MAX);
    if ((size_t)row->number > sim->alert_top)
        sim->alert_top = (size_t)row->number;
    alert->known = true;
    alert->id = row->alert_id;
    return alert;
}

/* What is stored must be what people were told. */
static void check(struct sim *sim, const struct alert *row, const struct sim_alert *alert)
{
    bool locked = sim->now_us < alert->lock_until_us;
    bool snoozed = sim->now_us < alert->snoozed_until_us;
    bool decided = row->state == ALERT_DECIDED;

    SIM_REQUIRE(sim,
                row->state != ALERT_TAKEN || (row->lock_until_us == alert->lock_until_us &&
                                              user_of(sim, row->assigned_to) == alert->holder),
                "an alert is locked for somebody who did not take it");
    SIM_REQUIRE(sim,
                row->state != ALERT_SNOOZED || row->snoozed_until_us == alert->snoozed_until_us,
                "an alert is snoozed until another time than was asked for");
    SIM_REQUIRE(sim, !locked || decided || row->state == ALERT_TAKEN, "a lock is lost");
    SIM_REQUIRE(sim, !snoozed || decided || row->state == ALERT_SNOOZED || row->hits > alert->hits,
                "a snooze is lost");
    SIM_REQUIRE(sim, alert->decision == 0 || (decided && row->decision == alert->decision),
                "a decided alert is not as it was decided");
}

static enum standing look(struct sim *sim, const struct uuid *id, int user, struct alert *row)
{
    const struct sim_alert *alert;

    CHECK(sim->real->alert_by_id(sim->reader, id, row) == ERR_none);
    alert = known(sim, row);
    check(sim, row, alert);
    if (row->state == ALERT_DECIDED)
        return STANDS_DECIDED;
    if (sim->now_us < alert->lock_until_us)
        return alert->holder == user ? STANDS_MINE : STANDS_THEIRS;
    if (sim->now_us < alert->snoozed_until_us && row->hits == alert->hits)
        return STANDS_SNOOZED;
    return STANDS_OPEN;
}

/* --- how an act must be answered ---------------------------------------------------------------
 */

/* A decision moves money and may be refused for that; that is the ledger's business. */
static bool is_of_money(enum err err)
{
    return err_class(err) == ERR_CLASS_CONFLICT || err == ERR_own_transaction;
}

static enum err expect_act(enum standing standing, bool returns)
{
    if (standing == STANDS_DECIDED)
        return ERR_state_conflict;
    if (standing == STANDS_THEIRS)
        return ERR_alert_locked;
    return returns && standing == STANDS_OPEN ? ERR_state_conflict : ERR_none;
}

static enum err expect_decision(enum standing standing, enum err err)
{
    enum err expected = expect_act(standing, false);

    return expected == ERR_none && is_of_money(err) ? err : expected;
}

static enum err expect_snooze(struct sim *sim, const struct sim_job *job)
{
    const struct msg_alert_snooze *in = job->in;
    struct alert                   row;

    if (in->until <= sim->now_us)
        return ERR_field_invalid;
    return expect_act(look(sim, &in->alert_id, job->user, &row), false);
}

static enum err expect_undo(struct sim *sim, const struct sim_job *job, enum err err)
{
    const struct msg_alert_undo *in = job->in;
    struct alert                 row;

    if (look(sim, &in->alert_id, job->user, &row) != STANDS_DECIDED ||
        sim->now_us > row.decided_at_us + LIMIT_ALERT_UNDO_SECONDS * US_PER_SECOND)
        return ERR_state_conflict;
    return is_of_money(err) ? err : ERR_none;
}

/* Each alert of several is decided or refused as if it were alone. */
static void check_outcomes(struct sim *sim, const struct sim_job *job)
{
    const struct msg_alert_bulk     *in = job->in;
    const struct msg_alert_outcomes *out = job->out;
    struct alert                     row;

    SIM_REQUIRE(sim, out->items.count == in->items.count, "an alert of several has no outcome");
    for (size_t i = 0; i < in->items.count; i++) {
        const struct uuid *id = &in->items.at[i].alert_id;
        enum err           expected = expect_act(look(sim, id, job->user, &row), false);
        struct slice       outcome = out->items.at[i].outcome;

        if (expected != ERR_none)
            SIM_REQUIRE(sim, slice_is(outcome, err_name(expected)),
                        "one of several alerts has another outcome than alone");
        else
            SIM_REQUIRE(sim, !slice_is(outcome, "alert_locked"),
                        "one of several alerts is locked by nobody");
    }
}

/* --- the next one ------------------------------------------------------------------------------
 */

struct waiting {
    size_t       count;
    struct alert rows[WAITING_MAX];
};

static bool collect(void *context, const void *row)
{
    struct waiting *waiting = context;

    CHECK(waiting->count < WAITING_MAX);
    waiting->rows[waiting->count++] = *(const struct alert *)row;
    return true;
}

static bool collect_hit(void *context, const void *row)
{
    struct alert_hits *hits = context;

    hits->rows[hits->count++] = *(const struct alert_hit *)row;
    return true;
}

static bool is_own(struct sim *sim, int64_t number, int user)
{
    struct alert_hits  hits = { .count = 0 };
    struct transaction row;
    bool               own = false;

    CHECK(sim->real->alert_hits(sim->reader, number, collect_hit, &hits) == ERR_none);
    for (size_t i = 0; i < hits.count; i++) {
        CHECK(sim->real->transaction_by_sequence(sim->reader, hits.rows[i].transaction, &row) ==
              ERR_none);
        own = own || (hits.rows[i].finding == 0 && row.posted_by == sim->users[user].user);
    }
    return own;
}

static enum err expect_next(struct sim *sim, const struct sim_job *job, enum err err)
{
    static struct waiting   waiting;
    struct alert_filter     filter = { .undecided = true };
    const struct msg_alert *out = job->out;
    int64_t                 most = -1;
    int64_t                 given = -1;

    waiting.count = 0;
    CHECK(sim->real->alerts(sim->reader, &filter, collect, &waiting) == ERR_none);
    for (size_t i = 0; i < waiting.count; i++) {
        struct alert  row;
        enum standing standing = look(sim, &waiting.rows[i].alert_id, job->user, &row);

        if ((standing != STANDS_OPEN && standing != STANDS_MINE) ||
            is_own(sim, row.number, job->user))
            continue;
        if (row.urgency > most)
            most = row.urgency;
        if (err == ERR_none && uuid_equal(&row.alert_id, &out->alert_id))
            given = row.urgency;
    }
    if (most < 0)
        return ERR_queue_empty;
    SIM_REQUIRE(sim, err != ERR_none || given >= 0, "an alert is handed out that is not free");
    SIM_REQUIRE(sim, err != ERR_none || given == most, "a more urgent alert is passed over");
    return ERR_none;
}

void sim_alert_expect(struct sim *sim, struct sim_job *job, enum err err)
{
    const struct msg_alert_ref *ref = job->in;
    struct alert                row;

    job->first = false;
    job->expected = ERR_none;
    switch ((enum op_index)(job->op - op_rows)) {
    case OP_INDEX_alert_next:
        job->expected = expect_next(sim, job, err);
        break;
    case OP_INDEX_alert_take:
        job->expected = expect_act(look(sim, &ref->alert_id, job->user, &row), false);
        break;
    case OP_INDEX_alert_assign:
        job->expected = expect_act(
            look(sim, &((const struct msg_alert_assign *)job->in)->alert_id, job->user, &row),
            false);
        break;
    case OP_INDEX_alert_return:
        job->expected = expect_act(look(sim, &ref->alert_id, job->user, &row), true);
        break;
    case OP_INDEX_alert_decide:
        job->expected = expect_decision(
            look(sim, &((const struct msg_alert_decide *)job->in)->alert_id, job->user, &row), err);
        break;
    case OP_INDEX_alert_snooze:
        job->expected = expect_snooze(sim, job);
        break;
    case OP_INDEX_alert_undo:
        job->expected = expect_undo(sim, job, err);
        break;
    case OP_INDEX_alert_bulk:
        if (err == ERR_none)
            check_outcomes(sim, job);
        break;
    default: /* a note */
        break;
    }
    /* What was released or rejected before it in the same group may have decided the alert. */
    if (sim->group_size > 1 && job->expected == ERR_none && err == ERR_state_conflict)
        job->expected = err;
}

/* --- what was done ------------------------------------------------------------------------------
 */

static void lock(struct sim *sim, const struct uuid *id, int holder, int64_t for_us)
{
    struct alert      row;
    struct sim_alert *alert;

    CHECK(sim->real->alert_by_id(sim->reader, id, &row) == ERR_none);
    alert = known(sim, &row);
    alert->holder = holder;
    alert->lock_until_us = for_us > 0 ? sim->now_us + for_us : 0;
    alert->snoozed_until_us = 0;
    alert->decision = 0;
}

static void decide(struct sim *sim, const struct sim_job *job, const struct uuid *id,
                   int32_t decision)
{
    struct alert row;

    lock(sim, id, 0, 0);
    CHECK(sim->real->alert_by_id(sim->reader, id, &row) == ERR_none);
    known(sim, &row)->decision = decision;
    known(sim, &row)->decided_at_us = sim->now_us;
    sim_model_take_over(sim, job, row.account, decision);
}

static void learn_bulk(struct sim *sim, const struct sim_job *job)
{
    const struct msg_alert_bulk     *in = job->in;
    const struct msg_alert_outcomes *out = job->out;

    for (size_t i = 0; i < in->items.count; i++)
        if (slice_is(out->items.at[i].outcome, "done"))
            decide(sim, job, &in->items.at[i].alert_id, in->decision);
}

static void learn_snooze(struct sim *sim, const struct msg_alert_snooze *in)
{
    struct alert row;

    lock(sim, &in->alert_id, 0, 0);
    CHECK(sim->real->alert_by_id(sim->reader, &in->alert_id, &row) == ERR_none);
    known(sim, &row)->snoozed_until_us = in->until;
    known(sim, &row)->hits = row.hits;
}

static void learn_assign(struct sim *sim, const struct msg_alert_assign *in)
{
    lock(sim, &in->alert_id, in->email.at[4] - '0', LIMIT_ALERT_ASSIGN_HOURS * US_PER_HOUR);
}

static void learn_undo(struct sim *sim, const struct sim_job *job)
{
    const struct msg_alert_undo *in = job->in;
    struct alert                 row;

    lock(sim, &in->alert_id, job->user, LIMIT_ALERT_LOCK_SECONDS * US_PER_SECOND);
    CHECK(sim->real->alert_by_id(sim->reader, &in->alert_id, &row) == ERR_none);
    sim_model_take_over(sim, job, row.account, 0);
    sim->figures.undone++;
}

void sim_alert_learn(struct sim *sim, const struct sim_job *job)
{
    const struct msg_alert_decide *decision = job->in;
    const struct msg_alert        *out = job->out;

    sim->figures.alerts++;
    switch ((enum op_index)(job->op - op_rows)) {
    case OP_INDEX_alert_next:
    case OP_INDEX_alert_take:
        lock(sim, &out->alert_id, job->user, LIMIT_ALERT_LOCK_SECONDS * US_PER_SECOND);
        break;
    case OP_INDEX_alert_assign:
        learn_assign(sim, job->in);
        break;
    case OP_INDEX_alert_return:
        lock(sim, &out->alert_id, 0, 0);
        break;
    case OP_INDEX_alert_decide:
        decide(sim, job, &decision->alert_id, decision->decision);
        break;
    case OP_INDEX_alert_snooze:
        learn_snooze(sim, job->in);
        break;
    case OP_INDEX_alert_undo:
        learn_undo(sim, job);
        break;
    case OP_INDEX_alert_bulk:
        learn_bulk(sim, job);
        break;
    default:
        break;
    }
}

void sim_alert_prove(struct sim *sim)
{
    struct alert row;

    for (size_t i = 1; i <= sim->alert_top; i++) {
        if (!sim->alerts[i].known)
            continue;
        CHECK(sim->real->alert_by_id(sim->reader, &sim->alerts[i].id, &row) == ERR_none);
        check(sim, &row, &sim->alerts[i]);
    }
}
