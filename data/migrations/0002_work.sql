-- What people work with: records of many small kinds, versions of rules, alerts as a queue.

-- --- freezes that end by themselves ------------------------------------------------------------

-- Every few seconds the writer asks for those whose time is over, between two groups of posts.
CREATE INDEX account_thaw ON account (freeze_until_us) WHERE freeze_until_us <> 0;

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

-- --- alerts as a queue --------------------------------------------------------------------------

-- An alert is work: it has a version, a place in a queue, a deadline, a lock with an end. What is
-- computed here is computed by bankd/alert.c for new ones.
ALTER TABLE alert ADD COLUMN hits INTEGER NOT NULL DEFAULT 1;
ALTER TABLE alert ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE alert ADD COLUMN expected_loss INTEGER NOT NULL DEFAULT 0;
ALTER TABLE alert ADD COLUMN urgency INTEGER NOT NULL DEFAULT 0;
ALTER TABLE alert ADD COLUMN due_at_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE alert ADD COLUMN snoozed_until_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE alert ADD COLUMN lock_until_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE alert ADD COLUMN undo_until_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE alert ADD COLUMN notes INTEGER NOT NULL DEFAULT 0;

-- The transactions of each alert. Until now each alert had one.
CREATE TABLE alert_hit (
    alert                INTEGER NOT NULL,
    number               INTEGER NOT NULL,
    transaction_sequence INTEGER NOT NULL,
    at_us                INTEGER NOT NULL,
    loss                 INTEGER NOT NULL,
    score                INTEGER NOT NULL,
    finding              INTEGER NOT NULL,
    decided_at_us        INTEGER NOT NULL,
    status_before        INTEGER NOT NULL,
    flagged_before       INTEGER NOT NULL,
    label_before         INTEGER NOT NULL,
    PRIMARY KEY (alert, number)
) STRICT, WITHOUT ROWID;
-- Amount x score^2 / 1,000,000, in two parts that fit; nothing for what was declined.
INSERT INTO alert_hit
    SELECT a.number, 1, t.sequence, a.created_at_us,
        CASE t.initial_status WHEN 4 THEN 0 ELSE
            t.amount / 1000000 * a.score * a.score
            + t.amount % 1000000 * a.score * a.score / 1000000 END,
        a.score, CASE a.state WHEN 3 THEN a.decision ELSE 0 END, a.decided_at_us, 0, 0, 0
    FROM alert a JOIN transactions t ON t.sequence = a.transaction_sequence ORDER BY a.number;
CREATE UNIQUE INDEX alert_hit_transaction ON alert_hit (transaction_sequence);
DROP INDEX alert_transaction;

UPDATE alert SET expected_loss = coalesce((SELECT loss FROM alert_hit h WHERE h.alert = number), 0),
    due_at_us = created_at_us + 3600000000
        * CASE WHEN score >= 800 THEN 4 WHEN score >= 600 THEN 24 WHEN score >= 400 THEN 72
          ELSE 120 END;
UPDATE alert SET due_at_us = min(due_at_us, coalesce((SELECT hold_expires_at_us FROM transactions t
    WHERE t.sequence = transaction_sequence AND t.status = 2), due_at_us));
-- In thousandths of a whole unit: yen have no decimals, Kuwaiti dinars three, all others two.
UPDATE alert SET urgency = (
    SELECT CASE WHEN expected_loss > 9223372036854775807 / unit THEN 9223372036854775807
        ELSE expected_loss * unit END
    FROM (SELECT CASE t.currency WHEN 392 THEN 1000 WHEN 414 THEN 1 ELSE 10 END AS unit
          FROM transactions t WHERE t.sequence = transaction_sequence))
    WHERE expected_loss > 0;
CREATE INDEX alert_queue ON alert (urgency DESC, number) WHERE state <> 3;
CREATE INDEX alert_waiting ON alert (account, number) WHERE state <> 3;

-- A finding that was taken back says nothing, but keeps its moment.
ALTER TABLE label ADD COLUMN withdrawn INTEGER NOT NULL DEFAULT 0;
