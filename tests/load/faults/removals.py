"""P10: students are removed and logged out while answers stream to them; no frame comes later than two seconds after.

Half of their pages are on `manage.py serve`, half on uvicorn. The witness's process has another channel layer than
theirs, so only the row in the database can tell them.
"""

import asyncio
import statistics
import time

from classrooms.services.roster import remove_student
from tests.load.faults import witness
from tests.load.faults.ground import Ground
from tests.load.faults.pages import Page
from tests.people import browser, stored

AT_ONCE = 20
WITHIN = 2.0


async def in_mid_stream(ground: Ground, n: int) -> None:
    """P10: n removals and log-outs, twenty at a time."""
    ground.model.says(*[f"word{number} " for number in range(60)])
    ground.model.pace = 0.1
    if ground.is_embedded:
        await ground.web()
    else:
        await asyncio.gather(ground.web(), ground.uvicorn(), ground.worker())
    latest: list[float] = []
    for start in range(0, n, AT_ONCE):
        students, _ = await witness.people(ground, min(AT_ONCE, n - start), classes=2)
        latest += await asyncio.gather(*[
            _put_out(ground, student, number % 2 == 0) for number, student in enumerate(students)])
        ground.tell(f"{len(latest)} put out, the last frame {max(latest):.2f} s after at the latest")
    ground.notes.append("last frame after the commit: "
                        f"median {statistics.median(latest):.2f} s, longest {max(latest):.2f} s")


in_mid_stream.environment = {"LLM_MAX_CONCURRENT": "60"}


async def _put_out(ground: Ground, student, remove: bool) -> float:
    """Put one out in mid-stream; return how many seconds after the commit the last frame came."""
    page = Page(ground, student)
    await page.until(lambda page: page.is_live)
    await page.ask()
    streams = await page.until(lambda page: page.heard["INTERRUPTION_RESPONSE_DELTA"] > 1)
    await asyncio.sleep(ground.random.uniform(0, 1))
    if not streams or not page.is_live:
        ground.fails("nothing streamed before the removal")
    if remove:
        await stored(remove_student, student.enrollment)
    else:
        await stored(browser(student).post, "/logout/", headers={"host": "localhost"})
    at = time.monotonic()
    await asyncio.sleep(2 * WITHIN)
    codes = [code for _, code in page.closes]
    if codes != [4403 if remove else 4401]:
        ground.fails(f"the socket was closed with {codes}")
    if page.told_at > at + WITHIN:
        ground.fails(f"a frame came {page.told_at - at:.1f} s after the {'removal' if remove else 'log-out'}")
    return max(0.0, page.told_at - at)
