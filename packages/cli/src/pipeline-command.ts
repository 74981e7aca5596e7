import { type Command, Option } from 'commander';
import { type ExitCode, exitCodeOf } from './exit-code.js';
import type { Output } from './output.js';
import { secretsIn } from './part.js';
import { type LoadedPipeline, loadPipeline } from './pipeline-file/load.js';
import type { Override } from './pipeline-file/override.js';
import { badInput } from './problem.js';

/** What every command gets. */
export interface Cli {
  readonly output: Output;
  /** Called with what the command says at its end. */
  readonly end: (code: ExitCode) => void;
}

/** Options that every command on a pipeline has. */
export interface PipelineOptions {
  readonly file?: readonly string[];
  readonly envFile?: readonly string[];
  readonly json?: boolean;
  readonly debug?: boolean;
}

/** One call of a command on a pipeline. */
export interface Job<Options> {
  readonly options: Options & PipelineOptions;
  readonly output: Output;
  /** @throws {BadInput} with every problem of the pipeline file */
  load(): Promise<LoadedPipeline>;
}

/** Adds a command that works on a pipeline: it takes files, `--env-file`, and an option for every field of the pipeline. */
export function addPipelineCommand<Options extends object>(
  parent: Command,
  cli: Cli,
  spec: { readonly name: string; readonly summary: string; readonly options?: readonly Option[] },
  act: (job: Job<Options>) => Promise<ExitCode>,
): Command {
  const command = parent
    .command(spec.name)
    .description(spec.summary)
    .argument('[files...]', 'pipeline files (.yaml, .toml, .json, .ts), merged in order')
    .addOption(new Option('-f, --file <file>', 'a pipeline file; may be repeated').argParser(collect))
    .addOption(new Option('--env-file <file>', 'a file of VAR=value lines; may be repeated').argParser(collect))
    .option('--json', 'print results as JSON')
    .option('--debug', 'print errors with their stack')
    .allowUnknownOption()
    .addHelpText(
      'after',
      '\nEvery field of the pipeline is an option too: --source-port 7300, --batch-max-messages 10.',
    );
  for (const option of spec.options ?? []) command.addOption(option);
  return command.action(async () => {
    // Commander fills this object from the options that are declared above.
    const options = command.opts() as Options & PipelineOptions;
    const output = cli.output.with({ json: options.json ?? false, debug: options.debug ?? false });
    try {
      const job = { options, output, load: () => load(command, options, output) };
      cli.end(await act(job));
    } catch (error) {
      output.failure(error);
      cli.end(exitCodeOf(error));
    }
  });
}

async function load(command: Command, options: PipelineOptions, output: Output): Promise<LoadedPipeline> {
  const { files, overrides } = splitArguments(command.args);
  const loaded = await loadPipeline({
    files: [...files, ...(options.file ?? [])],
    envFiles: options.envFile ?? [],
    overrides,
    environment: process.env,
    options: command.options.flatMap(({ long }) => (long ? [long.slice(2)] : [])),
    onSecret: (secret) => output.hide([secret]),
  });
  output.hide(secretsIn(loaded.definition));
  return loaded;
}

/** What commander does not know: names of files, and overrides with their value. */
export function splitArguments(args: readonly string[]): {
  readonly files: readonly string[];
  readonly overrides: readonly Override[];
} {
  const files: string[] = [];
  const overrides: Override[] = [];
  for (let at = 0; at < args.length; at++) {
    const argument = args[at] ?? '';
    if (!/^-./.test(argument)) {
      files.push(argument);
      continue;
    }
    const [, name, inline] = /^--([a-z0-9][\w-]*)(?:=(.*))?$/is.exec(argument) ?? [];
    if (name === undefined) throw badInput(`unknown option ${argument}; see sluice --help`);
    const text = inline ?? args[++at];
    if (text === undefined) throw badInput(`option --${name} needs a value, as in --${name} <value>`);
    overrides.push({ name, text });
  }
  return { files, overrides };
}

function collect(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value];
}
