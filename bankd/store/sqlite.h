/* What the files of the SQLite store share: the handle, and short ways to bind and read columns.
 * Private to bankd/store/sqlite*.c.
 *
 * A statement is used between `sqlite_use` and `sqlite_done`; a walk whose visitor calls back into
 * the same walk would find its statement in use, which is a programmer's error. Errors while
 * binding are kept in the handle and come out with the step. */
#ifndef BANKD_STORE_SQLITE_H
#define BANKD_STORE_SQLITE_H

#include "bankd/store/group.h"
#include "bankd/store/store.h"

struct sqlite3;
struct sqlite3_file;
struct sqlite3_stmt;
struct sqlite3_vfs;

enum sqlite_sql {
#define SQL(name, text) SQL_##name,
#include "bankd/store/sqlite_sql.def"
#undef SQL
    SQL_count
};

/* The smallest of the largest transactions of a day, so that most postings need no look. */
struct top_cell {
    int64_t  smallest;
    int32_t  day;
    uint16_t currency;
    uint8_t  count;
    bool     known;
};

enum { TOP_CELLS = 1024, KEPT_INTS = 32 };

/* What is bound to a parameter of SQL_transaction_insert. */
struct kept_int {
    bool    bound;
    int64_t value;
};

/* Where a statement over the table `chain` stands: see sqlite_chain.c. */
struct sqlite_chain {
    int64_t next;    /* sequence that comes next; 0 = the end */
    int64_t present; /* the one that is looked at */
};

struct sqlite_store {
    struct store         base;
    struct sqlite3      *db;
    struct sqlite3_stmt *statements[SQL_count];
    enum store_mode      mode;
    bool                 examine; /* a handle for proofs */
    int                  lock_fd; /* -1 = no lock taken */
    int                  file_fd; /* of the locked database file; -1 = none */
    bool                 snapshot;
    bool                 stuck; /* in a snapshot that could not be ended */
    struct sqlite_chain  chain; /* the one that is followed */
    struct group        *group; /* of a writing handle */
    int64_t              commits;
    int64_t              log_pages;
    int64_t              version_asked;   /* data_version when `changed` was last asked */
    int64_t              version_applied; /* data_version when the cells below were right */
    struct top_cell      top[TOP_CELLS];
    struct kept_int      kept[KEPT_INTS];
};

static inline struct sqlite_store *sqlite_of(struct store *store)
{
    return (struct sqlite_store *)(void *)store;
}

/* SQLite's result code as an error of ours. */
enum err sqlite_err(int rc);
/* The same, with SQLite's own words in the fault. */
enum err sqlite_fault(struct sqlite_store *store, int rc, struct fault *fault);

/* sqlite_page.c: the VFS that puts check bytes on every page of the file. */
const char *sqlite_page_vfs(void);
/* From now on pages whose check bytes do not fit are noted and handed out all the same. */
struct page_damage {
    bool    examined;
    bool    others; /* than the first one */
    int64_t first;  /* number of the first such page, from 1; 0 = none */
};
int sqlite_page_examine(struct sqlite3 *db);
int sqlite_page_damage(struct sqlite3 *db, struct page_damage *out);
/* A database that is to be made gets check bytes; comes before its first page is written. */
int sqlite_page_prepare(struct sqlite3 *db);
/* How this handle writes the file: all of it before one sync, or synced lot by lot, so that syncs
 * of the log never wait for much; with rests between the lots or without. */
enum page_pace { PACE_NONE, PACE_LOTS, PACE_RESTS };
int sqlite_page_pace(struct sqlite3 *db, enum page_pace pace);
/* The target of a copy has check bytes when the source has. */
int sqlite_page_same(struct sqlite3 *source, struct sqlite3 *target);

/* The pages of the file, and the frames of its log: a head and a page each, behind the log's own
 * head. */
enum {
    SQLITE_PAGE_BYTES = 4096,
    SQLITE_LOG_HEAD = 32,
    SQLITE_FRAME_HEAD = 24,
    SQLITE_FRAME_BYTES = SQLITE_FRAME_HEAD + SQLITE_PAGE_BYTES,
};
/* A write by the system's VFS, which knows of no other full disk than ENOSPC. */
int sqlite_disk_write(struct sqlite3_file *file, const void *bytes, int n, long long at);
/* Puts the check bytes on a page; whether they fit, or the page is of zeros. Numbers from 1. */
void sqlite_page_stamp(uint8_t *page, uint32_t number);
bool sqlite_page_fits(const uint8_t *page, uint32_t number);
/* Reads by the system's own method. What the disk refuses to give out, SQLite calls a damaged file
 * (SQLITE_IOERR_CORRUPTFS), and the file may be whole: that is a failed read here, and damage is
 * only what the check bytes or the structure tell. */
