"""What can be done with classes, students and texts: plain synchronous functions, one transaction each.

Views, forms, the admin and the demo call these. What reading sessions must know is told by `signals`.
"""

import hashlib
import unicodedata
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password
from django.db import IntegrityError
from django.db.models import F

from classrooms import database, signals
from classrooms.database import transaction
from classrooms.importing import ImportedText, import_text
from classrooms.models import (
    AttemptCount,
    Classroom,
    Enrollment,
    Passage,
    Text,
    User,
    new_code,
    new_student_username,
)

# Fillers and blanks that Unicode counts among letters, symbols and marks; the others are of category Cf.
INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | {chr(0xfe00 + n) for n in range(16)}


class JoinRefused(Exception):
    """Base of the reasons for which a student may not come in."""


class WrongCode(JoinRefused):
    """No open class has this code."""


class WrongPin(JoinRefused):
    """The nickname is taken in this class and the PIN is not its own."""


class TooManyAttempts(JoinRefused):
    """Guessing was stopped before anything was looked up or hashed."""


def count_attempt(kind: str, key: str, *, limit: int) -> bool:
    """Count a guess; False when there were `limit` in the last window already. One conditional UPDATE, then hashing.

    The row is changed before the guess is looked at, so a hundred parallel guesses are counted as a hundred.
    """
    digest = _digest(kind, key)
    with transaction():
        now = database.now()
        old = now - timedelta(seconds=settings.DURATIONS.attempts)
        counts = AttemptCount.objects.filter(key=digest)
        if counts.filter(since__lte=old).update(count=1, since=now):
            return True
        if counts.filter(count__lt=limit).update(count=F("count") + 1):
            return True
        _, first = AttemptCount.objects.get_or_create(key=digest, defaults={"count": 1, "since": now})
        if first:
            _drop_counts(until=old)
            return True
        # Another first guess made the row in this moment, or the limit is reached.
        return bool(counts.filter(count__lt=limit).update(count=F("count") + 1))


def attempts_used_up(kind: str, key: str, *, limit: int) -> bool:
    """True when `limit` guesses were counted in the running window."""
    since = database.now() - timedelta(seconds=settings.DURATIONS.attempts)
    return AttemptCount.objects.filter(key=_digest(kind, key), count__gte=limit, since__gt=since).exists()


def forget_attempts(kind: str, key: str) -> None:
    """Forgive earlier guesses after a right one."""
    with transaction():
        AttemptCount.objects.filter(key=_digest(kind, key)).delete()


def _digest(kind: str, key: str) -> str:
    return hashlib.sha256(f"{kind}:{key}".encode()).hexdigest()


def _drop_counts(*, until: datetime) -> None:
    """Delete some counts whose window is over: each new row pays for older ones, so that guesses cannot fill the table."""
    over = AttemptCount.objects.select_for_update(skip_locked=True).filter(since__lte=until)
    AttemptCount.objects.filter(key__in=list(over.values_list("key", flat=True)[:100])).delete()


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
        return Classroom.objects.get(code=normalize_code(code), is_open=True)
    except Classroom.DoesNotExist:
        raise WrongCode from None


def join_classroom(*, code: str, nickname: str, pin: str, address: str) -> Enrollment:
    """Return the enrollment of a nickname in a class, made at the first visit; the same door for coming back.

    Raises WrongCode, WrongPin, TooManyAttempts (wrong codes from one address, wrong PINs of one nickname).
    """
    # A school behind one address mistypes, so after its first wrong codes a right one still opens. A machine
    # guesses: after many times as many nothing from there is looked up any more.
    if attempts_used_up("guess", address, limit=settings.LIMITS.code_guesses):
        raise TooManyAttempts
    try:
        classroom = open_classroom(code)
    except WrongCode:
        count_attempt("guess", address, limit=settings.LIMITS.code_guesses)
        if not count_attempt("code", address, limit=settings.LIMITS.code_attempts):
            raise TooManyAttempts from None
        raise
    nickname = tidy_nickname(nickname)
    enrollment = authenticate_enrollment(code=code, nickname=nickname, pin=pin)
    if enrollment is not None:
        return enrollment
    if classroom.enrollments.filter(nickname_key=nickname_key(nickname)).exists():
        raise WrongPin
    return enroll(classroom, nickname=nickname, pin=pin)


