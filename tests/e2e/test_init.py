"""Making a bank: where it goes, what stands in the way, and that a second attempt is possible."""
import contextlib
import sqlite3
import subprocess

import pytest

import conftest


def bankd(*words, **settings):
    return subprocess.run([conftest.BUILD / "bankd", *map(str, words)], capture_output=True,
                          text=True, timeout=conftest.LIMIT, check=False,
                          stdin=subprocess.DEVNULL, env={**conftest.environment(), **settings})


def keys_of(place):
    return {path.name: path.read_text() for path in (place / "keys").iterdir()}


def test_an_init_that_failed_can_be_done_again(tmp_path):
    place, database = tmp_path / "home", tmp_path / "not-there-yet" / "bank.db"
    settings = {"DATABASE_PATH": str(database)}
    done = bankd("init", "--data-dir", place, **settings)
    assert done.returncode == 1
    assert str(database) in done.stderr and "No such file" in done.stderr
    assert "Nothing was changed" not in done.stderr and "goes on from there" in done.stderr
    keys = keys_of(place)
    (place / "rules.txt").write_text((place / "rules.txt").read_text() + "# Ours.\n")

    database.parent.mkdir()
    done = bankd("init", "--data-dir", place, **settings)
    assert done.returncode == 0, done.stderr
    assert keys_of(place) == keys, "keys that are there are kept"
    assert (place / "rules.txt").read_text().endswith("# Ours.\n")
    assert database.is_file() and not (place / "bank.db").exists()
    done = bankd("verify", "--data-dir", place, **settings)
    assert done.returncode == 0, done.stdout + done.stderr

    done = bankd("init", "--data-dir", place, **settings)
    assert done.returncode == 4 and "already a bank" in done.stderr


def test_an_init_that_was_cut_off_can_be_done_again(tmp_path):
    """Wherever it was: of keys, of rules and of a demo bank there is all or nothing."""
    place = tmp_path / "home"
    for n in range(24):
        with subprocess.Popen([conftest.BUILD / "bankd", "init", "--demo", "--data-dir", place],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              env=conftest.environment()) as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.001 * 1.3 ** n)
            process.kill()
        if process.returncode == 0:
            break
        if (place / "bank.db").exists() and (place / "bank.db").stat().st_size:
            done = bankd("serve", "--data-dir", place)
            assert done.returncode == 1 and "storage_unfinished" in done.stderr, done.stderr
    else:
        done = bankd("init", "--demo", "--data-dir", place)
        assert done.returncode == 0, done.stderr
    assert {path.name for path in (place / "keys").iterdir()} \
        == {"server.key", "server.pub", "audit.key", "audit.pub"}
    assert not (place / "demo.unfinished").exists() and (place / "rules.txt").stat().st_size
    done = bankd("verify", "--data-dir", place)
    assert done.returncode == 0, done.stdout + done.stderr
    done = bankd("init", "--demo", "--data-dir", place)
    assert done.returncode == 4 and "already a bank" in done.stderr


def test_init_tells_a_bank_from_another_file(tmp_path):
    place, database = tmp_path / "home", tmp_path / "home/bank.db"
    place.mkdir(mode=0o700)
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.execute("CREATE TABLE recipe (name TEXT)")
    before = database.read_bytes()
    done = bankd("init", "--data-dir", place)
    assert done.returncode == 4 and "is no bank's database" in done.stderr, done.stderr
    assert database.read_bytes() == before
    database.write_bytes(b"")
    done = bankd("init", "--data-dir", place)
    assert done.returncode == 0, done.stderr
    assert database.stat().st_mode & 0o777 == 0o600
    for version in (0, -1):
        with contextlib.closing(sqlite3.connect(database)) as db:
            db.execute(f"PRAGMA user_version = {version}")
        for command in ("serve", "verify"):
            done = bankd(command, "--data-dir", place)
            assert done.returncode == 1 and "storage_corrupt" in done.stderr, done.stderr
            assert "bankd init" not in done.stderr and "run bankd verify" not in done.stderr
        done = bankd("init", "--data-dir", place)
        assert done.returncode != 0, done.stdout


def test_a_file_under_two_names_is_served_once(bank, tmp_path):
    other = tmp_path / "other"
    assert bankd("init", "--data-dir", other).returncode == 0
    (other / "bank.db").unlink()
    (other / "bank.db").hardlink_to(bank.directory / "bank.db")
    done = bankd("serve", "--data-dir", other)
    assert done.returncode == 1 and "storage_locked" in done.stderr, done.stderr


@pytest.mark.parametrize("lost", ["server.key", "server.pub", "audit.key", "audit.pub"])
def test_half_a_set_of_keys_is_not_added_to(tmp_path, lost):
    assert bankd("init", "--data-dir", tmp_path / "home").returncode == 0
    (tmp_path / "home/bank.db").unlink()
    (tmp_path / "home/keys" / lost).unlink()
    keys = keys_of(tmp_path / "home")
    done = bankd("init", "--data-dir", tmp_path / "home")
    assert done.returncode == 4
    assert f"keys/{lost}" in done.stderr and "move" in done.stderr
    assert keys_of(tmp_path / "home") == keys
    assert not (tmp_path / "home/bank.db").exists()


@pytest.mark.parametrize("name", ["server.key", "server.pub", "audit.key", "audit.pub"])
def test_a_key_with_another_digit_is_not_used(tmp_path, name):
    """What it signs could never be proved, and what it encrypts not be read."""
    assert bankd("init", "--data-dir", tmp_path / "home").returncode == 0
    key = tmp_path / "home/keys" / name
    whole = key.read_text(encoding="ascii")
    key.write_text(whole[:17] + ("1" if whole[17] != "1" else "2") + whole[18:], encoding="ascii")
    for command in (["serve"], ["verify"], ["backup", tmp_path / "copy"]):
        done = bankd(*command, "--data-dir", tmp_path / "home")
        assert done.returncode != 0
        told = done.stderr
        assert f"{name[:-4]}.key" in told and f"{name[:-4]}.pub" in told, told
    key.write_text(whole, encoding="ascii")
    assert bankd("verify", "--data-dir", tmp_path / "home").returncode == 0


def test_a_store_that_this_build_has_not_is_refused(tmp_path):
    done = bankd("init", "--data-dir", tmp_path / "home", DB_MODE="aws", AWS_REGION="eu-west-1")
    assert done.returncode == 1 and "unsupported" in done.stderr and "db_mode" in done.stderr
    assert not (tmp_path / "home").exists()


def test_flags_are_stronger_than_the_environment_and_that_than_the_file(tmp_path):
    file = tmp_path / "bankd.conf"
    file.write_text("hold_hours = 5\nreaders = 3\ndatabase_path = /from/file.db\n")

    def value(key, *flags, **settings):
        done = bankd("config", "--get", key, "--config", file, *flags, **settings)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert value("hold_hours") == "5"
    assert value("hold_hours", BANKD_HOLD_HOURS="6") == "6"
    assert value("hold_hours", "--hold-hours", "7", BANKD_HOLD_HOURS="6") == "7"
    assert value("database_path", DATABASE_PATH="/from/origin.db") == "/from/origin.db"
    assert value("readers", BANKD_HOLD_HOURS="6") == "3"
