"""Runs `bankd import` as an operator does: plain files, broken rows, the same file again, a dry
run, an interrupted import, and two sets of real and simulated data where they are at hand.

BANK_TEST_DATA names the folder with those sets; without it they are looked for beside the tree.
Of the card payments only the first rows are loaded, all of them with BANK_TEST_FULL=1."""
import csv
import datetime
import hashlib
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest

from bankclient import uuid7
from conftest import BUILD, LIMIT, PASSWORD, ROOT, USERS, Bank, environment

DATA = pathlib.Path(os.environ.get("BANK_TEST_DATA", ROOT.parent / "shared" / "data"))
FULL = os.environ.get("BANK_TEST_FULL") == "1"
CARD_ROWS = 1236698 if FULL else 15000
HEADER = "time,account,type,amount,currency,counterparty,party,description,id,balance"
ROWS = ["2026-01-05T09:30:00Z,1001,opening,500.00,USD,,,,o-1,500.00",
        "2026-01-05T10:00:00Z,1002,deposit,80.00,USD,,,Wages,o-2,80.00",
        "2026-01-06T12:00:00Z,1001,transfer,-20.00,USD,1002,,Lunch,o-3,480.00",
        "2026-01-07T12:00:00Z,1001,payment,-19.90,USD,,merchant:books,Books,o-4,460.10",
        "2026-01-08T12:00:00Z,1002,withdrawal,-100.00,USD,,,Cash,o-5,0.00"]


def bankd(*arguments, cwd=ROOT):
    return subprocess.run([BUILD / "bankd", *map(str, arguments)], cwd=cwd, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, env=environment(),
                          timeout=LIMIT * 10, check=False)


@pytest.fixture
def home(tmp_path):
    place = tmp_path / "bank"
    done = bankd("init", "--data-dir", place)
    assert done.returncode == 0, done.stderr
    return place


def load(home, file, *options, name="plain"):
    return bankd("import", file, "--map", name, "--data-dir", home, *options)


def summary(done):
    """The lines of the summary as numbers."""
    return {name: int(value) for name, value in
            re.findall(r"^([a-z ]+?) {2,}(\d+)$", done.stdout, re.M)}


def assert_proved(home):
    done = bankd("verify", "--data-dir", home)
    assert done.returncode == 0, done.stdout + done.stderr
    return {name.strip(): int(count) for name, count in
            re.findall(r"^(.{44}) +(\d+) +0$", done.stdout, re.M)}


def records(home, query):
    with sqlite3.connect(f"file:{home / 'bank.db'}?mode=ro", uri=True) as database:
        return database.execute(query).fetchall()


def write(path, *rows, header=HEADER):
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_a_plain_file_is_loaded_once(home, tmp_path):
    file = write(tmp_path / "plain.csv", *ROWS)
    done = load(home, file, "--check-balances")
    assert done.returncode == 0, done.stderr
    told = summary(done)
    assert (told["rows read"], told["loaded"], told["rejected"]) == (5, 5, 0)
    assert (told["balances agree"], told["balances disagree"]) == (5, 0)
    assert (told["accounts created"], told["customers created"]) == (2, 2)
    assert not (tmp_path / "plain.csv.rejects.csv").exists()
    assert records(home, "SELECT a.external_id, b.balance FROM account a JOIN balance b ON "
                         "b.account = a.number WHERE a.kind = 1 ORDER BY 1") \
        == [("plain:1001", 46010), ("plain:1002", 0)]
    entries = records(home, "SELECT operation, actor_name, outcome, detail FROM audit WHERE "
                            "operation LIKE 'import.%' ORDER BY sequence")
    assert [entry[:3] for entry in entries] == [("import.start", "import", "done"),
                                                ("import.done", "import", "done")]
    digest = hashlib.blake2b(file.read_bytes(), digest_size=32).hexdigest()
    assert f"hash={digest}" in entries[1][3] and "loaded=5" in entries[1][3]

    done = load(home, file, "--check-balances")
    assert done.returncode == 0, done.stderr
    told = summary(done)
    assert (told["loaded"], told["repeated"], told["balances agree"]) == (0, 5, 5)
    proved = assert_proved(home)
    assert proved["transactions: sides, balances, status, flag"] == 5


