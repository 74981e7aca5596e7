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
  /** By file, line and column; first those that are nowhere in a file. */
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[], cause?: unknown) {
    const ordered = inOrder(problems);
    super(ordered.map(problemText).join('\n'), cause === undefined ? undefined : { cause });
    this.problems = ordered;
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

function inOrder(problems: readonly Problem[]): readonly Problem[] {
  const files = [undefined, ...problems.map(({ place }) => place?.file)];
  const rank = ({ place }: Problem): readonly number[] => [
    files.indexOf(place?.file),
    place?.line ?? 0,
    place?.column ?? 0,
  ];
  return problems.toSorted((one, other) => {
    const ranks = rank(other);
    return (
      rank(one)
        .map((value, index) => value - (ranks[index] ?? 0))
        .find((difference) => difference !== 0) ?? 0
    );
  });
}

function placeText(place: Place): string {
  return place.line === undefined ? place.file : `${place.file}:${place.line}:${place.column ?? 1}`;
}
