"""A demo bank for each test module: made once, copied, served by the real daemon, stopped by
SIGTERM. BANK_BUILD names the build that is tested (default: build)."""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

import bankclient

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BANK_BUILD", ROOT / "build")).resolve()
LIMIT = 120  # seconds for a start or a stop, also under sanitizers on a busy machine

PASSWORD = "test123"
USERS = {"FRAUD_ANALYST": "fraud@test.com", "FINANCIAL_MANAGER": "finance@test.com",
         "COMPLIANCE_OFFICER": "compliance@test.com"}
REPORT = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:")


def until(condition, what, seconds=30):
    """Asks again and again until it holds; returns what it answered."""
    end = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < end, what() if callable(what) else what
        time.sleep(0.02)


def environment():
    """Without the settings of the operator who runs the tests."""
    return {name: value for name, value in os.environ.items()
            if not name.startswith("BANKD_")
            and name not in ("DB_MODE", "DATABASE_PATH", "AWS_REGION")}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Bank:
    """A running bankd and where to find it."""

    def __init__(self, directory, log):
        self.directory = directory
        self.log = log
        self.ipc = f"ipc://{directory}/bankd.sock"
        self.ipc_events = f"ipc://{directory}/bankd-events.sock"
        self.tcp = f"tcp://127.0.0.1:{free_port()}"
        self.tcp_events = f"tcp://127.0.0.1:{free_port()}"
        self.process = None
        self.options = []  # more of `serve`

    @property
    def server_key(self):
        return (self.directory / "keys/server.pub").read_text().strip()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [BUILD / "bankd", "serve", "--data-dir", self.directory, "--listen-tcp", self.tcp,
                 "--events-tcp", self.tcp_events, *self.options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment())
        self.wait_until_ready()

    def wait_until_ready(self):
        """Until the pid file is there and a request is answered."""
        end = time.monotonic() + LIMIT
        while not (self.directory / "bankd.pid").exists():
            assert time.monotonic() < end, f"bankd does not start:\n{self.log.read_text()}"
            try:
                code = self.process.wait(0.02)
            except subprocess.TimeoutExpired:
                continue
            raise AssertionError(f"bankd ended with {code}:\n{self.log.read_text()}")
        with bankclient.Client(self.ipc, timeout=LIMIT) as client:
            with pytest.raises(bankclient.BankError):
                client.call("server.status")

    def stop(self):
        """Asks bankd to end, as a service manager does, and looks at how it ended."""
        if self.process is None:
            return
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        log = self.log.read_text(errors="replace")
        assert not REPORT.search(log), log
        assert code == 0, f"bankd ended with {code}:\n{log}"
        assert not (self.directory / "bankd.pid").exists()

    def client(self, tcp=False, **options):
        if tcp:
            return bankclient.Client(self.tcp, self.server_key, **options)
        return bankclient.Client(self.ipc, **options)

    def verify(self):
        return subprocess.run([BUILD / "bankd", "verify", "--data-dir", self.directory],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=LIMIT, check=False, env=environment())


def new_account(finance, funds=0):
    """Of a new customer, in dollars, with so much paid in."""
    customer = finance.call("customer.create", customer_id=bankclient.uuid7(), name="Test Customer")
    account = finance.call("account.create", account_id=bankclient.uuid7(), currency="USD",
                           customer_id=customer["customer_id"])["account_id"]
    if funds:
        finance.call("transaction.create", transaction_id=bankclient.uuid7(), type="deposit",
                     account_id=account, amount=funds)
    return account


@pytest.fixture(scope="session")
def demo_home(tmp_path_factory):
    """A demo bank on disk that nobody serves; copy it before use."""
    place = tmp_path_factory.mktemp("demo") / "bank"
    done = subprocess.run([BUILD / "bankd", "init", "--demo", "--data-dir", place],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=LIMIT, check=False, env=environment())
    assert done.returncode == 0, done.stdout + done.stderr
    return place


@contextlib.contextmanager
def served(home, place, *options):
    """A copy of the bank, with both transports and more options of `serve`."""
    shutil.copytree(home, place / "bank")
    bank = Bank(place / "bank", place / "bankd.log")
    bank.options = list(options)
    bank.start()
    try:
        yield bank
    finally:
        bank.stop()


@pytest.fixture(scope="module")
def bank(demo_home, tmp_path_factory):
    """A demo bank that all tests of a module share."""
    with served(demo_home, tmp_path_factory.mktemp("b")) as bank:
        yield bank


@pytest.fixture
def own_bank(demo_home, tmp_path):
    """A demo bank that the test may change and kill."""
    with served(demo_home, tmp_path) as bank:
        yield bank
