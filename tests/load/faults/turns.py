"""P7: ten calls of the model at once over three workers, never eleven, hardly ever nine; and fair turns.

The model's own list says how many ran; the rows say whose turn it was. A finished row whose commit a claim may
not have seen yet is held against nobody.
"""

import asyncio

from sessions.models import Interruption
from tests.load.faults import witness
from tests.load.faults.ground import Ground
from tests.load.faults.pages import Page
from tests.people import stored

AT_ONCE = 10
AT_LEAST = 9.0
CLASS_SIZES = (16, 12, 6, 4, 2)
UNSEEN = 0.1  # seconds that a commit may take


async def of_questions(ground: Ground, n: int) -> None:
    """P7: n questions of forty students in five unequal classes, all asked at once."""
    ground.model.says(*[f"word{number} " for number in range(20)])
    ground.model.pace = 0.2  # answers of four seconds, as quick as real ones come
    students = []
    for size in CLASS_SIZES:
        students += (await witness.people(ground, size))[0]
    if ground.is_embedded:
        await ground.web()
    else:
        await asyncio.gather(ground.web(), ground.worker(), ground.worker(), ground.worker())
    pages = [Page(ground, student) for student in students]
    await asyncio.gather(*[page.until(lambda page: page.is_live) for page in pages])
    asking = [page for number in range(-(-n // len(pages))) for page in pages][:n]
    ground.random.shuffle(asking)
    for page in asking:
        await page.ask()
    await witness.all_said(ground)
    await witness.all_ended(ground, seconds=120)
    found = await witness.count(ground)
    requests = sorted(ground.model.requests, key=lambda request: request.started)
    average = _average(requests)
    if ground.model.peak != AT_ONCE:
        ground.fails(f"{ground.model.peak} calls of the model at once")
    if average < AT_LEAST:
        ground.fails(f"{average:.2f} calls at once on average while questions waited")
    for what in await stored(_unfair):
        ground.fails(what)
    ground.notes.append(f"peak {ground.model.peak}, {average:.2f} on average while questions waited")
    ground.notes.append(witness.described(found))


def _average(requests: list) -> float:
    """Return how many ran on average from the first call until the last waiting question was taken."""
    began, ended = requests[0].started, requests[-1].started
    ran = sum(max(0.0, min(request.ended, ended) - request.started) for request in requests)
    return ran / (ended - began)


def _unfair() -> list[str]:
    """Return each turn that was not the next one's: a class, or a student of it, with fewer running was waiting."""
    rows = list(Interruption.objects.order_by("claimed_at"))
    wrong = []
    for row in rows:
        at = row.claimed_at.timestamp()
        waiting = [other for other in rows
                   if other.claimed_at.timestamp() > at and other.created_at.timestamp() < at - UNSEEN]
        running = [other for other in rows if other.claimed_at.timestamp() < at and other.finished_at.timestamp() > at]
        maybe = [other for other in rows
                 if other.claimed_at.timestamp() < at and at - UNSEEN < other.finished_at.timestamp() <= at]
        for name in ("classroom_id", "enrollment_id"):
            mine = getattr(row, name)
            have = sum(getattr(other, name) == mine for other in running)
            for theirs in {getattr(other, name) for other in waiting
                           if name == "classroom_id" or other.classroom_id == row.classroom_id} - {mine}:
                has = sum(getattr(other, name) == theirs for other in [*running, *maybe])
                if has < have:
                    wrong.append(f"{name} {mine} had {have} running and was served before {theirs}, which had {has}")
    return wrong
