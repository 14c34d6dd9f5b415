/** A pool over several hosts: each connection is of the first host that can be reached and is what is wanted, as libpq chooses. */
import { performance } from "node:perf_hooks";
import { StorageConnectionError } from "../../../contract/errors.js";
import { isPoolFull, isRefusal } from "../errors.js";
import type { Hosts, TargetSession } from "./hosts.js";
import type { PgClient, PgPool } from "./pg-module.js";

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
    const reasons = new Map<Host, string>();
    const causes: unknown[] = [];
    const passes: readonly TargetSession[] = this.#target === "prefer-standby" ? ["standby", "any"] : [this.#target];
    for (const wanted of passes) {
      for (const host of this.#inOrder()) {
        // A standby that is gone is not waited for while there is a primary.
        if (passes.length > 1 && wanted === "standby" && hasFailed(host)) continue;
        try {
          const client = await this.#connectTo(host, wanted);
          if (client !== undefined) return client;
          reasons.set(host, "is another kind of server");
        } catch (error) {
          if (isRefusal(error) || isPoolFull(error)) throw error;
          host.failedAt = performance.now();
          reasons.set(host, "cannot be reached");
          causes.push(error);
        }
      }
    }
    const tried = [...reasons].map(([{ name }, reason]) => `${name} ${reason}`);
    throw new StorageConnectionError(`no host of the URL is ${MEANING[this.#target]}: ${tried.join(", ")}`, {
      cause: new AggregateError(causes),
    });
  }

  async end(): Promise<void> {
    await Promise.all(this.#hosts.map(({ pool }) => pool.end()));
  }

  on(event: "error", listener: (error: Error) => void): this {
    for (const { pool } of this.#hosts) pool.on(event, listener);
    return this;
  }

  removeListener(event: "error", listener: (error: Error) => void): this {
    for (const { pool } of this.#hosts) pool.removeListener(event, listener);
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
      client.release(error instanceof Error ? error : true);
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
