/** The keys of one tenant: derived of a secret of the ring for each subject, so that no ciphertext is valid for another one. */
import { Buffer } from "node:buffer";
import { hkdfSync } from "node:crypto";
import { types } from "node:util";
import { isStorageError, quoteIdentifier, StorageConnectionError, UnsupportedError } from "../../contract/errors.js";
import { type KeyRing, type Secret, secretBytes } from "./key-ring.js";

/** What a key is for: the unit that shares it. */
export type SubjectKind = "session" | "thread" | "context" | "item" | "grant";

/** The key of one subject. */
export interface SubjectKey {
  /** Id of the ring's key that it was derived of. */
  readonly id: string;
  readonly cipher: Uint8Array;
  /** Makes nonces of contents that are to be the same each time. */
  readonly nonces: Uint8Array;
}

/** Derived keys that are remembered. */
const MAX_DERIVED = 4_096;

export class TenantKeys {
  readonly #ring: KeyRing;
  readonly #tenant: string;
  readonly #secrets = new Map<string, Uint8Array>();
  readonly #asked = new Map<string, Promise<void>>();
  /** The one used last stands last. */
  readonly #derived = new Map<string, SubjectKey>();

  constructor(ring: KeyRing, tenant: string) {
    this.#ring = ring;
    this.#tenant = tenant;
  }

  /** Gets the current key ready; nothing to wait for when it is. */
  ready(): Promise<void> | undefined {
    const { current } = this.#ring;
    if (this.#secrets.has(current)) return undefined;
    return this.#asked.size === 0 ? this.#askAtOnce(current) : this.#get(current);
  }

  /** The current key, for a subject. `ready` has been awaited. */
  current(kind: SubjectKind, subject: string): SubjectKey {
    return this.#derive(this.#ring.current, kind, subject);
  }

  /** A key by its id, for a subject. @throws UnsupportedError for one that the ring does not have */
  async byId(id: string, kind: SubjectKind, subject: string): Promise<SubjectKey> {
    if (!this.#secrets.has(id)) await this.#get(id);
    return this.#derive(id, kind, subject);
  }

  /** A ring that has its secrets at hand makes nobody wait. */
  #askAtOnce(id: string): Promise<void> | undefined {
    const secret = this.#secretOf(id);
    if (types.isPromise(secret)) return this.#get(id, secret);
    this.#keep(id, secret);
    return undefined;
  }

  #get(id: string, answer?: Promise<Secret>): Promise<void> {
    if (this.#secrets.has(id)) return READY;
    const known = this.#asked.get(id);
    if (known !== undefined) return known;
    // Asked for again after it has failed.
    const asked = this.#ask(id, answer).finally(() => this.#asked.delete(id));
    this.#asked.set(id, asked);
    return asked;
  }

  async #ask(id: string, answer?: Promise<Secret>): Promise<void> {
    if (!this.#ring.ids.includes(id)) {
      throw new UnsupportedError(
        `the content was encrypted with the key ${quoteIdentifier(id)}, which is not in the key ring`,
      );
    }
    try {
      this.#keep(id, await (answer ?? this.#secretOf(id)));
    } catch (error) {
      throw ofRing(id, error);
    }
  }

  #secretOf(id: string): Secret | Promise<Secret> {
    try {
      return this.#ring.secret(id, this.#tenant);
    } catch (error) {
      throw ofRing(id, error);
    }
  }

  /** A copy: what the caller does with his bytes afterwards changes nothing. */
  #keep(id: string, secret: Secret): void {
    this.#secrets.set(id, Uint8Array.from(secretBytes(secret)));
  }

  #derive(id: string, kind: SubjectKind, subject: string): SubjectKey {
    const info = JSON.stringify(["waystone encryption 1", this.#tenant, kind, subject]);
    const name = `${id} ${info}`;
    const known = this.#derived.get(name);
    this.#derived.delete(name);
    const key = known ?? this.#newKey(id, info);
    this.#derived.set(name, key);
    if (this.#derived.size > MAX_DERIVED) {
      for (const oldest of this.#derived.keys()) {
        this.#derived.delete(oldest);
        break;
      }
    }
    return key;
  }

  #newKey(id: string, info: string): SubjectKey {
    const bytes = Buffer.from(hkdfSync("sha256", this.#secrets.get(id) as Uint8Array, NO_SALT, infoBytes(info), 64));
    return { id, cipher: bytes.subarray(0, 32), nonces: bytes.subarray(32) };
  }
}

/** What a ring of the caller's own throws becomes an error of the contract (F1). */
function ofRing(id: string, error: unknown): unknown {
  if (isStorageError(error)) return error;
  return new StorageConnectionError(`the key ring did not give the key ${quoteIdentifier(id)}`, { cause: error });
}

const READY: Promise<void> = Promise.resolve();

const NO_SALT = Buffer.alloc(0);

/** HKDF takes at most 1,024 bytes of it, and identifiers may be long. */
function infoBytes(info: string): Buffer {
  const bytes = Buffer.from(info);
  return bytes.length <= 1_024 ? bytes : Buffer.from(hkdfSync("sha256", bytes, NO_SALT, LONG_INFO, 32));
}

const LONG_INFO = Buffer.from("waystone encryption 1: a long subject");
