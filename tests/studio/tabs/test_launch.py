"""The Launch tab: the form made from the schema, plan, command, preview, and the chosen run."""

from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from engine.config import Settings, flat, load_settings, presets
from engine.runs.ready import ready_facts
from engine.workspace.files import write_json
from engine.workspace.folders import Workspace, open_workspace
from engine.workspace.state import RunState, read_state, write_state
from studio.jobs import runs as jobs
from studio.jobs.child import Ended
from studio.page.page import create_page
from studio.page.setting_labels import LABELS, is_asked
from studio.page.settings_form import (
    FormField,
    as_setting,
    as_shown,
    changes,
    fault_of,
    form_fields,
    preset_values,
    settings_of,
    summaries,
)
from studio.tabs.launch import chosen, editing, form, starting
from studio.tabs.launch.form import nearest_preset
from studio.tabs.launch.ready import refusal
from studio.tabs.launch.view import preview_card
from tests.sample_workspace import HOSTILE, make_workspace

FIELDS = {field.key: field for field in form_fields()}


def test_form_has_every_setting_once_with_its_help_and_unit() -> None:
    assert list(FIELDS) == list(flat(Settings()))
    assert all(field.help for field in form_fields())
    assert FIELDS["judge.max_tokens"].unit == "tokens"
    assert "From 0 to 5." in FIELDS["judge.temperature"].help
    assert FIELDS["select.rule"].choices == ("joint", "per-order", "consistency", "any")


@pytest.mark.parametrize("preset", ["shapes", "shapes-full", "paper"])
def test_preset_shown_in_the_form_and_read_back_changes_nothing(preset: str) -> None:
    values = preset_values(preset)
    shown = {key: as_shown(field, values[key]) for key, field in FIELDS.items()}
    assert changes(preset, shown) == {}


def test_entered_values_become_the_overrides_of_the_command() -> None:
    values = preset_values("shapes")
    shown = {key: as_shown(field, values[key]) for key, field in FIELDS.items()}
    shown |= {"judge.temperature": 0.7, "source.path": " /photos ", "select.max_per_image": "3", "source.limit": ""}
    assert changes("shapes", shown) == {
        "judge.temperature": 0.7,
        "source.path": "/photos",
        "select.max_per_image": 3,
    }


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("judge.temperature", 9, "less than or equal to 5"),
        ("loop.iterations", 1.5, "valid integer"),
        ("loop.iterations", None, "valid integer"),
        ("source.held_out", -1, "greater than or equal to 0"),
        ("source.limit", "many", "valid integer"),
        ("source.limit", "0", "greater than or equal to 1"),
    ],
)
def test_value_out_of_range_is_said_at_its_field(key: str, value: Any, says: str) -> None:
    fault = fault_of(FIELDS[key], value)
    assert fault is not None
    assert says in fault
    assert key in fault


@pytest.mark.parametrize("text", ["yes: [no", "2024", "null", "<script>"])
def test_text_that_yaml_would_read_otherwise_stays_that_text(text: str) -> None:
    field = FIELDS["source.path"]
    assert fault_of(field, text) is None
    settings = settings_of("shapes", {"source.path": as_setting(field, text)})
    assert settings.source.path == text
    words = jobs.Launch(preset="shapes", overrides={"source.path": text}).words()
    read = load_settings(preset="shapes", overrides=dict([words[-1].split("=", 1)]))
    assert read.source.path == text


def test_every_group_has_a_summary_for_its_accordion() -> None:
    assert list(summaries(Settings())) == list(Settings.model_fields)


def test_plan_and_command_of_the_demo(tmp_path: Path) -> None:
    plan, command = editing.show_plan(open_workspace(tmp_path), "shapes", "", {})
    for stage in ("Synthesize", "Judge", "Select", "Train", "Evaluate"):
        assert stage in plan
    assert "not known yet" in plan
    assert "judge-studio run" in command


def test_plan_of_settings_that_cannot_be_is_their_sentence(tmp_path: Path) -> None:
    plan, _ = editing.show_plan(open_workspace(tmp_path), "shapes", "", {"judge.temperature": 9})
    assert "st-note is-error" in plan
    assert "judge.temperature cannot be 9" in plan


def test_command_shows_hostile_text_as_text(tmp_path: Path) -> None:
    _, command = editing.show_plan(open_workspace(tmp_path), "shapes", "", {"source.path": HOSTILE})
    assert "<script>" not in command
    assert "&lt;script&gt;" in command


