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

/* What the act that is planned next is about, as the acts before it leave it. */
static struct {
    enum standing standing[SIM_BULK];
    int64_t       decided_at_us;
    size_t        free_count; /* alerts that alert.next may hand out */
    struct alert  free[WAITING_MAX];
} before;

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

/* As the acts before it in the group leave it. */
static enum standing look(struct sim *sim, const struct uuid *id, int user, struct alert *row)
{
    const struct sim_alert *alert;

    CHECK(writer_alert_by_id(sim->writer, id, row) == ERR_none);
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

/* --- how an act must be answered ------------------------------------------------------------- */

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

static enum err expect_snooze(const struct sim *sim, const struct sim_job *job)
{
    const struct msg_alert_snooze *in = job->in;

    return in->until <= sim->now_us ? ERR_field_invalid : expect_act(before.standing[0], false);
}

static enum err expect_undo(const struct sim *sim, enum err err)
{
    if (before.standing[0] != STANDS_DECIDED ||
        sim->now_us > before.decided_at_us + LIMIT_ALERT_UNDO_SECONDS * US_PER_SECOND)
        return ERR_state_conflict;
    return is_of_money(err) ? err : ERR_none;
}

/* Each alert of several is decided or refused as if it were alone. */
static void check_outcomes(struct sim *sim, const struct sim_job *job)
{
    const struct msg_alert_bulk     *in = job->in;
    const struct msg_alert_outcomes *out = job->out;

    SIM_REQUIRE(sim, out->items.count == in->items.count, "an alert of several has no outcome");
    for (size_t i = 0; i < in->items.count; i++) {
        enum err     expected = expect_act(before.standing[i], false);
        struct slice outcome = out->items.at[i].outcome;

        if (expected != ERR_none)
            SIM_REQUIRE(sim, slice_is(outcome, err_name(expected)),
                        "one of several alerts has another outcome than alone");
        else
            SIM_REQUIRE(sim, !slice_is(outcome, "alert_locked"),
                        "one of several alerts is locked by nobody");
    }
}

/* --- the next one ---------------------------------------------------------------------------- */

static bool collect(void *context, const void *row)
{
    (void)context;
    CHECK(before.free_count < WAITING_MAX);
    before.free[before.free_count++] = *(const struct alert *)row;
    return true;
}

static bool is_own(struct sim *sim, const struct alert *alert, int user)
{
    struct alert_hits  hits;
    struct transaction row;
    bool               own = false;

    CHECK(writer_alert_hits(sim->writer, alert, &hits) == ERR_none);
    for (size_t i = 0; i < hits.count; i++) {
        CHECK(writer_alert_row(sim->writer, alert->account, hits.rows[i].transaction, &row) ==
              ERR_none);
        own = own || (hits.rows[i].finding == 0 && row.posted_by == sim->users[user].user);
    }
    return own;
}

/* What waits in the store, but for what is taken. What this group raises is not there yet. */
static void look_at_queue(struct sim *sim, int user)
{
    struct alert_filter filter = { .undecided = true };
    size_t              kept = 0;

    before.free_count = 0;
    CHECK(sim->real->alerts(sim->reader, &filter, collect, NULL) == ERR_none);
    for (size_t i = 0; i < before.free_count; i++) {
        struct alert  row;
        enum standing standing = look(sim, &before.free[i].alert_id, user, &row);

        if ((standing == STANDS_OPEN || standing == STANDS_MINE) && !is_own(sim, &row, user))
            before.free[kept++] =
                before.free[i]; /* with its stored urgency, by which it is found */
    }
    before.free_count = kept;
}

static enum err expect_next(struct sim *sim, const struct sim_job *job, enum err err)
{
    const struct msg_alert *out = job->out;
    int64_t                 most = -1;
    int64_t                 given = -1;

    for (size_t i = 0; i < before.free_count; i++) {
        const struct alert *row = &before.free[i];

        if (row->urgency > most)
            most = row->urgency;
        if (err == ERR_none && uuid_equal(&row->alert_id, &out->alert_id))
            given = row->urgency;
    }
    if (most < 0)
        return ERR_queue_empty;
    SIM_REQUIRE(sim, err != ERR_none || given >= 0, "an alert is handed out that is not free");
    SIM_REQUIRE(sim, err != ERR_none || given == most, "a more urgent alert is passed over");
    return ERR_none;
}

static const struct uuid *alert_of(const struct sim_job *job)
{
    switch ((enum op_index)(job->op - op_rows)) {
    case OP_INDEX_alert_decide:
        return &((const struct msg_alert_decide *)job->in)->alert_id;
    case OP_INDEX_alert_note:
        return &((const struct msg_alert_note *)job->in)->alert_id;
    case OP_INDEX_alert_assign:
        return &((const struct msg_alert_assign *)job->in)->alert_id;
    case OP_INDEX_alert_snooze:
        return &((const struct msg_alert_snooze *)job->in)->alert_id;
    case OP_INDEX_alert_undo:
        return &((const struct msg_alert_undo *)job->in)->alert_id;
    default:
        return &((const struct msg_alert_ref *)job->in)->alert_id;
    }
}

void sim_alert_before(struct sim *sim, const struct sim_job *job)
{
    const struct msg_alert_bulk *bulk = job->in;
    struct alert                 row;

    if (job->op == &op_rows[OP_INDEX_alert_next]) {
        look_at_queue(sim, job->user);
    } else if (job->op == &op_rows[OP_INDEX_alert_bulk]) {
        for (size_t i = 0; i < bulk->items.count; i++)
            before.standing[i] = look(sim, &bulk->items.at[i].alert_id, job->user, &row);
    } else {
        before.standing[0] = look(sim, alert_of(job), job->user, &row);
        before.decided_at_us = row.decided_at_us;
    }
}

/* --- what was done --------------------------------------------------------------------------- */

static struct sim_alert *changed(struct sim *sim, const struct uuid *id, struct alert *row)
{
    struct sim_alert *alert;

