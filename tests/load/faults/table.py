"""P4: each row of the protocol's table of the model's server, through real processes and real time-outs.

The scripted model behaves by the question's words, so all rows run side by side, n questions each, in any order.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass

from sessions.llm import MAX_REPLY_BYTES
from sessions.models import Interruption
from tests.load.faults import witness
from tests.load.faults.ground import Ground
from tests.load.faults.pages import Page
from tests.people import stored

WHOLE = "A burrow – un clapier, 巣穴, 🐇 – is a home dug in the ground."
STUDENTS = 40


@dataclass(frozen=True)
class Row:
    """How the server behaves (`times`: only so often for one question) and what each question must come to."""

    behaviour: str
    outcomes: tuple[str, ...]  # "answered", or "failed(code)"
    calls: tuple[int, ...]
    retry_after: float | None = None
    text: str | None = WHOLE
    truncated: bool = False


LOST = ("failed(llm_unavailable)",)
LATE = ("failed(timeout)",)
NO_ANSWERS = ("empty", "html", "not_sse", "choices_empty", "tool_calls", "empty_reply", "odd_json", "cut", "no_finish",
              "error_event", "done_without_finish", "not_json", "bad_bytes", "reset", "500", "502", "503", "408")
ROWS = (
    *[Row(behaviour, LOST, (3,)) for behaviour in NO_ANSWERS],
    *[Row(behaviour, LOST, (1,)) for behaviour in ("400", "401", "403", "404", "no_money")],
    Row("429", ("answered",), (1,), retry_after=0.5),  # the first call only, see below
    Row("429", ("failed(busy)",), (1,), retry_after=600),
    *[Row(behaviour, LATE, (2, 3)) for behaviour in ("silent", "stall", "comments")],
    Row("drip", LATE, (1, 2)),  # the first attempt leaves hardly any time for a second
    Row("endless_line", LATE + LOST, (2, 3)),
    Row("huge", ("answered",), (1,), text=None, truncated=True),
    Row("split_utf8", ("answered",), (1,)),
    Row("length", ("answered",), (1,), truncated=True),
    *[Row(behaviour, ("answered",), (1,), text="This is a good question for your teacher. Please ask them.")
      for behaviour in ("refusal", "content_filter")],
)


async def of_model_servers(ground: Ground, n: int) -> None:
    """P4: n questions for each row; then the model behaves again and every slot must be free."""
    ground.model.says(*WHOLE.replace(" ", " \0").split("\0"))
    ground.model.pace = 0.02 * ground.scale  # so that a drip does not reach the longest answer before its deadline
    wanted: dict[str, Row] = {}
    for number, row in enumerate(ROWS):
        tag = f"row {number:02}"
        wanted[tag] = row
        if row.retry_after == 0.5:
            for question in range(n):
                ground.model.behaves("429", question=f"{tag}, {question}?", times=1, retry_after=0.5)
        else:
            ground.model.behaves(row.behaviour, question=tag, retry_after=row.retry_after)
    students, _ = await witness.people(ground, STUDENTS, classes=4)
    if ground.is_embedded:
        await ground.web()
    else:
        await asyncio.gather(ground.web(), ground.worker(), ground.worker())
    pages = [Page(ground, student) for student in students]
    await asyncio.gather(*[page.until(lambda page: page.is_live) for page in pages])
    questions = [f"What about {tag}, {number}?" for tag in wanted for number in range(n)]
    ground.random.shuffle(questions)

    async def ask_all(page: Page) -> None:
        while questions:
            await page.ask(questions.pop())
            if len(questions) % 200 == 0:
                ground.tell(f"{len(questions)} questions left")
            await page.until(lambda page: not page.open and not page.outbox)

    await asyncio.gather(*[ask_all(page) for page in pages])
    await witness.all_ended(ground)
    found = await witness.count(ground, of_the_model=False)
    calls = Counter(request.question for request in ground.model.requests)
    worst: Counter[str] = Counter()
    for stored_row in await stored(lambda: list(Interruption.objects.all())):
        row = wanted[stored_row.question_text[11:17]]
        what = _wrong(row, stored_row, calls[stored_row.question_text] + (row.retry_after == 0.5) * -1)
        if what:
            worst[f"{row.behaviour}: {what}"] += 1
            ground.failures.append(what)
    for what, times in worst.most_common():
        ground.tell(f"BROKEN {times} times: {what}")
    if ground.model.current:
        ground.fails(f"{ground.model.current} calls of the model are still open")
    ground.notes.append(f"{len(ROWS)} rows; " + witness.described(found))


of_model_servers.environment = {"LLM_MAX_CONCURRENT": "40"}


def _wrong(row: Row, found: Interruption, calls: int) -> str:
    """Return what is not as the table has it, or nothing."""
    outcome = "answered" if found.state == "answered" else f"{found.state}({found.error_code})"
    if outcome not in row.outcomes:
        return f"it came to {outcome} after {calls} calls"
    if calls not in row.calls:
        return f"{calls} calls of the model"
    if found.state == "failed":
        if found.response_text or found.draft_text or found.lease_token:
            return "something is left of the failed answer"
        if not found.fallback:
            return "the helper offered nothing"
    elif row.text is None:
        if not 0 < len(found.response_text.encode()) <= MAX_REPLY_BYTES:
            return f"{len(found.response_text.encode())} bytes were stored"
    elif found.response_text != row.text:
        return f"the answer is {found.response_text!r}"
    return "" if found.truncated == row.truncated else "truncated is wrong"
