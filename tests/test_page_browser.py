"""The page in a real browser: one test for each thing that somebody does there."""

import subprocess
import sys
from pathlib import Path
from shutil import which

import numpy as np
import pytest

from zeroshift.image import load_image, read_recipe

pytest.importorskip("gradio", reason="Gradio is not installed; install zeroshift[ui].")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed; install zeroshift[dev].")
CHROMIUM = which("chromium") or which("chromium-browser") or which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="There is no Chromium; install it, as with apt-get install chromium."),
]
ROOT = Path(__file__).parent.parent
CAT = ROOT / "examples" / "cat.png"
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
PATIENCE = 120_000
"""milliseconds"""


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """The file that has every connection of the server to anything but this machine."""
    return tmp_path_factory.mktemp("page") / "left.txt"


@pytest.fixture(scope="module")
def address(left):
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.page_server", str(left)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    yield next(line for line in server.stdout if line.startswith("http")).strip()
    server.terminate()
    server.communicate()


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium, address):
    """Opens the page in a context of its own; every request that a page makes is on its list."""
    contexts = []

    def open_page(viewport=DESKTOP):
        context = chromium.new_context(viewport=viewport, accept_downloads=True)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.asked, page.complaints = [], []
        page.on("console", lambda line: page.complaints.append(line.text) if line.type == "error" else None)
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(address)
        page.wait_for_selector(".zs-drop")
        return page

    playwright.expect.set_options(timeout=PATIENCE)
    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def page(opened):
    return opened()


def bring(page, file: Path) -> None:
    page.set_input_files("#photograph input[type=file]", str(file))
    page.wait_for_selector("#photograph [data-state=there]")
    page.wait_for_selector("#seen p")


def method(page, name: str) -> None:
    page.get_by_role("button", name="Method and options").click()
    page.wait_for_selector("#method input")
    page.locator("#method input").click()
    page.get_by_role("option", name=name, exact=True).click()


def edit(page, word: str = "dog", count: int = 1) -> None:
    page.fill("#target textarea", word)
    page.click("#edit")
    done(page, count)


def done(page, count: int = 1) -> None:
    """Wait until as many edits have been made, and the last is shown."""
    expect(page.locator("#history .zs-card")).to_have_count(count)
    expect(page.locator("#slider img")).to_have_count(2)
    expect(page.locator("#edit")).to_be_visible()
    expect(page.locator("#download")).to_be_visible()


def expect(locator):
    return playwright.expect(locator)


def downloaded(page, tmp_path: Path, name: str = "result.png") -> Path:
    with page.expect_download() as download:
        page.click("#download")
    download.value.save_as(tmp_path / name)
    return tmp_path / name


def said(page, selector: str) -> str:
    return " ".join(page.inner_text(selector).split())


def test_a_photograph_is_seen_and_edited_and_nothing_leaves_the_machine(page, left, tmp_path):
    assert "Drop one, or take an example." in said(page, "#stage")
    bring(page, CAT)
    page.wait_for_selector(".zs-seen")
    assert "I see a photo of" in said(page, "#seen") and "cat 9" in said(page, "#seen")
    page.get_by_role("button", name="dog", exact=True).click()
    page.wait_for_function("document.querySelector('#target textarea').value === 'dog'")
    page.click("#edit")
    page.wait_for_selector(".zs-progress")
    done(page)
    assert said(page, ".zs-done").startswith("dog · plug-and-play · seed 0 · ")
    file = downloaded(page, tmp_path)
    recipe = read_recipe(file)
    assert (recipe["target"], recipe["method"], recipe["options"]["steps"]) == ("dog", "plug-and-play", 4)
    assert recipe["source_path"] == "cat.png" and recipe["drift"]["inside"]["changed"] > 0.5
    assert load_image(file).image.size == load_image(CAT).image.size
    elsewhere = [url for url in page.asked if not url.startswith(("http://127.0.0.1:", "data:", "blob:"))]
    assert not elsewhere and not page.complaints
    assert not left.exists() or not left.read_text()


