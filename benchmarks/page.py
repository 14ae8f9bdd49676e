"""Photograph, word, Edit, as somebody does it in a browser, with a clock: writes docs/page.png and docs/page-phone.png.

``python -m benchmarks.page`` needs zeroshift[ui], playwright and a Chromium.
"""

import time
from pathlib import Path
from shutil import which
from typing import Any

import zeroshift
from zeroshift.ui import serve

ROOT = Path(__file__).parent.parent
CAT = ROOT / "examples" / "cat.png"
SHOTS = {"page.png": (1280, 900), "page-phone.png": (390, 844)}
PATIENCE = 600_000
"""milliseconds"""


def main() -> None:
    """Do it at both sizes, and print the seconds."""
    from playwright.sync_api import sync_playwright

    begun = time.perf_counter()
    address = serve(zeroshift.load()).local_url
    print(f"page served after {time.perf_counter() - begun:.1f} s")
    with sync_playwright() as started:
        path = which("chromium") or which("google-chrome")
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        for name, (width, height) in SHOTS.items():
            edited(browser.new_page(viewport={"width": width, "height": height}), address, ROOT / "docs" / name)
        browser.close()


def edited(page: Any, address: str, shot: Path) -> None:
    """Drop the cat, ask for a dog, and take the picture."""
    page.set_default_timeout(PATIENCE)
    begun, work = time.perf_counter(), time.process_time()
    page.goto(address)
    page.set_input_files("#photograph input[type=file]", str(CAT))
    page.wait_for_selector(".zs-seen")
    seen = time.perf_counter() - begun
    page.get_by_role("button", name="dog", exact=True).click()
    page.wait_for_function("document.querySelector('#target textarea').value === 'dog'")
    page.click("#edit")
    page.wait_for_selector("#slider img")
    took, worked = time.perf_counter() - begun, time.process_time() - work
    print(f"{shot.name}: seen after {seen:.1f} s, a dog after {took:.1f} s, {worked:.1f} s of a processor")
    page.wait_for_selector("#history .zs-card img")
    page.evaluate("window.scrollTo(0, 0)")
    page.wait_for_timeout(1500)
    page.mouse.move(0, 0)
    page.screenshot(path=str(shot), full_page=page.viewport_size["width"] < 760)


if __name__ == "__main__":
    main()
