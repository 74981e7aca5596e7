import type { Discovered } from '@sluice/core';
import type { Command } from 'commander';
import { type ExitCode, exitCode } from '../exit-code.js';
import { partsOf } from '../part.js';
import { addPipelineCommand, type Cli, type Job } from '../pipeline-command.js';
import { stopOnSignals } from '../stop-on-signals.js';

/** `sluice discover`: lists what the sources and sinks of a pipeline find outside. */
export function addDiscover(program: Command, cli: Cli): void {
  addPipelineCommand(
    program,
    cli,
    { name: 'discover', summary: 'list what can be read and written: topics, tables, files' },
    discover,
  );
}

async function discover(job: Job<object>): Promise<ExitCode> {
  const { definition } = await job.load();
  const signals = stopOnSignals((name) => job.output.note(`${name}: ending`));
  const results: { readonly part: string; readonly connector: string; readonly found: readonly Discovered[] }[] = [];
  for (const { label, part } of partsOf(definition)) {
    if (part.connector[part.direction]?.discover === undefined) continue;
    results.push({ part: label, connector: part.connector.name, found: await part.discover(signals.signal) });
  }
  signals.release();
  const lines = results.flatMap(({ part, connector, found }) => [
    `${part} (${connector}): ${found.length === 0 ? 'nothing' : `${found.length} found`}`,
    ...found.flatMap(discoveredLines),
  ]);
  job.output.result(results, lines.length === 0 ? 'no source or sink of this pipeline can be asked' : lines.join('\n'));
  return exitCode.done;
}

function discoveredLines({ name, fields = [], details = {} }: Discovered): readonly string[] {
  const facts = Object.entries(details).map(([fact, value]) => `${fact} ${value}`);
  return [
    `  ${name}${facts.length === 0 ? '' : ` (${facts.join(', ')})`}`,
    ...fields.map(
      (field) =>
        `    ${field.name} ${field.type}${field.nullable === true ? ' null' : ''}${field.key === true ? ' key' : ''}`,
    ),
  ];
}
