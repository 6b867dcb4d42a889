"""The table of rights: every address, and what each person gets there for alice's, bob's and mallory's things.

`ROWS` is read by tests/test_matrix.py, which fails for an address without a row here. A new address gets a line in the
table; one for programs is written once and holds for both its prefixes.
"""

from dataclasses import dataclass, field
from typing import Any

ROLES = ("anonymous", "alice", "removed", "carol", "trent", "staff", "superuser")
THINGS = ("alice", "bob", "mallory")  # whose things an address names: alice's own, her class's, another class's

DOOR = "door"  # sent to log in, or to join

# What a person gets for the things of alice, bob and mallory; one value stands for all three. OK is the row's `ok`.
OK = "ok"
Rights = dict[str, Any]


def rights(*, anonymous=DOOR, alice: Any, removed: Any, carol: Any, trent: Any, staff: Any = None, superuser: Any) -> Rights:
    """Return a line of the table. `staff` teaches carol's class too and is told the same unless it says otherwise."""
    return {"anonymous": anonymous, "alice": alice, "removed": removed, "carol": carol, "trent": trent,
            "staff": carol if staff is None else staff, "superuser": superuser}


ANYONE = rights(anonymous=OK, alice=OK, removed=OK, carol=OK, trent=OK, superuser=OK)
STUDENTS = rights(alice=OK, removed=DOOR, carol=403, trent=403, superuser=403)
# A removed student's own things stay with the class; nothing in the table is theirs.
OWN_READING = rights(alice=(OK, 404, 404), removed=DOOR, carol=403, trent=403, superuser=403)
CLASS_TEXT = rights(alice=(OK, OK, 404), removed=DOOR, carol=403, trent=403, superuser=403)
TEACHERS = rights(alice=403, removed=403, carol=OK, trent=OK, superuser=OK)
# An administrator who teaches no class has the admin for them, not the teachers' pages.
TEACHERS_OF_THE_CLASS = rights(alice=403, removed=403, carol=(OK, OK, 404), trent=(404, 404, OK), superuser=404)
# A colleague sees what the class they share reads; only who brought a text changes it.
OWNER_OF_THE_TEXT = TEACHERS_OF_THE_CLASS | {"staff": 404}

# Programs are told 401, and of what is not theirs that there is no such thing.
ANYONE_LOGGED_IN = rights(anonymous=401, alice=OK, removed=OK, carol=OK, trent=OK, superuser=OK)
API_OWN_READING = rights(anonymous=401, alice=(OK, 404, 404), removed=404, carol=404, trent=404, superuser=404)
API_START_READING = rights(anonymous=401, alice=(OK, OK, 404), removed=404, carol=404, trent=404, superuser=404)
API_TEXT = rights(anonymous=401, alice=(OK, OK, 404), removed=404, carol=(OK, OK, 404), trent=(404, 404, OK), superuser=404)
API_CLASS = rights(anonymous=401, alice=(OK, OK, 404), removed=404, carol=(OK, OK, 404), trent=(404, 404, OK), superuser=404)
API_CLASS_OF_TEACHER = API_CLASS | {"alice": 404}
API_TEACHERS = rights(anonymous=401, alice=403, removed=403, carol=OK, trent=OK, superuser=OK)
API_TEACHERS_OF_THE_CLASS = API_CLASS_OF_TEACHER | {"alice": 403, "removed": 403}

# Everybody else is sent to the door of the administration, which tells those who are logged in that it is not theirs.
ADMIN = rights(alice=DOOR, removed=DOOR, carol=DOOR, trent=DOOR, staff=OK, superuser=OK)
ADMIN_DOOR = rights(alice=403, removed=403, carol=403, trent=403, staff=OK, superuser=OK)
ADMINISTRATORS = ADMIN | {"staff": 403}
# Django sends whoever asks for a row that is not theirs to the first page, as for one that is not there.
ADMIN_OWN_ROW = ADMIN | {"staff": (OK, OK, 302)}
ADMIN_NOBODY = ADMIN | {"staff": 403, "superuser": 403}


@dataclass(frozen=True)
class Row:
    """One address and method. `route` is written as in the addresses' own table; `{…}` in `data` are ids of things."""

    route: str
    rights: Rights
    method: str = "GET"
    ok: int = 200
    data: dict[str, Any] = field(default_factory=dict)
    is_json: bool = False

    def expected(self, role: str, place: int) -> int | str:
        wanted = self.rights[role]
        wanted = wanted[place] if isinstance(wanted, tuple) else wanted
        return self.ok if wanted == OK else wanted


def get(route: str, rights: Rights, **options) -> Row:
    return Row(route, rights, **options)


def post(route: str, rights: Rights, *, ok: int = 302, **data) -> Row:
    return Row(route, rights, method="POST", ok=ok, data=data)