def test_before_and_after_meet_at_the_handle(page):
    bring(page, CAT)
    edit(page)
    handle = page.locator("#slider [role=none] .inner, #slider .inner").first
    box = settled(page.locator("#slider"))
    before = settled(handle)["x"]
    page.mouse.move(before + 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    assert settled(handle)["x"] < before - box["width"] * 0.2


def settled(locator) -> dict:
    """Where something is when it does not move any more: a picture that loads moves what is about it."""
    box = None
    while (now := locator.bounding_box()) != box:
        box = now
        locator.page.wait_for_timeout(300)
    return box


def test_a_run_stops_within_a_step(page):
    bring(page, CAT)
    method(page, "sdedit")
    page.fill("#target textarea", "dog")
    page.click("#edit")
    page.wait_for_function("/step [0-9]+ of [0-9]+/.test(document.querySelector('#stage')?.innerText)")
    page.click("#stop")
    page.wait_for_selector(".zs-stopped")
    assert "nothing was kept" in said(page, "#stage")
    expect(page.locator("#edit")).to_be_visible()
    expect(page.locator("#stop")).to_be_hidden()
    assert page.locator("#history .zs-card").count() == 0


def test_another_intensity_inverts_nothing(page):
    bring(page, CAT)
    edit(page)
    page.evaluate(
        "() => { window.stages = []; new MutationObserver(() => window.stages.push("
        "document.querySelector('#status').innerText)).observe(document.querySelector('#status'), "
        "{subtree: true, childList: true, characterData: true}); }"
    )
    slider = page.locator("#strength input[type=range]")
    slider.focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    slider.dispatch_event("pointerup")
    done(page, 2)
    stages = page.evaluate("window.stages")
    assert any("Editing" in stage or "·" in stage for stage in stages)
    assert not any("Inverting" in stage for stage in stages)
    assert page.is_visible("#slider")


def test_a_box_is_where_it_changes(page, tmp_path):
    bring(page, CAT)
    page.get_by_role("button", name="Box", exact=True).click()
    drag(page, (0.3, 0.1), (0.8, 0.9))
    edit(page)  # at once
    left, top, right, bottom = read_recipe(downloaded(page, tmp_path))["region"]
    width, height = load_image(CAT).image.size
    assert abs(left / width - 0.3) < 0.02 and abs(right / width - 0.8) < 0.02
    assert abs(top / height - 0.1) < 0.02 and abs(bottom / height - 0.9) < 0.02


def test_a_pointer_that_the_system_takes_draws_no_more(page):
    """As where a call comes in: what is drawn stays, and what moves later without a press draws nothing."""
    bring(page, CAT)
    page.get_by_role("button", name="Box", exact=True).click()
    canvas = page.locator("#photograph canvas")
    box = canvas.bounding_box()

    def point(kind, x):
        where = {"clientX": box["x"] + x * box["width"], "clientY": box["y"] + x * box["height"]}
        canvas.evaluate("(c, [kind, where]) => c.dispatchEvent(new PointerEvent(kind, where))", [kind, where])

    canvas.evaluate("(c) => { c.setPointerCapture = () => {}; }")
    empty = canvas.evaluate("(c) => c.toDataURL()")
    point("pointerdown", 0.2)
    point("pointermove", 0.5)
    point("pointercancel", 0.5)
    drawn = canvas.evaluate("(c) => c.toDataURL()")
    assert drawn != empty
    point("pointermove", 0.9)
    assert canvas.evaluate("(c) => c.toDataURL()") == drawn


@pytest.mark.parametrize("size", [(300, 200), (200, 460)], ids=["landscape", "portrait"])
def test_a_painted_mask_is_where_it_changes_and_the_rest_keeps_its_pixels(page, tmp_path, size):
    photograph = tmp_path / "cat.png"
    load_image(CAT).image.resize(size).save(photograph)
    bring(page, photograph)
    page.fill("#target textarea", "dog")
    page.get_by_role("button", name="More about the picture").click()
    page.fill("#source textarea", "cat")
    for time in range(2):  # once more after a new photograph was laid there: the brush still paints
        page.get_by_role("button", name="Brush", exact=True).click()
        drag(page, (0.3, 0.5), (0.7, 0.5))
        if time == 0:
            page.click(".zs-away")
            page.wait_for_selector("#photograph [data-state=empty]")
            bring(page, photograph)
    page.click("#edit")
    done(page)
    result = downloaded(page, tmp_path)
    before, after = (np.asarray(load_image(file).image, int) for file in (photograph, result))
    changed = np.abs(before - after).max(2) > 0
    rows = np.flatnonzero(changed.any(1)) / size[1]
    assert read_recipe(result)["mask"] == "given" and changed.any()
    assert rows.min() > 0.2 and rows.max() < 0.8
    assert not changed[:, : int(0.15 * size[0])].any()


def drag(page, begin, end) -> None:
    box = page.locator("#photograph canvas").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (begin, end)]
    page.mouse.move(*places[0])
    page.mouse.down()
    page.mouse.move(*places[1], steps=8)
    page.mouse.up()


