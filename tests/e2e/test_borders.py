"""Sums at the border of what the ledger can hold: whoever meets it is refused, nobody else."""
import pytest

import conftest
from bankclient import BankError, Client, uuid7

LARGEST = 9 * 10**18  # of 2^63 - 1 minor units
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


def test_a_sum_of_the_day_that_overflows_refuses_nobody_else(people):
    finance, fraud = people
    rich, other = new_account(finance, "CHF"), new_account(finance, "USD")
    large = fraud.call("transaction.create", transaction_id=uuid7(), type="deposit",
                       account_id=rich, amount=LARGEST)
    for _ in range(3):
        asked = []
        for i in range(OTHERS):
            if i == OTHERS // 2:
                undo = finance.send("transaction.reverse", reversal_id=uuid7(), reason="Wrong",
                                    transaction_id=large["transaction_id"])
            asked.append(finance.send("transaction.create", transaction_id=uuid7(),
                                      type="deposit", account_id=other, amount=1))
        for request in asked:
            assert finance.result(request)["status"] == "completed"
        with pytest.raises(BankError) as caught:
            finance.result(undo)
        assert caught.value.name == "amount_overflow"
    assert finance.call("account.get", account_id=other)["balance"] == 3 * OTHERS
    assert finance.call("account.get", account_id=rich)["balance"] == LARGEST
