"""Sources taken in from the page: uploads, folders, what is refused, what is shown."""

import base64
import shutil
import threading
import zipfile
from pathlib import Path

import gradio as gr
import pytest
from PIL import Image

from engine.errors import JudgeStudioError, UsageError, WorkspaceError
from engine.records import ImageLook, ImageRow, Instruction
from engine.sources.pictures.alike import SIDE
from engine.workspace.catalog.database import open_catalog
from engine.workspace.files import read_json, write_json
from engine.workspace.folders import Workspace, open_workspace
from studio.jobs import uploads
from studio.page.page import create_page
from studio.queries.alike import most_alike
from studio.queries.images import ALIKE, ImageFilter, asked_about, image_choices, run_images
from studio.tabs.images import tab as images
from studio.tabs.images.view import show_sources
from tests.patience import seconds
from tests.sample_workspace import image_id, make_workspace

HOSTILE_NAME = "<img src=x onerror=alert(1)> \u202eümlaut 🟢.png"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return open_workspace(tmp_path / "ws")


def picture(path: Path, colour: tuple[int, int, int] = (200, 30, 30)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30), colour).save(path)
    return path


def until_taken(key: str) -> None:
    for thread in threading.enumerate():
        if thread.name == f"reap {key}":
            thread.join(timeout=seconds(60))


def shown(workspace: Workspace, key: str) -> str:
    with gr.Blocks(analytics_enabled=False):
        page = create_page(workspace)
    return show_sources(page, key).html


def test_upload_of_good_and_bad_files_shows_counts_reasons_and_duplicates(workspace: Workspace, tmp_path: Path) -> None:
    sent = tmp_path / "sent"
    names = [
        picture(sent / HOSTILE_NAME),
        picture(sent / "again" / HOSTILE_NAME),
        picture(sent / "blue.png", (10, 20, 220)),
    ]
    for name, content in (
        ("text.png", b"not a picture"),
        ("empty.png", b""),
        ("drawing.svg", b"<svg><script>alert(1)</script></svg>"),
    ):
        (sent / name).write_bytes(content)
        names.append(sent / name)
    key = uploads.take_in_files(workspace, [str(name) for name in names])
    until_taken(key)
    source = uploads.sources(workspace)[0]
    assert (source.state, source.images, source.duplicates, source.skipped) == ("done", 2, 1, 3)
    html = shown(workspace, key)
    assert "it is text, not an image" in html
    assert "0 bytes" in html
    assert "SVG" in html
    assert "<img src=x" not in html
    assert html.count("gradio_api/file=") == 2
    assert all(name.stat().st_nlink == 2 for name in names), "what is kept of an upload takes no second room"


def test_same_file_twice_in_one_drop_or_by_two_visitors_is_taken_in(workspace: Workspace, tmp_path: Path) -> None:
    sent = str(picture(tmp_path / "sent" / "a.png"))
    keys = [uploads.take_in_files(workspace, files) for files in ([sent, sent], [sent])]
    for key in keys:
        until_taken(key)
    assert [(source.state, source.images, source.skipped) for source in uploads.sources(workspace)] == [
        ("done", 1, 0),
        ("done", 1, 0),
    ]


def test_upload_of_a_file_that_is_gone_says_so_and_leaves_nothing(workspace: Workspace, tmp_path: Path) -> None:
    files = [str(picture(tmp_path / "a.png")), str(tmp_path / "gone.png")]
    with pytest.raises(WorkspaceError, match="Upload it again"):
        uploads.take_in_files(workspace, files)
    assert list(workspace.uploads.iterdir()) == []


def test_one_zip_is_taken_in_as_a_zip(workspace: Workspace, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
        archive.write(picture(tmp_path / "a.png"), "deep/a.png")
    key = uploads.take_in_files(workspace, [str(tmp_path / "some.zip")])
    until_taken(key)
    source = uploads.sources(workspace)[0]
    assert source.settings["kind"] == "zip"
    assert source.images == 1
    assert uploads.source_settings(workspace, key)["source.kind"] == "zip"


def test_upload_with_nothing_usable_says_why(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    key = uploads.take_in_files(workspace, [str(tmp_path / "text.png")])
    until_taken(key)
    source = uploads.sources(workspace)[0]
    assert source.state == "failed"
    assert "it is text, not an image" in str(source.error)
    assert not source.is_usable
    assert "it is text, not an image" in shown(workspace, key)


def test_picture_with_too_many_pixels_is_refused_unread(workspace: Workspace, tmp_path: Path) -> None:
    Image.new("1", (20_000, 10_000)).save(tmp_path / "huge.png")
    picture(tmp_path / "ok.png")
    key = uploads.take_in_files(workspace, [str(tmp_path / "huge.png"), str(tmp_path / "ok.png")])
    until_taken(key)
    assert "more than the 100,000,000 allowed" in shown(workspace, key)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"kind": "folder", "path": ""}, "no path was given"),
        ({"kind": "folder", "path": "/never/there"}, "there is nothing on this machine"),
        ({"kind": "dataset", "path": ""}, "Write it as owner/name"),
        ({"kind": "drawn", "count": 0}, "count cannot be 0"),
        ({"kind": "nonsense"}, "kind cannot be"),
        ({"kind": "drawn", "limit": "many"}, "limit cannot be"),
    ],
)
def test_source_that_cannot_be_is_refused_with_a_sentence(
    workspace: Workspace, settings: dict[str, object], says: str
) -> None:
    with pytest.raises(JudgeStudioError, match=says):
        images.take_in(workspace, settings)
    assert uploads.sources(workspace) == []


