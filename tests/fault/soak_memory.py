#!/usr/bin/env python3
"""A steady day at a small bank, to see what memory the daemon takes when it runs for long.

usage: soak_memory.py SECONDS

A real bankd serves tellers, consoles with their dashboards and pages, visitors who come, log in,
subscribe and go with or without a word, analysts who decide alerts and take decisions back,
officers with cases and lists, and back tests, some of whose clients hang up. Its caches are small,
so that they are full after minutes, and sessions end after two idle minutes. Every minute it prints
what the process takes (memory of its own, mapped files, shared), the size of the store and how
much was answered. It fails when the memory of its own grew by more than ALLOWED between the second
third and the last, when anybody got an answer that she must not get, or when the books are not
whole.

BANK_BUILD names the build (default: build)."""
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import bankclient  # noqa: E402
import conftest  # noqa: E402
import overload  # noqa: E402

ALLOWED = 3 * overload.MIB
OPTIONS = ["--page-cache-mib", "8", "--session-idle-minutes", "2", "--valve-share", "0"]
EXPECTED = {"conflict", "not_found"}  # classes of refusal that are part of a day's work
FRAUD, FINANCE, COMPLIANCE = conftest.USERS.values()
QUESTIONS = {
    FRAUD: ("risk.summary", "risk.trend", "alert.list", "rules.scoreboard", "controls.get"),
    FINANCE: ("kpi.summary", "kpi.trend", "top.transactions", "transaction.list", "account.list"),
    COMPLIANCE: ("compliance.summary", "monitor.list", "audit.list", "case.list", "rules.list"),
}
RULE = ('version 1\nthreshold hold 600\nthreshold decline 900\n'
        'rule large\n  when is_outgoing and amount_major >= 9000\n  score 300\n'
        '  because "{amount} is large"\n  fires on is_outgoing=yes amount_major=9000\n'
        '  silent on is_outgoing=yes amount_major=8999\nend\n')


class Person(threading.Thread):
    """Does `work` again and again, at a steady pace, until the day ends."""

    def __init__(self, day, name, user, pause, work):
        super().__init__(name=name)
        self.day = day
        self.user = user
        self.pause = pause
        self.work = work
        self.random = random.Random(name)
        self.client = None
        self.count = 0
        self.failure = None

    def call(self, op, **fields):
        """The answer; None when it is a refusal that belongs to the work."""
        if self.client is None:
            self.client = self.day.bank.client(timeout=overload.PATIENCE)
            self.client.login(self.user, conftest.PASSWORD)
        self.count += 1
        try:
            return self.client.call(op, **fields)
        except bankclient.BankError as error:
            if error.cls in EXPECTED or error.name in ("queue_empty", "own_transaction", "busy"):
                return None
            if error.name == "session_invalid":
                self.client.close()
                self.client = None
                return None
            raise

    def run(self):
        try:
            while not self.day.over.wait(self.random.random() * 2 * self.pause):
                self.work(self)
        except Exception as failure:  # told at the end of the day
            self.failure = failure
            self.day.over.set()
        finally:
            if self.client:
                self.client.close()


