"""Both programs under limits of the operating system that are too low for them: they say which
limit and how much they need, and end as they do for any error; never by a signal, since the
messaging library gives up the process when it gets no file, thread or memory. What they start with
is enough to answer."""
import resource
import shutil
import signal
import subprocess
import time

import pytest

import conftest
from overload import SANITIZED

FILES = [6, 12, 18, 24, 27, 30, 36, 42, 45, 60, 200, 511]
MEMORY = [60, 120, 200, 260, 280, 300, 320, 440, 500]


@pytest.fixture(scope="module")
def home(demo_home, tmp_path_factory):
    """A bank of this module's own: who serves one leaves sockets in it."""
    return shutil.copytree(demo_home, tmp_path_factory.mktemp("limits") / "bank")


def limited(kind, value):
    """To be called in the child."""
    def limit():
        resource.setrlimit(kind, (value, value))
    return limit


def serve(home, kind, value):
    """Code and last words of a daemon that was to start; None = it runs and was ended."""
    process = subprocess.Popen([conftest.BUILD / "bankd", "serve", "--data-dir", home],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                               stderr=subprocess.STDOUT, env=conftest.environment(),
                               preexec_fn=limited(kind, value))
    end = time.monotonic() + conftest.LIMIT
    while process.poll() is None and not (home / "bankd.pid").exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    words, _ = process.communicate(timeout=conftest.LIMIT)
    return process.returncode, words


@pytest.mark.parametrize("files", FILES)
def test_the_daemon_says_how_many_files_it_needs(home, files):
    code, words = serve(home, resource.RLIMIT_NOFILE, files)
    assert code == 1, words
    assert f"{files} files open and needs 512: ulimit -n, LimitNOFILE=" in words


def test_the_daemon_serves_with_as_many_files_as_it_asks_for(home):
    code, words = serve(home, resource.RLIMIT_NOFILE, 512)
    assert code == 0 and "event=started" in words, words


@pytest.mark.skipif(SANITIZED, reason="a sanitizer takes terabytes of addresses for itself")
@pytest.mark.parametrize("mib", MEMORY)
def test_the_daemon_says_that_it_needs_memory(home, mib):
    code, words = serve(home, resource.RLIMIT_AS, mib * 1024 * 1024)
    assert code == 1 and "process_limit" in words and "ulimit -v" in words, words


def run(kind, value):
    return subprocess.run([conftest.BUILD / "bankterm", "run", "server.status", "--server",
                           "ipc:///nowhere", "--user", "x@test.com", "--password-file",
                           "/etc/hostname"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                          timeout=conftest.LIMIT, env=conftest.environment(),
                          preexec_fn=limited(kind, value))


@pytest.mark.parametrize("files", [6, 8, 12, 20, 63])
def test_the_console_says_how_many_files_it_needs(files):
    done = run(resource.RLIMIT_NOFILE, files)
    assert done.returncode == 1 and "needs 64: ulimit -n" in done.stderr, done.stderr


@pytest.mark.skipif(SANITIZED, reason="a sanitizer takes terabytes of addresses for itself")
@pytest.mark.parametrize("mib", [20, 30, 40, 60])
def test_the_console_says_that_it_needs_memory(mib):
    done = run(resource.RLIMIT_AS, mib * 1024 * 1024)
    assert done.returncode == 1 and "ulimit -v" in done.stderr, done.stderr
