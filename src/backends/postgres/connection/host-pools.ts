/** A pool over several hosts: each connection is of the first host that can be reached and is what is wanted, as libpq chooses. */
import { performance } from "node:perf_hooks";
import { isError, StorageConnectionError } from "../../../contract/errors.js";
import { isPoolFull, isRefusal } from "../errors.js";
import type { Hosts, TargetSession } from "./hosts.js";
import type { PgClient, PgPool } from "./pg-module.js";

/** How long a host may take before the next one is tried as well, in milliseconds: one that has left the network says nothing at all. */
const SLOW_MS = 2_000;

/** How long a host that could not be reached is tried last, in milliseconds. */
const LAST_MS = 5_000;

/** What a server says of itself when a connection is new. It stays so: what changes it ends the connection, or fails a write. */
interface Role {
  readonly standby: boolean;
  readonly readOnly: boolean;
}

interface Host {
  readonly name: string;
  readonly pool: PgPool;
  /** By the clock of the process; `-Infinity` for never. */
  failedAt: number;
}

/** Why hosts are not used. */
interface Failures {
  readonly reasons: Map<Host, string>;
  readonly causes: unknown[];
}

export class HostPools implements PgPool {
  readonly #hosts: readonly Host[];
  readonly #target: TargetSession;
  readonly #random: boolean;
  readonly #roles = new WeakMap<PgClient, Role>();
  /** Where the last connection came from. */
  #current: Host | undefined;

  /** @param pools one for each host */
  constructor({ names, target, random }: Hosts, pools: readonly PgPool[]) {
    this.#hosts = pools.map((pool, i) => ({ name: names[i] ?? "", pool, failedAt: Number.NEGATIVE_INFINITY }));
    this.#target = target;
    this.#random = random;
  }

  /** The host that is used now, for people. */
  get current(): string | undefined {
    return this.#current?.name;
  }

