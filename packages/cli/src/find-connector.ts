import { distance } from 'fastest-levenshtein';
import { listConnectors } from './list-connectors.js';
import { ConnectorNotFound, type ResolvedConnector, resolveConnector } from './resolve-connector.js';

/**
 * The connector of a name that a user wrote, as {@link resolveConnector} finds it.
 *
 * @throws {ConnectorNotFound} also with the name that was probably meant, lest a misspelt package be installed
 */
export async function findConnector(name: string, folders: readonly string[]): Promise<ResolvedConnector> {
  try {
    return await resolveConnector(name, folders);
  } catch (error) {
    if (!(error instanceof ConnectorNotFound)) throw error;
    const meant = await nearestConnector(name, folders);
    throw meant === undefined
      ? error
      : new ConnectorNotFound(`${error.message}; did you mean "${meant}"?`, { cause: error });
  }
}

async function nearestConnector(name: string, folders: readonly string[]): Promise<string | undefined> {
  const listed = (await Promise.all(folders.map(listConnectors))).flat();
  return listed
    .map((connector) => ({ name: connector.name, distance: distance(connector.name, name) }))
    .filter((near) => near.distance > 0 && near.distance <= Math.min(2, name.length / 2))
    .sort((a, b) => a.distance - b.distance)[0]?.name;
}
