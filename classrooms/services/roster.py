"""The students of a class, as their teacher sees and changes them."""

from django.contrib.auth.hashers import make_password
from django.db.models import Max, QuerySet

from classrooms import database, signals
from classrooms.database import transaction
from classrooms.models import Classroom, Enrollment, User
from classrooms.services import attempts


def students_of(classroom: Classroom) -> QuerySet[Enrollment]:
    """Return the present students of a class by nickname, each with `last_seen` (None: has not opened a text)."""
    return classroom.enrollments.filter(removed_at=None).annotate(last_seen=Max("reading_sessions__last_seen"))


def enrollment_for_user(user: User, classroom_id: int, enrollment_id: int) -> Enrollment:
    """Return a present student of a class the user teaches; raise Enrollment.DoesNotExist."""
    return Enrollment.objects.select_related("classroom", "user").get(
        # By the class's own key: Django turns a number beyond every row into "none" there, but not in a foreign key.
        pk=enrollment_id, classroom__in=user.classrooms.filter(pk=classroom_id), removed_at=None)


def names_in_class(classroom_id: int) -> list[str]:
    """Return what the people of a class are called: nicknames, of those who left too, and the teachers' names."""
    names = list(Enrollment.objects.filter(classroom_id=classroom_id).values_list("nickname", flat=True))
    for teacher in User.objects.filter(classrooms=classroom_id):
        names += [teacher.username, teacher.first_name, teacher.last_name]
    return [name for name in names if name]


def set_pin(enrollment: Enrollment, *, pin: str) -> None:
    """Give a student a new PIN, forget wrong guesses at the old one, and end every log-in that it opened."""
    enrollment.pin = make_password(pin)
    with transaction():
        enrollment.save(update_fields=["pin"])
        # Whoever else knew the old PIN may sit in a log-in now. Log-ins hang on the user's password, even on this
        # one, which opens nothing.
        enrollment.user.set_unusable_password()
        enrollment.user.save(update_fields=["password"])
        attempts.forget_attempts("pin", str(enrollment.pk))


def remove_student(enrollment: Enrollment) -> None:
    """Take a student out of the class. What they read and asked stays with the class; their sockets close."""
    with transaction():
        enrollment.removed_at = database.now()
        # The nickname is free again for whoever comes next; nobody can be called what stands here now.
        enrollment.nickname_key = f"\x1f{enrollment.pk}"
        enrollment.save(update_fields=["removed_at", "nickname_key"])
        signals.student_removed.send(Enrollment, enrollment=enrollment)
