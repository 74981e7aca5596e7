import type { Command } from 'commander';
import { type ExitCode, exitCode } from '../exit-code.js';
import { guaranteeText } from '../guarantee-text.js';
import { addPipelineCommand, type Cli, type Job } from '../pipeline-command.js';
import { validPipeline } from '../prepare-pipeline.js';
import { BadInput } from '../problem.js';

/** `sluice validate`: checks a pipeline without opening anything, and shows what it promises. */
export function addValidate(program: Command, cli: Cli): void {
  addPipelineCommand(
    program,
    cli,
    {
      name: 'validate',
      summary: 'check a pipeline without opening anything, and show its guarantee and who owns the position',
    },
    validate,
  );
}

async function validate(job: Job<object>): Promise<ExitCode> {
  try {
    const { name, guarantee, remarks } = await validPipeline(await job.load());
    const lines = ['valid', guaranteeText(name, guarantee), ...remarks.map((remark) => `  ${remark}`)];
    job.output.result({ valid: true, name, guarantee, remarks }, lines.join('\n'));
    return exitCode.done;
  } catch (error) {
    // With --json the problems are the result, so that editors and CI can show them where they are.
    if (!(error instanceof BadInput && job.output.json)) throw error;
    job.output.result({ valid: false, problems: error.problems }, '');
    return exitCode.badInput;
  }
}
