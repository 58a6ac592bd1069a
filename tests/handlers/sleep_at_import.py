"""Takes long to import."""

import time

print("importing")
time.sleep(600)


def handler(event, context):
    return "never"
