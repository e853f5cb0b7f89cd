"""Thousands of connections at one time, of which few work: most say nothing, others ask and never
read, stop within a message or within the handshake, speak no language of ours, or try tokens that
they do not have. Those who work are served within their time meanwhile, newcomers can log in, the
memory of the daemon stays bounded and is given back, and at the end the books prove themselves.

BANK_CONNECTIONS tells how many (default 1500; 10000 take a minute and 12,000 files)."""
import contextlib
import os
import pathlib
import random
import resource
import statistics
import time

import pytest
import zmq

import bankclient
import conftest
from conftest import until
from overload import FINANCE, MIB, PATIENCE, SANITIZED, Honest, Raw, ask, memory

COUNT = int(os.environ.get("BANK_CONNECTIONS", "300" if conftest.BUILD.name.endswith("san")
                           else "1500"))
LEAVING = 6000
ROUNDS = 12
CURVE_PER_SOCKET = 100
ESTABLISHED, KEEPALIVE = "01", "02"  # as /proc/net/tcp tells


@pytest.fixture(scope="module", autouse=True)
def files():
    """Room for both ends: the daemon's limit is inherited from here."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(COUNT + COUNT // 5, 0 if SANITIZED else LEAVING) + 500
    if hard != resource.RLIM_INFINITY and hard < max(wanted, COUNT * 4 // 3 + 400):
        pytest.skip(f"{COUNT} connections need more files than {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connections(bank):
    """Files that the daemon has open."""
    return len(os.listdir(f"/proc/{bank.process.pid}/fd"))


class Crowd:
    """All who do not work. `act` is one round of what they do; who was cut comes again."""

    def __init__(self, bank, token):
        self.bank = bank
        self.chance = random.Random(COUNT)
        self.idle = [Raw(bank) for _ in range(COUNT * 38 // 100)]
        self.deaf = [Raw(bank) for _ in range(COUNT * 20 // 100)]
        self.greedy = [Raw(bank) for _ in range(COUNT * 2 // 100)]
        self.half = [self.halved() for _ in range(COUNT * 15 // 100)]
        self.shy = [self.shaken() for _ in range(COUNT * 8 // 100)]
        self.guessing = [Raw(bank) for _ in range(COUNT * 10 // 100)]
        self.remote = self.connect_remote(COUNT * 15 // 100)
        self.question = ask("transaction.list", token=token, limit=500)
        self.remote_answers = 0
        self.cut = 0

    def halved(self):
        """Begun, and some of it said."""
        raw = Raw(self.bank)
        raw.begin(self.chance.randint(1000, 60000))
        raw.send(bytes(self.chance.randint(1, 900)))
        return raw

    def shaken(self):
        """A part of a greeting."""
        raw = Raw(self.bank, tcp=self.chance.random() < 0.5, greets=False)
        raw.send((b"\xff" + bytes(8) + b"\x7f\x03\x00CURVE")[:self.chance.randint(1, 17)])
        return raw

    def connect_remote(self, count):
        """Strangers over the network; one socket has many connections, each from an address of
        its own, and uses them in turn."""
        sockets = []
        for i in range(count):
            if i % CURVE_PER_SOCKET == 0:
                sockets.append(bankclient.connect(zmq.DEALER, self.bank.tcp,
                                                  self.bank.server_key))
            source = f"127.1.{i // 200}.{1 + i % 200}:0"
            sockets[-1].connect(self.bank.tcp.replace("tcp://", f"tcp://{source};"))
        return sockets

    def say(self, raws, make, data):
        """To each; a stranger who was cut is replaced by another."""
        for i, raw in enumerate(raws):
            if not raw.message(data()):
                raw.close()
                raws[i] = make()
                self.cut += 1

    def act(self):
        self.say(self.deaf, lambda: Raw(self.bank), lambda: ask("session.whoami"))
        self.say(self.greedy, lambda: Raw(self.bank), lambda: self.question)
        self.say(self.guessing, lambda: Raw(self.bank),
                 lambda: ask("account.list", token=self.chance.randbytes(32)))
        for raws, make, data in ((self.half, self.halved, b"x"),
                                 (self.idle, lambda: Raw(self.bank), b"\x04\x05\x04PONG")):
            for i, raw in enumerate(raws):
                if raw.send(data):
                    continue
                raw.close()
                raws[i] = make()
                self.cut += 1
        for _ in range(COUNT * 5 // 100):
            junk = Raw(self.bank, tcp=self.chance.random() < 0.5, greets=False)
            junk.send(self.chance.randbytes(100))
            junk.close()
        for one in self.remote:
            for _ in range(CURVE_PER_SOCKET):
                with contextlib.suppress(zmq.Again):
                    one.send(ask("session.whoami"), zmq.DONTWAIT)
            with contextlib.suppress(zmq.Again):
                while True:
                    one.recv(zmq.DONTWAIT)
                    self.remote_answers += 1

    def close(self):
        for raw in self.idle + self.deaf + self.greedy + self.half + self.shy + self.guessing:
            raw.close()
        for one in self.remote:
            one.close()


def newcomer(bank, tcp):
    """Comes, logs in, is known and goes; seconds that it took."""
    began = time.monotonic()
    with bank.client(tcp=tcp, timeout=PATIENCE) as client:
        client.login(FINANCE, conftest.PASSWORD)
        assert client.call("session.whoami")["email"] == FINANCE
        client.call("session.logout")
    return time.monotonic() - began


def test_thousands_of_connections_keep_nobody_from_work(bank):
    before = memory(bank)
    peak, most = before, 0
    logins = []
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(Honest(bank, tcp=tcp)) for tcp in (False, False, True)]
        began = time.monotonic()
        crowd = Crowd(bank, workers[0].client.token)
        try:
            until(lambda: connections(bank) >= COUNT, "not all come in", 3 * PATIENCE)
            stood = time.monotonic() - began
            for turn in range(ROUNDS):
                crowd.act()
                logins.append(newcomer(bank, turn % 2 == 0))
                peak, most = max(peak, memory(bank)), max(most, connections(bank))
        finally:
            crowd.close()
    assert crowd.remote_answers > 0
    times = sorted(seconds for worker in workers for seconds in worker.times)
    assert max(logins) < PATIENCE
    assert peak - before < 256 * MIB + most * 32 * 1024 + 96 * MIB
    until(lambda: memory(bank) - before < 32 * MIB, "the memory is not given back", PATIENCE)
    until(lambda: connections(bank) < 300, "those who have gone are still there", PATIENCE)
    newcomer(bank, False)
    print(f"{most} files open after {stood:.1f} s, {crowd.cut} cut; {len(times)} answers:"
          f" p50 {statistics.median(times) * 1000:.0f} ms, p99"
          f" {times[len(times) * 99 // 100] * 1000:.0f} ms, longest {times[-1] * 1000:.0f} ms;"
          f" login {max(logins):.2f} s; {(peak - before) // MIB} MiB more, afterwards"
          f" {(memory(bank) - before) // MIB}")


def library_seconds(bank):
    """Processor time that the threads of the messaging library have used."""
    seconds = 0
    for task in pathlib.Path(f"/proc/{bank.process.pid}/task").iterdir():
        if (task / "comm").read_text().startswith("ZMQbg"):
            seconds += int((task / "schedstat").read_text().split()[0]) / 1e9
    return seconds


def seconds_to_leave(bank, order):
    """What it costs the library when thousands go, `order` of those who came."""
    crowd = []
    try:
        while len(crowd) < LEAVING:
            crowd += [Raw(bank) for _ in range(LEAVING // 20)]
            for raw in crowd[-LEAVING // 20:]:
                raw.wait_until_greeted()
        until(lambda: connections(bank) >= LEAVING, "not all come in", 3 * PATIENCE)
        began = library_seconds(bank)
    finally:
        for raw in order(crowd):
            raw.close()
    until(lambda: connections(bank) < 300, "those who have gone are still there", 3 * PATIENCE)
    return library_seconds(bank) - began


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's own work hides what is measured")
def test_a_connection_leaves_no_timer_among_thousands(bank):
    """The library walks through its timers to end one: with one for each connection the last who
    came are the dearest, and thousands that answer or go at one time keep everybody waiting."""
    first = min(seconds_to_leave(bank, list) for _ in range(2))
    last = min(seconds_to_leave(bank, reversed) for _ in range(2))
    assert last < 2 * first + 0.1, (first, last)


def timers_of_connections(bank):
    """What the kernel waits for at the daemon's end of each connection over the network."""
    port = f":{int(bank.tcp.rsplit(':', 1)[1]):04X}"
    rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [row[5][:2] for row in rows if row[1].endswith(port) and row[3] == ESTABLISHED]


def test_the_kernel_asks_whether_a_silent_machine_is_still_there(bank):
    """Instead of the library's heartbeats; a connection on the machine cannot vanish unnoticed."""
    with bank.client(tcp=True, timeout=PATIENCE) as client:
        client.login(FINANCE, conftest.PASSWORD)
        until(lambda: set(timers_of_connections(bank)) == {KEEPALIVE}, "the kernel does not ask")


def test_the_books_prove_themselves_afterwards(bank):
    bank.stop()
    proof = bank.verify()
    assert proof.returncode == 0, proof.stdout + proof.stderr
