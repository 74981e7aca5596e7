import { describeConnector } from '@sluice/core/driver';
import { z } from 'zod';
import type { ResolvedConnector } from '../resolve-connector.js';
import { PipelineFile } from './schema.js';
import { isMap } from './tree.js';

type Schema = Readonly<Record<string, unknown>>;

/**
 * The JSON Schema of pipeline files, for editors: with the config of each of these connectors where the file names it. Fields
 * that do not take any text take a `${VAR}` as well.
 */
export function pipelineFileSchema(connectors: readonly ResolvedConnector[]): Schema {
  const file = allowVariables(z.toJSONSchema(PipelineFile, { io: 'input' }));
  const names = connectors.map(({ name }) => name);
  // The shape is that of PipelineFile, which is a constant.
  const properties = (isMap(file) ? file['properties'] : {}) as Readonly<
    Record<string, { readonly additionalProperties: Schema }>
  >;
  const source = (part: unknown) => endpoint(part, names, '#/$defs/source');
  const sink = (part: unknown) => endpoint(part, names, '#/$defs/sink');
  const branch = properties['sinks']?.additionalProperties ?? {};
  const branchFields = isMap(branch['properties']) ? branch['properties'] : {};
  return {
    ...(isMap(file) ? file : {}),
    title: 'Sluice pipeline',
    properties: {
      ...properties,
      source: source(properties['source']),
      sources: { ...properties['sources'], additionalProperties: source(properties['sources']?.additionalProperties) },
      sink: sink(properties['sink']),
      sinks: {
        ...properties['sinks'],
        additionalProperties: sink({
          ...branch,
          properties: { ...branchFields, deadLetter: sink(branchFields['deadLetter']) },
        }),
      },
      deadLetter: sink(properties['deadLetter']),
    },
    $defs: { source: { allOf: configs(connectors, 'source') }, sink: { allOf: configs(connectors, 'sink') } },
  };
}

/** A source or sink whose config depends on its connector. Any name is allowed: a package may be installed later. */
function endpoint(part: unknown, names: readonly string[], configRef: string): Schema {
  if (!isMap(part)) return {};
  const fields = isMap(part['properties']) ? part['properties'] : {};
  const connector = isMap(fields['connector']) ? { ...fields['connector'], examples: names } : {};
  return { ...part, properties: { ...fields, connector }, $ref: configRef };
}

function configs(connectors: readonly ResolvedConnector[], direction: 'source' | 'sink'): readonly Schema[] {
  return connectors.flatMap(({ name, connector }) => {
    const schema = describeConnector(connector.descriptor)[direction]?.schema;
    if (schema === undefined) return [];
    const { $schema: _, ...config } = schema;
    const isNeeded = connector.descriptor[direction]?.config.safeParse({}).success === false;
    return [
      {
        if: { properties: { connector: { const: name } }, required: ['connector'] },
        // An id of its own makes references inside the schema count from its own root.
        // biome-ignore lint/suspicious/noThenProperty: the keyword of JSON Schema
        then: {
          ...(isNeeded ? { required: ['config'] } : {}),
          properties: { config: { $id: `urn:sluice:${name}:${direction}`, ...asObject(allowVariables(config)) } },
        },
      },
    ];
  });
}

function asObject(schema: unknown): Schema {
  return isMap(schema) ? schema : {};
}

const variable = { type: 'string', pattern: '\\$\\{.+\\}' };

/** Lets a `${VAR}` stand wherever something other than free text is wanted. */
function allowVariables(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(allowVariables);
  if (!isMap(schema)) return schema;
  const inner = Object.fromEntries(
    Object.entries(schema).map(([key, value]) => {
      if (isData(key)) return [key, value];
      return [key, isMap(value) && isByName(key) ? allowVariablesIn(value) : allowVariables(value)];
    }),
  );
  const isStrict =
    ['number', 'integer', 'boolean'].includes(String(schema['type'])) ||
    ['enum', 'const', 'pattern', 'format', 'maxLength'].some((keyword) => keyword in schema);
  if (!isStrict) return inner;
  const { description, default: fallback, ...rule } = inner;
  return {
    ...(description === undefined ? {} : { description }),
    ...(fallback === undefined ? {} : { default: fallback }),
    anyOf: [rule, variable],
  };
}

function allowVariablesIn(schemas: Readonly<Record<string, unknown>>): Schema {
  return Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, allowVariables(schema)]));
}

/** Keywords whose value holds schemas by names that are no keywords, though a field may be called like one. */
function isByName(key: string): boolean {
  return ['properties', 'patternProperties', '$defs'].includes(key);
}

/** Keywords whose value is data, not a schema. */
function isData(key: string): boolean {
  return ['default', 'examples', 'enum', 'const', 'required'].includes(key);
}
