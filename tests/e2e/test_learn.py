"""The whole path of a scorecard: payments are imported with labels, a card is learned from one
part, and tried on a later one; then the command lines that are refused, and being stopped."""
import csv
import hashlib
import json
import random
import re
import signal
import subprocess

import pytest

from conftest import BUILD, ROOT, environment
from test_import import bankd, load

DAYS = 28
ACCOUNTS = 60
TERMINALS = 40
HEADER = ["TRANSACTION_ID", "TX_DATETIME", "CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT",
          "TX_TIME_SECONDS", "TX_TIME_DAYS", "TX_FRAUD", "TX_FRAUD_SCENARIO"]


def edged_payments():
    """Amounts up to 220.00; what is above is fraud, and so is one payment in 40 below."""
    dice = random.Random(8)
    for number in range(200 * 10):
        fraud = number % 40 == 0
        amount = dice.randrange(100, 22001)
        if number % 200 == 7:
            amount, fraud = dice.randrange(22001, 40000), True
        second = number % 200 * 400
        time = (f"2018-06-{5 + number // 200:02} {second // 3600:02}:{second // 60 % 60:02}:"
                f"{second % 60:02}")
        yield [number, time, dice.randrange(ACCOUNTS), dice.randrange(TERMINALS),
               f"{amount / 100:.2f}", 0, number // 200, int(fraud), 0]


def payments():
    """Small payments, some large ones that are fraud, and a terminal that is all fraud."""
    dice = random.Random(5)
    number = 0
    for day in range(DAYS):
        for second in sorted(dice.sample(range(86400), 150)):
            account, terminal = dice.randrange(ACCOUNTS), dice.randrange(TERMINALS)
            amount, fraud = dice.randrange(500, 9000), 0
            if dice.randrange(60) == 0:
                amount, fraud = amount + 25000, 1
            if terminal == 7:
                fraud = 1
            time = (f"2018-06-{day + 1:02} {second // 3600:02}:{second // 60 % 60:02}:"
                    f"{second % 60:02}")
            yield [number, time, account, terminal, f"{amount / 100:.2f}", 0, day, fraud, 0]
            number += 1


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    place = tmp_path_factory.mktemp("learn")
    with open(place / "payments.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(payments())
    assert bankd("init", "--data-dir", place / "bank").returncode == 0
    done = load(place / "bank", place / "payments.csv", "--labels", name="handbook")
    assert done.returncode == 0, done.stderr
    return place / "bank"


def learn(home, out, *options):
    return bankd("learn", "--data-dir", home, "--from", "2018-06-05", "--to", "2018-06-15",
                 "--out", out, *options)


def backtest(home, *options):
    done = bankd("backtest", "--data-dir", home, "--format", "json", *options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def area(rows):
    """Share of pairs of a fraud and another in which the fraud has the higher score."""
    frauds = [int(row["score"]) for row in rows if row["label"] == "1"]
    others = [int(row["score"]) for row in rows if row["label"] == "0"]
    good = sum((a > b) + (a == b) / 2 for a in frauds for b in others)
    return good / (len(frauds) * len(others))


def average_precision(rows):
    """Precision at each fraud from the highest score down; equal scores are one step."""
    scores = sorted({int(row["score"]) for row in rows}, reverse=True)
    found, looked, total = 0, 0, 0
    for score in scores:
        group = [row["label"] == "1" for row in rows if int(row["score"]) == score]
        found, looked = found + sum(group), looked + len(group)
        total += sum(group) * found / looked
    return total / found


def card_precision(rows, most, luck):
    """As the handbook defines it; `luck` says whether frauds come first among equal scores."""
    found, shares = set(), []
    for day in sorted({row["timestamp"][:10] for row in rows}):
        cards = {}
        for row in rows:
            if row["timestamp"][:10] == day and row["account"] not in found:
                score, fraud = cards.get(row["account"], (-10**9, False))
                cards[row["account"]] = (max(score, int(row["score"])),
                                         fraud or row["label"] == "1")
        ranked = sorted(cards.items(),
                        key=lambda card: (-card[1][0], card[1][1] != luck))[:most]
        hits = [account for account, (_, fraud) in ranked if fraud]
        found.update(hits)
        shares.append(len(hits) / most)
    return sum(shares) / len(shares)


def test_a_learned_card_finds_later_fraud(home, tmp_path):
    done = learn(home, tmp_path / "card")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "card").read_text(encoding="utf-8")
    assert "feature amount\n" in text or "feature amount_major\n" in text
    assert learn(home, tmp_path / "again").returncode == 0
    assert (tmp_path / "again").read_text(encoding="utf-8") == text

    before = (home / "bank.db").read_bytes()
    found = backtest(home, "--scorecard", tmp_path / "card", "--from", "2018-06-22", "--to",
                     "2018-06-29", "--known-from", "2018-06-29", "--cards", "5",
                     "--scores", tmp_path / "scores",
                     "--changes", tmp_path / "changes", "--features", tmp_path / "features")
    assert (home / "bank.db").read_bytes() == before
    with open(tmp_path / "scores", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert found["judged"] == found["measured"] == len(rows) == 7 * 150
    assert {row["external_id"] for row in rows} == {str(i) for i in range(21 * 150, 28 * 150)}
    assert all(row["timestamp"].startswith("2018-06-2") for row in rows)
    assert found["measured_frauds"] == sum(row["label"] == "1" for row in rows) > 20
    with open(tmp_path / "features", encoding="utf-8", newline="") as file:
        features = {row["external_id"]: row for row in csv.DictReader(file)}
    assert features.keys() == {row["external_id"] for row in rows}
    assert all(int(row["hour"]) == int(row["timestamp"][11:13]) for row in features.values())
    assert any(int(row["counterparty_fraud_run"]) > 5 for row in features.values())
    assert found["auc_roc"] > 0.95 and found["average_precision"] > 0.8
    assert abs(area(rows) - found["auc_roc"]) < 1e-5
    assert abs(average_precision(rows) - found["average_precision"]) < 1e-5
    assert card_precision(rows, 5, False) - 1e-5 <= found["card_precision"] \
        <= card_precision(rows, 5, True) + 1e-5
    assert found["card_precision"] > 0.4
    with open(tmp_path / "changes", encoding="utf-8", newline="") as file:
        changes = [row["change"] for row in csv.DictReader(file)]
    assert changes.count("gained") == found["alerts_gained"]["count"] > 0
    assert changes.count("lost") == found["alerts_lost"]["count"]


def test_an_edge_between_quantiles_is_cut(tmp_path):
    rows = list(edged_payments())
    with open(tmp_path / "payments.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([HEADER, *rows])
    assert bankd("init", "--data-dir", tmp_path / "bank").returncode == 0
    done = load(tmp_path / "bank", tmp_path / "payments.csv", "--labels", name="handbook")
    assert done.returncode == 0, done.stderr
    done = learn(tmp_path / "bank", tmp_path / "card", "--pairs", "no")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "card").read_text(encoding="utf-8")
    cuts = [int(cut) for cut in
            re.search(r"^feature amount\n  cuts +([-0-9 ]+)$", text, re.M)[1].split()]
    amounts = [round(float(row[4]) * 100) for row in rows]
    assert min(amount for amount in amounts if amount > 22000) in cuts


def test_a_learned_card_goes_with_the_shipped_rules(home, tmp_path):
    assert learn(home, tmp_path / "card").returncode == 0
    found = backtest(home, "--rules", ROOT / "data/rules/default.rules", "--scorecard",
                     tmp_path / "card", "--from", "2018-06-22")
    assert found["auc_roc"] > 0.9
    table = bankd("backtest", "--data-dir", home, "--scorecard", tmp_path / "card")
    assert re.match(r"candidate +scorecard \S+/card alone\n", table.stdout)


def test_known_cards_are_left_out(home, tmp_path):
    assert learn(home, tmp_path / "card", "--pairs", "no").returncode == 0
    assert "\npair " not in (tmp_path / "card").read_text(encoding="utf-8")
    found = backtest(home, "--scorecard", tmp_path / "card", "--from", "2018-06-22", "--to",
                     "2018-06-29")
    assert found["judged"] == 7 * 150
    assert 0 < found["measured"] < found["judged"]


def test_days_are_counted_once_in_whatever_order_their_payments_come(tmp_path):
    """Every tenth payment is a day late, so the day changes to and fro all the time."""
    rows = [row[:] for row in payments()]
    for row in rows[150::10]:
        row[1] = f"2018-06-{row[6]:02}{row[1][10:]}"
    with open(tmp_path / "late.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(rows)
    assert bankd("init", "--data-dir", tmp_path / "bank").returncode == 0
    done = load(tmp_path / "bank", tmp_path / "late.csv", "--labels", name="handbook")
    assert done.returncode == 0, done.stderr
    found = backtest(tmp_path / "bank")
    assert found["days"] == DAYS
    assert abs(found["alerts_per_day"] - found["alerts"]["count"] / DAYS) < 1e-3
    assert backtest(tmp_path / "bank", "--from", "2018-06-04", "--to", "2018-06-09")["days"] == 5


def test_the_rules_in_force_change_nothing(home, tmp_path):
    found = backtest(home)
    assert found.pop("candidate") == "the version in force"
    assert found["judged"] == DAYS * 150
    assert found["alerts_gained"]["count"] == found["alerts_lost"]["count"] == 0
    hashed = hashlib.blake2b((ROOT / "data/rules/default.rules").read_bytes(), digest_size=32)
    for words in (["--rules", ROOT / "data/rules/default.rules"],
                  ["--hash", hashed.hexdigest()]):
        again = backtest(home, *words)
        assert again.pop("candidate").split()[0] in ("rules", "stored")
        assert {**again, "payments_per_second": 0} == {**found, "payments_per_second": 0}


def test_a_decision_is_recomputed(home):
    """By its id or by its id in the file, from its bytes and anew from the ledger."""
    for number in random.Random(3).sample(range(DAYS * 150), 12):
        done = bankd("explain", str(number), "--data-dir", home)
        assert done.returncode == 0, done.stdout + done.stderr
        told = dict(re.findall(r"^([a-z ]+?)  +(.*)$", done.stdout, re.M))
        assert told["external id"] == f"handbook:{number}"
        assert told["rule set"].startswith("1, approved by operator")
        assert "identical when recomputed from the decision" in told["verdict"]
        same, count = re.match(r"(\d+) of (\d+) are identical", told["features"]).groups()
        assert same == count != "0"
        again = bankd("explain", told["transaction"], "--data-dir", home)
        assert again.stdout == done.stdout


LABELS = """source = late
transaction = {id}
label = {fraud}
label.fraud = 1
label.honest = 0
label.known_at = {known}
"""


def known_frauds(home, place):
    """By payment, the counterparty's frauds of 30 days as a replay shows them."""
    backtest(home, "--features", place)
    with open(place, encoding="utf-8", newline="") as file:
        return {int(row["external_id"]): int(row["counterparty_frauds_30d"])
                for row in csv.DictReader(file)}


def test_a_finding_counts_until_another_replaces_it(tmp_path):
    """One fraud of each of twelve cards at a terminal is known after seven days; those of six are
    found to be none on the 15th. Before that day they count as they were known, after it no more,
    and what was decided is what it was, whatever was found out since."""
    rows = [[number, f"2018-06-{number // 12 + 1:02} 1{number % 12 // 2}:{number % 12 * 4:02}:00",
             number % 12, 7, "10.00", 0, 0, int(number < 12), 0] for number in range(25 * 12)]
    rows[200][7] = ""
    with open(tmp_path / "rows.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(rows)
    home = tmp_path / "bank"
    assert bankd("init", "--data-dir", home).returncode == 0
    done = load(home, tmp_path / "rows.csv", "--labels", name="handbook")
    assert done.returncode == 0, done.stderr
    before = known_frauds(home, tmp_path / "features")
    assert before[9 * 12] == before[24 * 12] == 12
    (tmp_path / "labels.map").write_text(LABELS.replace("late", "handbook"), encoding="utf-8")
    (tmp_path / "labels.csv").write_text("id,fraud,known\n" + "".join(
        f"{number},0,2018-06-15\n" for number in range(6)), encoding="utf-8")
    done = load(home, tmp_path / "labels.csv", name=tmp_path / "labels.map")
    assert done.returncode == 0 and "none of the labels is fraud" not in done.stderr, done.stderr
    after = known_frauds(home, tmp_path / "features")
    assert {number: before[number] - after[number] for number in before} == \
        {number: 6 if number >= 14 * 12 else 0 for number in before}
    done = bankd("features", "--account", "7", "--data-dir", home)
    assert done.returncode == 0 and "Card 7" in done.stdout, done.stderr
    done = bankd("features", "--account", "12", "--data-dir", home)
    assert done.returncode == 4 and "No account has the id 12" in done.stderr
    for number in (3, 9 * 12, 13 * 12 + 5, 16 * 12, 24 * 12 + 11):
        done = bankd("explain", number, "--data-dir", home)
        assert done.returncode == 0, done.stdout + done.stderr
    done = bankd("verify", "--data-dir", home)
    assert done.returncode == 0, done.stdout + done.stderr
    # A finding that comes only now, but says that it was known before: told, and not as a clash.
    (tmp_path / "labels.csv").write_text("id,fraud,known\n200,1,2018-06-18\n", encoding="utf-8")
    done = load(home, tmp_path / "labels.csv", name=tmp_path / "labels.map")
    assert done.returncode == 0, done.stderr
    after = known_frauds(home, tmp_path / "features")
    assert after[24 * 12] == 7
    done = bankd("explain", 24 * 12, "--data-dir", home)
    assert done.returncode == 4 and "dated before the payment" in done.stderr, done.stderr
    assert "identical when recomputed" in done.stdout and "was 12, now 13" in done.stdout
    assert "by somebody else" not in done.stderr


@pytest.mark.parametrize("options, same", [
    (["--to", "2018-06-20"], True), (["--to", "2018-06-21"], False), ([], False)])
def test_learning_takes_a_finding_as_it_was_known_to_its_last_day(tmp_path, options, same):
    """Half of the frauds of the first ten days are found to be none on the 20th."""
    with open(tmp_path / "payments.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(payments())
    home = tmp_path / "bank"
    assert bankd("init", "--data-dir", home).returncode == 0
    assert load(home, tmp_path / "payments.csv", "--labels", name="handbook").returncode == 0
    told = bankd("learn", "--data-dir", home, "--out", tmp_path / "before", *options)
    assert told.returncode == 0, told.stderr
    (tmp_path / "labels.map").write_text(LABELS.replace("late", "handbook"), encoding="utf-8")
    frauds = [row[0] for row in payments() if row[7] and row[6] < 10]
    (tmp_path / "labels.csv").write_text("id,fraud,known\n" + "".join(
        f"{number},0,2018-06-20\n" for number in frauds[::2]), encoding="utf-8")
    assert load(home, tmp_path / "labels.csv", name=tmp_path / "labels.map").returncode == 0
    again = bankd("learn", "--data-dir", home, "--out", tmp_path / "after", *options)
    assert again.returncode == 0, again.stderr
    counts = [int(re.search(r"frauds (\d+)", text.stdout)[1]) for text in (told, again)]
    assert counts[0] - counts[1] == (0 if same else len(frauds[::2]))
    strict = bankd("learn", "--data-dir", home, "--out", tmp_path / "strict", "--known-to",
                   "2018-06-15", *options)
    assert int(re.search(r"frauds (\d+)", strict.stdout)[1]) < counts[0]


def test_a_card_that_is_there_is_not_written_over(home, tmp_path):
    card = tmp_path / "card"
    assert learn(home, card).returncode == 0
    text = card.read_text(encoding="utf-8")
    assert learn(home, card).returncode == 0
    card.write_text(text + "# looked at\n", encoding="utf-8")
    refused = learn(home, card)
    assert refused.returncode == 4 and "--force writes over it" in refused.stderr
    assert card.read_text(encoding="utf-8") == text + "# looked at\n"
    assert learn(home, card, "--force").returncode == 0
    assert card.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("command, says", [
    (["backtest", "--hash", "ab"], "--hash has 64 digits of hex, not ab"),
    (["backtest", "--hash", "7" * 64], "No rules have the hash 777"),
    (["backtest", "--hash", "7" * 64, "--rules", "x"], "--hash names stored rules"),
    (["explain"], "takes the id of a transaction"),
    (["explain", "nobody"], "No transaction has the id nobody"),
    (["backtest", "--with-rules"], "--with-rules tries the card of --scorecard"),
    (["backtest", "--with-rules=yes", "--scorecard", "x"], "--with-rules=yes is not known here"),
    (["backtest", "--rules", "/nowhere"], "/nowhere: No such file"),
    (["backtest", "--rules"], "--rules is not known here or has no value"),
    (["backtest", "--rules", "x", "--from", "soon"], "--from soon is not a day"),
    (["backtest", "--rules", "x", "--cards", "0"], "--cards goes from 1"),
    (["backtest", "--rules", "x", "--format", "xml"], "The format is table or json"),
    (["learn"], "--out names the file"),
    (["learn", "--out", "/nowhere/x", "--from", "2030-01-01"],
     "Too few findings to learn from: 0 payments"),
    (["learn", "--out", "x", "--pairs", "many"], "--pairs is yes or no"),
])
def test_what_is_refused(home, command, says):
    done = bankd(command[0], "--data-dir", home, *command[1:])
    assert done.returncode != 0
    assert says in done.stderr


@pytest.mark.parametrize("words, says", [
    (["backtest", "--from", "2018-06-20", "--to", "2018-06-10"],
     "--from 2018-06-20 is not before --to 2018-06-10"),
    (["backtest", "--from", "2018-06-20", "--to", "2018-06-20"], "is not before --to 2018-06-20"),
    (["backtest", "--from", "2031-01-01"], "There are no payments in the range"),
    (["backtest", "--to", "2001-01-01"], "There are no payments in the range"),
    (["learn", "--out", "/nowhere/x", "--from", "2018-06-20", "--to", "2018-06-10"],
     "--from 2018-06-20 is not before --to 2018-06-10"),
])
def test_a_range_without_payments_is_refused(home, words, says):
    done = bankd(words[0], "--data-dir", home, *words[1:])
    assert done.returncode == 2 and says in done.stderr
    assert done.stdout == ""


def test_a_broken_card_is_refused(home, tmp_path):
    (tmp_path / "card").write_text("card 1\nbase 5\nfeature amonut cuts points 1\nend\n",
                                   encoding="utf-8")
    done = bankd("backtest", "--data-dir", home, "--scorecard", tmp_path / "card")
    assert done.returncode != 0
    says = f"{tmp_path / 'card'}:3:9: there is no feature `amonut`; did you mean `amount`?"
    assert says in done.stderr
    again = bankd("backtest", "--data-dir", home, "--scorecard", tmp_path / "card", "--with-rules")
    assert again.returncode != 0 and says in again.stderr


def test_a_broken_rule_file_is_named_and_makes_no_bank(home, tmp_path):
    wrong = tmp_path / "w2.rules"
    wrong.write_text((ROOT / "data/rules/default.rules").read_text(encoding="utf-8")
                     .replace("threshold hold", "treshold hold", 1), encoding="utf-8")
    tried = bankd("backtest", "--data-dir", home, "--rules", wrong)
    made = bankd("init", "--data-dir", tmp_path / "bank", "--rules-file", wrong)
    for done in (tried, made):
        assert done.returncode == 2
        assert re.search(re.escape(f"{wrong}:") + r"\d+:\d+: ", done.stderr), done.stderr
    assert not (tmp_path / "bank").exists()
    assert bankd("init", "--data-dir", tmp_path / "bank").returncode == 0
    served = bankd("serve", "--data-dir", tmp_path / "bank", "--rules-file", wrong)
    assert served.returncode == 2 and f"{wrong}:" in served.stderr


def heeds_interrupts():
    """Who runs the tests in the background ignores the signal, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_learning_can_be_stopped(home, tmp_path):
    with subprocess.Popen([BUILD / "bankd", "learn", "--data-dir", home, "--out",
                           tmp_path / "card"], stderr=subprocess.PIPE, text=True,
                          env=environment(), preexec_fn=heeds_interrupts) as process:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode != 0
    assert not (tmp_path / "card").exists()
