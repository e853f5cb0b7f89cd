/* See candidate.h. */
#include "bankd/learn/candidate.h"

#include "common/buf.h"
#include "common/check.h"
#include "common/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char bare_rules[] = "version 1\n"
                                 "threshold alert 400\n"
                                 "threshold hold 600\n"
                                 "threshold decline 1000\n";

static atomic_bool stop_asked;
static bool        progress_told;

static enum err read_file(const char *path, struct buf *out, struct fault *fault)
{
    FILE    *file = fopen(path, "re");
    char     chunk[4096];
    size_t   n = 0;
    enum err err = ERR_none;

    if (file == NULL)
        return fault_set(fault, ERR_io, NULL, "%.150s: %s", path, strerror(errno));
    while (err == ERR_none && (n = fread(chunk, 1, sizeof chunk, file)) > 0)
        err = buf_add(out, chunk, n);
    if (ferror(file) != 0)
        err = ERR_io;
    fclose(file);
    return err == ERR_none ? err : fault_set(fault, err, NULL, "%.150s cannot be read", path);
}

static enum err load_rules(const char *path, struct fraud_rules **out, struct fault *fault)
{
    struct buf text;
    enum err   err;

    if (path == NULL)
        return fraud_rules_parse(slice_from(bare_rules), "thresholds", out, fault);
    buf_init(&text, LIMIT_RULES_FILE_MAX);
    err = read_file(path, &text, fault);
    if (err == ERR_none)
        err = bank_rules_fault(fraud_rules_parse(slice_of(text.at, text.n), path, out, fault), path,
                               fault);
    buf_free(&text);
    return err;
}

enum err candidate_load(const char *rules_file, const char *card_file, struct fraud_rules **out,
                        struct fault *fault)
{
    struct buf text;
    enum err   err;

    *out = NULL;
    TRY(load_rules(rules_file, out, fault));
    if (card_file == NULL)
        return ERR_none;
    buf_init(&text, LIMIT_RULES_FILE_MAX);
    err = read_file(card_file, &text, fault);
    if (err == ERR_none)
        err = bank_rules_fault(fraud_rules_card(*out, slice_of(text.at, text.n), card_file, fault),
                               card_file, fault);
    buf_free(&text);
    if (err != ERR_none)
        fraud_rules_free(out);
    return err;
}

static enum err find_stored(struct store *store, const char *hash, int64_t *number,
                            struct fault *fault)
{
    struct store_numbers numbers;
    struct rule_set      row;
    uint8_t              bytes[CHAIN_HASH_BYTES];
    size_t               n = 0;

    if (hash == NULL) {
        TRY(store->ops->numbers(store, &numbers));
        *number = numbers.rules_active;
        return *number != 0 ? ERR_none
                            : fault_set(fault, ERR_not_found, NULL, "No rules are in force yet");
    }
    if (sodium_hex2bin(bytes, sizeof bytes, hash, strlen(hash), NULL, &n, NULL) != 0 ||
        n != sizeof bytes)
        return fault_set(fault, ERR_usage, NULL, "--hash has %d digits of hex, not %.70s",
                         2 * (int)CHAIN_HASH_BYTES, hash);
    if (store->ops->rule_set_by_hash(store, bytes, &row) != ERR_none)
        return fault_set(fault, ERR_not_found, NULL, "No rules have the hash %.70s", hash);
    *number = row.number;
    return ERR_none;
}

enum err candidate_stored(struct store *store, const char *hash, const char *card_file,
                          struct fraud_rules **out, struct fault *fault)
{
    struct rule_set row;
    struct buf      text;
    struct buf      card;
    int64_t         number = 0;
    enum err        err;

    *out = NULL;
    TRY(find_stored(store, hash, &number, fault));
    buf_init(&text, LIMIT_RULES_FILE_MAX);
    buf_init(&card, LIMIT_RULES_FILE_MAX);
    err = store->ops->rule_set_get(store, number, &row, &text, &card);
    if (err == ERR_none && card_file != NULL) {
        buf_clear(&card);
        err = read_file(card_file, &card, fault);
    }
    if (err == ERR_none) {
        struct bank_texts texts = { .rules = slice_of(text.at, text.n),
                                    .card = slice_of(card.at, card.n),
                                    .rules_name = "stored rules",
                                    .card_name = card_file != NULL ? card_file : "stored scorecard",
                                    .rules_stored = true,
                                    .card_stored = card_file == NULL };

        err = bank_rules_parse(&texts, out, fault);
    }
    if (card_file != NULL)
        err = bank_rules_fault(err, card_file, fault);
    buf_free(&text);
    buf_free(&card);
    return err;
}

enum err candidate_day(const char *option, const char *text, int64_t *out, struct fault *fault)
{
    if (text == NULL || time_parse(text, strlen(text), out) == ERR_none)
        return ERR_none;
    return fault_set(fault, ERR_usage, NULL, "%s %.50s is not a day like 2026-11-22", option, text);
}

enum err candidate_range(const char *from, const char *to, int64_t *from_us, int64_t *to_us,
                         struct fault *fault)
{
    TRY(candidate_day("--from", from, from_us, fault));
    TRY(candidate_day("--to", to, to_us, fault));
    if (from != NULL && to != NULL && *from_us >= *to_us)
        return fault_set(fault, ERR_usage, NULL, "--from %.50s is not before --to %.50s", from, to);
    return ERR_none;
}

enum err candidate_arguments(int argc, char **argv, const struct candidate_option *options,
                             size_t count, struct fault *fault)
{
    for (int i = 0; i < argc; i++) {
        bool known = false;

        for (size_t o = 0; o < count && !known; o++) {
            size_t n = strlen(options[o].name);

            if (strncmp(argv[i], options[o].name, n) != 0)
                continue;
            if (options[o].flag != NULL) {
                known = argv[i][n] == '\0';
                *options[o].flag = known;
                break;
            }
            known = argv[i][n] == '=' || (argv[i][n] == '\0' && i + 1 < argc);
            if (known)
                *options[o].value = argv[i][n] == '=' ? argv[i] + n + 1 : argv[i + 1];
            i += known && argv[i][n] == '\0' ? 1 : 0;
        }
        if (!known)
            return fault_set(fault, ERR_usage, NULL, "%.100s is not known here or has no value",
                             argv[i]);
    }
    return ERR_none;
}

static void ask_stop(int signal_number)
{
    (void)signal_number;
    atomic_store_explicit(&stop_asked, true, memory_order_relaxed);
}

const atomic_bool *candidate_stoppable(void)
{
    struct sigaction action = { .sa_handler = ask_stop };

    atomic_store(&stop_asked, false);
    CHECK(sigaction(SIGINT, &action, NULL) == 0);
    CHECK(sigaction(SIGTERM, &action, NULL) == 0);
    return &stop_asked;
}

void candidate_progress(void *context, int64_t done, int64_t last)
{
    (void)context;
    if (last <= 0 || isatty(STDERR_FILENO) != 1)
        return;
    fprintf(stderr, "\rread: %3" PRId64 " %%", done / (last / 100 + 1));
    progress_told = true;
}

void candidate_progress_end(void)
{
    if (progress_told)
        fputc('\n', stderr);
    progress_told = false;
}