int sqlite_read(struct sqlite3_file *file, void *out, int n, int64_t at);
/* Of the file that a log belongs to, one of this VFS: whether its pages have check bytes, whether
 * those of its log do since it was moved to this layout, and what a page that does not fit leads
 * to, as a result of SQLite's. */
bool sqlite_page_checked(struct sqlite3_file *main);
bool sqlite_page_sealed(struct sqlite3_file *main);
int  sqlite_page_misfit(struct sqlite3_file *main, uint32_t number);
/* Changes whenever the handle becomes the writer, or ends being it. */
int64_t sqlite_page_turns(struct sqlite3_file *main);
/* Whether the handle's file says so. */
int sqlite_page_is_sealed(struct sqlite3 *db, bool *sealed);

/* sqlite_frame.c: where the writer of a log stands. */
struct frame_sums {
    uint32_t a, b;
};
struct frame_seal {
    bool              started;
    bool              big_endian;
    bool              in_row; /* the next frame goes on from the last one, if it is at `next` */
    long long         next;
    int64_t           turn;       /* in which it wrote the last one */
    struct frame_sums shift;      /* of the sums in the log from those that SQLite knows */
    struct frame_sums of_a, of_b; /* what a frame makes of a shift by 1 */
};
/* `log_head` is how the log begins; again whenever the log begins anew. */
void sqlite_frame_start(struct frame_seal *seal, const uint8_t *log_head);
bool sqlite_frame_goes_on(const struct frame_seal *seal, long long at);
bool sqlite_frame_has_sums(const uint8_t *frame);
/* `sums_before` are the 8 bytes of sums in the frame (or the log's head) before one that does not
 * go on; otherwise NULL. */
void sqlite_frame_seal(struct frame_seal *seal, uint8_t *frame, long long at,
                       const uint8_t *sums_before);

/* sqlite_chain.c: the table whose rows are the sequences that `chain` is told, one by one. */
int sqlite_chain_register(struct sqlite3 *db, struct sqlite_chain *chain);

/* sqlite_gather.c: opens a log by the system's VFS, as a file of so many bytes. `main` is the file
 * that it belongs to, as sqlite_page.c made it, or NULL for a log of anything. */
int sqlite_gather_open(struct sqlite3_vfs *system, const char *name, struct sqlite3_file *main,
                       struct sqlite3_file *file, int flags, int *out_flags);
int sqlite_gather_bytes(const struct sqlite3_vfs *system);

/* sqlite_expect.c: ERR_storage_behind when the store lacks what it is known to have had. NULL =
 * nothing is known. Works on the tables of every version. */
ERR_MUST_USE enum err sqlite_expect(struct sqlite_store *store, const struct store_expect *expect,
                                    struct fault *fault);

/* sqlite_log.c: ERR_storage_corrupt when the log of this name has lost commits that were done.
 * Nobody may write it meanwhile. */
ERR_MUST_USE enum err sqlite_log_check(const char *name, struct fault *fault);

/* --- statements ------------------------------------------------------------------------------ */

/* A statement while its parameters are bound or its columns are read, one after the other. */
struct row {
    struct sqlite3_stmt *statement;
    int                  at; /* column or parameter that comes next */
    int                  rc; /* first error while binding */
};

struct row sqlite_use(struct sqlite_store *store, enum sqlite_sql sql);
void       sqlite_done(struct row *row);
/* ERR_none: a row is there and row->at is at its first column. ERR_not_found: no row (any more). */
ERR_MUST_USE enum err sqlite_step(struct row *row);
/* Steps a statement that gives no rows, and is done with it; the plain SQLite result code. */
ERR_MUST_USE int sqlite_run(struct row *row);
int              sqlite_exec(struct sqlite_store *store, enum sqlite_sql sql);

void bind_int(struct row *row, int64_t value);
void bind_text(struct row *row, const char *text);
void bind_slice(struct row *row, struct slice text);
void bind_bytes(struct row *row, const void *bytes, size_t n);

int64_t row_int(struct row *row);
void    row_text(struct row *row, char *out, size_t size);
/* Fills up with zeros what the column is short of; returns how many bytes it had. */
size_t row_bytes(struct row *row, void *out, size_t size);

/* --- rows ------------------------------------------------------------------------------------ */

void read_user(struct row *row, struct user *out);
void read_customer(struct row *row, struct customer *out);
void read_book(struct row *row, struct account_book *out);
void read_account(struct row *row, struct account *out);
void read_party(struct row *row, struct party *out);
void read_transaction(struct row *row, struct transaction *out);
void read_listed(struct row *row, struct transaction *out); /* see transaction_filter */
void read_alert(struct row *row, struct alert *out);
void read_rule_set(struct row *row, struct rule_set *out);
void read_hit(struct row *row, struct alert_hit *out);
void read_label(struct row *row, struct label *out);
void read_record(struct row *row, struct record *out);
void read_audit(struct row *row, struct audit *out);
void read_head(struct row *row, struct chain_head *out);

