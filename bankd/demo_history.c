/* Ninety days of what people do with money: pay days and bills by the calendar, shopping by the
 * week and the hour, and among it the frauds that an analyst is to find.
 *
 * Each account draws from a stream of its own, so that a change in one habit leaves all other
 * accounts as they were. Events are made account by account and sorted by time at the end; whether
 * an account can afford one is asked when it is posted. */
#include "bankd/demo_impl.h"

#include "common/check.h"

#include <stdlib.h>
#include <string.h>

/* --- the calendar ---------------------------------------------------------------------------- */

/* The n-th weekday (0 = Monday) of a month, as its day of the month; n = 5 is the last one. */
static int nth_weekday(int year, int month, int weekday, int n)
{
    int first = 1 + (weekday - time_weekday(time_from_civil(year, month, 1)) + 7) % 7;
    int day = first + (n - 1) * 7;

    return n == 5 && time_from_civil(year, month, day) >=
                         time_from_civil(year + (month == 12 ? 1 : 0), month % 12 + 1, 1)
               ? day - 7
               : day;
}

static bool is_holiday(int64_t day)
{
    static const struct {
        int month, day; /* day 0: the n-th weekday */
        int weekday, n;
    } holidays[] = { { 1, 1, 0, 0 },   { 1, 0, 0, 3 },  { 2, 0, 0, 3 },   { 5, 0, 0, 5 },
                     { 6, 19, 0, 0 },  { 7, 4, 0, 0 },  { 9, 0, 0, 1 },   { 10, 0, 0, 2 },
                     { 11, 11, 0, 0 }, { 11, 0, 3, 4 }, { 12, 25, 0, 0 }, { 12, 26, 0, 0 } };
    int year;
    int month;
    int of_month;

    time_to_civil(day, &year, &month, &of_month);
    for (size_t i = 0; i < ARRAY_COUNT(holidays); i++) {
        if (holidays[i].month != month)
            continue;
        if (of_month == (holidays[i].day != 0
                             ? holidays[i].day
                             : nth_weekday(year, month, holidays[i].weekday, holidays[i].n)))
            return true;
    }
    return false;
}

static bool is_free(int64_t day)
{
    return time_weekday(day) >= 5 || is_holiday(day);
}

static int64_t working_day(int64_t day, int step)
{
    while (is_free(day))
        day += step;
    return day;
}

static int day_of_month(int64_t day)
{
    int year;
    int month;
    int of_month;

    time_to_civil(day, &year, &month, &of_month);
    return of_month;
}

/* A time within a day: mostly lunch and early evening, hardly at night. */
static int64_t busy_time(struct demo_random *random, int64_t day)
{
    static const int8_t weights[24] = { 1,  0, 0, 0, 0, 0,  1,  4, 6, 5, 5, 7,
                                        11, 9, 6, 5, 6, 10, 12, 9, 6, 4, 3, 2 };
    int64_t             total = 0;
    int64_t             at;
    int                 hour = 0;

    for (int i = 0; i < 24; i++)
        total += weights[i];
    at = demo_between(random, 0, total - 1);
    while (at >= weights[hour])
        at -= weights[hour++];
    return day * US_PER_DAY + hour * US_PER_HOUR + demo_between(random, 0, 3599999) * US_PER_MS;
}

static int64_t at_hour(struct demo_random *random, int64_t day, int hour)
{
    return day * US_PER_DAY + hour * US_PER_HOUR + demo_between(random, 0, 3599999) * US_PER_MS;
}

/* --- events ---------------------------------------------------------------------------------- */

struct maker {
    struct demo_world *world;
    struct demo_random random;
    int                account; /* index */
};

static struct demo_event *add(struct maker *maker, int64_t at_us, int type, int contra,
                              bool incoming, int64_t amount, const char *text)
{
    struct demo_world *world = maker->world;
    struct demo_event *event = &world->events[world->event_count];

    CHECK(world->event_count < DEMO_EVENTS_MAX);
    memset(event, 0, sizeof *event);
    event->at_us = at_us;
    event->order = (uint32_t)world->event_count++;
    event->account = (int16_t)maker->account;
    event->other = -1;
    event->type = (int8_t)type;
    event->contra = (int8_t)contra;
    event->incoming = incoming;
    event->amount = amount;
    event->text = text;
    return event;
}

