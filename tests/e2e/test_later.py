"""What time does, seen from outside: the daemon is started again with a wall clock that is ahead
(later.c), and a case is overdue, a decision cannot be undone any more, a hold is over."""
import os
import pathlib
import shlex
import subprocess
import time

import pytest

import conftest
from bankclient import BankError, uuid7

HOUR = 3600
DAY = 24 * HOUR
AMOUNT = 9000_00


@pytest.fixture(scope="module")
def ahead(tmp_path_factory):
    """The library that puts the clock ahead."""
    place = tmp_path_factory.mktemp("later") / "later.so"
    source = pathlib.Path(__file__).with_name("later.c")
    compiler = shlex.split(os.environ.get("CC", "cc"))
    done = subprocess.run([*compiler, "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", place, source],
                          capture_output=True, text=True, timeout=conftest.LIMIT, check=False)
    assert done.returncode == 0, done.stderr
    return place


@pytest.fixture
def bank(demo_home, tmp_path):
    with conftest.served(demo_home, tmp_path, "--alert-undo-seconds", str(4 * HOUR),
                         "--hold-hours", "2") as bank:
        yield bank


@pytest.fixture
def later(bank, ahead, monkeypatch):
    """Starts the daemon again so many seconds later."""
    def restart(seconds):
        bank.stop()
        monkeypatch.setenv("LD_PRELOAD", str(ahead))
        monkeypatch.setenv("LATER_SECONDS", str(seconds))
        # The address sanitizer wants to be the first library, unless it is told otherwise.
        options = os.environ.get("ASAN_OPTIONS", "")
        monkeypatch.setenv("ASAN_OPTIONS", f"{options}:verify_asan_link_order=0".lstrip(":"))
        bank.start()
        monkeypatch.setenv("ASAN_OPTIONS", options)
        monkeypatch.delenv("LD_PRELOAD")
        with logged_in(bank, "FRAUD_ANALYST") as client:
            now = client.call("server.status")["server_time"]
        assert time.time_ns() // 1000 + (seconds - 60) * 1_000_000 < now, "the clock is not ahead"
    return restart


def logged_in(bank, role):
    client = bank.client()
    client.login(conftest.USERS[role], conftest.PASSWORD)
    return client


def refused(name, client, op, **fields):
    with pytest.raises(BankError) as caught:
        client.call(op, **fields)
    assert caught.value.name == name, caught.value
    return caught.value.text


def proved(bank):
    bank.stop()
    done = bank.verify()
    assert done.returncode == 0, done.stdout + done.stderr


def held_payment(bank):
    """A payment that is held, its account's alert, and the account."""
    with logged_in(bank, "FINANCIAL_MANAGER") as finance:
        accounts = [conftest.new_account(finance, funds) for funds in (AMOUNT + 100_00, 0)]
        payment = finance.call("transaction.create", transaction_id=uuid7(), type="transfer",
                               account_id=accounts[0], counterparty_account_id=accounts[1],
                               amount=AMOUNT)
    assert payment["status"] == "held"
    return payment, accounts[0]


def test_a_case_is_overdue_when_its_deadline_has_passed(bank, later):
    reference = {"case_id": uuid7()}
    with logged_in(bank, "COMPLIANCE_OFFICER") as officer:
        case = officer.call("case.open", **reference, kind="suspicious_activity",
                            title="Cash in pieces", note="Seen")
        assert not case["overdue"]
        overdue = [row["case_id"] for row in officer.pages("case.list", overdue=True, limit=50)]
        assert case["case_id"] not in overdue
    later(30 * DAY + HOUR)
    with logged_in(bank, "COMPLIANCE_OFFICER") as officer:
        assert officer.call("case.get", **reference)["overdue"]
        overdue = [row["case_id"] for row in officer.pages("case.list", overdue=True, limit=50)]
        assert case["case_id"] in overdue
        assert case["case_id"] not in [row["case_id"] for row in
                                       officer.pages("case.list", overdue=False, limit=50)]
        officer.call("case.move", **reference, state="review", reason="Late")
        assert officer.call("case.get", **reference)["overdue"]  # review does not stop the clock
        filed = officer.call("case.file", **reference, reference="BSA-17", note="Sent, late")
        assert not filed["overdue"] and "due_at" not in filed
        overdue = [row["case_id"] for row in officer.pages("case.list", overdue=True, limit=50)]
        assert case["case_id"] not in overdue
    proved(bank)


def test_a_rejected_hold_is_held_again_within_its_time(bank, later):
    payment, account = held_payment(bank)
    with logged_in(bank, "FRAUD_ANALYST") as ann:
        decided = ann.call("alert.decide", alert_id=payment["alert_id"],
                           decision="confirmed_fraud", note="Not his")
        assert [hit["status"] for hit in decided["hits"]] == ["rejected"]
    later(HOUR)
    with logged_in(bank, "FRAUD_ANALYST") as ann:
        undone = ann.call("alert.undo", alert_id=payment["alert_id"], reason="It was his")
        assert undone["state"] == "taken"
        assert [hit["status"] for hit in undone["hits"]] == ["held"]
        assert ann.call("account.get", account_id=account)["held"] == AMOUNT
    proved(bank)


@pytest.mark.parametrize("hours, told", [
    (3, "The time of the hold is over; the payment must be made again"),
    (5, "The time in which the decision could be undone is over")])
def test_a_decision_is_final_when_its_time_is_over(bank, later, hours, told):
    payment, account = held_payment(bank)
    with logged_in(bank, "FRAUD_ANALYST") as ann:
        ann.call("alert.decide", alert_id=payment["alert_id"], decision="confirmed_fraud",
                 note="Not his")
    later(hours * HOUR)
    with logged_in(bank, "FRAUD_ANALYST") as ann:
        text = refused("state_conflict", ann, "alert.undo", alert_id=payment["alert_id"],
                       reason="It was his")
        assert told in text
        after(ann, payment, account)
    proved(bank)


def after(ann, payment, account):
    """The finding stands, and the money is its owner's."""
    alert = ann.call("alert.get", alert_id=payment["alert_id"])
    assert alert["state"] == "decided" and alert["decision"] == "confirmed_fraud"
    assert [hit["status"] for hit in alert["hits"]] == ["rejected"]
    shown = ann.call("account.get", account_id=account)
    assert shown["held"] == 0 and shown["balance"] == AMOUNT + 100_00
