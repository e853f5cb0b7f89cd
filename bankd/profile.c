/* See profile.h. A chain can only be followed from its newest transaction to older ones, but a
 * fold needs the oldest first. So the unseen part of a chain is read in segments: the first pass
 * goes back over all of them, remembers where each began and forgets their content; the second
 * comes forward and reads each once more. A chain that lags by less than one segment, which is the
 * common case by far, is read once. */
#include "bankd/profile.h"

#include "bankd/past.h"
#include "common/check.h"
#include "common/money.h"

#include <stdlib.h>
#include <string.h>

static_assert(sizeof(struct fraud_profile) <= LIMIT_PROFILE_BYTES,
              "a profile must fit its place in the store");

/* --- from a row to an event ----------------------------------------------------------------- */

static bool entity_is_party(int64_t entity)
{
    return entity % 2 != 0;
}

static int64_t entity_number(int64_t entity)
{
    return entity / 2;
}

int64_t profile_subject(const struct transaction *row)
{
    return entity_of_account(row->incoming ? row->credit : row->debit);
}

int64_t profile_counterparty(const struct transaction *row, const struct account_book *debit,
                             const struct account_book *credit)
{
    const struct account_book *other = row->incoming ? debit : credit;
    if (other->kind == ACCOUNT_CUSTOMER)
        return entity_of_account(other->number);
    return row->party != 0 ? entity_of_party(row->party) : 0;
}

static int64_t currency_unit(uint16_t number)
{
    const struct currency *currency = currency_by_number(number);
    int64_t unit = 1;
    for (int i = 0; currency != NULL && i < currency->exponent; i++)
        unit *= 10;
    return unit;
}

/* Booked balances are sums that were checked when they were made, so taking one posting back
 * cannot overflow in books that are whole; in damaged ones the balance is left as it is. */
static int64_t balance_before(const struct transaction *row, const struct account_book *subject)
{
    if (row->initial_status == 0)
        return subject->balance;
    int64_t after = row->incoming ? row->credit_balance : row->debit_balance;
    if (row->initial_status != STATUS_COMPLETED)
        return after;
    int64_t before = after;
    bool fits = row->incoming ? money_sub(after, row->amount, &before)
                              : money_add(after, row->amount, &before);
    return fits ? before : after;
}

void profile_event(const struct transaction *row, const struct account_book *debit,
                   const struct account_book *credit, struct fraud_event *out)
{
    const struct account_book *subject = row->incoming ? credit : debit;
    const struct account_book *other = row->incoming ? debit : credit;

    memset(out, 0, sizeof(*out));
    out->at_us = row->at_us;
    out->amount = row->amount;
    out->unit = currency_unit(row->currency);
    out->currency = row->currency;
    out->type = row->type;
    out->status = row->initial_status;
    out->incoming = row->incoming;
    out->history = row->posted_by == 0;
    out->balance = balance_before(row, subject);
    out->opened_at_us = subject->created_at_us;
    out->counterparty = profile_counterparty(row, debit, credit);
    out->counterparty_internal = other->kind == ACCOUNT_CUSTOMER;
}

/* --- one step of the fold ------------------------------------------------------------------- */

struct step {
    struct fraud_event event;
    int64_t other;
    enum fraud_side side;
    bool judged; /* else it is passed over */
    bool has_label;
    struct label label;
    int64_t sequence;
    struct profile_release release;
};

static void step_of(int64_t entity, const struct transaction *row, const struct account_book *debit,
                    const struct account_book *credit, struct step *out)
{
    memset(out, 0, sizeof(*out));
    profile_event(row, debit, credit, &out->event);
    out->judged = row->rule_set != 0;
    out->sequence = row->sequence;
    out->side = entity == profile_subject(row) ? FRAUD_SUBJECT : FRAUD_COUNTERPARTY;
    out->other = out->side == FRAUD_SUBJECT ? out->event.counterparty : profile_subject(row);
}

static void take_step(struct fraud_profile *profile, const struct step *step)
{
    if (!step->judged)
        return;
    fraud_observe(profile, &step->event, step->side, step->other);
    if (step->has_label)
        fraud_observe_label(profile, step->label.known_at_us, step->label.fraud);
}

