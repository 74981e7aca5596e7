import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  findPackage,
  type InstalledPackage,
  moduleFolders,
  type PackageManifest,
  readPackage,
} from './find-package.js';
import { messageOf } from './message-of.js';
import { ConnectorNotFound, fromFile, fromPackage, ownFolder, type ResolvedConnector } from './resolve-connector.js';

/** A connector that a pipeline file can name. */
export interface ListedConnector {
  readonly name: string;
  readonly title: string;
  readonly directions: readonly ('source' | 'sink')[];
  /** Package and version, or that it comes with the CLI. */
  readonly from: string;
  /** Why it cannot be used although it is installed. */
  readonly problem?: string;
}

/**
 * The connectors of the CLI, of the packages that it depends on, and of the `node_modules` that count in this folder: there,
 * every package named `sluice-connector-*`, and those of `@sluice/*` with the keyword `connector`. What is there is what is
 * listed; no list is kept anywhere.
 */
export async function listConnectors(folder: string): Promise<readonly ListedConnector[]> {
  return (await resolveAll(folder)).map((found) => ('connector' in found ? listed(found) : found));
}

/** The same connectors, loaded; those that cannot be loaded are left out. */
export async function loadConnectors(folder: string): Promise<readonly ResolvedConnector[]> {
  return (await resolveAll(folder)).filter((found) => 'connector' in found);
}

async function resolveAll(folder: string): Promise<readonly (ResolvedConnector | ListedConnector)[]> {
  const byName = new Map<string, ResolvedConnector | ListedConnector>();
  // What is nearer to the user's files is what a pipeline file would get.
  for (const found of [...installedConnectors(folder), ...bundledConnectors()]) {
    if (byName.has(found.manifest.name)) continue;
    const name = found.manifest.name.replace(/^@sluice\/|^sluice-connector-/, '');
    byName.set(found.manifest.name, await orProblem(name, found.manifest.name, () => fromPackage(name, found)));
  }
  for (const name of ownConnectors()) {
    byName.set(
      name,
      await orProblem(name, '@sluice/cli', () =>
        fromFile(name, join(ownFolder, name, 'connector.js'), 'comes with @sluice/cli'),
      ),
    );
  }
  return [...byName.values()].sort((a, b) => a.name.localeCompare(b.name));
}

function installedConnectors(folder: string): readonly InstalledPackage[] {
  return moduleFolders(folder).flatMap((modules) => {
    const own = foldersIn(modules).filter((name) => name.startsWith('sluice-connector-'));
    const scoped = foldersIn(join(modules, '@sluice')).map((name) => join('@sluice', name));
    return [...own, ...scoped].flatMap((name) => connectorPackage(readPackage(join(modules, name))));
  });
}

function bundledConnectors(): readonly InstalledPackage[] {
  // The CLI's own manifest, which this package is built with.
  const manifest = JSON.parse(readFileSync(join(ownFolder, '..', 'package.json'), 'utf8')) as PackageManifest;
  return Object.keys(manifest.dependencies ?? {})
    .filter((name) => name.startsWith('@sluice/'))
    .flatMap((name) => connectorPackage(findPackage(name, ownFolder)));
}

function connectorPackage(found: InstalledPackage | undefined): readonly InstalledPackage[] {
  return found !== undefined && isConnectorPackage(found.manifest) ? [found] : [];
}

function ownConnectors(): readonly string[] {
  return foldersIn(ownFolder).filter((name) => existsSync(join(ownFolder, name, 'connector.js')));
}

/** Packages of others say it with their name; of those of Sluice's scope, connectors have the keyword and take the core as a peer. */
function isConnectorPackage({ name, keywords = [], peerDependencies = {} }: PackageManifest): boolean {
  return name.startsWith('sluice-connector-') || (keywords.includes('connector') && '@sluice/core' in peerDependencies);
}

function foldersIn(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

async function orProblem(
  name: string,
  from: string,
  resolve: () => Promise<ResolvedConnector>,
): Promise<ResolvedConnector | ListedConnector> {
  try {
    return await resolve();
  } catch (error) {
    if (!(error instanceof ConnectorNotFound)) throw error;
    return { name, title: name, directions: [], from, problem: messageOf(error) };
  }
}

function listed({ name, connector, from }: ResolvedConnector): ListedConnector {
  const { source, sink } = connector.descriptor;
  return {
    name,
    title: connector.title,
    directions: [...(source ? ['source' as const] : []), ...(sink ? ['sink' as const] : [])],
    from,
  };
}
