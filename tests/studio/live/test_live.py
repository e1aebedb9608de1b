"""Live judge from the web server's side: the queue and the child process, cards, history, uploads, files of many."""

import asyncio
import contextlib
import html
import json
import os
import signal
import sqlite3
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import psutil
import pytest
from PIL import Image

from engine.errors import BackendError, JudgeStudioError, SourceError, UsageError
from engine.shapes.scenes import scene_image
from engine.workspace.folders import Workspace
from engine.workspace.locks import device_lock
from studio.jobs import batches
from studio.live import history as judgements
from studio.live.answers import (
    check_question,
    device_note,
    example_buttons,
    examples,
    judge_choices,
    live_card,
    miniature_warning,
    progress_words,
    ruling_word,
    unanswered,
    usual_judges,
)
from studio.live.client import LiveJudge, LiveQuestion, busy_devices
from studio.live.picture import take_picture, uploaded_path
from studio.live.said import JudgeSaid, OrderSaid, Ruled, fold
from studio.live.visit import LiveForm, Visit, judge_live
from studio.look.cards import LiveHalf, LiveResult, live_result, live_results, together
from studio.page.page import create_page
from studio.queries import notes
from studio.tabs.live.batches import do_batch, results_of
from studio.tabs.live.batches_view import show_batches
from studio.tabs.live.components import lay_out_beside, lay_out_form
from studio.tabs.live.filling import Filling
from studio.tabs.live.judging import Judging
from studio.tabs.live.sight import Seen, Sight
from studio.tabs.live.view import show_command, show_history, show_results_of
from tests.patience import seconds
from tests.sample_workspace import HOSTILE

NOBODY = "nobody/judge-v1"
"""A judge of no run: the process answers with a sentence and needs no model for it."""


@pytest.fixture
def live(workspace: Workspace) -> Iterator[LiveJudge]:
    judge = LiveJudge(workspace)
    yield judge
    judge.close()


def question(*judges: str) -> LiveQuestion:
    return LiveQuestion(judges=judges, images=(), question="How many?", a="Three.", b="Four.")


def picture(folder: Path, name: str = "scene.png") -> Path:
    path = folder / name
    Image.new("RGB", (48, 48), (200, 40, 40)).save(path)
    return path


# --- the child process -------------------------------------------------------------------------------------------


def test_process_starts_with_the_first_question_and_serves_the_next(live: LiveJudge) -> None:
    assert not live.is_running
    first = list(live.ask(question(NOBODY)))
    assert [event["event"] for event in first] == ["start", "failed", "end"]
    assert "no run called 'nobody'" in first[1]["error"]
    child = live._child
    assert list(live.ask(question(NOBODY)))[-1]["event"] == "end"
    assert live._child is child
    assert live.waiting == 0


def test_question_behind_others_knows_its_place_and_gets_its_turn(live: LiveJudge) -> None:
    calls = [live.submit(question(*[NOBODY] * 200)) for _ in range(3)]
    assert [call.before() for call in calls if not call.has_started][-1] == 2
    for call in calls:
        while not call.is_over:
            call.news(wait=5.0)
        call.close()
    assert live.waiting == 0


def test_process_that_dies_in_the_middle_is_said_and_the_next_question_starts_another(live: LiveJudge) -> None:
    events = live.ask(question(*[NOBODY] * 50_000))
    next(events)
    assert live._child is not None
    live.log.write_text("why it died")
    os.kill(live._child.pid, signal.SIGKILL)
    with pytest.raises(BackendError, match=r"ended unexpectedly \(exit code -9\).*Judge again"):
        list(events)
    assert list(live.ask(question(NOBODY)))[-1]["event"] == "end"
    assert live.log.with_name("live.log.1").read_text() == "why it died"


def test_question_not_begun_when_the_process_dies_is_answered_by_a_new_one(live: LiveJudge) -> None:
    list(live.ask(question(NOBODY)))
    child = live._child
    assert child is not None
    os.kill(child.pid, signal.SIGSTOP)
    call = live.submit(question(NOBODY))
    os.kill(child.pid, signal.SIGKILL)
    events: list[Any] = []
    while not call.is_over:
        events += call.news(wait=5.0)
    call.close()
    assert [event["event"] for event in events] == ["start", "failed", "end"]
    assert live._child is not child


