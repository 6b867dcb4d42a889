"""Opening the port, before anything else starts, and saying in one sentence why it cannot be opened.

`serve` calls `open_sockets` and hands the result to `readerai_site.server`; `network_addresses` tells it
what a tablet in the same network has to open. Nothing here reads or writes a connection.
"""

import errno
import socket

from django.utils.translation import gettext as _

BACKLOG = 2_048


class CannotListen(Exception):
    """The address cannot be served; the message is one sentence for the person at the terminal."""


def open_sockets(*, host: str, port: int) -> list[socket.socket]:
    """Return listening sockets for every address of `host`; port 0 lets the system choose.

    Raises CannotListen: the port is taken or refused, or `host` is no address of this machine.
    """
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise CannotListen(_("%(host)s is not an address of this machine.") % {"host": host}) from None
    sockets: list[socket.socket] = []
    failure: OSError | None = None
    for family, kind, protocol, _name, address in dict.fromkeys(found):
        try:
            listener = socket.socket(family, kind, protocol)
        except OSError as error:  # a machine without IPv6 still resolves ::1
            failure = error
            continue
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            chosen = port or (sockets[0].getsockname()[1] if sockets else 0)
            listener.bind((address[0], chosen, *address[2:]))
            listener.listen(BACKLOG)
            listener.setblocking(False)
        except OSError as error:
            listener.close()
            failure = error
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                break
            continue
        sockets.append(listener)
    if sockets and (failure is None or failure.errno not in (errno.EADDRINUSE, errno.EACCES)):
        return sockets
    for listener in sockets:
        listener.close()
    raise CannotListen(_sentence(failure, host=host, port=port))


def _sentence(failure: OSError | None, *, host: str, port: int) -> str:
    code = failure.errno if failure else None
    if code == errno.EADDRINUSE:
        return _("Port %(port)d is already in use: stop the other program or choose another port, "
                 "as in PORT=%(next)d.") % {"port": port, "next": port + 1}
    if code == errno.EACCES:
        return _("Port %(port)d may only be opened by an administrator: choose one above 1023, "
                 "as in PORT=8000.") % {"port": port}
    return _("%(host)s is not an address of this machine.") % {"host": host}


def network_addresses() -> list[str]:
    """Return this machine's IPv4 addresses that other machines can reach, the likeliest first."""
    found: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a datagram socket sends nothing; it only asks for the route's own address.
            probe.connect(("192.0.2.1", 9))
            found.append(probe.getsockname()[0])
        except OSError:
            pass
    try:
        found += [item[4][0] for item in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)]
    except OSError:
        pass
    return [address for address in dict.fromkeys(found) if not address.startswith(("127.", "0."))]
