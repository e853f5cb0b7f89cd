/* The network of the simulation (sim.h): a heap of messages by the time of their arrival. Most take
 * milliseconds, some seconds, so that they overtake each other; none takes longer than
 * SLOW_US, which is what makes a client's last look-up final. */
#include "tests/lib/sim_impl.h"

#include <stdlib.h>
#include <string.h>

#include "common/check.h"

enum { DROP_ONE_IN = 9, DOUBLE_ONE_IN = 12, SLOW_ONE_IN = 12, FAST_US = 20000, SLOW_US = 3000000 };

void sim_net_open(struct sim *sim)
{
    sim->messages = calloc(SIM_MESSAGES_MAX, sizeof *sim->messages);
    CHECK(sim->messages != NULL);
    for (size_t i = 0; i < SIM_MESSAGES_MAX; i++)
        sim->spare[sim->spare_count++] = &sim->messages[i];
}

static bool is_before(const struct sim_message *a, const struct sim_message *b)
{
    return a->due_us != b->due_us ? a->due_us < b->due_us : a->serial < b->serial;
}

static void swap(struct sim *sim, size_t a, size_t b)
{
    struct sim_message *message = sim->heap[a];

    sim->heap[a] = sim->heap[b];
    sim->heap[b] = message;
}

static void push(struct sim *sim, struct sim_message *message)
{
    size_t i = sim->heap_count++;

    sim->heap[i] = message;
    for (; i > 0 && is_before(sim->heap[i], sim->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(sim, i, (i - 1) / 2);
}

static struct sim_message *pop(struct sim *sim)
{
    struct sim_message *first = sim->heap[0];
    size_t              i = 0;

    sim->heap[0] = sim->heap[--sim->heap_count];
    for (;;) {
        size_t least = i;

        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < sim->heap_count; child++)
            if (is_before(sim->heap[child], sim->heap[least]))
                least = child;
        if (least == i)
            return first;
        swap(sim, i, least);
        i = least;
    }
}

static void put(struct sim *sim, bool to_bank, int client, const struct buf *bytes)
{
    struct sim_message *message;
    bool                slow = sim_chance(sim, SLOW_ONE_IN);

    if (sim->spare_count == 0) { /* a network drops what it cannot hold */
        sim->figures.dropped++;
        return;
    }
    message = sim->spare[--sim->spare_count];
    message->due_us =
        sim->now_us + (int64_t)random_below(&sim->random, slow ? SLOW_US : FAST_US) + 1;
    message->serial = sim->message_serial++;
    message->to_bank = to_bank;
    message->client = client;
    message->n = bytes->n;
    CHECK(bytes->n <= sizeof message->bytes);
    memcpy(message->bytes, bytes->at, bytes->n);
    push(sim, message);
}

void sim_send(struct sim *sim, bool to_bank, int client, const struct buf *bytes)
{
    sim->figures.messages++;
    if (sim_chance(sim, DROP_ONE_IN)) {
        sim->figures.dropped++;
        return;
    }
    put(sim, to_bank, client, bytes);
    if (sim_chance(sim, DOUBLE_ONE_IN)) {
        sim->figures.doubled++;
        put(sim, to_bank, client, bytes);
    }
}

bool sim_due(struct sim *sim, struct sim_message *out)
{
    struct sim_message *message;

    if (sim->heap_count == 0 || sim->heap[0]->due_us > sim->now_us)
        return false;
    message = pop(sim);
    out->to_bank = message->to_bank;
    out->client = message->client;
    out->n = message->n;
    memcpy(out->bytes, message->bytes, message->n);
    sim->spare[sim->spare_count++] = message;
    return true;
}
