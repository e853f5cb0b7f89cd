/* See writer.h. The group is an array of drafts whose memory was taken at the start; a plan works
 * on a draft and on copies of books, and only writer_add lets later plans see it. So a plan that
 * ends in an error has changed nothing, and a failed commit is undone by forgetting the caches.
 *
 * Where the time of a post goes, in microseconds of one core with 10,000 active accounts: writer
 * 9.5, of which 6 are SQLite's and the kernel's below it, as many as bare statements need for the
 * same rows; server 2.2; the messaging library 3.9, half of it encryption. With 100,000 accounts
 * the writer takes 18, bare SQLite 11.5: each account changes a page of its own, and each is
 * written twice.
 *
 * What was learned on the way there. Questions outside of a transaction take and give back a file
 * lock each, 8 % of the time of a post, so a group asks on one snapshot. Looking up each new id in
 * the index of all ids is not needed (recent.h). Profiles that miss the cache cost more than the
 * ledger: 80 a post with 100,000 accounts, until they were packed and kept (shelf.h) and saved in
 * the order of their numbers. Waiting for the memory of books and profiles was a quarter of the
 * writer's own share, until it was fetched ahead (writer_expect.c): 14.3 became 13.0. A group is
 * megabytes of drafts, so those are fetched ahead too, when they are planned, summed and written;
 * with that, shorter ways through rules (machine.c) and replies, and no lock for each piece of
 * SQLite's memory, 10.5 became 9.4 in the same minutes. Of what is left the largest of the
 * writer's own are judging 0.7, the reply 0.7 and fetching ahead 0.6. */
#include "bankd/writer_impl.h"

#include "bankd/chain.h"
#include "bankd/witness.h"
#include "common/check.h"
#include "common/log.h"
#include "common/money.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { SIGN_EVERY_US = 60 * 1000 * 1000, CACHE_LINE = 64 };

/* --- open and close -------------------------------------------------------------------------- */

static enum err open_caches(struct writer *writer)
{
    size_t books = writer->config.books_max != 0 ? writer->config.books_max : WRITER_BOOKS_DEFAULT;
    size_t profiles =
        writer->config.profiles_max != 0 ? writer->config.profiles_max : WRITER_PROFILES_DEFAULT;

    TRY(cache_open(books, sizeof(struct book_slot), NULL, &writer->books));
    TRY(cache_open(books, sizeof(struct id_slot), NULL, &writer->ids));
    TRY(cache_open(WRITER_PARTIES_MAX, sizeof(struct party_slot), NULL, &writer->parties));
    TRY(recent_open(&writer->recent));
    return writer_saving_open(writer, profiles);
}

static enum err load_numbers(struct writer *writer)
{
    TRY(writer->store->ops->numbers(writer->store, &writer->numbers));
    writer->committed = writer->numbers.head;
    recent_raise(writer->recent, &writer->numbers.newest_id);
    return ERR_none;
}

enum err writer_open(const struct writer_config *config, struct writer **out, struct fault *fault)
{
    struct writer *writer = calloc(1, sizeof *writer);
    enum err       err;

    if (writer == NULL)
        return fault_set(fault, ERR_memory, NULL, "%s", "");
    writer->config = *config;
    writer->store = config->store;
    crypto_shorthash_keygen(writer->hash_key);
    writer->hash_of_id = writer_hash(writer, writer->hashed_id.bytes, sizeof(struct uuid));
    writer->drafts = calloc(LIMIT_BATCH_MAX, sizeof *writer->drafts);
    writer->records = calloc(WRITER_RECORDS_MAX, sizeof *writer->records);
    for (size_t i = 0; i < WRITER_EVENTS_MAX; i++)
        buf_init(&writer->events[i].bytes, 4096);
    err = writer->drafts == NULL || writer->records == NULL ? ERR_memory : open_caches(writer);
    if (err == ERR_none)
        err = load_numbers(writer);
    if (err == ERR_none && config->rule_set != 0)
        err = bank_rules(config->bank, config->store, config->rule_set, &writer->rules);
    if (err == ERR_none)
        err = writer_controls_open(writer);
    if (err != ERR_none) {
        writer_close(&writer);
        return fault_set(fault, err, NULL, "The writer could not be started");
    }
    writer->signed_at_us = config->clock->now_us(config->clock);
    writer->signed_sequence = writer->committed.sequence;
    *out = writer;
    return ERR_none;
}

