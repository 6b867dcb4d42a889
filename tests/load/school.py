"""Fill an empty database with classes of students who are logged in and have opened a text.

    DATA_DIR=… python -m tests.load.school --students 500 --class-size 30 > people.json

`bench` runs it once before its servers. Rows are made in bulk and nothing is hashed: nobody types a PIN
here, the log-ins are made as the views make them. Prints {"students": [{"path", "page", "cookie"}…], "classes":
[{"id", "first" (its first student's number), "students", "teacher": {"path", "cookie"}}…]}: those that something will be
said to.
"""

import argparse
import json
import os
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "readerai_site.settings")
django.setup()

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY  # noqa: E402
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.utils import timezone  # noqa: E402

from classrooms import demo  # noqa: E402
from classrooms.database import transaction  # noqa: E402
from classrooms.models import Enrollment, Text, User, new_student_username  # noqa: E402
from classrooms.services.classes import create_classroom  # noqa: E402
from classrooms.services.texts import create_text  # noqa: E402
from sessions.models import ReadingSession  # noqa: E402

STORY = "the-lighthouse-keeper"
LOG_IN_SECONDS = 12 * 3600


def main() -> None:
    """Migrate, fill, print."""
    parser = argparse.ArgumentParser(description="Fill a database for the benchmark")
    parser.add_argument("--students", type=int, required=True)
    parser.add_argument("--class-size", type=int, required=True)
    parser.add_argument("--great-class", type=int, default=0, help="readers of the second class, if it is to be a great one")
    options = parser.parse_args()
    call_command("migrate", verbosity=0)
    print(json.dumps(fill(students=options.students, class_size=options.class_size, great_class=options.great_class)))


def sizes(*, students: int, class_size: int, great_class: int) -> list[int]:
    """Return how many sit in each class: one ordinary one, the great one if there is one, then ordinary ones."""
    found = [min(class_size, students)]
    if great_class:
        found.append(min(great_class, students - found[0]))
    while (left := students - sum(found)) > 0:
        found.append(min(class_size, left))
    return [size for size in found if size]


def fill(*, students: int, class_size: int, great_class: int = 0) -> dict:
    """Make carol, her classes and their students; return what the load generator needs to be them."""
    seats = sizes(students=students, class_size=class_size, great_class=great_class)
    carol = User(username="carol", role=User.Role.TEACHER, password=UNUSABLE_PASSWORD_PREFIX + "carol")
    carol.save()
    classes = [create_classroom(teacher=carol, name=f"Class {number}")
               for number in range(1, len(seats) + 1)]
    class_of = [classroom for classroom, size in zip(classes, seats, strict=True) for _ in range(size)]
    text = create_text(owner=carol, raw=demo.raw_text(STORY), classrooms=classes)
    with transaction():
        users = User.objects.bulk_create(
            User(username=new_student_username(), role=User.Role.STUDENT,
                 password=f"{UNUSABLE_PASSWORD_PREFIX}{number}") for number in range(students))
        enrollments = Enrollment.objects.bulk_create(
            Enrollment(user=user, classroom=class_of[number], nickname=f"Reader {number}",
                       nickname_key=f"reader {number}", pin="")
            for number, user in enumerate(users))
        readings = [_reading(enrollment, text, number) for number, enrollment in enumerate(enrollments)]
        ReadingSession.objects.bulk_create(readings)
    cookies = _log_in(users, backend="classrooms.backends.EnrollmentBackend")
    (teachers_cookie,) = _log_in([carol], backend="django.contrib.auth.backends.ModelBackend")
    return {
        "students": [{"path": f"/ws/sessions/{reading.pk}/", "page": f"/read/{reading.pk}/page/1/", "cookie": cookie}
                     for reading, cookie in zip(readings, cookies, strict=True)],
        "classes": [{"id": str(classroom.pk), "first": sum(seats[:place]), "students": seats[place],
                     "teacher": {"path": f"/ws/classrooms/{classroom.pk}/", "cookie": teachers_cookie}}
                    for place, classroom in enumerate(classes[:2 if great_class else 1])],
    }


def _reading(enrollment: Enrollment, text: Text, number: int) -> ReadingSession:
    """Readers are spread over the text."""
    place = number % text.word_count
    return ReadingSession(enrollment=enrollment, text=text, word_index=place, furthest_word_index=place, rev=1)


def _log_in(users: list[User], *, backend: str) -> list[str]:
    """Return a session key for each user."""
    store = SessionStore()
    now, expires = time.time(), timezone.now() + timezone.timedelta(seconds=LOG_IN_SECONDS)
    rows = [store.model(
        session_key=store._get_new_session_key(), expire_date=expires,
        session_data=store.encode({
            SESSION_KEY: str(user.pk), BACKEND_SESSION_KEY: backend,
            HASH_SESSION_KEY: user.get_session_auth_hash(), "auth_at": now}),
    ) for user in users]
    with transaction():
        store.model.objects.bulk_create(rows)
    return [row.session_key for row in rows]


if __name__ == "__main__":
    main()
