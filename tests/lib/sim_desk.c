/* What the clients of the simulation (sim.h) do at their desks: alerts from the queue, lists,
 * suppressions, settings, rules and cases. Whatever they choose may be refused: they do not know
 * what colleagues have done meanwhile, and the model says how they must be answered. */
#include "tests/lib/sim_impl.h"

#include <string.h>

#include "common/check.h"

enum {
    SEEN = 12,
    DENIED_MAX = 2, /* in force: else nothing moves any more */
    LISTED_MAX = 6,
    SPARED_MAX = 8,
    HOURS_MAX = 3,
    VALVE_MINIMUM = 5, /* payments */
};

/* --- choosing -------------------------------------------------------------------------------- */

struct choice {
    size_t      count;
    struct uuid ids[SEEN];
};

static bool collect(void *context, const void *row)
{
    struct choice *choice = context;

    choice->ids[choice->count++] = ((const struct alert *)row)->alert_id;
    return choice->count < SEEN;
}

size_t sim_desk_alerts(struct sim *sim, struct uuid *out, size_t max)
{
    struct alert_filter filter = { .undecided = true };
    struct choice       choice = { .count = 0 };
    size_t              first;

    CHECK(sim->real->alerts(sim->reader, &filter, collect, &choice) == ERR_none);
    if (choice.count == 0)
        return 0;
    first = random_below(&sim->random, choice.count);
    if (max > choice.count)
        max = choice.count;
    for (size_t i = 0; i < max; i++)
        out[i] = choice.ids[(first + i) % choice.count];
    return max;
}

/* Mostly the newest decision, which there is still time to take back. */
static bool choose_decided(struct sim *sim, struct sim_client *client)
{
    size_t  count = 0;
    int64_t newest_us = 0;
    bool    any = sim_chance(sim, 4);

    for (size_t i = 1; i <= sim->alert_top; i++) {
        const struct sim_alert *alert = &sim->alerts[i];

        if (!alert->known || (!any && (alert->decision == 0 || alert->decided_at_us < newest_us)) ||
            (any && random_below(&sim->random, ++count) != 0))
            continue;
        newest_us = alert->decided_at_us;
        client->alert = alert->id;
    }
    return any ? count > 0 : newest_us > 0;
}

static bool choose_alerts(struct sim *sim, struct sim_client *client, enum sim_task task)
{
    client->until_us =
        sim->now_us + US_PER_MINUTE + (int64_t)random_below(&sim->random, HOURS_MAX * US_PER_HOUR);
    client->other = SIM_ANALYSTS + (int32_t)random_below(&sim->random, SIM_OFFICERS - SIM_ANALYSTS);
    client->choice = DECISION_CONFIRMED_FRAUD + (int32_t)random_below(&sim->random, 3);
    if (task == SIM_NEXT)
        return true;
    if (task == SIM_UNDO)
        return choose_decided(sim, client);
    client->more_count = sim_desk_alerts(sim, client->more, task == SIM_BULK_DECIDE ? SIM_BULK : 1);
    client->alert = client->more[0];
    return client->more_count > 0;
}

static size_t count_entries(const struct sim *sim, bool lists, int32_t list)
{
    size_t count = 0;

    for (size_t i = 0; i < sim->entry_count; i++)
        count += (sim->entries[i].list != 0) == lists && sim_entry_acts(sim, &sim->entries[i]) &&
                 (list == 0 || sim->entries[i].list == list);
    return count;
}

static bool choose_new_entry(struct sim *sim, struct sim_client *client, bool lists)
{
    static const int32_t kinds[] = { LIST_ALLOW, LIST_DENY, LIST_WATCH, LIST_WATCH };
    bool                 deny;

    client->choice = kinds[random_below(&sim->random, ARRAY_COUNT(kinds))];
    client->other = (int32_t)random_below(&sim->random, SIM_RULES);
    client->post = random_below(&sim->random, lists ? SIM_ACCOUNTS + SIM_PARTIES : SIM_ACCOUNTS);
    client->until_us = sim->now_us + (int64_t)random_below(&sim->random, HOURS_MAX * US_PER_HOUR);
    if (lists && sim_chance(sim, 2))
        client->until_us = 0;
    if (!lists && sim_chance(sim, 20))
        client->until_us += 100 * US_PER_DAY; /* longer than may be */
    deny = lists && client->choice == LIST_DENY;
    return sim->entry_count + SIM_CLIENTS < SIM_ENTRIES_MAX &&
           count_entries(sim, lists, 0) < (lists ? LISTED_MAX : SPARED_MAX) &&
           (!deny || count_entries(sim, true, LIST_DENY) < DENIED_MAX);
}

