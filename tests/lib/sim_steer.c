/* What must be true of rules, lists, suppressions, settings and cases in the simulation (sim.h):
 * a payment is judged by the version that two people put into force, a list or a suppression acts
 * exactly in its time, a hold lasts as long as compliance has set, nobody approves her own, and a
 * case goes no way but the allowed ones. That each of it is bound to the audit chain, verify_bank
 * proves (sim_model_prove). */
#include "tests/lib/sim_impl.h"

#include <string.h>

#include "bankd/controls.h"
#include "common/check.h"

enum { POINTS_LARGE = 650, POINTS_HUGE = 300, POINTS_WATCHED = 260, POINTS_DENIED = 1000 };

enum { THRESHOLD_HOLD = 600, THRESHOLD_DECLINE = 900 };
/* Of the valve: one bucket is forgotten whole, so many make an hour. */
enum { VALVE_BUCKET_MINUTES = 5, VALVE_WINDOW = 12 };

const char *const sim_rule_names[SIM_RULES] = { "large", "huge", "watched", "denied" };

static const char rules_format[] =
    "version 1\n"
    "threshold alert 250\n"
    "threshold hold 600\n"
    "threshold decline 900\n"
    "rule large\n  when is_outgoing and amount_major >= %lld\n  score %d\n"
    "  because \"{amount} is large\"\n  fires on is_outgoing=yes amount_major=%lld\n"
    "  silent on is_outgoing=yes amount_major=%lld\nend\n"
    "rule huge\n  severity high\n  when is_outgoing and amount_major >= %lld\n  score %d\n"
    "  because \"{amount} is huge\"\n  fires on is_outgoing=yes amount_major=%lld\n"
    "  silent on is_outgoing=yes amount_major=%lld\nend\n"
    "rule watched\n  when is_outgoing and account_watched\n  score %d\n"
    "  because \"the account is watched\"\n  fires on is_outgoing=yes account_watched=yes\n"
    "  silent on is_outgoing=yes account_watched=no\nend\n"
    "rule denied\n  when is_outgoing and (account_denied or counterparty_denied)\n  score %d\n"
    "  because \"somebody is denied\"\n  fires on is_outgoing=yes counterparty_denied=yes\n"
    "  silent on is_outgoing=yes counterparty_denied=no\nend\n";

size_t sim_rules_text(const struct sim_version *version, char out[SIM_RULES_BYTES])
{
    long long from = version->hold_major;
    long long huge = version->decline_major;
    int n = snprintf(out, SIM_RULES_BYTES, rules_format, from, POINTS_LARGE, from, from - 1, huge,
                     POINTS_HUGE, huge, huge - 1, POINTS_WATCHED, POINTS_DENIED);

    CHECK(n > 0 && n < SIM_RULES_BYTES);
    return (size_t)n;
}

void sim_rules_hash(const struct sim_version *version, uint8_t out[CHAIN_HASH_BYTES])
{
    char   text[SIM_RULES_BYTES];
    size_t n = sim_rules_text(version, text);

    bank_rules_hash(slice_of(text, n), slice_of(NULL, 0), out);
}

struct slice sim_party(int party)
{
    static const char *const parties[SIM_PARTIES] = { "merchant:1234", "merchant:1235",
                                                      "terminal:9", "iban:DE02120300000000202051" };

    return slice_from(parties[party]);
}

/* --- what acts on a payment ------------------------------------------------------------------ */

bool sim_entry_acts(const struct sim *sim, const struct sim_entry *entry)
{
    return !entry->removed && (entry->until_us == 0 || sim->now_us < entry->until_us);
}

static bool is_listed(const struct sim *sim, int32_t list, int target)
{
    for (size_t i = 0; i < sim->entry_count; i++)
        if (sim->entries[i].list == list && sim->entries[i].target == target &&
            sim_entry_acts(sim, &sim->entries[i]) &&
            (list != LIST_ALLOW || sim->entries[i].approved))
            return true;
    return false;
}

/* Nobody spares an account a rule of high severity alone. */
static bool is_high(int rule)
{
    return rule == SIM_RULE_HUGE;
}