  async connect(): Promise<PgClient> {
    const failures: Failures = { reasons: new Map(), causes: [] };
    const client =
      this.#target === "prefer-standby"
        ? // A standby that is gone is not waited for while there is a primary.
          ((await this.#firstOf(
            this.#inOrder().filter((host) => !hasFailed(host)),
            "standby",
            failures,
          )) ?? (await this.#firstOf(this.#inOrder(), "any", failures)))
        : await this.#firstOf(this.#inOrder(), this.#target, failures);
    if (client !== undefined) return client;
    const tried = [...failures.reasons].map(([{ name }, reason]) => `${name} ${reason}`);
    throw new StorageConnectionError(`no host of the URL is ${MEANING[this.#target]}: ${tried.join(", ")}`, {
      cause: new AggregateError(failures.causes),
    });
  }

  async end(): Promise<void> {
    await Promise.all(this.#hosts.map(({ pool }) => pool.end()));
  }

  on(event: "error", listener: (error: Error) => void): this;
  on(event: "acquire", listener: (client: PgClient) => void): this;
  on(event: "release", listener: (error: Error, client: PgClient) => void): this;
  on(event: "error" | "acquire" | "release", listener: (...told: never[]) => void): this {
    // Each is for the event that it came with.
    for (const { pool } of this.#hosts) pool.on(event as "error", listener as (error: Error) => void);
    return this;
  }

  removeListener(event: "error", listener: (error: Error) => void): this;
  removeListener(event: "acquire", listener: (client: PgClient) => void): this;
  removeListener(event: "release", listener: (error: Error, client: PgClient) => void): this;
  removeListener(event: "error" | "acquire" | "release", listener: (...told: never[]) => void): this {
    for (const { pool } of this.#hosts) pool.removeListener(event as "error", listener as (error: Error) => void);
    return this;
  }

  /** Of each host. */
  get options(): { readonly max?: number | undefined } {
    return this.#hosts[0]?.pool.options ?? {};
  }

  get totalCount(): number {
    return this.#hosts.reduce((sum, { pool }) => sum + pool.totalCount, 0);
  }

  get idleCount(): number {
    return this.#hosts.reduce((sum, { pool }) => sum + pool.idleCount, 0);
  }

  get waitingCount(): number {
    return this.#hosts.reduce((sum, { pool }) => sum + pool.waitingCount, 0);
  }

  /** The one that served last comes first, unless callers are to be spread; those that failed lately come last. */
  #inOrder(): Host[] {
    const rank = (host: Host): number => (hasFailed(host) ? 2 : host === this.#current && !this.#random ? 0 : 1);
    const hosts = this.#random
      ? this.#hosts.map((host) => ({ host, place: Math.random() })).sort((a, b) => a.place - b.place)
      : this.#hosts.map((host) => ({ host, place: 0 }));
    return hosts.map(({ host }) => host).sort((a, b) => rank(a) - rank(b));
  }

  /** A connection of the first host that fits. One that is slow to answer is waited for last. */
  async #firstOf(hosts: readonly Host[], wanted: TargetSession, failures: Failures): Promise<PgClient | undefined> {
    const late = new Map<Host, Promise<PgClient | undefined>>();
    try {
      for (const host of hosts) {
        const connecting = this.#connectTo(host, wanted);
        if (this.#hosts.length > 1 && (await isSlow(connecting))) {
          host.failedAt = performance.now();
          late.set(host, connecting);
          continue;
        }
        const client = await unlessFailed(host, connecting, failures);
        if (client !== undefined) return client;
      }
      for (const [host, connecting] of late) {
        late.delete(host);
        const client = await unlessFailed(host, connecting, failures);
        if (client !== undefined) return client;
      }
      return undefined;
    } finally {
      for (const connecting of late.values()) connecting.then((client) => client?.release(), ignore);
    }
  }

  /** `undefined` for a server that is not what is wanted. */
  async #connectTo(host: Host, wanted: TargetSession): Promise<PgClient | undefined> {
    const client = await host.pool.connect();
    try {
      let role = this.#roles.get(client);
      if (role === undefined && this.#target !== "any") {
        role = await roleOf(client);
        this.#roles.set(client, role);
      }
      if (role === undefined || isWanted(role, wanted)) {
        host.failedAt = Number.NEGATIVE_INFINITY;
        this.#current = host;
        return client;
      }
    } catch (error) {
      client.release(isError(error) ? error : true);
      throw error;
    }
    // It may become what is wanted, and is asked anew then.
    client.release(this.#target !== "prefer-standby");
    return undefined;
  }
}

const MEANING: { readonly [Target in TargetSession]: string } = {
  any: "to be reached",
  "read-write": "a server that takes writes",
  "read-only": "a server that takes no writes",
  primary: "a primary",
  standby: "a standby",
  "prefer-standby": "to be reached",
};

function isWanted({ standby, readOnly }: Role, target: TargetSession): boolean {
  switch (target) {
    case "read-write":
      return !readOnly;
    case "read-only":
      return readOnly;
    case "primary":
      return !standby;
    case "standby":
      return standby;
    case "any":
    case "prefer-standby":
      return true;
  }
}

async function roleOf(client: PgClient): Promise<Role> {
  const text = "SELECT pg_is_in_recovery()::text AS standby, current_setting('transaction_read_only') AS read_only";
  const { rows } = (await client.query({ text })) as { rows: readonly { standby: string; read_only: string }[] };
  return { standby: rows[0]?.standby === "true", readOnly: rows[0]?.read_only === "on" };
}

function hasFailed({ failedAt }: Host): boolean {
  return performance.now() - failedAt < LAST_MS;
}

/** @throws what other hosts would answer too */
async function unlessFailed(
  host: Host,
  connecting: Promise<PgClient | undefined>,
  { reasons, causes }: Failures,
): Promise<PgClient | undefined> {
  try {
    const client = await connecting;
    if (client === undefined) reasons.set(host, "is another kind of server");
    return client;
  } catch (error) {
    if (isRefusal(error) || isPoolFull(error)) throw error;
    host.failedAt = performance.now();
    reasons.set(host, "cannot be reached");
    causes.push(error);
    return undefined;
  }
}

async function isSlow(connecting: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const slow = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, SLOW_MS, true);
  });
  try {
    return await Promise.race([slow, connecting.then(isNot, isNot)]);
  } finally {
    clearTimeout(timer);
  }
}

function isNot(): boolean {
  return false;
}

function ignore(): void {}