def test_visitor_who_leaves_cancels_the_question_and_frees_the_process(live: LiveJudge) -> None:
    events = live.ask(question(*[NOBODY] * 200_000))
    next(events)
    events.close()  # type: ignore[attr-defined]
    assert list(live.ask(question(NOBODY)))[-1]["event"] == "end"  # 200,000 judges would outlast the test's limit


def test_idle_process_has_ended_by_itself_and_comes_back(workspace: Workspace) -> None:
    live = LiveJudge(workspace, idle_seconds=0.05)
    try:
        list(live.ask(question(NOBODY)))
        live._listener.join(seconds(30))
        assert not live.is_running
        assert list(live.ask(question(NOBODY)))[-1]["event"] == "end"
    finally:
        live.close()


def test_streaming_coroutine_that_is_cancelled_leaves_no_question_behind(live: LiveJudge) -> None:
    async def leave() -> None:
        asked = LiveForm(images=(), question="q", a="a", b="b", judges=(NOBODY,) * 100_000)
        results = {NOBODY: JudgeSaid(judge="x", about="")}
        async with contextlib.aclosing(judge_live(live, asked, results, Visit())) as steps:
            async for _, told in steps:
                if not told:
                    break

    asyncio.run(leave())
    assert live.waiting == 0


def test_visitor_who_presses_stop_ends_the_judgement_and_the_process_is_free(live: LiveJudge) -> None:
    async def stop() -> int:
        asked = LiveForm(images=(), question="q", a="a", b="b", judges=(NOBODY,) * 100_000)
        results = {NOBODY: JudgeSaid(judge="x", about="")}
        visit, steps = Visit(), 0
        async for _, told in judge_live(live, asked, results, visit):
            steps += 1
            if not told:
                visit.leave()
        return steps

    assert asyncio.run(stop()) < 1_000
    assert live.waiting == 0
    assert list(live.ask(question(NOBODY)))[-1]["event"] == "end"


def test_visitor_who_waits_for_a_run_is_told_so_and_judged_when_it_has_ended(live: LiveJudge) -> None:
    async def wait() -> list[str]:
        asked = LiveForm(images=(), question="q", a="a", b="b", judges=(NOBODY,), wait=True)
        results = {NOBODY: JudgeSaid(judge="x", about="")}
        said = []
        with contextlib.ExitStack() as held:
            held.enter_context(device_lock("cpu", "run shapes-02"))
            async for now, told in judge_live(live, asked, results, Visit()):
                said.append(told)
                results = now
                held.close()
        assert results[NOBODY].failed is not None
        return said

    said = asyncio.run(wait())
    assert said[0] == "Waiting for run shapes-02."
    assert not any("Waiting" in told for told in said[1:])


# --- what the tab says -------------------------------------------------------------------------------------------


def told(order: str, verdict: str, prefers_a: float | None) -> dict[str, Any]:
    event = {"event": "said", "judge": "shapes-01/judge-v1", "order": order, "verdict": verdict}
    return {**event, "prefers_a": prefers_a, "reasoning": "So. [[A]]", "first": 0.1, "seconds": 1.0, "tokens": 2}


def test_events_become_what_was_said_of_the_visitors_own_responses_and_then_a_card(workspace: Workspace) -> None:
    choices = [choice for choice in judge_choices(workspace) if choice.name == "shapes-01/judge-v1"]
    results = unanswered(choices)
    for event in (
        {"event": "order", "judge": "shapes-01/judge-v1", "order": "AB"},
        {"event": "piece", "judge": "shapes-01/judge-v1", "order": "AB", "text": "So. "},
        told("AB", "B", 0.2),
        {"event": "order", "judge": "shapes-01/judge-v1", "order": "BA"},
        told("BA", "B", 0.4),
    ):
        results = fold(results, event)
    said = results["shapes-01/judge-v1"]
    assert [one.verdict for one in said.orders] == ["B", "B"]
    assert [one.confidence for one in said.orders] == pytest.approx([0.8, 0.6])
    assert ruling_word(said) == "B"
    shown = live_result(live_card(said))
    assert "the first shown, your B" in shown
    assert "Both orders prefer B" in shown


