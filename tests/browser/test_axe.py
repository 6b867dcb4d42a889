"""axe-core finds nothing to complain of on any page, in any state that a person meets, in light and in dark."""

import pytest
from playwright.sync_api import expect

from tests.browser.axe import is_clean
from tests.browser.pages import DESKTOP, EVERY_PAGE, PHONE, place_of, visit

pytestmark = pytest.mark.browser

ASKED = "What is a pangram?"
ANSWER = "A sentence with every letter: “contains every letter of the alphabet” [¶12]."
TOUCH = {"size": PHONE, "has_touch": True, "is_mobile": True}


@pytest.fixture(params=["desktop", "phone"])
def shape(request) -> dict:
    return {"desktop": {"size": DESKTOP}, "phone": TOUCH}[request.param]


@pytest.mark.parametrize(("person", "path"), EVERY_PAGE.values())
def test_a_page_as_it_opens(opens, school, shape, person, path):
    page = opens(person and getattr(school, person), **shape)
    assert visit(page, place_of(school, path)).ok
    for summary in page.locator("main details > summary:visible").all():
        summary.click()
    is_clean(page)


def test_forms_with_errors(opens, school):
    page = opens(trouble=True)  # 400 is what a form with errors answers
    page.goto("/login/")
    page.get_by_label("User name").fill("nobody")
    page.get_by_label("Password").fill("nothing")
    page.get_by_role("button", name="Log in").click()
    expect(page.locator(".message.error")).to_be_visible()
    is_clean(page)
    for path in ("/classes/new/", f"{school.carol.path}texts/new/"):
        page = opens(school.carol, trouble=True)
        page.goto(path)
        page.locator("main form button[type=submit]").click()
        expect(page.locator("main .errorlist").first).to_be_visible()
        is_clean(page)


def test_a_letter_s_link_and_its_errors(opens, site, school):
    page = opens(trouble=True)
    page.goto(site.clerk.reset_link(school.carol))
    expect(page.locator("[name=new_password1]")).to_be_visible()
    is_clean(page)
    page.locator("main form button[type=submit]").click()
    expect(page.locator("main .errorlist").first).to_be_visible()
    is_clean(page)


def test_settings_that_a_colleague_changed_meanwhile(opens, school):
    page, colleague = opens(school.carol, trouble=True), opens(school.carol)
    for each in (page, colleague):
        each.goto(f"{school.carol.path}settings/")
        each.get_by_label("Name of the class").fill("7B reads" if each is colleague else "7B of carol")
    colleague.get_by_role("button", name="Save", exact=True).click()
    expect(colleague.locator(".message.success")).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("main .errorlist")).to_contain_text("Somebody changed this to “7B reads”")
    is_clean(page)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_label("Name of the class")).to_have_value("7B of carol")
    expect(page.locator(".message.success")).to_be_visible()


def test_a_class_that_is_over(opens, school):
    page = opens(school.carol)
    page.goto(f"{school.carol.path}settings/")
    page.locator("summary", has_text="Archive this class").click()
    page.get_by_role("button", name="Archive 7B").click()
    is_clean(page)
    page.goto(f"{school.carol.path}settings/")
    expect(page.locator(".message.warning")).to_be_visible()
    is_clean(page)
    alice = opens(school.alice, trouble=True)
    alice.goto("/read/")
    expect(alice.locator("main")).to_contain_text("7B is over")
    is_clean(alice)


def test_joining_one_field_at_a_time_and_its_errors(opens, school):
    page = opens(trouble=True, **TOUCH)
    page.goto("/join/")
    for label, value in (("Class code", school.code), ("Nickname", "alice"), ("PIN", "9999")):
        page.get_by_label(label).fill(value)
        is_clean(page)
        page.get_by_role("button", name="Start reading" if label == "PIN" else "Go on").tap()
    expect(page.locator("main .errorlist, main .message.error").first).to_be_visible()
    is_clean(page)


def test_reading_and_every_panel(reads, school, shape):
    alice = reads(school.alice, **shape)
    is_clean(alice.page)
    for button in ("#comfort-button", "#notes-button", "#questions-button"):
        alice.page.locator(button).click()
        is_clean(alice.page)
        alice.page.keyboard.press("Escape")
    alice.page.keyboard.press("?")
    expect(alice.page.locator("#shortcuts-dialog")).to_be_visible()
    is_clean(alice.page)


@pytest.mark.parametrize("theme", ["sepia", "dark"])
def test_reading_on_another_paper(reads, school, theme):
    alice = reads(school.alice)
    alice.page.locator("#comfort-button").click()
    alice.page.locator(f".comfort input[value={theme}]").check(force=True)
    is_clean(alice.page)


def test_asking_from_the_word_to_the_answer(reads, school, model, shape):
    model.says_for(ASKED, *ANSWER.partition(": "))
    model.holds(ASKED)
    alice = reads(school.alice, **shape)
    alice.turn_to(2)
    alice.word("pangram").click()
    expect(alice.page.locator("#in-hand")).to_be_visible()
    is_clean(alice.page)
    alice.page.get_by_role("button", name="Ask something else").click()
    is_clean(alice.page)
    alice.box.fill(ASKED)
    alice.box.press("Enter")
    card = alice.card(ASKED)
    expect(card.locator(".answer-text")).not_to_be_empty()
    is_clean(alice.page)
    model.releases()
    expect(card).to_have_attribute("data-state", "answered")
    expect(card.locator(".citation")).to_be_visible()
    is_clean(alice.page)
    card.get_by_role("button", name="Not yet").click()
    is_clean(alice.page)


