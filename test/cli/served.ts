import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildKnarr, type Ended, Knarr, type RunOptions } from '../support/cli.ts';

/** The program as a server with a store of its own, and as commands to it from within a folder. */
export class ServedKnarr {
  /** Where commands run. */
  folder = '';
  /** The server's store, within it. */
  data = '';
  server!: Knarr;
  url = '';

  async start(): Promise<void> {
    await buildKnarr();
    this.folder = await mkdtemp(join(tmpdir(), 'knarr-cli-'));
    this.data = join(this.folder, 'data');
    await this.up();
  }

  /** Serves the store, at the start and again after the server was stopped. */
  async up(): Promise<void> {
    const env = { KNARR_URI_ALLOW: '127.0.0.1' };
    this.server = new Knarr(['up', '--port', '0', '--data', this.data], { env });
    this.url = (await this.server.line((line) => 'url' in line)).url;
  }

  /** Starts a command. */
  begin(args: string[], options: RunOptions = {}): Knarr {
    return new Knarr(['--url', this.url, ...args], { cwd: this.folder, ...options });
  }

  /** Runs one to its end. */
  run(args: string[], options?: RunOptions): Promise<Ended> {
    return this.begin(args, options).ended;
  }

  /** The same, as it speaks to people. */
  text(args: string[], options?: RunOptions): Promise<Ended> {
    return this.run(['--no-json', ...args], options);
  }

  /** Puts files into the folder. */
  async write(files: Record<string, string | Uint8Array>): Promise<void> {
    for (const [name, content] of Object.entries(files)) {
      await mkdir(join(this.folder, name, '..'), { recursive: true });
      await writeFile(join(this.folder, name), content);
    }
  }

  async close(): Promise<void> {
    await this.server?.stop();
    if (this.folder) await rm(this.folder, { recursive: true, force: true });
  }
}