/* Cents that look like a price: most end in 9, 5 or 0. */
static int64_t price(struct demo_random *random, int64_t low, int64_t high)
{
    static const int8_t ends[] = { 99, 99, 95, 49, 50, 0, 0, 25, 79, 10 };
    int64_t             major = demo_between(random, low, high);

    /* Squared, so that small sums are common and large ones rare. */
    major = low + (major - low) * (major - low) / (high - low + 1);
    return demo_chance(random, 55)
               ? major * 100 + ends[demo_between(random, 0, ARRAY_COUNT(ends) - 1)]
               : major * 100 + demo_between(random, 0, 99);
}

static void pay_shop(struct maker *maker, int64_t at_us, const char *name, int64_t places,
                     int64_t low, int64_t high, const char *text)
{
    struct demo_event *event = add(maker, at_us, TYPE_PAYMENT, ACCOUNT_SETTLEMENT, false,
                                   price(&maker->random, low, high), text);

    event->party =
        (struct demo_party){ "merchant", name, (uint32_t)demo_between(&maker->random, 1, places) };
}

static void pay_bill(struct maker *maker, int64_t day, int hour, const char *name, uint32_t number,
                     int64_t amount, const char *text)
{
    struct demo_event *event = add(maker, at_hour(&maker->random, working_day(day, 1), hour),
                                   TYPE_TRANSFER, ACCOUNT_NOSTRO, false, amount, text);

    event->party = (struct demo_party){ "company", name, number };
}

/* --- habits of people ------------------------------------------------------------------------ */

static void shopping(struct maker *maker, int64_t day)
{
    static const struct {
        const char *name;
        int8_t      places, percent;
        int16_t     low, high;
        const char *text;
    } shops[] = {
        { "fresh-market", 9, 34, 12, 140, "Groceries" },
        { "daily-bean", 14, 22, 3, 12, "Coffee" },
        { "noodle-bar", 8, 14, 9, 38, "Lunch" },
        { "old-town-grill", 6, 8, 22, 120, "Dinner" },
        { "city-transit", 2, 16, 2, 9, "Tickets" },
        { "fuel-stop", 7, 10, 28, 75, "Fuel" },
        { "web-store", 3, 9, 8, 190, "Online order" },
        { "corner-pharmacy", 5, 5, 6, 60, "Pharmacy" },
        { "book-cellar", 3, 3, 9, 55, "Books" },
        { "shoe-house", 3, 2, 39, 180, "Shoes" },
    };
    int more = is_free(day) ? 8 : 0;

    for (size_t i = 0; i < ARRAY_COUNT(shops); i++)
        if (demo_chance(&maker->random, shops[i].percent * 3 / 4 + (i == 0 || i == 3 ? more : 0)))
            pay_shop(maker, busy_time(&maker->random, day), shops[i].name, shops[i].places,
                     shops[i].low, shops[i].high, shops[i].text);
}

static void monthly(struct maker *maker, const struct demo_account *account, int64_t day)
{
    struct demo_random fixed = { .state = maker->world->seed ^ (uint64_t)maker->account * 7919 };
    int64_t            rent = account->pay * demo_between(&fixed, 24, 33) / 100 / 100 * 100;
    uint32_t           landlord = (uint32_t)demo_between(&fixed, 1, 12);
    int64_t            phone = demo_between(&fixed, 19, 70) * 100 - 1;
    int                of_month = day_of_month(day);

    if (of_month == 1)
        pay_bill(maker, day, 8, "city-rentals", landlord, rent, "Rent");
    if (of_month == 5)
        pay_bill(maker, day, 9, "valley-power", 0, price(&maker->random, 40, 150), "Electricity");
    if (of_month == 8)
        pay_bill(maker, day, 9, "clear-water", 0, price(&maker->random, 18, 60), "Water");
    if (of_month == 12)
        pay_bill(maker, day, 10, "horizon-mobile", 0, phone, "Telephone");
    if (of_month == 15)
        pay_shop(maker, at_hour(&maker->random, day, 6), "stream-box", 1, 9, 19, "Subscription");
    if (of_month == 20 && account->pay > 400000)
        pay_bill(maker, day, 10, "guardian-insurance", 0, phone * 3, "Insurance");
    if (day_of_month(day + 1) == 1) {
        add(maker, at_hour(&maker->random, day, 23), TYPE_FEE, ACCOUNT_FEES, false, 490,
            "Account fee");
        add(maker, at_hour(&maker->random, day, 23), TYPE_INTEREST, ACCOUNT_INTEREST, true,
            demo_between(&maker->random, 3, 180), "Interest");
    }
}

