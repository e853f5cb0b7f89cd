"""How rules become law: proposed by one person, approved by another, in force from one payment to
the next without a restart, and proved afterwards; and every way in which they do not."""
import contextlib
import signal

import pytest

import conftest
from bankclient import BankError, uuid7
from conftest import ROOT

SHIPPED = (ROOT / "data/rules/default.rules").read_text(encoding="utf-8")
# Every payment of 3,000 and more scores 333, by a rule with a name that nothing else has.
OURS = SHIPPED + """
rule three_thousand
  when is_outgoing and amount_major >= 3000
  score 33
  because "{amount} is three thousand or more"
  fires on is_outgoing=yes amount_major=3000
  silent on is_outgoing=yes amount_major=2999
end
"""
CARD = "card 1\nbase 1\nfeature amount_major\n  cuts 100\n  points 0 7\nend\n"


def people(bank):
    for name, email in (("fraud", conftest.USERS["FRAUD_ANALYST"]),
                        ("finance", conftest.USERS["FINANCIAL_MANAGER"]),
                        ("compliance", conftest.USERS["COMPLIANCE_OFFICER"])):
        client = bank.client()
        client.login(email, conftest.PASSWORD)
        yield name, client


@pytest.fixture
def staff(bank):
    clients = dict(people(bank))
    yield clients
    for client in clients.values():
        client.close()


def refused(client, error, op, **fields):
    with pytest.raises(BankError) as caught:
        client.call(op, **fields)
    assert caught.value.name == error, caught.value
    return caught.value


def in_force(client):
    return client.call("rules.get")["rule_set"]


def pay(finance, amount):
    account = next(row for row in finance.call("account.list", kind="customer", currency="USD",
                                               status="active", limit=500)["items"]
                   if row["available"] > 2 * amount)
    done = finance.call("transaction.create", transaction_id=uuid7(), type="withdrawal",
                        account_id=account["account_id"], amount=amount, currency="USD")
    return finance.call("transaction.get", transaction_id=done["transaction_id"])


def refusals(compliance, operation):
    return [row for row in compliance.call("audit.list", kind="refusal", search=operation,
                                           limit=20)["items"] if row["operation"] == operation]


def test_rules_that_are_wrong_are_refused_and_the_old_ones_stay(staff):
    before = in_force(staff["fraud"])
    wrong = SHIPPED.replace("threshold hold", "treshold hold", 1)
    line = 1 + wrong[:wrong.index("treshold")].count("\n")
    error = refused(staff["fraud"], "file_syntax", "rules.propose", rules=wrong, reason="A slip")
    assert error.field == "rules" and error.text.startswith(f"{line}:1: ")
    error = refused(staff["fraud"], "file_syntax", "rules.propose", reason="A slip",
                    rules=OURS.replace("{amount} is three", "{amonut} is three"))
    assert "amonut" in error.text and "amount" in error.text
    error = refused(staff["fraud"], "file_syntax", "rules.propose", reason="A broken promise",
                    rules=OURS.replace("silent on is_outgoing=yes amount_major=2999",
                                       "silent on is_outgoing=yes amount_major=3000"))
    assert "rule three_thousand fires on this example" in error.text
    error = refused(staff["fraud"], "file_syntax", "rules.propose", reason="A card's slip",
                    scorecard=CARD.replace("amount_major", "amount_mayor"))
    assert error.field == "scorecard" and error.text.startswith("3:9: ")
    assert "amount_major" in error.text
    refused(staff["fraud"], "field_missing", "rules.propose", reason="Nothing")
    refused(staff["fraud"], "exists", "rules.propose", rules=SHIPPED, reason="The same again")
    refused(staff["finance"], "role_denied", "rules.propose", rules=OURS, reason="Not hers")
    assert in_force(staff["fraud"]) == before
    assert [row["state"] for row in staff["fraud"].call("rules.list")["items"]] == ["active"]


