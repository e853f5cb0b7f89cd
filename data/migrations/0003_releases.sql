-- Profiles ask what became of a hold; few audit entries are about a transaction.
CREATE INDEX audit_about ON audit (about_transaction, sequence) WHERE about_transaction <> 0;
