/* See fault_bank.h. Errors that the bank may answer with are counted by value; everything else
 * that goes wrong ends the test with a CHECK, which tells file and line. */
#include "tests/lib/fault_bank.h"

#include "bankd/verify.h"
#include "common/check.h"
#include "tests/lib/bare_bank.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    OPENING = 10 * 1000 * 1000,
    GROUP_US = 7 * 1000 * 1000,
    TRIES_MAX = 6,
};

static struct fault_bank *now_bank; /* whose clock it is */

static int64_t clock_now(struct clock *clock)
{
    (void)clock;
    return now_bank->now_us;
}

/* --- the script ------------------------------------------------------------------------------ */

static int32_t status_of_post(const struct fault_act *act)
{
    if (act->from < 0 || act->amount < BARE_HOLD_AT)
        return STATUS_COMPLETED;
    return act->amount >= BARE_DECLINE_AT ? STATUS_DECLINED : STATUS_HELD;
}

static struct fault_act *add_act(struct fault_bank *bank)
{
    struct fault_act *act = &bank->acts[bank->act_count];

    CHECK(bank->act_count < FAULT_ACTS_MAX);
    *act = (struct fault_act){ .decides = -1, .group = bank->group_count };
    bank->act_count++;
    return act;
}

static void add_post(struct fault_bank *bank, struct random *random)
{
    struct fault_act *act = add_act(bank);
    uint64_t          size = random_below(random, 10);

    act->id = uuid_v7(bank->now_us);
    bank->post_count++;
    if (bank->post_count <= FAULT_ACCOUNTS) {
        act->from = -1;
        act->to = (int)bank->post_count - 1;
        act->amount = OPENING;
        return;
    }
    act->from = (int)random_below(random, FAULT_ACCOUNTS + 1) - 1;
    act->to = (int)random_below(random, FAULT_ACCOUNTS + 1) - 1;
    if (act->from == act->to)
        act->to = act->from < 0 ? 0 : -1;
    act->party = act->to < 0 && random_below(random, 2) == 0;
    act->amount = (int64_t)random_below(random, BARE_HOLD_AT - 1) + 1;
    if (size == 0)
        act->amount += BARE_DECLINE_AT;
    else if (size < 3)
        act->amount = BARE_HOLD_AT + (int64_t)random_below(random, BARE_DECLINE_AT - BARE_HOLD_AT);
}

/* Decisions are alone in their group, because what they meet must be durable. */
static void add_decisions(struct fault_bank *bank, size_t from, size_t to, struct random *random)
{
    for (size_t i = from; i < to; i++) {
        struct fault_act *act;

        if (bank->acts[i].decides >= 0 || status_of_post(&bank->acts[i]) != STATUS_HELD ||
            random_below(random, 4) == 0)
            continue;
        act = add_act(bank);
        act->decides = (int)i;
        act->id = bank->acts[i].id;
        act->release = random_below(random, 2) == 0;
        bank->group_count++;
    }
}

static void write_script(struct fault_bank *bank, size_t posts, struct random *random)
{
    size_t undecided = 0;

    while (bank->post_count < posts) {
        size_t first = bank->act_count;
        size_t n =
            bank->act_count == 0 ? FAULT_ACCOUNTS : random_below(random, FAULT_GROUP_MAX) + 1;

        for (size_t i = 0; i < n && (i == 0 || bank->post_count < posts); i++)
            add_post(bank, random);
        bank->group_count++;
        add_decisions(bank, undecided, first, random);
        undecided = first;
    }
}

/* --- the bank before its first post ----------------------------------------------------------- */

static void make_base(struct fault_bank *bank)
{
    struct store_config config = { .path = bank->path, .cache_kib = 4096 };

    fault_disk_load(NULL);
    CHECK(store_sqlite.open(&config, STORE_CREATE, &bank->store, NULL) == ERR_none);
    bare_rules(bank->store, &bank->bank, &bank->clock);
    bank->store->ops->close(&bank->store);
    CHECK(fault_bank_open(bank) == ERR_none);
    for (int i = 0; i < FAULT_ACCOUNTS; i++)
        bank->accounts[i] = bare_account(bank->writer, i)->number;
    CHECK(writer_commit(bank->writer, NULL) == ERR_none);
    fault_bank_close(bank);
    bank->base = fault_disk_cut(FAULT_CUT_LOSE, 0);
}

struct fault_bank *fault_bank_make(size_t posts, const char *test)
{
    struct fault_bank   *bank = calloc(1, sizeof *bank);
    struct random        random = random_start(test);
    struct bank_settings settings = {
        .high_value_major = 60, .large_major = 80, .hold_hours = 24, .id_skew_hours = 24
    };

