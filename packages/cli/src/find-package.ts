import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { legacy, exports as resolveExports } from 'resolve.exports';

/** The part of a package.json that is read here. */
export interface PackageManifest {
  readonly name: string;
  readonly version: string;
  readonly keywords?: readonly string[];
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/** An installed package. */
export interface InstalledPackage {
  readonly folder: string;
  readonly manifest: PackageManifest;
  /** The file that an import of the package loads. */
  readonly entry: string;
}

/**
 * Finds a package as an `import` in a file of this folder would. Node itself resolves only for the file that asks, so the
 * `node_modules` of a pipeline's folder have to be searched here.
 */
export function findPackage(name: string, from: string): InstalledPackage | undefined {
  for (const modules of moduleFolders(from)) {
    const found = readPackage(join(modules, name));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The `node_modules` folders that count for a file in this folder, the nearest first. */
export function moduleFolders(from: string): readonly string[] {
  const folders: string[] = [];
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    const modules = join(folder, 'node_modules');
    if (existsSync(modules)) folders.push(modules);
    if (folder === dirname(folder)) return folders;
  }
}

/** The package in a folder, undefined when there is none that can be imported. */
export function readPackage(folder: string): InstalledPackage | undefined {
  const file = join(folder, 'package.json');
  if (!existsSync(file)) return undefined;
  // npm wrote it, and nothing that installs accepts a manifest of another shape.
  const manifest = JSON.parse(readFileSync(file, 'utf8')) as PackageManifest;
  const entry = entryOf(manifest);
  return entry === undefined ? undefined : { folder, manifest, entry: join(folder, entry) };
}

function entryOf(manifest: PackageManifest): string | undefined {
  try {
    const [entry] = resolveExports(manifest, '.') ?? [];
    if (entry !== undefined) return entry;
  } catch {
    // Its exports have no "." that an import may load: as good as no package.
    return undefined;
  }
  const main = legacy(manifest, { browser: false, fields: ['main'] });
  return typeof main === 'string' ? main : 'index.js';
}
