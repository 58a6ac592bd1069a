"""Prints in every way there is."""

import logging
import os
import sys

logging.getLogger().setLevel(logging.INFO)
print("from the import")


def handler(event, context):
    what = event["what"]
    if what == "all ways":
        print("from print")
        logging.info("from logging")
        sys.stderr.write("from stderr\n")
        os.write(1, b"\n\r\nfrom a descriptor\n")
    elif what == "not UTF-8":
        os.write(1, b"before \xff\xfe\x80 after\n")
        os.write(1, b"\0 zero\n")
    elif what == "numbers":
        for number in range(event["count"]):
            print(f"line {number}")
    elif what == "no line end":
        os.write(1, b"unfinished")
    elif what == "flood":
        block = (b"y" * 63 + b"\n") * 128
        for _ in range(event["kb"] // 8):
            os.write(1, block)
    elif what == "one endless line":
        for _ in range(event["kb"]):
            os.write(1, b"z" * 1024)
    else:
        print(what)
    return context.aws_request_id
