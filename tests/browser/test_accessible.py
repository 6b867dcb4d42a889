"""Every page for everyone: by keyboard alone, narrow, without scripts, light, within its own host and policy.

That no page writes to the console, breaks the content policy or asks another host is checked by the fixture `opens`
for every page of every test here.
"""

import re

import pytest
from playwright.sync_api import expect

from tests import matrix
from tests.browser.pages import DESKTOP, EVERY_PAGE, NO_PAGES, PHONE, ReadingPage, place_of, visit

pytestmark = pytest.mark.browser

NARROW = {"width": 320, "height": 640}


def show(opens, school, person, path, **options):
    """Return the page at `path` as this person sees it, with all its requests done."""
    page = opens(person and getattr(school, person), **options)
    visit(page, place_of(school, path))
    return page


def too_wide(page) -> list[str]:
    """Return what makes the page wider than its window."""
    return page.evaluate("""() => {
        const width = document.documentElement.clientWidth;
        if (document.documentElement.scrollWidth <= width) return [];
        return [...document.querySelectorAll("body *")].filter((element) => element.getBoundingClientRect().right > width)
            .map((element) => element.outerHTML.slice(0, 100)).concat("the page scrolls sideways");
    }""")


def test_every_page_is_looked_at():
    assert EVERY_PAGE.keys() | NO_PAGES == {row.route for row in matrix.PAGES if row.method == "GET"}


def moving(page) -> list[str]:
    """Return what would move or fade on the page."""
    return page.evaluate("""() => [...document.querySelectorAll("*")].filter((element) => {
        const style = getComputedStyle(element);
        const lasts = `${style.animationDuration}, ${style.transitionDuration}`.split(", ").map(parseFloat);
        return Math.max(...lasts) > 0.01 || style.scrollBehavior === "smooth";
    }).map((element) => element.outerHTML.slice(0, 100))""")


@pytest.mark.parametrize(("person", "path"), EVERY_PAGE.values())
def test_every_page_has_landmarks_and_names_keeps_still_and_fits_320_pixels(opens, school, person, path):
    page = show(opens, school, person, path, reduced_motion="reduce")
    assert moving(page) == []
    expect(page.locator("main")).to_have_count(1)
    expect(page.locator("h1")).to_have_count(1)
    assert page.title()
    assert page.locator("html").get_attribute("lang") == "en"
    nameless = page.evaluate("""() => [
        ...document.querySelectorAll("button, a[href], input:not([type=hidden]), textarea, select")
    ].filter((control) => control.checkVisibility() && !control.textContent.trim() && !control.ariaLabel
            && !control.labels?.length && !control.getAttribute("aria-labelledby"))
        .map((control) => control.outerHTML.slice(0, 120))""")
    assert nameless == []
    page.keyboard.press("Tab")
    expect(page.locator(".skip-link")).to_be_focused()
    expect(page.locator(".skip-link")).to_be_in_viewport()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.tagName") == "MAIN"
    page.set_viewport_size(NARROW)
    assert too_wide(page) == []
    # With letters of twice the size, as a browser's own zoom of text makes it.
    page.set_viewport_size({"width": 640, "height": 800})
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert too_wide(page) == []


@pytest.mark.parametrize("path", ["{alice.path}page/2/", "/read/"])
def test_a_phones_targets_are_large_enough(opens, school, path):
    page = show(opens, school, "alice", path, size=PHONE, has_touch=True, is_mobile=True)
    small = page.evaluate("""() => [...document.querySelectorAll("button, a[href], input:not([type=hidden]), summary")]
        .filter((target) => target.checkVisibility() && !target.closest("p, .visually-hidden, .skip-link"))
        .map((target) => [target, target.getBoundingClientRect()])
        .filter(([, box]) => box.width && (box.height < 43.5 || box.width < 43.5))
        .map(([target, box]) => `${Math.round(box.width)}x${Math.round(box.height)} ${target.outerHTML.slice(0, 90)}`)""")
    assert small == []


def test_a_whole_question_by_keyboard_alone(opens, school, model):
    asked = "What does “pangram” mean?"
    model.says_for(asked, "It has every letter: “contains every letter of the alphabet” [¶12].")
    page = opens(school.alice)
    alice = ReadingPage(page).open(f"{school.alice.path}page/2/")
    page.keyboard.press("w")
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.textContent") == "pangram"
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Ask about this")).to_be_focused()
    page.keyboard.press("Enter")
    card = alice.card(asked)
    expect(card).to_have_attribute("data-state", "answered")
    expect(card.locator(".unfold")).to_be_focused()
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('citation')"):
            break
    page.keyboard.press("Enter")
    expect(page.locator(".word.cited-now")).to_have_count(6)
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.act") == "understood":
            break
    page.keyboard.press("Enter")
    expect(card.locator(".inside")).to_be_hidden()
    expect(page.locator("#page")).to_be_focused()


