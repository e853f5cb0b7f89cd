"""The safety valve and the alert budget on rules that this test brings along: what they count, that
a daemon that is killed loses none of it, and what is told of the money that is given up."""
import subprocess
import time

import pytest

import conftest
from bankclient import uuid7

LIMIT = 30
RULES = """version 1
threshold alert 300
threshold hold 600
threshold decline 900

rule sevens
  when is_outgoing and amount_major >= 7 and amount_major < 8
  action hold
  because "{amount} is a seven"
  fires on is_outgoing=yes amount_major=7
  silent on is_outgoing=yes amount_major=8
end

rule nines
  when is_outgoing and amount_major >= 9 and amount_major < 10
  score 700
  because "{amount} is a nine"
  fires on is_outgoing=yes amount_major=9
  silent on is_outgoing=yes amount_major=8
end

rule warm
  when is_outgoing and amount_major >= 40 and amount_major < 50
  score 10 * amount_major
  because "{amount} is warm"
  fires on is_outgoing=yes amount_major=40
  silent on is_outgoing=yes amount_major=39
end
"""


@pytest.fixture
def bank(own_bank):
    with logged_in(own_bank, "FRAUD_ANALYST") as fraud, \
            logged_in(own_bank, "COMPLIANCE_OFFICER") as compliance:
        version = fraud.call("rules.propose", rules=RULES, scorecard="", reason="A test")
        compliance.call("rules.approve", hash=version["hash"])
    return own_bank


def logged_in(bank, role):
    client = bank.client()
    client.login(conftest.USERS[role], conftest.PASSWORD)
    return client


def pay(finance, source, target, major):
    return finance.call("transaction.create", transaction_id=uuid7(), type="transfer",
                        account_id=source, counterparty_account_id=target, amount=major * 100)


def kill(bank):
    bank.process.kill()
    bank.process.wait()
    (bank.directory / "bankd.pid").unlink(missing_ok=True)
    bank.start()


def proved(bank):
    bank.stop()
    done = bank.verify()
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_hold_without_points_is_not_the_last_in_the_queue(bank):
    with logged_in(bank, "FINANCIAL_MANAGER") as finance, \
            logged_in(bank, "FRAUD_ANALYST") as fraud:
        target = conftest.new_account(finance)
        held = pay(finance, conftest.new_account(finance, 500_00), target, 7)
        assert held["status"] == "held" and held["score"] == 0
        alert = fraud.call("alert.get", alert_id=held["alert_id"])
        assert alert["expected_loss"] == 700 * 600**2 // 1_000_000
        assert alert["hits"][0]["expected_loss"] == alert["expected_loss"]
    proved(bank)


def test_a_killed_daemon_steps_down_the_rule_that_was_about_to_be(bank):
    with logged_in(bank, "FINANCIAL_MANAGER") as finance, \
            logged_in(bank, "COMPLIANCE_OFFICER") as compliance:
        source, target = conftest.new_account(finance, 1_000_00), conftest.new_account(finance)
        compliance.call("controls.set", valve_share_bp=2000, valve_minimum=20, reason="A test")
        counted = 1  # the deposit
        for major in [5] * 12 + [7] * 5 + [9]:
            assert pay(finance, source, target, major)["status"] == \
                ("completed" if major == 5 else "held")
            counted += 1
    assert counted == 19
    kill(bank)
    with logged_in(bank, "FINANCIAL_MANAGER") as finance, \
            logged_in(bank, "FRAUD_ANALYST") as fraud:
        assert fraud.call("controls.get")["stepped"] == []
        assert pay(finance, source, target, 7)["status"] == "held"  # the 20th, and the 6th seven
        down = fraud.call("controls.get")["stepped"]
        assert [(row["rule"], row["payments"], row["stopped"]) for row in down] == \
            [("sevens", 20, 6)]
        paid = pay(finance, source, target, 7)
        assert paid["status"] == "completed" and paid["fraud_flag"]
        assert pay(finance, source, target, 9)["status"] == "held"  # the other rule goes on
        fraud.call("controls.restore", rule="sevens", reason="The file was wrong")
        assert pay(finance, source, target, 7)["status"] == "held"
    kill(bank)
    with logged_in(bank, "FINANCIAL_MANAGER") as finance, \
            logged_in(bank, "FRAUD_ANALYST") as fraud:
        # What it stopped before somebody restored it does not count again.
        assert pay(finance, source, target, 7)["status"] == "held"
        assert fraud.call("controls.get")["stepped"] == []
    proved(bank)