enum err writer_look(struct writer *writer)
{
    if (writer->looking)
        return ERR_none;
    TRY(writer->store->ops->snapshot_begin(writer->store));
    writer->looking = true;
    return ERR_none;
}

static void look_away(struct writer *writer)
{
    if (writer->looking)
        writer->store->ops->snapshot_end(writer->store);
    writer->looking = false;
}

static void save_everything(struct writer *writer)
{
    struct fault fault = { 0 };
    enum err     err;

    writer_abandon(writer);
    err = writer_controls_save(writer);
    if (err == ERR_none)
        err = writer_commit(writer, &fault);
    if (err != ERR_none) {
        log_event(LOG_WARNING, "counters_not_saved", "error=%s", err_name(err));
        writer_abandon(writer);
    }
    writer->signed_at_us = 0;
    do
        err = writer_idle(writer, &fault);
    while (err == ERR_none && writer_waiting(writer) > 0);
    if (err != ERR_none)
        log_event(LOG_WARNING, "profiles_not_saved", "error=%s profiles=%zu", err_name(err),
                  writer_waiting(writer));
}

static void drop_next_rules(struct writer *writer)
{
    if (writer->next_rules != NULL)
        bank_rules_release(writer->config.bank, writer->next_rules);
    writer->next_rules = NULL;
}

static void take_next_rules(struct writer *writer)
{
    if (writer->next_rules == NULL)
        return;
    if (writer->rules != NULL)
        bank_rules_release(writer->config.bank, writer->rules);
    writer->rules = writer->next_rules;
    writer->config.rule_set = writer->next_rule_set;
    writer->next_rules = NULL;
    writer_controls_bind(writer);
}

void writer_close(struct writer **writer)
{
    struct writer *w = *writer;

    if (w == NULL)
        return;
    look_away(w);
    if (w->profiles != NULL)
        save_everything(w);
    drop_next_rules(w);
    if (w->rules != NULL)
        bank_rules_release(w->config.bank, w->rules);
    cache_close(&w->books);
    cache_close(&w->ids);
    cache_close(&w->parties);
    recent_close(&w->recent);
    writer_saving_close(w);
    for (size_t i = 0; i < WRITER_EVENTS_MAX; i++)
        buf_free(&w->events[i].bytes);
    controls_close(&w->controls);
    arena_free(&w->scratch);
    free(w->drafts);
    free(w->records);
    free(w);
    *writer = NULL;
}

/* --- what is known --------------------------------------------------------------------------- */

int64_t writer_hash(const struct writer *writer, const void *bytes, size_t n)
{
    uint8_t out[8];
    int64_t key;

    crypto_shorthash(out, bytes, n, writer->hash_key);
    memcpy(&key, out, sizeof key);
    return key;
}

/* Takes a book that was read, and its name, into memory. */
static enum err keep_book(struct writer *writer, const struct account_book *book,
                          struct book_slot **out)
{
    char        name[LIMIT_NAME_MAX + 1];
    struct uuid id;

    TRY(writer->store->ops->account_name(writer->store, book->number, &id, name));
    *out = cache_put(writer->books, book->number);
    if (*out == NULL)
        return ERR_busy;
    (*out)->book = *book;
    memcpy((*out)->name, name, sizeof name);
    return ERR_none;
}

enum err writer_book(struct writer *writer, int64_t number, const struct account_book **out,
                     const char **name)
{
    struct book_slot *slot = cache_get(writer->books, number);

    if (slot == NULL) {
        struct account_book book;

        TRY(writer_look(writer));
        TRY(writer->store->ops->book_by_number(writer->store, number, &book));
        TRY(keep_book(writer, &book, &slot));
    }
    *out = &slot->book;
    if (name != NULL)
        *name = slot->name;
    return ERR_none;
}

