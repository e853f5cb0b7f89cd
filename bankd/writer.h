/* The writer: everything that changes the bank goes through here, from one thread.
 *
 * Callers plan any number of acts (up to LIMIT_BATCH_MAX changes), then commit them together with
 * one durable write. A planned act sees all acts planned before it. Nothing is true before
 * writer_commit has returned ERR_none: replies and events wait for it. When a commit fails, none
 * of the group happened and the writer has forgotten all of it; after ERR_changed_meanwhile or
 * ERR_id_reused the caller plans the same requests again, one commit each. After
 * ERR_outcome_unknown the group may be there again after a crash: clients repeat with the same ids,
 * which counts once either way.
 *
 * Money path of one post: idempotency, ledger_check, fraud_judge, ledger_enter, chain link,
 * rollups, alert; then the profiles of both sides observe it. Profiles live in memory and are
 * saved behind the commits, sorted and in bulk; they are folds over the ledger (profile.h), so a
 * crash loses nothing. Books, ids and parties are cached with bounds.
 *
 * Threads: one. Memory: all of it is taken when the writer is opened. */
#ifndef BANKD_WRITER_H
#define BANKD_WRITER_H

#include "bankd/bank.h"
#include "bankd/ops/view.h"
#include "bankd/request.h"
#include "common/clock.h"

struct controls;
struct witness;
struct writer;

struct writer_config {
    struct store   *store; /* opened for writing; the writer uses it, the caller closes it */
    struct bank    *bank;
    struct clock   *clock;
    int64_t         rule_set;     /* number of the rule set that judges; 0 = nothing is judged */
    const uint8_t  *sign_secret;  /* 64 bytes, for signed heads; NULL = no signatures */
    struct witness *witness;      /* is told of each commit; somebody else saves it; NULL = none */
    size_t          books_max;    /* accounts in memory; 0 = WRITER_BOOKS_DEFAULT */
    size_t          profiles_max; /* profiles in memory; 0 = WRITER_PROFILES_DEFAULT */
};

enum {
    WRITER_BOOKS_DEFAULT = 65536,
    WRITER_PROFILES_DEFAULT = 16384,
    WRITER_EXPECT_MAX = 32,
    WRITER_EXPIRE_PAGE = 64, /* holds and freezes that end in one group */
    WRITER_EVENTS_MAX = 256, /* events of one group; more are dropped, and the clients read */
};

ERR_MUST_USE enum err writer_open(const struct writer_config *config, struct writer **out,
                                  struct fault *fault);
/* Saves the profiles and signs the head; what was planned and not committed is forgotten. */
void writer_close(struct writer **writer);

/* --- money ----------------------------------------------------------------------------------- */

/* An entry of the audit log, alone or as part of a larger act. */
struct act {
    const struct actor *actor; /* NULL = system */
    const char *actor_name;    /* instead of the actor's address; NULL = from actor, or "system" */
    int32_t     kind;          /* AUDIT_ACTION or AUDIT_REFUSAL */
    const char *operation;
    const char *outcome;        /* NULL = "done" */
    const struct uuid *subject; /* NULL = none */
    const char        *subject_text;
    struct slice       detail; /* cut to fit */
    int64_t            about_transaction;
    int32_t            set_status;
    int32_t            set_flag;
};

/* One movement of money. The caller has found the accounts; party, texts and ids are borrowed. */
struct post {
    struct uuid         transaction_id;
    int32_t             type;
    int64_t             account;  /* number of the account that it is about */
    int64_t             other;    /* number of the other side */
    bool                incoming; /* the account receives */
    int64_t             amount;
    uint16_t            currency;
    int64_t             at_us;
    const struct actor *actor; /* NULL = import or system */
    struct slice        party; /* key; empty = none */
    struct slice        description;
    struct slice        external_id;
    bool    history;  /* already happened: judged and recorded, but never held or declined */
    bool    unjudged; /* the bank's own act (reversal, rounding): not shown to the fraud engine */
    bool    has_label;
    bool    fraud; /* label */
    int64_t label_known_at_us;
    const struct transaction *reverses; /* the transaction that this one undoes; NULL = none */
    const struct act         *act;      /* audit entry that goes with it; NULL = none */
};

/* What became of it. The row and its facts are valid until the next call of the writer. */
struct posted {
    const struct transaction *row;
    struct view_facts         facts;
    struct fraud_verdict      verdict;
    int64_t                   account_balance; /* of the account that it is about, now */
    bool raised;   /* an alert; false when it has joined one or is not suspicious */
    bool repeated; /* the id was known with the same content: nothing is planned */
    bool durable;  /* and what its row refers to is in the store, from where `facts` are read */
};

ERR_MUST_USE enum err writer_post(struct writer *writer, const struct post *post,
                                  struct posted *out, struct fault *fault);

/* Ends the hold of one transaction: `status` is STATUS_COMPLETED (release) or STATUS_REJECTED.
 * `actor` NULL = the system (expiry). A finding of fraud or of none becomes its label; one of none
 * takes its flag off. Its alert is decided when no other transaction waits in it. */
