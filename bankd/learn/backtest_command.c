/* The command `bankd backtest`: what a candidate would have done with stored history, as a table
 * for people or as JSON for programs. */
#include "bankd/command.h"
#include "bankd/home.h"
#include "bankd/learn/backtest.h"
#include "bankd/learn/candidate.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/money.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CARDS_DEFAULT = 100, CARDS_MAX = 1000000, ENTITIES_DEFAULT = 4000000, KNOWN_DAYS = 14 };

struct work {
    const char             *rules_file, *card_file, *hash, *from, *to, *known_from;
    const char             *controls;
    const char             *cards, *entities, *format, *scores_file, *changes_file, *features_file;
    struct backtest_options options;
    struct backtest_result  result;
    struct fraud_rules     *rules;
    struct home             home;
    bool                    is_open, with_rules;
    int64_t                 past_us;
    char                    candidate[512];
};

/* --- what the command line says -------------------------------------------------------------- */

static enum err parse_count(const char *option, const char *text, size_t most, size_t *out,
                            struct fault *fault)
{
    char              *end = NULL;
    unsigned long long value;

    if (text == NULL)
        return ERR_none;
    errno = 0;
    value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < 1 || value > most)
        return fault_set(fault, ERR_usage, NULL, "%s goes from 1 to %zu", option, most);
    *out = (size_t)value;
    return ERR_none;
}

static enum err parse_arguments(struct work *work, int argc, char **argv, struct fault *fault)
{
    const struct candidate_option options[] = {
        { .name = "--with-rules", .flag = &work->with_rules },
        { "--rules", &work->rules_file, NULL },
        { "--scorecard", &work->card_file, NULL },
        { "--hash", &work->hash, NULL },
        { "--from", &work->from, NULL },
        { "--to", &work->to, NULL },
        { "--known-from", &work->known_from, NULL },
        { "--controls", &work->controls, NULL },
        { "--cards", &work->cards, NULL },
        { "--entities", &work->entities, NULL },
        { "--format", &work->format, NULL },
        { "--scores", &work->scores_file, NULL },
        { "--changes", &work->changes_file, NULL },
        { "--features", &work->features_file, NULL },
    };
    struct backtest_options *test = &work->options;

    *test = (struct backtest_options){ .from_us = INT64_MIN,
                                       .cards = CARDS_DEFAULT,
                                       .replay.entities_max = ENTITIES_DEFAULT };
    TRY(candidate_arguments(argc, argv, options, ARRAY_COUNT(options), fault));
    if (work->hash != NULL && (work->rules_file != NULL || work->card_file != NULL))
        return fault_set(fault, ERR_usage, NULL, "--hash names stored rules; files are others");
    if (work->with_rules && (work->card_file == NULL || work->rules_file != NULL))
        return fault_set(fault, ERR_usage, NULL,
                         "--with-rules tries the card of --scorecard with the rules in force");
    if (work->format != NULL && strcmp(work->format, "table") != 0 &&
        strcmp(work->format, "json") != 0)
        return fault_set(fault, ERR_usage, NULL, "The format is table or json");
    TRY(candidate_range(work->from, work->to, &test->from_us, &test->to_us, fault));
    test->known_from_us = INT64_MIN;
    if (work->from != NULL &&
        !money_sub(test->from_us, KNOWN_DAYS * US_PER_DAY, &test->known_from_us))
        test->known_from_us = INT64_MIN;
    TRY(candidate_day("--known-from", work->known_from, &test->known_from_us, fault));
    if (work->controls != NULL && enum_parse(&enum_backtest_controls, slice_from(work->controls),
                                             &test->controls) != ERR_none)
        return fault_set(fault, ERR_usage, NULL, "The controls are none, then or now");
    TRY(parse_count("--cards", work->cards, CARDS_MAX, &test->cards, fault));
    return parse_count("--entities", work->entities, SIZE_MAX / 2, &test->replay.entities_max,
                       fault);
}

/* --- the result ------------------------------------------------------------------------------ */

static double ratio(int64_t part, int64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : 0;
}

/* A measure with four places; a dash when there is nothing to measure. */
static void print_measure(const char *name, bool known, double value)
{
    if (known)
        printf("%-28s %12.4f\n", name, value);
    else
        printf("%-28s %12s\n", name, "-");
}

static void print_json_measure(const char *name, bool known, double value)
{
    if (known)
        printf(",\"%s\":%.6f", name, value);
    else
        printf(",\"%s\":null", name);
}

static int64_t rate(const struct work *work)
{
    return work->past_us > 0 ? work->result.read * US_PER_SECOND / work->past_us : 0;
}

/* What judged, in words. A card alone is the measure of the card; what a proposal of it would put
 * in force is the card with rules. */
