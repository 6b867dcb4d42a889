"""What a model wrote is text wherever it is shown, and a child in danger gets a card that the teacher sees first."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

ASKED = "What is a pangram?"
HOSTILE = ('<img src="http://elsewhere.example/x.png" onerror="document.title=1"> <script>document.title=2</script> '
           "[here](javascript:alert(1)) ![x](http://elsewhere.example/y.png) <style>*{display:none}</style> "
           '<iframe src="http://elsewhere.example/"></iframe> <a href="http://elsewhere.example/">click</a> &lt;b&gt;')


def test_a_hostile_reply_is_text_to_the_student_and_to_the_teacher(reads, teaches, opens, school, model):
    """That no page asked another host, or broke the policy, is checked by `opens` at the end."""
    model.says_for(ASKED, HOSTILE)
    alice, carol = reads(school.alice), teaches(school.carol)
    card = alice.ask(ASKED)
    expect(card).to_have_attribute("data-state", "answered")
    expect(card.locator(".answer-text")).to_contain_text("<script>document.title=2</script>")
    row = carol.question(ASKED)
    expect(row.locator(".interruption-answer")).to_contain_text("<iframe src=")
    history = opens(school.carol)
    history.goto(f"{school.carol.path}students/{school.alice.enrollment_id}/")
    expect(history.locator(".history-answer")).to_contain_text("<script>document.title=2</script>")
    for page, answer in ((alice.page, card.locator(".answer-text")), (carol.page, row.locator(".interruption-answer")),
                         (history, history.locator(".history-answer"))):
        assert answer.locator("img, script, style, iframe, a, b").count() == 0
        assert page.title() not in ("1", "2")
    alice.page.reload()
    expect(alice.is_live().card(ASKED).locator(".answer-text")).to_contain_text("<img src=")


def test_the_card_is_for_reading_and_the_teacher_sees_it_first(reads, teaches, school, model):
    alice, bob, carol = reads(school.alice), reads(school.bob), teaches(school.carol)
    cry = "I want to die"
    card = alice.ask(cry)
    expect(card).to_have_attribute("data-state", "answered")
    expect(card.locator(".answer-text")).to_contain_text("talk to a grown-up you trust")
    expect(card.locator(".provider")).to_have_text("A fixed message, not AI")
    expect(card.locator(".verdict")).to_be_hidden()
    expect(card.locator(".suggestion")).to_have_text(["Go on reading"])
    bob.ask(ASKED)
    expect(carol.question(ASKED)).to_be_visible()
    first = carol.page.locator("#interruptions .interruption").first
    expect(first).to_contain_text(cry)
    expect(first.locator(".interruption-flag")).to_contain_text("Please talk to them")
    expect(carol.question(ASKED).locator(".interruption-flag")).to_be_hidden()
    carol.page.locator(".segment[data-filter=failed]").click()
    expect(first).to_contain_text(cry)  # no filter hides it
    carol.page.keyboard.press("h")  # the class sees this screen now
    expect(carol.student("Reader 1")).to_be_visible()
    expect(carol.question(cry)).to_have_count(0)
    assert cry not in carol.page.locator("main").inner_text()
    carol.page.keyboard.press("h")
    expect(carol.question(cry)).to_be_visible()
    alice.page.reload()
    expect(alice.is_live().card(cry).locator(".suggestion")).to_have_text(["Go on reading"])
    assert cry not in [request.question for request in model.requests]
