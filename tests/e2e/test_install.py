"""Installs into a temporary place and checks what a packager and an operator would look at."""
import os
import pathlib
import re
import shutil
import socket
import stat
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BANK_BUILD", ROOT / "build")).resolve()

PROGRAMS = ["bin/bankd", "bin/bankterm"]
PAGES = ["share/man/man8/bankd.8", "share/man/man1/bankterm.1", "share/man/man5/bankd.conf.5"]
COMPLETIONS = ["share/bash-completion/completions/bankd",
               "share/bash-completion/completions/bankterm"]
SERVICE = ["lib/systemd/system/bankd.service", "lib/sysusers.d/bankd.conf",
           "lib/tmpfiles.d/bankd.conf"]


def run(*command, **options):
    return subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, timeout=120,
                          capture_output=True, text=True, check=False, **options)


def install(**variables):
    """Runs `make install` of the programs that are built already."""
    assignments = [f"{name}={value}" for name, value in variables.items()]
    done = run("make", "--no-print-directory", "-C", ROOT, f"BUILD={BUILD}",
               "install", *assignments)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def placed(tmp_path_factory):
    """An installation at the very place that it was made for."""
    place = tmp_path_factory.mktemp("placed")
    install(PREFIX=place / "usr", SYSCONFDIR=place / "etc")
    return place


def test_destdir_gets_every_file_and_nothing_else(tmp_path):
    install(DESTDIR=tmp_path, PREFIX="/usr")
    found = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    shared = {f"usr/share/bankd/{p.relative_to(ROOT / 'data')}"
              for p in (ROOT / "data").rglob("*")
              if p.is_file() and p.parent != ROOT / "data" / "service"}
    expected = {f"usr/{p}" for p in PROGRAMS + PAGES + COMPLETIONS + SERVICE}
    assert found == expected | shared | {"etc/bankd/bankd.conf"}


def test_the_modes_are_safe(placed):
    for path in placed.rglob("*"):
        mode = stat.S_IMODE(path.lstat().st_mode)
        assert mode & 0o022 == 0, f"others may write {path}"
        if path.is_file():
            assert bool(mode & 0o111) == (path.parent.name == "bin"), path
    assert stat.S_IMODE((placed / "etc/bankd/bankd.conf").stat().st_mode) == 0o640


def test_no_placeholder_is_left(placed):
    unit = (placed / "usr" / SERVICE[0]).read_text()
    assert f"ExecStart={placed}/usr/bin/bankd serve --config {placed}/etc/bankd/bankd.conf" in unit
    for name in SERVICE:
        assert not re.search(r"@[A-Z]+@", (placed / "usr" / name).read_text()), name


def test_a_second_install_keeps_the_operators_settings(tmp_path):
    install(DESTDIR=tmp_path, PREFIX="/usr")
    settings = tmp_path / "etc/bankd/bankd.conf"
    settings.write_text("data_dir = /elsewhere\n")
    install(DESTDIR=tmp_path, PREFIX="/usr")
    assert settings.read_text() == "data_dir = /elsewhere\n"


def test_installed_bankd_takes_the_installed_settings(placed):
    done = run(placed / "usr/bin/bankd", "config", "--config", placed / "etc/bankd/bankd.conf")
    assert done.returncode == 0, done.stderr
    assert "/var/lib/bankd" in done.stdout


def test_the_example_explains_every_option(placed):
    text = (placed / "etc/bankd/bankd.conf").read_text()
    listed = run(placed / "usr/bin/bankd", "config").stdout
    keys = set(re.findall(r"^([a-z][a-z0-9_]+)\s", listed, re.M)) - {"key"}
    assert len(keys) > 5
    for key in keys:
        assert re.search(rf"^#? ?{key} =", text, re.M), key


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")
def test_the_unit_is_valid(placed):
    done = run("systemd-analyze", "verify", "--man=no", placed / "usr" / SERVICE[0])
    told = [line for line in (done.stdout + done.stderr).splitlines() if "bankd" in line]
    assert done.returncode == 0 and not told, done.stdout + done.stderr


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")
def test_the_unit_has_no_privileges(placed):
    unit = placed / "usr" / SERVICE[0]
    done = run("systemd-analyze", "security", "--offline=true", "--threshold=20", unit)
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze cannot rate a unit offline")
    assert done.returncode == 0, done.stdout + done.stderr
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert level and float(level.group(1)) <= 2.0, done.stdout


