// node scripts/build/prune-native.mjs <node_modules>: leaves of ONNX Runtime's binaries those of this platform, a fifth.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export function pruneNative(modules, { platform, arch } = process) {
  const versions = join(modules, 'onnxruntime-node/bin');
  if (!existsSync(versions)) return;
  for (const version of readdirSync(versions)) {
    for (const os of readdirSync(join(versions, version))) {
      for (const cpu of readdirSync(join(versions, version, os))) {
        if (os !== platform || cpu !== arch) rmSync(join(versions, version, os, cpu), { recursive: true });
      }
      if (os !== platform) rmSync(join(versions, version, os), { recursive: true });
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) pruneNative(process.argv[2] ?? 'node_modules');
