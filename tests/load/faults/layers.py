"""Channels' two Redis layers and ours side by side: how soon a group hears, what that costs, what a Redis that forgot does.

    python -m tests.load.faults.layers [--sockets 300] [--rounds 200]

The choice in docs/architecture.md was made on this. One process has the sockets' channels, this one sends; the layers
take turns on one private Redis, which is then emptied, and then killed and started again.
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import statistics
import subprocess
import tempfile
import time

from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer

from readerai_site.redis_layer import LastingRedisChannelLayer
from tests.load.processes import processor_seconds

FRAME = "x" * 400
LAYERS = {"core": RedisChannelLayer, "pub/sub": RedisPubSubChannelLayer, "ours": LastingRedisChannelLayer}


def make(kind: str, url: str):
    options = {} if kind == "pub/sub" else {"capacity": 1_000}
    return LAYERS[kind](hosts=[url], prefix=f"bench-{kind}", **options)


def receivers(kind: str, url: str, sockets: int, told) -> None:
    """In a process of its own: hear on so many channels; send on how late each message was, and every error."""
    async def hear(layer):
        channel = await layer.new_channel()
        await layer.group_add("class", channel)
        told.put(("joined", 0.0))
        while True:
            try:
                message = await layer.receive(channel)
            except Exception as error:
                told.put(("error", type(error).__name__))
                await asyncio.sleep(0.5)
                continue
            told.put(("heard", time.time() - message["at"]))

    async def run():
        layer = make(kind, url)
        await asyncio.gather(*[hear(layer) for _ in range(sockets)])

    asyncio.run(run())


def drain(told, *, seconds: float, most: int = 10**9) -> list[tuple]:
    """Take what is told until nothing came for so long, or enough did."""
    found = []
    with contextlib.suppress(Exception):
        while len(found) < most:
            found.append(told.get(timeout=seconds))
    return found


def start_redis(folder: str, port: int):
    command = ["redis-server", "--port", str(port), "--save", "", "--dir", folder]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    time.sleep(1)
    return process


async def say(kind: str, url: str, times: int, pause: float) -> str:
    layer = make(kind, url)
    for _ in range(times):
        try:
            await layer.group_send("class", {"type": "push", "frames": [FRAME], "at": time.time()})
        except Exception as error:
            return type(error).__name__
        await asyncio.sleep(pause)
    return ""


def measure(kind: str, url: str, folder: str, port: int, redis, options) -> tuple[str, object]:
    told = multiprocessing.Queue()
    hearing = multiprocessing.Process(target=receivers, args=(kind, url, options.sockets, told), daemon=True)
    hearing.start()
    drain(told, seconds=30, most=options.sockets)
    used, redis_used = processor_seconds(hearing.pid), processor_seconds(redis.pid)
    asyncio.run(say(kind, url, options.rounds, 0.05))
    heard = [1000 * late for what, late in drain(told, seconds=3, most=options.sockets * options.rounds) if what == "heard"]
    used, redis_used = processor_seconds(hearing.pid) - used, processor_seconds(redis.pid) - redis_used
    quantiles = statistics.quantiles(heard, n=100)
    text = (f"{kind:8} heard {len(heard)}/{options.sockets * options.rounds}; median {quantiles[49]:.1f} ms, "
            f"99th {quantiles[98]:.1f} ms; receiver {1000 * used / options.rounds:.1f} ms "
            f"and Redis {1000 * redis_used / options.rounds:.2f} ms of CPU a broadcast")
    subprocess.run(["redis-cli", "-p", str(port), "flushall"], stdout=subprocess.DEVNULL, check=True)
    time.sleep(1)
    asyncio.run(say(kind, url, 1, 0))
    text += f"; after FLUSHALL {len([1 for what, _ in drain(told, seconds=3) if what == 'heard'])} of {options.sockets} hear"
    redis.kill()
    redis.wait()
    time.sleep(1)
    redis = start_redis(folder, port)
    time.sleep(4)
    errors = [error for what, error in drain(told, seconds=1) if what == "error"]
    asyncio.run(say(kind, url, 1, 0))
    text += (f"; after a restart {len([1 for what, _ in drain(told, seconds=3) if what == 'heard'])}, "
             f"{len(errors)} errors raised in receive {sorted(set(errors))}")
    hearing.kill()
    return text, redis


def main() -> None:
    """Measure each twice, in turns."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.faults.layers", description=__doc__)
    parser.add_argument("--sockets", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--port", type=int, default=17_379, help="for the private Redis")
    options = parser.parse_args()
    url = f"redis://127.0.0.1:{options.port}"
    with tempfile.TemporaryDirectory(prefix="layers-") as folder:
        redis = start_redis(folder, options.port)
        try:
            for kind in [*LAYERS, *LAYERS]:
                text, redis = measure(kind, url, folder, options.port, redis, options)
                print(text, flush=True)
        finally:
            redis.kill()
            redis.wait()


if __name__ == "__main__":
    main()
