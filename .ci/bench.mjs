// pnpm bench <name> [arguments...]: builds, then runs packages/<name>/bench/bench.ts with the benchmarks beside it
// (<part>.bench.ts), or examples/bench/<name>/bench.ts, which takes a pair of connectors. `pnpm bench postgres cdc` runs one part.
// Only benchmarks write to stdout, so that `pnpm -s bench <name> --json > result.json` is JSON, an array if there are several.
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, readdirSync } from 'node:fs';
import { basename } from 'node:path';
import process from 'node:process';

const [name, ...rest] = process.argv.slice(2);
const folders = new Map(
  ['packages', 'examples/bench'].flatMap((parent) =>
    readdirSync(parent).map((child) => [
      child,
      parent === 'packages' ? `${parent}/${child}/bench` : `${parent}/${child}`,
    ]),
  ),
);
const known = [...folders.keys()].filter((child) => existsSync(`${folders.get(child)}/bench.ts`));
if (!known.includes(name)) {
  const problem = name === undefined ? 'no benchmark was named' : `there is no benchmark "${name}"`;
  stop(`${problem}. Name one of: ${known.join(', ')}`);
}
const parts = globSync(`${folders.get(name)}/*.bench.ts`).sort();
const part = rest[0]?.startsWith('-') ? undefined : rest.shift();
const wanted =
  part === undefined ? [`${folders.get(name)}/bench.ts`, ...parts] : parts.filter((file) => nameOf(file) === part);
if (wanted.length === 0) stop(`"${name}" has no part "${part}". Its parts: ${parts.map(nameOf).join(', ') || 'none'}`);

const build = spawnSync('turbo run build --output-logs=errors-only', {
  shell: true,
  stdio: ['ignore', process.stderr, 'inherit'],
});
endWith(build);
const runs = wanted.map((file) => run(file));
const printed = runs.map(({ stdout }) => stdout).filter(Boolean);
if (printed.length > 0)
  console.log(
    printed.length === 1
      ? printed[0].trimEnd()
      : JSON.stringify(
          printed.map((text) => JSON.parse(text)),
          undefined,
          2,
        ),
  );
for (const ended of runs) endWith(ended);

/** Runs a benchmark. One that misses its target does not keep the next one from running. */
function run(file) {
  const output = rest.includes('--json') ? 'pipe' : 'inherit';
  const args = ['--import', './.ci/resolve-typescript.mjs', file, ...rest];
  return spawnSync(process.execPath, args, { stdio: ['inherit', output, 'inherit'], encoding: 'utf8' });
}

function nameOf(file) {
  return basename(file, '.bench.ts');
}

function stop(problem) {
  console.error(`pnpm bench could not start: ${problem}.`);
  process.exit(2);
}

/** Ends this process in the way a child ended that did not succeed. */
function endWith({ error, signal, status }) {
  if (error) throw error;
  if (signal) process.kill(process.pid, signal);
  if (status !== 0) process.exit(status ?? 1);
}
