"""The example function of the quickstart: says hello, and counts what it remembers between calls."""

import platform

# Imported once, in the init phase; kept while the sandbox lives, frozen between calls.
calls = 0


def handler(event, context):
    global calls
    calls += 1
    print(f"call {calls} in this sandbox, {context.get_remaining_time_in_millis()} ms left")
    return {
        "message": f"Hello, {event.get('name', 'world')}!",
        "call": calls,
        "python": platform.python_version(),
        "request_id": context.aws_request_id,
    }
