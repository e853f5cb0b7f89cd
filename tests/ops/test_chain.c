/* The audit chain: every field of an entry is bound by its hash, entries are bound to their place,
 * and a signature to its head. One link is pinned to its bytes, so that the layout cannot drift. */
#include "bankd/chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sodium.h>
#include <string.h>

static struct transaction sample(void)
{
    struct transaction row;

    memset(&row, 0, sizeof row);
    row.sequence = 5;
    row.type = TYPE_TRANSFER;
    row.initial_status = STATUS_COMPLETED;
    row.debit = 2;
    row.credit = 3;
    row.currency = 840;
    row.amount = 12345;
    row.at_us = INT64_C(1700000000000000);
    row.posted_at_us = row.at_us;
    row.verdict = VERDICT_APPROVE;
    memcpy(row.description, "rent", 5);
    row.decision_size = 2;
    row.decision[0] = 1;
    return row;
}

static const uint8_t zeros[CHAIN_HASH_BYTES];

static bool same_link(const struct transaction *a, const struct transaction *b)
{
    uint8_t left[CHAIN_HASH_BYTES], right[CHAIN_HASH_BYTES];

    chain_link_transaction(zeros, a, left);
    chain_link_transaction(zeros, b, right);
    return memcmp(left, right, sizeof left) == 0;
}

/* Changes one field and expects another link. */
#define BINDS(field, value)                                                                        \
    do {                                                                                           \
        struct transaction other = row;                                                            \
        other.field = (value);                                                                     \
        assert_false(same_link(&row, &other));                                                     \
    } while (0)

static void every_lasting_field_is_bound(void **state)
{
    struct transaction row = sample();

    (void)state;
    BINDS(sequence, 6);
    BINDS(transaction_id.bytes[15], 1);
    BINDS(type, TYPE_DEPOSIT);
    BINDS(initial_status, STATUS_HELD);
    BINDS(debit, 4);
    BINDS(credit, 4);
    BINDS(party, 1);
    BINDS(incoming, true);
    BINDS(currency, 978);
    BINDS(amount, 12346);
    BINDS(at_us, 1);
    BINDS(posted_at_us, 1);
    BINDS(posted_by, 1);
    BINDS(debit_previous, 1);
    BINDS(credit_previous, 1);
    BINDS(party_previous, 1);
    BINDS(debit_balance, 1);
    BINDS(credit_balance, 1);
    BINDS(verdict, VERDICT_HOLD);
    BINDS(score, 1);
    BINDS(rule_set, 1);
    BINDS(hold_expires_at_us, 1);
    BINDS(reversal_of, 1);
    BINDS(external_id[0], 'x');
    BINDS(description[0], 'R');
    BINDS(decision[1], 1);
    BINDS(decision_size, 1);
}

static void what_may_change_later_is_not_bound(void **state)
{
    struct transaction row = sample();
    struct transaction other = row;

    (void)state;
    other.status = STATUS_REVERSED;
    other.flagged = true;
    other.reversed_by = 9;
    assert_true(same_link(&row, &other));
}

static void a_link_depends_on_the_one_before(void **state)
{
    struct transaction row = sample();
    uint8_t before[CHAIN_HASH_BYTES] = {1};
    uint8_t left[CHAIN_HASH_BYTES], right[CHAIN_HASH_BYTES];

    (void)state;
    chain_link_transaction(zeros, &row, left);
    chain_link_transaction(before, &row, right);
    assert_memory_not_equal(left, right, sizeof left);
}

/* Texts next to each other must not be able to lend each other characters. */
static void texts_do_not_run_together(void **state)
{
    struct audit one = {.sequence = 1, .operation = "ab", .outcome = "c"};
    struct audit two = {.sequence = 1, .operation = "a", .outcome = "bc"};
    uint8_t left[CHAIN_HASH_BYTES], right[CHAIN_HASH_BYTES];

    (void)state;
    chain_link_audit(zeros, &one, left);
    chain_link_audit(zeros, &two, right);
    assert_memory_not_equal(left, right, sizeof left);
}

static struct record a_record(void)
{
    return (struct record){.number = 7,
                           .kind = RECORD_CASE,
                           .state = 1,
                           .about = 3,
                           .due_at_us = 4,
                           .version = 5,
                           .created_at_us = 6,
                           .created_by = 8,
                           .body_size = 2,
                           .body = {1, 2, 3}};
}

/* Changes one field of a record and expects another mark, and with it another link. */
#define MARKS(field, value)                                                                        \
    do {                                                                                           \
        struct record other = a_record();                                                          \
        struct audit changed = entry;                                                              \
        other.field = (value);                                                                     \
        chain_mark_record(&other, changed.records);                                                \
        assert_memory_not_equal(changed.records, entry.records, RECORD_MARK_BYTES);                \
        chain_link_audit(zeros, &changed, other_link);                                             \
        assert_memory_not_equal(other_link, link, sizeof link);                                    \
    } while (0)

