/** The options that every call takes. */
import { InvalidArgumentError } from "../contract/errors.js";
import { kindOf } from "./identifiers.js";

/** Default deadline of a call, in milliseconds (F2). */
export const DEFAULT_TIMEOUT_MS = 10_000;

/** Names of the fields that every options object may have. */
export const CALL_OPTION_NAMES = ["signal", "timeoutMs"] as const;

/** Whether a value is a deadline in milliseconds: positive, at most a day. */
export function isTimeout(value: unknown): value is number {
  return typeof value === "number" && value > 0 && value <= 86_400_000;
}

export function timeoutOption(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  if (!isTimeout(value)) {
    throw new InvalidArgumentError("timeoutMs must be a number of milliseconds above 0 and at most 86,400,000");
  }
  return value;
}

export function signalOption(value: unknown): AbortSignal | undefined {
  if (value === undefined || value instanceof AbortSignal) return value;
  throw new InvalidArgumentError(`signal must be an AbortSignal, not ${kindOf(value)}`);
}