/* The suppression that stands, whether it acts or not; NULL = none. */
static const struct sim_entry *sparing(const struct sim *sim, int account, int rule)
{
    for (size_t i = 0; i < sim->entry_count; i++)
        if (sim->entries[i].list == 0 && sim->entries[i].target == account &&
            sim->entries[i].rule == rule && sim_entry_acts(sim, &sim->entries[i]))
            return &sim->entries[i];
    return NULL;
}

static bool is_spared(const struct sim *sim, int account, int rule)
{
    const struct sim_entry *entry = sparing(sim, account, rule);

    return entry != NULL && (entry->approved || !is_high(rule));
}

static bool fires(const struct sim *sim, const struct sim_post *post, int rule)
{
    const struct sim_version *version = &sim->versions[sim->active];

    if (post->from < 0)
        return false;
    switch (rule) {
    case SIM_RULE_LARGE:
        return post->amount >= version->hold_major * 100;
    case SIM_RULE_HUGE:
        return post->amount >= version->decline_major * 100;
    case SIM_RULE_WATCHED:
        return is_listed(sim, LIST_WATCH, post->from);
    default:
        return is_listed(sim, LIST_DENY, post->from) ||
               (post->to >= 0 && is_listed(sim, LIST_DENY, post->to)) ||
               (post->party < SIM_PARTIES && is_listed(sim, LIST_DENY, SIM_ACCOUNTS + post->party));
    }
}

/* --- the safety valve ------------------------------------------------------------------------ */

static int64_t bucket_of(int64_t at_us)
{
    return at_us / (VALVE_BUCKET_MINUTES * US_PER_MINUTE);
}

static bool stops_too_much(const struct sim *sim, int rule)
{
    const struct sim_valve *valve = &sim->valve;
    int64_t                 payments = 0;
    int64_t                 stopped = 0;

    for (size_t i = 0; i < sim->post_count; i++) {
        const struct sim_post *post = &sim->posts[i];

        if (post->judged_no <= valve->since ||
            bucket_of(post->judged_us) <= bucket_of(sim->now_us) - VALVE_WINDOW)
            continue;
        payments++;
        stopped +=
            (post->stopping >> rule & 1) != 0 && post->judged_no > valve->since_restored[rule];
    }
    return valve->share_bp > 0 && payments >= valve->minimum &&
           stopped * 10000 > valve->share_bp * payments;
}

/* The deny list is people's word: the rule that asks for it stays. */
static void step_down(struct sim *sim, const struct sim_post *post)
{
    for (int rule = 0; rule < SIM_RULE_DENIED; rule++) {
        if ((post->stopping >> rule & 1) == 0 || sim->valve.stepped[rule] ||
            !stops_too_much(sim, rule))
            continue;
        sim->valve.stepped[rule] = true;
        sim->figures.stepped++;
        return;
    }
}

/* Those that would stop it alone, those without which the others would not, and the strongest. */
static uint32_t stopping_rules(const int points[SIM_RULES], int sum)
{
    uint32_t rules = 0;
    int      most = 0;

    if (sum < THRESHOLD_HOLD)
        return 0;
    for (int rule = 0; rule < SIM_RULES; rule++) {
        if (points[rule] > points[most])
            most = rule;
        if (points[rule] >= THRESHOLD_HOLD ||
            (points[rule] > 0 && sum - points[rule] < THRESHOLD_HOLD))
            rules |= UINT32_C(1) << rule;
    }
    return rules | UINT32_C(1) << most;
}

int32_t sim_steer_judge(struct sim *sim, struct sim_post *post)
{
    static const int scores[SIM_RULES] = { POINTS_LARGE, POINTS_HUGE, POINTS_WATCHED,
                                           POINTS_DENIED };
    int              points[SIM_RULES] = { 0 };
    int              sum = 0;
    int              stopping = 0; /* without what is stepped down */

    for (int rule = 0; rule < SIM_RULES; rule++) {
        if (!fires(sim, post, rule) || is_spared(sim, post->from, rule))
            continue;
        points[rule] = scores[rule];
        sum += scores[rule];
        stopping += sim->valve.stepped[rule] ? 0 : scores[rule];
    }
    post->judged_no = ++sim->valve.judged;
    post->judged_us = sim->now_us;
    post->stopping = stopping_rules(points, sum);
    step_down(sim, post);
    return stopping >= THRESHOLD_DECLINE ? STATUS_DECLINED
           : stopping >= THRESHOLD_HOLD  ? STATUS_HELD
                                         : STATUS_COMPLETED;
}

