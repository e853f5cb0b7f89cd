/* The command `bankd verify` and the frame of the proof; see verify.h. The table goes to stdout,
 * problems and warnings to stderr as they are found. */
#include "bankd/verify_impl.h"

#include "bankd/command.h"
#include "bankd/home.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void verify_problem(struct verify *verify, enum verify_item item, const char *format, ...)
{
    va_list arguments;

    verify->report->problem_count++;
    if (verify->report->problems[item]++ >= VERIFY_TOLD_MAX)
        return;
    fputs("problem: ", verify->talk);
    va_start(arguments, format);
    vfprintf(verify->talk, format, arguments);
    va_end(arguments);
    fputc('\n', verify->talk);
}

void verify_warning(struct verify *verify, const char *format, ...)
{
    va_list arguments;

    if (verify->report->warning_count++ >= VERIFY_TOLD_MAX)
        return;
    fputs("warning: ", verify->talk);
    va_start(arguments, format);
    vfprintf(verify->talk, format, arguments);
    va_end(arguments);
    fputc('\n', verify->talk);
}

const char *verify_sentence(enum verify_item item)
{
    static const char *const sentences[] = {
#define VERIFY(item, sentence) [VERIFY_##item] = sentence,
        VERIFY_ITEMS(VERIFY)
#undef VERIFY
    };

    return sentences[item];
}

static enum err prove(struct verify *verify)
{
    struct fault why = { 0 };
    enum err     err = verify->store->ops->integrity(verify->store, &why);

    if (err == ERR_storage_corrupt)
        verify_problem(verify, VERIFY_FILE, "%s", why.text[0] != '\0' ? why.text : err_what(err));
    else if (err != ERR_none)
        return fault_set(verify->fault, err, NULL, "%s", why.text);
    else
        verify->report->proved[VERIFY_FILE] = 1;
    TRY(verify_load(verify));
    TRY(verify_chain(verify));
    TRY(verify_rules(verify));
    return verify_sums(verify);
}

enum err verify_bank(struct store *store, struct bank *bank, const uint8_t sign_public[32],
                     FILE *talk, struct verify_report *report, struct fault *fault)
{
    struct verify verify = { .store = store,
                             .bank = bank,
                             .sign_public = sign_public,
                             .talk = talk,
                             .report = report,
                             .fault = fault };
    enum err      err;

    memset(report, 0, sizeof *report);
    verify_map_init(&verify.alerts, sizeof(struct verify_alert));
    verify_map_init(&verify.sets, sizeof(struct verify_set));
    verify_map_init(&verify.statuses, sizeof(struct verify_status));
    verify_map_init(&verify.marks, sizeof(struct verify_mark));
    verify_map_init(&verify.sparings, sizeof(struct verify_sparing));
    verify_map_init(&verify.cells, sizeof(struct verify_cell));
    verify_map_init(&verify.days, sizeof(struct verify_day));
    verify_map_init(&verify.tops, sizeof(struct verify_top));
    err = store->ops->snapshot_begin(store);
    if (err == ERR_none) {
        err = prove(&verify);
        store->ops->snapshot_end(store);
    }
    if (verify.rules != NULL)
        bank_rules_release(bank, verify.rules);
    verify_map_free(&verify.alerts);
    verify_map_free(&verify.sets);
    verify_map_free(&verify.statuses);
    verify_map_free(&verify.marks);
    verify_map_free(&verify.sparings);
    verify_map_free(&verify.cells);
    verify_map_free(&verify.days);
    verify_map_free(&verify.tops);
    free(verify.accounts);
    free(verify.parties);
    free(verify.profiles);
    free(verify.hits);
    free(verify.heads);
    free(verify.versions);
    free(verify.is_transaction);
    free(verify.is_audit);
    /* A store that breaks off in the middle of reading is as good a proof as a wrong sum. */
    if (report->problem_count > 0)
        return fault_set(fault, ERR_books_broken, NULL, "%" PRId64 " problems were found%s%s",
                         report->problem_count, err != ERR_none ? "; the proof ended early: " : "",
                         err != ERR_none ? err_what(err) : "");
    return err;
}

static void print_report(const struct verify_report *report)
{
    printf("%-44s %12s %9s\n", "proved", "count", "problems");
    for (int item = 0; item < VERIFY_ITEM_COUNT; item++)
        printf("%-44s %12" PRId64 " %9" PRId64 "\n", verify_sentence((enum verify_item)item),
               report->proved[item], report->problems[item]);
    if (report->problem_count == 0)
        printf("the books and the audit chain agree, up to entry %" PRId64 "\n",
               report->last_sequence);
    else
        printf("THE BOOKS ARE BROKEN: %" PRId64 " problems\n", report->problem_count);
    fflush(stdout);
}

static enum err prove_home(struct home *home, struct verify_report *report, struct fault *fault)
{
    struct fault second = { 0 };
    enum err err = verify_bank(home->store, &home->bank, home->sign_public, stderr, report, fault);
    enum err witness_err;

    if (err != ERR_none && err != ERR_books_broken)
        return err;
    witness_err = verify_witness(home->store, home->witness_state, home->witness_lost, &home->said,
                                 stderr, report, &second);
    if (err == ERR_none && witness_err != ERR_none) {
        err = witness_err;
        *fault = second;
    }
    return err;
}

int command_verify(struct conf *conf, int argc, char **argv)
{
    struct verify_report report;
    struct fault         fault = { 0 };
    struct home         *home;
    enum err             err;

    if (argc > 0)
        return command_end("verify",
                           fault_set(&fault, ERR_usage, NULL,
                                     "bankd verify takes no argument, not %.100s", argv[0]),
                           &fault);
    home = calloc(1, sizeof *home);
    if (home == NULL)
        return command_end("verify", ERR_memory, NULL);
    err = home_open(conf, STORE_EXAMINE, false, home, &fault);
    if (err == ERR_none) {
        err = prove_home(home, &report, &fault);
        if (err == ERR_none || err == ERR_books_broken)
            print_report(&report);
        home_close(home);
    }
    free(home);
    return command_end("verify", err, &fault);
}
