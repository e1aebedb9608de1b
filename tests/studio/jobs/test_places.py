"""Behind a password a visitor names no place of the machine; without one, its owner names any."""

import html
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import UsageError
from engine.workspace.folders import Workspace, open_workspace
from engine.workspace.state import RunState, write_state
from studio.jobs import uploads
from studio.jobs.places import Places, check_places, guard_places
from studio.look.cards.markup import element, esc
from studio.look.paths import Paths
from studio.tabs.doctor import show_doctor
from studio.tabs.launch.chosen import show_run
from tests.sample_workspace import make_run


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Workspace]:
    workspace = open_workspace(tmp_path / "ws")
    guard_places(workspace)
    yield workspace
    Places.are_guarded = Paths.are_hidden = False


@pytest.mark.parametrize(
    "overrides",
    [
        {"source.kind": "folder", "source.path": "/etc"},
        {"source.path": "../../etc"},
        {"source.kind": "table", "source.path": "~/secrets.parquet"},
        {"model.vllm_python": "/usr/bin/env"},
        {"model.base": "/etc"},
        {"model.prompts": "/etc/passwd.yaml"},
        {"evaluate.benchmarks": ["vl-rewardbench=/etc"]},
    ],
)
def test_visitor_behind_a_password_names_no_place_of_the_machine(guarded: Workspace, overrides: dict) -> None:
    with pytest.raises(UsageError, match="Upload the files"):
        check_places(guarded, overrides)
    Places.are_guarded = False
    check_places(guarded, overrides)


def test_visitor_behind_a_password_uses_uploads_models_of_the_hub_and_data_sets(guarded: Workspace) -> None:
    inside = guarded.uploads / "photos"
    check_places(guarded, {"source.kind": "folder", "source.path": str(inside), "model.base": "Qwen/Qwen3-VL-8B"})
    check_places(guarded, {"source.kind": "dataset", "source.path": "owner/name", "model.base": "shapes-vlm"})
    check_places(guarded, {"evaluate.benchmarks": ["held-out", "shapes"]})


def test_folder_of_the_machine_is_not_taken_in_for_a_visitor_behind_a_password(guarded: Workspace) -> None:
    with pytest.raises(UsageError, match="asks for a password"):
        uploads.take_in_settings(guarded, {"kind": "folder", "path": "/etc"})


def test_visitor_behind_a_password_reads_of_nothing_where_it_lies(guarded: Workspace) -> None:
    run = make_run(guarded)
    settings = run.config.read_text("utf-8")
    run.config.write_text(settings.replace("path: null", "path: /home/me/photos"), "utf-8")
    write_state(run, RunState(run=run.name, state="failed", error=f"train: {guarded.root}/runs is full"))
    run.log.write_text(f'File "{sys.prefix}/lib/python3.11/site.py"\n', "utf-8")
    shown = show_doctor(guarded, [], is_asking=False) + "".join(show_run(run))
    assert "--workspace …/ws" in shown
    assert "…/photos" in shown
    for place in (str(guarded.root), sys.executable, sys.prefix, "/home/me", str(Path.home())):
        assert place not in shown
    Paths.are_hidden = False
    assert str(guarded.root) in show_doctor(guarded, [], is_asking=False)


@pytest.mark.usefixtures("guarded")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("read /etc/judge/a.yaml: no such file", "read …/a.yaml: no such file"),
        ("source.path=/usr/share/x/", "source.path=…/x"),
        ("'/tmp/a b'", "'…/a b'"),
        ("in ~/photos/cats and ../secret/x", "in …/cats and …/x"),
        ("POST /v1/judge at http://127.0.0.1:7860/usr/lib", "POST /v1/judge at http://127.0.0.1:7860/usr/lib"),
        ("9/10 and/or n/a, [[A]]/[[B]], /tmp", "9/10 and/or n/a, [[A]]/[[B]], /tmp"),
    ],
)
def test_path_in_a_text_keeps_its_last_part_only_behind_a_password(text: str, shown: str) -> None:
    assert html.unescape(esc(text)) == shown
    assert shown in html.unescape(element("b", title=text))
    address = "gradio_api/file=/usr/share/a.png"
    assert f'src="{address}"' in element("img", src=address), "the page's own addresses stay"
    Paths.are_hidden = False
    assert html.unescape(esc(text)) == text
