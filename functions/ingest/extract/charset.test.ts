import iconv from 'iconv-lite';
import { describe, expect, test } from 'vitest';
import { declaredCharset, decodeText } from './charset.ts';

const GERMAN = 'Die Größe der Straße überraschte die Gäste. „Schön“, sagte Jürgen – für 5 €.';
const RUSSIAN = 'Корабль викингов пересёк море и вернулся домой с богатым грузом.';
const JAPANESE = '吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。';
const CHINESE = '北欧商船横渡大西洋，运载木材、羊毛和鱼类。';

describe('a byte order mark decides', () => {
  test.each(['utf-8', 'utf-16le', 'utf-16be', 'utf-32le', 'utf-32be'])('%s', (charset) => {
    const bytes = iconv.encode(GERMAN, charset, { addBOM: true });
    expect(decodeText(bytes).replace('\ufeff', '')).toBe(GERMAN);
    expect(decodeText(bytes, { sender: 'iso-8859-1' }).replace('\ufeff', '')).toBe(GERMAN);
  });
});

describe('without any declaration', () => {
  test.each([
    ['utf-8', GERMAN + JAPANESE],
    ['windows-1252', GERMAN],
    ['windows-1251', RUSSIAN],
    ['koi8-r', RUSSIAN],
    ['shift_jis', JAPANESE],
    ['euc-jp', JAPANESE],
    ['gb18030', CHINESE],
    ['big5', '北歐商船橫渡大西洋,運載木材、羊毛和魚類。'],
    ['euc-kr', '바이킹 상선은 북대서양을 건너 목재와 양털을 실어 날랐다.'],
    ['utf-16le', GERMAN],
    ['utf-16be', GERMAN],
  ])('%s is detected', (charset, text) => {
    expect(decodeText(iconv.encode(text, charset))).toBe(text);
  });

  test('what is not ASCII only far behind the beginning is still seen', () => {
    const text = `${'plain words '.repeat(20_000)}${GERMAN}`;
    expect(decodeText(iconv.encode(text, 'windows-1252'))).toBe(text);
  });

  test('a few accents alone tell little: it is windows-1252', () => {
    expect(decodeText(Buffer.from('Gr\xf6\xdfe, na\xefve, caf\xe9', 'latin1'))).toBe('Größe, naïve, café');
  });

  test('UTF-8 with one broken byte stays UTF-8', () => {
    const bytes = Buffer.concat([Buffer.from(GERMAN), Buffer.from([0xff]), Buffer.from(` ${GERMAN}`)]);
    expect(decodeText(bytes)).toBe(`${GERMAN}\ufffd ${GERMAN}`);
  });
});

describe('a charset that the sender declares', () => {
  test.each([
    ['shift_jis', JAPANESE],
    ['Shift-JIS', JAPANESE],
    ['GB2312', CHINESE],
    ['windows-1252', GERMAN],
    ['utf8', GERMAN],
  ])('%s', (charset, text) => {
    expect(decodeText(iconv.encode(text, charset), { sender: charset })).toBe(text);
  });

  test('ISO-8859-1 and ASCII mean windows-1252, as the Encoding Standard has it', () => {
    const bytes = iconv.encode(GERMAN, 'windows-1252');
    expect(decodeText(bytes, { sender: 'ISO-8859-1' })).toBe(GERMAN);
    expect(decodeText(bytes, { sender: 'us-ascii' })).toBe(GERMAN);
  });

  test('ISO-2022-JP', () => {
    const bytes = Buffer.from('\u001b$B5,Ls$OG-$G$"$k!#\u001b(B', 'latin1');
    expect(decodeText(bytes, { sender: 'iso-2022-jp' })).toBe('規約は猫である。');
  });

  test('one bad byte in a hundred becomes a replacement character', () => {
    const bytes = Buffer.concat([Buffer.from('a'.repeat(200)), Buffer.from([0xfe])]);
    expect(decodeText(bytes, { sender: 'utf-8' })).toBe(`${'a'.repeat(200)}\ufffd`);
  });

  test('replacement characters that were there before are no fault', () => {
    const text = '\ufffd\ufffd';
    expect(decodeText(Buffer.from(text), { sender: 'utf-8' })).toBe(text);
  });

  test.each([
    [
      'utf-8',
      iconv.encode(GERMAN, 'windows-1252'),
      'The document is declared as utf-8 but is not valid utf-8.',
    ],
    [
      'euc-jp',
      Buffer.from([0xff, 0xfe - 1, 0x80]),
      'The document is declared as euc-jp but is not valid euc-jp.',
    ],
    ['klingon', Buffer.from('a'), 'The charset klingon is not known.'],
  ])('%s that is not is refused', (sender, bytes, message) => {
    expect(() => decodeText(bytes, { sender })).toThrow(
      expect.objectContaining({ code: 'unprocessable', message }),
    );
  });
});

describe('a charset that the document declares of itself', () => {
  test('decides, unless it does not fit or is not known', () => {
    const bytes = iconv.encode(GERMAN, 'windows-1252');
    expect(decodeText(iconv.encode(RUSSIAN, 'koi8-r'), { content: 'koi8-r' })).toBe(RUSSIAN);
    expect(decodeText(bytes, { content: 'utf-8' })).toBe(GERMAN);
    expect(decodeText(bytes, { content: 'klingon' })).toBe(GERMAN);
  });

  test.each([
    ['text/plain; charset=utf-8', '', { sender: 'utf-8' }],
    ['text/plain;charset="Shift_JIS"; x=y', '', { sender: 'Shift_JIS' }],
    ['text/plain', '<meta charset=koi8-r>', {}],
    ['text/html', '<!doctype html><meta charset="koi8-r">', { content: 'koi8-r' }],
    ['text/html', '<META http-equiv=x content="text/html; charset=big5">', { content: 'big5' }],
    ['text/html; charset=utf-8', '<meta charset=big5>', { sender: 'utf-8', content: 'big5' }],
    ['application/xhtml+xml', '<?xml version="1.0" encoding="euc-kr"?>', { content: 'euc-kr' }],
    ['text/html', '<meta charset=utf-16>', { content: 'utf-8' }],
    ['text/html', `${' '.repeat(1024)}<meta charset=big5>`, {}],
  ])('%s %s', (mediaType, head, declared) => {
    expect(declaredCharset(mediaType, Buffer.from(head))).toEqual(declared);
  });
});

describe('binary content is refused', () => {
  const random = Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 2654435761) >>> 24));
  test.each([
    ['NUL characters', Buffer.from('text\0text')],
    ['control characters all over', random.map((byte) => (byte === 0 ? 1 : byte))],
    ['UTF-16 of NULs', Buffer.from([0xff, 0xfe, 65, 0, 0, 0])],
  ])('%s', (_, bytes) => {
    expect(() => decodeText(bytes)).toThrow(
      expect.objectContaining({ code: 'unprocessable', message: 'The document is binary, not text.' }),
    );
  });

  test('a few control characters do not make it binary', () => {
    const log = `\u0007${'A line of a log. '.repeat(10)}\u001b[31mred\u001b[0m`;
    expect(decodeText(Buffer.from(log))).toBe(log);
  });
});
