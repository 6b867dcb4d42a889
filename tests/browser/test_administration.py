"""The administration in a browser: all of it works under the site's own content policy, without an exception.

That no page writes to the console, breaks the policy or asks another host is checked by the fixture `opens`.
"""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import is_clean
from tests.browser.pages import DESKTOP, PHONE, ReadingPage, place_of, visit

pytestmark = pytest.mark.browser


@pytest.fixture
def administrator(site, school):
    """carol, who administers everything and still teaches her class."""
    site.clerk.make_administrator(school.carol)
    return school.carol


def addresses(page: Page, selector: str) -> list[str]:
    return [link.get_attribute("href") for link in page.locator(selector).all()]


def look_at(page: Page, path: str) -> None:
    assert visit(page, path).ok, path
    expect(page.locator("h1")).to_have_count(1)


@pytest.mark.parametrize("shape", [{"size": DESKTOP}, {"size": PHONE, "has_touch": True, "is_mobile": True}])
def test_every_page_works_under_the_site_s_policy(opens, school, administrator, shape):
    asked = "What is a pangram?"
    reading = ReadingPage(opens(school.alice)).open(f"{school.alice.path}page/2/")
    expect(reading.ask(asked)).to_be_visible()
    page = opens(administrator, **shape)
    look_at(page, "/admin/")
    lists = addresses(page, "#content-main th a")
    assert len(lists) == 11
    pages = ["/admin/classrooms/user/add/", "/admin/classrooms/classroom/add/"]
    for path in lists:
        look_at(page, path)
        pages += addresses(page, "#result_list tbody tr:first-child th a")[:1]
    assert len(pages) >= 8
    for path in pages:
        look_at(page, path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways"


def test_choosing_texts_and_acting_on_rows(opens, school, administrator):
    page = opens(administrator)
    path = f"/admin/classrooms/classroom/{administrator.classroom_id}/change/"
    page.goto(path)
    page.locator(".field-texts .select2-search__field").fill("bread")
    page.get_by_role("option", name="How Bread Rises").click()
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.locator(".field-texts .select2-selection__choice")).to_have_count(2)
    page.get_by_role("link", name="View on site").click()
    expect(page).to_have_url(re.compile(f"{administrator.path}$"))
    page.goto(f"/admin/classrooms/enrollment/?classroom__id__exact={administrator.classroom_id}")
    page.locator("#action-toggle").check()
    expect(page.locator(".action-counter")).to_have_text("2 of 2 selected")
    page.locator("select[name=action]").select_option(value="forget_guesses")
    page.get_by_role("button", name="Go").click()
    expect(page.locator(".messagelist")).to_have_text("They may try again.")


def test_a_student_is_removed_while_reading(opens, reads, school, administrator):
    alice = reads(school.alice)
    page = opens(administrator)
    page.goto(f"/admin/classrooms/enrollment/?classroom__id__exact={administrator.classroom_id}")
    page.locator(f"input[name=_selected_action][value='{school.alice.enrollment_id}']").check()
    page.locator("select[name=action]").select_option(value="remove")
    page.get_by_role("button", name="Go").click()
    expect(page.locator(".messagelist")).to_have_text("1 student is no longer in the class.")
    expect(alice.connection).to_have_attribute("data-state", "ended")


def test_in_by_the_one_door_and_out(opens, school, administrator):
    page = opens()
    page.goto("/admin/classrooms/classroom/")
    expect(page).to_have_title("Teacher log-in · ReaderAI classroom")
    page.get_by_label("User name").fill(administrator.username)
    page.get_by_label("Password").fill(administrator.password)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("h1")).to_have_text("Select classroom to change")
    page.get_by_role("link", name="View site").click()
    page.locator(".site-footer").get_by_role("link", name="Administration").click()
    expect(page.locator("#site-name")).to_contain_text("Administration")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("link", name="Teachers")).to_be_visible()


@pytest.mark.parametrize("path", [
    "/admin/", "/admin/classrooms/classroom/", "/admin/reading_sessions/interruption/", "/admin/classrooms/user/add/",
    "/admin/password_change/", "/admin/classrooms/classroom/{carol.classroom_id}/change/",
    "/admin/classrooms/classroom/{carol.classroom_id}/history/", "/admin/classrooms/text/{text_id}/change/",
    "/admin/classrooms/enrollment/{alice.enrollment_id}/change/"])
def test_axe_finds_nothing(opens, school, reads, administrator, path):
    """But in Select2, which Django ships: its fields have no label. On forms axe puts styles of its own into the page."""
    reads(school.alice).ask("What is a pangram?")
    page = opens(administrator, bypass_csp=True)
    look_at(page, place_of(school, path))
    is_clean(page, beside=".select2")
