/* What the parts of the simulation share: sim.c (the run and the proofs), sim_net.c (the network),
 * sim_bank.c (the bank's side), sim_model.c (what must be true) and sim_client.c. */
#ifndef TESTS_LIB_SIM_IMPL_H
#define TESTS_LIB_SIM_IMPL_H

#include "bankd/gate.h"
#include "bankd/writer.h"
#include "tests/lib/fault_vfs.h"
#include "tests/lib/sim.h"
#include "tests/unit/random.h"

enum {
    SIM_ACCOUNTS = 24,
    SIM_USERS = 8, /* the second half are fraud analysts */
    SIM_CLIENTS = 32,
    SIM_POSTS_MAX = 32768,
    SIM_MESSAGES_MAX = 2048,
    SIM_MESSAGE_BYTES = 16384,
    SIM_GROUP_MAX = 48,
    SIM_HOLD_HOURS = 24,
    SIM_ALERTS_MAX = 8192,
};
#define SIM_NONE SIZE_MAX

/* --- the network ----------------------------------------------------------------------------- */

struct sim_message {
    int64_t  due_us;
    uint64_t serial; /* the order of those that are due at the same time */
    bool     to_bank;
    int      client;
    size_t   n;
    char     bytes[SIM_MESSAGE_BYTES];
};

/* --- what must be true ------------------------------------------------------------------------ */

struct sim_post {
    struct uuid id;
    int         from, to; /* index of the account; -1 = cash or a party */
    bool        party;
    size_t      reverses;    /* the post that it undoes; SIM_NONE = none */
    size_t      reversed_by; /* SIM_NONE = not yet */
    int64_t     amount;
    int         user;
    int32_t     status; /* 0 = the bank has never done it */
    int64_t     hold_until_us;
    /* What the bank said, when it did it. */
    int64_t sequence, posted_at_us;
    bool    acknowledged; /* a client has heard of it */
    bool    given_up;     /* a client was told that it was not done, and will never ask again */
};

struct sim_freeze {
    int32_t direction; /* 0 = not frozen */
    int64_t until_us;  /* 0 = until it is ended */
};

struct sim_books {
    int64_t           balances[SIM_ACCOUNTS], held[SIM_ACCOUNTS];
    struct sim_freeze freezes[SIM_ACCOUNTS];
};

struct sim_undo {
    size_t  post, reversed_by;
    int32_t status;
    int64_t hold_until_us;
};

/* An alert that was decided stays so. */
struct sim_alert {
    struct uuid id;
    int32_t     decision;
};

/* --- clients --------------------------------------------------------------------------------- */

enum sim_task {
    SIM_NOTHING,
    SIM_POST,
    SIM_ALTERED,
    SIM_RELEASE,
    SIM_REJECT,
    SIM_REVERSE,
    SIM_LOOK,
    SIM_ACCOUNT,
    SIM_FREEZE,
    SIM_UNFREEZE,
    SIM_TAKE,
    SIM_DECIDE,
    SIM_NOTE
};

struct sim_client {
    int           number, user;
    bool          has_token;
    bool          logging_in;
    bool          looking_up; /* the outcome of its task */
    uint8_t       token[LIMIT_TOKEN_BYTES];
    enum sim_task task;
    size_t        post; /* or account */
    struct uuid   alert;
    int32_t       choice;   /* the direction of a freeze, the decision on an alert */
    int64_t       until_us; /* of a freeze */
    int           tries;
    uint64_t      request_id, first_request_id;
    int64_t       again_at_us, sent_at_us;
};

/* --- the bank -------------------------------------------------------------------------------- */

struct sim_job {
    struct sim_message      message;
    struct request_envelope envelope;
    const struct op_row    *op;
    struct actor            actor;
    int                     user;
    struct arena            arena;
    void                   *in;
    void                   *out; /* of a write; in `out_arena` */
    struct arena            out_arena;
    struct fault            fault;
    struct buf              reply;
    enum err                expected;
    enum err                also_expected; /* another refusal that is as right; 0 = none */
    size_t                  post;          /* that it is about */
    bool                    expected_repeat;
    int32_t                 expected_status;
    int32_t                 also_status; /* before the group, in which a decision may come too */
    bool                    first;       /* the bank does it now */
};

