import { KnarrError } from '../../_shared/errors.ts';
import { loadTokenizer } from '../../_shared/models/tokenizer.ts';
import { chunkDocument } from '../chunk/chunk.ts';
import { extract } from '../extract/extract.ts';
import type { ParseReply, ParseRequest, ParserSettings } from './protocol.ts';

// A child process that reads strangers' documents: whatever one of them does to it, it can be killed.

let settings: ParserSettings | undefined;
let countTokens: (text: string) => number = () => 0;

async function parse({ id, bytes, mediaType, title }: ParseRequest): Promise<ParseReply> {
  try {
    if (!settings) throw new Error('no settings');
    const extracted = await extract(bytes, mediaType, settings.extract);
    const named = { ...extracted, title: title ?? extracted.title };
    const chunks = chunkDocument(named, settings.chunk, countTokens);
    return { id, parsed: { title: named.title, textLength: named.text.length, chunks } };
  } catch (thrown) {
    // A parser that trips over its input (a RangeError from deep nesting, say) says something about the input.
    const error =
      thrown instanceof KnarrError
        ? thrown
        : new KnarrError('unprocessable', `The document cannot be read (${(thrown as Error).name}).`);
    return { id, error: { code: error.code, message: error.message } };
  }
}

process.on('message', (message: ParserSettings | ParseRequest) => {
  if ('modelDir' in message) {
    settings = message;
    const tokenizer = loadTokenizer(message.modelDir);
    countTokens = (text) => Math.max(0, tokenizer.encode(text).ids.length - 2);
    return;
  }
  void parse(message).then((reply) => process.send?.(reply));
});
// The parent's end is ours.
process.on('disconnect', () => process.exit(0));
