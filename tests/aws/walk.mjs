// The JavaScript SDK, unmodified: a function's life, and an event stream.
//
//     node walk.mjs ENDPOINT PACKAGE.zip
import { readFileSync } from "node:fs";
import assert from "node:assert/strict";
import {
  CreateFunctionCommand, DeleteFunctionCommand, GetFunctionCommand, InvokeCommand, InvokeWithResponseStreamCommand,
  LambdaClient, ListFunctionsCommand, waitUntilFunctionActiveV2,
} from "@aws-sdk/client-lambda";

const [endpoint, archive] = process.argv.slice(2);
const client = new LambdaClient({
  endpoint, region: "us-east-1", credentials: { accessKeyId: "test", secretAccessKey: "test" },
});
const FunctionName = `js-${process.pid}`;
const bytes = (text) => new TextEncoder().encode(text);
const text = (bytes) => new TextDecoder().decode(bytes);

await client.send(new CreateFunctionCommand({
  FunctionName, Runtime: "python3.13", Handler: "echo.handler", Role: "arn:aws:iam::000000000000:role/test",
  Code: { ZipFile: readFileSync(archive) }, Timeout: 20,
}));
try {
  await waitUntilFunctionActiveV2({ client, maxWaitTime: 30, minDelay: 1 }, { FunctionName });
  const answer = await client.send(new InvokeCommand({ FunctionName, Payload: bytes('{"a": "ü"}'), LogType: "Tail" }));
  assert.equal(answer.StatusCode, 200);
  assert.deepEqual(JSON.parse(text(answer.Payload)), { a: "ü" });
  assert.match(Buffer.from(answer.LogResult, "base64").toString(), /REPORT RequestId/);
  const stream = await client.send(new InvokeWithResponseStreamCommand({ FunctionName, Payload: bytes("[1, 2]") }));
  let streamed = "";
  let complete = false;
  for await (const event of stream.EventStream) {
    if (event.PayloadChunk) streamed += text(event.PayloadChunk.Payload);
    if (event.InvokeComplete) complete = true;
  }
  assert.deepEqual(JSON.parse(streamed), [1, 2]);
  assert.ok(complete);
  const listed = await client.send(new ListFunctionsCommand({}));
  assert.ok(listed.Functions.some((found) => found.FunctionName === FunctionName));
  const missing = client.send(new GetFunctionCommand({ FunctionName: `${FunctionName}:live` }));
  await assert.rejects(missing, { name: "ResourceNotFoundException" });
} finally {
  await client.send(new DeleteFunctionCommand({ FunctionName }));
}
console.log("ok");
