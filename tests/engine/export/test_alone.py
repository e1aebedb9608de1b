"""An exported judge in an environment that has no Judge Studio: the same verdicts and the same words as here."""

import json
import random
import runpy
import subprocess
import sys
import venv
from pathlib import Path

import peft
import PIL
import pytest
import torch
import transformers

from engine.assets import assets_folder
from engine.backends.local.transformers import TransformersBackend
from engine.config import ModelSettings, Settings
from engine.export.alone import alone_data
from engine.export.judge import export_judge
from engine.judging.judges import JudgeRef, resolve_judge
from engine.judging.ruling import Ruling, rule_many
from engine.prompts import as_material, load_pack, prompt_fences
from engine.records import Comparison
from engine.shapes.benchmark import items
from engine.verdicts import read_verdict
from engine.workspace.folders import open_workspace
from engine.workspace.provenance import model_folder
from tests.tiny_models import save_tiny_adapter

ALONE = """
import importlib.util, json, runpy, sys
found = [importlib.util.find_spec(name) for name in ("engine", "studio")]
# An editable install leaves the assets behind as engine/_assets: a folder without code.
assert all(one is None or one.origin is None for one in found), sys.path
assert sys.prefix == sys.argv[2], sys.prefix
alone = runpy.run_path(sys.argv[1] + "/judge.py")
opened = alone["load"]()
for line in sys.stdin:
    one = json.loads(line)
    print(json.dumps(alone["rule"](*opened, alone["picture"](one["image"]), one["question"], one["a"], one["b"])))
"""


@pytest.fixture(scope="module")
def comparisons(tmp_path_factory: pytest.TempPathFactory) -> list[Comparison]:
    drawn = items(count=4, seed=7, folder=tmp_path_factory.mktemp("items"))
    return [
        Comparison(image=Path(one.image), question=one.question, preferred=one.degraded, degraded=one.preferred)
        for one in drawn
    ]


def adapted(folder: Path) -> JudgeRef:
    """A judge that writes reasons of its own: the embedded model with a small random adapter."""
    workspace = open_workspace(folder / "ws")
    adapter = save_tiny_adapter(model_folder("shapes-vlm"), folder / "adapter", scale=0.02)
    return resolve_judge(str(adapter), workspace)


def ruled_here(judge: JudgeRef, comparisons: list[Comparison]) -> list[Ruling]:
    backend = TransformersBackend(model_folder("shapes-vlm"), device="cpu")
    pack = load_pack(judge.settings.prompt_pack)
    most = judge.settings.judge.max_tokens
    asked = {str(place): one for place, one in enumerate(comparisons)}
    return list(rule_many(backend, pack, asked, judge=judge.load_into(backend), max_tokens=most))


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new virtual environment that has the libraries and not this project: their folder is named in a .pth file, and
    those .pth files that lie in it, by which an editable install is found, are not read."""
    place = tmp_path_factory.mktemp("elsewhere").resolve() / "env"
    venv.create(place, symlinks=True)
    (packages,) = place.glob("lib/python*/site-packages")
    libraries = {str(Path(library.__file__).parents[1]) for library in (torch, transformers, peft, PIL)}
    (packages / "libraries.pth").write_text("\n".join(sorted(libraries)) + "\n")
    return place


def ruled_alone(folder: Path, comparisons: list[Comparison], environment: Path) -> list[dict]:
    """What the program says in that environment."""
    lines = "\n".join(
        json.dumps({"image": str(one.image), "question": one.question, "a": one.preferred, "b": one.degraded})
        for one in comparisons
    )
    words = [str(environment / "bin" / "python"), "-E", "-c", ALONE, str(folder), str(environment)]
    done = subprocess.run(words, input=lines, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.model
@pytest.mark.parametrize("merged", [False, True], ids=["adapter", "merged"])
def test_exported_judge_rules_by_itself_as_it_does_here(comparisons, elsewhere, tmp_path, merged):
    judge = adapted(tmp_path)
    folder = export_judge(judge, tmp_path / "out", merged=merged)
    here, alone = ruled_here(judge, comparisons), ruled_alone(folder, comparisons, elsewhere)
    assert [one["verdict"] for one in alone] == [one.verdict for one in here]
    assert [one["a_first"] for one in alone] == [one.orders[0].reasoning for one in here]
    assert [one["b_first"] for one in alone] == [one.orders[1].reasoning for one in here]
    assert (folder / "base").is_dir() is not merged
    assert "folder is complete" in (folder / "README.md").read_text()


def alone_program(tmp_path: Path, pack: str) -> dict:
    settings = Settings(model=ModelSettings(base="some/model", prompts=pack))
    judge = JudgeRef(label="x", settings=settings, version="judge-v0", adapter=None, run=None)
    (tmp_path / "judge.json").write_text(json.dumps(alone_data(judge)))
    (tmp_path / "judge.py").write_text((assets_folder() / "export" / "judge.py").read_text())
    return runpy.run_path(str(tmp_path / "judge.py"))


_WAYS = (
    "[[A]]", "[[B]]", "[[C]]", "[[ tie ]]", "[[tIE]]", "［［ａ］］", "[[b]]", "[[D]]", "[[[A]]]", "\\boxed{B}",
    "\\boxed{\\text{c}}", "\\boxed{[[A]]}", "**[[B]]**.", "> [[A]]", "Verdict: [[A]]", f"{'x' * 90} [[A]]",
    f"[[A]]{'*' * 75}", f"[[A]]{'*' * 76}", "<think>", "</think>", "◁think▷", "◁/think▷", "<|channel|>analysis",
    "<|channel|>final<|message|>", "analysis", "assistantfinal", "", "  ", "**", "Fine.",
)  # fmt: skip
"""Pieces of replies: every form of a verdict, what looks like one, thinking, and what stands around them."""


def test_program_reads_a_reply_as_the_engine_does(tmp_path):
    read = alone_program(tmp_path, "default")["verdict"]
    replies = [f"{one}{between}{other}" for one in _WAYS for other in _WAYS for between in (" ", "\n", "\n\n* ")]
    replies += ["".join(random.Random(seed).choices([*_WAYS, " ", "\n"], k=6)) for seed in range(2_000)]
    read_otherwise = [reply for reply in replies if read(reply) != read_verdict(reply)]
    assert read_otherwise == []
    assert {read(reply) for reply in replies} == {"A", "B", "tie", "invalid"}


@pytest.mark.parametrize("pack", ["default", "shapes"])
def test_program_shows_texts_as_the_engine_does(tmp_path, pack):
    program = alone_program(tmp_path, pack)
    fences = prompt_fences(load_pack(pack).judge)
    lines = load_pack(pack).judge.split("\n")
    text = "\n".join([*lines, "[[A]] </think> \\boxed{B}", "One. Two! Three?"])
    assert program["material"](text, []) == as_material(text, fences)
    assert program["material"]("a <s> b", ["<s>"]) == "a < s> b"


def test_program_says_in_one_line_that_the_picture_is_not_there(tmp_path, monkeypatch, capsys):
    alone_program(tmp_path, "default")
    monkeypatch.setattr(sys, "argv", ["judge.py", str(tmp_path / "cat.png"), "Which?", "One.", "Two."])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(tmp_path / "judge.py"), run_name="__main__")
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert said.startswith("judge.py: ")
    assert "cat.png" in said
    assert said.count("\n") == 1
