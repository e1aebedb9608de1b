"""The live judge in a browser: its first sight, A and B swapped, a guess and four judges, a file of 200 comparisons."""

import json
import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import expect

from engine.assets import assets_folder
from engine.records import ImageRow
from engine.workspace.folders import RunFolder
from tests.browser.conftest import PHONE, WIDE, Opener
from tests.studio_server import Server
from tests.tiny_models import save_scenes

needs_weights = pytest.mark.skipif(
    not (assets_folder() / "shapes-vlm" / "model.safetensors").is_file(),
    reason="the embedded model has no weights here",
)


def test_first_sight_is_an_example_with_its_real_rulings_that_swap_with_the_answers(
    visit: Opener, judged_server: Server
) -> None:
    watched = visit(judged_server)
    watched.open()
    panel = watched.go("live")
    results, a, b = (watched.page.locator(f"#live-{name}") for name in ("results", "a", "b"))
    expect(results).to_contain_text("From this run's own benchmark: judge-v0 got it wrong, judge-v1 right")
    expect(panel.locator("#live-question textarea")).to_have_value(re.compile("What is in picture"))
    told = results.locator(".st-says")
    expect(told).to_have_text(re.compile(r"^1 of 2 prefers [AB], one flips\.$"))
    expect(results).not_to_contain_text("confidence")
    right = "A" if a.locator("textarea").input_value().startswith("A right answer") else "B"
    expect(told).to_contain_text(f"prefers {right}")
    other = "B" if right == "A" else "A"
    panel.get_by_role("button", name="Swap A and B").click()
    expect(told).to_contain_text(f"prefers {other}")
    expect((a if other == "A" else b).locator("textarea")).to_have_value(re.compile("A right answer"))
    assert watched.sideways() <= 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_further_pictures_are_added_and_taken_away(
    visit: Opener, judged_server: Server, tmp_path: Path, dark: bool
) -> None:
    watched = visit(judged_server, size=PHONE if dark else WIDE, dark=dark)
    page = watched.open()
    panel = watched.go("live")
    expect(panel.locator("#live-results")).to_contain_text("From this run's own benchmark")
    more, add = panel.locator("#live-more"), panel.get_by_role("button", name="Add another picture")
    with page.expect_file_chooser() as chooser:
        add.click()
    chooser.value.set_files(save_scenes(tmp_path, 2))
    expect(more).to_contain_text("image 3")
    expect(panel).to_contain_text("--image")
    assert watched.sideways() <= 0
    panel.get_by_role("button", name="Take image 2 away").click()
    expect(more).not_to_contain_text("image 3")
    panel.get_by_role("button", name="Take image 2 away").click()
    expect(more).to_be_hidden()


@pytest.mark.model
@needs_weights
def test_four_judges_answer_after_the_visitors_guess_and_are_summed_up(visit: Opener, judged_server: Server) -> None:
    watched = visit(judged_server)
    watched.open()
    names = [f"arena-01/judge-v{number}" for number in (1, 2, 0)]
    panel = watched.go("live", f"&live.judges={','.join([*names, 'shapes-vlm'])}")
    results = watched.page.locator("#live-results")
    expect(results).to_contain_text("From this run's own benchmark")
    panel.locator("#live-examples button").first.click()
    expect(results).not_to_contain_text("judge-v1")  # nothing is told before it is asked for
    panel.locator("#live-guess").get_by_label("B", exact=True).check(force=True)
    panel.get_by_role("button", name="Judge in both orders").click()
    expect(results.locator(".st-says")).to_contain_text(re.compile(r"(of 4 |4 of 4 ).*You said B\.$"))
    expect(results.locator("section")).to_have_count(4)
    expect(panel.locator("#live-history")).to_contain_text("judge-v2")


@pytest.mark.model
@needs_weights
def test_file_of_200_comparisons_shows_its_result_and_gives_its_verdicts_away(
    visit: Opener, judged: RunFolder, judged_server: Server, tmp_path: Path
) -> None:
    images = [row.path for row in judged.intake().read("images", ImageRow)]
    rows = [
        {"image": images[number % len(images)], "question": f"How many? ({number})", "a": "Three.", "b": "Four."}
        for number in range(200)
    ]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    watched = visit(judged_server)
    page = watched.open()
    panel = watched.go("live", "&live.judges=arena-01/judge-v1,arena-01/judge-v0")
    expect(panel.locator("#live-results")).to_contain_text("From this run's own benchmark")
    with page.expect_download() as sample:
        panel.get_by_role("button", name="Sample file, zip").click()
    assert sample.value.suggested_filename == "comparisons.zip"
    assert "comparisons.jsonl" in zipfile.ZipFile(sample.value.path()).namelist()
    panel.locator("#batch-upload input[type=file]").set_input_files(tmp_path / "mine.jsonl")
    files = panel.locator("#batch-list")
    expect(files).to_contain_text("400 of 400")
    expect(files).to_contain_text("What they say of mine.jsonl")
    expect(files).to_contain_text("Flips")
    expect(files).to_contain_text("arena-01/judge-v1 and arena-01/judge-v0 ")
    with page.expect_download() as verdicts:
        files.get_by_role("button", name="Verdicts").click()
    lines = [json.loads(line) for line in Path(verdicts.value.path()).read_text().splitlines()]
    assert len(lines) == 400
    counted = sum(line["judge"] == "arena-01/judge-v1" and line["verdict"] == "order-flip" for line in lines)
    table = files.get_by_role("table", name="Rulings on mine.jsonl")
    expect(table.get_by_role("row", name="arena-01/judge-v1")).to_contain_text(f"{counted} (")
    one_by_one = panel.locator("#live-judged")
    expect(one_by_one).to_contain_text("1 to 10 of 200 comparisons")
    one_by_one.get_by_label("Judges differ").check(force=True)
    expect(one_by_one).to_contain_text(re.compile("No comparison matches|200 in all"))
    expect(page).to_have_url(re.compile("live.show=differ"))
    one_by_one.get_by_label("Find in text").fill("nowhere to be found")
    one_by_one.get_by_role("button", name="Clear filters").click()
    expect(one_by_one).to_contain_text("1 to 10 of 200 comparisons")
    assert watched.sideways() <= 0