def test_chosen_run_shows_settings_events_and_its_action(tmp_path: Path) -> None:
    run = make_workspace(tmp_path).run("shapes-01")
    about, now = chosen.show_run(run)
    assert "Settings of shapes-01" in about
    assert "Resume the run" in now
    assert "judge-studio resume shapes-01" in now


def test_leak_of_the_pairs_is_said_before_they_are_trained_on(tmp_path: Path) -> None:
    run = make_workspace(tmp_path).run("shapes-01")
    number = read_state(run).iteration
    summary = run.stage(number, "synthesize").summary() or {}
    write_json(
        run.stage(number, "synthesize").folder / "done.json", {**summary, "leaks": [f"The pairs leak. {HOSTILE}"]}
    )
    _, now = chosen.show_run(run)
    assert "st-note is-warn" in now
    assert "The pairs leak." in now
    assert "<script>" not in now


def test_finished_run_offers_more_iterations(tmp_path: Path) -> None:
    run = make_workspace(tmp_path).run("shapes-01")
    write_state(run, RunState(run=run.name, state="done", iteration=2, iterations=2))
    _, now = chosen.show_run(run)
    assert 'data-act="next-iteration"' in now
    assert 'data-act="until-plateau"' in now
    assert "judge-studio resume shapes-01 \\\n  --iterations 2" in now, (
        "the same from a terminal is what the button does"
    )


def test_failed_run_shows_the_reason_and_an_open_log(tmp_path: Path) -> None:
    run = make_workspace(tmp_path).run("shapes-01")
    run.log.write_text(f"starting\n{HOSTILE}\n", encoding="utf-8")
    write_state(run, RunState(run=run.name, state="failed", error=f"train: {HOSTILE}"))
    about, now = chosen.show_run(run)
    assert "st-note is-error" in now
    assert "<details" in about
    assert " open" in about
    assert now.index("Resume the run") < now.index("Copy with another base model")
    assert "<script>" not in about + now


