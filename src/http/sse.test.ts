import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { eventStream } from './sse.ts';

const onError = (error: unknown) => ({ error: { message: String(error) } });

async function textOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

describe('eventStream', () => {
  it('writes a data line an event, ends with [DONE], CRLF everywhere', async () => {
    async function* events() {
      yield { n: 1 };
      yield { text: 'line\nbreak' };
    }
    expect(await textOf(eventStream(events(), { onError }))).toBe(
      'data: {"n":1}\r\n\r\ndata: {"text":"line\\nbreak"}\r\n\r\ndata: [DONE]\r\n\r\n',
    );
  });

  it('fills silence with comments that every client skips', async () => {
    let release = () => {};
    const quiet = new Promise<void>((resolve) => {
      release = resolve;
    });
    async function* events() {
      await quiet;
      yield { n: 1 };
    }
    const pieces: string[] = [];
    for await (const piece of eventStream(events(), { onError, keepAliveMs: 5 })) {
      pieces.push(String(piece));
      if (pieces.length === 3) release();
    }
    expect(pieces.slice(0, 3)).toEqual(Array(3).fill(': keep-alive\r\n\r\n'));
    expect(pieces.join('').replaceAll(': keep-alive\r\n\r\n', '')).toBe(
      'data: {"n":1}\r\n\r\ndata: [DONE]\r\n\r\n',
    );
  });

  it('tells a failure as an event and ends without [DONE]', async () => {
    async function* events() {
      yield { n: 1 };
      throw new Error('broken');
    }
    expect(await textOf(eventStream(events(), { onError }))).toBe(
      'data: {"n":1}\r\n\r\ndata: {"error":{"message":"Error: broken"}}\r\n\r\n',
    );
  });

  it('takes no more events than a slow reader asks for, and ends them when it leaves', async () => {
    let given = 0;
    let ended = false;
    async function* events() {
      try {
        while (true) {
          given += 1;
          yield { filler: 'x'.repeat(10_000) };
        }
      } finally {
        ended = true;
      }
    }
    const stream = eventStream(events(), { onError });
    stream.read(0);
    await wait(20);
    expect(given).toBeLessThan(20);
    stream.destroy();
    await expect.poll(() => ended).toBe(true);
  });
});
