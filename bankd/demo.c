/* Fills the demo bank through the writer: users, customers, accounts, then the history in the
 * order of its time, then what the staff did about it. See demo.h.
 *
 * The history is posted as history, so nothing of it is held. What a held payment looks like is
 * shown by three transfers that are posted as of now from new accounts: one was released, one
 * rejected, one still waits. */
#include "bankd/demo_impl.h"

#include "bankd/auth.h"
#include "bankd/ops/case.h"
#include "bankd/record.h"
#include "common/check.h"
#include "common/money.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { COMMIT_AT = LIMIT_BATCH_MAX - 16, DECIDED_MAX = 256, CHECKPOINT_COMMITS = 16 };
#define WAITING_US (2 * US_PER_DAY)

struct filler {
    struct demo_world  *world;
    struct writer      *writer;
    struct demo_report *report;
    struct fault       *fault;
    struct actor        fraud; /* the analyst */
    struct actor        finance;
    struct actor        compliance;
    struct posted       posted;
    size_t              alert_count; /* raised so far, in the order of time */
    size_t              decided;     /* of them */
    struct {
        struct uuid id;
        int64_t     at_us;
    } alerts[DECIDED_MAX];
};

static struct uuid id_of(const struct filler *filler, const char *kind, uint64_t number,
                         int64_t at_us)
{
    char    text[64];
    uint8_t hash[16];
    int n = snprintf(text, sizeof text, "demo %s %" PRIu64 " %" PRIu64, kind, filler->world->seed,
                     number);

    crypto_generichash(hash, sizeof hash, (const uint8_t *)text, (size_t)n, NULL, 0);
    return uuid_v7_derived(at_us, hash);
}

static enum err commit(struct filler *filler)
{
    return writer_commit(filler->writer, filler->fault);
}

static enum err draft_new(struct filler *filler, struct draft **out)
{
    if (writer_planned(filler->writer) >= COMMIT_AT)
        TRY(commit(filler));
    *out = writer_draft(filler->writer);
    return *out != NULL ? ERR_none : ERR_busy;
}

/* --- users, customers, accounts -------------------------------------------------------------- */

static enum err add_user(struct filler *filler, const char *email, const char *name, enum role role,
                         const char *hash, struct actor *actor)
{
    struct draft *draft;
    struct act    act = { .actor_name = "operator",
                          .kind = AUDIT_ACTION,
                          .operation = "user.add",
                          .detail = slice_from(email) };
    struct user  *user;

    TRY(draft_new(filler, &draft));
    user = &draft->user;
    memset(user, 0, sizeof *user);
    user->created_at_us = filler->world->first_day * US_PER_DAY;
    user->user_id = id_of(filler, "user", (uint64_t)role, user->created_at_us);
    user->number = writer_next_user(filler->writer);
    user->role = role;
    slice_copy(slice_from(email), user->email, sizeof user->email);
    slice_copy(slice_from(name), user->name, sizeof user->name);
    slice_copy(slice_from(hash), user->password_hash, sizeof user->password_hash);
    draft->change.user = user;
    act.subject = &user->user_id;
    writer_audit(filler->writer, draft, &act);
    writer_add(filler->writer, draft);
    *actor = (struct actor){ .user = user->number, .user_id = user->user_id, .role = role };
    slice_copy(slice_from(email), actor->email, sizeof actor->email);
    return ERR_none;
}

static enum err add_users(struct filler *filler)
{
    static const char password[] = "test123";
    char              hash[LIMIT_HASH_TEXT_MAX + 1];

    TRY(auth_hash(password, sizeof password - 1, hash));
    TRY(add_user(filler, "fraud@test.com", "Frances Alder", ROLE_FRAUD_ANALYST, hash,
                 &filler->fraud));
    TRY(add_user(filler, "finance@test.com", "Martin Oak", ROLE_FINANCIAL_MANAGER, hash,
                 &filler->finance));
    return add_user(filler, "compliance@test.com", "Selma Birch", ROLE_COMPLIANCE_OFFICER, hash,
                    &filler->compliance);
}

