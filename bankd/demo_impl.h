/* The inside of the demo bank, shared by demo.c (into the bank), demo_people.c (who holds what)
 * and demo_history.c (what they did). The last two are pure: a seed goes in, tables come out. */
#ifndef BANKD_DEMO_IMPL_H
#define BANKD_DEMO_IMPL_H

#include "bankd/demo.h"

enum {
    DEMO_DAYS = 90,
    DEMO_PEOPLE = 340,
    DEMO_COMPANIES = 14,
    DEMO_CUSTOMERS = DEMO_PEOPLE + DEMO_COMPANIES,
    DEMO_ACCOUNTS_MAX = 480,
    DEMO_EVENTS_MAX = 96 * 1024,
    DEMO_USED_NEW_ACCOUNTS = 3, /* new accounts with a held transfer of their own */
};

struct demo_random {
    uint64_t state;
};

static inline uint64_t demo_next(struct demo_random *random)
{
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* From low to high, both inclusive. */
static inline int64_t demo_between(struct demo_random *random, int64_t low, int64_t high)
{
    return low + (int64_t)(demo_next(random) % (uint64_t)(high - low + 1));
}

static inline bool demo_chance(struct demo_random *random, int64_t percent)
{
    return demo_between(random, 1, 100) <= percent;
}

enum demo_role { DEMO_CURRENT, DEMO_SAVINGS, DEMO_SHOP, DEMO_BUSINESS, DEMO_NEW, DEMO_LEAVING };

struct demo_customer {
    char    name[LIMIT_NAME_MAX + 1];
    char    country[3];
    bool    verified;
    int64_t since_day;
};

struct demo_account {
    int            customer; /* index */
    enum demo_role role;
    uint16_t       currency;
    int64_t        opened_day; /* since 1970 */
    int64_t        opening;    /* first balance, minor units */
    int64_t        pay;        /* monthly income, minor units */
    int            partner;    /* account index of the savings account, or -1 */
    int64_t        number;     /* in the bank */
};

/* Who is on the other side outside the bank: "kind:name" or with a number behind it. */
struct demo_party {
    const char *kind; /* NULL = none */
    const char *name;
    uint32_t    number; /* 0 = none */
};

struct demo_event {
    int64_t           at_us;
    uint32_t          order; /* makes ids, and the order of events at the same time */
    int16_t           account;
    int16_t           other; /* account index, or -1: the bank's own account of `contra` */
    int8_t            type;
    int8_t            contra;
    bool              incoming;
    bool              unjudged;
    int64_t           amount; /* below zero: a share of the balance in basis points */
    struct demo_party party;
    const char       *text;
};

struct demo_world {
    uint64_t             seed;
    int64_t              end_us;
    int64_t              last_day;
    int64_t              first_day;
    struct demo_customer customers[DEMO_CUSTOMERS];
    size_t               account_count;
    struct demo_account  accounts[DEMO_ACCOUNTS_MAX];
    size_t               event_count;
    struct demo_event    events[DEMO_EVENTS_MAX];
    int                  mules[2]; /* account indexes that end frozen */
};

void demo_people(struct demo_world *world);
void demo_history(struct demo_world *world);

#endif
