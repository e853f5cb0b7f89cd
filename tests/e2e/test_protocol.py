"""Everything that the protocol promises, asked of the real daemon by a second client.

Each reply and each event is compared with the tables of PROTOCOL.md, and the last test looks
whether every operation was answered at least once.
"""
import contextlib
import csv
import io
import json
import os
import subprocess
import time
import uuid

import pytest
import zmq

import bankclient
import conftest
import protocol_tables as page
from bankclient import BankError, pack, uuid7

ANSWERED = set()  # operations that gave a good answer in this module
FRAUD, FINANCE, COMPLIANCE = "FRAUD_ANALYST", "FINANCIAL_MANAGER", "COMPLIANCE_OFFICER"


class Client(bankclient.Client):
    """Looks at every reply."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.asked = {}

    def send(self, op, body=None, **fields):
        request_id = super().send(op, body, **fields)
        self.asked[request_id] = op
        return request_id

    def result(self, request_id):
        op = self.asked.pop(request_id)
        try:
            body = super().result(request_id)
        except BankError as error:
            check_error(error)
            raise
        page.check(page.OPERATIONS[op].reply, body)
        ANSWERED.add(op)
        return body


def check_error(error):
    """A refusal is a row of the table of errors, with the promise of its class."""
    cls, what, following = page.ERRORS[error.name]
    assert (error.cls, error.what, error.next) == (cls, what, following)
    assert error.not_done == page.CLASSES[cls]


def open_session(bank, role, tcp=False):
    client = Client(bank.tcp, bank.server_key) if tcp else Client(bank.ipc)
    client.login(conftest.USERS[role], conftest.PASSWORD)
    assert client.session["role"] == role
    return client


@pytest.fixture(scope="module")
def fraud(bank):
    with open_session(bank, FRAUD) as client:
        yield client


@pytest.fixture(scope="module")
def finance(bank):
    with open_session(bank, FINANCE) as client:
        yield client


@pytest.fixture(scope="module")
def compliance(bank):
    with open_session(bank, COMPLIANCE) as client:
        yield client


@contextlib.contextmanager
def refused(name, field=None):
    with pytest.raises(BankError) as caught:
        yield caught
    assert caught.value.name == name, f"{caught.value.name}: {caught.value}"
    if field is not None:
        assert caught.value.field == field


def new_account(finance, currency="USD", funds=0, **fields):
    """Opens an account of a new customer and pays `funds` into it; returns its id."""
    customer = finance.call("customer.create", customer_id=uuid7(), name="Test Person",
                            email="person@example.com", country="US")
    account = finance.call("account.create", account_id=uuid7(), currency=currency,
                           customer_id=customer["customer_id"], **fields)
    assert account["balance"] == 0 and account["status"] == "active"
    if funds:
        assert post(finance, "deposit", account["account_id"], funds)["status"] == "completed"
    return account["account_id"]


def post(client, kind, account_id, amount, **fields):
    return client.call("transaction.create", transaction_id=fields.pop("transaction_id", uuid7()),
                       type=kind, account_id=account_id, amount=amount, **fields)


def account(client, account_id):
    return client.call("account.get", account_id=account_id)


def balance(client, account_id):
    return account(client, account_id)["balance"]


@contextlib.contextmanager
def nothing_changes(client, *account_ids):
    """No transaction is added and no account is touched."""
    def state():
        newest = client.call("transaction.list", limit=1)["items"][0]["transaction_id"]
        return newest, [account(client, account_id) for account_id in account_ids]
    before = state()
    yield
    assert state() == before


# --- money ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("tcp", [False, True], ids=["ipc", "tcp"])
def test_a_deposit_changes_both_balances(bank, finance, tcp):
    target = new_account(finance)
    with open_session(bank, FINANCE, tcp) as client:
        done = post(client, "deposit", target, 12345, currency="USD", description="Cash")
        other = done["counterparty_account_id"]
        assert done["status"] == "completed" and done["verdict"] == "approve"
        assert done["balance"] == 12345 == balance(client, target)
        assert done["incoming"] and done["amount"] == 12345 and done["currency"] == "USD"
        assert done["counterparty_balance"] == balance(client, other)
        assert account(client, other)["kind"] == "cash"
        before = balance(client, other)
        post(client, "deposit", target, 55)
        assert balance(client, target) == 12400
        assert balance(client, other) == before - 55


@pytest.mark.parametrize("tcp", [False, True], ids=["ipc", "tcp"])
def test_a_withdrawal_changes_both_balances(bank, finance, tcp):
    target = new_account(finance, funds=10000)
    cash = post(finance, "deposit", target, 1)["counterparty_account_id"]
    before = balance(finance, cash)
    with open_session(bank, FINANCE, tcp) as client:
        done = post(client, "withdrawal", target, 301)
        assert done["status"] == "completed" and not done["incoming"]
        assert done["balance"] == 9700 == balance(client, target)
        assert done["counterparty_balance"] == before + 301 == balance(client, cash)


@pytest.mark.parametrize("tcp", [False, True], ids=["ipc", "tcp"])
def test_a_transfer_changes_both_balances(bank, finance, tcp):
    payer = new_account(finance, funds=50000)
    payee = new_account(finance)
    with open_session(bank, FINANCE, tcp) as client:
        done = post(client, "transfer", payer, 777, counterparty_account_id=payee,
                    description="Rent")
        assert done["status"] == "completed" and done["description"] == "Rent"
        assert done["balance"] == 49223 == balance(client, payer)
        assert done["counterparty_balance"] == 777 == balance(client, payee)
        shown = client.call("transaction.get", transaction_id=done["transaction_id"])
        assert shown == done


def test_a_payment_goes_to_settlement(finance):
    payer = new_account(finance, funds=20000)
    done = post(finance, "payment", payer, 1999, counterparty="merchant:1234")
    assert done["status"] == "completed" and done["counterparty"] == "merchant:1234"
    assert account(finance, done["counterparty_account_id"])["kind"] == "settlement"
    assert balance(finance, payer) == 18001


def test_currencies_have_their_own_decimals(finance):
    yen = new_account(finance, currency="JPY", funds=1000)
    dinar = new_account(finance, currency="KWD", funds=1500)
    assert account(finance, yen)["currency"] == "JPY"
    assert balance(finance, dinar) == 1500


def test_the_same_id_again_moves_nothing(finance):
    payer = new_account(finance, funds=50000)
    payee = new_account(finance)
    wanted = {"counterparty_account_id": payee, "description": "Once",
              "transaction_id": uuid7()}
    first = post(finance, "transfer", payer, 1000, **wanted)
    assert "repeated" not in first
    with nothing_changes(finance, payer, payee):
        again = post(finance, "transfer", payer, 1000, **wanted)
    assert again.pop("repeated") is True
    assert again == first


def test_a_hundred_at_once_with_one_id_move_once(finance):
    target = new_account(finance)
    wanted = {"transaction_id": uuid7(), "type": "deposit", "account_id": target, "amount": 5}
    sent = [finance.send("transaction.create", wanted) for _ in range(100)]
    replies = [finance.result(request_id) for request_id in sent]
    assert sum("repeated" not in reply for reply in replies) == 1
    assert balance(finance, target) == 5


def test_an_id_with_other_content_is_refused(bank, finance, fraud):
    payer = new_account(finance, funds=50000)
    payee = new_account(finance)
    wanted = {"transaction_id": uuid7(), "type": "transfer", "account_id": payer, "amount": 1000,
              "counterparty_account_id": payee, "description": "Once"}
    finance.call("transaction.create", wanted)
    with nothing_changes(finance, payer, payee):
        for change in ({"amount": 1001}, {"description": "Twice"}, {"description": ""},
                       {"account_id": payee, "counterparty_account_id": payer}):
            with refused("id_reused", "transaction_id"):
                finance.call("transaction.create", {**wanted, **change})
        with refused("id_reused"):
            fraud.call("transaction.create", wanted)
        with refused("id_reused"):
            post(finance, "withdrawal", payer, 1000, transaction_id=wanted["transaction_id"])


def test_an_overdraft_is_refused(finance):
    payer = new_account(finance, funds=10000)
    with nothing_changes(finance, payer), refused("insufficient_funds", "amount"):
        post(finance, "withdrawal", payer, 10001)
    post(finance, "withdrawal", payer, 100)
    assert balance(finance, payer) == 9900


def test_the_overdraft_limit_can_be_used_to_its_end(finance):
    payer = new_account(finance, overdraft_limit=500)
    assert account(finance, payer)["available"] == 500
    with nothing_changes(finance, payer), refused("insufficient_funds", "amount"):
        post(finance, "withdrawal", payer, 501)
    done = post(finance, "withdrawal", payer, 500)
    if done["status"] == "completed":
        assert balance(finance, payer) == -500
    assert account(finance, payer)["available"] == 0


@pytest.mark.parametrize("amount, name", [
    (-1, "amount_invalid"), (0, "amount_invalid"), (-2**63, "amount_invalid"),
    (12.5, "amount_invalid"), (10.0, "amount_invalid"), (2**63, "amount_overflow"),
    ("12", "field_invalid"), (None, "field_invalid"), (True, "field_invalid")])
def test_amounts_that_are_none(finance, amount, name):
    target = new_account(finance, funds=1000)
    with nothing_changes(finance, target), refused(name, "amount"):
        post(finance, "withdrawal", target, amount)


def test_the_largest_amount_does_not_wrap(finance):
    target = new_account(finance, funds=1000)
    with nothing_changes(finance, target), refused("amount_too_large", "amount"):
        post(finance, "deposit", target, 2**63 - 1)


def test_unknown_accounts(finance):
    payer = new_account(finance, funds=1000)
    with nothing_changes(finance, payer):
        with refused("account_unknown", "account_id"):
            post(finance, "deposit", uuid7(), 100)
        with refused("account_unknown", "counterparty_account_id"):
            post(finance, "transfer", payer, 100, counterparty_account_id=uuid7())
        with refused("account_unknown"):
            account(finance, uuid7())


def test_both_sides_the_same(finance):
    payer = new_account(finance, funds=1000)
    with nothing_changes(finance, payer), refused("same_account", "counterparty_account_id"):
        post(finance, "transfer", payer, 100, counterparty_account_id=payer)


def test_currencies_must_agree(finance):
    payer = new_account(finance, funds=1000)
    payee = new_account(finance, currency="EUR")
    with nothing_changes(finance, payer, payee):
        with refused("currency_mismatch", "currency"):
            post(finance, "transfer", payer, 100, counterparty_account_id=payee)
        with refused("currency_mismatch", "currency"):
            post(finance, "deposit", payer, 100, currency="EUR")
        with refused("currency_unknown", "currency"):
            post(finance, "deposit", payer, 100, currency="XXQ")


def test_the_banks_own_accounts_are_not_a_customers(finance):
    payer = new_account(finance, funds=1000)
    cash = post(finance, "deposit", payer, 1)["counterparty_account_id"]
    with nothing_changes(finance, payer, cash):
        with refused("account_system", "account_id"):
            post(finance, "withdrawal", cash, 100)
        with refused("account_system", "counterparty_account_id"):
            post(finance, "transfer", payer, 100, counterparty_account_id=cash)
        with refused("account_system"):
            finance.call("account.close", account_id=cash, reason="why not")


def test_fields_that_the_type_does_not_know(finance):
    payer = new_account(finance, funds=1000)
    payee = new_account(finance)
    with nothing_changes(finance, payer, payee):
        with refused("field_invalid", "counterparty_account_id"):
            post(finance, "withdrawal", payer, 100, counterparty_account_id=payee)
        with refused("field_invalid", "counterparty"):
            post(finance, "deposit", payer, 100, counterparty="merchant:1")
        with refused("field_missing", "counterparty_account_id"):
            post(finance, "transfer", payer, 100)
        with refused("field_missing", "counterparty"):
            post(finance, "payment", payer, 100)
        for kind in ("fee", "interest", "adjustment", "reversal"):
            with refused("field_invalid", "type"):
                post(finance, kind, payer, 100)


def test_ids_must_be_new_uuids_of_version_7(finance):
    target = new_account(finance)
    now = time.time_ns() // 1_000_000
    with nothing_changes(finance, target):
        for wrong in (uuid.uuid4().bytes, bytes(16), b"\xff" * 16):
            with refused("id_invalid", "transaction_id"):
                post(finance, "deposit", target, 100, transaction_id=wrong)
        with refused("id_time", "transaction_id"):
            post(finance, "deposit", target, 100, transaction_id=uuid7(now + 25 * 3600 * 1000))
        for wrong in (bytes(15), bytes(17), str(uuid.uuid4())):
            with refused("field_invalid", "transaction_id"):
                post(finance, "deposit", target, 100, transaction_id=wrong)


# --- accounts ------------------------------------------------------------------------------------

def test_a_closed_account(finance):
    target = new_account(finance)
    other = new_account(finance, funds=1000)
    with refused("account_not_empty", "account_id"):
        finance.call("account.close", account_id=other, reason="too early")
    closed = finance.call("account.close", account_id=target, reason="no longer needed")
    assert closed["status"] == "closed"
    with nothing_changes(finance, target, other):
        with refused("account_closed"):
            post(finance, "deposit", target, 100)
        with refused("account_closed"):
            post(finance, "transfer", other, 100, counterparty_account_id=target)
        with refused("account_closed"):
            finance.call("account.close", account_id=target, reason="again")


@pytest.mark.parametrize("direction, out, into", [("debit", False, True), ("credit", True, False),
                                                  ("both", False, False), (None, False, False)])
def test_a_frozen_account(finance, compliance, fraud, direction, out, into):
    target = new_account(finance, funds=10000)
    fields = {"direction": direction} if direction else {}
    frozen = compliance.call("account.freeze", account_id=target, reason="court order 12",
                             authority="District court", **fields)
    assert frozen["status"] == "frozen" and frozen["freeze_direction"] == (direction or "both")
    assert frozen["freeze_reason"] == "court order 12"
    assert frozen["freeze_authority"] == "District court"
    for allowed, kind in ((out, "withdrawal"), (into, "deposit")):
        if allowed:
            post(finance, kind, target, 10)
        else:
            with nothing_changes(finance, target), refused("account_frozen"):
                post(finance, kind, target, 10)
    with refused("state_conflict", "account_id"):
        fraud.call("account.freeze", account_id=target, reason="once more")
    thawed = fraud.call("account.unfreeze", account_id=target, reason="order lifted")
    assert thawed["status"] == "active" and "freeze_direction" not in thawed
    post(finance, "withdrawal", target, 10)


def test_opening_twice_with_one_id(finance):
    customer = finance.call("customer.create", customer_id=uuid7(), name="Ada")
    wanted = {"account_id": uuid7(), "customer_id": customer["customer_id"], "currency": "USD"}
    first = finance.call("account.create", wanted)
    assert finance.call("account.create", wanted) == first
    assert first["name"] == "Ada" and first["holder"] == "Ada"
    with refused("id_reused", "account_id"):
        finance.call("account.create", {**wanted, "currency": "EUR"})
    with refused("not_found", "customer_id"):
        finance.call("account.create", {**wanted, "account_id": uuid7(), "customer_id": uuid7()})


def test_customers(finance, compliance):
    name = "Zo\u00eb " + os.urandom(6).hex()
    made = finance.call("customer.create", customer_id=uuid7(), name=name, country="CZ")
    assert made["verified"] is False
    assert finance.call("customer.get", customer_id=made["customer_id"]) == made
    verified = compliance.call("customer.verify", customer_id=made["customer_id"], verified=True,
                               reason="passport seen")
    assert verified == {**made, "verified": True}
    assert [c["customer_id"] for c in finance.pages("customer.list", search=name[4:])] \
        == [made["customer_id"]]
    with refused("not_found", "customer_id"):
        finance.call("customer.get", customer_id=uuid7())
    for country in ("u1", "us", "D", "\u00e9"):
        with refused("field_invalid", "country"):
            finance.call("customer.create", customer_id=uuid7(), name=name, country=country)


# --- who may do what -----------------------------------------------------------------------------

def pairs(allowed):
    return [(op, role) for op in page.OPERATIONS.values() if not op.open for role in page.ROLES
            if (role in op.roles) == allowed]


def by_role(request, role):
    return request.getfixturevalue({FRAUD: "fraud", FINANCE: "finance",
                                    COMPLIANCE: "compliance"}[role])


def test_the_table_of_operations_is_whole():
    assert len(page.OPERATIONS) >= 39 and page.ROLES == [FRAUD, FINANCE, COMPLIANCE]
    assert len({op.number for op in page.OPERATIONS.values()}) == len(page.OPERATIONS)
    assert pairs(False) and pairs(True)


@pytest.mark.parametrize("op, role", pairs(False), ids=lambda v: getattr(v, "name", v))
def test_a_role_that_is_not_listed_is_refused(request, op, role):
    client = by_role(request, role)
    with refused("role_denied"):
        client.call(op.name)
    with refused("role_denied"):  # before the fields are looked at
        client.call(op.name, no_such_field=1)


@pytest.mark.parametrize("op, role", pairs(True), ids=lambda v: getattr(v, "name", v))
def test_a_role_that_is_listed_gets_as_far_as_the_fields(request, op, role):
    with refused("field_unknown", "no_such_field"):
        by_role(request, role).call(op.name, no_such_field=1)


@pytest.mark.parametrize("op", [op for op in page.OPERATIONS.values() if not op.open],
                         ids=lambda op: op.name)
def test_every_operation_needs_a_session(bank, op):
    with Client(bank.ipc) as client:
        with refused("login_required"):
            client.call(op.name)
        for token in (bytes(32), os.urandom(32)):
            client.token = token
            with refused("session_invalid"):
                client.call(op.name)
        client.token = b"short"
        with refused("field_invalid", "token"):
            client.call(op.name)


def test_a_refusal_of_a_role_is_in_the_audit_log(fraud, compliance):
    """The entry is written behind the answer, and of a flood only the first of each second."""
    end = time.monotonic() + 10
    while True:
        with refused("role_denied"):
            fraud.call("account.close", account_id=uuid7(), reason="x")
        newest = compliance.call("audit.list", kind="refusal", actor="fraud@test.com",
                                 limit=1)["items"][0]
        if newest["operation"] == "account.close":
            break
        assert time.monotonic() < end, newest
    assert newest["outcome"] == "role_denied"


# --- sessions ------------------------------------------------------------------------------------

def test_login_logout_and_whoami(bank):
    with open_session(bank, FRAUD) as client:
        session = client.session
        assert len(session["token"]) == 32 and session["email"] == "fraud@test.com"
        shown = client.call("session.whoami")
        assert "token" not in shown and "event_topic" not in shown
        assert shown["user_id"] == session["user_id"]
        assert shown["expires_at"] > shown["server_time"]
        client.call("session.logout")
        with refused("session_invalid"):
            client.call("session.whoami")


def test_wrong_passwords_do_not_tell_whether_the_user_exists(bank):
    nobody = f"nobody-{os.urandom(4).hex()}@test.com"
    told = []
    with Client(bank.ipc) as client:
        for email in ("compliance@test.com", nobody):
            with refused("login_failed") as caught:
                client.call("session.login", email=email, password="wrong-password")
            told.append((str(caught.value), caught.value.field))
    assert told[0] == told[1]


def test_many_wrong_passwords_lock_the_address(bank):
    email = f"nobody-{os.urandom(4).hex()}@test.com"
    names = []
    with Client(bank.ipc) as client:
        for _ in range(8):
            with pytest.raises(BankError) as caught:
                client.call("session.login", email=email, password="wrong-password")
            names.append(caught.value.name)
    assert names[:4] == ["login_failed"] * 4 and names[-1] == "login_locked"
    assert caught.value.retry_after_ms > 0


def test_a_token_is_of_the_session_not_of_the_connection(bank, fraud):
    with Client(bank.tcp, bank.server_key) as other:
        other.token = fraud.token
        assert other.call("session.whoami")["email"] == "fraud@test.com"


# --- messages ------------------------------------------------------------------------------------

def create_body(target):
    return {"transaction_id": uuid7(), "type": "deposit", "account_id": target, "amount": 1}


@pytest.mark.parametrize("field", ["transaction_id", "type", "account_id", "amount"])
def test_a_missing_field(finance, field):
    target = new_account(finance)
    body = create_body(target)
    del body[field]
    with nothing_changes(finance, target), refused("field_missing", field):
        finance.call("transaction.create", body)


def test_an_unknown_field(finance):
    target = new_account(finance)
    with nothing_changes(finance, target), refused("field_unknown", "ammount"):
        finance.call("transaction.create", create_body(target), ammount=1)


def test_texts_out_of_their_limits(finance):
    target = new_account(finance)
    with nothing_changes(finance, target):
        with refused("field_too_long", "description"):
            finance.call("transaction.create", create_body(target), description="\u00e9" * 71)
        for bad in ("a\nb", "\x1b[2J", "\x00", "\u009b"):
            with refused("field_invalid", "description"):
                finance.call("transaction.create", create_body(target), description=bad)
        with refused("field_invalid", "type"):
            finance.call("transaction.create", {**create_body(target), "type": "gift"})
    done = finance.call("transaction.create", create_body(target), description="\u00e9" * 70)
    assert done["description"] == "\u00e9" * 70


def test_an_unknown_operation(finance):
    with pytest.raises(BankError) as caught:
        bankclient.Client.result(finance, finance.send("account.gett"))
    assert caught.value.name == "operation_unknown"


def raw(bank, *frames):
    """Sends frames as they are and returns the reply."""
    with bankclient.Client(bank.ipc) as client:
        client.socket.send_multipart(frames)
        assert client.socket.poll(20000)
        *before, data = client.socket.recv_multipart()
        assert before in ([], [b""])
        return bankclient.unpack(data)


def test_a_message_that_is_too_large(bank, finance):
    target = new_account(finance)
    request = {"v": 1, "id": 4711, "op": "transaction.create", "token": finance.token,
               "body": {**create_body(target), "description": "x" * 10_000_000}}
    with nothing_changes(finance, target):
        with bankclient.Client(bank.ipc) as client:
            client.socket.send(pack(request))
            reply = client.receive()
            assert reply["error"]["name"] == "message_too_large" and reply["id"] == 4711
            client.token = finance.token
            assert client.call("session.whoami")["email"] == "finance@test.com"
        request["body"]["description"] = "x" * 66_000
        reply = raw(bank, pack(request))
        assert reply["error"]["name"] == "message_too_large" and reply["id"] == 4711


def test_a_message_beyond_what_the_socket_takes(bank):
    """The connection is closed without an answer, and only this one."""
    with bankclient.Client(bank.ipc) as client, bankclient.Client(bank.ipc) as other:
        monitor = client.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        client.socket.send(bytes(17 * 1024 * 1024))
        assert monitor.poll(20000) and not client.socket.poll(0)
        client.socket.disable_monitor()
        with pytest.raises(BankError):
            other.call("session.whoami")


def test_another_version(bank):
    reply = raw(bank, pack({"v": 2, "id": 9, "op": "session.whoami", "shape": [1]}))
    assert reply["error"]["name"] == "version_unsupported" and reply["id"] == 9


def test_an_id_is_any_unsigned_integer(bank):
    for number in (0, 2**32, 2**64 - 1):
        reply = raw(bank, pack({"v": 1, "id": number, "op": "session.whoami"}))
        assert reply["error"]["name"] == "login_required" and reply["id"] == number


def test_junk_is_answered_and_the_connection_lives(bank, finance):
    junk = [b"\x00", b"\xc1", b"hello", b"\x81", b"\x90", pack([1, 2]), pack({"v": 1}) + b"x",
            b"\xdf\xff\xff\xff\xff", b"\x91" * 60000, os.urandom(4000), pack({1: 2}), b"\xa5hello"]
    with bankclient.Client(bank.ipc) as client:
        for data in junk:
            client.socket.send(data)
            reply = client.receive()
            assert reply["ok"] is False and reply["id"] == 0
            assert reply["error"]["class"] == "input"
        client.token = finance.token
        assert client.call("session.whoami")["role"] == FINANCE


def test_a_bad_body_is_answered_with_its_id(bank, finance):
    for body in ([], 1, None, "x"):
        reply = raw(bank, pack({"body": body, "v": 1, "op": "account.get", "id": 77,
                                "token": finance.token}))
        assert reply["id"] == 77 and reply["error"]["name"] == "malformed"
    double = b"\x85\xa1v\x01\xa2id\x07\xa2op\xabaccount.get\xa5token\xc4\x20" + finance.token \
        + b"\xa4body\x82\xaaaccount_id\x01\xaaaccount_id\x01"
    reply = raw(bank, double)
    assert reply["id"] == 7 and reply["error"]["class"] == "input"


def test_a_request_socket_and_messages_of_several_frames(bank, finance):
    socket = bankclient.connect(zmq.REQ, bank.ipc)
    socket.send(pack({"v": 1, "id": 3, "op": "session.whoami", "token": finance.token}))
    assert socket.poll(20000) and bankclient.unpack(socket.recv())["body"]["role"] == FINANCE
    socket.close()
    good = pack({"v": 1, "id": 3, "op": "session.whoami", "token": finance.token})
    for frames in ([good, b""], [good, good], [b"", good, good], [b"", b""], [b"a", b"b", good]):
        assert raw(bank, *frames)["error"]["name"] == "malformed"


def test_many_requests_on_the_way_at_once(bank, finance):
    target = new_account(finance)
    sent = [finance.send("transaction.create", create_body(target)) for _ in range(500)]
    reads = [finance.send("account.get", account_id=target) for _ in range(100)]
    assert all(finance.result(number)["status"] == "completed" for number in sent)
    for number in reads:
        finance.result(number)
    assert balance(finance, target) == 500


# --- transports ----------------------------------------------------------------------------------

def handshake(socket, endpoint, seconds):
    """Connects and returns what happened until the handshake was over, one way or the other."""
    over = (zmq.EVENT_HANDSHAKE_SUCCEEDED, zmq.EVENT_DISCONNECTED,
            zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL, zmq.EVENT_HANDSHAKE_FAILED_AUTH,
            zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL)
    happened = []
    monitor = socket.get_monitor_socket()
    socket.connect(endpoint)
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and monitor.poll(int(left * 1000)):
        happened.append(int.from_bytes(monitor.recv_multipart()[0][:2], "little"))
        if happened[-1] in over:
            break
    socket.disable_monitor()
    return happened


@pytest.mark.parametrize("events", [False, True], ids=["requests", "events"])
@pytest.mark.parametrize("key", [None, "wrong"])
def test_tcp_speaks_to_nobody_without_the_servers_key(bank, events, key):
    socket = zmq.Context.instance().socket(zmq.SUB if events else zmq.DEALER)
    socket.linger = 0
    if key:
        socket.curve_publickey, socket.curve_secretkey = zmq.curve_keypair()
        socket.curve_serverkey = zmq.curve_keypair()[0]
    happened = handshake(socket, bank.tcp_events if events else bank.tcp, 20)
    assert zmq.EVENT_CONNECTED in happened
    assert happened[-1] not in (zmq.EVENT_CONNECTED, zmq.EVENT_HANDSHAKE_SUCCEEDED)
    if not events:
        with contextlib.suppress(zmq.Again):  # when the connection has been given up already
            socket.send(pack({"v": 1, "id": 1, "op": "session.whoami"}), zmq.DONTWAIT)
    assert not socket.poll(300)
    socket.close()


def test_tcp_speaks_to_who_has_the_servers_key(bank):
    socket = zmq.Context.instance().socket(zmq.DEALER)
    socket.linger = 0
    socket.curve_publickey, socket.curve_secretkey = zmq.curve_keypair()
    socket.curve_serverkey = bank.server_key.encode()
    assert handshake(socket, bank.tcp, 20)[-1] == zmq.EVENT_HANDSHAKE_SUCCEEDED
    socket.close()


# --- events --------------------------------------------------------------------------------------

def listening(bank, client, tcp=False):
    """The client's events, with the subscription known to have arrived."""
    endpoint = bank.tcp_events if tcp else bank.ipc_events
    events = bankclient.Events(endpoint, client.session["event_topic"],
                               bank.server_key if tcp else None)
    with open_session(bank, FINANCE) as finance:
        target = new_account(finance)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            post(finance, "deposit", target, 1)
            if (event := events.next(0.2)) is not None:
                page.check(page.EVENTS[event[0]][1], event[1])
                return events
    raise AssertionError("no event arrives")


