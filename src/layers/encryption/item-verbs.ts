/** Items: the value is sealed whole, so that a change reads it, and stores it by compare-and-set; nothing is found by what is in it. */
import type { CallOptions, Page } from "../../contract/call.js";
import { ConflictError, UnsupportedError } from "../../contract/errors.js";
import type {
  CountItemsOptions,
  DeleteItemOptions,
  GetItemOptions,
  Item,
  ItemChange,
  ItemNamespace,
  ItemOperation,
  ItemQuery,
  ItemResult,
  ItemStorage,
  NamespaceQuery,
  PutItemOptions,
  UpdateItemOptions,
} from "../../contract/item-storage.js";
import type { JsonObject } from "../../contract/json.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { knownFields, knownOptions } from "../../domain/arguments.js";
import { Intake } from "../../domain/intake.js";
import {
  COUNT_FIELDS,
  type ParsedStep,
  PUT_FIELDS,
  parseCount,
  parseOperation,
  parsePut,
  parseSearch,
  parseUpdate,
  SEARCH_FIELDS,
  UPDATE_FIELDS,
} from "../../domain/item-arguments.js";
import { CHANGE_FIELDS, readMerge } from "../../domain/item-changes.js";
import { encodeItemValue } from "../../domain/items.js";
import { listOf, MAX_OPERATIONS } from "../../domain/lists.js";
import { decodeMetadata } from "../../domain/metadata.js";
import { CallTime } from "./call-time.js";
import { ItemSnapshot, refusedPut, type SealedChange, sealedItem } from "./item-snapshot.js";
import { itemPlace } from "./places.js";
import { SEALED, type TenantSeals } from "./tenant-seals.js";