struct decision {
    struct uuid         transaction_id;
    int32_t             status;
    int32_t             finding; /* enum alert_decision */
    const struct actor *actor;
    const char         *operation;
    struct slice        reason;
};
ERR_MUST_USE enum err writer_decide(struct writer *writer, const struct decision *decision,
                                    struct transaction *row, struct fault *fault);

/* A transaction that is in the store, as the acts of this group leave it. */
ERR_MUST_USE enum err writer_transaction_by_id(struct writer *writer, const struct uuid *id,
                                               struct transaction *out);
/* The id of one that is in the store, or undoes one in this group. */
ERR_MUST_USE enum err writer_transaction_id(struct writer *writer, int64_t sequence,
                                            struct uuid *out);

/* --- alerts ---------------------------------------------------------------------------------- */

/* The transactions of an alert as planned so far, in the order in which they joined. */
struct alert_hits {
    size_t           count;
    struct alert_hit rows[LIMIT_ALERT_HITS_MAX];
    int32_t          status[LIMIT_ALERT_HITS_MAX]; /* of the transaction, when it is planned to
                                                      change; 0 = as stored */
};

/* Decides everything that waits in an alert, all of it or nothing: held transactions are rejected
 * for fraud, released for a false positive, and stay held otherwise. Every transaction has its own
 * change and audit entry; they are part of one group. */
struct alert_ruling {
    struct uuid         alert_id;
    int32_t             finding;   /* enum alert_decision */
    int64_t             hits_seen; /* 0 = whatever waits now */
    const struct actor *actor;
    const char         *operation;
    struct slice        note;
};
ERR_MUST_USE enum err writer_alert_decide(struct writer             *writer,
                                          const struct alert_ruling *decision, struct alert *out,
                                          struct alert_hits *hits, struct fault *fault);
/* Takes the last finding back: labels, flags and rejected holds are what they were; the alert is
 * the actor's to work on again. Refused whole when money of it has moved. Of the ruling, `finding`
 * and `hits_seen` are not looked at. */
ERR_MUST_USE enum err writer_alert_undo(struct writer *writer, const struct alert_ruling *decision,
                                        struct alert *out, struct alert_hits *hits,
                                        struct fault *fault);

/* An alert and its hits as planned so far. */
ERR_MUST_USE enum err writer_alert_by_id(struct writer *writer, const struct uuid *id,
                                         struct alert *out);
ERR_MUST_USE enum err writer_alert_hits(struct writer *writer, const struct alert *alert,
                                        struct alert_hits *out);
/* The transaction of a hit, in this group or in the store; `account` is the alert's. */
ERR_MUST_USE enum err writer_alert_row(struct writer *writer, int64_t account, int64_t sequence,
                                       struct transaction *out);
/* The alert in its newest planned version, when this group has changed it. */
void writer_alert_newest(struct writer *writer, struct alert *alert);

/* --- everything else ------------------------------------------------------------------------- */

/* Starts a change that the caller fills; it becomes part of the group with writer_add. Rows that
 * the change points to must be those of `struct draft`, whose memory lives as long as the group. */
struct draft {
    struct change      change;
    struct transaction transaction;
    struct audit       audit;
    struct alert       alert;
    struct alert_hit   hit;
    struct user        user;
    struct customer    customer;
    struct account     account;
    struct party       party;
    struct label       label;
    struct rule_set    rule_set;
    struct rule_set    rule_set_before; /* the one that another supersedes */
    /* The writer's own bookkeeping. */
    int64_t  account_numbers[LIMIT_CHANGE_ACCOUNTS_MAX];
    int64_t  alert_account; /* whose alert it writes; 0 = none */
    uint32_t alert_before;  /* draft of this group that did so before: 1 + index; 0 = none */
};

/* Keeps a note with the alert, which is changed in the draft after this; comes before the draft's
 * audit entry. False when it has as many as it can have, or the group has no more room. */
bool writer_alert_note(struct writer *writer, struct draft *draft, struct alert *alert,
                       const struct actor *actor, const char *act, struct slice text);
/* Puts a changed alert into the draft, in its next version. */
void writer_alert_change(struct draft *draft, const struct alert *after);

/* The finding that the transaction has so far, in this group or in the store; ERR_not_found. */
ERR_MUST_USE enum err writer_label_find(struct writer *writer, int64_t sequence, struct label *out);
/* Adds a finding about a transaction to the draft and lets the profiles of its two entities see it,
 * which are saved with this very group. One that replaces another is not known before that one was
 * to be. ERR_busy when the group has no more room for such profiles: commit it and ask again. */
ERR_MUST_USE enum err writer_label(struct writer *writer, struct draft *draft,
                                   const struct transaction *row, bool fraud, int64_t known_at_us);

/* Adds a notification to the draft and tells the sessions of it after the commit. ERR_busy when the
 * draft or the group has no more room. */