/* A snapshot for one call that needs several statements; nothing when one is held already. */
ERR_MUST_USE enum err sqlite_snapshot(struct sqlite_store *store, bool *begun);
void                  sqlite_snapshot_over(struct sqlite_store *store, bool begun);
ERR_MUST_USE enum err sqlite_data_version(struct sqlite_store *store, int64_t *version);

/* --- the operations, as in store.h ----------------------------------------------------------- */

enum err sqlite_apply(struct store *store, const struct commit *commit, size_t *failed,
                      struct fault *fault);
enum err sqlite_numbers(struct store *store, struct store_numbers *out);

enum err sqlite_user_by_email(struct store *store, struct slice email, struct user *out);
enum err sqlite_user_by_number(struct store *store, int64_t number, struct user *out);
enum err sqlite_customer_by_id(struct store *store, const struct uuid *id, struct customer *out);
enum err sqlite_customer_by_external(struct store *store, struct slice id, struct customer *out);
enum err sqlite_customer_by_number(struct store *store, int64_t number, struct customer *out);
enum err sqlite_book_by_id(struct store *store, const struct uuid *id, struct account_book *out);
enum err sqlite_book_by_number(struct store *store, int64_t number, struct account_book *out);
enum err sqlite_account_by_number(struct store *store, int64_t number, struct account *out);
enum err sqlite_account_name(struct store *store, int64_t number, struct uuid *id, char *name);
enum err sqlite_account_by_external(struct store *store, struct slice id, struct account *out);
enum err sqlite_account_of_bank(struct store *store, int32_t kind, uint16_t currency,
                                struct account_book *out);
enum err sqlite_party_by_key(struct store *store, struct slice key, struct party *out);
enum err sqlite_party_by_number(struct store *store, int64_t number, struct party *out);
enum err sqlite_transaction_by_id(struct store *store, const struct uuid *id,
                                  struct transaction *out);
enum err sqlite_transaction_by_sequence(struct store *store, int64_t sequence,
                                        struct transaction *out);
enum err sqlite_alert_by_id(struct store *store, const struct uuid *id, struct alert *out);
enum err sqlite_alert_by_transaction(struct store *store, int64_t sequence, struct alert *out);
enum err sqlite_alerted_until(struct store *store, int64_t sequence, int64_t *out);
enum err sqlite_label_by_transaction(struct store *store, int64_t sequence, struct label *out);
enum err sqlite_audit_by_sequence(struct store *store, int64_t sequence, struct audit *out);
enum err sqlite_record_by_id(struct store *store, int32_t kind, const struct uuid *id,
                             struct record *out);
enum err sqlite_record_by_number(struct store *store, int64_t number, struct record *out);
enum err sqlite_rule_set_get(struct store *store, int64_t number, struct rule_set *out,
                             struct buf *text, struct buf *card);
enum err sqlite_rule_set_by_hash(struct store *store, const uint8_t hash[CHAIN_HASH_BYTES],
                                 struct rule_set *out);
enum err sqlite_profile_get(struct store *store, int64_t entity, int64_t *last_sequence,
                            void *bytes, size_t size, size_t *n);

enum err sqlite_users(struct store *store, store_visit *visit, void *context);
enum err sqlite_customers(struct store *store, int64_t before_number, struct slice search,
                          store_visit *visit, void *context);
enum err sqlite_accounts(struct store *store, const struct account_filter *filter,
                         store_visit *visit, void *context);
enum err sqlite_parties(struct store *store, store_visit *visit, void *context);
enum err sqlite_transactions(struct store *store, const struct transaction_filter *filter,
                             store_visit *visit, void *context, int64_t *stopped_at);
enum err sqlite_held(struct store *store, int64_t expires_before_us, store_visit *visit,
                     void *context);
enum err sqlite_alerts(struct store *store, const struct alert_filter *filter, store_visit *visit,
                       void *context);
enum err sqlite_alert_hits(struct store *store, int64_t alert, store_visit *visit, void *context);
enum err sqlite_audits(struct store *store, const struct audit_filter *filter, store_visit *visit,
                       void *context, int64_t *stopped_at);
enum err sqlite_records(struct store *store, const struct record_filter *filter, store_visit *visit,
                        void *context);
enum err sqlite_rule_sets(struct store *store, const struct rule_set_filter *filter,
                          store_visit *visit, void *context);
enum err sqlite_rollups(struct store *store, const struct rollup_range *range, store_visit *visit,
                        void *context);
enum err sqlite_days(struct store *store, int32_t *first, int32_t *last);
enum err sqlite_top(struct store *store, int32_t day, uint16_t currency, store_visit *visit,
                    void *context);
enum err sqlite_labels(struct store *store, store_visit *visit, void *context);
enum err sqlite_signed_heads(struct store *store, int64_t behind, store_visit *visit,
                             void *context);

#endif