static void fill_customer(const struct filler *filler, int index, struct customer *row)
{
    const struct demo_customer *customer = &filler->world->customers[index];
    size_t                      n = 0;

    memset(row, 0, sizeof *row);
    row->number = writer_next_customer(filler->writer);
    row->created_at_us = customer->since_day * US_PER_DAY;
    row->customer_id = id_of(filler, "customer", (uint64_t)index, row->created_at_us);
    row->verified = customer->verified;
    memcpy(row->country, customer->country, sizeof row->country);
    memcpy(row->name, customer->name, sizeof row->name);
    for (const char *at = customer->name; *at != '\0' && n + 24 < sizeof row->email; at++)
        row->email[n++] = (char)(*at == ' '                 ? '.'
                                 : *at >= 'A' && *at <= 'Z' ? *at - 'A' + 'a'
                                                            : *at);
    snprintf(row->email + n, sizeof row->email - n, "%d@example.com", index + 1);
}

static void fill_account(const struct filler *filler, int index, int64_t customer,
                         struct account *row)
{
    static const char *const kinds[] = {
        [DEMO_CURRENT] = "Current",   [DEMO_SAVINGS] = "Savings", [DEMO_SHOP] = "Business",
        [DEMO_BUSINESS] = "Business", [DEMO_NEW] = "Current",     [DEMO_LEAVING] = "Current"
    };
    struct demo_account *account = &filler->world->accounts[index];

    memset(row, 0, sizeof *row);
    row->book.number = writer_next_account(filler->writer);
    row->book.customer = customer;
    row->book.opened_by = filler->finance.user;
    row->book.kind = ACCOUNT_CUSTOMER;
    row->book.status = ACCOUNT_ACTIVE;
    row->book.currency = account->currency;
    row->book.created_at_us = account->opened_day * US_PER_DAY;
    row->book.version = 1;
    row->book.account_id = id_of(filler, "account", (uint64_t)index, row->book.created_at_us);
    snprintf(row->name, sizeof row->name, "%.80s, %s",
             filler->world->customers[account->customer].name, kinds[account->role]);
    account->number = row->book.number;
}

static enum err add_accounts(struct filler *filler)
{
    struct demo_world *world = filler->world;
    int64_t            numbers[DEMO_CUSTOMERS] = { 0 };

    for (size_t i = 0; i < world->account_count; i++) {
        int           customer = world->accounts[i].customer;
        struct draft *draft;
        struct act    act = { .actor = &filler->finance,
                              .kind = AUDIT_ACTION,
                              .operation = "account.create" };

        TRY(draft_new(filler, &draft));
        if (numbers[customer] == 0) {
            fill_customer(filler, customer, &draft->customer);
            numbers[customer] = draft->customer.number;
            draft->change.customer = &draft->customer;
            writer_rollup(draft, ROLLUP_ALL, 0, 0, METRIC_CUSTOMERS, 1, 0);
            if (draft->customer.verified)
                writer_rollup(draft, ROLLUP_ALL, 0, 0, METRIC_VERIFIED, 1, 0);
            filler->report->customers++;
        }
        fill_account(filler, (int)i, numbers[customer], &draft->account);
        draft->change.account = &draft->account;
        writer_rollup(draft, ROLLUP_ALL, 0, draft->account.book.currency,
                      METRIC_ACCOUNTS + ACCOUNT_ACTIVE, 1, 0);
        act.subject = &draft->account.book.account_id;
        act.detail = slice_from(draft->account.name);
        writer_audit(filler->writer, draft, &act);
        writer_add(filler->writer, draft);
        filler->report->accounts++;
    }
    return commit(filler);
}

/* --- history --------------------------------------------------------------------------------- */

static const char *party_key(const struct demo_party *party, char out[LIMIT_PARTY_KEY_MAX + 1])
{
    if (party->kind == NULL)
        out[0] = '\0';
    else if (party->number == 0)
        snprintf(out, LIMIT_PARTY_KEY_MAX + 1, "%s:%s", party->kind, party->name);
    else
        snprintf(out, LIMIT_PARTY_KEY_MAX + 1, "%s:%s%s%u", party->kind, party->name,
                 strcmp(party->kind, "bank") == 0 ? "/" : "-", (unsigned)party->number);
    return out;
}

/* An event whose account cannot afford it did not happen. */
static enum err post_event(struct filler *filler, const struct demo_event *event)
{
    const struct demo_account *account = &filler->world->accounts[event->account];
    const struct account_book *book;
    char                       key[LIMIT_PARTY_KEY_MAX + 1];
    struct fault               why = { 0 };
    struct post                post = { .type = event->type,
                                        .account = account->number,
                                        .incoming = event->incoming,
                                        .amount = event->amount,
                                        .currency = account->currency,
                                        .at_us = event->at_us,
                                        .party = slice_from(party_key(&event->party, key)),
                                        .description = slice_from(event->text),
                                        .history = true,
                                        .unjudged = event->unjudged };
    enum err                   err;

