"""Cases of the compliance officer, from opening to the report and the end, over the wire."""
import time

import pytest

from bankclient import BankError, uuid7

DAY = 86_400_000_000


@pytest.fixture
def officer(bank):
    with bank.client() as client:
        client.login("compliance@test.com", "test123")
        yield client


def open_case(client, **fields):
    body = {"case_id": uuid7(), "kind": "suspicious_activity", "title": "Cash in pieces", **fields}
    return client.call("case.open", body)


def refused(client, name, operation, **fields):
    with pytest.raises(BankError) as caught:
        client.call(operation, fields)
    assert caught.value.name == name, caught.value
    return caught.value


def test_case_from_opening_to_the_end(officer):
    payment = officer.call("transaction.list", limit=1)["items"][0]
    case = open_case(officer, note="Seen in the cash desk's list",
                     transaction_id=payment["transaction_id"])
    assert case["state"] == "open" and case["items"] == 1
    assert case["account_id"] == payment["account_id"]
    assert case["assigned_to"] == case["created_by"] == "compliance@test.com"
    assert case["due_at"] == case["created_at"] + 30 * DAY and not case["overdue"]

    item = {"case_id": case["case_id"], "item_id": uuid7(), "note": "The holder has no business"}
    first = officer.call("case.add", item)
    assert officer.call("case.add", item) == first  # asked again: the same item, once
    reference = {"case_id": case["case_id"]}
    items = officer.call("case.items", reference)["items"]
    assert [entry.get("note") for entry in items] == ["The holder has no business",
                                                      "Seen in the cash desk's list"]
    assert items[1]["transaction_id"] == payment["transaction_id"]
    assert all(entry["by"] == "compliance@test.com" for entry in items)

    moved = officer.call("case.move", {**reference, "state": "review", "reason": "Complete"})
    assert moved["state"] == "review" and "due_at" in moved
    error = refused(officer, "state_conflict", "case.close", **reference, outcome="reported",
                    reason="Done")
    assert "case.file" in error.text
    filed = officer.call("case.file", {**reference, "reference": "BSA-17", "note": "Sent"})
    assert filed["state"] == "filed" and filed["reference"] == "BSA-17" and "due_at" not in filed
    refused(officer, "state_conflict", "case.move", **reference, state="open", reason="Again")
    refused(officer, "state_conflict", "case.close", **reference, outcome="duplicate", reason="x")
    closed = officer.call("case.close", {**reference, "outcome": "reported", "reason": "Filed"})
    assert closed["state"] == "closed" and closed["outcome"] == "reported" and closed["items"] == 5
    refused(officer, "state_conflict", "case.add", case_id=case["case_id"], item_id=uuid7(),
            note="Late")
    again = officer.call("case.move", {**reference, "state": "open", "reason": "New facts"})
    assert again["state"] == "open" and "outcome" not in again
    assert "due_at" not in again and not again["overdue"]  # its report was filed
    assert again["reference"] == "BSA-17"
    assert officer.call("case.get", reference) == again
    items = officer.call("case.items", reference)["items"]
    assert again["items"] == len(items) == 6
    assert [entry["note"] for entry in items[:4]] == ["New facts", "Filed", "Sent", "Complete"]
    assert all(entry["by"] == "compliance@test.com" for entry in items)

    audit = officer.call("audit.list", search=case_text(case), limit=20)["items"]
    assert [entry["operation"] for entry in reversed(audit)] == [
        "case.open", "case.add", "case.move", "case.file", "case.close", "case.move"]
    assert [entry["detail"] for entry in audit if entry["operation"] != "case.file"][:3] == [
        "open: New facts", "closed: Filed", "review: Complete"]


def case_text(case):
    text = case["case_id"].hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def test_opening_again_answers_the_same(officer):
    body = {"case_id": uuid7(), "kind": "inquiry", "title": "A letter"}
    first = officer.call("case.open", body)
    assert officer.call("case.open", body) == first
    refused(officer, "id_reused", "case.open", **{**body, "title": "Another letter"})
    refused(officer, "id_invalid", "case.open", **{**body, "case_id": bytes(16)})
    refused(officer, "not_found", "case.open", case_id=uuid7(), kind="inquiry", title="x",
            alert_id=uuid7())
    refused(officer, "not_found", "case.get", case_id=uuid7())
    refused(officer, "field_missing", "case.add", case_id=body["case_id"], item_id=uuid7())


def test_lists_and_pages(officer):
    made = [open_case(officer, title=f"Numbered {i}", kind="currency_report")["case_id"]
            for i in range(5)]
    officer.call("case.move", {"case_id": made[2], "state": "review", "reason": "Complete"})
    query = {"search": "numbered", "limit": 2}
    found, cursor = [], {}
    while True:
        page = officer.call("case.list", {**query, **cursor})
        found += [case["case_id"] for case in page["items"]]
        if "next" not in page:
            break
        cursor = {"cursor": page["next"]}
    assert found == made[::-1]
    review = officer.call("case.list", search="numbered", state="review")["items"]
    assert [case["case_id"] for case in review] == [made[2]]
    assert officer.call("case.list", search="numbered", overdue=True)["items"] == []
    assert officer.call("case.list", search="numbered", mine=False)["items"] == []
    assert review[0]["due_at"] == review[0]["created_at"] + 15 * DAY
    assert review[0]["due_at"] > time.time_ns() // 1000


def test_others_may_not(bank):
    for user in ("fraud@test.com", "finance@test.com"):
        with bank.client() as client:
            client.login(user, "test123")
            refused(client, "role_denied", "case.list")
            refused(client, "role_denied", "case.open", case_id=uuid7(), kind="inquiry", title="x")


def test_assigned_to_officers_only(officer):
    case = open_case(officer)
    for email in ("fraud@test.com", "nobody@test.com"):
        error = refused(officer, "not_found", "case.assign", case_id=case["case_id"], email=email)
        assert error.field == "email"
    given = officer.call("case.assign", {"case_id": case["case_id"],
                                         "email": "compliance@test.com"})
    assert given["assigned_to"] == "compliance@test.com"


def test_books_stay_proved(bank):
    result = bank.verify()
    assert result.returncode == 0, result.stdout + result.stderr
