"""The school's clerk: a Django process beside the served one, that makes classes and reads rows back.

`Clerk` is what the browser tests hold; it talks in JSON lines to `python -m tests.browser.clerk`, which shares the
server's data folder. The tests themselves never import Django's models: Playwright's event loop owns their thread.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from tests.served import ROOT


@dataclass(frozen=True)
class Student:
    """A student who has opened the class's text; `cookie` is a log-in."""

    nickname: str
    pin: str
    cookie: str
    enrollment_id: int
    session_id: str

    @property
    def path(self) -> str:
        return f"/read/{self.session_id}/"


@dataclass(frozen=True)
class Teacher:
    username: str
    password: str
    cookie: str
    classroom_id: int

    @property
    def path(self) -> str:
        return f"/classes/{self.classroom_id}/"


@dataclass(frozen=True)
class School:
    """A class of its own for one test: carol teaches it, alice and bob read The Lighthouse Keeper in it.

    That text is another teacher's; carol has brought one that she has not given to the class.
    """

    code: str
    text_id: int
    own_text_id: int
    carol: Teacher
    alice: Student
    bob: Student


class Clerk:
    """The clerk's desk, seen from the tests. Opening it migrates the database and makes the demo class."""

    def __init__(self, environment: dict[str, str]):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.browser.clerk"], cwd=ROOT, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.demo: dict[str, Any] = self._answer()

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=20)

    def school(self) -> School:
        """Make a class with its people."""
        made = self._ask("school")
        return School(made["code"], made["text_id"], made["own_text_id"], Teacher(**made["carol"]),
                      Student(**made["alice"]), Student(**made["bob"]))

    def questions(self, student: Student) -> list[dict[str, Any]]:
        """Return the student's questions, {id, state, question, response}, oldest first."""
        return self._ask("questions", session_id=student.session_id)

    def place(self, student: Student) -> int:
        """Return the stored word index."""
        return self._ask("place", session_id=student.session_id)

    def demo_place(self, nickname: str) -> int:
        """Return the stored word index of a student of the demo class."""
        return self._ask("demo_place", nickname=nickname)

    def make_staff(self, teacher: Teacher) -> None:
        """Let a teacher into the pages of staff."""
        self._ask("make_staff", username=teacher.username)

    def make_administrator(self, teacher: Teacher) -> None:
        """Let a teacher administer everything."""
        self._ask("make_administrator", username=teacher.username)

    def reset_link(self, teacher: Teacher) -> str:
        """Return the path of the link in a letter that gives a new password."""
        return self._ask("reset_link", username=teacher.username)

    def page_of_trouble(self, status: int) -> str:
        """Return the page that Django answers with when a request ends in this status."""
        return self._ask("page_of_trouble", status=status)

    def _ask(self, duty: str, **details: Any) -> Any:
        print(json.dumps({"duty": duty} | details), file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> Any:
        line = self._process.stdout.readline()
        assert line, "the clerk's process ended; what it said stands above"
        return json.loads(line)


class Desk:
    """The clerk's own side; every method but `open` is a duty, called with the details of a line."""

    def open(self) -> dict[str, Any]:
        from io import StringIO

        from django.core.management import call_command

        from classrooms import demo
        from classrooms.models import Text, User
        quiet = StringIO()
        call_command("migrate", stdout=quiet, verbosity=0)
        call_command("demo", stdout=quiet)
        self.text = Text.objects.get(title="The Lighthouse Keeper")
        # Teachers log in with one password, hashed once: hashing is slow on purpose.
        self.password = "correct horse"
        self.teacher = User.objects.create_user("carol-0", password=self.password, role=User.Role.TEACHER)
        return demo.accounts()

    def school(self) -> dict[str, Any]:
        from classrooms.models import User
        from classrooms.services.classes import create_classroom
        from classrooms.services.texts import create_text
        from tests import people
        number = User.objects.filter(username__startswith="carol-").count()
        carol = User.objects.create(
            username=f"carol-{number}", password=self.teacher.password, role=User.Role.TEACHER)
        classroom = create_classroom(teacher=carol, name="7B")
        classroom.texts.add(self.text)
        own = create_text(owner=carol, raw="A crab looks up.", title="The Tide Pool")
        seated = {nickname: people.seat(classroom, nickname, self.text) for nickname in ("alice", "bob")}
        students = {
            nickname: {"nickname": nickname, "pin": "1234", "cookie": person.cookie,
                       "enrollment_id": person.enrollment.pk, "session_id": str(person.reading_session.pk)}
            for nickname, person in seated.items()}
        return {"code": classroom.code, "text_id": self.text.pk, "own_text_id": own.pk, **students, "carol": {
            "username": carol.username, "password": self.password, "cookie": people.log_in(carol),
            "classroom_id": classroom.pk}}

    def questions(self, session_id: str) -> list[dict[str, Any]]:
        from sessions.models import Interruption
        return [{"id": str(row.pk), "state": row.state, "question": row.question_text, "response": row.response_text}
                for row in Interruption.objects.filter(reading_session_id=session_id).order_by("created_at")]

    def place(self, session_id: str) -> int:
        from sessions.models import ReadingSession
        return ReadingSession.objects.get(pk=session_id).word_index

    def demo_place(self, nickname: str) -> int:
        from classrooms import demo
        from sessions.models import ReadingSession
        classroom_id = json.loads(demo.marker().read_text())["classroom"]
        return ReadingSession.objects.get(
            text=self.text, enrollment__nickname=nickname, enrollment__classroom=classroom_id).word_index

    def make_staff(self, username: str) -> None:
        from classrooms.models import User
        User.objects.filter(username=username).update(is_staff=True)

    def make_administrator(self, username: str) -> None:
        from classrooms.models import User
        User.objects.filter(username=username).update(is_staff=True, is_superuser=True)

    def reset_link(self, username: str) -> str:
        from django.contrib.auth.tokens import default_token_generator
        from django.urls import reverse
        from django.utils.encoding import force_bytes
        from django.utils.http import urlsafe_base64_encode

        from classrooms.models import User
        user = User.objects.get(username=username)
        return reverse("password_reset_confirm", args=[
            urlsafe_base64_encode(force_bytes(user.pk)), default_token_generator.make_token(user)])

    def page_of_trouble(self, status: int) -> str:
        from django.contrib.auth.models import AnonymousUser
        from django.test import RequestFactory
        from django.views import defaults
        handler = {400: defaults.bad_request, 403: defaults.permission_denied, 404: defaults.page_not_found,
                   500: defaults.server_error}[status]
        request = RequestFactory().get("/trouble/")
        request.user = AnonymousUser()
        return handler(request, *[] if status == 500 else [Exception("trouble")]).content.decode()


def main() -> None:
    import os

    import django
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "readerai_site.settings")
    django.setup()
    desk = Desk()
    print(json.dumps(desk.open()), flush=True)
    for line in sys.stdin:
        details = json.loads(line)
        print(json.dumps(getattr(desk, details.pop("duty"))(**details)), flush=True)


if __name__ == "__main__":
    main()
