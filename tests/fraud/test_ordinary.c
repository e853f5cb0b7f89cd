/* A year in an ordinary town: salaries, rent, bills, groceries, cash, friends and now and then
 * something dear. The shipped rules must leave nearly all of it alone, and still see accounts
 * that are robbed at the year's end.
 *
 * People differ in income, habits and thrift; every number comes from one seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/check.h"
#include "common/clock.h"
#include "tests/fraud/shipped.h"
#include "tests/unit/random.h"

enum {
    PEOPLE = 250,
    DAYS = 365,
    PARTIES = 1200, /* employers, landlords, utilities, then shops */
    SHOPS_FROM = 400,
};

struct person {
    struct fraud_profile profile;
    int64_t              opened_at_us;
    int64_t              balance;
    int64_t              income;
    int64_t              rent;
    int                  payday;
    int                  landlord;
    int                  shops[8]; /* the usual ones */
    int                  friends[5];
    int                  shopping; /* a day's chance in percent */
};

struct town {
    const struct fraud_rules *rules;
    struct random             random;
    struct person             people[PEOPLE];
    struct fraud_profile      parties[PARTIES];
    long                      payments;
    long                      alerts;
    long                      holds;
    long                      by_rule[LIMIT_RULES_MAX];
};

static int64_t between(struct town *town, int64_t low, int64_t high)
{
    return low + (int64_t)random_below(&town->random, (uint64_t)(high - low + 1));
}

static bool chance(struct town *town, int percent)
{
    return between(town, 0, 99) < percent;
}

static void move_in(struct town *town, struct person *person, int64_t start_us)
{
    fraud_profile_init(&person->profile);
    person->opened_at_us = start_us - between(town, 0, 2000) * US_PER_DAY;
    person->income = between(town, 150000, 700000);
    person->rent = person->income * between(town, 20, 40) / 100;
    person->balance = person->income * between(town, 20, 400) / 100;
    person->payday = (int)between(town, 0, 29);
    person->landlord = (int)between(town, 0, SHOPS_FROM - 1);
    person->shopping = (int)between(town, 20, 90);
    for (size_t i = 0; i < ARRAY_COUNT(person->shops); i++)
        person->shops[i] = (int)between(town, SHOPS_FROM, PARTIES - 1);
    for (size_t i = 0; i < ARRAY_COUNT(person->friends); i++)
        person->friends[i] = (int)between(town, 0, SHOPS_FROM - 1);
}

/* One payment, judged and then done; nobody sits in the queue here, so what is held is approved.
 * Nothing is paid that the account has not. */
static bool pay(struct town *town, struct person *person, int64_t at_us, int32_t type, int party,
                int64_t amount, bool incoming)
{
    static struct fraud_verdict verdict;
    struct fraud_profile       *other = party >= 0 ? &town->parties[party] : NULL;
    struct fraud_event          event = {
                 .at_us = at_us,
                 .amount = amount,
                 .unit = 100,
                 .type = type,
                 .incoming = incoming,
                 .balance = person->balance,
                 .opened_at_us = person->opened_at_us,
                 .counterparty = party >= 0 ? party + 1 : 0,
    };

    if (!incoming && amount > person->balance)
        return false;
    fraud_judge(town->rules, &person->profile, other, &event, false, &verdict);
    event.status = STATUS_COMPLETED;
    fraud_observe(&person->profile, &event, FRAUD_SUBJECT, event.counterparty);
    if (other != NULL)
        fraud_observe(other, &event, FRAUD_COUNTERPARTY, 100000 + (person - town->people));
    person->balance += incoming ? amount : -amount;
    town->payments++;
    town->alerts += verdict.alert;
    town->holds += verdict.verdict != VERDICT_APPROVE;
    for (size_t i = 0; verdict.alert && i < verdict.reason_count; i++)
        if (verdict.reasons[i].rule < FRAUD_RULE_REST)
            town->by_rule[verdict.reasons[i].rule]++;
    return verdict.alert;
}

static int64_t daytime(struct town *town, int64_t day_us)
{
    return day_us + between(town, 7 * 60, 22 * 60) * US_PER_MINUTE;
}

