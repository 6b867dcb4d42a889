"""Processes that start in a tenth of the time: forked from one that has imported everything and done nothing yet.

A hundred kills are a hundred starts, and a start is a second of imports. `NurserySite` asks a nursery (this module
as a process) for each `manage.py` or uvicorn; what they then run is the commands' own code. No database, event loop
or thread exists before the fork. Commands with another environment than the site's start in the usual way.
"""

import asyncio
import contextlib
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
OWN = {"FAILPOINT"}  # what a child may have of its own in its environment


def main() -> None:
    """Import, then fork a child for each request that comes on the socket, and tell how each one ended."""
    link = socket.socket(fileno=int(sys.argv[1]))

    def tell_ends(*_) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                link.send(json.dumps({"ended": ended[0], "status": os.waitstatus_to_exitcode(ended[1])}).encode())

    _import_all()
    signal.signal(signal.SIGCHLD, tell_ends)
    while True:
        message, fds, _, _ = socket.recv_fds(link, 65_536, 1)
        if not message:
            return
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])  # nobody's end is told before its beginning
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
            link.close()
            _run(json.loads(message), output=fds[0])
        os.close(fds[0])
        link.send(json.dumps({"begun": pid}).encode())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])


def _import_all() -> None:
    """Everything but Twisted's reactor, which makes its event loop when it is imported."""
    import django
    django.setup()
    from django.urls import get_resolver

    import readerai_site.asgi  # noqa: F401
    _ = get_resolver().url_patterns
    for name in ("openai", "openai.resources.chat.completions", "channels_redis.core", "psycopg_pool", "uvicorn.main",
                 "uvicorn.protocols.websockets.auto", "uvicorn.protocols.http.auto", "autobahn.websocket.protocol",
                 "sessions.management.commands.runworker"):
        importlib.import_module(name)


def _run(request: dict, *, output: int) -> None:
    """In the child: be that command."""
    os.environ.update(request["environment"])
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    importlib.reload(sys.modules["sessions.failpoints"])
    status = 1
    try:
        command = request["command"]
        if command[0] == "manage.py":
            from django.core.management import execute_from_command_line
            execute_from_command_line(command)
        else:
            importlib.import_module("uvicorn.main").main(command[2:])
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        import traceback
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


class Child:
    """What `tests.processes.Process` needs of an asyncio process, for one that the nursery forked."""

    def __init__(self, pid: int, stdout: asyncio.StreamReader):
        self.pid = pid
        self.stdout = stdout
        self.returncode: int | None = None
        self._ended = asyncio.Event()

    def end(self, status: int) -> None:
        self.returncode = status
        self._ended.set()

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        await self._ended.wait()
        return self.returncode


class Nursery:
    """The other end of the socket, in the process that proves."""

    def __init__(self, environment: dict[str, str]):
        self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        os.set_inheritable(theirs.fileno(), True)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.load.faults.nursery", str(theirs.fileno())], cwd=ROOT,
            env=os.environ | environment, pass_fds=[theirs.fileno()])
        theirs.close()
        self._link.setblocking(False)
        self._begun: asyncio.Queue[int] = asyncio.Queue()
        self._children: dict[int, Child] = {}
        self._early: dict[int, int] = {}
        self._asking = asyncio.Lock()
        asyncio.get_running_loop().add_reader(self._link.fileno(), self._heard)

    def _heard(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while message := self._link.recv(65_536):
                told = json.loads(message)
                if "begun" in told:
                    self._begun.put_nowait(told["begun"])
                elif told["ended"] in self._children:
                    self._children.pop(told["ended"]).end(told["status"])
                else:
                    self._early[told["ended"]] = told["status"]

    async def child(self, command: list[str], environment: dict[str, str]) -> Child:
        """Return a running command."""
        reading, writing = os.pipe()
        async with self._asking:
            socket.send_fds(self._link, [json.dumps({"command": command, "environment": environment}).encode()], [writing])
            pid = await self._begun.get()
        os.close(writing)
        stdout = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stdout), os.fdopen(reading, "rb"))
        child = Child(pid, stdout)
        if pid in self._early:
            child.end(self._early.pop(pid))
        else:
            self._children[pid] = child
        return child

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._link.fileno())
        self._link.close()
        self._process.kill()
        self._process.wait()


if __name__ == "__main__":
    main()
else:
    from tests.processes import Process, Site

    class NurserySite(Site):
        """A site whose processes come from a nursery, as far as they have its environment."""

        nursery: Nursery | None = None

        async def start(self, *command: str, directory: Path = ROOT, **environment: str) -> Process:
            if command[0] != sys.executable or directory != ROOT or not environment.keys() <= OWN:
                return await super().start(*command, directory=directory, **environment)
            if self.nursery is None:
                self.nursery = Nursery(self.environment)
                self._stack.callback(self.nursery.close)
            process = Process(await self.nursery.child(list(command[1:]), environment))
            self._stack.push_async_callback(process.kill)
            return process
