"""What the tests of overload share: those who work meanwhile (Honest), those who come in numbers
(crowd), those who speak the wire's own language and stop anywhere (Raw), and how much memory and
processor time the daemon uses.

A sanitizer keeps freed memory and adds its own, so under one the memory is not looked at; all else
that these tests want of a bank under load, they want there too."""
import contextlib
import os
import pathlib
import socket
import struct
import threading
import time

import zmq

import bankclient
import conftest
from conftest import until

SANITIZED = any(kind in conftest.BUILD.name for kind in ("asan", "tsan"))
SCALE = int(os.environ.get("BANK_OVERLOAD", "1"))
MIB = 1024 * 1024
FINANCE = "finance@test.com"
PATIENCE = 60 if SANITIZED else 20  # seconds for an answer on a busy machine


def memory(bank, name="VmRSS"):
    """Bytes of the daemon's memory; 0 when they say nothing."""
    if SANITIZED:
        return 0
    for line in pathlib.Path(f"/proc/{bank.process.pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no {name}")


def processor(bank):
    """Seconds of processor time that the daemon has used."""
    fields = pathlib.Path(f"/proc/{bank.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def open_account(client):
    customer, account = bankclient.uuid7(), bankclient.uuid7()
    client.call("customer.create", customer_id=customer, name="Busy Bee", country="US")
    client.call("account.create", account_id=account, customer_id=customer, currency="USD")
    return account


class Honest(threading.Thread):
    """Somebody who works meanwhile: asks, posts, and notes how long each answer took."""

    def __init__(self, bank, tcp=False):
        super().__init__()
        self.client = bank.client(tcp=tcp, timeout=PATIENCE)
        self.client.login(FINANCE, conftest.PASSWORD)
        self.account = open_account(self.client)
        self.done = threading.Event()
        self.failure = None
        self.times = []

    def step(self):
        began = time.monotonic()
        if len(self.times) % 2:
            self.client.call("session.whoami")
        else:
            self.client.call("transaction.create", transaction_id=bankclient.uuid7(),
                             type="deposit", account_id=self.account, amount=100)
        self.times.append(time.monotonic() - began)

    def run(self):
        try:
            while not self.done.is_set():
                self.step()
                self.done.wait(0.02)
        except Exception as failure:  # told at the end
            self.failure = failure

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *_):
        if kind is None:  # also after the flood
            wanted = len(self.times) + 3
            until(lambda: self.failure or len(self.times) >= wanted, "nobody is served", PATIENCE)
        self.done.set()
        self.join()
        self.client.close()
        if kind is None:
            assert self.failure is None, self.failure
            assert max(self.times) < PATIENCE


@contextlib.contextmanager
def crowd(bank, count, tcp=False, kind=zmq.DEALER):
    """So many connections, in a context of their own; those of kind SUB to the events."""
    context = zmq.Context()
    context.max_sockets = count + 16
    sockets = []
    try:
        for _ in range(count):
            one = context.socket(kind)
            one.linger = 0
            if tcp:
                one.curve_publickey, one.curve_secretkey = zmq.curve_keypair()
                one.curve_serverkey = bank.server_key.encode()
            if kind == zmq.SUB:
                one.rcvhwm = 1
                one.connect(bank.tcp_events if tcp else bank.ipc_events)
            else:
                one.connect(bank.tcp if tcp else bank.ipc)
            sockets.append(one)
        yield sockets
    finally:
        context.destroy(linger=0)


def ask(op, number=1, token=None, **body):
    request = {"v": bankclient.VERSION, "id": number, "op": op, "body": body}
    if token is not None:
        request["token"] = token
    return bankclient.pack(request)


def replies(sockets, seconds):
    """What comes until every socket has had one reply or the time is over, by socket."""
    poller = zmq.Poller()
    for one in sockets:
        poller.register(one, zmq.POLLIN)
    end = time.monotonic() + seconds
    found = {}
    while len(found) < len(sockets) and (left := end - time.monotonic()) > 0:
        for one, _ in poller.poll(left * 1000):
            found[one] = bankclient.unpack(one.recv())
            poller.unregister(one)
    return found


class Raw:
    """A connection that speaks the wire's own language, so that it can stop anywhere. Without
    `greets` it says nothing at all by itself."""

    def __init__(self, bank, kind=b"DEALER", tcp=False, greets=True):
        self.socket = socket.socket(socket.AF_INET if tcp else socket.AF_UNIX)
        if tcp:
            host, port = bank.tcp[len("tcp://"):].split(":")
            self.socket.connect((host, int(port)))
        else:
            self.socket.connect(bank.ipc[len("ipc://"):])  # waits for a place in the queue
        self.socket.settimeout(PATIENCE)
        if not greets:
            return
        self.socket.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0")
                            + bytes(32))
        ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", len(kind)) + kind
        self.socket.sendall(b"\x04" + bytes([len(ready)]) + ready)

    def wait_until_greeted(self):
        """Until the daemon has said its part; who speaks on at once may be taken for a babbler."""
        said = b""
        while b"Socket-Type" not in said:
            more = self.socket.recv(200)
            assert more, "the daemon has closed the connection"
            said += more

    def begin(self, size, more=False):
        """The head of a frame of so many bytes."""
        self.socket.sendall(bytes([2 | more]) + struct.pack(">Q", size))

    def message(self, data):
        """A whole frame. False as below."""
        return self.send(b"\x02" + struct.pack(">Q", len(data)) + data)

    def send(self, data):
        """False when the daemon has closed the connection."""
        try:
            self.socket.sendall(data)
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def stands(self):
        """False when the daemon has closed the connection; what it said is thrown away."""
        self.socket.settimeout(0)
        try:
            while self.socket.recv(65536):
                pass
            return False
        except BlockingIOError:
            return True
        except ConnectionResetError:
            return False
        finally:
            self.socket.settimeout(PATIENCE)

    def close(self):
        self.socket.close()