enum err writer_book_by_id(struct writer *writer, const struct uuid *id,
                           const struct account_book **out, const char **name)
{
    int64_t             key = writer_hash(writer, id->bytes, sizeof id->bytes);
    struct id_slot     *slot = cache_get(writer->ids, key);
    struct account_book book;
    enum err            err;

    if (slot != NULL && uuid_equal(&slot->id, id))
        return writer_book(writer, slot->number, out, name);
    TRY(writer_look(writer));
    err = writer->store->ops->book_by_id(writer->store, id, &book);
    if (err == ERR_not_found)
        return ERR_account_unknown;
    TRY(err);
    if (slot == NULL)
        slot = cache_put(writer->ids, key);
    if (slot != NULL) {
        slot->id = *id;
        slot->number = book.number;
    }
    if (cache_get(writer->books, book.number) == NULL) {
        struct book_slot *kept;

        TRY(keep_book(writer, &book, &kept));
    }
    return writer_book(writer, book.number, out, name);
}

/* The bank's own accounts have derived ids, so that every bank of every data set names them the
 * same way and making them twice is impossible. */
static void bank_account_row(struct writer *writer, int32_t kind, const struct currency *currency,
                             struct account *row)
{
    uint8_t tail[10] = { 0xba, 0x0c, (uint8_t)kind, (uint8_t)(currency->number >> 8),
                         (uint8_t)currency->number };

    memset(row, 0, sizeof *row);
    row->book.number = writer_next_account(writer);
    row->book.account_id = uuid_v7_derived(0, tail);
    row->book.kind = kind;
    row->book.status = ACCOUNT_ACTIVE;
    row->book.currency = currency->number;
    row->book.created_at_us = writer_now_us(writer);
    row->book.version = 1;
    snprintf(row->name, sizeof row->name, "Bank %s %s", enum_text(&enum_account_kind, kind),
             currency->code);
}

enum err writer_book_of_bank(struct writer *writer, int32_t kind, uint16_t currency,
                             const struct account_book **out, struct fault *fault)
{
    const struct currency *known = currency_by_number(currency);
    struct account_book    book;
    enum err               err;

    if (known == NULL)
        return fault_set(fault, ERR_currency_unknown, "currency", "%s", "");
    uint8_t tail[10] = { 0xba, 0x0c, (uint8_t)kind, (uint8_t)(currency >> 8), (uint8_t)currency };
    struct uuid id = uuid_v7_derived(0, tail);
    err = writer_book_by_id(writer, &id, out, NULL);
    if (err != ERR_account_unknown)
        return err;
    err = writer->store->ops->account_of_bank(writer->store, kind, currency, &book);
    if (err != ERR_not_found)
        return err == ERR_none ? writer_book(writer, book.number, out, NULL) : err;
    struct draft *draft = writer_draft(writer);
    if (draft == NULL)
        return ERR_busy;
    struct act act = { .kind = AUDIT_ACTION,
                       .operation = "account.create",
                       .subject = &id,
                       .detail = slice_from("account of the bank itself") };
    bank_account_row(writer, kind, known, &draft->account);
    draft->change.account = &draft->account;
    writer_audit(writer, draft, &act);
    writer_add(writer, draft);
    return writer_book(writer, draft->account.book.number, out, NULL);
}

enum err writer_party(struct writer *writer, struct slice key, int64_t now_us, struct party **out)
{
    int64_t            hash = writer_hash(writer, key.at, key.n);
    struct party_slot *slot = cache_get(writer->parties, hash);
    struct party       row;
    enum err           err;

