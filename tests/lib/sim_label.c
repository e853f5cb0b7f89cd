/* Labels in the simulation (sim.h): now and then a file comes with what was found out elsewhere
 * about payments that the bank has, some of it new and some of it a correction, for the past and
 * for the time from now on. What an analyst has decided stays. That every profile has seen it as it
 * must, whatever was saved and lost in between, verify_bank proves. */
#include "tests/lib/sim_impl.h"

#include "common/check.h"

enum { ROWS = 12, NEWEST = 300 };

struct row {
    struct transaction payment;
    struct label       label;
    bool               replaces;
};

/* A payment of late that nobody has decided, with a label that says something new. */
static bool draw(struct sim *sim, struct row *row)
{
    size_t       newest = sim->post_count < NEWEST ? sim->post_count : NEWEST;
    struct alert alert;
    struct label known;
    size_t       i;

    if (newest == 0)
        return false;
    i = sim->post_count - 1 - random_below(&sim->random, newest);
    if (sim->posts[i].status == 0 || sim->posts[i].reverses != SIM_NONE)
        return false;
    CHECK(sim->real->transaction_by_id(sim->reader, &sim->posts[i].id, &row->payment) == ERR_none);
    if (sim->real->alert_by_transaction(sim->reader, row->payment.sequence, &alert) == ERR_none &&
        alert.state == ALERT_DECIDED)
        return false;
    row->label = (struct label){ .transaction = row->payment.sequence,
                                 .fraud = sim_chance(sim, 2),
                                 .known_at_us = row->payment.at_us };
    row->label.known_at_us += (int64_t)random_below(&sim->random, US_PER_DAY);
    row->replaces =
        sim->real->label_by_transaction(sim->reader, row->payment.sequence, &known) == ERR_none;
    return !row->replaces || known.withdrawn || known.fraud != row->label.fraud;
}

static bool is_among(const struct row *rows, size_t count, const struct row *row)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].label.transaction == row->label.transaction)
            return true;
    return false;
}

/* As the import does: that a finding is replaced is an act. */
static void plan_label(struct sim *sim, const struct row *row)
{
    struct draft *draft = writer_draft(sim->writer);
    struct act    act = { .actor_name = "import",
                          .kind = AUDIT_ACTION,
                          .operation = "label.replace",
                          .subject = &row->payment.transaction_id,
                          .about_transaction = row->payment.sequence };

    SIM_REQUIRE(sim,
                writer_label(sim->writer, draft, &row->payment, row->label.fraud,
                             row->label.known_at_us) == ERR_none,
                "a label cannot be planned");
    if (row->replaces)
        writer_audit(sim->writer, draft, &act);
    writer_add(sim->writer, draft);
}

void sim_label_import(struct sim *sim)
{
    struct row   rows[ROWS];
    size_t       count = 0;
    struct label label;
    enum err     err;

    for (size_t i = 0; i < ROWS; i++)
        if (draw(sim, &rows[count]) && !is_among(rows, count, &rows[count]))
            count++;
    for (size_t i = 0; i < count; i++)
        plan_label(sim, &rows[i]);
    err = writer_commit(sim->writer, NULL);
    SIM_REQUIRE(sim, err == ERR_none || err == ERR_storage_full, "labels cannot be committed");
    for (size_t i = 0; i < count && err == ERR_none; i++)
        SIM_REQUIRE(sim,
                    sim->real->label_by_transaction(sim->reader, rows[i].label.transaction,
                                                    &label) == ERR_none &&
                        label.fraud == rows[i].label.fraud && !label.withdrawn,
                    "a label is not as it was brought in");
    sim->figures.labels += err == ERR_none ? (int64_t)count : 0;
}
