const SMALL_BYTES = 1024;
const BLOCK_BYTES = 16 * 1024;

export interface ChunkGatherer {
  /** Takes the next chunk. What `pass` throws is thrown here, too, when it is called from here. */
  write(chunk: Buffer): void;
  /** Passes on what is kept, at the end of the input. */
  flush(): void;
  /** Forgets what is kept; nothing is passed on any more. */
  stop(): void;
}

/**
 * Puts small chunks together: a body in pieces of one byte then costs its reader little more than one in large pieces. Order stays.
 * Large chunks are passed on at once, small ones when a block is full, and at the latest when the event loop has turned, so that
 * nobody waits for bytes that may never come; what `pass` throws then goes to `fail`.
 */
export function gatherChunks(pass: (bytes: Buffer) => void, fail: (error: unknown) => void): ChunkGatherer {
  let block = Buffer.alloc(0);
  let keptBytes = 0;
  let turn: NodeJS.Immediate | undefined;

  return {
    write(chunk) {
      if (chunk.length > SMALL_BYTES || chunk.length > block.length - keptBytes) flush();
      if (chunk.length > SMALL_BYTES) return pass(chunk);
      if (chunk.length > block.length) block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
      keptBytes += chunk.copy(block, keptBytes);
      turn ??= setImmediate(flushLater);
    },
    flush,
    stop() {
      clearImmediate(turn);
      turn = undefined;
      keptBytes = 0;
    },
  };

  function flushLater(): void {
    try {
      flush();
    } catch (error) {
      fail(error);
    }
  }

  function flush(): void {
    clearImmediate(turn);
    turn = undefined;
    if (keptBytes === 0) return;
    const bytes = block.subarray(0, keptBytes);
    // The reader may hold on to its bytes; only the rest of the block is still ours.
    block = block.subarray(keptBytes);
    keptBytes = 0;
    pass(bytes);
  }
}
