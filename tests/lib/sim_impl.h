/* What the parts of the simulation share: sim.c (the run and the proofs), sim_net.c (the network),
 * sim_bank.c (the bank's side), sim_model.c (what must be true of money), sim_alert.c (of alerts),
 * sim_steer.c (of rules, lists, suppressions, settings and cases), sim_session.c (of sessions),
 * sim_label.c (labels from elsewhere), sim_client.c, and sim_desk.c (what clients do with all but
 * money). */
#ifndef TESTS_LIB_SIM_IMPL_H
#define TESTS_LIB_SIM_IMPL_H

#include "bankd/gate.h"
#include "bankd/writer.h"
#include "tests/lib/fault_vfs.h"
#include "tests/lib/sim.h"
#include "tests/unit/random.h"

enum {
    SIM_ACCOUNTS = 24,
    SIM_USERS = 10,
    SIM_ANALYSTS = 4, /* from this one on: fraud analysts; those before manage money */
    SIM_OFFICERS = 8, /* from this one on: compliance officers */
    SIM_PARTIES = 4,
    SIM_CLIENTS = 32,
    SIM_POSTS_MAX = 32768,
    SIM_MESSAGES_MAX = 2048,
    SIM_MESSAGE_BYTES = 16384,
    SIM_GROUP_MAX = 48,
    SIM_HOLD_HOURS = 24, /* until compliance sets others */
    SIM_ALERTS_MAX = 8192,
    SIM_VERSIONS_MAX = 512,
    SIM_ENTRIES_MAX = 2048,
    SIM_CASES_MAX = 1024,
    SIM_CASE_ITEMS_MAX = 40,
    SIM_BULK = 3,
    SIM_SESSIONS_MAX = 512,
    SIM_SAVED_MAX = 8192,
    SIM_SAVED_BYTES = 1 << 20,
};
#define SIM_PASSWORD "a password"
#define SIM_NONE     SIZE_MAX
/* Of the rules in sim_steer.c, in their order. */
enum { SIM_RULE_LARGE, SIM_RULE_HUGE, SIM_RULE_WATCHED, SIM_RULE_DENIED, SIM_RULES };

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
    int         from, to;    /* index of the account; -1 = cash or a party */
    int         party;       /* SIM_PARTIES = none */
    size_t      reverses;    /* the post that it undoes; SIM_NONE = none */
    size_t      reversed_by; /* SIM_NONE = not yet */
    int64_t     amount;
    int         user;
    int32_t     status; /* 0 = the bank has never done it */
    int64_t     hold_until_us;
    /* When it was judged: its place among all, and which rules stopped it or would have. */
    int64_t  judged_no, judged_us;
    uint32_t stopping;
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

/* What a group has changed of the model, as it was before: undone when the group did not happen. */
struct sim_saved {
    void  *place;
    size_t at, n; /* in the saved bytes */
};

/* What people did with the alert of a number, as far as they told it; how payments join alerts and
 * end them is the bank's own business. */
struct sim_alert {
    bool        known;
    struct uuid id;
    int32_t     decision; /* 0 = not decided by one of these acts */
    int         holder;   /* of the lock */
    int64_t     lock_until_us, snoozed_until_us;
    int64_t     decided_at_us;
    int32_t     hits; /* that it had when it was snoozed */
};

/* A version of the rules: outgoing amounts of so many units are held, or declined. */
struct sim_version {
    int64_t hold_major, decline_major;
    int32_t state; /* enum rules_state */
    int     author;
};

/* An entry of a list, or a suppression. */
struct sim_entry {
    struct uuid id;
    int32_t     list;   /* 0 = a suppression */
    int         target; /* index of the account; SIM_ACCOUNTS and more: of the party */
    int         rule;   /* of a suppression: index into sim_rule_names */
    int         author;
    int64_t     until_us;
    bool        removed;
    bool        approved; /* by a second person */
};

