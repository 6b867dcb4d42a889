"""P1 and P2: signal 9 for workers with questions under way, and for web processes with pages that resend.

Some of the kills come whenever they come, the others at a named failpoint. In the embedded default the one server is both
web process and worker, so there the two proofs kill the same kind of process at each other's places.
"""

import asyncio
import contextlib

from tests.load.faults import witness
from tests.load.faults.ground import Ground
from tests.load.faults.pages import Page, busy, keep_one_open

IN_FLIGHT = 20
RESENDING = 50
# Where a worker dies, and how often it may pass there at most before it does.
OF_A_WORKER = {"": 0, "before_claim": 6, "after_claim": 6, "mid_stream": 60, "before_final_commit": 4,
               "after_final_commit": 4}
OF_A_WEB = {"": 0, "before_batch_commit": 5, "after_batch_commit": 5}


class Mortals:
    """Keeps some processes of a kind alive and kills them one after another, never the last one that serves."""

    def __init__(self, ground: Ground, start, places: dict[str, int], *, kills: int, at_once: int):
        self.ground, self.start, self.places = ground, start, places
        self.left = kills
        self.at_once = at_once
        self.done: dict[str, int] = dict.fromkeys(places, 0)
        self.open_at_death: list[int] = []

    async def die(self) -> None:
        """Kill until the wanted number is dead, then leave one more set of them alive."""
        await asyncio.gather(*[self._die_in_turn() for _ in range(self.at_once)])

    async def _die_in_turn(self) -> None:
        ground, random = self.ground, self.ground.random
        while self.left > 0:
            self.left -= 1
            place = random.choice(list(self.places))
            armed = f"{place}:{random.randint(1, self.places[place])}" if place else ""
            process = await self.start(FAILPOINT=armed)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(random.uniform(0.2, 3.0) if not place else 6.0):
                    await process.over.wait()
            if process.is_running:
                place = ""  # it never came there; then at any moment
            ground.gone(process)
            await process.kill()
            self.done[place] += 1
            self.open_at_death.append(sum(len(page.open) for page in ground.pages))
            dead = sum(self.done.values())
            if dead % 10 == 0:
                ground.tell(f"{dead} dead, {sum(len(page.acknowledged) for page in ground.pages)} acknowledged, "
                            f"{self.open_at_death[-1]} under way")
        await self.start(FAILPOINT="")

    def where(self) -> str:
        return ", ".join(f"{place or 'at random'} {times}" for place, times in self.done.items())


async def workers(ground: Ground, n: int) -> None:
    """P1: every acknowledged question has one outcome, in time, and at most three calls of the model."""
    ground.model.says(*[f"word{number} " for number in range(20)])
    ground.model.pace = 0.05
    students, _ = await witness.people(ground, IN_FLIGHT, classes=4)
    if ground.is_embedded:
        mortals = Mortals(ground, ground.web, OF_A_WORKER, kills=n, at_once=1)
    else:
        # One engine lives throughout. It takes hardly any question from the mortal ones, and fails what is overdue.
        await asyncio.gather(ground.web(), ground.web(), ground.worker(LLM_MAX_CONCURRENT="1"))
        mortals = Mortals(ground, ground.worker, OF_A_WORKER, kills=n, at_once=3)
    pages = [Page(ground, student) for student in students]
    async with busy(pages, keep_one_open):
        await mortals.die()
    await _count(ground, mortals)


async def webs(ground: Ground, n: int) -> None:
    """P2: what was acknowledged is there, once, although pages send it again until they are told so.

    Nobody answers where workers would: what is counted is what web processes do.
    """
    students, _ = await witness.people(ground, RESENDING, classes=4)
    if ground.is_embedded:
        mortals = Mortals(ground, ground.web, OF_A_WEB, kills=n, at_once=1)
    else:
        await ground.web()
        mortals = Mortals(ground, ground.web, OF_A_WEB, kills=n, at_once=3)
    pages = [Page(ground, student) for student in students]
    async with busy(pages, _ask_or_choose):
        await mortals.die()
    await _count(ground, mortals, outcomes=ground.is_embedded)
    await witness.pages_agree(ground)


async def _ask_or_choose(page: Page) -> None:
    """One durable message and its answer: a question, or another look of the page."""
    if page.random.random() < 0.15:
        await page.ask()
    else:
        await page.say("SET_PREFERENCES", {"fontScale": 1 + page.random.randrange(100) / 100})
    await page.until(lambda page: len(page.outbox) < 3)
    await asyncio.sleep(page.random.uniform(0, 0.4))


async def _count(ground: Ground, mortals: Mortals, *, outcomes: bool = True) -> None:
    ground.tell("counting")
    await witness.all_said(ground)
    if outcomes:
        await witness.all_ended(ground)
    found = await witness.count(ground, outcomes=outcomes)
    await witness.numbers_fit(ground)
    ground.notes.append(f"killed {mortals.where()}")
    under_way = sum(mortals.open_at_death) / max(1, len(mortals.open_at_death))
    ground.notes.append(f"{under_way:.0f} under way at a kill on average")
    ground.notes.append(witness.described(found))
