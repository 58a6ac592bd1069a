#!/bin/sh
# A runtime as Lambda's tutorial on custom runtimes has it: a shell script that asks for events by curl and hands each to a
# function of the script that the handler's name names.
set -eu

. "$LAMBDA_TASK_ROOT/${_HANDLER%.*}.sh"
function=${_HANDLER##*.}
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation

while :; do
    headers=$(mktemp)
    event=$(curl -sS -L -D "$headers" "$api/next")
    request_id=$(sed -n 's/^lambda-runtime-aws-request-id: *\([^[:space:]]*\).*/\1/Ip' "$headers")
    rm "$headers"
    "$function" "$event" | curl -sS -X POST --data-binary @- "$api/$request_id/response" >/dev/null
done