def drain(events):
    while events.next(0):
        pass


@pytest.mark.parametrize("tcp", [False, True], ids=["ipc", "tcp"])
def test_the_ledger_tells_that_it_has_grown(bank, finance, tcp):
    with open_session(bank, FINANCE, tcp) as client:
        events = listening(bank, client, tcp)
        drain(events)
        target = new_account(finance)
        post(finance, "deposit", target, 1)
        body = events.wait("ledger", 5)
        page.check("event_ledger", body)
        assert body["sequence"] > 0
        events.close()


def test_other_topics_get_nothing(bank, finance):
    with open_session(bank, FINANCE) as client, open_session(bank, FINANCE) as other:
        topic = client.session["event_topic"]
        assert topic != other.session["event_topic"] and len(topic) >= 16
        strangers = [bankclient.Events(bank.ipc_events, text)
                     for text in ("", topic[:1], topic[:-1], topic[:-1] + "\x00", "ledger")]
        mine = listening(bank, client)
        target = new_account(finance)
        drain(mine)
        for _ in range(3):
            post(finance, "deposit", target, 1)
            assert mine.wait("ledger", 5)
        for stranger in strangers:
            assert stranger.next(0.2) is None, stranger.topic
            stranger.close()
        mine.close()


def test_a_freeze_is_told(bank, finance, compliance, fraud):
    with open_session(bank, FRAUD) as client:
        events = listening(bank, client)
        target = new_account(finance)
        compliance.call("account.freeze", account_id=target, reason="told")
        body = events.wait("account", 5)
        assert body == {"account_id": target, "status": "frozen"}
        fraud.call("account.unfreeze", account_id=target, reason="told")
        assert events.wait("account", 5)["status"] == "active"
        events.close()


