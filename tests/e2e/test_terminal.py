"""The console in a real terminal: each role's whole path in tmux at 80x24 with the real daemon, and
what a program owes its terminal (restored after every end, no work while idle, few bytes)."""
import contextlib
import csv
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import termios
import time
import uuid

import pytest

import bankclient
from conftest import BUILD, PASSWORD, USERS, environment, until

MARK = "\N{BLACK RIGHT-POINTING SMALL TRIANGLE}"
WAIT = 30  # seconds until something that must come is missed, also under sanitizers
PLAIN = "asan" not in str(BUILD) and "tsan" not in str(BUILD)
SMCUP_END = b"\x1b[?1049l"
PASTE_ON, PASTE_OFF = b"\x1b[?2004h", b"\x1b[?2004l"


def command(bank, *options):
    return [str(BUILD / "bankterm"), "--server", bank.ipc, *options]


# --- tmux: what people see ------------------------------------------------------------------


class Screen:
    """A program inside a tmux of its own with a fixed size."""

    def __init__(self, argv, columns=80, rows=24, term="tmux-256color", **variables):
        self.tmux = ["tmux", "-L", "bank-" + uuid.uuid4().hex[:12], "-f", "/dev/null"]
        settings = [f"{name}={value}" for name, value in variables.items()]
        self.run("new-session", "-d", "-s", "s", "-x", str(columns), "-y", str(rows),
                 "env", "TERM=" + term, "LC_ALL=C.UTF-8", *settings,
                 "sh", "-c", '"$@"; echo "ended with $?"; read -r line', "sh", *argv, ";",
                 "set-option", "-g", "status", "off", ";",
                 "set-option", "-g", "set-clipboard", "on")

    def run(self, *arguments):
        return subprocess.run([*self.tmux, *arguments], check=True, capture_output=True,
                              text=True, env=environment()).stdout

    def text(self):
        return self.run("capture-pane", "-p", "-t", "s")

    def shows(self, text, seconds=WAIT):
        until(lambda: text in self.text(), lambda: f"not shown: {text}\n{self.text()}", seconds)

    def shows_not(self, text):
        until(lambda: text not in self.text(), lambda: f"still shown: {text}\n{self.text()}")

    def selected(self):
        """The selected row without its mark and what is cut at its end."""
        lines = [line for line in self.text().splitlines() if line.startswith(MARK)]
        return lines[-1][1:40] if lines else ""

    def keys(self, *names):
        for name in names:
            self.run("send-keys", "-t", "s", name)

    def type(self, text):
        self.run("send-keys", "-t", "s", "-l", text)

    def close(self):
        subprocess.run([*self.tmux, "kill-server"], capture_output=True, check=False)


@contextlib.contextmanager
def console(bank, role, **options):
    screen = Screen(command(bank, "--user", USERS[role]), **options)
    try:
        screen.shows("Password")
        screen.shows("live")
        screen.type(PASSWORD)
        screen.keys("Enter")
        screen.shows("1 Dash")
        yield screen
    finally:
        screen.close()


@pytest.fixture(autouse=True)
def has_tmux():
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")


def fresh_accounts(bank, count):
    """Accounts opened in the last days, from which a large transfer is held."""
    with bank.client() as client:
        client.login(USERS["FINANCIAL_MANAGER"], PASSWORD)
        page = client.call("account.list", kind="customer", currency="USD", limit=60)
        found = [a for a in page["items"] if a["transactions"] == 1 and a["status"] == "active"]
        return found[:count]