struct sim {
    uint64_t           seed;
    int64_t            step;
    int64_t            wanted;
    struct random      random;
    struct sim_figures figures;
    struct clock       clock;
    int64_t            now_us;
    /* network */
    struct sim_message *heap[SIM_MESSAGES_MAX];
    struct sim_message *spare[SIM_MESSAGES_MAX];
    size_t              heap_count, spare_count;
    struct sim_message *messages;
    uint64_t            message_serial;
    /* model */
    struct sim_books books, books_before;
    struct sim_undo  undo[2 * SIM_GROUP_MAX]; /* a reversal changes two posts */
    size_t           undo_count;
    size_t           alert_count;
    struct sim_alert alerts[SIM_ALERTS_MAX];
    struct sim_post *posts;
    size_t           post_count;
    /* bank */
    char                    folder[64], path[80];
    struct bank             bank;
    struct store_ops        faulty;
    const struct store_ops *real;
    struct store           *store, *reader;
    struct writer          *writer;
    struct sessions        *sessions;
    struct arena            arena;
    struct sim_job         *jobs; /* SIM_GROUP_MAX */
    size_t                  job_count;
    int64_t                 account_numbers[SIM_ACCOUNTS];
    struct uuid             account_ids[SIM_ACCOUNTS];
    struct actor            users[SIM_USERS];
    uint8_t                 sign_public[32], sign_secret[64];
    int                     full_percent; /* of commits that find the disk full */
    int                     cut_at_sync;  /* of this commit; 0 = none */
    enum fault_cut          cut_kind;
    struct fault_disk      *cut;        /* the power has failed, and this is left */
    char                    wrong[160]; /* what the first wrong answer was */
    struct sim_client       clients[SIM_CLIENTS];
};

/* Prints the seed, the step and what is wrong, and ends the process. */
_Noreturn void sim_fail(const struct sim *sim, const char *what);
#define SIM_REQUIRE(sim, condition, what)                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            sim_fail((sim), (what));                                                               \
    } while (0)

static inline bool sim_chance(struct sim *sim, uint64_t in)
{
    return random_below(&sim->random, in) == 0;
}

void sim_net_open(struct sim *sim);
void sim_send(struct sim *sim, bool to_bank, int client, const struct buf *bytes);
bool sim_due(struct sim *sim, struct sim_message *out); /* the next that has arrived */

void sim_bank_open(struct sim *sim);
void sim_bank_close(struct sim *sim);
/* The power fails: the bank starts again from what is on the disk. */
void sim_bank_crash(struct sim *sim, enum fault_cut kind);
void sim_bank_take(struct sim *sim, const struct sim_message *message);
void sim_bank_work(struct sim *sim);   /* one group */
void sim_bank_expire(struct sim *sim); /* what the daemon does now and then */
void sim_bank_rest(struct sim *sim);

/* Before a group; after it, when it did not happen. */
void   sim_model_begin(struct sim *sim);
void   sim_model_undo(struct sim *sim);
size_t sim_model_find(const struct sim *sim, const struct uuid *id); /* SIZE_MAX = none */
void   sim_model_create(struct sim *sim, struct sim_job *job,
                        const struct msg_transaction_create *in);
void   sim_model_decide(struct sim *sim, struct sim_job *job, const struct uuid *id, bool release);
void   sim_model_reverse(struct sim *sim, struct sim_job *job,
                         const struct msg_transaction_reverse *in);
/* Of freezes and their ends; `direction` 0 = the end. */
void sim_model_freeze(struct sim *sim, struct sim_job *job, const struct uuid *id,
                      int32_t direction, int64_t until_us);
/* An act on an alert was done, alone: takes over what it decided, if that may be. */
void sim_model_alert(struct sim *sim, const struct sim_job *job);
void sim_model_expire(struct sim *sim);
void sim_model_compare(struct sim *sim); /* accounts */
void sim_model_prove(struct sim *sim);   /* everything */

void sim_clients_open(struct sim *sim);
void sim_client_step(struct sim *sim, struct sim_client *client);
void sim_client_hear(struct sim *sim, const struct sim_message *message);
bool sim_clients_idle(const struct sim *sim);

#endif
