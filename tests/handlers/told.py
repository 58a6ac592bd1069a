"""Prints the event that it is given."""

import json


def handler(event, context):
    print("told", json.dumps(event, sort_keys=True))