def test_choices_begin_with_the_best_version_and_never_name_what_is_not_there(workspace: Workspace) -> None:
    names = [choice.name for choice in judge_choices(workspace)]
    assert names[:2] == ["shapes-01/judge-v1", "shapes-01/judge-v0"]
    assert usual_judges(names, "shapes-01") == ["shapes-01/judge-v1", "shapes-01/judge-v0"]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"judges": []}, "no judge version is chosen"),
        ({"judges": ["/etc"]}, "there is no judge '/etc'"),
        ({"judges": ["shapes-01/judge-v1"] * 5}, "too many at once"),
        ({"pictures": 0}, "there is no image"),
        ({"pictures": 17}, "17 images are too many for one question. Use up to 16"),
        ({"a": "  "}, "response A is empty"),
        ({"b": "x" * 9_000}, "response B has 9,000 characters"),
    ],
)
def test_question_that_cannot_be_asked_is_refused_in_a_sentence(
    workspace: Workspace, values: dict[str, Any], sentence: str
) -> None:
    usual: dict[str, Any] = {
        "judges": ["shapes-01/judge-v1"], "question": "q", "a": "a", "b": "b", "pictures": 1,
    }  # fmt: skip
    with pytest.raises(UsageError, match=sentence):
        check_question(workspace, **{**usual, **values})


def test_waiting_is_said_in_words_with_a_count() -> None:
    assert progress_words(None, 2, 3.0) == "2 judgements of other visitors before yours. 3 s so far."
    assert progress_words({"event": "waiting", "holder": "run shapes-02"}, 0, 0.2) == "Waiting for run shapes-02."
    assert progress_words({"event": "loading"}, 0, 12.0).endswith("12 s so far.")
    assert progress_words({"event": "piece"}, 0, 12.0) == ""


def test_run_that_holds_the_device_is_named_with_all_three_choices(workspace: Workspace) -> None:
    with device_lock("cpu", "run shapes-01"):
        note = device_note(workspace, busy_devices())
    assert "Run shapes-01 is using the CPU. You can judge now" in note
    assert "wait for it, or stop it" in note
    assert 'data-act="stop-run" data-id="shapes-01"' in note
    assert busy_devices() == {}
    assert device_note(workspace, {}) == ""


def test_holder_from_elsewhere_cannot_be_stopped_from_here(workspace: Workspace) -> None:
    note = device_note(workspace, {"cuda": "run of-another-workspace"})
    assert "data-act" not in note
    assert "stop it" not in note


def test_shipped_examples_are_pictures_with_a_question_and_two_responses() -> None:
    assert len(examples()) == 4
    assert all(set(example) == {"image", "question", "a", "b"} for example in examples())
    assert example_buttons().count("data:image/png;base64,") == 4


# --- history -----------------------------------------------------------------------------------------------------


def finished(verdict: Any = "A") -> JudgeSaid:
    said = OrderSaid(order="AB", state="done", verdict=verdict, reasoning=HOSTILE, seconds=1.5, prefers_a=0.75)
    return JudgeSaid(
        judge="judge-v1", about="shapes-01", orders=(said, OrderSaid(order="BA", state="done", verdict="B", tokens=3))
    )


def test_judgement_comes_back_whole_after_a_restart(workspace: Workspace) -> None:
    key = judgements.keep(
        workspace, images=["images/x.png", "images/y.png", "images/z.png"], question=HOSTILE, a="a", b="b",
        judges=["shapes-01/judge-v1"],
        said=[finished()],
    )  # fmt: skip
    found = judgements.find(workspace, key)
    assert found is not None
    assert (found.question, found.judges, found.said) == (HOSTILE, ("shapes-01/judge-v1",), (finished(),))
    assert found.images == ("images/x.png", "images/y.png", "images/z.png")
    page = show_history(workspace)
    assert "<script>" not in page
    assert f'data-act="history" data-id="{key}"' in page


def test_row_of_the_version_before_still_opens(workspace: Workspace) -> None:
    """`rows/studio-8e95429.sql` is a dump of what the code of that commit wrote: cards, with letters by place."""
    dump = (Path(__file__).parent / "rows" / "studio-8e95429.sql").read_text(encoding="utf-8")
    with contextlib.closing(sqlite3.connect(workspace.notes)) as database:
        database.executescript(dump)
        database.execute("PRAGMA user_version = 2")
    (found,) = judgements.recent(workspace)
    assert [[one.verdict for one in said.orders] for said in found.said] == [["A", "A"], ["A", "B"]]
    assert [one.confidence for said in found.said for one in said.orders] == pytest.approx([0.9, 0.8, 0.9, 0.7])
    assert [ruling_word(said) for said in found.said] == ["A", "order-flip"]
    assert "Both orders prefer A" in show_results_of(workspace, found)


