const labelWidth = 46;
const numberWidth = 12;

/** What the demo prints: a few kinds of lines, all indented and aligned alike, the same with and without a terminal. */
export const screen = {
  heading: (text: string): void => console.log(`\n${text}\n`),
  line: (text = ''): void => console.log(text === '' ? '' : `   ${text}`),
  number: (label: string, value: number): void => screen.line(`${label.padEnd(labelWidth)}${count(value)}`),
};

/** `1,000,000`, right-aligned to be compared with the numbers above and below. */
function count(value: number): string {
  return value.toLocaleString('en-US').padStart(numberWidth);
}
