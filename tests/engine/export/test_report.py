"""The report: complete, honest about what the numbers say, and harmless whatever a model wrote."""

import re
import shutil
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from engine.errors import WorkspaceError
from engine.export.charts import Point, accuracy_chart, loss_chart, thinned
from engine.export.report import report_html, write_report
from engine.records import ScoreRow
from engine.workspace.folders import RunFolder
from engine.workspace.state import RunState, write_state
from tests.made_run import NASTY, made_run
from tests.tiny_models import save_tiny_llava

VOID = {"meta", "img", "br", "link", "input"}


class Reader(HTMLParser):
    """Collects tags and text, and notices tags that are not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)

    def handle_data(self, data):
        self.text.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunFolder:
    folder = tmp_path_factory.mktemp("made")
    base = save_tiny_llava(folder / "tiny", width=64, vision_layers=1, layers=2)
    return made_run(folder / "workspace", base)


def test_report_is_one_well_formed_page_that_loads_nothing(run):
    page = read(report_html(run))
    assert page.faults == []
    assert page.open == []
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "iframe", "link", "object", "embed", "form"}
    sources = [value for _, attributes in page.tags for name, value in attributes.items() if name in {"src", "href"}]
    assert sources
    assert all(source.startswith("data:image/") for source in sources)
    policy = next(attributes["content"] for tag, attributes in page.tags if "http-equiv" in attributes)
    assert "default-src 'none'" in policy


def test_report_shows_model_text_as_text(run):
    page = read(report_html(run))
    assert NASTY in "".join(page.text)
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)


def test_report_names_the_best_version_with_its_gain_over_the_base(run):
    text = "".join(read(report_html(run)).text)
    assert "judge-v1 is right in both orders on 60.0% of 30 items of shapes" in text
    assert re.search(r"the base model on 0\.0%: \+60\.0 points \(\+\d\d\.\d to \+\d\d\.\d\), p < 0\.001", text)


def test_report_of_a_run_without_a_better_version_says_so(run):
    write_state(run, RunState(run=run.name, state="done", best=None))
    try:
        text = "".join(read(report_html(run)).text)
    finally:
        write_state(run, RunState(run=run.name, state="done", best="judge-v1"))
    assert "No version was better than the base model beyond chance on shapes" in text


def test_report_shows_what_was_kept_and_why_not(run):
    text = "".join(read(report_html(run)).text)
    assert "6 (50%)" in text
    assert "rejected: wrong" in text
    assert "kept · judge-v1 · order AB · verdict A" in text


def test_report_of_a_run_whose_images_are_gone_still_stands(tmp_path):
    run = made_run(tmp_path / "workspace", save_tiny_llava(tmp_path / "tiny", width=64, vision_layers=1, layers=2))
    for path in run.workspace.images.rglob("*.png"):
        path.write_bytes(b"no image")
    assert "image unreadable" in report_html(run)


def test_report_of_a_run_that_measured_nothing_is_refused(run):
    empty = run.workspace.run("empty")
    empty.folder.mkdir(exist_ok=True)
    empty.config.write_text(run.config.read_text())
    with pytest.raises(WorkspaceError, match="nothing was measured yet"):
        write_report(empty)
    assert not (empty.folder / "report.html").exists()


def test_report_lies_in_the_runs_folder_unless_told_otherwise(run, tmp_path):
    assert write_report(run) == run.folder / "report.html"
    assert write_report(run, tmp_path / "mine.html").read_text().startswith("<!doctype html>")


def test_report_of_a_run_with_only_a_baseline_stands(tmp_path):
    run = made_run(tmp_path / "workspace", save_tiny_llava(tmp_path / "tiny", width=64, vision_layers=1, layers=2))

    for number in (1, 2):
        shutil.rmtree(run.folder / f"iteration-0{number}")
    write_state(run, RunState(run=run.name, state="stopped"))
    page = read(report_html(run))
    assert page.faults == []
    assert "No version was better" in "".join(page.text)
    assert run.stage(0, "evaluate").read("scores", ScoreRow)


# --- charts --------------------------------------------------------------------------------------------------------


def test_accuracy_chart_places_points_by_value_and_escapes_labels():
    points = [
        Point(label="judge-v0", value=0.2, low=0.1, high=0.3),
        Point(label="<b>", value=0.6, low=0.5, high=0.7, best=True),
    ]
    page = read(accuracy_chart(points, {"shorter-wins": 0.4}, title='a "title"'))
    assert page.faults == []
    dots = [attributes for tag, attributes in page.tags if tag == "circle"]
    assert float(dots[0]["cy"]) > float(dots[1]["cy"])
    assert [dot["class"] for dot in dots] == ["dot", "dot best"]
    assert "b" not in {tag for tag, _ in page.tags}
    control = next(float(a["y1"]) for tag, a in page.tags if tag == "line" and a.get("class") == "control")
    assert float(dots[1]["cy"]) < control < float(dots[0]["cy"])


def test_loss_chart_labels_do_not_overlap():
    curves = {f"judge-v{n}": [(1, 2.0), (50, 0.5 + n / 1000)] for n in range(4)}
    places = sorted(
        float(a["y"]) for tag, a in read(loss_chart(curves, title="t")).tags if tag == "text" and a["class"] == "side"
    )
    assert all(later - earlier >= 13.9 for earlier, later in pairwise(places))


@pytest.mark.parametrize("count", [1, 399, 400, 401, 10_000])
def test_thinned_curve_is_short_and_keeps_its_last_point(count):
    curve = [(step, 1.0 / (step + 1)) for step in range(count)]
    short = thinned(curve)
    assert len(short) <= 400
    assert short[-1] == curve[-1]
    assert [step for step, _ in short] == sorted({step for step, _ in short})


def test_report_says_whether_the_pictures_are_needed(tmp_path):
    base = save_tiny_llava(tmp_path / "tiny", width=64, vision_layers=1, layers=2)
    run = made_run(tmp_path / "workspace", base)
    assert "Are the pictures needed?" not in report_html(run)
    row = ScoreRow(
        judge="control:text-only", benchmark="pairs", protocol="both-orders-mean", dimension="all", n=100, accuracy=0.7,
        low=0.6, high=0.8, invalid=0.0, position_lean=0.0, length_lean=0.0,
    )  # fmt: skip
    run.stage(2, "synthesize").write("scores", [row])
    text = " ".join(read(report_html(run)).text)
    assert "The pairs of iteration 2: a classifier that sees the texts alone" in text
    assert "without looking" in text