def test_a_result_that_is_dropped_brings_back_what_it_was_made_with(page, opened, tmp_path):
    bring(page, CAT)
    method(page, "sdedit")
    edit(page, "tiger")
    file = downloaded(page, tmp_path, "cat-tiger.png")
    other = opened()
    bring_result(other, file)
    expect(other.locator("#target textarea")).to_have_value("tiger")
    other.get_by_role("button", name="Method and options").click()
    expect(other.locator("#method input")).to_have_value("sdedit")
    expect(other.locator(".zs-done")).to_contain_text("tiger · sdedit · seed 0 · from its file")
    other.wait_for_selector("#photograph [data-state=there]")  # Chelsea is among the examples
    other.click("#edit")
    done(other, 2)
    again = downloaded(other, tmp_path, "again.png")
    assert np.array_equal(*(np.asarray(load_image(one).image) for one in (file, again)))


def bring_result(page, file: Path) -> None:
    """Drop a file anywhere on the page."""
    page.evaluate(
        """async ([name, bytes]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], name, {type: "image/png"}));
            document.dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
        }""",
        [file.name, list(file.read_bytes())],
    )
    page.wait_for_selector("#slider img")


def test_a_result_without_its_photograph_waits_for_it(page, opened, tmp_path):
    photograph = tmp_path / "mine.png"
    load_image(CAT).image.crop((70, 0, 370, 300)).save(photograph)
    bring(page, photograph)
    edit(page)
    file = downloaded(page, tmp_path)
    other = opened()
    bring_result(other, file)
    expect(other.locator("#seen")).to_contain_text("mine.png itself is not here; drop it")
    bring(other, photograph)
    expect(other.locator("#seen")).to_contain_text("I see")
    assert other.input_value("#target textarea") == "dog" and other.is_visible("#slider")


def test_a_picture_is_pasted(page):
    page.evaluate(
        """async bytes => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "image.png", {type: "image/png"}));
            document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true}));
        }""",
        list(CAT.read_bytes()),
    )
    page.wait_for_selector("#photograph [data-state=there]")
    expect(page.locator("#seen")).to_contain_text("I see")


def test_history_brings_an_edit_back(page):
    bring(page, CAT)
    edit(page, "dog")
    edit(page, "tiger", 2)
    page.locator("#history .zs-card").nth(1).click()
    page.wait_for_function("document.querySelector('.zs-done')?.innerText.startsWith('dog')")
    expect(page.locator("#target textarea")).to_have_value("dog")


def test_a_result_can_be_the_next_photograph(page):
    bring(page, CAT)
    edit(page)
    page.click("#again")
    page.wait_for_function("document.querySelector('#target textarea').value === ''")
    page.wait_for_selector("#stage .zs-empty")
    edit(page, "tiger", 2)


def test_what_is_wrong_is_said_as_the_core_says_it(page, tmp_path):
    page.click("#edit")
    page.wait_for_selector(".zs-failed")
    assert "There is no photograph yet" in said(page, "#stage")
    nothing = tmp_path / "notes.png"
    nothing.write_text("not a picture")
    page.set_input_files("#photograph input[type=file]", str(nothing))
    expect(page.locator("#photograph .zs-wrong")).to_contain_text("notes.png is not a picture")
    page.wait_for_selector("#photograph [data-state=empty]")
    bring(page, CAT)
    page.click("#edit")
    page.wait_for_selector(".zs-failed")
    page.fill("#target textarea", "dgo")
    page.wait_for_selector("#words .zs-doubt")
    assert "does not know" in said(page, "#words") and "did you mean dog" in said(page, "#words")


def test_options_come_from_their_types_and_are_reset(page, tmp_path):
    bring(page, CAT)
    page.get_by_role("button", name="Method and options").click()
    page.wait_for_selector(".zs-option")
    steps = page.get_by_label("number input for Steps")
    assert steps.input_value() == "4"
    with page.expect_response(lambda answer: answer.request.method == "POST"):
        steps.fill("3")
        steps.press("Tab")
    edit(page)
    assert read_recipe(downloaded(page, tmp_path))["options"]["steps"] == 3
    with page.expect_response(lambda answer: answer.request.method == "POST"):
        steps.fill("0")  # the field shows the range's end when it is left
        steps.press("Tab")
    expect(steps).to_have_value("1")
    edit(page, count=2)
    assert read_recipe(downloaded(page, tmp_path))["options"]["steps"] == 1
    page.click("#reset")
    page.wait_for_function("document.querySelector('[aria-label=\"number input for Steps\"]').value === '4'")


