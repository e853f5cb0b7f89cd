"""A bank that has lost what it had acknowledged is refused, and says so: its log removed, cut, or
exchanged for an older copy, an older file, signed heads cut off. What was only stopped, killed,
copied, restored or upgraded is not. An operator who must go on without what is lost can, and that
is in the audit log."""
import contextlib
import os
import pathlib
import shutil
import sqlite3
import subprocess

import pytest

import conftest
from bankclient import uuid7

POSTS = 600


def bankd(*arguments, code=0):
    done = subprocess.run([conftest.BUILD / "bankd", *arguments], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=conftest.LIMIT, check=False,
                          env=conftest.environment())
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def witness(place):
    """The newest entry that the witness names, and where its slot is."""
    content = (pathlib.Path(place) / "bank.db.head").read_bytes()
    slots = [content[at:at + 256] for at in (0, 4096)]
    slot = max(slots, key=lambda slot: int.from_bytes(slot[16:24], "big"))
    assert slot.startswith(b"bankd-witness-1\0")
    return int.from_bytes(slot[24:32], "big")


def kill(bank):
    process, bank.process = bank.process, None
    process.kill()
    process.wait()


@contextlib.contextmanager
def login(bank):
    with bank.client() as client:
        client.login("finance@test.com", conftest.PASSWORD)
        yield client


def open_account(client):
    customer = client.call("customer.create", customer_id=uuid7(), name="Test Person")
    return client.call("account.create", account_id=uuid7(), currency="USD",
                       customer_id=customer["customer_id"])["account_id"]


def post(client, account, count):
    sent = [client.send("transaction.create", transaction_id=uuid7(), type="deposit",
                        account_id=account, amount=3) for _ in range(count)]
    return max(client.result(number)["sequence"] for number in sent)


def head(place):
    """Where the chain ends, in a copy, because looking would move the log into the file."""
    with contextlib.ExitStack() as stack:
        copy = pathlib.Path(place).parent / "look"
        shutil.copytree(place, copy, ignore=shutil.ignore_patterns("*.sock", "*.pid"))
        stack.callback(shutil.rmtree, copy)
        db = stack.enter_context(contextlib.closing(sqlite3.connect(copy / "bank.db")))
        return db.execute("SELECT sequence FROM head").fetchone()[0]


