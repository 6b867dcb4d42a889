"""The API's own description: drawn without a warning, true of what is answered, and pages for staff alone."""

import io
import json
import re
import uuid

import jsonschema
import pytest
from django.core.management import call_command
from django.urls import get_resolver
from django.urls.resolvers import URLPattern

from sessions.models import ReadingSession
from tests.people import browser, queued
from tests.rest import program

CSP = {"default-src 'self'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"}


@pytest.fixture(scope="module")
def schema() -> dict:
    """The schema as the command draws it, which fails on the first warning."""
    out = io.StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", "--format", "openapi-json", stdout=out)
    return json.loads(out.getvalue())


def addresses(patterns, above="") -> set[str]:
    found = set()
    for pattern in patterns:
        route = above + str(pattern.pattern)
        found |= {route} if isinstance(pattern, URLPattern) else addresses(pattern.url_patterns, route)
    return found


def test_every_address_of_the_newest_version_is_in_it_and_no_alias(schema):
    routes = {"/" + re.sub(r"<\w+:(\w+)>", r"{\1}", route) for route in addresses(get_resolver().url_patterns)
              if route.startswith("api/v1/")}
    assert set(schema["paths"]) == routes - {"/api/v1/schema/"} and len(routes) > 10


def test_requests_are_closed_and_answers_open(schema):
    shapes = schema["components"]["schemas"]
    asked = {name for name, shape in shapes.items() if shape.get("additionalProperties") is False}
    assert asked == {"Credentials", "InterruptionContext", "NewClassroom", "NewSession", "PatchedClassroomChange",
                     "Question", "ReadingProgress"}
    text = json.dumps(schema)
    assert '"ge"' not in text and '"le"' not in text


def test_every_operation_says_who_may_and_how_it_refuses(schema):
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            assert operation["responses"]["default"]["content"], (path, method)
            is_door = (path, method) == ("/api/v1/token/", "post")
            assert ({} in operation.get("security", [{}])) == is_door, (path, method)
            assert operation["description"]


