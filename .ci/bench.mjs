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

const build = spawnSync('turbo run build --output-logs=errors-only', {
  shell: true,
  stdio: ['ignore', process.stderr, 'inherit'],
});
endWith(build);
const benchmark = spawnSync(process.execPath, [entry(name), ...rest], { stdio: 'inherit' });
endWith(benchmark);

/** Ends this process in the way a child ended that did not succeed. */
function endWith({ error, signal, status }) {
  if (error) throw error;
  if (signal) process.kill(process.pid, signal);
  if (status !== 0) process.exit(status ?? 1);
}
