"""Equal histories have equal verdicts, whatever made the program: the fraud engine is built by both
compilers, without optimisation and with it, plays one history, and prints a digest of all that it
said and remembers. A scorecard judges along with the shipped rules."""
import glob
import shutil
import subprocess

import pytest

from conftest import ROOT

SOURCES = ["tests/fraud/replay.c", "bankd/fraud/*.c", "common/*.c", "proto/*.c"]
LEFT_OUT = {"common/conf.c"}
BUILDS = [(compiler, level) for compiler in ("gcc", "clang") for level in ("-O0", "-O2")]


def sources():
    found = [path for pattern in SOURCES for path in sorted(glob.glob(pattern, root_dir=ROOT))]
    return [path for path in found if path not in LEFT_OUT]


def digest(compiler, level, program):
    subprocess.run([compiler, "-std=c17", "-D_GNU_SOURCE", "-I.", level, "-o", program, *sources(),
                    "-lsodium"], cwd=ROOT, check=True)
    done = subprocess.run([program, "data/rules/default.rules"], cwd=ROOT, check=True,
                          stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


def test_every_build_says_the_same(tmp_path):
    if shutil.which("clang") is None:
        pytest.skip("clang is not installed; scripts/setup installs it")
    told = {build: digest(*build, tmp_path / "replay") for build in BUILDS}
    assert len(told[BUILDS[0]]) == 16
    assert set(told.values()) == {told[BUILDS[0]]}, told
