import type { ParserCase } from './case.ts';
import { DOCX_CASES } from './docx.ts';
import { MARKUP_CASES } from './markup.ts';
import { PDF_CASES } from './pdf.ts';
import { TEXT_CASES } from './text.ts';

export const PARSER_CASES: readonly ParserCase[] = [
  ...TEXT_CASES,
  ...MARKUP_CASES,
  ...PDF_CASES,
  ...DOCX_CASES,
];
