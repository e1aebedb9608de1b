"""Photograph what a visitor does on the Live judge, Arena and Versions tabs, step by step, on the run that ships.

    python tests/bench/picture_visits.py /tmp/pictures [--visits live,many,arena,use] [--sizes 1440-light,390-dark]

Writes VISIT-STEP-WIDTH-THEME.png for every step, by default at 1440 and 390 px, light and dark, and prints what looks
wrong as `picture_pages.py` does. The embedded model really answers; the rulings of the file of many comparisons are
those of the run's own benchmark.
"""

import json
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from playwright.sync_api import expect, sync_playwright

from engine.export.finished import NAME
from engine.judging.ruling import as_row, order_ruling, whole_ruling
from engine.records import VerdictRow
from engine.serve.snippets import snippets
from engine.workspace.catalog.database import open_catalog
from engine.workspace.files import write_json
from engine.workspace.folders import RunFolder
from studio.queries.verdicts import items, verdicts
from tests.bench.picture_pages import NO_TOUR, SIZES, asked_visits, copied, photograph
from tests.browser.conftest import CHROMIUM, Watched
from tests.studio_server import studio_server

Step = Callable[..., None]
"""Photographs what is there now under this name: the page, or the part of it that is given."""
JUDGES = ("judge-v3", "judge-v0")


def live(watched: Watched, step: Step) -> None:
    """First sight, swapped, one verdict, four judges after a guess of whom three agree, and what cannot be judged."""
    page = watched.page
    panel = watched.go("live", f"&run={NAME}")
    results = page.locator("#live-results")
    expect(results).to_contain_text("From this run's own benchmark")
    step("first")
    panel.get_by_role("button", name="Swap A and B").click()
    expect(results).to_contain_text("A and B have changed places")
    step("swapped")
    _ask(watched, ["judge-v3"], example=0, guess="")
    step("one")
    for example in range(page.locator("#live-own button").count()):
        _ask(watched, ["judge-v3", "judge-v2", "judge-v1", "judge-v0"], example=example, guess="B")
        if "3 of 4" in results.locator(".st-says").inner_text():
            break
    step("four")
    with page.expect_file_chooser() as chooser:
        panel.get_by_role("button", name="Add another picture").click()
    chooser.value.set_files({"name": "scan.png", "mimeType": "image/png", "buffer": b"not a picture"})
    expect(panel.locator(".st-note.is-error")).to_contain_text("scan.png")
    step("broken")
    panel.locator("#live-question textarea").fill("")
    panel.get_by_role("button", name="Judge in both orders").click()
    expect(panel.locator(".st-note.is-error")).to_contain_text("question")
    step("empty")


def _ask(watched: Watched, judges: list[str], *, example: int, guess: str) -> None:
    """Fill the form with an example of the run's own and have it judged to the end."""
    page, results = watched.page, watched.page.locator("#live-results")
    question = page.locator("#live-question textarea")
    question.fill("Another one?")
    page.locator("#live-own button").nth(example).click()
    expect(question).not_to_have_value("Another one?")
    expect(results).not_to_contain_text("first word after")
    panel = watched.go("live", f"&run={NAME}&live.judges={','.join(f'{NAME}/{judge}' for judge in judges)}")
    for judge in judges:
        expect(panel.locator("#live-judges")).to_contain_text(judge)
    panel.locator("#live-guess").get_by_label(guess or "Just show me", exact=True).check(force=True)
    panel.get_by_role("button", name="Judge in both orders").click()
    expect(results).to_contain_text("first word after")
    expect(results.locator("section")).to_have_count(len(judges))
    expect(panel.get_by_role("button", name="Judge in both orders")).to_be_visible()


def many(watched: Watched, step: Step) -> None:
    """A judged file with its result, then those comparisons on which the judges differ, then none."""
    panel = watched.go("live")
    one_by_one = panel.locator("#live-judged")
    expect(one_by_one).to_contain_text("1 to 10 of 200 comparisons")
    step("all")
    one_by_one.get_by_label("Judges differ").check(force=True)
    expect(one_by_one).to_contain_text("200 in all")
    one_by_one.locator("details summary").first.click()
    step("differ")
    one_by_one.get_by_label("Find in text").fill("nowhere to be found")
    expect(one_by_one).to_contain_text("No comparison matches")
    step("none")


