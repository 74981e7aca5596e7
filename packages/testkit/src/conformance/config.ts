import { describeConnector, isConnectorError, redactConfig } from '@sluice/core/driver';
import type { Behaviour } from './behaviour.js';
import { describeInChild } from './describe-run.js';
import { directionsOf, firstFailure } from './first-failure.js';
import type { Direction } from './halves.js';
import { expectNoSecret } from './printed.js';
import { isUnable, type Subject } from './subject.js';
import type { Trial } from './trial.js';
import { wrongPlaces } from './wrong-places.js';

/** What a user meets before anything is opened. */
export const configBehaviours: readonly Behaviour[] = [
  {
    title: 'the connector says what it is, and what every field of its config means',
    area: 'config',
    inapplicable: () => undefined,
    async run({ harness }) {
      const description = describeConnector(harness.connector);
      if (description.title.trim() !== description.title || description.title === '')
        throw new Error(`the title "${description.title}" is empty or has space around it`);
      for (const half of [description.source, description.sink]) {
        const silent = half?.fields.filter((field) => field.description.trim() === '') ?? [];
        if (silent.length > 0)
          throw new Error(`fields without a description: ${silent.map(({ path }) => path).join(', ')}`);
      }
    },
  },
  {
    title: 'an unknown key of the config is refused by its name, at every depth',
    area: 'config',
    inapplicable: () => undefined,
    async run(trial) {
      for (const { direction, config } of await placeConfigs(trial)) {
        for (const path of strictPaths(trial, direction, config)) {
          const named = [...path, unknownKey].join('.');
          expectRefused(trial, direction, withUnknownKey(config, path), [named]);
        }
      }
    },
  },
  {
    title: 'a config without a required field is refused, and the field is named',
    area: 'config',
    inapplicable: (subject) =>
      requiredAnywhere(subject) ? undefined : { because: 'its config has no required field' },
    async run(trial) {
      for (const { direction, config } of await placeConfigs(trial)) {
        for (const field of requiredFields(trial.harness.connector, direction, config))
          expectRefused(trial, direction, without(config, field), [field]);
      }
    },
  },
  {
    title: 'all errors of a config are told at once',
    area: 'config',
    inapplicable: () => undefined,
    async run(trial) {
      for (const { direction, config } of await placeConfigs(trial)) {
        const [field] = requiredFields(trial.harness.connector, direction, config);
        const broken = {
          ...(field === undefined ? config : without(config, field)),
          firstUnknown: 1,
          secondUnknown: 2,
        };
        expectRefused(trial, direction, broken, [
          'firstUnknown',
          'secondUnknown',
          ...(field === undefined ? [] : [field]),
        ]);
      }
    },
  },
  {
    title: 'a refused or redacted config shows no secret',
    area: 'config',
    inapplicable: ({ harness }) => (harness.secrets.length > 0 ? undefined : noSecrets),
    async run(trial) {
      const { connector, secrets } = trial.harness;
      for (const { direction, config } of await placeConfigs(trial)) {
        for (const path of strictPaths(trial, direction, config)) {
          const error = refusal(trial, direction, withUnknownKey(config, path, secrets[0]));
          expectNoSecret(error, secrets, `the error about an unknown key of the ${direction}`);
        }
        const schema = connector[direction]?.config;
        if (schema !== undefined)
          expectNoSecret(redactConfig(schema, config), secrets, `the redacted config of the ${direction}`);
      }
      expectNoSecret(describeConnector(connector), secrets, 'the description of the connector');
    },
  },
  {
    title: 'an error of the system shows no secret',
    area: 'config',
    inapplicable: (subject) => {
      if (subject.harness.secrets.length === 0) return noSecrets;
      const places = wrongPlaces(subject);
      return places.length > 0 ? undefined : { because: 'its harness has no config that fails' };
    },
    async run(trial) {
      for (const { direction, place, what } of wrongPlaces(trial)) {
        const error = await firstFailure(trial, direction, place);
        expectNoSecret(error, trial.harness.secrets, `the error of the ${direction} about ${what}`);
      }
      expectNoSecret(trial.told.notices, trial.harness.secrets, 'a notice');
    },
  },
  {
    title: 'importing and describing the connector opens nothing and loads no native client',
    area: 'config',
    inapplicable: ({ harness: { module } }) => (isUnable(module) ? module : undefined),
    async run({ harness: { module }, patienceMs }) {
      if (isUnable(module)) return;
      const { loaded, open } = await describeInChild(module, Math.max(patienceMs, 5000));
      if (open.length > 0) throw new Error(`importing and describing the connector leaves open: ${open.join(', ')}`);
      const foreign = loaded.map(packageOf).filter((name) => name !== undefined && !ofSluice.test(name));
      if (foreign.length > 0)
        throw new Error(
          `importing and describing the connector loads ${[...new Set(foreign)].join(', ')}: import that when it is opened`,
        );
    },
  },
];

