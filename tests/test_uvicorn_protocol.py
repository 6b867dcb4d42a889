"""The shorter way out of uvicorn: every length of frame, compression, and a peer that has gone, through a real server."""

import asyncio
import contextlib

import pytest
import uvicorn
import websockets
from websockets.exceptions import ConnectionClosed

from readerai_site.durations import INPUT_MESSAGES, LAST_BYTES, PIECE, UNSENT_BYTES
from readerai_site.uvicorn_protocol import WebSocketProtocol
from tests.served import deaf_socket

PATIENCE = 5


class Server(uvicorn.Server):
    """Says when it listens, and leaves the signals to pytest."""

    def __init__(self, config):
        super().__init__(config)
        self.listens = asyncio.Event()

    async def startup(self, sockets=None):
        await super().startup(sockets)
        self.listens.set()

    @contextlib.contextmanager
    def capture_signals(self):
        yield


@contextlib.asynccontextmanager
async def serving(application, protocol=WebSocketProtocol):
    """Serve on a free port with our protocol; yield the address."""
    server = Server(uvicorn.Config(
        application, port=0, ws=protocol, lifespan="off", log_level="warning", ws_ping_interval=None))
    task = asyncio.create_task(server.serve())
    async with asyncio.timeout(PATIENCE):
        await server.listens.wait()
    yield f"ws://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await task


