"""The controls of the engine over the wire: lists, suppressions, settings, notifications; what they
do to payments, who may use them, and that a restart changes nothing."""
import contextlib
import json
import subprocess
import time
import uuid

import pytest

import conftest
from bankclient import BankError, uuid7

HOUR = 3_600_000_000


def open_session(bank, role):
    client = bank.client()
    client.login(conftest.USERS[role], conftest.PASSWORD)
    return client


@pytest.fixture
def people(bank):
    """Clients of the three roles, by the first letters of their names."""
    with open_session(bank, "FRAUD_ANALYST") as fraud, \
            open_session(bank, "FINANCIAL_MANAGER") as finance, \
            open_session(bank, "COMPLIANCE_OFFICER") as compliance:
        yield fraud, finance, compliance


@contextlib.contextmanager
def refused(name, field=None):
    with pytest.raises(BankError) as caught:
        yield
    assert caught.value.name == name, caught.value
    assert field is None or caught.value.field == field, caught.value


def now():
    return time.time_ns() // 1000


def new_account(finance, funds=10_000_00):
    customer = finance.call("customer.create", customer_id=uuid7(), name="Test Person")
    account = finance.call("account.create", account_id=uuid7(), currency="USD",
                           customer_id=customer["customer_id"])
    finance.call("transaction.create", transaction_id=uuid7(), type="deposit", amount=funds,
                 account_id=account["account_id"])
    return account["account_id"], customer["customer_id"]


def transfer(client, source, target, amount=12_34):
    return client.call("transaction.create", transaction_id=uuid7(), type="transfer",
                       account_id=source, counterparty_account_id=target, amount=amount)


def rules_of(payment):
    return {reason["rule"]: reason for reason in payment["reasons"]}


def test_a_list_decides_on_payments_and_its_end_does_too(people):
    fraud, finance, compliance = people
    source, _ = new_account(finance)
    target, customer = new_account(finance)
    assert transfer(finance, source, target)["status"] == "completed"
    entry = fraud.call("screening.add", list="deny", account_id=target, reason="A mule",
                       until=now() + HOUR)
    assert entry["state"] == "active" and entry["created_by"] == "fraud@test.com"
    stopped = transfer(finance, source, target)
    assert stopped["status"] == "declined" and "on_the_deny_list" in rules_of(stopped)
    shown = fraud.call("transaction.get", transaction_id=stopped["transaction_id"])
    assert rules_of(shown) == rules_of(stopped)  # explained from what is stored
    with refused("exists", "list"):
        fraud.call("screening.add", list="deny", account_id=target, reason="Again")
    ended = compliance.call("screening.remove", entry_id=entry["entry_id"], reason="Cleared")
    assert ended["state"] == "removed" and ended["end_reason"] == "Cleared"
    assert transfer(finance, source, target)["status"] == "completed"

    watch = compliance.call("screening.add", list="watch", customer_id=customer, reason="New here")
    seen = transfer(finance, source, target)
    assert seen["status"] == "completed" and seen["fraud_flag"]
    listed = fraud.call("screening.list", customer_id=customer)["items"]
    assert [item["entry_id"] for item in listed] == [watch["entry_id"]]
    assert fraud.call("screening.list", state="removed", list="deny")["items"]
    for name in ("screening.add", "screening.remove"):
        assert any(item["operation"] == name for item in
                   compliance.call("audit.list", search="screening.", limit=20)["items"])


def test_a_counterparty_outside_the_bank(people):
    fraud, finance, _ = people
    source, _ = new_account(finance)
    fraud.call("screening.add", list="deny", counterparty="merchant:fake-9", reason="A fake shop")
    for merchant, status in (("merchant:fake-9", "declined"), ("merchant:fake-99", "completed")):
        paid = finance.call("transaction.create", transaction_id=uuid7(), type="payment",
                            account_id=source, counterparty=merchant, amount=500)
        assert paid["status"] == status


def test_who_may_not(people):
    fraud, finance, _ = people
    with refused("role_denied"):
        finance.call("screening.list")
    with refused("role_denied"):
        fraud.call("controls.set", hold_hours=1, reason="x")
    with refused("field_invalid", "account_id"):
        fraud.call("screening.add", list="allow", reason="of nobody")
    with refused("not_found", "rule"):
        fraud.call("controls.restore", rule="large_amount", reason="it is not stepped down")


