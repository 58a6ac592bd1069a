"""Prints its event as a line of JSON, and returns it."""

import json


def handler(event, context):
    print(json.dumps(event))
    return event