const char *sim_steer_check_valve(struct sim *sim)
{
    struct controls *controls;

    CHECK(writer_controls(sim->writer, &controls) == ERR_none);
    for (int rule = 0; rule < SIM_RULES; rule++)
        if (controls_is_stepped_down(controls, slice_from(sim_rule_names[rule])) !=
            sim->valve.stepped[rule])
            return "a rule is stepped down that must not be, or the other way round";
    return NULL;
}

/* --- lists and suppressions ------------------------------------------------------------------ */

static int account_of(const struct sim *sim, const struct uuid *id)
{
    int i = 0;

    while (i < SIM_ACCOUNTS && !uuid_equal(&sim->account_ids[i], id))
        i++;
    CHECK(i < SIM_ACCOUNTS);
    return i;
}

static int rule_of(struct slice name)
{
    int i = 0;

    while (i < SIM_RULES && !slice_is(name, sim_rule_names[i]))
        i++;
    CHECK(i < SIM_RULES);
    return i;
}

static int target_of(const struct sim *sim, const struct msg_screening_add *in)
{
    int party = 0;

    if (MSG_HAS(in, screening_add, account_id))
        return account_of(sim, &in->account_id);
    while (!slice_equal(in->counterparty, sim_party(party)))
        party++;
    return SIM_ACCOUNTS + party;
}

static enum err expect_list(const struct sim *sim, const struct msg_screening_add *in)
{
    if (MSG_HAS(in, screening_add, until) && in->until <= sim->now_us)
        return ERR_field_invalid;
    return is_listed(sim, in->list, target_of(sim, in)) ? ERR_exists : ERR_none;
}

static enum err expect_spare(const struct sim *sim, const struct msg_suppression_add *in)
{
    int rule = rule_of(in->rule);

    if (in->until <= sim->now_us || rule == SIM_RULE_DENIED ||
        in->until > sim->now_us + LIMIT_SUPPRESSION_DAYS * US_PER_DAY)
        return ERR_field_invalid;
    return sparing(sim, account_of(sim, &in->account_id), rule) != NULL ? ERR_exists : ERR_none;
}

static struct sim_entry *entry_of(struct sim *sim, const struct uuid *id)
{
    for (size_t i = 0; i < sim->entry_count; i++)
        if (uuid_equal(&sim->entries[i].id, id))
            return &sim->entries[i];
    sim_fail(sim, "an entry is named that nobody made");
}

/* One whose time is over may have been swept already, or not. */
static enum err expect_end(struct sim *sim, const struct uuid *id, enum err err)
{
    const struct sim_entry *entry = entry_of(sim, id);

    if (entry->removed)
        return ERR_state_conflict;
    if (!sim_entry_acts(sim, entry) && err == ERR_state_conflict)
        return err;
    return ERR_none;
}

/* The second person; whoever entered it is none. */
static enum err expect_second(struct sim *sim, const struct uuid *id, int user, enum err err)
{
    const struct sim_entry *entry = entry_of(sim, id);

    if (entry->removed || entry->approved)
        return ERR_state_conflict;
    if (!sim_entry_acts(sim, entry) && err == ERR_state_conflict)
        return err;
    if (entry->author == user)
        return ERR_own_proposal;
    return sim_entry_acts(sim, entry) ? ERR_none : ERR_state_conflict;
}

/* The same for the allow list, on which nobody stands twice; other entries need none. */
static enum err expect_allowed(struct sim *sim, const struct uuid *id, int user, enum err err)
{
    const struct sim_entry *entry = entry_of(sim, id);
    enum err                expected = expect_second(sim, id, user, err);

    if (entry->list != LIST_ALLOW)
        return ERR_state_conflict;
    if (expected == ERR_none && is_listed(sim, LIST_ALLOW, entry->target))
        return ERR_exists;
    return expected;
}

static void learn_second(struct sim *sim, const struct uuid *id)
{
    struct sim_entry *entry = entry_of(sim, id);

    sim_save(sim, entry, sizeof *entry);
    entry->approved = true;
}

