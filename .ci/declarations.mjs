// The types of every package compile where only it and its dependencies are installed: what its declarations import, from
// its doors on, is a dependency that brings types or has them in a dependency beside it.
import { globSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join } from 'node:path';
import { report } from './problems.mjs';

const read = (path) => readFileSync(path, 'utf8');
const problems = [];
const manifests = globSync('packages/*/package.json').sort();
for (const path of manifests) {
  const folder = dirname(path);
  const { exports = {}, dependencies, peerDependencies } = JSON.parse(read(path));
  const installed = { ...dependencies, ...peerDependencies };
  const doors = Object.values(exports).flatMap(({ types }) => (types === undefined ? [] : [join(folder, types)]));
  for (const [name, file] of importedFrom(doors)) {
    const types = `@types/${name.replace(/^@(.+)\//, '$1__')}`;
    if (name in installed && (types in installed || bringsTypes(join(folder, 'node_modules', name)))) continue;
    problems.push(`${path}: ${file} imports ${name}, so that (or ${types}) belongs into its dependencies`);
  }
}
report(problems, `the declarations of ${manifests.length} packages import nothing that is not installed with them`);

/** Every package that these files and those that they import name, with the first file that does. */
function importedFrom(doors) {
  const packages = new Map();
  const files = new Set(doors);
  for (const file of files) {
    for (const [, name] of withoutComments(file).matchAll(/(?:\bfrom |\bimport ?\(?)['"]([^'"]+)['"]/g)) {
      if (name.startsWith('.')) files.add(join(dirname(file), name.replace(/\.js$/, '.d.ts')));
      else if (!name.startsWith('node:') && !builtinModules.includes(name)) {
        const [found] = /^(?:@[^/]+\/)?[^/]+/.exec(name);
        if (!packages.has(found)) packages.set(found, file);
      }
    }
  }
  return packages;
}

/** Their examples import what a program does. */
function withoutComments(file) {
  return read(file).replaceAll(/\/\*.*?\*\//gs, '');
}

function bringsTypes(folder) {
  const { types, typings, exports } = JSON.parse(read(join(folder, 'package.json')));
  return types !== undefined || typings !== undefined || JSON.stringify(exports ?? {}).includes('.d.');
}
