/* See controls.h. Entries of the lists and suppressions lie in two arrays with chains through
 * them, one chain for each value of a hash; free places are a chain too. A record is found again
 * by its number when it ends, which is seldom and may walk the array. */
#include "bankd/controls.h"

#include "bankd/fraud/profile.h"
#include "bankd/record.h"
#include "common/check.h"

#include <stdlib.h>
#include <string.h>

enum {
    SCREENED_CHAINS = 65536,
    SUPPRESSED_CHAINS = 16384,
    NONE = -1,
    BODY_MEMORY = LIMIT_RECORD_BODY_MAX * 4, /* for what one record says */
};

static_assert((int)LIMIT_SCREENING_MAX <= (int)SCREENED_CHAINS, "the chains stay short");
static_assert((int)LIMIT_SUPPRESSIONS_MAX <= (int)SUPPRESSED_CHAINS, "the chains stay short");

struct screened_slot {
    int64_t record; /* number; 0 = free */
    int64_t about;
    int64_t from_us;  /* of the past; 0 = since ever */
    int64_t until_us; /* 0 = no end */
    int32_t list;
    int32_t next;
    char    party[LIMIT_PARTY_KEY_MAX + 1];
};

struct suppressed_slot {
    int64_t record; /* number; 0 = free */
    int64_t account;
    int64_t created_us; /* of the past; 0 = since ever */
    int64_t approved_us;
    int64_t from_us; /* it acts from then on */
    int64_t until_us;
    int32_t state;
    int32_t rule; /* index; NONE when it acts on no rule now */
    int32_t next;
    bool    approved; /* by a second person */
    char    name[LIMIT_RULE_NAME_MAX + 1];
};

struct stepped_slot {
    int64_t record; /* number; 0 = free */
    int32_t rule;
    char    name[LIMIT_RULE_NAME_MAX + 1];
};

struct counters {
    struct valve  valve;
    struct budget budget;
};

struct controls {
    const struct fraud_rules *rules;
    size_t                    rule_count;
    struct control_values     values;
    int32_t                   threshold;
    struct fraud_rule_bits    stepped_down;
    struct fraud_rule_bits    guarded; /* they ask for the deny list */
    bool                      any_stepped_down;
    bool                      loaded; /* once */
    bool                      have_counted;
    bool                      saved_any; /* `saved` are the counters before this group */
    struct counters           now;
    struct counters           saved;
    int64_t                   counted_to; /* the saved counts of the budget reach so far */
    struct budget_accounts    counted;    /* for the budget */
    struct fraud_controls     found;      /* for the payment at hand */
    struct arena              memory;

    size_t                 screened_count;
    int32_t                screened_free;
    int32_t                screened_chains[SCREENED_CHAINS];
    struct screened_slot   screened[LIMIT_SCREENING_MAX];
    size_t                 suppressed_count;
    int32_t                suppressed_free;
    int32_t                suppressed_chains[SUPPRESSED_CHAINS];
    struct suppressed_slot suppressed[LIMIT_SUPPRESSIONS_MAX];
    struct stepped_slot    stepped[CONTROLS_STEPPED_MAX];
};

/* --- open and close -------------------------------------------------------------------------- */

static void clear(struct controls *controls)
{
    memset(controls->screened_chains, 0xff, sizeof controls->screened_chains);
    memset(controls->suppressed_chains, 0xff, sizeof controls->suppressed_chains);
    memset(controls->stepped, 0, sizeof controls->stepped);
    for (int32_t i = 0; i < LIMIT_SCREENING_MAX; i++) {
        controls->screened[i].record = 0;
        controls->screened[i].next = i + 1 < LIMIT_SCREENING_MAX ? i + 1 : NONE;
    }
    for (int32_t i = 0; i < LIMIT_SUPPRESSIONS_MAX; i++) {
        controls->suppressed[i].record = 0;
        controls->suppressed[i].next = i + 1 < LIMIT_SUPPRESSIONS_MAX ? i + 1 : NONE;
    }
    controls->screened_free = 0;
    controls->screened_count = 0;
    controls->suppressed_free = 0;
    controls->suppressed_count = 0;
    controls->threshold = 0;
}

enum err controls_open(struct controls **out)
{
    struct controls *controls = calloc(1, sizeof *controls);