    if (event->amount < 0) {
        TRY(writer_book(filler->writer, account->number, &book, NULL));
        post.amount = book->balance / 10000 * -event->amount;
    }
    if (post.amount <= 0)
        return ERR_none;
    if (event->other >= 0) {
        post.other = filler->world->accounts[event->other].number;
    } else {
        TRY(writer_book_of_bank(filler->writer, event->contra, account->currency, &book,
                                filler->fault));
        post.other = book->number;
    }
    post.transaction_id = id_of(filler, "transaction", event->order, event->at_us);
    err = writer_post(filler->writer, &post, &filler->posted, &why);
    if (err == ERR_insufficient_funds)
        return ERR_none;
    if (err != ERR_none)
        return fault_set(filler->fault, err, why.field, "%s", why.text);
    filler->report->transactions++;
    if (!filler->posted.raised)
        return ERR_none;
    filler->report->alerts++;
    if (filler->alert_count < DECIDED_MAX) {
        filler->alerts[filler->alert_count].at_us = event->at_us;
        filler->alerts[filler->alert_count++].id = filler->posted.facts.alert_id;
    }
    return ERR_none;
}

/* Alerts do not wait longer than two days here: most were fraud, as planted. */
static enum err decide_alerts(struct filler *filler, int64_t now_us)
{
    struct alert      row;
    struct alert_hits hits;

    while (filler->decided < filler->alert_count &&
           filler->alerts[filler->decided].at_us < now_us - WAITING_US) {
        bool                fraud = filler->decided % 4 != 3;
        struct alert_ruling decision = {
            .alert_id = filler->alerts[filler->decided].id,
            .finding = fraud ? DECISION_CONFIRMED_FRAUD : DECISION_FALSE_POSITIVE,
            .actor = &filler->fraud,
            .operation = "alert.decide",
            .note = slice_from(fraud ? "The holder did not order this"
                                     : "The holder confirmed it by telephone"),
        };

        TRY(commit(filler));
        TRY(writer_alert_decide(filler->writer, &decision, &row, &hits, filler->fault));
        TRY(commit(filler));
        filler->decided++;
    }
    return ERR_none;
}

static enum err post_history(struct filler *filler)
{
    const struct demo_world *world = filler->world;
    struct store            *store = writer_store(filler->writer);
    int64_t                  checkpointed = 0;

    for (size_t i = 0; i < world->event_count; i++) {
        if (world->events[i].at_us >= world->end_us)
            break;
        if (writer_planned(filler->writer) >= COMMIT_AT)
            TRY(commit(filler));
        TRY(decide_alerts(filler, world->events[i].at_us));
        TRY(post_event(filler, &world->events[i]));
        if (writer_commits(filler->writer) - checkpointed >= CHECKPOINT_COMMITS) {
            TRY(commit(filler)); /* what a plan has looked at keeps the log as it is */
            checkpointed = writer_commits(filler->writer);
            TRY(store->ops->checkpoint(store));
        }
    }
    return commit(filler);
}

/* --- what the staff did ---------------------------------------------------------------------- */

/* The n-th new account. */
static const struct demo_account *new_account(const struct demo_world *world, int n)
{
    for (size_t i = world->account_count; i-- > 0;)
        if (world->accounts[i].role == DEMO_NEW && n-- == 0)
            return &world->accounts[i];
    CHECK(false);
}

static enum err post_held(struct filler *filler, int n)
{
    const struct demo_account *from = new_account(filler->world, DEMO_NEW_ACCOUNTS + n);
    const struct demo_account *to = &filler->world->accounts[0];
    struct post                post = { .type = TYPE_TRANSFER,
                                        .account = from->number,
                                        .amount = 640000 + 210000 * n,
                                        .currency = from->currency,
                                        .at_us = filler->world->end_us,
                                        .description = slice_from("Purchase of a car") };
    struct decision            decision = { .actor = &filler->fraud };
    struct transaction         row;

