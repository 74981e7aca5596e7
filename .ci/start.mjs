// node .ci/start.mjs [script]: installs what the lockfile says, then runs that script of package.json.
import { spawn } from 'node:child_process';
import process from 'node:process';

// npx leaves its own settings behind (npm_config_call, npm_config_package, ...); every npm that the demo or a test starts
// would obey them.
const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^npm_(?!config_registry$)/i.test(name)),
);
env.DO_NOT_TRACK ??= '1'; // turbo would send telemetry

/** How long the install may take before it shows what it does; usually there is nothing to do, or to show. */
const patienceMs = 1000;
// --trust-lockfile: without it pnpm asks the registry about every entry again, which doubles the time of a first run.
await run('pnpm install --frozen-lockfile --trust-lockfile', ['ignore', 'pipe', 'pipe']);
const [script] = process.argv.slice(2);
if (script !== undefined) await run(`pnpm -s ${script}`, 'inherit');

/** Runs a command to its end; a failure ends this process in the same way. */
async function run(command, stdio) {
  const child = spawn(command, { shell: true, env, stdio });
  const show = child.stdout ? showLate(child) : () => {};
  const [code, signal] = await new Promise((resolve) => {
    child.on('close', (...end) => resolve(end));
  });
  show(code !== 0);
  if (signal) process.kill(process.pid, signal);
  if (code !== 0) process.exit(code ?? 1);
}

/** Holds back what a child prints until it has run for a while. Returns what to call at its end: `true` shows it all. */
function showLate(child) {
  let held = [];
  const show = () => {
    for (const chunk of held ?? []) process.stderr.write(chunk);
    held = undefined;
  };
  const timer = setTimeout(show, patienceMs);
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      if (held) held.push(chunk);
      else process.stderr.write(chunk);
    });
  }
  return (all) => {
    clearTimeout(timer);
    if (all) show();
  };
}
