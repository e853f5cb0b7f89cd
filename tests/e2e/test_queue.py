"""Two analysts and one queue, on a real bank: nobody gets what somebody else works on, locks end by
themselves, payments join the alert that waits, decisions are undone, and the books stay whole."""
import shutil
import subprocess
import threading
import time
import uuid

import pytest

import conftest
from bankclient import BankError, Client, uuid7

EXIT_DENIED = 3
LOCK = 2       # seconds
LIMIT = 30     # seconds for an event that must come
PASSWORD = "bob-password"
ALERTS = 24
AMOUNT = 9000_00


@pytest.fixture(scope="module")
def bank(demo_home, tmp_path_factory):
    place = tmp_path_factory.mktemp("queue")
    shutil.copytree(demo_home, place / "home")
    added = subprocess.run(
        [conftest.BUILD / "bankd", "user", "add", "bob@test.com", "--name", "Bob", "--role",
         "FRAUD_ANALYST", "--data-dir", place / "home"], input=PASSWORD + "\n", text=True,
        capture_output=True, timeout=conftest.LIMIT, check=False, env=conftest.environment())
    assert added.returncode == 0, added.stderr
    with conftest.served(place / "home", place, "--alert-lock-seconds", str(LOCK)) as bank:
        yield bank


def logged_in(bank, email, password=conftest.PASSWORD):
    client = Client(bank.ipc)
    client.login(email, password)
    return client


@pytest.fixture(scope="module")
def ann(bank):
    with logged_in(bank, "fraud@test.com") as client:
        yield client


@pytest.fixture(scope="module")
def bob(bank):
    with logged_in(bank, "bob@test.com", PASSWORD) as client:
        yield client


@pytest.fixture(scope="module")
def finance(bank):
    with logged_in(bank, "finance@test.com") as client:
        yield client


def transfer(finance, source, target, amount):
    return finance.call("transaction.create", transaction_id=uuid7(), type="transfer",
                        account_id=source, counterparty_account_id=target, amount=amount)


def suspicious(finance, times=1):
    """A new account that moves nearly all it got; the last of its transfers, and the account."""
    source = conftest.new_account(finance, times * AMOUNT + 100_00)
    target = conftest.new_account(finance)
    for _ in range(times):
        done = transfer(finance, source, target, AMOUNT)
        assert done["fraud_flag"]
    return done, source


def refused(name, client, op, **fields):
    with pytest.raises(BankError) as caught:
        client.call(op, **fields)
    assert caught.value.name == name, caught.value
    return caught.value


def drain(*clients):
    """Decides everything that waits, so that a test knows the queue."""
    for client in clients:
        while True:
            try:
                alert = client.call("alert.next")
            except BankError as error:
                assert error.name == "queue_empty"
                break
            client.call("alert.decide", alert_id=alert["alert_id"], decision="inconclusive",
                        note="Before the test")


