/* See whatif.h. */
#include "bankd/fraud/whatif.h"

#include <string.h>

#include "bankd/fraud/profile.h"
#include "bankd/fraud/rules.h"
#include "common/check.h"
#include "common/clock.h"

enum {
    GRID_MAX = 8192,
    TURNS_MAX = 1200,  /* values where something turns that are added to a grid */
    GRID_PART = 16,    /* of a value from one point of a grid to the next */
    GRID_UP = 1024,    /* times the amount that larger ones are looked at */
    MINUTES = 24 * 60, /* looked at one by one */
    HOURS = 30 * 24,   /* looked at from there on */
    RUN_SECONDS = 600, /* a shorter time of another verdict is not worth telling */
    NEVER = -1,
};

enum axis { AXIS_AMOUNT, AXIS_BALANCE, AXIS_SECONDS };

struct search {
    const struct fraud_whatif *question;
    enum fraud_level           level;   /* as it was */
    int64_t                    base_us; /* of AXIS_SECONDS: the next whole second */
    enum axis                  axis;
    int64_t                    from; /* of AXIS_AMOUNT and AXIS_BALANCE: the ends */
    int64_t                    to;
    size_t                     turns;
    int64_t                    last_from; /* told last by add_from */
    size_t                     count;
    int64_t                    points[GRID_MAX];
    uint8_t                    levels[GRID_MAX];
    struct fraud_verdict       verdict; /* of the newest probe */
    struct fraud_change       *out;
    size_t                     found;
};

/* --- probing --------------------------------------------------------------------------------- */

static enum fraud_level probe(struct search *search, int64_t value)
{
    const struct fraud_whatif *question = search->question;
    struct fraud_event         event = *question->event;

    switch (search->axis) {
    case AXIS_AMOUNT:
        event.amount = value;
        break;
    case AXIS_BALANCE:
        event.balance = value;
        break;
    case AXIS_SECONDS:
        event.at_us = search->base_us + value * US_PER_SECOND;
        break;
    }
    fraud_judge(question->rules, question->subject, question->counterparty, &event, false,
                &search->verdict);
    return fraud_level(&search->verdict);
}

static void add_point(struct search *search, int64_t value)
{
    CHECK(search->count < GRID_MAX);
    search->points[search->count] = value;
    search->levels[search->count++] = (uint8_t)probe(search, value);
}

/* --- where something turns ------------------------------------------------------------------- */

static void note(struct search *search, int64_t value)
{
    if (search->count < GRID_MAX && value > search->from && value < search->to)
        search->points[search->count++] = value;
}

static void note_turn(struct search *search, int64_t value)
{
    if (search->turns == TURNS_MAX || value <= search->from - 2 || value >= search->to + 2)
        return;
    search->turns++;
    for (int64_t i = -1; i <= 1; i++)
        note(search, value + i);
}

static int64_t feature_at(const struct search *search, enum feature feature, int64_t value)
{
    static const struct fraud_profile nobody;
    const struct fraud_whatif        *question = search->question;
    struct fraud_event                event = *question->event;
    const struct fraud_profile       *other = question->counterparty;
    struct feature_input              input = { .event = &event };

    input.subject = profile_of(question->subject);
    input.other = profile_of(other != NULL ? other : &nobody);
    if (search->axis == AXIS_AMOUNT)
        event.amount = value;
    else
        event.balance = value;
    return feature_value(feature, &input);
}

/* Notes where a figure that rises or falls with the amount reaches a limit. */
static void note_reach(struct search *search, enum feature feature, int64_t limit)
{
    int64_t low = search->from;
    int64_t high = search->to;
    bool    first = feature_at(search, feature, low) >= limit;

    if ((feature_at(search, feature, high) >= limit) == first)
        return;
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;

        if ((feature_at(search, feature, middle) >= limit) == first)
            low = middle;
        else
            high = middle;
    }
    note_turn(search, high);
}

