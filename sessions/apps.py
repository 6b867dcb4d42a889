"""The app of reading: who is where, what was asked, what was answered."""

from django.apps import AppConfig


class ReadingSessionsConfig(AppConfig):
    """`django.contrib.sessions` owns the label `sessions`."""

    name = "sessions"
    label = "reading_sessions"
    verbose_name = "Reading sessions"

    def ready(self):
        from sessions import receivers  # noqa: F401
