/** Seals and opens the values of one tenant. */
import { Buffer } from "node:buffer";
import { hash } from "node:crypto";
import type { CallOptions } from "../../contract/call.js";
import { CorruptionError } from "../../contract/errors.js";
import type { JsonValue, Metadata, MetadataInput } from "../../contract/json.js";
import type { Intake } from "../../domain/intake.js";
import { decodeMetadata, encodeMetadata } from "../../domain/metadata.js";
import type { CallTime } from "./call-time.js";
import { METADATA_MUST_SHRINK, type Packing, packOneOfMany, packWhole, unpackText } from "./compression.js";
import type { Grants } from "./grants.js";
import { RecentPieces } from "./recent-pieces.js";
import { bound, nonceOf, open, partsOf, seal, sealAlike, sealedText, unverified } from "./seal.js";
import type { SubjectKey, SubjectKind, TenantKeys } from "./tenant-keys.js";

/** What the options of the layer decide. */
export interface SealRules {
  readonly packing: Packing;
  /** Whether what was stored without encryption may be read. */
  readonly readsPlaintext: boolean;
  /** Whether metadata is encrypted. */
  readonly metadata: boolean;
  readonly vectors: "refuse" | "plain";
}

/** Copied threads whose origins are remembered. */
const MAX_ORIGINS = 10_000;

/** The one key of an object that is sealed whole. */
export const SEALED = "wse";

type Names = readonly (string | number | boolean | null)[];

/** A place of a value: its subject, and what else it is bound to. */
export interface Place {
  readonly kind: SubjectKind;
  readonly subject: string;
  readonly names: Names;
  /** For errors: ids, never content. */
  readonly what: string;
}

export class TenantSeals {
  readonly keys: TenantKeys;
  readonly grants: Grants;
  readonly rules: SealRules;
  readonly recentPieces: RecentPieces = new RecentPieces();
  /** The threads that a copied one may hold content of, as far as they were asked for. Grants only grow: none of these becomes wrong. */
  readonly #origins = new Map<string, readonly string[]>();

  constructor(keys: TenantKeys, grants: Grants, rules: SealRules) {
    this.keys = keys;
    this.grants = grants;
    this.rules = rules;
  }

  /**
   * Gets ready to seal; nothing to wait for when it is. What the caller gave is encoded before: he may change it meanwhile.
   * @throws what the key ring throws
   */
  ready(): Promise<void> | undefined {
    return this.keys.ready();
  }

  /** The text of metadata that is to be sealed; `undefined` where it is not given, or stays plain. @throws InvalidArgumentError */
  metadataText(metadata: unknown, name?: string, intake?: Intake): string | undefined {
    return metadata === undefined || !this.rules.metadata ? undefined : encodeMetadata(metadata, name, intake);
  }

  /** Metadata that stays plain, as it is now: for a call that has to wait before it hands it on. @throws InvalidArgumentError */
  plainCopy<Options extends { readonly metadata?: MetadataInput | undefined }>(
    options: Options,
    name?: string,
    intake?: Intake,
  ): Options {
    if (options?.metadata === undefined || this.rules.metadata) return options;
    return { ...options, metadata: decodeMetadata(encodeMetadata(options.metadata, name, intake)) };
  }

  /** A sealed text of an encoded value. */
  sealText(text: string, { kind, subject, names }: Place, mustShrink?: number): string {
    const key = this.keys.current(kind, subject);
    const content = packWhole(Buffer.from(text), this.rules.packing, mustShrink);
    return sealedText(key, seal(key, bound(...names), content));
  }

  /** As `sealText`, for contents that are read many at once (`openPacked`). */
  sealOneOfMany(text: string, { kind, subject, names }: Place): string {
    const key = this.keys.current(kind, subject);
    return sealedText(key, seal(key, bound(...names), packOneOfMany(Buffer.from(text), this.rules.packing)));
  }

  /** As `openText`, still packed: unpacking many at once takes a fraction of the time. */
  async openPacked(stored: unknown, place: Place): Promise<Uint8Array | undefined> {
    const parts = partsOf(stored);
    if (parts === undefined) return this.plaintext(place.what);
    const key = await this.keys.byId(parts.keyId, place.kind, place.subject);
    return open(key, bound(...place.names), parts.sealed, place.what);
  }

  /**
   * The encoded value of a sealed text; `undefined` for what was never sealed, where that may be read.
   * @throws CorruptionError
   */
  async openText(stored: unknown, place: Place): Promise<string | undefined> {
    const packed = await this.openPacked(stored, place);
    return packed === undefined ? undefined : unpackText(packed, place.what);
  }

