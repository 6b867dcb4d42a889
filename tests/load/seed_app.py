"""The seed's design (FastAPI and Redis) made runnable: the peer that `bench` measures beside ours.

It does just what the seed's page does and nothing more: a dictionary of connections, a restored state by one
GET, `activity:` by SETEX in a background task, a question published and acknowledged at once, answers
routed from one subscription, a broadcast by SMEMBERS. Nothing is checked and nothing is kept. Where the page
would not run, the kinder reading is taken:

- `aioredis` is `redis.asyncio` today, with its C parser (`hiredis`) where that is installed;
- its pool of 50 connections raises "Too many connections" under load, so here it waits;
- a broadcast is a function there that nobody calls; here the message BROADCAST calls it.

    REDIS_URL=redis://… python -m uvicorn tests.load.seed_app:app

SEED_GC_TUNED=1 gives it our garbage collection, for a comparison without that difference.
"""

import gc
import json
import os
import time
from contextlib import asynccontextmanager

import anyio
import redis.asyncio as aioredis
from fastapi import FastAPI, WebSocket, WebSocketDisconnect


class ConnectionManager:
    """Who is connected to this process."""

    def __init__(self):
        self.active_connections: dict[str, WebSocket] = {}

    async def connect(self, session_id: str, websocket: WebSocket):
        await websocket.accept()
        self.active_connections[session_id] = websocket

    def disconnect(self, session_id: str):
        self.active_connections.pop(session_id, None)

    async def send_to_session(self, session_id: str, message: dict):
        if websocket := self.active_connections.get(session_id):
            await websocket.send_json(message)


manager = ConnectionManager()
redis_pool = aioredis.BlockingConnectionPool.from_url(
    os.environ.get("REDIS_URL", "redis://127.0.0.1:6379"), max_connections=50, timeout=None)


def get_redis() -> aioredis.Redis:
    return aioredis.Redis(connection_pool=redis_pool)


async def process_llm_responses():
    """Route the workers' answers to the students."""
    pubsub = get_redis().pubsub()
    await pubsub.subscribe("llm_responses")
    async for message in pubsub.listen():
        if message["type"] == "message":
            data = json.loads(message["data"])
            await manager.send_to_session(data["session_id"], data["response"])


async def broadcast_to_class(class_id: str, message: dict):
    """Send to every student of a class at once."""
    student_sessions = await get_redis().smembers(f"class:{class_id}")
    async with anyio.create_task_group() as tasks:
        for session_id in student_sessions:
            tasks.start_soon(manager.send_to_session, session_id.decode(), message)


@asynccontextmanager
async def lifespan(app: FastAPI):
    async with anyio.create_task_group() as tasks:
        app.state.tasks = tasks
        tasks.start_soon(process_llm_responses)
        if os.environ.get("SEED_GC_TUNED"):
            gc.collect()
            gc.freeze()
            gc.set_threshold(100_000, 20, 20)
        yield
        tasks.cancel_scope.cancel()
    await redis_pool.disconnect()


app = FastAPI(lifespan=lifespan)


@app.websocket("/ws/{session_id}")
async def websocket_endpoint(websocket: WebSocket, session_id: str):
    await manager.connect(session_id, websocket)
    redis = get_redis()
    tasks = app.state.tasks
    try:
        if session_data := await redis.get(f"session:{session_id}"):
            await websocket.send_json({"type": "SESSION_RESTORED", "payload": json.loads(session_data)})
        async for message in websocket.iter_json():
            tasks.start_soon(redis.setex, f"activity:{session_id}", 300, time.time())
            if message["type"] == "STUDENT_INTERRUPTION":
                await redis.publish("student_questions", json.dumps({"session_id": session_id, "message": message}))
                await websocket.send_json({"type": "INTERRUPTION_ACKNOWLEDGED", "timestamp": time.time()})
            elif message["type"] == "BROADCAST":
                tasks.start_soon(broadcast_to_class, message["payload"]["classId"], {
                    "type": "CLASS_BROADCAST", "payload": {"text": message["payload"]["text"]}})
    except WebSocketDisconnect:
        pass
    finally:
        # The page forgets a socket only on WebSocketDisconnect; iter_json swallows that and just ends.
        manager.disconnect(session_id)
