"""The logs of a real server at their most talkative hold no names, no questions, no answers and no keys."""

import json
import logging
import os
import re
import subprocess
import sys
import urllib.error
import uuid
from datetime import datetime
from http.cookiejar import CookieJar
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import pytest
from django.conf import settings as django_settings
from django.db import IntegrityError

from readerai_site.logs import Formatter, JSONFormatter
from sessions.models import Interruption
from sessions.services.access import issue_ticket
from tests.people import queued, stored
from tests.processes import ROOT, Client, free_port, on_servers, site

QUESTION = "Quokkas, what is a zyzzyva?"
ANSWER = "Snollygoster is the answer."
MARKERS = ("quokka", "zyzzyva", "snollygoster")
KEY = "sk-abcdefghijklmnop"


def log_in_page(port: int, **fields: str) -> str:
    """Send a form of the doors to the real server, token and all; return the page that comes back."""
    opener = build_opener(HTTPCookieProcessor(CookieJar()))
    url = f"http://127.0.0.1:{port}/{'join' if 'pin' in fields else 'login'}/"
    page = opener.open(url).read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]
    try:
        return opener.open(url, urlencode({"csrfmiddlewaretoken": token, **fields}).encode()).read().decode()
    except urllib.error.HTTPError as refused:
        return refused.read().decode()


@pytest.mark.parametrize("behaviour", ["normal", "500", "not_json", "401"])
async def test_a_question_leaves_no_trace_in_the_log(alice, bob, carol, model, tmp_path, behaviour):
    model.says(ANSWER)
    model.behaves(behaviour)
    client = Client(alice)
    async with site(model, tmp_path, LOG_LEVEL="DEBUG", TUTOR_EMBEDDED="1", OPENAI_API_KEY=KEY) as processes:
        web = await processes.command("serve", "--port", "0", "--access-log")
        web.port = int((await web.prints(r"is at http://\S+:(\d+)/"))[1])
        async with client.socket(web.port) as socket:
            await client.ask(socket, QUESTION)
            outcome = await client.hears(socket, "INTERRUPTION_RESPONSE", "INTERRUPTION_ERROR")
            assert outcome["type"] == ("INTERRUPTION_RESPONSE" if behaviour == "normal" else "INTERRUPTION_ERROR")
            await socket.send(f"{{{QUESTION}")  # broken frames are no less private
            await client.hears(socket, "ERROR")
            await client.ask(socket, f"{QUESTION} I want to die")
            await client.hears(socket, "INTERRUPTION_RESPONSE")
        said = await stored(log_in_page, web.port, code=carol.classroom.code, nickname="Quokka", pin="7531")
        assert "My books" in said
        await stored(log_in_page, web.port, username="quokka", password="zyzzyva")
        await web.prints(r"POST /login/")
        log = web.said
    assert "DEBUG" in log and "/ws/sessions/" in log
    if behaviour != "normal":
        assert re.search(r"Attempt 1 of question [-0-9a-f]{36} failed", log)
    for secret in (*MARKERS, "alice", alice.cookie, alice.user.username, carol.classroom.code, KEY, "7531",
                   django_settings.SECRET_KEY):
        assert secret.casefold() not in log.casefold(), secret


async def test_a_ticket_is_not_logged(alice, model, tmp_path):
    async with site(model, tmp_path, LOG_LEVEL="DEBUG") as processes:
        web = await processes.command("serve", "--port", "0", "--access-log")
        web.port = int((await web.prints(r"is at http://\S+:(\d+)/"))[1])
        ticket = await stored(issue_ticket, alice.user, path=f"/ws/sessions/{alice.reading_session.pk}/")
        async with Client(alice).socket(web.port, ticket=ticket):
            await web.prints("/ws/sessions/")
        assert ticket not in web.said


async def test_a_ticket_is_not_logged_by_uvicorn_either(alice, model, tmp_path):
    port = free_port()
    async with site(model, tmp_path, LOG_FORMAT="json", TUTOR_EMBEDDED="1") as processes:
        web = await processes.start(sys.executable, "-m", "uvicorn", "readerai_site.asgi:application", "--port", str(port))
        await web.prints("Uvicorn running on")
        ticket = await stored(issue_ticket, alice.user, path=f"/ws/sessions/{alice.reading_session.pk}/")
        async with Client(alice).socket(port, ticket=ticket):
            await web.prints(r"/ws/sessions/\S+/.* \[accepted\]")
        await stored(log_in_page, port, username="quokka", password="zyzzyva")
        await web.prints("POST /login/")
        assert ticket not in web.said
        assert {json.loads(line)["logger"] for line in web.said.splitlines()} >= {"uvicorn.error", "uvicorn.access"}


