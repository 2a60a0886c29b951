import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { startFunction } from '../../functions/_shared/runtime/start-function.ts';

// As the stock runtime does: the module is a file of its own, named on the command line.
await startFunction(await import(pathToFileURL(resolve(process.argv[2] ?? '')).href), process.env);
