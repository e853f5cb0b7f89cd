/* The records of the bank as C structs: plain values with bounded texts, no pointers, no owners.
 *
 * Numbers: users, customers, accounts and parties have a dense number from 1 beside their public
 * id; records refer to each other by number, because a number is a small key. Number 0 means
 * "none" or "the system". Transactions and audit entries share one count, the sequence: it is the
 * order in which the bank decided, and the order of the audit chain.
 *
 * A transaction's row is written once. Only status, flagged and reversed_by change later, and
 * each such change has an audit entry that says so; the chain hash covers what never changes. */
#ifndef BANKD_MODEL_H
#define BANKD_MODEL_H

#include "common/clock.h"
#include "common/ident.h"
#include "common/limits.h"
#include "proto/proto.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CHAIN_HASH_BYTES = 32, SIGNATURE_BYTES = 64, RECORD_MARK_BYTES = 32 };

struct user {
    int64_t     number;
    struct uuid user_id;
    char        email[LIMIT_EMAIL_MAX + 1]; /* lower case */
    char        name[LIMIT_NAME_MAX + 1];
    char        password_hash[LIMIT_HASH_TEXT_MAX + 1];
    enum role   role;
    bool        disabled;
    int64_t     created_at_us;
};

struct customer {
    int64_t     number;
    struct uuid customer_id;
    char        external_id[LIMIT_EXTERNAL_ID_MAX + 1];
    char        name[LIMIT_NAME_MAX + 1];
    char        email[LIMIT_EMAIL_MAX + 1];
    char        country[3];
    bool        verified;
    int64_t     created_at_us;
};

/* What the ledger needs of an account to decide; small, because the writer keeps many. */
struct account_book {
    int64_t     number;
    struct uuid account_id;
    int64_t     customer;         /* number; 0 for the bank's own accounts */
    int64_t     opened_by;        /* user number; 0 = system or import */
    int32_t     kind;             /* enum account_kind */
    int32_t     status;           /* enum account_status */
    int32_t     freeze_direction; /* enum freeze_direction; 0 when not frozen */
    uint16_t    currency;         /* ISO 4217 number */
    int64_t     freeze_until_us;  /* 0 = no end */
    int64_t     overdraft_limit;
    int64_t     created_at_us;
    /* What every posting changes. */
    int64_t balance;
    int64_t held;
    int64_t version;       /* grows by 1 with each change of this account */
    int64_t last_sequence; /* newest transaction that names the account; 0 = none */
    int64_t last_at_us;    /* its time */
    int64_t transactions;  /* how many name it */
};

struct account {
    struct account_book book;
    char                external_id[LIMIT_EXTERNAL_ID_MAX + 1];
    char                name[LIMIT_NAME_MAX + 1];
    char                holder[LIMIT_NAME_MAX + 1]; /* the customer's name; read only, joined */
    struct uuid         customer_id;                /* read only, joined; zero for none */
    struct uuid         opened_by_id;               /* read only, joined; zero for none */
    char                freeze_reason[LIMIT_REASON_MAX + 1];
    char                freeze_authority[LIMIT_NAME_MAX + 1];
};

/* A counterparty outside the bank: a merchant, a terminal, an account at another bank. */
struct party {
    int64_t number;
    char    key[LIMIT_PARTY_KEY_MAX + 1]; /* "terminal:1234", "bank:YZ/87144583" */
    int64_t last_sequence;
    int64_t transactions;
    int64_t created_at_us;
};

/* Accounts and parties in one space, for fraud profiles. */
static inline int64_t entity_of_account(int64_t account)
{
    return account * 2;
}
static inline int64_t entity_of_party(int64_t party)
{
    return party * 2 + 1;
}

struct transaction {
    int64_t     sequence;
    struct uuid transaction_id;
    int32_t     type;           /* enum transaction_type */
    int32_t     initial_status; /* as decided when it arrived; never changes */
    int64_t     debit;          /* account number that pays */
    int64_t     credit;         /* account number that receives */
    int64_t     party;          /* party number; 0 = none */
    bool        incoming;       /* the account spoken of is the credit side, else the debit side */
    uint16_t    currency;
    int64_t     amount;
    int64_t     at_us;        /* when it happened */
    int64_t     posted_at_us; /* when this ledger took it */
    int64_t     posted_by;    /* user number; 0 = import or system */
    int64_t  debit_previous;  /* sequence of the account's transaction before this one; 0 = first */
    int64_t  credit_previous;
    int64_t  party_previous;
    int64_t  debit_balance; /* booked balance after this one, as of its arrival */
    int64_t  credit_balance;
    int32_t  verdict;            /* enum verdict */
    int32_t  score;              /* 0..1000 */
    int64_t  rule_set;           /* number of the rule set that judged; 0 = not judged */
    int64_t  hold_expires_at_us; /* 0 = not held on arrival */
    int64_t  reversal_of;        /* sequence; 0 = none */
    char     external_id[LIMIT_EXTERNAL_ID_MAX + 1];
    char     description[LIMIT_DESCRIPTION_MAX + 1];
    uint16_t decision_size;
    uint8_t  decision[LIMIT_DECISION_MAX]; /* features as the engine used them, see fraud.h */
    uint8_t  hash[CHAIN_HASH_BYTES];
    /* What may change later. */
    int32_t status; /* enum transaction_status */
    bool    flagged;
    int64_t reversed_by; /* sequence; 0 = none */
};