static void take_release(struct fraud_profile *profile, const struct step *step)
{
    if (step->judged)
        fraud_observe_release(profile, &step->event, step->side, step->other, step->release.at_us);
}

static bool note_release(void *context, const void *row)
{
    struct profile_release *release = context;
    const struct audit *audit = row;
    if (audit->set_status != STATUS_COMPLETED)
        return true;
    *release = (struct profile_release){.sequence = audit->sequence, .at_us = audit->at_us};
    return false;
}

/* What was released may have been reversed since, by a transaction of its own. */
enum err profile_release_of(struct store *store, const struct transaction *row,
                            struct profile_release *out)
{
    struct audit_filter about = {.about_transaction = row->sequence};
    int64_t stopped_at;
    *out = (struct profile_release){.sequence = 0};
    if (row->initial_status != STATUS_HELD ||
        (row->status != STATUS_COMPLETED && row->status != STATUS_REVERSED))
        return ERR_none;
    return store->ops->audits(store, &about, note_release, out, &stopped_at);
}

static enum err label_of(struct store *store, struct step *step, int64_t sequence)
{
    enum err err = store->ops->label_by_transaction(store, sequence, &step->label);
    step->has_label = err == ERR_none;
    return err == ERR_not_found ? ERR_none : err;
}

static bool names(const struct transaction *row, int64_t entity)
{
    if (entity_is_party(entity))
        return row->party == entity_number(entity);
    return row->debit == entity_number(entity) || row->credit == entity_number(entity);
}

void profile_observe(struct fraud_profile *profile, int64_t entity, const struct transaction *row,
                     const struct account_book *debit, const struct account_book *credit,
                     const struct label *label)
{
    CHECK(row->initial_status != 0 && names(row, entity));
    struct step step;
    step_of(entity, row, debit, credit, &step);
    step.has_label = label != NULL;
    if (label != NULL)
        step.label = *label;
    take_step(profile, &step);
}

void profile_observe_release(struct fraud_profile *profile, int64_t entity,
                             const struct transaction *row, const struct account_book *debit,
                             const struct account_book *credit, int64_t released_at_us)
{
    CHECK(row->initial_status == STATUS_HELD && names(row, entity));
    struct step step;
    step_of(entity, row, debit, credit, &step);
    step.release.at_us = released_at_us;
    take_release(profile, &step);
}

/* One finding takes the place of another, at the place of the act in the chain. */
struct relabel {
    int64_t sequence;
    struct label before, after;
};

/* --- the chain ------------------------------------------------------------------------------ */

struct walk {
    struct store *store;
    int64_t entity;
    int64_t until; /* releases from this sequence on have not happened */
    struct account_book debit, credit; /* of the row that was read last; number 0 = none yet */
    struct transaction row;
    const struct profile_bounds *bounds; /* NULL = none */
    int64_t read;                        /* rows so far */
    size_t count;
    struct step steps[PROFILE_SEGMENT]; /* newest first */
    /* Of what was observed so far, the holds that are released later, the earliest release last. */
    struct step *released;
    size_t released_count, released_room;
    /* Of the findings of what was observed so far, those that are replaced later, likewise. */
    bool replays_findings;
    struct relabel *relabels;
    size_t relabel_count, relabel_room;
    struct label later; /* while findings are read: the one that comes after */
    bool failed;
};

static enum err check_bounds(struct walk *walk)
{
    const struct profile_bounds *bounds = walk->bounds;
    walk->read++;
    if (bounds == NULL)
        return ERR_none;
    if (bounds->cancel != NULL && atomic_load_explicit(bounds->cancel, memory_order_relaxed))
        return ERR_cancelled;
    return walk->read > bounds->rows_max ? ERR_message_too_large : ERR_none;
}

static int64_t previous_of(const struct transaction *row, int64_t entity)
{
    if (entity_is_party(entity))
        return row->party_previous;
    return row->debit == entity_number(entity) ? row->debit_previous : row->credit_previous;
}

