"""Where a proof stands: private servers, a fresh school, the real processes, and what they were started with.

`__main__` enters `surroundings` before Django is set up, for settings are read from the environment; each proof
then gets a `Ground` of its own on an emptied database. All that it starts is dead when the proof ends.
"""

import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from tests.scripted_model import ScriptedModel

if TYPE_CHECKING:  # they import models, so only once Django is set up
    from tests.load.faults.pages import Page
    from tests.processes import Process, Site

ROOT = Path(__file__).resolve().parents[3]
SERVERS, EMBEDDED = "servers", "embedded"
SETTLING = 2.0  # seconds until a process that has just begun is counted as one that answers
STACKS = {SERVERS: "PostgreSQL and Redis", EMBEDDED: "SQLite, one process"}


@contextlib.contextmanager
def surroundings(stack: str, scale: float) -> Iterator[None]:
    """Set the environment that `django.setup` and every process will find: a database of this run's own."""
    sys.path.insert(0, str(ROOT / "scripts"))
    import throwaway
    with contextlib.ExitStack() as kept:
        folder = kept.enter_context(tempfile.TemporaryDirectory(prefix="faults-"))
        database = (kept.enter_context(throwaway.postgresql()).removesuffix("/readerai") + "/postgres"
                    if stack == SERVERS else f"sqlite:///{folder}/faults.sqlite3")
        # The last one makes every start compile all that it imports: three seconds in place of one.
        for name in ("REDIS_URL", "REDIS_PREFIX", "PUBLIC_ORIGINS", "ALLOWED_HOSTS", "PYTHONDONTWRITEBYTECODE"):
            os.environ.pop(name, None)
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "readerai_site.settings", "DATA_DIR": folder, "DATABASE_URL": database,
            "DURATION_SCALE": str(scale), "LOG_LEVEL": "WARNING", "DATABASE_POOL": "8"}
        yield


@dataclass
class Engine:
    """When a process could answer questions, in Unix seconds."""

    process: "Process"
    since: float
    until: float = float("inf")


@dataclass
class Ground:
    """What a proof works with. `tell` shows progress; `failures` and `notes` are its result."""

    stack: str
    scale: float
    random: Random
    tell: Callable[[str], None]
    site: "Site"
    model: ScriptedModel
    directory: Path
    redis_port: int = 0
    redis: "Process | None" = None
    webs: list["Process"] = field(default_factory=list)  # those that a page may find
    workers: list["Process"] = field(default_factory=list)  # those that run
    pages: list["Page"] = field(default_factory=list)
    started: list["Process"] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    engines: list["Engine"] = field(default_factory=list)  # every one that ever was here

    @property
    def is_embedded(self) -> bool:
        return self.stack == EMBEDDED

    @property
    def redis_url(self) -> str:
        return f"redis://127.0.0.1:{self.redis_port}"

    def fails(self, what: str) -> None:
        """Count a broken promise."""
        self.failures.append(what)
        self.tell(f"BROKEN {what}")

    async def web(self, **environment: str) -> "Process":
        """Start `manage.py serve`; pages find it from now on, until `gone`."""
        process = await self.site.serve(**environment)
        return self._joins(self.webs, process)

    async def uvicorn(self, **environment: str) -> "Process":
        """Start the same application under uvicorn."""
        process = await self.site.uvicorn(**environment)
        return self._joins(self.webs, process)

    async def worker(self, **environment: str) -> "Process":
        """Start `manage.py runworker tutor`."""
        process = await self.site.worker(**environment)
        return self._joins(self.workers, process)

    def _joins(self, kind: list, process: "Process") -> "Process":
        self.started.append(process)
        if process.is_running:
            kind.append(process)
        if kind is (self.webs if self.is_embedded else self.workers):
            self.engines.append(Engine(process, time.time() + SETTLING))
        return process

    def gone(self, process: "Process") -> None:
        """Note that a process is dead or dying: no page goes there any more, and it answers nothing."""
        for kind in (self.webs, self.workers):
            if process in kind:
                kind.remove(process)
        for engine in self.engines:
            if engine.process is process:
                engine.until = time.time()

    def without_engine(self, start: float, end: float) -> float:
        """Return how many seconds between two moments no engine lived, or only one that had just begun."""
        without = end - start
        covered = start
        for engine in sorted(self.engines, key=lambda engine: engine.since):
            since, until = max(engine.since, covered), min(engine.until, end)
            if until > since:
                without -= until - since
                covered = until
        return without

    def port(self) -> int | None:
        """Return the port of any web process that serves, as a proxy would choose one."""
        return self.random.choice(self.webs).port if self.webs else None

    def complaints(self) -> dict[str, int]:
        """Return the log's errors and how often each came, those apart that the faults themselves explain."""
        found: dict[str, int] = {}
        for process in self.started:
            for line in process.said.splitlines():
                if " ERROR " in line or line.startswith(("Traceback", "Fatal")):
                    line = line.split(" ", 2)[-1][:110]
                    found[line] = found.get(line, 0) + 1
        return found


@contextlib.asynccontextmanager
async def ground(stack: str, *, scale: float, random: Random, tell: Callable[[str], None],
                 **environment: str) -> AsyncIterator[Ground]:
    """Yield a ground on an emptied database; its processes and pages end with it."""
    from django.core.management import call_command

    from tests.load.faults.nursery import NurserySite
    from tests.people import stored
    from tests.processes import free_port, site
    await stored(call_command, "flush", interactive=False, verbosity=0)
    with ScriptedModel() as model, tempfile.TemporaryDirectory(prefix="faults-") as folder:
        directory = Path(folder)
        redis_port = free_port()
        settings = {
            "DURATION_SCALE": str(scale), "LIMITS_SCALE": "1000", "LLM_MAX_CONCURRENT": "10", "LOG_LEVEL": "WARNING",
            "TUTOR_EMBEDDED": str(int(stack == EMBEDDED)),
            "REDIS_URL": "" if stack == EMBEDDED else f"redis://127.0.0.1:{redis_port}"} | environment
        async with site(model, directory, kind=NurserySite, **settings) as processes:
            found = Ground(stack, scale, random, tell, processes, model, directory, redis_port)
            if stack == SERVERS:
                found.redis = await processes.redis(redis_port, directory)
            try:
                yield found
            finally:
                await asyncio.gather(*[page.leave() for page in found.pages])
