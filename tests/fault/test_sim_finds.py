"""The simulation finds a fault: built with a writer that forgets which ids it has seen, it fails,
says with which seed, and fails in the same way with that seed again."""
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import conftest  # noqa: E402

SEED = 7


def simulate(program, seed):
    return subprocess.run([conftest.BUILD / "tests/fault" / program, "0", str(seed), "2000"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                          timeout=conftest.LIMIT, env=conftest.environment())


def test_a_writer_that_forgets_ids_is_found_out():
    first = simulate("sim_planted", SEED)
    assert first.returncode == 1, first.stdout + first.stderr
    found = re.search(r"simulation failed: seed (\d+), step \d+: .*\bid\b.*", first.stderr)
    assert found and int(found[1]) == SEED, first.stderr
    again = simulate("sim_planted", SEED)
    assert again.returncode == 1 and found[0] in again.stderr, again.stderr
