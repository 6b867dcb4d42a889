"""The channel layer of several processes, two of them played by two layers in one loop, on Redis servers of their own."""

import asyncio
import contextlib
import time

import pytest
import redis.asyncio
from redis.exceptions import RedisError

from readerai_site.redis_layer import LastingRedisChannelLayer
from tests.processes import PATIENCE, Site, free_port, needs_servers

pytestmark = needs_servers
PUSH = {"type": "push", "frames": ["{}"]}


class Servers:
    """Starts Redis servers and layers on all of them."""

    def __init__(self, site, directory):
        self.site, self.directory = site, directory
        self.ports: list[int] = []
        self.layers: list[LastingRedisChannelLayer] = []

    async def start(self, port=None):
        port = port or free_port()
        if port not in self.ports:
            self.ports.append(port)
        return await self.site.redis(port, self.directory)

    def layer(self):
        hosts = [f"redis://127.0.0.1:{port}" for port in self.ports]
        self.layers.append(LastingRedisChannelLayer(hosts=hosts, prefix="test", patience=1.0))
        return self.layers[-1]

    async def ask(self, port, command, *arguments):
        async with redis.asyncio.from_url(f"redis://127.0.0.1:{port}") as client:
            return await getattr(client, command)(*arguments)


@pytest.fixture
async def servers(tmp_path):
    async with contextlib.AsyncExitStack() as stack:
        servers = Servers(Site(stack), tmp_path)
        yield servers
        for layer in servers.layers:
            await layer.flush()


async def joins(layer, *groups):
    """Return a new channel of a layer, in these groups."""
    channel = await layer.new_channel()
    for group in groups:
        await layer.group_add(group, channel)
    return channel


async def hears(layer, channel):
    return await asyncio.wait_for(layer.receive(channel), PATIENCE)


async def sends(layer, group, *, times):
    """Send at once, as many forms' views do."""
    await asyncio.gather(*[layer.group_send(group, PUSH) for _ in range(times)])


async def nothing_waits(layer, channel):
    """True when a message sent now is the first that the channel hears."""
    await layer.send(channel, {"type": "marker"})
    return (await hears(layer, channel))["type"] == "marker"


async def test_a_group_is_heard_once_here_and_elsewhere(servers):
    await servers.start()
    one, other = servers.layer(), servers.layer()
    mine, mine_too, theirs = await joins(one, "class.1"), await joins(one, "class.1"), await joins(other, "class.1")
    await one.group_send("class.1", PUSH)
    await other.group_send("class.2", PUSH)
    for layer, channel in ((one, mine), (one, mine_too), (other, theirs)):
        assert await hears(layer, channel) == PUSH
    await other.group_send("class.1", PUSH | {"frames": ["again"]})
    for layer, channel in ((one, mine), (one, mine_too), (other, theirs)):
        assert (await hears(layer, channel))["frames"] == ["again"]
        assert await nothing_waits(layer, channel)


async def test_what_is_sent_after_a_group_was_joined_is_heard(servers):
    await servers.start()
    one, other = servers.layer(), servers.layer()
    for number in range(100):
        channel = await joins(other, f"session.{number}")
        await one.group_send(f"session.{number}", PUSH)
        assert await hears(other, channel) == PUSH


async def test_a_named_channel_rings_in_every_process_that_receives_on_it(servers):
    await servers.start()
    one, other, third = servers.layer(), servers.layer(), servers.layer()
    ringing = [asyncio.create_task(hears(layer, "tutor")) for layer in (one, other)]
    while (await servers.ask(servers.ports[0], "pubsub_numsub", "test:channel:tutor"))[0][1] < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await third.send("tutor", {"type": "tutor.wake"})
    assert await asyncio.gather(*ringing) == [{"type": "tutor.wake"}] * 2


async def test_the_last_to_leave_ends_the_subscription(servers):
    await servers.start()
    layer = servers.layer()
    first, last = await joins(layer, "class.1"), await joins(layer, "class.1")
    await layer.group_discard("class.1", first)
    assert await servers.ask(servers.ports[0], "pubsub_channels") == [b"test:group:class.1"]
    await layer.group_discard("class.1", last)
    async with asyncio.timeout(PATIENCE):
        while await servers.ask(servers.ports[0], "pubsub_channels"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    again = await joins(layer, "class.1")
    await servers.layer().group_send("class.1", PUSH)
    assert await hears(layer, again) == PUSH


async def test_a_loop_that_only_sends_keeps_no_connection(servers):
    await servers.start()
    layer = servers.layer()
    channel = await joins(layer, "class.1")
    before = len(await servers.ask(servers.ports[0], "client_list"))
    sender = servers.layer()
    for _ in range(5):
        await asyncio.to_thread(asyncio.run, sends(sender, "class.1", times=3))
        for _ in range(3):
            assert await hears(layer, channel) == PUSH
    async with asyncio.timeout(PATIENCE):
        while len(await servers.ask(servers.ports[0], "client_list")) > before:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_without_redis_a_process_still_hears_itself(servers):
    servers.ports.append(free_port())
    layer = servers.layer()
    began = time.monotonic()
    channel = await joins(layer, "class.1", "session.1")
    assert time.monotonic() - began < PATIENCE
    with pytest.raises((RedisError, OSError)):
        await layer.group_send("class.1", PUSH)
    assert await hears(layer, channel) == PUSH


async def test_several_hosts_share_the_groups_and_one_of_them_may_be_away(servers):
    first, _ = await servers.start(), await servers.start()
    one, other = servers.layer(), servers.layer()
    groups = [f"session.{number}" for number in range(40)]
    channels = {group: await joins(other, group) for group in groups}

    async def heard():
        """Return the groups in which a message comes through."""
        sent = await asyncio.gather(*[one.group_send(group, PUSH) for group in groups], return_exceptions=True)
        there = [group for group, error in zip(groups, sent, strict=True) if error is None]
        for group in there:
            assert await hears(other, channels[group]) == PUSH
        return there

    assert await heard() == groups
    shares = [len(await servers.ask(port, "pubsub_channels")) for port in servers.ports]
    assert sum(shares) == 40 and min(shares) > 5
    await first.kill()
    assert len(await heard()) == shares[1]
    await servers.start(servers.ports[0])
    async with asyncio.timeout(PATIENCE):
        while len(await servers.ask(servers.ports[0], "pubsub_channels")) < shares[0]:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await servers.ask(servers.ports[1], "flushall")
    assert await heard() == groups
