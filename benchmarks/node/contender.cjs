// The original's way: a start written and flushed, the job, an end written, the writer closed.
// node contender.cjs FOLDER_OF_MODULES '["name", {where}]', then as benchmarks/child.py.
"use strict";

const { createInterface } = require("node:readline");
const { createRequire } = require("node:module");
const { randomBytes } = require("node:crypto");
const path = require("node:path");

const { InfluxDB, Point } = createRequire(path.join(process.argv[2], "package.json"))("@influxdata/influxdb-client");
const [, where] = JSON.parse(process.argv[3]);
const client = new InfluxDB({ url: where.url, token: where.token });

function point(uuid, status) {
  return new Point("scheduling-job")
    .tag("job", "nightly")
    .tag("datacenter", "eu-1")
    .tag("project", "billing")
    .tag("stage", "production")
    .stringField("uuid", uuid)
    .stringField("status", status);
}

async function run(job) {
  const uuid = randomBytes(6).toString("hex");
  const writer = client.getWriteApi(where.org, where.bucket, "ns");
  writer.writePoint(point(uuid, "start"));
  await writer.flush();
  const result = await job();
  writer.writePoint(point(uuid, "end"));
  await writer.close();
  return result;
}

async function timed({ most, for_s }) {
  const took = [];
  const ends = process.hrtime.bigint() + BigInt(Math.round(for_s * 1e9));
  for (let count = 0; count < most; count++) {
    const began = process.hrtime.bigint();
    await run(async () => 42);
    const ended = process.hrtime.bigint();
    took.push(Number(ended - began));
    if (ended >= ends) break;
  }
  return took;
}

async function main() {
  console.log(JSON.stringify("ready"));
  for await (const line of createInterface({ input: process.stdin })) {
    const told = JSON.parse(line);
    const took = await timed(told);
    if (told.kill) process.kill(process.pid, "SIGKILL");
    console.log(JSON.stringify(took));
  }
}

main();
