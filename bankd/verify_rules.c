/* The versions of the rules as the audit log made them: followed along the chain, so that each
 * decision is compared with the rule set that was in force at that very entry, and held against
 * the stored versions at the end.
 *
 * The first rule set is the operator's, and so were all of them before there were proposals. From
 * the first proposal on, nothing comes into force that two different people have not looked at:
 * the rule that must not be broken. The n-th version that was loaded or proposed has the number n.
 */
#include "bankd/verify_impl.h"

#include "bankd/chain.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define WRONG(...) verify_problem(verify, VERIFY_RULES, __VA_ARGS__)

static enum err add_version(struct verify *verify, const uint8_t hash[CHAIN_HASH_BYTES],
                            const struct verify_version *version)
{
    if (verify->version_count == verify->version_capacity) {
        size_t                 capacity = verify->version_capacity * 2 + 16;
        struct verify_version *more = realloc(verify->versions, capacity * sizeof *more);

        if (more == NULL)
            return ERR_memory;
        verify->versions = more;
        verify->version_capacity = capacity;
    }
    verify->versions[verify->version_count] = *version;
    memcpy(verify->versions[verify->version_count++].hash, hash, CHAIN_HASH_BYTES);
    return ERR_none;
}

static void put_in_force(struct verify *verify, size_t version)
{
    if (verify->rules_active != 0)
        verify->versions[verify->rules_active - 1].state = RULES_SUPERSEDED;
    verify->versions[version].state = RULES_ACTIVE;
    verify->rules_active = (int64_t)version + 1;
}

static enum err take_load(struct verify *verify, const struct audit *audit,
                          const uint8_t hash[CHAIN_HASH_BYTES])
{
    struct verify_version version = { .state = RULES_ACTIVE };

    if (verify->rules_proposed)
        WRONG("audit entry %" PRId64 " puts rules into force that nobody approved",
              audit->sequence);
    TRY(add_version(verify, hash, &version));
    put_in_force(verify, verify->version_count - 1);
    return ERR_none;
}

/* The newest proposal of this hash; -1 = there is none. */
static int64_t find_proposal(const struct verify *verify, const uint8_t hash[CHAIN_HASH_BYTES])
{
    for (size_t i = verify->version_count; i-- > 0;)
        if (verify->versions[i].state == RULES_PROPOSED &&
            memcmp(verify->versions[i].hash, hash, CHAIN_HASH_BYTES) == 0)
            return (int64_t)i;
    return -1;
}

static void take_end(struct verify *verify, const struct audit *audit,
                     const uint8_t hash[CHAIN_HASH_BYTES], bool approved)
{
    int64_t                at = find_proposal(verify, hash);
    struct verify_version *version;

    if (at < 0) {
        WRONG("audit entry %" PRId64 " %s rules that were not proposed", audit->sequence,
              approved ? "approves" : "withdraws");
        return;
    }
    version = &verify->versions[at];
    if (!approved) {
        version->state = RULES_WITHDRAWN;
        return;
    }
    if (version->author == audit->actor)
        WRONG("rule set %" PRId64 " was approved by its author, at audit entry %" PRId64, at + 1,
              audit->sequence);
    version->approver = audit->actor;
    put_in_force(verify, (size_t)at);
}

enum err verify_rules_act(struct verify *verify, const struct audit *audit)
{
    struct verify_version version = { .state = RULES_PROPOSED, .author = audit->actor };
    uint8_t               hash[CHAIN_HASH_BYTES];
    size_t                n = 0;

    if (audit->kind != AUDIT_ACTION || strcmp(audit->outcome, "done") != 0 ||
        strncmp(audit->operation, "rules.", 6) != 0 ||
        sodium_hex2bin(hash, sizeof hash, audit->subject, strlen(audit->subject), NULL, &n, NULL) !=
            0 ||
        n != sizeof hash)
        return ERR_none;
    if (strcmp(audit->operation, "rules.load") == 0)
        return take_load(verify, audit, hash);
    if (strcmp(audit->operation, "rules.propose") == 0) {
        verify->rules_proposed = true;
        return add_version(verify, hash, &version);
    }
    if (strcmp(audit->operation, "rules.approve") == 0)
        take_end(verify, audit, hash, true);
    else if (strcmp(audit->operation, "rules.withdraw") == 0)
        take_end(verify, audit, hash, false);
    return ERR_none;
}

