import { parseDocument, visit } from 'yaml';

/**
 * What a text would be as a scalar of a YAML file: a number, a boolean, null, or itself. So `7200` from a variable is a number
 * wherever it is used. The empty text stays text.
 */
export function scalarOf(text: string): string | number | boolean | null {
  const value = yamlValue(text);
  return typeof value === 'number' || typeof value === 'boolean' || value === null ? value : text;
}

/** Like {@link scalarOf}, but lists and maps in one line (`[a, b]`, `{ a: 1 }`) are taken too. */
export function flowValueOf(text: string): unknown {
  return /^[[{]/.test(text) ? yamlValue(text) : scalarOf(text);
}

function yamlValue(text: string): unknown {
  if (text.trim() === '') return text;
  const document = parseDocument(text, { logLevel: 'silent' });
  if (document.errors.length > 0 || document.warnings.length > 0) return text;
  let aliases = false;
  visit(document, {
    Alias: () => {
      aliases = true;
    },
  });
  if (aliases) return text; // a text like "*x" is no reference to an anchor of the file
  const value: unknown = document.toJS();
  return value ?? (/^(~|null)$/i.test(text.trim()) ? null : text);
}
