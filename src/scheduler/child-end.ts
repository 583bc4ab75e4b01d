import type { ChildProcess } from 'node:child_process';
import { outOfMemoryKills, saysOutOfMemory } from '../util/out-of-memory.ts';

const LAST_WORDS_LENGTH = 8192;

/**
 * Passes a child's error output on to the server's and listens for a want of memory. To be asked when the child has ended: whether
 * that was why, by its last words or because the kernel ended it.
 */
export function watchForMemory(child: ChildProcess): () => boolean {
  const killsBefore = outOfMemoryKills();
  let lastWords = '';
  child.stderr?.on('data', (bytes: Buffer) => {
    process.stderr.write(bytes);
    lastWords = (lastWords + bytes.toString()).slice(-LAST_WORDS_LENGTH);
  });
  return () => {
    // What we killed ourselves had another fault.
    if (child.killed) return false;
    if (child.signalCode === 'SIGKILL') return outOfMemoryKills() > killsBefore;
    return saysOutOfMemory(lastWords);
  };
}