/* A piece of work for an analyst: the suspicious transactions of one account that wait for a
 * finding. `state` is what was stored last; what is true now is said by alert_state_at (alert.h),
 * because locks and snoozes end by themselves. */
struct alert {
    int64_t     number;
    struct uuid alert_id;
    int64_t     transaction; /* sequence of the hit with the highest score, or the first such */
    int64_t     account;     /* number */
    int32_t     state;       /* enum alert_state */
    int32_t     decision;    /* enum alert_decision; 0 = none */
    int32_t     score;       /* the highest of its hits */
    int32_t     hits;        /* how many; at most LIMIT_ALERT_HITS_MAX */
    int64_t     version;     /* 1 when it is new, and 1 more with each change */
    int64_t     created_at_us;
    int64_t     expected_loss; /* minor units; of the hits that wait, or that the decision ended */
    int64_t     urgency;       /* the same, comparable over currencies: see alert_urgency */
    int64_t     due_at_us;
    int64_t     snoozed_until_us;
    int64_t     lock_until_us;
    int64_t     undo_until_us; /* 0 = the decision cannot be undone */
    int64_t     assigned_to;   /* user number; 0 = nobody */
    int64_t     taken_at_us;
    int64_t     decided_by;
    int64_t     decided_at_us;
    int64_t     notes;                    /* how many */
    char        note[LIMIT_NOTE_MAX + 1]; /* the newest */
};

/* One transaction of an alert, and what undoing its decision needs to know. A transaction is a hit
 * of one alert at most. */
struct alert_hit {
    int64_t alert;       /* number */
    int64_t transaction; /* sequence */
    int64_t at_us;       /* when it joined */
    int64_t loss;        /* minor units: its part of the expected loss */
    int64_t decided_at_us;
    int32_t number; /* 1, 2, ... within the alert */
    int32_t score;
    int32_t finding;        /* enum alert_decision; 0 = waits */
    int32_t status_before;  /* of the transaction, when the finding came */
    int32_t flagged_before; /* 1 = it was flagged */
    int32_t label_before;   /* 0 = it had none, 1 = not fraud, 2 = fraud */
};

/* A link of the audit chain that is not a transaction: something done or refused. The about_* and
 * set_* fields let `bankd verify` replay every later change of a transaction. */
struct audit {
    int64_t sequence;
    int64_t at_us;
    int32_t kind;  /* AUDIT_ACTION or AUDIT_REFUSAL */
    int64_t actor; /* user number; 0 = system, import or operator */
    char    actor_name[LIMIT_EMAIL_MAX + 1];
    char    operation[65];
    char    outcome[49]; /* "done" or the error's name */
    char    subject[65]; /* id of the record, or empty */
    char    detail[LIMIT_DETAIL_MAX + 1];
    int64_t about_transaction; /* sequence; 0 = none */
    int32_t set_status;        /* new status of that transaction; 0 = unchanged */
    int32_t set_flag;          /* 0 unchanged, 1 flagged, 2 not flagged */
    /* The records, users and terms of accounts that it left behind, a mark each (chain.h): so what
     * was changed behind the bank's back no longer fits the chain. */
    uint32_t records_size;
    uint8_t  records[LIMIT_CHANGE_MARKS_MAX * RECORD_MARK_BYTES];
    uint8_t  hash[CHAIN_HASH_BYTES];
};

/* What somebody found out about a transaction, and from when on it may be used. One that was taken
 * back is nobody's finding any more, but keeps its moment, because profiles have seen it. */
struct label {
    int64_t transaction; /* sequence */
    bool    fraud;
    bool    withdrawn; /* then `fraud` is false */
    int64_t known_at_us;
};

/* A version of the rules, with a learned scorecard or without one: what judges, what judged, what
 * somebody proposes. Its two texts are read beside it; they and the hash never change. The same
 * texts may be proposed again later and are a version of their own then. */
