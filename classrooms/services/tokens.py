"""Teachers' tokens, by which programs log in. DRF's table holds them, but only as hashes: who reads it can use none."""

import hashlib
import secrets

from rest_framework.authtoken.models import Token

from classrooms.database import transaction
from classrooms.models import User


def token_key(secret: str) -> str:
    """Return what stands in the table for a token: 160 bits, as wide as the column."""
    return hashlib.sha256(secret.encode()).hexdigest()[:40]


def issue_token(user: User) -> str:
    """Return a new token of the user; the one before it ends."""
    secret = secrets.token_urlsafe(32)
    with transaction():
        # Two requests at once, each of which would delete and then insert: the second waits here.
        User.objects.select_for_update().get(pk=user.pk)
        revoke_token(user)
        Token.objects.create(user=user, key=token_key(secret))
    return secret


def revoke_token(user: User) -> None:
    """End the user's token, if there is one, and with it the sockets that it opened."""
    with transaction():
        for token in Token.objects.filter(user=user):
            token.delete()
