"""Reads the tables of proto/PROTOCOL.md, so that tests ask for what the page promises."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "proto/PROTOCOL.md"

TYPES = {"id (bin 16)": bytes, "bytes (bin)": bytes, "text (str)": str, "boolean": bool,
         "integer": int, "money (integer)": int, "time (integer)": int}


def rows_of(text):
    """The rows of the first table in `text`, as lists of cells."""
    found = []
    for line in text.split("\n"):
        if line.startswith("|"):
            cells = re.split(r"(?<!\\)\|", line)[1:-1]
            found.append([cell.strip().strip("`") for cell in cells])
        elif found:
            break
    return found[2:]


def table(name):
    text = PAGE.read_text(encoding="utf-8")
    return re.search(rf"<!-- table: {name} -->\n(.*?)<!-- end of table -->", text, re.S).group(1)


def sections(name, kind):
    """{title: rows} of a table that is cut into sections."""
    parts = re.split(rf"^### {kind} (\w+)$", table(name), flags=re.M)[1:]
    return {title: rows_of(text) for title, text in zip(parts[::2], parts[1::2])}


def link_name(cell):
    return re.match(r"\[(\w+)\]", cell).group(1)


class Operation:
    def __init__(self, name, number, roles, changes, request, reply, _):
        self.name = name
        self.number = int(number, 16)
        self.open = roles == "no session needed"
        self.roles = [] if self.open else roles.split(", ")
        self.changes = changes
        self.request = link_name(request)
        self.reply = link_name(reply)


class Field:
    def __init__(self, name, kind, needed, limits, _):
        self.name = name
        self.needed = needed == "yes"
        self.type = TYPES.get(kind)
        self.id = kind.startswith("id ")
        self.words = link_name(kind[8:]) if kind.startswith("word of ") else None
        self.item = link_name(kind[8:]) if kind.startswith("list of ") else None
        most = re.match(r"at most (\d+)", limits)
        self.most = int(most.group(1)) if most else None


ROLES = [row[0] for row in rows_of(table("roles"))]
OPERATIONS = {row[0]: Operation(*row) for row in rows_of(table("operations"))}
EVENTS = {row[0]: (row[2].split(", "), link_name(row[3])) for row in rows_of(table("events"))}
MESSAGES = {name: [Field(*row) for row in rows] for name, rows in sections("messages",
                                                                          "message").items()}
WORDS = {name: [row[0] for row in rows] for name, rows in sections("words", "words").items()}
ERRORS = {row[0]: row[1:] for row in rows_of(table("errors"))}
CLASSES = {row[0]: row[1] for row in rows_of(table("classes"))}


def check_size(field, value, where):
    if field.most is None:
        return
    size = value if isinstance(value, int) else len(value.encode() if isinstance(value, str)
                                                    else value)
    assert size <= field.most, f"{where}: {size} is more than {field.most}"


def check(message, body, where=""):
    """Asserts that a reply or an event is what the page says, down to the last list."""
    work = [(message, body, where or message)]
    while work:
        message, body, where = work.pop()
        assert isinstance(body, dict), where
        fields = {field.name: field for field in MESSAGES[message]}
        assert not set(body) - set(fields), f"{where}: unknown {set(body) - set(fields)}"
        for name, field in fields.items():
            here = f"{where}.{name}"
            if name not in body:
                assert not field.needed, f"{here} is missing"
                continue
            value = body[name]
            if field.words:
                assert value in WORDS[field.words], f"{here}: {value}"
            elif field.item:
                assert isinstance(value, list), here
                work += [(field.item, item, f"{here}[{n}]") for n, item in enumerate(value)]
            else:
                assert type(value) is field.type, f"{here}: {value!r}"
                assert not field.id or len(value) == 16, here
                check_size(field, value, here)
