"""Launch and Images in a browser: fields, faults, sources, uploads."""

import re
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect

from tests.browser.conftest import Opener
from tests.studio_server import Server


def test_wrong_value_is_said_at_its_field_and_right_ones_reach_the_command(visit: Opener, empty_server: Server) -> None:
    page = visit(empty_server).open("?tab=launch")
    page.locator("pre.st-cmd:visible").first.wait_for()
    page.get_by_role("button", name=re.compile("Judge ·")).click()
    field = page.locator("#set-judge-temperature")
    field.wait_for()
    page.wait_for_timeout(1000)  # Gradio 6.31 writes the old value back over what a robot types as a field appears
    field.locator("input").fill("9")
    field.locator("input").press("Tab")
    expect(field).to_contain_text("less than or equal to 5")
    field.locator("input").fill("0.7")
    field.locator("input").press("Tab")
    expect(field).not_to_contain_text("less than or equal to 5")
    expect(page.locator("pre.st-cmd:visible").first).to_contain_text("judge.temperature=0.7")
    expect(page.get_by_role("button", name=re.compile("Judge ·"))).to_contain_text("1 changed")


def test_choice_and_switch_reach_the_command_and_show_what_else_means_anything(
    visit: Opener, empty_server: Server
) -> None:
    page = visit(empty_server).open("?tab=launch")
    command = page.locator("pre.st-cmd:visible").first
    command.wait_for()
    page.get_by_role("button", name=re.compile("Model ·")).click()
    page.locator("#set-model-backend input").click()
    page.get_by_role("option", name="vllm").click()
    expect(page.locator("#set-model-vllm-options")).to_be_visible()
    expect(command).to_contain_text("model.backend=vllm")
    page.get_by_role("button", name=re.compile("Select ·")).click()
    page.locator("#set-select-balance input").uncheck()
    expect(command).to_contain_text("select.balance=false")


def test_preset_fills_every_field(visit: Opener, empty_server: Server) -> None:
    page = visit(empty_server).open("?tab=launch")
    page.locator("pre.st-cmd:visible").first.wait_for()
    page.get_by_text("Paper settings").click()
    expect(page.locator("#set-model-base textarea, #set-model-base input")).to_have_value(re.compile("Llama-3.2-11B"))
    expect(page.locator("pre.st-cmd:visible").first).to_contain_text("--preset paper")


def test_upload_shows_the_grid_and_refuses_what_is_no_picture(
    visit: Opener, empty_server: Server, tmp_path: Path
) -> None:
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "good.png")
    Image.new("1", (20_000, 10_000)).save(tmp_path / "huge.png")
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "script.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
    page = visit(empty_server).open("?tab=images")
    page.locator("#upload-files input[type=file]").set_input_files(
        [tmp_path / name for name in ("good.png", "huge.png", "text.png", "empty.png", "script.svg")]
    )
    expect(page.locator(".st-grid img")).to_have_count(1)
    page.get_by_text("4 files skipped").click()
    panel = page.locator("[role=tabpanel]:visible")
    for reason in ("it is text, not an image", "0 bytes", "more than the 100,000,000 allowed", "SVG"):
        expect(panel).to_contain_text(reason)
    picture = page.locator(".st-grid img").first
    assert picture.evaluate("i => i.complete && i.naturalWidth") == 64


def test_source_taken_in_is_used_in_a_new_run(visit: Opener, empty_server: Server) -> None:
    page = visit(empty_server).open("?tab=images&images.way=drawn")
    page.get_by_role("button", name="Draw them").click()
    page.wait_for_url(re.compile("images.source=drawn-scenes"))  # until then the link is of what was taken in before
    page.get_by_role("link", name="Use in a new run").click()
    expect(page.locator("pre.st-cmd:visible").first).to_contain_text("source.count=60")
    assert "launch.images=drawn-scenes" in page.url


def test_missing_folder_is_refused_with_a_sentence(visit: Opener, empty_server: Server) -> None:
    page = visit(empty_server).open("?tab=images&images.way=folder")
    box = page.get_by_label("Folder, zip, parquet or jsonl file on this machine")
    box.wait_for()
    page.wait_for_timeout(1000)  # as above
    box.fill("/never/there")
    page.get_by_role("button", name="Take in", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("there is nothing on this machine")


def test_own_photographs_bring_a_model_that_sees_them_and_the_embedded_one_is_said_in_red(
    visit: Opener, empty_server: Server, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(10):
        Image.new("RGB", (64, 64), (20 * number, 90, 120)).save(folder / f"{number}.png")
    page = visit(empty_server).open("?tab=images")
    page.locator("#upload-files input[type=file]").set_input_files(sorted(folder.iterdir()))
    page.wait_for_url(re.compile("images.source=upload-of-10-files"))  # as above
    page.get_by_role("link", name="Use in a new run").click()
    launch = page.locator("#tab-launch")
    expect(launch).to_contain_text("10 images of your own")
    expect(launch).to_contain_text("2 images are held out")
    base = page.locator("#set-model-base textarea, #set-model-base input")
    expect(base).not_to_have_value("shapes-vlm")
    expect(page.locator("pre.st-cmd:visible").first).to_contain_text("source.held_out=0.2")
    base.fill("shapes-vlm")
    base.press("Tab")
    expect(launch.locator(".st-note.is-error")).to_contain_text("knows drawn shapes only")
    page.get_by_role("button", name="Start the run").click()
    expect(page.get_by_role("button", name="Start it all the same")).to_be_visible()
    page.get_by_role("button", name="Change the settings").click()
    expect(page.get_by_role("button", name="Start it all the same")).to_be_hidden()
