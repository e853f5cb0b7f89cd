"""Backs the bank up while posts go on, restores into an empty data directory and over a bank, and
tries everything that both must refuse. What was acknowledged before a backup began is in it."""
import os
import pathlib
import shutil
import sqlite3
import subprocess
import threading

import pytest

import bankclient
import conftest


def bankd(*arguments, code=0):
    done = subprocess.run([conftest.BUILD / "bankd", *arguments], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=conftest.LIMIT, check=False,
                          env=conftest.environment())
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


class Load(threading.Thread):
    """Deposits into one account without pause; counts what was acknowledged."""

    def __init__(self, bank):
        super().__init__()
        self.bank = bank
        self.ids = []
        self.news = threading.Condition()
        self.over = threading.Event()
        self.failure = None

    def run(self):
        try:
            with self.bank.client() as client:
                client.login("finance@test.com", conftest.PASSWORD)
                customer, account = bankclient.uuid7(), bankclient.uuid7()
                client.call("customer.create", customer_id=customer, name="Load", country="US")
                client.call("account.create", account_id=account, customer_id=customer,
                            currency="USD")
                while not self.over.is_set():
                    ident = bankclient.uuid7()
                    client.call("transaction.create", transaction_id=ident, type="deposit",
                                account_id=account, amount=100)
                    with self.news:
                        self.ids.append(ident)
                        self.news.notify_all()
        except BaseException as failure:  # told to the test, which fails with it
            with self.news:
                self.failure = failure
                self.news.notify_all()

    def wait_for(self, count):
        with self.news:
            assert self.news.wait_for(lambda: self.failure or len(self.ids) >= count,
                                      conftest.LIMIT)
        assert self.failure is None, self.failure


@pytest.fixture(name="load")
def fixture_load(bank):
    load = Load(bank)
    load.start()
    try:
        yield load
    finally:
        load.over.set()
        load.join()


@pytest.fixture(scope="module", name="saved")
def fixture_saved(demo_home, tmp_path_factory):
    """A backup of the demo bank at rest."""
    file = tmp_path_factory.mktemp("saved") / "bank.backup"
    text = bankd("backup", file, "--data-dir", demo_home)
    assert "keys/audit.key" in text and "proved up to entry" in text
    return file


def place_with_keys(demo_home, place):
    place.mkdir(mode=0o700)
    shutil.copytree(demo_home / "keys", place / "keys")
    return place


def files_of(place):
    return {path.name: path.read_bytes() for path in pathlib.Path(place).iterdir()
            if path.is_file()}


def test_backup_under_load_is_whole_and_restores(bank, load, tmp_path):
    file = tmp_path / "bank.backup"
    load.wait_for(20)
    before = list(load.ids)
    bankd("backup", file, "--data-dir", bank.directory)
    load.wait_for(len(before) + 20)  # the bank goes on meanwhile and afterwards
    load.over.set()
    load.join()
    assert load.failure is None, load.failure
    assert [path.name for path in tmp_path.iterdir()] == ["bank.backup"]
    assert file.stat().st_mode & 0o777 == 0o600

    place = place_with_keys(bank.directory, tmp_path / "bank")
    bankd("restore", file, "--data-dir", place)
    assert not (place / "rules.txt").exists()  # the rules in force are in the store
    assert "agree" in bankd("verify", "--data-dir", place)
    restored = conftest.Bank(place, tmp_path / "restored.log")
    restored.start()
    try:
        with restored.client() as client:
            client.login("finance@test.com", conftest.PASSWORD)
            for ident in before:
                assert client.call("transaction.get", transaction_id=ident)["amount"] == 100
            there = [ident for ident in load.ids if is_there(client, ident)]
            assert there == load.ids[:len(there)], "the snapshot has a gap"
    finally:
        restored.stop()
    assert "agree" in bankd("verify", "--data-dir", place)


def old_bank(path, version):
    """A bank of an earlier version of the schema, as tests/store/test_migrate.c knows it."""
    root = conftest.ROOT
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA application_id = 1111576139")
    for text in sorted((root / "data/migrations").glob("*.sql"))[:version]:
        db.executescript(text.read_text())
    db.executescript((root / f"tests/store/schema_{version}.sql").read_text())
    db.execute("DELETE FROM signed_head")  # by a key that is not there
    db.execute(f"PRAGMA user_version = {version}")
    db.close()


VERSIONS = sorted((conftest.ROOT / "tests/store").glob("schema_*.sql"))


@pytest.mark.parametrize("version", range(1, 1 + len(VERSIONS)))
def test_a_backup_of_every_earlier_version_restores(demo_home, tmp_path, version):
    old_bank(tmp_path / "old.backup", version)
    place = place_with_keys(demo_home, tmp_path / "bank")
    bankd("restore", tmp_path / "old.backup", "--data-dir", place)
    assert "agree" in bankd("verify", "--data-dir", place)
    with sqlite3.connect(place / "bank.db") as db:
        newest = len(list((conftest.ROOT / "data/migrations").glob("*.sql")))
        assert db.execute("PRAGMA user_version").fetchone()[0] == newest
    bankd("backup", tmp_path / "new.backup", "--data-dir", place)


def test_a_backup_of_a_newer_version_is_refused(saved, demo_home, tmp_path):
    newer = tmp_path / "newer.backup"
    shutil.copy(saved, newer)
    with open(newer, "r+b") as file:  # where SQLite keeps user_version
        file.seek(60)
        file.write((9999).to_bytes(4, "big"))
    place = place_with_keys(demo_home, tmp_path / "bank")
    text = bankd("restore", newer, "--data-dir", place, code=1)
    assert "storage_newer" in text or "storage_corrupt" in text
    assert not (place / "bank.db").exists()


