"""The window features beside those that the Fraud Detection Handbook's authors computed for the
same payments with exact windows: how many are equal, and how far the others are away.

A thirtieth of the customers and of the terminals is enough for the test. BANK_GOLDEN=all takes all
of them, and `-s` prints the table:

  BANK_GOLDEN=all python3 -m pytest -s tests/e2e/test_golden.py

Ours look at what was before a payment, theirs count it too, so it is added here. Windows by buckets
begin up to one bucket late: for those, the exact count of the shorter window is the lower bound."""
import collections
import csv
import datetime
import os
import statistics
import subprocess

import pytest

from conftest import ROOT
from test_import import bankd, load, unpack

ALL = os.environ.get("BANK_GOLDEN") == "all"
SHARE = 1 if ALL else 30
FIRST, FROM, TO = "2018-06-15", "2018-07-25", "2018-08-01"
FULL_DAYS = {1: "24h", 7: "7d", 30: "30d"}
OUT_SECONDS = {1: 3 * 3600, 7: 86400, 30: 3 * 86400}  # the width of a bucket


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "")).timestamp()


def chosen(number):
    return int(number) % SHARE == 0


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Pairs of a golden row and ours, and all the payments that they stand on."""
    place = tmp_path_factory.mktemp("golden")
    payments = unpack("fdh/transactions_to_2018-08-07.csv", place)
    golden = unpack("fdh/golden_features_2018-07-25_to_31.csv", place)
    taken = []
    with open(payments, encoding="utf-8", newline="") as file, \
            open(place / "part.csv", "w", encoding="utf-8", newline="") as part:
        reader = csv.DictReader(file)
        writer = csv.DictWriter(part, reader.fieldnames)
        writer.writeheader()
        for row in reader:
            if FIRST <= row["TX_DATETIME"] < TO and \
                    (chosen(row["CUSTOMER_ID"]) or chosen(row["TERMINAL_ID"])):
                writer.writerow(row)
                taken.append(row)
    assert bankd("init", "--data-dir", place / "bank").returncode == 0
    done = load(place / "bank", place / "part.csv", "--labels", name="handbook")
    assert done.returncode == 0, done.stderr
    done = bankd("backtest", "--data-dir", place / "bank", "--rules",
                 ROOT / "data/rules/default.rules", "--from", FROM, "--to", TO,
                 "--features", place / "features")
    assert done.returncode == 0, done.stderr
    with open(place / "features", encoding="utf-8", newline="") as file:
        ours = {row["external_id"]: row for row in csv.DictReader(file)}
    with open(golden, encoding="utf-8", newline="") as file:
        pairs = [(row, ours[row["TRANSACTION_ID"]]) for row in csv.DictReader(file)
                 if row["TRANSACTION_ID"] in ours]
    assert len(pairs) > 500
    subprocess.run(["rm", "-rf", place / "bank", payments], check=True)
    return pairs, taken


def counts_within(taken, days, slack):
    """Exact counts of each payment's customer in windows that begin up to `slack` seconds late."""
    past = collections.defaultdict(collections.deque)
    out = {}
    for row in taken:
        now, window = moment(row["TX_DATETIME"]), past[row["CUSTOMER_ID"]]
        while window and window[0] <= now - days * 86400 + slack:
            window.popleft()
        out[row["TRANSACTION_ID"]] = len(window)
        window.append(now)
    return out


def compare(pairs, theirs, value):
    """Share of equal ones, and the distances of the others: median and largest."""
    far = [abs(value(own) - float(golden[theirs])) for golden, own in pairs]
    off = [distance for distance in far if distance > 0.005]
    return 1 - len(off) / len(far), statistics.median(off) if off else 0, max(far)


def tell(name, result):
    print(f"{name:45} {result[0]:7.2%} equal, others off by {result[1]:.2f} (median), "
          f"{result[2]:.2f} (most)")


def test_days_and_hours_are_theirs(rows):
    pairs, _ = rows
    print()
    for theirs, value in [("TX_DURING_WEEKEND", lambda own: int(own["is_weekend"])),
                          ("TX_DURING_NIGHT", lambda own: int(int(own["hour"]) <= 6))]:
        result = compare(pairs, theirs, value)
        tell(theirs, result)
        assert result[0] == 1


@pytest.mark.parametrize("days", [1, 7, 30])
def test_customers_windows_agree_within_a_bucket(rows, days):
    pairs, taken = rows
    pairs = [pair for pair in pairs if chosen(pair[0]["CUSTOMER_ID"])]
    count, total = f"count_{FULL_DAYS[days]}", f"sum_{FULL_DAYS[days]}"
    least = counts_within(taken, days, OUT_SECONDS[days])
    theirs = f"CUSTOMER_ID_NB_TX_{days}DAY_WINDOW"
    for golden, own in pairs:
        number = int(own[count])
        assert least[golden["TRANSACTION_ID"]] <= number <= float(golden[theirs]) - 1

    def mean(own):
        return (int(own[total]) + int(own["amount"])) / (int(own[count]) + 1) / 100

    print()
    tell(theirs, compare(pairs, theirs, lambda own: int(own[count]) + 1))
    theirs = f"CUSTOMER_ID_AVG_AMOUNT_{days}DAY_WINDOW"
    tell(theirs, compare(pairs, theirs, mean))


@pytest.mark.parametrize("days", [1, 7, 30])
def test_terminals_windows_agree(rows, days):
    """Exact as far as the newest 16 findings reach, which have their second; where they do not, the
    window begins with a whole day."""
    pairs, _ = rows
    pairs = [pair for pair in pairs if chosen(pair[0]["TERMINAL_ID"])]
    theirs = f"TERMINAL_ID_NB_TX_{days}DAY_WINDOW"
    known = compare(pairs, theirs, lambda own: int(own[f"counterparty_findings_{days}d"]))
    print()
    tell(theirs, known)
    theirs = f"TERMINAL_ID_RISK_{days}DAY_WINDOW"
    risk = compare(pairs, theirs,
                   lambda own: int(own[f"counterparty_fraud_share_{days}d_bp"]) / 10000)
    tell(theirs, risk)
    assert known[0] > {1: 0.98, 7: 0.8, 30: 0.5}[days]
    assert risk[0] > {1: 0.99, 7: 0.99, 30: 0.98}[days]
