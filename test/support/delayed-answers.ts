// A connection to a server that is far away: answers arrive late, so that round trips can be counted by the clock.
import { connect, createServer, type Socket } from "node:net";

export interface DelayedAnswers {
  /** The same database, through here. */
  readonly url: string;
  [Symbol.asyncDispose](): Promise<void>;
}

/** @param delayMs how much later than they were sent answers arrive */
export async function delayedAnswers(url: string, delayMs: number): Promise<DelayedAnswers> {
  const target = new URL(url);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => sockets.delete(socket));
    }
    client.on("data", (bytes) => upstream.write(bytes));
    upstream.on("data", (bytes) => setTimeout(() => client.write(bytes), delayMs));
    client.on("close", () => upstream.destroy());
    upstream.on("close", () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  const through = new URL(url);
  through.host = `127.0.0.1:${address.port}`;
  return {
    url: through.href,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
