// node --import .ci/resolve-typescript.mjs x.ts: Node strips the types of x.ts, and with this it also finds `y.ts` where `./y.js` is imported.
// What is built (in dist) stays what it is.
import { registerHooks } from 'node:module';

registerHooks({
  resolve: (specifier, context, next) => {
    const isSource = specifier.startsWith('.') && context.parentURL?.endsWith('.ts') && !specifier.includes('/dist/');
    return next(isSource ? specifier.replace(/\.js$/, '.ts') : specifier, context);
  },
});
