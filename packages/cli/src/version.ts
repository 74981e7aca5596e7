import { readFileSync } from 'node:fs';

interface Manifest {
  readonly version: string;
  readonly engines: { readonly node: string };
}

/** The version of this package. */
export function version(): string {
  return manifest().version;
}

/** What to tell where this version of Node.js is older than the package needs; undefined where it is not. */
export function tooOldNode(running: string): string | undefined {
  const wanted = manifest().engines.node.replace('>=', '');
  // As numbers: 22.9 is older than 22.18.
  if (running.localeCompare(wanted, 'en', { numeric: true }) >= 0) return undefined;
  return `sluice needs Node.js ${wanted} or newer, and this is ${running}; install a newer one from https://nodejs.org`;
}

/** The package's own manifest, beside the folder of this module. */
function manifest(): Manifest {
  return JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as Manifest;
}
