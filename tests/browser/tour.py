"""The tour: a picture of every page, and docs/tour.md around them.

`make tour` plays it with TOUR, the folder that holds tour.md and screenshots/. It is no test of its own (pytest does
not collect it unasked), but what it shows must be there, so it fails where a page has lost something.
"""

import datetime
import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.pages import PHONE, ReadingPage, RoomPage

pytestmark = pytest.mark.browser

# A small desktop, so that the pictures stay small.
DESK = {"width": 1040, "height": 650}
TOUCH = {"size": PHONE, "has_touch": True, "is_mobile": True}
ASKED = "Why do printers use this sentence?"
ANSWER = ("Because it shows each letter once at least: it ",
          "“contains every letter of the alphabet” [¶12].", " So one line is enough to see what a typeface can do.")
TEXT = """# The Tide Pool

A crab looks up out of the water, and the water, which is very still, looks down on the crab.

## Later

> The tide waits for nobody, said the crab.

1. It comes.
2. It goes.
"""
HEAD = """# A tour in pictures

Every page as it looked on {date}. `make tour` takes the pictures anew, `make scene` those of the scene between a student
and her teacher. Light or dark follows the device; on the reading page the reader may choose.
"""
PLACES = [
    ("The doors", [
        ("tour-landing", "The first page, with the demo's log-ins."),
        ("tour-landing-phone", "The same on a phone, in the dark."),
        ("tour-join-error", "Joining: code, nickname and PIN, and the same door for coming back."),
        ("tour-join", "On a phone one field at a time."),
        ("tour-login", "A teacher's log-in."),
        ("tour-sign-up", "A teacher's own account, where the site lets them make one."),
        ("tour-forgotten", "A new password, by letter."),
    ]),
    ("Reading", [
        ("tour-books", "My books: how far, where to go on, and what the teacher said last."),
        ("tour-reading", "A page. An answer stands beside its paragraph, and its quotation is lit in the text."),
        ("tour-reading-dark", "The same in the dark."),
        ("student-word", "On a phone: a tapped word with its sentence."),
        ("student-answer", "On a phone: the answer in a sheet that leaves the paragraph in view."),
        ("tour-note-phone", "On a phone: what the teacher says is seen beside an open answer."),
        ("student-offline", "Without a network one can go on reading; what was asked is kept."),
        ("tour-comfort", "Comfort: paper, letters, size, spacing."),
        ("tour-keys", "The keys, and the switch that turns single letters off."),
    ]),
    ("Teaching", [
        ("tour-classes", "My classes."),
        ("tour-class-new", "A new class in one step."),
        ("tour-room-empty", "A class that no one has joined yet."),
        ("teacher-room", "The room: who needs me first, where the questions are, each question as it is answered."),
        ("tour-room-dark", "The room in the dark, names hidden for the projector."),
        ("tour-room-phone", "The room on a phone."),
        ("tour-door", "The code and its QR picture, large."),
        ("tour-text-new", "Adding a text: pasted or uploaded."),
        ("tour-text-preview", "How it will look, before it is kept."),
        ("tour-texts", "My texts."),
        ("tour-text", "A text as its teacher sees it: who reads it, which classes have it, its pages."),
        ("tour-student", "A student's page, which prints well for a parent."),
        ("tour-roster", "The roster: new PINs, and who leaves."),
        ("tour-settings", "The class's settings: its door, AI and its budget, colleagues, the end of the year."),
        ("tour-account", "A teacher's own account."),
        ("tour-password", "Another password, which ends every other log-in."),
    ]),
    ("For administrators and programs", [
        ("tour-admin", "The administration: what happens now, and all that is kept."),
        ("tour-admin-classes", "Its list of classes, with a link to each live page."),
        ("tour-api", "The interface for programs, as staff may look around in it."),
    ]),
    ("When something is wrong", [
        ("tour-not-found", "An address that does not exist."),
        ("tour-forbidden", "A page for others."),
        ("tour-error", "When the server has failed."),
    ]),
]


@pytest.fixture
def picture(tmp_path):
    """Return a function that keeps a picture of a page under a stable name."""
    folder = Path(os.environ.get("TOUR") or tmp_path) / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)

    def take(page, name: str) -> None:
        assert name in {name for _title, views in PLACES for name, _words in views}
        page.mouse.move(0, 0)
        page.screenshot(path=folder / f"{name}.png", animations="disabled", caret="hide")
    return take


def test_the_doors(opens, school, picture):
    page = opens(size=DESK)
    page.goto("/", wait_until="networkidle")
    picture(page, "tour-landing")
    page.goto("/login/")
    picture(page, "tour-login")
    page.goto("/signup/")
    picture(page, "tour-sign-up")
    page.goto("/password/reset/")
    picture(page, "tour-forgotten")
    phone = opens(color_scheme="dark", **TOUCH)
    phone.goto("/", wait_until="networkidle")
    picture(phone, "tour-landing-phone")
    phone.goto("/join/")
    picture(phone, "tour-join")
    page = opens(size=DESK, trouble=True)
    page.goto("/join/")
    for label, value in (("Class code", "KM4T-9XPB"), ("Nickname", "alice"), ("PIN", "1234")):
        page.get_by_label(label).fill(value)
    page.locator("#join-submit").click()
    expect(page.locator("main .errorlist, main .message.error").first).to_be_visible()
    picture(page, "tour-join-error")
    page.goto("/nowhere/")
    expect(page.locator(".error-code")).to_have_text("404")
    picture(page, "tour-not-found")


