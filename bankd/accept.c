/* `bankd restore --accept-loss`: the bank that is there goes on without what its witness names.
 *
 * For the hour in which the newest log cannot be found and no backup is nearer to it. Nothing is
 * moved into the file before what is there has proved itself, read through a handle that changes
 * nothing: files of different times do not, and then only a backup helps. What was given up, and
 * that somebody chose it, is an audit entry; from there on the witness speaks again. */
#include "bankd/accept.h"

#include "bankd/home.h"
#include "common/check.h"
#include "common/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The proof, under the daemon's lock, and that there is a loss to accept. */
static enum err prove_as_it_is(const struct conf *conf, struct home *home,
                               struct verify_report *report, struct fault *fault)
{
    enum err err;

    TRY(home_open(conf, STORE_EXAMINE, false, home, fault));
    err = verify_bank(home->store, &home->bank, home->sign_public, stderr, report, fault);
    if (err == ERR_none) {
        err = verify_witness(home->store, home->witness_state, home->witness_lost, &home->said,
                             stderr, report, NULL);
        if (err == ERR_none)
            err = fault_set(fault, ERR_state_conflict, NULL,
                            "There is no loss to accept: the bank has all that its witness names");
        else if (err == ERR_books_broken)
            err = ERR_none;
    }
    home_close(home);
    return err;
}

static void tell_loss(const struct home *home, const struct verify_report *report, char *out,
                      size_t size)
{
    if (home->witness_state == WITNESS_THERE)
        snprintf(out, size,
                 "The witness named entry %" PRId64 ", the bank ended with %" PRId64
                 " and was taken as it was",
                 home->said.expect.head.sequence, report->last_sequence);
    else
        snprintf(out, size, "%s; the bank ended with entry %" PRId64 " and was taken as it was",
                 witness_sentence(home->witness_state), report->last_sequence);
}

static enum err record(struct home *home, const char *detail, struct fault *fault)
{
    struct writer_config config = { .store = home->store,
                                    .bank = &home->bank,
                                    .clock = clock_system(),
                                    .sign_secret = home->sign_secret,
                                    .witness = home->witness,
                                    .books_max = 64,
                                    .profiles_max = 64 };
    struct act           act = { .actor_name = "operator",
                                 .kind = AUDIT_ACTION,
                                 .operation = "witness.accept",
                                 .detail = slice_from(detail) };
    struct writer       *writer = NULL;
    struct draft        *draft;
    enum err             err;

    TRY(writer_open(&config, &writer, fault));
    draft = writer_draft(writer);
    CHECK(draft != NULL);
    writer_audit(writer, draft, &act);
    writer_add(writer, draft);
    err = writer_commit(writer, fault);
    writer_close(&writer);
    return err;
}

enum err accept_loss(const struct conf *conf, struct home *home, struct verify_report *report,
                     struct fault *fault)
{
    char     detail[LIMIT_DETAIL_MAX + 1];
    enum err err;
    int      lock = -1;

    if (access(conf_text(conf, "database_path"), F_OK) != 0)
        return fault_set(fault, ERR_storage_absent, NULL, "There is no %.180s",
                         conf_text(conf, "database_path"));
    TRY(store_lock(conf_text(conf, "database_path"), &lock, fault));
    err = prove_as_it_is(conf, home, report, fault);
    close(lock); /* the writer takes it for itself */
    TRY(err);
    TRY(home_open_anyway(conf, home, fault));
    tell_loss(home, report, detail, sizeof detail);
    err = record(home, detail, fault);
    home_close(home);
    if (err == ERR_none)
        printf("%s.\nAn audit entry says so, and the witness begins anew with it.\n", detail);
    return err;
}
