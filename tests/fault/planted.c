/* Faults for the simulation to find, one at a time: BANK_PLANTED names it.
 *
 * The bank that is simulated is the one that is shipped: its objects are linked with --wrap (see
 * the Makefile), so that the calls from one of its files to another come through here, and a fault
 * is what a wrapper leaves out, does twice or does wrongly. Each is one that a slip in the wrapped
 * function or its caller would be. tests/fault/test_sim_finds.py says how each must be found.
 *
 * The proof of the books uses some of the same functions. It must not be wrong in the same way, so
 * faults in them are there only while the writer works. */
#include <stdlib.h>
#include <string.h>

#include "bankd/alert.h"
#include "bankd/chain.h"
#include "bankd/controls.h"
#include "bankd/ledger/ledger.h"
#include "bankd/profile.h"
#include "bankd/session.h"
#include "bankd/writer_impl.h"
#include "common/check.h"

#define PLANTS(PLANT)                                                                              \
    PLANT(forget_ids, "ids that are in the store are taken for new")                               \
    PLANT(lose_leg, "a posting changes the book of the side that pays, not of the other")          \
    PLANT(skip_rollup, "payments of high value are not counted")                                   \
    PLANT(free_twice, "a release frees the held amount twice")                                     \
    PLANT(count_twice, "a decision takes two off the open alerts")                                 \
    PLANT(leave_open, "an alert stays open when all in it is decided")                             \
    PLANT(unchain, "an audit entry is linked to nothing")                                          \
    PLANT(see_nothing, "profiles do not see payments")                                             \
    PLANT(keep_finding, "a profile that has seen a finding is not saved with it")                  \
    PLANT(keep_rules, "rules that were approved do not judge")                                     \
    PLANT(ignore_lists, "what is set for the engine acts only after a restart")                    \
    PLANT(swallow_full, "what did not fit on the disk is answered as done")                        \
    PLANT(stay_logged_in, "sessions never end")

enum plant {
#define PLANT(name, sentence) PLANT_##name,
    PLANTS(PLANT)
#undef PLANT
        PLANT_COUNT
};

static const char *const plant_names[PLANT_COUNT] = {
#define PLANT(name, sentence) #name,
    PLANTS(PLANT)
#undef PLANT
};

static bool is_planted(enum plant plant)
{
    static int  planted = -1;
    const char *name;

    if (planted < 0) {
        name = getenv("BANK_PLANTED");
        CHECK(name != NULL);
        for (planted = 0; planted < PLANT_COUNT && strcmp(name, plant_names[planted]) != 0;)
            planted++;
        CHECK(planted < PLANT_COUNT);
    }
    return planted == (int)plant;
}

static bool writer_works;

/* What the wrapped function is behind its wrapper, and the wrapper. */
#define WRAP(type, name, ...)                                                                      \
    type __real_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__)

WRAP(bool, writer_may_have, struct writer *writer, const struct uuid *id)
{
    return !is_planted(PLANT_forget_ids) && __real_writer_may_have(writer, id);
}

WRAP(void, writer_change_book, struct draft *draft, const struct account_book *before,
     const struct account_book *after, bool terms_changed)
{
    if (is_planted(PLANT_lose_leg) && draft->change.transaction != NULL &&
        draft->change.account_count > 0)
        return;
    __real_writer_change_book(draft, before, after, terms_changed);
}

WRAP(void, writer_rollup, struct draft *draft, uint8_t scale, int32_t bucket, uint16_t currency,
     uint16_t metric, int64_t count, int64_t amount)
{
    if (is_planted(PLANT_skip_rollup) && metric == METRIC_HIGH_VALUE)
        return;
    if (is_planted(PLANT_count_twice) && metric == METRIC_ALERTS_OPEN && count < 0)
        count *= 2;
    __real_writer_rollup(draft, scale, bucket, currency, metric, count, amount);
}

WRAP(enum err, ledger_release, const struct transaction *held, int64_t now_us,
     struct account_book *debit, struct account_book *credit, struct fault *fault)
{
    TRY(__real_ledger_release(held, now_us, debit, credit, fault));
    if (is_planted(PLANT_free_twice))
        debit->held -= held->amount;
    return ERR_none;
}

WRAP(int32_t, alert_finding, const struct alert_hit *hits, size_t count)
{
    return is_planted(PLANT_leave_open) ? 0 : __real_alert_finding(hits, count);
}

WRAP(void, writer_audit, struct writer *writer, struct draft *draft, const struct act *act)
{
    writer_works = true;
    __real_writer_audit(writer, draft, act);
    writer_works = false;
}

WRAP(void, chain_link_audit, const uint8_t before[CHAIN_HASH_BYTES], const struct audit *row,
     uint8_t out[CHAIN_HASH_BYTES])
{
    static const uint8_t nothing[CHAIN_HASH_BYTES];

    if (is_planted(PLANT_unchain) && writer_works)
        before = nothing;
    __real_chain_link_audit(before, row, out);
}

WRAP(enum err, writer_post, struct writer *writer, const struct post *post, struct posted *out,
     struct fault *fault)
{
    enum err err;

    writer_works = true;
    err = __real_writer_post(writer, post, out, fault);
    writer_works = false;
    return err;
}

WRAP(void, profile_observe, struct fraud_profile *profile, int64_t entity,
     const struct transaction *row, const struct account_book *debit,
     const struct account_book *credit, const struct label *label)
{
    if (!is_planted(PLANT_see_nothing) || !writer_works)
        __real_profile_observe(profile, entity, row, debit, credit, label);
}

WRAP(void, writer_profile_urgent, struct writer *writer, int64_t entity, struct profile_slot *slot)
{
    if (!is_planted(PLANT_keep_finding))
        __real_writer_profile_urgent(writer, entity, slot);
}

WRAP(enum err, writer_judge_by, struct writer *writer, int64_t rule_set)
{
    return is_planted(PLANT_keep_rules) ? ERR_none : __real_writer_judge_by(writer, rule_set);
}

WRAP(enum err, controls_take, struct controls *controls, const struct record *record)
{
    return is_planted(PLANT_ignore_lists) ? ERR_none : __real_controls_take(controls, record);
}

WRAP(enum err, writer_commit, struct writer *writer, struct fault *fault)
{
    enum err err = __real_writer_commit(writer, fault);

    return err == ERR_storage_full && is_planted(PLANT_swallow_full) ? ERR_none : err;
}

WRAP(struct session *, session_find, struct sessions *sessions, struct slice token, int64_t now_us)
{
    struct session *session;

    if (!is_planted(PLANT_stay_logged_in))
        return __real_session_find(sessions, token, now_us);
    session = __real_session_find(sessions, token, 1);
    if (session != NULL)
        session->seen_us = now_us;
    return session;
}
