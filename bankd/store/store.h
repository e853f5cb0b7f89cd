/* Where the bank's records are kept: one interface, several stores (SQLite, memory for tests,
 * DynamoDB later), one conformance suite.
 *
 * There is no begin and no commit. A writer plans a `change`: its preconditions and all its
 * effects; a `commit` is a group of changes that is made durable together. A store applies the
 * group whole or, when any precondition fails, not at all and says which change it was; the
 * writer then plans again from fresh records. SQLite does it in one immediate transaction with one
 * fsync, DynamoDB will do each change as one conditional write.
 *
 * Preconditions: the chain head is the one that the writer knew; each account has the version
 * that the writer planned with; the transaction id is not used yet; a transaction that is updated
 * has the status and flag that were seen; a rule set has the state that was seen; an alert or a
 * record that is written again has the version before the new one; no two rule sets are active.
 *
 * Threads: a handle belongs to one thread. One handle is opened for writing (a lock file keeps a
 * second daemon out; short operator commands may write through their own handle beside it); any
 * number for reading, each call of which sees one consistent snapshot. A memory store's handles
 * share their records under a lock.
 * Ownership: row structs are the caller's; visitors borrow their row for the call.
 * Errors: ERR_not_found where one row was asked for and is not there; ERR_changed_meanwhile for a
 * failed precondition, ERR_id_reused when it is that of the transaction id, ERR_exists when a new
 * record's number, id, e-mail address, external id or key is taken; ERR_busy when another handle
 * has been writing for seconds; ERR_storage, ERR_storage_full, ERR_storage_corrupt,
 * ERR_storage_newer, ERR_storage_absent, ERR_storage_locked, ERR_storage_behind. */
#ifndef BANKD_STORE_STORE_H
#define BANKD_STORE_STORE_H

#include "bankd/model.h"
#include "common/err.h"

#include <stdatomic.h>

struct store;

/* --- what a writer asks for ------------------------------------------------------------------ */

struct account_change {
    int64_t             version_before; /* precondition; after.version is version_before + 1 */
    struct account_book after;
    bool                terms_changed; /* status, freeze or limit: the wide row is written too */
    char                freeze_reason[LIMIT_REASON_MAX + 1];
    char                freeze_authority[LIMIT_NAME_MAX + 1];
};

struct transaction_update {
    int64_t sequence;
    int32_t status_before; /* precondition */
    int32_t status_after;
    bool    flagged_before; /* precondition */
    bool    flagged_after;
    int64_t reversed_by; /* 0 = leave */
};

/* A version of the rules whose state moves. Number, hash and texts stay what they are. */
struct rule_set_update {
    int32_t                state_before; /* precondition */
    const struct rule_set *after;
};

/* One planned change. Everything absent has count 0 or a NULL pointer; pointers are borrowed for
 * the call. Numbers and sequences were given by the writer (see store_numbers). */
struct change {
    size_t                    account_count;
    struct account_change     accounts[LIMIT_CHANGE_ACCOUNTS_MAX];
    const struct transaction *transaction; /* new */
    size_t                    update_count;
    struct transaction_update updates[LIMIT_CHANGE_TRANSACTIONS_MAX];
    const struct audit       *audit;        /* new */
    const struct alert       *alert;        /* new */
    const struct alert       *alert_update; /* whole row, by number */
    const struct alert_hit   *hit;          /* new, or whole row again by alert and number */
    const struct user        *user;         /* new, or whole row again by number */
    const struct customer    *customer;     /* new, or whole row again by number */
    const struct account     *account;      /* new */
    const struct party       *party;        /* new */
    int64_t party_number;         /* party of the transaction: its last_sequence and count move */
    const struct label    *label; /* new or replaced */
    const struct rule_set *rule_set; /* new */
    struct slice           rule_text;
    struct slice           card_text; /* of its scorecard; empty = none */
    size_t                 rule_set_update_count;
    struct rule_set_update rule_set_updates[LIMIT_CHANGE_RULE_SETS_MAX]; /* done in this order */
    size_t                 record_count;
    const struct record   *records[LIMIT_CHANGE_RECORDS_MAX]; /* new, or whole row by number */
    size_t                 rollup_count;
    struct rollup          rollups[LIMIT_CHANGE_ROLLUPS_MAX];
};

struct profile_row {
    int64_t      entity;
    int64_t      last_sequence; /* newest transaction that it has observed */
    struct slice bytes;
};

