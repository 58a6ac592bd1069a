"""Counts in the background, every few milliseconds."""

import threading
import time
import uuid

SANDBOX = str(uuid.uuid4())
PAUSE = 0.005
ticks = 0


def count():
    global ticks
    while True:
        ticks += 1
        time.sleep(PAUSE)


threading.Thread(target=count, daemon=True).start()


def handler(event, context):
    before = ticks
    time.sleep(event["seconds"])
    return {"sandbox": SANDBOX, "before": before, "after": ticks}
