// Checks objects of the Prometheus Operator against the schemas of its CRDs, which an npm package
// carries as validators. Reads a JSON array; writes one of the same length with each one's problems.
//
// The validators take fields that the schema does not know; the API server drops them. So we note
// which fields a validator looks at: what it has not looked at, it does not know.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const schemas = `${process.argv[2]}/@kubernetes-models/prometheus-operator/_schemas`;
const prefix = "ComGithubPrometheusOperatorPrometheusOperatorPkgApisMonitoringV1";

function watched(value, path, seen) {
  if (value === null || typeof value !== "object") return value;
  return new Proxy(value, {
    get(target, key) {
      if (typeof key === "symbol" || !Object.hasOwn(target, key)) return target[key];
      seen.add(`${path}/${key}`);
      return watched(target[key], `${path}/${key}`, seen);
    },
  });
}

function* paths(value, path) {
  if (value === null || typeof value !== "object") return;
  for (const [key, inner] of Object.entries(value)) {
    yield `${path}/${key}`;
    yield* paths(inner, `${path}/${key}`);
  }
}

async function problems(object) {
  const { validate } = await import(pathToFileURL(`${schemas}/${prefix}${object.kind}.js`));
  const seen = new Set();
  validate(watched(object, "", seen));
  const found = (validate.errors ?? []).map(({ instancePath, message, keyword, params }) =>
    `${instancePath}: ${message ?? `${keyword} ${JSON.stringify(params)}`}`);
  for (const path of paths(object, ""))
    if (!seen.has(path)) found.push(`${path}: is not in the schema`);
  return found;
}

const objects = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(await Promise.all(objects.map(problems))));