/* Neighbours on a chain often share a side, so the book at hand is kept when it is the one. */
static enum err book_at(struct store *store, int64_t number, struct account_book *book)
{
    if (book->number == number)
        return ERR_none;
    enum err err = store->ops->book_by_number(store, number, book);
    if (err != ERR_none)
        book->number = 0;
    return err == ERR_not_found ? ERR_books_broken : err;
}

/* Reads at most one segment from `from` back to `stop` (exclusive). *next is where the segment
 * before it begins; <= stop when there is none. */
static enum err walk_segment(struct walk *walk, int64_t from, int64_t stop, int64_t *next)
{
    struct store *store = walk->store;
    walk->count = 0;
    int64_t at = from;
    while (at > stop && walk->count < PROFILE_SEGMENT) {
        TRY(check_bounds(walk));
        enum err err = store->ops->transaction_by_sequence(store, at, &walk->row);
        if (err != ERR_none)
            return err == ERR_not_found ? ERR_books_broken : err;
        if (!names(&walk->row, walk->entity))
            return ERR_books_broken;
        TRY(book_at(store, walk->row.debit, &walk->debit));
        TRY(book_at(store, walk->row.credit, &walk->credit));
        struct step *step = &walk->steps[walk->count++];
        step_of(walk->entity, &walk->row, &walk->debit, &walk->credit, step);
        TRY(label_of(store, step, at));
        TRY(profile_release_of(store, &walk->row, &step->release));
        int64_t previous = previous_of(&walk->row, walk->entity);
        if (previous < 0 || previous >= at)
            return ERR_books_broken;
        at = previous;
    }
    *next = at;
    return ERR_none;
}

static void take_releases(struct walk *walk, struct fraud_profile *profile, int64_t before)
{
    while (walk->released_count > 0 &&
           walk->released[walk->released_count - 1].release.sequence < before)
        take_release(profile, &walk->released[--walk->released_count]);
}

static enum err await_release(struct walk *walk, const struct step *step)
{
    if (step->release.sequence == 0 || step->release.sequence >= walk->until)
        return ERR_none;
    if (walk->released_count == walk->released_room) {
        size_t room = walk->released_room == 0 ? 16 : walk->released_room * 2;
        struct step *more = realloc(walk->released, room * sizeof(*more));
        if (more == NULL)
            return ERR_memory;
        walk->released = more;
        walk->released_room = room;
    }
    size_t place = walk->released_count++;
    for (; place > 0 && walk->released[place - 1].release.sequence < step->release.sequence;
         place--)
        walk->released[place] = walk->released[place - 1];
    walk->released[place] = *step;
    return ERR_none;
}

static void take_relabels(struct walk *walk, struct fraud_profile *profile, int64_t before)
{
    while (walk->relabel_count > 0 &&
           walk->relabels[walk->relabel_count - 1].sequence < before) {
        const struct relabel *change = &walk->relabels[--walk->relabel_count];
        fraud_forget_label(profile, change->before.known_at_us, change->before.fraud);
        fraud_observe_label(profile, change->after.known_at_us, change->after.fraud);
    }
}

static bool await_relabel(void *context, const struct past_finding *past)
{
    struct walk *walk = context;
    struct relabel change = {
        .sequence = past->sequence, .before = past->label, .after = walk->later};
    walk->later = past->label;
    if (change.sequence >= walk->until)
        return true;
    if (walk->relabel_count == walk->relabel_room) {
        size_t room = walk->relabel_room == 0 ? 16 : walk->relabel_room * 2;
        struct relabel *more = realloc(walk->relabels, room * sizeof(*more));
        walk->failed = more == NULL;
        if (more == NULL)
            return false;
        walk->relabels = more;
        walk->relabel_room = room;
    }
    size_t place = walk->relabel_count++;
    for (; place > 0 && walk->relabels[place - 1].sequence < change.sequence; place--)
        walk->relabels[place] = walk->relabels[place - 1];
    walk->relabels[place] = change;
    return true;
}