static void describe(struct work *work)
{
    char  *out = work->candidate;
    size_t size = sizeof work->candidate;
    size_t used;

    if (work->with_rules)
        snprintf(out, size, "rules in force and scorecard %.200s", work->card_file);
    else if (work->rules_file != NULL && work->card_file != NULL)
        snprintf(out, size, "rules %.200s and scorecard %.200s", work->rules_file, work->card_file);
    else if (work->rules_file != NULL || work->card_file != NULL)
        snprintf(out, size, "%s %.200s alone", work->rules_file != NULL ? "rules" : "scorecard",
                 work->rules_file != NULL ? work->rules_file : work->card_file);
    else if (work->hash != NULL)
        snprintf(out, size, "stored version %.64s", work->hash);
    else
        snprintf(out, size, "the version in force");
    used = strlen(out);
    if (work->options.controls == BACKTEST_CONTROLS_THEN)
        snprintf(out + used, size - used, ", with the lists and suppressions of each moment");
    else if (work->options.controls == BACKTEST_CONTROLS_NOW)
        snprintf(out + used, size - used, ", with the lists and suppressions of now");
}

static void print_json_text(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            printf("\\%c", *text);
        else if ((unsigned char)*text < ' ')
            printf("\\u%04x", (unsigned)(unsigned char)*text);
        else
            putchar(*text);
    }
    putchar('"');
}

static void print_table(const struct work *work)
{
    const struct backtest_result *result = &work->result;
    struct backtest_line          lines[BACKTEST_LINES];
    char                          text[MONEY_TEXT_MAX];

    backtest_lines(result, lines);
    printf("%-28s %s\n", "candidate", work->candidate);
    printf("%-28s %12" PRId64 "\n", "payments read", result->read);
    printf("%-28s %12" PRId64 "\n", "payments judged", result->judged);
    printf("%-28s %12" PRId64 "\n", "with a finding", result->labelled);
    printf("%-28s %12" PRId64 "\n", "days", result->days);
    for (size_t i = 0; i < BACKTEST_LINES; i++) {
        char name[64];

        snprintf(name, sizeof name, "%s", lines[i].name);
        for (char *c = name; *c != '\0'; c++)
            *c = *c == '_' ? ' ' : *c;
        printf("%-28s %12" PRId64, name, lines[i].sum->count);
        for (size_t j = 0; j < result->currency_count; j++) {
            const struct currency *currency = currency_by_number(result->currencies[j]);

            printf("  %18s %s",
                   money_text_grouped(lines[i].sum->money[j],
                                      currency != NULL ? currency->exponent : 0, text),
                   currency != NULL ? currency->code : "???");
        }
        putchar('\n');
    }
    printf("%-28s %12.3f\n", "alerts a day", ratio(result->alerts.count, result->days));
    printf("%-28s %12" PRId64 "\n", "alerts with a finding", result->alerts_found);
    print_measure("precision among them", result->alerts_found > 0,
                  ratio(result->caught.count, result->alerts_found));
    printf("without cards known as defrauded:\n");
    printf("%-28s %12" PRId64 "\n", "payments", result->measures.events);
    printf("%-28s %12" PRId64 "\n", "frauds", result->measures.frauds);
    print_measure("AUC ROC", result->measures.has_order, result->measures.auc);
    print_measure("average precision", result->measures.has_order,
                  result->measures.average_precision);
    snprintf(text, sizeof text, "card precision at %zu", work->options.cards);
    print_measure(text, result->measures.has_cards, result->measures.card_precision);
    printf("%-28s %12" PRId64 "\n", "payments a second", rate(work));
}

static void print_json(const struct work *work)
{
    const struct backtest_result *result = &work->result;
    const struct measures        *measures = &result->measures;
    struct backtest_line          lines[BACKTEST_LINES];

    backtest_lines(result, lines);
    printf("{\"candidate\":");
    print_json_text(work->candidate);
    printf(",\"read\":%" PRId64 ",\"judged\":%" PRId64 ",\"labelled\":%" PRId64
           ",\"days\":%" PRId64,
           result->read, result->judged, result->labelled, result->days);
    for (size_t i = 0; i < BACKTEST_LINES; i++) {
        printf(",\"%s\":{\"count\":%" PRId64 ",\"money\":{", lines[i].name, lines[i].sum->count);
        for (size_t j = 0; j < result->currency_count; j++) {
            const struct currency *currency = currency_by_number(result->currencies[j]);

            printf("%s\"%s\":%" PRId64, j > 0 ? "," : "", currency != NULL ? currency->code : "???",
                   lines[i].sum->money[j]);
        }
        printf("}}");
    }
    printf(",\"alerts_per_day\":%.4f,\"alerts_found\":%" PRId64,
           ratio(result->alerts.count, result->days), result->alerts_found);
    print_json_measure("precision", result->alerts_found > 0,
                       ratio(result->caught.count, result->alerts_found));
    printf(",\"measured\":%" PRId64 ",\"measured_frauds\":%" PRId64, measures->events,
           measures->frauds);
    print_json_measure("auc_roc", measures->has_order, measures->auc);
    print_json_measure("average_precision", measures->has_order, measures->average_precision);
    printf(",\"card_precision_at\":%zu", work->options.cards);
    print_json_measure("card_precision", measures->has_cards, measures->card_precision);
    printf(",\"payments_per_second\":%" PRId64 "}\n", rate(work));
}

