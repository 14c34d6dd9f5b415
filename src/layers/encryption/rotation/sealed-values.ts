/** All that a tenant's store keeps in sealed form, read below the layer: under which keys it is, and how it looks under the current one. */
import type { ListedCheckpoint } from "../../../contract/checkpoint-storage.js";
import type { Message } from "../../../contract/conversation-storage.js";
import type { Item } from "../../../contract/item-storage.js";
import type { Metadata } from "../../../contract/json.js";
import type { WriteRecord } from "../../../contract/records.js";
import type { Session } from "../../../contract/session-storage.js";
import type { StorageBackend } from "../../../contract/storage-backend.js";
import type { StoredReplacement } from "../../../contract/stored-replacement.js";
import type { TaskContext } from "../../../contract/task-context-storage.js";
import { CallTime } from "../call-time.js";
import { GRANT_FIELD } from "../grants.js";
import {
  checkpointMetadataPlace,
  checkpointName,
  contextMetadataPlace,
  contextPlace,
  grantPlace,
  itemPlace,
  messageMetadataPlace,
  messagePlace,
  sessionMetadataPlace,
  writePlace,
} from "../places.js";
import { sealedVersion } from "../sealed-context.js";
import { storedState } from "../sealed-state.js";
import { type Place, SEALED, type TenantSeals } from "../tenant-seals.js";
import { keyIdOf, ResealedPieces, resealed, resealedInThread, resealedKeys, sealedWhole } from "./reseal.js";

/** One stored record with something sealed in it. */
export interface SealedValue {
  /** The keys under which it is. */
  readonly keyIds: readonly string[];
  /** Tells it from every other one of the tenant. */
  readonly name: string;
  /** For people: ids, never content. */
  readonly what: string;
  /** @throws CorruptionError, UnsupportedError for what does not open */
  reseal(): Promise<StoredReplacement>;
}

/** Records read at once: messages and items, and checkpoints, whose states may be large. */
const MANY = 200;
const FEW = 8;

export class SealedValues {
  readonly #raw: StorageBackend;
  readonly #seals: TenantSeals;
  /** Makes a call of the store; again where it was away. */
  readonly #steady: <T>(call: () => Promise<T>) => Promise<T>;

  constructor(raw: StorageBackend, seals: TenantSeals, steady: <T>(call: () => Promise<T>) => Promise<T>) {
    this.#raw = raw;
    this.#seals = seals;
    this.#steady = steady;
  }

