"""The shape of the code: arrows point down, the protocol is pure, a file holds one noun."""

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "tiflis"
FILES = sorted(PACKAGE.rglob("*.py"))
LINE_LIMIT = 450
RELAY_FILES = 20  # at the room's top; what has a noun of its own gets a folder

# What each room may import, besides itself. A room is a folder or a file of the package.
BASE = {"__init__", "values", "descriptors", "environment", "limits", "redaction", "config"}
BASE |= {"logs", "metrics", "clock", "release", "processors"}
RELAY = {"protocol", "bus", "relay"}
BELOW = {
    "__init__": set(),
    "values": set(),
    "descriptors": set(),
    "environment": {"values"},
    "limits": {"values"},
    "clock": set(),
    "release": {"__init__"},
    "processors": set(),
    "heap": set(),
    "redaction": set(),
    "metrics": set(),
    "config": {"values", "environment", "limits"},
    "log_output": set(),
    "log_bursts": set(),
    "log_schemas": {"__init__"},
    "logs": {"redaction", "log_output", "log_bursts", "log_schemas"},
    "protocol": set(),
    "bus": BASE | {"protocol"},
    "relay": BASE | {"protocol", "bus"},
    "web": BASE | {"protocol", "bus", "relay"},
    # What the main process and its workers share.
    "ipc": BASE,
    "arbiter": BASE | {"protocol", "bus", "ipc", "metrics_store"},
    # Sockets and tunnels that pass from worker to worker.
    "handoff": BASE | RELAY | {"web", "ipc"},
    "metrics_store": {"metrics"},
    "exposition": {"metrics"},
    "worker": BASE | RELAY | {"web", "ipc", "handoff", "metrics_store", "exposition", "heap"},
    "server": BASE | RELAY | {"web", "worker", "arbiter", "ipc"},
    "doctor": BASE | {"protocol"},
    "commands": BASE | {"protocol", "bus", "relay", "web", "ipc", "arbiter", "doctor"},
    "cli": BASE | {"commands"},
}
IMPURE = {
    "asyncio",
    "sanic",
    "nats",
    "os",
    "time",
    "random",
    "logging",
    "socket",
    "threading",
    "secrets",
    "datetime",
}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def nodes(path: Path) -> list[ast.AST]:
    """Return every node of the file."""
    return list(ast.walk(parsed(path)))


@cache
def imports(path: Path) -> list[str]:
    """Return every module that the file imports, wherever in it, also for type checks only."""
    found = list[str]()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def rooms_imported(path: Path) -> set[str]:
    parts = [name.split(".") for name in imports(path)]
    return {
        names[1] if len(names) > 1 and names[1] in BELOW else "__init__"
        for names in parts
        if names[0] == "tiflis"
    }


def test_every_room_is_on_the_plan() -> None:
    assert {room(path) for path in FILES} <= BELOW.keys()


def test_imports_point_down() -> None:
    upwards = {path: rooms_imported(path) - BELOW[room(path)] - {room(path)} for path in FILES}
    assert {path: rooms for path, rooms in upwards.items() if rooms} == {}


def test_the_protocol_is_pure() -> None:
    packages = {path: {name.split(".")[0] for name in imports(path)} for path in FILES}
    impure = {path: found & IMPURE for path, found in packages.items() if room(path) == "protocol"}
    assert impure
    assert {path: found for path, found in impure.items() if found} == {}


