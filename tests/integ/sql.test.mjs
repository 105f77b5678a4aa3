// The SQL functions by themselves: each tests/integ/sql/test_*.sql in a transaction that is rolled back.
import { test, before, after } from "node:test";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { ROOT } from "../support/server.mjs";

const folder = path.join(ROOT, "tests/integ/sql");
let dir, env;
const run = (script, ...args) =>
  execFileSync(path.join(ROOT, "scripts", script), args, { cwd: ROOT, env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

before(() => {
  dir = mkdtempSync(path.join(os.tmpdir(), "parley-sql-"));
  chmodSync(dir, 0o755);
  env = { ...process.env, PARLEY_VAR: path.join(dir, "var"), PARLEY_PG_OPTS: "-c fsync=off" };
  run("pg", "start");
  run("migrate", "--url", run("pg", "url").trim());
});
after(() => {
  run("pg", "stop");
  rmSync(dir, { recursive: true, force: true });
});

for (const file of readdirSync(folder).filter((name) => /^test_.*\.sql$/.test(name)))
  test(file, () => void run("pg", "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", "begin", "-f", path.join(folder, file), "-c", "rollback"));
