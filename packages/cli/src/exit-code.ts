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

/** What the process says after an error. What the outside system refuses is a failure, also where another config would help. */
export function exitCodeOf(error: unknown): ExitCode {
  return error instanceof BadInput ? exitCode.badInput : exitCode.failed;
}
