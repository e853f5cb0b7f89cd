/* What comes after its transaction: a finding, be it an analyst's decision or an import that brings
 * the labels of rows which are there already, and the release of a hold.
 *
 * The rule that must not be broken: a finding or a release and the two profiles that have seen it
 * are one commit. Then a saved profile never lacks a finding about a transaction that it has seen,
 * and a profile that is made again from its chain, which reads the findings of today, is the same.
 */
#include "bankd/writer_impl.h"

#include "bankd/past.h"
#include "common/check.h"

#include <string.h>

enum err writer_label_find(struct writer *writer, int64_t sequence, struct label *out)
{
    for (size_t i = writer->count; i > 0; i--) {
        const struct label *label = writer->changes[i - 1]->label;

        if (label != NULL && label->transaction == sequence) {
            *out = *label;
            return ERR_none;
        }
    }
    return writer->store->ops->label_by_transaction(writer->store, sequence, out);
}

/* A party that is only in this group is not in the store; then its profile is at work already. */
static enum err newest_of_party(struct writer *writer, const struct transaction *row,
                                int64_t *newest)
{
    struct party  stored;
    struct party *party;
    enum err      err = writer->store->ops->party_by_number(writer->store, row->party, &stored);

    *newest = row->sequence;
    if (err == ERR_not_found)
        return ERR_none;
    TRY(err);
    TRY(writer_party(writer, slice_from(stored.key), row->at_us, &party));
    *newest = party->last_sequence;
    return ERR_none;
}

/* Profiles are loaded first, because nothing may fail once one of them has changed. */
static enum err load_profiles(struct writer *writer, const struct transaction *row,
                              int64_t              entities[LABEL_PROFILES],
                              struct profile_slot *slots[LABEL_PROFILES])
{
    const struct account_book *debit;
    const struct account_book *credit;
    const struct account_book *own;
    const struct account_book *other;
    int64_t                    newest;

    TRY(writer_book(writer, row->debit, &debit, NULL));
    TRY(writer_book(writer, row->credit, &credit, NULL));
    own = row->incoming ? credit : debit;
    other = row->incoming ? debit : credit;
    if (own->kind == ACCOUNT_CUSTOMER) {
        entities[0] = profile_subject(row);
        TRY(writer_profile(writer, entities[0], own->last_sequence, &slots[0]));
    }
    entities[1] = profile_counterparty(row, debit, credit);
    newest = other->last_sequence;
    if (entities[1] == 0)
        return ERR_none;
    if (other->kind != ACCOUNT_CUSTOMER)
        TRY(newest_of_party(writer, row, &newest));
    return writer_profile(writer, entities[1], newest, &slots[1]);
}

/* A finding and a release ask for each profile once more than may be due anyway. */
enum { LABEL_URGENT = 3 * LABEL_PROFILES };

/* One record for what is replaced, and one for a note beside it. */
enum { LABEL_RECORDS = 2 };

enum err writer_label_prepare(struct writer *writer, const struct transaction *row, size_t more,
                              struct label_plan *out)
{
    enum err err = writer_label_find(writer, row->sequence, &out->before);

    memset(out->entities, 0, sizeof out->entities);
    memset(out->slots, 0, sizeof out->slots);
    out->replaces = err == ERR_none;
    if (err != ERR_none && err != ERR_not_found)
        return err;
    if (writer->urgent_count + LABEL_URGENT * (more + 1) > WRITER_URGENT_MAX ||
        writer->record_count + more + LABEL_RECORDS > WRITER_RECORDS_MAX)
        return ERR_busy;
    return row->rule_set != 0 ? load_profiles(writer, row, out->entities, out->slots) : ERR_none;
}

void writer_label_release(struct writer *writer, const struct draft *draft,
                          const struct transaction *row, const struct label_plan *plan,
                          const struct account_book *debit, const struct account_book *credit)
{
    for (size_t i = 0; i < LABEL_PROFILES; i++) {
        if (plan->slots[i] == NULL)
            continue;
        profile_observe_release(&plan->slots[i]->profile, plan->entities[i], row, debit, credit,
                                draft->audit.at_us);
        writer_profile_urgent(writer, plan->entities[i], plan->slots[i]);
    }
}

/* The audit entry of the act comes next. */
static void keep_past(struct writer *writer, struct draft *draft, const struct label *before,
                      int64_t until_us)
{
    struct past_finding past = { .label = *before,
                                 .until_us = until_us,
                                 .sequence = writer->numbers.head.sequence + 1 };
    struct record      *row = writer_record(writer, draft, NULL);

    CHECK(row != NULL);
    past_write(row, &past);
}

/* A profile cannot unsee that something was found out, because others had to make room for it: a
 * finding that is taken back stands there as one of no fraud, until the next one replaces it. */
void writer_label_make(struct writer *writer, struct draft *draft, const struct transaction *row,
                       const struct label_plan *plan, enum label_act act, int64_t known_at_us)
{
    const struct label *before = &plan->before;
    bool                fraud = act == LABEL_FRAUD;

    if (act == LABEL_KEEP || (act == LABEL_WITHDRAW && !plan->replaces))
        return;
    if (plan->replaces && (known_at_us < before->known_at_us || act == LABEL_WITHDRAW))
        known_at_us = before->known_at_us;
    if (plan->replaces)
        keep_past(writer, draft, before,
                  act == LABEL_WITHDRAW ? writer_now_us(writer) : known_at_us);
    draft->label = (struct label){ .transaction = row->sequence,
                                   .fraud = fraud,
                                   .withdrawn = act == LABEL_WITHDRAW,
                                   .known_at_us = known_at_us };
    draft->change.label = &draft->label;
    for (size_t i = 0; i < LABEL_PROFILES; i++) {
        if (plan->slots[i] == NULL)
            continue;
        if (plan->replaces)
            fraud_forget_label(&plan->slots[i]->profile, before->known_at_us, before->fraud);
        fraud_observe_label(&plan->slots[i]->profile, known_at_us, fraud);
        writer_profile_urgent(writer, plan->entities[i], plan->slots[i]);
    }
}

enum err writer_label(struct writer *writer, struct draft *draft, const struct transaction *row,
                      bool fraud, int64_t known_at_us)
{
    struct label_plan plan;

    TRY(writer_label_prepare(writer, row, 0, &plan));
    writer_label_make(writer, draft, row, &plan, fraud ? LABEL_FRAUD : LABEL_NOT_FRAUD,
                      known_at_us);
    return ERR_none;
}
