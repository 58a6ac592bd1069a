"""Brings Python up before it is known what it will run.

thaw-init starts this in a sandbox that has no function yet: `python3 -m thaw_prestart`, with a stream socket as file
descriptor 3. It imports the official runtime client and what most handlers import, writes one line to say so, and
waits. What comes back is one line of JSON, the assignment:

    {"arguments": ["app.handler"], "environment": {"_HANDLER": "app.handler"}, "working_directory": "/var/task"}

From there on the process is as if it had been started as `python3 -m awslambdaric app.handler` in that directory and
with that environment, and runs the client's own loop. What an interpreter reads only once, when it starts (PYTHONPATH,
LD_LIBRARY_PATH and the like), the daemon has compared before: a function that wants other values gets a new process.
"""

import json
import os
import socket
import sys
import time

CHANNEL = 3


def import_what_handlers_import():
    # pylint: disable=import-outside-toplevel,unused-import
    import base64, collections, contextlib, copy, dataclasses, datetime, decimal, enum, functools  # noqa: E401,F401
    import hashlib, hmac, http.client, io, itertools, logging, math, operator, pathlib, random, re  # noqa: E401,F401
    import ssl, string, subprocess, tempfile, threading, traceback, typing  # noqa: E401,F401
    import urllib.error, urllib.parse, urllib.request, uuid  # noqa: E401,F401

    import awslambdaric.bootstrap, awslambdaric.lambda_config, awslambdaric.lambda_runtime_client  # noqa: E401,F401


def receive_assignment():
    with socket.socket(fileno=CHANNEL) as channel:
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
    import_what_handlers_import()
    assignment = receive_assignment()
    become(assignment)
    # What `python3 -m awslambdaric` does, by its own code.
    from awslambdaric import __main__ as client

    sys.argv = [client.__file__, *assignment["arguments"]]
    sys.modules["__main__"] = client
    client.main(sys.argv)


if __name__ == "__main__":
    main()