def test_two_people_are_needed(bank, staff):
    fraud, compliance = staff["fraud"], staff["compliance"]
    before = in_force(fraud)
    first = compliance.call("rules.propose", rules=OURS, reason="Large payments")
    assert first["state"] == "proposed" and first["author"] == "compliance@test.com"
    assert first["rules"] == SHIPPED.count("\nrule ") + 1 and not first["has_scorecard"]
    refused(fraud, "exists", "rules.propose", rules=OURS, reason="The same")
    refused(compliance, "own_proposal", "rules.approve", hash=first["hash"])
    refused(fraud, "role_denied", "rules.approve", hash=first["hash"])
    refused(compliance, "not_found", "rules.approve", hash=b"\7" * 32)
    refused(compliance, "field_invalid", "rules.approve", hash=b"\7" * 31)
    told = {row["subject"]: row["outcome"] for row in refusals(compliance, "rules.approve")}
    assert told[first["hash"].hex()] in ("own_proposal", "role_denied")
    assert told[(b"\7" * 32).hex()] == "not_found"
    assert {row["outcome"] for row in refusals(compliance, "rules.approve")} >= {
        "own_proposal", "role_denied", "not_found"}
    assert in_force(fraud) == before

    gone = fraud.call("rules.withdraw", hash=first["hash"], reason="Not yet")
    assert gone["state"] == "withdrawn" and gone["ended_at"] >= gone["proposed_at"]
    refused(compliance, "state_conflict", "rules.approve", hash=first["hash"])
    refused(fraud, "state_conflict", "rules.withdraw", hash=first["hash"], reason="Again")
    active = fraud.call("rules.get")
    refused(fraud, "state_conflict", "rules.withdraw", hash=active["hash"], reason="Never")
    refused(compliance, "state_conflict", "rules.approve", hash=active["hash"])

    second = fraud.call("rules.propose", rules=OURS, reason="Large payments, by somebody else")
    assert second["hash"] == first["hash"] and second["rule_set"] == first["rule_set"] + 1
    assert second["author"] == "fraud@test.com"
    plain = pay(staff["finance"], 300_000)
    with contextlib.closing(compliance.events(bank.ipc_events)) as events:
        while events.next(0.2) is None:  # until the events have found their way
            pay(staff["finance"], 100)
        done = compliance.call("rules.approve", hash=second["hash"], reason="Read and tried")
        told = events.wait("rules", conftest.LIMIT)
    assert told == {"rule_set": second["rule_set"], "hash": second["hash"], "state": "active",
                    "by": "compliance@test.com"}
    assert done["state"] == "active" and done["approved_by"] == "compliance@test.com"

    now = pay(staff["finance"], 300_000)
    assert "three_thousand" in [reason["rule"] for reason in now["reasons"]]
    assert sum(reason["points"] for reason in now["reasons"]) == now["score"]
    again = staff["finance"].call("transaction.get", transaction_id=plain["transaction_id"])
    assert again["reasons"] == plain["reasons"], "the rules that judged explain it"
    listed = {row["rule_set"]: row for row in fraud.call("rules.list")["items"]}
    assert listed[before]["state"] == "superseded" and listed[before]["author"] == "operator"
    assert listed[second["rule_set"]]["state"] == "active"
    assert [row["rule_set"] for row in fraud.pages("rules.list", limit=1)] == [3, 2, 1]
    assert [row["rule_set"] for row in fraud.call("rules.list", state="withdrawn")["items"]] == [2]
    got = fraud.call("rules.get", rule_set=before)
    assert got["text"] == SHIPPED and got["state"] == "superseded"
    assert fraud.call("rules.get", hash=second["hash"])["text"] == OURS


def test_a_scorecard_joins_the_sum_and_can_be_taken_away(bank, staff):
    fraud, compliance = staff["fraud"], staff["compliance"]
    version = fraud.call("rules.propose", scorecard=CARD, reason="A small card")
    assert version["has_scorecard"]
    compliance.call("rules.approve", hash=version["hash"])
    got = fraud.call("rules.get")
    assert got["text"] == OURS and got["scorecard"] == CARD and got["parts"] == 1
    assert got["threshold_alert"] < got["threshold_hold"] < got["threshold_decline"]
    curves = fraud.call("rules.curves")
    assert curves["base"] == 1 and curves["rules"][-1]["name"] == "three_thousand"
    assert curves["curves"][0]["name"] == "amount_major" and "with_name" not in curves["curves"][0]
    assert curves["curves"][0]["points"] == [{"below": 100, "points": 0},
                                             {"from": 100, "points": 7}]
    paid = pay(staff["finance"], 30_000)
    points = {reason["rule"]: reason["points"] for reason in paid["reasons"]}
    assert points["base"] == 1 and points["amount_major"] == 7
    assert sum(points.values()) == paid["score"]
    bank.stop()
    done = bank.verify()
    bank.start()
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_change_of_rules_survives_a_kill_at_any_step(bank):
    for step in ("proposed", "approved"):
        clients = dict(people(bank))
        before = in_force(clients["fraud"])
        if step == "proposed":
            version = clients["fraud"].call("rules.propose", scorecard="", reason="Without it")
        else:
            clients["compliance"].call("rules.approve", hash=version["hash"])
        bank.process.send_signal(signal.SIGKILL)
        bank.process.wait(conftest.LIMIT)
        (bank.directory / "bankd.pid").unlink(missing_ok=True)
        for client in clients.values():
            client.close()
        bank.start()
        clients = dict(people(bank))
        got = clients["fraud"].call("rules.get", hash=version["hash"])
        assert got["state"] == ("proposed" if step == "proposed" else "active")
        assert in_force(clients["fraud"]) == (before if step == "proposed"
                                              else version["rule_set"])
        assert "scorecard" not in got
        pay(clients["finance"], 1000)
        for client in clients.values():
            client.close()
    assert bank.verify().returncode == 0


def test_a_rule_file_that_nobody_approved_does_not_judge(bank):
    (bank.directory / "rules.txt").write_text(OURS.replace("score 33", "score 34"))
    bank.stop()
    bank.start()
    clients = dict(people(bank))
    assert clients["fraud"].call("rules.get")["text"] == OURS
    told = [line for line in bank.log.read_text().splitlines() if "rules_file_not_used" in line]
    assert len(told) == 1 and "rules.propose" in told[0]
    for client in clients.values():
        client.close()


def test_a_large_file_of_rules(staff):
    """Larger than other requests may be, and not larger than rules may be."""
    fraud = staff["fraud"]
    room = 256 * 1024 - len(OURS)
    much = OURS + "#" * (room - 1) + "\n"
    version = fraud.call("rules.propose", rules=much, scorecard=CARD, reason="Long")
    assert fraud.call("rules.get", hash=version["hash"])["text"] == much
    refused(fraud, "field_too_long", "rules.propose", rules=much + "\n", reason="Longer")
    refused(fraud, "message_too_large", "rules.propose", rules=much * 3, reason="Far longer")
    refused(fraud, "message_too_large", "rules.withdraw", hash=version["hash"],
            reason="x" * 70_000)
    fraud.call("rules.withdraw", hash=version["hash"], reason="It was a trial")
