"""Runs scripts/demo as a stranger would, without and with the console."""
import fcntl
import os
import pathlib
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import time

import pyte
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BANK_BUILD", ROOT / "build")).resolve()
LIMIT = 180  # seconds for anything that must happen at all


def environment():
    """Without the network, so that tests may run beside a bank; with the programs under test."""
    return dict(os.environ, BUILD=str(BUILD), BANKD_LISTEN_TCP="", BANKD_EVENTS_TCP="",
                TERM="xterm-256color", LC_ALL="C.UTF-8")


def demo(*options, settings=None):
    return subprocess.run([str(ROOT / "scripts/demo"), *map(str, options)], cwd="/", text=True,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          env=settings or environment(), timeout=LIMIT, check=False)


def wait_until(condition, what):
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.05)


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def pid_of(place):
    return int((place / "bankd.pid").read_text())


def stop(place):
    pid = pid_of(place)
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not is_alive(pid), "bankd ends")


@pytest.fixture(scope="module")
def bank():
    """One demo bank for all tests; in a short path, because a socket's path is limited."""
    with tempfile.TemporaryDirectory(prefix="bank-demo-") as folder:
        place = pathlib.Path(folder) / "data"
        yield place
        if (place / "bankd.pid").exists() and is_alive(pid_of(place)):
            stop(place)


def test_without_the_console_bankd_stays_and_the_way_in_is_told(bank):
    done = demo("--no-ui", "--data-dir", bank)
    assert done.returncode == 0, done.stdout + done.stderr
    pid = pid_of(bank)
    assert is_alive(pid)
    endpoint = re.search(r"^endpoint: (\S+)$", done.stdout, re.M).group(1)
    key = re.search(r"^key file: (\S+)$", done.stdout, re.M).group(1)
    assert endpoint.startswith("ipc://")
    assert pathlib.Path(key).is_file()

    again = demo("--no-ui", "--data-dir", bank)
    assert again.returncode == 0, again.stdout + again.stderr
    assert pid_of(bank) == pid, "a second start must use the bankd that runs"

    stop(bank)
    third = demo("--no-ui", f"--data-dir={bank}")
    assert third.returncode == 0, third.stdout + third.stderr
    assert "making the demo bank" not in third.stdout
    assert pid_of(bank) != pid
    stop(bank)


def test_an_interrupted_start_is_begun_anew(bank):
    if not (bank / "keys").exists():
        pytest.fail("the demo bank was not made")
    (bank / ".demo-unfinished").touch()
    done = demo("--no-ui", "--data-dir", bank)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "making it anew" in done.stdout
    stop(bank)


def test_two_banks_at_once_find_ports_of_their_own_and_keep_them(bank):
    settings = environment()
    del settings["BANKD_LISTEN_TCP"], settings["BANKD_EVENTS_TCP"]
    places = [bank, bank.parent / "other"]
    endpoints = []
    try:
        for place in places:
            done = demo("--no-ui", "--data-dir", place, settings=settings)
            assert done.returncode == 0, done.stdout + done.stderr
            endpoints += re.findall(r"^(?:endpoint|events): +(tcp://\S+) \(CURVE\)$", done.stdout,
                                    re.M)
        assert len(set(endpoints)) == 4
        stop(places[1])
        again = demo("--no-ui", "--data-dir", places[1], settings=settings)
        assert endpoints[2] in again.stdout, again.stdout + again.stderr
    finally:
        for place in places:
            if (place / "bankd.pid").exists() and is_alive(pid_of(place)):
                stop(place)


def test_ports_that_an_operator_has_written_are_not_exchanged(bank):
    settings = environment()
    del settings["BANKD_LISTEN_TCP"], settings["BANKD_EVENTS_TCP"]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        endpoint = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        (bank / "bankd.conf").write_text(f"listen_tcp = {endpoint}\n"
                                         "events_tcp = tcp://127.0.0.1:*\n")
        done = demo("--no-ui", "--data-dir", bank, settings=settings)
    assert done.returncode == 1
    assert f"Cannot listen on {endpoint}" in done.stderr
    (bank / "bankd.conf").unlink()


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    done = demo("--no-ui", "--data-dir", tmp_path)
    assert done.returncode == 1
    assert "not empty" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["letter.txt"]


def test_the_console_opens_and_bankd_ends_with_it(bank):
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        os.execve(str(ROOT / "scripts/demo"),
                  ["demo", "--data-dir", str(bank)], environment())
    screen = pyte.Screen(80, 24)
    stream = pyte.ByteStream(screen)

    def login_is_shown():
        while select.select([terminal], [], [], 0)[0]:
            try:
                stream.feed(os.read(terminal, 65536))
            except OSError:
                pytest.fail("the demo ended:\n" + "\n".join(screen.display))
        return re.search("password", "\n".join(screen.display), re.I)

    wait_until(login_is_shown, "the login screen")
    daemon = pid_of(bank)
    assert is_alive(daemon)
    os.close(terminal)
    wait_until(lambda: not is_alive(daemon), "bankd ends with the console")
    os.waitpid(pid, 0)