export function itemVerbs(inner: StorageBackend, seals: TenantSeals): ItemStorage {
  const opened = async (item: Item): Promise<Item> => {
    const text = await openedText(seals, item);
    return text === undefined ? item : { ...item, value: decodeMetadata(text) };
  };

  const openedPage = async (page: Page<Item>): Promise<Page<Item>> => ({
    ...page,
    items: await Promise.all(page.items.map(opened)),
  });

  /** Runs changes that read what they change: again, as long as another writer comes before. */
  const changing = async <T>(
    time: CallTime,
    read: () => Promise<ItemSnapshot>,
    write: (snapshot: ItemSnapshot) => Promise<T>,
  ): Promise<T> => {
    let before = await read();
    for (;;) {
      try {
        return await write(before);
      } catch (error) {
        if (!(error instanceof ConflictError)) throw error;
        const now = await read();
        // Nobody came before: the conflict is the caller's.
        if (now.isSame(before)) throw error;
        before = now;
      }
      await time.backOff();
    }
  };

  /** @throws ConflictError, or what the store refuses before it */
  const changeOf = async (
    snapshot: ItemSnapshot,
    step: Parameters<ItemSnapshot["change"]>[1],
    options: Partial<UpdateItemOptions>,
    time: CallTime,
  ): Promise<SealedChange> => {
    try {
      return snapshot.change(seals, step);
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      const { namespace, key, value, ...rest } = refusedPut(step, options);
      return inner.putItem(namespace, key, value, { ...time.options(), ...rest }).then(
        () => Promise.reject(error),
        (refusal: unknown) => Promise.reject(refusal instanceof ConflictError ? error : refusal),
      );
    }
  };

  const openResult = async (step: ParsedStep, result: ItemResult): Promise<ItemResult> => {
    switch (step.kind) {
      case "put":
      case "update":
      case "get":
        return result === undefined ? undefined : opened(result as Item);
      case "search":
      case "nearest":
        return openedPage(result as Page<Item>);
      default:
        return result;
    }
  };

  return {
    putItem: async (namespace: ItemNamespace, key: string, value: JsonObject, options?: PutItemOptions) => {
      const step = parsePut(namespace, key, value, knownOptions(options, PUT_FIELDS), encodeItemValue);
      assertVectors(seals, step);
      const wait = seals.ready();
      if (wait !== undefined) await wait;
      return opened(await inner.putItem(step.namespace, key, sealedItem(seals, step, step.value), options));
    },

    updateItem: async (namespace: ItemNamespace, key: string, change: ItemChange, options?: UpdateItemOptions) => {
      const known = knownOptions(options, UPDATE_FIELDS);
      const step = parseUpdate(namespace, key, knownFields(change, "change", CHANGE_FIELDS), known, readMerge);
      assertVectors(seals, step);
      const time = new CallTime(inner, options);
      const wait = seals.ready();
      if (wait !== undefined) await wait;
      return changing(
        time,
        () => ItemSnapshot.read(inner, seals, [step], time.options()),
        async (snapshot) => {
          const { change: sealed, expectedVersion } = await changeOf(snapshot, step, known, time);
          return opened(
            await inner.updateItem(step.namespace, key, sealed, { ...options, ...time.options(), expectedVersion }),
          );
        },
      );
    },

    getItem: async (namespace: ItemNamespace, key: string, options?: GetItemOptions) => {
      const item = await inner.getItem(namespace, key, options);
      return item === undefined ? undefined : opened(item);
    },

    deleteItem: (namespace: ItemNamespace, key: string, options?: DeleteItemOptions) =>
      inner.deleteItem(namespace, key, options),

    batchItems: async (operations: readonly ItemOperation[], options?: CallOptions) => {
      const list = listOf(operations, "operations", MAX_OPERATIONS) as readonly ItemOperation[];
      const given = Array.from(list, (each) => ({ ...each }));
      const intake = new Intake();
      const steps = given.map((each, i) =>
        parseOperation(each, `operations[${i}]`, encodeItemValue, readMerge, intake),
      );
      for (const step of steps) assertReadable(seals, step);
      const time = new CallTime(inner, options);
      const wait = seals.ready();
      if (wait !== undefined) await wait;
      const changed = steps.filter((step) => step.kind === "update");
      const results = await changing(
        time,
        () => ItemSnapshot.read(inner, seals, changed, time.options()),
        async (snapshot) => {
          const { operations: sealed, refusal } = snapshot.operations(seals, given, steps);
          try {
            return await inner.batchItems(sealed, changed.length === 0 ? options : { ...options, ...time.options() });
          } catch (error) {
            throw refusal !== undefined && error instanceof ConflictError ? refusal : error;
          }
        },
      );
      return Promise.all(results.map((result, i) => openResult(steps[i] as ParsedStep, result)));
    },

    searchItems: async (namespacePrefix: ItemNamespace, query?: ItemQuery) => {
      assertReadable(seals, parseSearch(namespacePrefix, knownOptions(query, SEARCH_FIELDS, "query")));
      return openedPage(await inner.searchItems(namespacePrefix, query));
    },

    countItems: async (namespacePrefix: ItemNamespace, options?: CountItemsOptions) => {
      const count = parseCount(namespacePrefix, knownOptions(options, COUNT_FIELDS));
      assertReadable(seals, { kind: "count", count });
      return inner.countItems(namespacePrefix, options);
    },

    listNamespaces: (query?: NamespaceQuery) => inner.listNamespaces(query),

    deleteItems: (namespacePrefix: ItemNamespace, options?: CallOptions) => inner.deleteItems(namespacePrefix, options),
  };
}

/** The text of an item's value. */
export function openedText(seals: TenantSeals, { namespace, key, value }: Item): Promise<string | undefined> {
  return seals.openText(value[SEALED], itemPlace(namespace, key));
}

/** What must be refused before anything is done (F6). */
function assertReadable(seals: TenantSeals, step: ParsedStep): void {
  const filter =
    step.kind === "count"
      ? step.count.filter
      : step.kind === "search" || step.kind === "nearest"
        ? step.listing.filter
        : null;
  if (filter !== null && filter.conditions.length > 0) {
    throw new UnsupportedError("values of items are encrypted, so that nothing can be found by what is in them");
  }
  assertVectors(seals, step);
}

function assertVectors(seals: TenantSeals, step: ParsedStep): void {
  if (seals.rules.vectors === "plain") return;
  const brings =
    (step.kind === "put" && step.vectors !== null) ||
    (step.kind === "update" && step.vectors !== null && step.vectors !== "keep");
  if (brings || step.kind === "nearest") throw noVectors();
}

function noVectors(): UnsupportedError {
  return new UnsupportedError(
    'a vector tells what its text is about and cannot be compared in encrypted form: allow it with vectors: "plain"',
  );
}
