import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { contentHash } from '../../ids.ts';
import { originalStoreContract } from './contract.ts';
import { fileOf, folderOriginals } from './folder.ts';
import { originalKey } from './port.ts';

const newFolder = () => mkdtemp(join(tmpdir(), 'knarr-originals-'));

originalStoreContract(async () => {
  const folder = await newFolder();
  return {
    store: folderOriginals(join(folder, 'originals')),
    overwrite: (key, content) => writeFile(join(folder, 'originals', fileOf(key)), content),
    close: () => rm(folder, { recursive: true }),
  };
});

test('a file cut short by a crash is written again', async () => {
  const folder = await newFolder();
  const content = Buffer.from('the whole content');
  const key = originalKey('acme', contentHash(content));
  await mkdir(join(folder, 'acme'));
  await writeFile(join(folder, fileOf(key)), 'the wh');
  const store = folderOriginals(folder);
  await store.put(key, content);
  expect(String(await store.get(key))).toBe('the whole content');
  expect(await readdir(join(folder, 'acme'))).toHaveLength(1);
  await rm(folder, { recursive: true });
});