def test_one_person_alone_silences_no_high_rule(bank, people):
    fraud, finance, compliance = people
    source, _ = new_account(finance)
    target, _ = new_account(finance)
    body = {"rule": "large_from_new_account", "account_id": source, "until": now() + HOUR,
            "reason": "She buys a car"}
    asked = fraud.call("suppression.add", **body)
    assert asked["state"] == "proposed" and "approved_by" not in asked
    held = transfer(finance, source, target, 6_000_00)
    assert held["status"] == "held" and rules_of(held)["large_from_new_account"]["points"] > 0
    with refused("role_denied"):
        fraud.call("suppression.approve", suppression_id=asked["suppression_id"])
    with refused("exists", "rule"):
        fraud.call("suppression.add", **body)
    listed = compliance.call("suppression.list", account_id=source, ended=False)["items"]
    assert [row["needs_approval"] for row in listed] == [True]
    told = [row["text"] for row in compliance.pages("notification.list", limit=20)]
    assert any(f"suppression no. {asked['number']}: rule large_from_new_account" in text
               for text in told)
    done = compliance.call("suppression.approve", suppression_id=asked["suppression_id"],
                           reason="He has seen the contract")
    assert (done["state"], done["created_by"], done["approved_by"]) == \
        ("active", "fraud@test.com", "compliance@test.com")
    fraud.call("transaction.reject", transaction_id=held["transaction_id"], reason="Once more")
    paid = transfer(finance, source, target, 6_000_00)
    assert rules_of(paid)["large_from_new_account"]["points"] == 0
    log = list(compliance.pages("audit.list", limit=50))
    acts = [(row["operation"], row["actor"]) for row in log
            if row["subject"] == str(uuid.UUID(bytes=asked["suppression_id"]))]
    assert acts == [("suppression.approve", "compliance@test.com"),
                    ("suppression.add", "fraud@test.com")]
    with refused("state_conflict", "suppression_id"):
        compliance.call("suppression.approve", suppression_id=asked["suppression_id"])
    fraud.call("suppression.remove", suppression_id=asked["suppression_id"], reason="Bought")


def test_one_person_alone_trusts_nobody(people):
    fraud, finance, compliance = people
    source, _ = new_account(finance)
    asked = fraud.call("screening.add", list="allow", account_id=source, reason="Our own")
    assert asked["state"] == "proposed" and asked["needs_approval"]
    with refused("role_denied"):
        fraud.call("screening.approve", entry_id=asked["entry_id"])
    told = [row["text"] for row in compliance.pages("notification.list", limit=20)]
    assert any(f"entry no. {asked['number']} of the allow list" in text for text in told)
    assert asked["entry_id"] in [row["entry_id"] for row in
                                 compliance.call("screening.list", ended=False)["items"]]
    done = compliance.call("screening.approve", entry_id=asked["entry_id"], reason="Seen")
    assert (done["state"], done["created_by"], done["approved_by"]) == \
        ("active", "fraud@test.com", "compliance@test.com")
    acts = [(row["operation"], row["actor"]) for row in compliance.pages("audit.list", limit=50)
            if row["subject"] == str(uuid.UUID(bytes=asked["entry_id"]))]
    assert acts == [("screening.approve", "compliance@test.com"),
                    ("screening.add", "fraud@test.com")]
    own = compliance.call("screening.add", list="allow", counterparty="bank:own/1", reason="Ours")
    with refused("own_proposal", "entry_id"):
        compliance.call("screening.approve", entry_id=own["entry_id"])
    assert compliance.call("screening.remove", entry_id=own["entry_id"],
                           reason="Given up")["needs_approval"]
    fraud.call("screening.remove", entry_id=asked["entry_id"], reason="Over")


