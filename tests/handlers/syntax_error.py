"""Is no Python."""

def handler(event, context)
    return "never"
