/* Alerts at work, through the real handlers and the real writer on a bank in memory: every act in
 * every state against proto/alerts.def; payments that join one alert; decisions, their undoing and
 * what money, flags, labels and figures make of them. After every test the books must be provable.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "bankd/alert.h"
#include "bankd/learn/replay.h"
#include "bankd/profile.h"
#include "bankd/verify.h"
#include "bankd/writer.h"
#include "common/check.h"
#include "tests/lib/bare_bank.h"

enum { ACCOUNTS = 3, FUNDS = 100000, LARGE = 6000, HUGE = 9500, SCORE = 650 };
enum person { ANN, BOB, PIA, PEOPLE };

struct desk {
    struct bare_clock clock;
    struct store     *store;
    struct bank       bank;
    struct writer    *writer;
    struct arena      arena;
    struct actor      people[PEOPLE];
    int64_t           accounts[ACCOUNTS];
    struct fault      fault; /* of the last question */
};

/* --- the bank -------------------------------------------------------------------------------- */

static void open_writer(struct desk *desk)
{
    struct writer_config config = { .store = desk->store,
                                    .bank = &desk->bank,
                                    .clock = &desk->clock.clock,
                                    .rule_set = 1,
                                    .books_max = 8192,
                                    .profiles_max = 8192 };

    assert_int_equal(writer_open(&config, &desk->writer, NULL), ERR_none);
}

static void commit(struct desk *desk)
{
    assert_int_equal(writer_commit(desk->writer, &desk->fault), ERR_none);
}

static void add_person(struct desk *desk, enum person person)
{
    static const char *const names[] = { "ann", "bob", "pia" };
    struct draft            *draft = writer_draft(desk->writer);
    struct user             *row = &draft->user;
    struct act act = { .kind = AUDIT_ACTION, .operation = "user.add", .subject = &row->user_id };

    memset(row, 0, sizeof *row);
    row->number = writer_next_user(desk->writer);
    row->user_id = uuid_v7(desk->clock.now_us);
    row->role = person == PIA ? ROLE_FINANCIAL_MANAGER : ROLE_FRAUD_ANALYST;
    snprintf(row->email, sizeof row->email, "%s@test.com", names[person]);
    desk->people[person] =
        (struct actor){ .user = row->number, .user_id = row->user_id, .role = row->role };
    memcpy(desk->people[person].email, row->email, sizeof row->email);
    draft->change.user = row;
    writer_audit(desk->writer, draft, &act);
    writer_add(desk->writer, draft);
}

/* A payment of an account to another one, or a deposit; not committed. */
static struct posted post(struct desk *desk, int type, int from, int to, int64_t amount)
{
    const struct account_book *cash;
    struct posted              posted;
    struct post                post = { .transaction_id = uuid_v7(desk->clock.now_us),
                                        .type = type,
                                        .account = desk->accounts[from],
                                        .amount = amount,
                                        .currency = BARE_USD,
                                        .incoming = type == TYPE_DEPOSIT,
                                        .at_us = desk->clock.now_us,
                                        .actor = &desk->people[PIA] };

    assert_int_equal(writer_book_of_bank(desk->writer, ACCOUNT_CASH, BARE_USD, &cash, &desk->fault),
                     ERR_none);
    post.other = type == TYPE_TRANSFER ? desk->accounts[to] : cash->number;
    assert_int_equal(writer_post(desk->writer, &post, &posted, &desk->fault), ERR_none);
    return posted;
}

/* A suspicious payment, alone in its group; the alert that it raised or joined. */
static struct uuid suspect(struct desk *desk, int from, int64_t amount)
{
    struct posted posted = post(desk, TYPE_TRANSFER, from, (from + 1) % ACCOUNTS, amount);
    struct uuid   alert = posted.facts.alert_id;

    assert_false(uuid_is_zero(&alert));
    desk->clock.now_us += US_PER_SECOND;
    commit(desk);
    return alert;
}

static int set_up(void **state)
{
    struct desk         *desk = calloc(1, sizeof *desk);
    struct bank_settings settings = { .high_value_major = 60,
                                      .large_major = 80,
                                      .hold_hours = 24,
                                      .alert_lock_seconds = 100,
                                      .alert_undo_seconds = 50,
                                      .id_skew_hours = 24 };
    struct store_config  config = { .cache_kib = 4096 };

    bare_clock_start(&desk->clock);
    bank_init(&desk->bank, &settings);
    assert_int_equal(store_memory.open(&config, STORE_CREATE, &desk->store, &desk->fault),
                     ERR_none);
    assert_int_equal(arena_init(&desk->arena, LIMIT_REQUEST_ARENA), ERR_none);
    bare_rules(desk->store, &desk->bank, &desk->clock.clock);
    open_writer(desk);
    for (int i = 0; i < PEOPLE; i++)
        add_person(desk, (enum person)i);
    for (int i = 0; i < ACCOUNTS; i++)
        desk->accounts[i] = bare_account(desk->writer, i)->number;
    commit(desk);
    for (int i = 0; i < ACCOUNTS; i++)
        post(desk, TYPE_DEPOSIT, i, 0, FUNDS);
    commit(desk);
    *state = desk;
    return 0;
}

/* The books are whole, with the profiles as they are saved and made again. */
static void prove(struct desk *desk)
{
    struct verify_report report;

    assert_int_equal(writer_idle(desk->writer, &desk->fault), ERR_none);
    if (verify_bank(desk->store, &desk->bank, NULL, stderr, &report, &desk->fault) != ERR_none)
        fail_msg("%s: %s", err_name(desk->fault.err), desk->fault.text);
}

static int tear_down(void **state)
{
    struct desk *desk = *state;

    prove(desk);
    writer_close(&desk->writer);
    desk->store->ops->close(&desk->store);
    bank_free(&desk->bank);
    arena_free(&desk->arena);
    free(desk);
    return 0;
}

/* --- asking ---------------------------------------------------------------------------------- */

