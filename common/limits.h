/* Every limit of the project, named once. Relations between limits are asserted at the end.
 *
 * A limit that a client can meet answers with an error that names it; a limit that only our own
 * code could meet is a CHECK. Sizes are bytes, times say their unit in the name. */
#ifndef COMMON_LIMITS_H
#define COMMON_LIMITS_H

#include <assert.h>

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
    LIMIT_WIRE_MAX = 16 * 1024 * 1024,    /* what the socket takes, so as to tell the refusal */
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
    LIMIT_BATCH_MAX = 1024,               /* changes of one commit */
    LIMIT_CHANGE_ACCOUNTS_MAX = 4,        /* account rows that one change touches */
    LIMIT_CHANGE_TRANSACTIONS_MAX = 2,    /* transactions that one change updates */
    LIMIT_CHANGE_ROLLUPS_MAX = 32,        /* rollup cells that one change moves */
    LIMIT_SYSTEM_ACCOUNTS_MAX = 16,       /* kinds of accounts of the bank itself */
    LIMIT_DECISION_MAX = 512,             /* stored features of one decision */
    LIMIT_TOP_PER_DAY = 20,               /* largest transactions remembered for each day */
    LIMIT_PROFILE_BYTES = 1024,           /* one fraud profile */
    LIMIT_RULES_FILE_MAX = 256 * 1024,
    LIMIT_RULES_MAX = 128,
};

static_assert(LIMIT_MESSAGE_MAX <= LIMIT_WIRE_MAX, "the socket must take what the server reads");
static_assert((int)LIMIT_PAGE_ROWS_MAX * 1024 <= (int)LIMIT_REPLY_MAX, "a page must fit a reply");
static_assert(LIMIT_BATCH_MAX <= LIMIT_WRITER_QUEUE_MAX, "a full batch must fit the queue");
static_assert(LIMIT_PASSWORD_MIN < LIMIT_PASSWORD_MAX, "passwords have a length");

#endif
