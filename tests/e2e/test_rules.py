"""How rules become law: proposed by one person, approved by another, in force from one payment to
the next without a restart, and proved afterwards; and every way in which they do not."""
import contextlib
import re
import shutil
import signal
import sqlite3
import uuid

import pytest

import conftest
from bankclient import BankError, uuid7
from conftest import ROOT
from test_import import bankd
from test_learn import backtest, home as history, learn  # noqa: F401
from test_run import DENIED, INPUT, Terminal
from test_users import operator

SHIPPED_FILE = ROOT / "data/rules/default.rules"
SHIPPED = SHIPPED_FILE.read_text(encoding="utf-8")
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
    for field, text in (("rules", SHIPPED), ("scorecard", CARD)):
        lines = text.split("\n")
        lines[2] = "# \u00e9" + lines[2] + "\x1b[2J"
        error = refused(staff["fraud"], "field_invalid", "rules.propose", reason="A bell",
                        **{field: "\n".join(lines)})
        assert error.field == field and error.text.startswith(f"3:{len(lines[2]) - 3}: ")
    refused(staff["fraud"], "file_syntax", "rules.propose", reason="Too much",
            rules=OURS + "rule much when amount > 0 score 2000 because \"x\" "
                         "fires on amount=1 silent on amount=0 end\n")
    refused(staff["fraud"], "field_missing", "rules.propose", reason="Nothing")
    refused(staff["fraud"], "exists", "rules.propose", rules=SHIPPED, reason="The same again")
    refused(staff["finance"], "role_denied", "rules.propose", rules=OURS, reason="Not hers")
    assert in_force(staff["fraud"]) == before
    assert not staff["fraud"].call("rules.list", state="proposed")["items"]


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
    numbers = [row["rule_set"] for row in fraud.pages("rules.list", limit=1)]
    assert numbers == list(range(second["rule_set"], 0, -1))
    assert first["rule_set"] in [row["rule_set"] for row in
                                 fraud.call("rules.list", state="withdrawn")["items"]]
    got = fraud.call("rules.get", rule_set=before)
    assert got["text"] == SHIPPED and got["state"] == "superseded"
    assert fraud.call("rules.get", hash=second["hash"])["text"] == OURS


def test_a_card_is_tried_alone_or_with_the_rules_in_force(bank, staff, tmp_path):
    """What a proposal of a card would put in force is the rules and the card, not the card."""
    ours = SHIPPED + OURS[len(SHIPPED):].replace("three_thousand", "three_thousand_more")
    version = staff["fraud"].call("rules.propose", rules=ours, scorecard="", reason="To try with")
    staff["compliance"].call("rules.approve", hash=version["hash"])
    rules, card = tmp_path / "ours.rules", tmp_path / "small.card"
    rules.write_text(ours, encoding="utf-8")
    card.write_text(CARD, encoding="utf-8")
    scores = {}
    for name, words, candidate in (
            ("alone", ["--scorecard", card], f"scorecard {card} alone"),
            ("proposed", ["--scorecard", card, "--with-rules"],
             f"rules in force and scorecard {card}"),
            ("files", ["--scorecard", card, "--rules", rules],
             f"rules {rules} and scorecard {card}")):
        found = backtest(bank.directory, *words, "--scores", tmp_path / name)
        assert found["candidate"] == candidate
        scores[name] = (tmp_path / name).read_text()
    assert scores["proposed"] == scores["files"] != scores["alone"]


def test_a_scorecard_joins_the_sum_and_can_be_taken_away(bank, staff):
    fraud, compliance = staff["fraud"], staff["compliance"]
    version = fraud.call("rules.propose", rules=OURS, scorecard=CARD, reason="A small card")
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