def test_an_analyst_sees_an_alert_at_once_and_decides_it(bank):
    source, target = fresh_accounts(bank, 2)
    with console(bank, "FRAUD_ANALYST") as screen, bank.client() as client:
        screen.shows("Risk distribution")
        first = until(screen.selected, "no alert is shown")
        screen.keys("j")
        selected = until(lambda: screen.selected() != first and screen.selected(),
                         "the selection does not move")
        client.login(USERS["FINANCIAL_MANAGER"], PASSWORD)
        posted = client.call("transaction.create", type="transfer",
                             transaction_id=bankclient.uuid7(), account_id=source["account_id"],
                             counterparty_account_id=target["account_id"], amount=1512345)
        assert posted["status"] == "held"
        screen.shows("New alert", 1.0 if PLAIN else WAIT)
        screen.shows("15,123.45", 1.0 if PLAIN else WAIT)
        assert screen.selected() == selected
        screen.keys("/")
        screen.type("15,123.45")
        screen.keys("Enter")
        screen.shows('with "15,123.45"')
        screen.keys("Enter")
        screen.shows("Alert: hold")
        screen.shows("15,123.45 USD")
        screen.keys("D")
        screen.shows("Finding")
        screen.keys("Right", "Right", "Tab")
        screen.type("The customer confirmed it")
        screen.keys("F2")
        screen.shows("false positive")
        screen.keys("Enter", "F2")
        screen.keys("Y")
        screen.shows("decided now, its transaction completed")
        after = client.call("account.get", account_id=source["account_id"])
        assert after["balance"] == source["balance"] - 1512345
        screen.keys("Escape", "Escape")
        screen.shows("Risk distribution")


def held_transfers(bank, count):
    """Opens so many accounts, pays something in, and raises an alert about a large transfer out."""
    with bank.client() as client:
        client.login(USERS["FINANCIAL_MANAGER"], PASSWORD)
        target = client.call("account.list", kind="customer", currency="USD", limit=1)["items"][0]
        customers = client.call("customer.list", limit=count)["items"]
        sources = []
        for number, customer in enumerate(customers):
            source = client.call("account.create", account_id=bankclient.uuid7(),
                                 customer_id=customer["customer_id"], currency="USD")
            client.call("transaction.create", type="deposit", amount=2000000,
                        transaction_id=bankclient.uuid7(), account_id=source["account_id"])
            posted = client.call("transaction.create", type="transfer",
                                 transaction_id=bankclient.uuid7(),
                                 account_id=source["account_id"],
                                 counterparty_account_id=target["account_id"],
                                 amount=1600000 + number * 1000)
            assert posted["status"] == "held"
            sources.append(source)
    return sources


def test_an_analyst_takes_the_next_alert_decides_in_bulk_and_undoes(bank):
    sources = held_transfers(bank, 3)
    with console(bank, "FRAUD_ANALYST") as screen, bank.client() as client:
        screen.shows("Risk distribution")
        screen.keys("W")
        screen.shows("yours for 1")
        screen.shows("[Reasons]")
        screen.shows("of 1000, their sum")
        first = screen.text()
        screen.keys("Tab")
        screen.shows("[What if]")
        screen.keys("Tab")
        screen.shows("[Customer]")
        screen.keys("W")  # another one; the first stays taken
        until(lambda: "[Reasons]" in screen.text() and screen.text() != first, "no other alert")
        screen.keys("4")
        screen.shows("Alerts to do, costliest first")
        screen.shows("yours")
        screen.keys("/")
        screen.type("16,0")
        screen.keys("Enter")
        screen.shows('with "16,0"')
        screen.keys("m")
        screen.shows("3 marked, 48,030.00 USD")
        screen.keys("D")
        screen.shows("Finding")
        screen.keys("Right", "Tab")
        screen.type("Named by the police")
        screen.keys("F2")
        screen.shows("3, of them 3 with held funds")
        screen.shows("confirmed fraud")
        screen.keys("Y")
        screen.shows("3 alerts are decided now")
        client.login(USERS["FRAUD_ANALYST"], PASSWORD)
        held = [client.call("account.get", account_id=a["account_id"])["held"] for a in sources]
        assert held == [0, 0, 0]
        screen.keys("U")
        screen.shows("3 alerts decided together")
        screen.type("Mixed up with others")
        screen.keys("F2", "Y")
        screen.shows("3 decisions are undone")
        held = [client.call("account.get", account_id=a["account_id"])["held"] for a in sources]
        assert held == [1600000, 1601000, 1602000]


