/* See versions.h. */
#include "bankd/ops/versions.h"

#include "bankd/ops/page.h"

#include <string.h>

enum err view_person(struct request *request, int64_t user, struct slice *out)
{
    struct user row;
    enum err    err;

    *out = slice_from("operator");
    if (user == 0)
        return ERR_none;
    err = request->store->ops->user_by_number(request->store, user, &row);
    if (err != ERR_none)
        return err == ERR_not_found ? ERR_books_broken : err;
    return page_keep(request, slice_from(row.email), out);
}

enum err view_rule_version(struct request *request, const struct rule_set *row,
                           struct msg_rule_version *out)
{
    struct slice person;
    struct slice text;

    memset(out, 0, sizeof *out);
    MSG_SET(out, rule_version, rule_set, row->number);
    TRY(page_keep(request, slice_of((const char *)row->hash, sizeof row->hash), &text));
    MSG_SET(out, rule_version, hash, text);
    MSG_SET(out, rule_version, state, row->state);
    TRY(view_person(request, row->author, &person));
    MSG_SET(out, rule_version, author, person);
    MSG_SET(out, rule_version, proposed_at, row->proposed_at_us);
    TRY(page_keep(request, slice_from(row->reason), &text));
    MSG_SET(out, rule_version, reason, text);
    if (row->approved_at_us != 0) {
        TRY(view_person(request, row->approver, &person));
        MSG_SET(out, rule_version, approved_by, person);
        MSG_SET(out, rule_version, approved_at, row->approved_at_us);
    }
    if (row->ended_at_us != 0)
        MSG_SET(out, rule_version, ended_at, row->ended_at_us);
    MSG_SET(out, rule_version, rules, row->rules);
    MSG_SET(out, rule_version, has_scorecard, row->has_card);
    return ERR_none;
}

enum err find_rule_version(struct request *request, struct slice hash, struct rule_set *out)
{
    enum err err;

    if (hash.n != CHAIN_HASH_BYTES)
        return fault_set(request->fault, ERR_field_invalid, "hash",
                         "A hash has %d bytes, not %zu; rules.list shows them whole",
                         (int)CHAIN_HASH_BYTES, hash.n);
    err = request->store->ops->rule_set_by_hash(request->store, (const uint8_t *)hash.at, out);
    if (err == ERR_not_found)
        return fault_set(request->fault, err, "hash",
                         "No rules with this hash were ever proposed; the rules in force stay");
    return err;
}

enum err read_rule_texts(struct request *request, int64_t number, struct slice *text,
                         struct slice *card)
{
    struct rule_set row;
    struct buf      text_buf;
    struct buf      card_buf;
    enum err        err;

    *text = slice_of(NULL, 0);
    *card = slice_of(NULL, 0);
    if (number == 0)
        return ERR_none;
    buf_init(&text_buf, LIMIT_RULES_FILE_MAX);
    buf_init(&card_buf, LIMIT_RULES_FILE_MAX);
    err = request->store->ops->rule_set_get(request->store, number, &row, &text_buf, &card_buf);
    if (err == ERR_none)
        err = page_keep(request, slice_of(text_buf.at, text_buf.n), text);
    if (err == ERR_none)
        err = page_keep(request, slice_of(card_buf.at, card_buf.n), card);
    buf_free(&text_buf);
    buf_free(&card_buf);
    return err;
}
