// A client of the HTTP API that checks every answer against docs/openapi.yaml.
import https from "node:https";
import { readFileSync } from "node:fs";
import path from "node:path";
import { randomUUID } from "node:crypto";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import YAML from "yaml";
import WebSocket from "ws";
import { ROOT, eventually } from "./server.mjs";

export const openapi = YAML.parse(readFileSync(path.join(ROOT, "docs/openapi.yaml"), "utf8"));
const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats(ajv);
ajv.addSchema(openapi, "openapi");

const patterns = Object.keys(openapi.paths).map((template) => ({
  template,
  regexp: new RegExp(`^${template.replace(/\{[^}]+\}/g, "[^/]+")}$`),
}));
const validators = new Map();

function pointer(...parts) {
  return parts.map((p) => "/" + encodeURIComponent(p.replace(/~/g, "~0").replace(/\//g, "~1"))).join("");
}

function resolve(node) {
  const at = [];
  while (node && node.$ref) {
    at.splice(0, at.length, ...node.$ref.slice(2).split("/").map((p) => p.replace(/~1/g, "/").replace(/~0/g, "~")));
    node = at.reduce((n, key) => n[key], openapi);
  }
  return { node, at: at.length ? at : null };
}

/** [{ id, method, path, operation }] of everything in the file. */
export const operations = Object.entries(openapi.paths).flatMap(([template, item]) =>
  ["get", "post", "put", "patch", "delete"]
    .filter((method) => item[method])
    .map((method) => ({ id: item[method].operationId, method: method.toUpperCase(), path: template, operation: item[method] })),
);

/** { status: Set of codes } of a map of responses: those that carry x-codes. */
function codesOf(responses) {
  const all = {};
  for (const [status, response] of Object.entries(responses)) {
    const codes = resolve(response).node["x-codes"];
    if (Number(status) >= 400 && !codes) throw new Error(`openapi.yaml: a response ${status} without x-codes`);
    if (codes) all[status] = new Set(Object.keys(codes));
  }
  return all;
}
/** What any operation may answer, and what answers where there is none. */
export const everyOperation = codesOf(openapi["x-every-operation"]);
export const noOperation = codesOf(openapi["x-no-operation"]);
export const documentedCodes = (operation) => codesOf(operation.responses);

/** What checks one described response: status, type, body. */
function checkAgainst(what, response, base, type, body) {
  const { node, at } = resolve(response);
  if (!node.content) {
    if (body.length) throw new Error(`${what}: a body where none is described`);
    return;
  }
  if (!node.content[type]) throw new Error(`${what}: type '${type}' is not described`);
  if (!/json$/.test(type)) return;
  const ref = "openapi#" + pointer(...(at ?? base), "content", type, "schema");
  if (!validators.has(ref)) validators.set(ref, ajv.compile({ $ref: ref }));
  const validate = validators.get(ref);
  if (!validate(JSON.parse(body))) throw new Error(`${what}: ${ajv.errorsText(validate.errors)}\n${body}`);
}

function checkProblem(what, status, codes, body) {
  const problem = JSON.parse(body);
  if (!codes?.has(problem.code)) throw new Error(`${what}: openapi.yaml describes no ${status} ${problem.code}\n${body}`);
  if (problem.status !== status) throw new Error(`${what}: the problem says ${problem.status}`);
  if (!/[.!?]$/.test(problem.detail) || problem.detail.length < 12) throw new Error(`${what}: '${problem.detail}' is no sentence`);
}

/** Throws when the answer, with the code of its problem, is not one that the OpenAPI file describes for this operation. */
export function checkResponse(method, pathname, status, contentType, body) {
  const verb = method === "HEAD" ? "get" : method.toLowerCase();
  const type = (contentType ?? "").split(";")[0].trim();
  const found = patterns.filter((p) => p.regexp.test(pathname));
  const template = found.find((p) => openapi.paths[p.template][verb])?.template;
  const what = `${method} ${template ?? pathname} ${status}`;
  if (status === 500) throw new Error(`${what}: the server is at fault: ${body}`);
  if (method === "HEAD") body = "";
  if (!template) {
    const wanted = found.length ? "405" : "404";
    if (status === 400 || status === 408 || status === 413 || status === 417) return;
    if (String(status) !== wanted) throw new Error(`${what}: openapi.yaml has no such operation`);
    checkAgainst(what, openapi["x-no-operation"][wanted], ["x-no-operation", wanted], type, body);
    checkProblem(what, status, noOperation[wanted], body);
    return;
  }
  const { responses } = openapi.paths[template][verb];
  const own = responses[String(status)];
  const common = openapi["x-every-operation"][String(status)];
  if (!own && !common) throw new Error(`${what}: openapi.yaml describes no such answer`);
  const base = own ? ["paths", template, verb, "responses", String(status)] : ["x-every-operation", String(status)];
  if (method === "HEAD") return;
  checkAgainst(what, own ?? common, base, type, body);
  if (status < 400) return;
  const codes = new Set([...(documentedCodes({ responses })[status] ?? []), ...(everyOperation[status] ?? [])]);
  checkProblem(what, status, codes, body);
}

const validateEvent = ajv.compile({ $ref: "openapi#/components/schemas/ServerEvent" });

export const closeCodes = openapi.paths["/events"].get["x-close-codes"];

/** Throws when the server closed a WebSocket with a code that the OpenAPI file does not describe. */
export function checkClose(code) {
  // 1001 and 1005 ("none was given") are the client's own, given back.
  if (!closeCodes[code] && ![1001, 1005].includes(code)) throw new Error(`openapi.yaml describes no close code ${code}`);
}

/** What is wrong with this event, or null. */
export function checkEvent(event) {
  return validateEvent(event) ? null : ajv.errorsText(validateEvent.errors);
}

const agent = new https.Agent({ rejectUnauthorized: false, keepAlive: true, maxSockets: 64 });

export class ApiError extends Error {
  constructor(answer) {
    super(`${answer.status} ${answer.json?.code ?? ""} ${answer.json?.detail ?? answer.text.slice(0, 200)}`);
    this.status = answer.status;
    this.code = answer.json?.code;
    this.json = answer.json;
  }
}

/** One request. body: an object (JSON), or a string or Buffer with options.type. Resolves for every status. */
export function request(base, method, target, body, options = {}) {
  const payload = body === undefined ? undefined : typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const headers = { ...(options.headers ?? {}) };
  if (payload !== undefined) {
    headers["content-type"] ??= options.type ?? "application/json";
    headers["content-length"] = Buffer.byteLength(payload);
  }
  if (options.token) headers.authorization = `Bearer ${options.token}`;
  const url = new URL(target.startsWith("/api/") || options.raw ? target : `/api/v1${target}`, base);
  return new Promise((resolve_, reject) => {
    const req = https.request(url, { method, headers, agent: options.agent ?? agent, timeout: 15_000 }, (res) => {
      const chunks = [];
      res.on("data", (chunk) => chunks.push(chunk));
      res.on("error", reject);
      res.on("end", () => {
        const bytes = Buffer.concat(chunks);
        const text = bytes.toString("utf8");
        const type = res.headers["content-type"];
        const answer = { status: res.statusCode, headers: res.headers, bytes, text, json: undefined };
        try {
          if (/json/.test(type ?? "") && method !== "HEAD") answer.json = JSON.parse(text);
          if (url.pathname.startsWith("/api/v1/") && !options.unchecked)
            checkResponse(method, url.pathname.slice("/api/v1".length), answer.status, type, text);
        } catch (error) {
          reject(error);
          return;
        }
        resolve_(answer);
      });
    });
    req.on("timeout", () => req.destroy(new Error(`${method} ${url.pathname}: no answer in 15 s`)));
    // A server that refuses a large body stops reading; its answer may be on the way all the same.
    req.on("error", (error) => (error.code === "EPIPE" ? setTimeout(reject, 500, error) : reject(error)));
    if (payload !== undefined) req.write(payload);
    req.end();
  });
}

/** The handshake of the WebSocket, and no more: 101, or what was answered instead, checked like any other answer. */
export function upgrade(base, { token, headers = {}, protocol = "parley.v1" } = {}) {
  const all = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13", "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==" };
  if (protocol) all["sec-websocket-protocol"] = protocol;
  if (token) all.authorization = `Bearer ${token}`;
  for (const [name, value] of Object.entries(headers)) value === null ? delete all[name] : (all[name] = value);
  return new Promise((resolve_, reject) => {
    const req = https.request(new URL("/api/v1/events", base), { headers: all, rejectUnauthorized: false, agent: false, timeout: 15_000 });
    req.on("upgrade", (res, socket) => {
      socket.destroy();
      resolve_({ status: 101, headers: res.headers, json: undefined });
    });
    req.on("response", (res) => {
      let text = "";
      res.setEncoding("utf8");
      res.on("data", (chunk) => (text += chunk));
      res.on("end", () => {
        try {
          checkResponse("GET", "/events", res.statusCode, res.headers["content-type"], text);
          resolve_({ status: res.statusCode, headers: res.headers, json: JSON.parse(text) });
        } catch (error) {
          reject(error);
        }
      });
    });
    req.on("timeout", () => req.destroy(new Error("/events: no answer in 15 s")));
    req.on("error", reject);
    req.end();
  });
}

let counter = 0;

/** Somebody with an account, a sign-in and, after connect(), a WebSocket. */
export class Person {
  static async create(server, name = "Person") {
    const person = new Person();
    person.server = server;
    person.base = server.base ?? server;
    person.name = name;
    person.username = `${name.toLowerCase().replace(/[^a-z0-9]/g, "")}.${process.pid.toString(36)}${(counter++).toString(36)}${Math.random().toString(36).slice(2, 6)}`;
    person.password = `correct horse ${Math.random().toString(36).slice(2)} battery`;
    await person.must("POST", "/accounts", { username: person.username, display_name: name, password: person.password });
    await person.signIn();
    return person;
  }

  /** Another device of the same person. */
  async device() {
    const other = Object.assign(new Person(), this, { token: undefined, ws: undefined, events: undefined });
    await other.signIn();
    return other;
  }

  async signIn() {
    const { json } = await this.must("POST", "/sessions", { username: this.username, password: this.password });
    this.token = json.token;
    this.user = json.user;
    this.id = json.user.id;
  }

  request(method, target, body, options = {}) {
    return request(this.base, method, target, body, { token: this.token, ...options });
  }

  /** The same, but any status ≥ 400 is thrown as an ApiError. */
  async must(method, target, body, options) {
    const answer = await this.request(method, target, body, options);
    if (answer.status >= 400) throw new ApiError(answer);
    return answer;
  }

  async connect() {
    this.events = [];
    this.ws = new WebSocket(this.base.replace("https:", "wss:") + "/api/v1/events", ["parley.v1", `bearer.${this.token}`], {
      rejectUnauthorized: false,
    });
    this.badEvents = [];
    this.ws.on("message", (data) => {
      const event = JSON.parse(data.toString());
      const wrong = checkEvent(event);
      if (wrong) this.badEvents.push(`${wrong}: ${data}`);
      this.events.push({ at: Date.now(), ...event });
    });
    this.closed = new Promise((resolve_, reject) =>
      this.ws.once("close", (code) => {
        try {
          checkClose(code);
          resolve_(code);
        } catch (error) {
          this.badEvents.push(error.message);
          reject(error);
        }
      }),
    );
    this.closed.catch(() => {});
    await new Promise((resolve_, reject) => {
      this.ws.once("open", resolve_);
      this.ws.once("error", reject);
    });
    this.ws.on("error", () => {});
    return this.event("hello");
  }

  /** The first event of that type for which match holds, now or within ms. It is taken out of the list. */
  async event(type, match = () => true, ms = 30_000) {
    return eventually(
      `${this.name} hears ${type}; heard ${JSON.stringify(this.events?.map((e) => e.type))}`,
      () => {
        if (this.badEvents.length) throw new Error(`an event that openapi.yaml does not describe: ${this.badEvents[0]}`);
        const at = this.events.findIndex((e) => e.type === type && match(e));
        return at < 0 ? null : this.events.splice(at, 1)[0];
      },
      ms,
      10,
    );
  }

  disconnect() {
    this.ws?.close();
  }
}

export async function befriend(a, b) {
  await a.must("PUT", `/contacts/${b.id}`);
  await b.must("PUT", `/contacts/${a.id}`);
}

export { randomUUID };