/* --- the run --------------------------------------------------------------------------------- */

static enum err open_output(const char *path, const char *header, FILE **out, struct fault *fault)
{
    if (path == NULL)
        return ERR_none;
    *out = fopen(path, "we");
    if (*out == NULL || fputs(header, *out) == EOF)
        return fault_set(fault, ERR_io, NULL, "%.150s: %s", path, strerror(errno));
    return ERR_none;
}

static enum err close_output(const char *path, FILE **file, struct fault *fault)
{
    FILE *open = *file;

    *file = NULL;
    if (open != NULL && fclose(open) != 0)
        return fault_set(fault, ERR_io, NULL, "%.150s: %s", path, strerror(errno));
    return ERR_none;
}

static enum err open_features(struct work *work, struct fault *fault)
{
    FILE       *file;
    const char *name;
    enum err err = open_output(work->features_file, "transaction_id,external_id,timestamp,account",
                               &work->options.features, fault);

    file = work->options.features;
    if (err != ERR_none || file == NULL)
        return err;
    for (size_t i = 0; (name = backtest_feature(i)) != NULL; i++)
        fprintf(file, ",%s", name);
    fputc('\n', file);
    return ferror(file) == 0 ? ERR_none
                             : fault_set(fault, ERR_io, NULL, "%.150s", work->features_file);
}

static enum err run(struct work *work, struct conf *conf, struct fault *fault)
{
    struct backtest_options *test = &work->options;
    struct clock            *clock = clock_system();
    int64_t                  started_us;

    describe(work);
    if (!work->with_rules && (work->rules_file != NULL || work->card_file != NULL))
        TRY(candidate_load(work->rules_file, work->card_file, &work->rules, fault));
    TRY(home_open(conf, STORE_READ, false, &work->home, fault));
    work->is_open = true;
    if (work->rules == NULL)
        TRY(candidate_stored(work->home.store, work->hash, work->card_file, &work->rules, fault));
    TRY(open_output(work->scores_file, "transaction_id,external_id,timestamp,account,score,label\n",
                    &test->scores, fault));
    TRY(open_output(work->changes_file,
                    "transaction_id,external_id,timestamp,account,change,score_then,score,label\n",
                    &test->changes, fault));
    TRY(open_features(work, fault));
    test->rules = work->rules;
    test->controls_at_us = clock->now_us(clock);
    test->replay.store = work->home.store;
    test->replay.read_ahead = true;
    test->replay.cancel = candidate_stoppable();
    test->replay.progress = candidate_progress;
    started_us = clock->monotonic_us(clock);
    TRY(backtest_run(test, &work->result, fault));
    if (work->result.judged == 0 && (work->from != NULL || work->to != NULL))
        return fault_set(fault, ERR_usage, NULL, "There are no payments in the range");
    work->past_us = clock->monotonic_us(clock) - started_us;
    TRY(close_output(work->scores_file, &test->scores, fault));
    TRY(close_output(work->features_file, &test->features, fault));
    return close_output(work->changes_file, &test->changes, fault);
}

int command_backtest(struct conf *conf, int argc, char **argv)
{
    struct work *work = calloc(1, sizeof *work);
    struct fault fault = { 0 };
    struct fault ignored = { 0 };
    enum err     err;

    if (work == NULL)
        return command_end("backtest", ERR_memory, NULL);
    err = parse_arguments(work, argc, argv, &fault);
    if (err == ERR_none)
        err = run(work, conf, &fault);
    candidate_progress_end();
    if (err == ERR_none && work->format != NULL && strcmp(work->format, "json") == 0)
        print_json(work);
    else if (err == ERR_none)
        print_table(work);
    (void)!close_output("", &work->options.scores, &ignored);
    (void)!close_output("", &work->options.changes, &ignored);
    (void)!close_output("", &work->options.features, &ignored);
    if (work->is_open)
        home_close(&work->home);
    fraud_rules_free(&work->rules);
    free(work);
    return command_end("backtest", err, &fault);
}