def test_the_end_of_a_session_is_told(bank):
    with open_session(bank, FRAUD) as client:
        events = listening(bank, client)
        client.call("session.logout")
        body = events.wait("session", 5)
        page.check("event_session", body)
        events.close()


# --- held transactions ---------------------------------------------------------------------------

def check_held(done):
    assert done["status"] == "held" and done["verdict"] == "hold", done
    assert sum(reason["points"] for reason in done["reasons"]) == done["score"] > 0
    assert all(reason["text"] for reason in done["reasons"])
    assert done["hold_expires_at"] > done["posted_at"] and done["fraud_flag"] is True


def hold(poster, finance):
    """Posts a large transfer from a new account; returns (payer, payee, transaction)."""
    payer = account(finance, new_account(finance, funds=2000000))
    payee = account(finance, new_account(finance, funds=100))
    done = post(poster, "transfer", payer["account_id"], 600000,
                counterparty_account_id=payee["account_id"], description="Much")
    check_held(done)
    return payer, payee, done


def test_a_large_transfer_from_a_new_account_of_the_demo_is_held(finance, fraud):
    """As somebody who tries the demo bank would do it."""
    week = 7 * 86400 * 1000000
    now = finance.call("session.whoami")["server_time"]
    accounts = [a for a in finance.pages("account.list", kind="customer", currency="USD",
                                         status="active", limit=200)
                if a["holder"] != "Test Person"]
    fresh = [a for a in accounts if now - a["created_at"] < week and a["available"] > 500000]
    assert fresh
    payer, payee = fresh[0], next(a for a in accounts if a not in fresh)
    done = post(finance, "transfer", payer["account_id"], payer["available"] - 100,
                counterparty_account_id=payee["account_id"])
    check_held(done)
    fraud.call("transaction.reject", transaction_id=done["transaction_id"], reason="test")
    assert account(finance, payer["account_id"])["available"] == payer["available"]


