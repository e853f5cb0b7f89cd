/* The inside of the writer, shared by writer.c (group, caches, commit), writer_post.c (money in),
 * writer_alert.c and writer_weigh.c (alerts), writer_decide.c (findings and what they do to
 * holds), writer_expire.c (time) and writer_save.c (profiles behind the commits). Nobody else
 * includes it. */
#ifndef BANKD_WRITER_IMPL_H
#define BANKD_WRITER_IMPL_H

#include "bankd/cache.h"
#include "bankd/controls.h"
#include "bankd/profile.h"
#include "bankd/recent.h"
#include "bankd/shelf.h"
#include "bankd/writer.h"

enum {
    WRITER_PARTIES_MAX = 32768,
    WRITER_AT_WORK_MAX = 16384, /* profiles in the form that the engine works on */
    WRITER_PACKED_BYTES = 512,  /* room on the shelf for each of the others */
    WRITER_SHELF_MIN = 1024,
    WRITER_LOT_MAX = 2048, /* profiles saved with one commit */
    WRITER_LOT_SMALL = 64, /* of them under load, each quarter of a second */
    WRITER_SAVE_EVERY_US = 250 * 1000,
    WRITER_UNSAVED_MAX = 4096, /* transactions that a profile may be ahead of its row */
    WRITER_URGENT_MAX = 1024,
    WRITER_ID_SLOTS = 4096,    /* open addressing for the ids of one group */
    WRITER_ALERT_SLOTS = 4096, /* the same for the accounts of its alerts */
    WRITER_CURRENCIES_MAX = 32,
    /* Of one group: people write them, one at a time, but an import may replace many findings. */
    WRITER_RECORDS_MAX = 512,
};

static_assert(LIMIT_BATCH_MAX * 2 <= WRITER_ID_SLOTS, "the ids of a group must fit loosely");
static_assert(LIMIT_BATCH_MAX * 2 <= WRITER_ALERT_SLOTS, "its alerts too");

struct book_slot {
    struct account_book book;
    char                name[LIMIT_NAME_MAX + 1];
};

struct id_slot {
    struct uuid id;
    int64_t     number;
};

struct party_slot {
    struct party party;
};

struct profile_slot {
    struct fraud_profile profile;
    struct shelf_note    note;
};

struct event_slot {
    enum event_index event;
    struct buf       bytes;
};

enum { LABEL_PROFILES = 2 }; /* that one finding changes */

/* A finding whose every question has been answered, so that nothing fails when it is made. */
struct label_plan {
    int64_t              entities[LABEL_PROFILES];
    struct profile_slot *slots[LABEL_PROFILES];
    struct label         before;
    bool                 replaces;
};

/* What becomes of one transaction when a finding comes or is taken back. */
enum label_act { LABEL_KEEP, LABEL_NOT_FRAUD, LABEL_FRAUD, LABEL_WITHDRAW };

struct ending {
    struct transaction row;
    struct alert_hit   hit;    /* number 0 = it has no alert */
    int32_t            status; /* afterwards; 0 = as it is */
    bool               flagged;
    enum label_act     label_act;
    struct label_plan  label;
};

/* Books as the endings of one act leave them one after the other, to see that all of them fit. */
struct ending_books {
    size_t              count;
    struct account_book rows[2 * LIMIT_ALERT_HITS_MAX];
};

struct writer {
    struct writer_config      config;
    struct store             *store;
    const struct fraud_rules *rules;
    const struct fraud_rules *next_rules; /* judge from the commit on; NULL = no change */
    int64_t                   next_rule_set;
    struct store_numbers      numbers;   /* newest in use, planned acts included */
    struct chain_head         committed; /* the chain as the store has it */
    int64_t                   commits;
    int64_t                   signed_at_us;
    int64_t                   signed_sequence;
    uint8_t                   hash_key[16];
    struct uuid               hashed_id; /* the id that was hashed last, and its hash */
    int64_t                   hash_of_id;

