// The repository looks as CONTRIBUTING.md says: folders, file names, file lengths, and tests that all run.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { isConnector } from './connectors.mjs';
import { report } from './problems.mjs';

const root = new Set(
  `.changeset .ci .github .gitignore biome.json CODE_OF_CONDUCT.md CONTRIBUTING.md DESIGN.md examples knip.json LICENSE
  oxlint.json package.json packages pnpm-lock.yaml pnpm-workspace.yaml README.md SECURITY.md templates tsconfig.base.json
  turbo.json vitest.config.ts`.split(/\s+/),
);
const forbiddenStems = /^(utils?|helpers?|common|shared|misc|types?|constants?|base|manager)$/;
const maxLines = 300;

const inGit = ['ls-files', '--cached', '--others', '--exclude-standard', '-z'];
const files = execFileSync('git', inGit, { encoding: 'utf8' })
  .split('\0')
  .filter((file) => file && existsSync(file));
const code = files.filter((file) => /\.(ts|mts|js|mjs)$/.test(file));
const packages = [...new Set(files.flatMap((file) => /^(packages|templates)\/[^/]+(?=\/)/.exec(file)?.[0] ?? []))];
const problems = [
  ...files.filter((file) => !root.has(file.split('/')[0])).map((file) => `${file}: not a place for files`),
];

for (const file of code) {
  const [stem] = basename(file).split('.');
  if (forbiddenStems.test(stem)) problems.push(`${file}: "${stem}" names no concept; call it by what it is`);
  const text = readFileSync(file, 'utf8');
  const lines = text.split('\n').length - 1;
  if (lines > maxLines) problems.push(`${file}: ${lines} lines, ${maxLines} at the most; split it`);
  if (file.endsWith('.test.ts')) problems.push(...testsThatDoNotRun(file, text));
}
for (const folder of packages) {
  const expected = ['package.json', 'README.md', 'tsconfig.json', 'tsconfig.build.json'];
  if (isConnector(folder)) expected.push('src/index.ts', 'src/connector.ts', 'src/config.ts', 'src/error.ts');
  for (const file of expected) {
    if (!files.includes(`${folder}/${file}`))
      problems.push(`${folder}/${file}: missing; every package of this kind has it`);
  }
}
report(problems, `${files.length} files in their places`);

function testsThatDoNotRun(file, text) {
  const marks = /\b(?:describe|suite|it|test)(?:\.\w+)*?\.(?:only|skip|skipIf|runIf|todo|fails)\b|\bretry: *[1-9]/g;
  return [...text.matchAll(marks)].map(({ 0: mark, index }) => {
    const line = text.slice(0, index).split('\n').length;
    return `${file}:${line}: "${mark}": every test runs, once, and passes`;
  });
}
