/** The savers of LangGraph for Python keep tables of the same names, with values that only Python can read. */
import { UnsupportedError } from "../../../contract/errors.js";

const FORMS_OF_PYTHON: ReadonlySet<unknown> = new Set(["msgpack", "pickle", "msgpack+aes", "pickle+aes", "json+aes"]);

/** Whether values of this form are Python's. */
export function isOfPython(type: unknown): boolean {
  return FORMS_OF_PYTHON.has(type);
}

export function writtenByPython(): UnsupportedError {
  return new UnsupportedError("the database to import is of LangGraph for Python, whose values only Python can read");
}
