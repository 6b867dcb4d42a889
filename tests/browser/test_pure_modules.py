"""The scripts that decide without a page, a clock or a wire, asked in the browser that runs them."""

import pytest

from tests.browser.conftest import opening

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(browser, site):
    """One page for all: what is asked of these modules leaves nothing behind."""
    with opening(browser, site) as opens:
        page = opens()
        page.goto("/login/")  # any page of the site will do to import from; this one is quickly there
        yield page


# Each row: the numbers of the snapshot, the messages that come (n: by number and counter), what is applied in order,
# and whether one is still missing at the end.
VERSIONS = [
    ("the next is applied", {"version": 3}, [{"version": 4}], [4], False),
    ("an old one is dropped", {"version": 3}, [{"version": 3}, {"version": 2}], [], False),
    ("twice is once", {"version": 3}, [{"version": 4}, {"version": 4}], [4], False),
    ("one too early waits", {"version": 3}, [{"version": 5}], [], True),
    ("and follows the missing one", {"version": 3}, [{"version": 5}, {"version": 4}], [4, 5], False),
    ("in any order", {"version": 0}, [{"version": 4}, {"version": 3}, {"version": 2}, {"version": 1}], [1, 2, 3, 4], False),
    ("without a number: at once", {"version": 3}, [{"version": 5}, {}], [None], True),
    ("a counter the page does not follow", {"classVersion": 1}, [{"version": 9}], [9], False),
]


@pytest.mark.parametrize(("snapshot", "messages", "applied", "missing"), [row[1:] for row in VERSIONS],
                         ids=[row[0] for row in VERSIONS])
def test_versions_apply_drop_and_hold(page, snapshot, messages, applied, missing):
    assert page.evaluate("""async ([snapshot, messages]) => {
        const { Versions } = await import("/static/js/versions.js");
        const versions = new Versions();
        versions.restore(snapshot);
        const applied = messages.flatMap((message) => versions.take(message)).map(({ version }) => version ?? null);
        return [applied, versions.isMissing];
    }""", [snapshot, messages]) == [applied, missing]


def test_the_two_counters_wait_for_each_other_alone(page):
    assert page.evaluate("""async () => {
        const { Versions } = await import("/static/js/versions.js");
        const versions = new Versions();
        versions.restore({ version: 1, classVersion: 1 });
        const take = (message) => versions.take(message).map((m) => m.name);
        return [take({ name: "class 3", classVersion: 3 }), take({ name: "mine 2", version: 2 }),
                take({ name: "class 2", classVersion: 2 }), versions.mine];
    }""") == [[], ["mine 2"], ["class 2", "class 3"], {"version": 2, "classVersion": 3}]


def test_a_snapshot_settles_what_was_missing(page):
    assert page.evaluate("""async () => {
        const { Versions } = await import("/static/js/versions.js");
        const versions = new Versions();
        versions.restore({ version: 1 });
        versions.take({ version: 4 });
        versions.take({ version: 6 });
        const behind = versions.isBehind({ version: 2 });
        const ready = versions.restore({ version: 5 }).map(({ version }) => version);
        return [behind, ready, versions.isMissing, versions.isBehind({ version: 6 }), versions.isBehind({})];
    }""") == [True, [6], False, False, False]


# A fox outside the first 65,536 characters is two units of a JavaScript string and one character of the server's.
DELTAS = [
    ("grows", (1, "A 🦊"), (1, 3, " runs"), [1, "A 🦊 runs"]),
    ("overlaps", (1, "A 🦊 r"), (1, 3, " runs"), [1, "A 🦊 runs"]),
    ("comes twice", (1, "A 🦊 runs"), (1, 0, "A 🦊 runs"), [1, "A 🦊 runs"]),
    ("a gap asks for a snapshot", (1, "A 🦊"), (1, 4, "runs"), None),
    ("a newer attempt starts anew", (1, "A 🦊"), (2, 0, "The"), [2, "The"]),
    ("a newer attempt with a gap", (1, "A 🦊 runs"), (2, 2, "e"), None),
    ("an older attempt is over", (2, "The"), (1, 3, " runs"), [2, "The"]),
]


