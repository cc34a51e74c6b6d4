"""The same routes for gunicorn: each fault as Python code commits it."""

import ctypes
import os
from urllib.parse import parse_qs


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/ok":
        body = parse_qs(environ["QUERY_STRING"])["id"][0]
    else:
        body = commit(path.removeprefix("/fault/"))
    body = body.encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def commit(name):
    if name == "loop":
        while True:
            pass
    if name == "segv":
        ctypes.string_at(0)
    if name == "overflow":
        deeper(0)
    if name == "hoard":
        hoard = []
        while True:
            hoard.append(b"x" * 1024 * 1024)
    if name == "abort":
        os.abort()
    return "no such fault"


def deeper(depth):
    return deeper(depth + 1) + depth
