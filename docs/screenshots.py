"""Take the pictures of this folder again, from the page of the sample case in a real Chromium.

Run ``make app`` in one terminal and ``python docs/screenshots.py`` in another.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).resolve().parent / "images"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
NO_LONGER_COMPUTING = """() => !/Computing/.test(
    Bokeh.documents[0].roots().map(r => Bokeh.index.find_one(r)?.container?.textContent ?? "").join())"""


def main(url: str = "http://localhost:5006/") -> None:
    """Open the page, wait until the model has forecast, and store what is seen."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.goto(url)
        page.wait_for_selector(".card:not(.waiting) .map canvas")
        page.wait_for_function(NO_LONGER_COMPUTING, timeout=300_000)
        page.wait_for_timeout(1000)
        page.screenshot(path=IMAGES / "dashboard.png")
        browser.close()


if __name__ == "__main__":
    main()
