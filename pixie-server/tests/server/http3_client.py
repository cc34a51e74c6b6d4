"""A client of HTTP/3, made of aioquic. Reads lines of JSON from its input, each a step, and writes what happened.

Usage: http3_client.py PORT CA_FILE
"""

import asyncio
import json
import sys

from aioquic.buffer import Buffer
from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, StreamDataReceived, StreamReset

PATIENCE = 10


class Client(QuicConnectionProtocol):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.http = H3Connection(self._quic)
        self.answers = {}
        self.closed = None
        self.changed = asyncio.Event()
        # aioquic ignores GOAWAY, so the control stream of the server is read here too.
        self.control = b""

    def quic_event_received(self, event):
        if isinstance(event, ConnectionTerminated):
            self.closed = event.error_code
        if isinstance(event, StreamDataReceived) and event.stream_id == 3:
            self.control += event.data
        if isinstance(event, StreamReset):
            self.answer(event.stream_id)["reset"] = event.error_code
        for event in self.http.handle_event(event):
            answer = self.answer(event.stream_id)
            if isinstance(event, HeadersReceived):
                answer["head"] += [[name.decode(), value.decode()] for name, value in event.headers]
            if isinstance(event, DataReceived):
                answer["bytes"] += len(event.data)
                answer["text"] = (answer["text"] + event.data.decode("latin-1"))[:300]
            answer["ended"] |= event.stream_ended
        self.changed.set()

    def answer(self, stream):
        return self.answers.setdefault(stream, {"head": [], "bytes": 0, "text": "", "ended": False, "reset": None})

    def goaways(self):
        """Returns the streams that the GOAWAY frames of the server have named."""
        found, buffer = [], Buffer(data=self.control)
        if not buffer.eof():
            buffer.pull_uint_var()
        while not buffer.eof():
            kind, length = buffer.pull_uint_var(), buffer.pull_uint_var()
            payload = Buffer(data=buffer.pull_bytes(length))
            if kind == 7:
                found.append(payload.pull_uint_var())
        return found

    def begin(self, step):
        """Sends a request, and returns its stream."""
        stream = self._quic.get_next_available_stream_id()
        head = [(":method", step.get("method", "GET")), (":scheme", "https"), (":authority", "localhost")]
        head += [(":path", step["path"])] + step.get("head", [])
        has_body = "bytes" in step
        head = [(name.encode(), value.encode()) for name, value in head]
        self.http.send_headers(stream, head, end_stream=not has_body)
        if has_body:
            self.http.send_data(stream, b"x" * step["bytes"], end_stream=not step.get("open", False))
        self.transmit()
        return stream

    async def until(self, condition):
        async def wait():
            while not condition():
                self.changed.clear()
                await self.changed.wait()

        await asyncio.wait_for(wait(), PATIENCE)

    async def run(self, step):
        kind = step["do"]
        if kind in ("ask", "begin"):
            stream = self.begin(step)
            if kind == "begin":
                return {"stream": stream}
        elif kind == "goaway":
            await self.until(self.goaways)
            return {"goaways": self.goaways()}
        elif kind == "closed":
            await self.until(lambda: self.closed is not None)
            return {"closed": self.closed}
        elif kind == "raw":
            # Bytes that are not what HTTP/3 expects.
            stream = self._quic.get_next_available_stream_id()
            self._quic.send_stream_data(stream, bytes.fromhex(step["hex"]), end_stream=step.get("end", False))
            self.transmit()
            return {"stream": stream}
        elif kind == "stall":
            # Grants no further bytes.
            self._quic._write_connection_limits = lambda *arguments, **options: None
            self._quic._write_stream_limits = lambda *arguments, **options: None
            return {}
        elif kind == "cancel":
            self._quic.stop_stream(step["stream"], 0x10C)
            self.transmit()
            return {}
        else:
            stream = step["stream"]
        answer = self.answer(stream)
        await self.until(lambda: answer["ended"] or answer["reset"] is not None or self.closed is not None)
        return answer | {"closed": self.closed, "retries": self._quic._retry_count}


async def main(port, authorities):
    configuration = QuicConfiguration(is_client=True, alpn_protocols=["h3"], cafile=authorities, server_name="localhost")
    configuration.max_data = configuration.max_stream_data = 1 << 20
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with connect("127.0.0.1", int(port), configuration=configuration, create_protocol=Client) as client:
        while line := await lines.readline():
            print(json.dumps(await client.run(json.loads(line))), flush=True)


asyncio.run(main(*sys.argv[1:]))