/* The finding that the step is observed with is the first that there was. */
static enum err recall_findings(struct walk *walk, struct step *step)
{
    if (!walk->replays_findings || !step->has_label)
        return ERR_none;
    walk->later = step->label;
    TRY(past_findings(walk->store, step->sequence, await_relabel, walk));
    step->label = walk->later;
    return walk->failed ? ERR_memory : ERR_none;
}

static enum err observe_segment(struct walk *walk, struct fraud_profile *profile)
{
    for (size_t i = walk->count; i > 0; i--) {
        struct step *step = &walk->steps[i - 1];
        take_releases(walk, profile, step->sequence);
        take_relabels(walk, profile, step->sequence);
        TRY(recall_findings(walk, step));
        take_step(profile, step);
        TRY(await_release(walk, step));
    }
    return ERR_none;
}

/* Folds what lies behind `stop` into the profile. *joined tells whether the chain passes through
 * `stop`; when it does not, the profile is left as it was. */
static enum err fold(struct walk *walk, int64_t newest, int64_t stop, struct fraud_profile *profile,
                     bool *joined)
{
    int64_t *begins = NULL; /* of the segments, newest first */
    size_t count = 0;
    size_t capacity = 0;
    int64_t at = newest;
    enum err err = ERR_none;
    do {
        if (count == capacity) {
            capacity = capacity == 0 ? 64 : capacity * 2;
            int64_t *more = realloc(begins, capacity * sizeof(*begins));
            if (more == NULL) {
                err = ERR_memory;
                goto out;
            }
            begins = more;
        }
        begins[count++] = at;
        err = walk_segment(walk, at, stop, &at);
        if (err != ERR_none)
            goto out;
    } while (at > stop);
    *joined = at == stop;
    if (!*joined)
        goto out;
    err = observe_segment(walk, profile);
    for (size_t i = count - 1; i > 0 && err == ERR_none; i--) {
        err = walk_segment(walk, begins[i - 1], begins[i], &at);
        if (err == ERR_none)
            err = observe_segment(walk, profile);
    }
    take_releases(walk, profile, walk->until);
    take_relabels(walk, profile, walk->until);
out:
    free(walk->relabels);
    walk->relabels = NULL;
    walk->relabel_count = 0;
    walk->relabel_room = 0;
    free(walk->released);
    walk->released = NULL;
    walk->released_count = 0;
    walk->released_room = 0;
    free(begins);
    return err;
}

static enum err newest_of(struct store *store, int64_t entity, int64_t *newest)
{
    if (entity_is_party(entity)) {
        struct party party;
        TRY(store->ops->party_by_number(store, entity_number(entity), &party));
        *newest = party.last_sequence;
        return ERR_none;
    }
    struct account_book book;
    TRY(store->ops->book_by_number(store, entity_number(entity), &book));
    *newest = book.last_sequence;
    return ERR_none;
}

/* --- packing -------------------------------------------------------------------------------- */

/* Most words of a profile are zero, and most bytes of the others. First one bit for each word that
 * is not zero, then for each of those one bit for each byte that is not zero, and those bytes. A
 * profile has 128 words; packing it takes a third of a microsecond. */
enum {
    WORD = 8,
    WORDS = FRAUD_PROFILE_BYTES / WORD,
    MARKS = WORDS / 8,
    PACKED_WORD_MAX = WORD + 1,
};
static_assert((int)FRAUD_PROFILE_BYTES <= (int)LIMIT_PROFILE_BYTES, "an unpacked profile fits");

size_t profile_pack(const struct fraud_profile *profile, uint8_t out[LIMIT_PROFILE_BYTES])
{
    size_t n = MARKS;

    memset(out, 0, MARKS);
    for (size_t word = 0; word < WORDS; word++) {
        const uint8_t *bytes = profile->bytes + word * WORD;
        uint64_t       value;
        size_t         mark = n;

        memcpy(&value, bytes, WORD);
        if (value == 0)
            continue;
        if (n + PACKED_WORD_MAX >= FRAUD_PROFILE_BYTES) {
            memcpy(out, profile->bytes, FRAUD_PROFILE_BYTES);
            return FRAUD_PROFILE_BYTES;
        }
        out[word / 8] |= (uint8_t)(1u << word % 8);
        out[n++] = 0;
        for (size_t i = 0; i < WORD; i++) {
            out[n] = bytes[i];
            out[mark] |= (uint8_t)((bytes[i] != 0) << i);
            n += bytes[i] != 0;
        }
    }
    return n;
}

