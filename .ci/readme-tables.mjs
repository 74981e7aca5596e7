// Writes the tables of options and capabilities into the README of every built connector, between
// <!-- generated:source-config -->, <!-- generated:sink-config --> or <!-- generated:capabilities --> and <!-- /generated -->.
// With --check it only compares.
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { isConnector } from '../packages/core/dist/define-connector.js';
import { describeConnector } from '../packages/core/dist/describe.js';
import { report } from './problems.mjs';

const closing = '<!-- /generated -->';
const command = 'pnpm build && node .ci/readme-tables.mjs';
const check = process.argv.includes('--check');
const problems = [];
let written = 0;

for (const source of globSync('packages/*/src/connector.ts').sort()) {
  const folder = dirname(dirname(source));
  const built = `${folder}/dist/connector.js`;
  if (!existsSync(built)) {
    problems.push(`${folder}: not built; run "${command}"`);
    continue;
  }
  const connector = Object.values(await import(pathToFileURL(built).href)).find(isConnector);
  if (connector) update(`${folder}/README.md`, blocksOf(connector.descriptor, source));
}
report(problems, `${written} READMEs have the tables of their schemas`);

function update(file, blocks) {
  if (!existsSync(file)) {
    problems.push(
      `${file}: missing; write it with ${[...blocks.keys()].map(opening).join(', ')}, each closed by ${closing}`,
    );
    return;
  }
  const old = readFileSync(file, 'utf8');
  let text = old;
  for (const [name, content] of blocks) {
    const from = text.indexOf(opening(name));
    const to = text.indexOf(closing, from);
    // Another opening in between: this block is not closed.
    if (from < 0 || to < 0 || text.slice(from + 1, to).includes('<!-- generated:')) {
      problems.push(`${file}: no ${opening(name)} … ${closing}; put it where the table belongs and run "${command}"`);
    } else {
      text = `${text.slice(0, from)}${opening(name)}\n\n${content}\n\n${text.slice(to)}`;
    }
  }
  if (check && text !== old) problems.push(`${file}: its tables are not those of the schemas; run "${command}"`);
  if (!check && text !== old) writeFileSync(file, text);
  written += 1;
}

function opening(name) {
  return `<!-- generated:${name} -->`;
}

function blocksOf(descriptor, file) {
  const directions = Object.entries(describeConnector(descriptor)).filter(([, value]) => value.fields);
  const blocks = new Map(directions.map(([name, half]) => [`${name}-config`, optionsOf(half)]));
  for (const [name, half] of directions) {
    if ((half.forms ?? [half]).some(({ capabilities }) => !capabilities))
      problems.push(`${file}: no example of a ${name} config; give required fields .meta({ examples: [...] })`);
  }
  return blocks.set('capabilities', directions.flatMap(capabilitiesTables).join('\n\n'));
}

// Of a config with several forms, first what all of them have, then what is special in each.
function optionsOf({ fields, forms = [] }) {
  if (forms.length < 2) return optionsTable(fields);
  const texts = forms.map((form) => new Set(form.fields.map(JSON.stringify)));
  const isShared = (field) => texts.every((text) => text.has(JSON.stringify(field)));
  const parts = forms.map(({ tag, fields: own }) => {
    return `With ${code(tag.join(': '))} also:\n\n${optionsTable(own.filter((field) => !isShared(field)))}`;
  });
  return [optionsTable(fields.filter(isShared)), ...parts].join('\n\n');
}

function optionsTable(fields) {
  if (fields.length === 0) return 'It has no options.';
  const rows = fields.map(({ path, type, default: value, required, secret, description }) => [
    code(path),
    code(type),
    required ? 'required' : value === undefined ? '' : code(JSON.stringify(value)),
    [secret ? '**Secret.**' : '', description].filter(Boolean).join(' '),
  ]);
  return table(['Option', 'Type', 'Default', 'Description'], rows);
}

function capabilitiesTables([name, half]) {
  const title = `${name[0].toUpperCase()}${name.slice(1)}`;
  return (half.forms ?? [half]).map((form) => capabilitiesTable(title, form));
}

function capabilitiesTable(title, { capabilities = {}, example = {} }) {
  const config = Object.keys(example).length === 0 ? 'the default config' : code(JSON.stringify(example));
  const rows = flat(capabilities).map(([path, value]) => [code(path), code(String(value))]);
  return `${title}, with ${config}:\n\n${table(['Capability', 'Value'], rows)}`;
}

function flat(value, prefix = '') {
  return Object.entries(value).flatMap(([name, inner]) =>
    typeof inner === 'object' ? flat(inner, `${prefix}${name}.`) : [[`${prefix}${name}`, inner]],
  );
}

function table(head, rows) {
  const line = (cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function code(text) {
  return text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``;
}
