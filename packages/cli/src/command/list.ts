import type { Command } from 'commander';
import { exitCode, exitCodeOf } from '../exit-code.js';
import { listConnectors } from '../list-connectors.js';
import type { Cli } from '../pipeline-command.js';

/** `sluice list`: shows the connectors that a pipeline file in this folder can name. */
export function addList(program: Command, cli: Cli): void {
  const command = program
    .command('list')
    .description('list the connectors that can be used here')
    .option('--json', 'print results as JSON');
  command.action(async (options: { readonly json?: boolean }) => {
    const output = cli.output.with({ json: options.json ?? false, debug: false });
    try {
      const connectors = await listConnectors(process.cwd());
      const width = Math.max(...connectors.map(({ name }) => name.length));
      const lines = connectors.map(({ name, directions, title, from, problem }) =>
        problem === undefined
          ? `${name.padEnd(width)}  ${directions.join(', ').padEnd(12)}  ${title} (${from})`
          : `${name.padEnd(width)}  ${problem}`,
      );
      output.result(connectors, lines.join('\n'));
      cli.end(exitCode.done);
    } catch (error) {
      output.failure(error);
      cli.end(exitCodeOf(error));
    }
  });
}
