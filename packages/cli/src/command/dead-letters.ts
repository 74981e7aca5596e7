import type { DeadLetter, PipelineDefinition, PipelineStats } from '@sluice/core';
import type { Command } from 'commander';
import { type LetterBox, letterBoxes } from '../dead-letter/letter-box.js';
import { groupOf, isWaiting, lettersIn, type ReplayGroup, replayDefinition } from '../dead-letter/replay.js';
import type { Replay } from '../dead-letter/replay-source.js';
import { openReplayedMarks, replayedIds } from '../dead-letter/replayed-marks.js';
import { eventText } from '../event-text.js';
import { type ExitCode, exitCode } from '../exit-code.js';
import { addPipelineCommand, type Cli, type Job } from '../pipeline-command.js';
import type { LoadedPipeline } from '../pipeline-file/load.js';
import { preparePipeline } from '../prepare-pipeline.js';
import { badInput } from '../problem.js';
import { type StopSignals, stopOnSignals } from '../stop-on-signals.js';

interface ShowOptions {
  readonly id: string;
}

/** `sluice dead-letters list|show|replay`: what could not be written, and the way back into the pipeline. */
export function addDeadLetters(program: Command, cli: Cli): void {
  const parent = program.command('dead-letters').description('show what could not be written, and send it again');
  addPipelineCommand(parent, cli, { name: 'list', summary: 'list the dead letters of a pipeline' }, list);
  const shown = addPipelineCommand<ShowOptions>(
    parent,
    cli,
    { name: 'show', summary: 'show one dead letter with its message' },
    show,
  );
  shown.requiredOption('--id <id>', 'as `sluice dead-letters list` shows it');
  addPipelineCommand(
    parent,
    cli,
    { name: 'replay', summary: 'send the messages of dead letters through the pipeline again, each once' },
    replay,
  );
}

async function list(job: Job<object>): Promise<ExitCode> {
  const { definition } = await job.load();
  const letters: (DeadLetter & { readonly replayed: boolean })[] = [];
  await eachLetter(job, definition, async (letter, replayed) => void letters.push({ ...letter, replayed }));
  const lines = letters.map(
    ({ id, at, code, reason, replayed }) =>
      `${at}  ${replayed ? 'replayed' : 'waiting '}  ${id}\n    ${code}: ${reason}`,
  );
  job.output.result(letters, lines.length === 0 ? 'there are no dead letters' : lines.join('\n'));
  return exitCode.done;
}

async function show(job: Job<ShowOptions>): Promise<ExitCode> {
  const { definition } = await job.load();
  const { id } = job.options;
  let found: (DeadLetter & { readonly replayed: boolean }) | undefined;
  await eachLetter(job, definition, async (letter, replayed) => {
    if (letter.id === id) found ??= { ...letter, replayed };
  });
  if (found === undefined)
    throw badInput(`there is no dead letter with --id ${id}; "sluice dead-letters list" shows those that are there`);
  job.output.result(found, JSON.stringify(found, undefined, 2));
  return exitCode.done;
}

async function replay(job: Job<object>): Promise<ExitCode> {
  const loaded = await job.load();
  const { name } = preparePipeline(loaded);
  const startedAt = new Date().toISOString();
  const boxes: Replay['boxes'][number][] = [];
  const signals = stopOnSignals((signal) => job.output.note(`${signal}: draining; a second one leaves at once`));
  try {
    for (const box of letterBoxes(loaded.definition)) boxes.push({ box, marks: await openReplayedMarks(box.path) });
    const isOfReplay = (letter: DeadLetter): boolean =>
      boxes.every(({ marks }) => isWaiting(letter, name, startedAt, marks.ids));
    const groups = await findGroups(
      loaded.definition,
      boxes.map(({ box }) => box),
      isOfReplay,
      signals,
    );
    const results: { readonly sink: string | null; readonly stats: PipelineStats }[] = [];
    for (const group of groups) {
      const isOfGroup = (letter: DeadLetter): boolean =>
        isOfReplay(letter) && groupOf(loaded.definition, letter) === group.sink;
      const definition = replayDefinition(loaded.definition, group, boxes, isOfGroup);
      results.push({ sink: group.sink, stats: await runGroup({ ...loaded, definition }, job, signals) });
    }
    return report(job, groups, results);
  } finally {
    for (const { marks } of boxes) marks.release();
    signals.release();
  }
}

function runGroup(loaded: LoadedPipeline, job: Job<object>, { signal }: StopSignals): Promise<PipelineStats> {
  const pipeline = preparePipeline(loaded, (event) => {
    if (event.type !== 'started' && event.type !== 'stopped') job.output.note(eventText(event));
  });
  return pipeline.run({ signal });
}

function report(
  job: Job<object>,
  groups: readonly ReplayGroup[],
  results: readonly { readonly stats: PipelineStats }[],
): ExitCode {
  const sum = (count: (stats: PipelineStats) => number): number =>
    results.reduce((total, { stats }) => total + count(stats), 0);
  const total = {
    found: groups.reduce((count, group) => count + group.count, 0),
    replayed: sum((stats) => stats.received - stats.unsettled),
    deadLettered: sum((stats) => stats.deadLettered),
    unsettled: sum((stats) => stats.unsettled),
  };
  const again = total.deadLettered === 0 ? '' : `, of which ${total.deadLettered} became dead letters again`;
  const text =
    total.found === 0
      ? 'no dead letter waits to be replayed'
      : `${total.replayed} of ${total.found} dead letters replayed${again}`;
  job.output.result(total, text);
  return total.unsettled === 0 ? exitCode.done : exitCode.failed;
}

async function findGroups(
  definition: PipelineDefinition,
  boxes: readonly LetterBox[],
  isOfReplay: (letter: DeadLetter) => boolean,
  { signal }: StopSignals,
): Promise<readonly ReplayGroup[]> {
  const groups = new Map<string | null, { readonly sources: Set<string>; count: number }>();
  for await (const { letter } of lettersIn(boxes, signal)) {
    if (!isOfReplay(letter)) continue;
    const sink = groupOf(definition, letter);
    const group = groups.get(sink) ?? { sources: new Set(), count: 0 };
    group.sources.add(letter.source);
    group.count++;
    groups.set(sink, group);
  }
  return [...groups].map(([sink, group]) => ({ sink, ...group }));
}

async function eachLetter(
  job: Job<object>,
  definition: PipelineDefinition,
  take: (letter: DeadLetter, replayed: boolean) => Promise<void>,
): Promise<void> {
  const signals = stopOnSignals((signal) => job.output.note(`${signal}: ending`));
  try {
    for (const box of letterBoxes(definition)) {
      const replayed = await replayedIds(box.path);
      for await (const { letter } of lettersIn([box], signals.signal)) await take(letter, replayed.has(letter.id));
    }
  } finally {
    signals.release();
  }
}