static void pay_day(struct maker *maker, const struct demo_account *account, int64_t day)
{
    static const char *const employers[] = { "blue-heron-logistics", "northgate-software",
                                             "city-schools",         "st-mary-hospital",
                                             "union-rail",           "bright-retail",
                                             "cedar-works",          "state-office" };
    bool                     twice = maker->account % 3 == 0;
    int                      of_month = day_of_month(day);
    struct demo_event       *event;

    /* The money comes on the last working day up to the 15th and the 25th. */
    bool second = day == working_day(day + (25 - of_month), -1);
    bool first = day == working_day(day + (15 - of_month), -1);
    if (!second && !(twice && first))
        return;
    event = add(maker, at_hour(&maker->random, day, 5), TYPE_TRANSFER, ACCOUNT_NOSTRO, true,
                twice ? account->pay / 2 : account->pay, "Salary");
    event->party =
        (struct demo_party){ "company", employers[(size_t)maker->account % ARRAY_COUNT(employers)],
                             0 };
    if (account->partner >= 0 && second) {
        event = add(maker, at_hour(&maker->random, day + 1, 10), TYPE_TRANSFER, ACCOUNT_NOSTRO,
                    false, account->pay / 10 / 5000 * 5000, "Savings");
        event->other = (int16_t)account->partner;
    }
}

/* Each has a few people whom they pay now and then. */
static void friends(struct maker *maker, const struct demo_account *account, int64_t day)
{
    static const char *const texts[] = { "Dinner", "Thank you",     "Tickets",
                                         "Gift",   "Share of trip", "Rent share" };
    struct demo_world       *world = maker->world;
    int                      other;
    struct demo_event       *event;

    if (!demo_chance(&maker->random, 7))
        return;
    other = (int)(((size_t)maker->account * 31 + 17 * (size_t)demo_between(&maker->random, 1, 3)) %
                  world->account_count);
    if (other == maker->account || world->accounts[other].currency != account->currency ||
        world->accounts[other].role > DEMO_SHOP || world->accounts[other].role == DEMO_SAVINGS ||
        world->accounts[other].opened_day >= day)
        return;
    event = add(maker, busy_time(&maker->random, day), TYPE_TRANSFER, ACCOUNT_NOSTRO, false,
                demo_between(&maker->random, 2, 36) * 500,
                texts[demo_between(&maker->random, 0, ARRAY_COUNT(texts) - 1)]);
    event->other = (int16_t)other;
}

static void person(struct maker *maker, const struct demo_account *account, int64_t day)
{
    shopping(maker, day);
    pay_day(maker, account, day);
    monthly(maker, account, day);
    friends(maker, account, day);
    if (demo_chance(&maker->random, 9))
        add(maker, busy_time(&maker->random, day), TYPE_WITHDRAWAL, ACCOUNT_CASH, false,
            demo_between(&maker->random, 1, 10) * 2000, "Cash machine");
    if (account->role == DEMO_SHOP && !is_free(day) && demo_chance(&maker->random, 40))
        add(maker, at_hour(&maker->random, day, 17), TYPE_DEPOSIT, ACCOUNT_CASH, true,
            price(&maker->random, 120, 1900), "Takings");
}

