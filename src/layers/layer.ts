/** What a layer is, and how layers are put around a storage. */
import { InvalidArgumentError } from "../contract/errors.js";
import type { StorageBackend } from "../contract/storage-backend.js";
import { array, oneOf } from "../domain/arguments.js";
import { identifier, kindOf } from "../domain/identifiers.js";
import { LAYER_PLACES, type LayerPlace, orderProblem } from "./layer-order.js";

/**
 * A function that puts something around a storage. What it keeps (counts, a circuit, slots) belongs to the layer: two storages
 * with the same one share it, and so do the views of tenants.
 */
export interface Layer {
  /** @throws InvalidArgumentError if it may not stand outside of a layer that the storage has */
  (backend: StorageBackend): StorageBackend;
  /** What it is: `retry`, `cache`, … */
  readonly kind: string;
  /** The order in which layers may stand knows it by this. */
  readonly place: LayerPlace;
  /** What it has counted, for those who draw it: the layer `tracing` reports what the layers inside of it count. */
  readings?(): readonly LayerReading[];
}

/** One figure of a layer, under the name and unit of a metric. */
export interface LayerReading {
  /** `waystone.retry.attempts`. */
  readonly name: string;
  /** As in UCUM: `{attempt}`, `By`, `1`. */
  readonly unit: string;
  /** A counter only grows; a gauge is what is now. */
  readonly type: "counter" | "gauge";
  readonly description: string;
  readonly value: number;
  readonly attributes?: { readonly [name: string]: string | number | boolean };
}

/** What makes a layer of your own. */
export interface LayerDefinition {
  /** Its name, for people. */
  readonly kind: string;
  /** The layer of this package whose rules of order it follows. Default: its `kind`. */
  readonly place?: LayerPlace | undefined;
  readonly readings?: (() => readonly LayerReading[]) | undefined;
}

/** The layers that a storage has, outermost first. */
const stacks = new WeakMap<StorageBackend, readonly Layer[]>();

/** What a layer was put around, by what came of it. */
const inners = new WeakMap<StorageBackend, StorageBackend>();

/**
 * A layer from a function. The order is checked whenever it is put around a storage.
 * @throws InvalidArgumentError for a kind that is no place, without one
 */
export function layer(definition: LayerDefinition, apply: (backend: StorageBackend) => StorageBackend): Layer {
  const kind = identifier(definition.kind, "kind");
  const place = oneOf(definition.place ?? kind, "place", LAYER_PLACES);
  const self: Layer = Object.assign(
    (backend: StorageBackend): StorageBackend => {
      const stack = [self, ...layersOf(backend)];
      assertOrder(stack);
      const layered = apply(backend);
      stacks.set(layered, stack);
      if (layered !== backend) inners.set(layered, backend);
      return layered;
    },
    { kind, place, ...(definition.readings === undefined ? {} : { readings: definition.readings }) },
  );
  return self;
}

/**
 * Puts layers around a storage: the first is the outermost, and sees a call first.
 * @throws InvalidArgumentError for what is no layer, and for an order that would be wrong, with the reason
 */
export function withLayers(backend: StorageBackend, layers: readonly Layer[]): StorageBackend {
  const given = checkedLayers(layers);
  assertOrder([...given, ...layersOf(backend)]);
  return given.reduceRight((inner, outer) => outer(inner), backend);
}

/** The layers around a storage, outermost first. */
export function layersOf(backend: StorageBackend): readonly Layer[] {
  return stacks.get(backend) ?? [];
}

/** What the outermost layer of a storage was put around; `undefined` for a storage without layers. Views of tenants have none. */
export function innerOf(backend: StorageBackend): StorageBackend | undefined {
  return inners.get(backend);
}

/** The storage that all layers are around. */
export function innermostOf(backend: StorageBackend): StorageBackend {
  let inner = backend;
  for (let next = innerOf(inner); next !== undefined; next = innerOf(inner)) inner = next;
  return inner;
}

/**
 * Layers in an order that is allowed, before there is a storage to put them around.
 * @throws InvalidArgumentError
 */
export function checkedLayers(layers: unknown): readonly Layer[] {
  const given = array(layers, "layers").map((each, i) => {
    if (isLayer(each)) return each;
    throw new InvalidArgumentError(`layers[${i}] must be a layer, not ${kindOf(each)}`);
  });
  assertOrder(given);
  return given;
}

function isLayer(value: unknown): value is Layer {
  if (typeof value !== "function") return false;
  const { kind, place } = value as Partial<Layer>;
  return typeof kind === "string" && (LAYER_PLACES as readonly unknown[]).includes(place);
}

function assertOrder(stack: readonly Layer[]): void {
  const problem = orderProblem(stack.map(({ place }) => place));
  if (problem !== undefined) throw new InvalidArgumentError(`layers: ${problem}`);
}