def is_there(client, ident):
    try:
        client.call("transaction.get", transaction_id=ident)
    except bankclient.BankError as error:
        assert error.name == "not_found", error
        return False
    return True


def test_backup_overwrites_nothing(demo_home, tmp_path):
    file = tmp_path / "precious"
    file.write_text("precious")
    assert "exists" in bankd("backup", file, "--data-dir", demo_home, code=4)
    assert file.read_text() == "precious"
    assert "not-there" in bankd("backup", tmp_path / "not-there" / "x", "--data-dir", demo_home,
                                code=1)
    bankd("backup", "--data-dir", demo_home, code=2)


def test_what_killed_runs_left_is_cleared_away(demo_home, tmp_path):
    gone = subprocess.Popen(["true"])
    gone.wait()
    alive = tmp_path / f"b.backup.part-{os.getpid()}"
    others = [alive, tmp_path / f"b.backup.part-{gone.pid}.txt", tmp_path / "b.backup.part-x",
              tmp_path / f"other.part-{gone.pid}"]
    left = [tmp_path / f"b.backup.part-{gone.pid}{suffix}"
            for suffix in ("", "-wal", "-shm", "-journal")]
    for path in others + left:
        path.write_text("half")
    bankd("backup", tmp_path / "b.backup", "--data-dir", demo_home)
    assert [path for path in left if path.exists()] == []
    assert all(path.read_text() == "half" for path in others)

    place = place_with_keys(demo_home, tmp_path / "bank")
    left = [place / f"bank.db.restore-{gone.pid}{suffix}" for suffix in ("", "-wal", "-shm")]
    for path in left:
        path.write_text("half")
    bankd("restore", tmp_path / "b.backup", "--data-dir", place)
    assert [path for path in left if path.exists()] == []


def test_backup_of_a_bad_bank_is_refused(demo_home, tmp_path):
    """A copy that does not prove itself gets no name."""
    place = tmp_path / "bank"
    shutil.copytree(demo_home, place)
    subprocess.run(["/usr/bin/python3", "-c", "import sqlite3, sys\n"
                    "db = sqlite3.connect(sys.argv[1])\n"
                    "db.execute('UPDATE balance SET balance = balance + 1 WHERE account = 5')\n"
                    "db.commit()\n", place / "bank.db"], check=True)
    assert "storage_corrupt" in bankd("backup", tmp_path / "copy", "--data-dir", place, code=1)
    assert [path.name for path in tmp_path.iterdir()] == ["bank"]


def test_restore_needs_the_keys_of_the_bank(saved, demo_home, tmp_path):
    empty = tmp_path / "empty"
    assert "keys/server.key" in bankd("restore", saved, "--data-dir", empty, code=4)
    assert not empty.exists()
    # Another bank's keys do not fit the signatures in the records.
    other = tmp_path / "other"
    bankd("init", "--data-dir", other)
    for path in other.iterdir():
        if path.is_file():
            path.unlink()
    assert "signature" in bankd("restore", saved, "--data-dir", other, code=1)
    assert [path.name for path in other.iterdir() if path.name != "bank.db.lock"] == ["keys"]
    bankd("restore", saved, "--data-dir", place_with_keys(demo_home, tmp_path / "right"))


def test_restore_leaves_a_bank_alone_unless_forced(saved, demo_home, tmp_path):
    place = tmp_path / "bank"
    shutil.copytree(demo_home, place)
    bankd("user", "disable", "fraud@test.com", "--data-dir", place)
    before = files_of(place)
    assert "--force" in bankd("restore", saved, "--data-dir", place, code=4)
    assert files_of(place) == before
    text = bankd("restore", saved, "--force", "--data-dir", place)
    aside = sorted(path for path in place.iterdir() if path.name.startswith("bank.db.before-"))
    assert len(aside) == 2 and str(aside[0]) in text
    assert aside[0].read_bytes() == before["bank.db"]
    assert aside[1].name == aside[0].name + ".head" and str(aside[1]) in text
    assert aside[1].read_bytes() == before["bank.db.head"]
    assert "agree" in bankd("verify", "--data-dir", place)
    assert bankd("user", "list", "--data-dir", place).count("disabled") == \
        bankd("user", "list", "--data-dir", demo_home).count("disabled")


def test_restore_refuses_while_bankd_serves(saved, bank):
    assert "storage_locked" in bankd("restore", saved, "--force", "--data-dir", bank.directory,
                                     code=1)
    with bank.client() as client:
        client.login("finance@test.com", conftest.PASSWORD)


def test_restore_refuses_what_is_no_whole_backup(saved, demo_home, tmp_path):
    place = place_with_keys(demo_home, tmp_path / "bank")
    whole = saved.read_bytes()
    bad = tmp_path / "bad"
    cases = {"cut": whole[:len(whole) // 2], "text": b"no database\n" * 1000,
             "page": whole[:20 * 4096] + bytes(4096) + whole[21 * 4096:], "empty": b""}
    for name, content in cases.items():
        bad.write_bytes(content)
        text = bankd("restore", bad, "--data-dir", place, code=1)
        assert "storage_corrupt" in text or "books_broken" in text or "storage_absent" in text, name
        assert not (place / "bank.db").exists()
        assert [path.name for path in place.iterdir()
                if path.name != "bank.db.lock"] == ["keys"], name
    shutil.copy(saved, bad)
    (tmp_path / "bad-wal").write_bytes(b"log")
    assert "in use" in bankd("restore", bad, "--data-dir", place, code=4)
    assert "not_found" in bankd("restore", tmp_path / "nothing", "--data-dir", place, code=4)
    bankd("restore", "--data-dir", place, code=2)
