// Shows what Sluice does, with real processes on real input, and counts whether it holds.
// Run it: npm run demo, in the root of the repository
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { showCelsius } from '#demo/celsius';
import { showKills } from '#demo/kill';
import { screen } from '#demo/screen';
import { killAll } from '#demo/started-process';

const startedAt = performance.now();
const folder = mkdtempSync(join(tmpdir(), 'sluice-demo-'));
process.on('exit', () => {
  killAll();
  // A process that was killed a moment ago may still be creating a file.
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  process.on(signal, () => process.exit(code));
}
// Whoever read the output has seen enough (`npm run demo | head`).
process.stdout.on('error', () => process.exit(1));

try {
  console.log('Sluice moves messages between systems, and says what it promises. Two things to see, in half a minute.');
  const problems = (await showCelsius(folder)) + (await showKills(folder));
  conclude(problems);
} catch (error) {
  screen.heading(`The demo failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

function conclude(problems: number): void {
  if (problems > 0) {
    screen.heading('The numbers above should not be like this. Please report it, with everything that was printed.');
    process.exitCode = 1;
    return;
  }
  screen.heading('What this has shown');
  screen.line(
    '1  A pipeline of a few lines of YAML. What it cannot read goes to a file of its own instead of stopping it.',
  );
  screen.line('   UDP can lose datagrams, and nobody can change that: but every loss is counted and told.');
  screen.line(
    '2  File to file is "effectively once": the position is stored together with the data, so that a process',
  );
  screen.line('   that dies at any moment goes on where it was, and nothing is lost, duplicated or reordered.');
  screen.heading('Where to look next');
  screen.line('README.md              what Sluice is, and your first pipeline');
  screen.line('examples/README.md     the pipelines of this demo and more, to paste and run');
  screen.line('DESIGN.md              which guarantee holds between which systems, and why');
  console.log(`\nDone in ${Math.round((performance.now() - startedAt) / 1000)} s. Its files are deleted again.`);
}
