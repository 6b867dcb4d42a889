"""Virtual environments that hold exactly what a lock names.

`run.py` and `run_tests.py` call `prepare`; `make lint`, `bench` and `scene` run this file to start a module in
the tests' environment. It needs the standard library and some pip, nothing else: Debian's Python comes
without ensurepip. It never builds a package from source, and leaves an environment alone that is up to date.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
DEV_LOCK = ROOT / "requirements-dev.lock"
# Inside the environment: which lock and which Python it was made from.
STAMP = "readerai-stamp.json"
# The first pip that installs into another environment (`pip --python`).
OLDEST_PIP = (22, 3)


class Refusal(Exception):
    """What was asked for cannot be done here; the message is one sentence for the person at the terminal."""


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """End the process with a sentence on stderr and status 1 on Refusal, silently with 130 on Ctrl-C."""
    try:
        yield
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def python_version(python: str) -> str:
    """Return "3.12" for an interpreter, "" for a command that is none."""
    found = _output([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"])
    return found.strip()


def test_environment(python: str) -> Path:
    """Return the folder of the tests' environment for an interpreter: one for each version."""
    return ROOT / f".venv-test-{python_version(python)}"


def prepare(directory: Path, *, lock: Path, python: str = sys.executable) -> str:
    """Return the interpreter of the environment in `directory`, made or renewed when lock or Python changed.

    Raises Refusal: no usable pip, a folder that cannot be written, a package that pip cannot get.
    """
    interpreter = directory / "bin" / "python"
    stamp = directory / STAMP
    wanted = {"lock": hashlib.sha256(lock.read_bytes()).hexdigest(),
              "python": _output([python, "-c", "import sys; print(sys.version, sys.base_prefix)"]).strip()}
    if os.path.exists(interpreter) and _read(stamp) == wanted:
        return str(interpreter)
    print(f"Installing {lock.name} into {directory.name} (once, about a minute) …", flush=True)
    try:
        if os.path.exists(stamp):  # ours, perhaps half made; one without a stamp is somebody's own and only added to
            shutil.rmtree(directory)
        directory.mkdir(exist_ok=True)
        stamp.write_text("{}")
        _install(directory, lock=lock, python=python)
        stamp.write_text(json.dumps(wanted))
    except OSError as error:
        raise Refusal(f"The folder {directory.parent} cannot be written: {error.strerror}.") from None
    return str(interpreter)


def _install(directory: Path, *, lock: Path, python: str) -> None:
    interpreter = str(directory / "bin" / "python")
    pip = _pip(python)
    _run([python, "-m", "venv", *(["--without-pip"] if pip else []), str(directory)],
         refusal="Neither pip nor ensurepip was found: install pip (on Debian and Ubuntu: apt install python3-pip).",
         show=bool(pip))
    _run([*(pip or [interpreter, "-m", "pip"]), *(["--python", interpreter] if pip else []),
          "install", "--quiet", "--no-input", "--disable-pip-version-check", "--no-deps",
          # A source package would need a compiler, and build requirements that no hash covers.
          "--only-binary", ":all:", "--require-hashes", "-r", str(lock)],
         refusal=f"pip could not install {lock.name}: what it said stands above.")


def _pip(python: str) -> list[str] | None:
    """Return the command of a pip that can install into another environment, the interpreter's own first."""
    for command in ([python, "-m", "pip"], ["pip3"], ["pip"]):
        version = re.match(r"pip (\d+)\.(\d+)", _output([*command, "--version"]))
        if version and (int(version[1]), int(version[2])) >= OLDEST_PIP:
            return command
    return None


def _run(command: list[str], *, refusal: str, show: bool = True) -> None:
    finished = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if finished.returncode:
        if show:
            # venv prints its complaint on stdout, pip on stderr.
            sys.stderr.write(finished.stdout + finished.stderr)
        raise Refusal(refusal)


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout
    except OSError:
        return ""


def _read(stamp: Path) -> dict[str, str] | None:
    try:
        return json.loads(stamp.read_text())
    except (OSError, ValueError):
        return None


def main() -> None:
    """Become `python -m <arguments>` in the tests' environment."""
    os.chdir(ROOT)
    interpreter = prepare(test_environment(sys.executable), lock=DEV_LOCK)
    os.execv(interpreter, [interpreter, "-m", *sys.argv[1:]])


if __name__ == "__main__":
    with plain_errors():
        main()