def test_history_is_newest_first_forgets_the_oldest_and_knows_no_foreign_key(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert judgements.recent(workspace) == []
    notes.set_flag(workspace, "shapes-01", "p1", True)  # the file was there before the first judgement
    monkeypatch.setattr(judgements, "KEPT", 3)
    for name in ("one", "two", "three", "four"):
        judgements.keep(workspace, images=[name, f"{name} too"], question=name, a="a", b="b", judges=[], said=[])
    assert [one.question for one in judgements.recent(workspace)] == ["four", "three", "two"]
    assert judgements.find(workspace, "' OR 1=1 --") is None
    with notes.open_notes(workspace) as database:
        assert database.execute("SELECT count(*) FROM live_pictures").fetchone() == (3,)


def test_history_that_cannot_be_read_is_a_sentence_on_the_page(workspace: Workspace) -> None:
    workspace.notes.write_bytes(b"not a database" * 100)
    assert "cannot use the notes" in show_history(workspace)


# --- pictures ----------------------------------------------------------------------------------------------------


def test_uploaded_picture_is_stored_once_by_content(workspace: Workspace, tmp_path: Path) -> None:
    paths = {take_picture(workspace, picture(tmp_path, name)) for name in ("a.png", "b.png")}
    (stored,) = paths
    assert (workspace.root / stored).is_file()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("text.png", b"hello"),
        ("empty.png", b""),
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
    ],
)
def test_upload_that_is_no_picture_is_refused_with_its_name(
    workspace: Workspace, tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SourceError, match=rf"{name}: .*Choose a PNG, JPEG or WebP file"):
        take_picture(workspace, path)


def test_record_of_an_upload_may_name_nothing_outside_the_upload_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "incoming"))
    inside = tmp_path / "incoming" / "ab" / "x.png"
    assert uploaded_path({"path": str(inside)}) == inside
    for odd in ("/etc/passwd", str(tmp_path / "incoming" / ".." / "x.png"), "a\0b", None, 7):
        with pytest.raises(SourceError):
            uploaded_path({"path": odd})
    with pytest.raises(SourceError):
        uploaded_path("not a record")


# --- many at once ------------------------------------------------------------------------------------------------


def zipped(folder: Path, lines: list[dict[str, Any]], images: dict[str, bytes], inside: str = "") -> Path:
    path = folder / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{inside}list.jsonl", "\n".join(json.dumps(line) for line in lines))
        for name, data in images.items():
            archive.writestr(f"{inside}{name}", data)
    return path


def comparison(**more: Any) -> dict[str, Any]:
    return {"question": "How many?", "a": "Three.", "b": "Four.", **more}


def wait_until_ended(workspace: Workspace) -> batches.JudgedFile:
    key = batches.batches(workspace)[0].key
    record = json.loads((workspace.root / "batches" / key / "batch.json").read_text())
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(record["pid"]).wait(seconds(120))
    return batches.batches(workspace)[0]


def test_zip_brings_its_images_into_the_workspace_and_keeps_their_names(workspace: Workspace, tmp_path: Path) -> None:
    data = picture(tmp_path).read_bytes()
    upload = zipped(tmp_path, [comparison(image="a.png"), comparison()], {"a.png": data}, inside="folder/")
    key = batches.start_batch(workspace, upload, [NOBODY])
    lines = (workspace.root / "batches" / key / "comparisons.jsonl").read_text().splitlines()
    first, second = (json.loads(line) for line in lines)
    assert first["image_name"] == "a.png"
    assert (workspace.root / "batches" / key / first["image"]).resolve().is_relative_to(workspace.images)
    assert "image" not in second
    batch = wait_until_ended(workspace)
    assert (batch.state, batch.done, batch.total, batch.name) == ("failed", 0, 2, "many.zip")
    assert "no run called 'nobody'" in batch.error


def test_list_may_hold_a_line_separator_within_a_text(workspace: Workspace, tmp_path: Path) -> None:
    upload = tmp_path / "list.jsonl"
    upload.write_text(json.dumps(comparison(a="one\u2028two"), ensure_ascii=False) + "\r\n", encoding="utf-8-sig")
    key = batches.start_batch(workspace, upload, [NOBODY])
    (line,) = (workspace.root / "batches" / key / "comparisons.jsonl").read_text(encoding="utf-8").rstrip().split("\n")
    assert json.loads(line)["a"] == "one\u2028two"
    wait_until_ended(workspace)


