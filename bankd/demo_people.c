/* Who banks here: people and companies with accounts, made from the seed. Names are common ones
 * of their countries put together at random; nobody in particular is meant. */
#include "bankd/demo_impl.h"

#include "common/check.h"

#include <string.h>

enum { USD = 840, EUR = 978, FIRST_NAMES = 24, LAST_NAMES = 24 };

struct region {
    const char *country;
    uint16_t    currency;
    int         share; /* percent of the people */
    const char *first[FIRST_NAMES];
    const char *last[LAST_NAMES];
};

static const struct region
    regions
        [] = {
            { "US",
              USD,
              70,
              { "Emma",  "Liam",  "Olivia", "Noah",   "Ava",   "James",  "Mia",   "Lucas",
                "Grace", "Henry", "Ruth",   "Samuel", "Nora",  "Carlos", "Maria", "Daniel",
                "Sofia", "David", "Hannah", "Andre",  "Naomi", "Peter",  "Tanya", "Victor" },
              { "Miller", "Johnson", "Garcia",  "Brown", "Nguyen", "Davis",  "Wilson", "Martinez",
                "Taylor", "Moore",   "Jackson", "White", "Harris", "Clark",  "Lewis",  "Young",
                "Walker", "Hill",    "Scott",   "Adams", "Baker",  "Rivera", "Cooper", "Patel" } },
            { "DE",
              EUR,
              10,
              { "Anna",   "Lukas", "Marie", "Felix", "Lena",    "Jonas",  "Clara",  "Paul",
                "Greta",  "Max",   "Ida",   "Emil",  "Johanna", "Moritz", "Katrin", "Stefan",
                "Birgit", "Uwe",   "Heike", "Jens",  "Silke",   "Holger", "Petra",  "Ralf" },
              { "Schmidt", "Weber",      "Fischer", "Wagner",  "Becker",  "Hoffmann",
                "Koch",    "Richter",    "Klein",   "Wolf",    "Neumann", "Schwarz",
                "Braun",   "Zimmermann", "Krause",  "Lehmann", "Huber",   "Kaiser",
                "Fuchs",   "Lang",       "Scholz",  "Vogel",   "Keller",  "Frank" } },
            { "FR",
              EUR,
              6,
              { "Camille", "Louis",  "Manon", "Hugo",    "Chloe",  "Jules",   "Alice",  "Arthur",
                "Zoe",     "Paul",   "Julie", "Nicolas", "Claire", "Antoine", "Sophie", "Mathieu",
                "Elise",   "Thomas", "Anne",  "Olivier", "Marine", "Pierre",  "Lucie",  "Benoit" },
              { "Martin",   "Bernard",  "Dubois",  "Laurent", "Moreau",    "Lefebvre",
                "Roux",     "Fournier", "Girard",  "Bonnet",  "Dupont",    "Lambert",
                "Fontaine", "Rousseau", "Vincent", "Muller",  "Faure",     "Mercier",
                "Blanc",    "Guerin",   "Boyer",   "Garnier", "Chevalier", "Francois" } },
            { "CA",
              USD,
              8,
              { "Ethan", "Charlotte", "Owen",   "Amelia", "Logan", "Isla",  "Mason",  "Zara",
                "Caleb", "Ivy",       "Nathan", "Leah",   "Dylan", "Paige", "Evan",   "Megan",
                "Ryan",  "Kate",      "Aaron",  "Julia",  "Colin", "Erin",  "Trevor", "Dana" },
              { "Tremblay", "Singh",    "Campbell", "MacDonald", "Roy",    "Stewart",
                "Wong",     "Morrison", "Kim",      "Fraser",    "Murphy", "Gagnon",
                "Reid",     "Ross",     "Bouchard", "Chan",      "Grant",  "Bell",
                "Sharma",   "Kelly",    "Hughes",   "Gill",      "Wright", "Fortin" } },
            { "MX",
              USD,
              6,
              { "Diego", "Valeria", "Jorge", "Camila", "Luis",   "Ximena", "Pablo",  "Renata",
                "Raul",  "Daniela", "Mario", "Elena",  "Oscar",  "Lucia",  "Hector", "Paula",
                "Ivan",  "Irene",   "Hugo",  "Carmen", "Javier", "Rosa",   "Emilio", "Teresa" },
              { "Hernandez", "Lopez",  "Gonzalez", "Perez",  "Sanchez",  "Ramirez",
                "Torres",    "Flores", "Gomez",    "Diaz",   "Reyes",    "Morales",
                "Cruz",      "Ortiz",  "Castillo", "Moreno", "Romero",   "Alvarez",
                "Mendoza",   "Ruiz",   "Vargas",   "Castro", "Guerrero", "Medina" } },
        };

