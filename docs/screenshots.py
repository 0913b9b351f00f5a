"""Take the pictures of this folder again, from the page of the sample case in a real Chromium.

Run ``make app`` in one terminal and ``python docs/screenshots.py`` in another.  Names of pictures make it take these
only: ``python docs/screenshots.py dashboard dashboard-dark``.  The Korean ones need a font with Hangul, such as
Debian's ``fonts-nanum``.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).resolve().parent / "images"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
LARGEST = 300_000
"""Bytes of a picture in the repository, at most; larger ones are stored in 256 colours."""

COMPUTING = """() => /Computing|계산하는 중/.test(
    Bokeh.documents[0].roots().map(r => Bokeh.index.find_one(r)?.container?.textContent ?? "").join())"""


@dataclass(frozen=True)
class Picture:
    """What to look at, and in which window."""

    query: str = ""
    width: int = 1400
    height: int = 900
    scale: int = 1


PICTURES = {
    "dashboard": Picture(),
    "dashboard-dark": Picture("theme=dark"),
    "dashboard-korean": Picture("language=ko"),
    "dashboard-phone": Picture(width=390, height=844, scale=2),
    "dashboard-phone-korean": Picture("language=ko&theme=dark", width=390, height=844, scale=2),
}


def take(browser: Any, url: str, name: str, picture: Picture, folder: Path) -> Path:
    """Open the page, wait until the model has forecast, and store what is seen."""
    size = {"width": picture.width, "height": picture.height}
    context = browser.new_context(viewport=size, device_scale_factor=picture.scale, locale="en-US")
    page = context.new_page()
    page.goto(f"{url}?{picture.query}", timeout=120_000)  # a busy machine opens the first page slowly
    page.wait_for_selector(".card:not(.waiting) .map canvas", timeout=120_000)
    page.wait_for_function(f"() => !({COMPUTING})()", timeout=300_000)
    page.wait_for_timeout(1000)
    path = folder / f"{name}.png"
    page.screenshot(path=path)
    context.close()
    if path.stat().st_size > LARGEST:
        reduced(Image.open(path).convert("RGB")).save(path, optimize=True)
    if path.stat().st_size > LARGEST:
        raise SystemExit(f"{path} has {path.stat().st_size} bytes; pictures may have {LARGEST} at most.")
    return path


def reduced(image: Image.Image) -> Image.Image:
    """Return an image in its 256 most frequent colours, among which are all classes."""
    counted = sorted(image.getcolors(image.width * image.height) or [], reverse=True)[:256]
    holder = Image.new("P", (1, 1))
    holder.putpalette([part for _, colour in counted for part in colour])  # type: ignore[union-attr]
    return image.quantize(palette=holder, dither=Image.Dither.NONE)


def main() -> None:
    """Take all pictures, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(PICTURES)}; all by default")
    parser.add_argument("--url", default="http://localhost:5006/", help="where the page is served")
    parser.add_argument("--out", type=Path, default=IMAGES, help="folder of the pictures")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - set(PICTURES))
    if unknown:
        parser.error(f"there is no picture called {unknown[0]}; there are {', '.join(PICTURES)}.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for name in arguments.names or PICTURES:
            print(take(browser, arguments.url, name, PICTURES[name], arguments.out))
        browser.close()


if __name__ == "__main__":
    main()
