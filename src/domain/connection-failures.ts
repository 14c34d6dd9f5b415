/** What Node.js says of a connection that is lost, cannot be made or is not trusted: the same for every backend with a server (F1). */
import { isError, StorageConnectionError } from "../contract/errors.js";
import type { Call } from "./driver/call.js";

const NETWORK_CODES = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ENOENT",
  "EACCES",
  "ERR_STREAM_DESTROYED",
  "ERR_STREAM_PREMATURE_CLOSE",
]);

const TLS_CODE = /^ERR_(TLS|SSL)/;

/** What Node.js says of a certificate that is not good enough. */
const CERTIFICATE_CODE =
  /^(ERR_TLS_CERT_|CERT_|SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED|UNABLE_TO_(GET|VERIFY|DECRYPT|DECODE)|HOSTNAME_MISMATCH|INVALID_CA|PATH_LENGTH_EXCEEDED)/;

function codeOf(error: unknown): string | undefined {
  if (!isError(error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** The connection is lost, or could not be made. @param words what the client library says in words alone */
export function isConnectionFailure(error: unknown, words: RegExp): boolean {
  if (error instanceof AggregateError) return error.errors.some((each) => isConnectionFailure(each, words));
  if (!isError(error)) return false;
  const code = codeOf(error);
  return (code !== undefined && (NETWORK_CODES.has(code) || TLS_CODE.test(code))) || words.test(error.message);
}

/** Whether a write that was sent is in the store is not known. @param cause the error as it may be shown */
export function lostConnection(cause: unknown, call: Pick<Call, "sent">): StorageConnectionError {
  return new StorageConnectionError("the connection to the server is lost, or could not be made", {
    cause,
    outcome: call.sent ? "unknown" : "not-applied",
  });
}

/** The certificate of the server is not trusted: nothing was sent but the wish for TLS. */
export function isDistrusted(error: unknown): boolean {
  return CERTIFICATE_CODE.test(codeOf(error) ?? "");
}

/** It stays so until somebody changes a setting. */
export function distrusted(error: unknown): StorageConnectionError {
  const code = codeOf(error);
  return new StorageConnectionError(
    `the certificate of the server is not trusted${code === undefined ? "" : `: ${code}`}`,
    { cause: error, retryable: false },
  );
}