static void business(struct maker *maker, const struct demo_account *account, int64_t day)
{
    struct demo_event *event;

    if (!is_free(day)) {
        event =
            add(maker, at_hour(&maker->random, day, 6), TYPE_TRANSFER, ACCOUNT_SETTLEMENT, true,
                account->pay / 20 * demo_between(&maker->random, 60, 140) / 100, "Card settlement");
        event->party = (struct demo_party){ "company", "card-clearing", 0 };
    }
    if (!is_free(day) && demo_chance(&maker->random, 35)) {
        event = add(maker, at_hour(&maker->random, day, 11), TYPE_TRANSFER, ACCOUNT_NOSTRO, false,
                    account->pay / 12 * demo_between(&maker->random, 20, 160) / 100, "Supplier");
        event->party = (struct demo_party){ "company", "supplier",
                                            (uint32_t)(maker->account % 9 * 4 +
                                                       demo_between(&maker->random, 1, 4)) };
    }
    if (day == working_day(day + (25 - day_of_month(day)), -1)) {
        event = add(maker, at_hour(&maker->random, day, 4), TYPE_TRANSFER, ACCOUNT_NOSTRO, false,
                    account->pay * 45 / 100, "Payroll");
        event->party = (struct demo_party){ "company", "payroll-office", 0 };
    }
    if (demo_chance(&maker->random, 12))
        pay_shop(maker, busy_time(&maker->random, day), "office-depot", 4, 15, 400, "Supplies");
    if (day_of_month(day + 1) == 1)
        add(maker, at_hour(&maker->random, day, 23), TYPE_FEE, ACCOUNT_FEES, false, 2500,
            "Account fee");
}

static void open_with(struct maker *maker, const struct demo_account *account)
{
    int64_t            day = account->opened_day < maker->world->first_day ? maker->world->first_day
                                                                           : account->opened_day;
    struct demo_event *event;

    event = add(maker, at_hour(&maker->random, day, 1), TYPE_DEPOSIT, ACCOUNT_OPENING, true,
                account->opening, "Opening balance");
    event->unjudged = true;
}

static void live(struct maker *maker, const struct demo_account *account)
{
    struct demo_world *world = maker->world;
    int64_t            first =
        account->opened_day < world->first_day ? world->first_day : account->opened_day + 1;
    int64_t last = account->role == DEMO_LEAVING ? world->last_day - 20 : world->last_day;

    for (int64_t day = first; day <= last; day++) {
        if (account->role == DEMO_BUSINESS)
            business(maker, account, day);
        else if (account->role == DEMO_NEW)
            continue;
        else if (account->role != DEMO_SAVINGS)
            person(maker, account, day);
        else if (day_of_month(day + 1) == 1)
            add(maker, at_hour(&maker->random, day, 23), TYPE_INTEREST, ACCOUNT_INTEREST, true,
                account->opening / 600, "Interest");
    }
    if (account->role == DEMO_LEAVING) /* takes all that is left along */
        add(maker, at_hour(&maker->random, last + 1, 14), TYPE_WITHDRAWAL, ACCOUNT_CASH, false,
            -10000, "Account ended");
}

/* --- planted frauds -------------------------------------------------------------------------- */

/* An account of ordinary people with some history, different for each `n`. */
static int victim(const struct demo_world *world, int n)
{
    size_t i = (size_t)(37 + n * 29) % world->account_count;

    while (world->accounts[i].role != DEMO_CURRENT || world->accounts[i].currency != 840 ||
           world->accounts[i].opened_day > world->first_day)
        i = (i + 1) % world->account_count;
    return (int)i;
}

static struct demo_event *send_away(struct maker *maker, int64_t at_us, int64_t amount,
                                    uint32_t number, const char *text)
{
    struct demo_event *event =
        add(maker, at_us, TYPE_TRANSFER, ACCOUNT_NOSTRO, false, amount, text);

    event->party = (struct demo_party){ "bank", "LT30", number };
    return event;
}

/* Somebody else is in the account: most of the money leaves at night, to strangers. */
static void takeover(struct maker *maker, int n, int64_t day)
{
    maker->account = victim(maker->world, n);
    send_away(maker, at_hour(&maker->random, day, 2), -7200, 70000000 + (uint32_t)n * 11,
              "Invoice 2231");
    send_away(maker, at_hour(&maker->random, day, 3), -6500, 70000005 + (uint32_t)n * 11,
              "Invoice 2232");
}

