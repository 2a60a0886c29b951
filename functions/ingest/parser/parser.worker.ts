import { Worker } from 'node:worker_threads';
import { type ErrorCode, KnarrError } from '../../_shared/errors.ts';
import { loadTokenizer } from '../../_shared/models/tokenizer.ts';
import { chunkDocument } from '../chunk/chunk.ts';
import { extract } from '../extract/extract.ts';
import { cleanTitle } from '../extract/extracted.ts';
import type { Parsed, ParseRequest, ReaderMessage, ReaderSettings } from './protocol.ts';

// A child process that reads strangers' documents: whatever one of them does to it, it can be killed.

let read: ((request: ParseRequest) => Promise<Parsed>) | undefined;

function start({ model, ...settings }: ReaderSettings) {
  const tokenizer = loadTokenizer(model.folder);
  const special = tokenizer.encode('').ids.length;
  const countTokens = (text: string) => tokenizer.encode(text).ids.length - special;
  const modelTokens = model.maxTokens - special - countTokens(model.prefix);
  return async ({ bytes, mediaType, title, chunking }: ParseRequest): Promise<Parsed> => {
    const extracted = await extract(bytes, mediaType, settings.extract);
    const named = { ...extracted, title: cleanTitle(title) ?? extracted.title };
    const chunks = chunkDocument(named, { ...settings.chunk, ...chunking, modelTokens }, countTokens);
    return { title: named.title, textLength: named.text.length, chunks };
  };
}

const say = (message: ReaderMessage, said?: () => void) =>
  process.send?.(message, undefined, undefined, said);

/** A reader that trips over a document (a RangeError from deep nesting, say) says something about the document. */
function errorOf(thrown: unknown): { code: ErrorCode; message: string } {
  if (thrown instanceof KnarrError) return { code: thrown.code, message: thrown.message };
  const name = (thrown as Error)?.name ?? 'Error';
  return { code: 'unprocessable', message: `The document cannot be read (${name}).` };
}

process.on('message', (message: ReaderSettings | ParseRequest) => {
  if ('model' in message) {
    read = start(message);
    say({ ready: true });
  } else
    read?.(message).then(
      (parsed) => say({ parsed }),
      (thrown) => say({ error: errorOf(thrown) }),
    );
});
// What a library throws where no promise of ours sees it. The process is not to be trusted afterwards.
process.on('uncaughtException', (thrown: NodeJS.ErrnoException) => {
  const error: { code: ErrorCode; message: string } = read
    ? errorOf(thrown)
    : {
        code: 'unavailable',
        message: `The reader of documents does not start (${thrown.code ?? thrown.name}).`,
      };
  say({ error, isLast: true }, () => process.exit(1));
});
// What a library gives up without anybody waiting for it, such as a font.
process.on('unhandledRejection', () => {});
// A terminal interrupts all its processes at once; the parent ends this one when it has finished.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
// The parent's end is ours, even while a document keeps this thread busy: then another one sees it.
process.on('disconnect', () => process.exit());
const ORPHANED = `
  const parent = process.ppid;
  setInterval(() => process.ppid === parent || process.kill(process.pid, 'SIGKILL'), 500);
`;
new Worker(ORPHANED, { eval: true }).unref();
