#!/usr/bin/env node
import { tooOldNode } from './version.js';

const problem = tooOldNode(process.versions.node);
if (problem === undefined) {
  // Only now, because an older Node.js does not even load the modules of the command.
  void import('./main.js');
} else {
  process.stderr.write(`${problem}\n`);
  process.exitCode = 2;
}
