import { enableCompileCache, registerHooks } from 'node:module';

// A child that is killed again and again starts more than twice as fast when Node keeps what it stripped and compiled.
enableCompileCache();

// Lets a child process run the sources as they are: Node strips their types, but does not find `x.ts` under `./x.js`.
registerHooks({
  resolve: (specifier, context, next) => {
    const isSource = specifier.startsWith('.') && context.parentURL?.endsWith('.ts');
    return next(isSource ? specifier.replace(/\.js$/, '.ts') : specifier, context);
  },
});
