/* A bank for tests of the console: the other end of a link, with a clock that stands still until a
 * test moves it. It answers every operation from made-up but steady data, keeps what was asked,
 * and can be told to stay silent, to refuse, to lose an answer or to be away. */
#ifndef TESTS_LIB_FAKE_BANK_H
#define TESTS_LIB_FAKE_BANK_H

#include "bankterm/link.h"
#include "bankterm/record.h"
#include "common/clock.h"

enum { FAKE_QUEUE_MAX = 128, FAKE_CALLS_MAX = 512, FAKE_POSTED_MAX = 32 };

struct fake_call {
    enum op_index op;
    uint64_t      ticket;
};

struct fake_bank {
    struct clock      clock; /* first: the clock's functions find the bank by it */
    int64_t           now;
    int64_t           monotonic;
    enum net_state    state;
    enum role         role; /* whose password is right */
    bool              logged_in;
    bool              silent;        /* asks are kept and not answered until fake_answer */
    bool              lose_next;     /* the next change is done, its answer lost */
    bool              delay_next;    /* the next payment is lost, and comes with fake_arrive */
    enum err          refuse_next;   /* the next request is refused */
    int               refuse_undo;   /* so many of the next ones */
    bool              refuse_second; /* of several alerts that are decided together */
    int64_t           hits_seen[LIMIT_ALERT_BULK_MAX]; /* that the console sent with them */
    uint64_t          tickets;
    struct net_result queue[FAKE_QUEUE_MAX];
    struct record     requests[FAKE_QUEUE_MAX]; /* of the queued answers */
    int               queued;
    struct fake_call  calls[FAKE_CALLS_MAX];
    int               call_count;
    struct record     last_create; /* newest transaction.create */
    int               create_count;
    struct uuid       posted[FAKE_POSTED_MAX];
    int               posted_count;
    int               moved; /* how often money moved */
    int               transactions;
    int               alerts; /* open ones; new ones come on top */
    int               taken;  /* 1 + number of the alert that was given out; 0: none */
    bool              notices_read;
    int64_t           valve_share_bp; /* as it was set last */
    uint64_t          decided;        /* bit n: the alert of this number */
    int               export_pieces;
    char              hostile_name[64]; /* replaces every account's name when not empty */
    struct record     request;          /* of the answer that is being made */
    struct arena      arena;
    bool              logout_asked;
    int32_t           case_state; /* of the first case */
    int64_t           era_us;     /* added to the times of transactions */
};

void        fake_open(struct fake_bank *bank, enum role role);
void        fake_close(struct fake_bank *bank);
void        fake_arrive(struct fake_bank *bank); /* the payment that delay_next held back */
struct link fake_link(struct fake_bank *bank);
int         fake_count(const struct fake_bank *bank, enum op_index op);
/* The link changes its state and says so. */
void fake_state(struct fake_bank *bank, enum net_state state);
/* A new alert is raised and told. */
void fake_alert(struct fake_bank *bank);
void fake_ledger(struct fake_bank *bank);
/* The newest back test tells how far it is. */
void fake_work(struct fake_bank *bank, int64_t done, int64_t total);
/* Everybody of the role is told something. */
void fake_notification(struct fake_bank *bank, const char *role);
void fake_session_end(struct fake_bank *bank, const char *why);
/* The id of the n-th made-up record of a kind ('t', 'a', 'l', 'c'). */
struct uuid fake_id(char kind, int n);

#endif