async def plain_socket(address):
    """Ask for a WebSocket and return its two ends as plain bytes, the answer still to be read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n")
    return reader, writer


@pytest.mark.parametrize("compression", [None, "deflate"])
async def test_texts_of_every_length_arrive_whole_and_in_order(compression):
    texts = ["", "a" * 125, "a" * 126, "ü" * 100, "a" * 65_535, "a" * 65_536, "🦉" * 50_000]

    async def says_them(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        for text in texts:
            await send({"type": "websocket.send", "text": text})
            await send({"type": "websocket.send", "bytes": text.encode()})
        await send({"type": "websocket.close", "code": 4404})

    async with serving(says_them) as address, asyncio.timeout(PATIENCE):
        async with websockets.connect(address, compression=compression, max_size=None) as socket:
            for text in texts:
                assert await socket.recv() == text
                assert await socket.recv() == text.encode()
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
        assert closed.value.rcvd.code == 4404


async def test_what_one_turn_says_leaves_in_one_write_and_before_the_close_frame():
    writes = []

    class Counted(WebSocketProtocol):
        def flush(self):
            if self.unsent:
                writes.append(len(self.unsent))
            super().flush()

    async def says_it_in_one_turn(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        for text in ("one", "two", "three"):
            await send({"type": "websocket.send", "text": text})
        await asyncio.sleep(0)
        await send({"type": "websocket.send", "text": "four"})
        await send({"type": "websocket.close", "code": 4404})

    async with serving(says_it_in_one_turn, Counted) as address, asyncio.timeout(PATIENCE):
        async with websockets.connect(address, compression=None) as socket:
            assert [await socket.recv() for _ in range(4)] == ["one", "two", "three", "four"]
    assert writes == [len("one" "two" "three") + 3 * 2, len("four") + 2]


async def test_what_was_said_before_the_peers_close_frame_was_read_is_sent():
    async def answers_and_lets_go(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})

    async with serving(answers_and_lets_go) as address, asyncio.timeout(PATIENCE):
        reader, writer = await plain_socket(address)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\x81\x82\0\0\0\0hi")
        assert await reader.readexactly(4) == b"\x81\x02hi"
        writer.write(b"\x88\x82\0\0\0\0\x03\xe8")
        assert await reader.read() == b"\x88\x02\x03\xe8"


async def test_what_is_said_after_the_peer_has_left_is_refused_as_ever():
    refused = asyncio.get_running_loop().create_future()

    async def talks_on(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        assert (await receive())["type"] == "websocket.disconnect"
        try:
            await send({"type": "websocket.send", "text": "still there?"})
        except OSError as error:
            refused.set_result(error)
        else:
            refused.set_result(None)

    async with serving(talks_on) as address, asyncio.timeout(PATIENCE):
        async with websockets.connect(address):
            pass
        assert isinstance(await refused, OSError)


async def test_a_flood_is_parsed_no_further_than_the_application_follows():
    lengths, taken, backlog = ([1, 0, 3, 70] * 1_000 + [30_000]) * 4, [], []
    begin = asyncio.Event()

    async def takes_its_time(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await begin.wait()
        while (message := await receive())["type"] == "websocket.receive":
            taken.append(len(message["text"]))
            backlog.append(receive.__self__.queue.qsize())
            if len(taken) == len(lengths):
                await send({"type": "websocket.close"})

    async with serving(takes_its_time) as address, asyncio.timeout(4 * PATIENCE):
        async with websockets.connect(address, compression=None) as socket:
            sending = asyncio.create_task(_send_all(socket, lengths))
            await asyncio.sleep(0)  # its first messages are on their way
            begin.set()
            await socket.wait_closed()
            await sending
    assert taken == lengths
    assert max(backlog) < INPUT_MESSAGES + PIECE // 6


async def test_an_application_waits_for_a_peer_that_takes_nothing_before_the_kernel_is_full():
    said = asyncio.get_running_loop().create_future()

    async def talks(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        times = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                while True:
                    await send({"type": "websocket.send", "text": "x" * 10_000})
                    times += 1
        said.set_result(times * 10_000)
        send.__self__.transport.abort()

    async with serving(talks) as address, asyncio.timeout(PATIENCE):
        with await asyncio.to_thread(deaf_socket, int(address.rpartition(":")[2]), "/"):
            assert UNSENT_BYTES < await said < 4 * UNSENT_BYTES  # the transport holds as much again


async def _send_all(socket, lengths):
    for length in lengths:
        await socket.send("x" * length)


async def test_who_talks_on_after_the_close_frame_is_cut_off():
    async def closes(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 4429})

    async with serving(closes) as address, asyncio.timeout(PATIENCE):
        reader, writer = await plain_socket(address)
        await reader.readuntil(b"\x88\x02" + (4429).to_bytes(2, "big"))
        with pytest.raises(ConnectionError):
            while True:  # ten seconds would be waited for our own close frame, and all of this read
                writer.write(b"\x81\x81\0\0\0\0x" * (LAST_BYTES // 7))
                await writer.drain()


def frame(payload: bytes, *, opcode: int = 1, last: bool = True, mask: bytes = b"mask") -> bytes:
    """Return a frame as a browser sends it."""
    size = len(payload)
    head = bytes((opcode | last << 7,))
    head += bytes((size | 0x80,)) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return head + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))


async def heard(pieces):
    """Send the pieces, each read by itself; return the texts that the application received and all that came back."""
    texts, was_read = [], asyncio.Event()

    class Telling(WebSocketProtocol):
        def data_received(self, data):
            super().data_received(data)
            was_read.set()

    async def listens(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            texts.append(message["text"])
        texts.append(message["code"])

    async with serving(listens, Telling) as address, asyncio.timeout(PATIENCE):
        reader, writer = await plain_socket(address)
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            was_read.clear()
            writer.write(piece)
            await was_read.wait()
        came_back = await reader.read()
        writer.close()
    return texts, came_back


CLOSE = frame((1000).to_bytes(2, "big"), opcode=8)
LONG = "ü" * 1_000


@pytest.mark.parametrize(("pieces", "texts"), [
    ([frame(b"one"), frame(LONG.encode()), frame(b""), CLOSE], ["one", LONG, ""]),
    ([frame(b"one")[:4], frame(b"one")[4:], frame(b"two"), CLOSE], ["one", "two"]),
    ([frame(b"one") + frame(b"two"), frame(b"three"), CLOSE], ["one", "two", "three"]),
    ([frame(b"one") + frame(b"two")[:-1], frame(b"two")[-1:], CLOSE], ["one", "two"]),
    ([frame(b"on", last=False), frame(b"e", opcode=0), frame(b"two"), CLOSE], ["one", "two"]),
    ([frame(b"on", last=False), frame(b"", opcode=9), frame(b"e", opcode=0), CLOSE], ["one"]),
    # The second piece looks like a frame of its own and is the rest of the first's words.
    ([frame(b"\xe2" + frame(b"no"), mask=b"\0\0\0\0")[:7], frame(b"no"), frame(b"yes"), CLOSE],
     [(b"\xe2" + frame(b"no")).decode(), "yes"]),
    ([frame(b"ping", opcode=9), frame(b"one"), CLOSE], ["one"]),
], ids=["whole", "cut in two", "two at once", "one and a half", "fragments", "a ping among fragments", "looks like one",
        "after a ping"])
async def test_messages_are_heard_however_they_are_cut(pieces, texts):
    told, came_back = await heard(pieces)
    assert told == [*texts, 1000]
    assert came_back.endswith(b"\x88\x02\x03\xe8")


@pytest.mark.parametrize(("wrong", "code"), [
    (frame(b"\xff\xfe"), 1007),
    (b"\x81\x03one", 1002),
    (frame(b"one", opcode=0), 1002),
    (b"\xc1" + frame(b"one")[1:], 1002),
    (frame(b"one", opcode=3), 1002),
], ids=["not UTF-8", "not masked", "goes on with nothing", "compressed", "of no kind"])
async def test_a_frame_that_may_not_be_ends_the_connection_as_websockets_would(wrong, code):
    told, came_back = await heard([frame(b"one"), wrong])
    assert told == ["one", code]
    assert came_back.startswith(b"\x88") and came_back[2:4] == code.to_bytes(2, "big")