static struct request request_of(struct desk *desk, enum person who, enum op_index op)
{
    arena_reset(&desk->arena);
    memset(&desk->fault, 0, sizeof desk->fault);
    return (struct request){ .op = &op_rows[op],
                             .actor = desk->people[who],
                             .store = desk->store,
                             .writer = desk->writer,
                             .bank = &desk->bank,
                             .arena = &desk->arena,
                             .fault = &desk->fault,
                             .now_us = desk->clock.now_us };
}

/* One request in a group of its own. */
#define ASK(desk, who, family, verb, in, out)                                                      \
    ask(desk, who, OP_INDEX_##family##_##verb, in, memset(out, 0, sizeof *(out)))

static enum err ask(struct desk *desk, enum person who, enum op_index op, const void *in, void *out)
{
    struct request request = request_of(desk, who, op);
    enum err       err = dispatch(&request, in, out);

    if ((op_rows[op].flags & OP_WRITE) != 0)
        commit(desk);
    return err;
}

static enum err decide(struct desk *desk, enum person who, const struct uuid *alert,
                       int32_t finding, struct msg_alert *out)
{
    struct msg_alert_decide in = { .alert_id = *alert,
                                   .decision = finding,
                                   .note = slice_from("Looked at") };

    return ASK(desk, who, alert, decide, &in, out);
}

static struct account_book book_of(struct desk *desk, int i)
{
    struct account_book book;

    assert_int_equal(desk->store->ops->book_by_number(desk->store, desk->accounts[i], &book),
                     ERR_none);
    return book;
}

static struct alert alert_of(struct desk *desk, const struct uuid *id)
{
    struct alert row;

    assert_int_equal(desk->store->ops->alert_by_id(desk->store, id, &row), ERR_none);
    return row;
}

/* Count of a figure that is true now. */
struct now_figure {
    uint16_t metric;
    int64_t  count;
};

static bool add_now(void *context, const void *row)
{
    struct now_figure   *figure = context;
    const struct rollup *cell = row;

    figure->count += cell->key.metric == figure->metric ? cell->count : 0;
    return true;
}

static int64_t figure_now(struct desk *desk, uint16_t metric)
{
    struct now_figure   figure = { .metric = metric };
    struct rollup_range range = { .scale = ROLLUP_ALL, .currency = ROLLUP_EVERY_CURRENCY };

    assert_int_equal(desk->store->ops->rollups(desk->store, &range, add_now, &figure), ERR_none);
    return figure.count;
}

/* --- every act in every state ----------------------------------------------------------------- */

enum situation {
    IS_OPEN,
    IS_MINE,
    IS_HERS,
    IS_FREE_AGAIN,
    IS_SNOOZED,
    IS_BACK,
    IS_DECIDED,
    SITUATIONS
};

static const int32_t state_in[SITUATIONS] = { ALERT_OPEN,    ALERT_TAKEN, ALERT_TAKEN,  ALERT_OPEN,
                                              ALERT_SNOOZED, ALERT_OPEN,  ALERT_DECIDED };

/* Brings a new alert into a situation by what people do. */
static struct uuid bring(struct desk *desk, int account, enum situation situation)
{
    struct uuid             id = suspect(desk, account, LARGE);
    struct msg_alert_ref    ref = { .alert_id = id };
    struct msg_alert_snooze snooze = { .alert_id = id, .reason = slice_from("Later") };
    struct msg_alert        out;

    snooze.until = desk->clock.now_us + 20 * US_PER_SECOND;
    if (situation == IS_MINE)
        assert_int_equal(ASK(desk, ANN, alert, take, &ref, &out), ERR_none);
    if (situation == IS_HERS || situation == IS_FREE_AGAIN)
        assert_int_equal(ASK(desk, BOB, alert, take, &ref, &out), ERR_none);
    if (situation == IS_SNOOZED || situation == IS_BACK)
        assert_int_equal(ASK(desk, ANN, alert, snooze, &snooze, &out), ERR_none);
    if (situation == IS_DECIDED)
        assert_int_equal(decide(desk, ANN, &id, DECISION_CONFIRMED_FRAUD, &out), ERR_none);
    if (situation == IS_FREE_AGAIN)
        desk->clock.now_us += 100 * US_PER_SECOND;
    if (situation == IS_BACK)
        desk->clock.now_us += 20 * US_PER_SECOND;
    return id;
}

static enum err act_on(struct desk *desk, enum alert_act act, const struct uuid *id,
                       struct msg_alert *out)
{
    struct msg_alert_ref    ref = { .alert_id = *id };
    struct msg_alert_assign assign = { .alert_id = *id, .email = slice_from("bob@test.com") };
    struct msg_alert_note   note = { .alert_id = *id, .note = slice_from("Seen") };
    struct msg_alert_undo   undo = { .alert_id = *id, .reason = slice_from("Wrong one") };
    struct msg_alert_snooze snooze = { .alert_id = *id,
                                       .until = desk->clock.now_us + US_PER_SECOND,
                                       .reason = slice_from("Later") };

    switch (act) {
    case ALERT_ACT_take:
        return ASK(desk, ANN, alert, take, &ref, out);
    case ALERT_ACT_return:
        return ASK(desk, ANN, alert, return, &ref, out);
    case ALERT_ACT_assign:
        return ASK(desk, ANN, alert, assign, &assign, out);
    case ALERT_ACT_snooze:
        return ASK(desk, ANN, alert, snooze, &snooze, out);
    case ALERT_ACT_note:
        return ASK(desk, ANN, alert, note, &note, out);
    case ALERT_ACT_decide:
        return decide(desk, ANN, id, DECISION_FALSE_POSITIVE, out);
    case ALERT_ACT_undo:
        return ASK(desk, ANN, alert, undo, &undo, out);
    default:
        return ERR_unsupported;
    }
}

/* What the table says, read here once more. */
static enum err expected(enum alert_act act, enum situation situation, int32_t *to)
{
    enum { WHO_ANYBODY, WHO_HOLDER, WHO_SYSTEM };
    static const struct {
        enum alert_act act;
        int32_t        from;
        int            who;
        int32_t        to;
    } rows[] = {
#define ALERT_MOVE(act, from, who, to, help)                                                       \
    { ALERT_ACT_##act, ALERT_##from, WHO_##who, ALERT_##to },
#include "proto/alerts.def"
    };

    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (rows[i].act != act || rows[i].from != state_in[situation])
            continue;
        *to = rows[i].to;
        return rows[i].who == WHO_HOLDER && situation == IS_HERS ? ERR_alert_locked : ERR_none;
    }
    return ERR_state_conflict;
}

static void every_act_in_every_state(void **state)
{
    struct desk     *desk = *state;
    struct msg_alert out;

    for (int act = ALERT_ACT_take; act <= ALERT_ACT_undo; act++) {
        if (act == ALERT_ACT_settle)
            continue;
        for (int situation = 0; situation < SITUATIONS; situation++) {
            struct uuid  id = bring(desk, 0, (enum situation)situation);
            struct alert before = alert_of(desk, &id);
            int32_t      to = 0;
            enum err     err = expected((enum alert_act)act, (enum situation)situation, &to);

            assert_int_equal(act_on(desk, (enum alert_act)act, &id, &out), err);
            struct alert after = alert_of(desk, &id);
            if (err == ERR_none)
                assert_int_equal(out.state, to);
            else
                assert_memory_equal(&before, &after, sizeof before);
            assert_int_equal(alert_state_at(&after, desk->clock.now_us),
                             err == ERR_none ? to : state_in[situation]);
            if (err == ERR_none)
                assert_int_equal(after.version, before.version + 1);
            /* The next one begins with an account in which nothing waits. */
            desk->clock.now_us += US_PER_DAY;
            if (after.state != ALERT_DECIDED)
                assert_int_equal(decide(desk, ANN, &id, DECISION_CONFIRMED_FRAUD, &out), ERR_none);
        }
    }
}

/* --- joining --------------------------------------------------------------------------------- */

static void payments_join_the_alert_that_waits(void **state)
{
    struct desk     *desk = *state;
    struct uuid      first = suspect(desk, 0, LARGE);
    struct uuid      other = suspect(desk, 1, LARGE);
    int64_t          loss = alert_loss(LARGE, SCORE, false);
    struct msg_alert out;

    assert_false(uuid_equal(&first, &other));
    assert_int_equal(figure_now(desk, METRIC_ALERTS_OPEN), 2);
    /* Two in one group, one of them declined and with more points. */
    post(desk, TYPE_TRANSFER, 0, 1, LARGE + 1000);
    struct posted declined = post(desk, TYPE_TRANSFER, 0, 1, HUGE);
    struct uuid   declined_id = declined.row->transaction_id;
    assert_true(uuid_equal(&declined.facts.alert_id, &first));
    assert_false(declined.raised);
    commit(desk);

    struct msg_alert_ref ref = { .alert_id = first };
    assert_int_equal(ASK(desk, ANN, alert, get, &ref, &out), ERR_none);
    assert_int_equal(out.hit_count, 3);
    assert_int_equal(out.hits.count, 3);
    assert_int_equal(out.score, 950);
    assert_true(uuid_equal(&out.transaction_id, &declined_id));
    assert_int_equal(out.hits.at[2].expected_loss, 0);
    assert_int_equal(out.expected_loss, loss + alert_loss(LARGE + 1000, SCORE, false));
    assert_int_equal(out.expected_loss,
                     out.hits.at[0].expected_loss + out.hits.at[1].expected_loss);
    int64_t points = 0;
    for (size_t i = 0; i < out.reasons.count; i++)
        points += out.reasons.at[i].points;
    assert_int_equal(points, out.score);
    assert_int_equal(figure_now(desk, METRIC_ALERTS_OPEN), 2);
    assert_int_equal(figure_now(desk, METRIC_FLAGGED), 4);

    /* One that is full is followed by another. */
    for (int i = 1; i < LIMIT_ALERT_HITS_MAX; i++) {
        struct uuid same = suspect(desk, 1, LARGE / 2 + 2000 + i);

        assert_true(uuid_equal(&same, &other));
        if (i % 8 == 0) {
            post(desk, TYPE_DEPOSIT, 1, 0, FUNDS);
            commit(desk);
        }
    }
    struct uuid next = suspect(desk, 1, LARGE);
    assert_false(uuid_equal(&next, &other));
    assert_int_equal(alert_of(desk, &other).hits, LIMIT_ALERT_HITS_MAX);
    assert_int_equal(alert_of(desk, &next).hits, 1);
    /* A decision about all of them is one act. */
    assert_int_equal(decide(desk, ANN, &other, DECISION_CONFIRMED_FRAUD, &out), ERR_none);
    assert_int_equal(book_of(desk, 1).held, LARGE);
    struct uuid after = suspect(desk, 1, LARGE);
    assert_true(uuid_equal(&after, &next));
}

static void something_new_ends_a_snooze_and_is_not_decided_unseen(void **state)
{
    struct desk            *desk = *state;
    struct uuid             id = bring(desk, 0, IS_SNOOZED);
    struct msg_alert_decide in = { .alert_id = id,
                                   .decision = DECISION_CONFIRMED_FRAUD,
                                   .note = slice_from("Seen one") };
    struct msg_alert        out;
    struct uuid             same = suspect(desk, 0, LARGE);

    assert_true(uuid_equal(&same, &id));
    assert_int_equal(alert_of(desk, &id).state, ALERT_OPEN);
    MSG_SET(&in, alert_decide, hits_seen, 1);
    assert_int_equal(ASK(desk, ANN, alert, decide, &in, &out), ERR_changed_meanwhile);
    assert_int_equal(book_of(desk, 0).held, 2 * LARGE);
    MSG_SET(&in, alert_decide, hits_seen, 2);
    assert_int_equal(ASK(desk, ANN, alert, decide, &in, &out), ERR_none);
    assert_int_equal(book_of(desk, 0).held, 0);
}

/* Of several alerts the one that another payment has joined since it was looked at stays as it is;
 * the rest is decided, also what was given without a number. */
static void what_joined_unseen_is_not_decided_with_the_rest(void **state)
{
    struct desk              *desk = *state;
    struct msg_alert_seen     items[3] = { { .has = 0 } };
    struct msg_alert_bulk     bulk = { .decision = DECISION_CONFIRMED_FRAUD,
                                       .note = slice_from("A wave"),
                                       .items = { .at = items, .count = 3 } };
    struct msg_alert_outcomes outcomes;

    for (int i = 0; i < 3; i++)
        items[i].alert_id = suspect(desk, i, LARGE);
    for (int i = 0; i < 2; i++)
        MSG_SET(&items[i], alert_seen, hits_seen, 1);
    suspect(desk, 0, LARGE);
    suspect(desk, 2, LARGE);
    assert_int_equal(ASK(desk, ANN, alert, bulk, &bulk, &outcomes), ERR_none);
    assert_true(slice_is(outcomes.items.at[0].outcome, "changed_meanwhile"));
    assert_true(slice_is(outcomes.items.at[0].text,
                         "It had 1 transaction when it was looked at and has 2 now"));
    assert_true(slice_is(outcomes.items.at[1].outcome, "done"));
    assert_true(slice_is(outcomes.items.at[2].outcome, "done"));
    assert_int_equal(outcomes.done, 2);
    assert_int_equal(outcomes.refused, 1);
    assert_int_equal(alert_of(desk, &items[0].alert_id).state, ALERT_OPEN);
    assert_int_equal(book_of(desk, 0).held, 2 * LARGE);
    assert_int_equal(book_of(desk, 1).held, 0);
    assert_int_equal(book_of(desk, 2).held, 0);
    /* Looked at again, with both. */
    items[0].hits_seen = 2;
    bulk.items.count = 1;
    assert_int_equal(ASK(desk, ANN, alert, bulk, &bulk, &outcomes), ERR_none);
    assert_int_equal(outcomes.done, 1);
    assert_int_equal(book_of(desk, 0).held, 0);
}

/* --- decisions and their undoing -------------------------------------------------------------- */

static void fraud_is_undone_whole(void **state)
{
    struct desk          *desk = *state;
    struct uuid           id = suspect(desk, 0, LARGE);
    struct msg_alert_undo undo = { .alert_id = id, .reason = slice_from("Wrong customer") };
    struct msg_alert      out;
    struct label          label;

    suspect(desk, 0, LARGE + 500);
    assert_int_equal(decide(desk, ANN, &id, DECISION_CONFIRMED_FRAUD, &out), ERR_none);
    assert_int_equal(out.hits.at[0].status, STATUS_REJECTED);
    assert_int_equal(out.hits.at[1].status, STATUS_REJECTED);
    assert_int_equal(out.hits.at[1].decision, DECISION_CONFIRMED_FRAUD);
    assert_true(MSG_HAS(&out, alert, undo_until));
    assert_int_equal(book_of(desk, 0).held, 0);
    assert_int_equal(figure_now(desk, METRIC_ALERTS_OPEN), 0);
    prove(desk);

    desk->clock.now_us += 40 * US_PER_SECOND;
    assert_int_equal(ASK(desk, BOB, alert, undo, &undo, &out), ERR_none);
    assert_int_equal(out.state, ALERT_TAKEN);
    assert_true(slice_is(out.assigned_to, "bob@test.com"));
    assert_int_equal(out.status, STATUS_HELD);
    assert_false(MSG_HAS(&out, alert, decision));
    assert_int_equal(book_of(desk, 0).held, 2 * LARGE + 500);
    assert_int_equal(figure_now(desk, METRIC_ALERTS_OPEN), 1);
    assert_int_equal(figure_now(desk, METRIC_HELD), 2);
    assert_int_equal(desk->store->ops->label_by_transaction(
                         desk->store, alert_of(desk, &id).transaction, &label),
                     ERR_none);
    assert_true(label.withdrawn);
    prove(desk);

    /* Decided again, the other way. */
    assert_int_equal(decide(desk, BOB, &id, DECISION_FALSE_POSITIVE, &out), ERR_none);
    assert_int_equal(out.hits.at[1].status, STATUS_COMPLETED);
    assert_int_equal(book_of(desk, 0).balance, FUNDS - 2 * LARGE - 500);
    assert_int_equal(figure_now(desk, METRIC_FLAGGED), 0);
    assert_int_equal(desk->store->ops->label_by_transaction(
                         desk->store, alert_of(desk, &id).transaction, &label),
                     ERR_none);
    assert_true(!label.withdrawn && !label.fraud);
    /* Now the money has moved. */
    assert_int_equal(ASK(desk, BOB, alert, undo, &undo, &out), ERR_state_conflict);
    assert_non_null(strstr(desk->fault.text, "transaction.reverse"));
}

/* What was known of an account before each of its payments. */
enum { LOOKS = 6 };

struct look {
    int64_t              sequence;
    struct fraud_feature features[FRAUD_FEATURES_MAX];
};

struct looks {
    struct look rows[LOOKS];
    size_t      count, found;
};

/* Looks at the first account as the writer has it, then lets it pay. */
static void look(struct desk *desk, struct looks *looks)
{
    struct look         *look = &looks->rows[looks->count++];
    struct fraud_profile profile;
    int64_t              newest;

    assert_true(looks->count <= LOOKS);
    desk->clock.now_us += US_PER_SECOND;
    assert_int_equal(
        profile_current(desk->store, entity_of_account(desk->accounts[0]), &profile, &newest),
        ERR_none);
    fraud_features(&profile, desk->clock.now_us, look->features);
    look->sequence = post(desk, TYPE_TRANSFER, 0, 1, 100).row->sequence;
    commit(desk);
    desk->clock.now_us += US_PER_SECOND;
}

static void compare_look(const struct look *look, const struct fraud_profile *profile,
                         int64_t at_us)
{
    struct fraud_feature features[FRAUD_FEATURES_MAX];
    size_t               count = fraud_features(profile, at_us, features);

    assert_true(count > 0);
    for (size_t i = 0; i < count; i++)
        if (features[i].value != look->features[i].value)
            fail_msg("%s was %lld, replayed it is %lld", features[i].name,
                     (long long)look->features[i].value, (long long)features[i].value);
}

static enum err replay_look(void *context, const struct replay_event *event)
{
    struct looks *looks = context;

    if (looks->found == looks->count || event->row->sequence != looks->rows[looks->found].sequence)
        return ERR_none;
    compare_look(&looks->rows[looks->found++], event->subject, event->row->at_us);
    return ERR_none;
}

static int64_t frauds_of(const struct look *look)
{
    for (size_t i = 0; i < FRAUD_FEATURES_MAX; i++)
        if (strcmp(look->features[i].name, "frauds_7d") == 0)
            return look->features[i].value;
    fail_msg("frauds_7d is not there");
    return 0;
}

/* A finding that was taken back was known until then: for whoever replays the history, and for
 * whoever asks what a payment was judged by. */
static void what_was_found_and_undone_is_replayed(void **state)
{
    static const int64_t  frauds[LOOKS] = { 0, 1, 1, 0, 0, 1 };
    struct desk          *desk = *state;
    struct looks         *looks = calloc(1, sizeof *looks);
    struct uuid           id = suspect(desk, 0, LARGE);
    struct msg_alert_undo undo = { .alert_id = id, .reason = slice_from("Wrong customer") };
    struct replay_options options = { .store = desk->store, .entities_max = 100, .context = looks };
    struct msg_alert      out;

    assert_non_null(looks);
    look(desk, looks);
    assert_int_equal(decide(desk, ANN, &id, DECISION_CONFIRMED_FRAUD, &out), ERR_none);
    look(desk, looks);
    look(desk, looks);
    assert_int_equal(ASK(desk, ANN, alert, undo, &undo, &out), ERR_none);
    look(desk, looks);
    look(desk, looks);
    assert_int_equal(decide(desk, ANN, &id, DECISION_CONFIRMED_FRAUD, &out), ERR_none);
    look(desk, looks);
    for (size_t i = 0; i < LOOKS; i++)
        assert_int_equal(frauds_of(&looks->rows[i]), frauds[i]);
    assert_int_equal(replay_run(&options, replay_look, &desk->fault), ERR_none);
    assert_int_equal(looks->found, LOOKS);
    for (size_t i = 0; i < LOOKS; i++) {
        struct profile_bounds bounds = { .rows_max = 1000 };
        struct transaction    row;
        struct fraud_profile  profile;

        assert_int_equal(
            desk->store->ops->transaction_by_sequence(desk->store, looks->rows[i].sequence, &row),
            ERR_none);
        assert_int_equal(
            profile_before(desk->store, &row, profile_subject(&row), &bounds, &profile), ERR_none);
        compare_look(&looks->rows[i], &profile, row.at_us);
    }
    free(looks);
}

static void undoing_that_cannot_be_whole_is_refused(void **state)
{
    struct desk          *desk = *state;
    struct uuid           id = suspect(desk, 0, LARGE);
    struct msg_alert_undo undo = { .alert_id = id, .reason = slice_from("Wrong") };
    struct msg_alert      out;

    suspect(desk, 0, LARGE);
    assert_int_equal(decide(desk, ANN, &id, DECISION_CONFIRMED_FRAUD, &out), ERR_none);
    /* All but what one of the two needs is spent; small sums raise no suspicion. */
    while (book_of(desk, 0).balance >= LARGE + 4000) {
        post(desk, TYPE_TRANSFER, 0, 1, 4000);
        commit(desk);
    }
    struct alert        before = alert_of(desk, &id);
    struct account_book book = book_of(desk, 0);
    assert_int_equal(ASK(desk, ANN, alert, undo, &undo, &out), ERR_insufficient_funds);
    struct alert        after = alert_of(desk, &id);
    struct account_book book_after = book_of(desk, 0);
    assert_memory_equal(&before, &after, sizeof before);
    assert_memory_equal(&book, &book_after, sizeof book);
    /* And after its time. */
    post(desk, TYPE_DEPOSIT, 0, 0, FUNDS);
    commit(desk);
    desk->clock.now_us += 50 * US_PER_SECOND;
    assert_int_equal(ASK(desk, ANN, alert, undo, &undo, &out), ERR_state_conflict);
}

/* The second of two receivers is frozen: nothing of the decision happens. */
static void a_decision_is_all_or_nothing(void **state)
{
    struct desk              *desk = *state;
    struct uuid               id = suspect(desk, 0, LARGE);
    struct msg_account_freeze freeze = { .reason = slice_from("Court") };
    struct msg_account        frozen;
    struct msg_alert          out;

    post(desk, TYPE_TRANSFER, 0, 2, LARGE);
    commit(desk);
    freeze.account_id = book_of(desk, 2).account_id;
    assert_int_equal(ASK(desk, BOB, account, freeze, &freeze, &frozen), ERR_none);
    int64_t sequence = writer_head(desk->writer).sequence;
    assert_int_equal(decide(desk, ANN, &id, DECISION_FALSE_POSITIVE, &out), ERR_account_frozen);
    assert_int_equal(writer_head(desk->writer).sequence, sequence);
    assert_int_equal(book_of(desk, 0).held, 2 * LARGE);
    assert_int_equal(alert_of(desk, &id).state, ALERT_OPEN);
    assert_int_equal(decide(desk, ANN, &id, DECISION_INCONCLUSIVE, &out), ERR_none);
    assert_int_equal(book_of(desk, 0).held, 2 * LARGE);
    assert_int_equal(out.hits.at[0].status, STATUS_HELD);
}

/* The alert and its row of the list count all its transactions, not the one with the most points.
 */
static void sums_are(struct desk *desk, const struct uuid *id, int64_t total, int64_t held,
                     int64_t held_amount)
{
    struct msg_alert_ref   ref = { .alert_id = *id };
    struct msg_alert_query query = { .has = 0 };
    struct msg_alert       out;
    struct msg_alert_page  page;

    assert_int_equal(ASK(desk, ANN, alert, get, &ref, &out), ERR_none);
    assert_int_equal(out.amount_total, total);
    assert_int_equal(out.held_count, held);
    assert_int_equal(out.held_amount, held_amount);
    assert_int_equal(ASK(desk, ANN, alert, list, &query, &page), ERR_none);
    assert_int_equal(page.items.count, 1);
    assert_int_equal(page.items.at[0].amount_total, total);
    assert_int_equal(page.items.at[0].held_count, held);
    assert_int_equal(page.items.at[0].held_amount, held_amount);
}

static void one_transaction_settles_its_part(void **state)
{
    struct desk               *desk = *state;
    struct uuid                id = suspect(desk, 0, LARGE);
    struct msg_transaction_act in = { .reason = slice_from("Asked") };
    struct msg_transaction     done;
    struct msg_alert_ref       ref = { .alert_id = id };
    struct msg_alert           out;

    suspect(desk, 0, LARGE + 500);
    sums_are(desk, &id, 2 * LARGE + 500, 2, 2 * LARGE + 500);
    assert_int_equal(ASK(desk, ANN, alert, get, &ref, &out), ERR_none);
    struct uuid first = out.hits.at[0].transaction_id;
    struct uuid second = out.hits.at[1].transaction_id;
    in.transaction_id = first;
    assert_int_equal(ASK(desk, ANN, transaction, release, &in, &done), ERR_none);
    assert_int_equal(done.status, STATUS_COMPLETED);
    assert_false(done.fraud_flag);
    assert_int_equal(ASK(desk, ANN, alert, get, &ref, &out), ERR_none);
    assert_int_equal(out.state, ALERT_OPEN);
    assert_int_equal(out.expected_loss, out.hits.at[1].expected_loss);
    sums_are(desk, &id, 2 * LARGE + 500, 1, LARGE + 500);
    in.transaction_id = second;
    assert_int_equal(ASK(desk, ANN, transaction, reject, &in, &done), ERR_none);
    assert_int_equal(ASK(desk, ANN, alert, get, &ref, &out), ERR_none);
    assert_int_equal(out.state, ALERT_DECIDED);
    assert_int_equal(out.decision, DECISION_CONFIRMED_FRAUD);
    sums_are(desk, &id, 2 * LARGE + 500, 0, 0);
    assert_int_equal(figure_now(desk, METRIC_ALERTS_OPEN), 0);
    assert_int_equal(figure_now(desk, METRIC_FLAGGED), 1);
}

/* Both holds end by time in one group; the alert with the second of them. */
static void holds_of_one_alert_expire_together(void **state)
{
    struct desk *desk = *state;
    struct uuid  id = suspect(desk, 0, LARGE);

    suspect(desk, 0, LARGE);
    desk->clock.now_us += US_PER_DAY + US_PER_HOUR;
    assert_int_equal(writer_expire(desk->writer), ERR_none);
    commit(desk);
    assert_int_equal(book_of(desk, 0).held, 0);
    assert_int_equal(alert_of(desk, &id).state, ALERT_DECIDED);
    assert_int_equal(alert_of(desk, &id).decision, DECISION_INCONCLUSIVE);
    assert_int_equal(alert_of(desk, &id).undo_until_us, 0);
    assert_int_equal(figure_now(desk, METRIC_ALERTS_OPEN), 0);
}

/* The writer has not looked yet, and nobody can be faster than it. */
static void a_hold_goes_on_until_its_time_and_no_longer(void **state)
{
    struct desk               *desk = *state;
    struct uuid                id = suspect(desk, 0, LARGE);
    struct msg_transaction_act in = { .reason = slice_from("Late") };
    struct msg_alert_ref       ref = { .alert_id = id };
    struct msg_alert           out;
    struct msg_transaction     done;

    suspect(desk, 0, LARGE);
    assert_int_equal(ASK(desk, ANN, alert, get, &ref, &out), ERR_none);
    struct uuid first = out.hits.at[0].transaction_id;
    struct uuid second = out.hits.at[1].transaction_id;
    int64_t     until_us = desk->clock.now_us + US_PER_DAY;
    desk->clock.now_us = until_us;
    in.transaction_id = first;
    assert_int_equal(ASK(desk, ANN, transaction, release, &in, &done), ERR_state_conflict);
    assert_int_equal(decide(desk, ANN, &id, DECISION_FALSE_POSITIVE, &out), ERR_state_conflict);
    assert_int_equal(book_of(desk, 0).held, 2 * LARGE);
    assert_int_equal(ASK(desk, ANN, transaction, reject, &in, &done), ERR_none);
    desk->clock.now_us = until_us - US_PER_MINUTE;
    in.transaction_id = second;
    assert_int_equal(ASK(desk, ANN, transaction, release, &in, &done), ERR_none);
    assert_int_equal(done.status, STATUS_COMPLETED);
}

/* --- the queue -------------------------------------------------------------------------------- */

static void two_analysts_get_two_alerts_in_one_group(void **state)
{
    struct desk          *desk = *state;
    struct uuid           small = suspect(desk, 0, LARGE);
    struct uuid           large = suspect(desk, 1, LARGE + 2000);
    struct msg_alert_next in = { .has = 0 };
    struct msg_alert      out = { .has = 0 };
    struct request        request = request_of(desk, ANN, OP_INDEX_alert_next);

    assert_int_equal(dispatch(&request, &in, &out), ERR_none);
    assert_true(uuid_equal(&out.alert_id, &large));
    request = request_of(desk, BOB, OP_INDEX_alert_next);
    assert_int_equal(dispatch(&request, &in, &out), ERR_none);
    assert_true(uuid_equal(&out.alert_id, &small));
    commit(desk);
    assert_int_equal(alert_of(desk, &large).assigned_to, desk->people[ANN].user);
    assert_int_equal(alert_of(desk, &small).assigned_to, desk->people[BOB].user);
    /* Asked again, each has her own; behind it there is nothing. */
    assert_int_equal(ASK(desk, ANN, alert, next, &in, &out), ERR_none);
    assert_true(uuid_equal(&out.alert_id, &large));
    MSG_SET(&in, alert_next, after, large);
    assert_int_equal(ASK(desk, ANN, alert, next, &in, &out), ERR_queue_empty);
    /* When Bob's lock has ended, his is free. */
    desk->clock.now_us += 100 * US_PER_SECOND;
    assert_int_equal(ASK(desk, ANN, alert, next, &in, &out), ERR_none);
    assert_true(uuid_equal(&out.alert_id, &small));
    struct msg_alert_decide late = { .alert_id = small,
                                     .decision = DECISION_CONFIRMED_FRAUD,
                                     .note = slice_from("Late") };
    assert_int_equal(ASK(desk, BOB, alert, decide, &late, &out), ERR_alert_locked);
}

/* Whoever works on an alert while something joins it, in one group, sees it with that. */
static void what_joins_in_the_same_group_is_seen(void **state)
{
    struct desk         *desk = *state;
    struct uuid          id = suspect(desk, 0, LARGE);
    struct uuid          joined = post(desk, TYPE_TRANSFER, 0, 1, HUGE).row->transaction_id;
    struct msg_alert_ref ref = { .alert_id = id };
    struct msg_alert     out = { .has = 0 };
    struct request       request = request_of(desk, ANN, OP_INDEX_alert_take);

    assert_int_equal(dispatch(&request, &ref, &out), ERR_none);
    assert_int_equal(out.hits.count, 2);
    assert_true(uuid_equal(&out.transaction_id, &joined));
    assert_int_equal(out.amount_total, LARGE + HUGE);
    commit(desk);

    /* Decided with what joins it then. */
    post(desk, TYPE_TRANSFER, 0, 1, LARGE + 1000);
    struct msg_alert_decide decision = { .alert_id = id,
                                         .decision = DECISION_CONFIRMED_FRAUD,
                                         .note = slice_from("All of it") };
    request = request_of(desk, ANN, OP_INDEX_alert_decide);
    assert_int_equal(dispatch(&request, &decision, &out), ERR_none);
    assert_int_equal(out.hits.count, 3);
    assert_int_equal(out.hits.at[2].status, STATUS_REJECTED);
    commit(desk);
    assert_int_equal(alert_of(desk, &id).state, ALERT_DECIDED);
    assert_int_equal(book_of(desk, 0).held, 0);
}

static void nobody_judges_what_she_posted(void **state)
{
    struct desk              *desk = *state;
    struct msg_alert_next     next = { .has = 0 };
    struct msg_alert_seen     items[3] = { { .has = 0 } };
    struct msg_alert_bulk     bulk = { .decision = DECISION_CONFIRMED_FRAUD,
                                       .note = slice_from("A wave"),
                                       .items = { .at = items, .count = 3 } };
    struct msg_alert_outcomes outcomes;
    struct msg_alert          out;
    struct actor              pia = desk->people[PIA];

    /* Ann posts the second payment of the first alert. */
    items[0].alert_id = suspect(desk, 0, LARGE);
    desk->people[PIA] = desk->people[ANN];
    suspect(desk, 0, LARGE);
    desk->people[PIA] = pia;
    items[1].alert_id = uuid_v7(desk->clock.now_us);
    items[2].alert_id = suspect(desk, 1, LARGE);
    assert_int_equal(ASK(desk, ANN, alert, next, &next, &out), ERR_none);
    assert_true(uuid_equal(&out.alert_id, &items[2].alert_id));

    assert_int_equal(ASK(desk, ANN, alert, bulk, &bulk, &outcomes), ERR_none);
    assert_int_equal(outcomes.items.count, 3);
    assert_true(slice_is(outcomes.items.at[0].outcome, "own_transaction"));
    assert_true(slice_is(outcomes.items.at[1].outcome, "not_found"));
    assert_true(slice_is(outcomes.items.at[2].outcome, "done"));
    assert_int_equal(outcomes.done, 1);
    assert_int_equal(outcomes.refused, 2);
    assert_int_equal(book_of(desk, 0).held, 2 * LARGE);
    assert_int_equal(book_of(desk, 1).held, 0);
    /* The same once more: one is decided already, and a colleague may do what Ann may not. */
    bulk.items.count = 1;
    assert_int_equal(ASK(desk, BOB, alert, bulk, &bulk, &outcomes), ERR_none);
    assert_int_equal(outcomes.done, 1);
    assert_int_equal(book_of(desk, 0).held, 0);
}

/* --- notes ------------------------------------------------------------------------------------ */

static void all_notes_are_kept(void **state)
{
    struct desk           *desk = *state;
    struct uuid            id = suspect(desk, 0, LARGE);
    struct msg_alert_note  in = { .alert_id = id };
    struct msg_alert_notes query = { .alert_id = id };
    struct msg_note_page   page;
    struct msg_alert       out;
    char                   text[24];

    for (int i = 1; i <= 20; i++) {
        snprintf(text, sizeof text, "note %d", i);
        in.note = slice_from(text);
        assert_int_equal(ASK(desk, i % 2 == 0 ? ANN : BOB, alert, note, &in, &out), ERR_none);
        assert_int_equal(out.notes, i);
    }
    assert_int_equal(decide(desk, ANN, &id, DECISION_CONFIRMED_FRAUD, &out), ERR_none);
    assert_int_equal(out.notes, 21);
    MSG_SET(&query, alert_notes, limit, 13);
    assert_int_equal(ASK(desk, ANN, alert, notes, &query, &page), ERR_none);
    assert_int_equal(page.items.count, 13);
    assert_true(slice_is(page.items.at[0].act, "decide"));
    assert_true(slice_is(page.items.at[1].text, "note 20"));
    assert_true(slice_is(page.items.at[1].author, "ann@test.com"));
    assert_true(slice_is(page.items.at[12].text, "note 9"));
    assert_true(MSG_HAS(&page, note_page, next));
    char cursor[LIMIT_CURSOR_MAX];
    memcpy(cursor, page.next.at, page.next.n);
    MSG_SET(&query, alert_notes, cursor, slice_of(cursor, page.next.n));
    assert_int_equal(ASK(desk, ANN, alert, notes, &query, &page), ERR_none);
    assert_int_equal(page.items.count, 8);
    assert_true(slice_is(page.items.at[7].text, "note 1"));
    assert_true(slice_is(page.items.at[7].author, "bob@test.com"));
    assert_false(MSG_HAS(&page, note_page, next));
}

/* --- worth and deadline ----------------------------------------------------------------------- */

static void loss_and_urgency_grow_and_fit(void **state)
{
    (void)state;
    assert_int_equal(alert_loss(1000000, 1000, false), 1000000);
    assert_int_equal(alert_loss(1000000, 500, false), 250000);
    assert_int_equal(alert_loss(999, 300, false), 89);
    assert_int_equal(alert_loss(1000000, 1000, true), 0);
    assert_int_equal(alert_loss(INT64_MAX, 1000, false), INT64_MAX);
    for (int32_t score = 1; score <= 1000; score++) {
        assert_true(alert_loss(123456789, score, false) >= alert_loss(123456789, score - 1, false));
        assert_true(alert_loss(LIMIT_AMOUNT_MAX, score, false) <= LIMIT_AMOUNT_MAX);
    }
    /* A hundred dollars, yen and dinars are worth the same here. */
    assert_int_equal(alert_urgency(10000, BARE_USD), 100000);
    assert_int_equal(alert_urgency(100, 392), 100000);
    assert_int_equal(alert_urgency(100000, 414), 100000);
    assert_int_equal(alert_urgency(INT64_MAX, BARE_USD), INT64_MAX);
    assert_int_equal(alert_due_us(1000, 5, 0), 5 + 4 * US_PER_HOUR);
    assert_int_equal(alert_due_us(800, 5, 0), 5 + 4 * US_PER_HOUR);
    assert_int_equal(alert_due_us(799, 5, 0), 5 + 24 * US_PER_HOUR);
    assert_int_equal(alert_due_us(0, 5, 0), 5 + 120 * US_PER_HOUR);
    assert_int_equal(alert_due_us(0, 5, 77), 77);
}

/* As a bankd has left it that knew no weight of actions. */
static void forget_weight(struct desk *desk, const struct uuid *id)
{
    struct draft     *draft = writer_draft(desk->writer);
    struct act        act = { .kind = AUDIT_ACTION, .operation = "test.forget", .subject = id };
    struct alert      alert = alert_of(desk, id);
    struct alert_hits hits;

    assert_int_equal(writer_alert_hits(desk->writer, &alert, &hits), ERR_none);
    draft->hit = hits.rows[0];
    draft->hit.loss = 0;
    draft->change.hit = &draft->hit;
    alert.expected_loss = 0;
    alert.urgency = 0;
    writer_alert_change(draft, &alert);
    writer_audit(desk->writer, draft, &act);
    writer_add(desk->writer, draft);
    commit(desk);
}

static void what_a_rule_holds_by_itself_has_its_place(void **state)
{
    enum { FORTY_ONE = 4141, HOLD = 600 };

    struct desk          *desk = *state;
    struct msg_alert_next next = { 0 };
    struct msg_alert      out;
    int64_t               loss = alert_loss(FORTY_ONE, HOLD, false);
    struct uuid           id = suspect(desk, 0, FORTY_ONE);

    assert_true(loss > 0);
    assert_int_equal(alert_of(desk, &id).score, 0);
    assert_int_equal(alert_of(desk, &id).expected_loss, loss);
    prove(desk);
    forget_weight(desk, &id);
    prove(desk); /* what was made by the formula of its time is good */
    writer_close(&desk->writer);
    open_writer(desk);
    assert_int_equal(writer_expire(desk->writer), ERR_none);
    writer_abandon(desk->writer); /* the disk was full, say */
    assert_int_equal(alert_of(desk, &id).expected_loss, 0);
    assert_int_equal(writer_expire(desk->writer), ERR_none);
    commit(desk);
    assert_int_equal(alert_of(desk, &id).expected_loss, loss);
    assert_int_equal(alert_of(desk, &id).urgency, alert_urgency(loss, BARE_USD));
    assert_int_equal(ASK(desk, ANN, alert, next, &next, &out), ERR_none);
    assert_int_equal(out.hits.at[0].expected_loss, loss);
}

#define AT_DESK(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        AT_DESK(every_act_in_every_state),
        AT_DESK(payments_join_the_alert_that_waits),
        AT_DESK(something_new_ends_a_snooze_and_is_not_decided_unseen),
        AT_DESK(what_joined_unseen_is_not_decided_with_the_rest),
        AT_DESK(fraud_is_undone_whole),
        AT_DESK(undoing_that_cannot_be_whole_is_refused),
        AT_DESK(a_decision_is_all_or_nothing),
        AT_DESK(one_transaction_settles_its_part),
        AT_DESK(holds_of_one_alert_expire_together),
        AT_DESK(a_hold_goes_on_until_its_time_and_no_longer),
        AT_DESK(two_analysts_get_two_alerts_in_one_group),
        AT_DESK(what_was_found_and_undone_is_replayed),
        AT_DESK(what_joins_in_the_same_group_is_seen),
        AT_DESK(nobody_judges_what_she_posted),
        AT_DESK(all_notes_are_kept),
        AT_DESK(what_a_rule_holds_by_itself_has_its_place),
        cmocka_unit_test(loss_and_urgency_grow_and_fit),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