static enum err expect_restore(const struct sim *sim, const struct msg_controls_restore *in)
{
    return sim->valve.stepped[rule_of(in->rule)] ? ERR_none : ERR_not_found;
}

/* What it stopped before counts no more. */
static void learn_restore(struct sim *sim, const struct msg_controls_restore *in)
{
    int rule = rule_of(in->rule);

    sim->valve.stepped[rule] = false;
    sim->valve.since_restored[rule] = sim->valve.judged;
}

static void add_entry(struct sim *sim, const struct sim_entry *entry)
{
    CHECK(sim->entry_count < SIM_ENTRIES_MAX);
    sim->entries[sim->entry_count++] = *entry;
}

static void learn_list(struct sim *sim, const struct sim_job *job)
{
    const struct msg_screening_add   *in = job->in;
    const struct msg_screening_entry *out = job->out;
    struct sim_entry                  entry = { .id = out->entry_id,
                                                .list = in->list,
                                                .target = target_of(sim, in),
                                                .author = job->user };

    if (MSG_HAS(in, screening_add, until))
        entry.until_us = in->until;
    add_entry(sim, &entry);
}

static void learn_spare(struct sim *sim, const struct sim_job *job)
{
    const struct msg_suppression_add *in = job->in;
    const struct msg_suppression     *out = job->out;
    struct sim_entry                  entry = { .id = out->suppression_id,
                                                .target = account_of(sim, &in->account_id),
                                                .rule = rule_of(in->rule),
                                                .author = job->user,
                                                .until_us = in->until };

    add_entry(sim, &entry);
}

static void learn_end(struct sim *sim, const struct uuid *id)
{
    struct sim_entry *entry = entry_of(sim, id);

    sim_save(sim, entry, sizeof *entry);
    entry->removed = true;
}

/* --- rules ----------------------------------------------------------------------------------- */

/* The newest version with that hash; 0 = there is none. */
static size_t version_of(const struct sim *sim, struct slice hash)
{
    uint8_t known[CHAIN_HASH_BYTES];

    for (size_t i = sim->version_count; i > 0; i--) {
        sim_rules_hash(&sim->versions[i], known);
        if (slice_equal(hash, slice_of((const char *)known, sizeof known)))
            return i;
    }
    return 0;
}

static size_t version_of_text(const struct sim *sim, struct slice text)
{
    char known[SIM_RULES_BYTES];

    for (size_t i = sim->version_count; i > 0; i--)
        if (slice_equal(text, slice_of(known, sim_rules_text(&sim->versions[i], known))))
            return i;
    return 0;
}

static enum err expect_proposal(const struct sim *sim, const struct msg_rules_propose *in)
{
    size_t known = version_of_text(sim, in->rules);
    size_t waiting = 0;

    if (known != 0 && (sim->versions[known].state == RULES_ACTIVE ||
                       sim->versions[known].state == RULES_PROPOSED))
        return ERR_exists;
    for (size_t i = 1; i <= sim->version_count; i++)
        waiting += sim->versions[i].state == RULES_PROPOSED;
    return waiting < LIMIT_RULES_PROPOSED_MAX ? ERR_none : ERR_state_conflict;
}

static enum err expect_judgement(const struct sim *sim, const struct sim_job *job,
                                 struct slice hash, bool approves)
{
    size_t i = version_of(sim, hash);

    CHECK(i != 0);
    if (sim->versions[i].state != RULES_PROPOSED)
        return ERR_state_conflict;
    return approves && sim->versions[i].author == job->user ? ERR_own_proposal : ERR_none;
}

/* The text says of itself which version it is. */
static void learn_proposal(struct sim *sim, const struct sim_job *job)
{
    const struct msg_rules_propose *in = job->in;
    const struct msg_rule_version  *out = job->out;
    long long                       hold = 0;
    long long                       decline = 0;
    char                            text[SIM_RULES_BYTES];

    slice_copy(in->rules, text, sizeof text);
    CHECK(sscanf(strstr(text, "amount_major >= "), "amount_major >= %lld", &hold) == 1);
    CHECK(sscanf(strstr(strstr(text, "rule huge"), ">= "), ">= %lld", &decline) == 1);
    CHECK(sim->version_count + 1 < SIM_VERSIONS_MAX);
    SIM_REQUIRE(sim, out->rule_set == (int64_t)++sim->version_count,
                "a version has another number than the next");
    sim->versions[sim->version_count] = (struct sim_version){
        .hold_major = hold, .decline_major = decline, .state = RULES_PROPOSED, .author = job->user
    };
    sim->figures.rules++;
}

