"""What a clone needs before anything runs: the locks, and the sentences of `make run` when it cannot start."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PIN = re.compile(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==([^ ;]+)", re.MULTILINE)


def pins(lock):
    """Return {name: {versions}}; a universal lock may hold several versions for several platforms."""
    found = {}
    for name, version in PIN.findall((ROOT / lock).read_text()):
        found.setdefault(name, set()).add(version)
    return found


def names(requirements):
    return {re.match(r"[A-Za-z0-9_.-]+", line)[0].lower().replace("_", "-") for line in requirements}


def start(*command, **environment):
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60)


def says_one_sentence(result, pattern):
    lines = result.stderr.splitlines()
    return result.returncode == 1 and len(lines) == 1 and re.search(pattern, lines[0])


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_holds_hashes_and_no_address(lock):
    text = (ROOT / lock).read_text()
    assert not re.search(r"://|file:|index-url|find-links|@ ", text)
    entries = re.split(r"\n(?=[a-z])", text)
    assert len(entries) > 40 and all("--hash=sha256:" in entry for entry in entries)


def test_the_locks_hold_what_the_project_asks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    runtime, dev = pins("requirements.lock"), pins("requirements-dev.lock")
    assert names(project["project"]["dependencies"]) <= set(runtime)
    assert names(project["dependency-groups"]["dev"]) <= set(dev)
    assert {name: dev.get(name) for name in runtime} == runtime


def test_without_a_python_it_says_so(tmp_path):
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")  # what an interpreter too old answers to the question
    old.chmod(0o755)
    result = start(shutil.which("sh"), "scripts/python.sh", "scripts/run.py", PATH=str(tmp_path), PYTHON="")
    assert says_one_sentence(result, r"needs Python 3\.11 or newer")


def test_a_named_python_that_is_none_is_refused():
    result = start("sh", "scripts/python.sh", "scripts/run.py", PYTHON="no-such-python")
    assert says_one_sentence(result, r"PYTHON=no-such-python is not a Python")


def test_a_data_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    result = start(sys.executable, "scripts/run.py", DATA_DIR=str(tmp_path / "file" / "data"))
    assert says_one_sentence(result, r"data folder .*/file/data cannot be written")


@pytest.mark.parametrize("port", ["eight", "65536", "-1"])
def test_a_port_that_is_no_port_is_named(tmp_path, port):
    result = start(sys.executable, "scripts/run.py", PORT=port, DATA_DIR=str(tmp_path))
    assert says_one_sentence(result, rf"PORT must be a number from 0 to 65535, not {port}")


def test_an_environment_is_made_once_and_renewed_with_its_lock(tmp_path):
    """An empty lock stands for the real one: nothing is fetched."""
    lock = tmp_path / "empty.lock"
    lock.write_text("# nothing\n")
    program = ("import sys; from pathlib import Path; from environment import prepare; "
               "print(prepare(Path(sys.argv[1]), lock=Path(sys.argv[2])))")

    def prepare():
        result = start(sys.executable, "-c", program, str(tmp_path / "env"), str(lock),
                       PYTHONPATH=str(ROOT / "scripts"))
        assert result.returncode == 0, result.stderr
        return result.stdout.splitlines()

    interpreter = str(tmp_path / "env" / "bin" / "python")
    first, second = prepare(), prepare()
    assert "Installing" in first[0] and first[-1] == interpreter
    assert second == [interpreter]
    (tmp_path / "env" / "left-behind").touch()
    lock.write_text("# another\n")
    assert "Installing" in prepare()[0]
    assert not (tmp_path / "env" / "left-behind").exists()
