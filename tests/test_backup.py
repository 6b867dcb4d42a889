"""The commands of docs/operations.md that keep and bring back an installation, run as they stand there."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from django.db import connection

from sessions.models import Interruption
from tests.people import queued
from tests.processes import ROOT, database_url, on_servers

PAGE = (ROOT / "docs" / "operations.md").read_text()
TOOLS = ("pg_dump", "pg_restore", "psql")


def commands(language: str) -> str:
    """Return what stands in the page's block of that kind."""
    return re.search(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[1]


def run(script: str, folder: Path, **environment: str) -> str:
    done = subprocess.run(["sh", "-e", "-c", script], cwd=folder, capture_output=True, text=True,
                          env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr
    return done.stdout


def manage(*arguments: str, data: Path) -> None:
    clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, check=True, capture_output=True,
                   env={**clean, "DATA_DIR": str(data)})


def rows(path: Path) -> dict[str, list]:
    """Return all rows of all tables but those that the test's writer fills."""
    with closing(sqlite3.connect(path)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: sorted(database.execute(f'SELECT * FROM "{name}"').fetchall(), key=repr)
                for name in tables if name != "scribble"}


@pytest.fixture
def installation(tmp_path):
    """A folder with an installation's `var`, the demo class in it."""
    manage("migrate", "--verbosity=0", data=tmp_path / "var")
    manage("demo", data=tmp_path / "var")
    return tmp_path


def test_a_copy_is_taken_while_somebody_writes_and_put_back(installation):
    database = installation / "var" / "readerai.sqlite3"
    before = rows(database)
    writing, stop, written = threading.Event(), threading.Event(), []

    def write():
        with closing(sqlite3.connect(database, timeout=20, isolation_level=None)) as busy:  # or it would write on later
            busy.execute("CREATE TABLE scribble (number INTEGER PRIMARY KEY)")
            while not stop.is_set():
                busy.execute("INSERT INTO scribble DEFAULT VALUES")
                written.append(1)
                writing.set()

    writer = threading.Thread(target=write)
    writer.start()
    writing.wait(20)
    try:
        assert run(commands("sqlite-backup"), installation).strip() == "ok"
    finally:
        stop.set()
        writer.join()
    with closing(sqlite3.connect(installation / "backup.sqlite3")) as copy:
        (count,), = copy.execute("SELECT count(*) FROM scribble")
    assert 0 < count <= len(written)
    database.write_bytes(b"lost")
    run(commands("sqlite-restore"), installation)
    assert rows(database) == before
    manage("check", "--database", "default", data=installation / "var")


@pytest.mark.skipif(not on_servers(), reason="a backup of PostgreSQL needs one")
def test_a_dump_is_restored_beside_the_old_database(alice, tmp_path):
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        pytest.skip(f"{', '.join(missing)} of PostgreSQL is not installed here")
    questions = [queued(alice, f"What is burrow {number}?").pk for number in range(5)]
    old = database_url()
    new = re.sub(r"[^/]+$", "restored", old)
    with connection.cursor() as cursor:
        cursor.execute("DROP DATABASE IF EXISTS restored")
    try:
        run(commands("postgresql"), tmp_path, DATABASE_URL=old, RESTORED_URL=new)
        counted = run('psql "$RESTORED_URL" --tuples-only --no-align --command '
                      '"SELECT id FROM reading_sessions_interruption"', tmp_path, RESTORED_URL=new)
        assert set(counted.split()) == {str(pk) for pk in questions} and Interruption.objects.count() == 5
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP DATABASE IF EXISTS restored")