struct commit {
    struct chain_head         before; /* precondition: the chain ends here */
    struct chain_head         after;
    struct change *const     *changes;
    size_t                    count;
    const struct profile_row *profiles; /* written behind, sorted by entity; may be NULL */
    size_t                    profile_count;
    const struct signed_head *signed_head; /* NULL most of the time */
};

/* Newest numbers in use; the writer counts on from here. */
struct store_numbers {
    int64_t           user, customer, account, party, alert, rule_set, record;
    int64_t           rules_active; /* the rule set in force; 0 = none */
    struct chain_head head;
    struct uuid       newest_id; /* no transaction has a greater id */
};

/* --- what a reader asks for ------------------------------------------------------------------ */

/* A visitor gets each row and says whether to go on; `context` is the caller's. */
typedef bool store_visit(void *context, const void *row);

/* Transactions are visited from `from_sequence` (inclusive) towards older or newer ones; every
 * filter that is set must hold. `scan_max` bounds the rows that are looked at, so that a rare
 * match cannot hold a reader; `*stopped_at` is the last sequence looked at (0 = the end was
 * reached). Going on: from_sequence of the next call is stopped_at - 1 (descending) or + 1
 * (ascending), or the sequence of the first row that the caller did not want. Account walks follow
 * the account's own chain, and find their place in it at once when it is one of these. */
struct transaction_filter {
    bool         ascending;
    int64_t      from_sequence;  /* 0 = from the newest (descending) or the first (ascending) */
    int64_t      account;        /* 0 = any; ascending is not possible with it */
    int64_t      from_us, to_us; /* at_us in [from, to); 0 = open */
    int32_t      type, status;   /* 0 = any */
    int64_t      amount_min, amount_max; /* 0 = open */
    uint16_t     currency;               /* 0 = any */
    int32_t      flagged;                /* 0 = any, 1 = only flagged, 2 = only not flagged */
    struct slice search; /* part of description, external id or party key; empty = any; ASCII case
                            is ignored */
    bool listed; /* rows need not have what no list shows: initial_status, party_previous, hash, and
                    the decision of a score of 0 */
    int64_t            scan_max; /* 0 = no bound */
    const atomic_bool *cancel;   /* NULL = never */
};

struct account_filter {
    int64_t      before_number; /* 0 = newest first from the end; else only smaller numbers */
    int32_t      status, kind;
    int64_t      customer;
    uint16_t     currency;
    int64_t      thaw_until_us; /* only those whose freeze ends by then, the first first; 0 = any */
    struct slice search; /* part of name, holder, external id; or a whole or starting part of the
                            id's text */
};

/* Newest first; or with by_loss the undecided ones by urgency, the highest first, of equal ones the
 * oldest. */
struct alert_filter {
    bool    by_loss;
    int64_t before_number; /* newest first: 0 = from the newest */
    int64_t below_urgency; /* by_loss: begins with the first alert of at most this urgency ... */
    int64_t behind_number; /* ... and, of just this one, a greater number */
    int32_t state;         /* as of now_us; 0 = any */
    int64_t now_us;        /* 0 = locks and snoozes have not ended */
    int64_t account;
    int64_t from_us, to_us;
    bool    undecided;
    int32_t mine, snoozed; /* 0 = any, 1 = only such, 2 = only others */
    int64_t user;          /* who asks for `mine` */
};

struct audit_filter {
    int64_t before_sequence;   /* 0 = newest first */
    int64_t about_transaction; /* its sequence, by an index; 0 = any */
    int32_t kind; /* enum audit_kind; 0 = any: actions and refusals (AUDIT_TRANSACTION lives in
                     transactions) */
    int64_t      from_us, to_us;
    struct slice actor;  /* whole actor name */
    struct slice search; /* part of operation, subject or detail */
    int64_t      scan_max;
};

/* Newest first; with due_before_us only those that are due before it, the earliest first, in any
 * state but 0. */
struct record_filter {
    int32_t kind;          /* one; there is no walk over all */
    int64_t before_number; /* 0 = from the newest; has no meaning with due_before_us */
    int32_t state;         /* 0 = any */
    int64_t about;         /* 0 = any */
    int64_t due_before_us; /* 0 = any */
};

struct rule_set_filter {
    int64_t before_number; /* 0 = newest first */
    int32_t state;         /* 0 = any */
};

struct rollup_range {
    uint8_t  scale;
    int32_t  bucket_from, bucket_to; /* inclusive */
    uint16_t currency;               /* 0xffff = every */
};