    if (slot != NULL) {
        *out = &slot->party;
        return slice_is(key, slot->party.key) ? ERR_none : ERR_internal;
    }
    TRY(writer_look(writer));
    err = writer->store->ops->party_by_key(writer->store, key, &row);
    if (err == ERR_not_found) {
        memset(&row, 0, sizeof row);
        slice_copy(key, row.key, sizeof row.key);
        row.created_at_us = now_us;
        err = ERR_none;
    }
    TRY(err);
    slot = cache_put(writer->parties, hash);
    if (slot == NULL)
        return ERR_busy;
    slot->party = row;
    *out = &slot->party;
    return ERR_none;
}

int64_t writer_next_user(struct writer *writer)
{
    return ++writer->numbers.user;
}

int64_t writer_next_customer(struct writer *writer)
{
    return ++writer->numbers.customer;
}

int64_t writer_next_account(struct writer *writer)
{
    return ++writer->numbers.account;
}

int64_t writer_next_rule_set(struct writer *writer)
{
    return ++writer->numbers.rule_set;
}

struct store *writer_store(struct writer *writer)
{
    return writer->store;
}

int64_t writer_now_us(struct writer *writer)
{
    return writer->config.clock->now_us(writer->config.clock);
}

int64_t writer_rule_set(const struct writer *writer)
{
    return writer->config.rule_set;
}

enum err writer_judge_by(struct writer *writer, int64_t rule_set)
{
    CHECK(writer->count == 0 && writer->next_rules == NULL);
    TRY(bank_rules(writer->config.bank, writer->store, rule_set, &writer->next_rules));
    writer->next_rule_set = rule_set;
    return ERR_none;
}

struct chain_head writer_head(const struct writer *writer)
{
    return writer->committed;
}

int64_t writer_commits(const struct writer *writer)
{
    return writer->commits;
}

/* --- drafts ---------------------------------------------------------------------------------- */

/* A draft is nine kilobytes, of which a payment writes these; by the time that the next one is
 * planned its lines are there. */
static void expect_draft(struct draft *draft)
{
    char *change = (char *)&draft->change;
    char *row = (char *)&draft->transaction;

    for (size_t at = 0; at < 2 * sizeof draft->change.accounts[0]; at += CACHE_LINE)
        __builtin_prefetch(change + at, 1);
    for (size_t at = offsetof(struct change, transaction);
         at < offsetof(struct change, rollups) + 8 * sizeof draft->change.rollups[0];
         at += CACHE_LINE)
        __builtin_prefetch(change + at, 1);
    for (size_t at = 0; at < offsetof(struct transaction, decision) + 2 * CACHE_LINE;
         at += CACHE_LINE)
        __builtin_prefetch(row + at, 1);
    __builtin_prefetch(draft->transaction.hash, 1);
    __builtin_prefetch(&draft->alert_account, 1);
}

struct draft *writer_draft(struct writer *writer)
{
    struct draft *draft;

    if (writer->count == LIMIT_BATCH_MAX)
        return NULL;
    draft = &writer->drafts[writer->count];
    if (writer->count + 1 < LIMIT_BATCH_MAX)
        expect_draft(draft + 1);
    draft->change.account_count = 0;
    draft->change.transaction = NULL;
    draft->change.update_count = 0;
    draft->change.audit = NULL;
    draft->change.alert = NULL;
    draft->change.alert_update = NULL;
    draft->change.hit = NULL;
    draft->alert_account = 0;
    draft->change.user = NULL;
    draft->change.customer = NULL;
    draft->change.account = NULL;
    draft->change.party = NULL;
    draft->change.party_number = 0;
    draft->change.label = NULL;
    draft->change.rule_set = NULL;
    draft->change.rule_text = slice_of(NULL, 0);
    draft->change.card_text = slice_of(NULL, 0);
    draft->change.rule_set_update_count = 0;
    draft->change.record_count = 0;
    draft->change.rollup_count = 0;
    return draft;
}

struct record *writer_record(struct writer *writer, struct draft *draft, const struct record *from)
{
    struct change *change = &draft->change;
    struct record *row;

