"""P6 and P11 live in the suite; here they are run longer, or counted."""

import asyncio
import os
import re
import sys

from tests.load.faults.ground import ROOT, Ground

EVERY_MESSAGE = "tests/test_every_message.py"


async def of_tabs(ground: Ground, n: int) -> None:
    """P6: n examples of the machine with eight tabs, each of up to a hundred steps."""
    from hypothesis import HealthCheck, seed, settings
    from hypothesis.stateful import run_state_machine_as_test

    from tests.test_progress_machine import TABS, Tabs
    machine = seed(ground.random.randrange(2**32))(Tabs)
    options = settings(max_examples=n, stateful_step_count=100, deadline=None, suppress_health_check=list(HealthCheck),
                       database=None)
    try:
        await asyncio.to_thread(run_state_machine_as_test, machine, settings=options)
    except AssertionError as broken:
        ground.fails(str(broken)[-600:])
    ground.notes.append(f"{TABS} tabs, up to 100 steps an example")


async def of_messages(ground: Ground, n: int) -> None:
    """P11: the suite's own table, n times over."""
    for _ in range(n):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", EVERY_MESSAGE, cwd=ROOT,
            env=os.environ | {"DURATION_SCALE": "1"}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
        said = (await process.communicate())[0].decode()
        if process.returncode:
            ground.fails(said[-600:])
        ground.notes = [f"{_passed(said)} rows passed"]


def _passed(said: str) -> int:
    found = re.search(r"(\d+) passed", said)
    return int(found[1]) if found else 0
