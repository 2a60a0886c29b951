import { KnarrError } from '../../_shared/errors.ts';
import { declaredCharset, decodeText } from './charset.ts';
import { extractDocx } from './docx.ts';
import type { Extracted, ExtractLimits } from './extracted.ts';
import { extractHtml } from './html.ts';
import { extractMarkdown } from './markdown.ts';
import { extractPdf } from './pdf.ts';
import { extractText } from './text.ts';

type Extractor = (
  bytes: Uint8Array,
  mediaType: string,
  limits: ExtractLimits,
) => Extracted | Promise<Extracted>;

const textual =
  (extractFrom: (source: string) => Extracted): Extractor =>
  (bytes, mediaType) => {
    const other = FORMATS.find(([mark]) =>
      Buffer.from(bytes.subarray(0, 8)).toString('latin1').startsWith(mark),
    );
    if (other) throw new KnarrError('unprocessable', `The content is ${other[1]}, not text.`);
    return extractFrom(decodeText(bytes, declaredCharset(mediaType, bytes)));
  };

/** What is often sent as text by mistake, by its first bytes. */
const FORMATS = [
  ['%PDF-', 'a PDF'],
  ['PK\x03\x04', 'a ZIP archive (as DOCX is)'],
  ['\xd0\xcf\x11\xe0', 'an old Office document'],
  ['\x1f\x8b', 'compressed with gzip'],
] as const;

const EXTRACTORS = new Map<string, Extractor>([
  ['text/plain', textual(extractText)],
  ['text/markdown', textual(extractMarkdown)],
  ['text/html', textual(extractHtml)],
  ['application/xhtml+xml', textual(extractHtml)],
  ['application/pdf', (bytes, _, limits) => extractPdf(bytes, limits)],
  [
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
    (bytes, _, limits) => extractDocx(bytes, limits),
  ],
]);

/** Text and structure of a document. Throws `unsupported_media_type`, `unprocessable` or `too_large` with the reason. */
export async function extract(
  bytes: Uint8Array,
  mediaType: string,
  limits: ExtractLimits,
): Promise<Extracted> {
  const essence = (mediaType.split(';')[0] ?? '').trim().toLowerCase();
  const extractor = EXTRACTORS.get(essence);
  if (!extractor)
    throw new KnarrError(
      'unsupported_media_type',
      `Documents of type ${essence.slice(0, 80)} cannot be read.`,
    );
  const extracted = await extractor(bytes, mediaType, limits);
  if (extracted.text === '') throw new KnarrError('unprocessable', 'The document has no text.');
  return extracted;
}
