/* Consoles that look: each asks for the dashboard, pages through the history, opens accounts, one
 * question at a time, over ipc or CURVE.
 *
 *   bench_ask ENDPOINT KEY_FILE|- ACCOUNTS CONSOLES SECONDS [PAUSE_MS [QUESTION]]
 *
 * All consoles share one session of bench_fill's user. With a pause, each console waits that long
 * between two questions; with the name of a question, nothing else is asked. Prints one line for
 * each kind of question: name, asked=N p50_us=N p99_us=N. One thread for each console. */
#include "common/check.h"
#include "common/clock.h"
#include "tests/bench/bench_id.h"
#include "tests/lib/dial.h"
#include "tests/unit/random.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

enum { CONSOLES_MAX = 64, SAMPLES_MAX = 200000, PAGES_MAX = 20 };

enum question { DASHBOARD, TREND, HISTORY, HISTORY_ON, ACCOUNT, ACCOUNT_PAGE, ACCOUNTS, QUESTIONS };

static const char *const names[QUESTIONS] = { "dashboard",    "trend",   "history",
                                              "history_next", "account", "account_page",
                                              "accounts" };

struct samples {
    pthread_mutex_t lock;
    size_t          count;
    uint32_t        us[SAMPLES_MAX];
};

static struct samples  samples[QUESTIONS];
static void           *context;
static const char     *endpoint;
static char            key[DIAL_KEY_SIZE];
static uint8_t         token[LIMIT_TOKEN_BYTES];
static int64_t         accounts;
static int64_t         end_us;
static struct timespec pause_time;
static int             only = QUESTIONS; /* the one that is asked; QUESTIONS = all in turn */

struct console {
    pthread_t     thread;
    struct random random;
    void         *socket;
    struct arena  arena;
    struct buf    request;
    char          cursor[LIMIT_CURSOR_MAX];
    size_t        cursor_size; /* 0 = from the newest */
    int           pages;
};

static int64_t now_us(void)
{
    return clock_system()->monotonic_us(clock_system());
}

static void encode(struct console *console, const char *op, const struct message_desc *shape,
                   const void *in)
{
    buf_clear(&console->request);
    CHECK(request_encode(1, op, slice_of((const char *)token, sizeof token), shape, in,
                         &console->request) == ERR_none);
}

static void encode_history(struct console *console, bool of_account)
{
    struct msg_transaction_query in = { 0 };
    int64_t index = (int64_t)random_below(&console->random, (uint64_t)accounts);

    if (of_account)
        MSG_SET(&in, transaction_query, account_id, bench_account_id(index));
    else if (console->cursor_size > 0)
        MSG_SET(&in, transaction_query, cursor, slice_of(console->cursor, console->cursor_size));
    encode(console, "transaction.list", &message_transaction_query, &in);
}

static void encode_question(struct console *console, enum question question)
{
    struct msg_period_query  period = { 0 };
    struct msg_trend_query   trend = { 0 };
    struct msg_account_query all = { 0 };
    struct msg_account_ref   account = { .account_id = bench_account_id((int64_t)random_below(
                                             &console->random, (uint64_t)accounts)) };

    if (question == HISTORY)
        console->cursor_size = 0;
    if (question == DASHBOARD)
        encode(console, "kpi.summary", &message_period_query, &period);
    else if (question == TREND)
        encode(console, "kpi.trend", &message_trend_query, &trend);
    else if (question == ACCOUNTS)
        encode(console, "account.list", &message_account_query, &all);
    else if (question == ACCOUNT)
        encode(console, "account.get", &message_account_ref, &account);
    else
        encode_history(console, question == ACCOUNT_PAGE);
}

/* Remembers where the next page begins. */
static void take_page(struct console *console, struct slice body)
{
    struct msg_transaction_page page;
    struct fault                fault = { 0 };

    arena_reset(&console->arena);
    CHECK(message_decode(&message_transaction_page, body, DECODE_LENIENT, &console->arena, &page,
                         &fault) == ERR_none);
    console->cursor_size = 0;
    if (MSG_HAS(&page, transaction_page, next) && ++console->pages % PAGES_MAX != 0) {
        console->cursor_size = page.next.n;
        memcpy(console->cursor, page.next.at, page.next.n);
    }
}

