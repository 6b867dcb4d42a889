"""What machines ask a process: is it alive, is it ready, what has it counted; and what strangers are not told."""

import asyncio
import contextlib
import dataclasses
import json
import re
import signal
import urllib.error
import urllib.request

import pytest
from channels.testing import HttpCommunicator
from django.db import OperationalError

from readerai_site import probe_port, probes
from sessions import events
from tests.people import application, reader, room
from tests.processes import free_port, needs_servers, site

LOOPBACK, ELSEWHERE = "127.0.0.1", "192.0.2.7"
TOKEN = "a-token-for-the-scraper"


async def ask(path, *, method="GET", peer=LOOPBACK, **headers):
    """Return (status, headers, text) of a request that names the machine, as probes do."""
    sent = [(b"host", b"10.1.2.3:8000")]
    sent += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    probe = HttpCommunicator(application, method, path, headers=sent)
    probe.scope["client"] = [peer, 50_000]
    answer = await probe.get_response(timeout=10)
    return answer["status"], {name.decode(): value.decode() for name, value in answer["headers"]}, answer["body"].decode()


@pytest.fixture(autouse=True)
def fresh_looks(monkeypatch, settings):
    """Every look is a new one, and has all the time that a busy machine takes."""
    monkeypatch.setattr(probes, "KEPT_SECONDS", 0.0)
    settings.DURATIONS = dataclasses.replace(settings.DURATIONS, probe=30.0)


