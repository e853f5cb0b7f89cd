/* Rows into the bank: accounts as they are needed, postings as history, rounding beside its row.
 *
 * Ids are hashes over the source's name and the row's own id or, where it has none, the row's
 * content and how many equal rows came before it in the file. The order within a row is fixed:
 * the difference from rounding is posted before the row itself, so that the balance behind the row
 * is the one that the file tells; both are in one commit, because a group is only committed
 * between rows. */
#include "bankd/import.h"

#include "bankd/cache.h"
#include "bankd/ledger/ledger.h"
#include "common/check.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOADER_NAMES_DEFAULT = 65536, /* external ids in memory; more are read again */
    LOADER_SLACK = 16,            /* changes that one row may plan, and some */
    LOADER_LATE_LABELS = 256,     /* findings for rows of earlier imports in one group */
    LOADER_KINDS_MAX = 16,
    LOADER_LINES_MIN = 1 << 12,
    LOADER_LINES_MAX = 1 << 26, /* different rows without an id, in one file */
};

struct name_slot {
    char    external_id[LIMIT_EXTERNAL_ID_MAX + 1];
    int64_t number;
};

/* How often a content was seen; open addressing, grows by doubling. */
struct line_slot {
    uint64_t hash;
    uint32_t count; /* 0 = free */
};

struct import_loader {
    const struct import_map *map;
    struct writer           *writer;
    struct store            *store;
    struct import_options    options;
    struct import_counts     counts;
    struct cache            *accounts;
    struct cache            *customers;
    struct line_slot        *lines;
    size_t                   line_size;
    size_t                   line_count;
    struct {
        uint16_t currency;
        int64_t  number;
    } contras[LOADER_KINDS_MAX];
    struct posted posted;
    size_t        late_labels; /* of this group, for rows that were there before */
    bool          failed; /* a group could not be committed */
};

/* --- ids ------------------------------------------------------------------------------------- */

static void hash_text(crypto_generichash_state *state, const char *text, size_t n)
{
    uint8_t size[4] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n };

    crypto_generichash_update(state, size, sizeof size);
    crypto_generichash_update(state, (const uint8_t *)text, n);
}

static void hash_begin(crypto_generichash_state *state, const struct import_loader *loader,
                       const char *kind)
{
    crypto_generichash_init(state, NULL, 0, 16);
    hash_text(state, loader->map->source, strlen(loader->map->source));
    hash_text(state, kind, strlen(kind));
}

/* An id of a record that the file names: "account", "customer", "transaction", "rounding". */
static struct uuid id_of_name(const struct import_loader *loader, const char *kind,
                              const char *external_id, int64_t at_us)
{
    crypto_generichash_state state;
    uint8_t                  hash[16];

    hash_begin(&state, loader, kind);
    hash_text(&state, external_id, strlen(external_id));
    crypto_generichash_final(&state, hash, sizeof hash);
    return uuid_v7_derived(at_us, hash);
}

static size_t line_place(const struct import_loader *loader, uint64_t hash)
{
    size_t at = (size_t)hash & (loader->line_size - 1);

    while (loader->lines[at].count != 0 && loader->lines[at].hash != hash)
        at = (at + 1) & (loader->line_size - 1);
    return at;
}

static enum err lines_grow(struct import_loader *loader)
{
    struct line_slot *old = loader->lines;
    size_t            size = loader->line_size;

    if (size > 0 && loader->line_count * 4 < size * 3)
        return ERR_none;
    if (size == LOADER_LINES_MAX)
        return ERR_memory;
    loader->line_size = size == 0 ? LOADER_LINES_MIN : size * 2;
    loader->lines = calloc(loader->line_size, sizeof *loader->lines);
    if (loader->lines == NULL) {
        loader->lines = old;
        loader->line_size = size;
        return ERR_memory;
    }
    for (size_t i = 0; i < size; i++)
        if (old[i].count != 0)
            loader->lines[line_place(loader, old[i].hash)] = old[i];
    free(old);
    return ERR_none;
}