def test_what_is_answered_is_what_the_schema_says(schema, alice, bob, carol, story):
    ReadingSession.objects.filter(pk=bob.reading_session.pk).update(last_seen="2026-01-01T00:00Z")
    done = queued(alice, state="answered", response_text="A home.", response_type="definition", provider="openai",
                  citations=[{"paragraph": 1, "quote": "A burrow", "verified": True}])
    queued(alice, "Why?", state="failed", error_code="timeout", fallback={
        "response_text": "See here.", "citations": [], "provider": "passage_helper"})
    asked = {"id": str(uuid.uuid4()), "questionText": "What is a fox?", "context": {"currentWordIndex": 4}}
    reading, room = f"sessions/{alice.reading_session.pk}/", f"classrooms/{carol.classroom.pk}/"
    told = [
        (alice, "get", "", "", None), (alice, "get", "sessions/", "sessions/", None),
        (alice, "post", "sessions/", "sessions/", {"text": story.pk}),
        (alice, "get", reading, "sessions/{reading_session_id}/", None),
        (alice, "get", f"{reading}progress/", "sessions/{reading_session_id}/progress/", None),
        (alice, "put", f"{reading}progress/", "sessions/{reading_session_id}/progress/", {"wordIndex": 9, "rev": 1}),
        (alice, "post", f"{reading}interruptions/", "sessions/{reading_session_id}/interruptions/", asked),
        (alice, "post", f"{reading}interruptions/", "sessions/{reading_session_id}/interruptions/", asked),
        (alice, "get", f"{reading}interruptions/", "sessions/{reading_session_id}/interruptions/", None),
        (alice, "get", f"{reading}interruptions/{done.pk}/",
         "sessions/{reading_session_id}/interruptions/{interruption_id}/", None),
        (alice, "post", f"{reading}ticket/", "sessions/{reading_session_id}/ticket/", None),
        (alice, "get", "classrooms/", "classrooms/", None), (alice, "get", room, "classrooms/{classroom_id}/", None),
        (carol, "get", "texts/", "texts/", None), (carol, "get", f"texts/{story.pk}/", "texts/{text_id}/", None),
        (carol, "get", f"texts/{story.pk}/pages/1/", "texts/{text_id}/pages/{page}/", None),
        (carol, "get", "classrooms/", "classrooms/", None), (carol, "get", room, "classrooms/{classroom_id}/", None),
        (carol, "post", "classrooms/", "classrooms/", {"name": "8C"}),
        (carol, "patch", room, "classrooms/{classroom_id}/", {"isOpen": False}),
        (carol, "get", f"{room}enrollments/", "classrooms/{classroom_id}/enrollments/", None),
        (carol, "get", f"{room}enrollments/{bob.enrollment.pk}/",
         "classrooms/{classroom_id}/enrollments/{enrollment_id}/", None),
        (carol, "get", f"{room}interruptions/", "classrooms/{classroom_id}/interruptions/", None),
        (carol, "post", f"{room}ticket/", "classrooms/{classroom_id}/ticket/", None),
        (carol, "delete", f"{room}enrollments/{bob.enrollment.pk}/",
         "classrooms/{classroom_id}/enrollments/{enrollment_id}/", None),
        (None, "post", "token/", "token/", {"username": "carol", "password": "correct horse"}),
        (carol, "delete", "token/", "token/", None),
    ]
    for person, method, path, name, body in told:
        said = program(person)(method.upper(), path, body)
        answers = schema["paths"][f"/api/v1/{name}"][method]["responses"]
        assert str(said.status) in answers, (method, path, said)
        if said.status == 204:
            continue
        shape = answers[str(said.status)]["content"]["application/json"]["schema"]
        jsonschema.validate(said.body, closed(shape | {"components": schema["components"]}),
                            jsonschema.Draft202012Validator)
        refused = program()(method.upper(), path, [])
        jsonschema.validate(refused.body, schema["components"]["schemas"]["Refusal"])
    assert {(method, name) for _, method, _, name, _ in told} == {
        (method, path.removeprefix("/api/v1/")) for path, operations in schema["paths"].items() for method in operations}


def closed(node):
    """Return a schema whose objects hold nothing that it does not name, so that nothing is answered in silence."""
    if isinstance(node, list):
        return [closed(part) for part in node]
    if not isinstance(node, dict):
        return node
    node = {name: closed(part) for name, part in node.items()}
    return node | {"additionalProperties": False} if "properties" in node and node.get("type") == "object" else node


def test_the_schema_is_for_who_is_logged_in(alice):
    path = "/api/v1/schema/?format=json"
    assert browser().get(path).status_code == 401
    response = browser(alice).get(path)
    assert response.status_code == 200 and response.json()["openapi"].startswith("3.1")


def test_pages_are_for_staff_and_only_they_may_hold_styles(alice, carol):
    for path in ("/api/v1/", "/api/v1/classrooms/", f"/api/v1/classrooms/{carol.classroom.pk}/", "/api/v1/token/",
                 f"/api/v1/classrooms/{carol.classroom.pk}/enrollments/", "/api/v1/classrooms/987654/"):
        for person in (None, alice, carol):
            response = browser(person).get(path, headers={"Accept": "text/html,*/*;q=0.8"})
            assert response["Content-Type"] == "application/json"
            assert set(response["Content-Security-Policy"].split("; ")) == CSP
    carol.user.is_staff = True
    carol.user.save()
    for path in ("/api/v1/", "/api/v1/classrooms/", f"/api/v1/classrooms/{carol.classroom.pk}/", "/api/v1/token/"):
        page = browser(carol).get(path, headers={"Accept": "text/html,*/*;q=0.8"})
        assert page["Content-Type"].startswith("text/html"), path
        assert set(page["Content-Security-Policy"].split("; ")) == CSP | {"style-src 'self' 'unsafe-inline'"}
        assert "no-store" in page["Cache-Control"]
        plain = browser(carol).get(path, headers={"Accept": "application/json"})
        assert set(plain["Content-Security-Policy"].split("; ")) == CSP and plain["Content-Type"] == "application/json"