  /** Metadata, messages and versions of the context of a session. */
  async *ofSession(session: Session): AsyncGenerator<SealedValue[]> {
    const { sessionId } = session;
    if (this.#seals.rules.metadata) yield some([this.#sessionMetadata(session)]);
    for (let after = 0; ; ) {
      const messages = await this.#steady(() => this.#raw.getConversationHistory(sessionId, { after, limit: MANY }));
      yield some(messages.map((message) => this.#message(message)));
      if (messages.length < MANY) break;
      after = messages.at(-1)?.seq ?? after;
    }
    const versions = await this.#steady(() => this.#raw.listTaskContextVersions(sessionId, { limit: 10_000 }));
    for (const { version } of versions) {
      const context = await this.#steady(() => this.#raw.getTaskContext(sessionId, { version }));
      yield some([context && this.#context(sessionId, context)]);
    }
  }

  /** Checkpoints of a thread, newest first. */
  async *ofThread(threadId: string): AsyncGenerator<SealedValue[]> {
    const pieces = new ResealedPieces();
    for (let before: number | undefined; ; ) {
      const query = { data: true, limit: FEW, ...(before === undefined ? {} : { before }) };
      const found = await this.#steady(() => this.#raw.listCheckpoints(threadId, query));
      yield some(found.map((checkpoint) => this.#checkpoint(checkpoint, pieces)));
      if (found.length < FEW) return;
      before = found.at(-1)?.seq;
    }
  }

  /** Intermediate writes of a thread, also those that wait for their checkpoint. Its reader must not write to the store meanwhile. */
  async *writesOf(threadId: string): AsyncGenerator<SealedValue> {
    for await (const record of this.#raw.exportRecords({ threadId, kinds: ["write"] })) {
      if (record.kind === "write") yield* some([this.#write(record)]);
    }
  }

  item({ namespace, key, value }: Item): SealedValue | undefined {
    const place = itemPlace(namespace, key);
    return this.#itemAt(place, namespace, key, value, SEALED);
  }

  /** An item of the tenant that holds the grants. */
  grant({ namespace, key, value }: Item): SealedValue | undefined {
    const [holder] = namespace;
    if (holder !== "session" && holder !== "thread") return undefined;
    return this.#itemAt(grantPlace(holder, key), namespace, key, value, GRANT_FIELD);
  }

  #itemAt(
    place: Place,
    namespace: readonly string[],
    key: string,
    value: Item["value"],
    field: string,
  ): SealedValue | undefined {
    const keyId = keyIdOf(value[field]);
    if (keyId === undefined) return undefined;
    return {
      keyIds: [keyId],
      name: nameOf(place.kind, namespace, key),
      what: place.what,
      reseal: async () => {
        const to = { ...value, [field]: await resealed(this.#seals, value[field], place) };
        return { kind: "item", namespace, key, from: { value }, to: { value: to } };
      },
    };
  }

  #sessionMetadata({ sessionId, metadata }: Session): SealedValue | undefined {
    const keyIds = Object.values(metadata).flatMap((value) => keyIdOf(value) ?? []);
    if (keyIds.length === 0 || keyIds.length < Object.keys(metadata).length) return undefined;
    const place = sessionMetadataPlace(sessionId);
    return {
      keyIds,
      name: nameOf("session", sessionId),
      what: `the metadata of ${place.what}`,
      reseal: async () => {
        const to = { metadata: await resealedKeys(this.#seals, metadata, place) };
        return { kind: "session", sessionId, from: { metadata }, to };
      },
    };
  }

  #message({ sessionId, seq, messageId, role, content, metadata }: Message): SealedValue | undefined {
    const place = messagePlace(sessionId, messageId, role);
    const keyIds = [keyIdOf(content), this.#metadataKey(metadata)].flatMap((id) => id ?? []);
    if (keyIds.length === 0) return undefined;
    return {
      keyIds,
      name: nameOf("message", sessionId, seq),
      what: place.what,
      reseal: async () => ({
        kind: "message",
        sessionId,
        seq,
        from: { content, metadata },
        to: {
          content: keyIdOf(content) === undefined ? content : await resealed(this.#seals, content, place),
          metadata: await this.#metadata(metadata, (text) =>
            resealed(this.#seals, text, messageMetadataPlace(sessionId, messageId)),
          ),
        },
      }),
    };
  }

  #context(sessionId: string, { version, context, metadata }: TaskContext): SealedValue | undefined {
    const sealed = sealedVersion(context);
    const ofMetadata = this.#seals.rules.metadata ? sealedVersion(metadata[SEALED]) : undefined;
    const keyIds = [keyIdOf(sealed?.[1]), keyIdOf(ofMetadata?.[1])].flatMap((id) => id ?? []);
    if (keyIds.length === 0) return undefined;
    return {
      keyIds,
      name: nameOf("context", sessionId, version),
      what: `${contextPlace("", version).what} of ${sessionMetadataPlace(sessionId).what}`,
      reseal: async () => {
        // Who has sealed it stays: what a session may read is decided by that.
        const to = {
          context: sealed && [sealed[0], await resealed(this.#seals, sealed[1], contextPlace(sealed[0], version))],
          metadata: ofMetadata && {
            [SEALED]: [
              ofMetadata[0],
              await resealed(this.#seals, ofMetadata[1], contextMetadataPlace(ofMetadata[0], version)),
            ],
          },
        };
        return {
          kind: "task_context",
          sessionId,
          version,
          from: { context, metadata },
          to: { context: to.context ?? context, metadata: to.metadata ?? metadata },
        };
      },
    };
  }

  #checkpoint(checkpoint: ListedCheckpoint, pieces: ResealedPieces): SealedValue | undefined {
    const { threadId, namespace, checkpointId, data, etag, metadata } = checkpoint;
    const stored = storedState(data);
    const keyIds = [stored?.keyId, this.#metadataKey(metadata)].flatMap((id) => id ?? []);
    if (keyIds.length === 0) return undefined;
    return {
      keyIds,
      name: nameOf("checkpoint", threadId, namespace, checkpointId),
      what: checkpointName(threadId, checkpointId),
      reseal: async () => {
        const time = new CallTime(this.#raw, undefined);
        const state = stored === undefined ? data : await pieces.state(this.#seals, threadId, stored, checkpoint, time);
        const place = checkpointMetadataPlace(threadId, namespace, checkpointId);
        return {
          kind: "checkpoint",
          threadId,
          namespace,
          checkpointId,
          from: { ...(etag === undefined ? { data } : { etag }), metadata },
          to: {
            data: state,
            metadata: await this.#metadata(metadata, (text) =>
              resealedInThread(this.#seals, threadId, text, place, time),
            ),
          },
        };
      },
    };
  }

  #write(record: WriteRecord): SealedValue | undefined {
    const { thread_id: threadId, namespace, checkpoint_id: checkpointId, task_id: taskId, index, channel } = record;
    const keyId = keyIdOf(record.value);
    if (keyId === undefined) return undefined;
    const place = writePlace(threadId, { namespace, checkpointId, taskId, index, channel });
    return {
      keyIds: [keyId],
      name: nameOf("write", threadId, namespace, checkpointId, taskId, index),
      what: place.what,
      reseal: async () => {
        const time = new CallTime(this.#raw, undefined);
        const value = await resealedInThread(this.#seals, threadId, record.value, place, time);
        const at = { threadId, namespace, checkpointId, taskId, index };
        return { kind: "write", ...at, from: { value: record.value }, to: { value } };
      },
    };
  }

  /** The key of metadata that is sealed whole. */
  #metadataKey(metadata: Metadata): string | undefined {
    return this.#seals.rules.metadata ? keyIdOf(metadata[SEALED]) : undefined;
  }

  async #metadata(metadata: Metadata, reseal: (text: unknown) => Promise<string>): Promise<Metadata> {
    return this.#metadataKey(metadata) === undefined ? metadata : sealedWhole(await reseal(metadata[SEALED]));
  }
}

function nameOf(...parts: readonly unknown[]): string {
  return JSON.stringify(parts);
}

function some(values: readonly (SealedValue | undefined)[]): SealedValue[] {
  return values.filter((value) => value !== undefined);
}