@pytest.mark.parametrize("tcp", [False, True], ids=["ipc", "tcp"])
@pytest.mark.parametrize("decision", ["release", "reject"])
def test_a_held_transfer(bank, finance, fraud, decision, tcp):
    with open_session(bank, FRAUD, tcp) as analyst:
        events = listening(bank, analyst, tcp)
        drain(events)
        payer, payee, held = hold(finance, finance)
        began = time.monotonic()
        alert = events.wait("alert", 10)
        assert time.monotonic() - began < 1
        page.check("event_alert", alert)
        assert alert["transaction_id"] == held["transaction_id"] and alert["state"] == "open"
        assert alert["account_id"] == payer["account_id"]
        amount = held["amount"]
        now = account(analyst, payer["account_id"])
        assert now["balance"] == payer["balance"] == held["balance"]
        assert now["held"] == amount and now["available"] == payer["available"] - amount
        assert balance(analyst, payee["account_id"]) == payee["balance"]

        done = analyst.call(f"transaction.{decision}", transaction_id=held["transaction_id"],
                            reason="asked the customer")
        moved = amount if decision == "release" else 0
        assert done["status"] == ("completed" if moved else "rejected")
        after = account(analyst, payer["account_id"])
        assert after["balance"] == payer["balance"] - moved and after["held"] == 0
        assert after["available"] == payer["available"] - moved
        assert balance(analyst, payee["account_id"]) == payee["balance"] + moved
        assert events.wait("alert", 5)["state"] == "decided"
        decided = analyst.call("alert.get", alert_id=held["alert_id"])
        assert decided["state"] == "decided" and decided["decided_by"] == "fraud@test.com"
        with nothing_changes(analyst, payer["account_id"], payee["account_id"]):
            for again in ("release", "reject"):
                with refused("state_conflict", "transaction_id"):
                    analyst.call(f"transaction.{again}", transaction_id=held["transaction_id"],
                                 reason="again")
        events.close()


