// Small tools of the codec's tests.
import { expect } from "vitest";
import { SerializationError } from "../../../src/contract/errors.js";
import { encodeValue } from "../../../src/domain/codec/codec.js";

/** `core`, wrapped so many times. */
export const nested = (levels: number, make: (inside: unknown) => unknown, core: unknown = null): unknown => {
  let value: unknown = core;
  for (let i = 0; i < levels; i++) value = make(value);
  return value;
};

/** What a call throws; the test fails if it throws nothing. */
export function thrownBy(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return expect.unreachable("nothing was thrown");
}

/** The text of a value, `undefined` if it is refused as it should be. */
export function textOrUndefined(value: unknown): string | undefined {
  try {
    return encodeValue(value);
  } catch (error) {
    expect(error).toBeInstanceOf(SerializationError);
    return undefined;
  }
}