def test_what_the_budget_gives_up_is_told_as_money(bank):
    with logged_in(bank, "FINANCIAL_MANAGER") as finance, \
            logged_in(bank, "COMPLIANCE_OFFICER") as compliance:
        before = {row["currency"]: row for row in compliance.call("controls.get")["given_up_money"]}
        assert before == {}
        target = conftest.new_account(finance)
        for _ in range(3):
            assert pay(finance, conftest.new_account(finance, 500_00), target, 40)["fraud_flag"]
        compliance.call("controls.set", alert_budget_per_day=1, reason="One analyst is here")
        conftest.until(lambda: compliance.call("controls.get")["threshold_alert"] > 400,
                       "the threshold does not move")
        started = time.time_ns() // 1000
        for _ in range(2):
            paid = pay(finance, conftest.new_account(finance, 500_00), target, 40)
            assert paid["status"] == "completed" and not paid["fraud_flag"]
        held = pay(finance, conftest.new_account(finance, 500_00), target, 9)
        assert held["status"] == "held"
        told = compliance.call("controls.get")
        assert told["thresholds_moved_at"] <= told["counted_at"]  # its counts were saved with it
        assert told["given_up_since"] <= started - 7 * 86_400_000_000
        assert told["given_up_money"] == [{
            "currency": "USD", "payments": 2, "amount": 2 * 40_00,
            "expected_loss": 2 * (40_00 * 400 * 400 // 1_000_000)}]
        assert told["given_up_x10"] > 0
    proved(bank)


def test_a_back_test_knows_what_was_in_force_then(bank):
    with logged_in(bank, "FINANCIAL_MANAGER") as finance, \
            logged_in(bank, "FRAUD_ANALYST") as fraud:
        started = time.time_ns() // 1000
        source, target = conftest.new_account(finance, 1_000_00), conftest.new_account(finance)
        assert pay(finance, source, target, 45)["fraud_flag"]
        spared = fraud.call("suppression.add", rule="warm", account_id=source,
                            until=started + 3_600_000_000, reason="He pays for this")
        assert spared["state"] == "active"  # of medium severity
        assert not pay(finance, source, target, 45)["fraud_flag"]
        fraud.call("suppression.remove", suppression_id=spared["suppression_id"], reason="Over")
        assert pay(finance, source, target, 45)["fraud_flag"]
        alerts = {}
        for controls in ("none", "then", "now"):
            done = fraud.call("rules.backtest", controls=controls, **{"from": started})
            lines = {line["name"]: line["count"] for line in done["lines"]}
            alerts[controls] = (lines["alerts"], lines["alerts_gained"], lines["alerts_lost"])
            assert ("lists and suppressions of" in done["candidate"]) == (controls != "none")
        assert alerts == {"none": (3, 1, 0), "then": (2, 0, 0), "now": (3, 1, 0)}
    bank.stop()
    done = subprocess.run(
        [conftest.BUILD / "bankd", "backtest", "--controls", "then", "--data-dir", bank.directory],
        capture_output=True, text=True, timeout=LIMIT, check=False, env=conftest.environment())
    assert done.returncode == 0, done.stderr
    assert "with the lists and suppressions of each moment" in done.stdout


def test_the_scoreboard_rates_the_parts_of_a_card(bank):
    card = "card 1\nbase 0\nfeature amount_major\n  cuts 60 80\n  points -5 350 0\n" \
        "feature is_new_counterparty\n  cuts 1\n  points 0 0\nend\n"
    with logged_in(bank, "FINANCIAL_MANAGER") as finance, \
            logged_in(bank, "COMPLIANCE_OFFICER") as compliance, \
            logged_in(bank, "FRAUD_ANALYST") as fraud:
        started = time.time_ns() // 1000
        version = fraud.call("rules.propose", scorecard=card, reason="A card beside the rules")
        compliance.call("rules.approve", hash=version["hash"])
        target = conftest.new_account(finance)
        paid = [pay(finance, conftest.new_account(finance, 500_00), target, major)
                for major in (20, 40, 65, 65, 65, 85)]
        assert [row["score"] for row in paid] == [0, 395, 350, 350, 350, 0]
        assert [row["fraud_flag"] for row in paid] == [False, True, True, True, True, False]
        for row, finding in ((paid[2], "confirmed_fraud"), (paid[3], "confirmed_fraud"),
                             (paid[4], "false_positive"), (paid[1], "confirmed_fraud")):
            fraud.call("alert.decide", alert_id=row["alert_id"], decision=finding, note="Seen")
        board = fraud.call("rules.scoreboard", **{"from": started})
        kinds = [row["kind"] for row in board["items"]]
        assert kinds == sorted(kinds, reverse=True) and kinds.count("part") == 2
        part = next(row for row in board["items"] if row["rule"] == "amount_major")
        assert part["kind"] == "part" and part["in_force"] and part["action"] == "score"
        assert (part["fired"], part["points_mean"], part["alerted"]) == (3, 350, 3)
        assert (part["confirmed"], part["false_positive"], part["undecided"]) == (2, 1, 0)
        assert part["precision_bp"] == 6667 and part["unique_catches"] == 2
        assert "overlap_rule" not in part
        warm = next(row for row in board["items"] if row["rule"] == "warm")
        assert (warm["kind"], warm["fired"], warm["confirmed"]) == ("rule", 1, 1)
        idle = next(row for row in board["items"] if row["rule"] == "is_new_counterparty")
        assert idle["fired"] == 0 and idle["kind"] == "part"
    proved(bank)