def test_an_analyst_flags_freezes_and_looks_at_the_risk(bank):
    with console(bank, "FRAUD_ANALYST") as screen:
        screen.keys("2")
        screen.shows("of 100+")
        screen.keys("f")
        screen.shows("Search transactions")
        screen.keys("Tab", "Tab", "Tab", "Tab", "d", "Enter")
        screen.shows("Transactions: deposit")
        screen.shows(" 1-19 of ")
        screen.keys("Enter")
        screen.shows("What ")
        screen.keys("F")
        screen.shows("Flag")
        screen.type("Looked odd")
        screen.keys("Enter", "Y")
        screen.shows("flagged as suspicious")
        screen.keys("U")
        screen.shows("Unflag")
        screen.type("Explained")
        screen.keys("Enter", "Y")
        screen.shows_not("flagged as suspicious")
        screen.keys("a")
        screen.shows("Available")
        screen.keys("F")
        screen.shows("Which side")
        screen.keys("Tab")
        screen.type("Takeover suspected")
        screen.keys("F2", "Y")
        screen.shows("! frozen (both): Takeover suspected")
        screen.keys("r")
        screen.shows("Figures that rules can use")
        screen.keys("Escape", "U")
        screen.type("Cleared")
        screen.keys("Enter", "Y")
        screen.shows_not("! frozen")