enum { ROLLUP_EVERY_CURRENCY = 0xffff };

struct store_health {
    int64_t schema_version;
    int64_t commits;
    int64_t page_cache_bytes;
    int64_t log_pages; /* in the log since it began anew, as of this handle's last commit */
};

/* --- the interface --------------------------------------------------------------------------- */

/* What is looked at when a store is opened, so that a damaged one is never served (SQLite): the
 * schema is ours and of a version that is known; the log has lost no commit that was done; with
 * `exclusive`, the structure of a file up to 256 MiB. Whatever its size, each page of the file is
 * compared with its check bytes when it is read (ERR_storage_corrupt). What the pages say is
 * proved by verify.h, not here. */
enum store_mode {
    STORE_READ,
    STORE_WRITE,
    STORE_CREATE,
    /* Reads like STORE_READ, but goes on where a page is not what the store wrote; `integrity`
     * then tells it. For proofs, which must say what the damage did to the books; they leave the
     * log and the file as they were. */
    STORE_EXAMINE,
};

/* What a store is known to have had on its disk (witness.h). */
struct store_expect {
    struct chain_head head;            /* of the entry with this sequence; 0 = none is known */
    int64_t           signed_sequence; /* of a signed head; 0 = none is known */
    int64_t           at_us;           /* when it was known */
};

struct store_config {
    const char *path;      /* of the database file; ignored by the memory store */
    int64_t     cache_kib; /* page cache of this handle */
    void       *shared;    /* memory store: the handle to share with, or NULL */
    bool        exclusive; /* take the daemon's lock (serve, import, init) */
    /* What the store must have, or ERR_storage_behind before anything of it is changed; NULL =
     * nothing is known. The memory store has no past and does not look at it. */
    const struct store_expect *expect;
};

struct store_ops {
    int         version; /* of this struct */
    const char *name;
    enum err (*open)(const struct store_config *, enum store_mode, struct store **, struct fault *);
    void (*close)(struct store **);

    /* Writing. *failed = index of the change whose precondition failed; the count of the changes
     * when it was the chain head or nothing of one change. After an error nothing of the commit is
     * there, now or after a crash, but for ERR_outcome_unknown: it was written, could not be made
     * durable, and could not be buried under a later commit either, so this handle has forgotten
     * it, and whoever opens the store next may find it whole. */
    enum err (*apply)(struct store *, const struct commit *, size_t *failed, struct fault *);
    enum err (*numbers)(struct store *, struct store_numbers *);
    /* Moves the log into the database file while others read and write. */
    enum err (*checkpoint)(struct store *);
    enum err (*backup)(struct store *, const char *path, struct fault *);

    /* One row. The id_* calls find by public id. */
    enum err (*user_by_email)(struct store *, struct slice email, struct user *);
    enum err (*user_by_number)(struct store *, int64_t number, struct user *);
    enum err (*customer_by_id)(struct store *, const struct uuid *, struct customer *);
    enum err (*customer_by_external)(struct store *, struct slice external_id, struct customer *);
    enum err (*customer_by_number)(struct store *, int64_t number, struct customer *);
    enum err (*book_by_id)(struct store *, const struct uuid *, struct account_book *);
    enum err (*book_by_number)(struct store *, int64_t number, struct account_book *);
    enum err (*account_by_number)(struct store *, int64_t number, struct account *);
    /* What a list shows of an account: its id, and its name in LIMIT_NAME_MAX + 1 bytes. */
    enum err (*account_name)(struct store *, int64_t number, struct uuid *id, char *name);
    enum err (*account_by_external)(struct store *, struct slice external_id, struct account *);
    /* The bank's own account of a kind and currency. */
    enum err (*account_of_bank)(struct store *, int32_t kind, uint16_t currency,
                                struct account_book *);
    enum err (*party_by_key)(struct store *, struct slice key, struct party *);
    enum err (*party_by_number)(struct store *, int64_t number, struct party *);
    enum err (*transaction_by_id)(struct store *, const struct uuid *, struct transaction *);
    enum err (*transaction_by_sequence)(struct store *, int64_t sequence, struct transaction *);
    enum err (*alert_by_id)(struct store *, const struct uuid *, struct alert *);
    /* The alert that has the transaction among its hits. */
    enum err (*alert_by_transaction)(struct store *, int64_t sequence, struct alert *);
    /* The newest transaction up to this one that is a hit of an alert; 0 = none is. */
    enum err (*alerted_until)(struct store *, int64_t sequence, int64_t *out);
    enum err (*label_by_transaction)(struct store *, int64_t sequence, struct label *);
    enum err (*audit_by_sequence)(struct store *, int64_t sequence, struct audit *);
    enum err (*record_by_id)(struct store *, int32_t kind, const struct uuid *, struct record *);
    enum err (*record_by_number)(struct store *, int64_t number, struct record *);
    /* The texts are added to the buffers, each of which may be NULL. */
    enum err (*rule_set_get)(struct store *, int64_t number, struct rule_set *, struct buf *text,
                             struct buf *card);
    /* The newest of this hash. */
    enum err (*rule_set_by_hash)(struct store *, const uint8_t hash[CHAIN_HASH_BYTES],
                                 struct rule_set *);
    enum err (*profile_get)(struct store *, int64_t entity, int64_t *last_sequence, void *bytes,
                            size_t size, size_t *n);

