/** Programs: lists of commands, read off the choices of a property tester. */
import type { CreateSessionOptions } from "../../../contract/session-storage.js";
import type { StorageSupport } from "../../storage-factory.js";
import { checkpointCommands, leaseCommands } from "./checkpoint-commands.js";
import type { Command } from "./command.js";
import { call } from "./command.js";
import { Draw } from "./draw.js";
import { itemCommands } from "./item-commands.js";
import { malformedCommand } from "./malformed-commands.js";
import type { Cast, Subject } from "./names.js";
import { EVERYBODY } from "./names.js";
import { tenant, ttlMs } from "./pools.js";
import { conversationCommands, sessionCommands, taskContextCommands } from "./session-commands.js";

/** How many choices a command has; what goes beyond is the simplest. */
export const CHOICES_PER_COMMAND = 40;

/** Milliseconds that the clock jumps. */
const JUMPS = [1, 1_000, 60_000, 1, -1, -1_000, 1, 60_000, 1_800_000, 3_600_000, -3_600_000, 86_400_000] as const;

export interface Program {
  readonly cast: Cast;
  /** How many of the commands come from the cast: they stand first. */
  readonly prelude: number;
  readonly commands: readonly Command[];
}

/**
 * The program that lists of choices stand for; the first list chooses the cast, each other one is a command. Time stands still
 * where the store's clock cannot be set.
 */
export function programOf(choices: readonly (readonly number[])[], supports: StorageSupport): Program {
  const [first = [], ...others] = choices;
  const draw = new Draw(first, EVERYBODY);
  const cast = castOf(draw, supports);
  const prelude = draw.chance(75) ? createAll(cast, supports.clock) : [];
  const commands = others.map((each) => commandOf(new Draw(each, cast), supports));
  return { cast, prelude: prelude.length, commands: [...prelude, ...commands] };
}

function castOf(
  draw: Draw,
  {
    secondHandle,
    vectors = false,
    itemFilters = true,
    metadataFilters = true,
    sharedContexts = true,
    batchesAcrossLabels = true,
  }: StorageSupport,
): Cast {
  return {
    subjects: draw.neighbours(EVERYBODY.subjects, 1, 3),
    handles: secondHandle && draw.chance(30) ? 2 : 1,
    tenants: draw.chance(30) ? draw.neighbours(EVERYBODY.tenants, 2, 2) : [EVERYBODY.tenants[0]],
    sessions: draw.neighbours(EVERYBODY.sessions, 2, 4),
    threads: draw.neighbours(EVERYBODY.threads, 2, 3),
    checkpoints: draw.neighbours(EVERYBODY.checkpoints, 2, 4),
    checkpointNamespaces: draw.neighbours(EVERYBODY.checkpointNamespaces, 1, 2),
    tasks: draw.neighbours(EVERYBODY.tasks, 1, 3),
    itemNamespaces: draw.neighbours(EVERYBODY.itemNamespaces, 1, 3),
    itemKeys: draw.neighbours(EVERYBODY.itemKeys, 1, 2),
    metadataKeys: draw.neighbours(EVERYBODY.metadataKeys, 1, 3),
    scalars: draw.neighbours(EVERYBODY.scalars, 2, 4),
    ttls: draw.neighbours(EVERYBODY.ttls, 1, 2),
    mortality: draw.pick([EVERYBODY.mortality, 60]),
    itemFilters,
    metadataFilters,
    sharedContexts,
    batchesAcrossLabels,
    vectors,
  };
}

/** Most of what can go wrong needs sessions that are there, and some of it metadata, or an end to come. */
function createAll({ tenants, sessions, metadataKeys, scalars, ttls, mortality }: Cast, timed: boolean): Command[] {
  const mortal = timed && mortality > EVERYBODY.mortality;
  const optionsOf = (i: number): CreateSessionOptions => ({
    metadata: Object.fromEntries([[metadataKeys[0], scalars[i % scalars.length] ?? scalars[0]]]),
    ...(mortal && i % 2 === 1 ? { ttlMs: ttls[0] } : {}),
  });
  return tenants.flatMap((who) => sessions.map((id, i) => call(who, "createSession", id, "u1", optionsOf(i))));
}

function commandOf(draw: Draw, { clock, reopen }: StorageSupport): Command {
  const who = tenant(draw);
  const handle = draw.below(draw.cast.handles);
  const often = (subject: Subject, weight: number): number => (draw.cast.subjects.includes(subject) ? weight : 2);
  const command = draw.weighted<Command>([
    [often("sessions", 24), () => draw.weighted(sessionCommands(draw, who, clock))],
    [often("conversations", 20), () => draw.weighted(conversationCommands(draw, who))],
    [often("task contexts", 12), () => draw.weighted(taskContextCommands(draw, who))],
    [often("checkpoints", 26), () => draw.weighted(checkpointCommands(draw, who, clock))],
    [often("items", 20), () => draw.weighted(itemCommands(draw, who, clock))],
    [often("leases", 10), () => draw.weighted(leaseCommands(draw, who))],
    [5, () => ({ kind: "nextPage", paging: draw.below(3) })],
    [clock ? 9 : 0, () => ({ kind: "advance", ms: jump(draw) })],
    [3, () => malformedCommand(draw, who)],
    [reopen ? 2 : 0, () => ({ kind: "reopen" })],
    [1, () => ({ kind: "move" })],
  ]);
  return command.kind === "call" ? { ...command, handle } : command;
}

/** Often half of a time to live or all of it, to either side of which things expire. */
function jump(draw: Draw): number {
  if (!draw.chance(draw.cast.mortality)) return draw.pick(JUMPS);
  return Math.ceil(ttlMs(draw) / draw.pick([2, 1]));
}