static bool choose_entry(struct sim *sim, struct sim_client *client, bool lists)
{
    size_t count = 0;

    for (size_t i = 0; i < sim->entry_count; i++)
        if ((sim->entries[i].list != 0) == lists &&
            (sim_entry_acts(sim, &sim->entries[i]) || sim_chance(sim, 20)) &&
            random_below(&sim->random, ++count) == 0)
            client->post = i;
    return count > 0;
}

/* Most often one that waits; now and then one that does not any more. */
static bool choose_version(struct sim *sim, struct sim_client *client)
{
    size_t count = 0;

    for (size_t i = 1; i <= sim->version_count; i++)
        if ((sim->versions[i].state == RULES_PROPOSED || sim_chance(sim, 20)) &&
            random_below(&sim->random, ++count) == 0)
            client->post = i;
    return count > 0;
}

/* An id that the client makes. */
static struct uuid new_id(struct sim *sim)
{
    uint64_t words[2] = { random_next(&sim->random), random_next(&sim->random) };
    uint8_t  tail[10];

    memcpy(tail, words, sizeof tail);
    return uuid_v7_derived(sim->now_us, tail);
}

static bool choose_case(struct sim *sim, struct sim_client *client, enum sim_task task)
{
    static const int32_t moves[] = { CASE_OPEN, CASE_REVIEW, CASE_REVIEW };
    size_t               newest = sim->case_count < 10 ? sim->case_count : 10;

    client->item = new_id(sim);
    client->choice = moves[random_below(&sim->random, ARRAY_COUNT(moves))];
    client->other = CASE_REPORTED + (int32_t)random_below(&sim->random, 3);
    if (task == SIM_CASE_OPEN) {
        client->choice = CASE_SUSPICIOUS + (int32_t)random_below(&sim->random, 3);
        client->post = random_below(&sim->random, SIM_ACCOUNTS);
        return sim->case_count + SIM_CLIENTS < SIM_CASES_MAX;
    }
    if (newest == 0)
        return false;
    client->post = sim->case_count - 1 - random_below(&sim->random, newest);
    return task != SIM_CASE_ADD ||
           sim->cases[client->post].named + SIM_CLIENTS < SIM_CASE_ITEMS_MAX;
}

/* Rules that hold and decline from other amounts on. */
static bool choose_rules(struct sim *sim, struct sim_client *client)
{
    client->choice = 45 + 5 * (int32_t)random_below(&sim->random, 3);
    client->other = 80 + 10 * (int32_t)random_below(&sim->random, 3);
    return sim->version_count + SIM_CLIENTS < SIM_VERSIONS_MAX;
}

/* Mostly one that is stepped down. */
static bool choose_stepped(struct sim *sim, struct sim_client *client)
{
    size_t count = 0;

    for (int rule = 0; rule < SIM_RULES; rule++)
        if ((sim->valve.stepped[rule] || sim_chance(sim, 20)) &&
            random_below(&sim->random, ++count) == 0)
            client->other = rule;
    return count > 0;
}

bool sim_desk_begin(struct sim *sim, struct sim_client *client, enum sim_task task)
{
    switch (task) {
    case SIM_LIST:
    case SIM_SPARE:
        return choose_new_entry(sim, client, task == SIM_LIST);
    case SIM_UNLIST:
    case SIM_UNSPARE:
    case SIM_SPARE_TOO:
        return choose_entry(sim, client, task == SIM_UNLIST);
    case SIM_SET:
        client->choice = 12 + (int32_t)random_below(&sim->random, 36);
        client->other = (int32_t)random_below(&sim->random, 5);
        client->post = random_below(&sim->random, 6); /* the valve */
        return true;
    case SIM_ALLOW_TOO:
        return choose_entry(sim, client, true);
    case SIM_RESTORE:
        return choose_stepped(sim, client);
    case SIM_PROPOSE:
        return choose_rules(sim, client);
    case SIM_APPROVE:
    case SIM_WITHDRAW:
        return choose_version(sim, client);
    case SIM_NEXT:
    case SIM_RETURN:
    case SIM_ASSIGN:
    case SIM_SNOOZE:
    case SIM_BULK_DECIDE:
    case SIM_UNDO:
        return choose_alerts(sim, client, task);
    default:
        return choose_case(sim, client, task);
    }
}

