"""Plants breaches of the rules of the house and expects scripts/tidy to name each of them."""
import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

OPENING = "/* A file made by a test. */\n"
LONG_BODY = "static int many(int a)\n{\n" + "    a++;\n" * 70 + "    return a;\n}\n"
CIRCLE = ("int ping(int a);\nint pong(int a);\nint ping(int a)\n{\n    return pong(a);\n}\n"
          "int pong(int a)\n{\n    return a > 0 ? ping(a - 1) : 0;\n}\n")

# name, file, text, the line that must be told, what must be told
BREACHES = [
    ("columns", "common/made.c", OPENING + "/* " + "x" * 100 + " */\n", 2, "columns"),
    ("tab", "common/made.c", OPENING + "int a;\tint b;\n", 2, "a tab"),
    ("blanks", "common/made.c", OPENING + "int a; \n", 2, "blanks"),
    ("newline", "common/made.c", OPENING + "int a;", 1, "one newline"),
    ("opening", "common/made.c", "int a;\n", 1, "open with a comment"),
    ("guard", "common/made.h", OPENING + "#ifndef WRONG_H\n#define WRONG_H\n#endif\n", 1, "guard"),
    ("layer", "common/made.c", OPENING + '#include "proto/proto.h"\n', 2, "may not be included"),
    ("absent", "common/made.c", OPENING + '#include "common/nowhere.h"\n', 2, "not in the tree"),
    ("sqlite", "bankd/made.c", OPENING + "#include <sqlite3.h>\n", 2, "may not be included"),
    ("zmq", "bankterm/made.c", OPENING + "#include <zmq.h>\n", 2, "may not be included"),
    ("curses", "bankterm/made.c", OPENING + "#include <curses.h>\n", 2, "may not be included"),
    ("pure header", "bankd/fraud/made.c", OPENING + "#include <time.h>\n", 2, "stay pure"),
    ("pure call", "bankd/ledger/made.c", OPENING + "void f(void)\n{\n    malloc(1);\n}\n", 4,
     "stay pure"),
    ("banned", "bankd/made.c", OPENING + "void f(char *a)\n{\n    strcpy(a, a);\n}\n", 4,
     "strcpy is banned"),
    ("typedef", "bankd/made.c", OPENING + "typedef struct a b;\n", 2, "typedef"),
    ("comment", "bankd/made.c", OPENING + "int a; // no\n", 2, "comments are"),
    ("float", "bankd/ledger/made.c", OPENING + "static double a;\n", 2, "floating point"),
    ("length", "bankd/made.c", OPENING + LONG_BODY, 2, "many has 74 lines"),
    ("recursion", "bankd/made.c", OPENING + CIRCLE, 4, "recursion: ping -> pong"),
    ("unfinished", "bankd/made.c", OPENING + "/* TO" + "DO: later. */\n", 2, "unfinished"),
    ("one machine", "bankd/made.c", OPENING + '/* See "/ho' + 'me/me/x". */\n', 2, "one machine"),
    ("dead source", "bankd/made.c", OPENING + "int made_by_test(void)\n{\n    return 0;\n}\n", 1,
     "no other file uses"),
    ("dead header", "common/made.h",
     OPENING + "#ifndef COMMON_MADE_H\n#define COMMON_MADE_H\n#endif\n", 1, "no file includes"),
    ("dead script", "scripts/pla" + "nted", "#!/bin/sh\n# Does nothing at all.\n", 1,
     "no other file"),
    ("script", "scripts/pla" + "nted", "#!/bin/sh\nexit 0\n", 2, "a script must start"),
    ("top level", "made/made.txt", "x\n", 1, "does not belong"),
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    copy = tmp_path_factory.mktemp("tree") / "copy"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", "build*", "__pycache__"))
    return copy


def tidy(tree):
    done = subprocess.run([str(tree / "scripts/tidy")], stdin=subprocess.DEVNULL, timeout=60,
                          capture_output=True, text=True, check=False, cwd="/")
    return done.returncode, done.stdout


@pytest.mark.parametrize("path, text, line, told", [b[1:] for b in BREACHES],
                         ids=[b[0] for b in BREACHES])
def test_a_breach_is_told_with_its_place(tree, path, text, line, told):
    made = tree / path
    made.parent.mkdir(exist_ok=True)
    made.write_text(text)
    try:
        code, output = tidy(tree)
    finally:
        made.unlink()
    lines = [row for row in output.splitlines() if row.startswith(f"{path}:{line}: ")]
    assert code == 1
    assert any(told in row for row in lines), output


def test_what_is_in_comments_and_strings_is_no_breach(tree):
    made = tree / "bankd/ledger/made.c"
    made.write_text(OPENING + '/* strcpy(a, b) and a double. */\n'
                    'const char *const made_text = "malloc(1.5) // strcpy(x)";\n')
    try:
        _, output = tidy(tree)
    finally:
        made.unlink()
    told = [row for row in output.splitlines() if row.startswith("bankd/ledger/made.c:")]
    assert told == ["bankd/ledger/made.c:1: no other file uses a function of this one"]


def test_the_project_itself_is_clean():
    code, output = tidy(ROOT)
    assert code == 0, output
    assert os.access(ROOT / "scripts/tidy", os.X_OK)