/* The id of a row without one of its own: its content and its ordinal among equal rows. */
static enum err id_of_content(struct import_loader *loader, const struct slice *cells, size_t count,
                              int64_t at_us, struct uuid *out)
{
    crypto_generichash_state state;
    uint8_t                  hash[16];
    uint64_t                 key;
    struct line_slot        *slot;
    uint8_t                  ordinal[4];

    hash_begin(&state, loader, "row");
    for (size_t i = 0; i < count; i++)
        hash_text(&state, cells[i].at, cells[i].n);
    crypto_generichash_final(&state, hash, sizeof hash);
    memcpy(&key, hash, sizeof key);
    TRY(lines_grow(loader));
    slot = &loader->lines[line_place(loader, key)];
    loader->line_count += slot->count == 0 ? 1 : 0;
    slot->hash = key;
    for (int i = 0; i < 4; i++)
        ordinal[i] = (uint8_t)(slot->count >> (24 - 8 * i));
    slot->count++;
    hash_begin(&state, loader, "ordinal");
    crypto_generichash_update(&state, hash, sizeof hash);
    crypto_generichash_update(&state, ordinal, sizeof ordinal);
    crypto_generichash_final(&state, hash, sizeof hash);
    *out = uuid_v7_derived(at_us, hash);
    return ERR_none;
}

/* --- accounts and customers ------------------------------------------------------------------ */

static int64_t key_of(const char *external_id)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (; *external_id != '\0'; external_id++)
        hash = (hash ^ (uint8_t)*external_id) * UINT64_C(0x100000001b3);
    return (int64_t)hash;
}

/* The slot of an external id: found, or new with number 0. NULL when the cache is full of this
 * group, which a group is too small for, or two ids share a hash: then `spare` is lent. */
static struct name_slot *name_slot(struct cache *cache, const char *external_id,
                                   struct name_slot *spare)
{
    int64_t           key = key_of(external_id);
    struct name_slot *slot = cache_get(cache, key);

    if (slot != NULL && strcmp(slot->external_id, external_id) == 0)
        return slot;
    if (slot == NULL)
        slot = cache_put(cache, key);
    else
        slot = spare;
    if (slot == NULL)
        slot = spare;
    slot->number = 0;
    slice_copy(slice_from(external_id), slot->external_id, sizeof slot->external_id);
    return slot;
}

/* What a template makes, or `fallback` in front of the id behind its source. */
static enum err name_of(const struct import_loader *loader, const struct import_template *template,
                        const char *fallback, const char *external_id, const struct slice *cells,
                        const struct import_row *row, char out[LIMIT_NAME_MAX + 1],
                        struct fault *fault)
{
    char         buffer[IMPORT_CELL_MAX];
    struct slice value;

    TRY(import_value(loader->map, template, cells, row->type, buffer, &value, fault));
    if (value.n > 0 && slice_is_utf8(value))
        slice_copy(value, out, LIMIT_NAME_MAX + 1);
    else
        snprintf(out, LIMIT_NAME_MAX + 1, "%s %s", fallback,
                 external_id + strlen(loader->map->source) + 1);
    return ERR_none;
}

/* Puts a customer into the draft unless it is known; *number is 0 before. */
static enum err plan_customer(struct import_loader *loader, struct draft *draft,
                              const char *external_id, const struct slice *cells,
                              const struct import_row *row, int64_t *number, struct fault *fault)
{
    struct customer *customer = &draft->customer;
    enum err         err;

    err =
        loader->store->ops->customer_by_external(loader->store, slice_from(external_id), customer);
    if (err == ERR_none) {
        *number = customer->number;
        return ERR_none;
    }
    if (err != ERR_not_found)
        return err;
    memset(customer, 0, sizeof *customer);
    TRY(name_of(loader, &loader->map->customer_name, "Customer", external_id, cells, row,
                customer->name, fault));
    customer->customer_id = id_of_name(loader, "customer", external_id, row->at_us);
    slice_copy(slice_from(external_id), customer->external_id, sizeof customer->external_id);
    memcpy(customer->country, loader->map->country, sizeof customer->country);
    customer->verified = loader->map->verified;
    customer->created_at_us = row->at_us;
    customer->number = writer_next_customer(loader->writer);
    *number = customer->number;
    draft->change.customer = customer;
    writer_rollup(draft, ROLLUP_ALL, 0, 0, METRIC_CUSTOMERS, 1, 0);
    if (customer->verified)
        writer_rollup(draft, ROLLUP_ALL, 0, 0, METRIC_VERIFIED, 1, 0);
    loader->counts.customers++;
    return ERR_none;
}

