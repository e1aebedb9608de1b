"""Training: curves, sentences, lineage, empty states, live while a version is trained."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import gradio as gr
import pytest

from engine.records import Step
from engine.workspace.decisions import promote
from engine.workspace.folders import Workspace
from engine.workspace.locks import run_lock
from engine.workspace.state import RunState, write_state
from studio.page.page import Page, create_page
from studio.queries.training import ends, smoothed
from studio.tabs import training as tab
from studio.tabs.training import accuracy_sentence, loss_sentence, show_training
from tests.sample_workspace import make_workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path / "ws")


@pytest.fixture
def page(workspace: Workspace) -> Iterator[Page]:
    with gr.Blocks(analytics_enabled=False):
        yield create_page(workspace)


def steps(*losses: float, accuracy: float | None = 0.5) -> list[Step]:
    return [
        Step(step=n, epoch=n / 2, loss=loss, learning_rate=1e-5 * n, token_accuracy=accuracy, tokens=100 * n)
        for n, loss in enumerate(losses, 1)
    ]


def test_finished_training_shows_curves_numbers_and_where_each_version_came_from(page: Page) -> None:
    shown = show_training(page, "shapes-01")
    assert shown.figures is not None
    loss, accuracy, rate = shown.figures
    assert list(loss.data[0].y) == pytest.approx([1.0, 0.5, 1 / 3])
    assert list(accuracy.data[0].y) == pytest.approx([0.6, 0.7, 0.8])
    assert list(rate.data[0].y) == pytest.approx([1e-4] * 3)
    text = "\n".join(shown.cards)
    assert "the loss fell, 1.000 to 0.333 nats per token over 3 steps" in text
    assert "12 traces" in text
    assert "judge-v1" in text
    assert "base model" in text
    assert "versions.older=judge-v0" in text, "a version links to its comparison with its parent"


def test_promoted_version_is_marked_in_the_lineage(page: Page, workspace: Workspace) -> None:
    before = show_training(page, "shapes-01").cards[-1]
    promote(workspace.run("shapes-01"), "judge-v0")
    after = show_training(page, "shapes-01").cards[-1]
    assert "promoted" not in before
    assert "promoted" in after


def test_version_that_is_being_trained_is_shown_as_live_with_its_total(page: Page, workspace: Workspace) -> None:
    run = workspace.run("shapes-01")
    selected = run.stage(2, "select")
    selected.begin({"iteration": 2})
    selected.finish({"kept": 2_236})
    folder = run.stage(2, "train")
    folder.begin({"iteration": 2})
    folder.write("steps", steps(2.0, 1.5))
    state = RunState(run="shapes-01", state="running", stage="train", iteration=2, done=2, total=40, unit="steps")
    with run_lock(run):
        write_state(run, state)
        shown = show_training(page, "shapes-01")
    text = "\n".join(shown.cards)
    assert "judge-v2 is training" in text
    assert "of 40" in text
    assert "2,236" in text, "what it is trained on is known before it ends"
    assert "not finished" in text
    assert shown.figures is not None
    assert shown.figures[0].layout.xaxis.range[1] == 40
    assert "judge-v2 is training" not in "\n".join(show_training(page, "shapes-01").cards), "the process is gone"


def test_long_training_is_thinned_but_keeps_its_last_step(page: Page, workspace: Workspace) -> None:
    folder = workspace.run("shapes-01").stage(2, "train")
    folder.begin({"iteration": 2})
    folder.write("steps", steps(*(3.0 / n for n in range(1, 5_001))))
    shown = show_training(page, "shapes-01")
    assert shown.figures is not None
    newest = shown.figures[0].data[-1]
    assert len(newest.x) <= 401
    assert newest.x[-1] == 5_000


def test_number_at_the_end_of_a_curve_is_that_of_its_tile_and_its_sentence(page: Page, workspace: Workspace) -> None:
    folder = workspace.run("shapes-01").stage(2, "train")
    folder.begin({"iteration": 2})
    folder.write("steps", steps(*range(60, 0, -1)))
    shown = show_training(page, "shapes-01")
    assert shown.figures is not None
    (label,) = shown.figures[0].layout.annotations
    assert label.text == "<b>3.500</b>", "the mean of the last six; the smoothed line ends lower"
    text = "\n".join(shown.cards)
    assert "to 3.500 nats per token" in text
    assert ">3.500<" in text


def test_version_in_front_is_the_one_that_is_drawn_last_and_told_about(page: Page, workspace: Workspace) -> None:
    folder = workspace.run("shapes-01").stage(2, "train")
    folder.begin({"iteration": 2})
    folder.write("steps", steps(*range(60, 0, -1)))
    shown = show_training(page, "shapes-01", version="judge-v1")
    assert shown.figures is not None
    assert list(shown.figures[0].data[-1].y) == pytest.approx([1.0, 0.5, 1 / 3])
    assert "judge-v1: the loss fell" in "\n".join(shown.cards)
    assert [value for _, value in shown.versions] == ["", "judge-v1", "judge-v2"]
    assert "judge-v2: the loss" in "\n".join(show_training(page, "shapes-01", version="<script>").cards)


def test_smoothing_is_chosen_and_every_steps_own_value_can_be_seen(page: Page, workspace: Workspace) -> None:
    folder = workspace.run("shapes-01").stage(2, "train")
    folder.begin({"iteration": 2})
    folder.write("steps", steps(*(float(n % 5 == 0) for n in range(120))))
    spans = {}
    for smoothing in ("none", "little", ""):
        shown = show_training(page, "shapes-01", smoothing=smoothing)
        assert shown.figures is not None
        line = shown.figures[0].data[-1].y
        spans[smoothing] = max(line[20:100]) - min(line[20:100])
    assert spans["none"] == 1.0
    assert spans["none"] > spans["little"] > spans[""]


def test_nothing_trained_and_no_run_say_what_to_do_next(page: Page, workspace: Workspace) -> None:
    workspace.run("new").folder.mkdir()
    assert "Nothing trained yet. Training begins after select." in show_training(page, "new").cards[0]
    assert "No run yet." in show_training(page, None).cards[0]
    assert show_training(page, None).figures is None


def test_sentences_do_not_praise_what_did_not_happen() -> None:
    assert "the loss rose, 1.000 to 1.200" in loss_sentence(1, steps(1.0, 1.2))
    assert "stayed the same" in loss_sentence(1, steps(1.0, 1.0))


def test_loss_is_the_mean_of_a_tenth_not_of_one_batch() -> None:
    """The last batch alone is higher than the first one, though the loss fell."""
    losses = [0.5, 0.9, 0.9, 0.9, *[0.6] * 32, 0.3, 0.3, 0.3, 0.7]
    assert "fell, 0.800 to 0.400" in loss_sentence(1, steps(*losses))
    line = smoothed(losses)
    assert len(line) == len(losses)
    assert (line[0], line[-1]) == pytest.approx(ends(losses)), "the curve ends at the number that is written beside it"
    assert max(abs(a - b) for a, b in pairwise(line)) < 0.25
    assert smoothed([1.0, None, 0.5]) == [1.0, None, 0.5]
    assert accuracy_sentence(1, steps(1.0, accuracy=None)) == "Token accuracy was not recorded."


def test_menu_of_versions_always_offers_what_it_shows(page: Page) -> None:
    """Gradio refuses a menu's value that is not among its choices, with a red box over whatever tab is open then."""
    for shown in (show_training(page, None), show_training(page, "shapes-01", version="judge-v9")):
        assert "" in {value for _, value in shown.versions}


def test_tab_can_be_built(workspace: Workspace) -> None:
    with gr.Blocks(analytics_enabled=False):
        tab.build(create_page(workspace))