/* `= limit` and `> limit` turn behind it. */
static void note_limit(struct search *search, uint16_t slot, int64_t limit)
{
    enum feature feature = (enum feature)search->question->rules->slots[slot];

    note_reach(search, feature, limit);
    if (limit < INT64_MAX)
        note_reach(search, feature, limit + 1);
}

/* A constant that stands alone may be an amount in minor units, in hundredths or in whole units. */
static void note_money(struct search *search, int64_t constant)
{
    int64_t unit = search->question->event->unit;
    int64_t whole;

    note_turn(search, constant);
    if (unit < 1 || constant < 1 || __builtin_mul_overflow(constant, unit, &whole))
        return;
    note_turn(search, whole / 100);
    note_turn(search, whole);
}

static void note_rules(struct search *search)
{
    const struct fraud_rules *rules = search->question->rules;

    for (size_t i = 0; i < rules->step_count; i++) {
        const struct rule_step *step = &rules->steps[i];
        const struct rule_step *before = i > 0 ? step - 1 : step;

        if (step->op == OP_COMPARE)
            note_limit(search, step->first, step->value);
        else if (step->op == OP_PUSH)
            note_money(search, step->value);
        for (size_t j = 0; step->op == OP_IN && before->op == OP_SLOT && j < step->count; j++)
            note_limit(search, before->first, rules->values[step->first + j]);
    }
}

static void note_card(struct search *search)
{
    const struct card *card = &search->question->rules->card;

    for (size_t i = 0; card->loaded && i < card->part_count; i++)
        for (size_t axis = 0; axis < (card->parts[i].pair ? 2u : 1u); axis++) {
            const struct card_axis *one = &card->parts[i].axes[axis];

            for (size_t cut = 0; cut < one->cuts; cut++)
                note_reach(search, (enum feature)search->question->rules->slots[one->slot],
                           card->cuts[one->first_cut + cut]);
        }
}

/* Round amounts are judged alike between two neighbours of the grid: the first and the last. */
static void note_round(struct search *search)
{
    int64_t unit = search->question->event->unit;
    int64_t hundred = unit > 0 && unit <= INT64_MAX / 200 ? unit * 100 : 0;
    size_t  count = search->count;

    for (size_t i = 0; hundred > 0 && i + 1 < count; i++) {
        int64_t low = search->points[i] / hundred * hundred + hundred;
        int64_t high = (search->points[i + 1] - 1) / hundred * hundred;

        note(search, search->points[i] + 1);
        for (int64_t near = -1; low <= high && near <= 1; near++) {
            note(search, low + near);
            if (high > low)
                note(search, high + near);
        }
    }
}

/* Orders the points and leaves out what stands there twice. */
static void sort_points(struct search *search)
{
    int64_t *points = search->points;
    size_t   kept = 1;

    for (size_t gap = search->count / 2; gap > 0; gap = gap == 2 ? 1 : gap * 5 / 11)
        for (size_t i = gap; i < search->count; i++) {
            int64_t value = points[i];
            size_t  j = i;

            for (; j >= gap && points[j - gap] > value; j -= gap)
                points[j] = points[j - gap];
            points[j] = value;
        }
    for (size_t i = 1; i < search->count; i++)
        if (points[i] != points[kept - 1])
            points[kept++] = points[i];
    search->count = kept;
}

/* From one value up to another: each a sixteenth above the one before it, and all turns. */
static void fill_rising(struct search *search, int64_t from, int64_t to)
{
    int64_t unit = search->question->event->unit;

    search->count = 0;
    search->turns = 0;
    search->from = from;
    search->to = to;
    for (int64_t value = from; value < to;) {
        int64_t step = value / GRID_PART > 0 ? value / GRID_PART : 1;

        search->points[search->count++] = value;
        value = to - value > step ? value + step : to;
    }
    search->points[search->count++] = to;
    note_rules(search);
    note_card(search);
    if (search->axis == AXIS_AMOUNT && unit > 0 && unit <= INT64_MAX / 10000) {
        note_turn(search, 9000 * unit);
        note_turn(search, 10000 * unit);
        sort_points(search);
        note_round(search);
    }
    sort_points(search);
    for (size_t i = 0; i < search->count; i++)
        search->levels[i] = (uint8_t)probe(search, search->points[i]);
}

