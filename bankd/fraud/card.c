/* Scorecards: points learned from labelled history, as an additive part of the score.
 *
 *   card 1
 *   base -40                      points that every payment gets
 *   feature amount_to_mean_pct    one feature, cut into bins
 *     cuts   120 300 800          the first bin is below 120, the last is 800 and more
 *     points -9 0 35 160          one for each bin
 *   pair amount counterparty_fraud_share_7d_bp
 *     cuts   ...                  of the first feature
 *     across ...                  of the second
 *     points ...                  for each bin of the first, one for each bin of the second
 *   end
 *
 * A card is read into a rule set and becomes part of it: its features are slots like those of the
 * rules, so a decision stores them and explains itself; its points are reasons like those of the
 * rules, and all of them add up. The rule that must not be broken: a part depends on nothing but
 * its own features. */
#include "bankd/fraud/rules.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bankd/fraud/parser.h"
#include "common/check.h"

enum { CARD_VERSION = 1 };

/* --- reading --------------------------------------------------------------------------------- */

static enum err take_word(struct parser *p, const char *word)
{
    if (!parser_is(p, TOKEN_WORD, word))
        return parser_expected(p, word);
    parser_advance(p);
    return ERR_none;
}

static bool at_number(const struct parser *p)
{
    return p->now.kind == TOKEN_NUMBER || parser_is(p, TOKEN_SYMBOL, "-");
}

static enum err parse_points(struct parser *p, int16_t *out)
{
    struct token at = p->now;
    int64_t      value = 0;
    enum kind    kind = KIND_PLAIN;

    if (!at_number(p))
        return parser_expected(p, "points, which are a whole number");
    TRY(parser_constant(p, false, &value, &kind));
    if (value > RULE_SCORE_MAX || value < -RULE_SCORE_MAX)
        return parser_fail(p, &at, "points go from -%d to %d", (int)RULE_SCORE_MAX,
                           (int)RULE_SCORE_MAX);
    *out = (int16_t)value;
    return ERR_none;
}

static enum err parse_feature(struct parser *p, uint16_t *slot)
{
    char hint[HINT_MAX];
    int  feature = p->now.kind == TOKEN_WORD ? feature_find(p->now.text) : -1;

    if (p->now.kind != TOKEN_WORD)
        return parser_expected(p, "a feature");
    if (feature < 0)
        return parser_fail(p, &p->now, "there is no feature `%.*s`%s", (int)p->now.text.n,
                           p->now.text.at, parser_hint(p, p->now.text, hint));
    *slot = parser_slot(p, feature);
    parser_advance(p);
    return ERR_none;
}

/* Cuts rise, so that each value has one bin. */
static enum err parse_cuts(struct parser *p, const char *word, struct card_axis *axis)
{
    struct card *card = &p->rules->card;

    TRY(take_word(p, word));
    axis->first_cut = card->cut_count;
    while (at_number(p)) {
        struct token at = p->now;
        int64_t      value = 0;
        enum kind    kind = KIND_PLAIN;

        if (card->cut_count == CARD_CUTS_MAX)
            return parser_fail(p, &at, "the card has more than %d cuts", (int)CARD_CUTS_MAX);
        TRY(parser_constant(p, false, &value, &kind));
        if (axis->cuts > 0 && value <= card->cuts[card->cut_count - 1])
            return parser_fail(p, &at, "each cut must be above the one before it");
        card->cuts[card->cut_count++] = value;
        axis->cuts++;
    }
    return ERR_none;
}

/* A pair is called by both of its features. */
static void name_part(const struct fraud_rules *rules, struct card_part *part)
{
    const char *first = feature_rows[rules->slots[part->axes[0].slot]].name;
    const char *second = feature_rows[rules->slots[part->axes[1].slot]].name;

    snprintf(part->name, sizeof part->name, "%s%s%s", first, part->pair ? " + " : "",
             part->pair ? second : "");
}

static enum err parse_part(struct parser *p, bool pair)
{
    struct card      *card = &p->rules->card;
    struct card_part *part = &card->parts[card->part_count];
    size_t            cells;

    if (card->part_count == CARD_PARTS_MAX)
        return parser_fail(p, &p->now, "the card has more than %d parts", (int)CARD_PARTS_MAX);
    memset(part, 0, sizeof *part);
    part->pair = pair;
    TRY(parse_feature(p, &part->axes[0].slot));
    if (pair)
        TRY(parse_feature(p, &part->axes[1].slot));
    name_part(p->rules, part);
    TRY(parse_cuts(p, "cuts", &part->axes[0]));
    if (pair)
        TRY(parse_cuts(p, "across", &part->axes[1]));
    TRY(take_word(p, "points"));
    part->first_point = card->point_count;
    cells = (size_t)(part->axes[0].cuts + 1) * (size_t)(part->axes[1].cuts + 1);
    for (size_t i = 0; i < cells; i++) {
        if (card->point_count == CARD_POINTS_MAX)
            return parser_fail(p, &p->now, "the card has more than %d points",
                               (int)CARD_POINTS_MAX);
        if (i > 0 && !at_number(p) && p->now.kind != TOKEN_BAD)
            return parser_fail(p, &p->now, "there are points for %zu of %zu bins; missing: %zu", i,
                               cells, cells - i);
        TRY(parse_points(p, &card->points[card->point_count++]));
    }
    if (at_number(p))
        return parser_fail(p, &p->now, "there are more points than bins, which are %zu", cells);
    card->part_count++;
    return ERR_none;
}

