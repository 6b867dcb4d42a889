"""What the classrooms tell whoever listens; `sessions` does. Each is sent inside the transaction of the change."""

from django.dispatch import Signal

student_removed = Signal()  # enrollment
access_ended = Signal()  # user, session_key ("" for every log-in of the user)