/* Of the safety valve: what is set, and which rules are stepped down. */
struct sim_valve {
    int64_t share_bp, minimum; /* as set */
    int64_t judged;            /* payments so far */
    int64_t since;             /* judged_no from which on payments count: by the rules in force */
    int64_t since_restored[SIM_RULES];
    bool    stepped[SIM_RULES];
};

struct sim_case {
    struct uuid id;
    int32_t     state, kind;
    int         opened_by;
    bool        filed;
    int64_t     items;
    struct uuid item_ids[SIM_CASE_ITEMS_MAX]; /* of what was added by name */
    size_t      named;
};

struct sim_session {
    uint8_t token[LIMIT_TOKEN_BYTES];
    int     user;
    int64_t seen_us, expires_us; /* 0 = ended */
};

struct sim_logins {
    int64_t failures, last_us;
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
    SIM_NOTE,
    SIM_LOGOUT,
    SIM_FORBIDDEN, /* what only another role may */
    SIM_NEXT,      /* from here on: sim_desk.c */
    SIM_RETURN,
    SIM_ASSIGN,
    SIM_SNOOZE,
    SIM_BULK_DECIDE,
    SIM_UNDO,
    SIM_LIST,
    SIM_UNLIST,
    SIM_SPARE,
    SIM_UNSPARE,
    SIM_SPARE_TOO, /* the second person */
    SIM_ALLOW_TOO, /* the same of an entry of the allow list */
    SIM_RESTORE,
    SIM_SET,
    SIM_PROPOSE,
    SIM_APPROVE,
    SIM_WITHDRAW,
    SIM_CASE_OPEN,
    SIM_CASE_ADD,
    SIM_CASE_ASSIGN,
    SIM_CASE_MOVE,
    SIM_CASE_FILE,
    SIM_CASE_CLOSE,
};

