"""A server that says a ready-made acknowledgement to whatever it hears: what this machine and Python can do at most.

A peer that `bench` measures: picows reads and writes the frames in C, and nothing is parsed, checked or kept.

    python -m tests.load.echo --port 8000
"""

import argparse
import time

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

RESTORED = b'{"type":"SESSION_RESTORED","payload":{"textId":1,"wordIndex":20,"status":"reading"}}'


class Listener(WSListener):
    """One socket."""

    def on_ws_connected(self, transport: WSTransport):
        transport.send(WSMsgType.TEXT, RESTORED)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame):
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()
        else:
            transport.send(WSMsgType.TEXT, b'{"type":"INTERRUPTION_ACKNOWLEDGED","timestamp":%f}' % time.time())


async def serve(port: int) -> None:
    """Serve until the process is told to stop."""
    server = await ws_create_server(lambda request: Listener(), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A bare WebSocket server")
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(serve(parser.parse_args().port))
