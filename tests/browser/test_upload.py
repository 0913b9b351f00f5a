"""Files chosen on the page: a good run becomes an archive that the model runs on, bad ones are refused in words."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import pytest
from conftest import Server, Visit

sys.path.append(str(Path(__file__).resolve().parents[1]))
from upload_helpers import kma_run

SAID = ".upload .upload-state"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return kma_run(tmp_path_factory.mktemp("kma"))


@pytest.fixture(scope="module")
def taking(serve: Callable[..., Server]) -> Iterator[Server]:
    """A server with the sample model, which uploads are forecast with."""
    server = serve()
    yield server
    assert "Traceback" not in server.log.read_text()


def choose(there: Visit, files: list[Path], button: str = "Choose files …") -> Any:
    page = there.page
    page.set_default_timeout(120_000)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name=button).click()
    chooser.value.set_files(files)
    return page


def test_a_run_is_uploaded_chosen_and_forecast(visit: Callable[..., Visit], taking: Server, files: list[Path]) -> None:
    there = visit("?drawer=data&language=en", url=taking.url)
    page = choose(there, files)
    page.wait_for_selector(".upload progress")
    page.wait_for_selector(f"{SAID}:has-text('Reading the files')")
    page.click(".language")  # the page is built again, and the upload goes on
    page.wait_for_selector(f"{SAID}:has-text('파일을 읽는 중')")
    page.wait_for_selector(f"{SAID}:has-text('자료가 준비되었습니다')")
    page.click(".language")
    title = f"{files[0].name} (+3)"
    assert there.text(SAID) == f"{title} is ready."
    assert "1 run · +1 to +2 h · 16 channels" in there.text(".made")
    page.wait_for_selector(f".entries .entry:has-text('{title}')")
    page.locator(".made").get_by_role("button", name="Open").click()
    page.wait_for_url("**data=upload-**")
    page.wait_for_selector(".card:not(.waiting) .map canvas")
    assert title in there.text("h1")
    page.wait_for_selector("[data-map=probability] .notice", state="hidden")
    box = there.box("[data-map=nwp] .map")
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector("[data-map=nwp] .value:has-text('2.0 mm')")
    page.wait_for_selector("[data-map=probability] .value:has-text('%')")
    page.get_by_role("button", name="Forecast the runs without probabilities").click()
    page.wait_for_selector(".job .far:has-text('done: 1 of 1 runs')")
    # nobody else has to look for it
    other = visit("?drawer=data&language=en", url=taking.url)
    other.page.wait_for_selector(f".entries .entry:has-text('{title}')")


def bad(folder: Path, files: list[Path]) -> dict[str, tuple[str, str]]:
    """Write files that are none; return by name what is said in English, and in Korean where that is looked at."""
    content = files[0].read_bytes()
    (folder / "empty.nc").touch()
    (folder / "renamed.gb2").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(5000))
    (folder / "page.nc").write_text("<html><script>alert(1)</script></html>")
    (folder / "cut.gb2").write_bytes(content[: len(content) // 3])
    (folder / "half.gb2").write_bytes(b"GRIB" + content[4:200] + bytes(4000))
    with h5py.File(folder / "bomb.nc", "w") as file:
        file.create_dataset("t", (300_000, 300_000), "f4", chunks=(1000, 1000), compression="gzip")
    with h5py.File(folder / "<img src=x onerror=alert(1)>.nc", "w") as file:
        file["rain"] = [1.0, 2.0]
    with (folder / "large.grib").open("wb") as large:
        large.write(b"GRIB")
        large.truncate(256_000_001)
    return {
        "empty.nc": ("empty.nc: the file is empty.", "빈 파일입니다."),
        "renamed.gb2": ("renamed.gb2: this is no NetCDF or GRIB file.", "NetCDF나 GRIB 파일이 아닙니다."),
        "page.nc": ("page.nc: this is no NetCDF or GRIB file.", "NetCDF나 GRIB 파일이 아닙니다."),
        "large.grib": ("large.grib: the file is larger than 256 MB.", "파일이 256 MB보다 큽니다."),
        "cut.gb2": ("cut.gb2 is cut off within the message", "다시 복사하거나 내려받으십시오. (cut.gb2 is"),
        "half.gb2": ("half.gb2 is", "파일을 읽을 수 없습니다. 파일이 손상되었거나 끝까지 전송되지 않았습니다."),
        "bomb.nc": ("declares a field that is too large: bomb.nc: t (300000 × 300000)", ""),
        "<img src=x onerror=alert(1)>.nc": ("The files cannot be read.", ""),
    }


def test_bad_files_are_refused_in_plain_words(
    visit: Callable[..., Visit], taking: Server, files: list[Path], tmp_path: Path
) -> None:
    there = visit("?drawer=data&language=en", url=taking.url)
    korean = visit("?drawer=data&language=ko", url=taking.url)
    for name, (said, in_korean) in bad(tmp_path, files).items():
        english = (there, "Choose files …", said)
        for one, button, text in (english, (korean, "파일 선택 …", in_korean)) if in_korean else (english,):
            page = choose(one, [files[2], tmp_path / name] if name == "cut.gb2" else [tmp_path / name], button)
            page.wait_for_selector(f"{SAID}.problem")
            found = one.text(SAID)
            assert text in found, (name, found)
            assert one.box(SAID)["height"] > 15, "to be seen"
            for word in ("Traceback", "Error", "/tmp", "uploads"):
                assert word not in found, (name, found)
            assert not page.locator(".made").count()
            assert page.locator("img[src=x]").count() == 0
    # the maps still answer, and the next file is taken
    there.page.press("body", "ArrowRight")
    choose(there, files[:2])
    there.page.wait_for_selector(".made")
    left = [path.name for path in (taking.log.parent / "cache" / "uploads").iterdir()]
    assert all(name.startswith("upload-") for name in left), left


def test_an_upload_is_deleted_once_its_visitor_agrees(
    visit: Callable[..., Visit], taking: Server, files: list[Path]
) -> None:
    there = visit("?drawer=data&language=en", url=taking.url)
    page = choose(there, files[2:])
    page.wait_for_selector(".made")
    title = f"{files[2].name} (+1)"
    card = page.locator(f".entries .entry:has-text('{title}')")
    card.wait_for()
    questions: list[str] = []

    def reply(dialog: Any) -> None:
        questions.append(dialog.message)
        dialog.accept() if len(questions) > 1 else dialog.dismiss()

    page.on("dialog", reply)
    delete = page.get_by_role("button", name=f"Delete the upload {title}")
    delete.click()
    page.wait_for_timeout(300)
    assert card.count() == 1, "not yet"
    delete.click()
    page.wait_for_selector(f".note:has-text('{title} is deleted.')")
    assert card.count() == 0
    assert page.locator(".made").count() == 0
    assert "for everyone" in questions[1]
    assert page.get_by_role("button", name="Delete the upload August").count() == 0, "what the server has stays"


def test_an_upload_is_cancelled_and_the_page_says_so(
    visit: Callable[..., Visit], taking: Server, files: list[Path]
) -> None:
    there = visit("?drawer=data&language=en", url=taking.url)
    page = choose(there, files)
    page.wait_for_selector(f"{SAID}:has-text('Reading the files')")
    assert page.get_by_role("button", name="Choose files …").is_disabled()
    page.locator(".upload").get_by_role("button", name="Cancel").click()
    page.wait_for_selector(f"{SAID}:has-text('Cancelled.')")
    assert page.get_by_role("button", name="Choose files …").is_enabled()


def test_a_file_that_does_not_say_its_start_can_be_told_it(
    visit: Callable[..., Visit], taking: Server, shared_data: Path
) -> None:
    there = visit("?drawer=data&language=en", url=taking.url)
    pressure = shared_data / "ifs_korea_202208" / "mslp.nc"
    page = choose(there, [pressure])
    page.wait_for_selector(f"{SAID}:has-text('holds valid times but not the start of its run')")
    page.click("summary:has-text('Where the files do not say it')")
    page.get_by_label("Start of the run, UTC").fill("2022-08-17T00:00")
    choose(there, [pressure])
    page.wait_for_selector(".made:has-text('1 channel, 15 of the usual ones')")


def test_a_server_that_takes_no_files_offers_nothing(
    visit: Callable[..., Visit], serve: Callable[..., Server], case: tuple[Path, Path]
) -> None:
    server = serve(archive=case[0], forecast=case[1], service={"upload": False})
    there = visit("?drawer=data&language=en", url=server.url)
    there.page.wait_for_selector(".entry")
    assert there.page.locator(".upload").count() == 0
