// Imports and describes a connector, and tells what that loaded and left open. Then it has nothing more to do, and must end.
import { registerHooks } from 'node:module';
import { describeConnector, isConnector } from '@sluice/core/driver';
import type { Described, DescribeOrder } from './describe-run.js';

// The only program that passes this argument is describe-run.ts.
const order = JSON.parse(process.argv[2] ?? '') as DescribeOrder;
const loaded: string[] = [];
registerHooks({
  load: (url, context, next) => {
    loaded.push(url);
    return next(url, context);
  },
});

// Node opens these when somebody first looks at them.
const ownOutputs = [process.stdout, process.stderr];
const before = process.getActiveResourcesInfo();
const module = (await import(order.url)) as Readonly<Record<string, unknown>>; // what every module is
const connector = module[order.name];
if (!isConnector(connector)) throw new Error(`${order.url} exports no connector as "${order.name}"`);
describeConnector(connector.descriptor);
const open = process.getActiveResourcesInfo();
for (const name of before) {
  const at = open.indexOf(name);
  if (at >= 0) open.splice(at, 1);
}
const answer: Described = { loaded, open };
ownOutputs[0]?.write(`${JSON.stringify(answer)}\n`);