static enum err open_account(struct import_loader *loader, const char *external_id,
                             const char *customer_id, const struct slice *cells,
                             const struct import_row *row, int64_t *number, struct fault *fault)
{
    struct draft  *draft = writer_draft(loader->writer);
    struct account account = {
        .book = { .kind = ACCOUNT_CUSTOMER, .status = ACCOUNT_ACTIVE, .version = 1 }
    };
    struct name_slot  spare;
    struct name_slot *customer = name_slot(loader->customers, customer_id, &spare);
    struct act        act = { .actor_name = "import",
                              .kind = AUDIT_ACTION,
                              .operation = "account.create" };

    if (draft == NULL)
        return ERR_busy;
    if (money_parse(loader->map->overdraft, strlen(loader->map->overdraft), row->currency->exponent,
                    '.', &account.book.overdraft_limit) != ERR_none)
        return fault_set(fault, ERR_amount_invalid, "account.overdraft",
                         "The limit does not fit the currency %s", row->currency->code);
    TRY(name_of(loader, &loader->map->account_name, "Account", external_id, cells, row,
                account.name, fault));
    if (customer->number == 0)
        TRY(plan_customer(loader, draft, customer_id, cells, row, &customer->number, fault));
    account.book.number = writer_next_account(loader->writer);
    account.book.account_id = id_of_name(loader, "account", external_id, row->at_us);
    account.book.customer = customer->number;
    account.book.currency = row->currency->number;
    account.book.created_at_us = row->at_us;
    slice_copy(slice_from(external_id), account.external_id, sizeof account.external_id);
    draft->account = account;
    draft->change.account = &draft->account;
    writer_rollup(draft, ROLLUP_ALL, 0, account.book.currency, METRIC_ACCOUNTS + ACCOUNT_ACTIVE, 1,
                  0);
    act.subject = &account.book.account_id;
    act.detail = slice_from(account.external_id);
    writer_audit(loader->writer, draft, &act);
    writer_add(loader->writer, draft);
    loader->counts.accounts++;
    *number = account.book.number;
    return ERR_none;
}

static enum err find_account(struct import_loader *loader, const char *external_id,
                             const char *customer_id, const struct slice *cells,
                             const struct import_row *row, int64_t *number, struct fault *fault)
{
    struct name_slot  spare;
    struct name_slot *slot = name_slot(loader->accounts, external_id, &spare);
    struct account    account;
    enum err          err;

    if (slot->number == 0) {
        err = loader->store->ops->account_by_external(loader->store, slice_from(external_id),
                                                      &account);
        if (err == ERR_none)
            slot->number = account.book.number;
        else if (err == ERR_not_found)
            err = open_account(loader, external_id, customer_id, cells, row, &slot->number, fault);
        TRY(err);
    }
    *number = slot->number;
    return ERR_none;
}

static enum err find_contra(struct import_loader *loader, int32_t kind, uint16_t currency,
                            int64_t *number, struct fault *fault)
{
    const struct account_book *book;

    CHECK(kind > 0 && kind < LOADER_KINDS_MAX);
    if (loader->contras[kind].number == 0 || loader->contras[kind].currency != currency) {
        TRY(writer_book_of_bank(loader->writer, kind, currency, &book, fault));
        loader->contras[kind].currency = currency;
        loader->contras[kind].number = book->number;
    }
    *number = loader->contras[kind].number;
    return ERR_none;
}

/* --- rounding -------------------------------------------------------------------------------- */