    *out = controls;
    if (controls == NULL)
        return ERR_memory;
    valve_init(&controls->now.valve, US_PER_HOUR);
    budget_init(&controls->now.budget);
    clear(controls);
    return arena_init(&controls->memory, BODY_MEMORY);
}

void controls_close(struct controls **controls)
{
    if (*controls == NULL)
        return;
    arena_free(&(*controls)->memory);
    free(*controls);
    *controls = NULL;
}

/* --- rules by name --------------------------------------------------------------------------- */

static int32_t rule_of(const struct controls *controls, const char *name)
{
    return controls->rules == NULL ? NONE : fraud_rules_find(controls->rules, slice_from(name));
}

/* Finds the rule that a suppression spares an account: none that asks for the deny list, and none
 * of high severity that one person alone wants silent. Of the past, approval counts from when it
 * was given. */
static void bind_suppressed(const struct controls *controls, struct suppressed_slot *slot)
{
    int32_t rule = rule_of(controls, slot->name);
    bool    high = rule != NONE && fraud_rules_is_high(controls->rules, (size_t)rule);
    bool    acts = rule != NONE && slot->state == CONTROL_ACTIVE && (slot->approved || !high) &&
                !fraud_rules_asks_deny_list(controls->rules, (size_t)rule);

    slot->rule = acts ? rule : NONE;
    slot->from_us = high && slot->created_us != 0 ? slot->approved_us : slot->created_us;
}

static void find_stepped_down(struct controls *controls)
{
    memset(&controls->stepped_down, 0, sizeof controls->stepped_down);
    controls->any_stepped_down = false;
    for (size_t i = 0; i < CONTROLS_STEPPED_MAX; i++) {
        struct stepped_slot *slot = &controls->stepped[i];

        slot->rule = slot->record != 0 ? rule_of(controls, slot->name) : NONE;
        if (slot->rule == NONE)
            continue;
        fraud_rule_bit_set(&controls->stepped_down, (size_t)slot->rule);
        controls->any_stepped_down = true;
    }
}

void controls_bind(struct controls *controls, const struct fraud_rules *rules)
{
    if (rules != controls->rules)
        valve_init(&controls->now.valve, controls->values.valve_window_min * US_PER_MINUTE);
    controls->rules = rules;
    controls->rule_count = rules != NULL ? fraud_rules_count(rules) : 0;
    memset(&controls->guarded, 0, sizeof controls->guarded);
    for (size_t i = 0; i < controls->rule_count; i++)
        if (fraud_rules_asks_deny_list(rules, i))
            fraud_rule_bit_set(&controls->guarded, i);
    for (size_t i = 0; i < LIMIT_SUPPRESSIONS_MAX; i++)
        if (controls->suppressed[i].record != 0)
            bind_suppressed(controls, &controls->suppressed[i]);
    find_stepped_down(controls);
}

/* --- lists ----------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t value)
{
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

static size_t screened_chain(int64_t about, struct slice party)
{
    uint64_t hash = (uint64_t)about;

    for (size_t i = 0; i < party.n; i++)
        hash = (hash ^ (uint8_t)party.at[i]) * UINT64_C(0x100000001b3);
    return (size_t)(mix(hash) % SCREENED_CHAINS);
}

static void drop_screened(struct controls *controls, int64_t record)
{
    for (int32_t i = 0; i < LIMIT_SCREENING_MAX; i++) {
        struct screened_slot *slot = &controls->screened[i];
        int32_t              *from;

        if (slot->record != record)
            continue;
        from = &controls->screened_chains[screened_chain(slot->about, slice_from(slot->party))];
        while (*from != i)
            from = &controls->screened[*from].next;
        *from = slot->next;
        slot->record = 0;
        slot->next = controls->screened_free;
        controls->screened_free = i;
        controls->screened_count--;
        return;
    }
}

/* NULL when there is no room. */
static struct screened_slot *add_screened(struct controls *controls, int64_t record, int64_t about,
                                          struct slice party)
{
    int32_t               place = controls->screened_free;
    struct screened_slot *slot;
    int32_t              *chain;

