-- 0002 gave each alert of schema version 1 the expected loss of the first one. An alert is worth
-- what its transactions are that still wait; each of those was right all the time. A decided alert
-- keeps what it was worth when it was decided. That is known of those that nobody touched since
-- 0002: they have one transaction, and their first version. Sums fit, as an alert has few
-- transactions (common/limits.h).

UPDATE alert SET expected_loss = (SELECT sum(hit.loss) FROM alert_hit hit
    WHERE hit.alert = alert.number AND hit.finding = 0)
    WHERE state <> 3
    AND EXISTS (SELECT 1 FROM alert_hit hit WHERE hit.alert = alert.number AND hit.finding = 0);
UPDATE alert SET expected_loss = (SELECT hit.loss FROM alert_hit hit WHERE hit.alert = alert.number)
    WHERE state = 3 AND version = 1 AND hits = 1;
-- In thousandths of a whole unit, as in 0002.
UPDATE alert SET urgency = (
    SELECT CASE WHEN alert.expected_loss > 9223372036854775807 / unit THEN 9223372036854775807
        ELSE alert.expected_loss * unit END
    FROM (SELECT CASE t.currency WHEN 392 THEN 1000 WHEN 414 THEN 1 ELSE 10 END AS unit
          FROM transactions t WHERE t.sequence = alert.transaction_sequence));
