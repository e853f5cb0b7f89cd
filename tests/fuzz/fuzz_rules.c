/* Fuzzes the rule language and what runs it. Up to the first NUL byte the input is a rule file;
 * what follows is a row of payments, made of 18 bytes each.
 *
 * A file that is refused must say where and why. One that loads must judge anything: the reasons
 * add up to the score, and the decision explains itself again to the byte. Seeds are in
 * tests/fuzz/corpus/fuzz_rules. */
#include "tests/fuzz/judging.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const uint8_t one[EVENT_BYTES] = { 1, 3, 0, 1, 1, 60, 9, 9, 9, 9, 9, 9, 0, 0, 9, 9 };
    const uint8_t       *end = n > 0 ? memchr(data, '\0', n) : NULL;
    size_t               text_n = end != NULL ? (size_t)(end - data) : n;
    struct fraud_rules  *rules = NULL;
    struct fault         fault = { 0 };

    if (fraud_rules_parse(slice_of((const char *)data, text_n), "fuzz", &rules, &fault) !=
        ERR_none) {
        check_refusal(&fault);
        CHECK(rules == NULL);
        return 0;
    }
    judge_all(rules, one, sizeof one);
    if (end != NULL)
        judge_all(rules, end + 1, n - text_n - 1);
    fraud_rules_free(&rules);
    return 0;
}