    if (place == NONE)
        return NULL;
    slot = &controls->screened[place];
    controls->screened_free = slot->next;
    slot->record = record;
    slot->about = about;
    slot->from_us = 0;
    slice_copy(party, slot->party, sizeof slot->party);
    chain = &controls->screened_chains[screened_chain(slot->about, slice_from(slot->party))];
    slot->next = *chain;
    *chain = place;
    controls->screened_count++;
    return slot;
}

static enum err take_screened(struct controls *controls, const struct record *record)
{
    struct msg_screening_entry entry;
    struct screened_slot      *slot;

    TRY(record_read(record, &message_screening_entry, &entry, &controls->memory));
    if (record->state != CONTROL_ACTIVE) {
        drop_screened(controls, record->number);
        return ERR_none;
    }
    slot = add_screened(controls, record->number, record->about, entry.counterparty);
    if (slot == NULL)
        return ERR_busy;
    slot->until_us = record->due_at_us;
    slot->list = entry.list;
    return ERR_none;
}

static uint32_t lists_of(const struct controls *controls, int64_t about, struct slice party,
                         int64_t now_us)
{
    uint32_t lists = 0;
    int32_t  i = controls->screened_chains[screened_chain(about, party)];

    for (; i != NONE; i = controls->screened[i].next) {
        const struct screened_slot *slot = &controls->screened[i];

        if (slot->about == about && slice_is(party, slot->party) && slot->from_us <= now_us &&
            (slot->until_us == 0 || slot->until_us > now_us))
            lists |= 1U << (slot->list - LIST_ALLOW);
    }
    return lists;
}

static_assert(FRAUD_ACCOUNT_DENIED == FRAUD_ACCOUNT_ALLOWED << (LIST_DENY - LIST_ALLOW) &&
                  FRAUD_ACCOUNT_WATCHED == FRAUD_ACCOUNT_ALLOWED << (LIST_WATCH - LIST_ALLOW) &&
                  FRAUD_COUNTERPARTY_ALLOWED == FRAUD_ACCOUNT_ALLOWED << 3,
              "a list's place among the bits");

static uint32_t find_lists(const struct controls *controls, const struct control_subject *subject)
{
    const struct slice nobody = slice_of(NULL, 0);
    uint32_t           own = 0;
    uint32_t           others = 0;

    if (subject->account != 0)
        own = lists_of(controls, screened_about(SCREENED_ACCOUNT, subject->account), nobody,
                       subject->now_us);
    if (subject->customer != 0)
        own |= lists_of(controls, screened_about(SCREENED_CUSTOMER, subject->customer), nobody,
                        subject->now_us);
    if (subject->other != 0)
        others = lists_of(controls, screened_about(SCREENED_ACCOUNT, subject->other), nobody,
                          subject->now_us);
    if (subject->other_customer != 0)
        others |= lists_of(controls, screened_about(SCREENED_CUSTOMER, subject->other_customer),
                           nobody, subject->now_us);
    if (subject->party.n > 0)
        others |=
            lists_of(controls, screened_about(SCREENED_PARTY, 0), subject->party, subject->now_us);
    if (subject->party_number != 0)
        others |= lists_of(controls, screened_about(SCREENED_PARTY, subject->party_number), nobody,
                           subject->now_us);
    return own | others << 3;
}

bool controls_is_listed(const struct controls *controls, int64_t about, struct slice party,
                        int32_t list, int64_t now_us)
{
    return (lists_of(controls, about, party, now_us) >> (list - LIST_ALLOW) & 1U) != 0;
}

bool controls_has_room_to_screen(const struct controls *controls)
{
    return controls->screened_free != NONE;
}

/* --- suppressions ---------------------------------------------------------------------------- */

static int32_t *suppressed_chain(struct controls *controls, int64_t account)
{
    return &controls->suppressed_chains[mix((uint64_t)account) % SUPPRESSED_CHAINS];
}

static void drop_suppressed(struct controls *controls, const struct record *record)
{
    int32_t *from = suppressed_chain(controls, record->about);

    for (; *from != NONE; from = &controls->suppressed[*from].next) {
        int32_t                 place = *from;
        struct suppressed_slot *slot = &controls->suppressed[place];

        if (slot->record != record->number)
            continue;
        *from = slot->next;
        slot->record = 0;
        slot->next = controls->suppressed_free;
        controls->suppressed_free = place;
        controls->suppressed_count--;
        return;
    }
}

