/** The classes that stored data may become again: a closed table, never a class that the data names. */
import { Document } from "@langchain/core/documents";
import {
  AIMessage,
  AIMessageChunk,
  BaseMessage,
  ChatMessage,
  ChatMessageChunk,
  FunctionMessage,
  FunctionMessageChunk,
  HumanMessage,
  HumanMessageChunk,
  RemoveMessage,
  SystemMessage,
  SystemMessageChunk,
  ToolMessage,
  ToolMessageChunk,
} from "@langchain/core/messages";

/** Own data of an object, by name. */
export type Fields = Record<string, unknown>;

export interface MessageConstructor {
  readonly prototype: BaseMessage;
  new (fields: never): BaseMessage;
}

const CLASSES: ReadonlyMap<string, MessageConstructor> = new Map<string, MessageConstructor>(
  Object.entries({
    AIMessage,
    AIMessageChunk,
    ChatMessage,
    ChatMessageChunk,
    FunctionMessage,
    FunctionMessageChunk,
    HumanMessage,
    HumanMessageChunk,
    RemoveMessage,
    SystemMessage,
    SystemMessageChunk,
    ToolMessage,
    ToolMessageChunk,
  }),
);

const NAME_BY_PROTOTYPE: ReadonlyMap<unknown, string> = new Map(
  [...CLASSES].map(([name, { prototype }]) => [prototype, name]),
);

/** What the constructor of every message sets by itself. */
const MADE_BY_CONSTRUCTOR: ReadonlySet<string> = new Set([
  "lc_kwargs",
  "lc_namespace",
  "lc_serializable",
  "lc_direct_tool_output",
  "type",
]);

/** Name of the message's class if it is one of the table; a subclass of the user's is none. */
export function messageClassName(value: object): string | undefined {
  const prototype: object | null = Object.getPrototypeOf(value);
  const name = NAME_BY_PROTOTYPE.get(prototype);
  if (name !== undefined) return name;
  // Below our own classes it is a subclass of the application. Else it may be a message of another copy of @langchain/core, as
  // when an application loads both its CommonJS and its ES build.
  if (prototype === null || Object.prototype.isPrototypeOf.call(BaseMessage.prototype, value)) return undefined;
  if (!BaseMessage.isInstance(value)) return undefined;
  const foreign = prototype.constructor.name;
  return CLASSES.has(foreign) ? foreign : undefined;
}

/** Whether a field is the constructor's own, and no data of the message. */
export function isDerivedField(name: string): boolean {
  return MADE_BY_CONSTRUCTOR.has(name);
}

/** The data of a message: its own fields that have a value, without the empty ones that its constructor makes by itself. */
export function messageFields(message: object): Fields {
  const fields: Fields = {};
  for (const name of Object.keys(message)) {
    const value = (message as Fields)[name];
    if (value !== undefined && !MADE_BY_CONSTRUCTOR.has(name)) setOwn(fields, name, value);
  }
  return withoutEmptyDefaults(message, fields);
}

/** Most messages have none of these, and they would be a third of a short one. */
function withoutEmptyDefaults(message: object, fields: Fields): Fields {
  const isPlain = isEmptyObject(fields.additional_kwargs) && isEmptyObject(fields.response_metadata);
  if (!isPlain) return fields;
  delete fields.additional_kwargs;
  delete fields.response_metadata;
  // With either of them a constructor may take tool calls from there.
  if (Object.getPrototypeOf(message) !== AIMessage.prototype) return fields;
  if (isEmptyList(fields.tool_calls) && isEmptyList(fields.invalid_tool_calls)) {
    delete fields.tool_calls;
    delete fields.invalid_tool_calls;
  }
  return fields;
}

function isEmptyObject(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return false;
  return Reflect.ownKeys(value).length === 0;
}

function isEmptyList(value: unknown): boolean {
  return (
    Array.isArray(value) && Object.getPrototypeOf(value) === Array.prototype && Reflect.ownKeys(value).length === 1
  );
}

function setOwn(fields: Fields, name: string, value: unknown): void {
  Object.defineProperty(fields, name, { value, writable: true, enumerable: true, configurable: true });
}

/** The class of a name that stands in the table. */
export function messageConstructor(className: string): MessageConstructor {
  const Message = CLASSES.get(className);
  if (Message === undefined) throw new TypeError(`the table has no class ${className}`);
  return Message;
}

/** A fresh message, or `undefined` if the table has no such class. */
export function makeMessage(className: string, fields: Fields): BaseMessage | undefined {
  const Message = CLASSES.get(className);
  if (Message === undefined) return undefined;
  const message = new Message({ content: [], ...fields } as never);
  // Constructors derive some fields from others (tool calls from additional_kwargs): what was stored stands.
  for (const name of Object.keys(fields)) {
    const value = fields[name];
    if (MADE_BY_CONSTRUCTOR.has(name)) continue;
    if (Object.hasOwn(message, name) && (message as unknown as Fields)[name] === value) continue;
    setOwn(message as unknown as Fields, name, value);
  }
  return message;
}

/** Whether a value is a document of a retriever, of this copy of @langchain/core or another. */
export function isDocument(value: object): value is Document {
  const prototype: object | null = Object.getPrototypeOf(value);
  if (prototype === Document.prototype) return true;
  if (prototype?.constructor.name !== "Document" || Object.getPrototypeOf(prototype) !== Object.prototype) return false;
  return Object.keys(value).every((name) => ["pageContent", "metadata", "id"].includes(name)) && "pageContent" in value;
}

export function makeDocument(fields: Fields): Document {
  const { pageContent, metadata, id } = fields as { pageContent: string; metadata: Fields; id?: string };
  return new Document({ pageContent, metadata, ...(id === undefined ? {} : { id }) });
}
