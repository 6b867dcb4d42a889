"""One GET of a page, as cheap as it can be: the load generator asks for many while it drives sockets."""

import asyncio


async def get_page(port: int, path: str, *, cookie: str) -> int:
    """Return how many bytes came; raise ValueError when it was not the page, OSError when there was no connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write((f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: sessionid={cookie}\r\n"
                      "Connection: close\r\n\r\n").encode())
        answer = await reader.read(-1)
    finally:
        writer.close()
    if not answer.startswith(b"HTTP/1.1 200"):
        raise ValueError(answer.partition(b"\r\n")[0].decode("latin1"))
    return len(answer)