static void learn_approval(struct sim *sim, struct slice hash)
{
    size_t i = version_of(sim, hash);

    sim->versions[sim->active].state = RULES_SUPERSEDED;
    sim->versions[i].state = RULES_ACTIVE;
    sim->active = i;
    sim->valve.since = sim->valve.judged;
    sim->figures.rules++;
    sim->figures.approved++;
}

static void learn_withdrawal(struct sim *sim, struct slice hash)
{
    sim->versions[version_of(sim, hash)].state = RULES_WITHDRAWN;
    sim->figures.rules++;
}

/* --- cases ----------------------------------------------------------------------------------- */

static struct sim_case *find_case(struct sim *sim, const struct uuid *id)
{
    for (size_t i = 0; i < sim->case_count; i++)
        if (uuid_equal(&sim->cases[i].id, id))
            return &sim->cases[i];
    return NULL;
}

static struct sim_case *case_of(struct sim *sim, const struct uuid *id)
{
    struct sim_case *one = find_case(sim, id);

    if (one == NULL)
        sim_fail(sim, "a case is named that nobody opened");
    return one;
}

static bool has_item(const struct sim_case *one, const struct uuid *id)
{
    for (size_t i = 0; i < one->named; i++)
        if (uuid_equal(&one->item_ids[i], id))
            return true;
    return false;
}

static bool may_go(int32_t from, int32_t to)
{
    static const int32_t ways[][2] = { { CASE_OPEN, CASE_REVIEW },   { CASE_REVIEW, CASE_OPEN },
                                       { CASE_CLOSED, CASE_OPEN },   { CASE_OPEN, CASE_FILED },
                                       { CASE_REVIEW, CASE_FILED },  { CASE_OPEN, CASE_CLOSED },
                                       { CASE_REVIEW, CASE_CLOSED }, { CASE_FILED, CASE_CLOSED } };

    for (size_t i = 0; i < ARRAY_COUNT(ways); i++)
        if (ways[i][0] == from && ways[i][1] == to)
            return true;
    return false;
}

static enum err expect_case(struct sim *sim, const struct sim_job *job)
{
    const struct msg_case_add    *add = job->in;
    const struct msg_case_assign *assign = job->in;
    const struct msg_case_move   *move = job->in;
    const struct msg_case_file   *file = job->in;
    const struct msg_case_close  *end = job->in;
    const struct sim_case        *one;

    switch ((enum op_index)(job->op - op_rows)) {
    case OP_INDEX_case_add:
        one = case_of(sim, &add->case_id);
        return one->state == CASE_CLOSED && !has_item(one, &add->item_id) ? ERR_state_conflict
                                                                          : ERR_none;
    case OP_INDEX_case_assign:
        one = case_of(sim, &assign->case_id);
        return one->state == CASE_CLOSED ? ERR_state_conflict : ERR_none;
    case OP_INDEX_case_move:
        one = case_of(sim, &move->case_id);
        return may_go(one->state, move->state) ? ERR_none : ERR_state_conflict;
    case OP_INDEX_case_file:
        one = case_of(sim, &file->case_id);
        return may_go(one->state, CASE_FILED) ? ERR_none : ERR_state_conflict;
    case OP_INDEX_case_close:
        one = case_of(sim, &end->case_id);
        return may_go(one->state, CASE_CLOSED) && one->filed == (end->outcome == CASE_REPORTED)
                   ? ERR_none
                   : ERR_state_conflict;
    default: /* opened, for the first time or once more */
        return ERR_none;
    }
}

static void learn_case_open(struct sim *sim, const struct sim_job *job)
{
    const struct msg_case_open *in = job->in;

    if (find_case(sim, &in->case_id) != NULL)
        return;
    CHECK(sim->case_count < SIM_CASES_MAX);
    sim->cases[sim->case_count++] = (struct sim_case){ .id = in->case_id,
                                                       .state = CASE_OPEN,
                                                       .kind = in->kind,
                                                       .opened_by = job->user,
                                                       .items = in->note.n > 0 };
}