PAGES = [
    get("", ANYONE),
    get("jsi18n/", ANYONE),
    get("join/", ANYONE),
    post("join/", ANYONE, ok=400),
    get("j/<str:code>/", ANYONE),
    post("j/<str:code>/", ANYONE, ok=400),
    get("login/", ANYONE),
    post("login/", ANYONE, ok=400),
    post("logout/", ANYONE),
    get("signup/", ANYONE),
    post("signup/", ANYONE, ok=400),
    get("password/reset/", ANYONE),
    post("password/reset/", ANYONE, ok=400),
    get("password/reset/sent/", ANYONE),
    get("password/reset/<str:uidb64>/<str:token>/", ANYONE),
    post("password/reset/<str:uidb64>/<str:token>/", ANYONE, ok=200),  # says that the link is not good

    get("read/", STUDENTS),
    post("read/texts/<int:text_id>/", CLASS_TEXT),
    get("read/<uuid:reading_session_id>/", OWN_READING, ok=302),
    get("read/<uuid:reading_session_id>/page/<int:page>/", OWN_READING),
    post("read/<uuid:reading_session_id>/progress/", OWN_READING, word_index="5"),

    get("account/", TEACHERS),
    post("account/", TEACHERS, first_name="Someone"),
    get("account/password/", TEACHERS),
    post("account/password/", TEACHERS, ok=400),
    post("account/email/", TEACHERS),
    get("account/email/<str:token>/", TEACHERS),
    post("account/email/<str:token>/", TEACHERS, ok=404),
    get("classes/", TEACHERS),
    get("classes/new/", TEACHERS),
    post("classes/new/", TEACHERS, name="9C"),
    get("classes/<int:classroom_id>/", TEACHERS_OF_THE_CLASS),
    get("classes/<int:classroom_id>/qr.svg", TEACHERS_OF_THE_CLASS),
    post("classes/<int:classroom_id>/code/", TEACHERS_OF_THE_CLASS),
    get("classes/<int:classroom_id>/settings/", TEACHERS_OF_THE_CLASS),
    post("classes/<int:classroom_id>/settings/", TEACHERS_OF_THE_CLASS, name="Renamed"),
    post("classes/<int:classroom_id>/teachers/", TEACHERS_OF_THE_CLASS, name="superuser"),
    post("classes/<int:classroom_id>/teachers/<int:teacher_id>/remove/", TEACHERS_OF_THE_CLASS),
    post("classes/<int:classroom_id>/archive/", TEACHERS_OF_THE_CLASS),
    post("classes/<int:classroom_id>/unarchive/", TEACHERS_OF_THE_CLASS),
    get("classes/<int:classroom_id>/roster/", TEACHERS_OF_THE_CLASS),
    get("classes/<int:classroom_id>/students/<int:enrollment_id>/", TEACHERS_OF_THE_CLASS),
    post("classes/<int:classroom_id>/students/<int:enrollment_id>/remove/", TEACHERS_OF_THE_CLASS),
    post("classes/<int:classroom_id>/students/<int:enrollment_id>/pin/", TEACHERS_OF_THE_CLASS, pin="7531"),
    get("classes/<int:classroom_id>/texts/<int:text_id>/paragraphs/", TEACHERS_OF_THE_CLASS),
    get("classes/<int:classroom_id>/texts/new/", TEACHERS_OF_THE_CLASS),
    post("classes/<int:classroom_id>/texts/new/", TEACHERS_OF_THE_CLASS, ok=400),
    get("texts/", TEACHERS),
    get("texts/new/", TEACHERS),
    post("texts/new/", TEACHERS, ok=400),
    get("texts/<int:text_id>/", TEACHERS_OF_THE_CLASS),
    post("texts/<int:text_id>/classes/", TEACHERS_OF_THE_CLASS),
    get("texts/<int:text_id>/edit/", OWNER_OF_THE_TEXT),
    post("texts/<int:text_id>/edit/", OWNER_OF_THE_TEXT, ok=400),
    post("texts/<int:text_id>/delete/", OWNER_OF_THE_TEXT),
]


def program(method: str, route: str, rights: Rights, *, ok: int = 200, **data) -> Row:
    return Row(f"api/v1/{route}", rights, method=method, ok=ok, data=data, is_json=True)