static void remember(enum question question, int64_t took_us)
{
    struct samples *of = &samples[question];

    pthread_mutex_lock(&of->lock);
    if (of->count < SAMPLES_MAX)
        of->us[of->count++] = (uint32_t)took_us;
    pthread_mutex_unlock(&of->lock);
}

static void *console_main(void *argument)
{
    struct console *console = argument;
    char           *bytes = malloc(DIAL_REPLY_BYTES);

    CHECK(bytes != NULL);
    for (int i = 0; now_us() < end_us; i++) {
        enum question question = (enum question)(only < QUESTIONS ? only : i % QUESTIONS);
        int64_t       begin_us;
        struct slice  body;

        encode_question(console, question);
        begin_us = now_us();
        body = dial_ask(console->socket, &console->request, bytes);
        remember(question, now_us() - begin_us);
        if (question == HISTORY || question == HISTORY_ON)
            take_page(console, body);
        if (pause_time.tv_sec > 0 || pause_time.tv_nsec > 0)
            nanosleep(&pause_time, NULL);
    }
    free(bytes);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;

    return (left > right) - (left < right);
}

static void report(void)
{
    for (int i = 0; i < QUESTIONS; i++) {
        struct samples *of = &samples[i];

        if (of->count == 0)
            continue;
        qsort(of->us, of->count, sizeof of->us[0], compare);
        printf("%s asked=%zu p50_us=%u p99_us=%u\n", names[i], of->count, of->us[of->count / 2],
               of->us[of->count * 99 / 100]);
    }
}

static void start(struct console *console, int64_t number)
{
    console->random = (struct random){ .state = (uint64_t)now_us() + (uint64_t)number };
    console->socket = dial(context, endpoint, key);
    buf_init(&console->request, LIMIT_MESSAGE_MAX);
    CHECK(arena_init(&console->arena, LIMIT_REQUEST_ARENA) == ERR_none);
}

int main(int argc, char **argv)
{
    static struct console consoles[CONSOLES_MAX];
    int64_t               count;
    int64_t               pause_ms;

    if (argc < 6) {
        fprintf(stderr, "usage: bench_ask ENDPOINT KEY_FILE|- ACCOUNTS CONSOLES SECONDS "
                        "[PAUSE_MS [QUESTION]]\n");
        return 2;
    }
    endpoint = argv[1];
    dial_key(argv[2], key);
    accounts = bench_number(argv[3]);
    count = bench_number(argv[4]);
    pause_ms = argc > 6 ? bench_number(argv[6]) : 0;
    pause_time =
        (struct timespec){ .tv_sec = pause_ms / 1000, .tv_nsec = pause_ms % 1000 * 1000000 };
    if (argc > 7)
        for (only = 0; only < QUESTIONS && strcmp(names[only], argv[7]) != 0;)
            only++;
    CHECK(count > 0 && count <= CONSOLES_MAX);
    context = zmq_ctx_new();
    for (int i = 0; i < QUESTIONS; i++)
        pthread_mutex_init(&samples[i].lock, NULL);
    for (int64_t i = 0; i < count; i++)
        start(&consoles[i], i);
    dial_login(consoles[0].socket, token);
    end_us = now_us() + bench_number(argv[5]) * US_PER_SECOND;
    for (int64_t i = 0; i < count; i++)
        CHECK(pthread_create(&consoles[i].thread, NULL, console_main, &consoles[i]) == 0);
    for (int64_t i = 0; i < count; i++) {
        pthread_join(consoles[i].thread, NULL);
        zmq_close(consoles[i].socket);
        buf_free(&consoles[i].request);
        arena_free(&consoles[i].arena);
    }
    report();
    zmq_ctx_term(context);
    return 0;
}