/* NULL when there is no room. */
static struct suppressed_slot *add_suppressed(struct controls              *controls,
                                              const struct record          *record,
                                              const struct msg_suppression *said)
{
    int32_t                *chain = suppressed_chain(controls, record->about);
    int32_t                 place = controls->suppressed_free;
    struct suppressed_slot *slot;

    if (place == NONE)
        return NULL;
    slot = &controls->suppressed[place];
    controls->suppressed_free = slot->next;
    slot->record = record->number;
    slot->account = record->about;
    slot->created_us = 0;
    slot->approved_us = MSG_HAS(said, suppression, approved_at) ? said->approved_at : 0;
    slot->until_us = said->until;
    slot->state = record->state;
    slot->approved = MSG_HAS(said, suppression, approved_by);
    slice_copy(said->rule, slot->name, sizeof slot->name);
    bind_suppressed(controls, slot);
    slot->next = *chain;
    *chain = place;
    controls->suppressed_count++;
    return slot;
}

static enum err take_suppressed(struct controls *controls, const struct record *record)
{
    struct msg_suppression said;

    TRY(record_read(record, &message_suppression, &said, &controls->memory));
    drop_suppressed(controls, record);
    if (record->state != CONTROL_ACTIVE && record->state != CONTROL_PROPOSED)
        return ERR_none;
    return add_suppressed(controls, record, &said) != NULL ? ERR_none : ERR_busy;
}

static void find_suppressed(struct controls *controls, const struct control_subject *subject)
{
    struct fraud_controls *found = &controls->found;
    int32_t                i = *suppressed_chain(controls, subject->account);

    for (; i != NONE; i = controls->suppressed[i].next) {
        const struct suppressed_slot *slot = &controls->suppressed[i];

        if (slot->account != subject->account || slot->rule == NONE ||
            slot->from_us > subject->now_us || slot->until_us <= subject->now_us ||
            found->suppressed_count == LIMIT_SUPPRESSIONS_PER_ACCOUNT)
            continue;
        found->suppressed[found->suppressed_count++] =
            (struct fraud_suppression){ .rule = (uint16_t)slot->rule,
                                        .until_s = slot->until_us / US_PER_SECOND,
                                        .number = slot->record };
    }
}

int controls_suppression_limit(const struct controls *controls, int64_t account)
{
    int count = 0;

    if (controls->suppressed_free == NONE)
        return LIMIT_SUPPRESSIONS_MAX;
    for (size_t i = 0; i < LIMIT_SUPPRESSIONS_MAX; i++)
        count += controls->suppressed[i].record != 0 && controls->suppressed[i].account == account;
    return count >= LIMIT_SUPPRESSIONS_PER_ACCOUNT ? LIMIT_SUPPRESSIONS_PER_ACCOUNT : 0;
}

bool controls_has_rule(const struct controls *controls, struct slice name)
{
    return controls->rules != NULL && fraud_rules_find(controls->rules, name) >= 0;
}

bool controls_is_guarded(const struct controls *controls, struct slice name)
{
    int rule = controls->rules != NULL ? fraud_rules_find(controls->rules, name) : NONE;

    return rule >= 0 && fraud_rules_asks_deny_list(controls->rules, (size_t)rule);
}

bool controls_is_high(const struct controls *controls, struct slice name)
{
    int rule = controls->rules != NULL ? fraud_rules_find(controls->rules, name) : NONE;

    return rule >= 0 && fraud_rules_is_high(controls->rules, (size_t)rule);
}

int32_t controls_suppression(const struct controls *controls, int64_t account, struct slice rule,
                             int64_t now_us)
{
    for (size_t i = 0; i < LIMIT_SUPPRESSIONS_MAX; i++) {
        const struct suppressed_slot *slot = &controls->suppressed[i];

        if (slot->record != 0 && slot->account == account && slot->until_us > now_us &&
            slice_is(rule, slot->name))
            return slot->state;
    }
    return 0;
}

/* --- the other records ----------------------------------------------------------------------- */

static enum err take_stepped(struct controls *controls, const struct record *record)
{
    struct msg_stepped_rule said;
    struct stepped_slot    *slot = NULL;

