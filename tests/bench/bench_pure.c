/* What one payment costs the processor before anything is written: taking its request apart,
 * checking the books, judging it by the rules in data/rules, learning from it, and writing the
 * reply. Each part runs in rounds of about 20 ms; the best round counts, because other work on
 * the machine can only make a round slower. Ends with 1 when judging and learning together take
 * longer than they may. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bankd/chain.h"
#include "bankd/fraud/fraud.h"
#include "bankd/ledger/ledger.h"
#include "common/check.h"
#include "common/clock.h"
#include "proto/proto.h"

enum {
    ROUNDS = 9,
    ROUND_US = 20 * 1000,
    ARENA_BYTES = 64 * 1024,
    JUDGE_OBSERVE_MAX_NS = 2000,
};

static const char rules_path[] = "data/rules/default.rules";

struct bench {
    struct arena arena;
    struct buf request;
    struct buf reply;
    struct msg_transaction answer;
    struct account_book debit;
    struct account_book credit;
    struct fraud_rules *rules;
    struct fraud_profile subject;
    struct fraud_profile counterparty;
    struct fraud_event event;
    uint8_t hash[CHAIN_HASH_BYTES];
};

static void take_request(struct bench *bench)
{
    struct request_envelope envelope;
    struct msg_transaction_create create;
    struct fault fault = {0};

    arena_reset(&bench->arena);
    CHECK(request_decode(slice_of(bench->request.at, bench->request.n), &envelope, &fault) ==
          ERR_none);
    CHECK(message_decode(&message_transaction_create, envelope.body, DECODE_STRICT, &bench->arena,
                         &create, &fault) == ERR_none);
}

static void check_books(struct bench *bench)
{
    struct fault fault = {0};
    struct ledger_request request = {
        .type = TYPE_TRANSFER,
        .amount = 1250,
        .currency = 840,
        .at_us = bench->event.at_us,
    };
    struct account_book debit = bench->debit;
    struct account_book credit = bench->credit;
    struct transaction transaction = {
        .sequence = 1,
        .type = TYPE_TRANSFER,
        .initial_status = STATUS_COMPLETED,
        .status = STATUS_COMPLETED,
        .debit = debit.number,
        .credit = credit.number,
        .currency = 840,
        .amount = 1250,
        .at_us = bench->event.at_us,
    };

    CHECK(ledger_check(&request, &debit, &credit, &fault) == ERR_none);
    CHECK(ledger_enter(&transaction, &debit, &credit, &fault) == ERR_none);
}

static void judge(struct bench *bench)
{
    struct fraud_verdict verdict;

    fraud_judge(bench->rules, &bench->subject, &bench->counterparty, &bench->event, false,
                &verdict);
}

/* The hash of a row that is like those of the bank, behind the one before. */
static void link_chain(struct bench *bench)
{
    struct transaction row = { .sequence = 7,
                               .type = TYPE_TRANSFER,
                               .initial_status = STATUS_COMPLETED,
                               .debit = 2,
                               .credit = 3,
                               .currency = 840,
                               .amount = 1250,
                               .at_us = bench->event.at_us,
                               .posted_at_us = bench->event.at_us,
                               .description = "Rent for the flat in November",
                               .decision_size = 60 };

    chain_link_transaction(bench->hash, &row, bench->hash);
}

/* Both sides of a transfer learn from it. Time moves on, so that windows turn. */
static void observe(struct bench *bench)
{
    bench->event.at_us += 7 * US_PER_MINUTE;
    fraud_observe(&bench->subject, &bench->event, FRAUD_SUBJECT, 6);
    fraud_observe(&bench->counterparty, &bench->event, FRAUD_COUNTERPARTY, 4);
}

static void write_reply(struct bench *bench)
{
    buf_clear(&bench->reply);
    CHECK(reply_encode(7, &message_transaction, &bench->answer, &bench->reply) == ERR_none);
}

/* Of this thread: other programs only make it last longer. */
static int64_t cpu_us(void)
{
    struct timespec used;

    CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used) == 0);
    return used.tv_sec * US_PER_SECOND + used.tv_nsec / 1000;
}

/* Nanoseconds of one call in the best round. */
static int64_t measure(struct bench *bench, void (*part)(struct bench *))
{
    int64_t best = INT64_MAX;

    for (int round = 0; round < ROUNDS; round++) {
        int64_t began = cpu_us();
        int64_t elapsed = 0;
        int64_t calls = 0;

        while (elapsed < ROUND_US) {
            for (int i = 0; i < 256; i++)
                part(bench);
            calls += 256;
            elapsed = cpu_us() - began;
        }
        if (elapsed * 1000 / calls < best)
            best = elapsed * 1000 / calls;
    }
    return best;
}

