"""The in-process channel layer: order, counted drops, many loops and threads, the values it takes."""

import asyncio
import datetime
import gc
import threading
import time
import uuid

import pytest
from channels.exceptions import ChannelFull

from readerai_site import layer as layer_module
from readerai_site.layer import InProcessChannelLayer

PATIENCE = 5


@pytest.fixture
def layer():
    return InProcessChannelLayer(strict=True)


def in_a_loop(coroutine):
    """Run one coroutine in a new event loop, as each asynchronous test has one."""
    async def limited():
        async with asyncio.timeout(PATIENCE):
            result = await coroutine
        assert asyncio.all_tasks() == {asyncio.current_task()}  # the layer has no task of its own
        return result
    return asyncio.run(limited())


def test_messages_keep_their_order(layer):
    async def conversation():
        for number in range(50):
            await layer.send("tutor", {"type": "tutor.wake", "number": number})
        return [(await layer.receive("tutor"))["number"] for _ in range(50)]

    assert in_a_loop(conversation()) == list(range(50))
    assert layer.channels == {}


def test_a_waiting_receiver_gets_what_comes_later(layer):
    async def conversation():
        channel = await layer.new_channel()
        waiting = asyncio.create_task(layer.receive(channel))
        await asyncio.sleep(0)
        await layer.send(channel, {"type": "push"})
        return await waiting

    assert in_a_loop(conversation()) == {"type": "push"}


def test_a_group_reaches_its_members_only(layer):
    async def conversation():
        alice, bob, mallory = [await layer.new_channel() for _ in range(3)]
        for member in (alice, bob):
            await layer.group_add("class.1", member)
        await layer.group_add("class.2", mallory)
        await layer.group_discard("class.2", alice)
        await layer.group_send("class.1", {"type": "push", "text": "Good morning."})
        heard = [(await layer.receive(member))["text"] for member in (alice, bob)]
        await layer.group_discard("class.1", bob)
        await layer.group_send("class.1", {"type": "push", "text": "And now alone."})
        assert (await layer.receive(alice))["text"] == "And now alone."
        assert mallory not in layer.channels and bob not in layer.channels
        return heard

    assert in_a_loop(conversation()) == ["Good morning."] * 2
    in_a_loop(layer.flush())
    assert layer.groups == {} and layer.channels == {}


def test_a_full_channel_drops_the_newest_and_counts_it():
    layer = InProcessChannelLayer(capacity=3, channel_capacity={"tutor*": 1})

    async def conversation():
        alice = await layer.new_channel()
        await layer.group_add("class.1", alice)
        for number in range(5):
            await layer.group_send("class.1", {"type": "push", "number": number})
        heard = [(await layer.receive(alice))["number"] for _ in range(3)]
        await layer.send("tutor", {"type": "tutor.wake"})
        with pytest.raises(ChannelFull):
            await layer.send("tutor", {"type": "tutor.wake"})
        return heard

    assert in_a_loop(conversation()) == [0, 1, 2]
    assert layer.dropped == {"capacity": 3}


def test_another_thread_wakes_a_sleeping_receiver(layer):
    """Nothing else wakes the receiver's loop: a wake-up through its own loop is the only way out."""
    async def conversation():
        channel = await layer.new_channel()
        await layer.group_add("class.1", channel)
        waiting = asyncio.create_task(layer.receive(channel))
        await asyncio.sleep(0)
        sender = threading.Thread(
            target=asyncio.run, args=[layer.group_send("class.1", {"type": "push", "from": "a view"})])
        sender.start()
        try:
            return await waiting
        finally:
            sender.join()

    assert in_a_loop(conversation())["from"] == "a view"


def test_many_threads_lose_nothing(layer):
    async def send_all(number):
        for _ in range(100):
            await layer.send("tutor", {"type": "tutor.wake", "sender": number})

    async def conversation():
        senders = [threading.Thread(target=asyncio.run, args=[send_all(number)]) for number in range(8)]
        for sender in senders:
            sender.start()
        heard = [(await layer.receive("tutor"))["sender"] for _ in range(800)]
        for sender in senders:
            sender.join()
        return heard

    heard = in_a_loop(conversation())
    assert {number: heard.count(number) for number in range(8)} == dict.fromkeys(range(8), 100)
    assert layer.dropped == {}


