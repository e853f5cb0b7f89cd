"""A disk in trouble (disk.c), as clients see it: a sync that hangs keeps nobody waiting without an
answer, and a read that fails is told as what it is."""
import os
import pathlib
import shlex
import signal
import subprocess
import time

import pytest

import conftest
from bankclient import BankError, uuid7
from conftest import until

AMOUNT = 5
STUCK_SECONDS = 5   # LIMIT_WRITER_STUCK_MS
WAIT_SECONDS = 10   # LIMIT_WRITE_WAIT_MS


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    place = tmp_path_factory.mktemp("disk") / "disk.so"
    source = pathlib.Path(__file__).with_name("disk.c")
    compiler = shlex.split(os.environ.get("CC", "cc"))
    done = subprocess.run([*compiler, "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", place, source],
                          capture_output=True, text=True, timeout=conftest.LIMIT, check=False)
    assert done.returncode == 0, done.stderr
    return place


@pytest.fixture
def trouble(tmp_path):
    """A folder: the files in it are the trouble."""
    place = tmp_path / "trouble"
    place.mkdir()
    return place


@pytest.fixture
def bank(demo_home, tmp_path, library, trouble, monkeypatch):
    monkeypatch.setenv("DISK_TROUBLE", str(trouble))
    monkeypatch.setenv("LD_PRELOAD", str(library))
    # The address sanitizer wants to be the first library, unless it is told otherwise.
    options = os.environ.get("ASAN_OPTIONS", "")
    monkeypatch.setenv("ASAN_OPTIONS", f"{options}:verify_asan_link_order=0".lstrip(":"))
    with conftest.served(demo_home, tmp_path) as bank:
        monkeypatch.delenv("LD_PRELOAD")
        yield bank
        for file in trouble.iterdir():
            file.unlink()


@pytest.fixture
def clerk(bank):
    with bank.client(timeout=conftest.LIMIT) as client:
        client.login("finance@test.com", conftest.PASSWORD)
        yield client


@pytest.fixture
def account(clerk):
    customer = clerk.call("customer.create", customer_id=uuid7(), name="Test Person")
    return clerk.call("account.create", account_id=uuid7(), currency="USD",
                      customer_id=customer["customer_id"])["account_id"]


def post(client, account):
    return client.send("transaction.create", {"transaction_id": uuid7(), "type": "deposit",
                                              "account_id": account, "amount": AMOUNT})


def stuck(client):
    return client.call("server.status").get("stuck_ms", 0)


def test_a_sync_that_hangs_keeps_nobody_waiting(bank, clerk, account, trouble):
    with bank.client(timeout=conftest.LIMIT) as reader, bank.client() as other:
        reader.login("fraud@test.com", conftest.PASSWORD)
        (trouble / "hang").touch()
        began = time.monotonic()
        taken = post(clerk, account)
        until(lambda: reader.call("server.status")["writer_queue"] == 0, "not begun", 10)
        waiting = [post(clerk, account) for _ in range(20)]
        until(lambda: stuck(reader) >= STUCK_SECONDS * 1000, "not told", 30)
        # What is new is refused at once, logins as well, and reads go on.
        for ask in (lambda: clerk.result(post(clerk, account)),
                    lambda: other.login("finance@test.com", conftest.PASSWORD)):
            asked = time.monotonic()
            with pytest.raises(BankError) as caught:
                ask()
            assert caught.value.name == "busy" and caught.value.retry_after_ms > 0
            assert time.monotonic() - asked < 2
        assert reader.call("account.get", account_id=account)["balance"] == 0
        for number in waiting:
            with pytest.raises(BankError) as caught:
                clerk.result(number)
            assert caught.value.name == "busy"
        assert WAIT_SECONDS <= time.monotonic() - began < WAIT_SECONDS + 15
        (trouble / "hang").unlink()
        assert clerk.result(taken)["status"] == "completed"
        until(lambda: stuck(reader) == 0, "not over", 10)
        assert clerk.result(post(clerk, account))["status"] == "completed"
        # Of those that were refused nothing was ever done.
        assert reader.call("account.get", account_id=account)["balance"] == 2 * AMOUNT
    log = bank.log.read_text()
    assert log.count("event=writer_stuck") == 1 and log.count("event=writer_goes_on") == 1


def test_the_daemon_ends_although_a_sync_hangs(bank, clerk, account, trouble):
    (trouble / "hang").touch()
    post(clerk, account)
    until(lambda: stuck(clerk) > 0, "not told", 30)
    process, bank.process = bank.process, None
    process.send_signal(signal.SIGTERM)
    assert process.wait(40) == 1
    assert "event=stopped_hard" in bank.log.read_text()
    assert not (bank.directory / "bankd.pid").exists()
    (trouble / "hang").unlink()
    bank.start()
    with bank.client() as client:
        client.login("finance@test.com", conftest.PASSWORD)
        assert client.call("account.get", account_id=account)["balance"] in (0, AMOUNT)
    bank.stop()
    done = bank.verify()
    assert done.returncode == 0, done.stdout + done.stderr
    bank.start()


def test_a_read_that_fails_is_no_damage(clerk, trouble):
    """The file is whole; the disk does not give it out."""
    (trouble / "read").touch()
    with pytest.raises(BankError) as caught:
        clerk.call("transaction.list", limit=500)
    assert caught.value.name == "storage" and "disk" in caught.value.next
    (trouble / "read").unlink()
    assert clerk.call("transaction.list", limit=500)["items"]