@pytest.mark.skipif(not shutil.which("systemd-sysusers"), reason="systemd-sysusers is not here")
def test_the_user_can_be_made(placed, tmp_path):
    (tmp_path / "etc").mkdir()
    entry = placed / "usr" / SERVICE[1]
    done = run("systemd-sysusers", f"--root={tmp_path}", entry)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^bankd:", (tmp_path / "etc/passwd").read_text(), re.M)


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not here")
@pytest.mark.parametrize("page", PAGES)
def test_the_manual_is_well_formed(placed, page):
    done = run("mandoc", "-T", "lint", "-W", "warning", placed / "usr" / page)
    assert done.returncode == 0 and not done.stdout, done.stdout


def test_the_manual_has_every_operation_and_option(placed):
    manual = (placed / "usr" / PAGES[1]).read_text()
    table = (ROOT / "proto/ops.def").read_text()
    operations = re.findall(r"^OP\(\w+,\s*(\w+),\s*(\w+),", table, re.M)
    assert len(operations) > 20
    for family, verb in operations:
        assert f"{family}.{verb}" in manual
    options = run(placed / "usr/bin/bankd", "config").stdout
    settings = (placed / "usr" / PAGES[2]).read_text()
    for key in re.findall(r"^([a-z][a-z0-9_]+)\s", options, re.M):
        assert key == "key" or key in settings


def test_the_service_manager_is_told(placed, tmp_path):
    """What Type=notify and WatchdogSec= rely on: ready, alive again and again, stopping."""
    bankd = placed / "usr/bin/bankd"
    options = ["--data-dir", str(tmp_path / "bank"), "--listen-tcp", "off", "--events-tcp", "off"]
    assert run(bankd, "init", *options).returncode == 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        environment = dict(os.environ, NOTIFY_SOCKET=str(tmp_path / "notify"),
                           WATCHDOG_USEC="400000")
        environment.pop("WATCHDOG_PID", None)
        process = subprocess.Popen([str(bankd), "serve", *options], env=environment,
                                   stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            told = [manager.recv(4096).decode() for _ in range(3)]
            process.terminate()
            while told[-1] != "STOPPING=1":
                told.append(manager.recv(4096).decode())
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.wait()
    assert told[0] == "READY=1"
    assert set(told[1:-1]) == {"WATCHDOG=1"}


def complete(placed, *words):
    """What the shell offers for the last of the words."""
    command = words[0]
    script = placed / "usr/share/bash-completion/completions" / command
    quoted = " ".join(f"'{w}'" for w in words)
    done = run("bash", "--norc", "-c", f"""
        set -u
        source '{script}'
        function=$(complete -p {command} | sed 's/.* -F \\([^ ]*\\) .*/\\1/')
        COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; COMPREPLY=()
        $function {command} '{words[-1]}' '{words[-2]}'
        [ ${{#COMPREPLY[@]}} -eq 0 ] || printf '%s\\n' "${{COMPREPLY[@]}}" """)
    assert done.returncode == 0, done.stderr
    return [line.strip() for line in done.stdout.splitlines()]


def test_the_shell_completes_bankd(placed):
    assert complete(placed, "bankd", "se") == ["serve"]
    assert {"init", "serve", "user", "import", "verify", "config"} \
        <= set(complete(placed, "bankd", ""))
    assert "--data-dir" in complete(placed, "bankd", "serve", "--da")
    assert complete(placed, "bankd", "config", "--get", "listen_i") == ["listen_ipc"]
    assert complete(placed, "bankd", "xyzzy") == []


def test_the_shell_completes_bankterm(placed):
    assert complete(placed, "bankterm", "ru") == ["run"]
    assert complete(placed, "bankterm", "run", "transaction.exp") == ["transaction.export"]
    assert "amount=" in complete(placed, "bankterm", "run", "transaction.create", "am")
    assert complete(placed, "bankterm", "run", "transaction.create", "type", "=", "dep") \
        == ["deposit"]
    assert "json" in complete(placed, "bankterm", "run", "account.list", "--format", "")


def test_the_service_may_open_the_files_that_its_connections_need(placed):
    unit = (placed / "usr" / SERVICE[0]).read_text()
    files = int(re.search(r"^LimitNOFILE=(\d+)$", unit, re.M)[1])
    options = (ROOT / "bankd/options.def").read_text()
    connections = int(re.search(r'connections_max, CONF_INT, \d+, \d+, "(\d+)"', options)[1])
    spare = int(re.search(r"LIMIT_SPARE_FILES = (\d+)", (ROOT / "common/limits.h").read_text())[1])
    assert files >= connections + spare + 1024
