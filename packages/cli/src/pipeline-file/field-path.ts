import { z } from 'zod';
import { isMap } from './tree.js';

/**
 * The paths of all fields that a schema knows by name, those of nested objects included; what lies inside lists and maps of
 * free keys has none.
 */
export function fieldPaths(schema: z.ZodType): readonly (readonly string[])[] {
  return pathsIn(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', reused: 'inline' }));
}

function pathsIn(schema: unknown): readonly (readonly string[])[] {
  if (!isMap(schema)) return [];
  const { properties, anyOf, oneOf, allOf } = schema;
  const own = isMap(properties)
    ? Object.entries(properties).flatMap(([name, field]) => [[name], ...pathsIn(field).map((path) => [name, ...path])])
    : [];
  const variants = [anyOf, oneOf, allOf].flatMap((list) => (Array.isArray(list) ? list.flatMap(pathsIn) : []));
  return [...own, ...variants];
}
