"""`manage.py tutor_status`: what waits for the tutor and which engines live. Status 1 when questions wait for nobody."""

import sys

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from sessions.models import Engine
from sessions.services.engines import TutorStatus, tutor_status


class Command(BaseCommand):
    help = gettext_lazy("Says what waits and which engines live; ends with status 1 when questions wait and none lives.")

    def handle(self, **options):
        status = tutor_status()
        self.stdout.write(_("%(waiting)d waiting, %(answering)d being answered, the oldest waits for %(oldest)d s") % {
            "waiting": status.waiting, "answering": status.answering, "oldest": status.oldest})
        self.stdout.write(_("%(alive)d of %(all)d engines take questions") % {
            "alive": len(status.alive), "all": len(status.engines)})
        for engine in status.engines:
            self.stdout.write(f"  {engine.host} {engine.pid}  {self._state(engine, status)}")
        if status.is_stuck:
            sys.exit(1)

    @staticmethod
    def _state(engine: Engine, status: TutorStatus) -> str:
        heard = round((status.now - engine.last_seen).total_seconds())
        if status.is_silent(engine):
            return _("silent for %(seconds)d s") % {"seconds": heard}
        running = _("%(running)d running") % {"running": engine.running}
        return _("ending, %(running)s") % {"running": running} if engine.draining else running