    if (change->record_count == LIMIT_CHANGE_RECORDS_MAX ||
        writer->record_count == WRITER_RECORDS_MAX)
        return NULL;
    row = &writer->records[writer->record_count++];
    if (from != NULL)
        *row = *from;
    else
        *row = (struct record){ .number = ++writer->numbers.record };
    row->version++;
    change->records[change->record_count++] = row;
    return row;
}

static uint8_t *next_mark(struct audit *row)
{
    uint8_t *mark = row->records + row->records_size;

    CHECK(row->records_size + RECORD_MARK_BYTES <= sizeof row->records);
    row->records_size += RECORD_MARK_BYTES;
    return mark;
}

/* What the change leaves behind besides money, which is in the chain by itself. */
static void mark_all(const struct change *change, struct audit *row)
{
    for (size_t i = 0; i < change->record_count; i++)
        chain_mark_record(change->records[i], next_mark(row));
    if (change->user != NULL)
        chain_mark_user(change->user, next_mark(row));
    if (change->account != NULL)
        chain_mark_account(&change->account->book, change->account->freeze_reason,
                           change->account->freeze_authority, next_mark(row));
    for (size_t i = 0; i < change->account_count; i++)
        if (change->accounts[i].terms_changed)
            chain_mark_account(&change->accounts[i].after, change->accounts[i].freeze_reason,
                               change->accounts[i].freeze_authority, next_mark(row));
}

void writer_audit(struct writer *writer, struct draft *draft, const struct act *act)
{
    struct audit *row = &draft->audit;
    const char   *name = act->actor_name;

    memset(row, 0, sizeof *row);
    if (name == NULL)
        name = act->actor != NULL ? act->actor->email : "system";
    row->sequence = ++writer->numbers.head.sequence;
    row->at_us = writer_now_us(writer);
    row->kind = act->kind;
    row->actor = act->actor != NULL ? act->actor->user : 0;
    slice_copy(slice_from(name), row->actor_name, sizeof row->actor_name);
    slice_copy(slice_from(act->operation), row->operation, sizeof row->operation);
    slice_copy(slice_from(act->outcome != NULL ? act->outcome : "done"), row->outcome,
               sizeof row->outcome);
    if (act->subject != NULL)
        uuid_text(act->subject, row->subject);
    else
        slice_copy(slice_from(act->subject_text), row->subject, sizeof row->subject);
    slice_copy(act->detail, row->detail, sizeof row->detail);
    row->about_transaction = act->about_transaction;
    row->set_status = act->set_status;
    row->set_flag = act->set_flag;
    mark_all(&draft->change, row);
    chain_link_audit(writer->numbers.head.hash, row, row->hash);
    memcpy(writer->numbers.head.hash, row->hash, CHAIN_HASH_BYTES);
    draft->change.audit = row;
}

void writer_rollup(struct draft *draft, uint8_t scale, int32_t bucket, uint16_t currency,
                   uint16_t metric, int64_t count, int64_t amount)
{
    struct change *change = &draft->change;

    for (size_t i = 0; i < change->rollup_count; i++) {
        struct rollup *cell = &change->rollups[i];

        if (cell->key.scale == scale && cell->key.bucket == bucket &&
            cell->key.currency == currency && cell->key.metric == metric) {
            cell->count += count;
            cell->amount += amount;
            return;
        }
    }
    CHECK(change->rollup_count < LIMIT_CHANGE_ROLLUPS_MAX);
    change->rollups[change->rollup_count++] = (struct rollup){
        .key = { .scale = scale, .currency = currency, .metric = metric, .bucket = bucket },
        .count = count,
        .amount = amount,
    };
}

void writer_count_at(struct draft *draft, const struct transaction *row, uint16_t metric,
                     int64_t count, int64_t amount)
{
    int64_t hour = row->at_us / US_PER_HOUR - (row->at_us % US_PER_HOUR < 0);

    writer_rollup(draft, ROLLUP_DAY, (int32_t)time_day(row->at_us), row->currency, metric, count,
                  amount);
    writer_rollup(draft, ROLLUP_HOUR, (int32_t)hour, row->currency, metric, count, amount);
}