    CHECK(bank != NULL);
    bank->clock = (struct clock){ .now_us = clock_now, .monotonic_us = clock_now };
    bank->now_us = INT64_C(1700000000000000);
    now_bank = bank;
    snprintf(bank->folder, sizeof bank->folder, "/tmp/bank-fault-XXXXXX");
    CHECK(mkdtemp(bank->folder) != NULL);
    snprintf(bank->path, sizeof bank->path, "%s/bank.db", bank->folder);
    crypto_sign_keypair(bank->sign_public, bank->sign_secret);
    bank_init(&bank->bank, &settings);
    write_script(bank, posts, &random);
    make_base(bank);
    return bank;
}

void fault_bank_free(struct fault_bank **out)
{
    struct fault_bank *bank = *out;
    char               lock[96];

    fault_bank_close(bank);
    bank_free(&bank->bank);
    fault_disk_load(NULL);
    fault_disk_free(&bank->base);
    unlink(bank->path);
    snprintf(lock, sizeof lock, "%s.lock", bank->path);
    unlink(lock);
    snprintf(lock, sizeof lock, "%s.head", bank->path);
    unlink(lock);
    rmdir(bank->folder);
    free(bank);
    *out = NULL;
}

/* --- open and close -------------------------------------------------------------------------- */

/* An error that a client or an operator may see when the machine fails. */
static enum err expected(struct fault_bank *bank, enum err err)
{
    bool known = err == ERR_none || err == ERR_storage || err == ERR_storage_full ||
                 err == ERR_storage_corrupt || err == ERR_memory || err == ERR_outcome_unknown;

    if (!known)
        fprintf(stderr, "unexpected error: %s %s\n", err_name(err), bank->fault.text);
    CHECK(known);
    bank->errors[err]++;
    return err;
}

static enum err open_witness(struct fault_bank *bank, struct testimony *said)
{
    enum err err = witness_count(bank->store, said);

    return err != ERR_none
               ? err
               : witness_open(bank->path, bank->sign_secret, said, &bank->witness, &bank->fault);
}

enum err fault_bank_open(struct fault_bank *bank)
{
    struct store_config  config = { .path = bank->path, .cache_kib = 4096, .exclusive = true };
    enum witness_state   state;
    struct testimony     said;
    struct writer_config writing = { .bank = &bank->bank,
                                     .clock = &bank->clock,
                                     .rule_set = 1,
                                     .sign_secret = bank->sign_secret,
                                     .books_max = 8192,
                                     .profiles_max = 8192 };
    enum err err = witness_read(bank->path, bank->sign_public, &state, &said, &bank->fault);

    if (err == ERR_none && state == WITNESS_THERE)
        config.expect = &said.expect;
    if (err == ERR_none)
        err = store_sqlite.open(&config, STORE_WRITE, &bank->store, &bank->fault);
    if (err == ERR_none)
        err = open_witness(bank, &said);
    config.exclusive = false;
    if (err == ERR_none)
        err = store_sqlite.open(&config, STORE_READ, &bank->reader, &bank->fault);
    writing.store = bank->store;
    writing.witness = bank->witness;
    if (err == ERR_none)
        err = writer_open(&writing, &bank->writer, &bank->fault);
    if (err != ERR_none)
        fault_bank_close(bank);
    return expected(bank, err);
}

void fault_bank_close(struct fault_bank *bank)
{
    writer_close(&bank->writer);
    if (bank->witness != NULL && witness_save(bank->witness, bank->now_us, NULL) == ERR_none)
        bank->witnessed++;
    witness_close(&bank->witness);
    if (bank->reader != NULL)
        bank->reader->ops->close(&bank->reader);
    if (bank->store != NULL)
        bank->store->ops->close(&bank->store);
}

void fault_bank_reset(struct fault_bank *bank)
{
    fault_bank_close(bank);
    fault_disk_load(bank->base);
    memset(bank->known, 0, sizeof bank->known);
}

/* --- acts ------------------------------------------------------------------------------------ */

static enum err plan_post(struct fault_bank *bank, size_t i, bool *repeated)
{
    static const char          party[] = "merchant:1234";
    const struct fault_act    *act = &bank->acts[i];
    const struct account_book *bank_side = NULL;
    struct posted              posted = { 0 };
    struct post                post = { .transaction_id = act->id, .currency = BARE_USD };
    int32_t                    kind = act->party ? ACCOUNT_SETTLEMENT : ACCOUNT_CASH;

