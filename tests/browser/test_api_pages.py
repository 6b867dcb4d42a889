"""The API's pages for staff: DRF's own, working under our content policy."""

import json

import pytest
from playwright.sync_api import expect

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
