"""What axe-core finds on a page.

axe-core comes with the package axe-playwright-python; it is put into the page by the browser's own debugger, so that
the site's content policy stands as it is.
"""

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

# Once for each document: it is half a megabyte, and what runs a second time is compiled already.
IS_THERE = "typeof axe === 'object'"
# Rows out of sight are drawn too: until a frame has been, the colours computed for them are those of the scheme before.
# What fades is judged at its end: half of a fade has half of its contrast. A colour that reached its end is inherited, and
# may begin to fade there.
LOOK = """async (beside) => {
    document.querySelectorAll("li").forEach((row) => row.style.setProperty("content-visibility", "visible"));
    const frame = () => new Promise(requestAnimationFrame);
    await frame();
    await frame();
    const fading = () => document.getAnimations().filter(({ playState }) => playState === "running");
    for (let now = fading(); now.length; now = fading()) now.forEach((animation) => animation.finish());
    const { violations } = await axe.run(beside ? { exclude: beside } : document, { resultTypes: ["violations"] });
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) =>
        `${id}: ${html.slice(0, 160)} ${failureSummary.slice(0, 300)}`));
}"""


def complaints(page: Page, *, beside: str = "") -> list[str]:
    """Return what axe-core finds on the page as it stands, one line for each element; what `beside` selects is left out."""
    if not page.evaluate(IS_THERE):
        page.evaluate(AXE_SCRIPT)
    return page.evaluate(LOOK, beside)


def is_clean(page: Page, *, beside: str = "") -> None:
    """Nothing is found, neither in light nor in dark."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found = complaints(page, beside=beside)
        assert not found, "\n".join([f"in {scheme}:", *found])