def test_no_import_hides_in_a_function() -> None:
    hidden = [
        f"{path.relative_to(PACKAGE)}: {function.name}"
        for path in FILES
        for function in nodes(path)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert hidden == []


def test_only_the_settings_read_the_environment() -> None:
    """Besides: what Sanic tells its workers, and what is handed on to processes that are started."""
    readers = {
        str(path.relative_to(PACKAGE))
        for path in FILES
        for node in nodes(path)
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv") and room(path) != "arbiter"
    }
    assert readers <= {"environment.py", "worker/service.py", "commands/takeover.py", "commands/serve.py"}


# Expressions that look as if they compared a key, and do not: what is compared is its place, or public.
HARMLESS = {
    "redaction.py": [
        "name.lower().replace('-', '').replace('_', '') in _SECRET_NAMES",
        "secret in self._kept",
    ],
    "web/upgrade.py": ["token in (part.strip().lower() for part in listed.split(','))"],
}
SECRET = re.compile(r"(auth|api)_?keys?|digest|token|secret|password", re.IGNORECASE)


def names(parts: Iterable[ast.AST]) -> Iterator[str]:
    """Yield the names that stand for values: the call of a function stands for its arguments."""
    for part in parts:
        if isinstance(part, ast.Name):
            yield part.id
        elif isinstance(part, ast.Attribute):
            yield part.attr


def comparisons_of_secrets(path: Path) -> Iterator[str]:
    """Yield the expressions that compare something named like a secret, but not with ``is``."""
    for node in nodes(path):
        if isinstance(node, ast.Compare) and not all(isinstance(op, ast.Is | ast.IsNot) for op in node.ops):
            if isinstance(node.left, ast.Call) and ast.unparse(node.left.func) == "len":
                continue
            if any(SECRET.search(name) for name in names(ast.walk(node))):
                yield ast.unparse(node)


def test_keys_are_compared_behind_the_limiter_and_nowhere_else() -> None:
    """One function compares, and of the server only the limiter, which counts, calls it."""
    files = {str(path.relative_to(PACKAGE)): path for path in FILES}
    users = {file: list(names(nodes(path))) for file, path in files.items()}
    assert sum(found.count("compare_digest") for found in users.values()) == 1
    assert "compare_digest" in users["protocol/comparison.py"]
    callers = {file for file, path in files.items() if "tiflis.protocol.comparison.equal" in imports(path)}
    # Seals come from the bus, and no peer can guess at one.
    assert callers == {"relay/auth/rate_limit.py", "bus/seals.py"}
    calls = [node for node in nodes(files["relay/auth/rate_limit.py"]) if isinstance(node, ast.Call)]
    assert [ast.unparse(call.func) for call in calls].count("equal") == 1
    assert [ast.unparse(call.func) for call in calls].count("_fitting") == 1, "by judge, which counts"
    found = {file: list(comparisons_of_secrets(path)) for file, path in files.items()}
    assert {file: expressions for file, expressions in found.items() if expressions} == HARMLESS


def test_a_file_holds_one_noun() -> None:
    texts = {path: path.read_text().splitlines() for path in FILES}
    assert [path for path, lines in texts.items() if len(lines) > LINE_LIMIT] == []
    unnamed = [path for path, lines in texts.items() if lines and not ast.get_docstring(parsed(path))]
    assert unnamed == [], "a file says which room it is"


def test_the_relay_room_can_be_surveyed() -> None:
    assert len(list((PACKAGE / "relay").glob("*.py"))) <= RELAY_FILES


def test_files_and_functions_on_the_page_of_the_architecture_exist() -> None:
    page = (PACKAGE.parent / "docs" / "architecture.md").read_text()
    named = set(re.findall(r"`((?:\w+/)*\w+\.py)`", page))
    places = (PACKAGE, PACKAGE.parent)
    assert [name for name in named if not any((place / name).exists() for place in places)] == []
    for name, function in re.findall(r"`(\w[\w/]+\.py)` `(\w+)`", page):
        assert re.search(rf"def {function}\(", (PACKAGE / name).read_text()), f"{name}: {function}"


def test_the_plan_itself_has_no_circle() -> None:
    order: list[str] = []
    rest = dict(BELOW)
    while rest:
        free = sorted(name for name, below in rest.items() if below <= {*order, name})
        assert free, f"a circle among {sorted(rest)}"
        order += free
        rest = {name: below for name, below in rest.items() if name not in free}
    assert order.index("protocol") < order.index("bus") < order.index("relay") < order.index("web")


def module(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def test_no_files_import_each_other_in_a_circle() -> None:
    modules = {module(path): path for path in FILES}
    rest = {
        name: {one if one in modules else one.rpartition(".")[0] for one in imports(path)} & modules.keys()
        for name, path in modules.items()
    }
    while free := [name for name, imported in rest.items() if not imported & (rest.keys() - {name})]:
        for name in free:
            del rest[name]
    assert not rest, "these import each other, or import files that do"


def test_no_class_is_cut_in_two_by_inheritance() -> None:
    """A base class has two subclasses or is instantiated itself, or is a Protocol, an error or settings."""
    all_nodes = [node for path in FILES for node in nodes(path)]
    classes = [node for node in all_nodes if isinstance(node, ast.ClassDef)]
    bases = {one.name: [ast.unparse(base).split("[")[0] for base in one.bases] for one in classes}
    made = {
        node.func.id for node in all_nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    inherited = [base for one in classes for base in bases[one.name] if base in bases]

    def is_error(name: str) -> bool:
        return name == "Exception" or any(map(is_error, bases.get(name, [])))

    slices = [
        base
        for base in set(inherited) - made
        if inherited.count(base) == 1
        and not {"Protocol", "BaseModel"} & set(bases[base])
        and not is_error(base)
    ]
    assert slices == []


def test_importing_a_room_does_nothing() -> None:
    """No module below the server runs a statement that could open, start or print something."""
    allowed = (
        ast.Import,
        ast.ImportFrom,
        ast.FunctionDef,
        ast.AsyncFunctionDef,
        ast.ClassDef,
        ast.Assign,
        ast.AnnAssign,
    )
    acts = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in FILES
        if room(path) not in ("server", "cli", "__init__")
        for node in parsed(path).body
        if not isinstance(node, allowed) and not _is_harmless(node)
    ]
    assert acts == []


def _is_harmless(node: ast.stmt) -> bool:
    if isinstance(node, ast.Try):  # one import or another
        return all(isinstance(part, ast.ImportFrom) for part in node.body)
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.unparse(node.test) or "__name__" in ast.unparse(node.test)
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
