/** Where the keys of an encrypted storage come from: passed in, or wrapped by a key management service. */

import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { types } from "node:util";
import { InvalidArgumentError, isStorageError, StorageConnectionError } from "../../contract/errors.js";
import { plainObject, string } from "../../domain/arguments.js";
import { kindOf } from "../../domain/identifiers.js";

/** 32 random bytes or more, or their base64 text. */
export type Secret = Uint8Array | string;

/** Keys by their ids. What is stored names the id of its key, so an id never gets another secret. */
export interface KeyRing {
  /** Id of the key that encrypts from now on. */
  readonly current: string;
  /** Ids of all keys that there are. */
  readonly ids: readonly string[];
  /** The secret of a key, for this tenant; asked for once, until it fails. */
  secret(id: string, tenant: string): Secret | Promise<Secret>;
}

export interface KeyRingOptions {
  /** Id of the key that encrypts from now on: 1 to 64 letters, digits, `_` or `-`. */
  readonly current: string;
  /**
   * The keys by their ids. Of one secret the key of each tenant is derived; a function passes each tenant a secret of its own.
   */
  readonly keys: { readonly [id: string]: Secret | ((tenant: string) => Secret | Promise<Secret>) };
}

/**
 * A ring of keys that the program has.
 * @throws InvalidArgumentError for an id or a secret that cannot be one, or a `current` that is not among the keys
 */
export function keyRing(options: KeyRingOptions): KeyRing {
  const keys = new Map(Object.entries(plainObject(options.keys, "keys")));
  for (const [id, key] of keys) {
    assertKeyId(id);
    if (typeof key !== "function") secretBytes(key as Secret);
  }
  return {
    ...idsOf(options.current, keys.keys()),
    secret: (id, tenant) => {
      const key = keys.get(id) as KeyRingOptions["keys"][string];
      return typeof key === "function" ? key(tenant) : key;
    },
  };
}

/** A service that encrypts data keys with a key that never leaves it. */
export interface KeyManagement {
  wrap(secret: Uint8Array): Promise<Uint8Array>;
  unwrap(wrapped: Uint8Array): Promise<Uint8Array>;
}

export interface WrappedKeyRingOptions {
  /** Id of the key that encrypts from now on: 1 to 64 letters, digits, `_` or `-`. */
  readonly current: string;
  /** Wrapped data keys by their ids, as `newWrappedKey` has made them. */
  readonly keys: { readonly [id: string]: string };
  readonly kms: Pick<KeyManagement, "unwrap">;
}

/**
 * A ring of data keys that a key management service has wrapped. Each is unwrapped once, when it is first needed; a service that
 * does not answer is a `StorageConnectionError`, and asked again by the next call.
 * @throws InvalidArgumentError
 */
export function wrappedKeyRing(options: WrappedKeyRingOptions): KeyRing {
  const keys = new Map(Object.entries(plainObject(options.keys, "keys")));
  for (const [id, wrapped] of keys) {
    assertKeyId(id);
    string(wrapped, "a wrapped key");
  }
  const unwrapped = new Map<string, Promise<Uint8Array>>();
  const unwrap = async (id: string): Promise<Uint8Array> => {
    try {
      return await options.kms.unwrap(Buffer.from(keys.get(id) as string, "base64"));
    } catch (error) {
      unwrapped.delete(id);
      if (isStorageError(error)) throw error;
      throw new StorageConnectionError(`the key management service did not unwrap the key ${id}`, { cause: error });
    }
  };
  return {
    ...idsOf(options.current, keys.keys()),
    secret: (id) => {
      const known = unwrapped.get(id) ?? unwrap(id);
      unwrapped.set(id, known);
      return known;
    },
  };
}

/** A new data key, wrapped: the text to keep in the configuration. The key itself is in no one's hands yet. */
export async function newWrappedKey(kms: Pick<KeyManagement, "wrap">): Promise<string> {
  return Buffer.from(await kms.wrap(randomBytes(32))).toString("base64");
}

/** The bytes of a secret. @throws InvalidArgumentError, which says nothing of it */
export function secretBytes(secret: Secret): Uint8Array {
  const isText = typeof secret === "string";
  if (isText && !BASE64.test(secret))
    throw new InvalidArgumentError("the secret of a key must be bytes or base64 text");
  const bytes = isText ? Buffer.from(secret, "base64") : secret;
  if (!types.isUint8Array(bytes)) {
    throw new InvalidArgumentError(`the secret of a key must be bytes or base64 text, not ${kindOf(secret)}`);
  }
  if (bytes.length < MIN_SECRET_BYTES) {
    throw new InvalidArgumentError(`the secret of a key must have at least ${MIN_SECRET_BYTES} bytes`);
  }
  return bytes;
}

const MIN_SECRET_BYTES = 32;

const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/;

/** It stands in what is stored, between dots. */
const KEY_ID = /^[A-Za-z0-9_-]{1,64}$/;

function assertKeyId(id: string): void {
  if (!KEY_ID.test(id)) throw new InvalidArgumentError("the id of a key must be 1 to 64 letters, digits, _ or -");
}

function idsOf(current: unknown, ids: Iterable<string>): Pick<KeyRing, "current" | "ids"> {
  const all = [...ids];
  if (!all.includes(string(current, "current")))
    throw new InvalidArgumentError("current must be the id of one of the keys");
  return { current: current as string, ids: all };
}
