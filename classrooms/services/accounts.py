"""Teachers' accounts: made, kept, and got back by a letter. Students have none; see `doors`."""

from django.conf import settings
from django.core import signing
from django.db import IntegrityError

from classrooms import signals
from classrooms.database import transaction
from classrooms.models import User
from classrooms.services import attempts

CONFIRMATION = "classrooms.confirm-email"


class NameTaken(Exception):
    """Another account has this user name."""


class WrongLink(Exception):
    """The link is too old, was changed, or is not for this account as it is now."""


def password_key(username: str, address: str) -> str:
    """Return what wrong passwords are counted by: one account as seen from one address."""
    return f"{username.casefold()}@{address}"


def sign_up(*, username: str, email: str, password: str) -> User:
    """Make a teacher. Raises NameTaken where another took the name in this moment."""
    user = User(username=username, email=email, role=User.Role.TEACHER)
    user.set_password(password)  # outside the transaction: it takes its time on purpose
    try:
        with transaction():
            user.save()
    except IntegrityError:
        raise NameTaken from None
    return user


def is_own_password(user: User, password: str) -> bool:
    """True when a logged-in teacher knows their password. Raises TooManyAttempts before hashing."""
    if not attempts.count_attempt("own-password", str(user.pk), limit=settings.LIMITS.password_attempts):
        raise attempts.TooManyAttempts
    if not user.check_password(password):
        return False
    attempts.forget_attempts("own-password", str(user.pk))
    return True


def change_password(user: User, *, password: str, session_key: str) -> None:
    """Set a new password. Every log-in of the user ends but the one with this key, and every socket and token."""
    user.set_password(password)
    with transaction():
        signals.password_changing.send(User, user=user, session_key=session_key)
        user.save(update_fields=["password"])


def reset_password(user: User, *, password: str) -> None:
    """Set the password of someone who opened the link in their letter, and so holds their mailbox.

    Every log-in, socket and token of the user ends; wrong guesses at the old one are forgotten.
    """
    user.set_password(password)
    with transaction():
        user.save(update_fields=["password"])
        _confirm(user)
        attempts.forget_attempts_at("password", user.username.casefold())


def change_profile(user: User, *, first_name: str, last_name: str, email: str) -> None:
    """Set the name colleagues see and the address; a new address is not confirmed yet."""
    user.first_name, user.last_name = first_name, last_name
    if email != user.email:
        user.email, user.email_confirmed = email, False
    with transaction():
        user.save(update_fields=["first_name", "last_name", "email", "email_confirmed"])


def confirmation_token(user: User) -> str:
    return signing.dumps([user.pk, user.email], salt=CONFIRMATION)


def confirm_email(user: User, token: str) -> None:
    """Note that the user read what was sent to their address. Raises WrongLink.

    The user must be logged in: whoever signs up with another's address would have its owner confirm it.
    """
    try:
        meant = signing.loads(token, salt=CONFIRMATION, max_age=settings.DURATIONS.confirmation)
    except signing.BadSignature:
        raise WrongLink from None
    if meant != [user.pk, user.email]:
        raise WrongLink
    with transaction():
        if not _confirm(user):
            raise WrongLink


def _confirm(user: User) -> bool:
    """Note that the user reads what is sent to the address they had when they were loaded; False if it is no more theirs.

    In one statement: another address that is set in this moment would be confirmed by the letter to the old one.
    """
    return bool(User.objects.filter(pk=user.pk, email=user.email).update(email_confirmed=True))