def authenticate_enrollment(*, code: str, nickname: str, pin: str) -> Enrollment | None:
    """Return the enrollment that code, nickname and PIN open, or None. Raises TooManyAttempts before hashing."""
    enrollment = (Enrollment.objects.select_related("user", "classroom")
                  .filter(classroom__code=normalize_code(code), classroom__is_open=True,
                          nickname_key=nickname_key(nickname), removed_at=None, user__is_active=True).first())
    if enrollment is None:
        return None
    key = str(enrollment.pk)
    if not count_attempt("pin", key, limit=settings.LIMITS.pin_attempts):
        raise TooManyAttempts
    if not check_password(pin, enrollment.pin):
        return None
    forget_attempts("pin", key)
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


def set_pin(enrollment: Enrollment, *, pin: str) -> None:
    """Give a student a new PIN, forget wrong guesses at the old one, and end every log-in that it opened."""
    enrollment.pin = make_password(pin)
    with transaction():
        enrollment.save(update_fields=["pin"])
        # Whoever else knew the old PIN may sit in a log-in now. Log-ins hang on the user's password, even on this
        # one, which opens nothing.
        enrollment.user.set_unusable_password()
        enrollment.user.save(update_fields=["password"])
        forget_attempts("pin", str(enrollment.pk))


def remove_student(enrollment: Enrollment) -> None:
    """Take a student out of the class. What they read and asked stays with the class; their sockets close."""
    with transaction():
        enrollment.removed_at = database.now()
        # The nickname is free again for whoever comes next; nobody can be called what stands here now.
        enrollment.nickname_key = f"\x1f{enrollment.pk}"
        enrollment.save(update_fields=["removed_at", "nickname_key"])
        signals.student_removed.send(Enrollment, enrollment=enrollment)


def create_classroom(*, teacher: User, name: str) -> Classroom:
    with transaction():
        classroom = Classroom.objects.create(name=name)
        classroom.teachers.add(teacher)
    return classroom


def rotate_code(classroom: Classroom) -> None:
    """Give the class a new code; the old one opens nothing from now on."""
    with transaction():
        classroom.code = new_code()
        classroom.save(update_fields=["code"])


def classroom_for_user(user: User, classroom_id: int) -> Classroom:
    """Return a class the user teaches; raise Classroom.DoesNotExist for any other, present or absent."""
    return user.classrooms.get(pk=classroom_id)


def enrollment_for_user(user: User, classroom_id: int, enrollment_id: int) -> Enrollment:
    """Return a present student of a class the user teaches; raise Enrollment.DoesNotExist."""
    return Enrollment.objects.select_related("classroom", "user").get(
        pk=enrollment_id, classroom_id=classroom_id, classroom__teachers=user, removed_at=None)


def create_text(*, owner: User, raw: str, title: str = "", level: str = "",
                classrooms: Iterable[Classroom] = ()) -> Text:
    """Import a plain text and give it to classes. Raises importing.UnreadableText."""
    imported = import_text(raw)
    with transaction():
        text = Text.objects.create(
            owner=owner, title=(title or imported.title)[:200], author=imported.author[:200], level=level, source=raw,
            word_count=imported.word_count, page_starts=page_starts(imported))
        Passage.objects.bulk_create(Passage(
            text=text, kind=passage.kind, body=passage.text, number=passage.number, chapter=passage.chapter,
            page=passage.page, first_word=passage.first_word, word_count=passage.word_count,
        ) for passage in imported.passages)
        for classroom in classrooms:
            classroom.texts.add(text)
    return text


def page_starts(imported: ImportedText) -> list[int]:
    """Return the index of the first word of each page, in order."""
    starts: dict[int, int] = {}
    for passage in imported.passages:
        starts.setdefault(passage.page, passage.first_word)
    return [starts[page] for page in sorted(starts)]
