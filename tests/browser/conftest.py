"""Fixtures of the browser tests: one server and one Chromium for all, a class and watched pages for each.

The server is `manage.py serve` on SQLite with a data folder of its own, its tutor pointed at the scripted model in
this process. Playwright is kept to this folder (package scope): its event loop would be in the way of other tests.
"""

import os
import queue
import re
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from scripts.chromium import find_chromium
from tests.browser.clerk import Clerk, School
from tests.browser.line import Line
from tests.browser.pages import DESKTOP, ReadingPage, RoomPage, Watch
from tests.scripted_model import ScriptedModel
from tests.served import ROOT

# The address bar's pop-ups are web pages: each window has two, with processes of their own, and each context is a window.
# With a process kept in reserve they were half of what a context costs. The last such list is the one that counts, so
# what Playwright switches off by its own stands here too.
FEATURES = ("WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "WebUIOmniboxFullPopup", "PreloadTopChromeWebUI",
            "SpareRendererForSitePerProcess",
            "AimEnabled", "AvoidCorsURLLoaderRestartOnRedirect", "AvoidUnnecessaryBeforeUnloadCheckSync",
            "DestroyProfileOnBrowserClose", "HttpsFirstBalancedModeAutoEnable", "HttpsUpgrades", "LensOverlay",
            "MediaRouter", "NetworkTimeServiceQuerying", "OptimizationHints", "PaintHolding", "PreconnectToSearch",
            "ThirdPartyStoragePartitioning")
OPTIONS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
           "--disable-component-update", "--disable-sync", f"--disable-features={','.join(FEATURES)}")
PATIENCE = 30_000  # ms for what must come; never waited out when all is well
STARTING = 60  # seconds
# Settings of an installation, or of the stack the other tests run on, that must not reach this server.
UNSET = ("DATABASE_URL", "REDIS_URL", "TUTOR_EMBEDDED", "HOST", "PORT", "PUBLIC_ORIGINS", "ALLOWED_HOSTS", "HTTPS",
         "BEHIND_PROXY", "TUTOR_PROVIDER", "DURATION_SCALE", "DEBUG")


@dataclass
class Site:
    """The running server, the clerk at its database and the model behind its tutor."""

    port: int
    clerk: Clerk
    model: ScriptedModel

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture(scope="package")
def browser():
    if not (path := find_chromium()):
        without = pytest.fail if os.environ.get("REQUIRE_ALL") == "1" else pytest.skip
        without("no Chromium was found: install it, or name it in CHROMIUM")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def site(tmp_path_factory):
    data = tmp_path_factory.mktemp("browser")
    with ScriptedModel() as model:
        environment = {name: value for name, value in os.environ.items() if name not in UNSET} | {
            "DATA_DIR": str(data), "OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": "test", "PYTHONUNBUFFERED": "1",
            "DJANGO_SETTINGS_MODULE": "readerai_site.settings"}
        clerk = Clerk(environment)
        server = subprocess.Popen([sys.executable, "manage.py", "serve", "--port", "0"], cwd=ROOT, env=environment,
                                  text=True, stdout=subprocess.PIPE)
        try:
            yield Site(port_of(server), clerk, model)
        finally:
            server.terminate()
            server.wait(timeout=STARTING)
            clerk.close()


def port_of(server: subprocess.Popen) -> int:
    """Return the port that the server announces."""
    lines: queue.Queue[str] = queue.Queue()

    def read():
        for line in server.stdout:
            lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    while line := lines.get(timeout=STARTING):
        if match := re.search(r"http://127\.0\.0\.1:(\d+)/", line):
            return int(match[1])
    pytest.fail("the server ended before it listened; what it said stands above")


@pytest.fixture
def model(site):
    """The scripted model; what one test told it does not outlive that test."""
    site.model.starts_anew()
    yield site.model
    site.model.starts_anew()


@pytest.fixture
def school(site) -> School:
    """A class for this test alone."""
    return site.clerk.school()


@pytest.fixture
def line(site):
    """A network line to the server that can be cut; pages use it with `opens(…, line=line)`."""
    with Line(site.port) as line:
        yield line


@contextmanager
def opening(browser, site):
    """Gives `opens(person=None, size=…, line=None, …)`, which gives a blank page with this person's log-in.

    Every page is watched: a word in the console, an exception, a request to another host or a broken content
    policy fails the test at its end. `trouble=True` forgives what the browser says about a lost network.
    """
    watches: list[Watch] = []
    contexts = []

    def opens(person=None, *, size=DESKTOP, line=None, trouble=False, **options) -> Page:
        url = line.url if line else site.url
        context = browser.new_context(viewport=size, base_url=url, **options)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        if person:
            context.add_cookies([{"name": "sessionid", "value": person.cookie, "url": url}])
        return another_tab(context, url, trouble=trouble or line is not None)

    def another_tab(context, url=site.url, *, trouble=False) -> Page:
        page = context.new_page()
        watches.append(Watch(page, host=url.removeprefix("http://"), trouble=trouble))
        return page

    opens.another_tab = another_tab
    yield opens
    for context in contexts:
        context.close()
    assert [fault for watch in watches for fault in watch.faults] == []


@pytest.fixture
def opens(browser, site):
    """`opens` of `opening`, its pages this test's alone."""
    with opening(browser, site) as opens:
        yield opens


@pytest.fixture
def reads(opens):
    """Return `reads(alice, …)`: her reading page, live, at the place where she is."""
    def reads(student, *, path=None, **options) -> ReadingPage:
        return ReadingPage(opens(student, **options)).open(path or student.path)
    return reads


@pytest.fixture
def teaches(opens):
    """Return `teaches(carol, …)`: her room, live."""
    def teaches(teacher, **options) -> RoomPage:
        return RoomPage(opens(teacher, **options)).open(teacher.path)
    return teaches