def test_an_answer_that_failed(reads, school, model):
    model.behaves("400", question="sure to fail")
    alice = reads(school.alice)
    card = alice.ask("Is this sure to fail?")
    expect(card).to_have_attribute("data-state", "failed")
    is_clean(alice.page)


def test_reading_without_a_network(reads, school, line, shape):
    alice = reads(school.alice, line=line, **shape)
    alice.page.context.set_offline(True)
    line.cut()
    alice.is_in_state("offline")
    alice.ask("Kept until we are back?")
    is_clean(alice.page)


def test_a_paused_class_with_notes_and_its_room(reads, teaches, school, shape):
    alice, carol = reads(school.alice, **shape), teaches(school.carol)
    carol.say("Look at paragraph three")
    row = carol.page.locator(".paragraph[data-paragraph='3']")
    row.hover()
    row.get_by_role("button", name="Focus the class here").click()
    carol.page.locator("#toggle-pause").click()
    expect(alice.page.locator("#paused-notice")).to_be_visible()
    expect(alice.notices).to_contain_text("Look at paragraph three")
    is_clean(alice.page)
    expect(carol.page.locator("#paused-notice")).to_be_visible()
    is_clean(carol.page)


def test_the_room_its_parts_and_its_dialog(reads, teaches, school, model, shape):
    model.says_for(ASKED, ANSWER)
    alice = reads(school.alice)
    expect(alice.ask(ASKED)).to_have_attribute("data-state", "answered")
    carol = teaches(school.carol, **shape)
    tabs = carol.page.locator(".room-tabs [role=tab]:visible").all()
    for tab in tabs:
        tab.click()
        is_clean(carol.page)
    if not tabs:  # a desktop shows all parts at once
        is_clean(carol.page)
    carol.page.locator("#toggle-projector").click()
    is_clean(carol.page)
    carol.page.locator("#open-door").click()
    expect(carol.page.locator("#door")).to_be_visible()
    is_clean(carol.page)


def test_an_empty_room(opens, school, shape):
    page = opens(school.carol, **shape)
    page.goto("/classes/new/")
    page.get_by_label("Name").fill("Nobody yet")
    page.locator("main form button[type=submit]").click()
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    is_clean(page)


def test_pages_with_nothing_on_them_yet(opens, school, shape):
    """A teacher's first minutes, and a student who is there before the first text."""
    teacher = opens(**shape)
    teacher.goto("/signup/")
    for field, value in (("username", f"ines-{shape['size']['width']}"), ("password1", "a lamp in the fog 7"),
                         ("password2", "a lamp in the fog 7")):
        teacher.locator(f"[name={field}]").fill(value)
    teacher.get_by_role("button", name="Make the account").click()
    expect(teacher.locator("h1")).to_have_text("My classes")
    is_clean(teacher)
    teacher.goto("/texts/")
    is_clean(teacher)
    teacher.goto("/classes/new/")
    teacher.get_by_label("Name").fill("1A")
    teacher.locator("main form button[type=submit]").click()
    expect(teacher.locator("#connection")).to_have_attribute("data-state", "live")
    code = teacher.locator(".class-code-value").inner_text()
    teacher.goto(f"{teacher.url}roster/")
    is_clean(teacher)
    student = opens(java_script_enabled=False)
    student.goto(f"/j/{code}/")
    student.get_by_label("Nickname").fill("Zoe")
    student.get_by_label("PIN").fill("4321")
    student.get_by_role("button", name="Start reading").click()
    expect(student.get_by_role("heading", name="My books")).to_be_visible()
    page = opens(**shape)
    page.context.add_cookies(student.context.cookies())
    page.goto("/read/")
    is_clean(page)


def test_a_students_page_with_questions(reads, opens, school, model):
    model.says_for(ASKED, ANSWER)
    expect(reads(school.alice).ask(ASKED)).to_have_attribute("data-state", "answered")
    page = opens(school.carol)
    page.goto(f"{school.carol.path}students/{school.alice.enrollment_id}/")
    expect(page.locator(".history-question")).to_have_text(ASKED)
    for summary in page.locator("main details > summary").all():
        summary.click()
    is_clean(page)


def test_a_text_from_its_form_to_its_page(opens, school, shape):
    page = opens(school.carol, **shape)
    page.goto("/texts/new/")
    page.locator("[name=body]").fill("# The Tide Pool\n\nA crab looks up.\n\nThe water is *very* still.\n")
    page.locator("[name=title]").fill("The Tide Pool")
    page.locator("button[value=preview]").click()
    expect(page.locator("button[value=save]")).to_be_visible()
    is_clean(page)
    page.locator("button[value=save]").click()
    edit = page.get_by_role("link", name="Edit", exact=True)
    expect(edit).to_be_visible()
    is_clean(page)
    edit.click()
    expect(page.locator("button[value=preview]")).to_be_visible()
    is_clean(page)


@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_pages_of_trouble(opens, site, shape, status):
    page = opens(trouble=True, **shape)
    # As Django renders it when nothing else can be: for 500 even without a request.
    body = site.clerk.page_of_trouble(status)
    page.route("**/trouble/", lambda route: route.fulfill(status=status, content_type="text/html", body=body))
    page.goto("/trouble/")
    expect(page.locator(".error-code")).to_have_text(str(status))
    is_clean(page)
