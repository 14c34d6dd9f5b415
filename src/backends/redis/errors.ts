/** Redis's errors to ours, by the word that they begin with. Messages are our own: the server's may quote what was sent. */
import {
  isError,
  isStorageError,
  StorageConnectionError,
  type StorageErrorOptions,
  UnsupportedError,
} from "../../contract/errors.js";
import { distrusted, isConnectionFailure, isDistrusted, lostConnection } from "../../domain/connection-failures.js";
import type { Call } from "../../domain/driver/call.js";

/** What the server says of a command that a script ran: Redis 7 passes it on, Redis 6 puts it behind where it happened. */
const IN_SCRIPT = /(?:@user_script|user_script): ?\d+: ?-?([A-Z]+) /;

/** `ioredis` has followed redirections until it gave up: servers have refused the command each time. */
const REDIRECTED = /^Too many Cluster redirections\. Last error: ReplyError: ([A-Z]+) /;

/** The first word of a server's error; `undefined` for what the server has not said. */
export function replyCode(error: unknown): string | undefined {
  if (!isError(error)) return undefined;
  if (error.name !== "ReplyError") return REDIRECTED.exec(error.message)?.[1];
  const code = /^[A-Z]+/.exec(error.message)?.[0] ?? "ERR";
  if (code !== "ERR") return code;
  // Keys of the slot are on two nodes: what Redis and Valkey say of scripts that need some of each.
  if (/non local key|undeclared keys were accessed during rehashing/.test(error.message)) return "TRYAGAIN";
  return IN_SCRIPT.exec(error.message)?.[1] ?? code;
}

/** The error as ours; what is no error of Redis comes back as it is. */
export function mapRedisError(error: unknown, call: Call): unknown {
  if (isStorageError(error)) return error;
  const code = replyCode(error);
  if (code === undefined) return isBroken(error) ? brokenConnection(error, call) : error;
  // A script that fails has changed nothing: it reads before it writes.
  const options: StorageErrorOptions = { cause: withoutArguments(error), outcome: "not-applied" };
  const permanent = { ...options, retryable: false };
  switch (code) {
    case "LOADING":
      return new StorageConnectionError("the server is still loading its data", options);
    case "READONLY":
      return new StorageConnectionError("the server is a replica, which takes no writes", options);
    case "MISCONF":
      return new StorageConnectionError("the server cannot write to its disk and takes no writes", options);
    case "NOREPLICAS":
      return new StorageConnectionError("the server has fewer replicas than it needs to take writes", options);
    case "OOM":
      return new StorageConnectionError("the server has no memory left for writes (maxmemory)", options);
    case "BUSY":
      return new StorageConnectionError("the server is busy with a script", options);
    case "CLUSTERDOWN":
      return new StorageConnectionError("the cluster does not serve the tenant's slot", options);
    case "TRYAGAIN":
    case "MOVED":
    case "ASK":
      return new StorageConnectionError("the tenant's slot is on its way to another node", options);
    case "MASTERDOWN":
      return new StorageConnectionError("the replica has lost its master", options);
    case "NOAUTH":
    case "WRONGPASS":
      return new StorageConnectionError("the server refuses the user or the password", permanent);
    case "NOPERM":
      return new StorageConnectionError("the user lacks rights on the server", permanent);
    case "UNKILLABLE":
      return new StorageConnectionError("the server is stuck in a script", options);
    case "WRONGTYPE":
      return new StorageConnectionError(
        "a key of the storage holds something else: is the prefix used twice?",
        permanent,
      );
    default:
      return /unknown command|COPY/i.test((error as Error).message)
        ? new UnsupportedError("the server lacks a command: Redis 6.2 or Valkey is needed", permanent)
        : error;
  }
}

/** `ioredis` keeps the arguments of a command with its error: contents, and passwords. */
function withoutArguments(error: unknown): Error {
  const { name, message } = error as Error;
  const safe = new Error(message.slice(0, 200));
  safe.name = name;
  return safe;
}

/** The connection is lost, or could not be made, or not trusted. */
export function brokenConnection(error: unknown, call: Pick<Call, "sent">): StorageConnectionError {
  if (isDistrusted(error)) return distrusted(error);
  return lostConnection(isError(error) ? withoutArguments(error) : error, call);
}

/** What `ioredis` says in words alone. */
const LOST =
  /^(Connection is closed|Stream isn't writeable|Reached the max retries per request limit|Command aborted due to connection close|Cluster is|Cluster isn't|Failed to refresh slots cache|connect ETIMEDOUT|None of startup nodes|All sentinels are unreachable|Command timed out)/;

export function isBroken(error: unknown): boolean {
  if (isDistrusted(error) || isConnectionFailure(error, LOST)) return true;
  return isError(error) && (error.name === "MaxRetriesPerRequestError" || error.name === "AbortError");
}
