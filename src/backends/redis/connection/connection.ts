/** The storage's connection: runs scripts, each one step on one slot, and waits for the server where it is away. */
import { setTimeout as sleep } from "node:timers/promises";
import { StorageConnectionError } from "../../../contract/errors.js";
import { isDistrusted } from "../../../domain/connection-failures.js";
import type { Call } from "../../../domain/driver/call.js";
import { brokenConnection, isBroken, replyCode } from "../errors.js";
import { tenantKey } from "../keys.js";
import { adoptingScript, guardedScript } from "../lua/guard.js";
import type { Script } from "../lua/script.js";
import type { ResolvedOptions } from "../options.js";
import type { RedisArgument, RedisClient } from "./client.js";
import { isCluster } from "./make-client.js";
import type { PlainCommand, Sender } from "./sender.js";
import { type Guard, ShardCall } from "./shard-call.js";

/** Pauses between two attempts while keys move between nodes, in milliseconds. */
const FIRST_PAUSE_MS = 4;
const LONGEST_PAUSE_MS = 100;

/** How long a call waits for a Cluster that is down: it may be so for a moment when a slot gets another node, in milliseconds. */
const DOWN_MS = 500;

/** How often a call that waits for the connection looks whether it was given up, in milliseconds. */
const LOOK_MS = 25;

/** How long `close` waits for the server's goodbye, in milliseconds. */
const GOODBYE_MS = 1_000;

/** Names of tenants' keys that are remembered. */
const REMEMBERED_KEYS = 1_024;

const TEXTS = { binary: false };