/* Between two values whose levels lie on both sides of the limit: the upper one of the two
 * neighbours where it is passed. */
static int64_t halve(struct search *search, int64_t low, int64_t high, enum fraud_level limit)
{
    bool low_within = probe(search, low) <= limit;

    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;

        if ((probe(search, middle) <= limit) == low_within)
            low = middle;
        else
            high = middle;
    }
    return high;
}

/* Takes what the probe of `told` says for the change. */
static void add_change(struct search *search, enum fraud_change_kind kind, int64_t value,
                       int64_t told)
{
    struct fraud_change *change = &search->out[search->found++];

    CHECK(search->found <= FRAUD_CHANGES_MAX);
    *change = (struct fraud_change){ .kind = kind, .value = value };
    change->level = probe(search, told);
    change->verdict = search->verdict.verdict;
    change->alert = search->verdict.alert;
    change->score = search->verdict.score;
}

/* A range of amounts or balances from `first` to below `end` (0 = to the last one looked at): its
 * verdict is the hardest in it, or the mildest when all of it is worse than the payment's. */
static void add_range(struct search *search, enum fraud_change_kind kind, int64_t value,
                      int64_t first, int64_t end)
{
    bool    below = kind == CHANGE_AMOUNT_BELOW;
    bool    worse = kind == CHANGE_AMOUNT_FROM;
    int64_t told = below ? value - 1 : value;
    size_t  at = search->count;

    add_change(search, kind, value, told);
    for (size_t i = 0; i < search->count; i++) {
        enum fraud_level level = at < search->count ? (enum fraud_level)search->levels[at]
                                                    : search->out[search->found - 1].level;

        if (search->points[i] >= first && (end == 0 || search->points[i] < end) &&
            (worse ? search->levels[i] < level : search->levels[i] > level))
            at = i;
    }
    if (at < search->count) {
        struct fraud_change *change = &search->out[search->found - 1];

        change->level = probe(search, search->points[at]);
        change->verdict = search->verdict.verdict;
        change->alert = search->verdict.alert;
    }
}

/* --- amounts and balances -------------------------------------------------------------------- */

/* The range within the limit that ends at the point `end`, and is told by its best verdict's
 * neighbour of the end. */
static void add_below(struct search *search, enum fraud_level limit, size_t end)
{
    size_t  begin = end;
    int64_t other = 0;
    int64_t value;

    while (begin > 0 && search->levels[begin - 1] <= limit)
        begin--;
    value = halve(search, search->points[end - 1], search->points[end], limit);
    if (begin > 0)
        other = halve(search, search->points[begin - 1], search->points[begin], limit);
    for (size_t i = 0; i < search->found; i++)
        if (search->out[i].value == value)
            return; /* told for a better verdict */
    add_range(search, CHANGE_AMOUNT_BELOW, value, other, value);
    search->out[search->found - 1].other = other;
}

/* For each better verdict the range next to the payment, and that of the smallest amounts. */
static void search_smaller(struct search *search)
{
    int64_t amount = search->question->event->amount;

    search->axis = AXIS_AMOUNT;
    if (amount < 2 || search->level == FRAUD_QUIET)
        return;
    fill_rising(search, 1, amount);
    for (enum fraud_level limit = FRAUD_QUIET; limit < search->level; limit++) {
        size_t first = 0;
        size_t last = search->count - 1;

        while (first < search->count && search->levels[first] <= limit)
            first++;
        while (last > 0 && search->levels[last - 1] > limit)
            last--;
        if (last > 0)
            add_below(search, limit, last);
        if (first > 0 && first < last)
            add_below(search, limit, first);
    }
}

/* Behind the last point of the grid where the level is on the wrong side; NEVER when that is the
 * last point of all. */
