"""A PostgreSQL and a Redis for one run of the tests: those that are named, or private ones that leave no trace.

`run_tests.py` enters the two contexts; `run_scaled.py` asks where PostgreSQL is and as whom it runs. Private servers
listen only on sockets in folders that nobody else may enter, so that they need no port and no password and meet no
other server. Nothing is installed here.
"""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PATIENCE = 30  # seconds until a private server must answer


class Missing(Exception):
    """A server is neither named nor installed; the message says how to get it."""


@contextlib.contextmanager
def postgresql(*, durable_in: Path | None = None) -> Iterator[str]:
    """Yield a database URL: TEST_DATABASE_URL, or a private server's. Raises Missing.

    With `durable_in`, for benchmarks, the server is always a private one, keeps its data there and flushes every commit.
    """
    if durable_in is None and (url := os.environ.get("TEST_DATABASE_URL")):
        yield url
        return
    binaries = postgresql_binaries()
    if binaries is None:
        raise Missing("PostgreSQL: install it, or name a server in TEST_DATABASE_URL")
    with tempfile.TemporaryDirectory(prefix="readerai-pg-", dir=durable_in) as folder:
        account = account_for(Path(folder))
        data = str(Path(folder) / "data")
        _run([binaries / "initdb", "--pgdata", data, "--username", "readerai", "--auth", "trust",
              "--encoding", "UTF8", "--locale", "C", "--no-sync"], **account)
        # No fsync: nothing here must survive the machine, only the tests' own kills of processes.
        options = (f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c max_connections=200 "
                   f"-c fsync={'on' if durable_in else 'off'}")
        control = [binaries / "pg_ctl", "--pgdata", data, "--silent", "--timeout", str(PATIENCE)]
        _run([*control, "--log", str(Path(folder) / "log"), "--options", options, "--wait", "start"], **account)
        try:
            yield f"postgresql://readerai@{folder.replace('/', '%2F')}/readerai"
        finally:
            _run([*control, "--mode", "immediate", "stop"], **account)


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """Yield a Redis URL: TEST_REDIS_URL, or a private server's. Raises Missing."""
    if url := os.environ.get("TEST_REDIS_URL"):
        yield url
        return
    server = shutil.which("redis-server")
    if server is None:
        raise Missing("Redis: install redis-server, or name a server in TEST_REDIS_URL")
    with tempfile.TemporaryDirectory(prefix="readerai-redis-") as folder:
        path = str(Path(folder) / "redis.sock")
        process = subprocess.Popen(
            [server, "--port", "0", "--unixsocket", path, "--unixsocketperm", "700", "--save", "",
             "--appendonly", "no", "--dir", folder, "--logfile", str(Path(folder) / "log")],
            stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            _await_socket(path, process)
            yield f"unix://{path}"
        finally:
            process.terminate()
            process.wait(PATIENCE)


def postgresql_binaries() -> Path | None:
    """Return the folder of initdb and pg_ctl, the newest version's; Debian keeps it off PATH."""
    found = [Path(path).parent for name in ("pg_ctl",) if (path := shutil.which(name))]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    return next((path for path in found if (path / "initdb").exists() and (path / "pg_ctl").exists()), None)


def account_for(folder: Path) -> dict[str, Any]:
    """Return Popen's options for the account the server runs as: PostgreSQL refuses to run as root."""
    if os.geteuid():
        return {}
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = names.get("postgres") or names["nobody"]
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _run(command: list[Any], **options: Any) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd="/",
                   start_new_session=True, **options)


def _await_socket(path: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < until:
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
            probe.connect(path)
            return
        time.sleep(0.05)
    raise Missing("Redis: redis-server did not start")
