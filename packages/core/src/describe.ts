import { z } from 'zod';
import type { SinkCapabilities, SourceCapabilities } from './capabilities.js';
import type { ErasedConnector } from './connector.js';
import { type FieldDescription, fieldsOf, type JsonSchema } from './describe-fields.js';

/** A connector as plain JSON data, for help, READMEs and editors. */
export interface ConnectorDescription {
  readonly name: string;
  readonly title: string;
  readonly contract: number;
  readonly source?: DirectionDescription<SourceCapabilities>;
  readonly sink?: DirectionDescription<SinkCapabilities>;
}

/** One direction of a connector. */
export interface DirectionDescription<Capabilities> {
  /** JSON Schema of the config as users write it. Secrets carry `"secret": true`, URLs that hold one `"secret": "url"`. */
  readonly schema: JsonSchema;
  /** Every field of the config and of the objects in it, an object before its fields. Of all {@link forms}. */
  readonly fields: readonly FieldDescription[];
  /** The forms of a config that is one of several, told apart by a field. Left out when there is one form. */
  readonly forms?: readonly FormDescription<Capabilities>[];
  /** What it can do with {@link example}. Left out when no example is known. */
  readonly capabilities?: Capabilities;
  /** An empty config where that is valid, else the schema's first example, else the first examples of the required fields. */
  readonly example?: unknown;
}

/** One form of a config, `mode: poll` for example. */
export interface FormDescription<Capabilities> {
  /** The field that tells the forms apart, and its value in this one. */
  readonly tag: readonly [field: string, value: unknown];
  /** As in {@link DirectionDescription}. */
  readonly fields: readonly FieldDescription[];
  /** As in {@link DirectionDescription}. */
  readonly capabilities?: Capabilities;
  /** As in {@link DirectionDescription}. */
  readonly example?: unknown;
}

/** Describes a connector by its schemas. Opens nothing. */
export function describeConnector(descriptor: ErasedConnector): ConnectorDescription {
  const { name, title, contract, source, sink } = descriptor;
  return {
    name,
    title,
    contract,
    ...(source ? { source: describeDirection(source) } : {}),
    ...(sink ? { sink: describeDirection(sink) } : {}),
  };
}

interface Half<Capabilities> {
  readonly config: z.ZodType;
  capabilities(config: unknown): Capabilities;
}

function describeDirection<Capabilities>(half: Half<Capabilities>): DirectionDescription<Capabilities> {
  const schema = jsonSchemaOf(half.config);
  const forms = (schema.oneOf ?? []).flatMap((form) => {
    const tag = tagOf(form);
    return tag === undefined
      ? []
      : [{ tag, fields: fieldsOf({ ...form, $defs: schema.$defs ?? {} }), ...ableTo(half, [form]) }];
  });
  return {
    schema,
    fields: fieldsOf(schema),
    ...(forms.length > 0 ? { forms } : {}),
    ...ableTo(half, [schema, ...(schema.oneOf ?? [])]),
  };
}

/** What it can do with the first example that is valid. */
function ableTo<Capabilities>(
  half: Half<Capabilities>,
  schemas: readonly JsonSchema[],
): { readonly capabilities?: Capabilities; readonly example?: unknown } {
  for (const example of schemas.flatMap((schema) => [{}, schema.examples?.[0], requiredOnly(schema)])) {
    const parsed = half.config.safeParse(example);
    if (parsed.success) return { capabilities: half.capabilities(parsed.data), example };
  }
  return {};
}

/** The first field that has one value only. */
function tagOf({ properties = {} }: JsonSchema): readonly [string, unknown] | undefined {
  const [tag] = Object.entries(properties).filter(([, field]) => field.const !== undefined);
  return tag && [tag[0], tag[1].const];
}

/** What a transform or a function would have to be is left open: JSON Schema cannot say it. */
function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  const made: unknown = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  // Through JSON, because zod adds functions to its result; what remains is a JSON Schema object.
  return JSON.parse(JSON.stringify(made)) as JsonSchema;
}

function requiredOnly({ required = [], properties = {} }: JsonSchema): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    required.map((name) => {
      const field = properties[name] ?? {};
      return [name, field.examples?.[0] ?? field.const ?? field.enum?.[0]];
    }),
  );
}
