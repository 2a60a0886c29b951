import { machine } from './machine.ts';

// npm run bench [-- <name> …]
const BENCHES: Record<string, () => Promise<void>> = {
  overload: async () => (await import('./overload.ts')).overloadBench(),
  pipeline: async () => (await import('./pipeline.ts')).pipelineBench(),
  'cold-start': async () => (await import('./cold-start.ts')).coldStartBench(),
  sizes: async () => (await import('./sizes.ts')).sizesBench(),
  runtime: async () => (await import('./runtime.ts')).runtimeBench(),
};

const names = process.argv.slice(2);
for (const name of names.length > 0 ? names : Object.keys(BENCHES)) {
  const bench = BENCHES[name];
  if (!bench) {
    console.error(`No bench is called ${name}; there are ${Object.keys(BENCHES).join(', ')}.`);
    process.exit(1);
  }
  console.log(`\n${name}: ${machine()}`);
  await bench();
}
