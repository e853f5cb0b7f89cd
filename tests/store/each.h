/* One test, run on a fresh bank of each store; and what such tests share. The file that includes
 * this has included cmocka.h and what it needs. */
#ifndef TESTS_STORE_EACH_H
#define TESTS_STORE_EACH_H

#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "tests/lib/world.h"

static const struct store_ops *const each_store[] = { &store_sqlite, &store_memory };

static inline void on_each(const char *name, void (*test)(struct world *world))
{
    for (size_t i = 0; i < ARRAY_COUNT(each_store); i++) {
        struct world world;

        printf("%s on %s\n", name, each_store[i]->name);
        world_open(&world, each_store[i], name);
        test(&world);
        world_close(&world);
    }
}

#define ON_EACH(test)                                                                              \
    static void test_##test(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        on_each(#test, test);                                                                      \
    }

#define CALL(world, call, ...) ((world)->ops->call((world)->store, __VA_ARGS__))

static inline bool count_rows(void *context, const void *row)
{
    (void)row;
    ++*(size_t *)context;
    return true;
}

/* Fills a text up to its limit. */
#define TEXT_FILL(field, letter)                                                                   \
    do {                                                                                           \
        memset(field, letter, sizeof(field) - 1);                                                  \
        (field)[sizeof(field) - 1] = '\0';                                                         \
    } while (0)

/* People and an account whose every text is as long as it may be. */
static inline void make_user(struct world *world, struct user *user)
{
    memset(user, 0, sizeof *user);
    user->number = 1;
    user->user_id = world_id(world);
    TEXT_FILL(user->email, 'e');
    TEXT_FILL(user->name, 'n');
    TEXT_FILL(user->password_hash, 'p');
    user->role = (enum role)2;
    user->disabled = true;
    user->created_at_us = -5;
}

static inline void make_customer(struct world *world, struct customer *customer)
{
    memset(customer, 0, sizeof *customer);
    customer->number = 1;
    customer->customer_id = world_id(world);
    TEXT_FILL(customer->external_id, 'x');
    TEXT_FILL(customer->name, 'N');
    TEXT_FILL(customer->email, 'm');
    memcpy(customer->country, "CZ", 3);
    customer->verified = true;
    customer->created_at_us = INT64_MAX;
}

static inline void make_account(struct world *world, struct account *account)
{
    memset(account, 0, sizeof *account);
    account->book = (struct account_book){ .number = 1,
                                           .account_id = world_id(world),
                                           .customer = 1,
                                           .opened_by = 1,
                                           .kind = ACCOUNT_CUSTOMER,
                                           .status = ACCOUNT_FROZEN,
                                           .freeze_direction = FREEZE_BOTH,
                                           .currency = 203,
                                           .freeze_until_us = 11,
                                           .overdraft_limit = 12,
                                           .created_at_us = 13,
                                           .balance = INT64_MIN,
                                           .held = INT64_MAX,
                                           .version = 14 };
    TEXT_FILL(account->external_id, 'a');
    TEXT_FILL(account->name, 'b');
    TEXT_FILL(account->freeze_reason, 'c');
    TEXT_FILL(account->freeze_authority, 'd');
}

#endif