@contextlib.contextmanager
def looked_at(place):
    """Another program reads: what comes after cannot be moved from the log into the file."""
    look = ("import sqlite3, sys\ndb = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
            "db.execute('BEGIN')\nprint(db.execute('SELECT sequence FROM head').fetchone())\n"
            "sys.stdout.flush()\nsys.stdin.read()\n")
    with subprocess.Popen(["/usr/bin/python3", "-c", look, place / "bank.db"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline()
        try:
            yield
        finally:
            process.kill()  # it must not tidy up


def work_and_kill(bank, tmp_path):
    """Kills a bank behind its last post, which its witness names; keeps copies of its files from a
    third of the way."""
    with login(bank) as client:
        account = open_account(client)
        post(client, account, POSTS // 3)
        older = tmp_path / "older"
        older.mkdir()
        for name in ("bank.db-wal", "bank.db"):
            shutil.copy(bank.directory / name, older / name)
        sequence = post(client, account, POSTS - POSTS // 3)
        conftest.until(lambda: witness(bank.directory) >= sequence, "the witness lags behind")
    kill(bank)
    assert (bank.directory / "bank.db-wal").stat().st_size > 100000
    bank.account, bank.older = account, older
    return bank


@pytest.fixture(name="killed")
def fixture_killed(own_bank, tmp_path):
    return work_and_kill(own_bank, tmp_path)


@pytest.fixture(name="held")
def fixture_held(own_bank, tmp_path):
    """The same, and nothing of what came last is in the file."""
    with looked_at(own_bank.directory):
        work_and_kill(own_bank, tmp_path)
    return own_bank


def lose_log(place, older):
    (place / "bank.db-wal").unlink()
    (place / "bank.db-shm").unlink()


def cut_log(place, older):
    log = place / "bank.db-wal"
    os.truncate(log, log.stat().st_size // 2)


def cut_last_commits(place, older):
    log = place / "bank.db-wal"
    os.truncate(log, log.stat().st_size - 20 * 4120)


def empty_log(place, older):
    os.truncate(place / "bank.db-wal", 0)


def older_log(place, older):
    shutil.copy(older / "bank.db-wal", place / "bank.db-wal")


def older_file(place, older):
    shutil.copy(older / "bank.db", place / "bank.db")


def older_both(place, older):
    older_log(place, older)
    older_file(place, older)


def older_file_alone(place, older):
    lose_log(place, older)
    older_file(place, older)


LOSSES = [cut_log, cut_last_commits, older_log, older_both, older_file_alone]


def refuse(bank, lose):
    lose(bank.directory, bank.older)
    before = {name: (bank.directory / name).read_bytes() for name in ("bank.db", "bank.db.head")}
    log = bank.directory / "bank.db-wal"
    before_log = log.read_bytes() if log.exists() else b""
    for command in (["serve"], ["user", "list"], ["backup", bank.directory.parent / "copy"],
                    ["user", "disable", "fraud@test.com"]):
        said = bankd(*command, "--data-dir", bank.directory, code=1)
        assert "storage_behind" in said or "storage_corrupt" in said, said
        assert "bankd restore" in said
    done = bank.verify()
    assert done.returncode == 1
    assert "is an older one, or cut" in done.stderr or "storage_corrupt" in done.stderr, done.stderr
    for name, content in before.items():  # what an operator may need is as it was
        assert (bank.directory / name).read_bytes() == content, name
    assert (log.read_bytes() if log.exists() else b"") == before_log


@pytest.mark.parametrize("lose", LOSSES)
def test_what_was_acknowledged_and_is_gone_is_told(killed, lose):
    refuse(killed, lose)


@pytest.mark.parametrize("lose", LOSSES + [lose_log, empty_log])
def test_what_was_in_the_log_alone_and_is_gone_is_told(held, lose):
    refuse(held, lose)


def test_the_right_log_put_back_brings_all_of_it_back(killed, tmp_path):
    sequence = witness(killed.directory)
    shutil.copy(killed.directory / "bank.db-wal", tmp_path / "newest-wal")
    older_log(killed.directory, killed.older)
    bankd("serve", "--data-dir", killed.directory, code=1)
    assert killed.verify().returncode == 1
    shutil.copy(tmp_path / "newest-wal", killed.directory / "bank.db-wal")
    killed.start()
    with login(killed) as client:
        assert client.call("account.get", account_id=killed.account)["balance"] == 3 * POSTS
    killed.stop()
    assert witness(killed.directory) > sequence
    done = killed.verify()
    assert done.returncode == 0, done.stdout + done.stderr


def acts(client, operation):
    return [row for row in client.call("audit.list", limit=50)["items"]
            if row["operation"] == operation]


def test_an_operator_may_go_on_without_what_is_lost(killed):
    older_both(killed.directory, killed.older)
    lost, left = witness(killed.directory), head(killed.directory)
    assert left < lost
    said = bankd("restore", "--accept-loss", "--data-dir", killed.directory)
    assert f"named entry {lost}, the bank ended with {left}" in said
    said = bankd("restore", "--accept-loss", "--data-dir", killed.directory, code=4)
    assert "no loss to accept" in said
    killed.start()
    with killed.client() as client:
        client.login("compliance@test.com", conftest.PASSWORD)
        act, = acts(client, "witness.accept")
        assert f"named entry {lost}" in act["detail"] and act["actor"] == "operator"
        assert client.call("account.get", account_id=killed.account)["balance"] < 3 * POSTS
    with login(killed) as client:
        post(client, killed.account, 10)
    killed.stop()
    done = killed.verify()
    assert done.returncode == 0, done.stdout + done.stderr


def test_files_of_different_times_are_not_accepted(killed):
    """A newer file under an older log is no state that the bank ever was in, as long as the file
    had taken anything of the newer log; then only a backup helps."""
    older_log(killed.directory, killed.older)
    before = {name: (killed.directory / name).read_bytes() for name in ("bank.db", "bank.db-wal")}
    done = subprocess.run([conftest.BUILD / "bankd", "restore", "--accept-loss", "--data-dir",
                           killed.directory], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, timeout=conftest.LIMIT,
                          env=conftest.environment())
    if done.returncode != 0:
        assert "books_broken" in done.stderr or "storage_corrupt" in done.stderr, done.stderr
        for name, content in before.items():
            assert (killed.directory / name).read_bytes() == content, name
    else:
        assert killed.verify().returncode == 0


def test_accept_loss_stays_away_from_a_bank_that_is_served(own_bank):
    assert "storage_locked" in bankd("restore", "--accept-loss", "--data-dir", own_bank.directory,
                                     code=1)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_whole_bank_and_a_copy_of_it_are_served(own_bank, tmp_path, how):
    with login(own_bank) as client:
        account = open_account(client)
        post(client, account, 100)
        assert own_bank.verify().returncode == 0
    if how == "stop":
        own_bank.stop()
    else:
        kill(own_bank)
        (own_bank.directory / "bankd.pid").unlink()  # which tells that a copy has started
    for path in own_bank.directory.glob("*.sock"):  # no files to copy
        path.unlink()
    with conftest.served(own_bank.directory, tmp_path / "copy") as copy, login(copy) as client:
        assert client.call("account.get", account_id=account)["balance"] == 300
        post(client, account, 1)
    assert copy.verify().returncode == 0
    own_bank.start()
    with login(own_bank) as client:
        assert client.call("account.get", account_id=account)["balance"] == 300


def test_the_witness_is_private_and_says_all_at_a_stop(own_bank):
    with login(own_bank) as client:
        post(client, open_account(client), 10)
    own_bank.stop()
    assert (own_bank.directory / "bank.db.head").stat().st_mode & 0o777 == 0o600
    assert witness(own_bank.directory) == head(own_bank.directory)
    bankd("user", "disable", "fraud@test.com", "--data-dir", own_bank.directory)
    assert witness(own_bank.directory) == head(own_bank.directory)
    own_bank.start()


def test_a_bank_of_an_earlier_version_gets_its_witness_in_silence(tmp_path):
    place = tmp_path / "bank"
    bankd("init", "--data-dir", place)
    bankd("user", "add", "ann@bank.example", "--name", "Ann", "--role", "COMPLIANCE_OFFICER",
          "--password-file", password(tmp_path), "--data-dir", place)
    (place / "bank.db.head").unlink()  # no head was signed beside it so far
    bank = conftest.Bank(place, tmp_path / "bankd.log")
    bank.start()
    bank.stop()
    assert "event=witness" not in bank.log.read_text()
    assert witness(place) == head(place)


def password(tmp_path):
    path = tmp_path / "password"
    path.write_text(conftest.PASSWORD + "\n")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("damage", ["missing", "empty", "torn", "garbage"])
def test_a_witness_that_is_gone_is_told(own_bank, damage):
    with login(own_bank) as client:
        post(client, open_account(client), 10)
    own_bank.stop()
    path = own_bank.directory / "bank.db.head"
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes({"empty": b"", "torn": path.read_bytes()[:100],
                          "garbage": os.urandom(9000)}[damage])
    done = own_bank.verify()
    assert done.returncode == 0 and "warning: The witness" in done.stderr, done.stderr
    own_bank.start()
    assert "event=witness_missing" in own_bank.log.read_text()
    with own_bank.client() as client:
        client.login("compliance@test.com", conftest.PASSWORD)
        act, = acts(client, "witness.missing")
        assert "The witness of the bank" in act["detail"]
    own_bank.stop()
    done = own_bank.verify()
    assert done.returncode == 0 and "witness of" not in done.stderr, done.stderr
    own_bank.start()


def test_the_witness_of_another_bank_is_refused(own_bank, tmp_path):
    own_bank.stop()
    other = tmp_path / "other"
    bankd("init", "--data-dir", other)
    bankd("user", "add", "ann@bank.example", "--name", "Ann", "--role", "COMPLIANCE_OFFICER",
          "--password-file", password(tmp_path), "--data-dir", other)
    shutil.copy(other / "bank.db.head", own_bank.directory / "bank.db.head")
    said = bankd("serve", "--data-dir", own_bank.directory, code=1)
    assert "another bank's" in said and "storage_behind" in said
    assert "another bank's" in own_bank.verify().stderr
    (own_bank.directory / "bank.db.head").unlink()
    own_bank.start()


@pytest.mark.parametrize("which, told", [("max", "the signed head at"), ("min", "there were 2")])
def test_signed_heads_that_were_cut_off_are_told(own_bank, which, told):
    with login(own_bank) as client:
        post(client, open_account(client), 10)
    own_bank.stop()
    with sqlite3.connect(own_bank.directory / "bank.db") as db:
        assert db.execute("SELECT count(*) FROM signed_head").fetchone() == (2,)
        db.execute(f"DELETE FROM signed_head WHERE sequence = (SELECT {which}(sequence) FROM"
                   " signed_head)")
    db.close()
    done = own_bank.verify()
    assert done.returncode == 1
    assert told in done.stderr, done.stderr


def test_init_does_not_begin_anew_where_a_bank_was(own_bank):
    own_bank.stop()
    kept = own_bank.directory.parent / "kept.db"
    (own_bank.directory / "bank.db").rename(kept)
    said = bankd("init", "--data-dir", own_bank.directory, code=4)
    assert "A bank was here" in said
    kept.rename(own_bank.directory / "bank.db")
    own_bank.start()


def test_a_restored_bank_has_its_own_witness(own_bank, tmp_path):
    file = tmp_path / "bank.backup"
    bankd("backup", file, "--data-dir", own_bank.directory)
    with login(own_bank) as client:
        account = open_account(client)
        post(client, account, 10)
    own_bank.stop()
    bankd("restore", file, "--force", "--data-dir", own_bank.directory)
    assert witness(own_bank.directory) == head(own_bank.directory)
    aside, = own_bank.directory.glob("bank.db.before-*.head")
    moved = str(aside)[:-len(".head")]
    said = bankd("verify", "--data-dir", own_bank.directory, "--database-path", moved)
    assert "agree" in said
    own_bank.start()
    own_bank.stop()
    assert "event=witness" not in own_bank.log.read_text()
    (own_bank.directory / "bank.db").unlink()  # and into the place of one that is lost
    bankd("restore", file, "--data-dir", own_bank.directory)
    own_bank.start()


def test_a_disk_without_room_leaves_the_bank_served(own_bank):
    """The witness cannot be written; it says less, which is told, and what it said stays true."""
    own_bank.stop()
    path = own_bank.directory / "bank.db.head"
    path.unlink()
    path.mkdir()  # nothing can be written there, whoever is asked
    said = bankd("serve", "--data-dir", own_bank.directory, code=1)
    assert "bank.db.head" in said
    path.rmdir()
    own_bank.start()
    with login(own_bank) as client:
        account = open_account(client)
        conftest.until(path.exists, "no witness was written")
        path.unlink()
        path.mkdir()
        post(client, account, 10)
        conftest.until(lambda: "event=witness_not_written" in own_bank.log.read_text(),
                       "it is not told")
        path.rmdir()
        post(client, account, 10)
        conftest.until(lambda: "event=witness_written" in own_bank.log.read_text(),
                       "it is not told")
        assert client.call("account.get", account_id=account)["balance"] == 60