static const struct {
    const char *name;
    const char *country;
    uint16_t    currency;
} companies[DEMO_COMPANIES] = {
    { "Hillside Homes LLC", "US", USD },       { "Blue Heron Logistics", "US", USD },
    { "Maple Street Bakery", "US", USD },      { "Corner Hardware", "US", USD },
    { "Riverside Dental Group", "US", USD },   { "Northgate Software Inc", "US", USD },
    { "Summit Outdoor Supply", "US", USD },    { "Harbor Seafood Market", "US", USD },
    { "Old Mill Brewing", "CA", USD },         { "Cedar Landscaping", "CA", USD },
    { "Rheinblick Apotheke GmbH", "DE", EUR }, { "Stadtwerk Elektro GmbH", "DE", EUR },
    { "Atelier Lumiere SARL", "FR", EUR },     { "Casa Verde Importaciones", "MX", USD },
};

static const struct region *pick_region(struct demo_random *random)
{
    int64_t at = demo_between(random, 1, 100);
    size_t  i = 0;

    while (i + 1 < ARRAY_COUNT(regions) && at > regions[i].share) {
        at -= regions[i].share;
        i++;
    }
    return &regions[i];
}

static struct demo_account *add_account(struct demo_world *world, int customer, enum demo_role role,
                                        uint16_t currency)
{
    struct demo_account *account = &world->accounts[world->account_count];

    CHECK(world->account_count < DEMO_ACCOUNTS_MAX);
    world->account_count++;
    memset(account, 0, sizeof *account);
    account->customer = customer;
    account->role = role;
    account->currency = currency;
    account->opened_day = world->customers[customer].since_day;
    account->partner = -1;
    return account;
}

static void add_person(struct demo_world *world, int customer, struct demo_random *random)
{
    const struct region  *region = pick_region(random);
    struct demo_customer *person = &world->customers[customer];
    struct demo_account  *account;
    size_t                first = (size_t)demo_between(random, 0, FIRST_NAMES - 1);
    size_t                last = (size_t)demo_between(random, 0, LAST_NAMES - 1);

    snprintf(person->name, sizeof person->name, "%s %s", region->first[first], region->last[last]);
    memcpy(person->country, region->country, 3);
    person->verified = demo_chance(random, 93);
    person->since_day = world->first_day - demo_between(random, 40, 9 * 365);
    if (demo_chance(random, 12)) /* came during these weeks */
        person->since_day = world->first_day + demo_between(random, 1, DEMO_DAYS - 35);
    account = add_account(world, customer, demo_chance(random, 8) ? DEMO_SHOP : DEMO_CURRENT,
                          region->currency);
    account->pay = demo_between(random, 240, 720) * 1000;
    account->opening = demo_between(random, 80, 900) * 1000 + demo_between(random, 0, 999);
    if (demo_chance(random, 18)) {
        account->partner = (int)world->account_count;
        account = add_account(world, customer, DEMO_SAVINGS, region->currency);
        account->opening = demo_between(random, 1000, 30000) * 100;
    }
}

static void add_company(struct demo_world *world, int index, struct demo_random *random)
{
    int                   customer = DEMO_PEOPLE + index;
    struct demo_customer *company = &world->customers[customer];
    struct demo_account  *account;

    slice_copy(slice_from(companies[index].name), company->name, sizeof company->name);
    memcpy(company->country, companies[index].country, 3);
    company->verified = true;
    company->since_day = world->first_day - demo_between(random, 400, 12 * 365);
    account = add_account(world, customer, DEMO_BUSINESS, companies[index].currency);
    account->opening = demo_between(random, 40, 260) * 100000;
    account->pay = demo_between(random, 30, 140) * 100000;
}

/* The last customers came this week, with money that they brought along. */
static void make_new(struct demo_world *world, struct demo_account *account, int index,
                     struct demo_random *random)
{
    struct demo_customer *person = &world->customers[account->customer];

    account->role = DEMO_NEW;
    account->currency = USD;
    account->opened_day = world->last_day - 1 - index % 5;
    account->opening = 2000000;
    person->since_day = account->opened_day;
    person->verified = demo_chance(random, 80);
}

void demo_people(struct demo_world *world)
{
    struct demo_random random = { .state = world->seed * 2 + 1 };
    int                made_new = 0;

    for (int i = 0; i < DEMO_COMPANIES; i++)
        add_company(world, i, &random);
    for (int i = 0; i < DEMO_PEOPLE; i++)
        add_person(world, i, &random);
    for (size_t i = world->account_count;
         i-- > 0 && made_new < DEMO_NEW_ACCOUNTS + DEMO_USED_NEW_ACCOUNTS;) {
        struct demo_account *account = &world->accounts[i];

        if (account->role == DEMO_CURRENT && account->partner < 0 && account->currency == USD)
            make_new(world, account, made_new++, &random);
    }
    for (size_t i = 60; i < world->account_count; i++)
        if (world->accounts[i].role == DEMO_CURRENT && world->accounts[i].partner < 0) {
            world->accounts[i].role = DEMO_LEAVING;
            break;
        }
}