@pytest.mark.parametrize("name", ["/etc/hostname", "../../../etc/hostname", "other.png", "images/../x.png"])
def test_upload_that_names_files_of_this_machine_is_refused(workspace: Workspace, tmp_path: Path, name: str) -> None:
    upload = tmp_path / "list.jsonl"
    upload.write_text(json.dumps(comparison(image=name)))
    with pytest.raises(SourceError, match=r"list.jsonl line 1: no image '.*' in the upload"):
        batches.start_batch(workspace, upload, [NOBODY])
    assert batches.batches(workspace) == []
    assert list((workspace.root / "batches").iterdir()) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("{", "line 1: not JSON"), ("[]", "line 1: expected an object"), ('{"question": "q"}', "line 1: 'a' is missing")],
)
def test_line_that_is_no_comparison_is_named(workspace: Workspace, tmp_path: Path, text: str, sentence: str) -> None:
    upload = tmp_path / "list.jsonl"
    upload.write_text(text)
    with pytest.raises(SourceError, match=sentence):
        batches.start_batch(workspace, upload, [NOBODY])


def test_zip_with_a_broken_image_names_its_line(workspace: Workspace, tmp_path: Path) -> None:
    upload = zipped(tmp_path, [comparison(image="a.png")], {"a.png": b"no picture"})
    with pytest.raises(SourceError, match=r"list.jsonl line 1: image 'a.png'"):
        batches.start_batch(workspace, upload, [NOBODY])


def test_batch_is_cancelled_resumed_and_removed(workspace: Workspace, tmp_path: Path) -> None:
    upload = tmp_path / "list.jsonl"
    upload.write_text(json.dumps(comparison()))
    key = batches.start_batch(workspace, upload, [NOBODY])
    do_batch(workspace, "cancel", key)
    assert wait_until_ended(workspace).state == "stopped"
    do_batch(workspace, "resume", key)
    assert wait_until_ended(workspace).state == "failed"
    with pytest.raises(UsageError, match="no verdict is written yet"):
        do_batch(workspace, "verdicts", key)
    do_batch(workspace, "remove", key)
    assert batches.batches(workspace) == []


@pytest.mark.parametrize("key", ["", "..", "../runs", "0123456789ab", "x" * 300])
def test_batch_key_that_is_none_is_refused(workspace: Workspace, key: str) -> None:
    for act in ("cancel", "resume", "remove", "verdicts"):
        with pytest.raises(JudgeStudioError, match="no such upload"):
            do_batch(workspace, act, key)


def test_batch_counts_whole_verdicts_and_offers_them(workspace: Workspace) -> None:
    folder = workspace.root / "batches" / "0123456789ab"
    folder.mkdir(parents=True)
    record = {"name": HOSTILE, "judges": [NOBODY], "total": 2, "created": 1.0, "pid": None}
    (folder / "batch.json").write_text(json.dumps(record))
    (folder / "verdicts.jsonl").write_text('{"verdict": "A"}\n{"verdict": "B"}\n')
    (batch,) = batches.batches(workspace)
    assert (batch.state, batch.done) == ("done", 2)
    shown = show_batches([batch], results_of(workspace, [batch]))
    assert "<script>" not in shown
    assert "2 of 2" in shown
    file = do_batch(workspace, "verdicts", "0123456789ab")
    assert file is not None
    assert file.read_text() == (folder / "verdicts.jsonl").read_text()


def test_judge_that_does_not_start_is_said_and_the_button_comes_back(workspace: Workspace) -> None:
    with gr.Blocks(analytics_enabled=False):
        page = create_page(workspace)
        form, beside = lay_out_form(page), lay_out_beside(page)
        judging = Judging(workspace, form, beside)
    (workspace.root / "live.log").touch()
    (workspace.root / "live.log.1").mkdir()  # so that the log cannot be begun

    async def steps() -> list[Any]:
        asked = (("images/a.png",), "How many?", "One.", "Two.", [], "now")
        return [step async for step in judging.answer(SimpleNamespace(session_hash="x"), "shapes-01", "", *asked)]

    first, *_, last = asyncio.run(steps())
    assert first[form.judges]["value"] == ["shapes-01/judge-v1", "shapes-01/judge-v0"], "pressed before they were shown"
    assert "the live judge does not start" in last[beside.message]["value"]
    assert (last[form.start]["visible"], last[form.stop]["visible"]) == (True, False)