def test_reading_without_scripts(opens, school, site):
    page = opens(school.alice, java_script_enabled=False)
    page.goto("/read/")
    page.get_by_role("link", name=re.compile("The Lighthouse Keeper")).click()
    expect(page.locator("#page")).to_have_attribute("data-page", "1")
    expect(page.locator("noscript .message")).to_contain_text("To ask a question, please allow scripts")
    expect(page.locator("noscript .message")).to_be_visible()
    expect(page.locator("#ask-button")).to_be_hidden()  # no tool that would do nothing
    page.get_by_role("button", name="page 2").click()
    expect(page.locator("#page")).to_have_attribute("data-page", "2")
    assert site.clerk.place(school.alice) == int(page.locator("#page").get_attribute("data-first-word"))
    page.get_by_role("link", name="page 1").click()
    expect(page.locator("#page")).to_have_attribute("data-page", "1")
    page.goto("/read/")
    page.get_by_role("link", name=re.compile("Go on at page 2")).click()
    expect(page.locator("#page")).to_have_attribute("data-page", "2")


def test_joining_without_scripts(opens, school):
    page = opens(java_script_enabled=False, size=PHONE)
    page.goto(f"/j/{school.code}/")
    page.get_by_label("Nickname").fill("xavier")
    page.get_by_label("PIN").fill("4321")
    page.get_by_role("button", name="Start reading").click()
    expect(page.get_by_role("heading", name="My books")).to_be_visible()


@pytest.mark.parametrize(("person", "path"), [(None, "/"), ("alice", "{alice.path}"), ("carol", "{carol.path}")])
def test_a_first_view_is_under_100_kilobytes_without_the_text(opens, school, person, path):
    page = opens(person and getattr(school, person))
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    received = []
    network.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    visit(page, place_of(school, path))
    network.send("Network.disable")  # its answer comes after all events
    text = len(page.locator("#page, #paragraphs").first.inner_text().encode()) if person else 0
    assert 0 < sum(received) - text < 100_000


@pytest.mark.parametrize("path", ["/nowhere/", "/classes/999999/", "/read/00000000-0000-4000-8000-000000000000/"])
def test_a_page_that_is_not_there_says_so_in_our_style(opens, school, path):
    page = opens(school.carol if "classes" in path else school.alice, trouble=True)
    assert page.goto(path).status == 404
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no such page")
    assert page.evaluate("document.styleSheets.length") > 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("person", "path"), [(None, "/"), ("alice", "{alice.path}page/2/"), ("carol", "{carol.path}")])
def test_text_stands_out_from_its_paper(opens, school, person, path, scheme):
    page = show(opens, school, person, path, size=DESKTOP, color_scheme=scheme, reduced_motion="reduce")
    assert page.evaluate(FAINT) == []


# Every visible text against the nearest painted background, by WCAG's formula; 4.5, or 3 for large letters.
FAINT = """() => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const rgba = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const light = (rgb) => rgb.slice(0, 3).map((c) => c / 255)
        .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const over = (top, under) => top.slice(0, 3).map((c, i) => (c * top[3] + under[i] * (255 - top[3])) / 255).concat(255);
    const paper = (element) => {
        const layers = [];
        for (let e = element; e; e = e.parentElement) layers.push(rgba(getComputedStyle(e).backgroundColor));
        const body = rgba(getComputedStyle(document.body).backgroundColor);
        return layers.reverse().reduce((under, top) => over(top, under), body);
    };
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const faint = new Set();
    while (texts.nextNode()) {
        const element = texts.currentNode.parentElement;
        if (!texts.currentNode.data.trim() || !element.checkVisibility({ opacityProperty: true })) continue;
        if (element.closest("script, noscript, .visually-hidden, .skip-link, [aria-hidden=true], :disabled")) continue;
        const style = getComputedStyle(element);
        const under = paper(element);
        const [a, b] = [light(over(rgba(style.color), under)), light(under)].sort((x, y) => y - x);
        const size = parseFloat(style.fontSize);
        const isLarge = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
        const ratio = (a + 0.05) / (b + 0.05);
        const says = texts.currentNode.data.trim().slice(0, 30);
        if (ratio < (isLarge ? 3 : 4.5)) faint.add(`${ratio.toFixed(2)} ${element.className || element.tagName}: ${says}`);
    }
    return [...faint];
}"""


def test_single_letters_can_be_switched_off_for_good(reads, school):
    alice = reads(school.alice)
    alice.page.locator("#comfort-button").click()
    alice.page.get_by_role("button", name="Keys").click()
    alice.page.get_by_label("Use single letters as keys").uncheck()
    alice.page.keyboard.press("Escape")
    alice.page.reload()
    alice.is_live()
    for key in ("q", "w", "?"):
        alice.page.keyboard.press(key)
    expect(alice.page.locator("#ask")).to_be_hidden()
    expect(alice.page.locator("dialog[open]")).to_have_count(0)
    assert alice.page.evaluate("document.activeElement.classList.contains('word')") is False
    alice.page.keyboard.press("ArrowRight")  # no letter
    expect(alice.page.locator("#page")).to_have_attribute("data-page", "2")


@pytest.mark.parametrize(("person", "path"), [
    ("alice", "{alice.path}page/2/"), ("carol", "{carol.path}students/{alice.enrollment_id}/"),
    ("carol", "{carol.path}roster/")])
def test_on_paper_it_is_black_on_white_and_without_tools(opens, school, person, path):
    page = show(opens, school, person, path, color_scheme="dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.querySelector('main')).color") == "rgb(0, 0, 0)"
    assert page.evaluate("""() => [...document.querySelectorAll("button, input, nav, footer, .connection")]
        .filter((tool) => tool.checkVisibility()).map((tool) => tool.outerHTML.slice(0, 100))""") == []
