-- What people work with: records of many small kinds, versions of rules, alerts as a queue.

-- --- records ----------------------------------------------------------------------------------

-- Entries of lists, notes, cases, settings: found by what stands beside them; what they say is an
-- encoded message. Few, and written by people, so their indexes cost nothing that matters.
CREATE TABLE record (
    number        INTEGER PRIMARY KEY,
    kind          INTEGER NOT NULL,
    state         INTEGER NOT NULL,
    id            BLOB NOT NULL,
    about         INTEGER NOT NULL,
    due_at_us     INTEGER NOT NULL,
    version       INTEGER NOT NULL,
    created_at_us INTEGER NOT NULL,
    created_by    INTEGER NOT NULL,
    body          BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX record_id ON record (kind, id);
CREATE INDEX record_kind ON record (kind, number);
CREATE INDEX record_about ON record (kind, about, number) WHERE about <> 0;
CREATE INDEX record_due ON record (kind, due_at_us, number) WHERE due_at_us <> 0;

-- Marks of the records that an entry left behind; those from before there were records have none.
ALTER TABLE audit ADD COLUMN records BLOB NOT NULL DEFAULT x'';
