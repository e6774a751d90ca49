"""The house: which module may import which. Arrows point down only, and in no circle."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import flask_pooled

ROOT = Path(flask_pooled.__file__).parent

#: From the top down. A name stands for a module or a package and all that is in it.
LAYERS: list[set[str]] = [
    {"extension", "wiring"},
    {
        "caches",
        "cli",
        "console",
        "databases",
        "doctor",
        "embed",
        "frame_headers",
        "handoff",
        "markup",
        "refresh",
        "rehearsal",
        "sender",
        "session",
        "spool_file",
        "startup",
        "state",
        "stats",
        "streaming",
        "talisman",
        "unsigned",
        "webhook",
        "words",
    },
    {"dispatch", "inbox"},
    {
        "csp",
        "event_base",
        "events",
        "fairness",
        "payload",
        "player",
        "samples",
        "setting_values",
        "settings",
        "signals",
        "signature",
        "token_check",
        "tokens",
    },
    {"errors", "money", "news"},
]
PURE = LAYERS[3]
BESIDE = {"sandbox"}
#: May import everything; nothing imports them.
FACADE = {"__init__", "testing"}

#: What each layer may import that is neither ours nor the standard library's.
ALLOWED = [None, None, {"sqlalchemy", "celery"}, {"jwt", "blinker"}, set[str]()]

#: Where pure code would meet a clock, the environment, chance, files or the network.
IMPURE = {"os", "random", "secrets", "socket", "subprocess", "threading", "time"}

#: The exceptions, each with its reason.
EXCUSED = {
    ("tokens", "time"),  # mint_token reads the clock when no "now" is given, as documented
    ("setting_values", "os"),  # os.PathLike, a type
}


def _imports(path: Path) -> set[str]:
    """Every module that a file imports, absolute, also inside functions and for type checking only."""
    package = ("flask_pooled", *path.relative_to(ROOT).parent.parts)
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            found |= {
                f"{module}.{alias.name}" if _is_module(f"{module}.{alias.name}") else module
                for alias in node.names
            }
    return found


def _is_module(name: str) -> bool:
    place = ROOT.parent.joinpath(*name.split("."))
    return name.startswith("flask_pooled") and (
        place.with_suffix(".py").exists() or (place / "__init__.py").exists()
    )


def _room(module: str) -> str:
    """The module or package directly below ``flask_pooled``."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def _layer(room: str) -> int | None:
    return next((number for number, rooms in enumerate(LAYERS) if room in rooms), None)


def _files() -> list[tuple[str, Path]]:
    return [
        (path.relative_to(ROOT).parts[0].removesuffix(".py"), path) for path in ROOT.rglob("*.py")
    ]


def test_every_module_has_its_place() -> None:
    known = set[str]().union(*LAYERS, BESIDE, FACADE)
    assert {room for room, _ in _files()} <= known


def test_arrows_point_down() -> None:
    wrong = []
    for room, path in _files():
        for module in _imports(path):
            if not module.startswith("flask_pooled"):
                continue
            target = _room(module)
            if room in FACADE or target == room:
                continue
            if room in BESIDE or target in FACADE:
                wrong.append((path.name, module))
            elif target in BESIDE:
                if room not in {"cli", "rehearsal"}:
                    wrong.append((path.name, module))
            else:
                here, there = _layer(room), _layer(target)
                assert here is not None
                assert there is not None
                if there < here:
                    wrong.append((path.name, module))
    assert wrong == []


def test_layers_use_only_the_libraries_of_their_floor() -> None:
    wrong = []
    for room, path in _files():
        layer = _layer(room)
        allowed = None if layer is None else ALLOWED[layer]
        if allowed is None:
            continue
        for module in _imports(path):
            top = module.split(".")[0]
            if top == "flask_pooled" or top in sys.stdlib_module_names or top in allowed:
                continue
            wrong.append((path.name, module))
    assert wrong == []


def test_pure_code_has_no_clock_and_no_environment() -> None:
    wrong = {
        (room, module.split(".")[0])
        for room, path in _files()
        if room in PURE
        for module in _imports(path)
        if module.split(".")[0] in IMPURE
    }
    assert wrong == EXCUSED


def test_no_circles() -> None:
    graph: dict[str, set[str]] = {}
    for _, path in _files():
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        graph[name] = {
            module
            for module in _imports(path)
            if module.startswith("flask_pooled") and module != name
        }
    graph.pop("flask_pooled")
    while graph:
        leaves = [name for name, targets in graph.items() if not targets & graph.keys()]
        assert leaves, f"a circle among {sorted(graph)}"
        for name in leaves:
            del graph[name]