_V1 = [
    program("GET", "", ANYONE_LOGGED_IN),
    program("GET", "schema/", ANYONE_LOGGED_IN),
    program("POST", "token/", ANYONE, ok=400),
    program("DELETE", "token/", API_TEACHERS, ok=204),
    program("GET", "texts/", ANYONE_LOGGED_IN),
    program("GET", "texts/<int:text_id>/", API_TEXT),
    program("GET", "texts/<int:text_id>/pages/<int:page>/", API_TEXT),
    program("GET", "classrooms/", ANYONE_LOGGED_IN),
    program("POST", "classrooms/", API_TEACHERS, ok=201, name="9C"),
    program("GET", "classrooms/<int:classroom_id>/", API_CLASS),
    program("PATCH", "classrooms/<int:classroom_id>/", API_TEACHERS_OF_THE_CLASS, name="Renamed"),
    program("GET", "classrooms/<int:classroom_id>/enrollments/", API_TEACHERS_OF_THE_CLASS),
    program("GET", "classrooms/<int:classroom_id>/enrollments/<int:enrollment_id>/", API_TEACHERS_OF_THE_CLASS),
    program("DELETE", "classrooms/<int:classroom_id>/enrollments/<int:enrollment_id>/", API_TEACHERS_OF_THE_CLASS, ok=204),
    program("GET", "classrooms/<int:classroom_id>/interruptions/", API_CLASS_OF_TEACHER),
    program("POST", "classrooms/<int:classroom_id>/ticket/", API_CLASS_OF_TEACHER, ok=201),
    program("GET", "sessions/", ANYONE_LOGGED_IN),
    program("POST", "sessions/", API_START_READING, ok=201, text="{text_id}"),
    program("GET", "sessions/<uuid:reading_session_id>/", API_OWN_READING),
    program("GET", "sessions/<uuid:reading_session_id>/progress/", API_OWN_READING),
    program("PUT", "sessions/<uuid:reading_session_id>/progress/", API_OWN_READING, wordIndex=5, rev=1),
    program("GET", "sessions/<uuid:reading_session_id>/interruptions/", API_OWN_READING),
    program("POST", "sessions/<uuid:reading_session_id>/interruptions/", API_OWN_READING, ok=201,
            id="0d7ee1c5-93a6-4c8a-a4f6-2f5a4d1f2b11", questionText="What is a burrow?"),
    program("GET", "sessions/<uuid:reading_session_id>/interruptions/<uuid:interruption_id>/", API_OWN_READING),
    program("POST", "sessions/<uuid:reading_session_id>/ticket/", API_OWN_READING, ok=201),
]


def alias(row: Row) -> Row:
    """Return the same row at the address of whichever version is newest."""
    return Row(row.route.replace("api/v1/", "api/", 1), row.rights, row.method, row.ok, row.data, row.is_json)


def _admin() -> list[Row]:
    """Return the rows of the administration: for each table who lists, adds, changes, deletes and looks back."""
    rows = [
        get("admin/", ADMIN),
        get("admin/login/", ADMIN_DOOR, ok=302),
        post("admin/logout/", ANYONE, ok=302),  # back to the first page, who is not in
        get("admin/password_change/", ADMIN, ok=302),
        get("admin/password_change/done/", ADMIN),
        get("admin/jsi18n/", ADMIN),
        get("admin/autocomplete/", ADMIN_NOBODY),  # without saying for which field
        get("admin/r/<path:content_type_id>/<path:object_id>/", ADMIN | {"staff": 404, "superuser": 404}),
        get("admin/(?P<app_label>classrooms|reading_sessions)/", ADMIN),
        get("admin/(?P<url>.*)", ADMIN | {"staff": 404, "superuser": 404}),
        get("admin/classrooms/user/<id>/password/", ADMINISTRATORS | {"superuser": 404}),  # students have none
    ]
    administrators_only = ("user", "attemptcount", "receipt", "eviction")
    tables = [*(("classrooms", name) for name in ("classroom", "enrollment", "attemptcount", "user", "text")),
              *(("reading_sessions", name) for name in (
                  "readingsession", "interruption", "broadcast", "connectionlog", "receipt", "eviction"))]
    for app, name in tables:
        path = f"admin/{app}/{name}/"
        row = f"{path}<path:object_id>/"
        is_closed = name in administrators_only
        rows += [
            get(path, ADMINISTRATORS if is_closed else ADMIN),
            get(f"{path}add/", ADMINISTRATORS if name in ("classroom", "user") else ADMIN_NOBODY),
            get(f"{row}change/", ADMINISTRATORS if is_closed else ADMIN_OWN_ROW),
            get(f"{row}history/", ADMINISTRATORS if is_closed else ADMIN_OWN_ROW),
            get(f"{row}delete/", ADMINISTRATORS if name == "text" else ADMIN_NOBODY),  # a text that nobody has read
            get(row, ADMIN, ok=302),  # to …/change/, whatever is named
        ]
    return rows


ROWS: list[Row] = PAGES + _V1 + [alias(row) for row in _V1] + _admin()

# Sockets: the type of the first message, or the code the server closes with.
NOT_LOGGED_IN, REMOVED, NOT_FOUND = 4401, 4403, 4404
SESSION = rights(anonymous=NOT_LOGGED_IN, alice=("SESSION_RESTORED", NOT_FOUND, NOT_FOUND), removed=NOT_FOUND,
                 carol=NOT_FOUND, trent=NOT_FOUND, superuser=NOT_FOUND)
ROOM = rights(anonymous=NOT_LOGGED_IN, alice=NOT_FOUND, removed=NOT_FOUND,
              carol=("CLASSROOM_STATE", "CLASSROOM_STATE", NOT_FOUND),
              trent=(NOT_FOUND, NOT_FOUND, "CLASSROOM_STATE"), superuser=NOT_FOUND)
SOCKETS: dict[str, Rights] = {
    "ws/sessions/<uuid:reading_session_id>/": SESSION,
    "ws/<uuid:reading_session_id>": SESSION,
    "ws/classrooms/<int:classroom_id>/": ROOM,
    "": rights(anonymous="refused", alice="refused", removed="refused", carol="refused", trent="refused",
               superuser="refused"),
}
