"""Is a runtime of its own: it never returns from its import, but asks for events itself and answers with their headers."""

import http.client
import json

PREFIX = "/2018-06-01/runtime"

answered = 0
connection = http.client.HTTPConnection("127.0.0.1", 9001)
while True:
    connection.request("GET", PREFIX + "/invocation/next")
    event = connection.getresponse()
    body = event.read().decode()
    headers = {name.lower(): value for name, value in event.getheaders()}
    answered += 1
    answer = json.dumps({"status": event.status, "headers": headers, "body": body, "answered": answered})
    answer += " " * json.loads(body).get("padding", 0)
    request_id = headers["lambda-runtime-aws-request-id"]
    connection.request("POST", f"{PREFIX}/invocation/{request_id}/response", body=answer)
    verdict = connection.getresponse()
    verdict.read()
    print("verdict", verdict.status, flush=True)
