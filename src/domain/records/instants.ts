/** Instants in records: ISO 8601 text with milliseconds, in UTC. */
import { InvalidArgumentError } from "../../contract/errors.js";
import { kindOf } from "../identifiers.js";

const INSTANT =
  /^(?<date>(?:\d{4}|[+-]\d{6})-\d\d-\d\d)T(?<time>\d\d:\d\d:\d\d)(?:\.(?<fraction>\d{1,3}))?(?:Z|(?<sign>[+-])(?<hours>[01]\d|2[0-3]):(?<minutes>[0-5]\d))$/;

/** Milliseconds since the epoch as text. */
export function instantText(time: number): string {
  return new Date(time).toISOString();
}

/**
 * Text as milliseconds since the epoch. An instant must say its offset: without one it would mean another moment on every
 * machine. Finer fractions than milliseconds are refused, not cut.
 * @throws InvalidArgumentError
 */
export function parseInstant(value: unknown, name: string): number {
  if (typeof value !== "string") throw new InvalidArgumentError(`${name} must be a string, not ${kindOf(value)}`);
  const { date, time, fraction, sign, hours, minutes } = INSTANT.exec(value)?.groups ?? {};
  const text = `${date}T${time}.${(fraction ?? "").padEnd(3, "0")}Z`;
  const local = Date.parse(text);
  // `Date.parse` takes 30 February for 1 March.
  if (Number.isNaN(local) || instantText(local) !== text) throw notAnInstant(name);
  const offset = sign === undefined ? 0 : (Number(hours) * 60 + Number(minutes)) * 60_000;
  const instant = sign === "-" ? local + offset : local - offset;
  if (Number.isNaN(new Date(instant).getTime())) throw notAnInstant(name);
  return instant;
}

function notAnInstant(name: string): InvalidArgumentError {
  return new InvalidArgumentError(
    `${name} must be an ISO 8601 instant with Z or an offset and at most milliseconds, such as 2026-01-31T12:00:00.000Z`,
  );
}
