"""What other programs do to a bank's file: looking at it harms nothing, writing to it is found."""
import contextlib
import sqlite3

import pytest

import conftest
from bankclient import BankError, uuid7

POSTS = 50


def other_program(bank, sql):
    """As the sqlite3 shell does: closes well, and moves the log into the file if it is the last."""
    with contextlib.closing(sqlite3.connect(bank.directory / "bank.db")) as db:
        rows = db.execute(sql).fetchall()
        db.commit()
    return rows


def login(bank):
    client = bank.client()
    client.login("finance@test.com", conftest.PASSWORD)
    return client


def post(bank, count):
    with login(bank) as client:
        customer = client.call("customer.create", customer_id=uuid7(), name="Test Person")
        account = client.call("account.create", account_id=uuid7(), currency="USD",
                              customer_id=customer["customer_id"])["account_id"]
        for _ in range(count):
            client.call("transaction.create", transaction_id=uuid7(), type="deposit",
                        account_id=account, amount=3)
    return account


def test_a_killed_bank_may_be_looked_at(own_bank):
    account = post(own_bank, POSTS)
    process, own_bank.process = own_bank.process, None
    process.kill()
    process.wait()
    assert (own_bank.directory / "bank.db-wal").stat().st_size > 0
    assert other_program(own_bank, "SELECT count(*) FROM transactions")[0][0] >= POSTS
    assert not (own_bank.directory / "bank.db-wal").exists()
    own_bank.start()
    with login(own_bank) as client:
        assert client.call("account.get", account_id=account)["balance"] == 3 * POSTS
    done = own_bank.verify()
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("sql", [
    "UPDATE account SET overdraft_limit = 100000000",
    "UPDATE user SET role = 3 WHERE number = 1",
    "UPDATE transactions SET description = description || char(0) || 'x' WHERE"
    " sequence = (SELECT max(sequence) FROM transactions)",
    "DELETE FROM label WHERE transaction_sequence = (SELECT min(transaction_sequence) FROM label)",
])
def test_what_is_written_beside_a_running_bank_is_found(demo_home, tmp_path, sql):
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(AssertionError):  # how it ends is asked below
            bank = stack.enter_context(conftest.served(demo_home, tmp_path))
            other_program(bank, sql)
            with contextlib.suppress(BankError):
                post(bank, 1)
            stack.close()
    done = bank.verify()
    assert done.returncode != 0, done.stdout
    assert "as bankd wrote it" in done.stdout + done.stderr or "storage_corrupt" in done.stderr
