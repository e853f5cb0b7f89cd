/* See bare_bank.h. */
#include "tests/lib/bare_bank.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/check.h"

const char bare_rules_text[] = "version 1\n"
                               "threshold hold 600\n"
                               "threshold decline 900\n"
                               "rule large\n"
                               "  when is_outgoing and amount_major >= 50\n"
                               "  score 650\n"
                               "  because \"{amount} is large\"\n"
                               "  fires on is_outgoing=yes amount_major=50\n"
                               "  silent on is_outgoing=yes amount_major=49\n"
                               "end\n"
                               "rule huge\n"
                               "  when is_outgoing and amount_major >= 90\n"
                               "  score 300\n"
                               "  because \"{amount} is huge\"\n"
                               "  fires on is_outgoing=yes amount_major=90\n"
                               "  silent on is_outgoing=yes amount_major=89\n"
                               "end\n"
                               "rule forty_one\n"
                               "  when is_outgoing and amount = 4141\n"
                               "  action hold\n"
                               "  because \"{amount} is forty-one\"\n"
                               "  fires on is_outgoing=yes amount=4141\n"
                               "  silent on is_outgoing=yes amount=4140\n"
                               "end\n";

static int64_t clock_now(struct clock *clock)
{
    return ((const struct bare_clock *)clock)->now_us; /* its first member */
}

void bare_clock_start(struct bare_clock *clock)
{
    clock->clock = (struct clock){ .now_us = clock_now, .monotonic_us = clock_now };
    clock->now_us = BARE_START_US;
}

static enum err apply(struct store *store, const struct commit *commit, size_t *failed,
                      struct fault *fault)
{
    struct bare_disk *disk = (struct bare_disk *)(uintptr_t)store->ops; /* its first member */

    if ((int)random_below(disk->random, 100) >= disk->fail_percent)
        return disk->real->apply(store, commit, failed, fault);
    disk->failures++;
    *failed = 0;
    return fault_set(fault, ERR_storage_full, NULL, "The disk is full, says the test");
}

void bare_disk_put(struct bare_disk *disk, struct store *store, struct random *random)
{
    *disk = (struct bare_disk){ .ops = *store->ops, .real = store->ops, .random = random };
    disk->ops.apply = apply;
    store->ops = &disk->ops;
}

void bare_disk_close(struct bare_disk *disk, struct store **store)
{
    (*store)->ops = disk->real;
    disk->real->close(store);
}

void bare_file_remove(const char *path)
{
    static const char *const sides[] = { "", "-wal", "-shm", ".lock" };
    char                     side[128];

    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        snprintf(side, sizeof side, "%s%s", path, sides[i]);
        unlink(side);
    }
}

void bare_rules_of(struct store *store, struct bank *bank, struct clock *clock, const char *text)
{
    struct writer_config config = { .store = store, .bank = bank, .clock = clock };
    struct writer       *writer;
    struct draft        *draft;
    char                 hex[2 * CHAIN_HASH_BYTES + 1];
    struct act act = { .kind = AUDIT_ACTION, .operation = "rules.load", .subject_text = hex };

    CHECK(writer_open(&config, &writer, NULL) == ERR_none);
    draft = writer_draft(writer);
    memset(&draft->rule_set, 0, sizeof draft->rule_set);
    draft->rule_set.number = writer_next_rule_set(writer);
    draft->rule_set.state = RULES_ACTIVE;
    draft->rule_set.approved_at_us = clock->now_us(clock);
    crypto_generichash(draft->rule_set.hash, CHAIN_HASH_BYTES, (const uint8_t *)text, strlen(text),
                       NULL, 0);
    sodium_bin2hex(hex, sizeof hex, draft->rule_set.hash, CHAIN_HASH_BYTES);
    draft->change.rule_set = &draft->rule_set;
    draft->change.rule_text = slice_from(text);
    writer_audit(writer, draft, &act);
    writer_add(writer, draft);
    CHECK(writer_commit(writer, NULL) == ERR_none);
    writer_close(&writer);
}

void bare_rules(struct store *store, struct bank *bank, struct clock *clock)
{
    bare_rules_of(store, bank, clock, bare_rules_text);
}

const struct account_book *bare_account(struct writer *writer, int i)
{
    struct draft   *draft = writer_draft(writer);
    struct account *row = &draft->account;
    struct act      act = { .kind = AUDIT_ACTION,
                            .operation = "account.create",
                            .subject = &row->book.account_id };

    memset(row, 0, sizeof *row);
    row->book.number = writer_next_account(writer);
    row->book.account_id = uuid_v7(writer_now_us(writer));
    row->book.kind = ACCOUNT_CUSTOMER;
    row->book.status = ACCOUNT_ACTIVE;
    row->book.currency = BARE_USD;
    row->book.version = 1;
    row->book.created_at_us = writer_now_us(writer);
    snprintf(row->name, sizeof row->name, "Account %d", i);
    draft->change.account = row;
    writer_rollup(draft, ROLLUP_ALL, 0, BARE_USD, METRIC_ACCOUNTS + ACCOUNT_ACTIVE, 1, 0);
    writer_audit(writer, draft, &act);
    writer_add(writer, draft);
    return &row->book;
}
