/* Every limit of the project, named once. Relations between limits are asserted at the end.
 *
 * A limit that a client can meet answers with an error that names it; a limit that only our own
 * code could meet is a CHECK. Sizes are bytes, times say their unit in the name. */
#ifndef COMMON_LIMITS_H
#define COMMON_LIMITS_H

#include <assert.h>
#include <stdint.h>

/* Texts of the bank's records, in bytes of UTF-8. */
enum {
    LIMIT_NAME_MAX = 120,
    LIMIT_EMAIL_MAX = 120,
    LIMIT_PASSWORD_MIN = 7,
    LIMIT_PASSWORD_MAX = 128,
    LIMIT_DESCRIPTION_MAX = 140,
    LIMIT_REASON_MAX = 200,
    LIMIT_NOTE_MAX = 500,
    LIMIT_EXTERNAL_ID_MAX = 64,
    LIMIT_PARTY_KEY_MAX = 64,
    LIMIT_SEARCH_MAX = 80,
    LIMIT_DETAIL_MAX = 400,
    LIMIT_HASH_TEXT_MAX = 160, /* a password hash in its text form */
};

/* Protocol. */
enum {
    LIMIT_MESSAGE_MAX = 64 * 1024,        /* one request; more is refused with message_too_large */
    LIMIT_MESSAGE_LARGE_MAX = 528 * 1024, /* one request that may bring texts of rules along */
    LIMIT_LARGE_REQUESTS_MAX = 16,        /* such requests at one time; more are told to wait */
    LIMIT_WIRE_MAX = 16 * 1024 * 1024,    /* what the socket takes, so as to tell the refusal */
    LIMIT_EVENTS_WIRE_MAX = 640,          /* from a client of the events: a topic, or a handshake */
    LIMIT_REPLY_MAX = 1024 * 1024,        /* one reply */
    LIMIT_DEPTH_MAX = 8,                  /* nested maps and lists */
    LIMIT_FIELDS_MAX = 64,                /* of one message */
    LIMIT_PAGE_ROWS_MAX = 500,            /* of one list */
    LIMIT_PAGE_ROWS_DEFAULT = 50,
    LIMIT_TREND_POINTS_MAX = 800,
    LIMIT_TOP_ROWS_MAX = 50,
    LIMIT_REASONS_MAX = 16,
    LIMIT_CURSOR_MAX = 64,
    LIMIT_REQUEST_ARENA = 1024 * 1024,    /* memory of one request, given back with its reply */
};

/* Sessions and logins. */
enum {
    LIMIT_SESSIONS_MAX = 1024,
    LIMIT_SESSIONS_PER_USER_MAX = 32,
    LIMIT_TOKEN_BYTES = 32,
    LIMIT_LOGIN_QUEUE_MAX = 64,
    LIMIT_LOGIN_FAILURES_MAX = 5,         /* of one address, before it is locked for a while */
    LIMIT_LOGIN_TRACKED_MAX = 4096,       /* addresses whose failures are remembered */
};

/* Queues and batches of the daemon. */
enum {
    LIMIT_WRITER_QUEUE_MAX = 8192,
    LIMIT_READER_QUEUE_MAX = 1024,
    LIMIT_COMMIT_SLOW_US = 50 * 1000,     /* a commit that takes longer is told in the log */
    LIMIT_NAMES_KEPT = 128 * 1024,        /* of accounts, for lists; 8 MiB */
    LIMIT_BATCH_MAX = 1024,               /* changes of one commit */
    LIMIT_CHANGE_ACCOUNTS_MAX = 4,        /* account rows that one change touches */
    LIMIT_CHANGE_TRANSACTIONS_MAX = 2,    /* transactions that one change updates */
    LIMIT_CHANGE_RULE_SETS_MAX = 2,       /* versions of the rules whose state one change moves */
    LIMIT_CHANGE_ROLLUPS_MAX = 32,        /* rollup cells that one change moves */
    LIMIT_CASE_TITLE_MAX = 120,
    LIMIT_CASE_ITEMS_MAX = 10000, /* notes and evidence of one case */
    LIMIT_CHANGE_RECORDS_MAX = 8,         /* records that one change writes */
    LIMIT_CHANGE_MARKS_MAX = 14,          /* of one audit entry: records, accounts, a user */
    LIMIT_RECORD_BODY_MAX = 4096,         /* bytes of what a record says */
    LIMIT_SYSTEM_ACCOUNTS_MAX = 16,       /* kinds of accounts of the bank itself */
    LIMIT_DECISION_MAX = 768,             /* stored features of one decision, and its controls */
    LIMIT_TOP_PER_DAY = 20,               /* largest transactions remembered for each day */
    LIMIT_PROFILE_BYTES = 1024,           /* one fraud profile */
    LIMIT_RULES_FILE_MAX = 256 * 1024,
    LIMIT_RULES_MAX = 128,
    LIMIT_RULE_NAME_MAX = 47,
    LIMIT_RULE_TAGS_MAX = 119,
    LIMIT_RULE_TEMPLATE_MAX = 159,        /* of a reason, before its values are put in */
    LIMIT_RULE_STEPS_MAX = 4096,          /* instructions of one rule set */
    LIMIT_RULE_STACK_MAX = 32,            /* nesting of one expression */
    LIMIT_RULE_VALUES_MAX = 1024,         /* values in all lists of one rule set */
    LIMIT_RULE_LISTS_MAX = 32,
    LIMIT_RULES_PROPOSED_MAX = 32,        /* versions that wait for approval or withdrawal */
    LIMIT_SUPPRESSIONS_PER_ACCOUNT = 8,   /* rules that one account is spared */
    LIMIT_SUPPRESSIONS_MAX = 8192,        /* in force, of all accounts */
    LIMIT_SUPPRESSION_DAYS = 90,          /* that one may last */
    LIMIT_SCREENING_MAX = 32768,          /* entries of the lists that are in force */
    LIMIT_SCREENING_PROPOSED_MAX = 256,   /* entries that wait for a second person */
    LIMIT_CURVES_MAX = 64,                /* parts of a scorecard that are shown */
    LIMIT_CURVE_POINTS_MAX = 4096,        /* ranges of one part */
};

