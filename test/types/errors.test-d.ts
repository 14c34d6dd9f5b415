// Errors are told apart by a closed list of codes, whatever copy of the package threw them.
import { expectTypeOf, test } from "vitest";
import {
  type AbortedError,
  type ClosedError,
  ConflictError,
  type CorruptionError,
  type FencedError,
  type InvalidArgumentError,
  isStorageError,
  SerializationError,
  type SessionExistsError,
  type SessionNotFoundError,
  type StorageConnectionError,
  StorageError,
  type StorageErrorCode,
  type StorageTimeoutError,
  type UnsupportedError,
} from "waystone";

type AnyStorageError =
  | AbortedError
  | ClosedError
  | ConflictError
  | CorruptionError
  | FencedError
  | InvalidArgumentError
  | SerializationError
  | SessionExistsError
  | SessionNotFoundError
  | StorageConnectionError
  | StorageTimeoutError
  | UnsupportedError;

declare const thrown: unknown;

test("the list of codes is closed", () => {
  expectTypeOf<StorageErrorCode>().toEqualTypeOf<
    | "SESSION_NOT_FOUND"
    | "SESSION_EXISTS"
    | "CONFLICT"
    | "FENCED"
    | "CONNECTION"
    | "TIMEOUT"
    | "ABORTED"
    | "INVALID_ARGUMENT"
    | "SERIALIZATION"
    | "CORRUPTION"
    | "UNSUPPORTED"
    | "CLOSED"
  >();
});

test("each class has a code of its own, and each code a class", () => {
  expectTypeOf<AnyStorageError["code"]>().toEqualTypeOf<StorageErrorCode>();
  expectTypeOf<Extract<AnyStorageError, { code: "CONFLICT" }>>().toEqualTypeOf<ConflictError>();
  expectTypeOf<AnyStorageError>().toExtend<StorageError>();
});

test("what was caught narrows to a storage error, then by code", () => {
  if (isStorageError(thrown)) {
    expectTypeOf(thrown).toEqualTypeOf<StorageError>();
    expectTypeOf(thrown.outcome).toEqualTypeOf<"not-applied" | "unknown">();
    expectTypeOf(thrown.retryable).toBeBoolean();
    // @ts-expect-error: no code has this name
    if (thrown.code === "NOT_FOUND") throw thrown;
  }
  if (thrown instanceof SerializationError) {
    expectTypeOf<(typeof thrown)["code"]>().toEqualTypeOf<"SERIALIZATION">();
    expectTypeOf(thrown.path).toBeString();
  }
});

test("a code that is not handled is found by the compiler", () => {
  const advice = (code: StorageErrorCode): string => {
    switch (code) {
      case "CONFLICT":
      case "SESSION_EXISTS":
      case "SESSION_NOT_FOUND":
        return "read again";
      case "FENCED":
        return "stop";
      case "CONNECTION":
      case "TIMEOUT":
        return "retry";
      case "ABORTED":
      case "CLOSED":
        return "expected";
      case "INVALID_ARGUMENT":
      case "SERIALIZATION":
      case "UNSUPPORTED":
        return "mend the call";
      case "CORRUPTION":
        return "restore";
      default:
        expectTypeOf(code).toBeNever();
        return code;
    }
  };
  expectTypeOf(advice).returns.toBeString();
});

test("the class of all cannot be made, its subclasses can", () => {
  // @ts-expect-error: it is abstract
  new StorageError("of no kind");
  expectTypeOf(new ConflictError("of a kind", { cause: undefined, retryable: undefined })).toExtend<Error>();
});
