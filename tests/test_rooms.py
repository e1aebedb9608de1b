"""The rule of the house: a room imports only from rooms that stand above it, and every README maps its folder.

The rooms and their order are read from the tables of `engine/README.md` and `studio/README.md`.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = {"torch", "transformers", "peft", "trl", "datasets", "accelerate", "vllm", "gradio", "plotly"}
QUICK = [
    "engine.cli",
    "engine.commands.runs",
    "engine.commands.results",
    "engine.commands.terminal",
    "engine.workspace.state",
    "engine.workspace.catalog.database",
]
"""What `--help`, `status` and `sql` import at once."""
STUDIO_READS = {
    "engine.runs.loop": set(),
    "engine.runs.models": {"studio.live.worker"},
    "engine.backends": {"studio.live.worker", "studio.tabs.versions.comparison", "studio.tabs.versions.view"},
    "engine.stages": {
        "studio.server.api",
        "studio.tabs.traces.funnel",
        "studio.tabs.traces.replay",
        "studio.tabs.traces.replay_panel",
        "studio.tabs.traces.view",
        "studio.queries.traces",
    },
}
"""What of the engine only these modules of the studio may use: the live judge, the replay of a pure rule, names."""

LONGEST_FUNCTION = 40
LONGEST_MODULE = 400
"""Lines."""
MOST_LONG_FUNCTIONS = 8
LONG_FUNCTIONS = {
    "engine.backends.served.vllm_server.VllmServer.__init__": "half of it is the words that start vLLM, each beside "
    "what it stands for",
}
"""Dotted name → why it is better in one piece. All of both packages stand here, and no others."""


@cache
def modules() -> dict[str, Path]:
    """Dotted name → file, of both packages."""
    found = {}
    for path in sorted(path for package in ("engine", "studio") for path in (ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, *, top_level_only: bool = False) -> Iterator[str]:
    """Every module that a file imports, `from package import module` resolved."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in modules() else node.module


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else module


def readme_files(readme: Path) -> list[str]:
    """What stands in the first column of the table that is headed `file` or `room`."""
    table = re.search(
        r"^\| (?:file|room) [^\n]*\n\| ---[^\n]*\n((?:\|[^\n]*\n?)+)", readme.read_text("utf-8"), re.MULTILINE
    )
    assert table, f"{readme}: no table of files"
    return [name for line in table[1].splitlines() for name in re.findall(r"`([^`]+)`", line.split("|")[1])]


@cache
def rooms(package: str) -> list[str]:
    """Rooms in the order in which data flows, as the package's README lists them."""
    return [name.removesuffix("/").removesuffix(".py") for name in readme_files(ROOT / package / "README.md")]


def back_arrows(package: str) -> list[str]:
    order = {room: number for number, room in enumerate(rooms(package))}
    return [
        f"{module} → {other}"
        for module, path in modules().items()
        if module.startswith(f"{package}.")
        for other in imports(path)
        if other.startswith(f"{package}.") and order[room_of(other)] > order[room_of(module)]
    ]


def folder_of(module: str) -> str:
    return module if modules()[module].name == "__init__.py" else module.rsplit(".", 1)[0]


def is_inside(folder: str, other: str) -> bool:
    return folder == other or folder.startswith(f"{other}.")


def circles(package: str) -> list[str]:
    """Pairs of folders that import each other. A folder and one inside it are one house, so they do not count."""
    arrows: defaultdict[tuple[str, str], str] = defaultdict(str)
    for module, path in modules().items():
        for other in (name for name in imports(path) if name in modules() and name.startswith(f"{package}.")):
            here, there = folder_of(module), folder_of(other)
            if not is_inside(here, there) and not is_inside(there, here):
                arrows[here, there] = f"{module} → {other}"
    return [f"{arrow}, {arrows[there, here]}" for (here, there), arrow in arrows.items() if (there, here) in arrows]


def test_project_has_two_packages() -> None:
    """Its top floor was fixed by whoever ordered it: a third package gets no place there."""
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} == {"engine", "studio"}


