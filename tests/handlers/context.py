"""Returns what it is told of itself: its context and its environment."""

import os
import time


def handler(event, context):
    first = context.get_remaining_time_in_millis()
    time.sleep(0.05)
    second = context.get_remaining_time_in_millis()
    client = context.client_context
    return {
        "context": {
            "aws_request_id": context.aws_request_id,
            "function_name": context.function_name,
            "function_version": context.function_version,
            "invoked_function_arn": context.invoked_function_arn,
            "log_group_name": context.log_group_name,
            "log_stream_name": context.log_stream_name,
            "memory_limit_in_mb": context.memory_limit_in_mb,
        },
        "remaining": [first, second],
        "client": client and {"custom": client.custom, "env": client.env},
        "environment": dict(os.environ),
        "directory": os.getcwd(),
        "file": __file__,
    }