def arena(watched: Watched, step: Step) -> None:
    """Before, after seven, and after twenty answers by keys; then all of them are taken back."""
    panel = watched.go("arena")
    expect(panel).to_contain_text("0 answered")
    step("before")
    for number in range(20):
        expect(panel).to_contain_text(f"{number} answered")
        if number == 7:
            step("during")
        watched.page.keyboard.press("abbaatabbcbaabbabaab"[number])
    expect(panel).to_contain_text("κ with you")
    panel.locator("details summary").first.click()
    step("after")
    for number in range(19, -1, -1):
        watched.page.keyboard.press("u")
        expect(panel).to_contain_text(f"{number} answered")


def use(watched: Watched, step: Step) -> None:
    """Each way to use a judge that is shown to be copied, and what is said of each file that is given away."""
    panel = watched.go("versions", f"&run={NAME}&versions.newer=judge-v3")
    card = panel.locator(".st-panel", has=watched.page.locator("#versions-way"))
    for way in snippets("", Path()):
        card.locator("#versions-way").get_by_label(way.title, exact=True).check(force=True)
        expect(card).to_contain_text(way.about)
        step(way.title.replace(" ", "-").lower(), card)
    for label in ("Judge, zip", "Kept data, zip", "Report, HTML", "Settings, YAML"):
        with watched.page.expect_download():
            card.get_by_role("button", name=label).click()
        step(label.split(",")[0].replace(" ", "-").lower())


VISITS: dict[str, Callable[[Watched, Step], None]] = {"live": live, "many": many, "arena": arena, "use": use}


def judged_file(run: RunFolder) -> None:
    """Two hundred comparisons of the run's benchmark as if they had been uploaded, with what two versions replied."""
    catalog = open_catalog(run.workspace)
    benchmark, ids = "shapes", []
    for (item_id,) in catalog.query("SELECT item_id FROM items WHERE run = ? ORDER BY hash(item_id) LIMIT 200", [NAME]):
        ids.append(str(item_id))
    found = items(catalog, run.name, benchmark, ids)
    folder = run.workspace.root / "batches" / "0123456789ab"
    folder.mkdir(parents=True)
    lines = []
    for judge in JUDGES:
        replies: defaultdict[str, list[VerdictRow]] = defaultdict(list)
        for row in verdicts(catalog, run.name, judge, benchmark, items=ids):
            replies[row.item_id].append(row)
        for item_id in ids:
            item, picture = found[item_id]
            orders = [
                order_ruling(row.order, row.verdict, row.reasoning, chance_first=None, tokens=row.tokens)
                for row in sorted(replies[item_id], key=lambda row: row.order)
            ]
            shown = {"image": os.path.relpath(run.workspace.root / str(picture.path), folder)}
            texts = {"question": item.question, "a": item.preferred, "b": item.degraded}
            lines.append({**shown, **texts, "key": item_id, **as_row(whole_ruling(item_id, f"{NAME}/{judge}", orders))})
    (folder / "verdicts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    names = [f"{NAME}/{judge}" for judge in JUDGES]
    record: dict[str, Any] = {"name": "my-comparisons.zip", "judges": names, "total": len(lines), "created": 1.0}
    write_json(folder / "batch.json", {**record, "pid": None})


def main() -> None:
    asked = asked_visits(__doc__, VISITS)
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as driver:
        run = copied(Path(scratch) / "visits")
        judged_file(run)
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        with studio_server(run.workspace.root) as server:
            for name in asked.sizes.split(","):
                size, theme = SIZES[name]
                for visit in asked.visits.split(","):
                    context = browser.new_context(viewport=size, color_scheme=theme)
                    watched = Watched(context, server)
                    watched.page.add_init_script(NO_TOUR)
                    watched.open()
                    ends = f"{visit}-{{}}-{name}.png"

                    def step(what: str, part: Any = None, watched: Watched = watched, ends: str = ends) -> None:
                        path = asked.out / ends.format(what)
                        part.screenshot(path=path) if part else photograph(watched, path)

                    VISITS[visit](watched, step)
                    context.close()
        browser.close()


if __name__ == "__main__":
    main()
