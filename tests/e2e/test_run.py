"""The bank from the command line: `bankterm run` against the real daemon.

Every refusal has its name on standard error, the exit code of its class, nothing on standard
output, and leaves every balance and the newest entry of the ledger as they were.
"""
import contextlib
import csv
import io
import json
import os
import pathlib
import pty
import re
import select
import stat
import subprocess
import termios
import threading
import time
import uuid

import pytest
import zmq

import bankclient
import conftest
from bankclient import uuid7

FRAUD, FINANCE, COMPLIANCE = "FRAUD_ANALYST", "FINANCIAL_MANAGER", "COMPLIANCE_OFFICER"
BANKTERM = conftest.BUILD / "bankterm"
DONE, INTERNAL, INPUT, DENIED, CONFLICT, AWAY, UNKNOWN = range(7)
LIMIT = 120


def environment(**more):
    """Without the settings of whoever runs the tests, their configuration file included."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith("BANKTERM_") and name not in ("HOME", "XDG_CONFIG_HOME")}
    return {**kept, "HOME": "/nonexistent", **more}


class Terminal:
    """Runs operations on one server as one user."""

    def __init__(self, server, role=None, key_file=None, password=conftest.PASSWORD):
        self.options = ["--server", server]
        if key_file:
            self.options += ["--server-key", str(key_file)]
        self.settings = {}
        if role:
            self.settings = {"BANKTERM_USER": conftest.USERS[role], "BANKTERM_PASSWORD": password}

    def run(self, *words, settings=None, **options):
        return subprocess.run([BANKTERM, "run", *map(str, words), *self.options],
                              capture_output=True, check=False, timeout=LIMIT,
                              stdin=options.pop("stdin", subprocess.DEVNULL),
                              env=environment(**(settings or self.settings)), **options)

    def json(self, *words):
        """The answer of an operation that must be done."""
        done = self.run(*words, "--format", "json")
        assert done.returncode == DONE, done.stderr.decode()
        return json.loads(done.stdout)

    def text(self, *words):
        done = self.run(*words)
        assert done.returncode == DONE, done.stderr.decode()
        return done.stdout.decode()

    def refused(self, code, name, *words, field=None, **options):
        done = self.run(*words, **options)
        told = done.stderr.decode()
        assert f"bankterm: {name}: " in told, told
        assert done.returncode == code, told
        assert done.stdout == b""
        if field:
            assert f" Field {field}" in told, told
        promise = "Nothing was changed" if code != UNKNOWN else "It may or may not have been done"
        assert promise in told
        return told


@pytest.fixture(scope="module")
def finance(bank):
    return Terminal(bank.ipc, FINANCE)


@pytest.fixture(scope="module")
def fraud(bank):
    return Terminal(bank.ipc, FRAUD)


@pytest.fixture(scope="module")
def compliance(bank):
    return Terminal(bank.ipc, COMPLIANCE)


def new_account(finance, funds="0", currency="USD", *more):
    customer = finance.json("customer.create", "name=Rosa Šťastná", "country=CZ")
    account = finance.json("account.create", f"customer_id={customer['customer_id']}",
                           f"currency={currency}", *more)
    account_id = account["account_id"]
    assert account["balance"] == account["held"] and account["status"] == "active"
    if funds != "0":
        done = post(finance, "deposit", account_id, funds)
        assert (done["status"], done["balance"]) == ("completed", funds)
    return account_id


def post(terminal, kind, account_id, amount, *more):
    return terminal.json("transaction.create", f"type={kind}", f"account_id={account_id}",
                         f"amount={amount}", *more)


def balance(terminal, account_id):
    return terminal.json("account.get", f"account_id={account_id}")["balance"]


@contextlib.contextmanager
def nothing_changes(terminal, *account_ids):
    def state():
        newest = terminal.json("transaction.list", "limit=1")["items"][0]["transaction_id"]
        return newest, [terminal.json("account.get", f"account_id={a}") for a in account_ids]
    before = state()
    yield
    assert state() == before


@pytest.fixture(scope="module")
def pair(finance):
    """Two accounts, the first with 1,000.00 at first; tests leave them as they are."""
    return new_account(finance, "1000.00"), new_account(finance)


def some_id():
    return str(uuid.UUID(bytes=uuid7()))


# --- money ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("tcp", [False, True], ids=["ipc", "tcp"])
def test_money_moves_exactly(bank, finance, tcp):
    clerk = Terminal(bank.tcp, FINANCE, bank.directory / "keys/server.pub") if tcp else finance
    payer, payee = new_account(clerk), new_account(clerk)
    done = post(clerk, "deposit", payer, "100.1")
    assert (done["status"], done["amount"], done["balance"]) == ("completed", "100.10", "100.10")
    done = post(clerk, "withdrawal", payer, "0.01")
    assert done["balance"] == balance(clerk, payer) == "100.09"
    done = post(clerk, "transfer", payer, "30", f"counterparty_account_id={payee}",
                "description=Žluťoučký kůň, \"twice\"")
    assert done["description"] == "Žluťoučký kůň, \"twice\""
    assert (done["balance"], done["counterparty_balance"]) == ("70.09", "30.00")
    assert (balance(clerk, payer), balance(clerk, payee)) == ("70.09", "30.00")


def test_the_same_id_moves_nothing_more(finance, pair):
    fixed = f"transaction_id={some_id()}"
    first = post(finance, "deposit", pair[0], "5.00", fixed)
    with nothing_changes(finance, *pair):
        again = finance.run("transaction.create", "type=deposit", f"account_id={pair[0]}",
                            "amount=5.00", fixed, "--format", "json")
        assert again.returncode == DONE and b"nothing moved now" in again.stderr
        answer = json.loads(again.stdout)
        assert answer.pop("repeated") is True
        assert answer == {k: v for k, v in first.items() if k != "repeated"}
        finance.refused(CONFLICT, "id_reused", "transaction.create", "type=deposit",
                        f"account_id={pair[0]}", "amount=5.01", fixed)


def test_ids_of_cases_are_made_and_told(compliance):
    done = compliance.run("case.open", "kind=inquiry", "title=A letter", "--format", "json")
    assert done.returncode == DONE, done.stderr
    case = json.loads(done.stdout)["case_id"]
    assert f"bankterm: case_id={case}\n" in done.stderr.decode()
    item = compliance.json("case.add", f"case_id={case}", "note=The envelope")["item_id"]
    assert compliance.json("case.items", f"case_id={case}")["items"][0]["item_id"] == item


def test_every_id_that_clients_make_can_be_left_out(compliance):
    """The protocol says of which fields the client makes the id; bankterm makes all of them."""
    protocol = (conftest.ROOT / "proto/messages.def").read_text(encoding="utf-8")
    fields = set(re.findall(r"FIELD\(\w+, UUID, +(\w+), +REQUIRED, 0, \"UUIDv7", protocol))
    made = set()
    for line in compliance.text("--list").splitlines():
        if not line.startswith(" "):
            name = line.split()[0]
            made |= set(re.findall(r"^  (\w+) +made when absent",
                                   compliance.text(name, "--help"), re.M))
    assert len(fields) == 6 and made == fields


def test_ids_are_made_and_told(finance, pair):
    done = finance.run("transaction.create", "type=deposit", f"account_id={pair[0]}", "amount=1",
                       "--format", "json")
    told = re.search(rb"^bankterm: transaction_id=(\S+)$", done.stderr, re.M).group(1).decode()
    assert json.loads(done.stdout)["transaction_id"] == told
    assert uuid.UUID(told).version == 7
    assert finance.json("transaction.get", f"transaction_id={told}")["amount"] == "1.00"


def test_decimals_follow_the_currency_of_the_account(finance):
    yen, dinar = new_account(finance, "0", "JPY"), new_account(finance, "0", "KWD")
    assert post(finance, "deposit", yen, "1500")["balance"] == "1500"
    assert post(finance, "deposit", dinar, "1.234")["balance"] == "1.234"
    with nothing_changes(finance, yen, dinar):
        finance.refused(INPUT, "amount_invalid", "transaction.create", "type=deposit",
                        f"account_id={yen}", "amount=1.5", field="amount")
        finance.refused(INPUT, "amount_invalid", "transaction.create", "type=deposit",
                        f"account_id={dinar}", "amount=1.2345", field="amount")
        finance.refused(INPUT, "currency_mismatch", "transaction.create", "type=deposit",
                        f"account_id={yen}", "amount=1.5", "currency=USD")


def test_an_overdraft_limit(finance):
    account_id = new_account(finance, "0", "USD", "overdraft_limit=10.00")
    assert post(finance, "withdrawal", account_id, "10.00")["balance"] == "-10.00"
    with nothing_changes(finance, account_id):
        finance.refused(CONFLICT, "insufficient_funds", "transaction.create", "type=withdrawal",
                        f"account_id={account_id}", "amount=0.01")


# --- refusals ------------------------------------------------------------------------------------

MONEY_REFUSALS = [
    ("overdraft", CONFLICT, "insufficient_funds", "type=withdrawal", "amount=99999.00"),
    ("negative", INPUT, "amount_invalid", "type=deposit", "amount=-5"),
    ("zero", INPUT, "amount_invalid", "type=deposit", "amount=0"),
    ("fraction of a cent", INPUT, "amount_invalid", "type=deposit", "amount=0.001"),
    ("comma", INPUT, "amount_invalid", "type=deposit", "amount=1,50"),
    ("words", INPUT, "amount_invalid", "type=deposit", "amount=ten"),
    ("endless", INPUT, "amount_overflow", "type=deposit", "amount=99999999999999999999"),
    ("no amount", INPUT, "field_missing", "type=deposit"),
    ("no type", INPUT, "field_missing", "amount=1"),
    ("unknown type", INPUT, "field_invalid", "type=gift", "amount=1"),
    ("unknown field", INPUT, "field_unknown", "type=deposit", "amount=1", "colour=red"),
    ("unknown currency", INPUT, "currency_unknown", "type=deposit", "amount=1", "currency=XXX"),
    ("other currency", INPUT, "currency_mismatch", "type=deposit", "amount=1", "currency=EUR"),
    ("old kind of id", INPUT, "id_invalid", "type=deposit", "amount=1",
     "transaction_id=6ba7b810-9dad-41d1-80b4-00c04fd430c8"),
    ("no id", INPUT, "id_invalid", "type=deposit", "amount=1", "transaction_id=7"),
    ("long text", INPUT, "field_too_long", "type=deposit", "amount=1", "description=" + "x" * 141),
    ("control characters", INPUT, "field_invalid", "type=deposit", "amount=1",
     "description=a\033[31mb"),
    ("not UTF-8", INPUT, "field_invalid", "type=deposit", "amount=1", b"description=\xff\xfe"),
    ("twice", INPUT, "usage", "type=deposit", "amount=1", "type=deposit"),
    ("no field", INPUT, "usage", "type=deposit", "amount=1", "description"),
    ("unknown option", INPUT, "option_invalid", "type=deposit", "amount=1", "--colour"),
]


@pytest.mark.parametrize("case", MONEY_REFUSALS, ids=[case[0] for case in MONEY_REFUSALS])
def test_a_wrong_transaction_changes_nothing(finance, pair, case):
    _, code, name, *words = case
    words = [w if isinstance(w, str) else os.fsdecode(w) for w in words]
    with nothing_changes(finance, *pair):
        finance.refused(code, name, "transaction.create", f"account_id={pair[0]}", *words)


def test_the_account_must_fit(finance, fraud, pair):
    frozen, closed = new_account(finance, "10.00"), new_account(finance)
    fraud.json("account.freeze", f"account_id={frozen}", "reason=test")
    assert finance.json("account.close", f"account_id={closed}", "reason=test")["status"] \
        == "closed"
    with nothing_changes(finance, *pair, frozen, closed):
        for name, code, account_id, other in (
                ("account_unknown", CONFLICT, some_id(), pair[1]),
                ("account_unknown", CONFLICT, pair[0], some_id()),
                ("account_frozen", CONFLICT, frozen, pair[1]),
                ("account_frozen", CONFLICT, pair[0], frozen),
                ("account_closed", CONFLICT, pair[0], closed),
                ("account_closed", CONFLICT, closed, pair[1]),
                ("same_account", INPUT, pair[0], pair[0])):
            finance.refused(code, name, "transaction.create", "type=transfer", "amount=0.01",
                            f"account_id={account_id}", f"counterparty_account_id={other}")
    assert fraud.json("account.unfreeze", f"account_id={frozen}", "reason=over")["status"] \
        == "active"


def test_roles(finance, fraud, compliance, pair):
    with nothing_changes(finance, *pair):
        finance.refused(DENIED, "role_denied", "account.freeze", f"account_id={pair[0]}",
                        "reason=x")
        fraud.refused(DENIED, "role_denied", "kpi.summary")
        fraud.refused(DENIED, "role_denied", "account.create", "currency=USD",
                      f"customer_id={some_id()}")
        compliance.refused(DENIED, "role_denied", "transaction.flag",
                           f"transaction_id={some_id()}", "reason=x")


def test_logins(bank, finance, pair, tmp_path):
    password_file = tmp_path / "password"
    password_file.write_text("not this one\n")
    with nothing_changes(finance, *pair):
        # A user of its own, so that no other test meets the lock-out.
        stranger = {"BANKTERM_USER": "nobody@test.com", "BANKTERM_PASSWORD": "wrong-password"}
        finance.refused(DENIED, "login_failed", "session.whoami", settings=stranger)
        wrong = Terminal(bank.ipc)
        wrong.refused(DENIED, "login_failed", "session.whoami", "--user", "nobody@test.com",
                      "--password-file", password_file)
        wrong.refused(DENIED, "login_required", "session.whoami", "--user", "nobody@test.com",
                      start_new_session=True)
        wrong.refused(DENIED, "login_required", "session.whoami")
        wrong.refused(INTERNAL, "io", "session.whoami", "--user", "nobody@test.com",
                      "--password-file", tmp_path / "absent")
    password_file.write_text(conftest.PASSWORD + "\r\n")
    who = Terminal(bank.ipc).json("session.whoami", "--user", conftest.USERS[FRAUD],
                                  "--password-file", password_file)
    assert who["role"] == FRAUD and "token" not in who and "event_topic" not in who


def test_an_unknown_operation(finance):
    told = finance.refused(INPUT, "operation_unknown", "transaction.creat")
    assert "Perhaps transaction.create" in told
    told = finance.refused(INPUT, "operation_unknown", "fly.away")
    assert '"fly.away" is not one. Nothing was changed' in told
    finance.refused(INPUT, "usage")


def test_a_message_of_ten_megabytes(finance, pair, tmp_path):
    large = tmp_path / "large"
    large.write_bytes(b"x" * 10_000_000)
    words = ["transaction.create", "type=deposit", "amount=1", f"account_id={pair[0]}"]
    with nothing_changes(finance, *pair):
        finance.refused(INPUT, "message_too_large", *words, f"description@={large}")
        with open(large, "rb") as stdin:
            finance.refused(INPUT, "message_too_large", *words, "description@=-", stdin=stdin)
        large.write_bytes(b"x" * 60_000)
        finance.refused(INPUT, "field_too_long", *words, f"description@={large}")
    large.write_text("From a file\n")
    assert finance.json(*words, f"description@={large}")["description"] == "From a file"


# --- held transactions ---------------------------------------------------------------------------

@pytest.mark.parametrize("decision", ["release", "reject"])
def test_a_held_transfer(finance, fraud, compliance, decision):
    accounts = finance.json("account.list", "kind=customer", "currency=USD", "status=active",
                            "limit=200")["items"]
    fresh = sorted((a for a in accounts if float(a["available"]) > 1000 and a["held"] == "0.00"
                    and a["holder"] != "Rosa Šťastná"),
                   key=lambda a: a["created_at"], reverse=True)
    payer, payee = fresh[0], new_account(finance)
    part = f"{float(payer['available']) * 0.9:.2f}"
    done = finance.run("transaction.create", "type=transfer", f"account_id={payer['account_id']}",
                       f"counterparty_account_id={payee}", f"amount={part}", "--format", "json")
    assert done.returncode == DONE and b"bankterm: held" in done.stderr
    held = json.loads(done.stdout)
    assert held["status"] == "held" and held["verdict"] == "hold"
    assert sum(reason["points"] for reason in held["reasons"]) == held["score"]
    now = finance.json("account.get", f"account_id={payer['account_id']}")
    assert (now["balance"], now["held"]) == (payer["balance"], part)
    assert balance(finance, payee) == "0.00"
    one = f"transaction_id={held['transaction_id']}"
    finance.refused(DENIED, "role_denied", f"transaction.{decision}", one, "reason=mine")
    queue = fraud.json("alert.list", "state=open", "limit=1")["items"]
    assert queue[0]["transaction_id"] == held["transaction_id"]
    done = fraud.json(f"transaction.{decision}", one, "reason=asked the customer")
    assert done["status"] == ("completed" if decision == "release" else "rejected")
    now = finance.json("account.get", f"account_id={payer['account_id']}")
    assert now["held"] == "0.00"
    if decision == "release":
        assert balance(finance, payee) == part
        assert round(float(payer["balance"]) - float(now["balance"]), 2) == float(part)
    else:
        assert balance(finance, payee) == "0.00" and now["balance"] == payer["balance"]
    fraud.refused(CONFLICT, "state_conflict", f"transaction.{decision}", one, "reason=again")
    entries = compliance.json("audit.list", "limit=20")["items"]
    assert any(e["subject"] == held["transaction_id"] for e in entries)


# --- output --------------------------------------------------------------------------------------

def test_formats_tell_the_same(finance, pair):
    words = ["account.get", f"account_id={pair[0]}"]
    wanted = finance.json(*words)
    names = ["account_id", "holder", "currency", "balance", "available", "created_at"]
    chosen = ["--columns", ",".join(names)]
    rows = list(csv.reader(io.StringIO(finance.text(*words, *chosen, "--format", "csv"),
                                       newline="")))
    assert rows == [names, [wanted[name] for name in names]]
    lines = finance.text(*words, *chosen, "--format", "tsv").splitlines()
    assert [line.split("\t") for line in lines] == rows
    table = dict(line.split(None, 1) for line in finance.text(*words, *chosen).splitlines())
    assert table == {name: wanted[name] for name in names}
    finance.refused(INPUT, "field_unknown", *words, "--columns", "colour")
    finance.refused(INPUT, "option_invalid", *words, "--format", "xml")


def test_a_list_to_its_end(finance):
    payee = new_account(finance)
    for amount in range(1, 6):
        post(finance, "deposit", payee, amount)
    words = ["transaction.list", f"account_id={payee}", "limit=2"]
    first = finance.run(*words, "--format", "json")
    page = json.loads(first.stdout)
    assert [t["amount"] for t in page["items"]] == ["5.00", "4.00"]
    assert f"cursor={page['next']}".encode() in first.stderr
    second = finance.json(*words, f"cursor={page['next']}")
    assert [t["amount"] for t in second["items"]] == ["3.00", "2.00"]
    whole = finance.json(*words, "--all")
    assert [t["amount"] for t in whole["items"]] == ["5.00", "4.00", "3.00", "2.00", "1.00"]
    assert finance.text(*words, "--all", "--format", "tsv", "--columns", "amount") \
        == "amount\n5.00\n4.00\n3.00\n2.00\n1.00\n"
    table = finance.text(*words, "--all").splitlines()
    assert table[0].split()[0] == "transaction_id" and len(table) == 6
    narrow = finance.json("transaction.list", f"account_id={payee}", "amount_min=2",
                          "amount_max=3.00", "type=deposit", "--all")
    assert [t["amount"] for t in narrow["items"]] == ["3.00", "2.00"]
    finance.refused(INPUT, "cursor_invalid", *words, "cursor=00ff")


def test_an_export(finance):
    payee = new_account(finance)
    for amount, text in (("1.50", "=1+1"), ("2.50", "a, \"b\""), ("3.50", "plain")):
        post(finance, "deposit", payee, amount, f"description={text}")
    done = finance.run("transaction.export", f"account_id={payee}")
    assert done.returncode == DONE, done.stderr
    assert done.stdout.count(b"\r\n") == 4 and done.stdout.endswith(b"\r\n")
    rows = list(csv.DictReader(io.StringIO(done.stdout.decode(), newline="")))
    assert sorted(row["amount"] for row in rows) == ["1.50", "2.50", "3.50"]
    assert sorted(row["description"] for row in rows) == ["'=1+1", "a, \"b\"", "plain"]
    everything = finance.run("transaction.export")
    listed = finance.text("transaction.list", "--all", "--format", "tsv", "--columns",
                          "transaction_id").splitlines()[1:]
    exported = list(csv.DictReader(io.StringIO(everything.stdout.decode(), newline="")))
    assert sorted(row["transaction_id"] for row in exported) == sorted(listed)
    assert len(listed) > 1000
    finance.refused(INPUT, "usage", "transaction.export", "--format", "json")


def test_a_reader_who_leaves(bank, finance):
    """The output is closed early: an error, and no session is left behind."""
    before = finance.json("server.status")["sessions"]
    read, write = os.pipe()
    with subprocess.Popen([BANKTERM, "run", "transaction.list", "--all", "--server", bank.ipc],
                          stdout=write, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                          env=environment(**finance.settings)) as process:
        os.close(write)
        os.close(read)
        told = process.stderr.read()
        assert process.wait(LIMIT) == INTERNAL, told
    assert b"bankterm: io: " in told
    assert finance.json("server.status")["sessions"] == before


def test_every_figure_is_readable(finance, fraud, compliance):
    for terminal, words in ((finance, ["kpi.summary"]), (finance, ["kpi.trend", "step=day"]),
                            (finance, ["top.transactions", "limit=5"]), (fraud, ["risk.summary"]),
                            (fraud, ["risk.trend"]), (fraud, ["rules.get"]),
                            (compliance, ["compliance.summary"]), (compliance, ["monitor.list"]),
                            (compliance, ["audit.list"]), (compliance, ["audit.verify"]),
                            (compliance, ["customer.list"])):
        answer = terminal.json(*words)
        assert answer
        for output in ("table", "tsv", "csv"):
            text = terminal.text(*words, "--format", output)
            assert text.endswith("\n") and len(text.splitlines()) > 1
    assert compliance.json("audit.verify")["whole"] is True


# --- help ----------------------------------------------------------------------------------------

def test_help_for_every_operation(finance):
    listed = finance.text("--list")
    names = re.findall(r"^([a-z]+\.[a-z]+) ", listed, re.M)
    page = (conftest.ROOT / "proto/ops.def").read_text()
    assert names == [f"{a}.{b}" for a, b in re.findall(r"^OP\(\w+, *(\w+), *(\w+),", page, re.M)]
    for name in names:
        text = finance.text(name, "--help")
        assert text.startswith(name + ": ") and "Answer: " in text
    assert "made when absent" in finance.text("transaction.create", "--help")


# --- connections ---------------------------------------------------------------------------------

def test_a_server_that_is_not_there(tmp_path):
    began = time.monotonic()
    away = Terminal(f"ipc://{tmp_path}/nobody.sock", FINANCE)
    told = away.refused(AWAY, "unreachable", "session.whoami", "--deadline-ms", "2000")
    assert "nobody.sock" in told and time.monotonic() - began < 30


def test_keys(bank, tmp_path):
    key = bank.directory / "keys/server.pub"
    assert Terminal(bank.tcp, FRAUD, key).json("session.whoami")["role"] == FRAUD
    Terminal(bank.tcp, FRAUD).refused(INPUT, "option_invalid", "session.whoami",
                                      field="server_key")
    Terminal(bank.tcp, FRAUD, tmp_path / "absent").refused(INTERNAL, "io", "session.whoami")
    other = tmp_path / "other.pub"
    other.write_bytes(zmq.curve_keypair()[0] + b"\n")
    told = Terminal(bank.tcp, FRAUD, other).refused(AWAY, "unreachable", "session.whoami")
    assert "did not prove the key" in told
    other.write_text("short")
    Terminal(bank.tcp, FRAUD, other).refused(INPUT, "file_syntax", "session.whoami")
    Terminal("http://localhost", FRAUD).refused(INPUT, "option_invalid", "session.whoami")


def test_options_from_a_file(bank, tmp_path):
    file = tmp_path / "bankterm/bankterm.conf"
    file.parent.mkdir()
    file.write_text(f"# mine\nserver = {bank.ipc}\nuser = {conftest.USERS[FRAUD]}\nformat = json\n")

    def whoami(*options, **settings):
        return subprocess.run([BANKTERM, "run", "session.whoami", *options], capture_output=True,
                              check=False, timeout=LIMIT, stdin=subprocess.DEVNULL,
                              env=environment(BANKTERM_PASSWORD=conftest.PASSWORD, **settings))
    place = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert json.loads(whoami(**place).stdout)["role"] == FRAUD
    other = whoami("--format", "tsv", **place, BANKTERM_USER=conftest.USERS[FINANCE])
    assert FINANCE in other.stdout.decode() and other.stdout[:1] != b"{"
    assert json.loads(whoami("--config", file).stdout)["role"] == FRAUD
    file.write_text("colour = red\n")
    wrong = whoami(**place)
    assert wrong.returncode == INPUT and f"{file}:1".encode() in wrong.stderr


# --- sessions over several commands --------------------------------------------------------------

def test_a_token_file(bank, finance, tmp_path):
    token = tmp_path / "token"
    token.write_text("what was there before, and longer than any token " * 3)
    token.chmod(0o644)
    bare = Terminal(bank.ipc)
    with_token = ["--token-file", token]
    session = finance.json("session.login", *with_token)
    assert session["role"] == FINANCE and "token" not in session
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert re.fullmatch(r"[0-9a-f]{64}\n", token.read_text())
    assert bare.json("session.whoami", *with_token)["email"] == conftest.USERS[FINANCE]
    account_id = bare.json("account.list", "limit=1", *with_token)["items"][0]["account_id"]
    bad = tmp_path / "bad"
    bad.write_text("0" * 64 + "\n")
    with nothing_changes(finance, account_id):
        words = ["transaction.create", "type=deposit", "amount=1", f"account_id={account_id}"]
        bare.refused(DENIED, "session_invalid", *words, "--token-file", bad)
        bad.write_text("not a token")
        bare.refused(INPUT, "file_syntax", *words, "--token-file", bad)
        bare.refused(DENIED, "login_required", *words, "--token-file", tmp_path / "absent")
    kept = token.read_text()
    assert bare.run("session.logout", *with_token).returncode == DONE
    assert not token.exists()
    token.write_text(kept)
    bare.refused(DENIED, "session_invalid", "session.whoami", *with_token)


def test_no_session_is_left_behind(finance, fraud):
    before = finance.json("server.status")["sessions"]
    fraud.json("session.login")
    fraud.json("session.whoami")
    fraud.json("session.logout")
    fraud.refused(DENIED, "role_denied", "kpi.summary")
    assert finance.json("server.status")["sessions"] == before


def test_the_password_is_asked_for_without_echo(bank):
    """On a terminal of its own; afterwards the terminal echoes again."""
    process, terminal = pty.fork()
    if process == 0:
        os.execve(BANKTERM, [str(BANKTERM), "run", "session.whoami", "--server", bank.ipc, "--user",
                             conftest.USERS[FRAUD]], environment())
    seen = b""
    end = time.monotonic() + LIMIT
    typed = False
    code = None
    try:
        while time.monotonic() < end:
            if not select.select([terminal], [], [], 1)[0]:
                continue
            try:
                piece = os.read(terminal, 4096)
            except OSError:
                break
            if not piece:
                break
            seen += piece
            if b"Password of" in seen and not typed:
                assert not termios.tcgetattr(terminal)[3] & termios.ECHO
                os.write(terminal, conftest.PASSWORD.encode() + b"\n")
                typed = True
            if typed and b"FRAUD_ANALYST" in seen:
                assert termios.tcgetattr(terminal)[3] & termios.ECHO
    finally:
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        os.close(terminal)
    assert typed and code == DONE, seen
    assert conftest.PASSWORD.encode() not in seen


# --- answers that do not come --------------------------------------------------------------------

class Wire:
    """Between terminal and bank: carries every message, and loses what the test wants lost."""

    def __init__(self, bank, folder):
        self.bank = bank
        self.endpoint = f"ipc://{folder}/wire"
        self.lose = None         # (operation, "request" or "answer")
        self.cut = False         # drop the connection when it was lost
        self.hold_seconds = 0    # keep it back instead
        self.lost = 0
        self.late = 0            # requests that were kept back and have gone on
        self.stopping = False
        self.thread = threading.Thread(target=self.work, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.thread.join(LIMIT)
        assert not self.thread.is_alive()

    def work(self):
        context = zmq.Context()
        front = self.listen(context)
        backs, held, watched = {}, [], {}
        while not self.stopping:
            for late in [h for h in held if h[0] <= time.monotonic()]:
                held.remove(late)
                _, route, data, back = late
                if back:
                    back.send(data)
                    self.late += 1
                else:
                    front.send_multipart([route, data])
            for back in list(backs.values()):
                while back.poll(0):
                    data = back.recv()
                    route = next(r for r, b in backs.items() if b is back)
                    if watched.get(route) != bankclient.unpack(data)["id"]:
                        front.send_multipart([route, data])
                    elif self.hold_seconds:
                        held.append((time.monotonic() + self.hold_seconds, route, data, None))
                    elif self.lose:
                        self.lost += 1
            if front.poll(5):
                route, data = front.recv_multipart()
                request = bankclient.unpack(data)
                back = backs.setdefault(route, None)
                if back is None:
                    back = backs[route] = bankclient.connect(zmq.DEALER, self.bank.ipc)
                if self.lose and request["op"] == self.lose[0]:
                    watched[route] = request["id"]
                    if self.lose[1] == "request":
                        self.lost += 1
                        if self.hold_seconds:
                            held.append((time.monotonic() + self.hold_seconds, route, data, back))
                        if self.cut:
                            self.lose = None
                            front.close()
                            front = self.listen(context)
                        continue
                back.send(data)
        for socket in [front, *backs.values()]:
            socket.close()
        context.term()

    def listen(self, context):
        front = context.socket(zmq.ROUTER)
        front.linger = 0
        end = time.monotonic() + LIMIT
        while True:
            try:
                front.bind(self.endpoint)
                return front
            except zmq.ZMQError:
                assert time.monotonic() < end
                time.sleep(0.01)


@pytest.fixture
def wire(bank, tmp_path):
    # A short path: that of a socket is limited.
    folder = pathlib.Path(tmp_path)
    with Wire(bank, folder) as wire:
        yield wire


def test_a_lost_answer_is_looked_up(wire, finance, pair):
    clerk = Terminal(wire.endpoint, FINANCE)
    before = float(balance(finance, pair[0]))
    wire.lose = ("transaction.create", "answer")
    done = clerk.run("transaction.create", "type=deposit", f"account_id={pair[0]}", "amount=2.50",
                     "--deadline-ms", "2000", "--format", "json")
    assert done.returncode == DONE, done.stderr
    assert wire.lost == 1 and b"it was done" in done.stderr
    assert json.loads(done.stdout)["amount"] == "2.50"
    assert float(balance(finance, pair[0])) == before + 2.5


def test_a_restart_before_the_answer(wire, bank, finance, pair):
    """The session is gone with the old daemon: the terminal logs in again to look it up."""
    before = float(balance(finance, pair[0]))
    wire.lose = ("transaction.create", "answer")
    with subprocess.Popen([BANKTERM, "run", "transaction.create", "type=deposit", "amount=2.50",
                           f"account_id={pair[0]}", "--deadline-ms", "2000", "--format", "json",
                           "--server", wire.endpoint],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL,
                          env=environment(**finance.settings)) as process:
        end = time.monotonic() + LIMIT
        while wire.lost == 0:
            assert time.monotonic() < end and process.poll() is None
            time.sleep(0.01)
        bank.stop()
        bank.start()
        answer, told = process.communicate(timeout=LIMIT)
    assert process.returncode == DONE, told
    assert b"it was done" in told and json.loads(answer)["amount"] == "2.50"
    assert float(balance(finance, pair[0])) == before + 2.5


def test_a_late_answer_counts(wire, finance, pair):
    clerk = Terminal(wire.endpoint, FINANCE)
    wire.lose, wire.hold_seconds = ("transaction.create", "answer"), 4
    with nothing_changes(finance, *pair):
        told = clerk.refused(CONFLICT, "insufficient_funds", "transaction.create",
                             "type=withdrawal", f"account_id={pair[0]}", "amount=99999",
                             "--deadline-ms", "2000")
    assert "did not come in time" in told


def test_a_lost_request_was_not_done(wire, finance, pair):
    clerk = Terminal(wire.endpoint, FINANCE)
    wire.lose, wire.cut = ("transaction.create", "request"), True
    with nothing_changes(finance, *pair):
        told = clerk.refused(AWAY, "unreachable", "transaction.create", "type=deposit",
                             f"account_id={pair[0]}", "amount=2.50", "--deadline-ms", "30000")
    assert wire.lost == 1 and "there is no trace of it" in told


def once_it_has_gone_on(wire):
    end = time.monotonic() + LIMIT
    while wire.late == 0:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_request_that_comes_late_was_told_as_not_done_and_is_not(wire, finance, pair):
    """The terminal ended the session that signed it before it said so."""
    clerk = Terminal(wire.endpoint, FINANCE)
    wire.lose, wire.hold_seconds = ("transaction.create", "request"), 13
    with nothing_changes(finance, *pair):
        told = clerk.refused(AWAY, "unreachable", "transaction.create", "type=deposit",
                             f"account_id={pair[0]}", "amount=2.50", "--deadline-ms", "1000")
        assert wire.lost == 1 and "there is no trace of it" in told
        once_it_has_gone_on(wire)


@pytest.fixture
def kept_session(wire, tmp_path):
    """A session in a file: nobody may end it to prove something."""
    token = tmp_path / "token"
    clerk = Terminal(wire.endpoint, FINANCE)
    assert clerk.run("session.login", "--token-file", str(token)).returncode == DONE
    return clerk, ["--token-file", str(token)]


def test_an_outcome_that_stays_unknown(wire, finance, pair, kept_session):
    clerk, session = kept_session
    wire.lose, wire.hold_seconds = ("transaction.create", "request"), 13
    before = float(balance(finance, pair[0]))
    made = str(uuid.UUID(bytes=bankclient.uuid7()))
    words = ["transaction.create", "type=deposit", f"account_id={pair[0]}", "amount=2.50",
             f"transaction_id={made}", "--deadline-ms", "1000", *session]
    told = clerk.refused(UNKNOWN, "outcome_unknown", *words)
    assert "may still be under way" in told and "never done twice" in told
    assert float(balance(finance, pair[0])) == before
    once_it_has_gone_on(wire)
    wire.lose = None
    again = clerk.run(*words[:-4], *session)
    assert again.returncode == DONE and b"used before" in again.stderr, again.stderr
    assert float(balance(finance, pair[0])) == before + 2.5


def test_a_held_request_that_comes_while_it_is_looked_up(wire, finance, pair, kept_session):
    clerk, session = kept_session
    wire.lose, wire.hold_seconds = ("transaction.create", "request"), 4
    before = float(balance(finance, pair[0]))
    done = clerk.run("transaction.create", "type=deposit", f"account_id={pair[0]}",
                     "amount=2.50", "--deadline-ms", "1000", *session)
    assert done.returncode == DONE, done.stderr
    assert float(balance(finance, pair[0])) == before + 2.5


def test_a_lost_answer_to_a_question(wire):
    clerk = Terminal(wire.endpoint, FINANCE)
    wire.lose = ("account.list", "answer")
    clerk.refused(AWAY, "deadline", "account.list", "--deadline-ms", "2000")


def test_an_id_that_somebody_else_used(wire, finance, pair):
    """The answer is lost, and what is found under the id is not what was asked for."""
    clerk = Terminal(wire.endpoint, FINANCE)
    used = post(finance, "deposit", pair[0], "7.00")["transaction_id"]
    wire.lose = ("transaction.create", "answer")
    with nothing_changes(finance, *pair):
        clerk.refused(CONFLICT, "id_reused", "transaction.create", "type=deposit",
                      f"account_id={pair[0]}", "amount=8.00", f"transaction_id={used}",
                      "--deadline-ms", "2000")