def test_two_analysts_never_get_the_same(bank, ann, bob, finance):
    drain(ann, bob)
    waiting = {suspicious(finance)[0]["alert_id"] for _ in range(ALERTS)}
    assert len(waiting) == ALERTS
    got = {"ann": [], "bob": []}
    together = threading.Barrier(2)
    failures = []

    def work(name, email, password):
        try:
            with logged_in(bank, email, password) as client:
                together.wait(LIMIT)
                while True:
                    alert = client.call("alert.next")
                    assert alert["assigned_to"] == email and alert["state"] == "taken"
                    got[name].append(alert["alert_id"])
                    client.call("alert.decide", alert_id=alert["alert_id"], note="Raced",
                                decision="confirmed_fraud", hits_seen=alert["hit_count"])
        except BankError as error:
            if error.name != "queue_empty":
                failures.append(error)
        except Exception as error:  # told below
            failures.append(error)

    threads = [threading.Thread(target=work, args=("ann", "fraud@test.com", conftest.PASSWORD)),
               threading.Thread(target=work, args=("bob", "bob@test.com", PASSWORD))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert sorted(got["ann"] + got["bob"]) == sorted(waiting)
    assert got["ann"] and got["bob"]


def test_a_lock_ends_by_itself(ann, bob, finance):
    drain(ann, bob)
    alert_id = suspicious(finance)[0]["alert_id"]
    taken = ann.call("alert.next")
    assert taken["alert_id"] == alert_id
    assert taken["lock_until"] - taken["taken_at"] == LOCK * 10**6
    refused("queue_empty", bob, "alert.next")
    for op, fields in (("alert.take", {}), ("alert.return", {}),
                       ("alert.decide", {"decision": "confirmed_fraud", "note": "x"})):
        told = refused("alert_locked", bob, op, alert_id=alert_id, **fields).text
        until = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(taken["lock_until"] // 10**6))
        assert f"fraud@test.com works on the alert until {until}" in told and "seconds" in told
    conftest.until(lambda: bob.call("alert.get", alert_id=alert_id)["state"] != "taken",
                   "the lock does not end")
    shown = bob.call("alert.get", alert_id=alert_id)
    assert shown["state"] == "open" and "assigned_to" not in shown and "lock_until" not in shown
    assert bob.call("alert.next")["alert_id"] == alert_id
    refused("alert_locked", ann, "alert.decide", alert_id=alert_id, decision="confirmed_fraud",
            note="Too late")
    bob.call("alert.decide", alert_id=alert_id, decision="confirmed_fraud", note="In time")


def test_a_snoozed_alert_comes_back_by_itself(ann, bob, finance):
    drain(ann, bob)
    alert_id = suspicious(finance)[0]["alert_id"]
    now = ann.call("server.status")["server_time"]
    ann.call("alert.snooze", alert_id=alert_id, until=now + 1_500_000, reason="Calls back")
    refused("queue_empty", bob, "alert.next")
    conftest.until(lambda: list(bob.pages("alert.list", state="open", order="loss")),
                   "the alert does not come back")
    back = list(bob.pages("alert.list", state="open", order="loss"))
    assert [alert["alert_id"] for alert in back] == [alert_id]
    assert bob.call("alert.next")["alert_id"] == alert_id
    bob.call("alert.decide", alert_id=alert_id, decision="confirmed_fraud", note="Back")


def test_payments_join_and_are_decided_and_undone_together(bank, ann, bob, finance):
    drain(ann, bob)
    events = ann.events(bank.ipc_events)
    first, source = suspicious(finance)
    while (event := events.wait("alert", LIMIT))["hit_count"] != 1:
        pass
    finance.call("transaction.create", transaction_id=uuid7(), type="deposit", account_id=source,
                 amount=AMOUNT)
    second = transfer(finance, source, conftest.new_account(finance), AMOUNT)
    assert second["alert_id"] == first["alert_id"]
    joined = events.wait("alert", LIMIT)
    assert joined["hit_count"] == 2 and joined["transaction_id"] == second["transaction_id"]
    assert joined["alert_id"] == event["alert_id"]
    assert joined["expected_loss"] > event["expected_loss"]
    shown = ann.call("alert.get", alert_id=first["alert_id"])
    assert [hit["transaction_id"] for hit in shown["hits"]] == \
        [first["transaction_id"], second["transaction_id"]]
    assert shown["score"] == max(hit["score"] for hit in shown["hits"])
    assert shown["score"] == sum(reason["points"] for reason in shown["reasons"])
    statuses = [hit["status"] for hit in shown["hits"]]
    before = ann.call("account.get", account_id=source)
    done = ann.call("alert.decide", alert_id=first["alert_id"], decision="confirmed_fraud",
                    note="Both", hits_seen=2)
    ended = ["rejected" if status == "held" else status for status in statuses]
    assert [hit["status"] for hit in done["hits"]] == ended
    with logged_in(bank, "compliance@test.com") as officer:
        found = officer.call("audit.list", search=str(uuid.UUID(bytes=first["alert_id"])))["items"]
    assert [entry["detail"] for entry in found if entry["operation"] == "alert.decide"] == \
        [f"confirmed_fraud, alert {uuid.UUID(bytes=first['alert_id'])}: Both"] * 2
    undone = bob.call("alert.undo", alert_id=first["alert_id"], reason="The holder called")
    assert [hit["status"] for hit in undone["hits"]] == statuses
    assert undone["assigned_to"] == "bob@test.com" and undone["state"] == "taken"
    assert ann.call("account.get", account_id=source)["held"] == before["held"]
    done = bob.call("alert.decide", alert_id=first["alert_id"], decision="false_positive",
                    note="All his")
    for hit in done["hits"]:
        row = ann.call("transaction.get", transaction_id=hit["transaction_id"])
        assert not row["fraud_flag"] and row["status"] != "held"
    notes = list(bob.pages("alert.notes", alert_id=first["alert_id"], limit=2))
    assert [(note["act"], note["author"]) for note in notes] == \
        [("decide", "bob@test.com"), ("undo", "bob@test.com"), ("decide", "fraud@test.com")]
    events.close()


def test_of_many_what_has_grown_unseen_is_left(ann, bob, finance):
    drain(ann, bob)
    first, source = suspicious(finance)
    second, _ = suspicious(finance)
    seen = [{"alert_id": row["alert_id"], "hits_seen": 1} for row in (first, second)]
    finance.call("transaction.create", transaction_id=uuid7(), type="deposit", account_id=source,
                 amount=AMOUNT)
    joined = transfer(finance, source, conftest.new_account(finance), AMOUNT)
    assert joined["alert_id"] == first["alert_id"]
    outcome = ann.call("alert.bulk", items=seen, decision="confirmed_fraud", note="One wave")
    assert [item["outcome"] for item in outcome["items"]] == ["changed_meanwhile", "done"]
    assert outcome["items"][0]["alert_id"] == first["alert_id"]
    assert outcome["items"][0]["text"] == \
        "It had 1 transaction when it was looked at and has 2 now"
    shown = ann.call("alert.get", alert_id=first["alert_id"])
    assert shown["state"] == "open" and shown["hit_count"] == 2
    seen[0]["hits_seen"] = 2
    outcome = ann.call("alert.bulk", items=seen[:1], decision="confirmed_fraud", note="Both")
    assert outcome["done"] == 1


def test_many_at_once_each_for_itself(ann, bob, finance):
    drain(ann, bob)
    alerts = [suspicious(finance)[0]["alert_id"] for _ in range(5)]
    bob.call("alert.take", alert_id=alerts[2])
    outcome = ann.call("alert.bulk", items=[{"alert_id": alert} for alert in alerts] +
                       [{"alert_id": uuid7()}], decision="confirmed_fraud", note="One wave")
    assert [item["outcome"] for item in outcome["items"]] == \
        ["done", "done", "alert_locked", "done", "done", "not_found"]
    assert outcome["done"] == 4 and outcome["refused"] == 2
    assert "bob@test.com works on the alert until" in outcome["items"][2]["text"]
    assert [ann.call("alert.get", alert_id=alert)["state"] for alert in alerts] == \
        ["decided", "decided", "taken", "decided", "decided"]
    many = [{"alert_id": alerts[0]}] * 101
    for items, error in (([], "field_invalid"), (many, "field_too_long")):
        refused(error, ann, "alert.bulk", decision="inconclusive", note="x", items=items)
    bob.call("alert.return", alert_id=alerts[2])


def test_who_may_not(bank, finance):
    with logged_in(bank, "compliance@test.com") as compliance:
        for client in (finance, compliance):
            for op in ("alert.next", "alert.take", "alert.return", "alert.assign", "alert.snooze",
                       "alert.bulk", "alert.undo", "alert.decide"):
                refused("role_denied", client, op)
        refused("role_denied", finance, "alert.notes")
        assert compliance.call("alert.list", limit=1, order="loss")["items"]


def run_bulk(bank, tmp_path, alerts):
    secret = tmp_path / "password"
    secret.write_text(PASSWORD + "\n")
    secret.chmod(0o600)
    return subprocess.run(
        [conftest.BUILD / "bankterm", "run", "alert.bulk", "items=" + ",".join(map(str, alerts)),
         "decision=confirmed_fraud", "note=From a script", "--format", "tsv", "--server", bank.ipc,
         "--user", "bob@test.com", "--password-file", secret], capture_output=True, text=True,
        timeout=conftest.LIMIT, check=False, env=conftest.environment())


def test_run_decides_several_from_the_command_line(bank, ann, bob, finance, tmp_path):
    drain(ann, bob)
    alerts = [uuid.UUID(bytes=suspicious(finance)[0]["alert_id"]) for _ in range(2)]
    done = run_bulk(bank, tmp_path, alerts)
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert done.stdout.count("done") >= 2
    assert all(str(alert) in done.stdout for alert in alerts)


def test_run_fails_when_some_of_several_were_refused(bank, ann, bob, finance, tmp_path):
    drain(ann, bob)
    alerts = [uuid.UUID(bytes=suspicious(finance)[0]["alert_id"]) for _ in range(3)]
    ann.call("alert.assign", alert_id=alerts[1].bytes, email="fraud@test.com")
    ann.call("alert.assign", alert_id=alerts[2].bytes, email="bob@test.com")
    done = run_bulk(bank, tmp_path, [*alerts, uuid.UUID(bytes=uuid7())])
    assert done.returncode == EXIT_DENIED, done.stderr
    assert "bankterm: 2 of 4 done, 2 refused; the first: alert_locked: " in done.stderr
    assert "fraud@test.com works on the alert until" in done.stderr
    assert all(str(alert) in done.stdout for alert in alerts)
    assert all(word in done.stdout for word in ("done", "alert_locked", "not_found"))
    assert [bob.call("alert.get", alert_id=alert.bytes)["state"] for alert in alerts] == \
        ["decided", "taken", "decided"]
    ann.call("alert.return", alert_id=alerts[1].bytes)


def test_the_books_are_whole_in_the_end(bank):
    bank.stop()
    done = bank.verify()
    assert done.returncode == 0, done.stdout + done.stderr
