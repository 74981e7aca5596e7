import { z } from 'zod';

/** How a schema is marked as secret: the whole value, or the credentials inside a URL. */
export type SecretMark = 'whole' | 'url';

/** The mark that `secret()` or `secretUrl()` left on this very schema. */
export function secretMark(schema: z.core.$ZodType): SecretMark | undefined {
  const mark = z.globalRegistry.get(schema)?.['secret'];
  if (mark === 'url') return 'url';
  return mark === true ? 'whole' : undefined;
}

/**
 * Every schema that describes the same value as the given ones: what wrappers wrap, all branches of unions, both sides of
 * pipes and intersections.
 */
export function layersOf(schemas: Iterable<z.core.$ZodType>): ReadonlySet<z.core.$ZodTypes> {
  const layers = new Set<z.core.$ZodTypes>();
  const waiting = [...schemas];
  for (let schema = waiting.pop(); schema !== undefined; schema = waiting.pop()) {
    // zod's own way to switch over schemas: $ZodTypes is the union of all its classes.
    const layer = schema as z.core.$ZodTypes;
    if (layers.has(layer)) continue;
    layers.add(layer);
    waiting.push(...inside(layer));
  }
  return layers;
}

/** The schemas of the property or element `key` of a value with these layers. Empty when none knows it. */
export function childrenAt(layers: Iterable<z.core.$ZodTypes>, key: string | number): readonly z.core.$ZodType[] {
  return [...layers]
    .map((layer) => childAt(layer, key))
    .filter((schema) => schema !== undefined && schema !== null)
    .filter((schema) => schema._zod.def.type !== 'never');
}

/** The schemas at a path inside a value. */
export function schemasAt(schema: z.core.$ZodType, path: readonly (string | number)[]): readonly z.core.$ZodType[] {
  return path.reduce<readonly z.core.$ZodType[]>((schemas, key) => childrenAt(layersOf(schemas), key), [schema]);
}

/** Whether these schemas, or any below them, are marked as secret. */
export function holdsSecret(schemas: Iterable<z.core.$ZodType>): boolean {
  const seen = new Set<z.core.$ZodTypes>();
  let waiting: readonly z.core.$ZodType[] = [...schemas];
  while (waiting.length > 0) {
    const layers = [...layersOf(waiting)].filter((layer) => !seen.has(layer));
    if (layers.some((layer) => secretMark(layer) !== undefined)) return true;
    for (const layer of layers) seen.add(layer);
    waiting = layers.flatMap(allChildren);
  }
  return false;
}

function inside(layer: z.core.$ZodTypes): readonly z.core.$ZodType[] {
  const { def } = layer._zod;
  switch (def.type) {
    case 'optional':
    case 'nullable':
    case 'nonoptional':
    case 'default':
    case 'prefault':
    case 'catch':
    case 'readonly':
    case 'success':
    case 'promise':
      return [def.innerType];
    case 'union':
      return def.options;
    case 'intersection':
      return [def.left, def.right];
    case 'pipe':
      return [def.in, def.out];
    case 'lazy':
      return [def.getter()];
    default:
      return [];
  }
}

function childAt(layer: z.core.$ZodTypes, key: string | number): z.core.$ZodType | null | undefined {
  const { def } = layer._zod;
  switch (def.type) {
    case 'object':
      return Object.hasOwn(def.shape, key) ? def.shape[key] : def.catchall;
    case 'tuple':
      return def.items[Number(key)] ?? def.rest;
    default:
      return elementOf(layer);
  }
}

function allChildren(layer: z.core.$ZodTypes): readonly z.core.$ZodType[] {
  const { def } = layer._zod;
  const children =
    def.type === 'object'
      ? [...Object.values(def.shape), def.catchall]
      : def.type === 'tuple'
        ? [...def.items, def.rest]
        : [elementOf(layer)];
  return children.filter((schema) => schema !== undefined && schema !== null);
}

function elementOf(layer: z.core.$ZodTypes): z.core.$ZodType | undefined {
  const { def } = layer._zod;
  switch (def.type) {
    case 'array':
      return def.element;
    case 'record':
    case 'set':
    case 'map':
      return def.valueType;
    default:
      return undefined;
  }
}
