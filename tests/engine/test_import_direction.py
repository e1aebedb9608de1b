"""The arrows of DESIGN.md: records → backends → stages → loop → files; the studio reads, the engine never looks up."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "transformers", "peft", "trl", "datasets", "accelerate", "vllm", "gradio", "plotly"}
LAYERS = [
    {"engine.errors", "engine.records", "engine.assets", "engine.config", "engine.workspace.provenance"},
    {"engine.backends"},
    {"engine.prompts", "engine.stages.synthesize.answers", "engine.workspace.folders", "engine.workspace.tables"},
    {"engine.stages"},
    {"engine.runs.loop"},
    {"engine.commands", "engine.cli"},
]


def modules(package: str) -> dict[str, Path]:
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, *, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def layer(module: str) -> int | None:
    for number, members in enumerate(LAYERS):
        if any(module == member or module.startswith(member + ".") for member in members):
            return number
    return None


@pytest.mark.parametrize("module", modules("engine"))
def test_engine_module_never_imports_the_studio(module: str) -> None:
    assert not {name for name in imports(modules("engine")[module]) if name.split(".")[0] == "studio"}


@pytest.mark.parametrize("module", [name for name in modules("engine") if layer(name) is not None])
def test_engine_module_imports_only_its_own_layer_and_those_below(module: str) -> None:
    own = layer(module)
    upward = {name for name in imports(modules("engine")[module]) if (layer(name) or 0) > (own or 0)}
    assert not upward


@pytest.mark.parametrize("module", modules("studio"))
def test_studio_module_imports_no_model_library(module: str) -> None:
    models = HEAVY - {"gradio", "plotly"}
    assert not {name for name in imports(modules("studio")[module]) if name.split(".")[0] in models}


@pytest.mark.parametrize(
    "module",
    [
        "engine.cli",
        "engine.commands.runs",
        "engine.commands.results",
        "engine.commands.terminal",
        "engine.workspace.state",
        "engine.workspace.catalog.database",
    ],
)
def test_module_of_the_quick_commands_imports_nothing_heavy_at_once(module: str) -> None:
    at_once = {name.split(".")[0] for name in imports(modules("engine")[module], top_level_only=True)}
    assert not at_once & (HEAVY | {"pyarrow", "numpy", "pandas"})
