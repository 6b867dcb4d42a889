"""docs/promises.md: each run of a proof is a row, kept between marks, with what is needed to run it again."""

import datetime
import os
import platform
import sys
from dataclasses import dataclass

from tests.load.faults.ground import ROOT, STACKS
from tests.load.report import processor

PAGE = ROOT / "docs" / "promises.md"
HEAD = "| stack | scale | n | failures | seconds | seed | date | what was counted |\n|---|---:|---:|---:|---:|---:|---|---|"


@dataclass
class Run:
    """One run of one proof."""

    proof: str
    stack: str
    scale: float
    n: int
    failures: list[str]
    seconds: float
    seed: int
    notes: list[str]

    def line(self) -> str:
        """Return what is printed at the end."""
        return (f"{self.proof} n={self.n} failures={len(self.failures)} seconds={self.seconds:.0f} seed={self.seed} "
                f"({STACKS[self.stack]}, durations times {self.scale:g})")

    def key(self) -> str:
        return f"| {STACKS[self.stack]} | {self.scale:g} | {self.n} |"

    def row(self) -> str:
        return (f"{self.key()} {len(self.failures)} | {self.seconds:.0f} | {self.seed} | "
                f"{datetime.date.today().isoformat()} | {'; '.join(self.notes)} |")


def machine() -> str:
    """Name what the runs were made on."""
    return (f"{processor()}, {len(os.sched_getaffinity(0))} cores, {platform.system()}; "
            f"Python {platform.python_version()}")


def marks(proof: str) -> tuple[str, str]:
    return f"<!-- {proof}: begin -->", f"<!-- {proof}: end -->"


def write(run: Run) -> None:
    """Put the run's row between its proof's marks, in the place of a run with the same stack, scale, n and seed."""
    begin, end = marks(run.proof)
    text = PAGE.read_text(encoding="utf-8")
    before, found, rest = text.partition(begin)
    inside, ended, after = rest.partition(end)
    if not (found and ended):
        sys.exit(f"{PAGE} has no {begin} … {end} to write between.")
    same = (run.key(), f"| {run.seed} |")
    rows = [line for line in inside.splitlines() if line.startswith("| ") and not line.startswith("| stack")
            and not (line.startswith(same[0]) and same[1] in line)]
    table = "\n".join([HEAD, *sorted([*rows, run.row()])])
    PAGE.write_text(f"{before}{begin}\n{table}\n{end}{after}", encoding="utf-8")
