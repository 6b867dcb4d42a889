"""What the browser tests do with a page: watch it for faults, read and ask on it, teach in it."""

import json
from collections.abc import Callable
from urllib.parse import urlsplit

from playwright.sync_api import Locator, Page, Request, Response, expect

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 800}
# What a browser itself says when the network is gone, or when a page is meant to be an error.
NETWORK_TROUBLE = ("WebSocket connection to", "Failed to load resource", "net::ERR_")
# Every page of the site, by its route in tests/matrix.py: who opens it, and where, with a `School` filled in. A route
# without a line here fails test_accessible. The administration's pages and those for programs have tests of their own.
EVERY_PAGE: dict[str, tuple[str | None, str]] = {
    "": (None, "/"),
    "join/": (None, "/join/"),
    "j/<str:code>/": (None, "/j/KM4T9XPA/"),
    "login/": (None, "/login/"),
    "signup/": (None, "/signup/"),
    "password/reset/": (None, "/password/reset/"),
    "password/reset/sent/": (None, "/password/reset/sent/"),
    "password/reset/<str:uidb64>/<str:token>/": (None, "/password/reset/MQ/no-such-letter/"),
    "read/": ("alice", "/read/"),
    "read/<uuid:reading_session_id>/": ("alice", "{alice.path}"),
    "read/<uuid:reading_session_id>/page/<int:page>/": ("alice", "{alice.path}page/2/"),
    "account/": ("carol", "/account/"),
    "account/password/": ("carol", "/account/password/"),
    "account/email/<str:token>/": ("carol", "/account/email/no-such-letter/"),
    "classes/": ("carol", "/classes/"),
    "classes/new/": ("carol", "/classes/new/"),
    "classes/<int:classroom_id>/": ("carol", "{carol.path}"),
    "classes/<int:classroom_id>/settings/": ("carol", "{carol.path}settings/"),
    "classes/<int:classroom_id>/roster/": ("carol", "{carol.path}roster/"),
    "classes/<int:classroom_id>/students/<int:enrollment_id>/": ("carol", "{carol.path}students/{alice.enrollment_id}/"),
    "classes/<int:classroom_id>/texts/new/": ("carol", "{carol.path}texts/new/"),
    "texts/": ("carol", "/texts/"),
    "texts/new/": ("carol", "/texts/new/"),
    "texts/<int:text_id>/": ("carol", "/texts/{text_id}/"),
    "texts/<int:text_id>/edit/": ("carol", "/texts/{own_text_id}/edit/"),
}
NO_PAGES = {"jsi18n/", "classes/<int:classroom_id>/qr.svg",  # a script and a picture
            "classes/<int:classroom_id>/texts/<int:text_id>/paragraphs/"}  # what the room fetches
REPORT_VIOLATIONS = """document.addEventListener("securitypolicyviolation", (event) =>
    console.error(`CSP violation: ${event.violatedDirective} ${event.blockedURI}`));"""


def place_of(school, path: str) -> str:
    """Return a path of `EVERY_PAGE` for this school."""
    return path.format(alice=school.alice, carol=school.carol, text_id=school.text_id, own_text_id=school.own_text_id)