def test_held_money_cannot_be_spent(finance, fraud):
    payer, _, held = hold(finance, finance)
    left = account(finance, payer["account_id"])["available"]
    with nothing_changes(finance, payer["account_id"]), refused("insufficient_funds", "amount"):
        post(finance, "withdrawal", payer["account_id"], left + 1)
    fraud.call("transaction.reject", transaction_id=held["transaction_id"], reason="test")


def test_an_alert_from_queue_to_decision(finance, fraud, compliance):
    payer, payee, held = hold(finance, finance)
    queue = fraud.call("alert.list", state="open", limit=1)["items"]
    assert queue[0]["transaction_id"] == held["transaction_id"]
    alert_id = queue[0]["alert_id"]
    assert alert_id == held["alert_id"] and queue[0]["score"] == held["score"]
    taken = fraud.call("alert.take", alert_id=alert_id)
    assert taken["state"] == "taken" and taken["assigned_to"] == "fraud@test.com"
    noted = compliance.call("alert.note", alert_id=alert_id, note="Two lines\nof findings")
    assert noted["note"] == "Two lines\nof findings"
    with refused("field_invalid", "decision"):
        fraud.call("alert.decide", alert_id=alert_id, decision="maybe", note="x")
    done = fraud.call("alert.decide", alert_id=alert_id, decision="confirmed_fraud", note="Proved")
    assert done["state"] == "decided" and done["decision"] == "confirmed_fraud"
    assert done["status"] == "rejected"
    assert account(fraud, payer["account_id"])["held"] == 0
    assert balance(fraud, payee["account_id"]) == payee["balance"]
    with refused("state_conflict"):
        fraud.call("alert.decide", alert_id=alert_id, decision="false_positive", note="Or not")
    with refused("not_found", "alert_id"):
        fraud.call("alert.get", alert_id=uuid7())


def test_an_alert_goes_from_hand_to_hand(bank, finance, fraud):
    _, _, held = hold(finance, finance)
    alert_id = held["alert_id"]
    shown = fraud.call("alert.get", alert_id=alert_id)
    assert shown["hit_count"] == 1 and shown["hits"][0]["transaction_id"] == held["transaction_id"]
    loss = held["amount"] * held["score"] ** 2 // 10**6
    assert shown["expected_loss"] == shown["hits"][0]["expected_loss"] == loss > 0
    assert shown["created_at"] < shown["due_at"] <= held["hold_expires_at"]
    queue = list(fraud.pages("alert.list", order="loss", snoozed=False, limit=7))
    assert [alert["expected_loss"] for alert in queue] == \
        sorted((alert["expected_loss"] for alert in queue), reverse=True)
    first = fraud.call("alert.next")
    assert first["state"] == "taken" and first["assigned_to"] == "fraud@test.com"
    assert fraud.call("alert.next")["alert_id"] == first["alert_id"]  # still hers, still the first
    assert [alert["alert_id"] for alert in fraud.pages("alert.list", mine=True)] == \
        [first["alert_id"]]
    back = fraud.call("alert.return", alert_id=first["alert_id"])
    assert back["state"] == "open" and "assigned_to" not in back and "lock_until" not in back
    with refused("state_conflict", "alert_id"):
        fraud.call("alert.return", alert_id=first["alert_id"])
    given = fraud.call("alert.assign", alert_id=alert_id, email="fraud@test.com")
    assert given["state"] == "taken" and given["lock_until"] > given["taken_at"]
    with refused("field_invalid", "email"):
        fraud.call("alert.assign", alert_id=alert_id, email="finance@test.com")
    with refused("not_found", "email"):
        fraud.call("alert.assign", alert_id=alert_id, email="nobody@test.com")
    now = fraud.call("server.status")["server_time"]
    for until in (now - 1, now + 31 * 86400 * 10**6):
        with refused("field_invalid", "until"):
            fraud.call("alert.snooze", alert_id=alert_id, until=until, reason="x")
    aside = fraud.call("alert.snooze", alert_id=alert_id, until=now + 10**9, reason="Asked")
    assert aside["state"] == "snoozed" and aside["snoozed_until"] == now + 10**9
    assert alert_id not in {alert["alert_id"] for alert in fraud.pages("alert.list", snoozed=False)}
    assert alert_id in {alert["alert_id"] for alert in fraud.pages("alert.list", snoozed=True)}
    assert fraud.call("alert.return", alert_id=alert_id)["state"] == "open"
    done = fraud.call("alert.decide", alert_id=alert_id, decision="confirmed_fraud", note="x",
                      hits_seen=1)
    assert done["undo_until"] > done["decided_at"] and done["hits"][0]["status"] == "rejected"
    undone = fraud.call("alert.undo", alert_id=alert_id, reason="Another one was meant")
    assert undone["state"] == "taken" and undone["hits"][0]["status"] == "held"
    bulk = fraud.call("alert.bulk", items=[{"alert_id": alert_id}], decision="confirmed_fraud",
                      note="x")
    assert bulk["items"] == [{"alert_id": alert_id, "outcome": "done"}] and bulk["done"] == 1
    notes = list(fraud.pages("alert.notes", alert_id=alert_id, limit=3))
    assert [note["act"] for note in notes] == ["decide", "undo", "decide", "snooze"]


def test_nobody_decides_on_their_own_transaction(finance, fraud):
    payer, _, held = hold(fraud, finance)
    with nothing_changes(fraud, payer["account_id"]):
        for op in ("release", "reject"):
            with refused("own_transaction", "transaction_id"):
                fraud.call(f"transaction.{op}", transaction_id=held["transaction_id"], reason="me")
        with refused("own_transaction"):
            fraud.call("alert.decide", alert_id=held["alert_id"], decision="false_positive",
                       note="me")
    target = new_account(finance, funds=1000)
    mine = post(finance, "withdrawal", target, 100)
    with nothing_changes(finance, target), refused("own_transaction", "transaction_id"):
        finance.call("transaction.reverse", transaction_id=mine["transaction_id"],
                     reversal_id=uuid7(), reason="me")


def test_a_reversal_undoes(finance, fraud):
    payer = new_account(finance, funds=50000)
    payee = new_account(finance)
    done = post(fraud, "transfer", payer, 1000, counterparty_account_id=payee)
    assert done["status"] == "completed"
    wanted = {"transaction_id": done["transaction_id"], "reversal_id": uuid7(), "reason": "Wrong"}
    reversal = finance.call("transaction.reverse", wanted)
    assert reversal["type"] == "reversal" and reversal["reversal_of"] == done["transaction_id"]
    assert balance(finance, payer) == 50000 and balance(finance, payee) == 0
    undone = finance.call("transaction.get", transaction_id=done["transaction_id"])
    assert undone["status"] == "reversed"
    assert undone["reversed_by"] == reversal["transaction_id"]
    with nothing_changes(finance, payer, payee):
        assert finance.call("transaction.reverse", wanted)["repeated"] is True
        with refused("state_conflict"):
            finance.call("transaction.reverse", {**wanted, "reversal_id": uuid7()})


