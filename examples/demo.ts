// Shows what Sluice does, with real processes on real input, and counts whether it holds.
// Run it: npm run demo, in the root of the repository
import pg from 'pg';
import { showCelsius } from '#demo/celsius';
import { showKills } from '#demo/kill';
import { leavePlace, makePlace } from '#demo/place';
import { screen } from '#demo/screen';

const startedAt = performance.now();
let isLeaving = false;
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  // The second one ends it at once; what is left behind is cleaned up all the same.
  process.once(signal, () => leave(code));
}
// Whoever read the output has seen enough (`npm run demo | head`).
process.stdout.on('error', () => leave(1));

try {
  console.log('Sluice moves messages between systems, and says what it promises. Two things to see, in half a minute.');
  const place = await makePlace();
  console.log(`Both end in a real database: ${place.where}.`);
  const client = new pg.Client(place.url);
  // A connection that broke fails the next query.
  client.on('error', () => undefined);
  await client.connect();
  const problems = (await showCelsius(place, client)) + (await showKills(place, client));
  await client.end();
  conclude(problems);
} catch (error) {
  if (isLeaving) await new Promise(() => undefined);
  screen.heading(`The demo failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  await leavePlace();
}

/** Ends the demo in the middle of it. */
function leave(code: number): void {
  isLeaving = true;
  void leavePlace().then(() => process.exit(code));
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
  screen.line(
    '   UDP can lose datagrams, and what is sent while nobody listens is gone: but every loss is counted and told.',
  );
  screen.line('2  File to table is "effectively once": the position is stored in the same transaction as the rows. A');
  screen.line('   process that dies at any moment goes on where it was, and nothing is lost, duplicated or reordered.');
  screen.heading('Where to look next');
  screen.line('README.md              what Sluice is, and your first pipeline');
  screen.line('examples/README.md     the pipelines of this demo and more, to paste and run');
  screen.line('DESIGN.md              which guarantee holds between which systems, and why');
  console.log(
    `\nDone in ${Math.round((performance.now() - startedAt) / 1000)} s. Its database and files are deleted again.`,
  );
}