def test_zip_among_other_files_is_refused(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="not both at once"):
        uploads.take_in_files(workspace, ["a.zip", "b.png"])


def test_folder_becomes_a_choice_of_launch(workspace: Workspace, tmp_path: Path) -> None:
    picture(tmp_path / "photos" / "a.png")
    key = images.take_in(workspace, {"kind": "folder", "path": str(tmp_path / "photos")})
    until_taken(key)
    assert uploads.source_settings(workspace, key) == {
        "source.kind": "folder",
        "source.path": str(tmp_path / "photos"),
        "source.limit": None,
    }
    assert uploads.sources(workspace)[0].label_with_count == "folder photos, 1 image"


def test_process_that_died_is_shown_as_failed(workspace: Workspace, tmp_path: Path) -> None:
    picture(tmp_path / "photos" / "a.png")
    key = images.take_in(workspace, {"kind": "folder", "path": str(tmp_path / "photos")})
    until_taken(key)
    path = workspace.uploads / key / "source.json"
    write_json(path, {**(read_json(path) or {}), "state": "running", "born": 1.0})
    assert uploads.sources(workspace)[0].state == "failed"


def test_removed_source_is_gone_and_its_pictures_stay(workspace: Workspace, tmp_path: Path) -> None:
    picture(tmp_path / "photos" / "a.png")
    key = images.take_in(workspace, {"kind": "folder", "path": str(tmp_path / "photos")})
    until_taken(key)
    images.do(workspace, "remove", key, key)
    assert uploads.sources(workspace) == []
    assert list(workspace.images.glob("*/*.png"))


@pytest.mark.parametrize("key", ["..", "../runs", "", "never"])
def test_act_on_a_source_that_cannot_be_is_refused(workspace: Workspace, key: str) -> None:
    for act in ("remove", "stop"):
        with pytest.raises(UsageError, match="no such source"):
            images.do(workspace, act, key, "")
    assert workspace.root.is_dir()


def test_no_images_says_what_to_do(workspace: Workspace) -> None:
    assert "No images yet" in shown(workspace, "")


def test_runs_own_pictures_are_shown_with_what_was_asked_about_one(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "ws")
    with gr.Blocks(analytics_enabled=False):
        page = create_page(workspace)
    first = image_id(0)
    now = show_sources(page, "run:shapes-01", item=first).html
    assert now.count("st-plain") == 4
    assert "1 to 4 of 4 pictures" in now
    questions = {one.question for one in asked_about(page.catalog(), "shapes-01", first)}
    assert {"What is number 0?", "What is number 4?"} <= questions
    assert "pairs.item=1-" in now
    assert "What was asked" not in show_sources(page, "run:shapes-01", item="<script>").html
    assert show_sources(page, "") == show_sources(page, "run:shapes-01"), "nothing was added by hand"


def looked(workspace: Workspace) -> Workspace:
    """The sample run with looks: pictures 0 and 1 show the same, 2 is near them, 3 is far."""
    shades = {0: (10, 0), 1: (11, 0), 2: (90, 2), 3: (250, 3)}
    rows = [
        ImageLook(
            image_id=image_id(number), look=base64.b64encode(bytes([shade]) * (SIDE * SIDE * 3)).decode(),
            twins=image_id(group),
        )
        for number, (shade, group) in shades.items()
    ]  # fmt: skip
    workspace.run("shapes-01").intake().write("looks", rows)
    return workspace


def test_pictures_that_look_alike_are_found_twins_first(tmp_path: Path) -> None:
    catalog = open_catalog(looked(make_workspace(tmp_path / "ws")))
    found = most_alike(catalog, "shapes-01", image_id(0))
    assert [(one.image_id, one.is_twin, one.difference) for one in found] == [
        (image_id(1), True, 1.0),
        (image_id(2), False, 80.0),
        (image_id(3), False, 240.0),
    ]
    assert most_alike(catalog, "shapes-01", "<script>") == []
    twins = {one.image_id: one.alike for one in run_images(catalog, "shapes-01", ImageFilter(became=ALIKE))}
    assert twins == {image_id(0): 1, image_id(1): 1}