static void learn_case_add(struct sim *sim, const struct msg_case_add *in)
{
    struct sim_case *one = case_of(sim, &in->case_id);

    if (has_item(one, &in->item_id))
        return;
    CHECK(one->named < SIM_CASE_ITEMS_MAX);
    one->item_ids[one->named++] = in->item_id;
    one->items++;
}

/* Every move but a filing leaves its reason as an item. */
static void learn_case_move(struct sim *sim, const struct uuid *id, int32_t state)
{
    struct sim_case *one = case_of(sim, id);

    one->state = state;
    one->filed = one->filed || state == CASE_FILED;
    one->items += state != CASE_FILED;
}

static void learn_case(struct sim *sim, const struct sim_job *job)
{
    const struct msg_case_move *move = job->in;
    const struct msg_case      *out = job->out;
    const struct sim_case      *one;

    sim->figures.cases++;
    if (job->op == &op_rows[OP_INDEX_case_add]) {
        learn_case_add(sim, job->in);
        return;
    }
    if (job->op == &op_rows[OP_INDEX_case_open])
        learn_case_open(sim, job);
    if (job->op == &op_rows[OP_INDEX_case_move])
        learn_case_move(sim, &out->case_id, move->state);
    if (job->op == &op_rows[OP_INDEX_case_file])
        learn_case_move(sim, &out->case_id, CASE_FILED);
    if (job->op == &op_rows[OP_INDEX_case_close])
        learn_case_move(sim, &out->case_id, CASE_CLOSED);
    one = case_of(sim, &out->case_id);
    SIM_REQUIRE(sim, out->state == one->state && out->items == one->items,
                "a case is told wrongly");
}

/* --- all of it ------------------------------------------------------------------------------- */

static enum err expected_of(struct sim *sim, const struct sim_job *job, enum err err)
{
    const struct msg_screening_remove    *unlist = job->in;
    const struct msg_suppression_remove  *unspare = job->in;
    const struct msg_suppression_approve *second = job->in;
    const struct msg_screening_approve   *allow = job->in;
    const struct msg_rules_act           *act = job->in;
    const struct msg_rules_withdraw      *withdraw = job->in;

    switch ((enum op_index)(job->op - op_rows)) {
    case OP_INDEX_screening_add:
        return expect_list(sim, job->in);
    case OP_INDEX_screening_remove:
        return expect_end(sim, &unlist->entry_id, err);
    case OP_INDEX_suppression_add:
        return expect_spare(sim, job->in);
    case OP_INDEX_suppression_remove:
        return expect_end(sim, &unspare->suppression_id, err);
    case OP_INDEX_suppression_approve:
        return expect_second(sim, &second->suppression_id, job->user, err);
    case OP_INDEX_screening_approve:
        return expect_allowed(sim, &allow->entry_id, job->user, err);
    case OP_INDEX_controls_restore:
        return expect_restore(sim, job->in);
    case OP_INDEX_controls_set:
        return ERR_none;
    case OP_INDEX_rules_propose:
        return expect_proposal(sim, job->in);
    case OP_INDEX_rules_approve:
        return expect_judgement(sim, job, act->hash, true);
    case OP_INDEX_rules_withdraw:
        return expect_judgement(sim, job, withdraw->hash, false);
    default:
        return expect_case(sim, job);
    }
}

static void learn_settings(struct sim *sim, const struct msg_controls_set *in)
{
    if (MSG_HAS(in, controls_set, hold_hours))
        sim->hold_hours = in->hold_hours;
    if (MSG_HAS(in, controls_set, valve_share_bp))
        sim->valve.share_bp = in->valve_share_bp;
    if (MSG_HAS(in, controls_set, valve_minimum))
        sim->valve.minimum = in->valve_minimum;
}

