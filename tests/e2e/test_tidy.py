"""Plants breaches of the rules of the house and expects scripts/tidy to name each of them."""
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
    ("columns", "common/made1.c", OPENING + "/* " + "x" * 100 + " */\n", 2, "columns"),
    ("tab", "common/made2.c", OPENING + "int a;\tint b;\n", 2, "a tab"),
    ("blanks", "common/made3.c", OPENING + "int a; \n", 2, "blanks"),
    ("newline", "common/made4.c", OPENING + "int a;", 1, "one newline"),
    ("opening", "common/made5.c", "int a;\n", 1, "open with a comment"),
    ("guard", "common/made6.h", OPENING + "#ifndef WRONG_H\n#define WRONG_H\n#endif\n", 1, "guard"),
    ("layer", "common/made7.c", OPENING + '#include "proto/proto.h"\n', 2, "may not be included"),
    ("absent", "common/made8.c", OPENING + '#include "common/nowhere.h"\n', 2, "not in the tree"),
    ("sqlite", "bankd/made9.c", OPENING + "#include <sqlite3.h>\n", 2, "may not be included"),
    ("zmq", "bankterm/made10.c", OPENING + "#include <zmq.h>\n", 2, "may not be included"),
    ("curses", "bankterm/made11.c", OPENING + "#include <curses.h>\n", 2, "may not be included"),
    ("pure header", "bankd/fraud/made12.c", OPENING + "#include <time.h>\n", 2, "stay pure"),
    ("pure call", "bankd/ledger/made13.c", OPENING + "void f(void)\n{\n    malloc(1);\n}\n", 4,
     "stay pure"),
    ("banned", "bankd/made14.c", OPENING + "void f(char *a)\n{\n    strcpy(a, a);\n}\n", 4,
     "strcpy is banned"),
    ("typedef", "bankd/made15.c", OPENING + "typedef struct a b;\n", 2, "typedef"),
    ("comment", "bankd/made16.c", OPENING + "int a; // no\n", 2, "comments are"),
    ("float", "bankd/ledger/made17.c", OPENING + "static double a;\n", 2, "floating point"),
    ("length", "bankd/made18.c", OPENING + LONG_BODY, 2, "many has 74 lines"),
    ("recursion", "bankd/made19.c", OPENING + CIRCLE, 4, "recursion: ping -> pong"),
    ("unfinished", "bankd/made20.c", OPENING + "/* TO" + "DO: later. */\n", 2, "unfinished"),
    ("one machine", "bankd/made21.c", OPENING + '/* See "/ho' + 'me/me/x". */\n', 2, "one machine"),
    ("dead source", "bankd/made22.c", OPENING + "int made_by_test(void)\n{\n    return 0;\n}\n", 1,
     "no other file uses"),
    ("dead header", "common/made23.h",
     OPENING + "#ifndef COMMON_MADE23_H\n#define COMMON_MADE23_H\n#endif\n", 1, "no file includes"),
    ("dead script", "scripts/pla" + "nted24", "#!/bin/sh\n# Does nothing at all.\n", 1,
     "no other file"),
    ("script", "scripts/pla" + "nted25", "#!/bin/sh\nexit 0\n", 2, "a script must start"),
    ("top level", "made26/made.txt", "x\n", 1, "does not belong"),
]

STRINGS = (OPENING + '/* strcpy(a, b) and a double. */\n'
           'const char *const made_text = "malloc(1.5) // strcpy(x)";\n')


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What tidy says of a copy of the tree with every breach in a file of its own."""
    tree = tmp_path_factory.mktemp("tree") / "copy"
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", "build*", "__pycache__"))
    for _, path, text, _, _ in BREACHES:
        (tree / path).parent.mkdir(exist_ok=True)
        (tree / path).write_text(text)
    (tree / "bankd/ledger/made_strings.c").write_text(STRINGS)
    done = subprocess.run([str(tree / "scripts/tidy")], stdin=subprocess.DEVNULL, timeout=60,
                          capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 1
    return done.stdout.splitlines()


@pytest.mark.parametrize("path, line, message", [(b[1], b[3], b[4]) for b in BREACHES],
                         ids=[b[0] for b in BREACHES])
def test_a_breach_is_told_with_its_place(told, path, line, message):
    lines = [row for row in told if row.startswith(f"{path}:{line}: ")]
    assert any(message in row for row in lines), [row for row in told if row.startswith(path)]


def test_what_is_in_comments_and_strings_is_no_breach(told):
    lines = [row for row in told if row.startswith("bankd/ledger/made_strings.c:")]
    assert lines == ["bankd/ledger/made_strings.c:1: no other file uses a function of this one"]
