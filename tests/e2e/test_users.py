"""What an operator changes about a user, on the host, reaches whoever is logged in as that user."""
import subprocess

import pytest

import conftest
from bankclient import BankError, Client

LIMIT = 30  # seconds for an event that must come
EMAIL = "ann@bank.example"


def user(bank, action, email, *options, password=""):
    return subprocess.run([conftest.BUILD / "bankd", "user", action, email, *options, "--data-dir",
                           bank.directory], input=password + "\n", capture_output=True, text=True,
                          timeout=conftest.LIMIT, check=False, env=conftest.environment())


def operator(bank, action, email, *options, password=""):
    done = user(bank, action, email, *options, password=password)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def ann(bank):
    operator(bank, "add", EMAIL, "--name", "Ann", "--role", "FINANCIAL_MANAGER",
             password="first-password")


def logged_in(bank, email, password):
    client = Client(bank.ipc)
    client.login(email, password)
    return client


def session_ends(bank, client, change):
    """The change ends the session: the event tells it, and the token is worth nothing."""
    events = client.events(bank.ipc_events)
    client.call("session.whoami")
    while events.next(0.2):
        pass
    change()
    told = events.wait("session", LIMIT)
    assert told and "user" in told["reason"]
    with pytest.raises(BankError) as caught:
        client.call("session.whoami")
    assert caught.value.name == "session_invalid"
    events.close()


def login_fails(bank, email, password):
    with pytest.raises(BankError) as caught:
        logged_in(bank, email, password)
    assert caught.value.name == "login_failed"


def test_another_password_ends_the_sessions_of_the_old_one(bank, ann):
    with logged_in(bank, EMAIL, "first-password") as client, \
            logged_in(bank, "fraud@test.com", conftest.PASSWORD) as colleague:
        session_ends(bank, client, lambda: operator(bank, "passwd", EMAIL,
                                                    password="second-password"))
        colleague.call("session.whoami")
    login_fails(bank, EMAIL, "first-password")
    logged_in(bank, EMAIL, "second-password").close()


def test_a_user_who_is_disabled_is_out_at_once_and_may_come_back(bank, ann):
    operator(bank, "passwd", EMAIL, password="third-password")
    with logged_in(bank, EMAIL, "third-password") as client:
        session_ends(bank, client, lambda: operator(bank, "disable", EMAIL))
    login_fails(bank, EMAIL, "third-password")
    operator(bank, "enable", EMAIL)
    with logged_in(bank, EMAIL, "third-password") as client:
        operator(bank, "enable", EMAIL)
        client.call("account.list", limit=1)


@pytest.mark.parametrize("email, name", [
    ("eve@bank.example", "\x1b[31mEve"), ("eve@bank.example", "Eve\nAlder"),
    ("eve@bank.example", ""), ("eve@bank.example", "é" * 200), ("eve@bank.example", b"Ev\xe9"),
    ("eve\x1b[2J@bank.example", "Eve"), ("eve@bank.example evil@bank.example", "Eve"),
], ids=["escape", "line", "empty", "long", "latin", "address-escape", "address-blank"])
def test_names_that_no_client_could_show_are_refused(bank, email, name):
    done = user(bank, "add", email, "--name", name, "--role", "FRAUD_ANALYST",
                password="long-enough")
    assert done.returncode == 2, done.stdout
    assert "field_invalid" in done.stderr and "\x1b" not in done.stderr
    assert "eve" not in user(bank, "list", EMAIL).stdout
