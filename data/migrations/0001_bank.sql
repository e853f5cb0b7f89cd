-- The bank's records, first version.
--
-- Rows that every posting writes are narrow (balance), appended (transactions, audit) or few
-- (rollup, day, head); nothing on that path has an index in random order. An account's history is
-- found through the sequence of the previous transaction, which each transaction carries.
-- References are by number and are not declared: number 0 means "none" or "the system". Whole
-- numbers stand for enums as in the protocol's tables; times are microseconds since 1970 UTC.

CREATE TABLE user (
    number        INTEGER PRIMARY KEY,
    user_id       BLOB NOT NULL UNIQUE,
    email         TEXT NOT NULL UNIQUE,
    name          TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    role          INTEGER NOT NULL,
    disabled      INTEGER NOT NULL,
    created_at_us INTEGER NOT NULL
) STRICT;

CREATE TABLE customer (
    number        INTEGER PRIMARY KEY,
    customer_id   BLOB NOT NULL UNIQUE,
    external_id   TEXT NOT NULL,
    name          TEXT NOT NULL,
    email         TEXT NOT NULL,
    country       TEXT NOT NULL,
    verified      INTEGER NOT NULL,
    created_at_us INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX customer_external ON customer (external_id) WHERE external_id <> '';

-- What seldom changes of an account; what every posting changes is in balance.
CREATE TABLE account (
    number           INTEGER PRIMARY KEY,
    account_id       BLOB NOT NULL UNIQUE,
    customer         INTEGER NOT NULL,
    opened_by        INTEGER NOT NULL,
    kind             INTEGER NOT NULL,
    status           INTEGER NOT NULL,
    freeze_direction INTEGER NOT NULL,
    currency         INTEGER NOT NULL,
    freeze_until_us  INTEGER NOT NULL,
    overdraft_limit  INTEGER NOT NULL,
    created_at_us    INTEGER NOT NULL,
    external_id      TEXT NOT NULL,
    name             TEXT NOT NULL,
    freeze_reason    TEXT NOT NULL,
    freeze_authority TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX account_external ON account (external_id) WHERE external_id <> '';
CREATE UNIQUE INDEX account_of_bank ON account (kind, currency) WHERE kind <> 1;
CREATE INDEX account_customer ON account (customer) WHERE customer <> 0;

CREATE TABLE balance (
    account       INTEGER PRIMARY KEY,
    balance       INTEGER NOT NULL,
    held          INTEGER NOT NULL,
    version       INTEGER NOT NULL,
    last_sequence INTEGER NOT NULL,
    last_at_us    INTEGER NOT NULL,
    transactions  INTEGER NOT NULL
) STRICT;

CREATE TABLE party (
    number        INTEGER PRIMARY KEY,
    key           TEXT NOT NULL UNIQUE,
    last_sequence INTEGER NOT NULL,
    transactions  INTEGER NOT NULL,
    created_at_us INTEGER NOT NULL
) STRICT;

-- What lists filter by stands first, so that a scan need not look further into a row.
CREATE TABLE transactions (
    sequence           INTEGER PRIMARY KEY,
    type               INTEGER NOT NULL,
    status             INTEGER NOT NULL,
    flagged            INTEGER NOT NULL,
    currency           INTEGER NOT NULL,
    amount             INTEGER NOT NULL,
    at_us              INTEGER NOT NULL,
    debit              INTEGER NOT NULL,
    credit             INTEGER NOT NULL,
    debit_previous     INTEGER NOT NULL,
    credit_previous    INTEGER NOT NULL,
    transaction_id     BLOB NOT NULL,
    initial_status     INTEGER NOT NULL,
    party              INTEGER NOT NULL,
    party_previous     INTEGER NOT NULL,
    incoming           INTEGER NOT NULL,
    posted_at_us       INTEGER NOT NULL,
    posted_by          INTEGER NOT NULL,
    debit_balance      INTEGER NOT NULL,
    credit_balance     INTEGER NOT NULL,
    verdict            INTEGER NOT NULL,
    score              INTEGER NOT NULL,
    rule_set           INTEGER NOT NULL,
    hold_expires_at_us INTEGER NOT NULL,
    reversal_of        INTEGER NOT NULL,
    reversed_by        INTEGER NOT NULL,
    external_id        TEXT NOT NULL,
    description        TEXT NOT NULL,
    decision           BLOB NOT NULL,
    hash               BLOB NOT NULL
) STRICT;
-- Ids are of UUID version 7, so this index grows at its end.
CREATE UNIQUE INDEX transactions_id ON transactions (transaction_id);
CREATE INDEX transactions_flagged ON transactions (flagged) WHERE flagged = 1;
CREATE INDEX transactions_held ON transactions (status) WHERE status = 2;
CREATE INDEX transactions_expiry ON transactions (hold_expires_at_us) WHERE status = 2;

CREATE TABLE alert (
    number        INTEGER PRIMARY KEY,
    alert_id      BLOB NOT NULL UNIQUE,
    transaction_sequence INTEGER NOT NULL,
    account       INTEGER NOT NULL,
    state         INTEGER NOT NULL,
    decision      INTEGER NOT NULL,
    score         INTEGER NOT NULL,
    created_at_us INTEGER NOT NULL,
    assigned_to   INTEGER NOT NULL,
    taken_at_us   INTEGER NOT NULL,
    decided_by    INTEGER NOT NULL,
    decided_at_us INTEGER NOT NULL,
    note          TEXT NOT NULL
) STRICT;
CREATE INDEX alert_undecided ON alert (number) WHERE state <> 3;
CREATE INDEX alert_transaction ON alert (transaction_sequence);
CREATE INDEX alert_account ON alert (account);

CREATE TABLE audit (
    sequence          INTEGER PRIMARY KEY,
    at_us             INTEGER NOT NULL,
    kind              INTEGER NOT NULL,
    actor             INTEGER NOT NULL,
    actor_name        TEXT NOT NULL,
    operation         TEXT NOT NULL,
    outcome           TEXT NOT NULL,
    subject           TEXT NOT NULL,
    detail            TEXT NOT NULL,
    about_transaction INTEGER NOT NULL,
    set_status        INTEGER NOT NULL,
    set_flag          INTEGER NOT NULL,
    hash              BLOB NOT NULL
) STRICT;

CREATE TABLE label (
    transaction_sequence INTEGER PRIMARY KEY,
    fraud        INTEGER NOT NULL,
    known_at_us  INTEGER NOT NULL
) STRICT;

CREATE TABLE rule_set (
    number       INTEGER PRIMARY KEY,
    hash         BLOB NOT NULL,
    loaded_at_us INTEGER NOT NULL,
    loaded_by    INTEGER NOT NULL,
    text         TEXT NOT NULL
) STRICT;

-- Ordered by time first: a chart reads one range, and postings write at the newest end.
CREATE TABLE rollup (
    scale    INTEGER NOT NULL,
    bucket   INTEGER NOT NULL,
    currency INTEGER NOT NULL,
    metric   INTEGER NOT NULL,
    count    INTEGER NOT NULL,
    amount   INTEGER NOT NULL,
    PRIMARY KEY (scale, bucket, currency, metric)
) STRICT, WITHOUT ROWID;

-- Which sequences hold the transactions of a day, so that a range of dates is a range of rows.
CREATE TABLE day (
    day          INTEGER PRIMARY KEY,
    min_sequence INTEGER NOT NULL,
    max_sequence INTEGER NOT NULL
) STRICT;

CREATE TABLE top_transaction (
    day      INTEGER NOT NULL,
    currency INTEGER NOT NULL,
    amount   INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (day, currency, amount, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE profile (
    entity        INTEGER PRIMARY KEY,
    last_sequence INTEGER NOT NULL,
    bytes         BLOB NOT NULL
) STRICT;

CREATE TABLE signed_head (
    sequence  INTEGER PRIMARY KEY,
    hash      BLOB NOT NULL,
    at_us     INTEGER NOT NULL,
    signature BLOB NOT NULL
) STRICT;

-- Where the audit chain ends; one row.
CREATE TABLE head (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    sequence INTEGER NOT NULL,
    hash     BLOB NOT NULL
) STRICT;
INSERT INTO head (id, sequence, hash) VALUES (1, 0, zeroblob(32));
