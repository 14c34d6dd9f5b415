/** Asking the server to stop what a connection is doing: a request of its own, which has no answer. */
import { connect } from "node:net";
import type { PgClient } from "./pg-module.js";

const CANCEL_REQUEST_CODE = 80_877_102;

/** How long the request may take before it is given up, in milliseconds. */
const LONGEST_MS = 2_000;

/** What `pg` knows of a connection besides what it documents. */
interface ConnectedClient {
  readonly host?: string;
  readonly port?: number;
  readonly processID?: number | null;
  readonly secretKey?: number | null;
  readonly connection?: { readonly stream?: { destroy(): void } };
}

/** Sends the request and lets it go: whether it came in time makes no difference to the caller, who has given up. */
export function requestCancel(client: PgClient): void {
  const { host, port, processID, secretKey } = client as ConnectedClient;
  if (host === undefined || port === undefined) return;
  if (typeof processID !== "number" || typeof secretKey !== "number") return;
  const request = Buffer.alloc(16);
  request.writeInt32BE(16, 0);
  request.writeInt32BE(CANCEL_REQUEST_CODE, 4);
  request.writeInt32BE(processID, 8);
  request.writeInt32BE(secretKey, 12);
  const socket = host.startsWith("/") ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
  // The server is gone or busy: the connection itself is closed as well.
  socket.on("error", () => socket.destroy());
  socket.setTimeout(LONGEST_MS, () => socket.destroy());
  socket.unref();
  socket.end(request);
}

/** Closes a connection at once, whatever the server is doing on it. */
export function destroySocket(client: PgClient): void {
  (client as ConnectedClient).connection?.stream?.destroy();
}
