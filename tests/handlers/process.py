"""Returns what its process looks like from inside: what it was started as, and what it took over."""

import os
import sys

TOP = sys.modules["__main__"]


def handler(event, context):
    with open("/proc/self/cmdline", "rb") as file:
        started_as = file.read().decode().split("\0")[:-1]
    disk = os.statvfs("/tmp")
    return {
        "started_as": started_as,
        "arguments": sys.argv[1:],
        "main": TOP.__spec__.name if TOP.__spec__ else TOP.__name__,
        "path": sys.path[0],
        "directory": os.getcwd(),
        "environment": dict(os.environ),
        "descriptors": sorted(int(name) for name in os.listdir("/proc/self/fd"))[:3],
        "tmp_mb": disk.f_blocks * disk.f_frsize >> 20,
        "zone": __import__("time").tzname[0],
    }
