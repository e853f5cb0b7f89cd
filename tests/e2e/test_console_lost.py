"""The console while bankd is killed and comes back at the very moment a payment is on its way: the
person is asked to log in again, and is told what became of the payment by its id, whether it never
arrived or was posted and only the answer was lost. It is never posted twice."""
import contextlib
import signal
import socket
import threading
import types
import uuid

import pytest

from conftest import PASSWORD, USERS, until
from test_terminal import console, fresh_accounts, has_tmux  # noqa: F401


class Between:
    """Passes on what the console and the daemon say to each other; `mute` loses the answers."""

    def __init__(self, bank, path):
        self.bank = bank
        self.mute = False
        self.ipc = f"ipc://{path}"
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(path))
        self.listening.listen(16)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):  # closed at the end
            while True:
                console_side, _ = self.listening.accept()
                daemon_side = socket.socket(socket.AF_UNIX)
                try:
                    daemon_side.connect(self.bank.ipc[len("ipc://"):])
                except OSError:
                    console_side.close()
                    continue
                for ends in ((console_side, daemon_side, False), (daemon_side, console_side, True)):
                    threading.Thread(target=self.carry, args=ends, daemon=True).start()

    def carry(self, source, target, is_answer):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not (is_answer and self.mute):
                    target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.listening.close()


def balance(bank, account):
    with bank.client() as client:
        client.login(USERS["FINANCIAL_MANAGER"], PASSWORD)
        return client.call("account.get", account_id=account["account_id"])["balance"]


def fill_form(screen, account):
    screen.shows("Net flow")
    screen.keys("d")
    screen.shows("Deposit")
    screen.type(str(uuid.UUID(bytes=account["account_id"])))
    screen.shows(" USD available")
    screen.keys("Enter")
    screen.type("25.50")
    screen.keys("Enter", "Enter")
    screen.shows("Deposit: review")


def end(bank, screen):
    process, bank.process = bank.process, None
    process.kill()
    process.wait()
    (bank.directory / "bankd.pid").unlink()
    screen.shows("Outcome unknown")


def come_back(bank, screen):
    bank.start()
    screen.shows("is locked")
    screen.type(PASSWORD)
    screen.keys("Enter")


@pytest.mark.parametrize("posted", [False, True], ids=["never arrived", "answer lost"])
def test_the_outcome_of_a_payment_is_found_after_a_kill(own_bank, tmp_path, posted):
    account, = fresh_accounts(own_bank, 1)
    between = Between(own_bank, tmp_path / "between.sock")
    with contextlib.closing(between), \
            console(types.SimpleNamespace(ipc=between.ipc), "FINANCIAL_MANAGER") as screen:
        fill_form(screen, account)
        if posted:
            between.mute = True
        else:
            own_bank.process.send_signal(signal.SIGSTOP)
        screen.keys("Y")
        screen.shows("Waiting for the answer")
        if posted:
            until(lambda: balance(own_bank, account) == account["balance"] + 2550, "not posted")
        end(own_bank, screen)
        between.mute = False
        come_back(own_bank, screen)
        if posted:
            screen.shows("The answer was lost; it was posted at")
        else:
            screen.shows("Not posted so far")
            assert balance(own_bank, account) == account["balance"]
            screen.keys("Y")
        screen.shows("ACCEPTED")
        assert balance(own_bank, account) == account["balance"] + 2550
