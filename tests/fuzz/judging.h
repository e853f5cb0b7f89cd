/* What the fuzzers of rules and of scorecards share: payments from bytes, 18 each, and what must be
 * true of every verdict on them. */
#ifndef TESTS_FUZZ_JUDGING_H
#define TESTS_FUZZ_JUDGING_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "bankd/fraud/fraud.h"
#include "common/check.h"

enum { EVENT_BYTES = 18 };

static inline struct fraud_event event_of(const uint8_t *bytes)
{
    struct fraud_event event = {
        .unit = bytes[0] % 4 == 0 ? bytes[1] : 100,
        .type = bytes[1] % 9,
        .status = bytes[2] % 6,
        .incoming = bytes[3] % 2 == 0,
        .counterparty = bytes[4] % 5,
        .balance = (int64_t)bytes[5] * 1000 - 20000,
    };

    memcpy(&event.at_us, bytes + 6, sizeof event.at_us);
    memcpy(&event.amount, bytes + 10, sizeof event.amount); /* shares bytes with the time */
    event.opened_at_us = event.at_us ^ event.amount;
    return event;
}

static inline void check_verdict(const struct fraud_rules   *rules,
                                 const struct fraud_verdict *verdict)
{
    static struct fraud_verdict again;
    int                         sum = 0;

    for (size_t i = 0; i < verdict->reason_count; i++) {
        sum += verdict->reasons[i].points;
        CHECK(slice_is_utf8(slice_from(verdict->reasons[i].text)));
    }
    CHECK(sum == verdict->score && sum >= 0 && sum <= 1000);
    CHECK(fraud_explain(rules, verdict->decision, verdict->decision_size, &again));
    CHECK(again.score == verdict->score && again.verdict == verdict->verdict &&
          again.reason_count == verdict->reason_count);
    CHECK(again.decision_size == verdict->decision_size &&
          memcmp(again.decision, verdict->decision, verdict->decision_size) == 0);
}

static inline void judge_all(const struct fraud_rules *rules, const uint8_t *bytes, size_t n)
{
    static struct fraud_verdict verdict;
    struct fraud_profile        subject;
    struct fraud_profile        other;

    fraud_profile_init(&subject);
    fraud_profile_init(&other);
    for (; n >= EVENT_BYTES; bytes += EVENT_BYTES, n -= EVENT_BYTES) {
        struct fraud_event event = event_of(bytes);

        fraud_judge(rules, &subject, &other, &event, true, &verdict);
        check_verdict(rules, &verdict);
        fraud_observe(&subject, &event, FRAUD_SUBJECT, event.counterparty);
        fraud_observe(&other, &event, FRAUD_COUNTERPARTY, 77);
        CHECK(fraud_profile_valid(&subject) && fraud_profile_valid(&other));
    }
    fraud_explain(rules, bytes, n, &verdict);
}

/* What is refused says where and why. */
static inline void check_refusal(const struct fault *fault)
{
    CHECK(fault->err != ERR_none && fault->text[0] >= '1' && fault->text[0] <= '9');
    CHECK(slice_is_utf8(slice_from(fault->text)));
}

#endif