/* --- suppressions ---------------------------------------------------------------------------- */

/* The entry names the record by its mark. Records of other kinds beside it, such as the notice of
 * it, are noted too and never looked for. */
enum err verify_sparing_act(struct verify *verify, const struct audit *audit)
{
    bool approved = strcmp(audit->operation, "suppression.approve") == 0;

    if (audit->kind != AUDIT_ACTION || strcmp(audit->outcome, "done") != 0 ||
        (!approved && strcmp(audit->operation, "suppression.add") != 0))
        return ERR_none;
    for (size_t at = 0; at + RECORD_MARK_BYTES <= audit->records_size; at += RECORD_MARK_BYTES) {
        struct verify_sparing *sparing =
            verify_map_make(&verify->sparings, chain_marked_record(audit->records + at));

        if (sparing == NULL)
            return ERR_memory;
        if (!approved)
            sparing->author = audit->actor;
        else if (sparing->author == audit->actor)
            WRONG("a suppression was approved by who entered it, at audit entry %" PRId64,
                  audit->sequence);
        else
            sparing->approver = audit->actor;
    }
    return ERR_none;
}

void verify_sparings(struct verify *verify, const struct fraud_rules *rules,
                     const struct transaction *row)
{
    struct fraud_controls controls;

    if (!fraud_recall_controls(rules, row->decision, row->decision_size, &controls))
        return; /* told with the decision */
    for (size_t i = 0; i < controls.suppressed_count; i++) {
        const struct fraud_suppression *suppressed = &controls.suppressed[i];
        const struct verify_sparing    *sparing =
            verify_map_find(&verify->sparings, suppressed->number);

        if (fraud_rules_is_high(rules, suppressed->rule) &&
            (sparing == NULL || sparing->author == 0 || sparing->approver == 0))
            WRONG("transaction %" PRId64 " was spared rule %s, of high severity, by suppression "
                  "%" PRId64 ", which no second person approved",
                  row->sequence, fraud_rules_name(rules, suppressed->rule), suppressed->number);
    }
}

/* --- what is stored -------------------------------------------------------------------------- */

static void check_version(struct verify *verify, const struct rule_set *row,
                          const uint8_t hash[CHAIN_HASH_BYTES])
{
    const struct verify_version *version =
        row->number > 0 && (size_t)row->number <= verify->version_count
            ? &verify->versions[row->number - 1]
            : NULL;

    if (memcmp(hash, row->hash, CHAIN_HASH_BYTES) != 0)
        WRONG("the text of rule set %" PRId64 " was changed: its hash does not follow from it",
              row->number);
    else if (version == NULL || memcmp(hash, version->hash, CHAIN_HASH_BYTES) != 0)
        WRONG("the audit log does not know the text of rule set %" PRId64, row->number);
    else if (row->state != version->state)
        WRONG("rule set %" PRId64 " is %s, the audit log says %s", row->number,
              enum_text(&enum_rules_state, row->state),
              enum_text(&enum_rules_state, version->state));
    else if (row->author != version->author || row->approver != version->approver)
        WRONG("rule set %" PRId64 " names other people than the audit log", row->number);
    else
        verify->report->proved[VERIFY_RULES]++;
}

enum err verify_rules(struct verify *verify)
{
    struct store_numbers numbers;
    int64_t              count;

    TRY(verify->store->ops->numbers(verify->store, &numbers));
    count = numbers.rule_set > (int64_t)verify->version_count ? numbers.rule_set
                                                              : (int64_t)verify->version_count;
    for (int64_t number = 1; number <= count; number++) {
        struct rule_set row;
        struct buf      text;
        struct buf      card;
        uint8_t         hash[CHAIN_HASH_BYTES];
        enum err        err;

        buf_init(&text, LIMIT_RULES_FILE_MAX);
        buf_init(&card, LIMIT_RULES_FILE_MAX);
        err = verify->store->ops->rule_set_get(verify->store, number, &row, &text, &card);
        bank_rules_hash(slice_of(text.at, text.n), slice_of(card.at, card.n), hash);
        buf_free(&text);
        buf_free(&card);
        if (err == ERR_none)
            check_version(verify, &row, hash);
        else if (err == ERR_not_found)
            WRONG("rule set %" PRId64 " is missing", number);
        else
            return err;
    }
    return ERR_none;
}
