"""Measure our servers beside the seed's design and others, in the same run: `make bench`.

    python -m tests.load.bench [--sockets 500] [--runs 3] [--servers uvicorn,seed] [--write]
    python -m tests.load.bench --scale 1000,3000,10000 --servers uvicorn --write

For each run and server: start it in a fresh data folder, let the load generator (`client`, a process on
another core) go through its phases, stop it, count what it kept. The servers take turns, so that a machine
that grows slower does so for all. Prints the table of docs/performance.md; `--write` puts it there. With `--scale` the
columns are numbers of readers, for one server after the other, and a picture shows what each reader costs.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.load import phases, plot, report, servers
from tests.load.servers import ROOT, SERVERS, Cores, Server

PAGE = ROOT / "docs" / "performance.md"
PICTURE = ROOT / "docs" / "performance.svg"
PEERS = ("seed", "node")  # what ours is divided by


class GeneratorFailed(Exception):
    """The load generator ended without figures; it has said why."""


def main() -> None:
    """Measure, print, and perhaps write down."""
    options = arguments()
    chosen = choose(options.servers)
    command = "python -m tests.load.bench " + " ".join(part for part in sys.argv[1:] if part != "--write")
    with work_folder(options.folder) as work:
        heading = report.heading(command=command.strip(), sizes=options.sizes, runs=options.runs, seconds=options.seconds,
                                 folder=work)
        runs: dict[tuple[str, int], list[dict]] = {}
        for number in range(1, options.runs + 1):
            for sockets in options.sizes:
                for server in chosen:
                    say(f"run {number} of {options.runs}, {server.name}, {sockets:,} readers")
                    place = work / str(sockets)
                    place.mkdir(exist_ok=True)
                    figures = measure(server, place / f"{server.name}-{number}", sockets, options)
                    runs.setdefault((server.name, sockets), []).append(figures)
    medians = {key: report.medians(found) for key, found in runs.items()}
    columns = {}
    for server in chosen:
        for sockets in options.sizes:
            figures = medians[server.name, sockets]
            peers = {name: medians[name, sockets] for name in PEERS if (name, sockets) in medians and name != server.name}
            label = f"{server.label}, {sockets:,}" if len(options.sizes) > 1 else server.label
            columns[label] = figures | report.beside(figures, peers)
    section = f"{heading}\n\n{report.table(columns, rate=options.rate, in_flight=options.in_flight)}"
    if len(options.sizes) > 1:
        series = {server.label: [(sockets, medians[server.name, sockets]) for sockets in options.sizes] for server in chosen}
        section += f"\n\n![What a reader costs]({PICTURE.name})"
    print(f"\n{section}")
    if options.write:
        report.write(PAGE, section, part="scale" if len(options.sizes) > 1 else "bench")
        if len(options.sizes) > 1:
            PICTURE.write_text(plot.picture(series), encoding="utf-8")
        say(f"written to {PAGE.relative_to(ROOT)}")
    if any(figures["errors"] for figures in columns.values()):
        sys.exit("There were errors: see above.")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load.bench", description=main.__doc__)
    parser.add_argument("--sockets", type=int, default=500, help="readers (500)")
    parser.add_argument("--scale", default="", help="several numbers of readers, as in 1000,3000,10000: a scaling table")
    parser.add_argument("--runs", type=int, default=3, help="runs, of which the median counts (3)")
    parser.add_argument("--seconds", type=float, default=8, help="length of each phase with questions (8)")
    parser.add_argument("--idle", type=float, default=10, help="length of the idle phase (10)")
    parser.add_argument("--heartbeats", type=float, default=60, help="length of the idle phase with heartbeats (60)")
    parser.add_argument("--in-flight", type=int, default=64, help="questions under way in the closed loop (64)")
    parser.add_argument("--rate", type=float, default=1000, help="questions per second in the open loop (1000)")
    parser.add_argument("--class-size", type=int, default=30, help="readers in an ordinary class (30)")
    parser.add_argument("--great-class", type=int, default=0, help="readers in one great class (none)")
    parser.add_argument("--phases", default="", help=f"some of {','.join(p.__name__ for p in phases.PHASES)}; all if empty")
    parser.add_argument("--servers", default="", help=f"some of {','.join(server.name for server in SERVERS)}")
    parser.add_argument("--folder", type=Path, default=ROOT / "var",
                        help="where the databases are made; on a real disk, or commits are worth nothing (var)")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    options = parser.parse_args()
    options.sizes = [int(size) for size in options.scale.split(",")] if options.scale else [options.sockets]
    options.phases = options.phases.split(",") if options.phases else [phase.__name__ for phase in phases.PHASES]
    return options


def choose(names: str) -> list[Server]:
    """Return the servers to measure; of all, those for which everything is installed."""
    if not hasattr(os, "sched_setaffinity"):
        sys.exit("The benchmark reads /proc and pins processes to cores: it needs Linux.")
    known = {server.name: server for server in SERVERS}
    wanted = names.split(",") if names else list(known)
    if unknown := set(wanted) - set(known):
        sys.exit(f"No such server: {', '.join(sorted(unknown))}. There are {', '.join(known)}.")
    chosen = []
    for server in (known[name] for name in wanted):
        if absent := servers.missing(server):
            say(f"{' and '.join(absent)} not installed: {server.name} is left out")
        else:
            chosen.append(server)
    return chosen or sys.exit("Nothing is left to measure.")


@contextlib.contextmanager
def work_folder(parent: Path):
    """Yield a folder that is gone afterwards."""
    parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="bench-", dir=parent))
    work.chmod(0o755)  # PostgreSQL runs as somebody else where we are root
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def measure(server: Server, folder: Path, sockets: int, options: argparse.Namespace) -> dict[str, float]:
    """Return the figures of one run of one server."""
    cores = Cores.of_this_machine()
    school = {"students": sockets, "class_size": options.class_size, "great_class": options.great_class}
    try:
        with servers.running(server, folder=folder, school=school, cores=cores) as started:
            found = generate({
                "port": started.port, "pid": started.pid, "core": cores.generator, "is_ours": server.is_ours,
                "students": started.people["students"], "classes": started.people["classes"],
                "seconds": options.seconds, "idle": options.idle, "heartbeats": options.heartbeats,
                "in_flight": options.in_flight, "rate": options.rate, "phases": options.phases, "model": started.model,
            })
            if started.database_url:
                found["figures"]["stored"] = servers.stored_questions(folder, started)
        if server.is_ours and not started.database_url:
            found["figures"]["stored"] = servers.stored_questions(folder, started)
    except GeneratorFailed:
        sys.exit(f"The load generator failed. The server said: {said(folder)}")
    except servers.NotStarted as failure:
        sys.exit(str(failure))
    figures, errors = found["figures"], found["errors"]
    if server.is_ours and figures["stored"] < figures["acknowledged"]:
        errors["acknowledged and not stored"] = figures["acknowledged"] - figures["stored"]
        figures["errors"] += errors["acknowledged and not stored"]
    if "model" not in server.needs:
        figures.pop("answers", None)  # nobody answers there
    for what, times in errors.items():
        say(f"ERROR {what}: {times:g} times")
    if errors:
        say(f"the server said: {said(folder)}")
    say(f"  {figures.get('connect_rate', 0):,.0f} connections/s, {figures.get('closed_rate', 0):,.0f} acknowledgements/s")
    shutil.rmtree(folder, ignore_errors=True)
    return figures


def said(folder: Path) -> str:
    """Return the end of what a server wrote to its log."""
    return (folder / "server.log").read_text()[-2_000:] or "nothing"


def generate(plan: dict) -> dict:
    """Run the load generator and return what it found, showing its phases meanwhile."""
    with subprocess.Popen([sys.executable, "-m", "tests.load.client"], cwd=ROOT, text=True, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as generator:
        json.dump(plan, generator.stdin)
        generator.stdin.close()
        found: dict = {}
        for line in generator.stdout:
            message = json.loads(line)
            if "doing" in message:
                say(f"  {message['doing']}")
            else:
                found = message
    if generator.returncode or not found:
        raise GeneratorFailed
    return found


def say(text: str) -> None:
    """Show progress, apart from the table on standard output."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