def test_the_copied_lines_ask_for_the_same(page):
    bring(page, CAT)
    edit(page)
    page.click("#copy-line")
    page.wait_for_function("document.querySelector('#copy-line').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()") == "zeroshift edit cat.png --target dog"
    page.click("#copy-python")
    page.wait_for_function("document.querySelector('#copy-python').textContent === 'Copied'")
    assert "EditSpec" in page.evaluate("navigator.clipboard.readText()")


def test_methods_side_by_side_share_what_they_can(page):
    bring(page, CAT)
    page.fill("#target textarea", "dog")
    page.get_by_role("tab", name="Side by side").click()
    for name in ("mirror-diffusion", "style-diffusion", "rediffuser", "prompt-to-prompt", "sdedit", "student"):
        page.locator("#methods").get_by_label(name, exact=True).uncheck()
    page.click("#compare")
    page.wait_for_function("document.querySelectorAll('#cards button.zs-card').length === 3")
    cards = page.locator("#cards .zs-card").all_inner_texts()
    assert all(" SF" in card and " s" in card for card in cards)
    page.wait_for_selector("#compare", state="visible")
    assert "SF in all, the cheapest first" in page.locator("#compared").inner_text()
    assert cards[0].startswith("ddim")
    page.locator("#cards .zs-card", has_text="ddim").click()
    page.wait_for_function("document.querySelector('.zs-done')?.innerText.startsWith('dog · ddim')")


def test_a_student_is_one_of_the_methods(page, tmp_path):
    bring(page, CAT)
    method(page, "student")
    page.wait_for_selector("text=makes its edit in one pass")
    edit(page)
    assert read_recipe(downloaded(page, tmp_path))["method"] == "student"
    page.get_by_role("button", name="The same elsewhere").click()
    expect(page.locator("#line")).to_contain_text("--student")


def test_where_a_word_looks_and_what_drifted(page):
    bring(page, CAT)
    edit(page)
    page.get_by_role("tab", name="Look inside").click()
    page.wait_for_selector("#heat img")
    assert "Where cat looks" in said(page, "#heat")
    first = page.get_attribute("#heat img", "src")
    page.locator("#attended .zs-chip").nth(1).click()
    page.wait_for_function("first => document.querySelector('#heat img').src !== first", arg=first)
    assert "Outside the edit" in said(page, "#drift") and "SSIM" in said(page, "#drift")


def test_two_pages_at_once_keep_apart(opened):
    """One runs, the other says that it waits; each has its own in the end."""
    pages = [opened(), opened()]
    for page, word in zip(pages, ("dog", "tiger"), strict=True):
        bring(page, CAT)
        page.fill("#target textarea", word)
    method(pages[0], "sdedit")  # forty steps
    for page in pages:
        page.click("#edit")
    expect(pages[1].locator("#stage")).to_contain_text("Waiting until other edits are done")
    for page, word in zip(pages, ("dog", "tiger"), strict=True):
        done(page)
        expect(page.locator(".zs-done")).to_contain_text(f"{word} · ")


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_no_width_scrolls_sideways(opened, width):
    """Neither the page as it is opened, nor with an edit, all options and a comparison on it."""
    page = opened({"width": width, "height": 800})
    across = "document.documentElement.scrollWidth"
    assert page.evaluate(across) <= width
    bring(page, CAT)
    method(page, "sdedit")
    page.wait_for_selector(".zs-option")
    edit(page)
    for name in ("The same elsewhere", "More about the picture", "Frame and finish"):
        page.get_by_role("button", name=name).click()
    for tab in ("Side by side", "Look inside", "History"):
        page.get_by_role("tab", name=tab).click()
        assert page.evaluate(across) <= width, tab
    for name in ("#edit", "#slider", "#strength", "#download"):
        box = page.locator(name).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width


def test_a_keyboard_is_enough(page, tmp_path):
    """An example, a word, the edit, another intensity and the download: each reached by Tab, none by pointer."""
    tab_to(page, "button[aria-label^='Example: A cat']")
    page.keyboard.press("Enter")
    page.wait_for_selector("#photograph [data-state=there]")
    tab_to(page, "#target textarea")
    page.keyboard.type("dog")
    tab_to(page, "#edit")
    page.keyboard.press("Enter")
    done(page)
    tab_to(page, "#strength input[type=range]")
    page.keyboard.press("ArrowLeft")
    done(page, 2)
    expect(page.locator(".zs-done")).to_contain_text("intensity 0.95")
    tab_to(page, "#download")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    download.value.save_as(tmp_path / "dog.png")
    assert read_recipe(tmp_path / "dog.png")["target"] == "dog"