export class Connection {
  readonly options: ResolvedOptions;
  readonly client: RedisClient;
  readonly cluster: boolean;
  readonly #sender: Sender;
  readonly #keys = new Map<string, string>();
  #corked = false;
  /** Calls that wait for an answer. */
  #inFlight = 0;
  /** Of the calls that wait for the connection: one listener of the client serves all of them. */
  readonly #wakers = new Set<() => void>();
  readonly #onReady = (): void => {
    this.lastError = undefined;
    for (const wake of this.#wakers) wake();
  };
  readonly #onError = (error: Error): void => {
    // What the server has said or shown tells more than that the connection was closed for it.
    if (!tellsWhy(this.lastError) || tellsWhy(error)) this.lastError = error;
  };
  /**
   * Whether sessions and items that expire were met: of those a script decides by the server's time, and plain commands are not tried
   * first any more.
   */
  readonly expiring: { sessions: boolean; items: boolean };
  /** What a write tells others, as scripts take it; `undefined` without a feed of changes. */
  telling: ((call: Call) => string | undefined) | undefined;
  /** Why the connection was last lost or could not be made. */
  lastError: Error | undefined;

  constructor(options: ResolvedOptions, client: RedisClient, sender: Sender) {
    this.options = options;
    this.client = client;
    this.cluster = isCluster(client);
    this.#sender = sender;
    this.expiring = { sessions: options.sessionTtlMs !== null, items: false };
    // Without a listener a server's restart would end the process.
    client.on("error", this.#onError);
    client.on("node error", this.#onError);
    client.on("ready", this.#onReady);
  }

  /** Makes the first connection. */
  async connect(call: Call): Promise<void> {
    if (this.client.status === "wait") {
      this.client.connect().catch(this.#onError);
    }
    await this.#ready(call, true);
  }

  /** The tenant's own key. */
  keyOf(tenant: string): string {
    let key = this.#keys.get(tenant);
    if (key === undefined) {
      if (this.#keys.size >= REMEMBERED_KEYS) this.#keys.clear();
      key = tenantKey(this.options.prefix, tenant);
      this.#keys.set(tenant, key);
    }
    return key;
  }

  /** Runs a script on the tenant's slot. What the server could not begin because keys are moving is sent again. */
  async run<Reply>(call: Call, plain: Script, args: readonly RedisArgument[]): Promise<Reply> {
    const { clock } = this.options;
    const guards = call instanceof ShardCall ? call.guards : [];
    const script = behind(guards, plain);
    const command: RedisArgument[] = [
      script.sha,
      1,
      this.keyOf(call.tenant),
      clock === null ? "" : clock.now(),
      `${this.cluster ? "1" : "0"}${script.writes ? (this.telling?.(call) ?? "") : ""}`,
      ...args,
      ...guardArguments(guards),
    ];
    const began = this.cluster ? performance.now() : 0;
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      if (this.client.status !== "ready") await this.#ready(call, false);
      if (call.cancelled) throw call.cancellation();
      const sentBefore = call.sent;
      if (script.writes) call.sent = true;
      this.#inFlight += 1;
      try {
        return (await this.#runScript(call, script, command)) as Reply;
      } catch (error) {
        const code = replyCode(error);
        if (code !== undefined) call.sent = sentBefore;
        const isMoment = code === "TRYAGAIN" || (code === "CLUSTERDOWN" && performance.now() - began < DOWN_MS);
        if (!isMoment) throw error;
      } finally {
        this.#inFlight -= 1;
      }
      await sleep(pause * (0.5 + Math.random()));
    }
  }

  /**
   * Reads keys of one slot with plain commands, which cost the server a fraction of what a script does; they are carried out one behind the other. `undefined`
   * where the server refuses one, as it does while keys are moving: a script says why.
   */
  read(
    call: Call,
    commands: readonly PlainCommand[],
    options?: { readonly binary: boolean },
  ): Promise<unknown[] | undefined> {
    return this.plain(call, commands, options).catch(nothingIfRefused);
  }

  /** Sends plain commands of one slot, one behind the other. Texts of the replies come as bytes where that is asked for. */
  async plain(
    call: Call,
    commands: readonly PlainCommand[],
    { binary }: { readonly binary: boolean } = TEXTS,
  ): Promise<unknown[]> {
    if (this.client.status !== "ready") await this.#ready(call, false);
    if (call.cancelled) throw call.cancellation();
    this.#inFlight += 1;
    const { send, sendTogether } = this.#sender;
    this.#cork(sendTogether === undefined ? commands.length : 1);
    try {
      const [only] = commands;
      if (commands.length === 1 && only !== undefined) {
        const [name, ...args] = only;
        return [await send(name, args, binary)];
      }
      if (sendTogether !== undefined) return await Promise.all(sendTogether(commands, binary));
      return await Promise.all(commands.map(([name, ...args]) => send(name, args, binary)));
    } finally {
      this.#inFlight -= 1;
    }
  }

  /** Runs a command that is about a server, not about a tenant. */
  async command<Reply>(call: Call, name: string, args: readonly RedisArgument[], node?: RedisClient): Promise<Reply> {
    const client = node ?? this.client;
    if (this.client.status !== "ready") await this.#ready(call, false);
    return (await client.call(name, [...args])) as Reply;
  }

  /** The masters of a cluster, or the server. */
  masters(): readonly RedisClient[] {
    return isCluster(this.client) ? this.client.nodes("master") : [this.client];
  }

  async close(): Promise<void> {
    const { client } = this;
    const isIdle = ["end", "wait", "reconnecting"].includes(client.status);
    const ended = isIdle ? Promise.resolve() : onceEnded(client);
    if (client.status === "ready") {
      const goodbye = client.quit().then(
        () => undefined,
        () => undefined,
      );
      await Promise.race([goodbye, sleep(GOODBYE_MS, undefined, { ref: false })]);
    }
    client.disconnect();
    await Promise.race([ended, sleep(GOODBYE_MS, undefined, { ref: false })]);
    client.removeListener("node error", this.#onError);
    client.removeListener("ready", this.#onReady);
    // The listener for errors stays: what a socket says at its end must not end the process.
  }

  async #runScript(call: Call, script: Script, command: RedisArgument[]): Promise<unknown> {
    try {
      return await this.#evaluate(call, script, "evalsha", command);
    } catch (error) {
      if (replyCode(error) !== "NOSCRIPT") throw error;
      return this.#evaluate(call, script, "eval", [script.text, ...command.slice(1)]);
    }
  }

  #evaluate(call: Call, script: Script, name: "eval" | "evalsha", command: RedisArgument[]): Promise<unknown> {
    this.#cork(1);
    if (script.writes && this.options.waitReplicas > 0) return this.#replicated(call, name, command);
    return this.#sender.send(name, command, script.binary);
  }

  /** What several callers send in one turn of the event loop leaves as one piece: a system call for each would cost more than the commands. */
  #cork(commands: number): void {
    if (this.#corked || (this.#inFlight === 1 && commands === 1)) return;
    const { stream } = this.client as { readonly stream?: Corkable };
    if (stream === undefined || typeof stream.cork !== "function") return;
    this.#corked = true;
    stream.cork();
    process.nextTick(() => {
      this.#corked = false;
      stream.uncork();
    });
  }

  /** The write, and behind it on the same connection the wait for those that must have it. */
  async #replicated(call: Call, name: string, command: RedisArgument[]): Promise<unknown> {
    const { waitReplicas } = this.options;
    const left = call.remainingMs();
    const waitMs = Number.isFinite(left) ? Math.max(1, Math.floor(left)) : this.options.connectTimeoutMs;
    const results = await pipelineOf(this.client, [
      [name, ...command],
      ["wait", waitReplicas, waitMs],
    ]);
    const [written, waited] = results;
    if (written?.[0]) throw written[0];
    if (waited?.[0]) throw waited[0];
    const count = Number(waited?.[1]);
    if (!(count >= waitReplicas)) {
      throw new StorageConnectionError(
        `${count} of ${waitReplicas} replicas have said in time that they have the write`,
        { outcome: "unknown" },
      );
    }
    return written?.[1];
  }

  /** Waits until commands can be sent, as long as the call and the options allow. */
  async #ready(call: Call, first: boolean): Promise<void> {
    const { client } = this;
    const end = performance.now() + this.options.connectTimeoutMs;
    let arrived: (() => void) | undefined;
    const wake = (): void => arrived?.();
    this.#wakers.add(wake);
    try {
      while (client.status !== "ready") {
        if (call.cancelled || call.remainingMs() === 0) throw call.cancellation();
        const refused = first && this.lastError !== undefined && isBroken(this.lastError);
        const denied = replyCode(this.lastError);
        const isFinal = denied === "WRONGPASS" || denied === "NOAUTH" || isDistrusted(this.lastError);
        if (client.status === "end" || refused || isFinal) {
          throw denied === undefined ? brokenConnection(this.lastError, { sent: false }) : this.lastError;
        }
        if (performance.now() >= end) throw brokenConnection(this.lastError, { sent: false });
        await Promise.race([
          new Promise<void>((resolve) => {
            arrived = resolve;
          }),
          sleep(LOOK_MS),
        ]);
      }
    } finally {
      this.#wakers.delete(wake);
    }
  }
}

function nothingIfRefused(error: Error): undefined {
  if (replyCode(error) === undefined) throw error;
}

function tellsWhy(error: Error | undefined): boolean {
  return replyCode(error) !== undefined || isDistrusted(error);
}

function behind(guards: readonly Guard[], script: Script): Script {
  if (guards.length === 0) return script;
  return guards.some(({ arrival }) => arrival !== undefined) ? adoptingScript(script) : guardedScript(script);
}

/** As the text before the script takes them from the end. */
function guardArguments(guards: readonly Guard[]): RedisArgument[] {
  if (guards.length === 0) return [];
  const each = guards.flatMap(({ threadId, bucket, home, epoch, source, arrival }) => {
    if (arrival !== undefined) return [threadId, "a", arrival.name, arrival.keys];
    const mode = home ? "h" : "g";
    return [threadId, source === true ? mode.toUpperCase() : mode, epoch ?? "", bucket];
  });
  return [...each, guards.length];
}

/** The socket of a client that is not a cluster's. */
interface Corkable {
  cork(): void;
  uncork(): void;
}

interface Pipelined {
  pipeline(commands: readonly RedisArgument[][]): { exec(): Promise<[Error | null, unknown][] | null> };
}

async function pipelineOf(
  client: RedisClient,
  commands: readonly RedisArgument[][],
): Promise<readonly [Error | null, unknown][]> {
  return (await (client as unknown as Pipelined).pipeline(commands).exec()) ?? [];
}

function onceEnded(client: RedisClient): Promise<void> {
  return new Promise((resolve) => {
    const ended = (): void => {
      client.removeListener("end", ended);
      resolve();
    };
    client.on("end", ended);
  });
}
