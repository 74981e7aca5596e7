// The lockfile has every native package for Linux and macOS on x64 and arm64. A lockfile that was written against an
// incomplete mirror silently lacks optional packages, and then fails on other people's machines.
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { report } from './problems.mjs';

const wanted = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64'];
const platformSuffix = /[-./](android|aix|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32|windows|win).*$/;

const { packages } = parse(readFileSync('pnpm-lock.yaml', 'utf8'));
const families = new Map();
for (const [id, { os, cpu }] of Object.entries(packages)) {
  if (!os || !cpu) continue;
  const at = id.lastIndexOf('@');
  const family = `${id.slice(0, at).replace(platformSuffix, '')}${id.slice(at)}`;
  const platforms = families.get(family) ?? new Set();
  for (const system of os) for (const processor of cpu) platforms.add(`${system}-${processor}`);
  families.set(family, platforms);
}

const problems = [];
for (const [family, platforms] of families) {
  const missing = wanted.filter((platform) => !platforms.has(platform));
  if (missing.length > 0) {
    problems.push(`pnpm-lock.yaml has no ${family} for ${missing.join(', ')}. Pin a version that has them all.`);
  }
}
report(problems, `${families.size} families of native packages, all complete`);
