"""Classes and what their teachers set about them."""

from django.db.models import F

from classrooms import database, signals
from classrooms.database import transaction
from classrooms.models import Classroom, User, new_code


class UnknownTeacher(Exception):
    """No teacher has this user name or confirmed address, or more than one has."""


class LastTeacher(Exception):
    """Without this one nobody would teach the class."""


def create_classroom(*, teacher: User, name: str) -> Classroom:
    with transaction():
        classroom = Classroom.objects.create(name=name)
        classroom.teachers.add(teacher)
    return classroom


def change_classroom(classroom: Classroom, **changes) -> None:
    """Set fields of a class that its teachers may set: `name`, `ai_enabled`, `is_open`, `daily_questions`.

    The class's counter grows, so open pages find at their next heartbeat that they are behind, and ask.
    """
    changes = {name: value for name, value in changes.items() if getattr(classroom, name) != value}
    if not changes:
        return
    with transaction():
        Classroom.objects.filter(pk=classroom.pk).update(version=F("version") + 1, **changes)
    classroom.refresh_from_db(fields=[*changes, "version"])


def rotate_code(classroom: Classroom) -> None:
    """Give the class a new code; the old one opens nothing from now on."""
    with transaction():
        classroom.code = new_code()
        classroom.save(update_fields=["code"])


def archive_classroom(classroom: Classroom) -> None:
    """Put a class away: its door closes, its students' log-ins show nothing, their sockets close.

    Teachers go on reading all of it. What is asked already gets its answer.
    """
    with transaction():
        classroom.archived_at = database.now()
        classroom.save(update_fields=["archived_at"])
        signals.classroom_archived.send(Classroom, classroom=classroom)


def unarchive_classroom(classroom: Classroom) -> None:
    """Bring a class back as it was, its door as open as it stood."""
    with transaction():
        classroom.archived_at = None
        classroom.save(update_fields=["archived_at"])
        signals.classroom_unarchived.send(Classroom, classroom=classroom)


def find_teacher(name: str) -> User:
    """Return the teacher whose user name or address this is; raise UnknownTeacher.

    An address counts once its owner confirmed it: anyone may sign up with another's. And whose user name looks like an
    address is not found by it where it is somebody else's.
    """
    teachers = User.objects.filter(role=User.Role.TEACHER, is_active=True)
    named = list(teachers.filter(username=name)) or list(teachers.filter(username__iexact=name)[:2])
    found = {*named, *teachers.filter(email__iexact=name, email_confirmed=True)[:2]}
    if len(found) != 1:
        raise UnknownTeacher
    return found.pop()


def add_teacher(classroom: Classroom, *, name: str) -> User:
    """Let another teacher teach the class with all that its first one may. Raises UnknownTeacher."""
    teacher = find_teacher(name)
    with transaction():
        classroom.teachers.add(teacher)
    return teacher


def remove_teacher(classroom: Classroom, *, teacher_id: int) -> User:
    """Take a teacher from the class; their open rooms close. Raises User.DoesNotExist, LastTeacher."""
    with transaction():
        # The lock makes the second of two wait who remove each other in the same moment.
        Classroom.objects.select_for_update(of=("self",), no_key=True).get(pk=classroom.pk)
        teacher = classroom.teachers.get(pk=teacher_id)
        if not classroom.teachers.filter(is_active=True).exclude(pk=teacher_id).exists():
            raise LastTeacher
        classroom.teachers.remove(teacher)
    return teacher


def classroom_for_user(user: User, classroom_id: int) -> Classroom:
    """Return a class the user teaches; raise Classroom.DoesNotExist for any other, present or absent."""
    return user.classrooms.get(pk=classroom_id)