/* What comes every month, on its day. */
static void monthly(struct town *town, struct person *person, int day, int64_t day_us)
{
    int since = (day - person->payday + 30) % 30;

    if (since == 0)
        pay(town, person, day_us + 6 * US_PER_HOUR, TYPE_TRANSFER, person->payday * 7,
            person->income, true);
    if (since == 1)
        pay(town, person, day_us + 8 * US_PER_HOUR, TYPE_TRANSFER, person->landlord, person->rent,
            false);
    if (since >= 2 && since <= 6)
        pay(town, person, day_us + 8 * US_PER_HOUR, TYPE_TRANSFER, person->landlord / 2 + since,
            between(town, 1500, 15000), false);
    if (since == 10 && person->balance > 2 * person->income)
        pay(town, person, day_us + 9 * US_PER_HOUR, TYPE_TRANSFER, person->landlord / 3,
            person->income / 5, false);
}

static void daily(struct town *town, struct person *person, int64_t day_us)
{
    if (chance(town, person->shopping))
        pay(town, person, daytime(town, day_us), TYPE_PAYMENT,
            person->shops[between(town, 0, ARRAY_COUNT(person->shops) - 1)],
            between(town, 500, 9000), false);
    if (chance(town, 12))
        pay(town, person, daytime(town, day_us), TYPE_PAYMENT,
            (int)between(town, SHOPS_FROM, PARTIES - 1), between(town, 300, 20000), false);
    if (chance(town, 1)) /* something dear */
        pay(town, person, daytime(town, day_us), TYPE_PAYMENT,
            (int)between(town, SHOPS_FROM, PARTIES - 1), between(town, 20000, 120000), false);
    if (chance(town, 7))
        pay(town, person, daytime(town, day_us), TYPE_WITHDRAWAL, -1, between(town, 2, 20) * 1000,
            false);
    if (chance(town, 6))
        pay(town, person, daytime(town, day_us), TYPE_TRANSFER,
            person->friends[between(town, 0, ARRAY_COUNT(person->friends) - 1)],
            between(town, 1000, 20000), false);
    if (chance(town, 1))
        pay(town, person, daytime(town, day_us), TYPE_TRANSFER,
            (int)between(town, 0, SHOPS_FROM - 1), between(town, 2000, 80000), false);
    if (chance(town, 2))
        pay(town, person, daytime(town, day_us), TYPE_DEPOSIT, -1, between(town, 5, 60) * 1000,
            true);
}

static void live(struct town *town, int64_t start_us)
{
    for (size_t i = 0; i < PARTIES; i++)
        fraud_profile_init(&town->parties[i]);
    for (size_t i = 0; i < PEOPLE; i++)
        move_in(town, &town->people[i], start_us);
    for (int day = 0; day < DAYS; day++)
        for (size_t i = 0; i < PEOPLE; i++) {
            int64_t day_us = start_us + day * US_PER_DAY;

            monthly(town, &town->people[i], day, day_us);
            daily(town, &town->people[i], day_us);
        }
}

/* Somebody with the password sends most of it to a stranger. */
static int rob(struct town *town, int64_t day_us)
{
    int seen = 0;

    for (size_t i = 0; i < PEOPLE; i++) {
        struct person *person = &town->people[i];

        person->balance = person->balance < 300000 ? 300000 : person->balance;
        seen += pay(town, person, day_us + 3 * US_PER_HOUR, TYPE_TRANSFER,
                    (int)between(town, 0, PARTIES - 1), person->balance / 10 * 9, false);
    }
    return seen;
}

static void test_honest_people_are_left_alone(void **state)
{
    static struct town  town;
    struct fraud_rules *rules = shipped_rules();
    int64_t             start_us = 20000 * US_PER_DAY;
    int                 robberies_seen;

    (void)state;
    town.rules = rules;
    town.random = random_start(__func__);
    live(&town, start_us);
    printf("%ld payments, %ld alerts, %ld held\n", town.payments, town.alerts, town.holds);
    for (size_t i = 0; i < fraud_rules_count(rules); i++)
        printf("    %-32s in %ld alerts\n", fraud_rules_name(rules, i), town.by_rule[i]);
    assert_true(town.payments > 80000);
    assert_true(town.alerts * 1000 < town.payments * 5);
    assert_true(town.holds * 1000 < town.payments);
    robberies_seen = rob(&town, start_us + DAYS * US_PER_DAY);
    printf("%d of %d robberies seen\n", robberies_seen, (int)PEOPLE);
    assert_true(robberies_seen * 100 >= PEOPLE * 95);
    fraud_rules_free(&rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_honest_people_are_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
