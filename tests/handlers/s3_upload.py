"""The function of Lambda's S3 tutorial: it is told of an upload and reads where it is."""

import json
import urllib.parse


def handler(event, context):
    print("Received event: " + json.dumps(event, indent=2))
    record = event["Records"][0]["s3"]
    bucket = record["bucket"]["name"]
    key = urllib.parse.unquote_plus(record["object"]["key"], encoding="utf-8")
    return {"bucket": bucket, "key": key, "size": record["object"]["size"]}