static int64_t last_passed(struct search *search, enum fraud_level limit, bool within)
{
    size_t i = search->count;

    while (i > 0 && (search->levels[i - 1] <= limit) == within)
        i--;
    if (i == 0 || i == search->count)
        return NEVER;
    return halve(search, search->points[i - 1], search->points[i], limit);
}

static int64_t times(int64_t value, int64_t factor)
{
    return value > INT64_MAX / 4 / factor ? INT64_MAX / 4 : value * factor;
}

/* The range next to the payment that is judged harder than the limit, when it ends again. */
static void add_from(struct search *search, enum fraud_level limit)
{
    size_t  begin = 0;
    size_t  end;
    int64_t value;
    int64_t other;

    while (begin < search->count && search->levels[begin] <= limit)
        begin++;
    end = begin;
    while (end < search->count && search->levels[end] > limit)
        end++;
    if (begin == 0 || end == search->count)
        return;
    value = halve(search, search->points[begin - 1], search->points[begin], limit);
    if (search->last_from == value)
        return;
    search->last_from = value;
    other = halve(search, search->points[end - 1], search->points[end], limit);
    add_range(search, CHANGE_AMOUNT_FROM, value, value, other);
    search->out[search->found - 1].other = other;
}

static void search_larger(struct search *search)
{
    int64_t amount = search->question->event->amount;
    int64_t most = search->question->most;
    int64_t boundaries[FRAUD_DECLINED + 1] = { NEVER, NEVER, NEVER, NEVER };

    search->axis = AXIS_AMOUNT;
    if (amount < 1 || amount >= INT64_MAX / 4 || amount >= most || search->level == FRAUD_DECLINED)
        return;
    most = most < times(amount, GRID_UP) ? most : times(amount, GRID_UP);
    search->last_from = NEVER;
    fill_rising(search, amount, most);
    for (enum fraud_level limit = search->level; limit < FRAUD_DECLINED; limit++)
        boundaries[limit] = last_passed(search, limit, false);
    for (enum fraud_level limit = search->level; limit < FRAUD_DECLINED; limit++) {
        add_from(search, limit);
        if (boundaries[limit] != NEVER && boundaries[limit] != boundaries[limit + 1])
            add_range(search, CHANGE_AMOUNT_FROM, boundaries[limit], boundaries[limit], 0);
    }
}

static void search_balance(struct search *search)
{
    const struct fraud_event *event = search->question->event;
    int64_t                   from = event->balance > 1 ? event->balance : 1;
    int64_t                   most = from > event->amount ? from : event->amount;
    int64_t                   last = NEVER;

    search->axis = AXIS_BALANCE;
    if (event->incoming || from >= INT64_MAX / 4 || search->level == FRAUD_QUIET)
        return;
    fill_rising(search, from, times(most, GRID_UP));
    for (enum fraud_level limit = FRAUD_QUIET; limit < search->level; limit++) {
        int64_t boundary = last_passed(search, limit, true);

        if (boundary != NEVER && boundary != last)
            add_range(search, CHANGE_BALANCE_FROM, boundary, boundary, 0);
        last = boundary != NEVER ? boundary : last;
    }
}

/* --- time ------------------------------------------------------------------------------------ */

static void fill_time(struct search *search)
{
    int64_t first = 60 - search->base_us / US_PER_SECOND % 60; /* to the next whole minute */

    search->count = 0;
    add_point(search, 0);
    for (int64_t i = 0; i < MINUTES; i++)
        add_point(search, first + i * 60);
    for (int64_t i = 0; i < HOURS; i++)
        add_point(search, first + MINUTES * 60 + i * 3600);
}

/* The first time within the limit that is worth telling: its first point and the one behind it. */
static bool find_run(const struct search *search, enum fraud_level limit, size_t *from, size_t *to)
{
    for (size_t i = 1; i < search->count; i++) {
        size_t end = i;

        if (search->levels[i] > limit)
            continue;
        while (end < search->count && search->levels[end] <= limit)
            end++;
        *from = i;
        *to = end;
        if (end == search->count || search->points[end] - search->points[i] >= RUN_SECONDS)
            return true;
        i = end;
    }
    return false;
}

