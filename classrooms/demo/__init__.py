"""The demo class: its texts, its people and their log-ins, so that a first visitor has someone to be.

`manage.py demo` (in `sessions`, for it makes reading histories too) fills it in on the first run only.
"""

import json
from pathlib import Path

from django.conf import settings

from classrooms.database import transaction
from classrooms.models import Classroom, User, new_code

TEXTS = {
    "a-burrow-is-a-home": "ages 6 to 8",
    "the-lighthouse-keeper": "ages 9 to 11",
    "how-bread-rises": "ages 9 to 12",
    "the-map-of-the-drowned-street": "ages 12 to 15",
}
TEACHER = {"username": "carol", "password": "lamp-oil-1902"}  # for everyone who reads this, where anyone may sign up too
STUDENTS = {"alice": "1234", "bob": "2345", "Mia": "3456", "Omar": "4567", "Jun": "5678", "Noor": "6789",
            "Teo": "7890", "Ada": "8901"}


def raw_text(slug: str) -> str:
    return (Path(__file__).parent / f"{slug}.txt").read_text(encoding="utf-8")


def marker() -> Path:
    """The ignored file that says which class of this installation is the demo."""
    return settings.DATA_DIR / "demo.json"


def note(**facts) -> None:
    """Write what `accounts` asks for, for its owner's eyes: a password may be among it."""
    marker().parent.mkdir(parents=True, exist_ok=True)
    marker().touch(mode=0o600)
    marker().chmod(0o600)
    marker().write_text(json.dumps(facts))


def hide_teacher() -> None:
    """Give the demo's teacher a password that is not known to all the world, unless they have another already."""
    teacher = User.objects.get(username=TEACHER["username"])
    if not teacher.check_password(TEACHER["password"]):
        return
    password = new_code()
    teacher.set_password(password)
    note(**json.loads(marker().read_text()) | {"password": password})
    with transaction():
        teacher.save(update_fields=["password"])


def accounts() -> dict | None:
    """Return {"teacher": {username, password}, "students": [{code, nickname, pin}…]} of the demo, None without one."""
    try:
        noted = json.loads(marker().read_text())
        classroom = Classroom.objects.get(pk=noted["classroom"], is_open=True, archived_at=None)
    except (OSError, ValueError, KeyError, Classroom.DoesNotExist):
        return None
    if not User.objects.filter(username=TEACHER["username"], is_active=True).exists():
        return None
    return {"teacher": TEACHER | {"password": noted.get("password", TEACHER["password"])}, "students": [
        {"code": classroom.code_display, "nickname": nickname, "pin": pin} for nickname, pin in STUDENTS.items()]}
