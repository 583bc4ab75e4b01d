import { readFileSync, writeFileSync } from 'node:fs';

/** How much sooner than this process a child is chosen, in thousandths of all memory (man 5 proc, oom_score_adj). */
const SOONER = 500;

/**
 * When the machine or the container runs out of memory, the kernel ends one process: this child goes before the server, although the
 * server may be larger. A child that has ended, or a system without this, is passed over.
 */
export function endFirstWithoutMemory(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    const own = Number(readFileSync('/proc/self/oom_score_adj', 'utf8'));
    writeFileSync(`/proc/${pid}/oom_score_adj`, String(Math.min(1000, own + SOONER)));
  } catch {
    // Only Linux has it.
  }
}

/**
 * Processes that the kernel has ended for want of memory since it started, in all containers: Linux 4.13 and newer count them. 0
 * where nobody counts.
 */
export function outOfMemoryKills(): number {
  try {
    return Number(/^oom_kill (\d+)$/m.exec(readFileSync('/proc/vmstat', 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** What allocators say: C++, V8, onnxruntime, the C library. */
const WORDS =
  /bad_?alloc|out of memory|(?:failed|unable|cannot) to allocate|cannot allocate memory|allocation failed|not enough memory/i;

export function saysOutOfMemory(text: string): boolean {
  return WORDS.test(text);
}