class Watch:
    """Keeps what a page must not do: errors in the console, uncaught exceptions, requests to another host."""

    def __init__(self, page: Page, *, host: str, trouble: bool):
        self.faults: list[str] = []
        self.host = host
        self.trouble = trouble
        page.add_init_script(REPORT_VIOLATIONS)
        page.on("console", lambda said: self._said(said.type, said.text))
        page.on("pageerror", lambda error: self.faults.append(f"uncaught: {error} {error.stack}"))
        page.on("request", lambda request: self._went_to(request.url))
        page.on("websocket", lambda socket: self._went_to(socket.url))

    def _said(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not (self.trouble and any(word in text for word in NETWORK_TROUBLE)):
            self.faults.append(f"{kind}: {text}")

    def _went_to(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != self.host:
            self.faults.append(f"asked another host: {url}")


def visit(page: Page, path: str) -> Response:
    """Go to a page and wait until it is all there: its scripts have run, its socket is live, no request is open."""
    asked: set[Request] = set()

    def begins(request: Request) -> None:
        asked.add(request)

    def ends(request: Request) -> None:
        asked.discard(request)

    listeners = {"request": begins, "requestfinished": ends, "requestfailed": ends}
    for event, listener in listeners.items():
        page.on(event, listener)
    answer = page.goto(path)
    connection = page.locator("#connection")
    if connection.count():
        expect(connection).to_have_attribute("data-state", "live")
    while asked:
        if response := asked.pop().response():
            response.finished()
    for event, listener in listeners.items():
        page.remove_listener(event, listener)
    return answer


class ReadingPage:
    """A student's reading page."""

    def __init__(self, page: Page):
        self.page = page
        self.box = page.locator("#ask-question")
        self.connection = page.locator("#connection")
        self.notices = page.locator("#notices")
        self.wires: list = []
        page.on("websocket", lambda socket: self.wires.append(socket))

    def open(self, url: str) -> "ReadingPage":
        """Go to the page and wait until its socket is live."""
        self.page.goto(url)
        return self.is_live()

    def is_live(self) -> "ReadingPage":
        expect(self.connection).to_have_attribute("data-state", "live")
        return self

    def is_in_state(self, state: str) -> None:
        """The connection is in this state, and the page says so in words."""
        expect(self.connection).to_be_visible()
        expect(self.connection).to_have_attribute("data-state", state)
        expect(self.connection).not_to_be_empty()

    def first_word_of(self, number: int) -> int:
        """Return the index of the first word of a page of this text."""
        return json.loads(self.page.locator("#reading-config").text_content())["pageStarts"][number - 1]

    def turn_to(self, number: int) -> None:
        """Go on to page `number` by its button."""
        self.page.locator(f".page-turn [data-page='{number}']").click()
        expect(self.page.locator("#page")).to_have_attribute("data-page", str(number))

    def scroll_to(self, top: int) -> None:
        """Scroll as a reader does. One jump: a smooth one would be told of at several places on its way."""
        self.page.mouse.move(400, 300)
        self.page.mouse.wheel(0, 1)
        self.page.evaluate("top => scrollTo({ top, behavior: 'instant' })", top)

    def topmost(self) -> int:
        """Return the first word of the topmost sentence in view."""
        return self.page.evaluate("""() => {
            const header = document.querySelector(".reading-header").getBoundingClientRect().bottom;
            const inView = [...document.querySelectorAll(".sentence")].find(
                (sentence) => sentence.getBoundingClientRect().bottom > header + 1);
            return Number(inView.dataset.firstWord);
        }""")

    def ask(self, question: str) -> Locator:
        """Ask by keyboard and return the card."""
        self.page.keyboard.press("q")
        self.box.fill(question)
        self.box.press("Enter")
        return self.card(question)

    def card(self, question: str) -> Locator:
        return self.page.locator(".interruption").filter(has=self.page.get_by_text(question, exact=True))

    def word(self, text: str) -> Locator:
        """Return the first word of the page that holds this text."""
        return self.page.locator("#page .word", has_text=text).first

    def cited(self) -> str:
        """Return the words that are lit."""
        return " ".join(self.page.locator(".word.cited").all_text_contents())

    def hearing(self, type: str, **fields):
        """Use with `with`: wait until the socket has brought a message with these payload fields."""
        return self.wires[-1].expect_event("framereceived", of(type, **fields))


def of(type: str, **fields) -> Callable[[str], bool]:
    """Return a test of whether a frame is a message of this type with these payload fields."""
    def fits(frame: str) -> bool:
        message = json.loads(frame)
        payload = message.get("payload", {})
        return message["type"] == type and all(payload.get(name) == value for name, value in fields.items())
    return fits


class RoomPage:
    """A teacher's room."""

    def __init__(self, page: Page):
        self.page = page
        self.connection = page.locator("#connection")

    def open(self, url: str) -> "RoomPage":
        """Go to the room and wait until its socket is live."""
        self.page.goto(url)
        return self.is_live()

    def is_live(self) -> "RoomPage":
        expect(self.connection).to_have_attribute("data-state", "live")
        return self

    def student(self, name: str) -> Locator:
        return self.page.locator("#students .student").filter(has=self.page.get_by_role("link", name=name, exact=True))

    def question(self, text: str) -> Locator:
        return self.page.locator("#interruptions .interruption", has_text=text)

    def say(self, words: str) -> None:
        """Say something to all by the composer, and wait until the server has it."""
        if not self.page.locator("#say").is_visible():
            self.page.locator("#open-say").click()
        self.page.locator("#say-text").fill(words)
        self.page.locator("#say-form button[type=submit]").click()
        expect(self.page.locator("#say-outcome")).to_have_text("Said to everyone.")
