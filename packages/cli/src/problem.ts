import type { Place } from './pipeline-file/tree.js';

/** One thing that is wrong with what the user gave, and where. */
export interface Problem {
  /** What is wrong and what to do, in one line. */
  readonly message: string;
  /** Where it was written; left out when it is nowhere in a file. */
  readonly place?: Place;
  /** The config field, from the root of the pipeline file. */
  readonly path?: readonly (string | number)[];
}

/** The pipeline file or the command line is wrong: the command ends with exit code 2 before anything is opened. */
export class BadInput extends Error {
  override readonly name = 'BadInput';
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[], cause?: unknown) {
    super(problems.map(problemText).join('\n'), cause === undefined ? undefined : { cause });
    this.problems = problems;
  }
}

/** Makes the {@link BadInput} of a single problem. */
export function badInput(message: string, place?: Place, cause?: unknown): BadInput {
  return new BadInput([place === undefined ? { message } : { message, place }], cause);
}

/** `pipeline.yaml:4:12: source.config.port: expected number, received string`. */
function problemText(problem: Problem): string {
  const place = problem.place === undefined ? [] : [placeText(problem.place)];
  const path = problem.path === undefined || problem.path.length === 0 ? [] : [problem.path.join('.')];
  return [...place, ...path, problem.message].join(': ');
}

function placeText(place: Place): string {
  return place.line === undefined ? place.file : `${place.file}:${place.line}:${place.column ?? 1}`;
}
