// Every package.json has the same keys in the same order and the same scripts, every version a place in its CHANGELOG, every
// connector's README the same headings, and the versions of the toolchain agree wherever they stand.
import { existsSync, globSync, readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { isConnector } from './connectors.mjs';
import { report } from './problems.mjs';

const keys =
  `name version description keywords license repository type sideEffects engines bin exports files publishConfig
  scripts dependencies peerDependencies peerDependenciesMeta devDependencies`.split(/\s+/);
/** What is the same in every package, except for its own folder. */
const same = (folder) => ({
  license: 'Apache-2.0',
  repository: { type: 'git', url: 'git+https://github.com/sluice-hub/sluice.git', directory: folder },
  type: 'module',
  sideEffects: false,
  engines: { node: '>=22.18.0' },
  files: ['dist', 'src'],
  publishConfig: { access: 'public', provenance: true },
  scripts: {
    build: 'tsc -p tsconfig.build.json',
    typecheck: 'tsc -p tsconfig.json',
    lint: 'oxlint -c ../../oxlint.json --type-aware --deny-warnings',
    'lint:package': 'publint --strict && attw --pack . --profile esm-only',
  },
});
const peerRange = '>=0.1 <1';
const headings = [
  'Install',
  'Source',
  'Sink',
  'Terms',
  'Delivery and order',
  'Configuration',
  'Errors',
  'Supported versions',
  'Limits',
  'License',
];

const read = (path) => readFileSync(path, 'utf8');
const problems = [];
for (const path of globSync('packages/*/package.json').sort()) {
  const folder = dirname(path);
  const manifest = JSON.parse(read(path));
  problems.push(...manifestProblems(manifest, folder).map((problem) => `${path}: ${problem}`));
  for (const config of ['tsconfig.json', 'tsconfig.build.json']) {
    if (folder === 'packages/cli') continue; // a command: nothing can be imported from it, so it has no declarations
    if (read(`${folder}/${config}`) !== read(`packages/core/${config}`)) {
      problems.push(
        `${folder}/${config}: differs from that of packages/core; what differs belongs into tsconfig.base.json`,
      );
    }
  }
  if (isConnector(folder) && existsSync(`${folder}/README.md`)) problems.push(...readmeProblems(`${folder}/README.md`));
}
problems.push(...toolchainProblems());
report(problems, 'manifests, READMEs and toolchain versions agree');

function manifestProblems(manifest, folder) {
  const found = [];
  const own = Object.keys(manifest);
  for (const key of own.filter((name) => !keys.includes(name))) found.push(`"${key}" is in no other package`);
  const sorted = own.toSorted((a, b) => keys.indexOf(a) - keys.indexOf(b));
  if (own.join() !== sorted.join()) found.push(`keys are not in the order ${sorted.join(', ')}`);
  for (const [key, value] of Object.entries(same(folder))) {
    if (JSON.stringify(manifest[key]) !== JSON.stringify(value)) found.push(`"${key}" is not ${JSON.stringify(value)}`);
  }
  const names = [`@sluice/${basename(folder)}`, basename(folder)];
  if (!names.includes(manifest.name)) found.push(`"name" is not ${names[0]}`);
  if (isConnector(folder)) found.push(...connectorProblems(manifest));
  const changelog = `${folder}/CHANGELOG.md`;
  if (!existsSync(changelog) || !read(changelog).includes(`\n## ${manifest.version}\n`))
    found.push(`${changelog} does not say what ${manifest.version} brings`);
  return found;
}

/** A connector takes core from the application, so that there is one copy of it. */
function connectorProblems({ dependencies = {}, peerDependencies = {}, devDependencies = {} }) {
  const found = [];
  if (peerDependencies['@sluice/core'] !== peerRange) found.push(`peer dependency @sluice/core is not "${peerRange}"`);
  if (devDependencies['@sluice/core'] !== 'workspace:^') found.push('dev dependency @sluice/core is not "workspace:^"');
  for (const name of Object.keys(dependencies).filter((dependency) => dependency.startsWith('@sluice/'))) {
    found.push(`depends on ${name}; a connector has core as a peer and nothing else of Sluice`);
  }
  return found;
}

function readmeProblems(path) {
  const withoutCode = read(path).replaceAll(/^```.*?^```/gms, '');
  const found = [...withoutCode.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
  // A connector that only reads or only writes leaves the other heading out.
  const expected = headings.filter((heading) => !/^(Source|Sink)$/.test(heading) || found.includes(heading));
  if (found.join() === expected.join()) return [];
  return [`${path}: headings are ${found.join(', ') || 'none'}; every connector has ${expected.join(', ')}`];
}

function toolchainProblems() {
  const { packageManager } = JSON.parse(read('package.json'));
  const wanted = { pnpm: packageManager.replace('pnpm@', '') };
  const found = [];
  for (const path of ['package.json', '.ci/run', ...globSync(['*.md', '.github/**/*.yml'])]) {
    for (const [, tool, version] of read(path).matchAll(/\b(node|pnpm)@(\d+\.\d+\.\d+)/g)) {
      wanted[tool] ??= version;
      if (version !== wanted[tool]) found.push(`${path}: ${tool}@${version}, but ${tool}@${wanted[tool]} elsewhere`);
    }
  }
  return found;
}