  /** `undefined`, where content without encryption may be read. @throws CorruptionError elsewhere */
  plaintext(what: string): undefined {
    if (this.rules.readsPlaintext) return undefined;
    throw new CorruptionError(`the content of ${what} is not encrypted`);
  }

  /** Metadata as it is stored: sealed whole. */
  sealMetadata(text: string, place: Place): Metadata {
    return { [SEALED]: this.sealText(text, place, METADATA_MUST_SHRINK) };
  }

  async openMetadata(stored: Metadata, place: Place): Promise<Metadata> {
    if (!this.rules.metadata || isEmpty(stored)) return stored;
    const text = await this.openText(stored[SEALED], { ...place, what: `the metadata of ${place.what}` });
    return text === undefined ? stored : decodeMetadata(text);
  }

  /** Metadata with each value sealed for itself, so that the store can merge it; the same value of a key is the same text each time. */
  sealMetadataKeys(metadata: string, { kind, subject, names }: Place): Metadata {
    const key = this.keys.current(kind, subject);
    return Object.fromEntries(
      Object.entries(decodeMetadata(metadata)).map(([name, value]) => {
        const binding = bound(...names, name);
        const content = packWhole(Buffer.from(JSON.stringify(value)), this.rules.packing, METADATA_MUST_SHRINK);
        return [name, sealedText(key, sealAlike(key, nonceOf(key, binding, content), binding, content))];
      }),
    );
  }

  async openMetadataKeys(stored: Metadata, place: Place): Promise<Metadata> {
    if (!this.rules.metadata) return stored;
    const entries: [string, JsonValue][] = [];
    const what = `the metadata of ${place.what}`;
    for (const [name, value] of Object.entries(stored)) {
      const text = await this.openText(value, { ...place, names: [...place.names, name], what });
      entries.push([name, text === undefined ? value : (JSON.parse(text) as JsonValue)]);
    }
    return Object.fromEntries(entries);
  }

  /**
   * Opens what belongs to a thread: sealed for it, or for one that it is a copy of.
   * @param attempt opens with the key of a thread
   */
  async inThread<T>(
    threadId: string,
    keyId: string,
    time: CallTime,
    attempt: (key: SubjectKey) => T | Promise<T>,
  ): Promise<T> {
    const known = this.#origins.get(threadId) ?? [];
    const own = await this.#firstThatOpens([threadId, ...known], keyId, attempt);
    if ("opened" in own) return own.opened;
    const granted = await this.grants.of("thread", threadId, time.options());
    const copied = await this.#firstThatOpens(
      granted.filter((origin) => !known.includes(origin)),
      keyId,
      attempt,
    );
    if (!("opened" in copied)) throw own.error;
    if (this.#origins.size >= MAX_ORIGINS) this.#origins.clear();
    this.#origins.set(threadId, granted);
    return copied.opened;
  }

  async #firstThatOpens<T>(
    threadIds: readonly string[],
    keyId: string,
    attempt: (key: SubjectKey) => T | Promise<T>,
  ): Promise<{ readonly opened: T } | { readonly error: unknown }> {
    let first: { readonly error: unknown } | undefined;
    for (const threadId of threadIds) {
      try {
        return { opened: await attempt(await this.keys.byId(keyId, "thread", threadId)) };
      } catch (error) {
        if (!(error instanceof CorruptionError)) throw error;
        first ??= { error };
      }
    }
    return first ?? { error: undefined };
  }

  /** @throws CorruptionError unless a session may hold a version of its context that was sealed by another one */
  async assertShared(sessionId: string, label: string, what: string, options: CallOptions): Promise<void> {
    const own = sessionLabel(sessionId);
    if (label === own || this.grants.isAccepted("session", own, label)) return;
    const mine = new Set([own, ...(await this.grants.of("session", own, options))]);
    const theirs = [label, ...(await this.grants.of("session", label, options))];
    if (!theirs.some((each) => mine.has(each))) throw unverified(what);
    this.grants.accept("session", own, label);
  }
}

/** Who has sealed a version of a context: a session, or an import of the context. All labels have one length. */
export function sessionLabel(sessionId: string): string {
  return hash("sha256", `session ${sessionId}`, "base64url").slice(0, LABEL_LENGTH);
}

export function contextLabel(contextId: string): string {
  return hash("sha256", `context ${contextId}`, "base64url").slice(0, LABEL_LENGTH);
}

/** 132 bits. */
const LABEL_LENGTH = 22;

/** Metadata that holds nothing has nothing to hide. */
export function isEmpty(metadata: Metadata): boolean {
  for (const _key in metadata) return false;
  return true;
}