def test_command_of_the_live_judge_quotes_what_a_visitor_wrote(workspace: Workspace) -> None:
    asked = LiveForm(images=(), question="it's $(rm -rf ~)", a="a", b="b", judges=("shapes-01/judge-v1",))
    shown = html.unescape(show_command(workspace, asked))
    assert "'it'\"'\"'s $(rm -rf ~)'" in shown
    several = replace(asked, images=("images/a.png", "images/b.png"))
    assert show_command(workspace, several).count("--image ") == 2


@pytest.fixture
def sight(workspace: Workspace) -> Sight:
    with gr.Blocks(analytics_enabled=False):
        page = create_page(workspace)
        form, beside = lay_out_form(page), lay_out_beside(page)
    return Sight(page=page, form=form, beside=beside, filling=Filling(page=page, form=form, beside=beside))


def test_first_sight_is_an_example_of_the_run_with_the_rulings_it_was_measured_by(sight: Sight) -> None:
    _, shown = sight.drawn("shapes-01", "", "", "", [], Seen())
    assert shown[sight.form.question].startswith("Held-out question")
    assert {shown[sight.form.a], shown[sight.form.b]} == {"good", "bad"}
    assert shown[sight.form.judges]["value"] == ["shapes-01/judge-v1", "shapes-01/judge-v0"]
    assert "1 of 2 prefers" in shown[sight.beside.results]


def test_first_sight_without_a_run_is_a_shipped_example(sight: Sight) -> None:
    _, shown = sight.drawn(None, "", "", "", [], Seen())
    assert shown[sight.form.question] == examples()[0]["question"]
    (stored,) = shown[sight.form.stored]
    assert (sight.page.workspace.root / stored).is_file()


def test_form_that_somebody_filled_and_judges_of_the_url_are_left_alone(sight: Sight) -> None:
    seen, _ = sight.drawn("shapes-01", "", "", "", [], Seen())
    _, again = sight.drawn("shapes-01", "", "", "Mine?", ["shapes-01/judge-v0"], seen)
    assert sight.form.question not in again
    _, linked = sight.drawn("shapes-01", "", "", "", ["shapes-01/judge-v0"], seen)
    assert sight.form.question in linked
    assert linked[sight.form.judges] == gr.skip()


def test_swapped_answers_take_guess_and_rulings_along_and_ask_nobody(sight: Sight) -> None:
    first = OrderSaid(order="AB", state="done", verdict="A", prefers_a=0.75, reasoning="one")
    second = OrderSaid(order="BA", state="done", verdict="B", prefers_a=0.5, reasoning="other")
    said = JudgeSaid(judge="judge-v1", about="", orders=(first, second))
    ruled = Ruled(images=("a.png",), question="Which?", a="x", b="y", said=(said,))
    shown = sight.filling.swapped(["a.png"], "Which?", "x", "y", "A", ruled)
    assert (shown[sight.form.a], shown[sight.form.b], shown[sight.form.guess]) == ("y", "x", "B")
    (turned,) = shown[sight.beside.ruled].said
    assert [(one.order, one.verdict, one.prefers_a, one.reasoning) for one in turned.orders] == [
        ("AB", "A", 0.5, "other"), ("BA", "B", 0.25, "one"),
    ]  # fmt: skip
    assert "You said B." in shown[sight.beside.results]
    assert shown[sight.beside.ruled].turned() == ruled
    other = sight.filling.swapped(["a.png"], "Another?", "x", "y", "A", ruled)
    assert sight.beside.results not in other, "rulings on another question do not turn"
    other = sight.filling.swapped(["a.png", "b.png"], "Which?", "x", "y", "A", ruled)
    assert sight.beside.results not in other, "rulings on other pictures do not turn"


