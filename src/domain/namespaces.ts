/** Namespaces of items: lists of labels, compared label by label and never as one string (M1). */
import { InvalidArgumentError } from "../contract/errors.js";
import { array } from "./arguments.js";
import { compareCodePoints, identifier } from "./identifiers.js";

/** Most labels of a namespace. */
export const MAX_NAMESPACE_LABELS = 32;

/**
 * A copy of the namespace, every label an identifier.
 * @throws InvalidArgumentError
 */
export function parseNamespace(
  value: unknown,
  name: string,
  { allowEmpty }: { readonly allowEmpty: boolean },
): string[] {
  const labels = array(value, name);
  if (labels.length === 0 && !allowEmpty) throw new InvalidArgumentError(`${name} must have at least one label`);
  if (labels.length > MAX_NAMESPACE_LABELS) {
    throw new InvalidArgumentError(`${name} must have at most ${MAX_NAMESPACE_LABELS} labels`);
  }
  const copy: string[] = [];
  for (let i = 0; i < labels.length; i++) copy.push(identifier(labels[i], `${name}[${i}]`));
  return copy;
}

/** The first label, which every namespace of an item has. */
export function rootOf({ namespace }: { readonly namespace: readonly string[] }): string {
  return namespace[0] as string;
}

/** Orders label by label by code point; a prefix comes before what it begins. */
export function compareNamespaces(a: readonly string[], b: readonly string[]): number {
  for (const [i, label] of a.entries()) {
    const other = b[i];
    if (other === undefined) break;
    const order = compareCodePoints(label, other);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/** Whether the namespace begins with these whole labels. */
export function startsWithLabels(namespace: readonly string[], prefix: readonly string[]): boolean {
  return prefix.length <= namespace.length && prefix.every((label, i) => label === namespace[i]);
}

/** Whether the namespace ends with these whole labels. */
export function endsWithLabels(namespace: readonly string[], suffix: readonly string[]): boolean {
  const start = namespace.length - suffix.length;
  return start >= 0 && suffix.every((label, i) => label === namespace[start + i]);
}
