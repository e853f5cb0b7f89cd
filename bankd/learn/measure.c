/* See measure.h. Sums are of whole numbers as long as they can be; what is divided at the end is
 * exact to the last printed digit, whatever the compiler. */
#include "bankd/learn/measure.h"

#include <stdlib.h>
#include <string.h>

static int by_score(const void *a, const void *b)
{
    const struct measured *left = a;
    const struct measured *right = b;

    return (left->score < right->score) - (left->score > right->score);
}

static int by_card(const void *a, const void *b)
{
    const struct measured *left = a;
    const struct measured *right = b;

    if (left->day != right->day)
        return left->day < right->day ? -1 : 1;
    return (left->account > right->account) - (left->account < right->account);
}

static int by_account(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

/* Highest score first, then the account. */
static int by_rank(const void *a, const void *b)
{
    const struct measured *left = a;
    const struct measured *right = b;

    if (left->score != right->score)
        return left->score > right->score ? -1 : 1;
    return (left->account > right->account) - (left->account < right->account);
}

/* Walks groups of equal scores from the highest down. */
static void measure_order(struct measured *events, size_t count, struct measures *out)
{
    double  pairs = 0; /* of a fraud above another, halves for equal ones */
    double  precision = 0;
    int64_t frauds = 0;
    int64_t others = 0;

    if (count > 0)
        qsort(events, count, sizeof *events, by_score);
    for (size_t i = 0; i < count;) {
        int64_t group_frauds = 0;
        int64_t group_others = 0;
        int32_t score = events[i].score;

        for (; i < count && events[i].score == score; i++) {
            group_frauds += events[i].fraud ? 1 : 0;
            group_others += events[i].fraud ? 0 : 1;
        }
        pairs += (double)group_others * ((double)frauds + (double)group_frauds / 2);
        frauds += group_frauds;
        others += group_others;
        precision += (double)group_frauds * (double)frauds / (double)(frauds + others);
    }
    out->events = (int64_t)count;
    out->frauds = frauds;
    out->has_order = frauds > 0 && others > 0;
    out->has_cards = frauds > 0;
    if (!out->has_order)
        return;
    out->average_precision = precision / (double)frauds;
    out->auc = pairs / ((double)frauds * (double)others);
}

/* One entry for each card and day; returns how many. */
static size_t merge_cards(struct measured *events, size_t count)
{
    size_t cards = 0;

    if (count > 0)
        qsort(events, count, sizeof *events, by_card);
    for (size_t i = 0; i < count; i++) {
        struct measured *card = cards > 0 ? &events[cards - 1] : NULL;

        if (card == NULL || by_card(card, &events[i]) != 0) {
            events[cards++] = events[i];
            continue;
        }
        card->score = events[i].score > card->score ? events[i].score : card->score;
        card->fraud = card->fraud || events[i].fraud;
    }
    return cards;
}

struct found {
    int64_t *accounts; /* sorted */
    size_t   count;
};

static bool is_found(const struct found *found, int64_t account)
{
    return found->count > 0 &&
           bsearch(&account, found->accounts, found->count, sizeof account, by_account) != NULL;
}

/* The day's cards from the highest score down; those found are remembered. Returns how many. */
static size_t look_at_day(const struct measured *cards, size_t count, size_t most,
                          struct found *found)
{
    size_t looked = 0;
    size_t hits = 0;

    for (size_t i = 0; i < count && looked < most; i++) {
        if (is_found(found, cards[i].account))
            continue;
        looked++;
        if (cards[i].fraud)
            found->accounts[found->count + hits++] = cards[i].account;
    }
    found->count += hits;
    if (found->count > 0)
        qsort(found->accounts, found->count, sizeof found->accounts[0], by_account);
    return hits;
}

static enum err measure_cards(struct measured *events, size_t count, size_t most,
                              struct measures *out)
{
    struct found found = { .accounts = malloc((count + 1) * sizeof(int64_t)) };
    size_t       cards = merge_cards(events, count);
    size_t       hits = 0;

    if (found.accounts == NULL)
        return ERR_memory;
    for (size_t i = 0; i < cards;) {
        size_t end = i;

        while (end < cards && events[end].day == events[i].day)
            end++;
        qsort(events + i, end - i, sizeof *events, by_rank);
        hits += look_at_day(events + i, end - i, most, &found);
        out->days++;
        i = end;
    }
    if (out->days > 0 && most > 0)
        out->card_precision = (double)hits / (double)most / (double)out->days;
    free(found.accounts);
    return ERR_none;
}

enum err measure(struct measured *events, size_t count, size_t cards, struct measures *out)
{
    memset(out, 0, sizeof *out);
    measure_order(events, count, out);
    return measure_cards(events, count, cards, out);
}