/* Whether the row can be posted after its rounding; so that a row that cannot leaves nothing. */
static enum err check_rounded(struct import_loader *loader, const struct post *post,
                              int64_t rounding, struct fault *fault)
{
    const struct account_book *account;
    const struct account_book *other;
    struct account_book        rounded;
    struct ledger_request      request = { .transaction_id = post->transaction_id,
                                           .type = post->type,
                                           .amount = post->amount,
                                           .currency = post->currency,
                                           .at_us = post->at_us,
                                           .history = true };

    TRY(writer_book(loader->writer, post->account, &account, NULL));
    rounded = *account;
    if (!money_add(rounded.balance, rounding, &rounded.balance))
        return fault_set(fault, ERR_amount_overflow, "rounding", "%s", "");
    TRY(writer_book(loader->writer, post->other, &other, NULL));
    return ledger_check(&request, post->incoming ? other : &rounded,
                        post->incoming ? &rounded : other, fault);
}

#define ROUNDING_TEXT "Rounding"

bool import_is_rounding(const struct transaction *row)
{
    return row->type == TYPE_ADJUSTMENT && row->rule_set == 0 &&
           strcmp(row->description, ROUNDING_TEXT) == 0;
}

static enum err post_rounding(struct import_loader *loader, const struct import_row *row,
                              const struct post *post, struct fault *fault)
{
    struct post        rounding = { .type = TYPE_ADJUSTMENT,
                                    .account = post->account,
                                    .incoming = row->rounding > 0,
                                    .currency = post->currency,
                                    .at_us = post->at_us,
                                    .external_id = post->external_id,
                                    .description = slice_from(ROUNDING_TEXT),
                                    .history = true,
                                    .unjudged = true };
    struct transaction known;
    char               name[UUID_TEXT_MAX];
    enum err           err;

    err = loader->store->ops->transaction_by_id(loader->store, &post->transaction_id, &known);
    if (err != ERR_not_found)
        return err;
    TRY(check_rounded(loader, post, row->rounding, fault));
    rounding.transaction_id =
        id_of_name(loader, "rounding", uuid_text(&post->transaction_id, name), row->at_us);
    rounding.amount = row->rounding > 0 ? row->rounding : -row->rounding;
    TRY(find_contra(loader, ACCOUNT_ROUNDING, post->currency, &rounding.other, fault));
    TRY(writer_post(loader->writer, &rounding, &loader->posted, fault));
    loader->counts.roundings += loader->posted.repeated ? 0 : 1;
    return ERR_none;
}

/* --- one row --------------------------------------------------------------------------------- */

static void compare_balance(struct import_loader *loader, const struct import_row *row)
{
    const struct transaction *posted = loader->posted.row;
    int64_t ledger = row->incoming ? posted->credit_balance : posted->debit_balance;

    if (!row->has_balance) {
        loader->counts.unchecked++;
        return;
    }
    if (ledger == row->balance) {
        loader->counts.agree++;
        return;
    }
    loader->counts.disagree++;
    if (loader->options.disagreement != NULL)
        loader->options.disagreement(loader->options.context, row, ledger);
}

/* Whether an analyst found it out, who knows more than a file. */
static enum err is_decided(const struct import_loader *loader, int64_t sequence, bool *out)
{
    struct alert alert;
    enum err     err = loader->store->ops->alert_by_transaction(loader->store, sequence, &alert);

    *out = err == ERR_none && alert.state == ALERT_DECIDED;
    return err == ERR_not_found ? ERR_none : err;
}

static void count_label(struct import_loader *loader, const struct import_row *row)
{
    loader->counts.labels++;
    loader->counts.frauds += row->fraud ? 1 : 0;
}

/* When a finding about what happened at `at_us` became known. */
static enum err known_at(const struct import_loader *loader, const struct import_row *row,
                         int64_t at_us, int64_t *out, struct fault *fault)
{
    *out = row->has_known_at ? row->known_at_us : at_us + loader->map->known_after_us;
    if (*out < at_us)
        return fault_set(fault, ERR_field_invalid, "label.known_at",
                         "It would be known before the payment");
    if (row->has_known_at && *out > writer_now_us(loader->writer) + US_PER_DAY)
        return fault_set(fault, ERR_field_invalid, "label.known_at", "The time lies in the future");
    return ERR_none;
}

