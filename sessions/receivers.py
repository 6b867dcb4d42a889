"""What reading sessions do when an account changes: every open socket it concerns is marked to close."""

from django.contrib.auth.signals import user_logged_out
from django.db.models.signals import post_save, pre_save
from django.dispatch import receiver

from classrooms.models import User
from classrooms.signals import student_removed
from sessions.services.access import evict
from sessions.sockets import NOT_LOGGED_IN, REMOVED


@receiver(student_removed)
def close_class_sockets(sender, enrollment, **kwargs):
    evict(enrollment.user, code=REMOVED, classroom=enrollment.classroom)


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
