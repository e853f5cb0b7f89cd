/* Fuzzes scorecards, which come from whoever may propose them. Up to the first NUL byte the input
 * is a card; what follows is a row of payments (judging.h).
 *
 * A card that is refused must say where and why. One that loads goes with rules, judges anything,
 * adds up, explains itself, and shows each of its parts with as many points as it has ranges. Seeds
 * are in tests/fuzz/corpus/fuzz_card. */
#include "tests/fuzz/judging.h"

static const char rules_text[] = "version 1 threshold hold 600 threshold decline 900\n"
                                 "rule large when amount_major >= 50 score 300\n"
                                 "because \"{amount} is large\"\n"
                                 "fires on amount_major=50 silent on amount_major=49 end\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_parts(const struct fraud_rules *rules)
{
    struct fraud_part_view part;
    size_t                 count = fraud_rules_parts(rules);

    CHECK(!fraud_rules_part(rules, count, &part) && count <= LIMIT_CURVES_MAX);
    for (size_t i = 0; i < count; i++) {
        size_t cells = 1;

        CHECK(fraud_rules_part(rules, i, &part));
        for (size_t axis = 0; axis < (part.pair ? 2u : 1u); axis++) {
            const struct fraud_axis_view *view = &part.axes[axis];

            cells *= view->cut_count + 1;
            for (size_t cut = 1; cut < view->cut_count; cut++)
                CHECK(view->cuts[cut - 1] < view->cuts[cut]);
        }
        CHECK(cells == part.point_count && cells <= LIMIT_CURVE_POINTS_MAX);
        for (size_t cell = 0; cell < cells; cell++)
            CHECK(part.points[cell] >= -1000 && part.points[cell] <= 1000);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const uint8_t one[EVENT_BYTES] = { 1, 3, 0, 1, 1, 60, 9, 9, 9, 9, 9, 9, 0, 0, 9, 9 };
    const uint8_t       *end = n > 0 ? memchr(data, '\0', n) : NULL;
    size_t               text_n = end != NULL ? (size_t)(end - data) : n;
    struct fraud_rules  *rules = NULL;
    struct fault         fault = { 0 };

    CHECK(fraud_rules_parse(slice_from(rules_text), "rules", &rules, &fault) == ERR_none);
    if (fraud_rules_card(rules, slice_of((const char *)data, text_n), "fuzz", &fault) == ERR_none) {
        check_parts(rules);
        judge_all(rules, one, sizeof one);
        if (end != NULL)
            judge_all(rules, end + 1, n - text_n - 1);
    } else {
        check_refusal(&fault);
    }
    fraud_rules_free(&rules);
    return 0;
}