void writer_count_status(struct draft *draft, const struct transaction *row, int32_t status,
                         const struct account_book *debit, const struct account_book *credit,
                         int sign)
{
    bool booked = status == STATUS_COMPLETED || status == STATUS_REVERSED;
    bool from_customer = debit->kind == ACCOUNT_CUSTOMER;
    bool to_customer = credit->kind == ACCOUNT_CUSTOMER;

    writer_count_at(draft, row, metric_of_transaction(row->type, status), sign, sign * row->amount);
    if (booked && to_customer && !from_customer)
        writer_count_at(draft, row, METRIC_INTO, sign, sign * row->amount);
    if (booked && from_customer && !to_customer)
        writer_count_at(draft, row, METRIC_OUT_OF, sign, sign * row->amount);
    if (status == STATUS_HELD)
        writer_rollup(draft, ROLLUP_ALL, 0, row->currency, METRIC_HELD, sign, sign * row->amount);
}

void writer_count_balances(struct draft *draft, const struct account_book *before,
                           const struct account_book *after)
{
    if (after->kind != ACCOUNT_CUSTOMER || after->balance == before->balance)
        return;
    writer_rollup(draft, ROLLUP_ALL, 0, after->currency, METRIC_BALANCE, 0,
                  after->balance - before->balance);
}

void writer_change_book(struct draft *draft, const struct account_book *before,
                        const struct account_book *after, bool terms_changed)
{
    struct account_change *slot;

    CHECK(draft->change.account_count < LIMIT_CHANGE_ACCOUNTS_MAX &&
          after->version == before->version + 1);
    slot = &draft->change.accounts[draft->change.account_count++];
    slot->version_before = before->version;
    slot->after = *after;
    slot->terms_changed = terms_changed;
    slot->freeze_reason[0] = '\0';
    slot->freeze_authority[0] = '\0';
    writer_count_balances(draft, before, after);
    if (terms_changed && after->kind == ACCOUNT_CUSTOMER && after->status != before->status) {
        writer_rollup(draft, ROLLUP_ALL, 0, after->currency,
                      (uint16_t)(METRIC_ACCOUNTS + before->status), -1, 0);
        writer_rollup(draft, ROLLUP_ALL, 0, after->currency,
                      (uint16_t)(METRIC_ACCOUNTS + after->status), 1, 0);
    }
}

static void remember_account(struct writer *writer, const struct account *row)
{
    struct book_slot *slot = cache_put(writer->books, row->book.number);
    struct id_slot   *id;

    if (slot != NULL) {
        slot->book = row->book;
        memcpy(slot->name, row->name, sizeof slot->name);
    }
    id = cache_put(writer->ids, writer_hash(writer, row->book.account_id.bytes,
                                            sizeof row->book.account_id.bytes));
    if (id != NULL) {
        id->id = row->book.account_id;
        id->number = row->book.number;
    }
}

void writer_add(struct writer *writer, struct draft *draft)
{
    CHECK(draft == &writer->drafts[writer->count]);
    CHECK(draft->change.record_count == 0 || draft->change.audit != NULL);
    for (size_t i = 0; i < draft->change.account_count; i++) {
        struct book_slot *slot = cache_get(writer->books, draft->change.accounts[i].after.number);

        CHECK(slot != NULL);
        slot->book = draft->change.accounts[i].after;
    }
    if (draft->change.account != NULL)
        remember_account(writer, draft->change.account);
    if (draft->change.transaction != NULL)
        writer_group_remember(writer, &draft->change.transaction->transaction_id, draft);
    if (draft->alert_account != 0)
        writer_alert_remember(writer, draft);
    if (draft->change.update_count > 0)
        writer->updates[writer->update_count++] = (uint32_t)writer->count;
    writer->changes[writer->count++] = &draft->change;
}

/* --- ids of the group ------------------------------------------------------------------------ */