static void search_time(struct search *search)
{
    const struct fraud_event *event = search->question->event;
    int64_t                   last = NEVER;
    size_t                    from = 0;
    size_t                    to = 0;

    search->axis = AXIS_SECONDS;
    if (search->level == FRAUD_QUIET || event->at_us < 0 ||
        event->at_us > LIMIT_PERIOD_LAST_S * US_PER_SECOND - 60 * US_PER_DAY)
        return;
    search->base_us = event->at_us - event->at_us % US_PER_SECOND + US_PER_SECOND;
    fill_time(search);
    for (enum fraud_level limit = FRAUD_QUIET; limit < search->level; limit++) {
        int64_t begins;

        if (search->levels[0] <= limit || !find_run(search, limit, &from, &to))
            continue;
        begins = halve(search, search->points[from - 1], search->points[from], limit);
        if (begins == last)
            continue;
        last = begins;
        add_change(search, CHANGE_TIME, search->base_us + begins * US_PER_SECOND, begins);
        if (to < search->count)
            search->out[search->found - 1].until_us =
                search->base_us +
                halve(search, search->points[to - 1], search->points[to], limit) * US_PER_SECOND;
    }
}

/* --- the counterparty and the rules ---------------------------------------------------------- */

static void add_if_better(struct search *search, enum fraud_change_kind kind, uint16_t rule)
{
    if (fraud_level(&search->verdict) >= search->level)
        return;
    CHECK(search->found < FRAUD_CHANGES_MAX);
    search->out[search->found++] = (struct fraud_change){ .kind = kind,
                                                          .level = fraud_level(&search->verdict),
                                                          .rule = rule,
                                                          .verdict = search->verdict.verdict,
                                                          .alert = search->verdict.alert,
                                                          .score = search->verdict.score };
}

static void suppose_known(struct search *search)
{
    const struct fraud_whatif *question = search->question;
    struct fraud_profile       subject = *question->subject;

    if (question->event->counterparty == 0)
        return;
    fraud_suppose_known(&subject, question->event->counterparty);
    fraud_judge(question->rules, &subject, question->counterparty, question->event, false,
                &search->verdict);
    add_if_better(search, CHANGE_KNOWN, 0);
}

static void without_rule(struct search *search, uint16_t rule)
{
    const struct fraud_whatif *question = search->question;
    struct fraud_event         event = *question->event;
    struct fraud_controls      controls = { .lists = 0 };

    if (event.controls != NULL)
        controls = *event.controls;
    if (controls.suppressed_count == LIMIT_SUPPRESSIONS_PER_ACCOUNT)
        return;
    controls.suppressed[controls.suppressed_count++] = (struct fraud_suppression){ .rule = rule };
    event.controls = &controls;
    fraud_judge(question->rules, question->subject, question->counterparty, &event, false,
                &search->verdict);
    add_if_better(search, CHANGE_RULE, rule);
}

static void without_rules(struct search *search, const struct fraud_verdict *verdict)
{
    size_t rules = fraud_rules_count(search->question->rules);
    size_t before = search->found;

    for (size_t i = 0; i < verdict->reason_count; i++) {
        const struct fraud_reason *reason = &verdict->reasons[i];

        if (reason->rule < rules && reason->effect != FRAUD_SUPPRESSED &&
            search->found - before < FRAUD_CHANGES_RULES_MAX)
            without_rule(search, reason->rule);
    }
}

size_t fraud_whatif(const struct fraud_whatif *question, struct fraud_verdict *verdict,
                    struct fraud_change out[FRAUD_CHANGES_MAX])
{
    struct search search;

    memset(&search, 0, sizeof search);
    search.question = question;
    search.out = out;
    fraud_judge(question->rules, question->subject, question->counterparty, question->event, true,
                verdict);
    search.level = fraud_level(verdict);
    search_smaller(&search);
    search_time(&search);
    suppose_known(&search);
    search_balance(&search);
    without_rules(&search, verdict);
    search_larger(&search);
    return search.found;
}
