/** A document that is hard on its reader, made when asked for, and the answer that it must get. */
export interface ParserCase {
  name: string;
  mediaType: string;
  make(): Uint8Array;
  answer:
    | { code: 'unprocessable' | 'too_large' | 'unsupported_media_type'; message: string | RegExp }
    /** It is read: all of this text and no other, white space not counted; or text with this in it and without that. */
    | { text: string }
    | { contains: readonly string[]; lacks?: readonly string[] };
  /** It takes whatever time or memory it is given, and is ended for it. */
  endless?: true;
}

export const TOO_MUCH = /^Reading the document took (longer than \d+ ms|more memory than \d+ MiB allow)/;
export const PDF = 'application/pdf';
export const DOCX = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document';