def test_a_suppression_follows_its_rule_into_the_next_version(staff):
    """It names the rule; which place that has in a version is nothing to it."""
    fraud, compliance, finance = staff["fraud"], staff["compliance"], staff["finance"]
    first = fraud.call("rules.propose", rules=OURS + "# In its place.\n", reason="A comment")
    compliance.call("rules.approve", hash=first["hash"])
    paid = pay(finance, 300_000)
    account = paid["account_id"]
    assert "three_thousand" in [reason["rule"] for reason in paid["reasons"]]
    fraud.call("suppression.add", rule="three_thousand", account_id=account,
               until=paid["posted_at"] + 86_400_000_000, reason="He buys a car")

    at = OURS.index("\nrule ")
    other = OURS[OURS.index("\nrule three_thousand"):].replace("three_thousand", "moved_up") \
        .replace("3000", "2900").replace("2999", "2899").replace("three thousand", "much")
    moved = OURS[:at] + other + OURS[at:]
    second = fraud.call("rules.propose", rules=moved, reason="One more, before the others")
    compliance.call("rules.approve", hash=second["hash"])
    done = finance.call("transaction.create", transaction_id=uuid7(), type="withdrawal",
                        account_id=account, amount=300_000, currency="USD")
    points = {reason["rule"]: reason["points"] for reason in done["reasons"]}
    assert points["moved_up"] == 33 and points["three_thousand"] == 0


def test_rules_change_between_payments(bank, staff):
    """Payments stand in the queue before and behind an approval; the proof knows which rules were
    in force for each of them."""
    fraud, compliance, finance = staff["fraud"], staff["compliance"], staff["finance"]
    account = next(row for row in finance.call("account.list", kind="customer", currency="USD",
                                               status="active", limit=500)["items"]
                   if row["available"] > 1_000_000)["account_id"]
    judged = []
    for turn in range(4):
        version = fraud.call("rules.propose", rules=f"{OURS}# {turn}\n", reason="A comment")
        for part in range(2):
            waiting = [finance.send("transaction.create", transaction_id=uuid7(),
                                    type="withdrawal", account_id=account, amount=100 + i,
                                    currency="USD") for i in range(150)]
            if part == 0:
                approval = compliance.send("rules.approve", hash=version["hash"])
            judged += [finance.result(request)["sequence"] for request in waiting]
        compliance.result(approval)
    bank.stop()
    done = bank.verify()
    with sqlite3.connect(bank.directory / "bank.db") as books:
        sets = [row[0] for row in books.execute(
            f"SELECT rule_set FROM transactions WHERE sequence IN ({','.join(map(str, judged))}) "
            "ORDER BY sequence")]
    books.close()
    bank.start()
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(sets) == 1200 and sets == sorted(sets) and len(set(sets)) >= 4


def test_the_change_of_rules_survives_a_kill_at_any_step(bank):
    for step in ("proposed", "approved"):
        clients = dict(people(bank))
        before = in_force(clients["fraud"])
        if step == "proposed":
            version = clients["fraud"].call("rules.propose", rules=OURS + "# Killed.\n",
                                              scorecard="", reason="Without a card")
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
    clients = dict(people(bank))
    before = clients["fraud"].call("rules.get")
    (bank.directory / "rules.txt").write_text(OURS.replace("score 33", "score 34"))
    bank.stop()
    bank.start()
    for client in clients.values():
        client.close()
    clients = dict(people(bank))
    assert clients["fraud"].call("rules.get") == before
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


