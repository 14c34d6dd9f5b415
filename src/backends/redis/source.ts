/** Where the server is: a URL of a single server, of what Sentinels watch, or of a cluster; or a client of the application's own. */
import { InvalidArgumentError } from "../../contract/errors.js";
import type { RedisClient } from "./connection/client.js";

export interface RedisHost {
  readonly host: string;
  readonly port: number;
}

interface Account {
  readonly username?: string;
  readonly password?: string;
}

/** TLS as Node.js takes it. */
export type RedisTls = { readonly [option: string]: unknown };

interface Address {
  readonly auth: Account;
  readonly tls: RedisTls | undefined;
}

export type RedisSource =
  | { readonly kind: "given"; readonly client: RedisClient }
  | (Address & RedisHost & { readonly kind: "single"; readonly db: number })
  | (Address & {
      readonly kind: "sentinel";
      readonly sentinels: RedisHost[];
      readonly name: string;
      readonly db: number;
    })
  | (Address & { readonly kind: "cluster"; readonly nodes: RedisHost[] });

const SCHEMES = ["redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"] as const;

const DEFAULT_PORTS = { single: 6379, sentinel: 26_379, cluster: 6379 };

/** Never repeats the URL: it may hold a password. @throws InvalidArgumentError */
export function sourceOfUrl(url: string, tls: boolean | RedisTls | undefined): RedisSource {
  if (/[?#]/.test(url)) {
    throw new InvalidArgumentError(
      "url has a query, whose options openStorage reads: redisStorage takes them beside the url",
    );
  }
  const [, scheme, account, hosts = "", path = ""] =
    /^([a-z+]+):\/\/(?:([^@/]*)@)?([^/?#]*)(?:\/([^?#]*))?$/i.exec(url) ?? [];
  const known = SCHEMES.find((each) => each === scheme?.toLowerCase());
  if (known === undefined) throw new InvalidArgumentError(`url must begin with one of ${SCHEMES.join("://, ")}://`);
  const kind = known.endsWith("sentinel") ? "sentinel" : known.endsWith("cluster") ? "cluster" : "single";
  const secured = tls ?? known.startsWith("rediss");
  const address: Address = {
    auth: account === undefined ? {} : accountOf(account),
    tls: secured === false ? undefined : secured === true ? {} : secured,
  };
  const list = hosts.split(",").map((host) => hostOf(host, DEFAULT_PORTS[kind]));
  const parts = path.split("/").filter((part) => part !== "");
  switch (kind) {
    case "single": {
      const [only] = list;
      if (only === undefined || list.length > 1) throw new InvalidArgumentError("url names one server");
      return { kind, ...address, ...only, db: databaseOf(parts[0], parts.length > 1) };
    }
    case "sentinel": {
      const [name, db] = parts;
      if (name === undefined) {
        throw new InvalidArgumentError("url names what the Sentinels watch: redis+sentinel://a:26379,b:26379/mymaster");
      }
      return { kind, ...address, sentinels: list, name: decoded(name), db: databaseOf(db, parts.length > 2) };
    }
    case "cluster":
      if (parts.length > 0) throw new InvalidArgumentError("a cluster has no databases: url ends with its nodes");
      return { kind, ...address, nodes: list };
  }
}

function accountOf(text: string): Account {
  const colon = text.indexOf(":");
  const username = decoded(colon === -1 ? text : text.slice(0, colon));
  const password = colon === -1 ? "" : decoded(text.slice(colon + 1));
  return { ...(username === "" ? {} : { username }), ...(password === "" ? {} : { password }) };
}

function hostOf(text: string, defaultPort: number): RedisHost {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]*))(?::(\d{1,5}))?$/i.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || Number(port ?? 0) > 65_535) {
    throw new InvalidArgumentError("url names hosts as host:port, apart by commas");
  }
  return { host: host === "" ? "localhost" : decoded(host), port: port === undefined ? defaultPort : Number(port) };
}

function databaseOf(text: string | undefined, more: boolean): number {
  if (more || (text !== undefined && !/^\d{1,5}$/.test(text))) {
    throw new InvalidArgumentError("url ends with the number of a database");
  }
  return Number(text ?? 0);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    throw new InvalidArgumentError("a part of the url is not percent-encoded well", { cause: error });
  }
}
