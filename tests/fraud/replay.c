/* Plays one made-up history through the fraud engine and prints a digest of everything that the
 * engine said and remembers: verdicts, points, texts, stored decisions, explained again, and the
 * profiles at the end. Shipped rules and a scorecard over the whole catalogue judge; findings come
 * in, are replaced, and reach back. It takes the file of the rules.
 *
 * tests/e2e/test_same.py builds this program by several compilers at several levels of
 * optimisation: equal histories must have equal verdicts, whatever made the program. */
#include <stdio.h>
#include <string.h>

#include "bankd/fraud/features.h"
#include "bankd/fraud/fraud.h"
#include "bankd/fraud/rules.h"
#include "common/clock.h"
#include "tests/unit/random.h"

enum { ENTITIES = 48, EVENTS = 20000 };

struct play {
    struct random        random;
    struct fraud_rules  *rules;
    struct fraud_profile profiles[ENTITIES];
    int64_t              at_us;
    uint64_t             digest;
};

static void digest_bytes(struct play *play, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        play->digest = (play->digest ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
}

static void digest_number(struct play *play, int64_t number)
{
    uint8_t bytes[8];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)((uint64_t)number >> (8 * i));
    digest_bytes(play, bytes, sizeof bytes);
}

static int play_fail(const struct fault *fault)
{
    fprintf(stderr, "replay: %s:%s\n", fault->field, fault->text);
    return 1;
}

static int play_load(struct play *play, const char *path)
{
    static char  text[LIMIT_RULES_FILE_MAX];
    static char  card[LIMIT_RULES_FILE_MAX];
    struct fault fault = { 0 };
    FILE        *file = fopen(path, "rb");
    size_t       n = file == NULL ? 0 : fread(text, 1, sizeof text, file);
    size_t       used = (size_t)snprintf(card, sizeof card, "card 1 base -9\n");

    if (file != NULL)
        fclose(file);
    if (fraud_rules_parse(slice_of(text, n), path, &play->rules, &fault) != ERR_none)
        return play_fail(&fault);
    for (size_t f = 0; f < FEATURE_COUNT && f + 3 < CARD_PARTS_MAX; f++)
        used += (size_t)snprintf(card + used, sizeof card - used,
                                 "feature %s cuts 1 10 100 1000 points -7 2 -1 %d %d\n",
                                 feature_rows[f * 2 % FEATURE_COUNT].name, (int)f % 9, 40);
    used += (size_t)snprintf(card + used, sizeof card - used,
                             "pair amount counterparty_fraud_run cuts 999 9999 across 1 3 "
                             "points 1 2 3 4 5 6 7 8 9\nend\n");
    if (fraud_rules_card(play->rules, slice_of(card, used), "card", &fault) != ERR_none)
        return play_fail(&fault);
    return 0;
}

static void play_judge(struct play *play, const struct fraud_event *event,
                       const struct fraud_profile *subject, const struct fraud_profile *other)
{
    static struct fraud_verdict verdict;
    static struct fraud_verdict again;

    fraud_judge(play->rules, subject, other, event, true, &verdict);
    digest_number(play, verdict.verdict);
    digest_number(play, verdict.score);
    digest_number(play, verdict.sum);
    digest_number(play, verdict.alert);
    digest_bytes(play, verdict.decision, verdict.decision_size);
    for (size_t i = 0; i < verdict.reason_count; i++) {
        digest_number(play, verdict.reasons[i].points);
        digest_bytes(play, verdict.reasons[i].text, strlen(verdict.reasons[i].text));
    }
    digest_number(play,
                  fraud_explain(play->rules, verdict.decision, verdict.decision_size, &again));
    digest_number(play, again.sum);
}

static void play_label(struct play *play, struct fraud_profile *profile)
{
    int64_t known_at_us = play->at_us + (int64_t)random_below(&play->random, 8 * US_PER_DAY);
    bool    fraud = random_below(&play->random, 3) == 0;

    fraud_observe_label(profile, known_at_us, fraud);
    if (random_below(&play->random, 8) != 0)
        return;
    fraud_forget_label(profile, known_at_us, fraud);
    fraud_observe_label(profile, known_at_us + US_PER_HOUR, !fraud);
}

static void play_step(struct play *play)
{
    struct random     *random = &play->random;
    size_t             own = random_below(random, ENTITIES);
    size_t             other = random_below(random, ENTITIES);
    struct fraud_event event = {
        .amount = 1 + (int64_t)(random_next(random) >> (44 + random_below(random, 16))),
        .unit = 100,
        .type = 1 + (int32_t)random_below(random, 6),
        .incoming = random_below(random, 5) == 0,
        .history = random_below(random, 9) == 0,
        .balance = random_int64(random) >> 24,
        .opened_at_us = play->at_us - (int64_t)random_below(random, 400 * US_PER_DAY),
        .counterparty = other == own ? 0 : (int64_t)other + 1,
    };

    play->at_us += (int64_t)(random_next(random) >> (26 + random_below(random, 14)));
    event.at_us = play->at_us - (int64_t)random_below(random, US_PER_HOUR);
    play_judge(play, &event, &play->profiles[own], other == own ? NULL : &play->profiles[other]);
    event.status = 1 + (int32_t)random_below(random, 5);
    fraud_observe(&play->profiles[own], &event, FRAUD_SUBJECT, event.counterparty);
    if (other == own)
        return;
    fraud_observe(&play->profiles[other], &event, FRAUD_COUNTERPARTY, (int64_t)own + 1);
    play_label(play, &play->profiles[other]);
}

int main(int argc, char **argv)
{
    static struct play play = { .random = { .state = 3 }, .at_us = 17000 * US_PER_DAY };

    if (argc != 2) {
        fprintf(stderr, "usage: replay RULES\n");
        return 1;
    }
    if (play_load(&play, argv[1]) != 0)
        return 1;
    for (size_t i = 0; i < ENTITIES; i++)
        fraud_profile_init(&play.profiles[i]);
    for (int i = 0; i < EVENTS; i++)
        play_step(&play);
    for (size_t i = 0; i < ENTITIES; i++)
        digest_number(&play, (int64_t)fraud_profile_digest(&play.profiles[i]));
    printf("%016llx\n", (unsigned long long)play.digest);
    fraud_rules_free(&play.rules);
    return 0;
}
