/* See whatif.h. */
#include "bankd/fraud/whatif.h"

#include <string.h>

#include "common/check.h"
#include "common/clock.h"

enum {
    GRID_MAX = 2400,
    GRID_PART = 16,    /* of a value from one point of a grid to the next */
    GRID_UP = 1024,    /* times the amount that larger ones are looked at */
    MINUTES = 24 * 60, /* looked at one by one */
    HOURS = 30 * 24,   /* looked at from there on */
    RUN_SECONDS = 600, /* a shorter time of another verdict is not worth telling */
    ROUND_MAX = 32,    /* round amounts that are looked at */
    NEVER = -1,
};

enum axis { AXIS_AMOUNT, AXIS_BALANCE, AXIS_SECONDS };

struct search {
    const struct fraud_whatif *question;
    enum fraud_level           level;   /* as it was */
    int64_t                    base_us; /* of AXIS_SECONDS: the next whole second */
    enum axis                  axis;
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

/* From one value up to another, each a sixteenth above the one before it. */
static void fill_rising(struct search *search, int64_t from, int64_t to)
{
    search->count = 0;
    for (int64_t value = from; value < to;) {
        int64_t step = value / GRID_PART > 0 ? value / GRID_PART : 1;

        add_point(search, value);
        value = to - value > step ? value + step : to;
    }
    add_point(search, to);
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

/* --- amounts and balances -------------------------------------------------------------------- */

/* A round amount below the boundary that is judged harder becomes the boundary. */
static int64_t below_round(struct search *search, int64_t boundary, enum fraud_level limit)
{
    int64_t unit = search->question->event->unit;
    int64_t hundred = unit > 0 && unit <= INT64_MAX / 100 ? unit * 100 : 0;
    int64_t value = hundred > 0 ? (boundary - 1) / hundred * hundred : 0;

    for (int i = 0; i < ROUND_MAX && value > 0; i++, value -= hundred)
        if (probe(search, value) > limit)
            boundary = value;
    return boundary;
}

static void search_smaller(struct search *search)
{
    int64_t amount = search->question->event->amount;
    int64_t last = 0;

    search->axis = AXIS_AMOUNT;
    if (amount < 2 || search->level == FRAUD_QUIET)
        return;
    fill_rising(search, 1, amount);
    for (enum fraud_level limit = FRAUD_QUIET; limit < search->level; limit++) {
        size_t  i = 0;
        int64_t boundary;

        while (i < search->count && search->levels[i] <= limit)
            i++;
        if (i == 0 || i == search->count)
            continue;
        boundary = halve(search, search->points[i - 1], search->points[i], limit);
        boundary = below_round(search, boundary, limit);
        if (boundary > last && probe(search, boundary - 1) <= limit)
            add_change(search, CHANGE_AMOUNT_BELOW, boundary, boundary - 1);
        last = boundary;
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

static void search_larger(struct search *search)
{
    int64_t amount = search->question->event->amount;
    int64_t boundaries[FRAUD_DECLINED + 1] = { NEVER, NEVER, NEVER, NEVER };

    search->axis = AXIS_AMOUNT;
    if (amount < 1 || amount >= INT64_MAX / 4 || search->level == FRAUD_DECLINED)
        return;
    fill_rising(search, amount, times(amount, GRID_UP));
    for (enum fraud_level limit = search->level; limit < FRAUD_DECLINED; limit++)
        boundaries[limit] = last_passed(search, limit, false);
    for (enum fraud_level limit = search->level; limit < FRAUD_DECLINED; limit++)
        if (boundaries[limit] != NEVER && boundaries[limit] != boundaries[limit + 1])
            add_change(search, CHANGE_AMOUNT_FROM, boundaries[limit], boundaries[limit]);
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
            add_change(search, CHANGE_BALANCE_FROM, boundary, boundary);
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
