/* See replay.h. Entities are numbered densely, so their profiles are found through a table of
 * pointers; the profiles come in blocks, when an entity first takes part. Findings are read in the
 * order of the transactions and looked up by moving on with them. */
#include "bankd/learn/replay.h"

#include "bankd/learn/ahead.h"
#include "bankd/past.h"
#include "bankd/profile.h"

#include <stdlib.h>
#include <string.h>

enum { REPLAY_BLOCK = 256, REPLAY_TELL = 1 << 16 };

struct replay_block {
    struct replay_block *next;
    struct fraud_profile profiles[REPLAY_BLOCK];
};

/* A hold that was observed and is released further on. */
struct replay_hold {
    struct fraud_event     event;
    int64_t                subject;
    struct profile_release release;
};

/* One finding takes the place of another, in the profile of one entity, once it comes to a payment
 * of `from_us` or later: a link of the entity's list, the earliest first. */
struct replay_change {
    struct replay_change *next;
    int64_t               from_us;
    struct label          before, after;
};

struct replay {
    const struct replay_options *options;
    replay_visit                *visit;
    struct account_book         *books; /* by number */
    size_t                       book_count;
    struct label                *labels;
    size_t                       label_count, label_room, label_at;
    struct past_finding         *pasts; /* by transaction, the first first */
    size_t                       past_count, past_room, past_at;
    struct replay_change       **changes; /* by entity; NULL when nothing was replaced */
    int64_t                     *alerted; /* sequences of payments that were an alert, rising */
    size_t                       alerted_count, alerted_room, alerted_at;
    struct fraud_profile       **profiles; /* by entity */
    size_t                       entity_count;
    struct replay_block         *blocks;
    size_t                       used;  /* profiles given out */
    struct replay_hold          *holds; /* released ones, the earliest release last */
    size_t                       hold_count, hold_room;
    int64_t                      last;
    int64_t                      rows;
    enum err                     failed;
    struct fault                *fault;
};

/* --- what is read first ---------------------------------------------------------------------- */

static bool take_book(void *context, const void *row)
{
    struct replay             *replay = context;
    const struct account_book *book = &((const struct account *)row)->book;

    if (book->number > 0 && (size_t)book->number < replay->book_count)
        replay->books[book->number] = *book;
    return true;
}

static bool take_label(void *context, const void *row)
{
    struct replay *replay = context;
    size_t         most = replay->options->findings_max;

    if (most != 0 && replay->label_count == most) {
        replay->failed = fault_set(replay->fault, ERR_message_too_large, NULL,
                                   "There are more than %zu findings", most);
        return false;
    }
    if (replay->label_count == replay->label_room) {
        size_t        room = replay->label_room == 0 ? 4096 : replay->label_room * 2;
        struct label *more = realloc(replay->labels, room * sizeof *more);

        if (more == NULL) {
            replay->failed = ERR_memory;
            return false;
        }
        replay->labels = more;
        replay->label_room = room;
    }
    replay->labels[replay->label_count++] = *(const struct label *)row;
    return true;
}

static bool take_past(void *context, const struct past_finding *past)
{
    struct replay *replay = context;
    size_t         most = replay->options->findings_max;

    if (most != 0 && replay->past_count == most) {
        replay->failed = fault_set(replay->fault, ERR_message_too_large, NULL,
                                   "There are more than %zu findings that were replaced", most);
        return false;
    }
    if (replay->past_count == replay->past_room) {
        size_t               room = replay->past_room == 0 ? 1024 : replay->past_room * 2;
        struct past_finding *more = realloc(replay->pasts, room * sizeof *more);

        if (more == NULL) {
            replay->failed = ERR_memory;
            return false;
        }
        replay->pasts = more;
        replay->past_room = room;
    }
    replay->pasts[replay->past_count++] = *past;
    return true;
}

static int by_transaction(const void *a, const void *b)
{
    const struct past_finding *left = a;
    const struct past_finding *right = b;

    if (left->label.transaction != right->label.transaction)
        return left->label.transaction < right->label.transaction ? -1 : 1;
    return (left->number > right->number) - (left->number < right->number);
}

