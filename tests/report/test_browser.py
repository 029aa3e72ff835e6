"""The report in a real browser: silent console, no request, and every control works by keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from unetkit.report import ReportData, write_report

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed: the report is untested in a browser"
)

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, full_report: ReportData) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, full_report)
    return path


@pytest.fixture
def page(browser: playwright.Browser, report: Path, request: pytest.FixtureRequest) -> Iterator[playwright.Page]:
    """The opened report; whatever the console said or the page asked for fails the test at its end."""
    width = getattr(request, "param", 1280)
    context = browser.new_context(viewport={"width": width, "height": 900})
    shown = context.new_page()
    complaints: list[str] = []
    shown.on("console", lambda message: complaints.append(message.text))
    shown.on("pageerror", lambda error: complaints.append(str(error)))
    shown.on(
        "request", lambda sent: complaints.append(sent.url) if not sent.url.startswith(("file:", "data:")) else None
    )
    shown.on("dialog", lambda dialog: (complaints.append("a hostile name ran"), dialog.dismiss()))
    shown.goto(report.as_uri())
    yield shown
    context.close()
    assert complaints == []


@pytest.mark.parametrize("page", [390, 768, 1280], indirect=True)
def test_nothing_runs_over_the_edge(page: playwright.Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("innerWidth")


def test_the_divider_moves_by_keyboard(page: playwright.Page) -> None:
    wipe = page.locator("[data-wipe]")
    wipe.focus()
    before = page.locator("[data-pane=right]").evaluate("e => getComputedStyle(e).clipPath")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    assert wipe.input_value() == "55"
    assert wipe.get_attribute("aria-valuetext") == "55 % from the left"
    after = page.locator("[data-pane=right]").evaluate("e => getComputedStyle(e).clipPath")
    assert (before, after) == ("inset(0px 0px 0px 50%)", "inset(0px 0px 0px 55%)")


def test_the_divider_follows_the_pointer(page: playwright.Page) -> None:
    stage = page.locator("[data-stage]")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + 0.6 * box["height"])
    assert abs(int(page.locator("[data-wipe]").input_value()) - 25) <= 1


def test_layers_are_chosen_by_keyboard(page: playwright.Page) -> None:
    corner = page.locator("[data-corner=left]")
    assert corner.text_content() == "Image"
    page.locator("input[name=left]:checked").focus()
    page.keyboard.press("ArrowRight")
    assert corner.text_content() == "Truth"
    images = page.locator("[data-pane=left] img")
    assert images.count() == 2
    page.wait_for_function("[...document.querySelectorAll('.pane img')].every(i => i.complete && i.naturalWidth > 0)")
    page.locator("input[name=right]:checked").focus()
    page.keyboard.press("Home")
    page.locator("input[name=right][value='']").evaluate("radio => radio.click()")
    assert not page.locator("[data-wipe]").is_visible()


def test_a_case_without_truth_offers_no_truth(page: playwright.Page) -> None:
    page.locator("input[name=case]").last.evaluate("radio => radio.click()")
    assert page.locator("[data-shown-name]").text_content() == "no truth"
    assert page.locator("input[name=left][value=truth]").is_disabled()
    assert page.locator("[data-corner=right]").text_content() == "Prediction"
    page.locator("input[name=case]").last.focus()
    page.keyboard.press("ArrowUp")
    assert page.locator("input[name=left][value=truth]").is_enabled()


def test_hostile_names_are_shown_as_they_are(page: playwright.Page, hostile: str) -> None:
    assert page.locator("h1").text_content() == f"U-Net {hostile}"
    assert page.locator("[data-shown-name]").text_content() == f"plate/0{hostile}"


def test_curves_tell_their_values(page: playwright.Page) -> None:
    readout, figure = page.locator(".readout"), page.locator("[data-curves]")
    assert (readout.text_content() or "").startswith("step 80 ·")
    figure.focus()
    page.keyboard.press("ArrowRight")
    assert (readout.text_content() or "").startswith("step 10 ·")
    figure.locator("svg:visible").hover(position={"x": 830, "y": 100})
    assert (readout.text_content() or "").startswith("step 90 ·")


def test_printing_opens_what_is_folded(page: playwright.Page) -> None:
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
