"""`make test`: ruff, then the suite on every stack and Python this machine has, then one summary.

1. the whole suite on SQLite and the in-process channel layer, with the browser tests where Chromium is found;
2. without the browser on PostgreSQL and Redis: TEST_DATABASE_URL and TEST_REDIS_URL, or private servers;
3. without the browser on SQLite on each other supported Python found.

What is missing is said plainly and left out; with REQUIRE_ALL=1 it is a failure, and so is a test that was
skipped in every run. CHROMIUM names the browser, PYTEST_ADDOPTS adds options to every run. The data of an
installation are never touched.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path

import throwaway
from chromium import find_chromium
from environment import DEV_LOCK, ROOT, Refusal, plain_errors, prepare, python_version, test_environment

SUPPORTED = ("3.11", "3.12", "3.13")
# One more than there are cores, for many tests wait; tests/conftest.py says what stays together.
PROCESSES = ("-n", str(min((os.cpu_count() or 1) + 1, 4)))
# A test that hangs shows where, long before anybody's patience ends.
PYTEST = ("-m", "pytest", "-o", "faulthandler_timeout=300", *PROCESSES)
# Settings of an installation that must not colour the tests.
UNSET = ("DATABASE_URL", "REDIS_URL", "REDIS_PREFIX", "TUTOR_EMBEDDED", "HOST", "PORT", "PUBLIC_ORIGINS", "ALLOWED_HOSTS",
         "HTTPS", "BEHIND_PROXY", "DEBUG", "SECRET_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL", "TUTOR_MODEL",
         "TUTOR_PROVIDER", "LLM_MAX_CONCURRENT", "DURATION_SCALE", "TIME_ZONE", "LOG_LEVEL", "LOG_FORMAT", "METRICS_TOKEN",
         "METRICS_PORT", "STATIC_DIR", "WEB", "WORKERS",
         # With it each of hundreds of processes would compile the site anew: 1.2 s to start in place of 0.5.
         "PYTHONDONTWRITEBYTECODE")


@dataclass
class Outcome:
    """One run of pytest: seconds, the ids of its tests by what became of them, and what else went wrong."""

    title: str
    seconds: float = 0
    passed: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    skipped: dict[str, str] = field(default_factory=dict)
    trouble: str = ""

    def __str__(self) -> str:
        failed = len(self.failed) + bool(self.trouble)
        return (f"{self.title:<42} {len(self.passed):>5} passed, {failed} failed, {len(self.skipped)} skipped "
                f"in {self.seconds:.0f} s{'  ' + self.trouble if self.trouble else ''}")


class Checks:
    """The runs so far, and what could not be run."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.outcomes: list[Outcome] = []
        self.left_out: list[str] = []

    def ruff(self, python: str) -> None:
        """Check the style of the whole tree."""
        print("== ruff", flush=True)
        outcome = Outcome("ruff")
        started = time.monotonic()
        if subprocess.run([python, "-m", "ruff", "check", "."]).returncode:
            outcome.trouble = "ruff found faults"
        else:
            outcome.passed.add("ruff")
        outcome.seconds = time.monotonic() - started
        self.outcomes.append(outcome)

    def suite(self, title: str, python: str, *options: str, **environment: str) -> None:
        """Run pytest in a clean environment with its own data folder."""
        print(f"\n== {title}", flush=True)
        outcome = Outcome(title)
        number = len(self.outcomes)
        report = self.folder / f"{number}.xml"
        data = self.folder / f"data-{number}"
        data.mkdir()
        clean = {name: value for name, value in os.environ.items() if name not in UNSET}
        started = time.monotonic()
        status = subprocess.run(
            [python, *PYTEST, "--junitxml", str(report), *options],
            env={**clean, "DATA_DIR": str(data), **environment}, stdin=subprocess.DEVNULL).returncode
        outcome.seconds = time.monotonic() - started
        read_report(report, outcome)
        if status and not outcome.failed:
            outcome.trouble = f"pytest ended with status {status}"
        self.outcomes.append(outcome)

    def summarise(self, *, require_all: bool) -> bool:
        """Print what happened, the totals alone on the last line; return True when all is well."""
        print("\n== Summary")
        print(*self.outcomes, sep="\n")
        passed_somewhere = set().union(*(outcome.passed for outcome in self.outcomes))
        for outcome in self.outcomes:
            for test, reason in outcome.skipped.items():
                sentence = f"{test}: {reason}"
                if test not in passed_somewhere and sentence not in self.left_out:
                    self.left_out.append(sentence)
        for sentence in self.left_out:
            print(f"{'REQUIRED' if require_all else 'Left out'}: {sentence}")
        passed = sum(len(outcome.passed) for outcome in self.outcomes)
        failed = sum(len(outcome.failed) + bool(outcome.trouble) for outcome in self.outcomes)
        if require_all:
            failed += len(self.left_out)
        print(f"{passed} passed, {failed} failed", flush=True)
        return not failed


