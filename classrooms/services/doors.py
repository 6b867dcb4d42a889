"""The students' door: class code, nickname and PIN, at the first visit and at every other."""

import unicodedata

from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password
from django.db import IntegrityError

from classrooms import signals
from classrooms.database import transaction
from classrooms.models import Classroom, Enrollment, User, new_student_username
from classrooms.services import attempts

# Fillers and blanks that Unicode counts among letters, symbols and marks; the others are of category Cf.
INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | {chr(0xfe00 + n) for n in range(16)}


class WrongCode(Exception):
    """No open class has this code."""


class TooManyCodes(attempts.TooManyAttempts):
    """Wrong once more, after many wrong codes from the same address. A right one still opens."""


class WrongPin(Exception):
    """The nickname is taken in this class and the PIN is not its own."""


def normalize_code(code: str) -> str:
    """Return a code as stored: children type spaces, hyphens and small letters."""
    return "".join(character for character in code.upper() if character.isalnum())


def tidy_nickname(nickname: str) -> str:
    """Return a nickname as stored: NFC, one space between its words."""
    return unicodedata.normalize("NFC", " ".join(nickname.split()))


def nickname_key(nickname: str) -> str:
    """Return what makes two nicknames the same name; "" for one that nobody could see.

    Characters without a shape are left out, or `ali<zero-width space>ce` would sit beside alice and look like her.
    """
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", nickname).casefold())
    return "".join(letter for letter in folded if letter not in INVISIBLE and unicodedata.category(letter) != "Cf").strip()


def open_classroom(code: str) -> Classroom:
    """Return the open class with this code; raise WrongCode."""
    try:
        return Classroom.objects.get(code=normalize_code(code), is_open=True, archived_at=None)
    except Classroom.DoesNotExist:
        raise WrongCode from None


def join_classroom(*, code: str, nickname: str, pin: str, address: str) -> Enrollment:
    """Return the enrollment of a nickname in a class, made at the first visit; the same door for coming back.

    Raises WrongCode, WrongPin, TooManyCodes, TooManyAttempts (ever more wrong codes from one address, wrong PINs of one
    nickname, new nicknames in one class).
    """
    # A school behind one address mistypes, so after its first wrong codes a right one still opens. A machine
    # guesses: after more than a school ever does nothing from there is looked up.
    if attempts.attempts_used_up("guess", address, limit=settings.LIMITS.code_guesses):
        raise attempts.TooManyAttempts
    try:
        classroom = open_classroom(code)
    except WrongCode:
        attempts.count_attempt("guess", address, limit=settings.LIMITS.code_guesses)
        if not attempts.count_attempt("code", address, limit=settings.LIMITS.code_attempts):
            raise TooManyCodes from None
        raise
    nickname = tidy_nickname(nickname)
    enrollment = authenticate_enrollment(code=code, nickname=nickname, pin=pin)
    if enrollment is not None:
        return enrollment
    if classroom.enrollments.filter(nickname_key=nickname_key(nickname)).exists():
        raise WrongPin
    # The code stands on a board. A program that knows it must not fill the class, each of its students with a day's
    # questions of their own.
    if not attempts.count_attempt("newcomer", str(classroom.pk), limit=settings.LIMITS.newcomers):
        raise attempts.TooManyAttempts
    return enroll(classroom, nickname=nickname, pin=pin)


def authenticate_enrollment(*, code: str, nickname: str, pin: str) -> Enrollment | None:
    """Return the enrollment that code, nickname and PIN open, or None. Raises TooManyAttempts before hashing."""
    enrollment = (Enrollment.objects.select_related("user", "classroom")
                  .filter(classroom__code=normalize_code(code), classroom__is_open=True, classroom__archived_at=None,
                          nickname_key=nickname_key(nickname), removed_at=None, user__is_active=True).first())
    if enrollment is None:
        return None
    key = str(enrollment.pk)
    if not attempts.count_attempt("pin", key, limit=settings.LIMITS.pin_attempts):
        raise attempts.TooManyAttempts
    if not check_password(pin, enrollment.pin):
        return None
    attempts.forget_attempts("pin", key)
    return enrollment


def enroll(classroom: Classroom, *, nickname: str, pin: str) -> Enrollment:
    """Make a student of a class: a user who cannot log in by name, and the nickname and PIN that can."""
    hashed = make_password(pin)  # outside the transaction: it takes its time on purpose
    try:
        with transaction():
            user = User(username=new_student_username(), role=User.Role.STUDENT)
            user.set_unusable_password()
            user.save()
            enrollment = Enrollment.objects.create(
                user=user, classroom=classroom, nickname=nickname, nickname_key=nickname_key(nickname), pin=hashed)
            signals.student_joined.send(Enrollment, enrollment=enrollment)
            return enrollment
    except IntegrityError:  # another child took the name in this moment
        raise WrongPin from None
