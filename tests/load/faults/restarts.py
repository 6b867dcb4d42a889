"""P8 and P13: processes of each kind are told to end, one after another, while pages ask.

SIGTERM: sockets hear 1012, the process ends within its drain with status 0, and nothing is lost. In P13 the processes
that follow run newer code, on a database that was migrated while the older ones served.
"""

import asyncio
import contextlib
import json
import shutil
import signal
import time
from pathlib import Path

from django.conf import settings

from tests.load.faults import witness
from tests.load.faults.ground import ROOT, Ground
from tests.load.faults.pages import Page, busy, keep_one_open

STUDENTS = 20
LATE = 2.0  # seconds beyond the drain that the interpreter may take to go on a loaded machine
KINDS = ("web", "uvicorn", "worker")


async def on_sigterm(ground: Ground, n: int) -> None:
    """P8: n SIGTERMs of each kind of process."""
    ground.model.says(*[f"word{number} " for number in range(20)])
    ground.model.pace = 0.03
    students, _ = await witness.people(ground, STUDENTS, classes=4)
    kinds = ("web",) if ground.is_embedded else KINDS
    if not ground.is_embedded:
        await ground.worker()
    drains: dict[str, list[float]] = {kind: [] for kind in kinds}
    current = {kind: await getattr(ground, kind)() for kind in kinds}
    pages = [Page(ground, student) for student in students]
    told = 0
    async with busy(pages, keep_one_open):
        for number in range(1, n + 1):
            for kind in kinds:
                ending = current[kind]
                if ground.is_embedded:  # one process a database: the next begins when this one has ended
                    await asyncio.sleep(ground.random.uniform(1, 2))
                else:
                    current[kind] = await getattr(ground, kind)()
                    await asyncio.sleep(ground.random.uniform(0, 0.5))
                told += await _end(ground, ending, kind, drains[kind])
                if ground.is_embedded:
                    current[kind] = await ground.web()
            if number % 10 == 0:
                ground.tell(f"{number} of each kind ended, {told} sockets told 1012")
    await _count(ground)
    ground.notes.append(f"{told:,} sockets told 1012; seconds from SIGTERM to the end, longest: " + ", ".join(
        f"{kind} {max(seconds):.1f}" for kind, seconds in drains.items()))