enum sim_task sim_desk_draw(struct sim *sim, const struct sim_client *client)
{
    static const enum sim_task of_analysts[] = {
        SIM_NEXT,        SIM_NEXT,    SIM_NEXT,     SIM_RETURN,  SIM_ASSIGN, SIM_SNOOZE, SIM_SNOOZE,
        SIM_BULK_DECIDE, SIM_UNDO,    SIM_UNDO,     SIM_LIST,    SIM_UNLIST, SIM_SPARE,  SIM_SPARE,
        SIM_UNSPARE,     SIM_PROPOSE, SIM_WITHDRAW, SIM_RESTORE, SIM_UNDO,   SIM_UNDO
    };
    static const enum sim_task of_officers[] = {
        SIM_LIST,      SIM_UNLIST,    SIM_UNSPARE,   SIM_SET,        SIM_PROPOSE,    SIM_APPROVE,
        SIM_SPARE_TOO, SIM_SPARE_TOO, SIM_ALLOW_TOO, SIM_ALLOW_TOO,  SIM_RESTORE,    SIM_RESTORE,
        SIM_APPROVE,   SIM_APPROVE,   SIM_WITHDRAW,  SIM_CASE_OPEN,  SIM_CASE_ADD,   SIM_CASE_ADD,
        SIM_CASE_MOVE, SIM_CASE_MOVE, SIM_CASE_FILE, SIM_CASE_CLOSE, SIM_CASE_ASSIGN
    };

    if (client->user < SIM_OFFICERS)
        return of_analysts[random_below(&sim->random, ARRAY_COUNT(of_analysts))];
    return of_officers[random_below(&sim->random, ARRAY_COUNT(of_officers))];
}

/* --- saying ---------------------------------------------------------------------------------- */

static void send_alert(struct sim *sim, struct sim_client *client)
{
    struct msg_alert_ref    ref = { .alert_id = client->alert };
    struct msg_alert_next   next = { .has = 0 };
    struct msg_alert_assign assign = { .alert_id = client->alert,
                                       .email = slice_from(sim->users[client->other].email) };
    struct msg_alert_snooze snooze = { .alert_id = client->alert,
                                       .until = client->until_us,
                                       .reason = slice_from("a reason") };
    struct msg_alert_undo   undo = { .alert_id = client->alert, .reason = slice_from("a reason") };

    if (client->task == SIM_NEXT)
        sim_client_send(sim, client, OP_INDEX_alert_next, &next);
    else if (client->task == SIM_RETURN)
        sim_client_send(sim, client, OP_INDEX_alert_return, &ref);
    else if (client->task == SIM_ASSIGN)
        sim_client_send(sim, client, OP_INDEX_alert_assign, &assign);
    else if (client->task == SIM_SNOOZE)
        sim_client_send(sim, client, OP_INDEX_alert_snooze, &snooze);
    else
        sim_client_send(sim, client, OP_INDEX_alert_undo, &undo);
}

static void send_bulk(struct sim *sim, struct sim_client *client)
{
    struct msg_alert_seen items[SIM_BULK] = { { .has = 0 } };
    struct msg_alert_bulk bulk = { .decision = client->choice, .note = slice_from("why") };

    for (size_t i = 0; i < client->more_count; i++)
        items[i].alert_id = client->more[i];
    bulk.items.at = items;
    bulk.items.count = client->more_count;
    sim_client_send(sim, client, OP_INDEX_alert_bulk, &bulk);
}

static void send_list(struct sim *sim, struct sim_client *client)
{
    struct msg_screening_add in = { .list = client->choice, .reason = slice_from("a reason") };

    if (client->post < SIM_ACCOUNTS)
        MSG_SET(&in, screening_add, account_id, sim->account_ids[client->post]);
    else
        MSG_SET(&in, screening_add, counterparty, sim_party((int)client->post - SIM_ACCOUNTS));
    if (client->until_us != 0)
        MSG_SET(&in, screening_add, until, client->until_us);
    sim_client_send(sim, client, OP_INDEX_screening_add, &in);
}

static void send_steering(struct sim *sim, struct sim_client *client)
{
    struct msg_suppression_add     spare = { .until = client->until_us,
                                             .reason = slice_from("a reason") };
    struct msg_screening_remove    unlist = { .reason = slice_from("a reason") };
    struct msg_suppression_remove  unspare = { .reason = slice_from("a reason") };
    struct msg_controls_set        set = { .reason = slice_from("a reason") };
    struct msg_controls_restore    restore = { .reason = slice_from("a reason") };
    struct msg_suppression_approve second = { .has = 0 };
    struct msg_screening_approve   allow = { .has = 0 };

    if (client->task == SIM_SPARE) {
        spare.rule = slice_from(sim_rule_names[client->other]);
        spare.account_id = sim->account_ids[client->post];
        sim_client_send(sim, client, OP_INDEX_suppression_add, &spare);
    } else if (client->task == SIM_SET) {
        MSG_SET(&set, controls_set, hold_hours, client->choice);
        MSG_SET(&set, controls_set, alert_budget_per_day, client->other);
        MSG_SET(&set, controls_set, valve_share_bp, (int64_t)client->post * 500);
        MSG_SET(&set, controls_set, valve_minimum, VALVE_MINIMUM + (int64_t)client->post);
        sim_client_send(sim, client, OP_INDEX_controls_set, &set);
    } else if (client->task == SIM_UNLIST) {
        unlist.entry_id = sim->entries[client->post].id;
        sim_client_send(sim, client, OP_INDEX_screening_remove, &unlist);
    } else if (client->task == SIM_SPARE_TOO) {
        second.suppression_id = sim->entries[client->post].id;
        sim_client_send(sim, client, OP_INDEX_suppression_approve, &second);
    } else if (client->task == SIM_ALLOW_TOO) {
        allow.entry_id = sim->entries[client->post].id;
        sim_client_send(sim, client, OP_INDEX_screening_approve, &allow);
    } else if (client->task == SIM_RESTORE) {
        restore.rule = slice_from(sim_rule_names[client->other]);
        sim_client_send(sim, client, OP_INDEX_controls_restore, &restore);
    } else {
        unspare.suppression_id = sim->entries[client->post].id;
        sim_client_send(sim, client, OP_INDEX_suppression_remove, &unspare);
    }
}