    CHECK(writer_alert_by_id(sim->writer, id, row) == ERR_none);
    alert = known(sim, row);
    sim_save(sim, alert, sizeof *alert);
    return alert;
}

static void lock(struct sim *sim, const struct uuid *id, int holder, int64_t for_us)
{
    struct alert      row;
    struct sim_alert *alert = changed(sim, id, &row);

    alert->holder = holder;
    alert->lock_until_us = for_us > 0 ? sim->now_us + for_us : 0;
    alert->snoozed_until_us = 0;
    alert->decision = 0;
}

static void decide(struct sim *sim, const struct sim_job *job, const struct uuid *id,
                   int32_t decision)
{
    struct alert      row;
    struct sim_alert *alert;

    lock(sim, id, 0, 0);
    alert = changed(sim, id, &row);
    alert->decision = decision;
    alert->decided_at_us = sim->now_us;
    sim_model_take_over(sim, job, &row, decision);
}

static void do_bulk(struct sim *sim, const struct sim_job *job)
{
    const struct msg_alert_bulk     *in = job->in;
    const struct msg_alert_outcomes *out = job->out;

    for (size_t i = 0; i < in->items.count; i++)
        if (slice_is(out->items.at[i].outcome, "done"))
            decide(sim, job, &in->items.at[i].alert_id, in->decision);
}

static void do_snooze(struct sim *sim, const struct msg_alert_snooze *in)
{
    struct alert      row;
    struct sim_alert *alert;

    lock(sim, &in->alert_id, 0, 0);
    alert = changed(sim, &in->alert_id, &row);
    alert->snoozed_until_us = in->until;
    alert->hits = row.hits;
}

static void do_assign(struct sim *sim, const struct msg_alert_assign *in)
{
    lock(sim, &in->alert_id, in->email.at[4] - '0', LIMIT_ALERT_ASSIGN_HOURS * US_PER_HOUR);
}

static void do_undo(struct sim *sim, const struct sim_job *job)
{
    const struct msg_alert_undo *in = job->in;
    struct alert                 row;

    lock(sim, &in->alert_id, job->user, LIMIT_ALERT_LOCK_SECONDS * US_PER_SECOND);
    (void)changed(sim, &in->alert_id, &row);
    sim_model_take_over(sim, job, &row, 0);
}

static void do_act(struct sim *sim, const struct sim_job *job)
{
    const struct msg_alert_decide *decision = job->in;
    const struct msg_alert        *out = job->out;

    switch ((enum op_index)(job->op - op_rows)) {
    case OP_INDEX_alert_next:
    case OP_INDEX_alert_take:
        lock(sim, &out->alert_id, job->user, LIMIT_ALERT_LOCK_SECONDS * US_PER_SECOND);
        break;
    case OP_INDEX_alert_assign:
        do_assign(sim, job->in);
        break;
    case OP_INDEX_alert_return:
        lock(sim, &out->alert_id, 0, 0);
        break;
    case OP_INDEX_alert_decide:
        decide(sim, job, &decision->alert_id, decision->decision);
        break;
    case OP_INDEX_alert_snooze:
        do_snooze(sim, job->in);
        break;
    case OP_INDEX_alert_undo:
        do_undo(sim, job);
        break;
    case OP_INDEX_alert_bulk:
        do_bulk(sim, job);
        break;
    default: /* a note */
        break;
    }
}

static enum err expected_of(struct sim *sim, const struct sim_job *job, enum err err)
{
    enum err act = expect_act(before.standing[0], job->op == &op_rows[OP_INDEX_alert_return]);

    switch ((enum op_index)(job->op - op_rows)) {
    case OP_INDEX_alert_next:
        return expect_next(sim, job, err);
    case OP_INDEX_alert_decide:
        return act == ERR_none && is_of_money(err) ? err : act;
    case OP_INDEX_alert_snooze:
        return expect_snooze(sim, job);
    case OP_INDEX_alert_undo:
        return expect_undo(sim, err);
    case OP_INDEX_alert_bulk:
        if (err == ERR_none)
            check_outcomes(sim, job);
        return ERR_none;
    case OP_INDEX_alert_note:
        return ERR_none;
    default:
        return act;
    }
}

void sim_alert_expect(struct sim *sim, struct sim_job *job, enum err err)
{
    job->first = false;
    job->expected = expected_of(sim, job, err);
    if (err == ERR_none && job->expected == ERR_none)
        do_act(sim, job);
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
