"""`manage.py serve [--host --port]`: the product's own server, what `make run` starts.

Turns everything that keeps it from serving into one sentence and exit status 1. The serving itself is
`readerai_site.server`.
"""

import os
from typing import Any

from channels.routing import get_default_application
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from readerai_site import process_lock
from readerai_site.embedded import exit_at_once
from readerai_site.listening import CannotListen, network_addresses, open_sockets
from readerai_site.server import Server

WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class Command(BaseCommand):
    help = gettext_lazy("Serves the classroom, with the tutor in the same process unless workers answer.")

    def add_arguments(self, parser: CommandParser) -> None:
        """Defaults come from HOST and PORT."""
        parser.add_argument("--host", default=os.environ.get("HOST") or "127.0.0.1",
                            help=_("Address to serve; 0.0.0.0 for the classroom's network."))
        parser.add_argument("--port", default=os.environ.get("PORT") or "8000", help=_("0: any free port."))
        parser.add_argument("--access-log", action="store_true", help=_("One line for each request."))

    def handle(self, *args: Any, host: str, port: str, access_log: bool, **options: Any) -> None:
        """Serve until SIGTERM or Ctrl-C; a second Ctrl-C ends at once."""
        if not (str(port).isascii() and str(port).isdigit() and int(port) <= 65_535):
            raise CommandError(_("PORT must be a number from 0 to 65535, not %(port)s.") % {"port": port})
        try:
            sockets = open_sockets(host=host, port=int(port))
            process_lock.acquire()
        except (CannotListen, process_lock.SecondProcess) as refusal:
            raise CommandError(str(refusal)) from None
        self._allow(host)
        bound_port = sockets[0].getsockname()[1]
        server = Server(get_default_application(), sockets=sockets, access_log=access_log,
                        ready=lambda: self._announce(host=host, port=bound_port))
        try:
            server.run()
        except Exception as error:
            raise CommandError(_("The tutor did not start: %(error)s") % {"error": error}) from error
        if server.overdue:
            # A thread that is stuck in a request would hold the interpreter's exit for ever.
            exit_at_once(0)

    def _allow(self, host: str) -> None:
        """Let requests name the address that is served, unless ALLOWED_HOSTS or PUBLIC_ORIGINS decide."""
        bare = host.strip("[]")
        if settings.DEBUG and bare not in ("127.0.0.1", "localhost", "::1"):
            raise CommandError(_("DEBUG shows settings and data to everyone: leave it unset where others reach the site."))
        if not (os.environ.get("ALLOWED_HOSTS") or os.environ.get("PUBLIC_ORIGINS")):
            allowed = "*" if bare in WILDCARDS else f"[{bare}]" if ":" in bare else bare
            settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, allowed]

    def _announce(self, *, host: str, port: int) -> None:
        bare = host.strip("[]")
        self.stdout.write(_("ReaderAI classroom is at %(url)s") % {
            "url": address(WILDCARDS.get(bare, bare), port)})
        if bare in WILDCARDS:
            for name in network_addresses():
                self.stdout.write(
                    _("Tablets in the same network open %(url)s") % {"url": address(name, port)})
        self.stdout.write(_("Ctrl-C stops it."))
        self.stdout.flush()


def address(host: str, port: int) -> str:
    """Return the URL of a host name or address; IPv6 goes into brackets."""
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
