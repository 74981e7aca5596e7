import { findPackageJSON } from 'node:module';
import { pathToFileURL } from 'node:url';
import { messageOf } from './message-of.js';

/** What Node says of a file in the syntax of ES modules that it takes for CommonJS. */
const notAModule = /outside a module|^Unexpected token 'export'$|top level bodies of modules/;

/** A file of the user's cannot be imported; the text says where in it and what to do. */
class FileNotImported extends Error {
  override readonly name = 'FileNotImported';
}

/**
 * The exports of a file that the user named, by its absolute path.
 *
 * @throws {FileNotImported} also when the file itself throws
 */
export async function importFile(file: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    // A module namespace is an object of its exports.
    return (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  } catch (error) {
    throw new FileNotImported(whyNotImported(error), { cause: error });
  }
}

function whyNotImported(error: unknown): string {
  const text = messageOf(error);
  if (!(error instanceof SyntaxError)) return text;
  // The only place where Node names the file, which may be one that the user's file imports.
  const [, file, line] = /^(?:file:\/\/)?(.+):(\d+)\n/.exec(error.stack ?? '') ?? [];
  if (file === undefined) return text;
  if (!notAModule.test(text)) return `${file}:${line}: ${text}`;
  const manifest = findPackageJSON(pathToFileURL(file)) ?? 'its package.json';
  return `${file}:${line} is written as an ES module, and Node takes it for CommonJS: set "type": "module" in ${manifest}, or let its name end with .mts or .mjs`;
}
