"""P5: connections are cut at any moment and a fifth of the layer's messages are lost; pages end up with the truth.

Between pages and web process stands a line that can be cut (`Line`); the processes run with `lossy` settings.
"""

import asyncio
import contextlib
import time
from random import Random

from sessions.models import Interruption
from tests.load.faults import witness
from tests.load.faults.ground import Ground
from tests.load.faults.pages import Page, busy
from tests.people import stored

STUDENTS = 10
MESSAGES_PER_SECOND = 20
CUTS_PER_SECOND = 4


class Line:
    """A TCP proxy whose connections can be cut, without a close frame and in the middle of whatever it is."""

    def __init__(self, target, random: Random):
        self.target = target
        self.random = random
        self.port = 0
        self._open: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = []

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader, writer) -> None:
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self.target())
        except OSError:
            return writer.transport.abort()
        ends = (writer, to_writer)
        self._open.append(ends)
        try:
            await asyncio.wait([asyncio.create_task(self._copy(reader, to_writer)),
                                asyncio.create_task(self._copy(to_reader, writer))], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._open.remove(ends)
            for end in ends:
                end.close()

    async def _copy(self, reader, writer) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()

    def cut(self) -> bool:
        """Cut one connection; False when there is none."""
        if not self._open:
            return False
        for end in self.random.choice(self._open):
            end.transport.abort()
        return True


async def of_lines(ground: Ground, n: int) -> None:
    """P5: after n cuts, every page shows what the database has, and nothing acknowledged is missing."""
    ground.model.pace = 0.05
    ground.model.says(*[f"word{number} " for number in range(10)])
    students, teachers = await witness.people(ground, STUDENTS, classes=2)
    await ground.web()
    if not ground.is_embedded:
        await asyncio.gather(ground.web(), ground.worker())
    line = Line(ground.port, ground.random)
    await line.start()
    for person in [*students, *students, *teachers]:
        Page(ground, person, where=lambda: line.port)
    await asyncio.gather(*[page.until(lambda page: page.is_live) for page in ground.pages])
    pause = len(ground.pages) / MESSAGES_PER_SECOND

    async def speak(page: Page) -> None:
        await asyncio.sleep(page.random.uniform(0, 2 * pause))
        if page.shown is not None:
            await _speak(page)

    cuts = 0
    async with busy(ground.pages, speak):
        while cuts < n:
            await asyncio.sleep(ground.random.expovariate(CUTS_PER_SECOND))
            cuts += line.cut()
            if cuts % 50 == 0:
                ground.tell(f"{cuts} cuts, {sum(page.heard.total() for page in ground.pages)} frames heard")
    await witness.all_said(ground)
    await witness.all_ended(ground)
    await asyncio.sleep(2)
    ended = time.monotonic()
    found = await witness.count(ground)
    await witness.pages_agree(ground, progress=False)
    doubled = await stored(_questions_twice)
    if doubled:
        ground.fails(f"{doubled} questions were stored twice")
    ground.notes.append(f"{len(ground.pages)} sockets, {sum(page.heard.total() for page in ground.pages):,} frames heard, "
                        f"{sum(page.restored for page in ground.pages)} RESTOREs")
    ground.notes.append(witness.described(found))
    ground.notes.append(f"all pages true {time.monotonic() - ended:.1f} s after the last message")


of_lines.environment = {"DJANGO_SETTINGS_MODULE": "tests.load.faults.lossy"}


def _questions_twice() -> int:
    rows = Interruption.objects.values_list("question_text", flat=True)
    return len(rows) - len(set(rows))


async def _speak(page: Page) -> None:
    """Say one of the things that pages say."""
    random = page.random
    if page.is_room:
        story = page.shown.state["texts"][0]["id"]
        await page.say(*random.choice([
            ("BROADCAST", {"text": "Good morning"}), ("PAUSE_CLASS", {}), ("RESUME_CLASS", {}),
            ("FOCUS", {"textId": story, "wordIndex": random.randrange(50)})]))
        return
    choice = random.random()
    if choice < 0.35:
        await page.ask()
    elif choice < 0.6:
        await page.say("SET_PREFERENCES", {"fontScale": 1 + random.randrange(100) / 100})
    elif choice < 0.8:
        await page.say("READING_PROGRESS", {"wordIndex": random.randrange(90), "rev": page.shown.state["rev"] + 1},
                       durable=False)
    elif choice < 0.9 and page.open:
        await page.say("CANCEL_INTERRUPTION", {"interruptionId": random.choice(sorted(page.open))})
    elif page.ended:
        await page.say("RESUME_READING", {"interruptionId": random.choice(sorted(page.ended)),
                                          "helpful": random.random() < 0.5}, durable=False)
