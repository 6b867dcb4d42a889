"""The demo class: its texts, its people and their log-ins, so that a first visitor has someone to be.

`manage.py demo` (in `sessions`, for it makes reading histories too) fills it in on the first run only.
"""

import json
from pathlib import Path

from django.conf import settings

from classrooms.models import Classroom, User

TEXTS = {
    "a-burrow-is-a-home": "ages 6 to 8",
    "the-lighthouse-keeper": "ages 9 to 11",
    "how-bread-rises": "ages 9 to 12",
    "the-map-of-the-drowned-street": "ages 12 to 15",
}
TEACHER = {"username": "carol", "password": "lamp-oil-1902"}
STUDENTS = {"alice": "1234", "bob": "2345", "Mia": "3456", "Omar": "4567", "Jun": "5678", "Noor": "6789",
            "Teo": "7890", "Ada": "8901"}


def raw_text(slug: str) -> str:
    return (Path(__file__).parent / f"{slug}.txt").read_text(encoding="utf-8")


def marker() -> Path:
    """The ignored file that says which class of this installation is the demo."""
    return settings.DATA_DIR / "demo.json"


def accounts() -> dict | None:
    """Return {"teacher": {username, password}, "students": [{code, nickname, pin}…]} of the demo, None without one."""
    try:
        classroom = Classroom.objects.get(pk=json.loads(marker().read_text())["classroom"], is_open=True, archived_at=None)
    except (OSError, ValueError, KeyError, Classroom.DoesNotExist):
        return None
    if not User.objects.filter(username=TEACHER["username"], is_active=True).exists():
        return None
    return {"teacher": TEACHER, "students": [
        {"code": classroom.code_display, "nickname": nickname, "pin": pin} for nickname, pin in STUDENTS.items()]}
