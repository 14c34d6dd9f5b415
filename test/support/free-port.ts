// Ports for servers of tests.
import { createServer } from "node:net";

/**
 * Below 32,768, where systems begin to take the ports of outgoing connections: such a port could be taken while its server is away to be
 * started again, even by a client that calls it and so finds itself.
 */
const PORTS = { from: 10_000, count: 12_000 };

/** A port that nobody uses; with a distance, such that the one so far above it is free as well. */
export async function freePort(alsoAbove?: number): Promise<number> {
  for (;;) {
    const port = PORTS.from + Math.floor(Math.random() * PORTS.count);
    if ((await isFree(port)) && (alsoAbove === undefined || (await isFree(port + alsoAbove)))) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}