    if (act->from < 0 || act->to < 0)
        TRY(writer_book_of_bank(bank->writer, kind, BARE_USD, &bank_side, NULL));
    post.type = act->from < 0 ? TYPE_DEPOSIT : act->to >= 0 ? TYPE_TRANSFER : TYPE_WITHDRAWAL;
    if (act->party) {
        post.type = TYPE_PAYMENT;
        post.party = slice_from(party);
    }
    post.amount = act->amount;
    post.at_us = bank->now_us;
    post.incoming = act->from < 0;
    post.account = bank->accounts[act->from < 0 ? act->to : act->from];
    post.other = bank_side != NULL ? bank_side->number : bank->accounts[act->to];
    TRY(writer_post(bank->writer, &post, &posted, NULL));
    *repeated = posted.repeated;
    if (!posted.repeated)
        CHECK(posted.row->status == status_of_post(act));
    return ERR_none;
}

static enum err plan_decision(struct fault_bank *bank, size_t i, bool *repeated)
{
    const struct fault_act *act = &bank->acts[i];
    struct decision         decision = { .transaction_id = act->id,
                                         .operation = "test.decide",
                                         .status = STATUS_REJECTED,
                                         .finding = DECISION_CONFIRMED_FRAUD,
                                         .reason = slice_from("a reason") };
    struct transaction      row;
    enum err                err;

    if (act->release) {
        decision.status = STATUS_COMPLETED;
        decision.finding = DECISION_FALSE_POSITIVE;
    }
    err = writer_decide(bank->writer, &decision, &row, NULL);
    *repeated = err == ERR_state_conflict && row.status == decision.status;
    return *repeated ? ERR_none : err;
}

static void ignore_event(void *context, enum event_index event, struct slice bytes)
{
    (void)context;
    (void)event;
    (void)bytes;
}

static void note(enum err *first, enum err err)
{
    if (*first == ERR_none)
        *first = err;
}

static enum err commit_group(struct fault_bank *bank, const size_t *planned, size_t n)
{
    enum err err = expected(bank, writer_commit(bank->writer, &bank->fault));

    for (size_t i = 0; i < n; i++) {
        if (err == ERR_none)
            bank->known[planned[i]] = FAULT_DONE;
        else if (err_class(err) != ERR_CLASS_UNKNOWN)
            bank->known[planned[i]] = FAULT_NOT_DONE;
    }
    writer_events(bank->writer, ignore_event, NULL);
    return err;
}

static bool count_row(void *context, const void *row)
{
    (void)row;
    ++*(int64_t *)context;
    return true;
}

static enum err housekeeping(struct fault_bank *bank, int group)
{
    struct transaction_filter newest = { .scan_max = 20 };
    int64_t                   rows = 0;
    int64_t                   stopped_at;
    enum err                  first = ERR_none;

    if (group % 5 == 2)
        note(&first, writer_idle(bank->writer, NULL));
    if (group % 3 == 0) { /* a witness that cannot be written says less, and nobody waits for it */
        enum err err = expected(bank, witness_save(bank->witness, bank->now_us, NULL));

        bank->witnessed += err == ERR_none;
    }
    if (group % 6 == 3)
        note(&first, bank->reader->ops->checkpoint(bank->reader));
    if (group % 4 == 1)
        note(&first,
             bank->reader->ops->transactions(bank->reader, &newest, count_row, &rows, &stopped_at));
    return expected(bank, first);
}

enum err fault_bank_group(struct fault_bank *bank, int group)
{
    size_t   planned[FAULT_GROUP_MAX];
    size_t   n = 0;
    enum err first = ERR_none;

    bank->now_us = INT64_C(1700000100000000) + group * INT64_C(7000000);
    bank->commits++;
    for (size_t i = 0; i < bank->act_count; i++) {
        bool     repeated = false;
        enum err err;

        if (bank->acts[i].group != group || bank->known[i] == FAULT_DONE)
            continue;
        err = bank->acts[i].decides < 0 ? plan_post(bank, i, &repeated)
                                        : plan_decision(bank, i, &repeated);
        note(&first, expected(bank, err));
        if (err != ERR_none)
            continue; /* its client is told so, and the others of the group go on */
        CHECK(!repeated || bank->known[i] > 0);
        if (repeated) {
            bank->known[i] = FAULT_DONE;
        } else {
            bank->known[i] = bank->commits;
            planned[n++] = i;
        }
    }
    note(&first, commit_group(bank, planned, n));
    note(&first, housekeeping(bank, group));
    return first;
}

void fault_bank_finish(struct fault_bank *bank, int from)
{
    for (int group = from; group < bank->group_count; group++) {
        for (int i = 0; fault_bank_group(bank, group) != ERR_none; i++) {
            CHECK(i < 2 * TRIES_MAX);
            if (i == TRIES_MAX) {
                fault_disarm();
                fault_disk_limit(0);
            }
        }
    }
    for (size_t i = 0; i < bank->act_count; i++)
        CHECK(bank->known[i] == FAULT_DONE);
}

/* --- proof ----------------------------------------------------------------------------------- */