/* One post asks for its own id four times in a row. */
static int64_t hash_of_id(struct writer *writer, const struct uuid *id)
{
    if (!uuid_equal(&writer->hashed_id, id)) {
        writer->hash_of_id = writer_hash(writer, id->bytes, sizeof id->bytes);
        writer->hashed_id = *id;
    }
    return writer->hash_of_id;
}

static size_t group_slot(struct writer *writer, const struct uuid *id)
{
    size_t i = (size_t)hash_of_id(writer, id) % WRITER_ID_SLOTS;

    while (writer->group_ids[i].draft != 0 && !uuid_equal(&writer->group_ids[i].id, id))
        i = (i + 1) % WRITER_ID_SLOTS;
    return i;
}

struct draft *writer_group_find(struct writer *writer, const struct uuid *id)
{
    size_t i = group_slot(writer, id);

    return writer->group_ids[i].draft == 0 ? NULL : &writer->drafts[writer->group_ids[i].draft - 1];
}

void writer_group_remember(struct writer *writer, const struct uuid *id, const struct draft *draft)
{
    size_t i = group_slot(writer, id);

    writer->group_ids[i].id = *id;
    writer->group_ids[i].draft = (uint32_t)(draft - writer->drafts) + 1;
    recent_add(writer->recent, id, hash_of_id(writer, id));
}

bool writer_may_have(struct writer *writer, const struct uuid *id)
{
    return recent_may_have(writer->recent, id, hash_of_id(writer, id));
}

/* --- transactions as the group leaves them --------------------------------------------------- */

void writer_transaction_newest(const struct writer *writer, struct transaction *row)
{
    for (size_t i = 0; i < writer->update_count; i++) {
        const struct change *change = writer->changes[writer->updates[i]];

        for (size_t k = 0; k < change->update_count; k++) {
            const struct transaction_update *update = &change->updates[k];

            if (update->sequence != row->sequence)
                continue;
            row->status = update->status_after;
            row->flagged = update->flagged_after;
            if (update->reversed_by != 0)
                row->reversed_by = update->reversed_by;
        }
    }
}

enum err writer_transaction_by_id(struct writer *writer, const struct uuid *id,
                                  struct transaction *out)
{
    TRY(writer_look(writer));
    TRY(writer->store->ops->transaction_by_id(writer->store, id, out));
    writer_transaction_newest(writer, out);
    return ERR_none;
}

enum err writer_transaction_id(struct writer *writer, int64_t sequence, struct uuid *out)
{
    struct transaction row;

    for (size_t i = 0; i < writer->update_count; i++) {
        const struct transaction *undoing = writer->changes[writer->updates[i]]->transaction;

        if (undoing == NULL || undoing->sequence != sequence)
            continue;
        *out = undoing->transaction_id;
        return ERR_none;
    }
    TRY(writer_look(writer));
    TRY(writer->store->ops->transaction_by_sequence(writer->store, sequence, &row));
    *out = row.transaction_id;
    return ERR_none;
}

/* --- events ---------------------------------------------------------------------------------- */

void writer_emit(struct writer *writer, enum event_index event, const void *body)
{
    struct event_slot *slot;

    if (writer->event_count == WRITER_EVENTS_MAX)
        return;
    slot = &writer->events[writer->event_count];
    buf_clear(&slot->bytes);
    slot->event = event;
    if (event_encode(event, body, &slot->bytes) == ERR_none)
        writer->event_count++;
}

void writer_events(struct writer *writer,
                   void (*visit)(void *context, enum event_index event, struct slice bytes),
                   void *context)
{
    for (size_t i = 0; i < writer->event_count; i++)
        visit(context, writer->events[i].event,
              slice_of(writer->events[i].bytes.at, writer->events[i].bytes.n));
    writer->event_count = 0;
}

/* --- commit ---------------------------------------------------------------------------------- */

static void group_clear(struct writer *writer)
{
    if (writer->count > 0) {
        memset(writer->group_ids, 0, sizeof writer->group_ids);
        memset(writer->group_alerts, 0, sizeof writer->group_alerts);
    }
    writer->count = 0;
    writer->update_count = 0;
    writer->record_count = 0;
    cache_unpin_all(writer->books);
    cache_unpin_all(writer->ids);
    cache_unpin_all(writer->parties);
    cache_unpin_all(writer->profiles);
}

