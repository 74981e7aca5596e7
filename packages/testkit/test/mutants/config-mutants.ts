import { z } from '@sluice/core/driver';
import { brokenHalves, type Mutant } from './mutant.js';

/** Broken ways to take a config. */
export const configMutants: readonly Mutant[] = [
  {
    behaviour: 'the connector says what it is, and what every field of its config means',
    what: 'does not say what its fields mean',
    says: /fields without a description: server/,
    mutate: brokenHalves(({ config }) => ({ config: objectOf(config).extend({ server: z.string() }) })),
  },
  {
    behaviour: 'an unknown key of the config is refused by its name, at every depth',
    what: 'takes unknown keys',
    says: /the source accepts a config that is wrong/,
    mutate: brokenHalves(({ config }) => ({ config: objectOf(config).loose() })),
  },
  {
    behaviour: 'an unknown key of the config is refused by its name, at every depth',
    what: 'takes unknown keys further inside',
    says: /the source accepts a config that is wrong/,
    mutate: brokenHalves(({ config }) => {
      const schema = objectOf(config);
      const { read, write } = schema.shape;
      const inner = read === undefined ? { write: objectOf(write).loose() } : { read: objectOf(read).loose() };
      return { config: schema.extend(inner) };
    }),
  },
  {
    behaviour: 'a config without a required field is refused, and the field is named',
    what: 'makes up what it is not given',
    says: /the source accepts a config that is wrong/,
    mutate: brokenHalves(({ config }) => ({ config: config.catch({ read: {}, write: {} }) })),
  },
  {
    behaviour: 'all errors of a config are told at once',
    what: 'tells the first error alone',
    says: /does not name "secondUnknown"/,
    mutate: brokenHalves(({ config }) => firstErrorOnly(config)),
  },
  {
    behaviour: 'a refused or redacted config shows no secret',
    what: 'does not know that its password is a secret',
    says: /redacted config of the source shows a secret/,
    mutate: brokenHalves(withOpenPassword),
  },
  {
    behaviour: 'an error of the system shows no secret',
    what: 'lets the password through that its system repeats',
    says: /the error of the source about wrong credentials shows a secret/,
    mutate: brokenHalves(withOpenPassword),
  },
  {
    behaviour: 'importing and describing the connector opens nothing and loads no native client',
    what: 'loads a client when it is imported',
    says: /loads kafkajs/,
    mutate: (connector) => connector,
    modules: {
      healthy: { url: new URL('./lazy-module.ts', import.meta.url).href, name: 'memory' },
      broken: { url: new URL('./eager-module.ts', import.meta.url).href, name: 'memory' },
    },
  },
];

function withOpenPassword({ config }: { readonly config: z.ZodType }): { config: z.ZodType } {
  return { config: objectOf(config).extend({ password: z.string().describe('Password of the system.') }) };
}

function firstErrorOnly(config: z.ZodType): { config: z.ZodType } {
  const schema: z.ZodType = z.unknown().transform((raw, context) => {
    const result = config.safeParse(raw);
    if (result.success) return result.data;
    const [first] = result.error.issues;
    const key = first?.code === 'unrecognized_keys' ? first.keys[0] : first?.path[0];
    context.issues.push({ code: 'custom', input: raw, message: `wrong at ${String(key)}` });
    return z.NEVER;
  });
  return { config: schema };
}

function objectOf(schema: unknown): z.ZodObject {
  if (schema instanceof z.ZodObject) return schema;
  throw new Error('the config is not an object');
}