def test_bad_rows_are_kept_aside_and_the_rest_is_loaded(home, tmp_path):
    bad = ["2026-01-09,1001,deposit,1.005,USD,,,,b-1,",
           "2026-13-09,1001,deposit,1.00,USD,,,,b-2,",
           "2026-01-09,,deposit,1.00,USD,,,,b-3,",
           "2026-01-09,1001,gift,1.00,USD,,,,b-4,",
           "2026-01-09,1001,deposit,1.00,XYZ,,,,b-5,",
           "2026-01-09,1001,withdrawal,-9999.00,USD,,,,b-6,",
           "2026-01-09,1001,deposit,1.00",
           '2026-01-09,1001,deposit,1.00,USD,,,"not closed,b-8,',
           ROWS[0].replace("500.00,USD", "2.00,USD"),
           "2026-01-09,1001,deposit,1.00,USD,,,Rent, May,b-9,",
           "2999-01-09,1001,deposit,1.00,USD,,,,b-10,"]
    file = write(tmp_path / "bad.csv", ROWS[0], *bad, ROWS[3].replace("-19.90", "-0.90"))
    done = load(home, file)
    assert done.returncode == 0, done.stderr
    told = summary(done)
    assert (told["rows read"], told["loaded"], told["rejected"]) == (13, 2, 11)
    with open(tmp_path / "bad.csv.rejects.csv", encoding="utf-8", newline="") as rejects:
        rows = list(csv.DictReader(rejects))
    assert [int(row["line"]) for row in rows] == list(range(3, 14))
    assert [row["column"] for row in rows] == ["amount", "time", "account", "type", "currency",
                                               "amount", "", "", "transaction_id", "", "time"]
    assert [row["error"] for row in rows] \
        == ["amount_invalid", "field_invalid", "field_missing", "field_invalid", "currency_unknown",
            "insufficient_funds", "file_syntax", "file_syntax", "id_reused", "file_syntax",
            "field_invalid"]
    assert all(row["text"] for row in rows)
    assert [row["row"] for row in rows] == bad
    assert_proved(home)

    done = load(home, write(tmp_path / "bad.csv", ROWS[0]))
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "bad.csv.rejects.csv").exists(), "rejected rows of an earlier run"
    done = load(home, tmp_path / "bad.csv", "--rejects", tmp_path / "bad.csv")
    assert done.returncode == 2
    assert "would replace the file itself" in done.stderr

    other = tmp_path / "elsewhere.csv"
    done = load(home, write(tmp_path / "all.csv", *bad[:2]), "--rejects", other)
    assert done.returncode == 2, "every row was rejected"
    assert len(other.read_text().splitlines()) == 3


def test_the_first_moment_of_1970_is_no_time(home, tmp_path):
    """Other programs write it where they know none. The first day itself is one as all others."""
    none = "1970-01-01T00:00:00Z,1001,deposit,1.00,USD,,,,n-1,"
    file = write(tmp_path / "old.csv", none, none.replace("00:00Z", "00:01Z").replace("n-1", "n-2"),
                 none.replace("-01T", "-02T").replace("n-1", "n-3"))
    told = summary(load(home, file))
    assert (told["loaded"], told["rejected"]) == (2, 1)
    with open(tmp_path / "old.csv.rejects.csv", encoding="utf-8", newline="") as rejects:
        (row,) = csv.DictReader(rejects)
    assert (row["line"], row["column"], row["error"]) == ("2", "time", "field_invalid")
    assert "no time" in row["text"]
    assert_proved(home)


def test_a_column_that_is_there_twice_is_told(home, tmp_path):
    file = write(tmp_path / "plain.csv", *ROWS)
    file.write_text(file.read_text().replace("description", "amount", 1))
    done = load(home, file)
    assert done.returncode == 2
    assert 'the file has two columns "amount", 4 and 8' in done.stderr


