"""Eight tabs of one reader, whose messages come late, twice, in any order or not at all: the place never regresses.

The service's own function works on a row that is not saved: thousands of runs, no database.
"""

import json
import uuid

from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from classrooms.models import Text
from sessions import messages
from sessions.models import ReadingSession
from sessions.services import reading
from sessions.writes import Batch

WORDS = 100
TABS = 8
words = st.integers(0, WORDS - 1)
some = st.integers(0, 1_000)  # one of whatever is under way


class Tab:
    """A page as the protocol wants it: `rev` is a Lamport counter; a stale reply is adopted, and said again after a move."""

    def __init__(self):
        self.rev = 0
        self.word_index = 0
        self.said = 0  # the rev of its own last message

    def say(self, word_index: int) -> dict:
        self.word_index = word_index
        self.rev += 1
        self.said = self.rev
        return {"wordIndex": word_index, "rev": self.rev}

    def hear(self, saved: dict) -> bool:
        """Take what was saved; return True when this tab has something newer to say."""
        if saved["rev"] < self.rev and not saved.get("stale"):
            return False
        moved = self.word_index != saved["wordIndex"] and self.said == self.rev
        self.rev = max(self.rev, saved["rev"])
        return bool(saved.get("stale")) and moved


class Server:
    """`services.reading.progress` on one reading session, with what each answer must promise."""

    def __init__(self):
        text = Text(pk=1, word_count=WORDS, page_starts=[0, 50], revision=1)
        self.row = ReadingSession(pk=uuid.uuid4(), text=text)
        self.accepted: list[tuple[int, int]] = []

    def hear(self, payload: dict) -> dict:
        parsed = messages.parse(
            json.dumps({"type": "READING_PROGRESS", "payload": payload}), known=messages.STUDENT_MESSAGES)
        before = (self.row.rev, self.row.word_index, self.row.furthest_word_index)
        batch = Batch(now=timezone.now(), reading_sessions={self.row.pk: self.row})
        saved = reading.progress(self.row.pk, parsed.payload).apply(self.row, batch).payload
        if payload["rev"] > before[0]:
            self.accepted.append((payload["rev"], payload["wordIndex"]))
            assert (saved["rev"], saved["wordIndex"]) == (payload["rev"], payload["wordIndex"])
            assert batch.pushes, "the other tabs must hear of it"
        else:
            assert saved["stale"] and before == (self.row.rev, self.row.word_index, self.row.furthest_word_index)
            assert not batch.pushes
        assert self.row.furthest_word_index == max((word for _, word in self.accepted), default=0)
        return saved


class Tabs(RuleBasedStateMachine):
    """`up` and `down` are the messages under way, in no order."""

    def __init__(self):
        super().__init__()
        self.server = Server()
        self.tabs = [Tab() for _ in range(TABS)]
        self.up: list[tuple[int, dict]] = []
        self.down: list[tuple[int, dict]] = []
        self.known = (0, 0)

    @rule(tab=st.integers(0, TABS - 1), word_index=words)
    def move(self, tab, word_index):
        self.up.append((tab, self.tabs[tab].say(word_index)))

    @precondition(lambda self: self.up)
    @rule(which=some, twice=st.booleans())
    def reach_the_server(self, which, twice):
        which %= len(self.up)
        tab, payload = self.up[which] if twice else self.up.pop(which)
        saved = self.server.hear(payload)
        self.down.append((tab, saved))
        if not saved.get("stale"):
            self.down += [(other, saved) for other in range(TABS) if other != tab]

    @precondition(lambda self: self.down)
    @rule(which=some, twice=st.booleans())
    def reach_a_tab(self, which, twice):
        which %= len(self.down)
        number, saved = self.down[which] if twice else self.down.pop(which)
        tab = self.tabs[number]
        if tab.hear(saved):
            self.up.append((number, tab.say(tab.word_index)))

    @precondition(lambda self: self.up or self.down)
    @rule(which=some)
    def is_lost(self, which):
        way = self.up or self.down
        way.pop(which % len(way))

    @rule(tab=st.integers(0, TABS - 1))
    def come_back(self, tab):
        """The tab's connection was cut: what was under way to it is gone, and a snapshot comes."""
        self.down = [(number, saved) for number, saved in self.down if number != tab]
        self.tabs[tab].hear({"rev": self.server.row.rev, "wordIndex": self.server.row.word_index})

    @invariant()
    def the_place_is_the_newest_that_was_said(self):
        stored = (self.server.row.rev, self.server.row.word_index)
        assert stored == max(self.server.accepted, default=(0, 0))
        assert stored[0] >= self.known[0] and (stored[0] > self.known[0] or stored == self.known)
        self.known = stored

    def teardown(self):
        """The reader turns to one tab and moves: there reading goes on, whatever older words still arrive."""
        tab = self.tabs[0]
        self.come_back(0)
        newest = tab.say(77)
        self.server.hear(newest)
        for _, payload in self.up:
            if payload["rev"] <= newest["rev"]:
                self.server.hear(payload)
        assert (self.server.row.rev, self.server.row.word_index) == (newest["rev"], 77)


TestEightTabs = Tabs.TestCase
TestEightTabs.settings = settings(stateful_step_count=60)


@given(st.lists(st.tuples(st.integers(0, WORDS - 1), st.integers(1, 20)), max_size=30))
def test_the_outcome_is_that_of_the_greatest_rev_whatever_came_between(said):
    server = Server()
    for word_index, rev in said:
        server.hear({"wordIndex": word_index, "rev": rev})
    greatest = max((rev for _, rev in said), default=0)
    assert server.row.rev == greatest
    assert not said or server.row.word_index == next(word for word, rev in said if rev == greatest)
