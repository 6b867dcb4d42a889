"""The supervisor of `make run-scaled`, with small children in place of servers."""

import asyncio
import contextlib
import re
import signal
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import run_scaled  # noqa: E402
import supervisor as supervisors  # noqa: E402
from environment import Refusal  # noqa: E402
from supervisor import Child, Supervisor  # noqa: E402

PATIENCE = 20


class Heard:
    """What the supervisor and its children said."""

    def __init__(self):
        self.lines = []
        self._news = asyncio.Event()

    def __call__(self, name, line):
        self.lines.append(f"{name}: {line}")
        self._news.set()

    async def hears(self, pattern, times=1):
        async with asyncio.timeout(PATIENCE):
            while len(found := [line for line in self.lines if re.search(pattern, line)]) < times:
                self._news.clear()
                await self._news.wait()
        return found


@contextlib.asynccontextmanager
async def supervised(*children):
    heard = Heard()
    supervisor = Supervisor(say=heard)
    await supervisor.start(*children)
    try:
        yield supervisor, heard
    finally:
        await supervisor.end()


def shell(name, script, **options):
    return Child(name, ["sh", "-c", script], **options)


async def test_lines_carry_the_name_of_who_said_them():
    async with supervised(shell("web-1", "echo hello; echo world >&2; exec sleep 60"),
                          shell("tutor-1", "printf 'half a line'")) as (_, heard):
        assert await heard.hears("world") == ["web-1: world"]
        assert "web-1: hello" in heard.lines
        await heard.hears("tutor-1: half a line$")


async def test_who_dies_is_started_again_after_a_growing_delay(monkeypatch):
    monkeypatch.setattr(supervisors, "LONGEST_DELAY", 0.04)
    async with supervised(shell("web-1", "echo up; exit 3", delay=0.01)) as (_, heard):
        found = await heard.hears("web-1 ended", times=4)
    assert [re.search(r"status 3; it is started again in (\S+) s", line)[1] for line in found[:4]] == [
        "0.01", "0.02", "0.04", "0.04"]


async def test_who_ran_long_begins_with_the_first_delay_again(monkeypatch):
    monkeypatch.setattr(supervisors, "SETTLED_SECONDS", 0.0)
    monkeypatch.setattr(supervisors, "FIRST_DELAY", 0.01)
    async with supervised(shell("web-1", "exit 0", delay=7.0)) as (_, heard):
        found = await heard.hears("web-1 ended", times=3)
    assert all("again in 0.01 s" in line for line in found)


async def test_all_end_group_by_group_and_no_one_is_started_again():
    def told(name):
        return shell(name, f"trap 'echo {name} ends; exit' TERM; echo up; while :; do sleep 0.05; done")

    children = [told("database"), told("proxy"), told("web-1"), told("web-2")]
    for child, group in zip(children, (0, 1, 2, 2), strict=True):
        child.group = group
    async with supervised(*children) as (supervisor, heard):
        await heard.hears("up", times=4)
        await supervisor.end()
        ends = [line.split()[1] for line in heard.lines if line.endswith("ends")]
    assert set(ends[:2]) == {"web-1", "web-2"} and ends[2:] == ["proxy", "database"]
    assert not [line for line in heard.lines if "started again" in line]
    assert not any(child.is_running for child in children)


async def test_who_does_not_end_is_killed():
    stubborn = shell("web-1", "trap '' TERM; echo up; while :; do sleep 0.05; done", patience=0.1)
    async with supervised(stubborn) as (supervisor, heard):
        await heard.hears("up")
        await supervisor.end()
        assert "web-1 did not end in 0.1 s and is killed" in heard.lines[-1]
    assert stubborn.process.returncode == -signal.SIGKILL


def is_sleeping(pid):
    with contextlib.suppress(OSError):
        return "sleep" in Path(f"/proc/{pid}/cmdline").read_text()
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
async def test_children_end_with_a_supervisor_that_is_killed(tmp_path):
    program = ("import asyncio, sys; sys.path.insert(0, 'scripts'); from supervisor import Child, Supervisor\n"
               "async def main():\n    await Supervisor().start(Child('web-1', ['sh', '-c', 'echo $$; exec sleep 60']))\n"
               "    await asyncio.sleep(60)\nasyncio.run(main())")
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", program, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(PATIENCE):
        child = int((await parent.stdout.readline()).split()[-1])
        parent.kill()
        await parent.wait()
        while is_sleeping(child):  # noqa: ASYNC110 - the end of a process that is not ours raises no event
            await asyncio.sleep(0.01)


# ---------------------------------------------------------------- what run_scaled asks for


def test_the_plan_numbers_ports_after_the_first(tmp_path, monkeypatch):
    monkeypatch.setenv("PORT", "0")
    monkeypatch.setenv("WEB", "3")
    monkeypatch.setenv("WORKERS", "1")
    monkeypatch.delenv("HOST", raising=False)
    plan = run_scaled.make_plan(tmp_path, "python")
    assert len(plan.webs) == 3 and len(plan.workers) == 1
    assert len({plan.port, *plan.webs, *plan.workers}) == 5  # port 0: any that are free
    monkeypatch.setenv("PORT", str(plan.port))
    with contextlib.suppress(Refusal):  # somebody may have taken one of the next meanwhile
        again = run_scaled.make_plan(tmp_path, "python")
        assert [again.port, *again.webs, *again.workers] == list(range(plan.port, plan.port + 5))


@pytest.mark.parametrize("asked", ["0", "many", "51", "-1"])
def test_a_number_that_makes_no_sense_is_named(tmp_path, monkeypatch, asked):
    monkeypatch.setenv("WEB", asked)
    with pytest.raises(Refusal, match=f"WEB must be a number from 1 to 50, not {asked}"):
        run_scaled.make_plan(tmp_path, "python")


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(run_scaled, "programs", lambda: {"PostgreSQL": None, "nginx": None, "Redis": tmp_path})
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    with pytest.raises(Refusal, match="needs PostgreSQL, nginx: on Debian and Ubuntu, apt install"):
        run_scaled.main(python="python")


@pytest.mark.parametrize(("host", "open_door"), [("127.0.0.1", "1"), ("0.0.0.0", None)])
def test_strangers_make_accounts_only_where_nobody_else_comes(tmp_path, monkeypatch, host, open_door):
    for name in ("SIGN_UP", "ALLOWED_HOSTS"):
        monkeypatch.delenv(name, raising=False)
    plan = run_scaled.Plan(host=host, port=8000, webs=[8001], workers=[8002], data=tmp_path, python="python")
    assert plan.url == "http://localhost:8000/"
    assert run_scaled.settings_of(plan, database="postgres://", redis="unix://").get("SIGN_UP") == open_door
    monkeypatch.setenv("SIGN_UP", "0")  # whoever says it themselves is heard
    assert "SIGN_UP" not in run_scaled.settings_of(plan, database="postgres://", redis="unix://")
