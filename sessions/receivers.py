"""What reading sessions do when people come, go or change: rooms are told, sockets that this ends are marked to close."""

from django.contrib.auth.signals import user_logged_out
from django.db.models.signals import m2m_changed, post_save, pre_save
from django.dispatch import receiver

from classrooms.models import Classroom, User
from classrooms.signals import student_joined, student_removed
from sessions import events, messages
from sessions.services import snapshots
from sessions.services.access import evict
from sessions.sockets import NOT_LOGGED_IN, REMOVED


@receiver(student_joined)
def show_in_room(sender, enrollment, **kwargs):
    student = snapshots.student_view(enrollment, None, open_questions=0, last_question=None)
    events.announce(events.room_group(enrollment.classroom_id), messages.StudentJoined(student=student).encode())


@receiver(student_removed)
def close_class_sockets(sender, enrollment, **kwargs):
    evict(enrollment.user, code=REMOVED, classroom=enrollment.classroom)


@receiver(m2m_changed, sender=Classroom.teachers.through)
def close_rooms(sender, instance, action, reverse, pk_set, **kwargs):
    """Close the rooms of a teacher who no longer teaches a class, from whichever side that was said."""
    if action == "pre_clear":
        pk_set = set((instance.classrooms if reverse else instance.teachers).values_list("pk", flat=True))
    elif action != "post_remove":
        return
    if reverse:
        pairs = [(instance, classroom) for classroom in Classroom.objects.filter(pk__in=pk_set)]
    else:
        pairs = [(teacher, instance) for teacher in User.objects.filter(pk__in=pk_set)]
    for teacher, classroom in pairs:
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
        evict(instance, code=NOT_LOGGED_IN)