struct rule_set {
    int64_t number;                 /* dense from 1, in the order of the proposals */
    uint8_t hash[CHAIN_HASH_BYTES]; /* of both texts, see bank_rules_hash */
    int32_t state;                  /* enum rules_state; at most one is active */
    int64_t rules;                  /* how many */
    bool    has_card;
    int64_t author; /* user number; 0 = operator */
    int64_t proposed_at_us;
    int64_t approver;       /* user number; 0 = operator, or nobody yet */
    int64_t approved_at_us; /* since then it judges or judged; 0 = it never did */
    int64_t ended_at_us;    /* superseded or withdrawn; 0 = neither */
    char    reason[LIMIT_REASON_MAX + 1]; /* the author's */
};

/* The newest link of the chain; a signature of it now and then. */
struct chain_head {
    int64_t sequence;
    uint8_t hash[CHAIN_HASH_BYTES];
};

struct signed_head {
    struct chain_head head;
    int64_t           at_us;
    uint8_t           signature[SIGNATURE_BYTES]; /* Ed25519 over sequence and hash, see chain.h */
};

/* Small things that people write and that nothing is computed from in bulk: entries of lists,
 * notes, cases, settings. What they say is a message of proto/messages.def, encoded; what they are
 * found by stands beside it. A record is never deleted; its kind has a state for that. */
enum record_kind {
    RECORD_ANY = 0, /* in filters */
    RECORD_SETTING = 1,
    RECORD_SCREENING = 2,
    RECORD_SUPPRESSION = 3,
    RECORD_NOTIFICATION = 4,
    RECORD_PROPOSAL = 5,
    RECORD_ALERT_NOTE = 6,
    RECORD_CASE = 7,
    RECORD_CASE_ITEM = 8,
    RECORD_STEPPED_RULE = 9,
    RECORD_ALERT_COUNTERS = 10,
    RECORD_FINDING = 11,
    RECORD_KIND_END,
};

struct record {
    int64_t     number; /* from 1, one count for all kinds */
    int32_t     kind;   /* enum record_kind */
    int32_t     state;  /* in the kind's own words; 0 is none of them */
    struct uuid id;
    int64_t     about;     /* number of what it belongs to, as its kind says; 0 = nothing */
    int64_t     due_at_us; /* when it must be looked at; 0 = never */
    int64_t     version;   /* 1 when it is new, and 1 more with each change */
    int64_t     created_at_us;
    int64_t     created_by; /* user number; 0 = system */
    uint32_t    body_size;
    uint8_t     body[LIMIT_RECORD_BODY_MAX];
};

/* --- rollups: figures kept in the same commit ----------------------------------------------- */

enum rollup_scale {
    ROLLUP_ALL = 0,  /* bucket 0: what is true now */
    ROLLUP_DAY = 1,  /* bucket = days since 1970-01-01 of the transaction's at_us */
    ROLLUP_HOUR = 2, /* bucket = hours since 1970-01-01 00:00 */
};

/* Metrics. Those of a transaction are at its own time (at_us) in DAY and HOUR; those marked "now"
 * only in ALL. Amounts in the cell's currency; currency 0 where it has no meaning. */
enum rollup_metric {
    METRIC_INTO = 1,       /* completed or reversed: into customers' accounts from the bank's own */
    METRIC_OUT_OF = 2,     /* completed or reversed: out of customers' accounts to the bank's own */
    METRIC_FLAGGED = 3,    /* flagged transactions; also ALL */
    METRIC_HIGH_VALUE = 4, /* amount >= high-value threshold */
    METRIC_LARGE = 5,      /* amount >= reporting threshold */
    METRIC_ALERTS = 6,     /* alerts raised */
    METRIC_BAND = 7,       /* + 0..4: score bands 0-199, 200-399, 400-599, 600-799, 800-1000 */
    METRIC_GIVEN_UP = 12,  /* no alerts, though the rules' own threshold would raise them; DAY */
    METRIC_GIVEN_UP_LOSS = 13, /* the same; amount = expected loss */
    METRIC_ACCOUNTS = 16,  /* + enum account_status: customers' accounts, now; count */
    METRIC_BALANCE = 20,   /* customers' balances, now; amount */
    METRIC_CUSTOMERS = 21, /* now; count */
    METRIC_VERIFIED = 22,  /* customers whose identity is proved, now; count */
    METRIC_HELD = 23,      /* held transactions, now; count and amount */
    METRIC_ALERTS_OPEN = 24,  /* alerts without a decision, now; count */
    METRIC_TRANSACTIONS = 64, /* + type * 8 + status (present status) */
};

static inline uint16_t metric_of_transaction(int32_t type, int32_t status)
{
    return (uint16_t)(METRIC_TRANSACTIONS + type * 8 + status);
}
static inline uint16_t metric_of_score(int32_t score)
{
    return (uint16_t)(METRIC_BAND + (score >= 800 ? 4 : score / 200));
}

struct rollup_key {
    uint8_t  scale;
    uint16_t currency;
    uint16_t metric;
    int32_t  bucket;
};

struct rollup {
    struct rollup_key key;
    int64_t           count; /* in a change: what is added */
    int64_t           amount;
};

#endif