static bool take_hit(void *context, const void *row)
{
    struct replay *replay = context;
    size_t         most = replay->options->findings_max;

    if (most != 0 && replay->alerted_count == most) {
        replay->failed = fault_set(replay->fault, ERR_message_too_large, NULL,
                                   "There are more than %zu alerted payments", most);
        return false;
    }
    if (replay->alerted_count == replay->alerted_room) {
        size_t   room = replay->alerted_room == 0 ? 4096 : replay->alerted_room * 2;
        int64_t *more = realloc(replay->alerted, room * sizeof *more);

        if (more == NULL) {
            replay->failed = ERR_memory;
            return false;
        }
        replay->alerted = more;
        replay->alerted_room = room;
    }
    replay->alerted[replay->alerted_count++] = ((const struct alert_hit *)row)->transaction;
    return true;
}

static int by_sequence(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

static enum err load_pasts(struct replay *replay)
{
    TRY(past_findings(replay->options->store, 0, take_past, replay));
    TRY(replay->failed);
    if (replay->past_count == 0)
        return ERR_none;
    qsort(replay->pasts, replay->past_count, sizeof replay->pasts[0], by_transaction);
    replay->changes = calloc(replay->entity_count, sizeof(struct replay_change *));
    return replay->changes != NULL ? ERR_none : ERR_memory;
}

static enum err load(struct replay *replay)
{
    struct account_filter every = { .before_number = 0 };
    struct store         *store = replay->options->store;
    struct store_numbers  numbers;
    int64_t               most;

    TRY(store->ops->numbers(store, &numbers));
    most = numbers.account > numbers.party ? numbers.account : numbers.party;
    replay->last = numbers.head.sequence;
    replay->book_count = (size_t)numbers.account + 1;
    replay->entity_count = 2 * ((size_t)most + 1);
    replay->books = calloc(replay->book_count, sizeof *replay->books);
    replay->profiles = calloc(replay->entity_count, sizeof(struct fraud_profile *));
    if (replay->books == NULL || replay->profiles == NULL)
        return ERR_memory;
    TRY(store->ops->accounts(store, &every, take_book, replay));
    TRY(store->ops->labels(store, take_label, replay));
    TRY(replay->failed);
    TRY(load_pasts(replay));
    TRY(store->ops->alert_hits(store, 0, take_hit, replay));
    if (replay->alerted_count > 0)
        qsort(replay->alerted, replay->alerted_count, sizeof replay->alerted[0], by_sequence);
    return replay->failed;
}

/* --- profiles -------------------------------------------------------------------------------- */

static enum err profile_at(struct replay *replay, int64_t entity, struct fraud_profile **out)
{
    size_t place = replay->used % REPLAY_BLOCK;

    if (entity <= 0 || (size_t)entity >= replay->entity_count)
        return ERR_books_broken;
    *out = replay->profiles[entity];
    if (*out != NULL)
        return ERR_none;
    if (replay->used == replay->options->entities_max)
        return fault_set(replay->fault, ERR_message_too_large, NULL,
                         "More than %zu accounts and counterparties take part",
                         replay->options->entities_max);
    if (place == 0) {
        struct replay_block *block = malloc(sizeof *block);

        if (block == NULL)
            return ERR_memory;
        block->next = replay->blocks;
        replay->blocks = block;
    }
    replay->used++;
    *out = &replay->blocks->profiles[place];
    replay->profiles[entity] = *out;
    fraud_profile_init(*out);
    return ERR_none;
}

static const struct label *label_of(struct replay *replay, int64_t sequence)
{
    while (replay->label_at < replay->label_count &&
           replay->labels[replay->label_at].transaction < sequence)
        replay->label_at++;
    if (replay->label_at < replay->label_count &&
        replay->labels[replay->label_at].transaction == sequence)
        return &replay->labels[replay->label_at];
    return NULL;
}

/* --- findings that were replaced ------------------------------------------------------------- */

static bool is_seen(const struct replay *replay, int64_t from_us, bool replaces)
{
    const struct replay_options *options = replay->options;

    return (options->known_to_us == 0 || from_us < options->known_to_us) &&
           (!replaces || options->replaced_to_us == 0 || from_us < options->replaced_to_us);
}

static enum err await_change(struct replay *replay, int64_t entity, int64_t from_us,
                             const struct label *before, const struct label *after)
{
    struct replay_change **place;
    struct replay_change  *change;

    if (entity <= 0)
        return ERR_none;
    change = malloc(sizeof *change);
    if (change == NULL)
        return ERR_memory;
    place = &replay->changes[entity];
    while (*place != NULL && (*place)->from_us <= from_us)
        place = &(*place)->next;
    *change = (struct replay_change){
        .next = *place, .from_us = from_us, .before = *before, .after = *after
    };
    *place = change;
    return ERR_none;
}

static void take_changes(struct replay *replay, int64_t entity, struct fraud_profile *profile,
                         int64_t at_us)
{
    struct replay_change *change;

    if (replay->changes == NULL || entity <= 0)
        return;
    while ((change = replay->changes[entity]) != NULL && change->from_us <= at_us) {
        replay->changes[entity] = change->next;
        fraud_forget_label(profile, change->before.known_at_us, change->before.fraud);
        fraud_observe_label(profile, change->after.known_at_us, change->after.fraud);
        free(change);
    }
}

/* Of one transaction: the first that there was, and the last that is seen. */
struct findings {
    struct label first, last;
    int64_t      from_us; /* of the last; they come one after the other */
    bool         any;
};

/* A change that comes later, in the profiles of both sides. */
static enum err take_finding(struct replay *replay, const struct replay_event *event,
                             const struct label *after, int64_t from_us, struct findings *out)
{
    from_us = out->any && from_us < out->from_us ? out->from_us : from_us;
    if (!is_seen(replay, from_us, out->any))
        return ERR_none;
    if (!out->any) {
        out->first = *after;
    } else {
        TRY(await_change(replay, profile_subject(event->row), from_us, &out->last, after));
        TRY(await_change(replay, event->event->counterparty, from_us, &out->last, after));
    }
    out->last = *after;
    out->from_us = from_us;
    out->any = true;
    return ERR_none;
}

static enum err find_findings(struct replay *replay, const struct replay_event *event,
                              const struct label *label, struct findings *out)
{
    int64_t sequence = event->row->sequence;
    int64_t from_us;

    out->any = false;
    if (label == NULL)
        return ERR_none;
    while (replay->past_at < replay->past_count &&
           replay->pasts[replay->past_at].label.transaction < sequence)
        replay->past_at++;
    from_us = label->known_at_us;
    for (size_t at = replay->past_at;
         at < replay->past_count && replay->pasts[at].label.transaction == sequence; at++) {
        const struct past_finding *past = &replay->pasts[at];

        TRY(take_finding(replay, event, &past->label,
                         at == replay->past_at ? past->label.known_at_us : from_us, out));
        from_us = past->until_us;
    }
    return take_finding(replay, event, label, from_us, out);
}

static bool was_alert(struct replay *replay, int64_t sequence)
{
    while (replay->alerted_at < replay->alerted_count &&
           replay->alerted[replay->alerted_at] < sequence)
        replay->alerted_at++;
    return replay->alerted_at < replay->alerted_count &&
           replay->alerted[replay->alerted_at] == sequence;
}

/* Those that were released before a place in the chain. */
static enum err take_releases(struct replay *replay, int64_t before)
{
    while (replay->hold_count > 0 &&
           replay->holds[replay->hold_count - 1].release.sequence < before) {
        const struct replay_hold *hold = &replay->holds[--replay->hold_count];
        struct fraud_profile     *profile;

        TRY(profile_at(replay, hold->subject, &profile));
        fraud_observe_release(profile, &hold->event, FRAUD_SUBJECT, hold->event.counterparty,
                              hold->release.at_us);
        if (hold->event.counterparty == 0)
            continue;
        TRY(profile_at(replay, hold->event.counterparty, &profile));
        fraud_observe_release(profile, &hold->event, FRAUD_COUNTERPARTY, hold->subject,
                              hold->release.at_us);
    }
    return ERR_none;
}

static enum err await_release(struct replay *replay, const struct transaction *row,
                              const struct fraud_event     *event,
                              const struct profile_release *release)
{
    struct replay_hold hold = { .event = *event,
                                .subject = profile_subject(row),
                                .release = *release };
    size_t             place;

    if (replay->hold_count == replay->hold_room) {
        size_t              room = replay->hold_room == 0 ? 64 : replay->hold_room * 2;
        struct replay_hold *more = realloc(replay->holds, room * sizeof *more);

        if (more == NULL)
            return ERR_memory;
        replay->holds = more;
        replay->hold_room = room;
    }
    place = replay->hold_count++;
    for (; place > 0 && replay->holds[place - 1].release.sequence < hold.release.sequence; place--)
        replay->holds[place] = replay->holds[place - 1];
    replay->holds[place] = hold;
    return ERR_none;
}

static enum err take_row(struct replay *replay, const struct transaction *row,
                         const struct profile_release *release)
{
    const struct account_book *debit;
    const struct account_book *credit;
    struct fraud_profile      *subject;
    struct fraud_profile      *counterparty = NULL;
    struct fraud_event         event;
    struct replay_event        shown = { .row = row, .event = &event };
    struct findings            findings;
    const struct label        *first;

    if (row->debit <= 0 || (size_t)row->debit >= replay->book_count || row->credit <= 0 ||
        (size_t)row->credit >= replay->book_count)
        return ERR_books_broken;
    TRY(take_releases(replay, row->sequence));
    debit = &replay->books[row->debit];
    credit = &replay->books[row->credit];
    profile_event(row, debit, credit, &event);
    TRY(profile_at(replay, profile_subject(row), &subject));
    if (event.counterparty != 0)
        TRY(profile_at(replay, event.counterparty, &counterparty));
    shown.account = row->incoming ? credit : debit;
    shown.other = row->incoming ? debit : credit;
    shown.subject = subject;
    shown.counterparty = counterparty;
    shown.was_alert = was_alert(replay, row->sequence);
    take_changes(replay, profile_subject(row), subject, row->at_us);
    if (counterparty != NULL)
        take_changes(replay, event.counterparty, counterparty, row->at_us);
    TRY(find_findings(replay, &shown, label_of(replay, row->sequence), &findings));
    shown.label = findings.any && !findings.last.withdrawn ? &findings.last : NULL;
    TRY(replay->visit(replay->options->context, &shown));
    first = findings.any ? &findings.first : NULL;
    profile_observe(subject, profile_subject(row), row, debit, credit, first);
    if (counterparty != NULL)
        profile_observe(counterparty, event.counterparty, row, debit, credit, first);
    return release->sequence != 0 ? await_release(replay, row, &event, release) : ERR_none;
}

static bool see_read(void *context, const struct transaction *row,
                     const struct profile_release *release)
{
    struct replay *replay = context;

    if (replay->rows++ % REPLAY_TELL == 0 && replay->options->progress != NULL)
        replay->options->progress(replay->options->progress_context, row->sequence, replay->last);
    if (row->rule_set != 0)
        replay->failed = take_row(replay, row, release);
    if (replay->failed == ERR_none && replay->options->cancel != NULL &&
        atomic_load_explicit(replay->options->cancel, memory_order_relaxed))
        replay->failed = ERR_cancelled;
    return replay->failed == ERR_none;
}

static bool see_row(void *context, const void *visited)
{
    struct replay            *replay = context;
    const struct transaction *row = visited;
    struct profile_release    release = { .sequence = 0 };

    if (row->rule_set != 0)
        replay->failed = profile_release_of(replay->options->store, row, &release);
    return replay->failed == ERR_none && see_read(replay, row, &release);
}

static enum err read_ledger(struct replay *replay)
{
    struct transaction_filter every = { .ascending = true };
    struct store             *store = replay->options->store;
    int64_t                   stopped_at;

    TRY(load(replay));
    if (replay->options->read_ahead)
        TRY(ahead_read(store, &every, see_read, replay));
    else
        TRY(store->ops->transactions(store, &every, see_row, replay, &stopped_at));
    return replay->failed;
}

static void free_changes(struct replay *replay)
{
    for (size_t i = 0; replay->changes != NULL && i < replay->entity_count; i++) {
        while (replay->changes[i] != NULL) {
            struct replay_change *change = replay->changes[i];

            replay->changes[i] = change->next;
            free(change);
        }
    }
    free(replay->changes);
}

enum err replay_run(const struct replay_options *options, replay_visit *visit, struct fault *fault)
{
    struct replay replay = { .options = options, .visit = visit, .fault = fault };
    enum err      err = ERR_none;

    if (!options->in_snapshot)
        err = options->store->ops->snapshot_begin(options->store);
    if (err == ERR_none) {
        err = read_ledger(&replay);
        if (!options->in_snapshot)
            options->store->ops->snapshot_end(options->store);
    }
    while (replay.blocks != NULL) {
        struct replay_block *block = replay.blocks;

        replay.blocks = block->next;
        free(block);
    }
    free_changes(&replay);
    free(replay.books);
    free(replay.labels);
    free(replay.pasts);
    free(replay.alerted);
    free(replay.holds);
    free(replay.profiles);
    return err;
}
