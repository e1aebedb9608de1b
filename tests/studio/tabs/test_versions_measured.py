"""One version under every protocol it was measured under, with what must be known of the numbers."""

from pathlib import Path

from engine.records import ScoreRow
from engine.workspace.files import write_json
from engine.workspace.folders import RunFolder, Workspace
from studio.tabs.versions import view
from studio.tabs.versions.comparison import Chosen
from studio.tabs.versions.measured import measured_panel, notes
from studio.tabs.versions.view import Table


def score(protocol: str, accuracy: float, *, benchmark: str = "vl-rewardbench", dimension: str = "all") -> ScoreRow:
    return ScoreRow(
        judge="judge-v1", benchmark=benchmark, protocol=protocol, dimension=dimension, n=20, accuracy=accuracy,
        low=accuracy - 0.1, high=accuracy + 0.1, invalid=0.0, position_lean=0.1, length_lean=None, left_out=2,
    )  # fmt: skip


def chosen(benchmark: str = "vl-rewardbench", protocol: str = "vlrb-official") -> Chosen:
    return Chosen(older="judge-v0", newer="judge-v1", benchmark=benchmark, protocol=protocol)


SCORES = [
    score("strict", 0.4),
    score("vlrb-official", 0.6),
    score("vlrb-lmms-eval", 0.55, dimension="macro"),
    score("vlrb-lmms-eval", 0.5),
]


def test_every_protocol_stands_beside_the_others_with_its_rule_and_what_was_published(tmp_path: Path) -> None:
    html = measured_panel(SCORES, chosen(), RunFolder(tmp_path / "runs" / "r"), deciding="shapes")
    assert [html.index(name) for name in ("strict", "vlrb-official", "vlrb-lmms-eval (macro)")] == sorted(
        html.index(name) for name in ("strict", "vlrb-official", "vlrb-lmms-eval (macro)")
    )
    assert "0.550" in html
    assert "The numbers differ because prompt" in html
    assert "More than half of all five must agree" in html
    assert "GPT-4o: 65.8% (vlrb-official; arXiv 2411.17451)" in html
    assert "2 rows had no usable picture" in html


def test_what_others_published_under_the_same_protocol_are_lines_of_the_chart() -> None:
    figure = view.accuracy_figure(Table(SCORES, chosen()), chosen(), "judge-v1")
    assert "published: GPT-4o" in figure.to_json()
    strict = chosen(protocol="strict")
    assert "published" not in view.accuracy_figure(Table(SCORES, strict), strict, "judge-v1").to_json()


def test_numbers_on_self_made_labels_are_called_so_and_near_twins_and_the_deciding_key_are_said(
    workspace: Workspace,
) -> None:
    run = workspace.run("other")
    folder = run.stage(0, "benchmark").folder
    folder.mkdir(parents=True)
    write_json(folder / "done.json", {"items": {}, "left_out": {}, "near_training": {"mine": 3}})
    own = notes("held-out", [], run, deciding="held-out")
    assert own == [
        "Its labels are judge-v0's own, so the number is agreement with self-made labels, not with a person."
    ]
    assert view.called(chosen("held-out")) == "Agreement with self-made labels"
    keyed, near = notes("mine", [], run, deciding="mine")
    assert "it decides which version is best" in keyed
    assert near.startswith("mine: 3 items are about a picture that looks the same as one trained on")
