import { isConnectorError } from '@sluice/core';
import type { Command } from 'commander';
import { type ExitCode, exitCode } from '../exit-code.js';
import { messageOf } from '../message-of.js';
import { type Part, partsOf } from '../part.js';
import { addPipelineCommand, type Cli, type Job } from '../pipeline-command.js';
import { validPipeline } from '../prepare-pipeline.js';
import { stopOnSignals } from '../stop-on-signals.js';

interface CheckResult {
  readonly part: string;
  readonly connector: string;
  readonly status: 'ok' | 'failed' | 'unsupported';
  readonly reason?: string;
}

/** `sluice check`: asks every outside system of a pipeline whether it can be reached and used. */
export function addCheck(program: Command, cli: Cli): void {
  addPipelineCommand(
    program,
    cli,
    { name: 'check', summary: 'ask every source and sink whether it can be reached and used' },
    check,
  );
}

async function check(job: Job<object>): Promise<ExitCode> {
  const loaded = await job.load();
  await validPipeline(loaded);
  const signals = stopOnSignals((name) => job.output.note(`${name}: ending`));
  const results = await Promise.all(partsOf(loaded.definition).map((part) => checkPart(part, signals.signal)));
  signals.release();
  const lines = results.map(({ part, connector, status, reason }) => {
    const text = { ok: 'ok', failed: 'failed', unsupported: 'cannot be checked without running' }[status];
    return `${part} (${connector}): ${text}${status === 'failed' ? `: ${reason}` : ''}`;
  });
  job.output.result(results, lines.join('\n'));
  return results.some(({ status }) => status === 'failed') ? exitCode.failed : exitCode.done;
}

async function checkPart({ label, part }: Part, signal: AbortSignal): Promise<CheckResult> {
  const result = { part: label, connector: part.connector.name };
  if (part.connector[part.direction]?.check === undefined) return { ...result, status: 'unsupported' };
  try {
    await part.check(signal);
    return { ...result, status: 'ok' };
  } catch (error) {
    if (!isConnectorError(error)) throw error;
    return { ...result, status: 'failed', reason: messageOf(error) };
  }
}