    TRY(record_read(record, &message_stepped_rule, &said, &controls->memory));
    for (size_t i = 0; i < CONTROLS_STEPPED_MAX; i++)
        if (controls->stepped[i].record == record->number ||
            (slot == NULL && controls->stepped[i].record == 0))
            slot = &controls->stepped[i];
    if (slot == NULL)
        return ERR_busy;
    slot->record = record->state == CONTROL_ACTIVE ? record->number : 0;
    slice_copy(said.rule, slot->name, sizeof slot->name);
    if (slot->record == 0) {
        int32_t rule = rule_of(controls, slot->name);

        if (rule != NONE)
            valve_forget_rule(&controls->now.valve, (size_t)rule);
    }
    find_stepped_down(controls);
    return ERR_none;
}

static enum err take_settings(struct controls *controls, const struct record *record)
{
    struct msg_control_settings said;
    int64_t                     window_us;

    TRY(record_read(record, &message_control_settings, &said, &controls->memory));
    if (said.valve_window < 1 || said.hold_hours < 1)
        return ERR_storage_corrupt;
    window_us = said.valve_window * US_PER_MINUTE;
    if (said.valve_window != controls->values.valve_window_min)
        valve_init(&controls->now.valve, window_us);
    controls->values = (struct control_values){ .valve_share_bp = said.valve_share_bp,
                                                .valve_window_min = said.valve_window,
                                                .valve_minimum = said.valve_minimum,
                                                .alert_budget = said.alert_budget_per_day,
                                                .hold_hours = said.hold_hours };
    return ERR_none;
}

/* While the daemon runs, its own counters know more than the record. */
static enum err take_counters(struct controls *controls, const struct record *record)
{
    struct msg_alert_counters_record said;

    TRY(record_read(record, &message_alert_counters_record, &said, &controls->memory));
    controls->threshold = (int32_t)said.threshold;
    if (controls->loaded)
        return ERR_none;
    controls->counted_to =
        MSG_HAS(&said, alert_counters_record, counted_to) ? said.counted_to : INT64_MAX;
    return budget_unpack(&controls->now.budget, (const uint8_t *)said.scores.at, said.scores.n)
               ? ERR_none
               : ERR_storage_corrupt;
}

enum err controls_take(struct controls *controls, const struct record *record)
{
    arena_reset(&controls->memory);
    switch (record->kind) {
    case RECORD_SCREENING:
        return take_screened(controls, record);
    case RECORD_SUPPRESSION:
        return take_suppressed(controls, record);
    case RECORD_STEPPED_RULE:
        return take_stepped(controls, record);
    case RECORD_SETTING:
        return record->about == 0 ? take_settings(controls, record) : ERR_none;
    case RECORD_ALERT_COUNTERS:
        return take_counters(controls, record);
    default:
        return ERR_none;
    }
}

struct loading {
    struct controls *controls;
    enum err         err;
};

static bool load_one(void *context, const void *row)
{
    struct loading *loading = context;

    loading->err = controls_take(loading->controls, row);
    return loading->err == ERR_none;
}

enum err controls_load(struct controls *controls, struct store *store,
                       const struct bank_settings *settings)
{
    static const struct record_filter wanted[] = {
        { .kind = RECORD_SETTING, .state = CONTROL_ACTIVE },
        { .kind = RECORD_SCREENING, .state = CONTROL_ACTIVE },
        { .kind = RECORD_SUPPRESSION, .state = CONTROL_ACTIVE },
        { .kind = RECORD_SUPPRESSION, .state = CONTROL_PROPOSED },
        { .kind = RECORD_STEPPED_RULE, .state = CONTROL_ACTIVE },
        { .kind = RECORD_ALERT_COUNTERS, .state = CONTROL_ACTIVE },
    };
    struct loading loading = { .controls = controls };

    clear(controls);
    controls->values = (struct control_values){
        .valve_share_bp = settings->valve_share_bp,
        .valve_window_min = settings->valve_window_min > 0 ? settings->valve_window_min : 60,
        .valve_minimum = settings->valve_minimum,
        .alert_budget = settings->alert_budget,
        .hold_hours = settings->hold_hours,
    };
    if (controls->now.valve.width_us !=
        controls->values.valve_window_min * US_PER_MINUTE / VALVE_BUCKETS)
        valve_init(&controls->now.valve, controls->values.valve_window_min * US_PER_MINUTE);
    for (size_t i = 0; i < ARRAY_COUNT(wanted); i++) {
        TRY(store->ops->records(store, &wanted[i], load_one, &loading));
        TRY(loading.err);
    }
    controls->loaded = true;
    return ERR_none;
}

