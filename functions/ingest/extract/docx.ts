import mammoth from 'mammoth';
import { KnarrError } from '../../_shared/errors.ts';
import type { Extracted, ExtractLimits } from './extracted.ts';
import { extractFragment } from './html.ts';
import { checkArchive } from './zip.ts';

/** Beside mammoth's own map, which knows headings, lists, tables and notes. */
const STYLES = ["p[style-name='Title'] => h1:fresh"];
/** First bytes of an OLE2 file: Word before 2007, and what Word encrypts. */
const OLE2 = Buffer.from([0xd0, 0xcf, 0x11, 0xe0]);

/** A Word document, through mammoth's HTML: headings, lists and tables keep their structure; pictures are left out. */
export async function extractDocx(bytes: Uint8Array, limits: ExtractLimits): Promise<Extracted> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.subarray(0, 4).equals(OLE2)) {
    throw new KnarrError(
      'unprocessable',
      'The Word document cannot be read. It is protected by a password, or in the format of Word 2003 and before.',
    );
  }
  checkArchive(buffer, limits.maxExpandedBytes);
  const convertImage = mammoth.images.imgElement(async () => ({ src: '' }));
  const converted = mammoth.convertToHtml({ buffer }, { convertImage, styleMap: STYLES });
  const { value } = await converted.catch((cause: Error) => {
    throw new KnarrError('unprocessable', 'The Word document cannot be read; it may be damaged.', { cause });
  });
  return extractFragment(value);
}
