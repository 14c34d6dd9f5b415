/** The hosts of a URL, and which of them is wanted: `postgresql://h1:5432,h2:5433/db?target_session_attrs=read-write`, as libpq reads it. */
import { InvalidArgumentError } from "../../../contract/errors.js";
import { oneOf } from "../../../domain/arguments.js";

const TARGETS = ["any", "read-write", "read-only", "primary", "standby", "prefer-standby"] as const;

/** What a host must be to be used. */
export type TargetSession = (typeof TARGETS)[number];

export interface Hosts {
  /** A URL for each, in order. */
  readonly urls: readonly string[];
  /** What people call them: `h1:5432`. */
  readonly names: readonly string[];
  readonly target: TargetSession;
  /** Tried in a new order each time, so that callers are spread over them. */
  readonly random: boolean;
}

/**
 * With several hosts `read-write` is the default, as a storage writes; with one it is `any`, as in libpq.
 * @throws InvalidArgumentError
 */
export function hostsOf(url: string): Hosts {
  const [, scheme = "", authority = "", path = "", queryText = ""] =
    /^([a-z]+:\/\/)([^/?]*)([^?]*)\??(.*)$/is.exec(url) ?? [];
  const at = authority.lastIndexOf("@") + 1;
  const query = new URLSearchParams(queryText);
  const target = query.get("target_session_attrs");
  const balance = query.get("load_balance_hosts");
  const places = listed(authority.slice(at), query);
  for (const name of ["target_session_attrs", "load_balance_hosts", "host", "port"]) query.delete(name);
  return {
    urls: places.map(({ host, port, inQuery }) => {
      const own = new URLSearchParams(query);
      if (inQuery && host !== "") own.set("host", host);
      if (inQuery && port !== "") own.set("port", port);
      const place = inQuery ? "" : `${host}${port === "" ? "" : `:${port}`}`;
      return `${scheme}${authority.slice(0, at)}${place}${path}${own.size === 0 ? "" : `?${own}`}`;
    }),
    names: places.map(({ host, port }) => `${host || "localhost"}:${port || 5432}`),
    target:
      target === null ? (places.length > 1 ? "read-write" : "any") : oneOf(target, "target_session_attrs", TARGETS),
    random: balance !== null && oneOf(balance, "load_balance_hosts", ["disable", "random"]) === "random",
  };
}

interface Place {
  readonly host: string;
  /** `""` for the usual one. */
  readonly port: string;
  /** It is named by parameters: the folder of a socket has slashes. */
  readonly inQuery: boolean;
}

function listed(authority: string, query: URLSearchParams): Place[] {
  const named = query.get("host");
  if (named !== null || query.has("port")) {
    const hosts = (named ?? authority.replace(/:\d*$/, "")).split(",");
    const ports = (query.get("port") ?? "").split(",");
    if (ports.length > 1 && ports.length !== hosts.length) {
      throw new InvalidArgumentError("a URL names as many ports as hosts, or one port for all");
    }
    return hosts.map((host, i) => ({
      host,
      port: ports.length > 1 ? (ports[i] ?? "") : (ports[0] ?? ""),
      inQuery: true,
    }));
  }
  return authority.split(",").map((each) => {
    const [, host = "", port = ""] = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(each) ?? [];
    if (host === "" && each !== "") throw new InvalidArgumentError("a host of the URL is not host or host:port");
    return { host, port, inQuery: false };
  });
}