def test_a_manager_reads_figures_moves_money_and_exports(bank, tmp_path):
    account, = fresh_accounts(bank, 1)
    with console(bank, "FINANCIAL_MANAGER") as screen, bank.client() as client:
        screen.shows("Net flow")
        screen.shows("Volume per day")
        screen.keys("m")
        screen.shows("Transactions per day")
        screen.keys("[")
        screen.shows("not the newest")
        screen.keys("0")
        screen.shows_not("not the newest")
        screen.keys("d")
        screen.shows("Deposit")
        screen.type(str(uuid.UUID(bytes=account["account_id"])))
        screen.shows(" USD available")  # the only match is taken by itself
        screen.keys("Enter")
        screen.type("12500.50")
        screen.keys("Enter", "Enter")
        screen.shows("Deposit: review")
        screen.keys("Y")
        screen.shows("An amount above zero")
        screen.type("12500.50")
        screen.keys("Y")
        screen.shows("ACCEPTED")
        client.login(USERS["FINANCIAL_MANAGER"], PASSWORD)
        after = client.call("account.get", account_id=account["account_id"])
        assert after["balance"] == account["balance"] + 1250050
        screen.keys("Enter")
        screen.shows("Largest transactions")
        screen.keys("2")
        screen.shows("12,500.50")
        screen.keys("e", "C-u")
        screen.type(str(tmp_path / "out.csv"))
        screen.keys("Enter")
        screen.shows("transactions written to")
        with open(tmp_path / "out.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) > 1000
        assert rows[0]["amount"] == "12500.50"


def test_an_officer_watches_thresholds_and_the_audit_log(bank):
    with console(bank, "COMPLIANCE_OFFICER") as screen:
        screen.shows("Compliance score")
        screen.shows("Thresholds")
        screen.shows("Newest audit entries")
        screen.keys("6")
        screen.shows("Audit log: all entries")
        screen.keys("f", "f", "f")
        screen.shows("Audit log: refusals")
        screen.keys("f")
        screen.shows("session.login")
        screen.keys("/")
        screen.type("login")
        screen.keys("Enter")
        screen.shows('with "login"')
        screen.keys("Enter")
        screen.shows("Entry of the audit log")
        screen.keys("Escape", "Escape", "5")
        screen.shows("Verified")
        screen.type(":verify")
        screen.keys("Enter")
        screen.shows("whole                   yes")
        screen.keys("?")
        screen.shows("Moving and looking")
        screen.keys("Escape", "8")
        screen.shows("Safety valve")
        screen.keys("Tab")
        screen.shows("by rules")
        screen.keys("S")
        screen.shows("Set the controls")
        screen.keys("Tab", "Tab", "Tab", "C-u")
        screen.type("40")
        screen.keys("Tab", "Tab")
        screen.type("Two analysts are on leave")
        screen.keys("F2", "Y")
        screen.shows("Done: Set the controls")
        screen.keys("Tab", "Tab", "Tab")
        screen.shows("40 alerts a day")
        screen.keys("7")
        screen.shows(" 1-1 of 1 ")
        screen.keys("Enter")
        screen.shows("[About]")
        screen.keys("Tab")
        screen.shows("This version is in force")


def test_pasted_text_runs_no_command(bank):
    with console(bank, "FRAUD_ANALYST") as screen:
        screen.shows("Open alerts")
        screen.run("set-buffer", "3FYq\nY")
        screen.run("paste-buffer", "-p", "-t", "s")
        screen.shows("Pasted text was dropped")
        assert "Risk distribution" in screen.text()


def test_the_copied_row_reaches_the_clipboard(bank):
    with console(bank, "FINANCIAL_MANAGER") as screen:
        screen.keys("2")
        screen.shows("of 100+")
        screen.keys("y")
        screen.shows("Copied:")
        until(lambda: "USD" in screen.run("show-buffer"), "nothing in the clipboard")


def test_a_restarted_daemon_is_found_again(bank):
    with console(bank, "FRAUD_ANALYST") as screen:
        screen.shows("Risk distribution")
        bank.stop()
        until(lambda: re.search("connecting|retry in|stale since", screen.text()),
              "the loss is not told")
        assert "Risk distribution" in screen.text()
        screen.keys("d")
        screen.shows("Not connected")
        bank.start()
        screen.shows("live")
        screen.shows("is locked")
        screen.type(PASSWORD)
        screen.keys("Enter")
        screen.shows("Risk distribution")


@pytest.mark.parametrize("term", ["vt100", "linux", "xterm-256color", "screen"])
def test_other_terminals_show_the_same(bank, term):
    with console(bank, "FRAUD_ANALYST", term=term) as screen:
        screen.shows("Risk distribution")
        screen.keys("2")
        screen.shows("of 100+")
        screen.type("q")
        screen.shows("Leave bankterm?")
        screen.type("Y")
        screen.shows("ended with 0")


# --- a pty: what the program owes its terminal -----------------------------------------------


class Terminal:
    """bankterm at one end of a pty, the test at the other."""

    def __init__(self, bank, **variables):
        settings = environment() | {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"} | variables
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(BUILD / "bankterm", command(bank, "--user", USERS["FRAUD_ANALYST"]),
                      settings)
        self.seen = b""
        self.resize(24, 80)

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds):
        """What arrives until nothing more does for so long."""
        got = b""
        while select.select([self.fd], [], [], seconds)[0]:
            try:
                more = os.read(self.fd, 65536)
            except OSError:
                break
            if not more:
                break
            got += more
        self.seen += got
        return got

    def shows(self, text):
        until(lambda: self.read(0.05) is not None and text in self.seen,
              lambda: f"not sent: {text}\n{self.seen[-2000:]}")

    def write(self, data):
        os.write(self.fd, data)

    def wait(self, seconds=WAIT):
        return until(lambda: (os.waitpid(self.pid, os.WNOHANG)[0] or None)
                     and self.forget() or None, "the program does not end", seconds)

    def forget(self):
        self.pid = 0
        return True

    def is_cooked(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ICANON)

    def cpu(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    def state(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0]

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        with contextlib.suppress(OSError):
            os.close(self.fd)


@contextlib.contextmanager
def terminal(bank, **variables):
    opened = Terminal(bank, **variables)
    try:
        yield opened
    finally:
        opened.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGSEGV, signal.SIGABRT])
def test_the_terminal_is_given_back(bank, number):
    if not PLAIN and number in (signal.SIGSEGV, signal.SIGABRT):
        pytest.skip("the sanitizer has its own handlers")
    with terminal(bank) as term:
        term.shows(b"Password")
        assert PASTE_ON in term.seen and not term.is_cooked()
        os.kill(term.pid, number)
        term.shows(SMCUP_END)
        assert PASTE_OFF in term.seen
        term.wait()
        assert term.is_cooked()


def test_a_closed_terminal_ends_the_program(bank):
    with terminal(bank) as term:
        term.shows(b"Password")
        os.close(term.fd)
        term.wait(2)


