"""The probes of a process that serves no pages: a worker's `/livez`, `/readyz` and `/metrics` on METRICS_PORT.

`manage.py runworker` opens it. It speaks just enough HTTP for a probe: one request a connection, no body, a small
head, a few seconds. What is answered is `readerai_site.probes`'.
"""

import asyncio
import contextlib
from http import HTTPStatus

from readerai_site.probes import Answer, Probes, headers_of

HEAD_BYTES = 8 * 1024
HEAD_SECONDS = 5.0
BAD_REQUEST = Answer(400, b"That is no request.\n")


async def open_probe_port(host: str, port: int) -> asyncio.Server:
    """Answer probes on this address until the server is closed. Raises OSError where it cannot be opened."""
    probes = Probes()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            try:
                answer, with_body = await _answer(probes, reader, writer.get_extra_info("peername")[0])
                body = answer.body if with_body else b""
                head = f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\n".encode()
                lines = [name + b": " + value for name, value in [*headers_of(answer), (b"connection", b"close")]]
                writer.write(head + b"\r\n".join(lines) + b"\r\n\r\n" + body)
                async with asyncio.timeout(HEAD_SECONDS):
                    await writer.drain()
            except TimeoutError:
                pass  # it does not read, or does not say what it wants
            finally:
                writer.close()

    return await asyncio.start_server(serve, host, port, limit=HEAD_BYTES)


async def _answer(probes: Probes, reader: asyncio.StreamReader, peer: str) -> tuple[Answer, bool]:
    """Return the answer to the one request of a connection, and whether its body is wanted."""
    try:
        async with asyncio.timeout(HEAD_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
        request, *lines = head.decode("latin1").split("\r\n")[:-2]
        method, target, _version = request.split(" ")
        headers = [(name.strip().lower().encode("latin1"), value.strip().encode("latin1"))
                   for name, _, value in (line.partition(":") for line in lines)]
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
        return BAD_REQUEST, True
    path, _, query = target.partition("?")
    return await probes.answer(method, path, query, headers, peer), method != "HEAD"