struct notice {
    int32_t            topic;   /* enum notification_topic */
    enum role          role;    /* for everybody of this role; 0 = for `user` */
    const struct user *user;    /* NULL when it is for a role */
    const char        *subject; /* name or id; NULL = none */
    struct slice       text;    /* cut to fit */
};
ERR_MUST_USE enum err writer_notify(struct writer *writer, struct draft *draft,
                                    const struct notice *notice);

/* The controls as planned so far. A handler that has added a draft with one of their records gives
 * it to writer_controls_take, so that what is planned after it sees it. */
ERR_MUST_USE enum err writer_controls(struct writer *writer, struct controls **out);
void                  writer_controls_take(struct writer *writer, const struct record *record);
/* The next writer_expire looks whether the thresholds keep the alert budget; else one a minute. */
void writer_budget_soon(struct writer *writer);

struct draft *writer_draft(struct writer *writer); /* NULL when the group is full */
/* Adds a record to the draft, which becomes a copy of `from` in its next version, or a new one with
 * the next number when `from` is NULL; the caller fills in the rest. NULL when the draft or the
 * group has no more room: then ERR_busy is the answer. */
struct record *writer_record(struct writer *writer, struct draft *draft, const struct record *from);
/* Adds an audit entry to the draft, with its sequence and link, and with marks of the draft's
 * records, user, account and terms of accounts, which must be complete. Nothing may fail between
 * this call and writer_add, because the chain has moved on. A change with records has an audit
 * entry. */
void writer_audit(struct writer *writer, struct draft *draft, const struct act *act);
/* The group takes the draft; books in it become what later acts see. */
void writer_add(struct writer *writer, struct draft *draft);

/* Adds to a rollup cell of the draft. */
void writer_rollup(struct draft *draft, uint8_t scale, int32_t bucket, uint16_t currency,
                   uint16_t metric, int64_t count, int64_t amount);

/* Adds to the cells of a transaction's own day and hour. */
void writer_count_at(struct draft *draft, const struct transaction *row, uint16_t metric,
                     int64_t count, int64_t amount);

/* The present book of an account, as planned so far; the pointer is valid until writer_commit.
 * `name` may be NULL. */
ERR_MUST_USE enum err writer_book(struct writer *writer, int64_t number,
                                  const struct account_book **out, const char **name);
ERR_MUST_USE enum err writer_book_by_id(struct writer *writer, const struct uuid *id,
                                        const struct account_book **out, const char **name);
/* The bank's own account of a kind and currency; made when it is not there yet. */
ERR_MUST_USE enum err writer_book_of_bank(struct writer *writer, int32_t kind, uint16_t currency,
                                          const struct account_book **out, struct fault *fault);
/* Requests that will be planned soon name these ids (of accounts, transactions or anything else, at
 * most WRITER_EXPECT_MAX): what they need is fetched from memory meanwhile. Changes nothing. */
void writer_expect(struct writer *writer, const struct uuid *ids, size_t n);
/* Puts a changed book into the draft. */
void writer_change_book(struct draft *draft, const struct account_book *before,
                        const struct account_book *after, bool terms_changed);

/* The next number of each kind of record. */
int64_t writer_next_user(struct writer *writer);
int64_t writer_next_customer(struct writer *writer);
int64_t writer_next_account(struct writer *writer);
int64_t writer_next_rule_set(struct writer *writer);

struct store *writer_store(struct writer *writer);
int64_t       writer_now_us(struct writer *writer);
int64_t       writer_rule_set(const struct writer *writer);
/* The rule set that judges from the commit of this group on; when the commit fails, the one before
 * goes on. It must be in the store already, so it is durable before any decision names it; and the
 * group must hold nothing else, so that the chain shows which one judged. */
ERR_MUST_USE enum err writer_judge_by(struct writer *writer, int64_t rule_set);

/* Tells every interested session after the commit. */
void writer_emit(struct writer *writer, enum event_index event, const void *body);

/* --- the group ------------------------------------------------------------------------------- */

/* Before anything is read of the store for a plan: all questions of one group are asked of one
 * snapshot, because taking the store's read lock and giving it back costs as much as the question.
 * The preconditions of the commit find out what has changed since. It ends with the group. */
ERR_MUST_USE enum err writer_look(struct writer *writer);
size_t                writer_planned(const struct writer *writer);
ERR_MUST_USE enum err writer_commit(struct writer *writer, struct fault *fault);
void                  writer_abandon(struct writer *writer);
/* Encoded events of the group that was just committed, in order; then they are forgotten. */
void writer_events(struct writer *writer,
                   void (*visit)(void *context, enum event_index event, struct slice bytes),
                   void *context);
/* Saves profiles that have waited long; called when there is nothing else to do. */
ERR_MUST_USE enum err writer_idle(struct writer *writer, struct fault *fault);
/* Ends holds and freezes whose time has come: plans at most a page of each. Where it planned
 * WRITER_EXPIRE_PAGE or more, others may be waiting. */
ERR_MUST_USE enum err writer_expire(struct writer *writer);

struct chain_head writer_head(const struct writer *writer);
int64_t           writer_commits(const struct writer *writer);

#endif