/* Forgets everything that was planned; what was cached may have seen it, so it goes too. The chain
 * goes on from what is committed, even when the store cannot be read just now. */
static void forget_all(struct writer *writer)
{
    enum err err;

    group_clear(writer);
    drop_next_rules(writer);
    writer->event_count = 0;
    cache_clear(writer->books);
    cache_clear(writer->ids);
    cache_clear(writer->parties);
    writer_saving_forget(writer);
    writer_controls_forget(writer);
    writer->numbers.head = writer->committed;
    err = load_numbers(writer);
    if (err != ERR_none)
        log_event(LOG_ERROR, "numbers_not_read", "error=%s sequence=%lld", err_name(err),
                  (long long)writer->committed.sequence);
}

void writer_abandon(struct writer *writer)
{
    look_away(writer);
    if (writer->count > 0)
        forget_all(writer);
    drop_next_rules(writer);
}

size_t writer_planned(const struct writer *writer)
{
    return writer->count;
}

static enum err apply(struct writer *writer, bool idle, struct fault *fault)
{
    struct commit      commit = { .before = writer->committed,
                                  .after = writer->numbers.head,
                                  .changes = writer->changes,
                                  .count = writer->count };
    struct signed_head signed_head;
    int64_t            now_us = writer_now_us(writer);
    size_t             failed = 0;

    writer_lot_collect(writer, now_us, idle);
    commit.profiles = writer->lot;
    commit.profile_count = writer->lot_count;
    if (writer->config.sign_secret != NULL && now_us - writer->signed_at_us >= SIGN_EVERY_US &&
        writer->signed_sequence != commit.after.sequence) {
        signed_head = (struct signed_head){ .head = commit.after, .at_us = now_us };
        chain_sign(&signed_head.head, writer->config.witness != NULL, writer->config.sign_secret,
                   signed_head.signature);
        commit.signed_head = &signed_head;
    }
    TRY(writer->store->ops->apply(writer->store, &commit, &failed, fault));
    writer->commits++;
    writer->committed = commit.after;
    if (writer->config.witness != NULL)
        witness_note(writer->config.witness, &commit.after, commit.signed_head != NULL);
    if (commit.signed_head != NULL) {
        writer->signed_at_us = now_us;
        writer->signed_sequence = commit.after.sequence;
    }
    writer_lot_saved(writer);
    return ERR_none;
}

/* Holders' names are shown for accounts that have none of their own. */
static bool changes_names(const struct writer *writer)
{
    for (size_t i = 0; i < writer->count; i++)
        if (writer->changes[i]->user != NULL || writer->changes[i]->customer != NULL)
            return true;
    return false;
}

enum err writer_commit(struct writer *writer, struct fault *fault)
{
    enum err err;
    bool     names = writer->config.bank->names != NULL && changes_names(writer);

    look_away(writer);
    if (writer->count == 0)
        return ERR_none;
    err = apply(writer, false, fault);
    if (err != ERR_none) {
        forget_all(writer);
        return err;
    }
    if (names)
        names_changed(writer->config.bank->names);
    group_clear(writer);
    controls_keep(writer->controls);
    writer->controls_touched = false;
    take_next_rules(writer);
    return ERR_none;
}

enum err writer_idle(struct writer *writer, struct fault *fault)
{
    bool unsigned_head = writer->config.sign_secret != NULL &&
                         writer->signed_sequence != writer->committed.sequence &&
                         writer_now_us(writer) - writer->signed_at_us >= SIGN_EVERY_US;

    CHECK(writer->count == 0);
    look_away(writer);
    if (writer_waiting(writer) == 0 && !unsigned_head)
        return ERR_none;
    writer->numbers.head = writer->committed;
    enum err err = apply(writer, true, fault);
    if (err != ERR_none)
        forget_all(writer);
    return err;
}