def test_reading(opens, reads, teaches, school, model, picture):
    model.says_for(ASKED, *ANSWER)
    alice = reads(school.alice, size={"width": 1180, "height": 740})
    alice.turn_to(2)
    alice.word("pangram").click()
    alice.page.get_by_role("button", name="Ask something else").click()
    alice.box.fill(ASKED)
    alice.box.press("Enter")
    card = alice.card(ASKED)
    expect(card).to_have_attribute("data-state", "answered")
    expect(card.locator(".citation")).to_be_visible()
    alice.page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
    picture(alice.page, "tour-reading")
    alice.page.emulate_media(color_scheme="dark")
    picture(alice.page, "tour-reading-dark")
    alice.page.emulate_media(color_scheme="light")
    alice.page.locator("#comfort-button").click()
    picture(alice.page, "tour-comfort")
    alice.page.get_by_role("button", name="Keys").click()
    expect(alice.page.locator("#shortcuts-dialog")).to_be_visible()
    picture(alice.page, "tour-keys")
    alice.page.keyboard.press("Escape")

    carol = teaches(school.carol)
    phone = ReadingPage(opens(school.alice, **TOUCH)).open(school.alice.path)
    phone.page.get_by_role("button", name="1 question at paragraph 12").tap()
    carol.say("Five more minutes, then we talk about the pangram.")
    expect(phone.notices).to_contain_text("Five more minutes")
    expect(phone.notices).to_be_visible()
    picture(phone.page, "tour-note-phone")

    page = opens(school.alice, size=DESK)
    page.goto("/read/")
    picture(page, "tour-books")


def test_teaching(opens, reads, school, model, picture):
    model.says_for(ASKED, *ANSWER)
    alice, _bob = reads(school.alice), reads(school.bob)
    alice.turn_to(2)
    expect(alice.ask(ASKED)).to_have_attribute("data-state", "answered")

    page = opens(school.carol, size=DESK)
    page.goto("/classes/")
    picture(page, "tour-classes")
    page.goto("/classes/new/")
    picture(page, "tour-class-new")
    page.goto(f"{school.carol.path}texts/new/")
    picture(page, "tour-text-new")
    page.locator("[name=body]").fill(TEXT)
    page.locator("[name=title]").fill("The Tide Pool")
    page.locator("button[value=preview]").click()
    expect(page.locator("button[value=save]")).to_be_visible()
    picture(page, "tour-text-preview")
    page.goto("/texts/")
    picture(page, "tour-texts")
    page.goto(f"/texts/{school.text_id}/")
    picture(page, "tour-text")
    page.goto(f"{school.carol.path}students/{school.alice.enrollment_id}/")
    picture(page, "tour-student")
    page.goto(f"{school.carol.path}roster/")
    picture(page, "tour-roster")
    page.goto(f"{school.carol.path}settings/")
    picture(page, "tour-settings")
    page.goto("/account/")
    picture(page, "tour-account")
    page.goto("/account/password/")
    picture(page, "tour-password")
    carol = RoomPage(page).open(school.carol.path)
    expect(carol.question(ASKED)).to_have_attribute("data-state", "answered")
    page.locator("#open-door").click()
    expect(page.locator("#door")).to_be_visible()
    picture(page, "tour-door")
    page.keyboard.press("Escape")
    page.emulate_media(color_scheme="dark")
    page.locator("#toggle-projector").click()
    picture(page, "tour-room-dark")
    phone = RoomPage(opens(school.carol, **TOUCH)).open(school.carol.path)
    picture(phone.page, "tour-room-phone")
    page = opens(school.carol, size=DESK)
    page.goto("/classes/new/")
    page.get_by_label("Name").fill("8A")
    page.locator("main form button[type=submit]").click()
    RoomPage(page).is_live()
    picture(page, "tour-room-empty")


def test_for_administrators_and_programs(opens, site, school, picture):
    site.clerk.make_administrator(school.carol)
    page = opens(school.carol, size=DESK)
    for path, name in (("/admin/", "tour-admin"), ("/admin/classrooms/classroom/", "tour-admin-classes"),
                       (f"/api/v1/classrooms/{school.carol.classroom_id}/", "tour-api")):
        page.goto(path, wait_until="networkidle")
        picture(page, name)


def test_when_something_is_wrong(opens, site, picture):
    page = opens(size=DESK, trouble=True)
    for status, name in ((403, "tour-forbidden"), (500, "tour-error")):
        body = site.clerk.page_of_trouble(status)
        page.route("**/trouble/", lambda route, *, status=status, body=body: route.fulfill(
            status=status, content_type="text/html", body=body))
        page.goto("/trouble/")
        expect(page.locator(".error-code")).to_have_text(str(status))
        picture(page, name)


def test_the_page_around_the_pictures(tmp_path):
    folder = Path(os.environ.get("TOUR") or tmp_path)
    parts = [HEAD.format(date=datetime.date.today().isoformat())]
    for title, views in PLACES:
        parts.append(f"\n## {title}\n")
        parts += [f"\n![{words}](screenshots/{name}.png)\n\n{words}\n" for name, words in views]
    (folder / "tour.md").write_text("".join(parts))
    if "TOUR" in os.environ:
        missing = [name for _title, views in PLACES for name, _words in views
                   if not (folder / "screenshots" / f"{name}.png").exists()]
        assert missing == []