static enum err parse_card(struct parser *p)
{
    parser_advance(p);
    TRY(take_word(p, "card"));
    if (p->now.kind != TOKEN_NUMBER || p->now.value != CARD_VERSION)
        return parser_expected(p, "card 1, the only version there is");
    parser_advance(p);
    TRY(take_word(p, "base"));
    TRY(parse_points(p, &p->rules->card.base));
    while (!parser_is(p, TOKEN_WORD, "end")) {
        bool pair = parser_is(p, TOKEN_WORD, "pair");

        if (!pair && !parser_is(p, TOKEN_WORD, "feature"))
            return parser_expected(p, "feature, pair or end");
        parser_advance(p);
        TRY(parse_part(p, pair));
    }
    parser_advance(p);
    if (p->now.kind != TOKEN_END)
        return parser_expected(p, "nothing behind the card's end");
    return ERR_none;
}

static enum err add_card(struct fraud_rules *rules, struct slice text, const char *file,
                         bool stored, struct fault *fault)
{
    struct parser p = { .file = file, .fault = fault, .rules = rules, .stored = stored };

    if (rules->card.loaded)
        return fault_set(fault, ERR_file_syntax, file, "1:1: the rules have a card already");
    if (text.n > LIMIT_RULES_FILE_MAX)
        return fault_set(fault, ERR_file_syntax, file, "1:1: the file is larger than %d bytes",
                         (int)LIMIT_RULES_FILE_MAX);
    TRY(parser_check_text(&p, text));
    lexer_init(&p.lexer, text);
    TRY(parse_card(&p));
    rules->card.loaded = true;
    rules->slots_print = rules_print_slots(rules);
    return ERR_none;
}

enum err fraud_rules_card(struct fraud_rules *rules, struct slice text, const char *file,
                          struct fault *fault)
{
    return add_card(rules, text, file, false, fault);
}

enum err fraud_rules_card_stored(struct fraud_rules *rules, struct slice text, const char *file,
                                 struct fault *fault)
{
    return add_card(rules, text, file, true, fault);
}

/* --- judging --------------------------------------------------------------------------------- */

static size_t bin_of(const struct card *card, const struct card_axis *axis, const int64_t *values)
{
    const int64_t *cuts = &card->cuts[axis->first_cut];
    int64_t        value = values[axis->slot];
    size_t         low = 0;
    size_t         high = axis->cuts;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (value < cuts[middle])
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

int16_t card_points(const struct card *card, size_t part, const int64_t *values)
{
    const struct card_part *one = &card->parts[part];
    size_t                  cell = bin_of(card, &one->axes[0], values);

    if (one->pair)
        cell = cell * (size_t)(one->axes[1].cuts + 1) + bin_of(card, &one->axes[1], values);
    return card->points[one->first_point + cell];
}

const char *card_name(const struct fraud_rules *rules, size_t part)
{
    if (part == rules->card.part_count)
        return "base";
    return rules->card.parts[part].name;
}

/* --- for charts ------------------------------------------------------------------------------ */

static_assert((int)CARD_PARTS_MAX <= (int)LIMIT_CURVES_MAX, "every part can be shown");
static_assert((int)CARD_POINTS_MAX <= (int)LIMIT_CURVE_POINTS_MAX, "with all of its points");

size_t fraud_rules_parts(const struct fraud_rules *rules)
{
    return rules->card.loaded ? rules->card.part_count : 0;
}

int32_t fraud_rules_base(const struct fraud_rules *rules)
{
    return rules->card.loaded ? rules->card.base : 0;
}

bool fraud_rules_part(const struct fraud_rules *rules, size_t part, struct fraud_part_view *out)
{
    const struct card      *card = &rules->card;
    const struct card_part *from = &card->parts[part < CARD_PARTS_MAX ? part : 0];

    if (part >= fraud_rules_parts(rules))
        return false;
    memset(out, 0, sizeof *out);
    out->pair = from->pair;
    out->points = &card->points[from->first_point];
    out->point_count = 1;
    for (size_t i = 0; i < (from->pair ? 2u : 1u); i++) {
        const struct card_axis   *axis = &from->axes[i];
        const struct feature_row *row = &feature_rows[rules->slots[axis->slot]];

        out->axes[i] = (struct fraud_axis_view){ .name = row->name,
                                                 .unit = feature_unit_name(row->unit),
                                                 .help = row->help,
                                                 .cuts = &card->cuts[axis->first_cut],
                                                 .cut_count = axis->cuts };
        out->point_count *= (size_t)axis->cuts + 1;
    }
    return true;
}
