"""Clients that harm: a process that P9 starts. Half of them ask for snapshots and never read, half flood.

Each comes back a second after it was cut off, as a broken program would. On SIGTERM it prints what became of them.
"""

import asyncio
import json
import os
import signal
import socket
import sys
from collections import Counter

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

PAUSE = 1.0
ended: Counter[str] = Counter()
FLOOD = json.dumps({"type": "READING_PROGRESS", "payload": {"wordIndex": 1, "rev": 1}})
RESTORE = json.dumps({"type": "RESTORE"})


async def deaf(plan: dict, path: str, cookie: str) -> None:
    """Ask for the whole state ten times a second and take nothing."""
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.setblocking(False)
    await asyncio.get_running_loop().sock_connect(peer, ("127.0.0.1", plan["port"]))
    async with _socket(plan, path, cookie, sock=peer, max_queue=1) as connection:
        connection.transport.pause_reading()
        while True:
            await connection.send(RESTORE)
            await asyncio.sleep(0.1)


async def flood(plan: dict, path: str, cookie: str) -> None:
    """Send as fast as the server takes it."""
    async with _socket(plan, path, cookie) as connection:
        reading = asyncio.create_task(_read(connection))
        try:
            while True:
                await connection.send(FLOOD)
                await asyncio.sleep(0)
        finally:
            reading.cancel()


async def _read(connection) -> None:
    async for _ in connection:
        pass


def _socket(plan: dict, path: str, cookie: str, **options):
    origin = f"http://127.0.0.1:{plan['port']}"
    return connect(f"ws://127.0.0.1:{plan['port']}{path}", origin=origin, ping_interval=None, compression=None, proxy=None,
                   open_timeout=30, close_timeout=0.1,
                   additional_headers={"Cookie": f"{plan['cookie']}={cookie}"}, **options)


async def again_and_again(kind, *arguments) -> None:
    while True:
        try:
            await kind(*arguments)
        except WebSocketException as error:
            closed = getattr(error, "rcvd", None)
            ended[f"{kind.__name__} {closed.code if closed else 'cut'}"] += 1
        except (OSError, TimeoutError):
            ended[f"{kind.__name__} cut"] += 1
        await asyncio.sleep(PAUSE)


async def main() -> None:
    # Elsewhere they have machines of their own; here they must not take the processor from those they harm, not for the
    # moment either in which a niced process is let finish its turn.
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    plan = json.loads(sys.stdin.readline())
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    tasks = [asyncio.create_task(again_and_again(deaf if number < plan["deaf"] else flood, plan, *person))
             for number, person in enumerate(plan["people"])]
    await over.wait()
    for task in tasks:
        task.cancel()
    print(json.dumps(dict(ended)), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
