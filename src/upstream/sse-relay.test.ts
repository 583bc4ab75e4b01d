import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createEventRelay } from './sse-relay.ts';

const done = JSON.stringify({
  type: 'transcript.text.done',
  text: 'ä',
  usage: { type: 'duration', seconds: 7 },
});
const stream = Buffer.from(
  `: hello\r\n\r\ndata: {"type":"transcript.text.delta","delta":"ä"}\r\n\r\ndata: ${done}\n\ndata: [DONE]\r\n\r\n`,
);

describe('createEventRelay', () => {
  it('gives every byte in order, whatever the pieces, and reads the usage', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(stream.length), { maxLength: 30 }), (cuts) => {
        const relay = createEventRelay();
        const borders = [0, ...cuts.sort((a, b) => a - b), stream.length];
        const pieces = borders.slice(1).map((end, index) => relay.push(stream.subarray(borders[index], end)));
        expect(Buffer.concat([...pieces, relay.end()]).equals(stream)).toBe(true);
        expect(relay.toldSecond).toBe(7);
        expect(relay.saw).toEqual({ done: true, error: false });
      }),
    );
  });

  it('keeps half an event back', () => {
    const relay = createEventRelay();
    expect(relay.push(Buffer.from('data: 1\n\ndata: {"a')).toString()).toBe('data: 1\n\n');
    expect(relay.push(Buffer.from('":2}\n')).toString()).toBe('');
    expect(relay.push(Buffer.from('\nda')).toString()).toBe('data: {"a":2}\n\n');
  });

  it('sees an error of the service', () => {
    const relay = createEventRelay();
    relay.push(Buffer.from('data: {"error":{"message":"no"}}\n\n'));
    expect(relay.saw.error).toBe(true);
  });

  it('refuses an event without end', () => {
    const relay = createEventRelay();
    const block = Buffer.alloc(1024 * 1024, 'a');
    expect(() => {
      for (let index = 0; index < 10; index += 1) relay.push(block);
    }).toThrow(RangeError);
  });
});
