// The process of a server that a test starts: its folder, its log, until it answers, and its end.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, openSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** A server that can be stopped and started again. */
export interface ServerProcess {
  /** Of the running server. @throws Error when it does not run */
  readonly pid: number;
  /** Returns once the server answers. @throws Error with the end of its log when it does not */
  start(): Promise<void>;
  /** Sends the signal and waits for the end; does nothing to a server that has ended. */
  stop(signal: NodeJS.Signals): Promise<void>;
}

export interface ServerCommand {
  readonly binary: string;
  readonly args: readonly string[];
  /** Where it runs; its log is `server.log` there. */
  readonly folder: string;
  /** Whom it runs as. Default: whoever runs the tests. */
  readonly identity?: { readonly uid: number; readonly gid: number } | undefined;
  /** Whether the server takes work. */
  readonly answers: () => Promise<boolean>;
}

const START_MS = 30_000;

export function serverProcess({ binary, args, folder, identity, answers }: ServerCommand): ServerProcess {
  const logFile = join(folder, "server.log");
  let running: ChildProcess | undefined;

  async function untilReady(child: ChildProcess): Promise<void> {
    let failure: Error | undefined;
    child.once("error", (error) => {
      failure = error;
    });
    for (const end = Date.now() + START_MS; Date.now() < end; await sleep(10)) {
      if (failure !== undefined) throw failure;
      if (child.exitCode !== null || child.signalCode !== null) break;
      if (await answers()) return;
    }
    throw new Error(`the server did not start: ${readFileSync(logFile, "utf8").split("\n").slice(-8).join("\n")}`);
  }

  return {
    get pid() {
      if (running?.pid === undefined) throw new Error("the server is not running");
      return running.pid;
    },
    async start() {
      if (running !== undefined) throw new Error("the server is running already");
      const log = openSync(logFile, "a");
      running = spawn(binary, args, { ...identity, cwd: folder, stdio: ["ignore", log, log], detached: true });
      running.unref();
      await untilReady(running);
    },
    async stop(signal) {
      const child = running;
      running = undefined;
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
      child.ref();
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill(signal);
      // One that was stopped hears nothing but this.
      if (signal !== "SIGKILL") child.kill("SIGCONT");
      await ended;
    },
  };
}

/** A folder of its own for a server, in memory on request where the system has a file system there. A short name: the path of a unix socket may have a hundred bytes. */
export function serverFolder(prefix: string, inMemory = false): string {
  return mkdtempSync(join(inMemory && existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), prefix));
}

/** A run that is killed stops nothing: a shell waits for the end of `owner`, which ends the server then and removes its folder. */
export function endWith(owner: number, pid: number, folder: string): void {
  const script =
    'while kill -0 "$1" 2>/dev/null && kill -0 "$2" 2>/dev/null; do sleep 1; done; kill -0 "$1" 2>/dev/null || { kill -QUIT "$2" 2>/dev/null; sleep 1; kill -KILL "$2" 2>/dev/null; rm -rf "$3"; }';
  const words = ["-c", script, "sh", String(owner), String(pid), folder];
  spawn("/bin/sh", words, { detached: true, stdio: "ignore" }).unref();
}
