"""Run proofs and write down what they found.

    python -m tests.load.faults P1 P3 --n 100 --scale 0.1 --seed 7 [--stack embedded] [--dry]

Prints progress, then one line for each proof; ends with status 1 if a promise was broken. Every run is a row of
docs/promises.md, unless it is dry. Full numbers at a tenth of the durations take minutes each; n = 5 with
`--scale 1` shows that nothing hangs on their being short.
"""

import argparse
import asyncio
import importlib
import sys
import time
from random import Random

from tests.load.faults.ground import EMBEDDED, ROOT, SERVERS, STACKS, ground, surroundings

PROOFS = {  # name -> where it is, the full number, the stacks it is about
    "P1": ("kills.workers", 100, (SERVERS, EMBEDDED)),
    "P2": ("kills.webs", 100, (SERVERS, EMBEDDED)),
    "P3": ("outages.of_redis", 50, (SERVERS,)),
    "P4": ("table.of_model_servers", 50, (SERVERS, EMBEDDED)),
    "P5": ("cuts.of_lines", 500, (SERVERS, EMBEDDED)),
    "P6": ("suite.of_tabs", 2_000, (SERVERS, EMBEDDED)),
    "P7": ("turns.of_questions", 200, (SERVERS, EMBEDDED)),
    "P8": ("restarts.on_sigterm", 50, (SERVERS, EMBEDDED)),
    "P9": ("neighbours.of_bad_clients", 20, (SERVERS, EMBEDDED)),
    "P10": ("removals.in_mid_stream", 200, (SERVERS, EMBEDDED)),
    "P11": ("suite.of_messages", 1, (SERVERS, EMBEDDED)),
    "P12": ("soak.with_churn", 30, (SERVERS, EMBEDDED)),
    "P13": ("restarts.on_upgrade", 5, (SERVERS,)),
}


def main() -> None:
    """Run the chosen proofs one after another."""
    options = arguments()
    with surroundings(options.stack, options.scale):
        import django
        django.setup()
        from django.core.management import call_command
        call_command("migrate", verbosity=0)
        runs = [prove(proof, options) for proof in options.proofs]
    for run in runs:
        print(run.line(), flush=True)
    if any(run.failures for run in runs):
        sys.exit(1)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load.faults", description=main.__doc__)
    parser.add_argument("proofs", nargs="+", choices=PROOFS, metavar="PROOF", help=", ".join(PROOFS))
    full = ", ".join(f"{proof} {number:,}" for proof, (_, number, _) in PROOFS.items())
    parser.add_argument("--n", type=int, help=f"how often (the full number of each proof: {full})")
    parser.add_argument("--scale", type=float, default=0.1, help="every duration times this (0.1)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random (1)")
    parser.add_argument("--stack", choices=STACKS, default=SERVERS, help="PostgreSQL and Redis, or the embedded default")
    parser.add_argument("--dry", action="store_true", help="leave docs/promises.md alone")
    options = parser.parse_args()
    for proof in options.proofs:
        if options.stack not in PROOFS[proof][2]:
            parser.error(f"{proof} is about {' and '.join(STACKS[stack] for stack in PROOFS[proof][2])}")
    return options


def prove(proof: str, options: argparse.Namespace):
    """Run one proof and write it down."""
    from tests.load.faults import record
    where, full, _ = PROOFS[proof]
    module, _, function = where.partition(".")
    function = getattr(importlib.import_module(f"tests.load.faults.{module}"), function)
    n = options.n or full
    began = time.monotonic()

    def tell(what: str) -> None:
        print(f"  {proof} {time.monotonic() - began:5.0f} s  {what}", file=sys.stderr, flush=True)

    async def run():
        async with ground(options.stack, scale=options.scale, random=Random(options.seed), tell=tell,
                          **getattr(function, "environment", {})) as found:
            await function(found, n)
            return found

    found = asyncio.run(run())
    logs = ROOT / "var" / "faults" / f"{proof}-{options.stack}-{options.seed}.log"
    logs.parent.mkdir(parents=True, exist_ok=True)
    logs.write_text("\n".join(f"---- {process.pid}\n{process.said}" for process in found.started))
    for line, times in found.complaints().items():
        tell(f"the log, {times} times: {line}")
    for note in found.notes:
        tell(note)
    made = record.Run(proof, options.stack, options.scale, n, found.failures, time.monotonic() - began, options.seed,
                      found.notes)
    if not options.dry:
        record.write(made)
    return made


if __name__ == "__main__":
    main()
