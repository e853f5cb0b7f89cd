/* The command `bankd explain`: why a payment was decided as it was, made twice again.
 *
 * First the verdict from the bytes that are stored with the decision and the rule set that judged;
 * a difference there is a broken bank. Then the bytes themselves, from the chains of both sides up
 * to the payment, with the controls of then and with each finding that was replaced later as it
 * stood then; a difference there comes from findings that came later and say that they were known
 * before, or from an engine that counts otherwise, and is told feature by feature. */
#include "bankd/command.h"
#include "bankd/home.h"
#include "bankd/learn/candidate.h"
#include "bankd/profile.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/money.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MATCHES_TOLD = 8, NAME_WIDTH = 13 };

struct explanation {
    struct home               home;
    struct transaction        row;
    struct rule_set           set;
    const struct fraud_rules *rules;
    struct account_book       debit, credit;
    struct fraud_controls     controls;
    struct fraud_profile      subject, counterparty;
    struct fraud_verdict      stored; /* from the decision's bytes */
    struct fraud_verdict      made;   /* from the ledger */
    struct fraud_feature      then[FRAUD_FEATURES_MAX];
    struct fraud_feature      now[FRAUD_FEATURES_MAX];
    struct fraud_reason       rest[FRAUD_REST_MAX];
};

static void line(const char *name, const char *value)
{
    printf("%-*s %s\n", (int)NAME_WIDTH, name, value);
}

/* --- which transaction ------------------------------------------------------------------------ */

struct search {
    const char        *external_id;
    struct transaction found;
    size_t             count;
};

/* The store has the name of the source and a colon before the id of a file. */
static bool is_named(const struct transaction *row, const char *name)
{
    const char *in_file = strchr(row->external_id, ':');

    return strcmp(row->external_id, name) == 0 ||
           (in_file != NULL && strcmp(in_file + 1, name) == 0);
}

static bool note_match(void *context, const void *visited)
{
    struct search            *search = context;
    const struct transaction *row = visited;
    char                      id[UUID_TEXT_MAX];

    if (!is_named(row, search->external_id))
        return true;
    if (search->count++ == 0)
        search->found = *row;
    else if (search->count <= MATCHES_TOLD)
        fprintf(stderr, "also %s: %s\n", row->external_id, uuid_text(&row->transaction_id, id));
    return true;
}

static enum err find_external(struct explanation *explanation, const char *name,
                              struct fault *fault)
{
    struct store             *store = explanation->home.store;
    struct search             search = { .external_id = name };
    struct transaction_filter filter = { .search = slice_from(name),
                                         .cancel = candidate_stoppable() };
    int64_t                   stopped_at;

    if (name[0] == '\0')
        return fault_set(fault, ERR_usage, NULL, "The name of a transaction is empty");
    TRY(store->ops->transactions(store, &filter, note_match, &search, &stopped_at));
    if (search.count == 0)
        return fault_set(fault, ERR_not_found, NULL, "No transaction has the id %.100s", name);
    if (search.count > 1)
        return fault_set(fault, ERR_state_conflict, NULL,
                         "%zu transactions have the external id %.100s; name one by its own id",
                         search.count, name);
    explanation->row = search.found;
    return ERR_none;
}

static enum err find_transaction(struct explanation *explanation, const char *name,
                                 struct fault *fault)
{
    struct store *store = explanation->home.store;
    struct uuid   id;
    enum err      err = ERR_not_found;

    if (uuid_parse(name, strlen(name), &id) == ERR_none)
        err = store->ops->transaction_by_id(store, &id, &explanation->row);
    return err == ERR_not_found ? find_external(explanation, name, fault) : err;
}

/* --- made again ------------------------------------------------------------------------------- */

static enum err must_be_there(enum err err)
{
    return err == ERR_not_found ? ERR_books_broken : err;
}

static enum err read_rules(struct explanation *explanation)
{
    struct home *home = &explanation->home;
    int64_t      number = explanation->row.rule_set;

    TRY(must_be_there(
        home->store->ops->rule_set_get(home->store, number, &explanation->set, NULL, NULL)));
    return must_be_there(bank_rules(&home->bank, home->store, number, &explanation->rules));
}

