-- What people work with: records of many small kinds, versions of rules, alerts as a queue.

-- --- versions of the rules --------------------------------------------------------------------

-- Until now operators put rule files into force and the newest one judged. From now on versions are
-- proposed and approved; state: 1 proposed, 2 active, 3 superseded, 4 withdrawn.
ALTER TABLE rule_set RENAME TO rule_set_1;
CREATE TABLE rule_set (
    number         INTEGER PRIMARY KEY,
    hash           BLOB NOT NULL,
    state          INTEGER NOT NULL,
    rules          INTEGER NOT NULL,
    author         INTEGER NOT NULL,
    proposed_at_us INTEGER NOT NULL,
    approver       INTEGER NOT NULL,
    approved_at_us INTEGER NOT NULL,
    ended_at_us    INTEGER NOT NULL,
    reason         TEXT NOT NULL,
    text           TEXT NOT NULL,
    card           TEXT NOT NULL
) STRICT;
INSERT INTO rule_set SELECT number, hash,
    CASE number WHEN (SELECT max(number) FROM rule_set_1) THEN 2 ELSE 3 END,
    -- Rules begin a line each; so many of them are there.
    (length(text) - length(replace(text, char(10) || 'rule ', ''))) / 6 + (text LIKE 'rule %'),
    loaded_by, loaded_at_us, loaded_by, loaded_at_us,
    coalesce((SELECT min(later.loaded_at_us) FROM rule_set_1 later
              WHERE later.number > old.number), 0),
    '', text, ''
    FROM rule_set_1 old ORDER BY number;
DROP TABLE rule_set_1;
-- One at most is in force.
CREATE UNIQUE INDEX rule_set_active ON rule_set (state) WHERE state = 2;
CREATE INDEX rule_set_hash ON rule_set (hash, number);

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
