/** One part of a template: text, or what makes the text from the message's index. */
type Part = string | ((index: number) => string);

/** Payloads by the index of their message. */
export type MakePayload = (index: number) => Uint8Array;

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
/** Twice the largest payload, so that neighbours differ, and small enough to stay in the processor's cache. */
const poolBytes = 65_536;

/** Slices of one random text: nothing is copied, so making a payload costs next to nothing. */
export function randomPayloads(seed: number, size: number): MakePayload {
  const pool = new Uint8Array(poolBytes);
  for (let at = 0; at < poolBytes; at++)
    pool[at] = alphabet.charCodeAt(Math.floor(randomAt(seed, at) * alphabet.length));
  return (index) => {
    const start = Math.floor(randomAt(seed, index) * (poolBytes - size));
    return pool.subarray(start, start + size);
  };
}

/** Payloads of a template that {@link placeholders} found no problem in. */
export function templatePayloads(seed: number, template: string): MakePayload {
  const { parts } = placeholders(template, seed);
  return (index) => {
    let text = '';
    for (const part of parts) text += typeof part === 'string' ? part : part(index);
    return Buffer.from(text);
  };
}

/** The parts of a template. A brace that opens no word, as in JSON, is text. */
export function placeholders(
  template: string,
  seed = 0,
): { readonly parts: readonly Part[]; readonly problems: readonly string[] } {
  const parts: Part[] = [];
  const problems: string[] = [];
  for (const [column, text] of template.split(/(\{[A-Za-z][\w.:-]*\})/).entries()) {
    const part = text.startsWith('{') ? placeholder(text, seed + column * 7919) : text;
    if (part === undefined)
      problems.push(`has no placeholder ${text}; there are {index}, {random} and {random:from:to}`);
    else if (part !== '') parts.push(part);
  }
  return { parts, problems };
}

function placeholder(text: string, seed: number): Part | undefined {
  if (text === '{index}') return String;
  if (text === '{random}') return (index) => randomAt(seed, index).toFixed(6);
  const [, from, to] = /^\{random:(-?\d+):(-?\d+)\}$/.exec(text) ?? [];
  if (from === undefined || to === undefined)
    return /^\{(index|random)\b/.test(text) || /^\{\w+\}$/.test(text) ? undefined : text;
  const low = Number(from);
  const span = Number(to) - low + 1;
  return (index) => String(low + Math.floor(randomAt(seed, index) * span));
}

/** The number from 0 to 1 that belongs to a seed and an index: a source that resumes makes the same messages. (splitmix32) */
function randomAt(seed: number, index: number): number {
  let z = (Math.imul(seed, 0x9e3779b9) ^ Math.imul(index + 1, 0x85ebca6b)) >>> 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return ((z ^ (z >>> 15)) >>> 0) / 4_294_967_296;
}