/* Alerts as work. */
enum {
    LIMIT_ALERT_HITS_MAX = 32,        /* transactions that join one alert; then another is raised */
    LIMIT_ALERT_NOTES_MAX = 500,      /* of one alert */
    LIMIT_ALERT_BULK_MAX = 100,       /* alerts that one request decides */
    LIMIT_ALERT_LOCK_SECONDS = 900,   /* an analyst's lock, when the settings do not say */
    LIMIT_ALERT_ASSIGN_HOURS = 24,    /* the lock of a colleague who was assigned */
    LIMIT_ALERT_UNDO_SECONDS = 600,   /* a decision may be undone, when the settings do not say */
    LIMIT_ALERT_SNOOZE_DAYS = 30,
};

/* Minor units of one transaction: ten million million dollars, and nine thousand of them still fit
 * the sum of a day. */
#define LIMIT_AMOUNT_MAX INT64_C(1000000000000000)

/* What clients may cost. A reply beyond the bytes that its session has not collected is dropped. */
enum {
    LIMIT_UNREAD_BYTES_MAX = 8 * 1024 * 1024,        /* replies that a session has not collected */
    LIMIT_UNREAD_OWN_BYTES_MAX = 16 * 1024,          /* that only this connection can use up */
    LIMIT_UNREAD_DEAF_BYTES = 512 * 1024,            /* of one connection that no longer reads */
    LIMIT_UNREAD_ALL_BYTES_MAX = 256 * 1024 * 1024,  /* and all of them together */
    LIMIT_UNREAD_SPARES = 128,                       /* short replies that need no new memory */
    LIMIT_UNREAD_SPARE_BYTES = 2048,                 /* each of them */
    LIMIT_STRANGERS_BYTES = 256 * 1024 * 1024,       /* sudden growth, before strangers are cut */
    LIMIT_CONNECTION_BYTES = 32 * 1024,              /* ... more for each file that is open */
    LIMIT_GOOD_BYTES = 1024 * 1024 * 1024,           /* of the process, beside its caches */
    LIMIT_CALM_BYTES_PER_SECOND = 1024 * 1024,       /* growth that nobody is blamed for */
    LIMIT_SPARE_FILES = 8192,                        /* for those who come and cannot stay */
    LIMIT_FILES_MIN = 512,                           /* that a daemon may open, or it starts not */
    LIMIT_TOPICS_REFUSED_MAX = 4,                    /* of one connection, before it is cut */
    LIMIT_TOPICS_AT_ONCE = 256,                      /* wanted or not, of one connection ... */
    LIMIT_TOPICS_SECONDS = 10,                       /* ... in this time, before it is cut */
    LIMIT_TOPICS_QUEUE = 4,                          /* of one connection, that wait */
    LIMIT_LOST_SECONDS = 5,                          /* with topics of nobody alone; then cut */
    LIMIT_VISITS_PER_SECOND = 16,                    /* to the events, from one address */
    LIMIT_VISITS_AT_ONCE = 64,
    LIMIT_VISITS_ALL_PER_SECOND = 64,                /* ... and from all of them */
    LIMIT_VISITS_ALL_AT_ONCE = 512,
    LIMIT_OFFENCE_VISITS = 32,                       /* that one offence costs its address */
    LIMIT_OFFENCE_SECONDS_MAX = 10,                  /* that an address has to stay away */
    LIMIT_WRITE_WAIT_MS = 10 * 1000,                 /* in the queue; later it is refused undone */
    LIMIT_WRITER_STUCK_MS = 5 * 1000,                /* in one group; then nothing new is taken */
    LIMIT_LOGIN_WAIT_MS = 10 * 1000,
    LIMIT_LONG_WORK_MS = 60 * 60 * 1000,             /* a back test; it can be cancelled */
};

