"""The simulation finds faults: linked with one of tests/fault/planted.c, it fails, says with which
seed and of what, and fails in the same way with that seed again."""
import pathlib
import re
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import conftest  # noqa: E402

SEEDS = range(7, 12)
BOOKS = "the books do not prove themselves"
# What fails, and for the books, what their proof says. Most are seen in more than one place.
FAULTS = {
    "forget_ids": ("an id with the same content is refused", ""),
    "lose_leg": ("a balance is not what it must be|and must be", ""),
    "skip_rollup": ("the books prove themselves with warnings", "figures of high value"),
    "free_twice": ("held funds are not what they must be|and must be", ""),
    "count_twice": (BOOKS, "problem: figure 24 of now"),
    "leave_open": (BOOKS, "is not decided, and 0 of its transactions wait"),
    "unchain": (BOOKS, "its hash does not follow"),
    "see_nothing": (BOOKS, "the saved profile of account"),
    "keep_finding": (BOOKS, "the saved profile of account"),
    "keep_rules": ("a payment is judged by rules that are not in force", ""),
    "ignore_lists": ("and must be|what (it|they) must be|a rule is stepped down", ""),
    "swallow_full": ("and must be|what (it|they) must be|is not there", ""),
    "stay_logged_in": ("a session lives that has ended", ""),
}


def simulate(fault, seed):
    return subprocess.run([conftest.BUILD / "tests/fault/sim_planted", "0", str(seed), "2000"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                          timeout=conftest.LIMIT,
                          env={**conftest.environment(), "BANK_PLANTED": fault})


def test_every_fault_is_tried():
    source = pathlib.Path(__file__).with_name("planted.c").read_text(encoding="utf-8")
    assert set(re.findall(r"^    PLANT\((\w+),", source, re.MULTILINE)) == set(FAULTS)


def failure(run):
    found = re.search(r"simulation failed: seed (\d+), step \d+: (.*)", run.stderr)
    assert run.returncode == 1 and found, run.stdout + run.stderr
    return found


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(fault):
    what, proof = FAULTS[fault]
    for seed in SEEDS:  # a rare act may not come in each
        first = simulate(fault, seed)
        if first.returncode != 0:
            break
    found = failure(first)
    assert int(found[1]) == seed
    assert re.search(what, found[2]) and proof in first.stderr, first.stderr
    assert failure(simulate(fault, seed))[0] == found[0]
