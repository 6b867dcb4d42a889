"""The ASGI application: `manage.py serve`, Daphne, uvicorn and `runworker` all run `application`.

Three kinds of scope: pages and REST go to Django, past `Probes`, which machines ask; sockets to
`sessions.routing.websocket_application`, channel workers to `sessions.routing.channel_routing`. Around them
`EmbeddedEngine` starts what runs beside the requests. Nothing is decided here: Origin, log-in and rights are checked in
`sessions`.
"""

import os

from channels.routing import ChannelNameRouter, ProtocolTypeRouter
from django.core.asgi import get_asgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "readerai_site.settings")
django_application = get_asgi_application()
get_resolver().url_patterns  # noqa: B018  the pages' code, half a second that the first page would take from everybody

# After get_asgi_application: consumers import models, which need the app registry.
from readerai_site.embedded import EmbeddedEngine  # noqa: E402
from readerai_site.probes import Probes  # noqa: E402
from sessions.background import Background  # noqa: E402
from sessions.routing import channel_routing, websocket_application  # noqa: E402

application = EmbeddedEngine(
    ProtocolTypeRouter({
        "http": Probes(django_application),
        "websocket": websocket_application,
        "channel": ChannelNameRouter(channel_routing),
    }),
    make_background=Background,
)