/* What one reading request looks at before it answers with what it has and a cursor. */
enum {
    LIMIT_SCAN_ROWS_MAX = 200 * 1000,      /* transactions of a list */
    LIMIT_AUDIT_SCAN_ROWS_MAX = 50 * 1000, /* entries of each of the two sources of the audit log */
    LIMIT_VERIFY_ENTRIES_MAX = 100 * 1000, /* links that audit.verify proves */
    LIMIT_EXPORT_ROWS_MAX = 4000,          /* rows of one piece of a CSV file */
    LIMIT_EXPORT_BYTES_MAX = 384 * 1024,   /* bytes of one piece */
    LIMIT_RISK_NEWEST = 50,                /* transactions whose highest score is shown */
    LIMIT_WHATIF_ROWS_MAX = 200 * 1000,    /* earlier payments of each of the two sides */
    LIMIT_SIMILAR_ALERTS_MAX = 5000,       /* earlier alerts that are compared with one */
    LIMIT_SIMILAR_ROWS_MAX = 50,
    LIMIT_SCOREBOARD_RULES_MAX = 192,      /* rules by name, those of earlier versions too */
    LIMIT_SCOREBOARD_PARTS_MAX = 96,       /* parts of scorecards, the same */
    LIMIT_SCOREBOARD_ROWS_MAX = LIMIT_SCOREBOARD_RULES_MAX + LIMIT_SCOREBOARD_PARTS_MAX,
    LIMIT_PART_NAME_MAX = 128,             /* bytes: the names of two features */
    LIMIT_PAGE_BYTES_MAX = 768 * 1024,     /* a page ends when it is about so large */
};

/* What one graph is made of. */
enum {
    LIMIT_GRAPH_ROWS_MAX = 500,      /* newest payments of the account */
    LIMIT_GRAPH_NEAR_ROWS_MAX = 200, /* and of each of those it deals with */
    LIMIT_GRAPH_NEAR_MAX = 12,       /* of these, so many */
    LIMIT_GRAPH_FAR_MAX = 16,
    LIMIT_GRAPH_NODES_MAX = 1 + LIMIT_GRAPH_NEAR_MAX + LIMIT_GRAPH_FAR_MAX,
    LIMIT_GRAPH_EDGES_MAX = 160,
    LIMIT_GRAPH_CHAINS_MAX = 8,
    LIMIT_GRAPH_ALERTS_MAX = 1000, /* of one account, that are counted */
};

/* What a back test within the daemon may use; the command on the host has options of its own. */
enum {
    LIMIT_BACKTEST_ENTITIES_MAX = 128 * 1024,     /* a KiB each */
    LIMIT_BACKTEST_FINDINGS_MAX = 4 * 1024 * 1024, /* 24 bytes each, and as much again */
    LIMIT_BACKTEST_CARDS_MAX = 1000 * 1000,
    LIMIT_BACKTEST_CHANGES_MAX = 500, /* of the alerts gained and lost, those that are told */
    LIMIT_CURRENCIES_MAX = 32, /* that one list of sums has room for */
    LIMIT_AHEAD_BATCHES = 8, /* of payments that are read before they are looked at */
    LIMIT_AHEAD_ROWS = 128,  /* in each, of 1.5 KiB */
    LIMIT_BACKTEST_CURRENCIES_MAX = 32,
};

/* Moments that figures may be asked for, in seconds since 1970: the years 0 to 9999. */
#define LIMIT_PERIOD_FIRST_S INT64_C(-62167219200)
#define LIMIT_PERIOD_LAST_S INT64_C(253402300800)

static_assert((int)LIMIT_EXPORT_BYTES_MAX < (int)LIMIT_REPLY_MAX, "a piece must fit a reply");
static_assert((int)LIMIT_PAGE_BYTES_MAX < (int)LIMIT_REPLY_MAX, "a long page must fit a reply");
static_assert(LIMIT_AMOUNT_MAX <= INT64_MAX / 1000, "a thousand of the largest must fit a sum");
static_assert(LIMIT_ALERT_HITS_MAX * 4 < LIMIT_BATCH_MAX, "a decision must fit a commit");
static_assert(LIMIT_MESSAGE_MAX <= LIMIT_WIRE_MAX, "the socket must take what the server reads");
static_assert((int)LIMIT_PAGE_ROWS_MAX * 1024 <= (int)LIMIT_REPLY_MAX, "a page must fit a reply");
static_assert((int)LIMIT_UNREAD_BYTES_MAX >= 4 * (int)LIMIT_REPLY_MAX,
              "a session may have some of the largest replies on their way");
static_assert((int)LIMIT_WRITER_STUCK_MS <= (int)LIMIT_WRITE_WAIT_MS,
              "who waits behind a writer that is stuck is told so in time");
static_assert(LIMIT_BATCH_MAX <= LIMIT_WRITER_QUEUE_MAX, "a full batch must fit the queue");
static_assert(LIMIT_PASSWORD_MIN < LIMIT_PASSWORD_MAX, "passwords have a length");

#endif
