// Two runs of a job in Node.js, which knows nothing of this project: a span with the job's name is all it takes.
const { NodeSDK } = require("@opentelemetry/sdk-node");
const { SpanStatusCode, trace } = require("@opentelemetry/api");

async function main() {
  const sdk = new NodeSDK();
  sdk.start();
  const tracer = trace.getTracer("reports");
  const attributes = { "scheduling.job.name": "node-report" };
  tracer.startActiveSpan("report", { attributes }, (span) => {
    tracer.startActiveSpan("query", (query) => query.end());
    span.end();
  });
  tracer.startActiveSpan("report", { attributes }, (span) => {
    const error = new RangeError("no such month");
    span.recordException(error);
    span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
    span.end();
  });
  await sdk.shutdown();
}

main();