@pytest.mark.parametrize("package", ["engine", "studio"])
def test_every_module_stands_in_a_room_of_the_list(package: str) -> None:
    top = {room_of(module) for module in modules() if module.startswith(f"{package}.")}
    assert top == set(rooms(package))


@pytest.mark.parametrize("package", ["engine", "studio"])
def test_room_imports_only_rooms_above_it(package: str) -> None:
    assert back_arrows(package) == []


@pytest.mark.parametrize("package", ["engine", "studio"])
def test_no_two_folders_import_each_other(package: str) -> None:
    assert circles(package) == []


def test_engine_never_imports_the_studio() -> None:
    assert not [
        f"{module} → {other}"
        for module, path in modules().items()
        if module.startswith("engine")
        for other in imports(path)
        if other.split(".")[0] == "studio"
    ]


def test_studio_reads_of_the_engine_what_needs_no_model() -> None:
    bad = []
    for module, path in modules().items():
        for other in imports(path) if module.startswith("studio") else ():
            allowed = next((users for name, users in STUDIO_READS.items() if is_inside(other, name)), None)
            if allowed is not None and module not in allowed:
                bad.append(f"{module} → {other}")
            if other.split(".")[0] in HEAVY - {"gradio", "plotly"}:
                bad.append(f"{module} → {other}")
    assert bad == []


def test_no_tab_imports_another_tab() -> None:
    tabs = {module: ".".join(module.split(".")[:3]) for module in modules() if module.startswith("studio.tabs.")}
    assert not [
        f"{module} → {other}"
        for module, tab in tabs.items()
        for other in imports(modules()[module])
        if tabs.get(other, tab) not in (tab, "studio.tabs.filters")
    ]


@pytest.mark.parametrize("module", QUICK)
def test_module_of_the_quick_commands_imports_nothing_heavy_at_once(module: str) -> None:
    at_once = {name.split(".")[0] for name in imports(modules()[module], top_level_only=True)}
    assert not at_once & (HEAVY | {"pyarrow", "numpy", "pandas"})


def test_serve_hands_out_its_names_without_importing_a_model() -> None:
    at_once = imports(modules()["engine.serve"], top_level_only=True)
    assert [name for name in at_once if name.startswith("engine")] == []


@pytest.mark.parametrize(
    "folder",
    sorted(
        str(path.parent.relative_to(ROOT))
        for package in ("engine", "studio")
        for path in (ROOT / package).glob("*/README.md")
    ),
)
def test_readme_names_exactly_the_files_of_its_folder(folder: str) -> None:
    files = sorted(
        str(path.relative_to(ROOT / folder)) for path in (ROOT / folder).rglob("*.py") if path.name != "__init__.py"
    )
    assert sorted(readme_files(ROOT / folder / "README.md")) == files


def test_every_room_that_is_a_folder_has_a_readme() -> None:
    folders = [path.parent for package in ("engine", "studio") for path in (ROOT / package).glob("*/__init__.py")]
    assert not [folder for folder in folders if not (folder / "README.md").is_file()]


def test_public_class_name_occurs_once() -> None:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for module, path in modules().items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(module)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def functions(tree: ast.AST, prefix: str) -> Iterator[tuple[str, int]]:
    """Dotted name and number of lines of every function; one inside another counts by itself as well."""
    for node in ast.iter_child_nodes(tree):
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        inner = f"{prefix}.{node.name}" if isinstance(node, ast.ClassDef) or is_function else prefix
        if is_function:
            yield inner, (node.end_lineno or node.lineno) - node.lineno + 1
        yield from functions(node, inner)


def test_long_functions_are_few_and_each_has_its_reason() -> None:
    long = {
        name
        for module, path in modules().items()
        for name, lines in functions(ast.parse(path.read_text(encoding="utf-8")), module)
        if lines > LONGEST_FUNCTION
    }
    assert long == LONG_FUNCTIONS.keys()
    assert len(long) <= MOST_LONG_FUNCTIONS


def test_no_module_is_longer_than_one_can_hold_in_mind() -> None:
    lines = {module: path.read_text(encoding="utf-8").count("\n") for module, path in modules().items()}
    assert {module: count for module, count in lines.items() if count > LONGEST_MODULE} == {}