static enum err recompute(struct explanation *explanation, struct fault *fault)
{
    const struct transaction *row = &explanation->row;

    if (!fraud_explain(explanation->rules, row->decision, row->decision_size,
                       &explanation->stored) ||
        !fraud_recall_controls(explanation->rules, row->decision, row->decision_size,
                               &explanation->controls))
        return fault_set(fault, ERR_books_broken, NULL,
                         "The decision does not belong to the rules that are said to have made it");
    if (explanation->stored.verdict != row->verdict || explanation->stored.score != row->score)
        return fault_set(fault, ERR_books_broken, NULL,
                         "The stored verdict is %s with %d points, recomputed it is %s with %d",
                         enum_text(&enum_verdict, row->verdict), row->score,
                         enum_text(&enum_verdict, explanation->stored.verdict),
                         explanation->stored.score);
    return ERR_none;
}

static enum err make_anew(struct explanation *explanation)
{
    struct store               *store = explanation->home.store;
    const struct transaction   *row = &explanation->row;
    struct profile_bounds       bounds = { .rows_max = INT64_MAX, .cancel = candidate_stoppable() };
    struct fraud_event          event;
    const struct fraud_profile *counterparty = NULL;

    TRY(must_be_there(store->ops->book_by_number(store, row->debit, &explanation->debit)));
    TRY(must_be_there(store->ops->book_by_number(store, row->credit, &explanation->credit)));
    profile_event(row, &explanation->debit, &explanation->credit, &event);
    event.status = 0;
    event.controls = &explanation->controls;
    TRY(profile_before(store, row, profile_subject(row), &bounds, &explanation->subject));
    if (event.counterparty != 0) {
        TRY(profile_before(store, row, event.counterparty, &bounds, &explanation->counterparty));
        counterparty = &explanation->counterparty;
    }
    fraud_judge(explanation->rules, &explanation->subject, counterparty, &event, false,
                &explanation->made);
    return ERR_none;
}

/* --- told ------------------------------------------------------------------------------------- */

static enum err tell_rules(struct explanation *explanation)
{
    const struct rule_set *set = &explanation->set;
    struct user            approver = { .email = "operator" };
    struct store          *store = explanation->home.store;
    char                   hex[2 * CHAIN_HASH_BYTES + 1];
    char                   time[TIME_TEXT_MAX];

    if (set->approver != 0)
        TRY(must_be_there(store->ops->user_by_number(store, set->approver, &approver)));
    sodium_bin2hex(hex, sizeof hex, set->hash, sizeof set->hash);
    printf("%-*s %" PRId64 "%s, approved by %s %s\n", (int)NAME_WIDTH, "rule set", set->number,
           set->has_card ? " with a scorecard" : "", approver.email,
           time_text(set->approved_at_us, time));
    line("hash", hex);
    return ERR_none;
}

static void tell_payment(const struct transaction *row)
{
    const struct currency *currency = currency_by_number(row->currency);
    char                   text[UUID_TEXT_MAX + TIME_TEXT_MAX + MONEY_TEXT_MAX];
    char                   money[MONEY_TEXT_MAX];

    line("transaction", uuid_text(&row->transaction_id, text));
    if (row->external_id[0] != '\0')
        line("external id", row->external_id);
    line("time", time_text(row->at_us, text));
    printf("%-*s %s of %s %s\n", (int)NAME_WIDTH, "payment",
           enum_text(&enum_transaction_type, row->type),
           money_text_grouped(row->amount, currency != NULL ? currency->exponent : 0, money),
           currency != NULL ? currency->code : "???");
}

static void tell_reason(const struct explanation *explanation, const struct fraud_reason *reason)
{
    printf("%+*d  %s: %s\n", (int)NAME_WIDTH, reason->points,
           fraud_rules_name(explanation->rules, reason->rule), reason->text);
}