static void load_rules(struct bench *bench)
{
    static char text[LIMIT_RULES_FILE_MAX];
    struct fault fault = {0};
    FILE *file = fopen(rules_path, "re");
    size_t n;

    if (file == NULL) {
        fprintf(stderr, "bench_pure: %s is not here; start it in the root of the tree\n",
                rules_path);
        exit(2);
    }
    n = fread(text, 1, sizeof text, file);
    fclose(file);
    if (fraud_rules_parse(slice_of(text, n), rules_path, &bench->rules, &fault) != ERR_none) {
        fprintf(stderr, "bench_pure: %s: %s\n", rules_path, fault.text);
        exit(2);
    }
}

static void fill_messages(struct bench *bench, int64_t now_us)
{
    static const char token[LIMIT_TOKEN_BYTES] = "a token of thirty-two bytes, yes";
    struct msg_transaction_create create = {0};
    struct slice note = slice_from("Rent for the flat in November");

    MSG_SET(&create, transaction_create, transaction_id, uuid_v7(now_us));
    MSG_SET(&create, transaction_create, type, TYPE_TRANSFER);
    MSG_SET(&create, transaction_create, account_id, uuid_v7(now_us));
    MSG_SET(&create, transaction_create, counterparty_account_id, uuid_v7(now_us));
    MSG_SET(&create, transaction_create, amount, 1250);
    MSG_SET(&create, transaction_create, currency, slice_from("USD"));
    MSG_SET(&create, transaction_create, description, note);
    buf_init(&bench->request, LIMIT_MESSAGE_MAX);
    CHECK(request_encode(7, "transaction.create", slice_of(token, sizeof token),
                         &message_transaction_create, &create, &bench->request) == ERR_none);

    buf_init(&bench->reply, LIMIT_REPLY_MAX);
    bench->answer.transaction_id = create.transaction_id;
    bench->answer.account_id = create.account_id;
    bench->answer.type = TYPE_TRANSFER;
    bench->answer.status = STATUS_COMPLETED;
    bench->answer.verdict = VERDICT_APPROVE;
    bench->answer.amount = 1250;
    bench->answer.currency = slice_from("USD");
    bench->answer.timestamp = now_us;
    MSG_SET(&bench->answer, transaction, description, note);
}

static void fill_books(struct bench *bench, int64_t now_us)
{
    bench->debit = (struct account_book){
        .number = 2,
        .kind = ACCOUNT_CUSTOMER,
        .status = ACCOUNT_ACTIVE,
        .currency = 840,
        .balance = 1000000,
    };
    bench->credit = bench->debit;
    bench->credit.number = 3;
    bench->event = (struct fraud_event){
        .at_us = now_us,
        .amount = 1250,
        .unit = 100,
        .type = TYPE_TRANSFER,
        .status = STATUS_COMPLETED,
        .balance = 1000000,
        .opened_at_us = now_us - 400 * US_PER_DAY,
        .counterparty = 6,
        .counterparty_internal = true,
    };
    fraud_profile_init(&bench->subject);
    fraud_profile_init(&bench->counterparty);
    for (int i = 0; i < 500; i++)
        observe(bench);
}

int main(void)
{
    static const struct {
        const char *name;
        void (*part)(struct bench *);
    } parts[] = {
        {"take the request apart", take_request},
        {"check and enter the books", check_books},
        {"judge by the rules", judge},
        {"observe, both sides", observe},
        {"link in the chain", link_chain},
        {"write the reply", write_reply},
    };
    static struct bench bench;
    int64_t now_us = time_from_civil(2026, 3, 4) * US_PER_DAY;
    int64_t sum = 0;
    int64_t screening = 0;

    CHECK(arena_init(&bench.arena, ARENA_BYTES) == ERR_none);
    fill_messages(&bench, now_us);
    fill_books(&bench, now_us);
    load_rules(&bench);
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        int64_t ns = measure(&bench, parts[i].part);

        printf("%-28s %6" PRId64 " ns\n", parts[i].name, ns);
        sum += ns;
        if (parts[i].part == judge || parts[i].part == observe)
            screening += ns;
    }
    printf("%-28s %6" PRId64 " ns\n", "together", sum);
    printf("%-28s %6" PRId64 " ns, at most %d\n", "judge and observe", screening,
           JUDGE_OBSERVE_MAX_NS);
    fraud_rules_free(&bench.rules);
    buf_free(&bench.request);
    buf_free(&bench.reply);
    arena_free(&bench.arena);
    return screening <= JUDGE_OBSERVE_MAX_NS ? 0 : 1;
}
