"""What reading sessions do when people come, go or change: rooms are told, sockets that this ends are marked to close."""

from django.contrib.auth.signals import user_logged_out
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save
from django.dispatch import receiver
from rest_framework.authtoken.models import Token

from classrooms.models import Classroom, User
from classrooms.services.tokens import revoke_token
from classrooms.signals import (
    classroom_archived,
    classroom_unarchived,
    password_changing,
    student_joined,
    student_removed,
    text_revised,
)
from sessions import events, messages
from sessions.services import revising, snapshots
from sessions.services.access import evict, evict_students, readmit, readmit_students
from sessions.sockets import COME_BACK, NOT_LOGGED_IN, REMOVED


@receiver(student_joined)
def show_in_room(sender, enrollment, **kwargs):
    student = snapshots.student_view(enrollment, None, open_questions=0, last_question=None)
    events.announce({events.room_group(enrollment.classroom_id): messages.StudentJoined(student=student).encode()})


@receiver(student_removed)
def close_class_sockets(sender, enrollment, **kwargs):
    evict(enrollment.user, code=REMOVED, classroom=enrollment.classroom)


@receiver(classroom_archived)
def close_students_sockets(sender, classroom, **kwargs):
    evict_students(classroom, code=REMOVED)


@receiver(classroom_unarchived)
def let_students_back(sender, classroom, **kwargs):
    readmit_students(classroom)


@receiver(password_changing)
def keep_log_in(sender, user, session_key, **kwargs):
    """The log-in in which a password is changed goes on under another cookie, with which its sockets come back.

    This is written before what closes all others, and a socket heeds the first row that means it.
    """
    evict(user, code=COME_BACK, session_key=session_key)


@receiver(text_revised)
def carry_places_over(sender, text, words, **kwargs):
    revising.carry_over(text, words)


@receiver(m2m_changed, sender=Classroom.teachers.through)
def close_or_open_rooms(sender, instance, action, reverse, pk_set, **kwargs):
    """Close the rooms of a teacher who no longer teaches a class, from whichever side that was said.

    One who is added again at once finds theirs open.
    """
    if action == "pre_clear":
        pk_set = set((instance.classrooms if reverse else instance.teachers).values_list("pk", flat=True))
    elif action not in ("post_remove", "post_add"):
        return
    if reverse:
        pairs = [(instance, classroom) for classroom in Classroom.objects.filter(pk__in=pk_set)]
    else:
        pairs = [(teacher, instance) for teacher in User.objects.filter(pk__in=pk_set)]
    for teacher, classroom in pairs:
        if action == "post_add":
            readmit(teacher, classroom)
        else:
            evict(teacher, code=REMOVED, classroom=classroom)


@receiver(user_logged_out)
def close_log_in_sockets(sender, request, user, **kwargs):
    if user is not None and request.session.session_key:
        evict(user, code=NOT_LOGGED_IN, session_key=request.session.session_key)


@receiver(pre_save, sender=User)
def remember_credentials(sender, instance, **kwargs):
    """Password and activity as they are stored, to see after the save whether they changed."""
    instance._stored_credentials = User.objects.filter(pk=instance.pk).values_list("password", "is_active").first()


@receiver(post_save, sender=User)
def close_all_sockets(sender, instance, created, **kwargs):
    stored = instance._stored_credentials
    if not created and stored is not None and stored != (instance.password, instance.is_active):
        revoke_token(instance)
        evict(instance, code=NOT_LOGGED_IN)


@receiver(post_delete, sender=Token)
def close_token_sockets(sender, instance, origin, **kwargs):
    """Close what a token opened when the token goes; with its user everything goes, and nobody is left to name."""
    if isinstance(origin, Token):
        evict(instance.user, code=NOT_LOGGED_IN, session_key=instance.key)
