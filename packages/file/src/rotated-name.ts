/** A number, a date or both, with what sets it off: `.1`, `-20260131`, `.2026-01-31.2`. */
const mark = /^[.-]\d[\dT:_.-]*$/;

/** The name for the `number`th file that was written as `name`. It keeps its extensions, so that globs and decompression still fit. */
export function rotatedName(name: string, number: number): string {
  const [stem, extensions] = splitName(name);
  return `${stem}.${String(number).padStart(6, '0')}${extensions}`;
}

/** The number in a name that {@link rotatedName} made of `name`, or undefined. */
export function rotationNumber(name: string, other: string): number | undefined {
  const [stem, extensions] = splitName(name);
  const digits = /^\.(\d{6,15})$/.exec(between(other, stem, extensions) ?? '')?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/**
 * Whether a log called `name` may be called `other` after rotation: `app.log.1`, `app.log-20260131`, `app.2026-01-31.log`. A
 * compressed one is not taken for it.
 */
export function isRotatedName(name: string, other: string): boolean {
  const [stem, extensions] = splitName(name);
  return [between(other, name, ''), between(other, stem, extensions)].some(
    (part) => part !== undefined && mark.test(part),
  );
}

/** `data.ndjson.gz` has the extensions `.ndjson.gz`, `my.app.log` has `.log`. */
function splitName(name: string): readonly [stem: string, extensions: string] {
  const extensions = /(?<=.)(?:\.[^.]+)?\.(?:gz|zst)$|(?<=.)\.[^.]+$/.exec(name)?.[0] ?? '';
  return [name.slice(0, name.length - extensions.length), extensions];
}

/** What of `text` lies between a start and an end that it has, or undefined. */
function between(text: string, start: string, end: string): string | undefined {
  const fits = text.length > start.length + end.length && text.startsWith(start) && text.endsWith(end);
  return fits ? text.slice(start.length, text.length - end.length) : undefined;
}