/* What the payments behind it in the group see already. */
static void do_control(struct sim *sim, const struct sim_job *job)
{
    const struct msg_screening_remove    *unlist = job->in;
    const struct msg_suppression_remove  *unspare = job->in;
    const struct msg_suppression_approve *second = job->in;
    const struct msg_screening_approve   *allow = job->in;

    switch ((enum op_index)(job->op - op_rows)) {
    case OP_INDEX_screening_add:
        learn_list(sim, job);
        break;
    case OP_INDEX_screening_remove:
        learn_end(sim, &unlist->entry_id);
        break;
    case OP_INDEX_suppression_add:
        learn_spare(sim, job);
        break;
    case OP_INDEX_suppression_remove:
        learn_end(sim, &unspare->suppression_id);
        break;
    case OP_INDEX_suppression_approve:
        learn_second(sim, &second->suppression_id);
        break;
    case OP_INDEX_screening_approve:
        learn_second(sim, &allow->entry_id);
        break;
    case OP_INDEX_controls_restore:
        learn_restore(sim, job->in);
        break;
    case OP_INDEX_controls_set:
        learn_settings(sim, job->in);
        break;
    default: /* rules and cases: when it is durable */
        break;
    }
}

void sim_steer_expect(struct sim *sim, struct sim_job *job, enum err err)
{
    job->first = false;
    job->expected = expected_of(sim, job, err);
    if (err == ERR_none && job->expected == ERR_none)
        do_control(sim, job);
}

void sim_steer_learn(struct sim *sim, const struct sim_job *job)
{
    const struct msg_rules_act      *act = job->in;
    const struct msg_rules_withdraw *withdraw = job->in;

    switch ((enum op_index)(job->op - op_rows)) {
    case OP_INDEX_rules_propose:
        learn_proposal(sim, job);
        break;
    case OP_INDEX_rules_approve:
        learn_approval(sim, act->hash);
        break;
    case OP_INDEX_rules_withdraw:
        learn_withdrawal(sim, withdraw->hash);
        break;
    case OP_INDEX_suppression_approve:
    case OP_INDEX_screening_approve:
        sim->figures.seconded++;
        break;
    case OP_INDEX_controls_restore:
        sim->figures.restored++;
        break;
    case OP_INDEX_screening_add:
    case OP_INDEX_screening_remove:
    case OP_INDEX_suppression_add:
    case OP_INDEX_suppression_remove:
    case OP_INDEX_controls_set:
        sim->figures.steered++;
        break;
    default:
        learn_case(sim, job);
        break;
    }
}

static void prove_entry(struct sim *sim, const struct sim_entry *entry)
{
    struct record row;
    int32_t       kind = entry->list != 0 ? RECORD_SCREENING : RECORD_SUPPRESSION;
    bool          by_two = entry->list == LIST_ALLOW || (entry->list == 0 && is_high(entry->rule));

    CHECK(sim->real->record_by_id(sim->reader, kind, &entry->id, &row) == ERR_none);
    SIM_REQUIRE(sim, (row.state == CONTROL_REMOVED) == entry->removed,
                "an entry is ended that nobody ended, or the other way round");
    SIM_REQUIRE(sim, row.state != CONTROL_EXPIRED || !sim_entry_acts(sim, entry),
                "an entry has ended before its time");
    SIM_REQUIRE(sim, row.state != CONTROL_PROPOSED || (by_two && !entry->approved),
                "an entry waits for a second person that needs none");
    SIM_REQUIRE(sim, row.state != CONTROL_ACTIVE || !by_two || entry->approved,
                "an entry acts that nobody has approved");
}

void sim_steer_prove(struct sim *sim)
{
    struct rule_set version;
    struct record   row;

    for (size_t i = 0; i < sim->entry_count; i++)
        prove_entry(sim, &sim->entries[i]);
    for (size_t i = 0; i < sim->case_count; i++) {
        CHECK(sim->real->record_by_id(sim->reader, RECORD_CASE, &sim->cases[i].id, &row) ==
              ERR_none);
        SIM_REQUIRE(sim, row.state == sim->cases[i].state, "a case is not where it was left");
    }
    for (size_t i = 1; i <= sim->version_count; i++) {
        CHECK(sim->real->rule_set_get(sim->reader, (int64_t)i, &version, NULL, NULL) == ERR_none);
        SIM_REQUIRE(sim, version.state == sim->versions[i].state,
                    "a version of the rules is not where it was left");
    }
}
