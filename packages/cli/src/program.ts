import { Command, CommanderError } from 'commander';
import { addCheck } from './command/check.js';
import { addDeadLetters } from './command/dead-letters.js';
import { addDescribe } from './command/describe.js';
import { addDiscover } from './command/discover.js';
import { addList } from './command/list.js';
import { addPositions } from './command/positions.js';
import { addRun } from './command/run.js';
import { addTeardown } from './command/teardown.js';
import { addValidate } from './command/validate.js';
import { type ExitCode, exitCode } from './exit-code.js';
import type { Output } from './output.js';
import type { Cli } from './pipeline-command.js';
import { version } from './version.js';

const exitCodesHelp = `
Exit codes:
  0  done, or stopped by a signal after draining
  1  failed, or left something unsettled
  2  bad config or usage: nothing was started`;

/** Runs the command line and returns what the process has to say at its end. */
export async function runProgram(args: readonly string[], output: Output): Promise<ExitCode> {
  let code: ExitCode = exitCode.done;
  const program = createProgram({ output, end: (ended) => (code = ended) });
  try {
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    // Commander has printed its own errors, and help and version are no errors.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.done : exitCode.badInput;
    throw error;
  }
}

function createProgram(cli: Cli): Command {
  const program = new Command('sluice')
    .description('Runs, checks and repairs pipelines.')
    .version(version())
    .showHelpAfterError('(see sluice --help)')
    .addHelpText('after', exitCodesHelp)
    .exitOverride();
  addRun(program, cli);
  addValidate(program, cli);
  addCheck(program, cli);
  addDiscover(program, cli);
  addDescribe(program, cli);
  addList(program, cli);
  addPositions(program, cli);
  addDeadLetters(program, cli);
  addTeardown(program, cli);
  return program;
}