/* --- the past -------------------------------------------------------------------------------- */

struct remembering {
    struct controls *controls;
    struct store    *store;
    struct fault    *fault;
    enum err         err;
};

static int64_t earlier(int64_t a, int64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* A key that no payment has named is nobody's number. */
static enum err remember_screened(struct remembering *past, const struct record *record)
{
    struct controls           *controls = past->controls;
    struct msg_screening_entry entry;
    struct screened_slot      *slot;
    struct party               party;
    int64_t                    about = record->about;
    enum err                   err;

    TRY(record_read(record, &message_screening_entry, &entry, &controls->memory));
    if (MSG_HAS(&entry, screening_entry, needs_approval) && entry.needs_approval)
        return ERR_none; /* what nobody approved never did anything */
    if (about == screened_about(SCREENED_PARTY, 0)) {
        err = past->store->ops->party_by_key(past->store, entry.counterparty, &party);
        if (err == ERR_not_found)
            return ERR_none;
        TRY(err);
        about = screened_about(SCREENED_PARTY, party.number);
    }
    slot = add_screened(controls, record->number, about, slice_of(NULL, 0));
    if (slot == NULL)
        return fault_set(past->fault, ERR_message_too_large, NULL,
                         "The lists have had more than %d entries", (int)LIMIT_SCREENING_MAX);
    slot->list = entry.list;
    slot->from_us =
        MSG_HAS(&entry, screening_entry, approved_at) ? entry.approved_at : entry.created_at;
    slot->until_us = earlier(MSG_HAS(&entry, screening_entry, until) ? entry.until : 0,
                             MSG_HAS(&entry, screening_entry, ended_at) ? entry.ended_at : 0);
    return ERR_none;
}

/* What nobody approved and had to be approved never did anything. */
static enum err remember_suppressed(struct remembering *past, const struct record *record)
{
    struct msg_suppression  said;
    struct suppressed_slot *slot;

    TRY(record_read(record, &message_suppression, &said, &past->controls->memory));
    if (MSG_HAS(&said, suppression, needs_approval) && said.needs_approval)
        return ERR_none;
    slot = add_suppressed(past->controls, record, &said);
    if (slot == NULL)
        return fault_set(past->fault, ERR_message_too_large, NULL,
                         "There have been more than %d suppressions", (int)LIMIT_SUPPRESSIONS_MAX);
    slot->state = CONTROL_ACTIVE; /* within its time */
    slot->created_us = said.created_at;
    slot->until_us = earlier(said.until, MSG_HAS(&said, suppression, ended_at) ? said.ended_at : 0);
    return ERR_none;
}

static bool remember_one(void *context, const void *row)
{
    struct remembering  *past = context;
    const struct record *record = row;

    arena_reset(&past->controls->memory);
    past->err = record->kind == RECORD_SCREENING ? remember_screened(past, record)
                                                 : remember_suppressed(past, record);
    return past->err == ERR_none;
}

enum err controls_load_past(struct controls *controls, struct store *store, struct fault *fault)
{
    static const int32_t kinds[] = { RECORD_SCREENING, RECORD_SUPPRESSION };
    struct remembering   past = { .controls = controls, .store = store, .fault = fault };

    clear(controls);
    controls->values.valve_window_min = 60; /* nothing is counted */
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        struct record_filter filter = { .kind = kinds[i] };

        TRY(store->ops->records(store, &filter, remember_one, &past));
        TRY(past.err);
    }
    return ERR_none;
}

const struct control_values *controls_values(const struct controls *controls)
{
    return &controls->values;
}

int32_t controls_threshold(const struct controls *controls)
{
    return controls->values.alert_budget > 0 ? controls->threshold : 0;
}

struct fraud_thresholds controls_thresholds(struct fraud_thresholds rules, int32_t threshold)
{
    if (threshold == 0)
        return rules;
    rules.alert = threshold < rules.hold ? threshold : rules.hold;
    return rules;
}

bool controls_is_stepped_down(const struct controls *controls, struct slice rule)
{
    for (size_t i = 0; i < CONTROLS_STEPPED_MAX; i++)
        if (controls->stepped[i].record != 0 && slice_is(rule, controls->stepped[i].name))
            return true;
    return false;
}

