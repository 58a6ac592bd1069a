"""Brings Python up before it is known what it will run.

thaw-init starts this in a sandbox that has no function yet: `python3 -m thaw_prestart`, with a stream socket as file
descriptor 3. It imports the official runtime client, then what most handlers import for as long as nobody waits for it,
writes one line to say that it is up, and waits. What comes back is one line of JSON, the assignment:

    {"arguments": ["app.handler"], "environment": {"_HANDLER": "app.handler"}, "working_directory": "/var/task"}

From there on the process is as if it had been started as `python3 -m awslambdaric app.handler` in that directory and
with that environment, and runs the client's own loop. What an interpreter reads only once, when it starts (PYTHONPATH,
LD_LIBRARY_PATH and the like), the daemon has compared before: a function that wants other values gets a new process.
"""

import importlib
import json
import os
import select
import socket
import sys
import time

import awslambdaric.bootstrap
import awslambdaric.lambda_config
import awslambdaric.lambda_runtime_client

CHANNEL = 3

# What takes longest and is asked for most comes first.
USUAL_MODULES = """
    datetime decimal hashlib hmac base64 urllib.parse uuid random pathlib ssl http.client urllib.request urllib.error
    collections contextlib copy dataclasses enum functools io itertools logging math operator re string subprocess
    tempfile threading traceback typing
""".split()


def import_usual_modules(channel):
    for name in USUAL_MODULES:
        readable, _, _ = select.select([channel], [], [], 0)
        if readable:
            # A call waits already: its handler imports what it needs.
            return
        importlib.import_module(name)


def receive_assignment():
    with socket.socket(fileno=CHANNEL) as channel:
        import_usual_modules(channel)
        channel.sendall(b"\n")
        line = b""
        while not line.endswith(b"\n"):
            chunk = channel.recv(65536)
            if not chunk:
                # Whoever started this has no use for it any more.
                sys.exit(0)
            line += chunk
    return json.loads(line)


def become(assignment):
    os.environ.clear()
    os.environ.update(assignment["environment"])
    time.tzset()
    directory = assignment["working_directory"]
    # The directory of that name was another one before the function's code was mounted there.
    os.chdir(directory)
    sys.path[0] = directory
    sys.path_importer_cache.clear()


def main():
    assignment = receive_assignment()
    become(assignment)
    # What `python3 -m awslambdaric` does, by its own code.
    from awslambdaric import __main__ as client

    sys.argv = [client.__file__, *assignment["arguments"]]
    sys.modules["__main__"] = client
    client.main(sys.argv)


if __name__ == "__main__":
    main()