struct sim_client {
    int           number, user;
    bool          has_token;
    bool          logging_in;
    bool          looking_up; /* the outcome of its task */
    uint8_t       token[LIMIT_TOKEN_BYTES];
    enum sim_task task;
    size_t        post; /* or account, list target, version, entry or case */
    struct uuid   alert;
    struct uuid   more[SIM_BULK]; /* alerts */
    size_t        more_count;
    struct uuid   item;     /* that it makes: a case or something in one */
    int32_t       choice;   /* the direction of a freeze, a decision, a state */
    int32_t       other;    /* a rule, a colleague, an outcome */
    int64_t       until_us; /* of a freeze, a snooze, an entry */
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
    struct request          request; /* its answer may point into it */
    void                   *in;
    void                   *out; /* of a write; in `out_arena` */
    struct arena            out_arena;
    struct fault            fault;
    struct buf              reply;
    enum err                expected;
    size_t                  post; /* that it is about */
    bool                    expected_repeat;
    int32_t                 expected_status;
    bool                    first; /* the bank does it now */
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
    struct sim_books   books;
    struct sim_saved   saved[SIM_SAVED_MAX];
    size_t             saved_count, saved_bytes;
    uint8_t            saved_space[SIM_SAVED_BYTES];
    struct sim_post   *posts;
    size_t             post_count;
    struct sim_alert   alerts[SIM_ALERTS_MAX];     /* by their numbers */
    size_t             alert_top;                  /* the highest known number */
    struct sim_version versions[SIM_VERSIONS_MAX]; /* by their numbers */
    size_t             version_count;
    size_t             active; /* the version in force */
    struct sim_entry   entries[SIM_ENTRIES_MAX];
    size_t             entry_count;
    size_t             entries_before; /* the group */
    struct sim_case    cases[SIM_CASES_MAX];
    size_t             case_count;
    int64_t            hold_hours;
    struct sim_valve   valve;
    int32_t            threshold; /* that the alert budget has found, as last seen */
    /* bank */
    char                    folder[64], path[80];
    struct bank             bank;
    struct store_ops        faulty;
    const struct store_ops *real;
    struct store           *store, *reader;
    struct writer          *writer;
    struct sessions        *sessions;
    struct sim_session      session_models[SIM_SESSIONS_MAX];
    struct sim_logins       logins[SIM_USERS];
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
void   sim_save(struct sim *sim, void *place, size_t n);             /* it is about to be changed */
size_t sim_model_find(const struct sim *sim, const struct uuid *id); /* SIZE_MAX = none */
void   sim_model_create(struct sim *sim, struct sim_job *job,
                        const struct msg_transaction_create *in);
void   sim_model_decide(struct sim *sim, struct sim_job *job, const struct uuid *id, bool release);
void   sim_model_reverse(struct sim *sim, struct sim_job *job,
                         const struct msg_transaction_reverse *in);
/* Of freezes and their ends; `direction` 0 = the end. */
void sim_model_freeze(struct sim *sim, struct sim_job *job, const struct uuid *id,
                      int32_t direction, int64_t until_us);
/* An act on the alert has changed, as planned so far, what was held: takes it over, if that may be.
 * `decision` 0 = one was taken back. */
void sim_model_take_over(struct sim *sim, const struct sim_job *job, const struct alert *alert,
                         int32_t decision);
/* What the rules, the lists and the suppressions of now make of a payment: its status. The valve
 * counts it, and may step a rule down. */
int32_t     sim_steer_judge(struct sim *sim, struct sim_post *post);
const char *sim_steer_check_valve(struct sim *sim); /* what is wrong with it as planned, or NULL */
size_t      sim_model_next_hold(const struct sim *sim); /* that ends; SIM_NONE = there is none */
void        sim_model_expire(struct sim *sim);
void        sim_model_compare(struct sim *sim); /* accounts */
void        sim_model_prove(struct sim *sim);   /* everything */

/* --- what is not money ------------------------------------------------------------------------ */

/* `..._before` looks at what an act is about, before the bank plans it; `..._expect` says how it
 * must be answered, and when it is done as it must be, the model has done it too. */
void sim_alert_before(struct sim *sim, const struct sim_job *job);
void sim_alert_expect(struct sim *sim, struct sim_job *job, enum err err);
void sim_alert_prove(struct sim *sim);
void sim_steer_expect(struct sim *sim, struct sim_job *job, enum err err);
void sim_steer_learn(struct sim *sim, const struct sim_job *job); /* it is durable */
void sim_steer_prove(struct sim *sim);

void sim_label_import(struct sim *sim); /* findings come from elsewhere, as a file brings them */

void sim_sessions_open(struct sim *sim);
/* What the gate has said to a request must be so. */
void     sim_session_check(struct sim *sim, const struct request_envelope *envelope, enum err err);
enum err sim_session_start(struct sim *sim, struct sim_job *job); /* with the answer to a login */
void     sim_session_end(struct sim *sim, const struct sim_job *job); /* a logout is durable */

extern const char *const sim_rule_names[SIM_RULES];
enum { SIM_RULES_BYTES = 2048 };
/* The text of a version; returns its length. */
size_t       sim_rules_text(const struct sim_version *version, char out[SIM_RULES_BYTES]);
void         sim_rules_hash(const struct sim_version *version, uint8_t out[CHAIN_HASH_BYTES]);
struct slice sim_party(int party);
bool         sim_entry_acts(const struct sim *sim, const struct sim_entry *entry); /* now */

void          sim_client_send(struct sim *sim, struct sim_client *client, enum op_index op,
                              const void *body);
enum sim_task sim_desk_draw(struct sim *sim, const struct sim_client *client);
bool          sim_desk_begin(struct sim *sim, struct sim_client *client, enum sim_task task);
void          sim_desk_send(struct sim *sim, struct sim_client *client);
/* Up to `max` different alerts that nobody has decided, as a list would show them. */
size_t sim_desk_alerts(struct sim *sim, struct uuid *out, size_t max);

void sim_clients_open(struct sim *sim);
void sim_client_step(struct sim *sim, struct sim_client *client);
void sim_client_hear(struct sim *sim, const struct sim_message *message);
bool sim_clients_idle(const struct sim *sim);

#endif
