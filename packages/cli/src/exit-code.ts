import { isConnectorError } from '@sluice/core';
import { BadInput } from './problem.js';

/** What the process says at its end. */
export const exitCode = {
  /** Done, or stopped by a signal after everything that was received had been settled. */
  done: 0,
  /** Failed, or left something unsettled. */
  failed: 1,
  /** The config or the command line is wrong: nothing was started. */
  badInput: 2,
} as const;

/** One of {@link exitCode}. */
export type ExitCode = (typeof exitCode)[keyof typeof exitCode];

/** What the process says after an error. */
export function exitCodeOf(error: unknown): ExitCode {
  const wrongInput = error instanceof BadInput || (isConnectorError(error) && error.code === 'config_invalid');
  return wrongInput ? exitCode.badInput : exitCode.failed;
}
