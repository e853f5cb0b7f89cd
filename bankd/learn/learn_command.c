/* The command `bankd learn`: a scorecard from labelled history, as a file to be read, tried with
 * `bankd backtest --scorecard` and approved. */
#include "bankd/command.h"
#include "bankd/home.h"
#include "bankd/learn/candidate.h"
#include "bankd/learn/learn.h"
#include "common/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { ENTITIES_MAX = 4000000 };

struct arguments {
    const char *from, *to, *known_to, *file, *pairs;
    bool        force;
};

static enum err parse_arguments(int argc, char **argv, struct arguments *arguments,
                                struct learn_options *out, struct fault *fault)
{
    const struct candidate_option options[] = {
        { .name = "--force", .flag = &arguments->force },
        { "--from", &arguments->from, NULL },
        { "--to", &arguments->to, NULL },
        { "--known-to", &arguments->known_to, NULL },
        { "--out", &arguments->file, NULL },
        { "--pairs", &arguments->pairs, NULL },
    };

    *out = (struct learn_options){ .from_us = INT64_MIN,
                                   .pairs = true,
                                   .replay.entities_max = ENTITIES_MAX };
    TRY(candidate_arguments(argc, argv, options, ARRAY_COUNT(options), fault));
    if (arguments->file == NULL)
        return fault_set(fault, ERR_usage, NULL, "--out names the file of the scorecard");
    if (arguments->pairs != NULL && strcmp(arguments->pairs, "yes") != 0 &&
        strcmp(arguments->pairs, "no") != 0)
        return fault_set(fault, ERR_usage, NULL, "--pairs is yes or no");
    out->pairs = arguments->pairs == NULL || strcmp(arguments->pairs, "yes") == 0;
    TRY(candidate_day("--known-to", arguments->known_to, &out->known_to_us, fault));
    return candidate_range(arguments->from, arguments->to, &out->from_us, &out->to_us, fault);
}

static bool has_text(FILE *file, const struct buf *text)
{
    size_t i = 0;
    int    c;

    while ((c = getc(file)) != EOF && i < text->n && text->at[i] == (char)c)
        i++;
    return c == EOF && i == text->n && ferror(file) == 0;
}

/* A card is read and edited by people, so one that is there is not lost unasked. */
static enum err check_file(const char *path, const struct buf *text, struct fault *fault)
{
    FILE *file = fopen(path, "re");
    bool  same = file == NULL || has_text(file, text);

    if (file != NULL)
        fclose(file);
    return same ? ERR_none
                : fault_set(fault, ERR_exists, NULL,
                            "%.150s is there and was left alone; --force writes over it", path);
}

static enum err write_file(const char *path, const struct buf *text, struct fault *fault)
{
    FILE *file = fopen(path, "we");
    bool  good = file != NULL && fwrite(text->at, 1, text->n, file) == text->n;

    if (file != NULL && fclose(file) != 0)
        good = false;
    return good ? ERR_none : fault_set(fault, ERR_io, NULL, "%.150s: %s", path, strerror(errno));
}

static enum err run(struct conf *conf, const struct arguments *arguments,
                    struct learn_options *options, struct fault *fault)
{
    struct home         home;
    struct learn_result result;
    struct buf          text;
    struct fraud_rules *proof = NULL;
    enum err            err;

    TRY(home_open(conf, STORE_READ, false, &home, fault));
    buf_init(&text, LIMIT_RULES_FILE_MAX);
    options->replay.store = home.store;
    options->replay.cancel = candidate_stoppable();
    options->replay.progress = candidate_progress;
    err = learn_run(options, &text, &result, fault);
    candidate_progress_end();
    if (err == ERR_none && !arguments->force)
        err = check_file(arguments->file, &text, fault);
    if (err == ERR_none)
        err = write_file(arguments->file, &text, fault);
    if (err == ERR_none)
        err = candidate_load(NULL, arguments->file, &proof, fault);
    if (err == ERR_none)
        printf("%s: %zu features and %zu pairs from %" PRId64 " payments, of them frauds %" PRId64
               "; held-out loss %.5f, by the base alone %.5f\n",
               arguments->file, result.parts, result.pairs, result.payments, result.frauds,
               result.loss, result.loss_before);
    fraud_rules_free(&proof);
    buf_free(&text);
    home_close(&home);
    return err;
}

int command_learn(struct conf *conf, int argc, char **argv)
{
    struct arguments     arguments = { .from = NULL };
    struct learn_options options;
    struct fault         fault = { 0 };
    enum err             err = parse_arguments(argc, argv, &arguments, &options, &fault);

    if (err == ERR_none)
        err = run(conf, &arguments, &options, &fault);
    return command_end("learn", err, &fault);
}