@pytest.mark.parametrize(("draft", "delta", "after"), [row[1:] for row in DELTAS], ids=[row[0] for row in DELTAS])
def test_an_answer_is_put_together_from_its_deltas(page, draft, delta, after):
    assert page.evaluate("""async ([[attempt, text], [newer, fromChar, added]]) => {
        const { draftOf, textOf, withDelta } = await import("/static/js/deltas.js");
        const draft = withDelta(draftOf(attempt, text), { attempt: newer, fromChar, text: added });
        return draft && [draft.attempt, textOf(draft)];
    }""", [draft, delta]) == after


@pytest.mark.parametrize(("attempt", "least", "most"), [
    (0, 0, 5_000), (1, 5_000, 10_000), (2, 10_000, 20_000), (3, 15_000, 30_000), (4, 15_000, 30_000), (99, 15_000, 30_000)])
def test_delays_grow_up_to_half_a_minute(page, attempt, least, most):
    assert page.evaluate("""async (attempt) => {
        const { delayBefore } = await import("/static/js/backoff.js");
        return [delayBefore(attempt, 0), delayBefore(attempt, 1)];
    }""", attempt) == [least, most]


# A class of a thousand loses the server at 0 s; it listens again after `away` seconds. Who finds it away waits the next
# delay. Returns the greatest share of all that any window of one second sees arrive.
HERD = """async (away) => {
    const { delayBefore } = await import("/static/js/backoff.js");
    let state = 1;  // a small generator of its own (Park and Miller), so that every run is the same
    const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
    const arrivals = Array.from({ length: 1_000 }, () => {
        let at = 0;
        for (let attempt = 0; ; attempt++) {
            at += delayBefore(attempt, random());
            if (at >= away * 1_000) return at;
        }
    }).sort((a, b) => a - b);
    let most = 0;
    for (let first = 0, last = 0; last < arrivals.length; last++) {
        while (arrivals[last] - arrivals[first] > 1_000) first++;
        most = Math.max(most, last - first + 1);
    }
    return most / arrivals.length;
}"""


@pytest.mark.parametrize("away", [0, 1, 3, 10, 60])
def test_of_a_thousand_cut_at_once_no_second_sees_more_than_a_quarter(page, away):
    assert page.evaluate(HERD, away) <= 0.25


def test_heartbeats_of_a_class_do_not_fall_together(page):
    assert page.evaluate("""async () => {
        const { jittered } = await import("/static/js/backoff.js");
        return [jittered(25_000, 0), jittered(25_000, 0.5), jittered(25_000, 1)].map(Math.round);
    }""") == [22_500, 25_000, 27_500]


QUOTED = {"quote": "every letter", "paragraph": 12}
ELSEWHERE = {"quote": "not in it", "paragraph": 3}
# Each row: the answer, its citations, the pieces as [text, paragraph cited], the paragraphs left for a list.
QUOTATIONS = [
    ("no citation", "Plain.", [], [["Plain.", None]], []),
    ("with its marks and its number", "It has “every letter” [¶12].", [QUOTED],
     [["It has ", None], ["“every letter” [¶12]", 12], [".", None]], []),
    ("bare, at the end", "It has every letter", [QUOTED], [["It has ", None], ["every letter", 12]], []),
    ("one that is not in it is listed", "It has every letter", [ELSEWHERE, QUOTED],
     [["It has ", None], ["every letter", 12]], [3]),
    ("the same words twice are one link and one row", "every letter", [QUOTED, QUOTED], [["every letter", 12]], [12]),
    ("nothing yet", "", [QUOTED], [], [12]),
]


@pytest.mark.parametrize(("text", "citations", "pieces", "rest"), [row[1:] for row in QUOTATIONS],
                         ids=[row[0] for row in QUOTATIONS])
def test_quotations_are_found_in_the_answer_itself(page, text, citations, pieces, rest):
    assert page.evaluate("""async ([text, citations]) => {
        const { woven } = await import("/static/js/quotations.js");
        const { pieces, rest } = woven(text, citations);
        return [pieces.map(({ text, citation }) => [text, citation?.paragraph ?? null]),
                rest.map(({ paragraph }) => paragraph)];
    }""", [text, citations]) == [pieces, rest]