/* That a finding was replaced is an act, like an analyst's; that one came is told by the label. */
static void audit_replaced(struct import_loader *loader, struct draft *draft,
                           const struct transaction *payment, const struct label *before,
                           bool fraud)
{
    char       detail[LIMIT_DETAIL_MAX + 1];
    struct act act = { .actor_name = "import",
                       .kind = AUDIT_ACTION,
                       .operation = "label.replace",
                       .subject = &payment->transaction_id,
                       .about_transaction = payment->sequence };

    snprintf(detail, sizeof detail, "%s, before %s", fraud ? "fraud" : "not fraud",
             before->withdrawn ? "taken back"
             : before->fraud   ? "fraud"
                               : "not fraud");
    act.detail = slice_from(detail);
    writer_audit(loader->writer, draft, &act);
}

/* A row that was loaded before without its label gets it now; with another one, it gets this, as a
 * charge-back may come after the first file. */
static enum err add_label(struct import_loader *loader, const struct transaction *payment,
                          const struct import_row *row, int64_t known_at_us)
{
    int64_t       sequence = payment->sequence;
    bool          decided = false;
    struct draft *draft;
    struct label  known;
    enum err      err;

    err = writer_label_find(loader->writer, sequence, &known);
    if (err != ERR_none && err != ERR_not_found)
        return err;
    if (err == ERR_none && !known.withdrawn) {
        if (known.fraud == row->fraud)
            return ERR_none;
        TRY(is_decided(loader, sequence, &decided));
        loader->counts.labels_kept += decided ? 1 : 0;
        if (decided)
            return ERR_none;
        loader->counts.labels_changed++;
    }
    draft = writer_draft(loader->writer);
    if (draft == NULL)
        return ERR_busy;
    TRY(writer_label(loader->writer, draft, payment, row->fraud, known_at_us));
    if (err == ERR_none)
        audit_replaced(loader, draft, payment, &known, row->fraud);
    writer_add(loader->writer, draft);
    loader->late_labels++;
    count_label(loader, row);
    return ERR_none;
}

static enum err fill_post(struct import_loader *loader, const struct slice *cells, size_t count,
                          const struct import_row *row, struct post *post, struct fault *fault)
{
    const char *customer = row->customer[0] != '\0' ? row->customer : row->account;

    *post = (struct post){ .type = row->type->type,
                           .incoming = row->incoming,
                           .amount = row->amount,
                           .currency = row->currency->number,
                           .at_us = row->at_us,
                           .party = slice_from(row->party),
                           .description = slice_from(row->description),
                           .external_id = slice_from(row->external_id),
                           .history = true };
    if (loader->options.labels && row->has_label) {
        post->has_label = true;
        post->fraud = row->fraud;
        TRY(known_at(loader, row, row->at_us, &post->label_known_at_us, fault));
    }
    if (row->external_id[0] != '\0')
        post->transaction_id = id_of_name(loader, "transaction", row->external_id, row->at_us);
    else
        TRY(id_of_content(loader, cells, count, row->at_us, &post->transaction_id));
    TRY(find_account(loader, row->account, customer, cells, row, &post->account, fault));
    if (row->other[0] != '\0')
        return find_account(loader, row->other, row->other, cells, row, &post->other, fault);
    return find_contra(loader, row->type->contra, post->currency, &post->other, fault);
}

static enum err load(struct import_loader *loader, const struct slice *cells, size_t count,
                     const struct import_row *row, struct fault *fault)
{
    struct post post;

    if (row->at_us > writer_now_us(loader->writer) + US_PER_DAY)
        return fault_set(fault, ERR_field_invalid, "time", "The time lies in the future");
    TRY(fill_post(loader, cells, count, row, &post, fault));
    if (row->rounding != 0)
        TRY(post_rounding(loader, row, &post, fault));
    TRY(writer_post(loader->writer, &post, &loader->posted, fault));
    if (loader->posted.repeated) {
        loader->counts.repeated++;
        if (post.has_label)
            TRY(add_label(loader, loader->posted.row, row, post.label_known_at_us));
    } else {
        loader->counts.loaded++;
        loader->counts.alerts += loader->posted.raised ? 1 : 0;
        loader->counts.suspicious += uuid_is_zero(&loader->posted.facts.alert_id) ? 0 : 1;
        if (post.has_label)
            count_label(loader, row);
    }
    if (loader->options.check_balances)
        compare_balance(loader, row);
    return ERR_none;
}

