"""`docs/protocol.md` says what the code does: the same messages, codes and numbers, with examples that are taken."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from readerai_site.durations import Durations, Limits
from sessions import errors, messages, sockets
from tests.people import survives_redis

PAGE = (Path(__file__).parent.parent / "docs" / "protocol.md").read_text()
REGISTRIES = {
    "Student → server": messages.STUDENT_MESSAGES, "Server → student": messages.TO_STUDENT,
    "Teacher → server": messages.TEACHER_MESSAGES, "Server → teacher": messages.TO_TEACHER,
}
SERVER_FIELDS = {"type", "timestamp", "payload", "inReplyTo", "version", "classVersion"}


def section(title: str) -> str:
    return re.split(rf"^## {re.escape(title)}\n", PAGE, flags=re.M)[1].split("\n## ")[0]


def entries(title: str) -> dict[str, tuple[bool, list[dict]]]:
    """Return {type: (marked as durable, examples)} of a section, failing for a type that stands there twice."""
    found = {}
    for heading, body in re.findall(r"^### (.+?)\n(.*?)(?=^### |\Z)", section(title), flags=re.M | re.S):
        type, star = re.fullmatch(r"`([A-Z_]+)`( \*)?", heading).groups()
        assert type not in found, type
        found[type] = star is not None, [json.loads(text) for text in re.findall(r"```json\n(.*?)```", body, flags=re.S)]
    return found


def first_column(table_under: str, *, header: str) -> set[str]:
    rows = table_under.split(f"| {header} |")[1].split("\n\n")[0].splitlines()[2:]
    return {row.split("|")[1].replace("†", "").strip() for row in rows}


@pytest.mark.parametrize("title", REGISTRIES)
def test_the_page_has_every_message_that_the_code_has_and_no_other(title):
    assert entries(title).keys() == REGISTRIES[title].keys()


@pytest.mark.parametrize("title", ["Student → server", "Teacher → server"])
def test_the_parser_takes_every_example_of_a_client_s_message(title):
    for type, (marked, examples) in entries(title).items():
        schema = REGISTRIES[title][type]
        assert marked == schema.durable, type
        (example,) = examples
        message = messages.parse(json.dumps(example), known=REGISTRIES[title])
        assert message.type == type
        shown = {schema.model_fields[name].alias for name in message.payload.model_fields_set}
        assert shown == {field.alias for field in schema.model_fields.values()} or type in ("PING", "RESTORE"), type


@pytest.mark.parametrize("title", ["Server → student", "Server → teacher"])
def test_every_example_of_the_server_is_what_the_server_would_send(title):
    for type, (_, examples) in entries(title).items():
        (example,) = examples
        assert example.keys() <= SERVER_FIELDS and {"type", "timestamp", "payload"} <= example.keys(), type
        assert example["type"] == type
        schema = REGISTRIES[title][type]
        message = schema.model_validate_json(json.dumps(example["payload"]), by_alias=True, by_name=False)
        encoded = json.loads(message.encode(
            in_reply_to=example.get("inReplyTo"), version=example.get("version"), class_version=example.get("classVersion")))
        assert encoded | {"timestamp": example["timestamp"]} == example, type
        assert survives_redis({"type": "push", "frames": [json.dumps(example)]})


def test_no_other_message_is_spoken_of_outside_what_is_planned():
    known = {type for registry in REGISTRIES.values() for type in registry}
    planned = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", section("Later"))) - {"UNKNOWN_TYPE", "CLASS_BROADCAST"}
    assert not planned & known, "what is spoken by now is no longer planned"
    codes = first_column(section("Errors"), header="`code` | what was wrong")
    settings = {"PUBLIC_ORIGINS", "BEHIND_PROXY"}
    spoken = set(re.findall(r"\b[A-Z]{2,}(?:_[A-Z]+)+\b", PAGE)) - planned
    assert spoken <= known | codes | settings


def test_the_error_codes_are_those_of_the_code():
    def of(refusal):
        return {refusal.code}.union(*(of(each) for each in refusal.__subclasses__()))

    listed = first_column(section("Errors"), header="`code` | what was wrong")
    assert listed == of(errors.Refused) | errors.PARSE_ERRORS.keys() | {"INTERNAL"}
    marked = set(re.findall(r"^\| (\w+) † \|", section("Errors"), flags=re.M))
    assert marked == sockets.COUNTED_AS_BAD


def test_the_reasons_of_a_failed_question_are_those_of_the_code():
    reasons = get_args(messages.InterruptionError.model_fields["error_code"].annotation)
    assert first_column(section("Errors"), header="`errorCode` | meaning") == set(reasons)


def test_the_close_codes_are_those_of_the_code():
    spoken = {value for name, value in vars(sockets).items()
              if name.isupper() and isinstance(value, int) and 4000 <= value < 5000}
    listed = {int(code) for code in first_column(section("Close codes"), header="code | meaning")}
    assert listed == spoken | {1012}


def test_the_numbers_on_the_page_are_those_of_the_code():
    durations, limits = Durations(), Limits()
    flat = " ".join(PAGE.split())
    for said in (
            f"for {durations.ticket:.0f} s", f"within {durations.bad_messages:.0f} s close it",
            f"more than {limits.messages_per_second:.0f} messages a second (burst {limits.burst:.0f})",
            f"more than {limits.questions_per_minute} questions a minute",
            f"{limits.questions_per_day} questions to the model",
            f"not heard of for {durations.heartbeat_timeout:.0f} s", f"took nothing for {durations.slow_reader:.0f} s",
            f"at most every {durations.heatmap:.0f} s", f"After {durations.away / 60:.0f} minutes"):
        assert said in flat, said