const unknownKey = 'noSuchField';
const noSecrets = { because: 'its config holds no secret' };
/** What the core itself is made of is loaded before. */
const ofSluice = /^@sluice\//;

/** Name of the package that a module came from; undefined for one outside of `node_modules`. */
function packageOf(url: string): string | undefined {
  return /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1];
}

type Config = Readonly<Record<string, unknown>>;

async function placeConfigs(trial: Trial): Promise<{ readonly direction: Direction; readonly config: Config }[]> {
  const configs: { direction: Direction; config: Config }[] = [];
  for (const direction of directionsOf(trial)) {
    const half = trial.harness[direction];
    if (half === undefined) continue;
    const { config } = await (direction === 'source' ? trial.sourcePlace() : trial.sinkPlace());
    if (!isConfig(config)) throw new Error(`the config of a place of the ${direction} is not an object`);
    configs.push({ direction, config });
  }
  return configs;
}

function isConfig(value: unknown): value is Config {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parse(trial: Trial, direction: Direction, config: unknown): void {
  if (direction === 'source') trial.sourceOf({ config });
  else trial.sinkOf({ config });
}

/** What a wrong config is answered with. */
function refusal(trial: Trial, direction: Direction, config: unknown): Error {
  try {
    parse(trial, direction, config);
  } catch (error) {
    if (isConnectorError(error) && error.code === 'config_invalid') return error;
    throw new Error(`the ${direction} refuses a wrong config with another error than config_invalid`, { cause: error });
  }
  throw new Error(`the ${direction} accepts a config that is wrong: ${JSON.stringify(Object.keys(config ?? {}))}`);
}

function expectRefused(trial: Trial, direction: Direction, config: unknown, names: readonly string[]): void {
  const { message } = refusal(trial, direction, config);
  const missing = names.filter((name) => !message.includes(name));
  if (missing.length > 0)
    throw new Error(`the ${direction} does not name "${missing.join('", "')}" when it refuses a config: ${message}`);
}

/** Where the config holds objects whose keys are known: the root, and what is an object in it. */
function strictPaths(trial: Trial, direction: Direction, config: Config): readonly (readonly string[])[] {
  const fields = describeConnector(trial.harness.connector)[direction]?.fields ?? [];
  const nested = Object.entries(config).filter(
    ([name, value]) =>
      isConfig(value) &&
      fields.some(({ path }) => path.startsWith(`${name}.`)) &&
      !fields.some(({ path }) => path.startsWith(`${name}.*`)),
  );
  return [[], ...nested.map(([name]) => [name])];
}

function withUnknownKey(config: Config, [name]: readonly string[], value: unknown = 'value'): Config {
  if (name === undefined) return { ...config, [unknownKey]: value };
  const inner = config[name];
  return { ...config, [name]: { ...(isConfig(inner) ? inner : {}), [unknownKey]: value } };
}

function without(config: Config, field: string): Config {
  return Object.fromEntries(Object.entries(config).filter(([name]) => name !== field));
}

/** Of a config that has several forms, those of its form without the field that tells the forms apart; of all forms when there is none. */
function requiredFields(
  connector: Subject['harness']['connector'],
  direction: Direction,
  config?: Config,
): readonly string[] {
  const description = describeConnector(connector)[direction];
  if (description?.forms === undefined) return description?.schema.required ?? [];
  return description.forms
    .filter(({ tag: [field, value] }) => config === undefined || config[field] === value)
    .flatMap(({ tag: [tag], fields }) =>
      fields.filter(({ path, required }) => required && path !== tag && !/[.[]/.test(path)).map(({ path }) => path),
    );
}

function requiredAnywhere({ harness }: Subject): boolean {
  return (['source', 'sink'] as const).some(
    (direction) => harness[direction] !== undefined && requiredFields(harness.connector, direction).length > 0,
  );
}