def tab_to(page, selector: str) -> None:
    """Press Tab until something has the focus, which then can be seen."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.closest(selector) !== null", selector):
            break
    else:
        raise AssertionError(f"Tab does not reach {selector}.")
    outline, shadow = page.evaluate(
        "() => { const s = getComputedStyle(document.activeElement); return [s.outlineStyle, s.boxShadow]; }"
    )
    assert (outline, shadow) != ("none", "none"), f"The focus of {selector} cannot be seen."


def test_why_a_photograph_was_not_taken_is_said(page, tmp_path):
    large = tmp_path / "large.png"
    large.write_bytes(bytes(101_000_000))
    page.set_input_files("#photograph input[type=file]", str(large))
    told = page.locator("#photograph .zs-wrong")
    expect(told).to_contain_text("has 101 MB, and a photograph may have 100 MB here")
    page.wait_for_selector("#photograph [data-state=empty]")
    answer = {"error": {"message": "The open pages hold as many files as they may."}}
    page.route("**/gradio_api/upload*", lambda route: route.fulfill(status=413, json=answer))
    page.set_input_files("#photograph input[type=file]", str(CAT))
    expect(told).to_contain_text("did not arrive here: The open pages hold as many files")


def test_a_file_that_is_refused_is_said_where_it_was_brought(opened, tmp_path):
    """On a phone without scrolling; what lies there stays: frame and hint, the edit on the slider, and its card."""
    page = opened(PHONE)
    nothing = tmp_path / "notes.png"
    nothing.write_text("not a picture")
    told = page.locator("#photograph .zs-wrong")
    page.set_input_files("#photograph input[type=file]", str(nothing))
    expect(told).to_be_in_viewport()
    bring(page, CAT)
    expect(told).to_be_hidden()
    edit(page)
    hint, painted = page.inner_text(".zs-hint"), "document.querySelector('#photograph canvas').toDataURL()"
    before = page.evaluate(painted)
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    page.set_input_files("#photograph input[type=file]", str(nothing))
    expect(told).to_be_in_viewport()
    page.wait_for_selector("#photograph [data-state=there]")
    assert hint and page.inner_text(".zs-hint") == hint and page.evaluate(painted) == before
    assert page.is_visible("#slider") and page.locator("#history .zs-chosen").count() == 1
    page.fill("#target textarea", "")
    page.click("#edit")
    expect(page.locator("#status .zs-wrong")).to_be_in_viewport()
    assert page.is_visible("#slider") and page.is_visible("#download")


DROP = """([kind, value]) => {
    const transfer = new DataTransfer();
    kind ? transfer.setData(kind, value) : transfer.items.add(new File(["x"], value, {type: "image/png"}));
    document.dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
}"""


def test_what_is_dropped_and_not_taken_is_said(page):
    """A picture of another page is no file, and of two files that come at once one is taken."""
    told = page.locator("#photograph .zs-wrong")
    page.evaluate(DROP, ["text/uri-list", "https://example.com/cat.png"])
    expect(told).to_contain_text("That is no file")
    page.evaluate(DROP, ["", "one.png"])
    page.evaluate(DROP, ["", "two.png"])
    expect(told).to_contain_text("this one was left out")
    expect(told).to_contain_text("one.png is not a picture")
    bring(page, CAT)
    expect(told).to_be_hidden()
    assert not [url for url in page.asked if "example.com" in url]


def test_what_was_said_of_a_second_file_goes_with_the_next_answer(page):
    told = page.locator("#photograph .zs-wrong")
    page.set_input_files("#photograph input[type=file]", str(CAT))
    page.evaluate(DROP, ["", "two.png"])
    page.wait_for_selector("#photograph [data-state=there]")
    expect(told).to_contain_text("this one was left out")
    page.get_by_role("button", name="All of it").click()
    expect(told).to_be_hidden()


def test_a_file_is_on_its_way_until_its_own_answer_comes(page):
    """An answer to what is drawn meanwhile lets no second file begin; where none comes, that is said."""
    told, stalled = page.locator("#photograph .zs-wrong"), []
    bring(page, CAT)
    page.clock.install()
    page.route("**/gradio_api/upload*", lambda route: stalled.append(route))
    page.set_input_files("#photograph input[type=file]", str(CAT))
    page.evaluate("document.querySelector('#photograph [data-mode=whole]').click()")
    page.wait_for_function("!document.querySelector('#photograph [data-told]')")
    page.evaluate(DROP, ["", "two.png"])
    expect(told).to_contain_text("this one was left out")
    page.route("**/gradio_api/queue/join*", lambda route: stalled.append(route))
    stalled[0].continue_()
    expect(told).to_contain_text("this one was left out")
    while len(stalled) < 2:
        page.wait_for_timeout(50)
    page.clock.fast_forward(61_000)
    expect(told).to_contain_text("No answer came to that file")
    page.wait_for_selector("#photograph [data-state=there]")


def test_no_cost_is_told_of_other_options(page):
    """What was said before an option, or the photograph, became another is taken away."""
    told = page.locator("#compared")
    bring(page, CAT)
    method(page, "sdedit")
    page.get_by_role("tab", name="Side by side").click()
    page.get_by_label("Seeds", exact=True).check()
    expect(told).to_contain_text("SF in all")
    steps = page.get_by_label("number input for Steps")
    steps.fill("3")
    steps.press("Tab")
    expect(told).not_to_contain_text("SF in all")
    page.get_by_label("Intensities", exact=True).check()
    expect(told).to_contain_text("SF in all")
    page.click(".zs-away")
    expect(told).not_to_contain_text("SF in all")


GOES = "window.dispatchEvent(new Event('beforeunload', {cancelable: true}))"


def test_a_page_whose_edit_runs_asks_before_it_goes_in_older_browsers_too(page):
    page.evaluate("delete Element.prototype.checkVisibility")
    bring(page, CAT)
    method(page, "sdedit")
    page.fill("#target textarea", "dog")
    page.click("#edit")
    page.wait_for_selector("#stop")
    assert not page.evaluate(GOES)
    page.click("#stop")
    expect(page.locator("#edit")).to_be_visible()


def test_a_page_that_has_something_asks_before_it_goes(page):
    """Loading it anew would lose photograph, history and settings; an empty one goes without a word."""
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.reload()
    page.wait_for_selector(".zs-drop")
    assert not asked
    bring(page, CAT)
    edit(page)
    assert not page.evaluate(GOES)  # as where somebody is asked and stays
    edit(page, "tiger", 2)
    page.reload()
    page.wait_for_selector(".zs-drop")
    assert asked == ["beforeunload"]
    page.wait_for_function("getComputedStyle(document.documentElement).overscrollBehaviorY === 'contain'")


def test_a_comparison_that_is_stopped_has_no_card_that_waits(page):
    bring(page, CAT)
    method(page, "sdedit")
    page.fill("#target textarea", "dog")
    page.get_by_role("tab", name="Side by side").click()
    page.get_by_label("Seeds", exact=True).check()
    page.click("#compare")
    page.wait_for_function("/editing [0-9]+/.test(document.querySelector('#cards')?.innerText)")
    page.click("#halt")
    expect(page.locator("#compare")).to_be_visible()
    assert page.locator("#cards .zs-gap").all_inner_texts() == ["stopped"] * 4


def test_both_pictures_of_the_slider_have_names(page):
    bring(page, CAT)
    edit(page)
    names = page.locator("#slider img").evaluate_all("all => all.map(one => one.alt)")
    assert names == ["The photograph before the edit", "The photograph after the edit"]


def test_an_emptied_number_is_what_its_field_shows_then(page, tmp_path):
    """The field shows the range's end when it is left empty, and the edit has that."""
    bring(page, CAT)
    page.get_by_role("button", name="Method and options").click()
    page.wait_for_selector(".zs-option")
    steps = page.get_by_label("number input for Steps")
    with page.expect_response(lambda answer: answer.request.method == "POST"):
        steps.fill("3")
        steps.press("Tab")
    steps.fill("")
    steps.press("Tab")
    page.wait_for_timeout(2000)
    edit(page)
    left = steps.input_value()
    assert str(read_recipe(downloaded(page, tmp_path))["options"]["steps"]) == left


def test_a_phone_shows_all_of_it_without_scrolling_sideways(opened):
    page = opened(PHONE)
    bring(page, CAT)
    edit(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    for name in ("#edit", "#slider", "#strength", "#download"):
        box = page.locator(name).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"]
