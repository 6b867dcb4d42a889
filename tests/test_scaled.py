"""`make run-scaled` for real: nginx, two web processes, two workers, PostgreSQL and Redis, in one terminal."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
import tempfile
import urllib.request
import uuid
from collections import Counter
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode

import pytest
from websockets.asyncio.client import connect

from tests.processes import PATIENCE, ROOT, Process, on_servers

sys.path.insert(0, str(ROOT / "scripts"))

import run_scaled

STARTING = 300.0  # seconds for a database, migrations, a demo class and five processes, on a busy machine
TOKEN = "a-token-for-the-scraper"
PROGRAM = "import sys; sys.path.insert(0, 'scripts'); import run_scaled; run_scaled.main(python=sys.executable)"
missing = [name for name, found in run_scaled.programs().items() if found is None]

pytestmark = [
    pytest.mark.skipif(bool(missing), reason=f"make run-scaled needs {', '.join(missing)}, not installed here"),
    # Its servers are its own; once is enough.
    pytest.mark.skipif(not missing and not on_servers(), reason="tried once, in the run on PostgreSQL and Redis"),
]


class Browser:
    """Someone's browser on the site's one address."""

    def __init__(self, port: int):
        self.origin = f"http://127.0.0.1:{port}"
        self.jar = CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))
        self.page = ""

    def get(self, path: str) -> str:
        """Open a page; return the address that it ended at."""
        return self._keep(self._opener.open(self.origin + path, timeout=PATIENCE))

    def post(self, path: str, **fields: str) -> str:
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.page)[1]
        body = urlencode({"csrfmiddlewaretoken": token, **fields}).encode()
        return self._keep(self._opener.open(
            urllib.request.Request(self.origin + path, body, {"Origin": self.origin}), timeout=PATIENCE))

    def _keep(self, answer) -> str:
        self.page = answer.read().decode()
        return answer.geturl()

    def socket(self, path: str):
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.jar)
        return connect(self.origin.replace("http", "ws") + path, origin=self.origin,
                       additional_headers={"Cookie": cookies}, open_timeout=PATIENCE, ping_interval=None)


async def hears(socket, *types):
    async with asyncio.timeout(PATIENCE):
        while (frame := json.loads(await socket.recv()))["type"] not in types:
            pass
    return frame


async def counted(port: int, name: str) -> float:
    """Return the sum of a metric's numbers over its labels, as a process shows them."""
    def scrape():
        request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        return urllib.request.urlopen(request, timeout=PATIENCE).read().decode()

    text = await asyncio.to_thread(scrape)
    return sum(float(value) for value in re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE))


@contextlib.asynccontextmanager
async def scaled(data: Path):
    """Run it on ports that are free; end it as a terminal would."""
    clean = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    process = Process(await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env={**clean, "DATA_DIR": str(data), "PORT": "0", "METRICS_TOKEN": TOKEN, "PYTHONUNBUFFERED": "1"}))
    try:
        async with asyncio.timeout(STARTING):
            while True:
                with contextlib.suppress(TimeoutError):
                    await process.prints("Ctrl-C ends all of it")
                    break
        process.port = int(re.search(r"scaled +\| ReaderAI classroom is at http://\S+:(\d+)/", process.said)[1])
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.signal(signal.SIGTERM)
        try:
            assert await process.ended() == 0, process.said
        finally:
            await process.kill()  # and with it all that it started


async def test_a_question_crosses_all_processes():
    """Asked on one web process, answered by a worker, seen by the teacher on the other; each step in one id's lines."""
    with tempfile.TemporaryDirectory(prefix="readerai-") as folder:
        os.chmod(folder, 0o755)  # root's PostgreSQL runs as another account
        async with scaled(Path(folder)) as site:
            webs, workers = ([int(port) for port in found.split(", ")] for found in re.search(
                r"web processes at ([\d, ]+), probes of the workers at ([\d, ]+)", site.said).groups())
            code = re.search(r"students  code (\S+),", site.said)[1]
            alice, carol = Browser(site.port), Browser(site.port)

            def come_in():
                alice.get("/join/")
                alice.post("/join/", code=code, nickname="alice", pin="1234")
                alice.get("/read/")
                reading = alice.post(re.search(r'action="(/read/texts/\d+/)"', alice.page)[1])
                carol.get("/login/")
                carol.post("/login/", username="carol", password="lamp-oil-1902")
                return re.search(r"/read/([-0-9a-f]{36})/", reading)[1], re.search(r'href="/classes/(\d+)/"', carol.page)[1]

            reading, classroom = await asyncio.to_thread(come_in)
            message_id = str(uuid.uuid4())
            async with (alice.socket(f"/ws/sessions/{reading}/") as page,
                        carol.socket(f"/ws/classrooms/{classroom}/") as room):
                await hears(page, "SESSION_RESTORED")
                await hears(room, "CLASSROOM_STATE")
                # The proxy sent the second socket to the process that had none.
                assert [await counted(port, "readerai_sockets_open") for port in webs] == [1, 1]
                await page.send(json.dumps({"type": "STUDENT_INTERRUPTION", "id": message_id, "payload": {
                    "questionText": "What is a lamp?"}}))
                acknowledged = await hears(page, "INTERRUPTION_ACKNOWLEDGED")
                question = acknowledged["payload"]["interruptionId"]
                assert (await hears(room, "INTERRUPTION_OPENED"))["payload"]["interruption"]["interruptionId"] == question
                assert (await hears(page, "INTERRUPTION_RESPONSE"))["payload"]["interruptionId"] == question
                answered = (await hears(room, "INTERRUPTION_ANSWERED"))["payload"]["interruption"]
                assert (answered["interruptionId"], answered["nickname"]) == (question, "alice")
            assert sum([await counted(port, "readerai_outcomes_total") for port in workers]) == 1
            assert sum([await counted(port, "readerai_outcomes_total") for port in webs]) == 0

            # One id, whichever of the two, leads through the log of all of them.
            await site.prints(f"A question is answered by .*{message_id}")
            for id in (message_id, question):
                trail = [line for line in site.said.splitlines() if id in line]
                whose = Counter(re.match(r"(web|tutor)-\d +\|", line)[1] for line in trail)
                assert whose == {"web": 1, "tutor": 2}, trail
            assert "What is a lamp" not in site.said and "alice" not in site.said.partition("Ctrl-C ends all")[2]

            # A web process that dies is started again at its place.
            await asyncio.to_thread(os.kill, await pid_at(webs[0]), signal.SIGKILL)
            await site.prints(r"web-1 ended with status -9; it is started again in 1 s")
            await site.prints(rf"(?s)started again.*web-1 +\| ReaderAI classroom is at http://127.0.0.1:{webs[0]}/")
            assert await asyncio.to_thread(run_scaled.is_well, "127.0.0.1", webs[0])
            assert (await asyncio.to_thread(carol.get, f"/classes/{classroom}/")).endswith(f"/classes/{classroom}/")
        assert "did not end" not in site.said and "is killed" not in site.said
        assert not list(Path(folder).glob("postgresql/postmaster.pid"))


async def pid_at(port: int) -> int:
    """Return the process that listens at a port of this machine: the one whose open files hold that socket."""
    inode = next(line.split()[9] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
                 if line.split()[1] == f"0100007F:{port:04X}" and line.split()[3] == "0A")
    for entry in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if os.readlink(entry) == f"socket:[{inode}]":
                return int(entry.parts[2])
    raise AssertionError(f"nobody listens at {port}")
