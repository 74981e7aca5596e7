import { isMap, type Path, type Place, pathKey, type Tree } from './tree.js';

/** One tree over another: maps are merged key by key, everything else (arrays too) is replaced by the later one. */
export function mergeTrees(under: Tree, over: Tree): Tree {
  const replaced: Path[] = [];
  const value = mergeValues(under.value, over.value, [], replaced);
  const keep = ([key]: readonly [string, unknown]) => !replaced.some((path) => isInside(key, path));
  return {
    value,
    places: new Map<string, Place>([...[...under.places].filter(keep), ...over.places]),
    texts: new Map<string, string>([...[...under.texts].filter(keep), ...over.texts]),
  };
}

function mergeValues(under: unknown, over: unknown, path: Path, replaced: Path[]): unknown {
  if (!isMap(under) || !isMap(over)) {
    replaced.push(path);
    return over;
  }
  const merged: Record<string, unknown> = { ...under };
  for (const [key, value] of Object.entries(over)) {
    merged[key] = key in under ? mergeValues(under[key], value, [...path, key], replaced) : value;
  }
  return merged;
}

function isInside(key: string, path: Path): boolean {
  const prefix = pathKey(path).slice(0, -1);
  return key === `${prefix}]` || key.startsWith(path.length === 0 ? prefix : `${prefix},`);
}