def test_suspend_and_continue(bank):
    with terminal(bank) as term:
        term.shows(b"Password")
        term.write(b"\x1a")
        until(lambda: term.read(0.02) is not None and term.state() == "T", "not stopped")
        assert term.is_cooked() and SMCUP_END in term.seen
        term.seen = b""
        os.kill(term.pid, signal.SIGCONT)
        term.shows(b"Password")
        assert not term.is_cooked()


def logged_in(term):
    term.shows(b"Password")
    term.shows(b"live")
    term.write(PASSWORD.encode() + b"\r")
    term.shows(b"Risk distribution")
    term.read(0.3)


def test_a_storm_of_sizes_leaves_it_working(bank):
    with terminal(bank) as term:
        logged_in(term)
        for number in range(150):
            term.resize(1 + number * 37 % 100, 1 + number * 101 % 300)
            os.kill(term.pid, signal.SIGWINCH)
            term.read(0.001)
        term.resize(24, 80)
        os.kill(term.pid, signal.SIGWINCH)
        term.read(0.2)
        term.seen = b""
        term.write(b"\x0c")
        term.shows(b"Risk distribution")


def test_few_bytes_and_no_work_while_idle(bank):
    with terminal(bank) as term:
        logged_in(term)
        cpu = term.cpu()
        end = time.monotonic() + 5
        sent = 0
        while time.monotonic() < end:
            sent += len(term.read(0.5))
        assert sent < 5 * 300
        assert not PLAIN or term.cpu() - cpu <= 5
        term.write(b"2")
        term.shows(b"of 100+")
        term.read(0.3)
        term.write(b"\x1b[6~")
        assert 0 < len(term.read(0.3)) <= 1500


def test_ascii_and_no_colour(bank):
    with terminal(bank, TERM="vt100", LC_ALL="C") as term:
        term.shows(b"Password")
        assert all(byte < 0x80 for byte in term.seen)
    with terminal(bank, NO_COLOR="1") as term:
        term.shows(b"Password")
        assert not re.search(rb"\x1b\[[0-9;]*(3[0-7]|4[0-7]|38|48)[;m]", term.seen)


@pytest.mark.parametrize("name", ["dumb", "no-such-terminal"])
def test_a_terminal_without_a_cursor_is_told_so(bank, name):
    with terminal(bank, TERM=name) as term:
        term.shows(b"use bankterm run")
        term.wait()


def test_a_user_has_keys_of_their_own(bank, tmp_path):
    keys = tmp_path / "keys.conf"
    keys.write_text("accounts = F3\nquit = F10\n")
    printed = subprocess.run([BUILD / "bankterm", "--keys", keys, "--list-keys"], text=True,
                             capture_output=True, timeout=WAIT, env=environment(), check=True)
    assert "\naccounts = F3\n" in printed.stdout and "\ncustomers = 5\n" in printed.stdout
    screen = Screen(command(bank, "--user", USERS["FRAUD_ANALYST"], "--keys", str(keys)))
    try:
        screen.shows("Password")
        screen.shows("live")
        screen.type(PASSWORD)
        screen.keys("Enter")
        screen.shows("F10 quit")
        screen.keys("F3")
        screen.shows("Customers' accounts")
    finally:
        screen.close()
    keys.write_text("accounts = F3\nfreeze = f\n")
    refused = subprocess.run(command(bank, "--keys", str(keys)), text=True, capture_output=True,
                             timeout=WAIT, env=environment(), check=False)
    assert refused.returncode == 2
    assert f"{keys}:2: freeze: \"f\" is struck too easily" in refused.stderr


def test_an_analyst_lists_an_account_where_it_is_seen(bank):
    account, = fresh_accounts(bank, 1)
    with console(bank, "FRAUD_ANALYST") as screen:
        screen.type(f":account {uuid.UUID(bytes=account['account_id'])}")
        screen.keys("Enter")
        screen.shows("Available")
        screen.keys("J")
        screen.shows("Put on a list")
        screen.keys("w", "Tab")
        screen.type("Named by a colleague")
        screen.keys("F2", "Y")
        screen.shows("Done: Put on a list")
        screen.type(":lists")
        screen.keys("Enter")
        screen.shows("Named by a colleague")