static void every_field_of_a_record_is_bound(void **state)
{
    struct record record = a_record();
    struct audit entry = {.sequence = 1, .operation = "case.open"};
    uint8_t link[CHAIN_HASH_BYTES], other_link[CHAIN_HASH_BYTES], plain[CHAIN_HASH_BYTES];
    uint8_t mark[RECORD_MARK_BYTES];

    (void)state;
    chain_link_audit(zeros, &entry, plain);
    chain_mark_record(&record, entry.records);
    entry.records_size = RECORD_MARK_BYTES;
    assert_int_equal(entry.records[7], 7);
    chain_link_audit(zeros, &entry, link);
    assert_memory_not_equal(plain, link, sizeof link);
    MARKS(number, 8);
    MARKS(kind, RECORD_CASE_ITEM);
    MARKS(state, 2);
    MARKS(id.bytes[15], 1);
    MARKS(about, 4);
    MARKS(due_at_us, 5);
    MARKS(version, 6);
    MARKS(created_at_us, 7);
    MARKS(created_by, 9);
    MARKS(body[1], 9);
    MARKS(body_size, 3);
    record.body[2] = 9; /* behind its end */
    chain_mark_record(&record, mark);
    assert_memory_equal(mark, entry.records, sizeof mark);
}

/* Changes one field of a copy, and its mark with it. */
#define TERMS(field, value)                                                                        \
    do {                                                                                           \
        struct account_book changed = book;                                                        \
        changed.field = (value);                                                                   \
        chain_mark_account(&changed, "why", "who", other);                                         \
        assert_memory_not_equal(mark, other, sizeof mark);                                         \
    } while (0)

static void the_terms_of_an_account_are_bound(void **state)
{
    struct account_book book = {.number = 3, .customer = 5, .kind = ACCOUNT_CUSTOMER, .status = 1};
    uint8_t mark[RECORD_MARK_BYTES], other[RECORD_MARK_BYTES];

    (void)state;
    chain_mark_account(&book, "why", "who", mark);
    assert_int_equal(chain_marked_record(mark), -7);
    TERMS(number, 4);
    TERMS(account_id.bytes[15], 1);
    TERMS(customer, 6);
    TERMS(opened_by, 1);
    TERMS(kind, 2);
    TERMS(status, 2);
    TERMS(freeze_direction, 1);
    TERMS(currency, 840);
    TERMS(freeze_until_us, 1);
    TERMS(overdraft_limit, 1);
    TERMS(created_at_us, 1);
    chain_mark_account(&book, "wh", "ywho", other);
    assert_memory_not_equal(mark, other, sizeof mark);
    book.balance = 9; /* what postings change is in the chain by itself */
    book.version = 9;
    chain_mark_account(&book, "why", "who", other);
    assert_memory_equal(mark, other, sizeof mark);
}

#define USERS(field, value)                                                                        \
    do {                                                                                           \
        struct user changed = user;                                                                \
        changed.field = (value);                                                                   \
        chain_mark_user(&changed, other);                                                          \
        assert_memory_not_equal(mark, other, sizeof mark);                                         \
    } while (0)

static void every_field_of_a_user_is_bound(void **state)
{
    struct user user = {.number = 3, .email = "a@b", .name = "Ann", .password_hash = "$argon"};
    uint8_t mark[RECORD_MARK_BYTES], other[RECORD_MARK_BYTES];

    (void)state;
    chain_mark_user(&user, mark);
    assert_int_equal(chain_marked_record(mark), -6);
    USERS(number, 4);
    USERS(user_id.bytes[15], 1);
    USERS(email[0], 'c');
    USERS(name[0], 'B');
    USERS(password_hash[1], 'b');
    USERS(role, ROLE_COMPLIANCE_OFFICER);
    USERS(disabled, true);
    USERS(created_at_us, 1);
}

static void the_layout_is_pinned(void **state)
{
    struct transaction row = sample();
    uint8_t link[CHAIN_HASH_BYTES];
    char text[2 * CHAIN_HASH_BYTES + 1];

    (void)state;
    chain_link_transaction(zeros, &row, link);
    sodium_bin2hex(text, sizeof text, link, sizeof link);
    assert_string_equal(text, "cde933d6e7d9ee48ccc6ad3477d941ff9e0c191563e917925d8d6974589a2bc7");
}

static void a_signature_binds_sequence_and_hash(void **state)
{
    uint8_t public_key[32], secret[64];

    (void)state;
    crypto_sign_keypair(public_key, secret);
    for (int has_witness = 0; has_witness < 2; has_witness++) {
        struct signed_head head = {.head = {.sequence = 7, .hash = {1, 2, 3}}};

        chain_sign(&head.head, has_witness != 0, secret, head.signature);
        assert_true(chain_signature_holds(&head.head, public_key, head.signature));
        assert_int_equal(chain_head_has_witness(&head, public_key), has_witness);
        head.head.sequence = 8;
        assert_false(chain_signature_holds(&head.head, public_key, head.signature));
        head.head.sequence = 7;
        head.head.hash[31] = 1;
        assert_false(chain_signature_holds(&head.head, public_key, head.signature));
        assert_false(chain_head_has_witness(&head, public_key));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_lasting_field_is_bound),
        cmocka_unit_test(what_may_change_later_is_not_bound),
        cmocka_unit_test(a_link_depends_on_the_one_before),
        cmocka_unit_test(texts_do_not_run_together),
        cmocka_unit_test(every_field_of_a_record_is_bound),
        cmocka_unit_test(the_terms_of_an_account_are_bound),
        cmocka_unit_test(every_field_of_a_user_is_bound),
        cmocka_unit_test(the_layout_is_pinned),
        cmocka_unit_test(a_signature_binds_sequence_and_hash),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
