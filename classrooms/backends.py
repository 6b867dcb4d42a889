"""Log-in of students: class code, nickname, PIN."""

from django.contrib.auth.backends import BaseBackend

from classrooms.models import User
from classrooms.services.doors import authenticate_enrollment


class EnrollmentBackend(BaseBackend):
    """Authenticates a student by what a child can remember. Teachers have Django's own backend."""

    def authenticate(self, request, code=None, nickname=None, pin=None):
        if code is None or nickname is None or pin is None:
            return None
        enrollment = authenticate_enrollment(code=code, nickname=nickname, pin=pin)
        return enrollment.user if enrollment else None

    def get_user(self, user_id):
        return User.objects.filter(pk=user_id, is_active=True).first()