static void send_rules(struct sim *sim, struct sim_client *client)
{
    struct sim_version version = { .hold_major = client->choice, .decline_major = client->other };
    char               text[SIM_RULES_BYTES];
    uint8_t            hash[CHAIN_HASH_BYTES];
    struct msg_rules_propose  propose = { .reason = slice_from("a reason") };
    struct msg_rules_act      approve = { .has = 0 };
    struct msg_rules_withdraw withdraw = { .reason = slice_from("a reason") };

    if (client->task == SIM_PROPOSE) {
        MSG_SET(&propose, rules_propose, rules, slice_of(text, sim_rules_text(&version, text)));
        sim_client_send(sim, client, OP_INDEX_rules_propose, &propose);
        return;
    }
    sim_rules_hash(&sim->versions[client->post], hash);
    approve.hash = slice_of((const char *)hash, sizeof hash);
    withdraw.hash = approve.hash;
    if (client->task == SIM_APPROVE)
        sim_client_send(sim, client, OP_INDEX_rules_approve, &approve);
    else
        sim_client_send(sim, client, OP_INDEX_rules_withdraw, &withdraw);
}

static void send_case_open(struct sim *sim, struct sim_client *client)
{
    struct msg_case_open in = { .case_id = client->item,
                                .kind = client->choice,
                                .title = slice_from("a case") };

    MSG_SET(&in, case_open, account_id, sim->account_ids[client->post]);
    if (client->post % 2 == 0)
        MSG_SET(&in, case_open, note, slice_from("a note"));
    sim_client_send(sim, client, OP_INDEX_case_open, &in);
}

static void send_case(struct sim *sim, struct sim_client *client)
{
    const struct uuid     *id = &sim->cases[client->post].id;
    struct msg_case_add    add = { .case_id = *id, .item_id = client->item };
    struct msg_case_assign assign = { .case_id = *id,
                                      .email = slice_from(sim->users[SIM_USERS - 1].email) };
    struct msg_case_move   move = { .case_id = *id,
                                    .state = client->choice,
                                    .reason = slice_from("a reason") };
    struct msg_case_file   file = { .case_id = *id, .reference = slice_from("no. 1") };
    struct msg_case_close  end = { .case_id = *id,
                                   .outcome = client->other,
                                   .reason = slice_from("a reason") };

    MSG_SET(&add, case_add, note, slice_from("a note"));
    if (client->task == SIM_CASE_ADD)
        sim_client_send(sim, client, OP_INDEX_case_add, &add);
    else if (client->task == SIM_CASE_ASSIGN)
        sim_client_send(sim, client, OP_INDEX_case_assign, &assign);
    else if (client->task == SIM_CASE_MOVE)
        sim_client_send(sim, client, OP_INDEX_case_move, &move);
    else if (client->task == SIM_CASE_FILE)
        sim_client_send(sim, client, OP_INDEX_case_file, &file);
    else
        sim_client_send(sim, client, OP_INDEX_case_close, &end);
}

void sim_desk_send(struct sim *sim, struct sim_client *client)
{
    if (client->task == SIM_BULK_DECIDE)
        send_bulk(sim, client);
    else if (client->task <= SIM_UNDO)
        send_alert(sim, client);
    else if (client->task == SIM_LIST)
        send_list(sim, client);
    else if (client->task <= SIM_SET)
        send_steering(sim, client);
    else if (client->task <= SIM_WITHDRAW)
        send_rules(sim, client);
    else if (client->task == SIM_CASE_OPEN)
        send_case_open(sim, client);
    else
        send_case(sim, client);
}