    struct cache  *books;    /* by number */
    struct cache  *ids;      /* by hash of the account's id */
    struct cache  *parties;  /* by hash of the key */
    struct cache  *profiles; /* by entity: those at work */
    struct shelf  *shelf;    /* the others, packed */
    struct recent *recent;

    /* Saving, see writer_save.c. */
    int64_t            *pass; /* entities to be saved, in order */
    size_t              pass_count, pass_at;
    int64_t            *next; /* those that changed since the pass began */
    size_t              next_count;
    size_t              waiting_max;
    int64_t             urgent[WRITER_URGENT_MAX];
    size_t              urgent_count;
    int64_t             saved_at_us;
    struct profile_row  lot[WRITER_LOT_MAX];
    struct shelf_note  *lot_notes[WRITER_LOT_MAX];
    uint8_t             lot_bytes[WRITER_LOT_MAX][LIMIT_PROFILE_BYTES];
    size_t              lot_count;
    size_t              lot_taken; /* from the pass */
    struct profile_slot leaving;   /* on its way to the shelf */

    /* The group. */
    struct draft  *drafts; /* LIMIT_BATCH_MAX */
    struct change *changes[LIMIT_BATCH_MAX];
    size_t         count;
    struct {
        struct uuid id;
        uint32_t    draft; /* 1 + index; 0 = empty */
    } group_ids[WRITER_ID_SLOTS];
    uint32_t       updates[LIMIT_BATCH_MAX]; /* the drafts that change stored transactions */
    size_t         update_count;
    struct record *records; /* WRITER_RECORDS_MAX */
    size_t         record_count;
    struct {
        int64_t  account; /* 0 = empty */
        uint32_t draft;   /* 1 + index of the newest draft that writes an alert of it */
    } group_alerts[WRITER_ALERT_SLOTS];
    struct event_slot events[WRITER_EVENTS_MAX];
    size_t            event_count;
    bool              looking; /* the store holds a snapshot for the planning of this group */

    struct transaction found; /* row of a repeated post */

    struct ending       endings[LIMIT_ALERT_HITS_MAX]; /* of the decision that is being planned */
    struct ending_books ending_books;
    /* Controls, see writer_control.c. */
    struct controls    *controls;
    bool                controls_stale;   /* they are not as the store has them: read again */
    bool                controls_touched; /* by this group */
    bool                tripped;          /* a rule is to be stepped down */
    struct control_trip trip;
    int64_t             budget_at_us;   /* when it was looked at last */
    int64_t             counters_at_us; /* when they were written last */
    /* Alerts that were weighed by points alone, see writer_weigh.c. */
    int64_t             weighed;      /* the last alert that was looked at */
    int64_t             weighed_from; /* where this group began */
    bool                all_weighed;
    struct arena        scratch;
};

/* Keyed, so that nobody outside can foresee it. */
int64_t writer_hash(const struct writer *writer, const void *bytes, size_t n);
/* writer_alert.c: the alerts of this group, found by account; and what a suspicious post does. */
void writer_alert_remember(struct writer *writer, struct draft *draft);
/* The alert of the account that another hit joins; number 0 when one must be raised. */
ERR_MUST_USE enum err writer_alert_waiting(struct writer *writer, int64_t account,
                                           struct alert *out);
/* Puts the hit into the draft, and the alert: new when its number is 0, else in its next version.
 * `weight` is the verdict's. */
void writer_alert_hit(struct writer *writer, struct draft *draft, const struct alert *waiting,
                      int64_t account, int64_t at_us, int32_t weight);
ERR_MUST_USE enum err writer_alert_by_transaction(struct writer *writer, int64_t sequence,
                                                  struct alert *out);
void                  writer_alert_tell(struct writer *writer, const struct alert *alert,
                                        const struct transaction *row,
                                        const struct uuid *account_id, struct slice text);

/* writer_label.c: what writer_label does, in two halves; `more` findings of the same act are still
 * to be prepared for. */
ERR_MUST_USE enum err writer_label_prepare(struct writer *writer, const struct transaction *row,
                                           size_t more, struct label_plan *out);
