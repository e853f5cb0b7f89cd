/* Rules become law in two steps by two people: rules.propose stores them, checked and with their
 * examples run; rules.approve, by somebody else, puts them into force. rules.withdraw gives a
 * proposal up. Nothing here ever edits a stored version.
 *
 * Each of these operations commits alone (OP_ALONE). So the texts that it borrows live until its
 * commit, a version is durable before anything names it, and everything that was planned before an
 * approval was judged by the rules before it: the chain itself shows which rules judged what. */
#include "bankd/ops/versions.h"
#include "bankd/writer.h"
#include "common/check.h"

#include <sodium.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { HEX_SIZE = 2 * CHAIN_HASH_BYTES + 1 };

/* A fault of a file names its line and column; the files here are the fields of the request. */
static const char rules_field[] = "rules";
static const char card_field[] = "scorecard";

static void tell(struct request *request, const struct msg_rule_version *version)
{
    struct msg_event_rules event = { .rule_set = version->rule_set,
                                     .hash = version->hash,
                                     .state = version->state,
                                     .by = slice_from(request->actor.email) };

    writer_emit(request->writer, EVENT_INDEX_rules, &event);
}

/* The audit entry ends the plan: nothing may fail behind it. */
static void finish(struct request *request, struct draft *draft, const struct rule_set *row,
                   struct slice reason, const struct msg_rule_version *out)
{
    char       hex[HEX_SIZE];
    char       detail[LIMIT_REASON_MAX + 64];
    struct act act = { .actor = &request->actor,
                       .kind = AUDIT_ACTION,
                       .operation = request->op->name,
                       .subject_text = hex };

    snprintf(detail, sizeof detail, "rule set %" PRId64 "%s%.*s", row->number,
             reason.n > 0 ? ": " : "", (int)reason.n, reason.at);
    act.detail = slice_from(detail);

    sodium_bin2hex(hex, sizeof hex, row->hash, sizeof row->hash);
    writer_audit(request->writer, draft, &act);
    writer_add(request->writer, draft);
    tell(request, out);
}

/* --- rules.propose --------------------------------------------------------------------------- */

/* The two texts of a proposal: as given, and as in force where nothing is given. */
static enum err find_texts(struct request *request, const struct msg_rules_propose *in,
                           int64_t active, struct bank_texts *out)
{
    *out = (struct bank_texts){ .rules_name = rules_field,
                                .card_name = card_field,
                                .rules_stored = !MSG_HAS(in, rules_propose, rules),
                                .card_stored = !MSG_HAS(in, rules_propose, scorecard) };
    TRY(read_rule_texts(request, active, &out->rules, &out->card));
    if (!out->rules_stored)
        out->rules = in->rules;
    if (!out->card_stored)
        out->card = in->scorecard;
    return ERR_none;
}

static enum err check_new(struct request *request, const uint8_t hash[CHAIN_HASH_BYTES])
{
    struct rule_set row;
    enum err        err = request->store->ops->rule_set_by_hash(request->store, hash, &row);

    if (err == ERR_not_found)
        return ERR_none;
    TRY(err);
    if (row.state == RULES_ACTIVE)
        return fault_set(request->fault, ERR_exists, NULL,
                         "These are the rules in force, rule set %lld", (long long)row.number);
    if (row.state == RULES_PROPOSED)
        return fault_set(request->fault, ERR_exists, NULL,
                         "They are proposed already, as rule set %lld", (long long)row.number);
    return ERR_none;
}

static bool count_row(void *context, const void *row)
{
    (void)row;
    return ++*(size_t *)context < LIMIT_RULES_PROPOSED_MAX;
}

/* Texts are large, so those that nobody decides on are bounded. */
static enum err check_room(struct request *request)
{
    struct rule_set_filter filter = { .state = RULES_PROPOSED };
    size_t                 count = 0;

    TRY(request->store->ops->rule_sets(request->store, &filter, count_row, &count));
    if (count < LIMIT_RULES_PROPOSED_MAX)
        return ERR_none;
    return fault_set(request->fault, ERR_state_conflict, NULL,
                     "%d proposals wait already; withdraw those that nobody wants",
                     (int)LIMIT_RULES_PROPOSED_MAX);
}

enum err op_rules_propose(struct request *request, const struct msg_rules_propose *in,
                          struct msg_rule_version *out)
{
    struct draft        *draft = writer_draft(request->writer);
    struct store_numbers numbers;
    struct fraud_rules  *rules = NULL;
    struct rule_set     *row;
    struct bank_texts    texts;