class Day:
    def __init__(self, bank):
        self.bank = bank
        self.over = threading.Event()
        with bank.client() as client:
            client.login(FINANCE, conftest.PASSWORD)
            self.accounts = [overload.open_account(client) for _ in range(40)]
            for account in self.accounts:
                client.call("transaction.create", transaction_id=bankclient.uuid7(),
                            type="deposit", account_id=account, amount=10**10)
        self.people = [
            *(Person(self, f"teller {i}", FINANCE, 0.1, self.post) for i in range(3)),
            *(Person(self, f"console of {user}", user, 0.3, self.look) for user in QUESTIONS),
            Person(self, "analyst", FRAUD, 1, self.decide),
            Person(self, "officer", COMPLIANCE, 3, self.steer),
            Person(self, "visitor", FINANCE, 2, self.visit),
            Person(self, "listener", FRAUD, 1, self.listen),
            Person(self, "learner", FRAUD, 20, self.try_rules)]

    def post(self, me):
        source, target = me.random.sample(self.accounts, 2)
        fields = {"transaction_id": bankclient.uuid7(), "account_id": source,
                  "amount": me.random.randint(100, 50000)}
        kind = me.random.choice(("deposit", "withdrawal", "transfer", "payment", "large"))
        if kind == "large" and me.random.randrange(8) == 0:
            kind, fields["amount"] = "payment", me.random.randint(600_000, 2_000_000)
        if kind in ("transfer", "large"):
            kind, fields["counterparty_account_id"] = "transfer", target
        if kind == "payment":
            fields["counterparty"] = f"merchant:{me.random.randrange(200)}"
        me.call("transaction.create", type=kind, **fields)

    def look(self, me):
        me.call(me.random.choice(QUESTIONS[me.user]))
        me.call("account.get", account_id=me.random.choice(self.accounts))
        page = me.call("transaction.list", limit=50)
        if page and "next" in page:
            me.call("transaction.list", limit=50, cursor=page["next"])

    def decide(self, me):
        alert = me.call("alert.next")
        if not alert:
            return
        ident = {"alert_id": alert["alert_id"]}
        me.call("alert.note", note="Seen", **ident)
        me.call("alert.similar", **ident)
        if me.random.randrange(10) == 0:
            me.call("alert.return", **ident)
            return
        me.call("alert.decide", note="Looked at", **ident,
                decision=me.random.choice(("confirmed_fraud", "false_positive", "inconclusive")))
        if me.random.randrange(5) == 0:
            me.call("alert.undo", reason="Once more", **ident)

    def steer(self, me):
        entry = me.call("screening.add", list="watch", reason="A soak",
                        counterparty=f"merchant:{me.random.randrange(200)}")
        if entry:
            me.call("screening.remove", entry_id=entry["entry_id"], reason="A soak")
        case = me.call("case.open", case_id=bankclient.uuid7(), kind="inquiry", title="A soak",
                       account_id=me.random.choice(self.accounts))
        if case:
            me.call("case.add", case_id=case["case_id"], item_id=bankclient.uuid7(), note="Seen")
            me.call("case.close", case_id=case["case_id"], outcome="not_reportable",
                    reason="A soak")

    def visit(self, me):
        """A connection with a session and a subscription; one in three goes without a word."""
        tcp = me.random.randrange(2) == 0
        with self.bank.client(tcp=tcp, timeout=overload.PATIENCE) as client:
            client.login(me.user, conftest.PASSWORD)
            events = client.events(self.bank.tcp_events if tcp else self.bank.ipc_events)
            client.call("transaction.list", limit=20)
            client.call("session.whoami")
            me.count += 3
            if me.random.randrange(3):
                client.call("session.logout")
            events.close()

    def listen(self, me):
        if not me.call("session.whoami"):
            return
        events = me.client.events(self.bank.ipc_events)
        events.next(1)
        events.close()

    def try_rules(self, me):
        """A back test to its end, or one whose client hangs up."""
        with self.bank.client(timeout=conftest.LIMIT) as client:
            client.login(me.user, conftest.PASSWORD)
            number = client.send("rules.backtest", rules=RULE)
            me.count += 1
            if me.random.randrange(2):
                client.result(number)

    def begin(self):
        for person in self.people:
            person.start()

    def end(self):
        self.over.set()
        for person in self.people:
            person.join()
        for person in self.people:
            if person.failure:
                raise AssertionError(f"{person.name}: {person.failure!r}")

    @property
    def answered(self):
        return sum(person.count for person in self.people)


def sizes(bank):
    """Kinds of memory, and the store's files, in KiB."""
    memory = [overload.memory(bank, name) // 1024 for name in ("RssAnon", "RssFile", "RssShmem")]
    files = [path.stat().st_size // 1024
             for path in (bank.directory / "bank.db", bank.directory / "bank.db-wal")]
    return memory + files


def watch(day, seconds):
    print("minute     own  mapped  shared   store     log  answered  (KiB)", flush=True)
    samples = []
    begin = time.monotonic()
    minute = 0
    while not day.over.wait(max(0, begin + min(60 * minute, seconds) - time.monotonic())):
        row = sizes(day.bank)
        samples.append(row[0])
        print(f"{minute:6}" + "".join(f"{size:8}" for size in row) + f"{day.answered:10}",
              flush=True)
        if 60 * minute >= seconds:
            break
        minute += 1
    return samples


def judge(samples):
    third = len(samples) // 3
    assert third > 0, "three minutes are the least"
    middle = sum(samples[third:2 * third]) // third
    last = sum(samples[-third:]) // third
    print(f"own memory: {middle} KiB in the second third, {last} KiB in the last")
    assert (last - middle) * 1024 <= ALLOWED, "the daemon grows"


def main(seconds):
    place = pathlib.Path(tempfile.mkdtemp(prefix="bank-soak-"))
    command = [conftest.BUILD / "bankd", "init", "--demo", "--data-dir", place / "bank"]
    made = subprocess.run(command, stdin=subprocess.DEVNULL, check=False,
                          env=conftest.environment())
    assert made.returncode == 0
    bank = conftest.Bank(place / "bank", place / "bankd.log")
    bank.options = OPTIONS
    bank.start()
    try:
        day = Day(bank)
        day.begin()
        try:
            samples = watch(day, seconds)
        finally:
            day.end()
    finally:
        bank.stop()
    proof = bank.verify()
    assert proof.returncode == 0, proof.stdout + proof.stderr
    judge(samples)
    shutil.rmtree(place)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__.split("\n")[2])
    main(int(sys.argv[1]))
