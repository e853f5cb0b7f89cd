"""Kills the daemon at random moments under load; the clients repeat what they got no answer to,
with the same ids. Afterwards every acknowledged post must be there exactly once, the
balances must be what the acknowledged posts make of them, and the books must prove themselves.

BANK_KILLS tells how many times (default 12); BANK_TEST_SEED repeats a run's choices."""
import os
import random
import shutil
import signal
import subprocess
import sys
import threading

import pathlib

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import bankclient  # noqa: E402
import conftest  # noqa: E402

KILLS = int(os.environ.get("BANK_KILLS", "12"))
SEED = int(os.environ.get("BANK_TEST_SEED", "20261122"))
TELLERS = 4
ACCOUNTS = 8
OPENING = 1_000_000


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    place = tmp_path_factory.mktemp("k")
    command = [conftest.BUILD / "bankd", "init", "--demo", "--data-dir", place / "bank"]
    made = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False, env=conftest.environment())
    assert made.returncode == 0, made.stderr
    yield place
    shutil.rmtree(place, ignore_errors=True)


class Teller(threading.Thread):
    """Posts without pause; an unanswered post is repeated until it is answered."""

    def __init__(self, bank, accounts, seed, stop, news):
        super().__init__()
        self.news = news  # told of every acknowledged post
        self.bank = bank
        self.accounts = accounts
        self.random = random.Random(seed)
        self.stop_event = stop
        self.acknowledged = []  # (id, type, from, to, amount, status)
        self.repeats = 0
        self.failure = None
        self.client = None

    def connected(self):
        """Waits longer for each login: on a busy machine a password takes its time, and who gives
        up and asks again has it looked at twice."""
        patience = 1
        while self.client is None:
            client = bankclient.Client(self.bank.ipc, timeout=patience)
            try:
                client.login("finance@test.com", conftest.PASSWORD)
                client.timeout = 1
                self.client = client
            except (TimeoutError, bankclient.BankError):
                client.close()
                patience = min(2 * patience, 16)
        return self.client

    def ask(self, op, **fields):
        """The answer, over as many connections as it takes. Errors of the books are answers."""
        while True:
            client = self.connected()
            try:
                return client.call(op, **fields), None
            except TimeoutError:
                self.repeats += 1
            except bankclient.BankError as error:
                if error.cls in ("input", "conflict"):
                    return None, error.name
                assert error.name in ("session_invalid", "login_required", "busy",
                                      "shutting_down"), error
            client.close()
            self.client = None

    def post(self):
        kind = self.random.choice(("deposit", "withdrawal", "transfer", "transfer"))
        source, target = self.random.sample(range(len(self.accounts)), 2)
        amount = self.random.randint(1, 5000)
        fields = {"transaction_id": bankclient.uuid7(), "type": kind, "amount": amount,
                  "account_id": self.accounts[source]}
        if kind == "transfer":
            fields["counterparty_account_id"] = self.accounts[target]
        body, error = self.ask("transaction.create", **fields)
        if error is not None:
            assert error == "insufficient_funds", error
            return
        assert body["amount"] == amount
        with self.news:
            self.acknowledged.append((fields["transaction_id"], kind, source, target, amount,
                                      body["status"]))
            self.news.notify_all()

    def run(self):
        try:
            while not self.stop_event.is_set():
                self.post()
        except BaseException as failure:  # told to the test, which fails with it
            with self.news:
                self.failure = failure
                self.news.notify_all()
        finally:
            if self.client:
                self.client.close()


def open_accounts(bank):
    with bank.client() as client:
        client.login("finance@test.com", conftest.PASSWORD)
        customer = bankclient.uuid7()
        client.call("customer.create", customer_id=customer, name="Kill Test", country="US")
        accounts = [bankclient.uuid7() for _ in range(ACCOUNTS)]
        for account in accounts:
            client.call("account.create", account_id=account, customer_id=customer, currency="USD")
            client.call("transaction.create", transaction_id=bankclient.uuid7(), type="deposit",
                        account_id=account, amount=OPENING)
    return accounts


def kill_under_load(bank, tellers, news, chance):
    """Waits until a random number of further posts is acknowledged, and kills."""
    def count():
        return sum(len(teller.acknowledged) for teller in tellers)

    wanted = count() + chance.randint(5, 120)
    with news:
        came = news.wait_for(lambda: count() >= wanted or any(t.failure for t in tellers),
                             conftest.LIMIT)
    assert came, "no post is acknowledged any more"
    for teller in tellers:
        assert teller.failure is None, teller.failure
    bank.process.send_signal(signal.SIGKILL)
    bank.process.wait()
    (bank.directory / "bankd.pid").unlink(missing_ok=True)
    bank.start()


def expected(accounts, tellers):
    balances = [OPENING] * len(accounts)
    held = [0] * len(accounts)
    for teller in tellers:
        for _, kind, source, target, amount, status in teller.acknowledged:
            if status == "held" and kind != "deposit":
                held[source] += amount
            if status != "completed":
                continue
            balances[source] += amount if kind == "deposit" else -amount
            if kind == "transfer":
                balances[target] += amount
    return balances, held


def test_kills_lose_and_double_nothing(home):
    print(f"BANK_TEST_SEED={SEED} BANK_KILLS={KILLS}")
    chance = random.Random(SEED)
    bank = conftest.Bank(home / "bank", home / "bankd.log")
    bank.start()
    accounts = open_accounts(bank)
    stop = threading.Event()
    news = threading.Condition()
    tellers = [Teller(bank, accounts, SEED + i, stop, news) for i in range(TELLERS)]
    for teller in tellers:
        teller.start()
    try:
        for _ in range(KILLS):
            kill_under_load(bank, tellers, news, chance)
    finally:
        stop.set()
        for teller in tellers:
            teller.join()
    for teller in tellers:
        assert teller.failure is None, teller.failure

    acknowledged = sum(len(teller.acknowledged) for teller in tellers)
    assert acknowledged > KILLS * 5
    assert sum(teller.repeats for teller in tellers) > 0, "no kill ever hit a post"
    balances, held = expected(accounts, tellers)
    with bank.client() as client:
        client.login("finance@test.com", conftest.PASSWORD)
        for account, balance, reserved in zip(accounts, balances, held):
            row = client.call("account.get", account_id=account)
            assert (row["balance"], row["held"]) == (balance, reserved)
        for teller in tellers:
            for ident, _, _, _, amount, status in teller.acknowledged:
                row = client.call("transaction.get", transaction_id=ident)
                assert (row["amount"], row["status"]) == (amount, status)
    bank.stop()
    proof = bank.verify()
    assert proof.returncode == 0, proof.stdout + proof.stderr
    print(f"{KILLS} kills, {acknowledged} posts acknowledged, all there once")
