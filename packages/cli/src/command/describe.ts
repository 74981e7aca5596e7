import { type ConnectorDescription, describeConnector } from '@sluice/core/driver';
import type { Command } from 'commander';
import { z } from 'zod';
import { type ExitCode, exitCode, exitCodeOf } from '../exit-code.js';
import { findConnector } from '../find-connector.js';
import { loadConnectors } from '../list-connectors.js';
import type { Output } from '../output.js';
import type { Cli } from '../pipeline-command.js';
import { pipelineFileSchema } from '../pipeline-file/json-schema.js';
import { PipelineFile } from '../pipeline-file/schema.js';
import { badInput } from '../problem.js';
import { ConnectorNotFound, type ResolvedConnector } from '../resolve-connector.js';

interface DescribeOptions {
  readonly schema?: boolean;
  readonly json?: boolean;
}

/** `sluice describe`: shows the fields of pipeline files and of connectors. */
export function addDescribe(program: Command, cli: Cli): void {
  program
    .command('describe')
    .description('show the fields of a connector, or of pipeline files')
    .argument('[connector]', 'as a pipeline file names it')
    .option('--schema', 'print the JSON Schema of pipeline files, with the connectors that are installed')
    .option('--json', 'print results as JSON')
    .action(async (connector: string | undefined, options: DescribeOptions) => {
      const output = cli.output.with({ json: options.json ?? false, debug: false });
      try {
        cli.end(await describe(connector, options, output));
      } catch (error) {
        output.failure(error);
        cli.end(exitCodeOf(error));
      }
    });
}

async function describe(connector: string | undefined, options: DescribeOptions, output: Output): Promise<ExitCode> {
  if (options.schema === true) {
    if (connector !== undefined)
      throw badInput('--schema is of pipeline files as a whole; leave the connector out, or use --json');
    const schema = pipelineFileSchema(await loadConnectors(process.cwd()));
    output.result(schema, JSON.stringify(schema, undefined, 2));
  } else if (connector === undefined) {
    const { properties = {} } = z.toJSONSchema(PipelineFile, { io: 'input' });
    const fields = Object.entries(properties).map(([name, field]) => ({ name, description: descriptionOf(field) }));
    output.result(
      fields,
      [
        'Fields of pipeline files:',
        ...fields.map(({ name, description }) => `  ${name.padEnd(18)}${description}`),
      ].join('\n'),
    );
  } else {
    await describeOne(connector, output);
  }
  return exitCode.done;
}

type Fields = NonNullable<ConnectorDescription['source']>['fields'];

async function describeOne(name: string, output: Output): Promise<void> {
  const { connector, from } = await resolve(name);
  const description = describeConnector(connector.descriptor);
  const lines = (['source', 'sink'] as const).flatMap((direction) => {
    const half = description[direction];
    if (half === undefined) return [];
    const forms = half.forms ?? [{ fields: half.fields }];
    return forms.flatMap((form) => {
      const title = 'tag' in form ? `${direction}, ${form.tag.join(': ')}:` : `${direction}:`;
      return ['', title, ...fieldLines(form.fields)];
    });
  });
  output.result(description, [`${description.name}: ${description.title} (${from})`, ...lines].join('\n'));
}

function fieldLines(fields: Fields): readonly string[] {
  if (fields.length === 0) return ['  no fields'];
  return fields.map((field) => {
    const facts = [
      field.type,
      field.required ? 'required' : '',
      field.secret ? 'secret' : '',
      field.default === undefined ? '' : `default ${JSON.stringify(field.default)}`,
    ];
    return `  ${field.path}  (${facts.filter(Boolean).join(', ')})\n      ${field.description}`;
  });
}

async function resolve(name: string): Promise<ResolvedConnector> {
  try {
    return await findConnector(name, [process.cwd()]);
  } catch (error) {
    throw error instanceof ConnectorNotFound ? badInput(error.message, undefined, error) : error;
  }
}

function descriptionOf(field: unknown): string {
  return typeof field === 'object' && field !== null && 'description' in field ? String(field.description) : '';
}
