// A real Redis Cluster on this machine: masters and one replica for each, and how to move slots between them.
import { setTimeout as sleep } from "node:timers/promises";
import { type RedisServer, startRedis } from "./redis-server.js";

export const SLOTS = 16_384;

export interface RedisCluster {
  /** `redis+cluster:` with all nodes. */
  readonly url: string;
  readonly masters: readonly RedisServer[];
  /** The replica of the master at the same place. */
  readonly replicas: readonly RedisServer[];
  /** Ids of nodes by port. */
  readonly ids: ReadonlyMap<number, string>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Settings of a Cluster that soon sees that a node has died; a busy machine could make one think so that lives. */
export const QUICK_TO_NOTICE = { "cluster-node-timeout": 1_500 };

/** Starts three masters and three replicas, and waits until they serve all slots. */
export async function startCluster(settings: Readonly<Record<string, string | number>> = {}): Promise<RedisCluster> {
  const nodes: RedisServer[] = [];
  const dispose = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()));
  };
  try {
    for (let i = 0; i < 6; i++) {
      nodes.push(
        await startRedis({
          inMemory: true,
          settings: {
            "cluster-enabled": "yes",
            "cluster-node-timeout": 5_000,
            "cluster-announce-ip": "127.0.0.1",
            "repl-diskless-sync-delay": 0,
            ...settings,
          },
        }),
      );
    }
    const masters = nodes.slice(0, 3);
    const replicas = nodes.slice(3);
    const ids = await join(masters, replicas);
    return {
      url: `redis+cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(",")}`,
      masters,
      replicas,
      ids,
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function join(
  masters: readonly RedisServer[],
  replicas: readonly RedisServer[],
): Promise<ReadonlyMap<number, string>> {
  const [first] = masters as [RedisServer];
  const ids = new Map<number, string>();
  for (const [i, node] of [...masters, ...replicas].entries()) {
    // As `redis-cli --cluster create` does: of two masters with one epoch each would take the other's slots for its own for a while.
    await node.command("CLUSTER", "SET-CONFIG-EPOCH", String(i + 1));
  }
  for (const node of [...masters, ...replicas]) {
    ids.set(node.port, bulk(await node.command("CLUSTER", "MYID")));
    if (node !== first) await node.command("CLUSTER", "MEET", "127.0.0.1", String(first.port));
  }
  const share = Math.ceil(SLOTS / masters.length);
  for (const [i, master] of masters.entries()) {
    const slots = Array.from({ length: SLOTS }, (_, slot) => slot).slice(i * share, (i + 1) * share);
    await master.command("CLUSTER", "ADDSLOTS", ...slots.map(String));
  }
  for (const [i, replica] of replicas.entries()) {
    const master = ids.get((masters[i] as RedisServer).port) as string;
    await until(async () => (await replica.command("CLUSTER", "REPLICATE", master)).startsWith("+OK"));
  }
  for (const node of [...masters, ...replicas]) {
    await until(async () => (await node.command("CLUSTER", "INFO")).includes("cluster_state:ok"));
  }
  for (const replica of replicas) {
    await until(async () => (await replica.command("INFO", "replication")).includes("master_link_status:up"));
  }
  return ids;
}

/** The slot of a key. */
export async function slotOf(cluster: RedisCluster, key: string): Promise<number> {
  const [master] = cluster.masters as [RedisServer];
  return Number((await master.command("CLUSTER", "KEYSLOT", key)).slice(1, -6).split("\r\n")[0]);
}

/** The master that has a slot. */
export async function ownerOf(cluster: RedisCluster, slot: number): Promise<RedisServer> {
  for (const master of cluster.masters) {
    const nodes = await master.command("CLUSTER", "NODES");
    const own = nodes.split("\n").find((line) => line.includes("myself"));
    const ranges = own?.trim().split(" ").slice(8) ?? [];
    const has = ranges.some((range) => {
      const [first, last = first] = range.split("-");
      return slot >= Number(first) && slot <= Number(last);
    });
    if (has) return master;
  }
  throw new Error(`nobody has slot ${slot}`);
}

/** A slot on its way from one master to another, as `redis-cli --cluster reshard` moves it. */
export interface SlotMove {
  /** Some of the keys that have not been moved, in the order in which the server gives them. */
  rest(most: number): Promise<string[]>;
  moveKeys(keys: readonly string[]): Promise<void>;
  /** Tells every master that the slot has got there. All keys have. */
  end(): Promise<void>;
}

/** Declares that a slot moves. */
export async function startMove(
  cluster: RedisCluster,
  slot: number,
  from: RedisServer,
  to: RedisServer,
): Promise<SlotMove> {
  const [source, target] = [cluster.ids.get(from.port) as string, cluster.ids.get(to.port) as string];
  await to.command("CLUSTER", "SETSLOT", String(slot), "IMPORTING", source);
  await from.command("CLUSTER", "SETSLOT", String(slot), "MIGRATING", target);
  return {
    rest: async (most) => bulks(await from.command("CLUSTER", "GETKEYSINSLOT", String(slot), String(most))),
    async moveKeys(keys) {
      for (const key of keys) {
        const reply = await from.command("MIGRATE", "127.0.0.1", String(to.port), key, "0", "5000");
        if (!reply.startsWith("+")) throw new Error(`a key was not moved: ${reply}`);
      }
    },
    async end() {
      for (const node of [to, from, ...cluster.masters]) {
        const reply = await node.command("CLUSTER", "SETSLOT", String(slot), "NODE", target);
        if (!reply.startsWith("+")) throw new Error(`a slot was not moved: ${reply}`);
      }
    },
  };
}

/** Moves one slot with all its keys; gives how many. */
export async function moveSlot(
  cluster: RedisCluster,
  slot: number,
  from: RedisServer,
  to: RedisServer,
  pauseMs = 0,
): Promise<number> {
  const move = await startMove(cluster, slot, from, to);
  let moved = 0;
  for (;;) {
    const keys = await move.rest(10);
    if (keys.length === 0) break;
    await move.moveKeys(keys);
    moved += keys.length;
    if (pauseMs > 0) await sleep(pauseMs);
  }
  await move.end();
  return moved;
}

/** Waits until a condition holds. A server that is asked for it may be away, or end its connections as it changes its role. @throws Error when it takes too long */
export async function until(condition: () => Promise<boolean>, longestMs = 30_000): Promise<void> {
  for (const end = Date.now() + longestMs; !(await condition().catch(notWhileAway)); await sleep(20)) {
    if (Date.now() > end) throw new Error("what was waited for did not come");
  }
}

function notWhileAway(error: unknown): false {
  if (error instanceof Error && "code" in error && /^E(CONNRESET|CONNREFUSED|PIPE)$/.test(String(error.code)))
    return false;
  throw error;
}

function bulk(reply: string): string {
  return reply.split("\r\n")[1] ?? "";
}

function bulks(reply: string): string[] {
  const lines = reply.split("\r\n");
  const count = Number(lines[0]?.slice(1));
  return Array.from({ length: count }, (_, i) => lines[2 + 2 * i] ?? "");
}
