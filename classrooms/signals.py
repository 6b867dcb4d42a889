"""What the classrooms tell whoever listens; `sessions` does. Each is sent inside the transaction of the change."""

from django.dispatch import Signal

student_joined = Signal()  # enrollment
student_removed = Signal()  # enrollment
