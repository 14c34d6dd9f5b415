/** The verbs of `ItemStorage`: arguments checked and encoded, results decoded. */
import type { CallOptions, Page } from "../../contract/call.js";
import { CorruptionError, UnsupportedError } from "../../contract/errors.js";
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
import { knownFields, knownOptions } from "../arguments.js";
import { pageOf } from "../cursors.js";
import type { Call } from "../driver/call.js";
import type { ItemListing, ItemStep, ItemStepResult, ScoredItem } from "../driver/items.js";
import type { ItemDriver } from "../driver/storage-driver.js";
import type { Rows, StoredItem } from "../driver/stored.js";
import { Intake } from "../intake.js";
import type { ParsedPut, ParsedStep, ParsedUpdate } from "../item-arguments.js";
import {
  COUNT_FIELDS,
  DELETE_FIELDS,
  GET_FIELDS,
  NAMESPACE_FIELDS,
  PUT_FIELDS,
  parseCount,
  parseDelete,
  parseGet,
  parseNamespaceQuery,
  parseOperation,
  parsePut,
  parseSearch,
  parseUpdate,
  SEARCH_FIELDS,
  UPDATE_FIELDS,
} from "../item-arguments.js";
import { CHANGE_FIELDS } from "../item-changes.js";
import { presentItem, presentScored, type TakenStep, takeItemValue, takeMerge, withItemTexts } from "../item-values.js";
import { itemPosition } from "../items.js";
import { listOf, MAX_OPERATIONS } from "../lists.js";
import { parseNamespace } from "../namespaces.js";
import { EACH_STEP, Slices } from "../slices.js";
import { bringsVectors } from "../vectors.js";
import type { RunCall } from "./run-call.js";

export function itemVerbs(run: RunCall, driver: ItemDriver): ItemStorage {
  return {
    putItem: async (namespace: ItemNamespace, key: string, value: JsonObject, options?: PutItemOptions) => {
      const known = knownOptions(options, PUT_FIELDS);
      const step = parsePut(namespace, key, value, known, takeItemValue);
      assertSupported(driver, step);
      return run("putItem", known, (call) =>
        withItemTexts(call, [step], async ([put]) => {
          const { item } = await runStep(driver, call, put as ParsedPut);
          return presentItem(call, item);
        }),
      );
    },

    updateItem: async (namespace: ItemNamespace, key: string, change: ItemChange, options?: UpdateItemOptions) => {
      const known = knownOptions(options, UPDATE_FIELDS);
      const step = parseUpdate(namespace, key, knownFields(change, "change", CHANGE_FIELDS), known, takeMerge);
      assertSupported(driver, step);
      return run("updateItem", known, (call) =>
        withItemTexts(call, [step], async ([update]) => {
          const { item } = await runStep(driver, call, update as ParsedUpdate);
          return presentItem(call, item);
        }),
      );
    },

    getItem: async (namespace: ItemNamespace, key: string, options?: GetItemOptions) => {
      const known = knownOptions(options, GET_FIELDS);
      const step = parseGet(namespace, key, known);
      return run("getItem", known, async (call) => optionalItem(call, (await runStep(driver, call, step)).item));
    },

    deleteItem: async (namespace: ItemNamespace, key: string, options?: DeleteItemOptions) => {
      const known = knownOptions(options, DELETE_FIELDS);
      const step = parseDelete(namespace, key, known);
      return run("deleteItem", known, async (call) => (await runStep(driver, call, step)).deleted);
    },

    batchItems: async (operations: readonly ItemOperation[], options?: CallOptions) => {
      const intake = new Intake();
      const steps = Array.from(listOf(operations, "operations", MAX_OPERATIONS), (each, i) =>
        parseOperation(each, `operations[${i}]`, takeItemValue, takeMerge, intake),
      );
      for (const step of steps) assertSupported(driver, step);
      return run("batchItems", knownOptions(options, []), (call) =>
        withItemTexts(call, steps, async (ready) => {
          const results = ready.length === 0 ? [] : await driver.runItemSteps(call, ready);
          return resultsOf(call, ready, results);
        }),
      );
    },

    searchItems: async (namespacePrefix: ItemNamespace, query?: ItemQuery) => {
      const known = knownOptions(query, SEARCH_FIELDS, "query");
      const search = parseSearch(namespacePrefix, known);
      assertSupported(driver, search);
      return run("searchItems", known, async (call) => {
        if (search.kind === "search") {
          return itemPage(call, await driver.searchItems(call, search.listing), search.digest, search.listing);
        }
        if (driver.searchNearest === undefined) throw withoutVectors();
        return nearestPage(call, await driver.searchNearest(call, search.listing), search.digest);
      });
    },

    countItems: async (namespacePrefix: ItemNamespace, options?: CountItemsOptions) => {
      const known = knownOptions(options, COUNT_FIELDS);
      const count = parseCount(namespacePrefix, known);
      return run("countItems", known, (call) => driver.countItems(call, count));
    },

    listNamespaces: async (query?: NamespaceQuery) => {
      const known = knownOptions(query, NAMESPACE_FIELDS, "query");
      const { listing, digest } = parseNamespaceQuery(known);
      return run("listNamespaces", known, async (call) =>
        namespacePage(call, await driver.listNamespaces(call, listing), digest),
      );
    },

    deleteItems: async (namespacePrefix: ItemNamespace, options?: CallOptions) => {
      const prefix = parseNamespace(namespacePrefix, "namespacePrefix", { allowEmpty: false });
      return run("deleteItems", knownOptions(options, []), (call) => driver.deleteItems(call, prefix));
    },
  };
}

