/* Fuzzes the rule language and what runs it. Up to the first NUL byte the input is a rule file;
 * what follows is a row of payments, made of 18 bytes each.
 *
 * A file that is refused must say where and why. One that loads must judge anything: the reasons
 * add up to the score, and the decision explains itself again to the byte. Seeds are in
 * tests/fuzz/corpus/fuzz_rules. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "bankd/fraud/fraud.h"
#include "common/check.h"

enum { EVENT_BYTES = 18 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct fraud_event event_of(const uint8_t *bytes)
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

static void check_verdict(const struct fraud_rules *rules, const struct fraud_verdict *verdict)
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

static void judge_all(const struct fraud_rules *rules, const uint8_t *bytes, size_t n)
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const uint8_t one[EVENT_BYTES] = { 1, 3, 0, 1, 1, 60, 9, 9, 9, 9, 9, 9, 0, 0, 9, 9 };
    const uint8_t       *end = n > 0 ? memchr(data, '\0', n) : NULL;
    size_t               text_n = end != NULL ? (size_t)(end - data) : n;
    struct fraud_rules  *rules = NULL;
    struct fault         fault = { 0 };

    if (fraud_rules_parse(slice_of((const char *)data, text_n), "fuzz", &rules, &fault) !=
        ERR_none) {
        CHECK(fault.err != ERR_none && fault.text[0] >= '1' && fault.text[0] <= '9');
        CHECK(slice_is_utf8(slice_from(fault.text)) && rules == NULL);
        return 0;
    }
    judge_all(rules, one, sizeof one);
    if (end != NULL)
        judge_all(rules, end + 1, n - text_n - 1);
    fraud_rules_free(&rules);
    return 0;
}
