/** The layer `encryption`: what the store keeps of contents, states, writes, contexts and items is ciphertext. */
import { InvalidArgumentError, isStorageError } from "../../contract/errors.js";
import type { HealthReport, StorageBackend } from "../../contract/storage-backend.js";
import { boolean, knownFields, oneOf } from "../../domain/arguments.js";
import { identifier, kindOf } from "../../domain/identifiers.js";
import { CallsUnderWay } from "../calls-under-way.js";
import { innermostOf, type Layer, layer } from "../layer.js";
import { checkpointVerbs } from "./checkpoint-verbs.js";
import { conversationVerbs } from "./conversation-verbs.js";
import { encryptedStorages } from "./encrypted-storages.js";
import { Grants, grantsView } from "./grants.js";
import { itemVerbs } from "./item-verbs.js";
import type { KeyRing } from "./key-ring.js";
import { recordVerbs } from "./record-verbs.js";
import { sessionVerbs } from "./session-verbs.js";
import { taskContextVerbs } from "./task-context-verbs.js";
import { TenantKeys } from "./tenant-keys.js";
import { type SealRules, TenantSeals } from "./tenant-seals.js";

export interface EncryptionOptions {
  /** The keys: `keyRing` or `wrappedKeyRing`. */
  readonly keys: KeyRing;
  /**
   * Also encrypts metadata of sessions, messages, checkpoints and contexts. Nothing can be found by it then: a metadata filter is
   * `UnsupportedError`. Keys of a session's metadata stay readable, as the store merges by them. Default `false`.
   */
  readonly metadata?: boolean | undefined;
  /**
   * Vectors cannot be compared in encrypted form, and tell what their text is about. `refuse` (default) makes putting them and
   * searching by them `UnsupportedError`; `plain` stores them as they are.
   */
  readonly vectors?: "refuse" | "plain" | undefined;
  /**
   * What becomes of content that was stored without encryption: `refuse` (default) reads it as `CorruptionError`, `read` reads it as
   * it is, for a store that was in use before. What is written is encrypted either way.
   */
  readonly plaintext?: "refuse" | "read" | undefined;
  /** Makes contents smaller before they are encrypted. Their length then depends on how often they repeat themselves. Default `true`. */
  readonly compress?: boolean | undefined;
}

const FIELDS = ["keys", "metadata", "vectors", "plaintext", "compress"] as const;

/**
 * Encrypts with AES-256-GCM what is stored of message contents, checkpoint states, writes, task contexts and items, by a key of
 * the tenant, the session or thread, and binds each to its place: what is changed or moved reads as `CorruptionError`, what was
 * encrypted with a key that the ring does not have as `UnsupportedError`. States still share what they have in common (K4).
 *
 * - What is looked for stays readable: ids, roles, channels, times, counters, metadata (by default), namespaces and keys of items.
 * - A filter of items is `UnsupportedError`; a change of an item reads it and stores it by compare-and-set.
 * - Grants for copied threads and shared contexts are kept in a tenant of their own: put the layer around the storage that was
 *   opened, not around a tenant's view.
 * @throws InvalidArgumentError for bad options
 */
export function encryption(options: EncryptionOptions): Layer {
  const { keys, ...given } = knownFields(options, "options", FIELDS);
  const rules: SealRules = {
    packing: { compress: given.compress === undefined || boolean(given.compress, "compress") },
    readsPlaintext: given.plaintext !== undefined && oneOf(given.plaintext, "plaintext", ["refuse", "read"]) === "read",
    metadata: given.metadata !== undefined && boolean(given.metadata, "metadata"),
    vectors: given.vectors === undefined ? "refuse" : oneOf(given.vectors, "vectors", ["refuse", "plain"]),
  };
  if (typeof keys?.secret !== "function" || !Array.isArray(keys.ids)) {
    throw new InvalidArgumentError(`keys must be a key ring, as keyRing makes it, not ${kindOf(keys)}`);
  }
  return layer({ kind: "encryption" }, (backend) => {
    const calls = new CallsUnderWay(backend.kind);
    const around = (inner: StorageBackend): StorageBackend => {
      const tenantKeys = new TenantKeys(keys, inner.tenantName);
      const grants = new Grants(grantsView(backend, inner.tenantName), tenantKeys);
      const view = inner === backend ? calls : calls.view();
      const seals = new TenantSeals(tenantKeys, grants, rules);
      const storage = encrypted(inner, seals, keys, view, (name) => {
        const other = inner.tenant(name);
        return other === inner ? undefined : around(other);
      });
      encryptedStorages.set(storage, { root: innermostOf(backend), tenant: inner.tenantName, seals, keys });
      return storage;
    };
    return around(backend);
  });
}

function encrypted(
  inner: StorageBackend,
  seals: TenantSeals,
  keys: KeyRing,
  calls: CallsUnderWay,
  tenantView: (name: string) => StorageBackend | undefined,
): StorageBackend {
  const close = (): Promise<void> => calls.close(() => inner.close());
  const verbs = {
    ...sessionVerbs(inner, seals),
    ...conversationVerbs(inner, seals),
    ...checkpointVerbs(inner, seals),
    ...taskContextVerbs(inner, seals),
    ...itemVerbs(inner, seals),
    ...recordVerbs(inner, seals),
    acquireLease: inner.acquireLease.bind(inner),
    renewLease: inner.renewLease.bind(inner),
    releaseLease: inner.releaseLease.bind(inner),
    initialize: inner.initialize.bind(inner),
    getMetrics: inner.getMetrics.bind(inner),
  };
  const self: StorageBackend = {
    kind: inner.kind,
    tenantName: inner.tenantName,
    timeoutMs: inner.timeoutMs,
    ...calls.around(verbs),
    healthCheck: async (options) => withKeyCheck(await inner.healthCheck(options), seals, keys),
    close,
    tenant: (name) => tenantView(identifier(name, "tenant")) ?? self,
    [Symbol.asyncDispose]: close,
  };
  return self;
}

/** Whether the key that encrypts is at hand: without it nothing can be written, whatever the store says. */
async function withKeyCheck(report: HealthReport, seals: TenantSeals, keys: KeyRing): Promise<HealthReport> {
  try {
    await seals.ready();
    const check = { name: "encryption", status: "ok", message: `key ${keys.current} encrypts` } as const;
    return { ...report, checks: [...report.checks, check] };
  } catch (error) {
    const reason = isStorageError(error) ? `${error.code}: ${error.message}` : "the key ring failed unexpectedly";
    const check = { name: "encryption", status: "error", message: `key ${keys.current}: ${reason}` } as const;
    return { ...report, status: "unhealthy", checks: [...report.checks, check] };
  }
}