    for (size_t i = 0; to->currency != from->currency || to->role != DEMO_CURRENT; i++)
        to = &filler->world->accounts[i];
    post.other = to->number;
    post.transaction_id = id_of(filler, "held", (uint64_t)n, post.at_us);
    TRY(writer_post(filler->writer, &post, &filler->posted, filler->fault));
    filler->report->transactions++;
    filler->report->alerts += filler->posted.raised ? 1 : 0;
    bool held = filler->posted.row->status == STATUS_HELD;
    TRY(commit(filler));
    if (!held || n == 2)
        return ERR_none;
    decision.transaction_id = post.transaction_id;
    decision.status = n == 0 ? STATUS_COMPLETED : STATUS_REJECTED;
    decision.finding = n == 0 ? DECISION_FALSE_POSITIVE : DECISION_CONFIRMED_FRAUD;
    decision.operation = n == 0 ? "transaction.release" : "transaction.reject";
    decision.reason = slice_from(n == 0 ? "The contract of sale was shown"
                                        : "The holder was talked into it by a stranger");
    TRY(writer_decide(filler->writer, &decision, &row, filler->fault));
    return commit(filler);
}

static enum err change_terms(struct filler *filler, const struct demo_account *account,
                             int32_t status, const char *operation, const char *reason)
{
    const struct account_book *book;
    struct account_book        before;
    struct account_book        after;
    struct draft              *draft;
    struct act act = { .actor = status == ACCOUNT_FROZEN ? &filler->fraud : &filler->finance,
                       .kind = AUDIT_ACTION,
                       .operation = operation,
                       .detail = slice_from(reason) };

    TRY(draft_new(filler, &draft));
    TRY(writer_book(filler->writer, account->number, &book, NULL));
    before = *book;
    after = before;
    after.version++;
    after.status = status;
    after.freeze_direction = status == ACCOUNT_FROZEN ? FREEZE_BOTH : 0;
    writer_change_book(draft, &before, &after, true);
    if (status == ACCOUNT_FROZEN) {
        slice_copy(slice_from(reason), draft->change.accounts[0].freeze_reason,
                   sizeof draft->change.accounts[0].freeze_reason);
        slice_copy(slice_from("Fraud department"), draft->change.accounts[0].freeze_authority,
                   sizeof draft->change.accounts[0].freeze_authority);
    }
    act.subject = &after.account_id;
    writer_audit(filler->writer, draft, &act);
    writer_add(filler->writer, draft);
    return commit(filler);
}

static enum err close_left(struct filler *filler)
{
    const struct demo_world   *world = filler->world;
    const struct account_book *book;

    for (size_t i = 0; i < world->account_count; i++) {
        if (world->accounts[i].role != DEMO_LEAVING)
            continue;
        TRY(writer_book(filler->writer, world->accounts[i].number, &book, NULL));
        if (book->balance != 0) {
            struct demo_event rest = { .at_us = world->end_us,
                                       .order = DEMO_EVENTS_MAX,
                                       .account = (int16_t)i,
                                       .other = -1,
                                       .type = TYPE_WITHDRAWAL,
                                       .contra = ACCOUNT_CASH,
                                       .amount = book->balance,
                                       .text = "Account ended" };

            TRY(post_event(filler, &rest));
            TRY(commit(filler));
        }
        TRY(change_terms(filler, &world->accounts[i], ACCOUNT_CLOSED, "account.close",
                         "The holder moved away"));
    }
    return ERR_none;
}

/* A case about a frozen account, with the officer's first note. */
static enum err open_case(struct filler *filler, int n)
{
    const struct demo_account *account = &filler->world->accounts[filler->world->mules[n]];
    int64_t                    at_us = filler->world->end_us - (n + 1) * WAITING_US;
    struct msg_case_record     body = { .has = 0 };
    struct msg_case_item       item = { .has = 0 };
    struct act                 act = { .actor = &filler->compliance,
                                       .kind = AUDIT_ACTION,
                                       .operation = "case.open",
                                       .detail = slice_from("Money of several victims") };
    struct draft              *draft;
    struct record             *row;