/* One by one what the verdict has no room for, so that the sum can be followed. */
static void tell_rest(struct explanation *explanation)
{
    const struct fraud_verdict *verdict = &explanation->stored;
    const struct transaction   *row = &explanation->row;
    size_t count = fraud_explain_rest(explanation->rules, row->decision, row->decision_size,
                                      explanation->rest);

    for (size_t i = 0; i < count; i++)
        tell_reason(explanation, &explanation->rest[i]);
    if (verdict->sum != verdict->score)
        printf("%+*d  clamp: the sum of %d is kept within 0 and 1000\n", (int)NAME_WIDTH,
               verdict->score - verdict->sum, verdict->sum);
}

static void tell_reasons(struct explanation *explanation)
{
    const struct fraud_verdict *verdict = &explanation->stored;

    printf("%-*s %s, score %d, identical when recomputed from the decision\n", (int)NAME_WIDTH,
           "verdict", enum_text(&enum_verdict, verdict->verdict), verdict->score);
    for (size_t i = 0; i < verdict->reason_count; i++)
        if (verdict->reasons[i].rule != FRAUD_RULE_REST)
            tell_reason(explanation, &verdict->reasons[i]);
        else
            tell_rest(explanation);
}

static enum err tell_features(struct explanation *explanation, struct fault *fault)
{
    const struct transaction *row = &explanation->row;
    size_t                    differ = 0;
    size_t count = fraud_recall_features(explanation->rules, row->decision, row->decision_size,
                                         explanation->then);

    CHECK(fraud_recall_features(explanation->rules, explanation->made.decision,
                                explanation->made.decision_size, explanation->now) == count);
    for (size_t i = 0; i < count; i++)
        differ += explanation->then[i].value != explanation->now[i].value;
    printf("%-*s %zu of %zu are identical when made anew from the ledger\n", (int)NAME_WIDTH,
           "features", count - differ, count);
    for (size_t i = 0; i < count; i++)
        if (explanation->then[i].value != explanation->now[i].value)
            printf("%-*s %s was %" PRId64 ", now %" PRId64 " (%s)\n", (int)NAME_WIDTH, "",
                   explanation->then[i].name, explanation->then[i].value, explanation->now[i].value,
                   explanation->then[i].unit);
    if (differ == 0)
        return ERR_none;
    printf("%-*s what judged was as told above, and the verdict follows from it; made anew, it "
           "would be %s, %d points\n",
           (int)NAME_WIDTH, "", enum_text(&enum_verdict, explanation->made.verdict),
           explanation->made.score);
    return fault_set(fault, ERR_figures_differ, NULL,
                     "%zu features: findings came in since that were dated before the payment, or "
                     "this version counts otherwise",
                     differ);
}

/* --- the run ---------------------------------------------------------------------------------- */

static enum err explain(struct explanation *explanation, const char *name, struct fault *fault)
{
    TRY(find_transaction(explanation, name, fault));
    tell_payment(&explanation->row);
    if (explanation->row.rule_set == 0) {
        line("verdict", "none: an act of the bank itself, which is not judged");
        return ERR_none;
    }
    TRY(read_rules(explanation));
    TRY(tell_rules(explanation));
    TRY(recompute(explanation, fault));
    tell_reasons(explanation);
    TRY(make_anew(explanation));
    return tell_features(explanation, fault);
}

static enum err run(struct conf *conf, const char *name, struct fault *fault)
{
    struct explanation *explanation = calloc(1, sizeof *explanation);
    struct store       *store;
    enum err            err;

    if (explanation == NULL)
        return ERR_memory;
    err = home_open(conf, STORE_READ, false, &explanation->home, fault);
    if (err == ERR_none) {
        store = explanation->home.store;
        err = store->ops->snapshot_begin(store);
        if (err == ERR_none) {
            err = explain(explanation, name, fault);
            store->ops->snapshot_end(store);
        }
        if (explanation->rules != NULL)
            bank_rules_release(&explanation->home.bank, explanation->rules);
        home_close(&explanation->home);
    }
    free(explanation);
    return err;
}

int command_explain(struct conf *conf, int argc, char **argv)
{
    struct fault fault = { 0 };
    enum err     err;

    if (argc != 1)
        err = fault_set(&fault, ERR_usage, NULL,
                        "bankd explain takes the id of a transaction, or its id in an import");
    else
        err = run(conf, argv[0], &fault);
    fflush(stdout);
    return command_end("explain", err, &fault);
}
