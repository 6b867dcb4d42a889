"""The API's pages for staff: DRF's own, working under our content policy."""

import json

import pytest
from playwright.sync_api import expect

from tests import matrix
from tests.browser.pages import visit

pytestmark = pytest.mark.browser


def test_staff_look_around_and_change_a_class(opens, site, school):
    site.clerk.make_staff(school.carol)
    page = opens(school.carol)  # watched: a broken content policy or a request to another host fails the test
    page.goto("/api/v1/classrooms/")
    expect(page.get_by_role("heading", name="Classroom List")).to_be_visible()
    page.goto(f"/api/v1/classrooms/{school.carol.classroom_id}/")
    page.get_by_role("textbox", name="Content").fill(json.dumps({"name": "7B, mornings"}))
    page.get_by_role("button", name="PATCH").click()
    answer = page.locator(".response-info")
    expect(answer).to_contain_text("HTTP 200 OK")
    expect(answer).to_contain_text('"name": "7B, mornings"')
    expect(page).to_have_title("One Classroom – ReaderAI classroom")


def test_every_address_can_be_looked_at(opens, site, school, reads):
    """As a page for staff; opened by a watched page, so that a broken content policy fails."""
    reads(school.alice).ask("What is a pangram?")
    site.clerk.make_staff(school.carol)
    classroom, text = school.carol.classroom_id, school.text_id
    ids = {"<int:classroom_id>": classroom, "<int:text_id>": text, "<int:page>": 1,
           "<int:enrollment_id>": school.alice.enrollment_id}
    page = opens(school.carol)
    routes = {row.route for row in matrix.ROWS if row.method == "GET" and row.route.startswith("api/v1/")
              and "<uuid" not in row.route}  # a student's own readings, and no student is staff
    assert len(routes) >= 9
    for route in routes:
        for name, value in ids.items():
            route = route.replace(name, str(value))
        answer = visit(page, f"/{route}")
        assert answer.ok and answer.headers["content-type"].startswith("text/html"), route
        expect(page.locator(".response-info")).to_contain_text("HTTP 200 OK")
