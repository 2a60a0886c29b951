import { createParser } from '../parser.ts';
import { OPTIONS } from './options.ts';

/** A program to be killed while its child reads a document that takes very long. */
const parser = createParser(OPTIONS);
await parser.parse({ bytes: Buffer.from('warm'), mediaType: 'text/plain', title: null });
const endless = '<i>'.repeat(9_999) + '</b>'.repeat(8_000_000);
void parser.parse({ bytes: Buffer.from(endless), mediaType: 'text/html', title: null });
setTimeout(() => console.log('reading'), 500);
