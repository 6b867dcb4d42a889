"""What a lost network does to a reader: nothing that she would have to do again.

The pages reach the server through a line that the tests cut. `set_offline` beside it is what the device itself says.
"""

import pytest
from playwright.sync_api import expect

from tests.browser.pages import ReadingPage

pytestmark = pytest.mark.browser

KEPT = "You can go on reading; I'll send this when we are back."


@pytest.fixture
def alice(reads, school, line):
    return reads(school.alice, line=line)


def loses_the_network(alice, line):
    alice.page.context.set_offline(True)
    line.cut()
    alice.is_in_state("offline")


def finds_it_again(alice, line):
    line.mend()
    alice.page.context.set_offline(False)  # the browser's `online` event makes the page try at once
    alice.is_live()


def test_a_question_asked_offline_is_sent_once_when_we_are_back(alice, line, model, school, site):
    model.says_for("offline", "Here you are.")
    loses_the_network(alice, line)
    card = alice.ask("Asked offline?")
    expect(card.locator(".waiting")).to_have_text(KEPT)
    assert site.clerk.questions(school.alice) == []
    finds_it_again(alice, line)
    expect(card).to_have_attribute("data-state", "answered")  # its words are there sooner, with the last delta
    expect(card.locator(".answer-text")).to_have_text("Here you are.")
    assert [row["state"] for row in site.clerk.questions(school.alice)] == ["answered"]
    assert model.count("Asked offline?") == 1


def test_an_acknowledgement_lost_on_its_way_is_not_a_second_question(alice, line, model, school, site):
    model.says_for("unheard", "You were heard.")
    line.deafen()
    card = alice.ask("Was I unheard?")
    model.wait_until(lambda: model.count("Was I unheard?") == 1)
    expect(card).to_have_attribute("data-state", "sending")
    loses_the_network(alice, line)
    finds_it_again(alice, line)
    expect(alice.page.locator(".interruption")).to_have_count(1)
    expect(card.locator(".answer-text")).to_have_text("You were heard.")
    assert len(site.clerk.questions(school.alice)) == 1
    assert model.count("Was I unheard?") == 1


def test_a_question_kept_offline_outlives_a_reload(alice, line, model, school, site):
    model.says_for("reload", "Still here.")
    loses_the_network(alice, line)
    alice.ask("Kept over a reload?")
    line.mend()
    alice.page.context.set_offline(False)
    alice.page.reload()
    alice.is_live()
    card = alice.card("Kept over a reload?")
    expect(card).to_have_attribute("data-state", "answered")
    assert len(site.clerk.questions(school.alice)) == 1


def test_a_reload_before_the_acknowledgement_shows_one_card(alice, line, model, school, site):
    model.says_for("too soon", "Just ", "in time.")
    model.holds("too soon")
    line.deafen()
    alice.ask("Reloaded too soon?")
    model.wait_until(lambda: model.count("Reloaded too soon?") == 1)
    line.mend()
    # Counts the cards at every change of the page, however short.
    alice.page.add_init_script("""addEventListener("DOMContentLoaded", () => {
        window.mostCards = 0;
        const count = () => (mostCards = Math.max(mostCards, document.querySelectorAll(".interruption").length));
        new MutationObserver(count).observe(document.body, { childList: true, subtree: true });
    })""")
    alice.page.reload()
    alice.is_live()
    model.releases()
    card = alice.card("Reloaded too soon?")
    expect(card).to_have_attribute("data-state", "answered")
    assert alice.page.evaluate("mostCards") == 1
    assert len(site.clerk.questions(school.alice)) == 1


def test_an_answer_that_came_while_away_is_there_on_return(alice, line, model):
    model.says_for("while away", "It came ", "without you.")
    model.holds("while away")
    card = alice.ask("What came while away?")
    expect(card.locator(".answer-text")).to_have_text("It came")
    loses_the_network(alice, line)
    model.releases()
    model.wait_until(lambda: all(request.ended for request in model.requests))
    finds_it_again(alice, line)
    expect(card).to_have_attribute("data-state", "answered")
    expect(card.locator(".answer-text")).to_have_text("It came without you.")
    expect(alice.page.locator(".interruption")).to_have_count(1)


def test_reading_goes_on_offline_and_the_place_arrives_later(alice, line, school, site):
    # The next page is fetched ahead, so that it can be turned to without a network.
    with alice.page.expect_response(lambda response: response.url.endswith("/page/2/")):
        pass
    loses_the_network(alice, line)
    alice.turn_to(2)
    assert site.clerk.place(school.alice) == 0
    first = int(alice.page.locator("#page").get_attribute("data-first-word"))
    line.mend()
    # Not looked at with `hearing`: the message comes on a socket that is not open yet.
    with alice.page.expect_websocket() as socket:
        alice.page.context.set_offline(False)
    socket.value.wait_for_event("framereceived", lambda frame: '"PROGRESS_SAVED"' in frame)
    assert site.clerk.place(school.alice) == first


def test_the_page_tries_again_by_itself(opens, school, line):
    page = opens(school.alice, line=line)
    page.add_init_script("Math.random = () => 0.02")  # the shortest waits that chance could give
    alice = ReadingPage(page).open(school.alice.path)
    line.cut()
    alice.is_in_state("reconnecting")
    line.mend()
    alice.is_live()
    assert len(alice.wires) > 1


def test_what_the_teacher_said_meanwhile_is_in_the_tray(alice, teaches, school, line):
    carol = teaches(school.carol)
    loses_the_network(alice, line)
    carol.say("Look at paragraph three")
    expect(alice.notices).not_to_contain_text("paragraph three")
    finds_it_again(alice, line)
    alice.page.get_by_role("button", name="Notes, 1 new").click()
    expect(alice.page.locator("#notes-list")).to_contain_text("Look at paragraph three")
