// docs/openapi.yaml against itself: it is read by people, so every example must be one that the server could send.
import { test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import YAML from "yaml";
import { ROOT } from "../support/server.mjs";

const openapi = YAML.parse(readFileSync(path.join(ROOT, "docs/openapi.yaml"), "utf8"));
const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats(ajv);
ajv.addSchema(openapi, "openapi");

const escape = (key) => encodeURIComponent(key.replace(/~/g, "~0").replace(/\//g, "~1"));
const validator = (at) => ajv.compile({ $ref: `openapi#/${at.map(escape).join("/")}` });
const lookUp = (ref) =>
  ref.slice(2).split("/").reduce((node, key) => node[key.replace(/~1/g, "/").replace(/~0/g, "~")], openapi);
const follow = (node) => (node?.$ref ? lookUp(node.$ref) : node);

/** Every node of the document with its path, references not followed, examples not entered. */
function* nodes(node = openapi, at = []) {
  if (typeof node !== "object" || node === null) return;
  yield { node, at };
  for (const [key, value] of Object.entries(node)) {
    const isData = (key === "example" || key === "examples") && at.at(-1) !== "properties" && at.join("/") !== "components";
    if (!isData) yield* nodes(value, [...at, key]);
  }
}

const isSchema = ({ at }) => at.length > 2 && (at.at(-1) === "schema" || at.at(-2) === "properties" || at.at(-1) === "items" || /^(oneOf|allOf|anyOf|schemas)$/.test(at.at(-2)));

function complaints(at, value) {
  const validate = validator(at);
  return validate(value) ? [] : [`${at.join("/")}: ${ajv.errorsText(validate.errors)}\n  ${JSON.stringify(value)}`];
}

test("every example of a body or parameter is what its schema describes", () => {
  const bad = [];
  let count = 0;
  for (const { node, at } of nodes()) {
    if (!node.schema || isSchema({ at }) || at.includes("examples")) continue;
    const values = node.examples ? Object.values(node.examples).map((e) => follow(e).value) : "example" in node ? [node.example] : [];
    for (const value of values) {
      count++;
      bad.push(...complaints([...at, "schema"], value));
    }
  }
  assert.deepEqual(bad, []);
  assert.ok(count > 90, `${count} examples were looked at`);
});

test("every example of a schema is an instance of it, and every event has one of each of its types", () => {
  const bad = [];
  let count = 0;
  for (const { node, at } of nodes()) {
    if (!isSchema({ at })) continue;
    for (const value of [...(node.examples ?? []), ...("example" in node ? [node.example] : [])]) {
      count++;
      bad.push(...complaints(at, value));
    }
  }
  assert.deepEqual(bad, []);
  assert.ok(count > 30, `${count} examples were looked at`);
  const { ServerEvent, ClientMessage } = openapi.components.schemas;
  for (const schema of [...ServerEvent.oneOf, ...ClientMessage.oneOf].map(follow)) {
    const { type } = schema.properties;
    const shown = schema.examples?.map((e) => e.type) ?? [];
    for (const one of type.enum ?? [type.const]) assert.ok(shown.includes(one), `an example of '${one}'`);
  }
});

test("every schema and every member of one has a sentence", () => {
  const mute = [];
  for (const { node, at } of nodes()) {
    if (!isSchema({ at })) continue;
    if (at.at(-2) === "schemas" && !node.description) mute.push(at.join("/"));
    for (const [name, member] of Object.entries(node.properties ?? {})) {
      const said = member.description ?? follow(member).description ?? ("const" in member ? "itself" : "");
      if (!said) mute.push([...at, name].join("/"));
    }
  }
  assert.deepEqual(mute, []);
});

test("the codes of problems are the same in the table, the schema and the examples, with the same status", () => {
  const table = [...openapi.info.description.matchAll(/^\| `([a-z_]+)` \| (\d+) \| (.+) \|$/gm)];
  const codes = openapi.components.schemas.ProblemCode.enum;
  assert.deepEqual(table.map(([, code]) => code).toSorted(), codes.toSorted());
  for (const [, code, status, meaning] of table) {
    assert.ok(meaning.length > 10, `${code} is explained`);
    const example = openapi.components.examples[code];
    assert.ok(example, `there is an example of ${code}`);
    assert.deepEqual([example.value.code, example.value.status], [code, Number(status)]);
    assert.deepEqual(complaints(["components", "schemas", example.value.call ? "CallProblem" : "Problem"], example.value), []);
  }
});

test("every error answer names codes of its own status, and shows each", () => {
  const bad = [];
  const known = openapi.components.examples;
  for (const [path_, item] of Object.entries(openapi.paths)) {
    for (const [method, { responses }] of Object.entries(item)) {
      for (const [status, reference] of Object.entries(responses ?? {})) {
        const response = follow(reference);
        const media = response.content?.["application/problem+json"];
        if (Number(status) < 400) continue;
        const where = `${method} ${path_} ${status}`;
        if (!media) {
          bad.push(`${where}: no problem is described`);
          continue;
        }
        const named = [...response.description.matchAll(/`([a-z_]+)`/g)].map(([, code]) => code).filter((code) => code in known && known[code].value.code === code);
        const fitting = named.filter((code) => known[code].value.status === Number(status));
        if (fitting.length === 0) bad.push(`${where}: names no code of this status`);
        for (const code of fitting) if (!media.examples?.[code]) bad.push(`${where}: ${code} is not shown`);
        for (const [code, example] of Object.entries(media.examples ?? {}))
          if (follow(example).value.status !== Number(status)) bad.push(`${where}: shows ${code}, which is another status`);
      }
    }
  }
  assert.deepEqual(bad, []);
});
