"""Which consumer serves which path and channel."""

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import URLRouter
from django.urls import path, re_path

from sessions import consumers, events


class Nowhere(AsyncWebsocketConsumer):
    """Refuses a socket on a path that is none of ours."""

    async def connect(self):
        await self.close()


websocket_application = URLRouter([
    path("ws/sessions/<uuid:reading_session_id>/", consumers.ReadingSessionConsumer.as_asgi()),
    path("ws/classrooms/<int:classroom_id>/", consumers.ClassroomConsumer.as_asgi()),
    path("ws/<uuid:reading_session_id>", consumers.ReadingSessionConsumer.as_asgi()),
    re_path(r"", Nowhere.as_asgi()),
])

channel_routing = {events.TUTOR_CHANNEL: consumers.TutorConsumer.as_asgi()}
