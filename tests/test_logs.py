"""The logs of a real server at their most talkative hold no names, no questions, no answers and no keys."""

import logging
import re
import urllib.error
from http.cookiejar import CookieJar
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import pytest
from django.conf import settings as django_settings
from django.db import IntegrityError

from readerai_site.logs import Formatter
from sessions.models import Interruption
from sessions.services.access import issue_ticket
from tests.people import queued, stored
from tests.processes import Client, site

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