/* The two profiles of the plan see the release, which is the draft's audit entry. */
void writer_label_release(struct writer *writer, const struct draft *draft,
                          const struct transaction *row, const struct label_plan *plan,
                          const struct account_book *debit, const struct account_book *credit);
void writer_label_make(struct writer *writer, struct draft *draft, const struct transaction *row,
                       const struct label_plan *plan, enum label_act act, int64_t known_at_us);

/* The draft of this group that has the transaction id, or NULL. */
struct draft *writer_group_find(struct writer *writer, const struct uuid *id);
/* Changes a transaction as it was read into what the acts of this group leave of it. */
void writer_transaction_newest(const struct writer *writer, struct transaction *row);
/* Whether the store may have a transaction with this id. */
bool writer_may_have(struct writer *writer, const struct uuid *id);
void writer_group_remember(struct writer *writer, const struct uuid *id, const struct draft *draft);

/* The party of a key; one that the bank does not know yet has number 0 until a draft takes it. */
ERR_MUST_USE enum err writer_party(struct writer *writer, struct slice key, int64_t now_us,
                                   struct party **out);
/* The profile of an entity whose newest transaction is `newest` (0 = none), at work and pinned. */
ERR_MUST_USE enum err writer_profile(struct writer *writer, int64_t entity, int64_t newest,
                                     struct profile_slot **out);
void writer_profile_changed(struct writer *writer, int64_t entity, struct profile_slot *slot,
                            int64_t sequence);

/* Like writer_profile_changed, for what must not wait: it goes with the commit of this group. The
 * caller has looked for two free places in `urgent`. */
void writer_profile_urgent(struct writer *writer, int64_t entity, struct profile_slot *slot);

ERR_MUST_USE enum err writer_saving_open(struct writer *writer, size_t profiles);
void                  writer_saving_close(struct writer *writer);
void                  writer_saving_forget(struct writer *writer);
/* Chooses the profiles that go with the next commit, and believes that they went. */
void   writer_lot_collect(struct writer *writer, int64_t now_us, bool idle);
void   writer_lot_saved(struct writer *writer);
size_t writer_waiting(const struct writer *writer); /* profiles to be saved */

/* Memory and records of the controls; the rules are bound. */
ERR_MUST_USE enum err writer_controls_open(struct writer *writer);
/* What their counters knew before the daemon went down (writer_recount.c); once, at its start. */
ERR_MUST_USE enum err writer_controls_recount(struct writer *writer);
/* Other rules judge from now on: what names a rule finds it again. */
void writer_controls_bind(struct writer *writer);
/* Reads them again when a failed commit has made them stale. */
ERR_MUST_USE enum err writer_controls_fresh(struct writer *writer);
void                  writer_controls_forget(struct writer *writer);
/* Counts the verdict; when the safety valve opens, the rule is stepped down by writer_step_down. */
void writer_controls_count(struct writer *writer, const struct draft *draft, bool history,
                           const struct fraud_verdict *verdict);
/* Plans what the valve wants; without room in the group it waits for the next call. */
void writer_step_down(struct writer *writer);
/* Weighs some of the alerts anew that stand at the queue's end for want of points; once all of them
 * have been looked at it does nothing any more. */
ERR_MUST_USE enum err writer_weigh(struct writer *writer);
void                  writer_weigh_forget(struct writer *writer); /* the group came to nothing */
/* Ends entries and suppressions whose time has come, and moves the thresholds. */
ERR_MUST_USE enum err writer_controls_expire(struct writer *writer);
/* Plans to write the counters when there is something new in them. */
ERR_MUST_USE enum err writer_controls_save(struct writer *writer);

/* Moves the cells of a transaction's present status; sign is +1 or -1. */
void writer_count_status(struct draft *draft, const struct transaction *row, int32_t status,
                         const struct account_book *debit, const struct account_book *credit,
                         int sign);
void writer_count_balances(struct draft *draft, const struct account_book *before,
                           const struct account_book *after);

#endif
