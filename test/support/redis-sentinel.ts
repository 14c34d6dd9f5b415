// A master with a replica, watched by three Sentinels, on this machine.
import { until } from "./redis-cluster.js";
import { type RedisServer, startRedis } from "./redis-server.js";

export interface WatchedRedis {
  /** `redis+sentinel:` with all three. */
  readonly url: string;
  readonly servers: readonly [RedisServer, RedisServer];
  readonly sentinels: readonly RedisServer[];
  /** The server that the Sentinels name as the master. */
  master(): Promise<RedisServer>;
  /** Waits until the master's replica has caught up, and all Sentinels know of it. */
  untilWhole(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const NAME = "mymaster";

/** What a replica may lack of what is on its way. */
const CAUGHT_UP_BYTES = 1_000_000;

export async function startWatched(): Promise<WatchedRedis> {
  const all: RedisServer[] = [];
  const dispose = async (): Promise<void> => {
    await Promise.all(all.map((each) => each[Symbol.asyncDispose]()));
  };
  const begin = async (options: Parameters<typeof startRedis>[0]): Promise<RedisServer> => {
    const server = await startRedis({ inMemory: true, ...options });
    all.push(server);
    return server;
  };
  try {
    const settings = { "repl-diskless-sync-delay": 0 };
    const first = await begin({ settings });
    const second = await begin({ settings: { ...settings, replicaof: `127.0.0.1 ${first.port}` } });
    const sentinels: RedisServer[] = [];
    for (let i = 0; i < 3; i++) {
      const lines = [
        `sentinel monitor ${NAME} 127.0.0.1 ${first.port} 2`,
        `sentinel down-after-milliseconds ${NAME} 600`,
        `sentinel failover-timeout ${NAME} 3000`,
      ];
      sentinels.push(await begin({ sentinel: true, lines }));
    }
    const servers = [first, second] as const;
    const watched: WatchedRedis = {
      url: `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(",")}/${NAME}`,
      servers,
      sentinels,
      async master() {
        const reply = await (sentinels[0] as RedisServer).command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME);
        return servers.find(({ port }) => reply.includes(`\r\n${port}\r\n`)) ?? first;
      },
      async untilWhole() {
        await until(async () => {
          const master = await watched.master();
          // "online" says no more than that the data was sent: a replica may still be loading it.
          const replica = servers.find((server) => server !== master) as RedisServer;
          if (!(await replica.command("INFO", "replication")).includes("master_link_status:up")) return false;
          const lag = /offset=(\d+),lag=[01]\b[\s\S]*?master_repl_offset:(\d+)/.exec(
            await master.command("INFO", "replication"),
          );
          if (lag === null || Number(lag[2]) - Number(lag[1]) > CAUGHT_UP_BYTES) return false;
          const known = await Promise.all(sentinels.map((each) => each.command("INFO", "sentinel")));
          return known.every((info) => /status=ok,.*slaves=[1-9]\d*,sentinels=3/.test(info));
        }, 60_000);
      },
      [Symbol.asyncDispose]: dispose,
    };
    await watched.untilWhole();
    return watched;
  } catch (error) {
    await dispose();
    throw error;
  }
}