def test_pictures_are_added_taken_away_and_replaced_and_a_broken_one_loses_none(
    sight: Sight, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    sent = []
    for number in range(4):
        Image.new("RGB", (48, 48), (60 * number, 0, 0)).save(tmp_path / f"{number}.png")
        sent.append({"path": str(tmp_path / f"{number}.png")})
    (tmp_path / "text.png").write_text("hello")
    filling, form = sight.filling, sight.form
    one = filling.uploaded(sent[0], ())
    assert (len(one[form.stored]), one[form.more]["visible"], one[form.add]["visible"]) == (1, False, True)
    shown = filling.added(sent[1:3], one[form.stored])
    three = shown[form.stored]
    assert len(set(three)) == 3
    assert "image 2" in shown[form.more]["value"]
    assert "image 3" in shown[form.more]["value"]
    broken = filling.added([sent[3], {"path": str(tmp_path / "text.png")}], three)
    assert broken[form.stored][:3] == three
    assert "text.png" in broken[sight.beside.message]["value"]
    pressed = SimpleNamespace(id=f"2 {three[1]}")
    two = filling.removed(three, pressed)[form.stored]
    assert two == (three[0], three[2])
    assert filling.removed(two, pressed)[form.stored] == two, "a second press of the same takes no other"
    assert filling.uploaded(sent[3], three)[form.stored][1:] == three[1:]


def test_batch_shows_wins_flips_and_agreement_of_its_judges(workspace: Workspace) -> None:
    folder = workspace.root / "batches" / "0123456789cd"
    folder.mkdir(parents=True)
    record = {"name": HOSTILE, "judges": ["v1", "v0"], "total": 6, "created": 1.0, "pid": None}
    (folder / "batch.json").write_text(json.dumps(record))
    said = {"v1": ("A", "B", "A"), "v0": ("A", "A", "order-flip")}
    lines = [
        json.dumps({"judge": judge, "key": str(key), "verdict": verdict})
        for judge, verdicts in said.items()
        for key, verdict in enumerate(verdicts)
    ]
    (folder / "verdicts.jsonl").write_text("\n".join(lines) + "\n")
    found = batches.batches(workspace)
    shown = show_batches(found, results_of(workspace, found))
    assert "2 (67 %)" in shown
    assert "v1 and v0 name the same answer on 50 % of the 2 on which both name one" in shown
    assert "<script>" not in shown


def test_empty_file_is_refused_by_the_visitors_own_name(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text("\n\n")
    with pytest.raises(JudgeStudioError, match=r"^mine\.jsonl: holds no comparison"):
        batches.start_batch(workspace, tmp_path / "mine.jsonl", ["shapes-vlm"])


def test_sample_file_is_one_that_can_be_uploaded(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "_spawn", lambda *_values: None)
    key = batches.start_batch(workspace, batches.sample_file(workspace), ["shapes-vlm"])
    lines = (workspace.root / "batches" / key / "comparisons.jsonl").read_text().splitlines()
    assert len(lines) == 4


def in_both_orders(*verdicts: str) -> LiveResult:
    halves = [
        LiveHalf(first="A" if place == 0 else "B", state="done", verdict=verdict, confidence=1.0)
        for place, verdict in enumerate(verdicts)
    ]
    return LiveResult(judge="judge", about="run", a_first=halves[0], b_first=halves[1])


def test_judges_together_are_one_line_with_the_visitors_own_guess() -> None:
    four = [in_both_orders("A", "A"), in_both_orders("A", "A"), in_both_orders("A", "A"), in_both_orders("A", "B")]
    assert together(four, "B") == "3 of 4 prefer A, one flips. You said B."
    assert together(four[:1]) == ""
    assert "3 of 4 prefer A, one flips." in live_results(four)


def test_flip_shows_no_confidence() -> None:
    assert "100 %" not in live_results([in_both_orders("A", "B")])  # how sure of a place is none in a response
    assert "100 %" in live_results([in_both_orders("A", "A")])


def test_miniature_is_named_for_pictures_it_was_not_made_for(workspace: Workspace) -> None:
    Image.new("RGB", (640, 480)).save(workspace.root / "photo.png")
    scene_image(0, 0).save(workspace.root / "scene.png")
    warning = miniature_warning(workspace, ["shapes-vlm"], ["photo.png"])
    assert warning.startswith("shapes-vlm knows drawn shapes only")
    assert miniature_warning(workspace, ["shapes-vlm"], ["scene.png"]) == ""
    assert miniature_warning(workspace, ["shapes-vlm"], []) == ""
    assert miniature_warning(workspace, ["nobody/judge-v1"], ["photo.png"]) == ""
    assert "single drawn scenes only" in miniature_warning(workspace, ["shapes-vlm"], ["scene.png", "scene.png"])