/** What needs vectors is refused before anything is done (F6). */
function assertSupported(driver: ItemDriver, step: TakenStep): void {
  if (driver.searchNearest !== undefined) return;
  // Whether the value is encoded yet makes no difference here.
  if (bringsVectors(step as ItemStep) || step.kind === "nearest") throw withoutVectors();
}

function withoutVectors(): UnsupportedError {
  return new UnsupportedError("this store keeps no vectors, so it neither takes them nor searches by similarity");
}

type StepResult<Kind extends ItemStep["kind"]> = Extract<ItemStepResult, { readonly kind: Kind }>;

/** A single verb is a batch of one. */
async function runStep<Kind extends ItemStep["kind"]>(
  driver: ItemDriver,
  call: Call,
  step: Extract<ItemStep, { readonly kind: Kind }>,
): Promise<StepResult<Kind>> {
  const [result] = await driver.runItemSteps(call, [step as ItemStep]);
  return expectResult(step.kind as Kind, result);
}

async function resultsOf(
  call: Call,
  steps: readonly ParsedStep[],
  results: readonly ItemStepResult[],
): Promise<ItemResult[]> {
  const slices = new Slices(call, EACH_STEP, true);
  const all: ItemResult[] = [];
  for (const [i, step] of steps.entries()) {
    const result = resultOf(call, step, results[i]);
    all.push(result instanceof Promise ? await result : result);
    if (slices.over()) await slices.next();
  }
  return all;
}

function resultOf(call: Call, step: ParsedStep, result: ItemStepResult | undefined): ItemResult | Promise<ItemResult> {
  switch (step.kind) {
    case "put":
      return presentItem(call, expectResult("put", result).item);
    case "update":
      return presentItem(call, expectResult("update", result).item);
    case "get":
      return optionalItem(call, expectResult("get", result).item);
    case "delete":
      return expectResult("delete", result).deleted;
    case "search":
      return itemPage(call, expectResult("search", result).rows, step.digest, step.listing);
    case "nearest":
      return nearestPage(call, expectResult("nearest", result).rows, step.digest);
    case "count":
      return expectResult("count", result).count;
    case "namespaces":
      return namespacePage(call, expectResult("namespaces", result).rows, step.digest);
  }
}

function expectResult<Kind extends ItemStep["kind"]>(kind: Kind, result: ItemStepResult | undefined): StepResult<Kind> {
  if (result?.kind === kind) return result as StepResult<Kind>;
  throw new CorruptionError(`the store answered a step of kind ${kind} with ${result?.kind ?? "nothing"}`);
}

function optionalItem(call: Call, item: StoredItem | undefined): Item | undefined | Promise<Item> {
  return item === undefined ? undefined : presentItem(call, item);
}

function itemPage(call: Call, rows: Rows<StoredItem>, digest: string, { orderBy }: ItemListing): Promise<Page<Item>> {
  return pageOf(
    call,
    rows,
    digest,
    (row) => presentItem(call, row),
    (last) => {
      const { time, namespace, key } = itemPosition(last, orderBy);
      return [time, namespace, key];
    },
  );
}

function nearestPage(call: Call, rows: Rows<ScoredItem>, digest: string): Promise<Page<Item>> {
  return pageOf(
    call,
    rows,
    digest,
    (row) => presentScored(call, row),
    ({ item, score }) => [score, item.namespace, item.key],
  );
}

function namespacePage(call: Call, rows: Rows<string[]>, digest: string): Promise<Page<string[]>> {
  return pageOf(
    call,
    rows,
    digest,
    (namespace) => [...namespace],
    (last) => last,
  );
}
