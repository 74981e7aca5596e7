// Describing a connector opens nothing and loads no native client: imports each built descriptor and looks at what came with it.
import { globSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { dirname } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { isConnector } from './connectors.mjs';
import { report } from './problems.mjs';

const ofDrivers = /\/packages\/(?!core\/)[^/]+\/dist\/(client|source|sink)\.js$/;
const ofSluice = /\/packages\/[^/]+\/dist\//;
// What core itself stands on.
const ofCore = /\/node_modules\/(zod|cockatiel|csv-parse|fastest-levenshtein|@opentelemetry\/api)\//;

let loaded = [];
registerHooks({
  load(url, context, next) {
    loaded.push(url);
    return next(url, context);
  },
});

const problems = new Set();
const descriptors = globSync('packages/*/dist/connector.js').filter((path) => isConnector(dirname(dirname(path))));
for (const path of descriptors.sort()) {
  loaded = [];
  await import(pathToFileURL(path).href);
  const source = path.replace('/dist/', '/src/').replace(/js$/, 'ts');
  for (const url of loaded) {
    const fine = url.startsWith('node:') || ofCore.test(url) || (ofSluice.test(url) && !ofDrivers.test(url));
    if (!fine) problems.add(`${source}: importing it loads ${moduleName(url)}; import that in \`open\``);
  }
}
const open = process
  .getActiveResourcesInfo()
  .filter((name) => !/^(TTYWrap|PipeWrap|FSReqPromise|Immediate)$/.test(name));
if (open.length > 0) problems.add(`importing the descriptors leaves open: ${open.join(', ')}`);
report([...problems], `${descriptors.length} descriptors load no native client`);
process.exit(); // what a descriptor left open would keep this process alive

function moduleName(url) {
  return /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? url.replace(/.*\/dist\//, './');
}