    CHECK(draft != NULL && writer_planned(request->writer) == 0);
    if (!MSG_HAS(in, rules_propose, rules) && !MSG_HAS(in, rules_propose, scorecard))
        return fault_set(request->fault, ERR_field_missing, rules_field,
                         "Give the text of rules, of a scorecard, or of both");
    row = &draft->rule_set;
    memset(row, 0, sizeof *row);
    TRY(request->store->ops->numbers(request->store, &numbers));
    TRY(find_texts(request, in, numbers.rules_active, &texts));
    TRY(bank_rules_parse(&texts, &rules, request->fault));
    row->rules = (int64_t)fraud_rules_count(rules);
    fraud_rules_free(&rules);
    bank_rules_hash(texts.rules, texts.card, row->hash);
    TRY(check_new(request, row->hash));
    TRY(check_room(request));
    row->number = numbers.rule_set + 1;
    row->state = RULES_PROPOSED;
    row->has_card = texts.card.n > 0;
    row->author = request->actor.user;
    row->proposed_at_us = request->now_us;
    slice_copy(in->reason, row->reason, sizeof row->reason);
    TRY(view_rule_version(request, row, out));
    CHECK(writer_next_rule_set(request->writer) == row->number);
    draft->change.rule_set = row;
    draft->change.rule_text = texts.rules;
    draft->change.card_text = texts.card;
    finish(request, draft, row, in->reason, out);
    return ERR_none;
}

/* --- rules.approve --------------------------------------------------------------------------- */

static enum err find_proposal(struct request *request, struct slice hash, struct rule_set *out)
{
    TRY(find_rule_version(request, hash, out));
    if (out->state != RULES_PROPOSED)
        return fault_set(request->fault, ERR_state_conflict, "hash",
                         "Rule set %lld is %s, not proposed%s", (long long)out->number,
                         enum_text(&enum_rules_state, out->state),
                         out->state == RULES_ACTIVE ? "" : "; propose its texts anew");
    return ERR_none;
}

/* What an older bankd took may not be what this one understands. */
static enum err check_understood(struct request *request, int64_t number)
{
    const struct fraud_rules *rules = NULL;
    enum err                  err = bank_rules(request->bank, request->store, number, &rules);

    if (err == ERR_storage_corrupt)
        return fault_set(
            request->fault, ERR_state_conflict, "hash",
            "This version of bankd does not understand these rules; propose them anew");
    TRY(err);
    bank_rules_release(request->bank, rules);
    return ERR_none;
}

/* The rules that were in force until now end in the same change. */
static enum err plan_end(struct request *request, struct draft *draft)
{
    struct rule_set     *before = &draft->rule_set_before;
    struct store_numbers numbers;

    TRY(request->store->ops->numbers(request->store, &numbers));
    if (numbers.rules_active == 0)
        return ERR_none;
    TRY(request->store->ops->rule_set_get(request->store, numbers.rules_active, before, NULL,
                                          NULL));
    before->state = RULES_SUPERSEDED;
    before->ended_at_us = request->now_us;
    draft->change.rule_set_updates[draft->change.rule_set_update_count++] =
        (struct rule_set_update){ .state_before = RULES_ACTIVE, .after = before };
    return ERR_none;
}

enum err op_rules_approve(struct request *request, const struct msg_rules_act *in,
                          struct msg_rule_version *out)
{
    struct draft    *draft = writer_draft(request->writer);
    struct rule_set *row;

    CHECK(draft != NULL && writer_planned(request->writer) == 0);
    row = &draft->rule_set;
    TRY(find_proposal(request, in->hash, row));
    if (row->author == request->actor.user)
        return fault_set(request->fault, ERR_own_proposal, "hash",
                         "You proposed rule set %lld; the rules in force stay",
                         (long long)row->number);
    TRY(check_understood(request, row->number));
    TRY(plan_end(request, draft));
    row->state = RULES_ACTIVE;
    row->approver = request->actor.user;
    row->approved_at_us = request->now_us;
    draft->change.rule_set_updates[draft->change.rule_set_update_count++] =
        (struct rule_set_update){ .state_before = RULES_PROPOSED, .after = row };
    TRY(view_rule_version(request, row, out));
    TRY(writer_judge_by(request->writer, row->number));
    finish(request, draft, row, in->reason, out);
    return ERR_none;
}

enum err op_rules_withdraw(struct request *request, const struct msg_rules_withdraw *in,
                           struct msg_rule_version *out)
{
    struct draft    *draft = writer_draft(request->writer);
    struct rule_set *row;

    CHECK(draft != NULL && writer_planned(request->writer) == 0);
    row = &draft->rule_set;
    TRY(find_proposal(request, in->hash, row));
    row->state = RULES_WITHDRAWN;
    row->ended_at_us = request->now_us;
    draft->change.rule_set_updates[draft->change.rule_set_update_count++] =
        (struct rule_set_update){ .state_before = RULES_PROPOSED, .after = row };
    TRY(view_rule_version(request, row, out));
    finish(request, draft, row, in->reason, out);
    return ERR_none;
}
