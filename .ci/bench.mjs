// pnpm bench <package> [arguments...]: builds, then runs that package's bench/bench.ts. Only the benchmark writes to stdout,
// so that `pnpm -s bench <package> --json > result.json` is JSON.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import process from 'node:process';

const [name, ...rest] = process.argv.slice(2);
const entry = (folder) => `packages/${folder}/bench/bench.ts`;
const known = readdirSync('packages').filter((folder) => existsSync(entry(folder)));
if (!known.includes(name)) {
  const problem = name === undefined ? 'no package was named' : `"${name}" has no bench/bench.ts`;
  console.error(`pnpm bench could not start: ${problem}. Name one of: ${known.join(', ')}.`);
  process.exit(2);
}

run('turbo', ['run', 'build', '--output-logs=errors-only'], {
  stdio: ['ignore', process.stderr, 'inherit'],
  shell: true,
});
// --expose-gc lets mitata collect garbage between two benchmarks.
run(process.execPath, ['--expose-gc', entry(name), ...rest], { stdio: 'inherit' });

function run(command, args, options) {
  const { error, signal, status } = spawnSync(command, args, options);
  if (error) throw error;
  if (signal) process.kill(process.pid, signal);
  if (status !== 0) process.exit(status ?? 1);
}
