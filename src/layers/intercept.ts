/** The one combinator of the layers that cannot change what an operation means. */
import type { CallOptions } from "../contract/call.js";
import { OPERATION_NAMES, OPERATIONS, type OperationName } from "../contract/operations.js";
import type { StorageRecord } from "../contract/records.js";
import type { StorageBackend } from "../contract/storage-backend.js";
import { CallsInFlight } from "./calls-in-flight.js";
import { interceptStream } from "./intercept-stream.js";
import { InterceptedCall, type Interceptor } from "./layer-call.js";

type Verb = (...args: readonly unknown[]) => Promise<unknown>;
type StreamVerb = (...args: readonly unknown[]) => AsyncIterable<StorageRecord>;

/** The operations that give a stream and not a promise. */
const STREAMS: ReadonlySet<OperationName> = new Set<OperationName>(["exportRecords"]);

/**
 * The same storage, with the interceptor on the way of every operation, also of those of a tenant's view. What is no operation
 * (the kind, and what a backend has beside the contract) is the storage's own.
 *
 * - A stream's arguments are checked by the storage when it is asked for; what is refused then never becomes a call.
 * - An interceptor may hold calls back: closing refuses new ones, and goes on when those that are on their way have settled (F4).
 */
export function intercept<B extends StorageBackend>(backend: B, interceptor: Interceptor): B {
  return view(backend, interceptor, new CallsInFlight());
}

function view<B extends StorageBackend>(backend: B, interceptor: Interceptor, inFlight: CallsInFlight): B {
  const members = backend as unknown as { readonly [name: PropertyKey]: unknown };
  const self: { [name: PropertyKey]: unknown } = {};
  for (const operation of OPERATION_NAMES) {
    const verb = (members[operation] as Verb).bind(backend);
    if (operation === "close") self.close = interceptedClose(backend, verb, interceptor, inFlight);
    else if (STREAMS.has(operation)) {
      self[operation] = interceptedStream(backend, operation, verb as unknown as StreamVerb, interceptor, inFlight);
    } else self[operation] = intercepted(backend, operation, verb, interceptor, inFlight);
  }
  self.tenant = (name: string): StorageBackend => {
    const other = backend.tenant(name);
    return other === (backend as StorageBackend)
      ? (self as unknown as B)
      : view(other, interceptor, new CallsInFlight(inFlight));
  };
  self[Symbol.asyncDispose] = () => (self as unknown as B).close();
  for (const name of membersOf(backend)) {
    if (!Object.hasOwn(self, name)) passThrough(self, backend, name);
  }
  return self as unknown as B;
}

function intercepted(
  storage: StorageBackend,
  operation: OperationName,
  verb: Verb,
  interceptor: Interceptor,
  inFlight: CallsInFlight,
): Verb {
  // An import lasts as long as its source: the storage itself says how long it waits for one.
  const isWatched = OPERATIONS[operation].settles === "deadline";
  return (...args) => {
    const call = new InterceptedCall(storage, operation, args);
    if (inFlight.closing && operation !== "healthCheck") return Promise.reject(inFlight.refuse(call));
    const next = (changes?: CallOptions): Promise<unknown> => call.goOn(() => verb(...call.argsWith(changes)));
    const running = interceptor(call, next);
    return isWatched ? inFlight.watch(running) : running;
  };
}

function interceptedClose(
  storage: StorageBackend,
  verb: Verb,
  interceptor: Interceptor,
  inFlight: CallsInFlight,
): Verb {
  return () => {
    const call = new InterceptedCall(storage, "close", []);
    const drained = inFlight.drain(storage);
    return interceptor(call, async () => {
      await drained;
      return call.goOn(() => verb());
    });
  };
}

function interceptedStream(
  storage: StorageBackend,
  operation: OperationName,
  verb: StreamVerb,
  interceptor: Interceptor,
  inFlight: CallsInFlight,
): StreamVerb {
  return (...args) => {
    const call = new InterceptedCall(storage, operation, args);
    // Asked for at once, because the storage refuses wrong arguments before it is read.
    const first = verb(...args);
    let used = false;
    const open = (changes?: CallOptions): AsyncIterable<StorageRecord> => {
      if (inFlight.closing) throw inFlight.refuse(call);
      if (changes === undefined && !used) {
        used = true;
        return first;
      }
      return verb(...call.argsWith(changes));
    };
    return interceptStream(interceptor, call, open);
  };
}

/** Names of what an object and its classes have, the inherited members of every object left out. */
function membersOf(object: object): Set<PropertyKey> {
  const names = new Set<PropertyKey>();
  for (let at: object | null = object; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const name of Reflect.ownKeys(at)) if (name !== "constructor") names.add(name);
  }
  return names;
}

/** Read when it is asked for, because it may change; functions keep the object that they belong to. */
function passThrough(self: object, backend: object, name: PropertyKey): void {
  const members = backend as { readonly [name: PropertyKey]: unknown };
  const bound = new WeakMap<object, unknown>();
  Object.defineProperty(self, name, {
    enumerable: true,
    get: () => {
      const value = members[name];
      if (typeof value !== "function") return value;
      if (!bound.has(value)) bound.set(value, value.bind(backend));
      return bound.get(value);
    },
  });
}
