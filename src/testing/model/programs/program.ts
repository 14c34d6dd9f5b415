/** Programs: lists of commands, read off the choices of a property tester. */
import type { StorageSupport } from "../../storage-factory.js";
import { checkpointCommands, leaseCommands } from "./checkpoint-commands.js";
import type { Command } from "./command.js";
import { Draw } from "./draw.js";
import { itemCommands } from "./item-commands.js";
import { malformedCommand } from "./malformed-commands.js";
import { tenant } from "./pools.js";
import { conversationCommands, sessionCommands, taskContextCommands } from "./session-commands.js";

/** How many choices a command has; what goes beyond is the simplest. */
export const CHOICES_PER_COMMAND = 24;

/** Milliseconds that the clock jumps. */
const JUMPS = [1, 0, 1_000, 60_000, 1_800_000, 3_600_000, 86_400_000, 90_000_000, -1, -1_000, -3_600_000] as const;

/** The commands that lists of choices stand for. Time stands still where the store's clock cannot be set. */
export function programOf(choices: readonly (readonly number[])[], supports: StorageSupport): Command[] {
  return choices.map((each) => commandOf(new Draw(each), supports));
}

function commandOf(draw: Draw, { clock, reopen }: StorageSupport): Command {
  const who = tenant(draw);
  return draw.weighted<Command>([
    [24, () => draw.weighted(sessionCommands(draw, who, clock))],
    [14, () => draw.weighted(conversationCommands(draw, who))],
    [10, () => draw.weighted(taskContextCommands(draw, who))],
    [26, () => draw.weighted(checkpointCommands(draw, who, clock))],
    [16, () => draw.weighted(itemCommands(draw, who, clock))],
    [7, () => draw.weighted(leaseCommands(draw, who))],
    [5, () => ({ kind: "nextPage", paging: draw.below(3) })],
    [clock ? 7 : 0, () => ({ kind: "advance", ms: draw.pick(JUMPS) })],
    [3, () => malformedCommand(draw, who)],
    [reopen ? 2 : 0, () => ({ kind: "reopen" })],
    [1, () => ({ kind: "move" })],
  ]);
}
