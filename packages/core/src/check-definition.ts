import { z } from 'zod';
import { parseConfig } from './config.js';
import { ConnectorError } from './error.js';
import type { BranchDefinition, DeadLetterDefinition, PipelineDefinition } from './pipeline-definition.js';

const positive = z.number().positive().optional();
const notNegative = z.number().nonnegative().optional();
/** What a timer can wait; it takes more for 1. */
const waitMs = z
  .number()
  .positive()
  .max(2 ** 31 - 1)
  .optional();
const part = z.unknown().optional();

const DeadLetter = z
  .strictObject({ sink: part, maxRatio: z.number().min(0).max(1).optional(), window: positive })
  .optional();

const Branch = z.strictObject({ sink: part, transforms: part, deadLetter: DeadLetter } satisfies Record<
  keyof BranchDefinition,
  z.ZodType
>);

const Definition = z.strictObject({
  name: z.string(),
  source: part,
  sources: part,
  transforms: part,
  sink: part,
  sinks: part,
  deadLetter: DeadLetter,
  onInvalid: z.literal('drop').optional(),
  onPositionLost: z.enum(['earliest', 'latest']).optional(),
  checkpoints: part,
  order: z.literal('none').optional(),
  batch: z.strictObject({ maxMessages: positive, maxBytes: positive, maxAgeMs: notNegative }).optional(),
  flush: z.strictObject({ intervalMs: waitMs, maxMessages: positive, maxBytes: positive }).optional(),
  retry: z.strictObject({ initialDelayMs: waitMs, maxDelayMs: waitMs, maxAttempts: positive }).optional(),
  budget: z.strictObject({ maxBytes: positive, maxMessages: positive }).optional(),
  rateLimit: z.strictObject({ messagesPerSecond: z.number().positive() }).optional(),
  timeoutMs: waitMs,
  openTimeoutMs: waitMs,
  shutdownTimeoutMs: waitMs,
  onEvent: part,
  clock: part,
} satisfies Record<keyof PipelineDefinition, z.ZodType>);

/** A function has an `apply`, too, but not that of a step. */
const Step = z.looseObject({
  kind: z.enum(['map', 'filter', 'flatMap']),
  apply: z.custom((apply) => typeof apply === 'function'),
});

/**
 * Checks what the types of {@link PipelineDefinition} promise: JavaScript does not check them, and Node.js runs TypeScript
 * without looking at them. A transform that is a plain function would otherwise lose every message without a word.
 *
 * @throws {ConnectorError} `config_invalid` with every wrong setting, or the first wrong part
 */
export function checkDefinition(definition: PipelineDefinition): void {
  const { name, source, sources = {}, sink, sinks = {}, transforms, deadLetter } = definition;
  const where = `pipeline "${name}"`;
  // Without the parts, which are not data: an error looks for secrets in all that it is about.
  const parts = new Map<string, z.ZodType>(Object.entries(Definition.shape).filter(([, schema]) => schema === part));
  const settings = Object.entries(definition).filter(([key]) => !parts.has(key));
  parseConfig(Definition, { ...Object.fromEntries(settings), deadLetter: withoutSink(deadLetter) }, where);
  checkSteps(`${where} transforms`, transforms);
  checkPart(`${where} source`, source, 'source');
  for (const [id, each] of Object.entries(sources)) checkPart(`${where} sources.${id}`, each ?? null, 'source');
  checkPart(`${where} sink`, sink, 'sink');
  checkDeadLetter(where, deadLetter);
  for (const [id, each] of Object.entries(sinks)) checkBranch(`${where} sinks.${id}`, each);
  if (definition.onInvalid === 'drop') refuseDeadLetters(where, definition);
}

/** A message is dropped or stored; what the definition asks for twice would be lost without a word. */
function refuseDeadLetters(where: string, { deadLetter, sinks = {} }: PipelineDefinition): void {
  const branches = Object.entries(sinks).filter(([, each]) => 'sink' in each && each.deadLetter !== undefined);
  const fields = [...(deadLetter ? ['deadLetter'] : []), ...branches.map(([id]) => `sinks.${id}.deadLetter`)];
  if (fields.length === 0) return;
  const message = `"drop" forgets invalid messages, and ${fields.join(', ')} would store them. Leave out the one or the other`;
  throw new ConnectorError('config_invalid', `${where} config is invalid: onInvalid: ${message}`, {
    issues: [{ path: ['onInvalid'], message }],
  });
}

function checkBranch(where: string, each: unknown): void {
  if (typeof each !== 'object' || each === null || !('sink' in each)) {
    checkPart(where, each ?? null, 'sink');
    return;
  }
  // It is one by having a sink; what else it holds is looked at here.
  const branch = each as BranchDefinition;
  parseConfig(
    Branch,
    { ...branch, sink: undefined, transforms: undefined, deadLetter: withoutSink(branch.deadLetter) },
    where,
  );
  checkPart(`${where}.sink`, branch.sink ?? null, 'sink');
  checkSteps(`${where}.transforms`, branch.transforms);
  checkDeadLetter(where, branch.deadLetter);
}

function checkDeadLetter(where: string, deadLetter: DeadLetterDefinition | undefined): void {
  if (deadLetter !== undefined) checkPart(`${where} deadLetter.sink`, deadLetter.sink ?? null, 'sink');
}

function withoutSink(deadLetter: DeadLetterDefinition | undefined): unknown {
  // What is no map stays as it is, to be refused as such.
  return typeof deadLetter === 'object' && deadLetter !== null ? { ...deadLetter, sink: undefined } : deadLetter;
}

function checkPart(where: string, value: unknown, direction: 'source' | 'sink'): void {
  if (value === undefined) return;
  const made = typeof value === 'object' && value !== null && 'direction' in value ? value.direction : undefined;
  if (made !== direction)
    throw invalid(`${where} is not a ${direction}; make it with a connector, as in file.${direction}({ path })`);
}

function checkSteps(where: string, steps: unknown): void {
  if (steps === undefined) return;
  if (!Array.isArray(steps)) throw invalid(`${where} is ${kindOf(steps)}; give a list of steps`);
  const wrong = steps.findIndex((step) => !Step.safeParse(step).success);
  if (wrong >= 0) {
    throw invalid(
      `${where}[${wrong}] is ${kindOf(steps[wrong])}; make it a step with map(), filter() or flatMap() of @sluice/core`,
    );
  }
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`;
}

function invalid(text: string): ConnectorError {
  return new ConnectorError('config_invalid', text);
}