def test_a_suppressed_rule_survives_a_restart(bank, people):
    fraud, finance, compliance = people
    source, _ = new_account(finance)
    target, _ = new_account(finance)
    assert transfer(finance, source, target, 6_000_00)["status"] == "held"
    spared = fraud.call("suppression.add", rule="large_from_new_account", account_id=source,
                        until=now() + HOUR, reason="She buys a car")
    compliance.call("suppression.approve", suppression_id=spared["suppression_id"])
    other, _ = new_account(finance)
    fraud.call("screening.add", list="deny", account_id=other, reason="Stays")
    bank.stop()
    bank.start()
    with open_session(bank, "FINANCIAL_MANAGER") as finance, \
            open_session(bank, "FRAUD_ANALYST") as fraud:
        free, _ = new_account(finance, 20_000_00)
        paid = transfer(finance, source, target, 3_000_00)
        assert transfer(finance, free, other)["status"] == "declined"
        reason = rules_of(paid).get("large_from_new_account")
        if reason is not None:  # 3,000 alone are not large, but together with what was held
            assert reason["points"] == 0 and "suppressed until" in reason["text"]
            assert f"no. {spared['number']}" in reason["text"]
        listed = fraud.call("suppression.list", account_id=source)["items"]
        assert listed[0]["state"] == "active" and listed[0]["reason"] == "She buys a car"
        ended = fraud.call("suppression.remove", suppression_id=spared["suppression_id"],
                           reason="Bought")
        assert ended["state"] == "removed"


def test_settings_are_told_to_whom_they_concern(bank, people):
    fraud, finance, compliance = people
    before = fraud.call("controls.get")
    assert before["threshold_alert"] == before["rules_alert"] and before["stepped"] == []
    assert before["valve_share_bp"] == 2000 and "set_by" not in before
    events = fraud.events(bank.ipc_events)
    with contextlib.closing(events):
        done = compliance.call("controls.set", hold_hours=5, alert_budget_per_day=60,
                               valve_window=30, reason="Fewer people this week")
        assert done["hold_hours"] == 5 and done["valve_minimum"] == before["valve_minimum"]
        end = time.monotonic() + 30
        told = None
        while (told is None or told["topic"] == "thresholds_moved") and time.monotonic() < end:
            told = events.wait("notification", 1)  # the new budget may tell something of its own
            if told is None:
                compliance.call("controls.set", hold_hours=5, reason="Said again")
    assert told["topic"] == "controls_set" and told["role"] == "FRAUD_ANALYST"
    note = [row for row in fraud.call("notification.list", state="unread")["items"]
            if row["topic"] == "controls_set"][-1]
    assert "5 hours" in note["text"]
    assert finance.call("notification.list")["items"] == []
    with refused("not_found"):
        finance.call("notification.read", notification_id=note["notification_id"])
    read = fraud.call("notification.read", notification_id=note["notification_id"])
    assert read["state"] == "read" and read["read_by"] == "fraud@test.com"
    after = compliance.call("controls.get")
    assert after["set_by"] == "compliance@test.com" and after["alert_budget_per_day"] == 60

    source, _ = new_account(finance)
    target, _ = new_account(finance)
    held = transfer(finance, source, target, 6_000_00)
    assert held["status"] == "held"
    shown = finance.call("transaction.get", transaction_id=held["transaction_id"])
    assert abs(shown["hold_expires_at"] - (now() + 5 * HOUR)) < HOUR


def test_from_the_command_line(bank, tmp_path):
    secret = tmp_path / "password"
    secret.write_text(conftest.PASSWORD + "\n")
    secret.chmod(0o600)
    settings = {**conftest.environment(), "XDG_CONFIG_HOME": str(tmp_path)}

    def run(*words):
        done = subprocess.run([conftest.BUILD / "bankterm", "run", *words, "--server", bank.ipc,
                               "--user", "fraud@test.com", "--password-file", secret,
                               "--format", "json"], stdin=subprocess.DEVNULL, check=False,
                              capture_output=True, text=True, env=settings, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    entry = run("screening.add", "list=watch", "counterparty=terminal:77", "reason=Seen twice")
    assert entry["list"] == "watch" and entry["counterparty"] == "terminal:77"
    listed = run("screening.list", "search=terminal:77")
    assert listed["items"][0]["entry_id"] == entry["entry_id"]
    assert run("controls.get")["rules_hold"] == 600


def test_the_books_are_whole_in_the_end(bank):
    bank.stop()
    done = bank.verify()
    assert done.returncode == 0, done.stdout + done.stderr
    bank.start()
