// Research funding by two processes over one PostgreSQL, for tests in which
// one of them dies.

import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const binary = process.env.LARDER_BIN ?? resolve(here, "../../target/debug/larder");
const database = resolve(here, "../../target/debug/examples/database");

/** The first line of a program that has an address; `null` if it ends before. */
function address(program, pattern) {
  return new Promise((found) => {
    program.once("error", () => found(null));
    program.once("exit", () => found(null));
    createInterface({ input: program.stdout }).on("line", (line) => {
      const match = pattern.exec(line);
      if (match) found(match[0]);
    });
  });
}

/** Two replicas of the researchers' service and one of each other; `null` without PostgreSQL. */
export async function replicas() {
  const folder = await mkdtemp(join(tmpdir(), "larder-failover-"));
  const server = spawn(database);
  const url = await address(server, /postgres:\S+/);
  if (!url) return null;
  await writeFile(join(folder, "secret"), "0123456789abcdef".repeat(4));
  const running = [];
  const start = async (service, name) => {
    const flags = ["--data", join(folder, name), "--database", url, "--cluster-secret-file", join(folder, "secret")];
    const program = spawn(binary, ["grants", service, "--listen", "127.0.0.1:0", "--node-address", "127.0.0.1:0", ...flags]);
    program.stderr.resume();
    running.push(program);
    return { program, url: await address(program, /http:\/\/127\.0\.0\.1:\d+/) };
  };
  // Each waits for the tables that the first one makes.
  const first = await start("researchers", "researchers-a");
  const [second, agency, university] = await Promise.all([
    start("researchers", "researchers-b"),
    start("agency", "agency"),
    start("university", "university"),
  ]);
  const close = async () => {
    for (const program of running) program.kill("SIGKILL");
    server.stdin.end();
    await new Promise((done) => server.once("exit", done));
    await rm(folder, { recursive: true, force: true });
  };
  return { first, second, agency, university, close };
}
