"""Measure our servers beside the seed's FastAPI design in the same run: `make bench`.

    python -m tests.load.bench [--sockets 500] [--runs 3] [--seconds 8] [--servers uvicorn,seed] [--write]

For each run and server: start it in a fresh data folder, let the load generator (`client`, a process on
another core) go through its phases, stop it, count what it kept. The servers take turns, so that a machine
that grows slower does so for all. Prints the table of docs/performance.md; `--write` puts it there.
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

from tests.load import report, servers
from tests.load.servers import ROOT, SERVERS, Cores, Server

PAGE = ROOT / "docs" / "performance.md"


class GeneratorFailed(Exception):
    """The load generator ended without figures; it has said why."""


def main() -> None:
    """Measure, print, and perhaps write down."""
    options = arguments()
    chosen = choose(options.servers)
    command = "python -m tests.load.bench " + " ".join(sys.argv[1:])
    with work_folder(options.folder) as work:
        heading = report.heading(command=command.strip().removesuffix("--write").strip(), sockets=options.sockets,
                                 runs=options.runs, seconds=options.seconds, folder=work)
        say(f"{options.sockets} students take their seats")
        people = servers.fill_school(work / "school", students=options.sockets, class_size=options.class_size)
        runs: dict[str, list[dict]] = {server.name: [] for server in chosen}
        for number in range(1, options.runs + 1):
            for server in chosen:
                say(f"run {number} of {options.runs}, {server.label}")
                runs[server.name].append(measure(server, work / f"{server.name}-{number}", people, options))
    columns = {server.label: report.medians(runs[server.name]) for server in chosen}
    table = report.table(columns, rate=options.rate, in_flight=options.in_flight, audience=people["audience"])
    section = f"{heading}\n\n{table}"
    print(f"\n{section}")
    if options.write:
        report.write(PAGE, section)
        say(f"written to {PAGE.relative_to(ROOT)}")
    if any(figures["errors"] for figures in columns.values()):
        sys.exit("There were errors: see above.")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load.bench", description=main.__doc__)
    parser.add_argument("--sockets", type=int, default=500, help="readers (500)")
    parser.add_argument("--runs", type=int, default=3, help="runs, of which the median counts (3)")
    parser.add_argument("--seconds", type=float, default=8, help="length of each phase with questions (8)")
    parser.add_argument("--idle", type=float, default=10, help="length of each idle phase (10)")
    parser.add_argument("--in-flight", type=int, default=64, help="questions under way in the closed loop (64)")
    parser.add_argument("--rate", type=float, default=200, help="questions per second in the open loop (200)")
    parser.add_argument("--class-size", type=int, default=30, help="readers of a broadcast (30)")
    parser.add_argument("--servers", default="", help=f"some of {','.join(server.name for server in SERVERS)}")
    parser.add_argument("--folder", type=Path, default=ROOT / "var",
                        help="where the databases are made; on a real disk, or commits are worth nothing (var)")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    return parser.parse_args()


def choose(names: str) -> list[Server]:
    """Return the servers to measure; the seed's needs FastAPI and a Redis to be installed."""
    if not hasattr(os, "sched_setaffinity"):
        sys.exit("The benchmark reads /proc and pins processes to cores: it needs Linux.")
    known = {server.name: server for server in SERVERS}
    wanted = names.split(",") if names else list(known)
    if unknown := set(wanted) - set(known):
        sys.exit(f"No such server: {', '.join(sorted(unknown))}. There are {', '.join(known)}.")
    chosen = [known[name] for name in wanted]
    missing = servers.missing_for_the_seed()
    if missing and not all(server.is_ours for server in chosen):
        say(f"{' and '.join(missing)} not installed: the seed's design is left out")
        chosen = [server for server in chosen if server.is_ours] or sys.exit("Nothing is left to measure.")
    return chosen


@contextlib.contextmanager
def work_folder(parent: Path):
    """Yield a folder that is gone afterwards."""
    parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="bench-", dir=parent))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def measure(server: Server, folder: Path, people: dict, options: argparse.Namespace) -> dict[str, float]:
    """Return the figures of one run of one server."""
    cores = Cores.of_this_machine()
    try:
        with servers.running(server, folder=folder, people=people, cores=cores) as (port, pid):
            found = generate({
                "port": port, "pid": pid, "core": cores.generator, "audience": people["audience"],
                "students": [person | ({} if server.is_ours else {"path": f"/ws/{servers.session_of(person)}"})
                             for person in people["students"]],
                "teacher": people["teacher"] if server.is_ours else None,
                "seconds": options.seconds, "idle": options.idle, "in_flight": options.in_flight,
                "rate": options.rate,
            })
    except GeneratorFailed:
        sys.exit(f"The load generator failed. The server said: {said(folder)}")
    except servers.NotStarted as failure:
        sys.exit(str(failure))
    figures, errors = found["figures"], found["errors"]
    if server.is_ours:
        figures["stored"] = servers.stored_questions(folder)
        if figures["stored"] < figures["acknowledged"]:
            errors["acknowledged and not stored"] = figures["acknowledged"] - figures["stored"]
            figures["errors"] += errors["acknowledged and not stored"]
    else:
        figures.pop("answers", None)  # nobody answers there
    for what, times in errors.items():
        say(f"ERROR {what}: {times:g} times")
    if errors:
        say(f"the server said: {said(folder)}")
    say(f"  {figures.get('connect_rate', 0):,.0f} connections/s, {figures['closed_rate']:,.0f} acknowledgements/s")
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
