"""Can't be imported."""

print("importing")

import there_is_no_such_module  # noqa: E402,F401


def handler(event, context):
    return "never"
