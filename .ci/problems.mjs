import process from 'node:process';

/** Ends a check: prints each problem as a line of its own and lets the process exit with 1, or says what holds. */
export function report(problems, fine) {
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exitCode = 1;
  else console.log(fine);
}
