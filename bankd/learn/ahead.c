/* See ahead.h. The batches are a ring: the reader fills number `filled`, the other looks at number
 * `taken`, both modulo the ring. These counts change under the lock; a batch belongs to the reader
 * until it is counted as filled and to the other until it is counted as taken, so that the rows
 * themselves need no lock. */
#include "bankd/learn/ahead.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct ahead_slot {
    struct transaction     row;
    struct profile_release release;
};

struct ahead_batch {
    size_t            count;
    struct ahead_slot slots[LIMIT_AHEAD_ROWS];
};

struct ahead {
    struct store                    *store;
    const struct transaction_filter *filter;
    pthread_mutex_t                  lock;
    pthread_cond_t                   moved;
    size_t                           filled, taken; /* batches so far */
    bool                             over;          /* nothing more will be filled */
    bool                             stopped;       /* nothing more will be taken */
    bool                             has_batch;     /* the reader's own from here on */
    enum err                         err;
    struct ahead_batch               batches[LIMIT_AHEAD_BATCHES];
};

/* --- the thread that reads ------------------------------------------------------------------- */

static struct ahead_batch *batch_at(struct ahead *ahead, size_t number)
{
    return &ahead->batches[number % LIMIT_AHEAD_BATCHES];
}

/* Once the ring was full, half of it must be free again: threads that wake each other for each
 * batch would spend their time on that. False when nobody wants more rows. */
static bool wait_for_room(struct ahead *ahead)
{
    bool   stopped;
    size_t most = LIMIT_AHEAD_BATCHES - 1;

    pthread_mutex_lock(&ahead->lock);
    while (!ahead->stopped && ahead->filled - ahead->taken > most) {
        most = LIMIT_AHEAD_BATCHES / 2;
        pthread_cond_wait(&ahead->moved, &ahead->lock);
    }
    stopped = ahead->stopped;
    pthread_mutex_unlock(&ahead->lock);
    ahead->has_batch = !stopped;
    return !stopped;
}

static void hand_over(struct ahead *ahead, bool over)
{
    pthread_mutex_lock(&ahead->lock);
    ahead->filled += ahead->has_batch ? 1 : 0;
    ahead->over = over;
    pthread_cond_signal(&ahead->moved);
    pthread_mutex_unlock(&ahead->lock);
    ahead->has_batch = false;
}

/* Most of a row's room is empty: only what is used of its texts and its decision is copied. */
static void copy_row(struct transaction *to, const struct transaction *from)
{
    size_t decision = offsetof(struct transaction, decision);
    size_t behind = decision + sizeof from->decision;

    memcpy(to, from, offsetof(struct transaction, external_id));
    memcpy(to->external_id, from->external_id, strlen(from->external_id) + 1);
    memcpy(to->description, from->description, strlen(from->description) + 1);
    to->decision_size = from->decision_size;
    memcpy(to->decision, from->decision, from->decision_size);
    memcpy((char *)to + behind, (const char *)from + behind, sizeof *to - behind);
}

static bool keep_row(void *context, const void *visited)
{
    struct ahead             *ahead = context;
    const struct transaction *row = visited;
    struct ahead_batch       *batch;
    struct ahead_slot        *slot;

    if (!ahead->has_batch && !wait_for_room(ahead))
        return false;
    batch = batch_at(ahead, ahead->filled);
    slot = &batch->slots[batch->count];
    slot->release = (struct profile_release){ .sequence = 0 };
    if (row->rule_set != 0) {
        ahead->err = profile_release_of(ahead->store, row, &slot->release);
        if (ahead->err != ERR_none)
            return false;
    }
    copy_row(&slot->row, row);
    if (++batch->count == LIMIT_AHEAD_ROWS)
        hand_over(ahead, false);
    return true;
}

static void *ahead_main(void *context)
{
    struct ahead *ahead = context;
    int64_t       stopped_at;
    enum err      err;

    err =
        ahead->store->ops->transactions(ahead->store, ahead->filter, keep_row, ahead, &stopped_at);
    ahead->err = ahead->err == ERR_none ? err : ahead->err;
    hand_over(ahead, true);
    return NULL;
}

/* --- the one that looks ---------------------------------------------------------------------- */

static struct ahead_batch *next_batch(struct ahead *ahead)
{
    struct ahead_batch *batch = NULL;

    pthread_mutex_lock(&ahead->lock);
    while (ahead->filled == ahead->taken && !ahead->over)
        pthread_cond_wait(&ahead->moved, &ahead->lock);
    if (ahead->filled != ahead->taken)
        batch = batch_at(ahead, ahead->taken);
    pthread_mutex_unlock(&ahead->lock);
    return batch;
}

static void give_back(struct ahead *ahead, struct ahead_batch *batch, bool stopped)
{
    batch->count = 0;
    pthread_mutex_lock(&ahead->lock);
    ahead->taken++;
    ahead->stopped = stopped;
    if (stopped || ahead->filled - ahead->taken <= LIMIT_AHEAD_BATCHES / 2)
        pthread_cond_signal(&ahead->moved);
    pthread_mutex_unlock(&ahead->lock);
}

static void look(struct ahead *ahead, ahead_visit *visit, void *context)
{
    struct ahead_batch *batch;
    bool                more = true;

    while (more && (batch = next_batch(ahead)) != NULL) {
        for (size_t i = 0; more && i < batch->count; i++)
            more = visit(context, &batch->slots[i].row, &batch->slots[i].release);
        give_back(ahead, batch, !more);
    }
}

enum err ahead_read(struct store *store, const struct transaction_filter *filter,
                    ahead_visit *visit, void *context)
{
    struct ahead *ahead = malloc(sizeof *ahead);
    pthread_t     thread;
    enum err      err = ERR_memory;

    if (ahead == NULL)
        return ERR_memory;
    memset(ahead, 0, offsetof(struct ahead, batches));
    for (size_t i = 0; i < LIMIT_AHEAD_BATCHES; i++)
        ahead->batches[i].count = 0;
    ahead->store = store;
    ahead->filter = filter;
    pthread_mutex_init(&ahead->lock, NULL);
    pthread_cond_init(&ahead->moved, NULL);
    if (pthread_create(&thread, NULL, ahead_main, ahead) == 0) {
        look(ahead, visit, context);
        pthread_join(thread, NULL);
        err = ahead->err;
    }
    pthread_cond_destroy(&ahead->moved);
    pthread_mutex_destroy(&ahead->lock);
    free(ahead);
    return err;
}