void fault_bank_remember(const struct fault_bank *bank, struct fault_memory *out)
{
    memcpy(out->known, bank->known, sizeof out->known);
}

void fault_bank_recall(struct fault_bank *bank, const struct fault_memory *memory)
{
    memcpy(bank->known, memory->known, sizeof bank->known);
}

/* What is there of an act: its status, 0 = nothing. */
static int32_t find_act(struct fault_bank *bank, size_t i)
{
    const struct fault_act *act = &bank->acts[i];
    struct transaction      row;
    enum err                err = bank->store->ops->transaction_by_id(bank->store, &act->id, &row);

    CHECK(err == ERR_none || err == ERR_not_found);
    if (err == ERR_not_found)
        return 0;
    if (act->decides >= 0)
        return row.status == STATUS_HELD ? 0 : row.status;
    CHECK(row.amount == act->amount && row.initial_status == status_of_post(act));
    return row.initial_status;
}

static void move(const struct fault_bank *bank, size_t i, int64_t *balances, int64_t *held)
{
    const struct fault_act *act = &bank->acts[i];
    const struct fault_act *post = act->decides >= 0 ? &bank->acts[act->decides] : act;
    bool moves = act->decides >= 0 ? act->release : status_of_post(act) == STATUS_COMPLETED;

    if (act->decides >= 0)
        held[post->from] -= post->amount;
    else if (status_of_post(act) == STATUS_HELD)
        held[post->from] += post->amount;
    if (moves && post->from >= 0)
        balances[post->from] -= post->amount;
    if (moves && post->to >= 0)
        balances[post->to] += post->amount;
}

static void check_acts(struct fault_bank *bank)
{
    int64_t             balances[FAULT_ACCOUNTS] = { 0 };
    int64_t             held[FAULT_ACCOUNTS] = { 0 };
    int                 doubtful = 0; /* commit in doubt: 1 + whether its acts are there */
    int                 doubt = 0;
    struct account_book book;

    for (size_t i = 0; i < bank->act_count; i++) {
        int32_t status = find_act(bank, i);

        if (bank->known[i] == FAULT_DONE)
            CHECK(status != 0);
        if (bank->known[i] == FAULT_NOT_DONE)
            CHECK(status == 0);
        if (bank->known[i] > 0) {
            if (bank->known[i] == doubt)
                CHECK(doubtful == (status != 0)); /* all of the commit or nothing */
            doubt = bank->known[i];
            doubtful = status != 0;
        }
        if (bank->acts[i].decides >= 0 && status != 0)
            CHECK(status == (bank->acts[i].release ? STATUS_COMPLETED : STATUS_REJECTED));
        if (status != 0)
            move(bank, i, balances, held);
    }
    for (int i = 0; i < FAULT_ACCOUNTS; i++) {
        CHECK(bank->store->ops->book_by_number(bank->store, bank->accounts[i], &book) == ERR_none);
        CHECK(book.balance == balances[i] && book.held == held[i]);
    }
}

/* What the witness says on the disk as it is now is in the store. */
static void check_witness(struct fault_bank *bank)
{
    struct verify_report report = { .last_sequence = 0 };
    enum witness_state   state;
    struct testimony     said;

    CHECK(witness_read(bank->path, bank->sign_public, &state, &said, NULL) == ERR_none);
    CHECK(state != WITNESS_FOREIGN);
    CHECK(verify_witness(bank->store, state, false, &said, stderr, &report, NULL) == ERR_none);
}

void fault_bank_check(struct fault_bank *bank)
{
    struct verify_report report;
    struct fault         fault = { 0 };
    enum err             err =
        verify_bank(bank->store, &bank->bank, bank->sign_public, stderr, &report, &fault);

    if (err != ERR_none)
        fprintf(stderr, "the books do not prove themselves: %s %s\n", err_name(err), fault.text);
    CHECK(err == ERR_none);
    check_witness(bank);
    check_acts(bank);
}

void fault_bank_wake(struct fault_bank *bank, const struct fault_disk *disk,
                     const struct fault_memory *memory)
{
    fault_bank_close(bank);
    fault_disk_load(disk);
    fault_bank_recall(bank, memory);
}

void fault_bank_live(struct fault_bank *bank)
{
    enum err err = fault_bank_open(bank);

    if (err != ERR_none)
        fprintf(stderr, "the bank does not come up: %s %s\n", err_name(err), bank->fault.text);
    CHECK(err == ERR_none);
    fault_bank_check(bank);
    fault_bank_finish(bank, 0);
    fault_bank_check(bank);
    fault_bank_close(bank);
}

void fault_bank_relive(struct fault_bank *bank, const struct fault_disk *disk,
                       const struct fault_memory *memory)
{
    fault_bank_wake(bank, disk, memory);
    fault_bank_live(bank);
}
