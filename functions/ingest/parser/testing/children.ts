import { readdirSync, readFileSync } from 'node:fs';

/** Process ids of this process's living children that read documents, oldest first; Linux only. */
export function childrenOf(parent = process.pid): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids
    .filter((pid) => {
      try {
        const status = readFileSync(`/proc/${pid}/status`, 'latin1');
        const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
        return (
          status.includes(`\nPPid:\t${parent}\n`) &&
          !/^State:\tZ/m.test(status) &&
          command.includes('parser.js')
        );
      } catch {
        return false;
      }
    })
    .map(Number)
    .sort((a, b) => a - b);
}