# ---------------------------------------------------------------- one object a line, one question in all of them


async def test_a_question_is_followed_by_either_of_its_ids(alice, model, tmp_path):
    """From the browser's own id of it to the worker's last word, where one process does all and where several do."""
    async with site(model, tmp_path, LOG_FORMAT="json", DURATION_SCALE="1",
                    TUTOR_EMBEDDED="" if on_servers() else "1") as processes:
        running = [await processes.serve()]
        if on_servers():
            running.append(await processes.worker())
        async with Client(alice).socket(running[0].port) as socket:
            id = str(uuid.uuid4())
            await socket.send(json.dumps({"type": "STUDENT_INTERRUPTION", "id": id, "payload": {"questionText": QUESTION}}))
            asked = await Client.hears(socket, "INTERRUPTION_ACKNOWLEDGED")
            await Client.hears(socket, "INTERRUPTION_RESPONSE")
        await running[-1].prints("is answered")
        lines = [json.loads(line) for process in running for line in process.said.splitlines() if line.startswith("{")]
        trails = [[line for line in lines if line.get(name) == value] for name, value in (
            ("message_id", id), ("question", asked["payload"]["interruptionId"]))]
    assert trails[0] == trails[1]
    assert {line["message"] for line in trails[0]} == {
        "A question is stored.", "Call 1 for a question begins.", "A question is answered by openai."}
    assert {line["logger"] for line in trails[0]} == {"sessions.consumers", "sessions.tutor"}
    assert all(datetime.fromisoformat(line["time"]).tzinfo and line["level"] == "INFO" for line in trails[0])


def test_a_plain_line_carries_both_ids():
    record = logging.makeLogRecord({"msg": "A question is stored.", "question": "q-1", "message_id": "m-1"})
    assert Formatter("{message}", style="{").format(record) == "A question is stored. question=q-1 message_id=m-1"
    assert Formatter("{message}", style="{").format(logging.makeLogRecord({"msg": "Hello."})) == "Hello."


def test_a_json_line_is_one_line_whatever_happens():
    try:
        raise ValueError("null value\nDETAIL:  Failing row contains (1, " + "Quokka)".lower())
    except ValueError:
        record = logging.makeLogRecord({"msg": "Two\nlines of %s", "args": ("ü",), "exc_info": sys.exc_info()})
    line = JSONFormatter().format(record)
    assert "\n" not in line
    found = json.loads(line)
    assert found["message"] == "Two\nlines of ü" and "ValueError" in found["exception"] and "quokka" not in line
    assert "question" not in found


@pytest.mark.parametrize("said", ["xml", ""])
def test_another_format_is_refused(tmp_path, said):
    refused = subprocess.run([sys.executable, "manage.py", "check"], cwd=ROOT, capture_output=True, text=True,
                             env={**os.environ, "DATA_DIR": str(tmp_path), "LOG_FORMAT": said})
    assert ("LOG_FORMAT is plain or json" in refused.stderr) == (said == "xml")


def line_of(error: Exception) -> str:
    record = logging.LogRecord("x", logging.ERROR, "", 0, "A write failed.", (), (type(error), error, error.__traceback__))
    return Formatter().format(record)


def test_a_refused_row_is_logged_without_its_values(alice):
    """PostgreSQL tells the whole row that it refused; SQLite tells none of it."""
    row = queued(alice, f"{QUESTION}\nand more")
    try:
        Interruption.objects.create(**{field.attname: getattr(row, field.attname) for field in row._meta.fields} | {
            "id": row.pk, "enrollment_id": row.enrollment_id})
    except IntegrityError as error:
        line = line_of(error)
    assert "IntegrityError" in line and "A write failed." in line
    for secret in (*MARKERS, str(row.pk), "and more"):
        assert secret not in line.casefold(), secret


def test_what_a_database_adds_is_cut_out_wherever_it_stands():
    said = 'null value in "x"\nDETAIL:  Failing row contains (1, quokka\nzyzzyva).'
    try:
        try:
            raise ValueError(said)
        except ValueError as error:
            raise KeyError("the second") from error
    except KeyError as error:
        line = line_of(error)
    assert 'null value in "x"' in line and "the second" in line and "The above exception" in line
    assert "quokka" not in line and "zyzzyva" not in line