def test_each_test_may_have_its_own_loop(layer):
    """A receiver that died with its loop must not swallow what the next loop's receiver waits for."""
    left_behind = asyncio.new_event_loop()
    abandoned = left_behind.create_task(layer.receive("tutor"))
    left_behind.run_until_complete(asyncio.sleep(0))
    left_behind.close()  # closed with the receiver still waiting

    async def conversation():
        waiting = asyncio.create_task(layer.receive("tutor"))
        await asyncio.sleep(0)
        await layer.send("tutor", {"type": "tutor.wake"})
        return await waiting

    assert in_a_loop(conversation()) == {"type": "tutor.wake"}
    abandoned._log_destroy_pending = False
    del abandoned
    gc.collect()


def test_a_cancelled_receiver_loses_no_message(layer):
    async def conversation():
        first = asyncio.create_task(layer.receive("tutor"))
        second = asyncio.create_task(layer.receive("tutor"))
        await asyncio.sleep(0)
        await layer.send("tutor", {"type": "tutor.wake"})
        first.cancel()  # it was woken, and is cancelled before it runs
        return await second

    assert in_a_loop(conversation()) == {"type": "tutor.wake"}
    assert layer.channels == {}


def test_an_idle_channel_leaves_nothing_behind(layer):
    async def conversation():
        waiting = asyncio.create_task(layer.receive("tutor"))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    in_a_loop(conversation())
    assert layer.channels == {}


def test_what_nobody_takes_expires_and_leaves_its_groups(monkeypatch):
    clock = time.monotonic()
    monkeypatch.setattr(layer_module.time, "monotonic", lambda: clock)
    layer = InProcessChannelLayer(expiry=60)

    async def before():
        await layer.group_add("class.1", "gone!alice")
        await layer.group_send("class.1", {"type": "push"})

    async def after():
        await layer.send("tutor", {"type": "tutor.wake"})

    in_a_loop(before())
    clock += 61
    in_a_loop(after())
    assert layer.dropped == {"expired": 1}
    assert layer.groups == {} and list(layer.channels) == ["tutor"]


def test_flush_leaves_receivers_waiting(layer):
    async def conversation():
        waiting = asyncio.create_task(layer.receive("tutor"))
        await asyncio.sleep(0)
        await layer.flush()
        await layer.send("tutor", {"type": "tutor.wake"})
        return await waiting

    assert in_a_loop(conversation()) == {"type": "tutor.wake"}


@pytest.mark.parametrize("value", [
    datetime.datetime(2026, 1, 1), uuid.uuid4(), 2**64, "\ud800", {1: "a number as a key"}, {"a", "set"}])
def test_strict_refuses_what_the_redis_layer_would(layer, value):
    with pytest.raises(TypeError):
        in_a_loop(layer.send("tutor", {"type": "tutor.wake", "value": value}))
    with pytest.raises(TypeError):
        in_a_loop(layer.group_send("class.1", {"type": "push", "value": value}))


def test_strict_delivers_what_the_redis_layer_would(layer):
    async def conversation():
        await layer.send("tutor", {"type": "tutor.wake", "pair": (1, 2.5), "text": "ß", "none": None})
        return await layer.receive("tutor")

    assert in_a_loop(conversation()) == {"type": "tutor.wake", "pair": [1, 2.5], "text": "ß", "none": None}


def test_a_send_looks_at_its_own_group_only():
    """1,000 classes of 30: one broadcast touches 30 mailboxes, whatever else there is."""
    layer = InProcessChannelLayer()

    async def conversation():
        for number in range(30_000):
            await layer.group_add(f"class.{number // 30}", f"test!{number}")
        await layer.group_send("class.7", {"type": "push"})

    in_a_loop(conversation())
    assert set(layer.channels) == {f"test!{number}" for number in range(210, 240)}


def test_not_a_dict(layer):
    with pytest.raises(TypeError):
        in_a_loop(layer.send("tutor", "wake"))