def test_the_whole_path_of_a_scorecard(history, tmp_path):  # noqa: F811
    """From labelled history to a learned card that two people agreed on, that judges live, that a
    back test takes without being told, that is proved, and that a restart keeps."""
    shutil.copytree(history, tmp_path / "bank")
    bank = conftest.Bank(tmp_path / "bank", tmp_path / "bankd.log")
    card = tmp_path / "card"
    assert learn(bank.directory, card).returncode == 0
    for role, email in conftest.USERS.items():
        operator(bank, "add", email, "--name", role.title(), "--role", role,
                 password=conftest.PASSWORD)
    bank.start()
    try:
        fraud, officer = (Terminal(bank.ipc, role) for role in ("FRAUD_ANALYST",
                                                                "COMPLIANCE_OFFICER"))
        version = fraud.json("rules.propose", f"scorecard=@{card}", "reason=Learned in June")
        assert version["state"] == "proposed" and version["has_scorecard"]
        fraud.refused(DENIED, "role_denied", "rules.approve", f"hash={version['hash']}")
        own = officer.json("rules.propose", "scorecard=card 1 base 3 end", "reason=My own")
        officer.refused(DENIED, "own_proposal", "rules.approve", f"hash={own['hash']}")
        wrong = tmp_path / "wrong"
        wrong.write_text(card.read_text().replace("\nbase ", "\nbaes ", 1))
        told = fraud.refused(INPUT, "file_syntax", "rules.propose", f"scorecard@={wrong}",
                             "reason=A slip", field="scorecard")
        assert re.search(r"\b\d+:\d+: ", told)
        fraud.refused(1, "io", "rules.propose", "scorecard=@/nowhere", "reason=No file")
        assert officer.json("rules.approve", f"hash={version['hash']}")["state"] == "active"
        assert fraud.json("rules.get")["scorecard"] == card.read_text()
        for words, candidate in (([f"scorecard=@{card}"], "rules in force and the given scorecard"),
                                 (["scorecard="], "rules in force alone"),
                                 ([], "rules in force and their scorecard"),
                                 ([f"rules=@{SHIPPED_FILE}", "scorecard="],
                                  "the given rules alone")):
            assert fraud.json("rules.backtest", *words)["candidate"] == candidate
        assert not fraud.json("rules.propose", "scorecard=", "reason=Retire it")["has_scorecard"]
        curves = fraud.json("rules.curves")["curves"]
        assert len(curves) == card.read_text().count("\nfeature ") \
            + card.read_text().count("\npair ")

        paid = live_payment(bank)
        parts = {curve["name"] for curve in curves} | {"base"}
        assert parts & {reason["rule"] for reason in paid["reasons"]}
        assert sum(reason["points"] for reason in paid["reasons"]) == paid["score"]
    finally:
        bank.stop()
    assert bank.verify().returncode == 0
    week = ["--from", "2018-06-22", "--to", "2018-06-29"]
    found = backtest(bank.directory, *week, "--scores", tmp_path / "scores")
    assert found["auc_roc"] > 0.9 and found["average_precision"] > 0.5
    files = backtest(bank.directory, *week, "--rules", ROOT / "data/rules/default.rules",
                     "--scorecard", card, "--scores", tmp_path / "scores of files")
    assert files.pop("candidate") == f"rules {SHIPPED_FILE} and scorecard {card}"
    assert found.pop("candidate") == "the version in force"
    assert {**files, "payments_per_second": 0} == {**found, "payments_per_second": 0}
    assert (tmp_path / "scores").read_text() == (tmp_path / "scores of files").read_text()
    assert backtest(bank.directory, *week, "--hash", version["hash"])["auc_roc"] \
        == found["auc_roc"]
    done = bankd("explain", uuid.UUID(bytes=paid["transaction_id"]), "--data-dir", bank.directory)
    assert done.returncode == 0 and "with a scorecard, approved by compliance" in done.stdout
    assert f"score {paid['score']}, identical" in done.stdout

    bank.start()
    try:
        again = live_payment(bank)
        assert parts & {reason["rule"] for reason in again["reasons"]}
        assert Terminal(bank.ipc, "FRAUD_ANALYST").json("rules.get")["hash"] == version["hash"]
    finally:
        bank.stop()
    assert bank.verify().returncode == 0


def live_payment(bank):
    with bank.client() as client:
        client.login(conftest.USERS["FINANCIAL_MANAGER"], conftest.PASSWORD)
        return pay(client, 30_100)