/* Money of several victims comes in and leaves within hours. */
static void mule(struct maker *maker, int n, int64_t day, int *account)
{
    struct demo_event *event;

    *account = victim(maker->world, n);
    for (int i = 0; i < 4; i++) {
        maker->account = *account;
        event = add(maker, at_hour(&maker->random, day, 9 + i), TYPE_TRANSFER, ACCOUNT_NOSTRO, true,
                    demo_between(&maker->random, 1400, 3200) * 100, "Invoice");
        event->party = (struct demo_party){ "bank", "GB82", 41000000 + (uint32_t)(n * 10 + i) };
    }
    send_away(maker, at_hour(&maker->random, day, 14), -8800, 81000000 + (uint32_t)n, "Goods");
    add(maker, at_hour(&maker->random, day, 15), TYPE_WITHDRAWAL, ACCOUNT_CASH, false, -8500,
        "Cash machine");
}

/* Cash just below the sum that is reported, again and again. */
static void structuring(struct maker *maker, int n, int64_t day)
{
    maker->account = victim(maker->world, n);
    for (int i = 0; i < 6; i++)
        add(maker, at_hour(&maker->random, day + i, 11 + i % 4), TYPE_DEPOSIT, ACCOUNT_CASH, true,
            demo_between(&maker->random, 930, 995) * 1000, "Cash");
}

/* A stolen card is tried with tiny sums, then used. */
static void card_testing(struct maker *maker, int n, int64_t day, int hour)
{
    int64_t            at_us = day * US_PER_DAY + hour * US_PER_HOUR + 7 * US_PER_MINUTE;
    struct demo_event *event;

    maker->account = victim(maker->world, n);
    for (int i = 0; i < 17; i++) {
        event = add(maker, at_us, TYPE_PAYMENT, ACCOUNT_SETTLEMENT, false,
                    demo_between(&maker->random, 80, 240), "Online order");
        event->party = (struct demo_party){ "merchant", "web-store", 90 + (uint32_t)i % 5 };
        at_us += demo_between(&maker->random, 20, 110) * US_PER_SECOND;
    }
    event = add(maker, at_us, TYPE_PAYMENT, ACCOUNT_SETTLEMENT, false, 89900, "Electronics");
    event->party = (struct demo_party){ "merchant", "volt-electronics", 3 };
}

/* Somebody is talked into paying one stranger after the other. */
static void scam(struct maker *maker, int n, int64_t day)
{
    maker->account = victim(maker->world, n);
    for (int i = 0; i < 8; i++)
        send_away(maker, at_hour(&maker->random, day, 10 + i),
                  demo_between(&maker->random, 4, 14) * 2500, 52000000 + (uint32_t)(n * 20 + i),
                  "Investment");
}

static void plant(struct demo_world *world)
{
    struct maker maker = { .world = world, .random = { .state = world->seed * 31 + 5 } };
    int64_t      last = world->last_day;

    takeover(&maker, 0, last - 61);
    takeover(&maker, 1, last - 24);
    takeover(&maker, 2, last - 1);
    mule(&maker, 3, last - 9, &world->mules[0]);
    mule(&maker, 4, last - 3, &world->mules[1]);
    structuring(&maker, 5, last - 52);
    structuring(&maker, 6, last - 7);
    card_testing(&maker, 7, last - 71, 13);
    card_testing(&maker, 8, last - 33, 21);
    card_testing(&maker, 9, last - 1, 19);
    card_testing(&maker, 10, last, 1);
    scam(&maker, 11, last - 18);
    scam(&maker, 12, last - 2);
}

/* --- all of it ------------------------------------------------------------------------------- */

static int compare_events(const void *a, const void *b)
{
    const struct demo_event *left = a;
    const struct demo_event *right = b;

    if (left->at_us != right->at_us)
        return left->at_us < right->at_us ? -1 : 1;
    return (left->order > right->order) - (left->order < right->order);
}

void demo_history(struct demo_world *world)
{
    for (size_t i = 0; i < world->account_count; i++) {
        struct maker maker = { .world = world,
                               .account = (int)i,
                               .random = { .state = world->seed ^ (i + 1) * 0x51ed270b } };

        open_with(&maker, &world->accounts[i]);
        live(&maker, &world->accounts[i]);
    }
    plant(world);
    qsort(world->events, world->event_count, sizeof world->events[0], compare_events);
}
