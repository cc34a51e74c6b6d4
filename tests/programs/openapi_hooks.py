"""Keeps schemathesis from requests that a document cannot forbid and a server need not take."""

import schemathesis


def sendable(value):
    # JSON Schema takes 2.0 for an integer, and serde does not.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [sendable(item) for item in value]
    if isinstance(value, dict):
        # HTTP does not allow control characters in the head of a form's part.
        return {name: sendable(item) for name, item in value.items() if name.isprintable()}
    return value


@schemathesis.hook
def map_body(context, body):
    return sendable(body)
