/** A stream with an interceptor on its way: for the interceptor it is a call that lasts until the stream ends. */
import type { CallOptions } from "../contract/call.js";
import { UnsupportedError } from "../contract/errors.js";
import type { InterceptedCall, Interceptor } from "./layer-call.js";

/**
 * Until the first record has come, a stream that fails can be begun again by the interceptor. From then on the records go
 * straight from the store to the reader, and `next` settles when they end.
 */
export async function* interceptStream<T>(
  interceptor: Interceptor,
  call: InterceptedCall,
  open: (changes?: CallOptions) => AsyncIterable<T>,
): AsyncGenerator<T> {
  const { begun, settled } = startCall(interceptor, call, open);
  const stream = await Promise.race([begun, settled]);
  // An interceptor that lets no call go on has nothing to give.
  if (stream === undefined) return;
  const { records, first, end } = stream;
  let failure: { readonly error: unknown } | undefined;
  let readerLeft = true;
  try {
    for (let result = first; result.done !== true; result = await records.next()) yield result.value;
    readerLeft = false;
  } catch (error) {
    readerLeft = false;
    failure = { error };
  } finally {
    try {
      if (readerLeft) await records.return?.();
    } finally {
      end(failure);
      await settled;
    }
  }
  if (failure !== undefined) throw failure.error;
}

/** A stream whose first record has been read. */
interface BegunStream<T> {
  readonly records: AsyncIterator<T>;
  readonly first: IteratorResult<T>;
  /** Tells the interceptor that the stream is over; with an error, that it has failed. */
  readonly end: (failure?: { readonly error: unknown }) => void;
}

function startCall<T>(
  interceptor: Interceptor,
  call: InterceptedCall,
  open: (changes?: CallOptions) => AsyncIterable<T>,
): { readonly begun: Promise<BegunStream<T>>; readonly settled: Promise<undefined> } {
  const { promise: begun, resolve: begin } = Promise.withResolvers<BegunStream<T>>();
  const next = async (changes?: CallOptions): Promise<undefined> => {
    if (!call.repeatable) throw new UnsupportedError("a stream that has been read from cannot begin again");
    const records = open(changes)[Symbol.asyncIterator]();
    const first = await call.goOn(() => records.next());
    call.repeatable = false;
    const { promise: ended, resolve, reject } = Promise.withResolvers<undefined>();
    begin({ records, first, end: (failure) => (failure === undefined ? resolve(undefined) : reject(failure.error)) });
    return ended;
  };
  const settled = interceptor(call, next);
  // The reader is told when it asks for the next record, which may be later than the failure.
  settled.catch(() => undefined);
  return { begun, settled };
}
