"""What a client may rely on when bankd is stopped or killed in the middle of its work: what was
answered is there, what was not can be sent again with the same id, and nothing moves twice."""
import contextlib
import resource
import subprocess
import threading

import pytest

import conftest
from bankclient import BankError, uuid7

POSTS = 600
AMOUNT = 7


def kill(bank):
    process, bank.process = bank.process, None
    process.kill()
    process.wait()


def login(bank, email="finance@test.com", tcp=False):
    client = bank.client(tcp)
    client.login(email, conftest.PASSWORD)
    return client


def open_accounts(bank, funds):
    with login(bank) as client:
        ids = []
        for amount in funds:
            customer = client.call("customer.create", customer_id=uuid7(), name="Test Person")
            ids.append(client.call("account.create", account_id=uuid7(), currency="USD",
                                   customer_id=customer["customer_id"])["account_id"])
            if amount:
                client.call("transaction.create", transaction_id=uuid7(), type="deposit",
                            account_id=ids[-1], amount=amount)
        return ids


def deposit(payee):
    return {"transaction_id": uuid7(), "type": "deposit", "account_id": payee, "amount": AMOUNT}


def transfer(payer, payee):
    return {"transaction_id": uuid7(), "type": "transfer", "account_id": payer,
            "counterparty_account_id": payee, "amount": AMOUNT}


def collect(client, count, seconds=1.0):
    """The replies that come, by request id, until all are there or none comes any more."""
    replies = {}
    with contextlib.suppress(TimeoutError):
        while len(replies) < count:
            reply = client.receive(seconds)
            replies[reply["id"]] = reply
    return replies


@pytest.mark.parametrize("how", ["kill", "terminate"])
@pytest.mark.parametrize("tcp", [False, True], ids=["ipc", "tcp"])
def test_nothing_is_lost_and_nothing_moves_twice(own_bank, how, tcp):
    target, = open_accounts(own_bank, [0])
    wanted = [deposit(target) for _ in range(POSTS)]
    with login(own_bank, tcp=tcp) as client:
        sent = {client.send("transaction.create", body): body for body in wanted}
        first = collect(client, POSTS // 10)
        assert len(first) == POSTS // 10
        if how == "kill":
            kill(own_bank)
        else:
            own_bank.process.terminate()
        replies = {**first, **collect(client, POSTS - len(first))}
    if how == "terminate":
        own_bank.stop()
        own_bank.log.write_text("")
    answered = {sent[number]["transaction_id"] for number, reply in replies.items() if reply["ok"]}
    refusals = {reply["error"]["name"] for reply in replies.values() if not reply["ok"]}
    assert refusals <= {"shutting_down"}
    assert len(answered) >= POSTS // 10
    assert own_bank.verify().returncode == 0
    own_bank.start()
    with login(own_bank, tcp=tcp) as client:
        before = client.call("account.get", account_id=target)["balance"]
        assert before % AMOUNT == 0 and before >= len(answered) * AMOUNT
        repeated = 0
        for number in [client.send("transaction.create", body) for body in wanted]:
            reply = client.result(number)
            assert reply["status"] == "completed"
            repeated += "repeated" in reply
            if reply["transaction_id"] in answered:
                assert reply["repeated"] is True
        assert repeated * AMOUNT == before
        assert client.call("account.get", account_id=target)["balance"] == POSTS * AMOUNT


def test_many_clients_move_money_to_and_fro(own_bank):
    """Six connections over both transports; the sum over the accounts stays what it was."""
    funds = [100000] * 4
    ids = open_accounts(own_bank, funds)
    outcomes = []

    def work(number):
        with login(own_bank, ["finance@test.com", "fraud@test.com"][number % 2],
                   tcp=number % 3 == 0) as client:
            sent = [client.send("transaction.create", transfer(ids[(number + n) % 4],
                                                               ids[(number + n + 1 + n % 3) % 4]))
                    for n in range(100)]
            for request_id in sent:
                try:
                    outcomes.append(client.result(request_id)["status"])
                except BankError as error:
                    outcomes.append(error.name)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 600
    assert set(outcomes) <= {"completed", "held", "declined"} and "completed" in outcomes
    with login(own_bank) as client:
        accounts = [client.call("account.get", account_id=account_id) for account_id in ids]
        assert sum(a["balance"] for a in accounts) == sum(funds)
        assert sum(a["held"] for a in accounts) == outcomes.count("held") * AMOUNT
    own_bank.stop()
    done = own_bank.verify()
    assert done.returncode == 0, done.stdout + done.stderr
    own_bank.start()


def test_a_restart_ends_sessions_and_keeps_money(own_bank):
    target, = open_accounts(own_bank, [12345])
    with login(own_bank) as client:
        own_bank.stop()
        own_bank.start()
        with pytest.raises(BankError) as caught:
            client.call("account.get", account_id=target)
        assert caught.value.name == "session_invalid"
    with login(own_bank, tcp=True) as client:
        assert client.call("account.get", account_id=target)["balance"] == 12345


def test_a_second_bankd_is_kept_out(own_bank):
    second = subprocess.run([conftest.BUILD / "bankd", "serve", "--data-dir", own_bank.directory],
                            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                            timeout=conftest.LIMIT, env=conftest.environment())
    assert second.returncode == 1 and "storage_locked" in second.stderr
    assert (own_bank.directory / "bankd.pid").exists()
    with login(own_bank) as client:
        assert client.call("session.whoami")["email"] == "finance@test.com"


def test_whoever_asks_much_at_one_time_hears_each_answer(own_bank):
    """He reads only when all is sent, so that many answers wait for him."""
    target, = open_accounts(own_bank, [0])
    with login(own_bank) as client:
        for _ in range(12):
            for number in [client.send("transaction.create", deposit(target)) for _ in range(2000)]:
                assert client.result(number)["status"] == "completed"


def test_a_file_that_may_not_grow_is_a_full_disk(own_bank):
    """The limit of the process (ulimit -f) is told as what it is, and work goes on behind it."""
    target, = open_accounts(own_bank, [0])
    log = own_bank.directory / "bank.db-wal"
    pid = own_bank.process.pid
    wanted = [deposit(target) for _ in range(2000)]
    with login(own_bank) as client:
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (log.stat().st_size + 4096, before[1]))
        names = set()
        for number in [client.send("transaction.create", body) for body in wanted]:
            try:
                client.result(number)
            except BankError as error:
                names.add(error.name)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
        assert names == {"storage_full"}
        for number in [client.send("transaction.create", body) for body in wanted]:
            assert client.result(number)["status"] == "completed"
        assert client.call("account.get", account_id=target)["balance"] == 2000 * AMOUNT