/* Room for what one row may plan. */
static enum err make_room(struct import_loader *loader, struct fault *fault)
{
    if (writer_planned(loader->writer) >= LIMIT_BATCH_MAX - LOADER_SLACK ||
        loader->late_labels >= LOADER_LATE_LABELS)
        return import_loader_commit(loader, fault);
    return ERR_none;
}

static bool is_own(enum err err)
{
    return err_class(err) == ERR_CLASS_INPUT || err_class(err) == ERR_CLASS_CONFLICT;
}

enum err import_loader_label(struct import_loader *loader, int64_t sequence,
                             const struct import_row *row, struct fault *fault)
{
    struct import_counts *counts = &loader->counts;
    int64_t               before = counts->labels + counts->labels_kept;
    struct transaction    payment;
    int64_t               known_at_us;

    TRY(make_room(loader, fault));
    TRY(writer_look(loader->writer));
    TRY(loader->store->ops->transaction_by_sequence(loader->store, sequence, &payment));
    TRY(known_at(loader, row, payment.at_us, &known_at_us, fault));
    TRY(add_label(loader, &payment, row, known_at_us));
    counts->repeated += counts->labels + counts->labels_kept == before ? 1 : 0;
    return ERR_none;
}

enum err import_loader_row(struct import_loader *loader, const struct slice *cells, size_t count,
                           struct fault *fault)
{
    struct import_row row;
    enum err          err = import_row_read(loader->map, cells, count, &row, fault);

    CHECK(!loader->map->labels_only);
    loader->counts.rows++;
    if (err == ERR_none && row.skipped) {
        loader->counts.skipped++;
        return ERR_none;
    }
    if (err == ERR_none)
        TRY(make_room(loader, fault));
    if (err == ERR_none)
        err = writer_look(loader->writer); /* every row asks whether its id is known */
    if (err == ERR_none)
        err = load(loader, cells, count, &row, fault);
    if (err != ERR_none && is_own(err))
        loader->counts.rejected++;
    return err;
}

/* --- open, commit, close --------------------------------------------------------------------- */

enum err import_loader_commit(struct import_loader *loader, struct fault *fault)
{
    enum err err = writer_commit(loader->writer, fault);

    loader->late_labels = 0;
    cache_unpin_all(loader->accounts);
    cache_unpin_all(loader->customers);
    if (err == ERR_changed_meanwhile || err == ERR_id_reused)
        return fault_set(fault, ERR_busy, NULL,
                         "Another command wrote at the same time; the same import goes on when it "
                         "is started again");
    loader->failed = loader->failed || err != ERR_none;
    if (!loader->failed) /* behind a group that is lost, the counts are more than what is there */
        loader->counts.committed = loader->counts.loaded + loader->counts.labels;
    return err;
}

enum err import_loader_open(const struct import_map *map, struct writer *writer,
                            const struct import_options *options, struct import_loader **out)
{
    struct import_loader *loader = calloc(1, sizeof *loader);
    size_t   names = options->names_max != 0 ? options->names_max : LOADER_NAMES_DEFAULT;
    enum err err;

    if (loader == NULL)
        return ERR_memory;
    loader->map = map;
    loader->writer = writer;
    loader->store = writer_store(writer);
    loader->options = *options;
    err = cache_open(names, sizeof(struct name_slot), NULL, &loader->accounts);
    if (err == ERR_none)
        err = cache_open(names, sizeof(struct name_slot), NULL, &loader->customers);
    if (err != ERR_none) {
        import_loader_close(&loader);
        return err;
    }
    *out = loader;
    return ERR_none;
}

void import_loader_close(struct import_loader **loader)
{
    if (*loader == NULL)
        return;
    cache_close(&(*loader)->accounts);
    cache_close(&(*loader)->customers);
    free((*loader)->lines);
    free(*loader);
    *loader = NULL;
}

struct import_counts *import_loader_counts(struct import_loader *loader)
{
    return &loader->counts;
}