async def counted(name, **labels):
    """Return a number from /metrics; 0 for what was never counted."""
    status, _, text = await ask("/metrics")
    assert status == 200
    wanted = ",".join(f'{label}="{value}"' for label, value in labels.items())
    found = re.search(rf"^{name}{re.escape('{' + wanted + '}') if wanted else ''} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


# ---------------------------------------------------------------- alive and ready


async def test_alive_is_said_to_anyone_by_any_name_over_plain_http(serving, settings):
    settings.ALLOWED_HOSTS, settings.SECURE_SSL_REDIRECT = ["read.school.example"], True
    status, headers, text = await ask("/livez", peer=ELSEWHERE)
    assert (status, text) == (200, "alive\n")
    assert headers["cache-control"] == "no-store" and headers["x-content-type-options"] == "nosniff"
    assert (await ask("/livez", method="HEAD"))[2] == ""
    assert (await ask("/livez", method="POST"))[0] == 405


async def test_ready_with_database_layer_and_an_engine(serving):
    async with asyncio.timeout(10):
        while (await ask("/readyz"))[0] != 200:  # noqa: ASYNC110 - the engine's first beat is on its way
            await asyncio.sleep(0.01)
    status, headers, text = await ask("/readyz", peer=ELSEWHERE)
    assert json.loads(text) == {"ready": True, "database": "ok", "layer": "ok", "tutor": "ok"}
    assert headers["cache-control"] == "no-store"


async def test_not_ready_while_no_engine_lives(serving_without_engine):
    status, _, text = await ask("/readyz")
    assert status == 503
    assert json.loads(text) == {"ready": False, "database": "ok", "layer": "ok", "tutor": "none alive"}
    # Pages are served all the same: whoever spreads requests asks for what a page needs.
    assert (await ask("/readyz?exclude=tutor"))[0] == 200
    assert json.loads((await ask("/readyz?exclude=layer,tutor"))[2]) == {"ready": True, "database": "ok"}


async def test_a_failed_part_is_named_and_nothing_else_is_told(serving, monkeypatch, caplog):
    def fail():
        raise OperationalError("connection to db.school.example as reader:secret failed")

    async def refuse():
        raise ConnectionError("redis.school.example:6379")

    monkeypatch.setattr(probes, "tutor_status", fail)
    monkeypatch.setattr(events, "reach_layer", refuse)
    status, _, text = await ask("/readyz")
    assert status == 503
    assert json.loads(text) == {"ready": False, "database": "failed", "layer": "failed", "tutor": "unknown"}
    assert "school.example" not in text and "Not ready, database: OperationalError" in caplog.text
    assert (await ask("/livez"))[0] == 200
    assert (await ask("/metrics"))[0] == 200  # what the process counted is still there


async def test_a_part_that_hangs_is_asked_once(serving_without_engine, monkeypatch, settings):
    asked, released = [], asyncio.Event()

    async def hang():
        asked.append(1)
        await released.wait()

    monkeypatch.setattr(events, "reach_layer", hang)
    settings.DURATIONS = dataclasses.replace(settings.DURATIONS, probe=0.1)
    for _ in range(3):
        assert json.loads((await ask("/readyz?exclude=tutor"))[2])["layer"] == "timeout"
    assert len(asked) == 1
    settings.DURATIONS = dataclasses.replace(settings.DURATIONS, probe=30.0)
    released.set()
    assert json.loads((await ask("/readyz?exclude=tutor"))[2])["layer"] == "ok"


async def test_asking_without_end_looks_once_a_second(serving_without_engine, monkeypatch):
    monkeypatch.setattr(probes, "KEPT_SECONDS", 60.0)
    looks = []

    async def look():
        looks.append(1)

    monkeypatch.setattr(events, "reach_layer", look)
    await asyncio.gather(*[ask("/readyz") for _ in range(50)])
    assert len(looks) <= 1


# ---------------------------------------------------------------- who may scrape


@pytest.mark.parametrize(("public", "token", "peer", "headers", "status"), [
    (False, "", LOOPBACK, {}, 200),
    (False, "", "::1", {}, 200),
    (False, "", "::ffff:127.0.0.1", {}, 200),
    (False, "", ELSEWHERE, {}, 404),
    (False, "", "", {}, 404),
    (False, "", LOOPBACK, {"x_forwarded_for": LOOPBACK}, 404),  # a proxy's, for anybody
    (True, "", LOOPBACK, {}, 404),
    (True, TOKEN, ELSEWHERE, {"authorization": f"Bearer {TOKEN}"}, 200),
    (False, TOKEN, LOOPBACK, {}, 404),
    (True, TOKEN, ELSEWHERE, {"authorization": "Bearer another"}, 404),
    (True, TOKEN, ELSEWHERE, {"authorization": "Bearer "}, 404),
    (True, TOKEN, ELSEWHERE, {"authorization": "Bearer ü"}, 404),
])
async def test_metrics_are_for_declared_scrapers(serving_without_engine, settings, public, token, peer, headers, status):
    settings.PUBLIC, settings.METRICS_TOKEN = public, token
    found, sent, text = await ask("/metrics", peer=peer, **headers)
    assert found == status and sent["cache-control"] == "no-store"
    assert ("readerai_messages_total" in text) == (status == 200)


# ---------------------------------------------------------------- what is counted


async def test_a_lesson_is_counted(serving, alice, carol, model):
    model.says("A burrow ", "is a home.")
    metrics = {
        "readerai_sockets_opened_total": dict(kind="student"), "readerai_messages_total": dict(type="STUDENT_INTERRUPTION"),
        "readerai_acknowledgement_seconds_count": {}, "readerai_batch_writes_count": {},
        "readerai_outcomes_total": dict(code="answered"), "readerai_first_token_seconds_count": dict(provider="openai"),
        "readerai_model_seconds_count": dict(provider="openai"), "readerai_refusals_total": dict(code="INVALID_JSON"),
        "readerai_sockets_ended_total": dict(code="4404"), "readerai_sessions_restored_total": {},
    }
    before = {name: await counted(name, **labels) for name, labels in metrics.items()}
    async with reader(alice) as page, room(carol) as dashboard:
        assert await counted("readerai_sockets_open", kind="student") == 1
        assert await counted("readerai_sockets_open", kind="teacher") == 1
        await page.socket.send_to(text_data="{")
        await page.hears("ERROR")
        await page.ask("What is a burrow?")
        await page.hears("INTERRUPTION_RESPONSE")
        await dashboard.hears("INTERRUPTION_ANSWERED")
    after = {name: await counted(name, **labels) for name, labels in metrics.items()}
    grown = {name for name in metrics if after[name] > before[name]}
    assert grown == set(metrics) - {"readerai_sockets_ended_total", "readerai_sessions_restored_total"}
    assert await counted("readerai_sockets_open", kind="student") == 0
    _, _, text = await ask("/metrics")
    for secret in ("burrow", "alice", str(alice.reading_session.pk), "7B"):
        assert secret not in text


async def test_a_failure_is_counted_by_its_code(serving, alice, model):
    model.behaves("401")
    failed = await counted("readerai_model_failures_total", code="llm_unavailable")
    outcomes = await counted("readerai_outcomes_total", code="llm_unavailable")
    async with reader(alice) as page:
        await page.ask("What is a burrow?")
        await page.hears("INTERRUPTION_ERROR")
    assert await counted("readerai_model_failures_total", code="llm_unavailable") == failed + 1
    assert await counted("readerai_outcomes_total", code="llm_unavailable") == outcomes + 1


# ---------------------------------------------------------------- a worker's port


@contextlib.asynccontextmanager
async def worker_port():
    port = free_port()
    server = await probe_port.open_probe_port(LOOPBACK, port)
    try:
        yield port
    finally:
        server.close()


async def raw(port, sent):
    """Return all that comes back for these bytes."""
    reading, writing = await asyncio.open_connection(LOOPBACK, port)
    writing.write(sent)
    async with asyncio.timeout(10):
        said = await reading.read()
    writing.close()
    return said.decode()


@pytest.mark.parametrize(("sent", "status", "holds"), [
    (b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", 200, "alive"),
    (b"HEAD /livez HTTP/1.0\r\n\r\n", 200, "content-length: 6"),
    (b"GET /readyz?exclude=tutor HTTP/1.1\r\n\r\n", 200, '"ready": true'),
    (b"GET /metrics HTTP/1.1\r\n\r\n", 200, "readerai_engines_alive"),
    (b"GET /metrics HTTP/1.1\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n", 404, ""),
    (b"GET / HTTP/1.1\r\n\r\n", 404, ""),
    (b"POST /livez HTTP/1.1\r\n\r\n", 405, ""),
    (b"\x16\x03\x01 hello\r\n\r\n", 400, ""),
    (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n", 400, ""),
])
async def test_a_workers_port_speaks_enough_http(serving_without_engine, sent, status, holds):
    async with worker_port() as port:
        said = await raw(port, sent)
    assert said.startswith(f"HTTP/1.1 {status} ") and holds in said and "cache-control: no-store" in said


async def test_a_caller_who_says_nothing_is_let_go(serving_without_engine, monkeypatch):
    monkeypatch.setattr(probe_port, "HEAD_SECONDS", 0.05)
    async with worker_port() as port:
        assert await raw(port, b"GET /livez") == ""


@needs_servers
async def test_a_worker_and_a_web_process_answer_for_themselves(alice, model, tmp_path):
    port = free_port()

    def get(number, path, token=TOKEN):
        request = urllib.request.Request(f"http://127.0.0.1:{number}{path}", headers={"Authorization": f"Bearer {token}"})
        try:
            return urllib.request.urlopen(request, timeout=20).read().decode()
        except urllib.error.HTTPError as refused:
            return refused.read().decode()

    async with site(model, tmp_path, TUTOR_EMBEDDED="0", METRICS_TOKEN=TOKEN, DURATION_SCALE="1",
                    PUBLIC_ORIGINS="https://read.school.example", BEHIND_PROXY="1") as processes:
        web, worker = await asyncio.gather(processes.serve(), processes.worker(METRICS_PORT=str(port)))
        assert await asyncio.to_thread(get, web.port, "/livez") == "alive\n"
        assert await asyncio.to_thread(get, port, "/livez") == "alive\n"
        async with asyncio.timeout(20):
            while not json.loads(ready := await asyncio.to_thread(get, web.port, "/readyz"))["ready"]:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert json.loads(ready)["tutor"] == "ok"
        for number in (web.port, port):
            text = await asyncio.to_thread(get, number, "/metrics")
            assert "readerai_engines_alive 1.0" in text and "process_resident_memory_bytes" in text
            assert "There is no such page" in await asyncio.to_thread(get, number, "/metrics", "wrong")
        worker.signal(signal.SIGTERM)
        assert await worker.ended() == 0
        async with asyncio.timeout(20):
            while json.loads(ready := await asyncio.to_thread(get, web.port, "/readyz"))["ready"]:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert json.loads(ready)["tutor"] == "none alive"


@needs_servers
async def test_a_taken_metrics_port_is_named(alice, model, tmp_path):
    async with site(model, tmp_path) as processes, worker_port() as port:
        worker = await processes.command("runworker", "tutor", METRICS_PORT=str(port))
        assert await worker.ended() == 1
        assert f"METRICS_PORT {port} of 127.0.0.1 cannot be opened" in worker.said and "Traceback" not in worker.said