/* --- per payment ----------------------------------------------------------------------------- */

const struct fraud_controls *controls_for(struct controls              *controls,
                                          const struct control_subject *subject)
{
    struct fraud_controls *found = &controls->found;
    int32_t                threshold = controls_threshold(controls);

    if (controls->screened_count == 0 && controls->suppressed_count == 0 &&
        !controls->any_stepped_down && threshold == 0)
        return NULL;
    found->lists = controls->screened_count > 0 ? find_lists(controls, subject) : 0;
    found->stepped_down = controls->stepped_down;
    found->threshold_alert = 0;
    found->threshold_hold = 0;
    found->suppressed_count = 0;
    if (threshold != 0 && controls->rules != NULL) {
        struct fraud_thresholds at =
            controls_thresholds(fraud_rules_thresholds(controls->rules), threshold);

        found->threshold_alert = at.alert;
        found->threshold_hold = at.hold;
    }
    if (controls->suppressed_count > 0)
        find_suppressed(controls, subject);
    return found;
}

static void save_counters(struct controls *controls)
{
    if (controls->saved_any)
        return;
    controls->saved = controls->now;
    controls->saved_any = true;
}

/* An alert that an action forces is in no threshold's power, and one that only joins another is no
 * new one unless its account has counted already: then with the higher score. What is counted
 * already is only remembered of its account. */
static void count_for_budget(struct controls *controls, const struct control_counted *payment,
                             int32_t points, bool forced, bool is_counted)
{
    int32_t day = (int32_t)profile_bucket(payment->at_us, US_PER_DAY);
    int32_t before = budget_account(&controls->counted, payment->account, day);
    bool    counts = !forced && (!payment->joined || before > 0);
    int32_t score = counts ? points : 0;

    if (!is_counted)
        budget_count(&controls->now.budget, payment->at_us, score, before);
    if (score < BUDGET_LOWEST || score <= before)
        return;
    budget_account_counts(&controls->counted, payment->account, day, score);
    controls->have_counted = controls->have_counted || !is_counted;
}

void controls_recall(struct controls *controls, const struct control_recall *again)
{
    bool is_counted = again->sequence <= controls->counted_to;

    count_for_budget(controls, &again->payment, again->score, again->forced, is_counted);
    budget_accounts_keep(&controls->counted);
    if (again->in_window)
        valve_count(&controls->now.valve, again->payment.at_us, &again->stopping,
                    controls->rule_count);
}

void controls_expect(const struct controls *controls, int64_t account)
{
    budget_account_expect(&controls->counted, account);
}

bool controls_count(struct controls *controls, const struct control_counted *payment,
                    const struct fraud_verdict *verdict, struct control_trip *trip)
{
    struct valve *valve = &controls->now.valve;

    save_counters(controls);
    count_for_budget(controls, payment, verdict->score, verdict->forced, false);
    if (payment->history)
        return false;
    valve_count(valve, payment->at_us, &verdict->stopping, controls->rule_count);
    if (!fraud_rule_bits_any(&verdict->stopping))
        return false;
    for (size_t rule = 0; rule < controls->rule_count; rule++) {
        if (!fraud_rule_bit(&verdict->stopping, rule) ||
            fraud_rule_bit(&controls->stepped_down, rule) ||
            fraud_rule_bit(&controls->guarded, rule))
            continue;
        *trip = (struct control_trip){ .rule = rule, .sum = valve_sum(valve, rule) };
        if (valve_is_too_much(trip->sum, controls->values.valve_share_bp,
                              controls->values.valve_minimum))
            return true;
    }
    return false;
}

bool controls_have_counted(const struct controls *controls)
{
    return controls->have_counted;
}

void controls_counted(struct controls *controls)
{
    controls->have_counted = false;
}

const struct budget *controls_budget(const struct controls *controls)
{
    return &controls->now.budget;
}

void controls_keep(struct controls *controls)
{
    controls->saved_any = false;
    budget_accounts_keep(&controls->counted);
}

void controls_undo(struct controls *controls)
{
    budget_accounts_undo(&controls->counted);
    if (controls->saved_any)
        controls->now = controls->saved;
    controls->saved_any = false;
}
