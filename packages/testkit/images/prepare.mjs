// node packages/testkit/images/prepare.mjs [server...]: what `npm test` does before the tests that need servers. Sees that a
// container engine runs and that the images of the servers are here; without names, of those that a connector in packages/
// needs. An image is the official one by digest, or, where no image registry can be reached, one built by build.sh with the
// same server program. When all is there already, that takes a moment, and nothing is printed.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { serverImages } from '../src/images.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
/** How long a registry may take to say that it has the image. Fetching it then takes as long as it takes. */
const registryPatienceMs = 20_000;

const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(serverImages).filter(isNeeded);
const unknown = wanted.filter((name) => !Object.hasOwn(serverImages, name));
if (unknown.length > 0)
  fail(`No test server is called ${unknown.join(', ')}. There are: ${Object.keys(serverImages).join(', ')}.`);

const absent = wanted.filter((name) => !isHere(name));
if (absent.length > 0) {
  if (!succeeds('docker', ['version'])) run(`${here}engine.sh`, []);
  let registry = true;
  for (const name of absent.filter((server) => !isHere(server))) {
    registry &&= await pull(serverImages[name].official);
    if (!registry) build(name);
  }
}

/** A server is needed by the connector of the same name, unless the tests are to use one of the developer's own. */
function isNeeded(name) {
  const system = systemOf(name);
  return existsSync(`${here}../../${system}/package.json`) && !process.env[`SLUICE_TEST_${system.toUpperCase()}_URL`];
}

/** A server's name without its major version: its recipe is the same for all. */
function systemOf(name) {
  return name.replace(/-\d+$/, '');
}

function isHere(name) {
  const { official, local } = serverImages[name];
  const format = '{{index .Config.Labels "sluice.recipe"}}';
  const [built, pulled] = [local, official].map((image) =>
    spawnSync('docker', ['image', 'inspect', '--format', format, image], { encoding: 'utf8' }),
  );
  return pulled.status === 0 || (built.status === 0 && built.stdout.trim() === recipe(name));
}

/** What an image is built from, as a digest: another one means that the image is out of date. */
function recipe(name) {
  const hash = createHash('sha256').update(serverImages[name].version);
  const files = [
    `${here}build.sh`,
    ...globSync(`${here}${systemOf(name)}/**`).filter((path) => statSync(path).isFile()),
  ];
  for (const path of files.sort()) hash.update(`\0${path.slice(here.length)}\0`).update(readFileSync(path));
  return hash.digest('hex').slice(0, 16);
}

/** Fetches an image. Returns whether the registry could be reached and had it. */
async function pull(image) {
  say(`Fetching ${image}`);
  const child = spawn('docker', ['pull', image], { stdio: ['ignore', 'pipe', 'pipe'] });
  const timer = setTimeout(() => child.kill(), registryPatienceMs);
  let problem = `no answer within ${registryPatienceMs / 1000} s`;
  child.stderr.on('data', (text) => {
    problem = String(text).trim();
  });
  child.stdout.on('data', (text) => {
    clearTimeout(timer);
    process.stderr.write(text);
  });
  const [code] = await new Promise((resolve) => {
    child.on('close', (...end) => resolve(end));
  });
  clearTimeout(timer);
  if (code !== 0) say(`It could not be fetched (${problem}), so an image with the same program is built here`);
  return code === 0;
}

function build(name) {
  const { version, local } = serverImages[name];
  run(`${here}build.sh`, [name, version, local, recipe(name)]);
}

function succeeds(command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

/** Runs a script that says what it does; this process fails as it does. */
function run(script, args) {
  const { status, error } = spawnSync('bash', [script, ...args], { stdio: ['ignore', 'inherit', 'inherit'] });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

function say(text) {
  process.stderr.write(`servers: ${text}\n`);
}

function fail(text) {
  say(text);
  process.exit(1);
}
