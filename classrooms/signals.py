"""What the classrooms tell whoever listens; `sessions` does. Each is sent inside the transaction of the change."""

from django.dispatch import Signal

student_joined = Signal()  # enrollment
student_removed = Signal()  # enrollment
classroom_archived = Signal()  # classroom
classroom_unarchived = Signal()  # classroom
password_changing = Signal()  # user, session_key of the log-in that does it and stays; sent before the user is saved
text_revised = Signal()  # text as it is now, words: a mapping.WordMap from the revision before
