// The demo's replay: recorded conversations become sessions, messages and checkpoints, and the report compares.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { repositoryRoot } from "./support/repository.js";
import { SAMPLE_MESSAGES } from "./support/sample-conversation.js";

const folder = mkdtempSync(join(tmpdir(), "waystone-replay-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A recording to replay as well: many real conversations. */
const recording =
  process.env.WAYSTONE_TEST_RECORDING ?? join(repositoryRoot, "../shared/data/airline-agent-trajectories.jsonl.gz");

const conversation = (name: string): string =>
  JSON.stringify({ conversation: name, user: "ada", messages: SAMPLE_MESSAGES });

function replay(file: string): { status: number | null; output: string; errors: string } {
  const run = spawnSync(process.execPath, ["demo/main.ts", file], {
    cwd: repositoryRoot,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" },
  });
  return { status: run.status, output: run.stdout, errors: run.stderr };
}

function written(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const counts = (output: string): string[] =>
  [...output.matchAll(/^(conversations|messages|checkpoints) +(\d+) +(\d+)$/gm)].map(([, ...row]) => row.join(" "));

describe("the replay", () => {
  it.each(["plain", "gzipped"])("stores every conversation of a %s file once", (form) => {
    const text = `${conversation("a")}\n\n${conversation("b")}\n`;
    const { status, output } = replay(
      form === "plain" ? written("two.jsonl", text) : written("two.jsonl.gz", gzipSync(text)),
    );
    expect(counts(output)).toEqual(["conversations 2 2", "messages 12 12", "checkpoints 6 6"]);
    expect(status).toBe(0);
  });

  it.each([
    ["not JSON", "nonsense", "line 1 is not JSON"],
    ["a message without a role", '{"conversation":"a","user":"b","messages":[{"content":"x"}]}', "line 1: messages[0]"],
    ["no messages", `${conversation("a")}\n{"conversation":"a","user":"b"}`, "line 2: messages must be an array"],
    ["no user", '{"conversation":"a","messages":[]}', "line 1: user must be a name"],
  ])("says which line is wrong: %s", (_what, text, message) => {
    const { status, errors } = replay(written("wrong.jsonl", text));
    expect(errors).toContain(message);
    expect(status).toBe(4);
  });

  it("says in one sentence why a file cannot be read", () => {
    expect(replay(join(folder, "absent.jsonl"))).toMatchObject({ status: 3 });
    const cut = gzipSync(conversation("a")).subarray(0, 60);
    const { status, errors } = replay(written("cut.jsonl.gz", cut));
    expect(errors).toContain("cannot be replayed: unexpected end of file");
    expect(errors).not.toContain("    at ");
    expect(status).toBe(4);
  });

  it("stores all of a large recording, where there is one", { timeout: 120_000 }, (context) => {
    if (!existsSync(recording)) {
      console.warn("no recording to replay: set WAYSTONE_TEST_RECORDING to a JSON Lines file of conversations");
      context.skip();
    }
    const { status, output } = replay(recording);
    expect(counts(output)[0]).toMatch(/^conversations ([1-9]\d*) \1$/);
    expect(status).toBe(0);
  });
});