async def _end(ground: Ground, process, kind: str, drains: list[float]) -> int:
    """Send SIGTERM and hold the end against the promise; return how many sockets were told to come back."""
    there = [page for page in ground.pages if page.is_live and page.port == process.port]
    before = {page: len(page.closes) for page in there}
    began = time.monotonic()
    ground.gone(process)
    process.signal(signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(settings.DURATIONS.drain + LATE + 5):
            await process.over.wait()
    took = time.monotonic() - began
    drains.append(took)
    if process.is_running:
        return ground.fails(f"a {kind} did not end") or 0
    status = await process.ended()
    # uvicorn raises the signal again when it has drained, so that its parent sees why it ended.
    if status not in ((0, -signal.SIGTERM, 143) if kind == "uvicorn" else (0,)):
        ground.fails(f"a {kind} ended with status {status}: {process.said[-200:]}")
    if took > settings.DURATIONS.drain + LATE:
        ground.fails(f"a {kind} took {took:.1f} s to end")
    for page in there:
        await page.until(lambda page: len(page.closes) > before[page], seconds=5)
        codes = [code for _, code in page.closes[before[page]:][:1]]
        if codes != [1012]:
            ground.fails(f"a socket of a {kind} was closed with {codes}")
    return len(there)


async def _count(ground: Ground) -> None:
    await witness.all_said(ground)
    await witness.all_ended(ground)
    found = await witness.count(ground, in_time=False)  # P1 times the outcomes
    await witness.numbers_fit(ground)
    await witness.pages_agree(ground)
    ground.notes.append(witness.described(found))


# ---- P13

# What a release might add while the last one serves: a column that the older code does not know.
MIGRATION = '''from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("{app}", "{last}")]
    operations = [migrations.AddField("{model}", "from_the_next_release", models.TextField(null=True))]
'''
FIELD = '    from_the_next_release = models.TextField(null=True)\n'
CHANGED = (("sessions", "reading_sessions", "Interruption"), ("sessions", "reading_sessions", "ReadingSession"),
           ("classrooms", "classrooms", "Classroom"))


async def on_upgrade(ground: Ground, n: int) -> None:
    """P13: n times, processes of the present code serve while a release with another column takes their place."""
    ground.model.says(*[f"word{number} " for number in range(20)])
    ground.model.pace = 0.03
    students, _ = await witness.people(ground, STUDENTS, classes=4)
    pages = [Page(ground, student) for student in students]
    next_release = ground.directory / "next"
    await asyncio.to_thread(make_release, next_release)
    drains: list[float] = []
    async with busy(pages, keep_one_open):
        for number in range(1, n + 1):
            old = [(kind, await getattr(ground, kind)()) for kind in KINDS] + [("worker", await ground.worker())]
            for page in pages:
                await page.until(lambda page: page.is_live)
            await _manage(ground, next_release, "migrate")
            for kind, process in old:
                asked = sum(len(page.acknowledged) for page in pages)
                await _start_release(ground, next_release, kind)
                await _end(ground, process, kind, drains)
                if not await pages[0].until(lambda _: sum(len(page.acknowledged) for page in pages) > asked):  # noqa: B023
                    ground.fails("nothing was acknowledged beside the new code")
            for kind, process in [*[("web", p) for p in ground.webs], *[("worker", p) for p in ground.workers]]:
                await _end(ground, process, "uvicorn" if "Uvicorn" in process.said else kind, drains)
            await _manage(ground, next_release, "migrate", backwards=True)
            ground.tell(f"{number} upgrades and ways back, {sum(len(page.acknowledged) for page in pages)} acknowledged")
        await asyncio.gather(ground.web(), ground.worker())
    await _count(ground)
    ground.notes.append("column added to " + ", ".join(model for _, _, model in CHANGED))


def make_release(folder: Path) -> None:
    """Copy the project and give it models with another column and the migrations for them."""
    for name in ("manage.py", "readerai_site", "sessions", "classrooms", "templates", "static", "pyproject.toml"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            folder.mkdir(exist_ok=True)
            shutil.copy(source, folder / name)
    for number, (package, app, model) in enumerate(CHANGED):
        migrations = folder / package / "migrations"
        last = sorted(path.stem for path in migrations.glob("0*.py"))[-1]
        name = f"{int(last[:4]) + 1:04}_next_release_{number}"
        (migrations / f"{name}.py").write_text(MIGRATION.format(app=app, last=last, model=model.lower()))
        path = folder / package / "models.py"
        before, found, after = path.read_text().partition(f"class {model}(models.Model):")
        meta = after.index("    class Meta:") if "    class Meta:" in after.split("\nclass ")[0] else after.index("\n\n\n")
        path.write_text(before + found + after[:meta] + FIELD + "\n" + after[meta:])


async def _start_release(ground: Ground, folder: Path, kind: str) -> None:
    process = await getattr(ground.site, "serve" if kind == "web" else kind)(directory=folder)
    (ground.workers if kind == "worker" else ground.webs).append(process)
    ground.started.append(process)


async def _manage(ground: Ground, folder: Path, *command: str, backwards: bool = False) -> None:
    """Run a command of the next release; backwards, undo its migrations."""
    commands = [command]
    if backwards:
        commands = []
        for package, app in {(package, app) for package, app, _ in CHANGED}:
            names = sorted(path.stem for path in (folder / package / "migrations").glob("0*.py"))
            commands.append(("migrate", app, [name for name in names if "next_release" not in name][-1]))
    for each in commands:
        process = await ground.site.command(*each, directory=folder)
        if await process.ended():
            ground.fails(f"{json.dumps(each)} failed: {process.said[-500:]}")


