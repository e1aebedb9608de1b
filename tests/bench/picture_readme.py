"""Take the README's pictures anew, of the finished run that ships.

python tests/bench/picture_readme.py [--out assets/pictures]
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from playwright.sync_api import sync_playwright

from engine.assets import assets_folder
from studio.app import FINISHED
from tests.bench.picture_pages import NO_TOUR, SETTLED
from tests.browser.conftest import CHROMIUM
from tests.studio_server import studio_server

WIDTH = 1280
PICTURES = {
    "home": ("?tab=home", 900),
    "versions": ("?tab=versions", 980),
    "pairs": ("?tab=pairs", 900),
    "traces": ("?tab=traces", 1000),
    "compare": ("?tab=compare&compare.view=items", 900),
}
"""Name of the file → place and height in pixels."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, default=assets_folder() / "pictures")
    asked = options.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as temporary,
        studio_server(Path(temporary) / "ws") as server,
        sync_playwright() as driver,
    ):
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for name, (place, height) in PICTURES.items():
            page = browser.new_page(viewport={"width": WIDTH, "height": height})
            page.add_init_script(NO_TOUR)
            page.goto(f"{server.url}{FINISHED}/{place}")
            page.locator("[role=tabpanel]:visible h1, [role=tabpanel]:visible h2").first.wait_for()
            page.evaluate(SETTLED)
            page.screenshot(path=asked.out / f"{name}.png")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
