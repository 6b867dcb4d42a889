"""The same conversation by the book: Channels' own JSON consumer and its own in-memory layer, nothing of ours.

A peer that `bench` measures beside us: what Channels does for those who follow its tutorial. Nothing is checked and
nothing is kept. A socket joins a group of its class and one of its own, and is answered through that group.

    python -m uvicorn tests.load.textbook_app:application
"""

import json
import time
from urllib.parse import parse_qs

import django
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.urls import path

settings.configure(
    SECRET_KEY="not a secret: nothing is signed here", INSTALLED_APPS=["channels"],
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}})
django.setup()


class ReaderConsumer(AsyncJsonWebsocketConsumer):
    """A reader's socket. The query names the classes; whoever says BROADCAST is heard by that class."""

    async def connect(self):
        await self.accept()
        self.mine = f"session.{self.scope['url_route']['kwargs']['session_id']}"
        await self.channel_layer.group_add(self.mine, self.channel_name)
        for name in parse_qs(self.scope["query_string"].decode()).get("class", []):
            await self.channel_layer.group_add(f"class.{name}", self.channel_name)
        await self.send_json({"type": "SESSION_RESTORED", "payload": {
            "textId": 1, "wordIndex": 20, "status": "reading", "preferences": {}, "interruptions": []}})

    async def receive_json(self, content, **kwargs):
        if content["type"] == "STUDENT_INTERRUPTION":
            await self.channel_layer.group_send(self.mine, {"type": "tell", "message": {
                "type": "INTERRUPTION_ACKNOWLEDGED", "timestamp": time.time()}})
        elif content["type"] == "BROADCAST":
            await self.channel_layer.group_send(f"class.{content['payload']['classId']}", {"type": "tell", "message": {
                "type": "CLASS_BROADCAST", "payload": {"text": content["payload"]["text"]}}})

    async def tell(self, event):
        await self.send_json(event["message"])

    @classmethod
    async def encode_json(cls, content):
        # By the book there would be spaces, and the load generator looks for a type without them.
        return json.dumps(content, separators=(",", ":"))


application = ProtocolTypeRouter({"websocket": URLRouter([path("ws/<str:session_id>", ReaderConsumer.as_asgi())])})
