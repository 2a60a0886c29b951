import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { asset } from '../../_shared/assets.ts';
import { WiringError } from './yaml.ts';

/** Folder of the manifests as they are shipped. */
export const SHIPPED = dirname(asset('brokers'));

/** A copy of the shipped manifests that a test may break. */
export interface ManifestCopy {
  root: string;
  /** Replaces `from` in a file, which must be there. */
  change(file: string, from: string, to: string): void;
  /** `file:line` of the line that begins with `text`, white space in front of it not counted. */
  at(file: string, text: string): string;
  write(file: string, text: string): void;
  remove(file: string): void;
  close(): void;
}

/** A change that breaks a manifest. */
export interface Broken {
  /** By default the one Trigger that the tests break. */
  file?: string;
  from: string;
  to: string;
  /** Beginning of the line that has to be named; by default the first line of `to`. */
  line?: string;
}

export function copyManifests(): ManifestCopy {
  const root = mkdtempSync(join(tmpdir(), 'knarr-wiring-'));
  for (const folder of ['brokers', 'triggers', 'knative/base']) {
    cpSync(join(SHIPPED, folder), join(root, folder), { recursive: true });
  }
  return {
    root,
    change(file, from, to) {
      const text = readFileSync(join(root, file), 'utf8');
      if (!text.includes(from)) throw new Error(`${file} does not hold ${JSON.stringify(from)}.`);
      writeFileSync(
        join(root, file),
        text.replace(from, () => to),
      );
    },
    at(file, text) {
      const lines = readFileSync(join(root, file), 'utf8').split('\n');
      const index = lines.findIndex((line) => line.trimStart().startsWith(text));
      if (index < 0) throw new Error(`${file} has no line ${JSON.stringify(text)}.`);
      return `${join(root, file)}:${index + 1}`;
    },
    write: (file, text) => writeFileSync(join(root, file), text),
    remove: (file) => rmSync(join(root, file)),
    close: () => rmSync(root, { recursive: true }),
  };
}

/** The problems that `work` finds. */
export function problemsOf(work: () => unknown): string[] {
  try {
    work();
  } catch (thrown) {
    if (thrown instanceof WiringError) return thrown.problems;
    throw thrown;
  }
  return [];
}