def test_an_import_that_the_disk_ends_tells_what_is_loaded(home, tmp_path):
    rows = [f"2026-01-01T00:{n // 60 % 60:02}:{n % 60:02}Z,{n % 50},deposit,5.00,USD,,,x,i{n},"
            for n in range(3000)]
    file = tmp_path / "many.csv"
    file.write_text("time,account,type,amount,currency,counterparty,party,description,id,balance\n"
                    + "\n".join(rows) + "\n")
    size = (home / "bank.db").stat().st_size

    def small_files():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 600000, resource.RLIM_INFINITY))

    done = subprocess.run([BUILD / "bankd", "import", file, "--map", "plain", "--data-dir", home],
                          cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=False,
                          env=environment(), preexec_fn=small_files)
    assert done.returncode == 1, done.stdout
    told = re.search(r"(\d+) rows of the file are loaded and stay", done.stderr)
    assert told and "Nothing was changed" not in done.stderr, done.stderr
    assert 0 < int(told[1]) < len(rows)
    again = load(home, file)
    assert again.returncode == 0, again.stderr
    assert summary(again)["repeated"] == int(told[1])
    assert_proved(home)


def test_a_dry_run_writes_nothing(home, tmp_path):
    file = write(tmp_path / "plain.csv", *ROWS, ROWS[0].replace("500.00,USD", "5.00,USD"))
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    done = load(home, file, "--dry-run", "--check-balances")
    assert done.returncode == 0, done.stderr
    told = summary(done)
    assert (told["loaded"], told["rejected"], told["accounts created"]) == (5, 1, 2)
    assert "nothing was written" in done.stdout
    assert not list(home.glob("dry-run-*"))
    left = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()
            and path.suffix not in (".lock",) and not path.name.endswith(("-wal", "-shm"))}
    assert left == {path: bytes_ for path, bytes_ in before.items() if path in left}
    assert records(home, "SELECT count(*) FROM transactions") == [(0,)]
    assert records(home, "SELECT count(*) FROM audit WHERE operation LIKE 'import.%'") == [(0,)]


def test_a_balance_that_disagrees_is_told(home, tmp_path):
    file = write(tmp_path / "plain.csv", ROWS[0], ROWS[3].replace("460.10", "460.00"))
    done = load(home, file, "--check-balances")
    assert done.returncode == 4
    assert summary(done)["balances disagree"] == 1
    assert "line 3: account plain:1001: the file says 460.00, the ledger 480.10" in done.stderr


@pytest.mark.parametrize("arguments, code, told", [
    ((), 2, "A file and a map are needed"),
    (("FILE",), 2, "A file and a map are needed"),
    (("FILE", "--map"), 2, "A value is missing"),
    (("FILE", "--map", "plain", "--loud"), 2, "does not belong here: --loud"),
    (("FILE", "--map", "no-such"), 1, "The map no-such cannot be opened"),
    (("FILE", "--map", "BAD"), 2, "bad.map:2: there is no key"),
    (("nowhere.csv", "--map", "plain"), 1, "nowhere.csv: No such file"),
    (("OTHER", "--map", "plain"), 2, "the file has no column \"currency\""),
])
def test_mistakes_are_told(home, tmp_path, arguments, code, told):
    names = {"FILE": write(tmp_path / "f.csv", *ROWS), "BAD": tmp_path / "bad.map",
             "OTHER": write(tmp_path / "o.csv", "1,2", header="time,account")}
    names["BAD"].write_text("source = x\nnonsense = 1\n", encoding="utf-8")
    done = bankd("import", *[names.get(a, a) for a in arguments], "--data-dir", home)
    assert done.returncode == code, done.stderr
    assert told in done.stderr


