import { createParser } from '../parser.ts';
import { OPTIONS, SLOW } from './options.ts';

/** A program to be killed while its child reads a document that takes very long. */
const parser = createParser(OPTIONS);
await parser.parse({ bytes: Buffer.from('warm'), mediaType: 'text/plain', title: null });
void parser.parse(SLOW);
setTimeout(() => console.log('reading'), 500);
