/** Options that several commands have, with the same words everywhere. */
import { Option } from "commander";
import { wholeNumber } from "../option-values.js";

export function limitOption(otherwise: number, most: number, least = 1): Option {
  return new Option("--limit <n>", `most that are listed, ${least} to ${most}`)
    .argParser(wholeNumber(least))
    .default(otherwise);
}

export function cursorOption(): Option {
  return new Option("--cursor <cursor>", "the next page: what the page before ended with");
}

export function orderOption(orders: readonly string[], otherwise: string): Option {
  return new Option("--order <by>", "what orders them, newest first").choices(orders).default(otherwise, otherwise);
}

export function reverseOption(): Option {
  return new Option("--reverse", "oldest first");
}

export function dryRunOption(): Option {
  return new Option("-n, --dry-run", "say what would go, and change nothing");
}
