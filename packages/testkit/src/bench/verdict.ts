import type { Measured } from './measured-process.js';

/** What a pipeline may need more than a program by hand: its byte budget, and what its runtime may take. */
export const allowedMiB: number = 64 + 32;
/** A program by hand that needs no more than this is held against in CPU, because a ratio says little about so small a number. */
const smallCostMicroseconds = 2;
const allowedMicroseconds = 0.1;

/** A pipeline beside a program by hand that does the same. */
export interface Verdict {
  /** Of their throughputs. */
  readonly ratio: number;
  readonly addedMicroseconds: number;
  readonly addedMiB: number;
  /** Whether that is within the targets. */
  readonly met: boolean;
}

/** Compares what both took. @param targetRatio the least that the pipeline is to reach */
export function verdictOf(byHand: Measured, pipeline: Measured, targetRatio: number): Verdict {
  const ratio = pipeline.messagesPerSecond / byHand.messagesPerSecond;
  const addedMicroseconds = pipeline.cpuMicroseconds - byHand.cpuMicroseconds;
  const addedMiB = pipeline.peakMiB - byHand.peakMiB;
  const addsLittle = byHand.cpuMicroseconds < smallCostMicroseconds && addedMicroseconds <= allowedMicroseconds;
  const met = (ratio >= targetRatio || addsLittle) && addedMiB <= allowedMiB;
  return { ratio, addedMicroseconds, addedMiB, met };
}

/** What is asked of a pipeline, in a sentence. */
export function targetText(targetRatio: number, unit: string): string {
  return `The target is a ratio of ${targetRatio}, or at most ${allowedMicroseconds} us of CPU added per ${unit} where a program by hand needs less than ${smallCostMicroseconds}, and at most ${allowedMiB} MiB more memory.`;
}
