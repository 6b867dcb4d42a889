"""A network line of the tests' own, between a browser and the server, that can be cut.

Playwright's `set_offline` leaves open WebSockets alone, so what a lost network does is proved through this.
It runs in a thread of its own; every method returns once what it says is so.
"""

import asyncio
import threading


class Line:
    """A TCP proxy on a free local port to the server's; use it with `with`."""

    def __init__(self, server_port: int):
        self.server_port = server_port
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._is_cut = False
        self._is_deaf = False
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "Line":
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Break every connection and refuse new ones."""
        self._do(self._set(is_cut=True))

    def mend(self) -> None:
        """Let connections through again, both ways."""
        self._do(self._set(is_cut=False))

    def deafen(self) -> None:
        """Lose what the server says, while it goes on hearing: an acknowledgement on its way never arrives."""
        self._is_deaf = True

    def _do(self, coroutine) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        await self._set(is_cut=True)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others, return_exceptions=True)

    async def _set(self, *, is_cut: bool) -> None:
        self._is_cut = is_cut
        self._is_deaf = False
        if is_cut:
            for writer in list(self._writers):
                writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            return writer.transport.abort()
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.server_port)
        except OSError:
            return writer.transport.abort()
        pair = {writer, server_writer}
        self._writers |= pair
        await asyncio.gather(self._pump(reader, server_writer), self._pump(server_reader, writer, to_client=True))
        self._writers -= pair

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, to_client: bool = False) -> None:
        try:
            while data := await reader.read(65_536):
                if not (to_client and self._is_deaf):
                    writer.write(data)
                    await writer.drain()
        except OSError:
            pass  # one end broke: so does the other
        writer.close()