def test_a_bank_that_is_served_keeps_import_out(bank, tmp_path):
    file = write(tmp_path / "plain.csv", *ROWS)
    done = load(bank.directory, file)
    assert done.returncode == 1
    assert "storage_locked" in done.stderr
    assert load(bank.directory, file, "--dry-run").returncode == 0
    assert bank.verify().returncode == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_import_goes_on(home, tmp_path, how):
    numbers = random.Random(7)
    begin = datetime.datetime(2025, 1, 1)
    rows = [f"{(begin + datetime.timedelta(minutes=i)).isoformat()},{numbers.randrange(500)},"
            f"deposit,{numbers.randrange(1, 900)}.{i % 100:02d},USD,,,,," for i in range(120000)]
    file = write(tmp_path / "many.csv", *rows)
    command = [BUILD / "bankd", "import", file, "--map", "plain", "--data-dir", home]
    log = home / "bank.db-wal"
    with subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=environment()) as process:
        end = time.monotonic() + LIMIT
        while not (log.exists() and log.stat().st_size > 1 << 20):
            assert time.monotonic() < end and process.poll() is None
            time.sleep(0.005)
        process.send_signal(how)
        told, talk = process.communicate(timeout=LIMIT)
    first = records(home, "SELECT count(*) FROM transactions")[0][0]
    assert 0 < first < len(rows)
    ends = records(home, "SELECT outcome FROM audit WHERE operation = 'import.done'")
    if how == signal.SIGTERM:
        assert process.returncode == 5, talk
        assert "goes on from there" in talk
        assert first == int(re.search(r"^loaded +(\d+)$", told, re.M).group(1))
        assert ends == [("cancelled",)]
    else:
        assert process.returncode == -signal.SIGKILL
        assert not ends

    done = load(home, file)
    assert done.returncode == 0, done.stderr
    assert (summary(done)["repeated"], summary(done)["loaded"]) == (first, len(rows) - first)
    assert records(home, "SELECT count(*), count(DISTINCT transaction_id) FROM transactions") \
        == [(len(rows), len(rows))]
    assert_proved(home)


def unpack(name, tmp_path, rows=None):
    """A file of the data sets, or its first rows; skips where they are not at hand."""
    packed = DATA / f"{name}.zst"
    if not packed.exists():
        pytest.skip(f"{packed} is not there; BANK_TEST_DATA names the folder of the data sets")
    file = tmp_path / pathlib.Path(name).name
    with open(file, "wb") as out, subprocess.Popen(["zstd", "-dc", packed],
                                                   stdout=subprocess.PIPE) as process:
        for number, line in enumerate(process.stdout):
            if rows is not None and number > rows:
                process.kill()
                break
            out.write(line)
    return file


