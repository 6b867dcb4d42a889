"""The table of `bench`: medians of the runs, the machine they were made on, and where docs/performance.md keeps them."""

import datetime
import os
import platform
import statistics
import sys
import time
from importlib.metadata import version
from pathlib import Path

NONE = "–"

ROWS: list[tuple[str, str, str]] = [  # figure, what it is, how it is written
    ("connect_rate", "connections with restored state, per second", "{:,.0f}"),
    ("connect_per_cpu", "… per second of the server's processor time", "{:,.0f}"),
    ("socket_kb", "resident memory per socket, KB", "{:,.1f}"),
    ("idle_cpu", "idle, % of a core", "{:.1f}"),
    ("heartbeats_cpu", "idle with a heartbeat every 25 s, % of a core", "{:.1f}"),
    ("one_p50", "one question at a time: median, ms", "{:.2f}"),
    ("one_p99", "one question at a time: 99th percentile, ms", "{:.2f}"),
    ("progress_p99", "progress of everybody every 10 s, saved: 99th percentile, ms", "{:.1f}"),
    ("progress_cpu", "progress of everybody every 10 s: % of a core", "{:.1f}"),
    ("broadcast_p50", "broadcast to an ordinary class, the last has it: median, ms", "{:.1f}"),
    ("broadcast_max", "… longest, ms", "{:.1f}"),
    ("many_p50", "broadcast to the great class, the last has it: median, ms", "{:.0f}"),
    ("many_max", "… longest, ms", "{:.0f}"),
    ("open_p50", "{rate:g} questions a second: median, ms", "{:.2f}"),
    ("open_p99", "{rate:g} questions a second: 99th percentile, ms", "{:.2f}"),
    ("open_cpu", "{rate:g} questions a second: % of a core", "{:.1f}"),
    ("page_p50", "a reading page meanwhile: median, ms", "{:.1f}"),
    ("page_p95", "a reading page meanwhile: 95th percentile, ms", "{:.1f}"),
    ("closed_rate", "acknowledgements per second, {in_flight} in flight", "**{:,.0f}**"),
    ("closed_p50", "… median, ms", "{:.1f}"),
    ("closed_p99", "… 99th percentile, ms", "{:.1f}"),
    ("closed_per_cpu", "… per second of the server's processor time", "{:,.0f}"),
    ("closed_rate_beside_seed", "… times those of the seed's design, FastAPI", "{:.2f}"),
    ("closed_per_cpu_beside_seed", "… the same by processor time", "{:.2f}"),
    ("closed_rate_beside_node", "… times those of the seed's design, Node", "{:.2f}"),
    ("closed_generator_cpu", "… the load generator's own share of its core, %", "{:.0f}"),
    ("token_p50", "first piece of an answer, from the model to the reader, 500 at once: median, ms", "{:.1f}"),
    ("token_p99", "… 99th percentile, ms", "{:.1f}"),
    ("return_rate", "everybody comes back after a restart: sockets per second (350 are asked for)", "{:,.0f}"),
    ("return_p99", "… wait for the restored state, 99th percentile, ms", "{:,.0f}"),
    ("acknowledged", "questions acknowledged in a run", "{:,.0f}"),
    ("stored", "… of them in the database afterwards", "{:,.0f}"),
    ("answers", "… of them answered when the run ended", "{:,.0f}"),
    ("errors", "errors (all runs)", "{:,.0f}"),
]


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    """Return the median of each figure over the runs; errors are added up."""
    names = {name for run in runs for name in run}
    found = {name: statistics.median(run[name] for run in runs if name in run) for name in names}
    return found | {"errors": sum(run["errors"] for run in runs)}


def beside(figures: dict[str, float], peers: dict[str, dict[str, float]]) -> dict[str, float]:
    """Return what a server acknowledges as a multiple of what each peer, {name: its figures}, does."""
    return {f"{name}_beside_{peer}": figures[name] / theirs[name] for peer, theirs in peers.items()
            for name in ("closed_rate", "closed_per_cpu") if figures.get(name) and theirs.get(name)}


def table(columns: dict[str, dict[str, float]], **words) -> str:
    """Return a Markdown table: a row for each figure, a column for each server."""
    lines = ["| | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    for name, label, form in ROWS:
        cells = [form.format(figures[name]) if name in figures else NONE for figures in columns.values()]
        if any(cell != NONE for cell in cells):
            lines.append(f"| {label.format(**words)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def heading(*, command: str, sizes: list[int], runs: int, seconds: float, folder: Path) -> str:
    """Return the lines above the table: when, how and on what."""
    packages = ", ".join(
        installed(name) for name in ("Django", "channels", "daphne", "uvicorn", "uvloop", "fastapi", "redis", "hiredis"))
    return (
        f"### {datetime.date.today().isoformat()}, {', '.join(f'{size:,}' for size in sizes)} sockets\n\n"
        f"`{command}`: median of {runs} {'run' if runs == 1 else 'runs'}, {seconds:g} s for each phase. "
        f"{processor()}, {len(os.sched_getaffinity(0))} cores, {platform.system()} {platform.release()}; "
        f"Python {platform.python_version()}, {packages}. "
        f"A write of 4 KB with fsync took {1000 * fsync_seconds(folder):.2f} ms ({filesystem(folder)}); "
        f"load average before the first run {os.getloadavg()[0]:.1f}.")


def installed(package: str) -> str:
    """Name a package and its version. hiredis is told too: it parses for the seed, whose `aioredis` had it."""
    try:
        return f"{package} {version(package)}"
    except ModuleNotFoundError:
        return f"no {package}"


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def filesystem(folder: Path) -> str:
    """Return the type of the file system that holds a folder: on tmpfs a commit costs nothing and proves nothing."""
    best = ("", "unknown")
    for line in Path("/proc/mounts").read_text().splitlines():
        _, point, kind, *_ = line.split()
        if folder.resolve().is_relative_to(point) and len(point) > len(best[0]):
            best = (point, kind)
    return best[1]


def fsync_seconds(folder: Path) -> float:
    """Return the median time of a small durable write where the database will be."""
    times = []
    with open(folder / "fsync", "wb") as file:
        for _ in range(100):
            began = time.perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - began)
    return statistics.median(times)


def write(page: Path, section: str, *, part: str) -> None:
    """Replace what stands between the marks of a page's part, "bench" or "scale"."""
    begin, end = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    text = page.read_text(encoding="utf-8")
    before, found, rest = text.partition(begin)
    _, ended, after = rest.partition(end)
    if not (found and ended):
        sys.exit(f"{page} has no {begin} … {end} to write between.")
    page.write_text(f"{before}{begin}\n{section}\n{end}{after}", encoding="utf-8")
