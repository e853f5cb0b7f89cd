"""Sums at the border of what the ledger can hold: whoever meets it is refused, nobody else."""
import pytest

import conftest
from bankclient import BankError, Client, uuid7

LARGEST = 10**15  # LIMIT_AMOUNT_MAX: of one transaction
SUM = 2**63 - 1   # of a balance, or of all transactions of a day
AT_ONCE = 500
OTHERS = 60


@pytest.fixture(scope="module")
def people(bank):
    with Client(bank.ipc) as finance, Client(bank.ipc) as fraud:
        finance.login(conftest.USERS["FINANCIAL_MANAGER"], conftest.PASSWORD)
        fraud.login(conftest.USERS["FRAUD_ANALYST"], conftest.PASSWORD)
        yield finance, fraud


def new_account(finance, currency):
    customer = finance.call("customer.create", customer_id=uuid7(), name="Large Sums")
    return finance.call("account.create", account_id=uuid7(), currency=currency,
                        customer_id=customer["customer_id"])["account_id"]


def deposit(client, account, amount):
    return client.send("transaction.create", transaction_id=uuid7(), type="deposit",
                       account_id=account, amount=amount)


def test_one_transaction_has_a_limit(people):
    finance, fraud = people
    account = new_account(finance, "EUR")
    for amount in (LARGEST + 1, SUM):
        with pytest.raises(BankError) as caught:
            fraud.result(deposit(fraud, account, amount))
        assert caught.value.name == "amount_too_large" and caught.value.field == "amount"
        assert str(LARGEST) in caught.value.text
    assert fraud.result(deposit(fraud, account, LARGEST))["status"] == "completed"
    assert finance.call("account.get", account_id=account)["balance"] == LARGEST


def test_a_sum_of_the_day_that_overflows_refuses_nobody_else(people):
    """The day's sum of deposits is filled up to its border; one more belongs to nobody."""
    finance, fraud = people
    rich = [new_account(finance, "CHF") for _ in range(2)]
    other = new_account(finance, "USD")
    left = SUM // LARGEST
    while left > 0:
        asked = [deposit(fraud, rich[i % 2], LARGEST) for i in range(min(left, AT_ONCE))]
        for request in asked:
            assert fraud.result(request)["status"] == "completed"
        left -= len(asked)
    for _ in range(3):
        asked = []
        for i in range(OTHERS):
            if i == OTHERS // 2:
                large = deposit(fraud, rich[0], LARGEST)
            asked.append(deposit(finance, other, 1))
        for request in asked:
            assert finance.result(request)["status"] == "completed"
        with pytest.raises(BankError) as caught:
            fraud.result(large)
        assert caught.value.name == "amount_overflow"
    assert finance.call("account.get", account_id=other)["balance"] == 3 * OTHERS
    balances = [finance.call("account.get", account_id=account)["balance"] for account in rich]
    assert sum(balances) == SUM // LARGEST * LARGEST