def read_report(report: Path, outcome: Outcome) -> None:
    """Sort the tests of a JUnit report into `outcome`; pytest leaves none when it could not start."""
    if not report.exists():
        return
    for case in ElementTree.parse(report).iter("testcase"):
        test = f"{case.get('classname')}::{case.get('name')}"
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            outcome.failed.add(test)
        elif skipped is not None:
            outcome.skipped[test] = skipped.get("message") or "no reason given"
        else:
            outcome.passed.add(test)
    outcome.passed -= outcome.failed  # a test can pass and fail in its teardown


def memory() -> str | None:
    """Return a folder in memory where there is one with room: the tests' databases then wait for no disk.

    What they prove by killing processes needs no disk either: a commit outlives its process in any file system.
    """
    folder = "/dev/shm"
    if os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > 2**30:
        return folder
    return None


def other_pythons() -> dict[str, str]:
    """Return {version: command} of the supported Pythons beside the one that runs this."""
    candidates = [f"python{version}" for version in SUPPORTED]
    if shutil.which("pyenv"):
        root = subprocess.run(["pyenv", "root"], capture_output=True, text=True).stdout.strip()
        candidates += sorted(str(path) for path in Path(root).glob("versions/3.1*/bin/python"))
    found: dict[str, str] = {}
    for candidate in candidates:
        version = python_version(candidate)
        if version in SUPPORTED and version != python_version(sys.executable):
            found.setdefault(version, candidate)
    return found


def main() -> bool:
    """Run every check; True when all is well."""
    os.chdir(ROOT)
    version = python_version(sys.executable)
    python = prepare(test_environment(sys.executable), lock=DEV_LOCK)
    with tempfile.TemporaryDirectory(prefix="readerai-tests-", dir=memory()) as folder:
        checks = Checks(Path(folder))
        checks.ruff(python)
        title = f"Python {version}, SQLite, in-process layer"
        if browser := find_chromium():
            checks.suite(title, python, CHROMIUM=browser)
        else:
            checks.left_out.append("the browser tests: install Chromium, or name it in CHROMIUM")
            checks.suite(title, python, "-m", "not browser")
        with contextlib.ExitStack() as servers:
            try:
                database = servers.enter_context(throwaway.postgresql())
                redis = servers.enter_context(throwaway.redis())
            except throwaway.Missing as missing:
                checks.left_out.append(f"the run on PostgreSQL and Redis, for want of {missing}")
            else:
                checks.suite(f"Python {version}, PostgreSQL, Redis", python, "-m", "not browser",
                             DATABASE_URL=database, REDIS_URL=redis, REDIS_PREFIX=f"readerai-test-{os.getpid()}",
                             TUTOR_EMBEDDED="1")
        others = other_pythons()
        for version in SUPPORTED:
            if version in others:
                other = prepare(test_environment(others[version]), lock=DEV_LOCK, python=others[version])
                checks.suite(f"Python {version}, SQLite, in-process layer", other, "-m", "not browser")
            elif version != python_version(sys.executable):
                print(f"\nNo run on Python {version}: this machine has none.")
        return checks.summarise(require_all=os.environ.get("REQUIRE_ALL") == "1")


if __name__ == "__main__":
    # Without this, the private servers would outlive a run that is told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with plain_errors():
        try:
            well = main()
        except subprocess.CalledProcessError as error:
            raise Refusal(f"{Path(str(error.cmd[0])).name} ended with status {error.returncode}.") from None
    sys.exit(0 if well else 1)