    TRY(draft_new(filler, &draft));
    row = writer_record(filler->writer, draft, NULL);
    if (row == NULL)
        return ERR_busy;
    case_new(row, &body, CASE_SUSPICIOUS, act.detail, account->number, at_us,
             filler->compliance.user);
    row->id = id_of(filler, "case", (uint64_t)n, at_us);
    body.items = 1;
    TRY(record_write(row, &message_case_record, &body));
    act.subject = &row->id;
    MSG_SET(&item, case_item, item_id, row->id);
    MSG_SET(&item, case_item, at, at_us);
    MSG_SET(&item, case_item, by, slice_from(filler->compliance.email));
    MSG_SET(&item, case_item, note, slice_from("Frozen by the fraud department; ask the holder"));
    row = writer_record(filler->writer, draft, NULL);
    if (row == NULL)
        return ERR_busy;
    TRY(case_item_new(row, &item, draft->change.records[0]->number, filler->compliance.user));
    writer_audit(filler->writer, draft, &act);
    writer_add(filler->writer, draft);
    return commit(filler);
}

static void no_event(void *context, enum event_index event, struct slice bytes)
{
    (void)context;
    (void)event;
    (void)bytes;
}

static enum err staff_works(struct filler *filler)
{
    struct demo_world *world = filler->world;

    TRY(decide_alerts(filler, filler->world->end_us));
    for (int n = 0; n < DEMO_USED_NEW_ACCOUNTS; n++)
        TRY(post_held(filler, n));
    for (size_t i = 0; i < ARRAY_COUNT(world->mules); i++)
        TRY(change_terms(filler, &world->accounts[world->mules[i]], ACCOUNT_FROZEN,
                         "account.freeze", "Money of several victims passed through"));
    for (size_t i = 0; i < ARRAY_COUNT(world->mules); i++)
        TRY(open_case(filler, (int)i));
    TRY(close_left(filler));
    writer_events(filler->writer, no_event, NULL); /* nobody listens yet */
    return ERR_none;
}

static enum err tell_fresh(struct filler *filler)
{
    for (int n = 0; n < DEMO_NEW_ACCOUNTS; n++) {
        const struct demo_account *account = new_account(filler->world, n);
        const struct account_book *book;

        TRY(writer_book(filler->writer, account->number, &book, NULL));
        filler->report->fresh[n].account_id = book->account_id;
        filler->report->fresh[n].currency = book->currency;
        filler->report->fresh[n].balance = book->balance;
        memcpy(filler->report->fresh[n].name, filler->world->customers[account->customer].name,
               LIMIT_NAME_MAX + 1);
    }
    return ERR_none;
}

enum err demo_fill(struct home *home, struct writer *writer, uint64_t seed, int64_t end_us,
                   struct demo_report *report, struct fault *fault)
{
    struct demo_world *world = calloc(1, sizeof *world);
    struct filler     *filler = calloc(1, sizeof *filler);
    enum err           err = ERR_memory;

    (void)home;
    memset(report, 0, sizeof *report);
    if (world == NULL || filler == NULL)
        goto out;
    world->seed = seed;
    world->end_us = end_us;
    world->last_day = time_day(end_us);
    world->first_day = world->last_day - DEMO_DAYS + 1;
    filler->world = world;
    filler->writer = writer;
    filler->report = report;
    filler->fault = fault;
    demo_people(world);
    demo_history(world);
    err = add_users(filler);
    if (err == ERR_none)
        err = add_accounts(filler);
    if (err == ERR_none)
        err = post_history(filler);
    if (err == ERR_none)
        err = staff_works(filler);
    if (err == ERR_none)
        err = tell_fresh(filler);
out:
    free(world);
    free(filler);
    return err;
}

void demo_print(const struct demo_report *report, FILE *out)
{
    char id[UUID_TEXT_MAX];
    char sum[MONEY_TEXT_MAX];

    fprintf(out,
            "Demo bank: %" PRId64 " customers, %" PRId64 " accounts, %" PRId64
            " transactions, %" PRId64 " alerts.\n",
            report->customers, report->accounts, report->transactions, report->alerts);
    fprintf(out, "Users: fraud@test.com, finance@test.com, compliance@test.com; password: "
                 "test123\n");
    fprintf(out, "Accounts opened this week, from which a large transfer is held:\n");
    for (size_t i = 0; i < DEMO_NEW_ACCOUNTS; i++) {
        const struct currency *currency = currency_by_number(report->fresh[i].currency);

        fprintf(
            out, "  %s  %10s %s  %s\n", uuid_text(&report->fresh[i].account_id, id),
            money_text(report->fresh[i].balance, currency != NULL ? currency->exponent : 2, sum),
            currency != NULL ? currency->code : "?", report->fresh[i].name);
    }
}