def test_flags(finance, fraud):
    target = new_account(finance)
    done = post(finance, "deposit", target, 10)
    wanted = {"transaction_id": done["transaction_id"], "reason": "odd"}
    assert fraud.call("transaction.flag", wanted)["fraud_flag"] is True
    assert [t["transaction_id"] for t in
            fraud.pages("transaction.list", account_id=target, flagged=True)] \
        == [done["transaction_id"]]
    with refused("state_conflict"):
        fraud.call("transaction.flag", wanted)
    assert fraud.call("transaction.unflag", wanted)["fraud_flag"] is False
    with refused("state_conflict"):
        fraud.call("transaction.unflag", wanted)


# --- lists and exports ---------------------------------------------------------------------------

def test_filters(finance):
    payer = new_account(finance, funds=50000)
    payee = new_account(finance)
    word = os.urandom(5).hex()
    for amount in (100, 200, 300):
        post(finance, "transfer", payer, amount, counterparty_account_id=payee, description=word)
    listed = list(finance.pages("transaction.list", search=word))
    assert [t["amount"] for t in listed] == [300, 200, 100]

    def amounts(**fields):
        return [t["amount"] for t in finance.pages("transaction.list", account_id=payer, **fields)]
    assert amounts() == [300, 200, 100, 50000]
    assert amounts(type="deposit") == [50000]
    assert amounts(amount_min=200, amount_max=300) == [300, 200]
    assert amounts(status="held") == []
    assert amounts(currency="EUR") == []
    middle = listed[1]["timestamp"]
    assert amounts(**{"from": middle}) == [300, 200]
    assert amounts(to=middle) == [100, 50000]
    assert [t["amount"] for t in finance.pages("transaction.list", account_id=payee)] \
        == [300, 200, 100]
    with refused("range_invalid"):
        finance.call("transaction.list", {"from": middle, "to": middle - 1})
    with refused("account_unknown", "account_id"):
        finance.call("transaction.list", account_id=uuid7())


@pytest.mark.parametrize("fields", [{}, {"type": "transfer"}, {"currency": "USD"}],
                         ids=["all", "type", "currency"])
def test_paging_while_posts_go_on(finance, fields):
    """Every row that was there at the start comes exactly once, newest first."""
    target = new_account(finance, funds=50000)
    other = new_account(finance)
    whole = [t["transaction_id"] for t in finance.pages("transaction.list", fields, limit=500)]
    assert len(whole) == len(set(whole)) > 100
    seen = []
    for number, row in enumerate(finance.pages("transaction.list", fields, limit=97)):
        seen.append(row["transaction_id"])
        if number % 50 == 0:
            post(finance, "transfer", target, 1, counterparty_account_id=other)
            post(finance, "deposit", target, 1)
    assert seen == whole


def test_a_cursor_belongs_to_its_question(finance):
    first = finance.call("transaction.list", limit=5)
    with refused("cursor_invalid", "cursor"):
        finance.call("transaction.list", type="fee", cursor=first["next"])
    with refused("cursor_invalid"):
        finance.call("account.list", cursor=first["next"])
    for junk in (b"x", os.urandom(64)):
        with refused("cursor_invalid"):
            finance.call("transaction.list", cursor=junk)
    again = finance.call("transaction.list", cursor=first["next"], limit=7)
    assert again["items"][0] not in first["items"] and len(again["items"]) <= 7


def test_every_list_pages_through_each_row_once(fraud, compliance):
    for client, op, key in ((fraud, "customer.list", "customer_id"),
                            (fraud, "account.list", "account_id"),
                            (fraud, "alert.list", "alert_id"),
                            (compliance, "audit.list", "sequence")):
        small = [row[key] for row in client.pages(op, limit=41)]
        large = {row[key] for row in client.pages(op, limit=500)}
        assert len(small) == len(set(small)) >= 2, op
        grown = large - set(small)  # the audit log grows by what was asked meanwhile
        assert set(small) <= large and len(grown) < 20, op


def export(client, **fields):
    text, rows, cursor, progress = "", 0, {}, 0
    while True:
        chunk = client.call("transaction.export", fields, **cursor)
        text += chunk["csv"]
        rows += chunk["rows"]
        assert progress <= chunk["progress"] <= 10000
        progress = chunk["progress"]
        if "next" not in chunk:
            assert progress == 10000
            return text, rows
        assert chunk["csv"] == "" or chunk["csv"].endswith("\r\n")
        cursor = {"cursor": chunk["next"]}


def check_rfc4180(text):
    """CRLF behind each record, quotes only around whole cells."""
    assert text.endswith("\r\n")
    outside = "".join(text.split('"')[::2])
    assert "\n" not in outside.replace("\r\n", "") and "\r" not in outside.replace("\r\n", "")
    records = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert len({len(record) for record in records}) == 1
    return records