def test_every_picture_is_in_one_choice_of_what_became_of_it(tmp_path: Path) -> None:
    catalog = open_catalog(looked(make_workspace(tmp_path / "ws")))
    everything = run_images(catalog, "shapes-01")
    choices = image_choices(catalog, "shapes-01", ImageFilter())
    for value, count in choices.became:
        shown = run_images(catalog, "shapes-01", ImageFilter(became=value))
        assert len(shown) == count
        assert {one.became for one in shown} == {value} or value == ALIKE
    assert sum(count for value, count in choices.became if value != ALIKE) == len(everything) == 4


def test_pictures_are_filtered_and_sorted_by_what_was_made_of_them(tmp_path: Path) -> None:
    catalog = open_catalog(make_workspace(tmp_path / "ws"))
    pairs = catalog.query(
        "SELECT image_id, count(*) FILTER (dropped IS NULL), count(*) FILTER (dropped IS NULL AND fate = 'kept'), "
        "list(dimension) FROM pairs WHERE run = 'shapes-01' GROUP BY 1"
    )
    known = {row[0]: (row[1], row[2]) for row in pairs}
    by_pairs = run_images(catalog, "shapes-01", ImageFilter(sort="pairs"))
    assert [(one.pairs, one.kept) for one in by_pairs] == [known[one.image_id] for one in by_pairs]
    assert [one.pairs for one in by_pairs] == sorted((one.pairs for one in by_pairs), reverse=True)
    least = [
        one.kept / one.pairs for one in run_images(catalog, "shapes-01", ImageFilter(sort="least-kept")) if one.pairs
    ]
    assert least == sorted(least)
    one_dimension = {row[0] for row in pairs if "position" in row[3]}
    assert {
        one.image_id for one in run_images(catalog, "shapes-01", ImageFilter(dimension="position"))
    } == one_dimension
    assert run_images(catalog, "shapes-01", ImageFilter(strategy="<script>")) == []


def test_page_of_a_runs_pictures_says_what_was_skipped_and_offers_a_way_out_of_an_empty_filter(tmp_path: Path) -> None:
    workspace = looked(make_workspace(tmp_path / "ws"))
    with gr.Blocks(analytics_enabled=False):
        page = create_page(workspace)
    now = show_sources(page, "run:shapes-01", item=image_id(0))
    assert "the file is empty (0 bytes)" in now.html
    assert "Looks most like it" in now.html
    assert "1 other of the run so near" in now.html
    nothing = show_sources(page, "run:shapes-01", wanted=ImageFilter(became="<script>"))
    assert 'data-act="clear"' in nothing.html
    assert nothing.choices is not None
    assert ("<script> 0", "<script>") in nothing.choices[0]


def test_click_on_a_picture_keeps_the_filter_and_clear_ends_it(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "ws")
    with gr.Blocks(analytics_enabled=False):
        page = create_page(workspace)
        answers = images._Answers(page)
    values = ("", "position", "", "pairs")

    def act(name: str, key: str = "") -> list[object]:
        event = gr.EventData(None, {"act": name, "id": key})
        return answers.act(event, "shapes-01", "", "", "", *values)

    _, _, _, item, _, became, dimension, _, sort, *_ = act("image", image_id(0))
    assert (item, dimension["value"], sort) == (image_id(0), "position", "pairs")
    assert became["value"] == ""
    _, _, _, _, _, _, dimension, _, sort, *_ = act("clear")
    assert (dimension["value"], sort) == ("", "")


def test_runs_own_pictures_are_listed_by_name_with_numbers_as_numbers(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "ws")
    run = workspace.run("numbers")
    run.folder.mkdir()
    shutil.copy(workspace.run("shapes-01").config, run.config)
    names = ("scene 10 (hard)", "scene 9 (hard)", "a cat", "scene 100 (hard)")
    intake = run.intake()
    intake.begin({})
    intake.write(
        "images",
        [
            ImageRow(image_id=image_id(place), path=f"images/{place}.png", width=1, height=1, source="drawn", name=name)
            for place, name in enumerate(names)
        ],
    )
    intake.write(
        "instructions",
        [
            Instruction(instruction_id=f"i{place}", image_id=image_id(place), question="?", kind="open",
                        answer_type=None, dimension="count", choices=(), answer=None, split="train")
            for place in range(len(names))
        ],
    )  # fmt: skip
    intake.finish({})
    found = run_images(open_catalog(workspace), "numbers")
    assert [one.name for one in found] == ["a cat", "scene 9 (hard)", "scene 10 (hard)", "scene 100 (hard)"]
