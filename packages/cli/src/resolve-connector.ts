import { existsSync, statSync } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Connector } from '@sluice/core';
import { isConnector, type z } from '@sluice/core/driver';
import { findPackage, type InstalledPackage } from './find-package.js';
import { importFile } from './import-file.js';
import { messageOf } from './message-of.js';

/** A connector, whatever its schemas: the pipeline file's config goes through the connector's own check. */
export type AnyConnector = Connector<z.ZodType, unknown, z.ZodType, unknown>;

/** A connector, and where it was found. */
export interface ResolvedConnector {
  /** As it stands in the pipeline file. */
  readonly name: string;
  readonly connector: AnyConnector;
  /** The package with its version, or the file. */
  readonly from: string;
}

/** The name leads to no connector; the text says where it was looked for and what to do. */
export class ConnectorNotFound extends Error {
  override readonly name = 'ConnectorNotFound';
}

/** The folder that holds what comes with the CLI: a folder in it with a `connector.js` is a connector. */
export const ownFolder: string = dirname(fileURLToPath(import.meta.url));

/**
 * Finds the connector of a name: a path (relative to the first folder), one of the CLI's own, `@sluice/<name>`,
 * `sluice-connector-<name>`, or a package of that name. Packages are looked for from each folder in turn, and at last beside
 * the CLI.
 *
 * @throws {ConnectorNotFound} also when a package was found that cannot be loaded or exports no connector
 */
export async function resolveConnector(name: string, folders: readonly string[]): Promise<ResolvedConnector> {
  if (/^\.{0,2}\//.test(name) || isAbsolute(name)) return fromFile(name, resolve(folders[0] ?? '.', name));
  const own = ownConnector(name);
  if (own !== undefined) return fromFile(name, own, 'comes with @sluice/cli');
  const candidates = candidatePackages(name);
  for (const folder of [...folders, ownFolder]) {
    for (const candidate of candidates) {
      const found = findPackage(candidate, folder);
      if (found !== undefined) return await fromPackage(name, found);
    }
  }
  throw new ConnectorNotFound(
    `there is no connector "${name}": none of the packages ${candidates.join(', ')} is installed; run "npm install ` +
      `${candidates[0] ?? name}", or check the name with "sluice list"`,
  );
}

/** Loads the connector of an installed package. */
export async function fromPackage(name: string, found: InstalledPackage): Promise<ResolvedConnector> {
  const { manifest, entry } = found;
  const connector = pick(name, manifest.name, await load(name, entry));
  return { name, connector, from: `${manifest.name} ${manifest.version}` };
}

/** Loads the connector that a module exports. */
export async function fromFile(name: string, file: string, from: string = file): Promise<ResolvedConnector> {
  if (!existsSync(file))
    throw new ConnectorNotFound(`connector "${name}" is not there: no file ${file}; check the path`);
  if (statSync(file).isDirectory())
    throw new ConnectorNotFound(
      `connector "${name}" is the folder ${file}; name the file in it that exports the connector`,
    );
  return { name, connector: pick(name, file, await load(name, file)), from };
}

function ownConnector(name: string): string | undefined {
  if (!/^[a-z0-9-]+$/.test(name)) return undefined;
  const file = fileURLToPath(new URL(`./${name}/connector.js`, import.meta.url));
  return existsSync(file) ? file : undefined;
}

function candidatePackages(name: string): readonly string[] {
  return name.includes('/') ? [name] : [`@sluice/${name}`, `sluice-connector-${name}`, name];
}

async function load(name: string, file: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return await importFile(file);
  } catch (error) {
    throw new ConnectorNotFound(`connector "${name}" cannot be loaded from ${file}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function pick(name: string, from: string, module: Readonly<Record<string, unknown>>): AnyConnector {
  const connectors = Object.values(module).filter(isConnector);
  const chosen = connectors.length === 1 ? connectors[0] : connectors.find((connector) => connector.name === name);
  if (chosen !== undefined) return chosen;
  const found = connectors.length === 0 ? 'no connector' : `several, none named "${name}"`;
  throw new ConnectorNotFound(`connector "${name}": ${from} exports ${found}; export what defineConnector() returns`);
}