def test_failed_run_is_copied_for_another_base_model_and_no_longer_said_to_have_started(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    run = workspace.run("shapes-01")
    answers = chosen._Chosen(workspace)
    copied = answers.copy(gr.EventData(None, {"act": "copy-base", "id": run.name}))
    assert (copied[0], copied[2]) == ("new", "own")
    *_, working = answers.redraw("run", run.name, chosen.Drawn(is_run=False, state="", sources=[], texts=("",) * 4))
    write_state(run, RunState(run=run.name, state="failed", error="model.base: no such model"))
    *_, message, failed = answers.redraw("run", run.name, working)
    assert message == gr.update(visible=False)
    assert answers.redraw("run", run.name, failed)[-2] == gr.skip()


@pytest.mark.parametrize("name", sorted(presets()))
def test_copied_settings_belong_to_the_preset_they_are_nearest_to(name: str) -> None:
    assert nearest_preset({**preset_values(name), "loop.seed": 7, "source.path": "/photos"}) == name


def test_preview_shows_model_text_as_text_and_counts_what_was_dropped() -> None:
    pairs = [
        {"pair_id": "a", "question": HOSTILE, "preferred": HOSTILE, "degraded": "x", "strategy": "alteration",
         "dimension": "count", "image": "javascript:alert(1)", "width": 48, "dropped": None},
        {"pair_id": "b", "question": "q", "preferred": "", "degraded": "", "strategy": "majority",
         "dimension": "count", "image": "data:image/png;base64,AAAA", "width": 48, "dropped": "no-majority"},
    ]  # fmt: skip
    shown = preview_card(pairs)
    assert "1 pair usable of 2 instructions" in shown
    assert "<script>" not in shown
    assert "javascript:" not in shown
    assert "data:image/png;base64,AAAA" in shown


def test_preview_that_prints_no_pairs_is_a_sentence() -> None:
    assert "no list of pairs" in starting._preview_outcome(Ended(code=0, said=b'{"a": 1}', problem=b""))
    failed = Ended(code=1, said=b"", problem=b"judge-studio preview: no such model")
    assert "no such model" in starting._preview_outcome(failed)


def test_unknown_act_in_launch_does_nothing(tmp_path: Path) -> None:
    workspace: Workspace = make_workspace(tmp_path)
    assert chosen.do(workspace, "format", "shapes-01") == ""


def test_field_ids_are_unique() -> None:
    ids = [form.field_id(field) for field in form_fields()]
    assert len(set(ids)) == len(ids)
    assert isinstance(form_fields()[0], FormField)


# --- own images ----------------------------------------------------------------------------------------------------


def taken_in(workspace: Workspace, *, images: int = 25) -> str:
    """A folder of pictures, as the Images tab leaves it; its key."""
    folder = workspace.uploads / "folder-photos"
    folder.mkdir(parents=True)
    record = {"label": "folder photos", "settings": {"kind": "folder", "path": str(folder)}, "state": "done"}
    write_json(folder / "source.json", {**record, "created": 1.0, "count": {"entries": images, "images": images}})
    return folder.name


def left_field(element_id: str) -> gr.EventData:
    return gr.EventData(None, {"field": element_id})


def form_inputs(preset: str, **changed: Any) -> list[Any]:
    values = preset_values(preset)
    shown = {key: as_shown(field, values[key]) for key, field in FIELDS.items()} | changed
    return [preset, "", *shown.values()]


def test_own_images_bring_a_model_that_sees_photos_and_hold_some_out(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path)
    key = taken_in(workspace)
    preset, told, *fields = editing._Editing(workspace).chosen(key, *form_inputs("shapes"))
    shown = dict(zip(FIELDS, fields, strict=True))
    assert preset in editing.OWN_IMAGES
    assert "25 images of your own" in told["value"]
    assert "5 images are held out" in told["value"]
    assert shown["model.base"]["value"] != "shapes-vlm"
    assert shown["evaluate.benchmarks"]["value"] == "held-out"
    assert shown["source.held_out"]["value"] == 0.2
    assert not shown["source.count"]["visible"]


def test_own_images_leave_a_form_that_names_another_model_as_it_is(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path)
    key = taken_in(workspace)
    inputs = form_inputs("smolvlm2-2b", **{"judge.temperature": 0.3})
    preset, _, *fields = editing._Editing(workspace).chosen(key, *inputs)
    shown = dict(zip(FIELDS, fields, strict=True))
    assert "value" in shown["source.path"]
    assert "value" not in shown["judge.temperature"]
    assert preset not in editing.OWN_IMAGES


def test_why_a_form_was_not_started_is_gone_once_it_is_changed(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path)
    with gr.Blocks(analytics_enabled=False):
        page = create_page(workspace)
    preset, _, *fields = form_inputs("shapes")
    message, refused, run, *_ = starting.start(page, (preset, "no/name", *fields), asks=True)
    assert refused["visible"]
    assert not message["visible"]
    assert run == gr.skip()
    after = editing._Editing(workspace)
    left = after.changed(left_field("set-name"), *form_inputs("shapes"))
    assert left[len(FIELDS)] == after.planned(*form_inputs("shapes"))[0] == gr.update(visible=False)


@pytest.mark.parametrize("field", ["set-judge-temperature", "set-model-backend", "set-name", "set-nonsense", ""])
def test_field_that_was_left_says_its_fault_and_what_else_means_anything(tmp_path: Path, field: str) -> None:
    inputs = form_inputs("shapes", **{"judge.temperature": 9, "model.backend": "vllm"})
    answer = editing._Editing(open_workspace(tmp_path)).changed(left_field(field), *inputs)
    shown = dict(zip(FIELDS, answer, strict=False))
    said = {key for key, update in shown.items() if "less than or equal to 5" in str(update.get("info"))}
    assert said == ({"judge.temperature"} if field == "set-judge-temperature" else set())
    asked = {key for key, update in shown.items() if update.get("visible")}
    assert ("model.vllm_options" in asked) == (field == "set-model-backend")


def test_embedded_model_on_photographs_is_said_in_red_and_asked_about_before_it_starts(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path)
    (tmp_path / "photos").mkdir()
    overrides = {"source.kind": "folder", "source.path": str(tmp_path / "photos")}
    plan, _ = editing.show_plan(workspace, "shapes", "", overrides)
    assert "is-error" in plan
    assert "knows drawn shapes only" in plan
    settings = settings_of("shapes", overrides)
    assert 'data-act="start-anyway"' in refusal(ready_facts(settings, workspace), settings)


def test_fields_of_other_backends_and_sources_are_not_asked_for() -> None:
    here = {"model.backend": "transformers", "source.kind": "drawn"}
    assert not is_asked("model.vllm_python", here)
    assert not is_asked("model.url", here)
    assert not is_asked("source.path", here)
    assert is_asked("model.vllm_python", {**here, "model.backend": "vllm"})
    assert is_asked("source.path", {**here, "source.kind": "zip"})
    assert all(is_asked(key, here) for key in FIELDS if key.partition(".")[0] not in ("model", "source"))


def test_labels_are_words_of_settings_that_exist() -> None:
    assert LABELS.keys() <= FIELDS.keys()
    assert not [field.label for field in form_fields() if "_" in field.label]