static bool unpack_word(const uint8_t *bytes, size_t n, size_t *at, uint8_t *out)
{
    uint8_t mark;

    if (*at == n)
        return false;
    mark = bytes[(*at)++];
    for (size_t i = 0; i < WORD; i++) {
        if ((mark >> i & 1) == 0)
            continue;
        if (*at == n)
            return false;
        out[i] = bytes[(*at)++];
    }
    return true;
}

bool profile_unpack(const uint8_t *bytes, size_t n, struct fraud_profile *out)
{
    size_t at = MARKS;

    if (n == FRAUD_PROFILE_BYTES) {
        memcpy(out->bytes, bytes, n);
        return fraud_profile_valid(out);
    }
    if (n < MARKS || n > FRAUD_PROFILE_BYTES)
        return false;
    memset(out->bytes, 0, sizeof out->bytes);
    for (size_t word = 0; word < WORDS; word++)
        if ((bytes[word / 8] >> word % 8 & 1) != 0 &&
            !unpack_word(bytes, n, &at, out->bytes + word * WORD))
            return false;
    return at == n && fraud_profile_valid(out);
}

/* --- loading -------------------------------------------------------------------------------- */

/* The saved profile, or an empty one that has seen nothing. */
static enum err saved(struct store *store, int64_t entity, struct fraud_profile *out,
                      int64_t *last_sequence)
{
    uint8_t bytes[LIMIT_PROFILE_BYTES];
    size_t n = 0;
    enum err err =
        store->ops->profile_get(store, entity, last_sequence, bytes, sizeof(bytes), &n);
    if (err == ERR_none && *last_sequence > 0 && profile_unpack(bytes, n, out))
        return ERR_none;
    if (err != ERR_none && err != ERR_not_found)
        return err;
    fraud_profile_init(out);
    *last_sequence = 0;
    return ERR_none;
}

static bool is_there(void *context, const struct past_finding *past)
{
    (void)past;
    *(bool *)context = true;
    return false;
}

static enum err load(struct store *store, int64_t entity, int64_t newest, int64_t until,
                     const struct profile_bounds *bounds, struct fraud_profile *out,
                     int64_t *last_sequence)
{
    int64_t seen = 0;
    *last_sequence = 0;
    fraud_profile_init(out);
    if (newest == 0)
        return ERR_none;
    TRY(saved(store, entity, out, &seen));
    if (seen > newest) {
        fraud_profile_init(out);
        seen = 0;
    }
    if (newest > seen) {
        struct walk walk = {
            .store = store, .entity = entity, .until = until, .bounds = bounds};
        bool joined = false;
        if (until != INT64_MAX)
            TRY(past_findings(store, 0, is_there, &walk.replays_findings));
        TRY(fold(&walk, newest, seen, out, &joined));
        if (!joined) {
            fraud_profile_init(out);
            TRY(fold(&walk, newest, 0, out, &joined));
        }
    }
    *last_sequence = newest;
    return ERR_none;
}

enum err profile_load(struct store *store, int64_t entity, int64_t newest,
                      struct fraud_profile *out, int64_t *last_sequence)
{
    return load(store, entity, newest, INT64_MAX, NULL, out, last_sequence);
}

enum err profile_before(struct store *store, const struct transaction *row, int64_t entity,
                        const struct profile_bounds *bounds, struct fraud_profile *out)
{
    int64_t last_sequence = 0;
    CHECK(names(row, entity));
    return load(store, entity, previous_of(row, entity), row->sequence, bounds, out,
                &last_sequence);
}

enum err profile_current(struct store *store, int64_t entity, struct fraud_profile *out,
                         int64_t *last_sequence)
{
    int64_t newest = 0;
    TRY(newest_of(store, entity, &newest));
    return profile_load(store, entity, newest, out, last_sequence);
}
