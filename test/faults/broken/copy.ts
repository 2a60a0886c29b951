import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BrokenBuild, lineOf } from './build.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** A throw-away copy of what was committed last, with the same packages. */
export interface Copy {
  folder: string;
  /** Breaks it; the returned function makes it whole again. `places` are the edits as `file:line`. */
  apply(build: BrokenBuild): { places: string[]; restore: () => void };
  /** Runs a Node program in it, to its end or for `timeoutMs`. What it prints goes to `log`. */
  node(
    args: string[],
    options: { timeoutMs: number; log: string; env?: Record<string, string> },
  ): Promise<number>;
  remove(): void;
}

export function makeCopy(): Copy {
  const folder = mkdtempSync(join(tmpdir(), 'knarr-broken-'));
  const archive = spawnSync('git', ['archive', 'HEAD'], { cwd: ROOT, maxBuffer: 2 ** 30 });
  const unpacked = spawnSync('tar', ['-x'], { cwd: folder, input: archive.stdout });
  if (archive.status !== 0 || unpacked.status !== 0) throw new Error('The repository cannot be copied.');
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const template = join(ROOT, 'dist/database');
  if (existsSync(template)) cpSync(template, join(folder, 'dist/database'), { recursive: true });

  return {
    folder,
    apply({ edits }) {
      const whole = new Map<string, string>();
      const places = edits.map((edit) => {
        const path = join(folder, edit.file);
        const content = readFileSync(path, 'utf8');
        const line = lineOf(content, edit);
        if (!whole.has(path)) whole.set(path, content);
        writeFileSync(
          path,
          content.replace(edit.from, () => edit.to),
        );
        return `${edit.file}:${line}`;
      });
      const restore = () => {
        for (const [path, content] of whole) writeFileSync(path, content);
      };
      return { places, restore };
    },
    async node(args, { timeoutMs, log, env }) {
      const child = spawn(process.execPath, args, {
        cwd: folder,
        // A group of its own, so that what it started ends with it.
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, ...env },
      });
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (text) => writeFileSync(log, text, { flag: 'a' }));
      const timer = setTimeout(() => {
        writeFileSync(log, `\nended after ${timeoutMs} ms\n`, { flag: 'a' });
        process.kill(-(child.pid as number), 'SIGKILL');
      }, timeoutMs);
      const [code] = await once(child, 'exit');
      clearTimeout(timer);
      // What it has left behind.
      try {
        process.kill(-(child.pid as number), 'SIGKILL');
      } catch {}
      return code ?? 1;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