    /* Many rows. */
    enum err (*users)(struct store *, store_visit *, void *context);
    enum err (*customers)(struct store *, int64_t before_number, struct slice search, store_visit *,
                          void *context);
    enum err (*accounts)(struct store *, const struct account_filter *, store_visit *,
                         void *context); /* struct account */
    enum err (*parties)(struct store *, store_visit *, void *context);
    enum err (*transactions)(struct store *, const struct transaction_filter *, store_visit *,
                             void *context, int64_t *stopped_at);
    enum err (*held)(struct store *, int64_t expires_before_us, store_visit *,
                     void *context); /* struct transaction; 0 = all held */
    enum err (*alerts)(struct store *, const struct alert_filter *, store_visit *, void *context);
    /* The hits of an alert, or of all of them (0), in the order of alert and number. */
    enum err (*alert_hits)(struct store *, int64_t alert, store_visit *,
                           void *context); /* struct alert_hit */
    enum err (*audits)(struct store *, const struct audit_filter *, store_visit *, void *context,
                       int64_t *stopped_at);
    enum err (*records)(struct store *, const struct record_filter *, store_visit *,
                        void *context); /* struct record */
    enum err (*rule_sets)(struct store *, const struct rule_set_filter *, store_visit *,
                          void *context); /* struct rule_set */
    enum err (*rollups)(struct store *, const struct rollup_range *, store_visit *,
                        void *context); /* struct rollup */
    /* First and newest day with transactions; ERR_not_found when there are none. */
    enum err (*days)(struct store *, int32_t *first, int32_t *last);
    /* The largest transactions of one day, largest first, at most LIMIT_TOP_PER_DAY. */
    enum err (*top)(struct store *, int32_t day, uint16_t currency, store_visit *,
                    void *context); /* struct transaction */
    enum err (*labels)(struct store *, store_visit *, void *context);
    /* Those behind a sequence, in its order; 0 = all of them. */
    enum err (*signed_heads)(struct store *, int64_t behind, store_visit *, void *context);

    /* Holds one snapshot over several calls of a handle, until `snapshot_end`; a writing handle
     * must end it before it applies. */
    enum err (*snapshot_begin)(struct store *);
    void (*snapshot_end)(struct store *);

    enum err (*health)(struct store *, struct store_health *);
    /* Whether another handle has committed since this was last asked. */
    bool (*changed)(struct store *);
    /* Proves the file itself (structure, indexes). */
    enum err (*integrity)(struct store *, struct fault *);
};

/* Every store begins with its table, so that a call reads store->ops->x(store, ...). */
struct store {
    const struct store_ops *ops;
};

enum { STORE_APPLICATION_ID = 0x42414e4b }; /* "BANK", in the head of the file */

/* Takes the lock of an exclusive handle on a file that is not there yet or is to be replaced;
 * closing *fd gives it back. */
ERR_MUST_USE enum err store_lock(const char *path, int *fd, struct fault *fault);

/* Locks the file itself, which may have several names. Closing *fd gives the lock back, and with it
 * every lock that SQLite has on that file in this process: not while a handle on it is open. */
ERR_MUST_USE enum err store_lock_file(const char *path, int *fd, struct fault *fault);

/* What the head of a database file says of it, without opening it as one. */
enum store_kind {
    STORE_NOTHING, /* no file, an empty one, or one whose making was broken off */
    STORE_BANK,
    STORE_FOREIGN, /* something else, or unreadable */
};
enum store_kind store_kind_of(const char *path);

extern const struct store_ops store_sqlite;
extern const struct store_ops store_memory;

#endif