def test_an_export_has_every_row_once(finance):
    whole = {str(uuid.UUID(bytes=t["transaction_id"])): t
             for t in finance.pages("transaction.list", limit=500)}
    text, rows = export(finance)
    header, *records = check_rfc4180(text)
    ids = [record[header.index("transaction_id")] for record in records]
    assert len(ids) == rows == len(set(ids)) and set(ids) == set(whole)
    for record in records[:: max(1, len(records) // 200)]:
        row = dict(zip(header, record))
        told = whole[row["transaction_id"]]
        decimals = int(page.rows_of(page.table("currencies"))[
            [c[0] for c in page.rows_of(page.table("currencies"))].index(row["currency"])][2])
        whole_part, _, part = row["amount"].partition(".")
        assert len(part) == decimals and int(whole_part + part) == told["amount"]
        assert row["status"] == told["status"] and row["type"] == told["type"]
        assert row["timestamp"].endswith("Z") and row["timestamp"][10] == "T"


def test_an_export_of_awkward_texts(finance):
    target = new_account(finance)
    words = ['comma, and "quotes"', "=1+1", "@cmd", "-2", "+x", "\u017dlu\u0165ou\u010dk\u00fd"]
    for word in words:
        post(finance, "deposit", target, 100, description=word)
    text, rows = export(finance, account_id=target)
    header, *records = check_rfc4180(text)
    assert rows == len(words) == len(records)
    told = [record[header.index("description")] for record in records]
    wanted = {"=1+1": "'=1+1", "@cmd": "'@cmd", "+x": "'+x"}
    assert sorted(told) == sorted(wanted.get(word, word) for word in words)


def test_an_empty_export_has_a_header(finance):
    text, rows = export(finance, account_id=new_account(finance))
    assert rows == 0 and len(check_rfc4180(text)) == 1


# --- figures, audit and the rest -----------------------------------------------------------------

def test_figures_follow_the_ledger(finance, fraud, compliance):
    before = finance.call("kpi.summary", currency="USD")
    target = new_account(finance)
    post(finance, "deposit", target, 4321)
    now = finance.call("session.whoami")["server_time"]
    fields = {"from": before["from"], "to": now + 1, "currency": "USD"}
    after = finance.call("kpi.summary", fields)
    assert after["deposits"] >= before["deposits"]
    assert after["deposits_count"] > 0 and after["transactions"] > 100
    assert compliance.call("kpi.summary", fields) == after
    points = finance.call("kpi.trend", fields)["points"]
    assert sum(point["count"] for point in points) > 100
    assert sorted(point["at"] for point in points) == [point["at"] for point in points]
    top = finance.call("top.transactions", fields, limit=10)["items"]
    assert 0 < len(top) <= 10
    assert [t["amount"] for t in top] == sorted((t["amount"] for t in top), reverse=True)
    summary = fraud.call("risk.summary", fields)
    assert sum(band["count"] for band in summary["bands"]) > 0
    assert fraud.call("risk.trend", fields)["points"]


def test_what_the_engine_knows_of_an_account(finance, fraud):
    target = new_account(finance, funds=1000)
    known = fraud.call("risk.account", account_id=target)
    assert known["account_id"] == target and known["currency"] == "USD"
    assert len({feature["name"] for feature in known["features"]}) == len(known["features"]) > 3


def features_command(bank, *arguments):
    return subprocess.run([conftest.BUILD / "bankd", "features", "--data-dir", bank.directory,
                           *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False, env=conftest.environment())


def busiest_of_old(client):
    """The account with most transactions among those of the demo's first month."""
    first = min(found["created_at"] for found in client.pages("account.list", kind="customer"))
    return max((found for found in client.pages("account.list", kind="customer", limit=500)
                if found["created_at"] < first + 30 * 86400 * 10**6),
               key=lambda found: found["transactions"])


def test_the_normal_range_of_an_account(bank, fraud):
    target = busiest_of_old(fraud)
    known = fraud.call("risk.account", account_id=target["account_id"])
    ranges = {feature["name"]: feature for feature in known["features"]}
    for feature in ranges.values():
        assert ("normal_low" in feature) == ("normal_high" in feature)
        assert feature.get("normal_low", 0) <= feature.get("normal_high", 0)
    assert ranges["count_30d"]["normal_high"] > 0 and ranges["sum_30d"]["normal_high"] > 0
    assert "normal_low" not in ranges["count_total"]

    text = str(uuid.UUID(bytes=target["account_id"]))
    done = features_command(bank, "--account", text, "--format", "json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["account_id"] == text and told["currency"] == known["currency"]
    assert [feature["name"] for feature in told["features"]] == list(ranges)
    for feature in told["features"]:
        same = ranges[feature["name"]]
        assert feature.get("normal_high") == same.get("normal_high")
        if feature["name"] not in ("gap_seconds", "dormant_days"):  # they go on by themselves
            assert feature["value"] == same["value"]
    table = features_command(bank, f"--account={text}")
    assert table.returncode == 0 and "count_30d" in table.stdout and "normal" in table.stdout
    assert features_command(bank, "--account", "nobody").returncode == 4
    assert features_command(bank).returncode == 2
    assert features_command(bank, "--account", text, "--format", "xml").returncode == 2


def test_compliance_figures(compliance):
    figures = compliance.call("compliance.summary")
    assert sum(part["points"] for part in figures["parts"]) == figures["score"]
    assert sum(part["points_max"] for part in figures["parts"]) == 100
    order = ["breach", "warning", "ok"]
    states = [order.index(m["state"]) for m in compliance.call("monitor.list")["items"]]
    assert states and states == sorted(states)


def test_the_audit_chain_holds(compliance, finance):
    target = new_account(finance)
    post(finance, "deposit", target, 1)
    proof = compliance.call("audit.verify")
    assert proof["whole"] is True and proof["checked"] > 0 and len(proof["head"]) == 32
    assert "broken_at" not in proof
    entries = compliance.call("audit.list", limit=50)["items"]
    sequences = [entry["sequence"] for entry in entries]
    assert sequences == sorted(sequences, reverse=True)
    assert any(entry["operation"] == "account.create" for entry in entries)


def test_rules_and_status(fraud, finance):
    rules = fraud.call("rules.get")
    assert rules["rules"] > 0 and len(rules["hash"]) == 32 and "\n" in rules["text"]
    status = finance.call("server.status")
    assert status["protocol"] == 1 and status["sessions"] > 0
    assert status["requests"] > status["refusals"] > 0
    assert status["sequence"] > 100 and status["commits"] > 0


def test_two_people_change_the_rules(bank, fraud, compliance):
    before = fraud.call("rules.get")
    with contextlib.closing(listening(bank, compliance)) as events:
        version = fraud.call("rules.propose", rules=before["text"] + "# Read again.\n",
                             reason="A comment")
        told = events.wait("rules", 10)
        page.check(page.EVENTS["rules"][1], told)
        assert told["hash"] == version["hash"] and told["state"] == "proposed"
        with refused("own_proposal", "hash"):
            again = compliance.call("rules.propose", scorecard="card 1 base 1 end",
                                    reason="My own")
            compliance.call("rules.approve", hash=again["hash"])
    assert compliance.call("rules.approve", hash=version["hash"])["state"] == "active"
    gone = compliance.call("rules.withdraw", hash=again["hash"], reason="It was a trial")
    assert gone["state"] == "withdrawn"
    assert fraud.call("rules.get")["rule_set"] == version["rule_set"]
    states = [row["state"] for row in fraud.call("rules.list")["items"]]
    assert states == ["withdrawn", "active", "superseded"]
    curves = fraud.call("rules.curves", rule_set=again["rule_set"])
    assert curves["base"] == 1 and curves["curves"] == []
    assert len(curves["rules"]) == before["rules"]


def lines_of(reply):
    return {line["name"]: line for line in reply["lines"]}


def test_a_back_test_of_the_rules_in_force_changes_little(bank, fraud, compliance):
    with contextlib.closing(listening(bank, fraud)) as events:
        head = fraud.call("server.status")["sequence"]
        reply = fraud.call("rules.backtest", limit=7)
        told = events.wait("work", 10)
    assert told["operation"] == "rules.backtest" and 0 <= told["done"] <= told["total"]
    page.check(page.EVENTS["work"][1], told)
    assert told["request_id"] == fraud.last_id
    assert reply["read"] == reply["judged"] > 1000 and reply["days"] > 30
    lines = lines_of(reply)
    assert lines["alerts"]["count"] == lines["alerts_then"]["count"] \
        + lines["alerts_gained"]["count"] - lines["alerts_lost"]["count"]
    assert reply["changes_total"] \
        == lines["alerts_gained"]["count"] + lines["alerts_lost"]["count"]
    assert len(reply["changes"]) == min(7, reply["changes_total"])
    assert fraud.call("server.status")["sequence"] == head  # nothing was written

    harsh = "version 1\nthreshold hold 600\nthreshold decline never\n" \
        "rule all when amount > 0 score 700 because \"it is money\" " \
        "fires on amount=1 silent on amount=0 end\n"
    every = compliance.call("rules.backtest", rules=harsh, limit=500)
    assert lines_of(every)["alerts"]["count"] == every["judged"] == reply["judged"]
    assert len(every["changes"]) == 500 and every["changes"][0]["gained"]
    times = [change["timestamp"] for change in every["changes"]]
    day = 86400 * 10**6
    part = fraud.call("rules.backtest", {"from": times[0] + day, "to": times[0] + 2 * day})
    assert 0 < part["judged"] < reply["judged"] == part["read"]


def test_a_wrong_candidate_says_where(fraud):
    with refused("file_syntax", "rules") as caught:
        fraud.call("rules.backtest", rules="version 1\nrule a when amuont > 1 end\n")
    assert caught.value.text.startswith("2:13:") and "amount" in caught.value.text
    with refused("file_syntax", "scorecard"):
        fraud.call("rules.backtest", scorecard="card 9\n")
    with refused("range_invalid", "to"):
        fraud.call("rules.backtest", {"from": 2, "to": 1})


def test_long_work_is_one_at_a_time_and_can_be_cancelled(bank, fraud, compliance):
    with refused("not_found", "request_id"):
        fraud.call("work.cancel", request_id=10**6)
    for _ in range(100):  # unless it was done before it could be cancelled
        work = fraud.send("rules.backtest")
        stop = fraud.send("work.cancel", request_id=work)
        with contextlib.suppress(BankError):
            fraud.result(stop)
            break
        fraud.result(work)
    with refused("cancelled"):
        fraud.result(work)
    for _ in range(100):
        first, second = fraud.send("rules.backtest"), compliance.send("rules.backtest")
        fraud.result(first)
        try:
            compliance.result(second)
        except BankError as error:
            assert error.name == "busy" and error.retry_after_ms > 0
            break
    else:
        assert False, "two went on at once"


def test_the_scoreboard_of_the_demo(fraud, compliance):
    board = fraud.call("rules.scoreboard")
    assert board["payments"] > board["alerts"] > 0
    rules = {rule["rule"]: rule for rule in board["items"]}
    assert len(rules) == fraud.call("rules.get")["rules"]
    for rule in rules.values():
        assert rule["fired"] == rule["confirmed"] + rule["false_positive"] + rule["undecided"]
        assert rule["fired"] >= rule["alerted"] >= rule["stopped"] >= 0 and rule["advice_text"]
        assert ("precision_bp" in rule) == (rule["fired"] > rule["undecided"])
        assert ("overlap_rule" in rule) <= (rule["fired"] > 0)
        assert rule["advice"] in page.WORDS["rule_advice"]
    assert any(rule["confirmed"] for rule in rules.values())
    for name in ("on_the_deny_list", "on_the_watch_list", "on_the_allow_list"):
        assert rules[name]["advice"] == "keep"  # even when nobody was on a list yet
    with refused("currency_unknown", "currency"):
        compliance.call("rules.scoreboard", currency="QQQ")


def test_who_is_connected_with_an_account(fraud, compliance):
    far = fraud.call("risk.graph", account_id=busiest_of_old(fraud)["account_id"])
    assert {node["level"] for node in far["nodes"]} == {0, 1, 2} and far["looked_at"] > 100
    for alert in fraud.call("alert.list", limit=10)["items"]:
        graph = fraud.call("risk.graph", account_id=alert["account_id"])
        nodes = {node["node"]: node for node in graph["nodes"]}
        assert nodes[1]["account_id"] == alert["account_id"] and nodes[1]["level"] == 0
        assert nodes[1]["alerts"] > 0 and sorted(nodes) == list(range(1, len(nodes) + 1))
        for edge in graph["edges"]:
            assert edge["from"] in nodes and edge["to"] in nodes and edge["count"] > 0
        for node in graph["nodes"][1:]:
            assert any(node["node"] in (edge["from"], edge["to"]) for edge in graph["edges"])
        near = fraud.call("risk.graph", account_id=alert["account_id"], depth=1)
        assert all(node["level"] < 2 for node in near["nodes"])
    with refused("account_unknown", "account_id"):
        compliance.call("risk.graph", account_id=uuid7())


def test_earlier_alerts_that_are_alike(fraud, compliance):
    ended = 0
    for alert in fraud.call("alert.list", limit=40)["items"]:
        reply = fraud.call("alert.similar", alert_id=alert["alert_id"], limit=5)
        assert reply["similar"] == (reply["confirmed"] + reply["false_positive"]
                                    + reply["inconclusive"] + reply["undecided"])
        assert len(reply["items"]) == min(5, reply["similar"]) <= reply["looked_at"]
        for item in reply["items"]:
            assert item["created_at"] <= alert["created_at"]
            assert item["same_account"] == (item["account_id"] == alert["account_id"])
        ended += reply["confirmed"] + reply["false_positive"]
    assert ended
    with refused("not_found", "alert_id"):
        compliance.call("alert.similar", alert_id=uuid7())


def test_what_would_have_changed_a_verdict(fraud, compliance):
    kinds = set()
    for alert in fraud.call("alert.list", limit=30)["items"]:
        reply = fraud.call("transaction.whatif", transaction_id=alert["transaction_id"])
        assert reply["alert"] and reply["verdict"] == alert["verdict"]
        kinds |= {item["kind"] for item in reply["items"]}
        for item in reply["items"]:
            assert ("below" in item) == (item["kind"] == "amount")
            assert ("at" in item) == (item["kind"] == "time") and item["text"]
    assert {"amount", "time", "rule"} <= kinds
    with refused("not_found", "transaction_id"):
        compliance.call("transaction.whatif", transaction_id=uuid7())


def test_lists_and_suppressions(fraud, finance, compliance):
    source, target = new_account(finance, funds=900000), new_account(finance)
    entry = fraud.call("screening.add", list="deny", account_id=target, reason="A mule")
    assert post(finance, "transfer", source, 100,
                counterparty_account_id=target)["status"] == "declined"
    assert fraud.call("screening.list", account_id=target)["items"] == [entry]
    ended = compliance.call("screening.remove", entry_id=entry["entry_id"], reason="Cleared")
    assert ended["state"] == "removed" and ended["ended_by"] == "compliance@test.com"
    assert post(finance, "transfer", source, 100,
                counterparty_account_id=target)["status"] == "completed"
    trusted = fraud.call("screening.add", list="allow", account_id=target, reason="Our own")
    assert trusted["state"] == "proposed"
    trusted = compliance.call("screening.approve", entry_id=trusted["entry_id"], reason="Seen")
    assert fraud.call("screening.list", account_id=target, ended=False)["items"] == [trusted]
    compliance.call("screening.remove", entry_id=trusted["entry_id"], reason="Over")
    spared = fraud.call("suppression.add", rule="large_from_new_account", account_id=source,
                        until=time.time_ns() // 1000 + 3_600_000_000, reason="She buys a car")
    assert spared["state"] == "proposed"  # the rule is of high severity
    assert fraud.call("suppression.list", account_id=source)["items"] == \
        [{**spared, "needs_approval": True}]
    spared = compliance.call("suppression.approve", suppression_id=spared["suppression_id"],
                             reason="The contract is there")
    assert fraud.call("suppression.list", account_id=source)["items"] == [spared]
    paid = post(finance, "transfer", source, 600000, counterparty_account_id=target)
    told = {reason["rule"]: reason for reason in paid["reasons"]}["large_from_new_account"]
    assert told["points"] == 0 and told["text"].startswith("suppressed until ")
    assert told["why"] == "She buys a car"
    shown = fraud.call("transaction.get", transaction_id=paid["transaction_id"])
    assert shown["reasons"] == paid["reasons"]
    assert sum(reason["points"] for reason in paid["reasons"]) == paid["score"]
    ended = fraud.call("suppression.remove", suppression_id=spared["suppression_id"], reason="Done")
    assert ended["state"] == "removed"


def test_the_safety_valve_and_who_is_told(fraud, finance, compliance):
    source, target = new_account(finance, funds=2000000), new_account(finance)
    before = compliance.call("controls.get")
    compliance.call("controls.set", valve_share_bp=1, valve_minimum=1, reason="A test")
    assert post(finance, "transfer", source, 600000,
                counterparty_account_id=target)["status"] == "held"
    down = {rule["rule"]: rule for rule in fraud.call("controls.get")["stepped"]}
    assert down["large_from_new_account"]["stopped"] >= 1
    paid = post(finance, "transfer", source, 600000, counterparty_account_id=target)
    assert any("stepped down" in reason["text"] for reason in paid["reasons"])
    topics = [note["topic"] for note in compliance.call("notification.list")["items"]]
    assert "rule_stepped_down" in topics
    compliance.call("controls.set", valve_share_bp=before["valve_share_bp"],
                    valve_minimum=before["valve_minimum"], reason="As before")
    for rule in down:
        restored = fraud.call("controls.restore", rule=rule, reason="It was a test")
        assert restored["state"] == "removed" and restored["restored_by"] == "fraud@test.com"
    assert compliance.call("controls.get")["stepped"] == []
    note = fraud.call("notification.list", state="unread", limit=1)["items"][0]
    read = fraud.call("notification.read", notification_id=note["notification_id"])
    assert read["state"] == "read" and read["read_by"] == "fraud@test.com"
    assert finance.call("notification.list")["items"] == []


def test_a_case_from_opening_to_its_end(compliance):
    """Its replies are as the page says; tests/e2e/test_cases.py tests what cases do."""
    case = {"case_id": uuid7()}
    compliance.call("case.open", case, kind="suspicious_activity", title="Cash in pieces")
    compliance.call("case.add", case, item_id=uuid7(), note="Seen at the desk")
    assert compliance.call("case.items", case)["items"]
    compliance.call("case.assign", case, email=conftest.USERS[COMPLIANCE])
    compliance.call("case.move", case, state="review", reason="Complete")
    compliance.call("case.file", case, reference="BSA-17", note="Sent")
    compliance.call("case.close", case, outcome="reported", reason="Filed")
    assert compliance.call("case.get", case)["state"] == "closed"
    assert any(found["case_id"] == case["case_id"]
               for found in compliance.call("case.list")["items"])


def test_the_page_is_what_the_programs_were_made_from():
    done = subprocess.run([conftest.BUILD / "scripts/gen-protocol", "--check", page.PAGE],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_operation_was_answered():
    """Runs last: each operation must have given a good reply in this module."""
    assert set(page.OPERATIONS) - ANSWERED == set()


def test_the_books_are_whole_in_the_end(bank):
    bank.stop()
    done = bank.verify()
    assert done.returncode == 0, done.stdout + done.stderr
    bank.start()
