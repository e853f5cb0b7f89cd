/* The command `bankd features`: what the fraud engine knows of one account now, beside what is
 * normal for it, as a table for people or as JSON for programs. The same figures as the operation
 * risk.account, from the store, whether the bank is served or not. */
#include "bankd/command.h"
#include "bankd/home.h"
#include "bankd/learn/candidate.h"
#include "bankd/profile.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/money.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct wanted {
    const char *account, *format;
};

struct found {
    struct account       account;
    struct fraud_feature features[FRAUD_FEATURES_MAX];
    size_t               count;
};

/* The store has the name of the source and a colon before the id of a file. */
struct search {
    const char    *name;
    struct account found;
    size_t         count;
};

static bool note_match(void *context, const void *row)
{
    struct search        *search = context;
    const struct account *account = row;
    const char           *in_file = strchr(account->external_id, ':');

    if (in_file == NULL || strcmp(in_file + 1, search->name) != 0)
        return true;
    if (search->count++ == 0)
        search->found = *account;
    return true;
}

static enum err find_in_file(struct store *store, const char *text, struct account *out,
                             struct fault *fault)
{
    struct search         search = { .name = text };
    struct account_filter filter = { .search = slice_from(text) };

    if (text[0] != '\0')
        TRY(store->ops->accounts(store, &filter, note_match, &search));
    if (search.count == 0)
        return fault_set(fault, ERR_account_unknown, NULL, "No account has the id %.80s", text);
    if (search.count > 1)
        return fault_set(fault, ERR_state_conflict, NULL,
                         "%zu accounts have the external id %.80s; name one by its own id",
                         search.count, text);
    *out = search.found;
    return ERR_none;
}

static enum err find_account(struct store *store, const char *text, struct account *out,
                             struct fault *fault)
{
    struct account_book book;
    struct uuid         id;
    enum err            err = ERR_not_found;

    if (uuid_parse(text, strlen(text), &id) == ERR_none) {
        err = store->ops->book_by_id(store, &id, &book);
        if (err == ERR_none)
            err = store->ops->account_by_number(store, book.number, out);
    }
    if (err == ERR_not_found)
        err = store->ops->account_by_external(store, slice_from(text), out);
    if (err == ERR_not_found)
        err = find_in_file(store, text, out, fault);
    TRY(err);
    if (out->book.kind != ACCOUNT_CUSTOMER)
        return fault_set(fault, ERR_account_system, NULL, "%s", "");
    return ERR_none;
}

static enum err find(struct store *store, const char *text, struct found *out, struct fault *fault)
{
    struct clock        *clock = clock_system();
    int64_t              now_us = clock->now_us(clock);
    struct fraud_profile profile;
    int64_t              last_sequence = 0;
    int64_t              last_us;

    TRY(find_account(store, text, &out->account, fault));
    last_us = out->account.book.last_at_us;
    TRY(profile_current(store, entity_of_account(out->account.book.number), &profile,
                        &last_sequence));
    out->count = fraud_features(&profile, now_us > last_us ? now_us : last_us, out->features);
    return ERR_none;
}

static const char *value_text(const struct found *found, const struct fraud_feature *feature,
                              int64_t value, char out[MONEY_TEXT_MAX])
{
    const struct currency *currency = currency_by_number(found->account.book.currency);
    bool                   is_money = strcmp(feature->unit, "minor units") == 0;

    return money_text_grouped(value, is_money && currency != NULL ? currency->exponent : 0, out);
}

/* A value that is written as money is no longer in minor units. */
static const char *unit_text(const struct found *found, const struct fraud_feature *feature)
{
    const struct currency *currency = currency_by_number(found->account.book.currency);

    return strcmp(feature->unit, "minor units") == 0 && currency != NULL ? currency->code
                                                                         : feature->unit;
}

static void print_table(const struct found *found)
{
    const struct currency *currency = currency_by_number(found->account.book.currency);
    char                   id[UUID_TEXT_MAX];
    char                   text[MONEY_TEXT_MAX];

    printf("account %s %s, currency %s\n", uuid_text(&found->account.book.account_id, id),
           found->account.name, currency != NULL ? currency->code : "???");
    printf("%-24s %16s  %16s   %16s  %-13s %s\n", "feature", "now", "normal from", "to", "unit",
           "meaning");
    for (size_t i = 0; i < found->count; i++) {
        const struct fraud_feature *feature = &found->features[i];
        bool                        has = feature->has_normal;
        bool                        outside =
            has && (feature->value < feature->normal_low || feature->value > feature->normal_high);

        printf("%-24s %16s", feature->name, value_text(found, feature, feature->value, text));
        printf("%s %16s", outside ? "!" : " ",
               has ? value_text(found, feature, feature->normal_low, text) : "");
        printf("   %16s", has ? value_text(found, feature, feature->normal_high, text) : "");
        printf("  %-13s %s\n", unit_text(found, feature), feature->help);
    }
}

/* Names, units and meanings are our own and need no escaping. */
static void print_json(const struct found *found)
{
    const struct currency *currency = currency_by_number(found->account.book.currency);
    char                   id[UUID_TEXT_MAX];

    printf("{\"account_id\":\"%s\",\"currency\":\"%s\",\"features\":[",
           uuid_text(&found->account.book.account_id, id),
           currency != NULL ? currency->code : "???");
    for (size_t i = 0; i < found->count; i++) {
        const struct fraud_feature *feature = &found->features[i];

        printf("%s{\"name\":\"%s\",\"value\":%" PRId64 ",\"unit\":\"%s\"", i > 0 ? "," : "",
               feature->name, feature->value, feature->unit);
        if (feature->has_normal)
            printf(",\"normal_low\":%" PRId64 ",\"normal_high\":%" PRId64, feature->normal_low,
                   feature->normal_high);
        printf(",\"help\":\"%s\"}", feature->help);
    }
    printf("]}\n");
}

static enum err run(struct conf *conf, const struct wanted *wanted, struct fault *fault)
{
    static struct found found;
    struct home         home;
    enum err            err;

    TRY(home_open(conf, STORE_READ, false, &home, fault));
    err = find(home.store, wanted->account, &found, fault);
    home_close(&home);
    TRY(err);
    if (wanted->format != NULL && strcmp(wanted->format, "json") == 0)
        print_json(&found);
    else
        print_table(&found);
    return ERR_none;
}

int command_features(struct conf *conf, int argc, char **argv)
{
    struct wanted                 wanted = { .account = NULL };
    const struct candidate_option options[] = { { "--account", &wanted.account, NULL },
                                                { "--format", &wanted.format, NULL } };
    struct fault                  fault = { 0 };
    enum err err = candidate_arguments(argc, argv, options, ARRAY_COUNT(options), &fault);

    if (err == ERR_none && wanted.account == NULL)
        err = fault_set(&fault, ERR_usage, NULL, "--account names the account");
    if (err == ERR_none && wanted.format != NULL && strcmp(wanted.format, "table") != 0 &&
        strcmp(wanted.format, "json") != 0)
        err = fault_set(&fault, ERR_usage, NULL, "The format is table or json");
    if (err == ERR_none)
        err = run(conf, &wanted, &fault);
    return command_end("features", err, &fault);
}