def test_a_real_bank_agrees_to_the_haler(home, tmp_path):
    file = unpack("berka/trans_chained.csv", tmp_path)
    done = load(home, file, "--check-balances", name="berka")
    assert done.returncode == 0, done.stderr
    told = summary(done)
    assert (told["rows read"], told["loaded"], told["rejected"]) == (49102, 49102, 0)
    assert (told["balances agree"], told["balances disagree"], told["balances not checked"]) \
        == (49070, 0, 32)
    assert (told["accounts created"], told["roundings posted"]) == (1229, 2325)
    proved = assert_proved(home)
    assert proved["transactions: sides, balances, status, flag"] == 49102 + 2325
    assert records(home, "SELECT sum(balance) FROM balance") == [(0,)]
    # Recounted from the file itself: what each account came to.
    last = {}
    with open(file, encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            last[row["account_id"]] = last.get(row["account_id"], 0) \
                + int(row["signed_amount_haler"]) + int(row["rounding_haler"])
    assert {f"berka:{number}": sum_ for number, sum_ in last.items()} \
        == dict(records(home, "SELECT a.external_id, b.balance FROM account a JOIN balance b "
                              "ON b.account = a.number WHERE a.kind = 1"))
    again = load(home, file, "--check-balances", name="berka")
    assert summary(again)["repeated"] == 49102
    assert records(home, "SELECT sum(count), min(bucket), max(bucket) FROM rollup WHERE scale = 1 "
                         "AND metric BETWEEN 65 AND 128 AND bucket < 8766")[0][1:] == (8401, 8765)


def test_what_an_analyst_decided_outlasts_a_file(own_bank, tmp_path):
    """A label of a later file replaces the label of an earlier one, but no decision."""
    own_bank.stop()
    home, header = own_bank.directory, HEADER + ",fraud"
    rules = tmp_path / "labels.map"
    plain = (ROOT / "data/maps/plain.map").read_text(encoding="utf-8")
    rules.write_text(re.sub(r"(?m)^#(label)", r"\1", plain), encoding="utf-8")

    def rows(*labels):
        day = datetime.date(2026, 6, 1)
        made = [f"{day}T08:00:00Z,rich,opening,900000.00,EUR,,,,r-0,,"]
        for number, label in enumerate(labels, 1):
            amount = 15000 if number < len(labels) else 600000
            made.append(f"{day + datetime.timedelta(days=number)}T08:00:00Z,rich,payment,"
                        f"-{amount}.00,EUR,,shop:{number},,r-{number},,{label}")
        return write(tmp_path / "rich.csv", *made, header=header)

    told = summary(load(home, rows(*[0] * 12), "--labels", name=rules))
    assert (told["labels stored"], told["of them fraud"], told["suspicious rows"]) == (12, 0, 1)
    (sequence,), = records(home, "SELECT sequence FROM transactions "
                                 "WHERE external_id = 'plain:r-12'")
    own_bank.start()
    with own_bank.client() as client:
        client.login("fraud@test.com", PASSWORD)
        (found,), = records(home, "SELECT hex(transaction_id) FROM transactions "
                                  f"WHERE sequence = {sequence}")
        alert = next(one for one in client.pages("alert.list", state="open")
                     if one["transaction_id"].hex().upper() == found)
        client.call("alert.decide", alert_id=alert["alert_id"], decision="false_positive",
                    note="She bought a house")
    own_bank.stop()
    told = summary(load(home, rows(1, 1, *[0] * 9, 1), "--labels", name=rules))
    assert (told["labels stored"], told["of them changed"], told["kept as decided"]) == (2, 2, 1)
    assert records(home, "SELECT sum(fraud) FROM label l JOIN transactions t "
                         "ON t.sequence = l.transaction_sequence "
                         "WHERE external_id LIKE 'plain:r-%'") == [(2,)]
    done = load(home, rows(*["no"] * 12), "--labels", name=rules)
    assert summary(done)["rejected"] == 12
    assert_proved(home)
    tried = json.loads(bankd("backtest", "--format", "json", "--data-dir", home).stdout)
    assert 0 < tried["alerts_found"] < tried["alerts"]["count"]  # the demo has undecided ones
    assert abs(tried["precision"] - tried["frauds_caught"]["count"] / tried["alerts_found"]) < 1e-6
    own_bank.start()


def test_labels_come_alone_for_payments_that_are_there(home, tmp_path):
    day = datetime.date.today() - datetime.timedelta(days=40)
    rows = [f"{day}T08:00:00Z,1001,opening,500.00,USD,,,,o-0,"]
    rows += [f"{day + datetime.timedelta(days=n)}T08:00:00Z,1001,payment,-{n}.00,USD,,shop:{n},,"
             f"o-{n},{500 - n}" for n in range(1, 7)]
    rows.append(rows[6].replace(f"{day + datetime.timedelta(days=6)}", f"{day}"))  # the id again
    assert summary(load(home, write(tmp_path / "plain.csv", *rows)))["loaded"] == 8
    tables = ("SELECT * FROM balance", "SELECT * FROM alert", "SELECT * FROM account",
              "SELECT sequence, status, flagged, score FROM transactions", "SELECT * FROM rollup")
    before = [records(home, table) for table in tables]
    known = f"{day + datetime.timedelta(days=20)}T12:00:00Z"
    late = write(tmp_path / "late.csv", f"o-2,1,{known}", "o-1,0,", "nobody-1,1,", "o-3,maybe,",
                 f"o-4,1,{day}T00:00:00Z", "o-5,,", ",1,", "o-6,1,", "o-4,1,2999-01-01",
                 "nobody-2,0,", "o-2,1", header="id,fraud,known")
    done = load(home, late, "--dry-run", name="labels")
    assert done.returncode == 0 and records(home, "SELECT * FROM label") == []
    done = load(home, late, name="labels")
    assert done.returncode == 0, done.stderr
    told = summary(done)
    assert "loaded" not in told and "alerts raised" not in told
    assert [told[name] for name in ("rows read", "repeated", "skipped", "rejected",
                                    "of them unknown", "labels stored", "of them fraud")] \
        == [11, 0, 1, 8, 2, 2, 1]
    assert "line 4: The bank has no payment plain:nobody-1" in done.stderr
    with open(tmp_path / "late.csv.rejects.csv", encoding="utf-8", newline="") as rejects:
        refused = {int(row["line"]): row for row in csv.DictReader(rejects)}
    assert {line: (row["error"], row["row"]) for line, row in refused.items()} == {
        4: ("not_found", "nobody-1,1,"), 5: ("field_invalid", "o-3,maybe,"),
        6: ("field_invalid", f"o-4,1,{day}T00:00:00Z"), 8: ("field_missing", ",1,"),
        9: ("field_invalid", "o-6,1,"), 10: ("field_invalid", "o-4,1,2999-01-01"),
        11: ("not_found", "nobody-2,0,"), 12: ("file_syntax", "o-2,1")}
    assert "Several payments" in refused[9]["text"]
    assert "before the payment" in refused[6]["text"] and "future" in refused[10]["text"]
    found = ("SELECT t.external_id, l.fraud, l.known_at_us - t.at_us FROM label l "
             "JOIN transactions t ON t.sequence = l.transaction_sequence ORDER BY 1")
    day_us = 86400 * 10**6
    labels = [("plain:o-1", 0, 7 * day_us), ("plain:o-2", 1, 18 * day_us + day_us // 6)]
    assert records(home, found) == labels
    assert [records(home, table) for table in tables] == before
    (detail,), = records(home, "SELECT detail FROM audit WHERE operation = 'import.done' "
                               "ORDER BY sequence DESC LIMIT 1")
    assert "rejected=8 labels=2 changed=0 unknown=2" in detail
    told = summary(load(home, late, name="labels"))  # again
    assert (told["repeated"], told["labels stored"], told["of them unknown"]) == (2, 0, 2)
    assert records(home, found) == labels
    late.write_text("id,fraud,known\no-1,1,\n", encoding="utf-8")
    told = summary(load(home, late, name="labels"))
    assert (told["labels stored"], told["of them changed"]) == (1, 1)
    assert_proved(home)
    assert load(home, late, "--check-balances", name="labels").returncode == 2


def test_what_history_has_seen_completed_was_not_stopped(own_bank, tmp_path):
    """The rules would have held both payments, but one was over before they were asked."""
    rules = """version 1
threshold alert 300
threshold hold 600
threshold decline 900
rule sevens
  when is_outgoing and amount_major = 777
  score 700
  because "{amount} is a seven"
  fires on is_outgoing=yes amount_major=777
  silent on is_outgoing=yes amount_major=8
end
"""
    def client(role):
        client = own_bank.client()
        client.login(USERS[role], PASSWORD)
        return client

    with client("FRAUD_ANALYST") as fraud, client("COMPLIANCE_OFFICER") as compliance:
        version = fraud.call("rules.propose", rules=rules, scorecard="", reason="A test")
        compliance.call("rules.approve", hash=version["hash"])
    own_bank.stop()
    plain = (ROOT / "data/maps/plain.map").read_text(encoding="utf-8")
    labels = tmp_path / "labels.map"
    labels.write_text(re.sub(r"(?m)^#(label)", r"\1", plain), encoding="utf-8")
    day = datetime.date.today() - datetime.timedelta(days=20)
    file = write(tmp_path / "old.csv", f"{day}T08:00:00Z,old,opening,9000.00,USD,,,,h-0,,",
                 f"{day}T09:00:00Z,old,payment,-777.00,USD,,shop:1,,h-1,,1",
                 header=HEADER + ",fraud")
    told = summary(load(own_bank.directory, file, "--labels", name=labels))
    assert (told["loaded"], told["of them fraud"], told["alerts raised"]) == (2, 1, 1)
    own_bank.start()
    with client("FRAUD_ANALYST") as fraud, client("FINANCIAL_MANAGER") as finance:
        period = {"from": int((time.time() - 90 * 86400) * 1e6),
                  "to": int((time.time() + 86400) * 1e6)}

        def sevens():
            board = fraud.call("rules.scoreboard", currency="USD", **period)
            row, = [row for row in board["items"] if row["rule"] == "sevens"]
            return tuple(row[name] for name in
                         ("fired", "alerted", "stopped", "confirmed", "saved"))

        assert sevens() == (1, 1, 0, 1, 0)
        customer = finance.call("customer.create", customer_id=uuid7(), name="Live")
        source, target = (finance.call("account.create", account_id=uuid7(), currency="USD",
                                       customer_id=customer["customer_id"])["account_id"]
                          for _ in range(2))
        finance.call("transaction.create", transaction_id=uuid7(), type="deposit",
                     account_id=source, amount=9000_00)
        held = finance.call("transaction.create", transaction_id=uuid7(), type="transfer",
                            account_id=source, counterparty_account_id=target, amount=777_00)
        fraud.call("alert.decide", alert_id=held["alert_id"], decision="confirmed_fraud",
                   note="Not hers")
        assert sevens() == (2, 2, 1, 2, 777_00)


def test_card_payments_keep_their_labels(home, tmp_path):
    file = unpack("fdh/transactions_to_2018-08-07.csv", tmp_path, CARD_ROWS)
    done = load(home, file, "--labels", name="handbook")
    assert done.returncode == 0, done.stderr
    told = summary(done)
    assert (told["loaded"], told["rejected"], told["labels stored"]) == (CARD_ROWS, 0, CARD_ROWS)
    with open(file, encoding="utf-8", newline="") as lines:
        frauds = sum(row["TX_FRAUD"] == "1" for row in csv.DictReader(lines))
    assert records(home, "SELECT sum(fraud) FROM label") == [(frauds,)]
    assert records(home, "SELECT DISTINCT l.known_at_us - t.at_us FROM label l JOIN transactions t "
                         "ON t.sequence = l.transaction_sequence") == [(7 * 86400 * 10**6,)]
    assert_proved(home)


def test_the_audit_log_tells_apart_what_no_user_posted(demo_home, tmp_path):
    """A row of a file, the rounding beside it and an opening balance are three different things."""
    home = tmp_path / "bank"
    shutil.copytree(demo_home, home)
    plain = (ROOT / "data/maps/plain.map").read_text()
    rounding = tmp_path / "rounding.map"
    rounding.write_text(plain.replace("#rounding", "rounding"))
    file = write(tmp_path / "rounded.csv", ROWS[0] + ",", ROWS[3] + ",-0.03",
                 header=HEADER + ",rounding")
    done = load(home, file, name=rounding)
    assert done.returncode == 0, done.stderr
    bank = Bank(home, tmp_path / "bankd.log")
    bank.start()
    try:
        with bank.client() as officer:
            officer.login("compliance@test.com", "test123")
            entries = officer.call("audit.list", kind="transaction", limit=3)["items"]
            opened = officer.call("audit.list", search="Opening balance", limit=1)["items"]
    finally:
        bank.stop()
    assert [(entry["operation"], entry["actor"], entry["detail"].split(" score ")[0])
            for entry in entries] == [
        ("import", "import", "payment 19.90 USD"),
        ("import.rounding", "import", "adjustment 0.03 USD, not judged: Rounding"),
        ("import", "import", "deposit 500.00 USD")]
    assert [entry["operation"] for entry in opened] == ["import"]
    assert re.fullmatch(r"deposit [0-9,.]+ [A-Z]{3}, not judged: Opening balance",
                        opened[0]["detail"])
