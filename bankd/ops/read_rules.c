/* rules.get: the newest stored rule set, which is the one in force. */
#include "bankd/ops/page.h"

#include <string.h>

static enum err read_text(struct request *request, int64_t number, struct rule_set *row,
                          struct slice *out)
{
    struct buf text;
    buf_init(&text, LIMIT_RULES_FILE_MAX);
    enum err err = request->store->ops->rule_set_get(request->store, number, row, &text);
    if (err == ERR_none)
        err = page_keep(request, slice_of(text.at, text.n), out);
    buf_free(&text);
    return err;
}

enum err op_rules_get(struct request *request, const struct msg_empty *in, struct msg_rules *out)
{
    struct store *store = request->store;
    struct store_numbers numbers;
    struct rule_set row;
    struct slice text;
    void *hash = NULL;
    const struct fraud_rules *rules = NULL;
    (void)in;
    TRY(store->ops->numbers(store, &numbers));
    if (numbers.rule_set == 0)
        return fault_set(request->fault, ERR_not_found, NULL, "No rules have been loaded yet.");
    TRY(read_text(request, numbers.rule_set, &row, &text));
    TRY(bank_rules(request->bank, store, numbers.rule_set, &rules));
    size_t count = fraud_rules_count(rules);
    bank_rules_release(request->bank, rules);

    TRY(page_take(request, sizeof(row.hash), &hash));
    memcpy(hash, row.hash, sizeof(row.hash));
    MSG_SET(out, rules, rule_set, row.number);
    MSG_SET(out, rules, hash, slice_of(hash, sizeof(row.hash)));
    MSG_SET(out, rules, loaded_at, row.loaded_at_us);
    MSG_SET(out, rules, rules, (int64_t)count);
    MSG_SET(out, rules, text, text);
    return ERR_none;
}
